/* decode_avx512.h: one vector of weights (16 rows of one k) out of a panel, per layout. Used by
 * unpack and by the row products. Shifts are constants of the unrolled caller.
 *
 * All products of scales and codes are exact in float32 (11 bits of scale, at most 13 of code), so
 * a decode may fuse or reorder them freely; only the final sum with a minimum rounds, once. */
#pragma once

#include "kernel/layout.h"
#include "kernel/x86/avx512.h"
#include "kernel/x86/tcq4_avx512.h"
#include "tensor/quant/iq_tables.h"
#include "tensor/quant/mxfp4.h"

static FM_INLINE __m512 halves16(const uint16_t *h) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)h));
}

static FM_INLINE __m512 bytes16(const int8_t *b) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)b)));
}

static FM_INLINE __m512i words16(const uint32_t *w) { return _mm512_loadu_si512(w); }

/* ---- signed bytes, four to a word: at the top of one, times 2^24; the scale carries 2^-24 -------- */

static FM_INLINE __m512 scale_8(const uint16_t *d) {
    return _mm512_mul_ps(halves16(d), _mm512_set1_ps(0x1p-24f));
}

/* Byte i of every word to the top, zeros below it. */
static FM_INLINE __m512i byte_to_top(__m512i words, int i) {
    const int zeros = 0x00808080, up = i << 24;
    if (i == 0) return _mm512_slli_epi32(words, 24);
    if (i == 3) return _mm512_and_si512(words, _mm512_set1_epi32((int)0xff000000));
    return _mm512_shuffle_epi8(
        words, _mm512_set4_epi32(zeros | (up + (12 << 24)), zeros | (up + (8 << 24)),
                                 zeros | (up + (4 << 24)), zeros | up));
}

static FM_INLINE __m512 signed_byte(__m512i words, int i) {
    return _mm512_cvtepi32_ps(byte_to_top(words, i));
}

/* ---- nibbles: a table look-up uses the low four bits of its index and ignores the rest --------- */

static FM_INLINE __m512 signed_nibbles(void) { /* codes of Q4_0, top bit turned over */
    return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1);
}

static FM_INLINE __m512 plain_nibbles(void) {
    return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

static FM_INLINE __m512 iq4_values(void) {
    return bytes16(fm_iq4_values);
}

static FM_INLINE __m512 mxfp4_values(void) {
    return bytes16(fm_mxfp4_doubled);
}

/* Two and three bits: the bits above them do not matter. */
static FM_INLINE __m512 repeated_twos(void) {
    return _mm512_setr_ps(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
}

static FM_INLINE __m512 repeated_threes(void) { /* of Q3_K */
    return _mm512_setr_ps(-4, -3, -2, -1, 0, 1, 2, 3, -4, -3, -2, -1, 0, 1, 2, 3);
}

static FM_INLINE __m512 look_up(__m512i words, int shift, __m512 table) {
    return _mm512_permutexvar_ps(_mm512_srli_epi32(words, shift), table);
}

/* ---- Q4_K and Q5_K ----------------------------------------------------------------------------- */

typedef struct k_scales {
    __m512 d, dmin;
    __m512i scale[2], minimum[2]; /* [half of the groups]: a byte per group */
} k_scales;

/* As fm_k_scale_word and fm_k_minimum_word. */
static FM_INLINE k_scales open_k_scales(const uint16_t *d, const uint16_t *dmin,
                                        const fm_lanes32 *words) {
    __m512i a = words16(words[0]), b = words16(words[1]), c = words16(words[2]);
    __m512i six = _mm512_set1_epi32(0x3f3f3f3f), low = _mm512_set1_epi32(0x0f0f0f0f);
    __m512i top = _mm512_set1_epi32(0x30303030);
    k_scales s = {halves16(d), halves16(dmin)};
    s.scale[0] = _mm512_and_si512(a, six);
    s.minimum[0] = _mm512_and_si512(b, six);
    s.scale[1] = _mm512_or_si512(_mm512_and_si512(c, low),
                                 _mm512_and_si512(_mm512_srli_epi32(a, 2), top));
    s.minimum[1] = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(c, 4), low),
                                   _mm512_and_si512(_mm512_srli_epi32(b, 2), top));
    return s;
}

static FM_INLINE __m512 k_factor(__m512 d, __m512i words, int g) {
    __m512i byte = _mm512_and_si512(_mm512_srli_epi32(words, (unsigned)(g % 4 * 8)),
                                    _mm512_set1_epi32(63));
    return _mm512_mul_ps(d, _mm512_cvtepi32_ps(byte));
}

/* Of group g: the scale, and the minimum that is subtracted. */
static FM_INLINE __m512 k_scale(const k_scales *s, int g) {
    return k_factor(s->d, g < 4 ? s->scale[0] : s->scale[1], g);
}

static FM_INLINE __m512 k_minimum(const k_scales *s, int g) {
    return k_factor(s->dmin, g < 4 ? s->minimum[0] : s->minimum[1], g);
}

/* ---- five bits ----------------------------------------------------------------------------------- */

/* Five bits, looked up in `first` to first + 31: an index of two registers uses five bits and
 * ignores the rest. */
static FM_INLINE __m512 look_up_5(__m512i words, int shift, float first) {
    const __m512 low = _mm512_add_ps(plain_nibbles(), _mm512_set1_ps(first));
    const __m512 high = _mm512_add_ps(low, _mm512_set1_ps(16));
    return _mm512_permutex2var_ps(low, _mm512_srli_epi32(words, (unsigned)shift), high);
}

/* The even and the odd four of a word of nibbles, whose high bits are bits 0 and 1 of the bytes of
 * `high`: five bits in every byte, under three that look_up_5 ignores. */
static FM_INLINE __m512i even_5(__m512i word, __m512i high) {
    enum { CHOOSE = 0xca }; /* a ? b : c */
    return _mm512_ternarylogic_epi32(_mm512_set1_epi32(0x0f0f0f0f), word,
                                     _mm512_slli_epi32(high, 4), CHOOSE);
}

static FM_INLINE __m512i odd_5(__m512i word, __m512i high) {
    enum { CHOOSE = 0xca };
    return _mm512_ternarylogic_epi32(_mm512_set1_epi32(0x0f0f0f0f), _mm512_srli_epi32(word, 4),
                                     _mm512_slli_epi32(high, 3), CHOOSE);
}

/* ---- Q6_K: signed bytes of 4 (code - 32), times 2^24; the scale carries 2^-26 ------------------- */

static FM_INLINE __m512 scale_6(const fm_panel_q6_k *b, int g) {
    __m512 d = _mm512_mul_ps(halves16(b->d), _mm512_set1_ps(0x1p-26f));
    return _mm512_mul_ps(d, bytes16(b->group[g].scale));
}

/* Nibbles in bits 2-5 of every byte, high bits in bits 6-7. */
static FM_INLINE __m512i join_6(__m512i nibbles, __m512i high) {
    enum { CHOOSE = 0xca, AND_XOR = 0x6a }; /* a ? b : c; (a & b) ^ c */
    __m512i code = _mm512_ternarylogic_epi32(_mm512_set1_epi32(0x3c3c3c3c), nibbles, high, CHOOSE);
    return _mm512_ternarylogic_epi32(code, _mm512_set1_epi32((int)0xfcfcfcfc),
                                     _mm512_set1_epi32((int)0x80808080), AND_XOR);
}

/* The even and the odd four of a word of nibbles, whose high bits are bits 0-1 and 2-3 of the bytes
 * of `high`. */
static FM_INLINE __m512i even_6(__m512i word, __m512i high) {
    return join_6(_mm512_slli_epi32(word, 2), _mm512_slli_epi32(high, 6));
}

static FM_INLINE __m512i odd_6(__m512i word, __m512i high) {
    return join_6(_mm512_srli_epi32(word, 2), _mm512_slli_epi32(high, 4));
}

/* ---- IQ4_XS and MXFP4 --------------------------------------------------------------------------- */

/* As fm_iq4_xs_scale, times d. */
static FM_INLINE __m512 iq4_xs_scale(const fm_panel_iq4_xs *b, int g) {
    __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)b->high));
    __m512i two = _mm512_slli_epi32(_mm512_srl_epi32(high, _mm_cvtsi32_si128(2 * g)), 4);
    __m512i four = _mm512_srl_epi32(words16(b->low), _mm_cvtsi32_si128(4 * g));
    __m512i code = _mm512_or_si512(_mm512_and_si512(two, _mm512_set1_epi32(48)),
                                   _mm512_and_si512(four, _mm512_set1_epi32(15)));
    code = _mm512_sub_epi32(code, _mm512_set1_epi32(32));
    return _mm512_mul_ps(halves16(b->d), _mm512_cvtepi32_ps(code));
}

/* As fm_mxfp4_half_scale. */
static FM_INLINE __m512 mxfp4_scale(const uint8_t *e) {
    __m512i code = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)e));
    __m512i bits = _mm512_slli_epi32(_mm512_sub_epi32(code, _mm512_set1_epi32(1)), 23);
    __mmask16 subnormal = _mm512_cmplt_epi32_mask(code, _mm512_set1_epi32(2));
    bits = _mm512_mask_sllv_epi32(bits, subnormal, _mm512_set1_epi32(0x00200000), code);
    return _mm512_castsi512_ps(bits);
}

/* ---- TCQ4 --------------------------------------------------------------------------------------- */

/* The even and the odd four of a word: a code in the low bits of every byte, and over it the switch,
 * under others; even_5 puts both of the even four where they belong. */
static FM_INLINE __m512i odd_tcq4(__m512i word, __m512i switches) {
    enum { CHOOSE = 0xca };
    return _mm512_ternarylogic_epi32(_mm512_set1_epi32(0x0f0f0f0f), _mm512_srli_epi32(word, 4),
                                     switches, CHOOSE);
}

static FM_INLINE __m512 look_up_tcq4(__m512i words, int shift) {
    return _mm512_permutex2var_ps(bytes16(fm_tcq4_values[0]),
                                  _mm512_srli_epi32(words, (unsigned)shift),
                                  bytes16(fm_tcq4_values[1]));
}

/* ---- Q2_K and Q3_K ------------------------------------------------------------------------------ */

static FM_INLINE __m512i scales_2(const fm_panel_q2_k *b, int g) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)b->group[g].scale));
}

static FM_INLINE __m512 scale_2(const fm_panel_q2_k *b, int g) {
    __m512i code = _mm512_and_si512(scales_2(b, g), _mm512_set1_epi32(15));
    return _mm512_mul_ps(halves16(b->d), _mm512_cvtepi32_ps(code));
}

static FM_INLINE __m512 minimum_2(const fm_panel_q2_k *b, int g) {
    __m512i code = _mm512_srli_epi32(scales_2(b, g), 4);
    return _mm512_mul_ps(halves16(b->dmin), _mm512_cvtepi32_ps(code));
}

/* As fm_q3_scale, times d. */
static FM_INLINE __m512 scale_3(const fm_panel_q3_k *b, int g) {
    __m512i four = _mm512_srl_epi32(words16(b->scales[g % 8 / 4]),
                                    _mm_cvtsi32_si128(g % 4 * 8 + g / 8 * 4));
    __m512i two = _mm512_srl_epi32(words16(b->scales[2]),
                                   _mm_cvtsi32_si128(g % 4 * 8 + g / 4 * 2));
    two = _mm512_and_si512(_mm512_slli_epi32(two, 4), _mm512_set1_epi32(48));
    __m512i code = _mm512_or_si512(_mm512_and_si512(four, _mm512_set1_epi32(15)), two);
    code = _mm512_sub_epi32(code, _mm512_set1_epi32(32));
    return _mm512_mul_ps(halves16(b->d), _mm512_cvtepi32_ps(code));
}

/* The even and the odd four of a word of twos, whose high bits are bits 0 and 1 of the bytes of
 * `high`: three bits in every byte, under others. */
static FM_INLINE __m512i even_3(__m512i word, __m512i high) {
    enum { CHOOSE = 0xca };
    return _mm512_ternarylogic_epi32(_mm512_set1_epi32(0x03030303), word,
                                     _mm512_slli_epi32(high, 2), CHOOSE);
}

static FM_INLINE __m512i odd_3(__m512i word, __m512i high) {
    enum { CHOOSE = 0xca };
    return _mm512_ternarylogic_epi32(_mm512_set1_epi32(0x03030303), _mm512_srli_epi32(word, 2),
                                     _mm512_slli_epi32(high, 1), CHOOSE);
}

/* ---- bfloat16: two k in a word ----------------------------------------------------------------- */

static FM_INLINE __m512 bf16_low(__m512i pair) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(pair, 16));
}

static FM_INLINE __m512 bf16_high(__m512i pair) {
    return _mm512_castsi512_ps(_mm512_and_si512(pair, _mm512_set1_epi32((int)0xffff0000)));
}

/* ---- E4M3 -------------------------------------------------------------------------------------- */

/* Sign, exponent and mantissa of E4M3 are those of a half, but for the bias: this is code * 2^-8,
 * subnormals included, and for a NaN 1.875. */
static FM_INLINE __m512 e4m3_small(const uint8_t *code) {
    __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)code));
    __m256i half = _mm256_and_si256(_mm256_slli_epi16(wide, 7), _mm256_set1_epi16((short)0xbfff));
    return _mm512_cvtph_ps(half);
}

/* Any code. */
static FM_INLINE __m512 e4m3(const uint8_t *code) {
    __m128i magnitude = _mm_and_si128(_mm_loadu_si128((const __m128i *)code), _mm_set1_epi8(0x7f));
    __mmask16 nan = _mm_cmpeq_epi8_mask(magnitude, _mm_set1_epi8(0x7f));
    __m512 value = _mm512_mul_ps(e4m3_small(code), _mm512_set1_ps(256));
    return _mm512_mask_mov_ps(value, nan, _mm512_castsi512_ps(_mm512_set1_epi32(0x7fc00000)));
}

/* decode_avx2.h: half a vector of weights (8 of the 16 rows of one k) out of a panel, per layout.
 * Pointers are to the array of 16; `half` and shifts are constants of the unrolled caller. Products
 * of scales and codes are exact, see decode_avx512.h. */
#pragma once

#include "kernel/layout.h"
#include "kernel/x86/avx2.h"
#include "kernel/x86/tcq4_avx2.h"
#include "tensor/quant/iq_tables.h"
#include "tensor/quant/mxfp4.h"

static FM_INLINE __m256 halves8(const uint16_t *h, int half) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(h + 8 * half)));
}

static FM_INLINE __m256 bytes8(const int8_t *b, int half) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(b + 8 * half))));
}

static FM_INLINE __m256i words8(const void *w, int half) {
    return _mm256_loadu_si256((const __m256i *)w + half);
}

/* ---- signed bytes, four to a word: at the top of one, times 2^24; the scale carries 2^-24 -------- */

static FM_INLINE __m256 scale_8(const uint16_t *d, int half) {
    return _mm256_mul_ps(halves8(d, half), _mm256_set1_ps(0x1p-24f));
}

/* Byte i of every word to the top, zeros below it. */
static FM_INLINE __m256i byte_to_top(__m256i words, int i) {
    const int zeros = 0x00808080, up = i << 24;
    if (i == 0) return _mm256_slli_epi32(words, 24);
    if (i == 3) return _mm256_and_si256(words, _mm256_set1_epi32((int)0xff000000));
    __m128i lanes = _mm_setr_epi32(zeros | up, zeros | (up + (4 << 24)), zeros | (up + (8 << 24)),
                                   zeros | (up + (12 << 24)));
    return _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(lanes));
}

static FM_INLINE __m256 signed_byte(__m256i words, int i) {
    return _mm256_cvtepi32_ps(byte_to_top(words, i));
}

/* ---- nibbles ------------------------------------------------------------------------------------ */

/* Nibble i, signed. */
static FM_INLINE __m256 signed_nibble(__m256i words, int i) {
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(words, 28 - 4 * i), 28));
}

static FM_INLINE __m256i nibble_code(__m256i words, int i) {
    return _mm256_and_si256(_mm256_srli_epi32(words, 4 * i), _mm256_set1_epi32(15));
}

static FM_INLINE __m256 nibble(__m256i words, int i) {
    return _mm256_cvtepi32_ps(nibble_code(words, i));
}

/* ---- five bits: unsigned bytes ------------------------------------------------------------------ */

/* Byte i of every word. */
static FM_INLINE __m256 unsigned_byte(__m256i words, int i) {
    const int zeros = (int)0x80808000;
    if (i == 3) return _mm256_cvtepi32_ps(_mm256_srli_epi32(words, 24));
    if (i == 0) return _mm256_cvtepi32_ps(_mm256_and_si256(words, _mm256_set1_epi32(255)));
    __m128i lanes = _mm_setr_epi32(zeros | i, zeros | (i + 4), zeros | (i + 8), zeros | (i + 12));
    return _mm256_cvtepi32_ps(_mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(lanes)));
}

/* The even and the odd four of a word of nibbles, whose high bits are bits 0 and 1 of the bytes of
 * `high`. */
static FM_INLINE __m256i even_5(__m256i word, __m256i high) {
    return _mm256_or_si256(
        _mm256_and_si256(word, _mm256_set1_epi32(0x0f0f0f0f)),
        _mm256_and_si256(_mm256_slli_epi32(high, 4), _mm256_set1_epi32(0x10101010)));
}

static FM_INLINE __m256i odd_5(__m256i word, __m256i high) {
    return _mm256_or_si256(
        _mm256_and_si256(_mm256_srli_epi32(word, 4), _mm256_set1_epi32(0x0f0f0f0f)),
        _mm256_and_si256(_mm256_slli_epi32(high, 3), _mm256_set1_epi32(0x10101010)));
}

/* From 0 to 31 to -16 to 15: signed bytes. */
static FM_INLINE __m256i signed_5(__m256i codes) {
    return _mm256_sub_epi8(codes, _mm256_set1_epi8(16));
}

/* ---- IQ4_NL and IQ4_XS: the values as signed bytes ---------------------------------------------- */

static FM_INLINE __m256i iq4_values(void) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)fm_iq4_values));
}

/* Those of the even and the odd four of a word of nibbles. */
static FM_INLINE __m256i even_values(__m256i word, __m256i table) {
    return _mm256_shuffle_epi8(table, _mm256_and_si256(word, _mm256_set1_epi32(0x0f0f0f0f)));
}

static FM_INLINE __m256i odd_values(__m256i word, __m256i table) {
    return even_values(_mm256_srli_epi32(word, 4), table);
}

/* As fm_iq4_xs_scale, times d and the 2^-24 of signed bytes. */
static FM_INLINE __m256 iq4_xs_scale(const fm_panel_iq4_xs *b, int g, int half) {
    __m256i high = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)b->high + half));
    __m256i two = _mm256_slli_epi32(_mm256_srl_epi32(high, _mm_cvtsi32_si128(2 * g)), 4);
    __m256i four = _mm256_srl_epi32(words8(b->low, half), _mm_cvtsi32_si128(4 * g));
    __m256i code = _mm256_or_si256(_mm256_and_si256(two, _mm256_set1_epi32(48)),
                                   _mm256_and_si256(four, _mm256_set1_epi32(15)));
    code = _mm256_sub_epi32(code, _mm256_set1_epi32(32));
    return _mm256_mul_ps(scale_8(b->d, half), _mm256_cvtepi32_ps(code));
}

/* ---- MXFP4: its scale has no room for a 2^-24 ---------------------------------------------------- */

static FM_INLINE __m256i mxfp4_values(void) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)fm_mxfp4_doubled));
}

/* As fm_mxfp4_half_scale. */
static FM_INLINE __m256 mxfp4_scale(const uint8_t *e, int half) {
    __m256i code = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(e + 8 * half)));
    __m256i bits = _mm256_slli_epi32(_mm256_sub_epi32(code, _mm256_set1_epi32(1)), 23);
    __m256i subnormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), code);
    __m256i is_subnormal = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), code);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(bits, subnormal, is_subnormal));
}

static FM_INLINE __m256 signed_byte_itself(__m256i words, int i) {
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(byte_to_top(words, i), 24));
}

/* ---- TCQ4: its values as signed bytes ------------------------------------------------------------ */

/* As fm_tcq4_scale, times the 2^-24 of signed bytes. */
static FM_INLINE __m256 tcq4_scale(const uint8_t *e, int half) {
    return _mm256_mul_ps(tcq4_scale_8(e, half), _mm256_set1_ps(0x1p-27f));
}

/* ---- Q2_K and Q3_K ------------------------------------------------------------------------------ */

static FM_INLINE __m256i scales_2(const fm_panel_q2_k *b, int g, int half) {
    return _mm256_cvtepu8_epi32(
        _mm_loadl_epi64((const __m128i *)(b->group[g].scale + 8 * half)));
}

static FM_INLINE __m256 scale_2(const fm_panel_q2_k *b, int g, int half) {
    __m256i code = _mm256_and_si256(scales_2(b, g, half), _mm256_set1_epi32(15));
    return _mm256_mul_ps(halves8(b->d, half), _mm256_cvtepi32_ps(code));
}

static FM_INLINE __m256 minimum_2(const fm_panel_q2_k *b, int g, int half) {
    __m256i code = _mm256_srli_epi32(scales_2(b, g, half), 4);
    return _mm256_mul_ps(halves8(b->dmin, half), _mm256_cvtepi32_ps(code));
}

/* Code i of a word of 16. */
static FM_INLINE __m256 code_2(__m256i words, int i) {
    return _mm256_cvtepi32_ps(
        _mm256_and_si256(_mm256_srli_epi32(words, fm_q2_shift(i)), _mm256_set1_epi32(3)));
}

/* As fm_q3_scale, times d and the 2^-24 of signed bytes. */
static FM_INLINE __m256 scale_3(const fm_panel_q3_k *b, int g, int half) {
    __m256i four = _mm256_srl_epi32(words8(b->scales[g % 8 / 4], half),
                                    _mm_cvtsi32_si128(g % 4 * 8 + g / 8 * 4));
    __m256i two = _mm256_srl_epi32(words8(b->scales[2], half),
                                   _mm_cvtsi32_si128(g % 4 * 8 + g / 4 * 2));
    two = _mm256_and_si256(_mm256_slli_epi32(two, 4), _mm256_set1_epi32(48));
    __m256i code = _mm256_or_si256(_mm256_and_si256(four, _mm256_set1_epi32(15)), two);
    code = _mm256_sub_epi32(code, _mm256_set1_epi32(32));
    return _mm256_mul_ps(scale_8(b->d, half), _mm256_cvtepi32_ps(code));
}

/* Signed bytes: twos below, high bits above them, less four. */
static FM_INLINE __m256i join_3(__m256i twos, __m256i high) {
    return _mm256_sub_epi8(
        _mm256_or_si256(_mm256_and_si256(twos, _mm256_set1_epi32(0x03030303)),
                        _mm256_and_si256(high, _mm256_set1_epi32(0x04040404))),
        _mm256_set1_epi8(4));
}

/* The even and the odd four of a word of twos, whose high bits are bits 0 and 1 of the bytes of
 * `high`. */
static FM_INLINE __m256i even_3(__m256i word, __m256i high) {
    return join_3(word, _mm256_slli_epi32(high, 2));
}

static FM_INLINE __m256i odd_3(__m256i word, __m256i high) {
    return join_3(_mm256_srli_epi32(word, 2), _mm256_slli_epi32(high, 1));
}

/* ---- Q6_K: signed bytes of 4 (code - 32), times 2^24; the scale carries 2^-26 ------------------- */

static FM_INLINE __m256 scale_6(const fm_panel_q6_k *b, int g, int half) {
    __m256 d = _mm256_mul_ps(halves8(b->d, half), _mm256_set1_ps(0x1p-26f));
    return _mm256_mul_ps(d, bytes8(b->group[g].scale, half));
}

/* High bits with the upper one of every two turned over, which makes signed numbers of the codes. */
static FM_INLINE __m256i signed_high_6(__m256i high) {
    return _mm256_xor_si256(high, _mm256_set1_epi32((int)0xaaaaaaaa));
}

/* Nibbles in bits 2-5 of every byte, high bits in bits 6-7. */
static FM_INLINE __m256i join_6(__m256i nibbles, __m256i high) {
    return _mm256_or_si256(_mm256_and_si256(nibbles, _mm256_set1_epi32(0x3c3c3c3c)),
                           _mm256_and_si256(high, _mm256_set1_epi32((int)0xc0c0c0c0)));
}

/* The even and the odd four of a word of nibbles, whose high bits are bits 0-1 and 2-3 of the bytes
 * of `high`. */
static FM_INLINE __m256i even_6(__m256i word, __m256i high) {
    return join_6(_mm256_slli_epi32(word, 2), _mm256_slli_epi32(high, 6));
}

static FM_INLINE __m256i odd_6(__m256i word, __m256i high) {
    return join_6(_mm256_srli_epi32(word, 2), _mm256_slli_epi32(high, 4));
}

/* ---- Q4_K and Q5_K: scale and minimum of group g, as fm_k_scale_word and fm_k_minimum_word ------ */

static FM_INLINE __m256 k_factor(__m256 d, __m256i first, __m256i last, int g) {
    __m256i bytes = first;
    if (g >= 4)
        bytes = _mm256_or_si256(
            _mm256_and_si256(last, _mm256_set1_epi32(0x0f0f0f0f)),
            _mm256_and_si256(_mm256_srli_epi32(first, 2), _mm256_set1_epi32(0x30303030)));
    __m256i byte = _mm256_srl_epi32(bytes, _mm_cvtsi32_si128(g % 4 * 8));
    byte = _mm256_and_si256(byte, _mm256_set1_epi32(63));
    return _mm256_mul_ps(d, _mm256_cvtepi32_ps(byte));
}

/* `block` begins as fm_panel_q4_k; fm_panel_q5_k does too. */
static FM_INLINE __m256 k_scale(const void *block, int g, int half) {
    const fm_panel_q4_k *b = block;
    return k_factor(halves8(b->d, half), words8(b->scales[0], half), words8(b->scales[2], half), g);
}

static FM_INLINE __m256 k_minimum(const void *block, int g, int half) {
    const fm_panel_q4_k *b = block;
    return k_factor(halves8(b->dmin, half), words8(b->scales[1], half),
                    _mm256_srli_epi32(words8(b->scales[2], half), 4), g);
}

/* ---- bfloat16 ---------------------------------------------------------------------------------- */

static FM_INLINE __m256 bf16_low(__m256i pair) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16));
}

static FM_INLINE __m256 bf16_high(__m256i pair) {
    return _mm256_castsi256_ps(_mm256_and_si256(pair, _mm256_set1_epi32((int)0xffff0000)));
}

/* ---- E4M3 -------------------------------------------------------------------------------------- */

static FM_INLINE __m128i wide_codes(const uint8_t *code, int half) {
    return _mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)(code + 8 * half)));
}

/* code * 2^-8, wrong for NaN: see decode_avx512.h. */
static FM_INLINE __m256 e4m3_small(const uint8_t *code, int half) {
    __m128i wide = _mm_slli_epi16(wide_codes(code, half), 7);
    return _mm256_cvtph_ps(_mm_and_si128(wide, _mm_set1_epi16((short)0xbfff)));
}

/* Any code. */
static FM_INLINE __m256 e4m3(const uint8_t *code, int half) {
    __m128i top = _mm_set1_epi16(0x7f);
    __m128i nan = _mm_cmpeq_epi16(_mm_and_si128(wide_codes(code, half), top), top);
    __m256 value = _mm256_mul_ps(e4m3_small(code, half), _mm256_set1_ps(256));
    return _mm256_or_ps(value, _mm256_castsi256_ps(_mm256_and_si256(
                                   _mm256_cvtepi16_epi32(nan), _mm256_set1_epi32(0x7fc00000))));
}

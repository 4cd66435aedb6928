/* codes_avx512vnni.h: weights as operands of vpdpbusd, which multiplies four unsigned bytes of a lane
 * with four signed ones and adds all to its int32. Lanes are rows of the panel; the unsigned bytes are
 * codes of the weight, made unsigned by an offset where the format has them signed; the signed ones
 * are codes of activations, broadcast. Every function here is told its layout as a constant. */
#pragma once

#include "kernel/codes.h"
#include "kernel/codes_layout.h"
#include "kernel/x86/avx512.h"
#include "kernel/x86/tcq4_avx512.h"

/* ---- codes ------------------------------------------------------------------------------------- */

static FM_INLINE __m512i line_at(const char *words, int i) {
    return _mm512_loadu_si512(words + 64 * i);
}

/* The values that codes number, made unsigned. */
static FM_INLINE __m512i unsigned_table(const int layout) {
    __m128i values = _mm_loadu_si128((const __m128i *)values_of(layout));
    __m128i offset = _mm_set1_epi8((char)(1 << offset_bits(layout)));
    return _mm512_broadcast_i32x4(_mm_add_epi8(values, offset));
}

static FM_INLINE __m512i bytes_at(const uint8_t *bytes) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)bytes));
}

/* The bits `mask` of v >> right, over `low` at << left. */
static FM_INLINE __m512i with_high_bits(__m512i low, __m512i v, const int right, const int left,
                                        const int mask) {
    enum { AND_OR = 0xea }; /* (a & b) | c */
    int shift = right - left;
    v = shift >= 0 ? _mm512_srli_epi32(v, (unsigned)shift) : _mm512_slli_epi32(v, (unsigned)-shift);
    return _mm512_ternarylogic_epi32(v, _mm512_set1_epi8((char)(mask << left)), low, AND_OR);
}

/* The same of TCQ4; of its bytes' switches, those of the odd four are four bits further up. */
static FM_INLINE __m512i tcq4_codes(const char *words, __m512i nibbles, const int j) {
    const __m128i turn_over = _mm_set1_epi8((char)0x80);
    __m128i values0 = _mm_loadu_si128((const __m128i *)fm_tcq4_values[0]);
    __m128i values1 = _mm_loadu_si128((const __m128i *)fm_tcq4_values[1]);
    __m512i table0 = _mm512_broadcast_i32x4(_mm_xor_si128(values0, turn_over));
    __m512i table1 = _mm512_broadcast_i32x4(_mm_xor_si128(values1, turn_over));
    __m512i which = _mm512_set1_epi8(j % 2 ? 0x10 : 0x01);
    __mmask64 second = _mm512_test_epi8_mask(tcq4_switches(words, j / 2), which);
    return _mm512_mask_shuffle_epi8(_mm512_shuffle_epi8(table0, nibbles), second, table1, nibbles);
}

/* Codes of two bits with the shift of the eight they are of. */
static FM_INLINE __m512i iq1_m_codes(const char *words, __m512i twos, const int j) {
    __m512i bytes = bytes_at(iq1_m_bytes(words));
    __mmask16 shifted = _mm512_test_epi32_mask(bytes, _mm512_set1_epi32(0x10 << j / 2));
    __m512i codes = _mm512_mask_or_epi32(twos, shifted, twos, _mm512_set1_epi8(4));
    return _mm512_shuffle_epi8(unsigned_table(FM_LAYOUT_IQ1_M), codes);
}

/* As fm_iq2_code, for four j of 32 columns. */
static FM_INLINE __m512i iq2_codes(const int layout, const char *words, const int j) {
    __m512i codes;
    if (j < 6) {
        codes = line_at(words, j / 2);
        if (j % 2) codes = _mm512_srli_epi32(codes, 3);
        codes = _mm512_and_si512(codes, _mm512_set1_epi8(7));
    } else {
        codes = _mm512_srli_epi32(line_at(words, j - 6), 6);
        codes = _mm512_and_si512(codes, _mm512_set1_epi8(3));
        codes = with_high_bits(codes, line_at(words, 2), j, 2, 1);
    }
    return _mm512_shuffle_epi8(unsigned_table(layout), codes);
}

/* Unsigned codes of four j of a group, see layout.h. `part`: which group of 16 of its 32 columns. */
static FM_INLINE __m512i codes_of(const int layout, const char *words, const int part, const int j) {
    if (layout == FM_LAYOUT_Q8_0)
        return _mm512_xor_si512(line_at(words, j), _mm512_set1_epi8((char)0x80));
    if (has_2_bits(layout) || layout == FM_LAYOUT_Q3_K) {
        __m512i low = line_at(words, layout == FM_LAYOUT_Q3_K ? part : j / 4);
        low = _mm512_and_si512(_mm512_srli_epi32(low, (unsigned)(2 * (j % 4))), _mm512_set1_epi8(3));
        if (layout == FM_LAYOUT_IQ1_M) return iq1_m_codes(words, low, j);
        if (has_2_bits(layout)) return low;
        return with_high_bits(low, line_at(words, 2), 4 * part + j, 2, 1);
    }
    if (has_3_bits(layout)) return iq2_codes(layout, words, 4 * part + j);
    const __m512i four = _mm512_set1_epi8(15);
    __m512i v = line_at(words, j / 2);
    if (j % 2) v = _mm512_srli_epi32(v, 4);
    enum { AND_XOR = 0x6a }; /* (a & b) ^ c */
    if (layout == FM_LAYOUT_Q4_0)
        return _mm512_ternarylogic_epi32(v, four, _mm512_set1_epi8(8), AND_XOR);
    v = _mm512_and_si512(v, four);
    if (layout == FM_LAYOUT_TCQ4) return tcq4_codes(words, v, j);
    if (has_table(layout)) return _mm512_shuffle_epi8(unsigned_table(layout), v);
    if (has_5_bits(layout)) return with_high_bits(v, line_at(words, 4), j, 4, 1);
    if (layout == FM_LAYOUT_Q6_K) return with_high_bits(v, line_at(words, 2), 2 * j, 4, 3);
    return v;
}

/* What a sum of unsigned codes begins with, so that it ends as that of the signed ones. */
static FM_INLINE __m512i begin_dot(const int layout, const fm_codes *x, const int part) {
    const int bits = offset_bits(layout);
    if (bits < 0) return _mm512_setzero_si512();
    if (bits == 7) return _mm512_set1_epi32(x->undo128);
    const bool whole = group_columns(layout) == FM_CODES;
    const int more = bits - (whole ? 3 : 5);
    __m512i undo = _mm512_set1_epi32(whole ? x->undo8 : x->undo32[part]);
    if (more == 0) return undo;
    return more > 0 ? _mm512_slli_epi32(undo, (unsigned)more) : _mm512_srai_epi32(undo, (unsigned)-more);
}

/* ---- scales and minima ------------------------------------------------------------------------- */

static FM_INLINE __m512 halves_at(const uint16_t *h) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)h));
}

/* Factors of the groups of 128 columns of a block of 256. For Q6_K, Q2_K, TQ2_0 and IQ1_M only scale[0],
 * which is d, and minimum[0], which is -dmin. */
typedef struct factors {
    __m512 scale[8], minimum[4];
} factors;

/* As fm_k_scale_word and fm_k_minimum_word; Q5_K begins as Q4_K. */
static FM_INLINE void open_k(codes_block block, factors *f) {
    const fm_panel_q4_k *b = (const fm_panel_q4_k *)block.at;
    const __m512i six = _mm512_set1_epi32(63), four = _mm512_set1_epi32(0x0f0f0f0f);
    const __m512i top = _mm512_set1_epi32(0x30303030);
    __m512i scale = _mm512_loadu_si512(b->scales[0]), minimum = _mm512_loadu_si512(b->scales[1]);
    if (block.half) {
        __m512i both = _mm512_loadu_si512(b->scales[2]);
        scale = _mm512_or_si512(_mm512_and_si512(both, four),
                                _mm512_and_si512(_mm512_srli_epi32(scale, 2), top));
        minimum = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(both, 4), four),
                                  _mm512_and_si512(_mm512_srli_epi32(minimum, 2), top));
    }
    __m512 d = halves_at(b->d), dmin = _mm512_sub_ps(_mm512_set1_ps(-0.0f), halves_at(b->dmin));
#pragma GCC unroll 4
    for (unsigned g = 0; g < 4; g++) {
        __m512i s = _mm512_and_si512(_mm512_srli_epi32(scale, 8 * g), six);
        __m512i m = _mm512_and_si512(_mm512_srli_epi32(minimum, 8 * g), six);
        f->scale[g] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(s));
        f->minimum[g] = _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(m));
    }
}

/* As fm_iq4_xs_scale. */
static FM_INLINE void open_iq4_xs(codes_block block, factors *f) {
    const fm_panel_iq4_xs *b = (const fm_panel_iq4_xs *)block.at;
    __m512i low = _mm512_loadu_si512(b->low);
    __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)b->high));
    if (block.half) {
        low = _mm512_srli_epi32(low, 16);
        high = _mm512_srli_epi32(high, 8);
    }
    __m512 d = halves_at(b->d);
#pragma GCC unroll 4
    for (unsigned g = 0; g < 4; g++) {
        __m512i four = _mm512_and_si512(_mm512_srli_epi32(low, 4 * g), _mm512_set1_epi32(15));
        __m512i two = _mm512_and_si512(_mm512_srli_epi32(high, 2 * g), _mm512_set1_epi32(3));
        __m512i s = _mm512_or_si512(four, _mm512_slli_epi32(two, 4));
        s = _mm512_sub_epi32(s, _mm512_set1_epi32(32));
        f->scale[g] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(s));
    }
}

/* As fm_q3_scale. */
static FM_INLINE void open_q3_k(codes_block block, factors *f) {
    const fm_panel_q3_k *b = (const fm_panel_q3_k *)block.at;
    __m512i fours[2], twos = _mm512_loadu_si512(b->scales[2]);
    for (int i = 0; i < 2; i++) {
        fours[i] = _mm512_loadu_si512(b->scales[i]);
        if (block.half) fours[i] = _mm512_srli_epi32(fours[i], 4);
    }
    if (block.half) twos = _mm512_srli_epi32(twos, 4);
    __m512 d = halves_at(b->d);
#pragma GCC unroll 8
    for (unsigned g = 0; g < 8; g++) {
        __m512i four = _mm512_srli_epi32(fours[g / 4], 8 * (g % 4));
        __m512i two = _mm512_srli_epi32(twos, 8 * (g % 4) + 2 * (g / 4));
        four = _mm512_and_si512(four, _mm512_set1_epi32(15));
        two = _mm512_and_si512(two, _mm512_set1_epi32(3));
        __m512i s = _mm512_or_si512(four, _mm512_slli_epi32(two, 4));
        s = _mm512_sub_epi32(s, _mm512_set1_epi32(32));
        f->scale[g] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(s));
    }
}

/* Of IQ1 to IQ3: 2 scale + 1, from the nibbles of a word. IQ1_S has its shift's eighth as the minimum. */
static FM_INLINE void open_books(const int layout, codes_block block, factors *f) {
    const bool whole = group_columns(layout) == FM_CODES, shifts = layout == FM_LAYOUT_IQ1_S;
    __m512i words = _mm512_loadu_si512(book_scales(layout, block));
    if (whole && block.half) words = _mm512_srli_epi32(words, 16);
    __m512 d = _mm512_mul_ps(halves_at(d_of(layout, block, 0)), _mm512_set1_ps(fm_books_unit(layout)));
    const unsigned groups = whole ? 4 : 8;
#pragma GCC unroll 8
    for (unsigned g = 0; g < groups; g++) {
        __m512i s = g ? _mm512_srli_epi32(words, 4 * g - 1) : _mm512_slli_epi32(words, 1);
        s = _mm512_and_si512(s, _mm512_set1_epi32(shifts ? 14 : 30));
        f->scale[g] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_or_si512(s, _mm512_set1_epi32(1))));
        if (!shifts) continue;
        __m512i sign = _mm512_and_si512(_mm512_slli_epi32(words, 28 - 4 * g), _mm512_set1_epi32(INT32_MIN));
        f->minimum[g % 4] = _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(f->scale[g]), sign));
        f->scale[g] = _mm512_mul_ps(f->scale[g], _mm512_set1_ps(8));
    }
}

/* As fm_mxfp4_half_scale. */
static FM_INLINE __m512 mxfp4_scale(const char *block) {
    __m512i code = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)block));
    __m512i bits = _mm512_slli_epi32(_mm512_sub_epi32(code, _mm512_set1_epi32(1)), 23);
    __mmask16 subnormal = _mm512_cmplt_epi32_mask(code, _mm512_set1_epi32(2));
    bits = _mm512_mask_sllv_epi32(bits, subnormal, _mm512_set1_epi32(0x00200000), code);
    return _mm512_castsi512_ps(bits);
}

static FM_INLINE void open_block(const int layout, codes_block b, factors *f) {
    if (layout == FM_LAYOUT_Q4_K || layout == FM_LAYOUT_Q5_K) open_k(b, f);
    if (layout == FM_LAYOUT_IQ4_XS) open_iq4_xs(b, f);
    if (layout == FM_LAYOUT_Q3_K) open_q3_k(b, f);
    if (has_book_scales(layout)) open_books(layout, b, f);
    if (layout == FM_LAYOUT_Q6_K || (has_2_bits(layout) && layout != FM_LAYOUT_IQ1_S))
        f->scale[0] = halves_at(d_of(layout, b, 0));
    if (layout == FM_LAYOUT_IQ1_M)
        f->scale[0] = _mm512_mul_ps(f->scale[0], _mm512_set1_ps(fm_books_unit(layout)));
    if (layout == FM_LAYOUT_Q2_K)
        f->minimum[0] = _mm512_sub_ps(_mm512_set1_ps(-0.0f), halves_at(m_of(layout, b, 0)));
}

static FM_INLINE __m512 scale_of(const int layout, codes_block b, const factors *f, int g) {
    if (layout == FM_LAYOUT_TCQ4) return tcq4_scale((const uint8_t *)small_block(layout, b, g));
    if (layout == FM_LAYOUT_MXFP4) return mxfp4_scale(small_block(layout, b, g));
    if (!is_super(layout)) return halves_at(d_of(layout, b, g));
    if (layout == FM_LAYOUT_TQ2_0) return f->scale[0];
    __m512i s;
    if (layout == FM_LAYOUT_IQ1_M) {
        s = _mm512_slli_epi32(bytes_at(iq1_m_bytes(words_of(layout, b, g))), 1);
        s = _mm512_or_si512(_mm512_and_si512(s, _mm512_set1_epi32(14)), _mm512_set1_epi32(1));
    } else if (layout == FM_LAYOUT_Q2_K)
        s = _mm512_and_si512(bytes_at(q2_scales(b, g)), _mm512_set1_epi32(15));
    else if (layout == FM_LAYOUT_Q6_K)
        s = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)q6_scales(b, g)));
    else
        return f->scale[g];
    return _mm512_mul_ps(f->scale[0], _mm512_cvtepi32_ps(s));
}

static FM_INLINE __m512 minimum_of(const int layout, codes_block b, const factors *f, int g) {
    if (!has_minimum(layout)) return _mm512_setzero_ps();
    if (!is_super(layout)) return halves_at(m_of(layout, b, g));
    if (layout != FM_LAYOUT_Q2_K) return f->minimum[g];
    __m512i m = _mm512_srli_epi32(bytes_at(q2_scales(b, g)), 4);
    return _mm512_mul_ps(f->minimum[0], _mm512_cvtepi32_ps(m));
}

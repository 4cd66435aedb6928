/* codes_avx2.h: weights as operands of vpmaddubsw, which multiplies unsigned bytes with signed ones
 * and adds two neighbours to an int16, saturating. Where codes are small, they are made unsigned by
 * an offset, and an int16 holds several sums; where they are bytes, they give their sign to the
 * activations. With AVX-VNNI, of vpdpbusd, see codes_avx512vnni.h: all codes are made unsigned. Every
 * function here is told its layout as a constant; `h` is a half of the panel's 16 lanes. */
#pragma once

#include "kernel/codes.h"
#include "kernel/codes_layout.h"
#include "kernel/x86/avx2.h"
#include "kernel/x86/tcq4_avx2.h"

/* ---- codes ------------------------------------------------------------------------------------- */

#ifdef __AVXVNNI__
enum { VNNI = true };
#else
enum { VNNI = false };
#endif

/* Bytes of either sign: 2 * 128 * 127 = 32512 is all that an int16 holds. */
static FM_INLINE bool gives_sign(const int layout) {
    return !VNNI && offset_bits(layout) == 7;
}

/* Fours of a group whose products an int16 holds: 8 * 2 * 15 * 127, 4 * 2 * 31 * 127, 2 * 2 * 63 * 127,
 * 2 * 107 * 127. */
static FM_INLINE int fours_per_sum(const int layout) {
    if (has_3_bits(layout)) return 1;
    if (layout == FM_LAYOUT_Q6_K || layout == FM_LAYOUT_IQ3_XXS) return 2;
    return has_5_bits(layout) || layout == FM_LAYOUT_IQ3_S ? 4 : group_columns(layout) / 4;
}

static FM_INLINE __m256i line_at(const char *words, int i, const int h) {
    return _mm256_loadu_si256((const __m256i *)(words + 64 * i + 32 * h));
}

/* The bits `mask` of v >> right, over `low` at << left. */
static FM_INLINE __m256i with_high_bits(__m256i low, __m256i v, const int right, const int left,
                                        const int mask) {
    int shift = right - left;
    v = shift >= 0 ? _mm256_srli_epi32(v, shift) : _mm256_slli_epi32(v, -shift);
    return _mm256_or_si256(low, _mm256_and_si256(v, _mm256_set1_epi8((char)(mask << left))));
}

/* The words of a group, half h, as its layout has them; behind those of IQ1_M its bytes, lane by lane. */
typedef struct lines {
    __m256i at[8];
} lines;

static FM_INLINE int line_count(const int layout) {
    if (layout == FM_LAYOUT_Q8_0) return 8;
    if (layout == FM_LAYOUT_Q2_K) return 1;
    if (has_2_bits(layout)) return 2;
    if (layout == FM_LAYOUT_Q3_K || layout == FM_LAYOUT_Q6_K || has_3_bits(layout)) return 3;
    return has_5_bits(layout) ? 5 : 4;
}

static FM_INLINE __m256i bytes_at(const void *bytes, const int h) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)((const char *)bytes + 8 * h)));
}

static FM_INLINE lines lines_at(const int layout, const char *words, const int h) {
    const bool bytes = layout == FM_LAYOUT_IQ1_M;
    lines l;
#pragma GCC unroll 8
    for (int i = 0; i < line_count(layout) - bytes; i++) l.at[i] = line_at(words, i, h);
    if (bytes) l.at[1] = bytes_at(iq1_m_bytes(words), h);
    return l;
}

/* Keeps in registers what four j is the first to use and another four uses again: gcc would rather load
 * it from memory for either, and loads are what a single row of x has most of. */
static FM_INLINE void keep_lines(const int layout, lines *l, const int j) {
    if (layout == FM_LAYOUT_Q8_0 || layout == FM_LAYOUT_TCQ4) return;
    const bool few = has_2_bits(layout) || has_3_bits(layout) || layout == FM_LAYOUT_Q3_K;
    const int nibbles = few ? 0 : group_columns(layout) / 8;
    if (j % 2 == 0 && j / 2 < nibbles) __asm__("" : "+x"(l->at[j / 2]));
    if (j) return;
#pragma GCC unroll 8
    for (int i = nibbles; i < line_count(layout); i++) __asm__("" : "+x"(l->at[i]));
}

/* The values that codes number, made unsigned unless the layout gives its sign. */
static FM_INLINE __m256i table_of(const int layout) {
    __m128i values = _mm_loadu_si128((const __m128i *)values_of(layout));
    __m128i offset = _mm_set1_epi8((char)(gives_sign(layout) ? 0 : 1 << offset_bits(layout)));
    return _mm256_broadcastsi128_si256(_mm_add_epi8(values, offset));
}

/* Codes of two bits with the shift of the eight they are of. */
static FM_INLINE __m256i iq1_m_codes(const lines *l, __m256i twos, const int j) {
    __m256i bytes = _mm256_slli_epi32(l->at[1], 27 - j / 2);
    __m256i shift = _mm256_and_si256(_mm256_srai_epi32(bytes, 31), _mm256_set1_epi8(4));
    return _mm256_shuffle_epi8(table_of(FM_LAYOUT_IQ1_M), _mm256_or_si256(twos, shift));
}

/* As fm_iq2_code, for four j of 32 columns. */
static FM_INLINE __m256i iq2_codes(const int layout, const lines *l, const int j) {
    __m256i codes;
    if (j < 6) {
        codes = l->at[j / 2];
        if (j % 2) codes = _mm256_srli_epi32(codes, 3);
        codes = _mm256_and_si256(codes, _mm256_set1_epi8(7));
    } else {
        codes = _mm256_and_si256(_mm256_srli_epi32(l->at[j - 6], 6), _mm256_set1_epi8(3));
        codes = with_high_bits(codes, l->at[2], j, 2, 1);
    }
    return _mm256_shuffle_epi8(table_of(layout), codes);
}

/* Codes of four j of a group, see layout.h: unsigned unless the layout gives its sign. `part`: which
 * group of 16 of its 32 columns. */
static FM_INLINE __m256i codes_of(const int layout, const lines *l, const int part, const int j) {
    const __m128i turn_over = _mm_set1_epi8(VNNI ? (char)0x80 : 0); /* makes bytes unsigned */
    if (layout == FM_LAYOUT_Q8_0)
        return _mm256_xor_si256(l->at[j], _mm256_broadcastsi128_si256(turn_over));
    if (has_2_bits(layout) || layout == FM_LAYOUT_Q3_K) {
        __m256i low = l->at[layout == FM_LAYOUT_Q3_K ? part : j / 4];
        low = _mm256_and_si256(_mm256_srli_epi32(low, 2 * (j % 4)), _mm256_set1_epi8(3));
        if (layout == FM_LAYOUT_IQ1_M) return iq1_m_codes(l, low, j);
        if (has_2_bits(layout)) return low;
        return with_high_bits(low, l->at[2], 4 * part + j, 2, 1);
    }
    if (has_3_bits(layout)) return iq2_codes(layout, l, 4 * part + j);
    __m256i v = l->at[j / 2];
    if (layout == FM_LAYOUT_TCQ4) {
        const int flip = VNNI ? 0x80 : 0;
        const int i = j / 2;
        __m256i switches = tcq4_switches_between(l->at[(i + 3) % 4], l->at[(i + 1) % 4], i);
        return j % 2 ? odd_tcq4(v, switches, flip) : even_tcq4(v, switches, flip);
    }
    if (layout == FM_LAYOUT_Q4_0) v = _mm256_xor_si256(v, _mm256_set1_epi8((char)0x88));
    if (j % 2) v = _mm256_srli_epi16(v, 4);
    v = _mm256_and_si256(v, _mm256_set1_epi8(15));
    if (has_table(layout)) return _mm256_shuffle_epi8(table_of(layout), v);
    if (has_5_bits(layout)) return with_high_bits(v, l->at[4], j, 4, 1);
    if (layout == FM_LAYOUT_Q6_K) return with_high_bits(v, l->at[2], 2 * j, 4, 3);
    return v;
}

/* What a sum of unsigned codes begins with, so that it ends as that of the signed ones. */
static FM_INLINE __m256i begin_dot(const int layout, const fm_codes *x, const int part) {
    const int bits = offset_bits(layout);
    if (bits < 0) return _mm256_setzero_si256();
    if (bits == 7) return _mm256_set1_epi32(x->undo128);
    const bool whole = group_columns(layout) == FM_CODES;
    const int more = bits - (whole ? 3 : 5);
    __m256i undo = _mm256_set1_epi32(whole ? x->undo8 : x->undo32[part]);
    if (more == 0) return undo;
    return more > 0 ? _mm256_slli_epi32(undo, more) : _mm256_srai_epi32(undo, -more);
}

/* ---- scales and minima ------------------------------------------------------------------------- */

static FM_INLINE __m256 halves_at(const uint16_t *x, const int h) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + 8 * h)));
}

static FM_INLINE __m256i words_at(const fm_lanes32 words, const int h) {
    return _mm256_loadu_si256((const __m256i *)(words + 8 * h));
}

/* Factors of the groups of 128 columns of a block of 256. For Q6_K, Q2_K, TQ2_0 and IQ1_M only scale[0],
 * which is d, and minimum[0], which is -dmin. */
typedef struct factors {
    __m256 scale[8][2], minimum[4][2];
} factors;

/* Byte g of every word. */
static FM_INLINE __m256i byte_of(__m256i words, const int g) {
    if (g == 3) return _mm256_srli_epi32(words, 24);
    __m128i lanes = _mm_add_epi8(_mm_setr_epi8(0, -4, -4, -4, 4, -4, -4, -4, 8, -4, -4, -4, 12, -4, -4, -4),
                                 _mm_set1_epi8((char)g)); /* beyond the top bit: zero */
    return _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(lanes));
}

/* As fm_k_scale_word and fm_k_minimum_word; Q5_K begins as Q4_K. */
static FM_INLINE void open_k(codes_block block, factors *f, const int h) {
    const fm_panel_q4_k *b = (const fm_panel_q4_k *)block.at;
    const __m256i six = _mm256_set1_epi8(63), four = _mm256_set1_epi32(0x0f0f0f0f);
    const __m256i top = _mm256_set1_epi32(0x30303030);
    __m256i scale = words_at(b->scales[0], h), minimum = words_at(b->scales[1], h);
    if (block.half) {
        __m256i both = words_at(b->scales[2], h);
        scale = _mm256_or_si256(_mm256_and_si256(both, four),
                                _mm256_and_si256(_mm256_srli_epi32(scale, 2), top));
        minimum = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi32(both, 4), four),
                                  _mm256_and_si256(_mm256_srli_epi32(minimum, 2), top));
    }
    scale = _mm256_and_si256(scale, six);
    minimum = _mm256_and_si256(minimum, six);
    __m256 d = halves_at(b->d, h);
    __m256 dmin = _mm256_sub_ps(_mm256_set1_ps(-0.0f), halves_at(b->dmin, h));
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        __m256i s = byte_of(scale, g), m = byte_of(minimum, g);
        f->scale[g][h] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(s));
        f->minimum[g][h] = _mm256_mul_ps(dmin, _mm256_cvtepi32_ps(m));
    }
}

/* As fm_iq4_xs_scale. */
static FM_INLINE void open_iq4_xs(codes_block block, factors *f, const int h) {
    const fm_panel_iq4_xs *b = (const fm_panel_iq4_xs *)block.at;
    __m256i low = words_at(b->low, h);
    __m256i high = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(b->high + 8 * h)));
    if (block.half) {
        low = _mm256_srli_epi32(low, 16);
        high = _mm256_srli_epi32(high, 8);
    }
    __m256 d = halves_at(b->d, h);
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        __m256i four = _mm256_and_si256(_mm256_srli_epi32(low, 4 * g), _mm256_set1_epi32(15));
        __m256i two = _mm256_and_si256(_mm256_srli_epi32(high, 2 * g), _mm256_set1_epi32(3));
        __m256i s = _mm256_or_si256(four, _mm256_slli_epi32(two, 4));
        s = _mm256_sub_epi32(s, _mm256_set1_epi32(32));
        f->scale[g][h] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(s));
    }
}

/* As fm_q3_scale. */
static FM_INLINE void open_q3_k(codes_block block, factors *f, const int h) {
    const fm_panel_q3_k *b = (const fm_panel_q3_k *)block.at;
    __m256i fours[2], twos = words_at(b->scales[2], h);
    for (int i = 0; i < 2; i++) {
        fours[i] = words_at(b->scales[i], h);
        if (block.half) fours[i] = _mm256_srli_epi32(fours[i], 4);
    }
    if (block.half) twos = _mm256_srli_epi32(twos, 4);
    __m256 d = halves_at(b->d, h);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        __m256i four = _mm256_srli_epi32(fours[g / 4], 8 * (g % 4));
        __m256i two = _mm256_srli_epi32(twos, 8 * (g % 4) + 2 * (g / 4));
        four = _mm256_and_si256(four, _mm256_set1_epi32(15));
        two = _mm256_and_si256(two, _mm256_set1_epi32(3));
        __m256i s = _mm256_or_si256(four, _mm256_slli_epi32(two, 4));
        s = _mm256_sub_epi32(s, _mm256_set1_epi32(32));
        f->scale[g][h] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(s));
    }
}

/* Of IQ1 to IQ3: 2 scale + 1, from the nibbles of a word. IQ1_S has its shift's eighth as the minimum. */
static FM_INLINE void open_books(const int layout, codes_block block, factors *f, const int h) {
    const bool whole = group_columns(layout) == FM_CODES, shifts = layout == FM_LAYOUT_IQ1_S;
    __m256i words = words_at(book_scales(layout, block), h);
    if (whole && block.half) words = _mm256_srli_epi32(words, 16);
    __m256 d = _mm256_mul_ps(halves_at(d_of(layout, block, 0), h), _mm256_set1_ps(fm_books_unit(layout)));
    const int groups = whole ? 4 : 8;
#pragma GCC unroll 8
    for (int g = 0; g < groups; g++) {
        __m256i s = g ? _mm256_srli_epi32(words, 4 * g - 1) : _mm256_slli_epi32(words, 1);
        s = _mm256_and_si256(s, _mm256_set1_epi32(shifts ? 14 : 30));
        __m256 scale = _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_or_si256(s, _mm256_set1_epi32(1))));
        f->scale[g][h] = scale;
        if (!shifts) continue;
        __m256i sign = _mm256_and_si256(_mm256_slli_epi32(words, 28 - 4 * g), _mm256_set1_epi32(INT32_MIN));
        f->minimum[g % 4][h] = _mm256_xor_ps(scale, _mm256_castsi256_ps(sign));
        f->scale[g][h] = _mm256_mul_ps(scale, _mm256_set1_ps(8));
    }
}

/* As fm_mxfp4_half_scale. */
static FM_INLINE __m256 mxfp4_scale(const char *block, const int h) {
    __m256i code = bytes_at(block, h);
    __m256i bits = _mm256_slli_epi32(_mm256_sub_epi32(code, _mm256_set1_epi32(1)), 23);
    __m256i subnormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), code);
    __m256i is_subnormal = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), code);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(bits, subnormal, is_subnormal));
}

static FM_INLINE void open_block(const int layout, codes_block b, factors *f) {
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        if (layout == FM_LAYOUT_Q4_K || layout == FM_LAYOUT_Q5_K) open_k(b, f, h);
        if (layout == FM_LAYOUT_IQ4_XS) open_iq4_xs(b, f, h);
        if (layout == FM_LAYOUT_Q3_K) open_q3_k(b, f, h);
        if (has_book_scales(layout)) open_books(layout, b, f, h);
        if (layout == FM_LAYOUT_Q6_K || (has_2_bits(layout) && layout != FM_LAYOUT_IQ1_S))
            f->scale[0][h] = halves_at(d_of(layout, b, 0), h);
        if (layout == FM_LAYOUT_IQ1_M)
            f->scale[0][h] = _mm256_mul_ps(f->scale[0][h], _mm256_set1_ps(fm_books_unit(layout)));
        if (layout == FM_LAYOUT_Q2_K)
            f->minimum[0][h] = _mm256_sub_ps(_mm256_set1_ps(-0.0f), halves_at(m_of(layout, b, 0), h));
    }
}

static FM_INLINE __m256 scale_of(const int layout, codes_block b, const factors *f, int g,
                                 const int h) {
    if (layout == FM_LAYOUT_TCQ4) {
        const uint8_t *e = (const uint8_t *)small_block(layout, b, g);
        return _mm256_mul_ps(tcq4_scale_8(e, h), _mm256_set1_ps(0x1p-3f));
    }
    if (layout == FM_LAYOUT_MXFP4) return mxfp4_scale(small_block(layout, b, g), h);
    if (!is_super(layout)) return halves_at(d_of(layout, b, g), h);
    if (layout == FM_LAYOUT_TQ2_0) return f->scale[0][h];
    __m256i s;
    if (layout == FM_LAYOUT_IQ1_M) {
        s = _mm256_slli_epi32(bytes_at(iq1_m_bytes(words_of(layout, b, g)), h), 1);
        s = _mm256_or_si256(_mm256_and_si256(s, _mm256_set1_epi32(14)), _mm256_set1_epi32(1));
    } else if (layout == FM_LAYOUT_Q2_K)
        s = _mm256_and_si256(bytes_at(q2_scales(b, g), h), _mm256_set1_epi32(15));
    else if (layout == FM_LAYOUT_Q6_K)
        s = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(q6_scales(b, g) + 8 * h)));
    else
        return f->scale[g][h];
    return _mm256_mul_ps(f->scale[0][h], _mm256_cvtepi32_ps(s));
}

static FM_INLINE __m256 minimum_of(const int layout, codes_block b, const factors *f, int g,
                                   const int h) {
    if (!has_minimum(layout)) return _mm256_setzero_ps();
    if (!is_super(layout)) return halves_at(m_of(layout, b, g), h);
    if (layout != FM_LAYOUT_Q2_K) return f->minimum[g][h];
    __m256i m = _mm256_srli_epi32(bytes_at(q2_scales(b, g), h), 4);
    return _mm256_mul_ps(f->minimum[0][h], _mm256_cvtepi32_ps(m));
}

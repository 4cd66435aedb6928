/* codes_avx2.h: weights as operands of vpmaddubsw, which multiplies unsigned bytes with signed ones
 * and adds two neighbours to an int16. The unsigned bytes are codes of the weight, made unsigned by an
 * offset where the format has them signed; the signed ones are codes of activations, broadcast. How
 * many products an int16 holds depends on how large the codes are. Every function here is told its
 * layout as a constant; `h` is a half of the panel's 16 lanes. */
#pragma once

#include "kernel/layout.h"
#include "kernel/x86/avx2.h"

#include <stddef.h>

/* The block of 128 columns that is being multiplied, of one panel. */
typedef struct avx2_block {
    const char *at;  /* the first of the layout's blocks */
    int half;        /* of a block of 256 columns */
} avx2_block;

static FM_INLINE bool is_k(const int layout) { return layout == FM_LAYOUT_Q4_K; }
static FM_INLINE bool has_minimum(const int layout) {
    return layout == FM_LAYOUT_Q4_1 || is_k(layout);
}

/* Columns of a group: those that share a scale. */
static FM_INLINE int group_columns(const int layout) { return layout == FM_LAYOUT_Q6_K ? 16 : 32; }

/* Unsigned codes are signed ones plus 2^offset_bits; -1: codes are unsigned. */
static FM_INLINE int offset_bits(const int layout) { return layout == FM_LAYOUT_Q4_0 ? 3 : -1; }

/* Steps of four columns whose products an int16 holds: codes up to 15 make at most
 * 8 * 2 * 15 * 127 = 30480. */
static FM_INLINE int steps_per_sum(const int layout) {
    (void)layout;
    return 8;
}

static FM_INLINE size_t block_bytes(const int layout) {
    switch (layout) {
    case FM_LAYOUT_Q4_0: return sizeof(fm_panel_q4_0);
    case FM_LAYOUT_Q4_1: return sizeof(fm_panel_q4_1);
    default: return sizeof(fm_panel_q4_k);
    }
}

static FM_INLINE avx2_block block_of(const int layout, const char *panel, int64_t k) {
    if (is_k(layout))
        return (avx2_block){panel + (size_t)(k / 256) * block_bytes(layout), (int)(k / 128 % 2)};
    return (avx2_block){panel + (size_t)(k / 32) * block_bytes(layout), 0};
}

/* Where the words of group g of the 128 columns lie. */
static FM_INLINE const char *words_of(const int layout, avx2_block b, int g) {
    switch (layout) {
    case FM_LAYOUT_Q4_0:
        return b.at + (size_t)g * sizeof(fm_panel_q4_0) + offsetof(fm_panel_q4_0, q);
    case FM_LAYOUT_Q4_1:
        return b.at + (size_t)g * sizeof(fm_panel_q4_1) + offsetof(fm_panel_q4_1, q);
    default: return b.at + offsetof(fm_panel_q4_k, q) + (size_t)(4 * b.half + g) * 256;
    }
}

/* Unsigned codes of step j of a group: four columns of it. */
static FM_INLINE __m256i codes_of(const int layout, const char *words, const int j, const int h) {
    const __m256i low = _mm256_set1_epi8(15);
    __m256i v = _mm256_loadu_si256((const __m256i *)(words + 64 * (j / 2) + 32 * h));
    if (layout == FM_LAYOUT_Q4_0) v = _mm256_xor_si256(v, _mm256_set1_epi8((char)0x88));
    if (j % 2) v = _mm256_srli_epi16(v, 4);
    return _mm256_and_si256(v, low);
}

/* ---- scales and minima ------------------------------------------------------------------------- */

static FM_INLINE __m256 code_halves(const uint16_t *x, const int h) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + 8 * h)));
}

/* Factors of the groups of 128 columns, for the layouts that keep them apart from the codes. */
typedef struct avx2_factors {
    __m256 scale[4][2], minimum[4][2];
} avx2_factors;

static FM_INLINE __m256i scale_words(const fm_lanes32 words, const int h) {
    return _mm256_loadu_si256((const __m256i *)(words + 8 * h));
}

/* As fm_k_scale_word and fm_k_minimum_word. */
static FM_INLINE void open_k(avx2_block block, avx2_factors *f, const int h) {
    const fm_panel_q4_k *b = (const fm_panel_q4_k *)block.at;
    const __m256i six = _mm256_set1_epi32(63), four = _mm256_set1_epi32(0x0f0f0f0f);
    const __m256i top = _mm256_set1_epi32(0x30303030);
    __m256i scale = scale_words(b->scales[0], h), minimum = scale_words(b->scales[1], h);
    if (block.half) {
        __m256i both = scale_words(b->scales[2], h);
        scale = _mm256_or_si256(_mm256_and_si256(both, four),
                                _mm256_and_si256(_mm256_srli_epi32(scale, 2), top));
        minimum = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi32(both, 4), four),
                                  _mm256_and_si256(_mm256_srli_epi32(minimum, 2), top));
    }
    __m256 d = code_halves(b->d, h);
    __m256 dmin = _mm256_sub_ps(_mm256_set1_ps(-0.0f), code_halves(b->dmin, h));
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        __m256i s = _mm256_and_si256(_mm256_srli_epi32(scale, 8 * g), six);
        __m256i m = _mm256_and_si256(_mm256_srli_epi32(minimum, 8 * g), six);
        f->scale[g][h] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(s));
        f->minimum[g][h] = _mm256_mul_ps(dmin, _mm256_cvtepi32_ps(m));
    }
}

static FM_INLINE void open_block(const int layout, avx2_block b, avx2_factors *f) {
    if (!is_k(layout)) return;
    open_k(b, f, 0);
    open_k(b, f, 1);
}

static FM_INLINE __m256 scale_of(const int layout, avx2_block b, const avx2_factors *f, int g,
                                 const int h) {
    if (is_k(layout)) return f->scale[g][h];
    return code_halves((const uint16_t *)(b.at + (size_t)g * block_bytes(layout)), h); /* d is first */
}

static FM_INLINE __m256 minimum_of(const int layout, avx2_block b, const avx2_factors *f, int g,
                                   const int h) {
    if (is_k(layout)) return f->minimum[g][h];
    if (layout != FM_LAYOUT_Q4_1) return _mm256_setzero_ps();
    return code_halves(((const fm_panel_q4_1 *)b.at)[g].m, h);
}

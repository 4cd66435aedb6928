/* codes_avx512vnni.h: weights as operands of vpdpbusd, which multiplies four unsigned bytes of a lane with
 * four signed ones and adds all to its int32. Lanes are rows of the panel; the unsigned bytes are
 * codes of the weight, made unsigned by an offset where the format has them signed; the signed ones
 * are codes of activations, broadcast. Every function here is told its layout as a constant. */
#pragma once

#include "kernel/layout.h"
#include "kernel/x86/avx512.h"

#include <stddef.h>

/* The block of 128 columns that is being multiplied, of one panel. */
typedef struct vnni_block {
    const char *at;  /* the first of the layout's blocks */
    int half;        /* of a block of 256 columns */
} vnni_block;

static FM_INLINE bool is_k(const int layout) { return layout == FM_LAYOUT_Q4_K; }
static FM_INLINE bool has_minimum(const int layout) {
    return layout == FM_LAYOUT_Q4_1 || is_k(layout);
}

/* Columns of a group: those that share a scale. */
static FM_INLINE int group_columns(const int layout) { return layout == FM_LAYOUT_Q6_K ? 16 : 32; }

/* Unsigned codes are signed ones plus 2^offset_bits; -1: codes are unsigned. */
static FM_INLINE int offset_bits(const int layout) { return layout == FM_LAYOUT_Q4_0 ? 3 : -1; }

static FM_INLINE size_t block_bytes(const int layout) {
    switch (layout) {
    case FM_LAYOUT_Q4_0: return sizeof(fm_panel_q4_0);
    case FM_LAYOUT_Q4_1: return sizeof(fm_panel_q4_1);
    default: return sizeof(fm_panel_q4_k);
    }
}

static FM_INLINE vnni_block block_of(const int layout, const char *panel, int64_t k) {
    if (is_k(layout))
        return (vnni_block){panel + (size_t)(k / 256) * block_bytes(layout), (int)(k / 128 % 2)};
    return (vnni_block){panel + (size_t)(k / 32) * block_bytes(layout), 0};
}

/* Where the words of group g of the 128 columns lie. */
static FM_INLINE const char *words_of(const int layout, vnni_block b, int g) {
    switch (layout) {
    case FM_LAYOUT_Q4_0:
        return b.at + (size_t)g * sizeof(fm_panel_q4_0) + offsetof(fm_panel_q4_0, q);
    case FM_LAYOUT_Q4_1:
        return b.at + (size_t)g * sizeof(fm_panel_q4_1) + offsetof(fm_panel_q4_1, q);
    default: return b.at + offsetof(fm_panel_q4_k, q) + (size_t)(4 * b.half + g) * 256;
    }
}

/* Unsigned codes of step j of a group: four columns of it. */
static FM_INLINE __m512i codes_of(const int layout, const char *words, const int j) {
    const __m512i low = _mm512_set1_epi8(15);
    __m512i v = _mm512_loadu_si512(words + 64 * (j / 2));
    if (j % 2) v = _mm512_srli_epi32(v, 4);
    enum { AND_XOR = 0x6a }; /* (a & b) ^ c */
    if (layout == FM_LAYOUT_Q4_0)
        return _mm512_ternarylogic_epi32(v, low, _mm512_set1_epi8(8), AND_XOR);
    return _mm512_and_si512(v, low);
}

/* ---- scales and minima ------------------------------------------------------------------------- */

static FM_INLINE __m512 vnni_halves(const uint16_t *h) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)h));
}

/* Factors of the groups of 128 columns, for the layouts that keep them apart from the codes. */
typedef struct vnni_factors {
    __m512 scale[4], minimum[4];
} vnni_factors;

/* As fm_k_scale_word and fm_k_minimum_word. */
static FM_INLINE void open_k(vnni_block block, vnni_factors *f) {
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
    __m512 d = vnni_halves(b->d), dmin = _mm512_sub_ps(_mm512_set1_ps(-0.0f), vnni_halves(b->dmin));
#pragma GCC unroll 4
    for (unsigned g = 0; g < 4; g++) {
        __m512i s = _mm512_and_si512(_mm512_srli_epi32(scale, 8 * g), six);
        __m512i m = _mm512_and_si512(_mm512_srli_epi32(minimum, 8 * g), six);
        f->scale[g] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(s));
        f->minimum[g] = _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(m));
    }
}

static FM_INLINE void open_block(const int layout, vnni_block b, vnni_factors *f) {
    if (is_k(layout)) open_k(b, f);
}

static FM_INLINE __m512 scale_of(const int layout, vnni_block b, const vnni_factors *f, int g) {
    if (is_k(layout)) return f->scale[g];
    return vnni_halves((const uint16_t *)(b.at + (size_t)g * block_bytes(layout))); /* d comes first */
}

static FM_INLINE __m512 minimum_of(const int layout, vnni_block b, const vnni_factors *f, int g) {
    if (is_k(layout)) return f->minimum[g];
    if (layout != FM_LAYOUT_Q4_1) return _mm512_setzero_ps();
    return vnni_halves(((const fm_panel_q4_1 *)b.at)[g].m);
}

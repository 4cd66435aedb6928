/* unpack_books_avx2.c: from opened books to tiles of floats. A tile is half a block of 256. */
#include "kernel/x86/books_avx2.h"
#include "kernel/x86/unpack_avx2.h"

/* 16 codes of two bits, with what is above them in the first and the last eight. */
static FM_INLINE void unpack_twos(const fm_lanes32 q, __m256 scale, __m256i above0, __m256i above1,
                                  __m256i table, int half, float *out) {
    __m256i words = words8(q, half);
    for (int j = 0; j < 2; j++, out += 8 * FM_PANEL, words = _mm256_srli_epi32(words, 4)) {
        __m256i above = j ? above1 : above0;
        __m256i even = two_values(words, 0, above, table), odd = two_values(words, 1, above, table);
#define STEP(i) STORE_K(i, _mm256_mul_ps(scale, signed_byte(FOUR_OF(i), i / 2)))
        EIGHT(STEP)
#undef STEP
    }
}

void fm_unpack_tq2_0_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_tq2_0 *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    const __m256i table = ternary_table(), none = _mm256_setzero_si256();
    int first = (int)(k0 % 256 / 16);
    for (int g = first; g < first + (int)(nk / 16); g++, tile += 16 * FM_PANEL) {
        FETCH(b->q[g]);
        unpack_twos(b->q[g], scale_8(b->d, 0), none, none, table, 0, tile);
        unpack_twos(b->q[g], scale_8(b->d, 1), none, none, table, 1, tile + 8);
    }
}

static FM_INLINE void unpack_iq1_s_half(const fm_panel_iq1_s *b, int g, int half, float *out) {
    __m256i nibble = book_nibble(b->scales, g / 2, half), shift = iq1_shift(nibble, 3);
    __m256 scale = odd_scale(FM_LAYOUT_IQ1_S, b->d, nibble, 7, half);
    unpack_twos(b->q[g], scale, shift, shift, book_table(fm_iq1_values), half, out);
}

void fm_unpack_iq1_s_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq1_s *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 16);
    for (int g = first; g < first + (int)(nk / 16); g++, tile += 16 * FM_PANEL) {
        FETCH(b->q[g]);
        unpack_iq1_s_half(b, g, 0, tile);
        unpack_iq1_s_half(b, g, 1, tile + 8);
    }
}

static FM_INLINE void unpack_iq1_m_half(const fm_panel_iq1_m *b, int g, int half, float *out) {
    __m256i bytes = iq1_bytes(b->group[g].scale, half);
    __m256 scale = odd_scale(FM_LAYOUT_IQ1_M, b->d, bytes, 7, half);
    unpack_twos(b->group[g].q, scale, iq1_shift(bytes, 4), iq1_shift(bytes, 5), book_table(fm_iq1_values),
                half, out);
}

void fm_unpack_iq1_m_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq1_m *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 16);
    for (int g = first; g < first + (int)(nk / 16); g++, tile += 16 * FM_PANEL) {
        FETCH(b->group[g].q);
        unpack_iq1_m_half(b, g, 0, tile);
        unpack_iq1_m_half(b, g, 1, tile + 8);
    }
}

/* 16 values of IQ2 from each half of a group of 32. */
static FM_INLINE void unpack_iq2_half(const fm_lanes32 q[3], __m256 scale0, __m256 scale1, int half,
                                      float *out) {
    const __m256i table = book_table(fm_iq2_values);
    for (int j = 0; j < 4; j++, out += 8 * FM_PANEL) {
        __m256 scale = j < 2 ? scale0 : scale1;
        __m256i words = words8(q[j < 3 ? j : 0], half);
        __m256i even = j < 3 ? three_values(words, 0, table) : last_values(q, 0, half, table);
        __m256i odd = j < 3 ? three_values(words, 1, table) : last_values(q, 1, half, table);
#define STEP(i) STORE_K(i, _mm256_mul_ps(scale, signed_byte(FOUR_OF(i), i / 2)))
        EIGHT(STEP)
#undef STEP
    }
}

static FM_INLINE void unpack_iq2_xxs_half(const fm_panel_iq2_xxs *b, int g, int half, float *out) {
    __m256 scale = odd_scale(FM_LAYOUT_IQ2_XXS, b->d, book_nibble(b->scales, g, half), 15, half);
    unpack_iq2_half(b->q[g], scale, scale, half, out);
}

void fm_unpack_iq2_xxs_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq2_xxs *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 32);
    for (int g = first; g < first + (int)(nk / 32); g++, tile += 32 * FM_PANEL) {
        for (int j = 0; j < 3; j++) FETCH(b->q[g][j]);
        unpack_iq2_xxs_half(b, g, 0, tile);
        unpack_iq2_xxs_half(b, g, 1, tile + 8);
    }
}

static FM_INLINE void unpack_iq2_s_half(const fm_panel_iq2_s *b, int g, int half, float *out) {
    __m256i nibbles = book_nibble(b->scales[g / 4], 2 * g % 8, half);
    __m256 scale0 = odd_scale(FM_LAYOUT_IQ2_S, b->d, nibbles, 15, half);
    __m256 scale1 = odd_scale(FM_LAYOUT_IQ2_S, b->d, _mm256_srli_epi32(nibbles, 4), 15, half);
    unpack_iq2_half(b->q[g], scale0, scale1, half, out);
}

void fm_unpack_iq2_s_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq2_s *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 32);
    for (int g = first; g < first + (int)(nk / 32); g++, tile += 32 * FM_PANEL) {
        for (int j = 0; j < 3; j++) FETCH(b->q[g][j]);
        unpack_iq2_s_half(b, g, 0, tile);
        unpack_iq2_s_half(b, g, 1, tile + 8);
    }
}

static FM_INLINE void unpack_iq3_half(const int layout, const fm_panel_iq3 *b, int g, const int8_t *values,
                                      int half, float *out) {
    const __m256i table = book_table(values);
    __m256 scale = odd_scale(layout, b->d, book_nibble(b->scales, g, half), 15, half);
    for (int j = 0; j < 4; j++, out += 8 * FM_PANEL) {
        __m256i words = words8(b->q[g][j], half);
        __m256i even = even_values(words, table), odd = odd_values(words, table);
#define STEP(i) STORE_K(i, _mm256_mul_ps(scale, signed_byte(FOUR_OF(i), i / 2)))
        EIGHT(STEP)
#undef STEP
    }
}

static FM_INLINE void unpack_iq3(const int layout, const fm_panels *w, int64_t panel, int64_t k0, int64_t nk,
                                 const int8_t *values, float *tile) {
    const fm_panel_iq3 *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 32);
    for (int g = first; g < first + (int)(nk / 32); g++, tile += 32 * FM_PANEL) {
        for (int j = 0; j < 4; j++) FETCH(b->q[g][j]);
        unpack_iq3_half(layout, b, g, values, 0, tile);
        unpack_iq3_half(layout, b, g, values, 1, tile + 8);
    }
}

void fm_unpack_iq3_xxs_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    unpack_iq3(FM_LAYOUT_IQ3_XXS, w, panel, k0, nk, fm_iq3_xxs_values, tile);
}

void fm_unpack_iq3_s_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    unpack_iq3(FM_LAYOUT_IQ3_S, w, panel, k0, nk, fm_iq3_s_values, tile);
}

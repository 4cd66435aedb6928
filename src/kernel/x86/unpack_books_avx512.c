/* unpack_books_avx512.c: from opened books to tiles of floats. A tile is half a block of 256. */
#include "kernel/x86/books_avx512.h"
#include "kernel/x86/unpack_avx512.h"

void fm_unpack_tq2_0_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_tq2_0 *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    const __m512 table = ternary_values(), d = halves16(b->d);
    int first = (int)(k0 % 256 / 16);
    for (int g = first; g < first + (int)(nk / 16); g++, tile += 16 * FM_PANEL) {
        __m512i words = words16(b->q[g]);
        FETCH(b->q[g]);
#define STEP(i) PUT(i, _mm512_mul_ps(d, look_up(words, fm_q2_shift(i), table)));
        SIXTEEN(STEP)
#undef STEP
    }
}

void fm_unpack_iq1_s_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq1_s *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    const __m512 table = ternary_values();
    int first = (int)(k0 % 256 / 16);
    for (int g = first; g < first + (int)(nk / 16); g++, tile += 16 * FM_PANEL) {
        __m512i nibble = book_nibble(b->scales, g / 2), words = words16(b->q[g]);
        __m512 scale = odd_scale(b->d, nibble, 7), shift = iq1_shift(nibble, 3);
        FETCH(b->q[g]);
#define STEP(i)                                                                                    \
    PUT(i, _mm512_mul_ps(scale, _mm512_add_ps(look_up(words, fm_q2_shift(i), table), shift)));
        SIXTEEN(STEP)
#undef STEP
    }
}

void fm_unpack_iq1_m_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq1_m *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    const __m512 table = ternary_values();
    int first = (int)(k0 % 256 / 16);
    for (int g = first; g < first + (int)(nk / 16); g++, tile += 16 * FM_PANEL) {
        __m512i bytes = iq1_bytes(b->group[g].scale), words = words16(b->group[g].q);
        __m512 scale = odd_scale(b->d, bytes, 7);
        __m512 shift0 = iq1_shift(bytes, 4), shift1 = iq1_shift(bytes, 5);
        FETCH(b->group[g].q);
#define STEP(i)                                                                                    \
    PUT(i, _mm512_mul_ps(scale, _mm512_add_ps(look_up(words, fm_q2_shift(i), table),               \
                                              i < 8 ? shift0 : shift1)));
        SIXTEEN(STEP)
#undef STEP
    }
}

/* 16 values of IQ2 from each half of a group of 32. */
static FM_INLINE void unpack_iq2(const fm_lanes32 q[3], const __m512 scale[2], size_t next, float *tile) {
    const __m512 table = book_values(FM_LAYOUT_IQ2_S, fm_iq2_values);
#pragma GCC unroll 3
    for (int j = 0; j < 3; j++, tile += 8 * FM_PANEL) {
        __m512i words = words16(q[j]);
        FETCH(q[j]);
#define STEP(i) PUT(i, _mm512_mul_ps(scale[j / 2], look_up(words, iq2_at(i), table)));
        EIGHT(STEP)
#undef STEP
    }
    __m512i even = iq2_last_even(q), odd = iq2_last_odd(q);
#define STEP(i) PUT(i, _mm512_mul_ps(scale[1], look_up(i % 2 ? odd : even, i / 2 * 8, table)));
    EIGHT(STEP)
#undef STEP
}

void fm_unpack_iq2_xxs_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq2_xxs *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 32);
    for (int g = first; g < first + (int)(nk / 32); g++, tile += 32 * FM_PANEL) {
        __m512 scale = odd_scale(b->d, book_nibble(b->scales, g), 15);
        unpack_iq2(b->q[g], (const __m512[2]){scale, scale}, next, tile);
    }
}

void fm_unpack_iq2_s_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    const fm_panel_iq2_s *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 32);
    for (int g = first; g < first + (int)(nk / 32); g++, tile += 32 * FM_PANEL) {
        __m512i nibbles = book_nibble(b->scales[g / 4], 2 * g % 8);
        __m512 scale[2] = {odd_scale(b->d, nibbles, 15),
                           odd_scale(b->d, _mm512_srli_epi32(nibbles, 4), 15)};
        unpack_iq2(b->q[g], scale, next, tile);
    }
}

static FM_INLINE void unpack_iq3(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, const __m512 table,
                                 float *tile) {
    const fm_panel_iq3 *b = fm_panel_block(w, panel, k0, 256, sizeof *b);
    size_t next = fm_next_tile(w, k0, sizeof *b / 2);
    int first = (int)(k0 % 256 / 32);
    for (int g = first; g < first + (int)(nk / 32); g++) {
        __m512 scale = odd_scale(b->d, book_nibble(b->scales, g), 15);
        for (int j = 0; j < 4; j++, tile += 8 * FM_PANEL) {
            __m512i words = words16(b->q[g][j]);
            FETCH(b->q[g][j]);
#define STEP(i) PUT(i, _mm512_mul_ps(scale, look_up(words, 4 * i, table)));
            EIGHT(STEP)
#undef STEP
        }
    }
}

void fm_unpack_iq3_xxs_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    unpack_iq3(w, panel, k0, nk, book_values(FM_LAYOUT_IQ3_XXS, fm_iq3_xxs_values), tile);
}

void fm_unpack_iq3_s_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk, float *tile) {
    unpack_iq3(w, panel, k0, nk, book_values(FM_LAYOUT_IQ3_S, fm_iq3_s_values), tile);
}

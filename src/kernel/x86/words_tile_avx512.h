/* words_tile_avx512.h: products of words: 6 rows of x by 4 panels, 24 accumulators. DOT(y, x, w) is what a
 * word of x, spread over the lanes, does with a word of every lane: of floats, unless who includes this has
 * said otherwise.
 *
 * Every accumulator is a variable with a name: gcc keeps an array of them in memory. */
#pragma once

#include "kernel/x86/avx512.h"

#ifndef DOT
#define DOT(y, x, w) _mm512_fmadd_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(w), y)
#endif

enum { TILE_ROWS = 6 };

/* The statement for rows 0 to R - 1, R being a constant of the caller. */
#define EACH_ROW(M)                                                                                \
    do {                                                                                           \
        M(0);                                                                                      \
        if (R > 1) M(1);                                                                           \
        if (R > 2) M(2);                                                                           \
        if (R > 3) M(3);                                                                           \
        if (R > 4) M(4);                                                                           \
        if (R > 5) M(5);                                                                           \
    } while (0)

#define LANES(p) ((p) + 1 == P ? last : (__mmask16)0xffff)
#define LOAD(r, p) _mm512_maskz_loadu_ps(LANES(p), y + r * ldy + 16 * p)
#define STORE(r, p, a) _mm512_mask_storeu_ps(y + r * ldy + 16 * p, LANES(p), a)

/* `last` are the lanes of the last panel that y has. With `split` a word of w is two of BF16, which become
 * floats, odd before even, and x has two floats for it, in that order. */
static FM_INLINE void words_tile(const fm_words_block *b, const uint32_t *x, float *y, __mmask16 last,
                                 const int R, const int P, const bool split) {
    __m512 a00, a01, a02, a03, a10, a11, a12, a13, a20, a21, a22, a23;
    __m512 a30, a31, a32, a33, a40, a41, a42, a43, a50, a51, a52, a53;
    a00 = a01 = a02 = a03 = a10 = a11 = a12 = a13 = a20 = a21 = a22 = a23 = _mm512_setzero_ps();
    a30 = a31 = a32 = a33 = a40 = a41 = a42 = a43 = a50 = a51 = a52 = a53 = _mm512_setzero_ps();
    int64_t ldy = b->ldy;
#define LOAD_ROW(r)                                                                                \
    do {                                                                                           \
        a##r##0 = LOAD(r, 0);                                                                      \
        if (P > 1) a##r##1 = LOAD(r, 1);                                                           \
        if (P > 2) a##r##2 = LOAD(r, 2);                                                           \
        if (P > 3) a##r##3 = LOAD(r, 3);                                                           \
    } while (0)
    if (b->adds) EACH_ROW(LOAD_ROW);

    const uint32_t *w = b->w;
    int64_t x_row = b->x_row, x_word = b->x_word, w_panel = b->w_panel;
    for (int64_t k = b->n; k > 0; k--, w += FM_PANEL, x += x_word) {
#define VECTOR(p) (P > p ? _mm512_loadu_si512(w + p * w_panel) : _mm512_setzero_si512())
        __m512i w0 = VECTOR(0), w1 = VECTOR(1), w2 = VECTOR(2), w3 = VECTOR(3);
#define DOT_ROW(r)                                                                                 \
    do {                                                                                           \
        __m512i word = _mm512_set1_epi32((int)x[r * x_row]);                                       \
        a##r##0 = DOT(a##r##0, word, w0);                                                          \
        if (P > 1) a##r##1 = DOT(a##r##1, word, w1);                                               \
        if (P > 2) a##r##2 = DOT(a##r##2, word, w2);                                               \
        if (P > 3) a##r##3 = DOT(a##r##3, word, w3);                                               \
    } while (0)
        if (split) {
            const __m512i high = _mm512_set1_epi32((int)0xffff0000);
            w0 = _mm512_and_si512(w0, high), w1 = _mm512_and_si512(w1, high);
            w2 = _mm512_and_si512(w2, high), w3 = _mm512_and_si512(w3, high);
            EACH_ROW(DOT_ROW);
            __asm__("" ::: "memory"); /* registers are full: the words are read again, not kept */
#define LOW_HALVES(p) _mm512_slli_epi32(VECTOR(p), 16)
            w0 = LOW_HALVES(0), w1 = LOW_HALVES(1), w2 = LOW_HALVES(2), w3 = LOW_HALVES(3);
            x++;
        }
        EACH_ROW(DOT_ROW);
    }

#define STORE_ROW(r)                                                                               \
    do {                                                                                           \
        STORE(r, 0, a##r##0);                                                                      \
        if (P > 1) STORE(r, 1, a##r##1);                                                           \
        if (P > 2) STORE(r, 2, a##r##2);                                                           \
        if (P > 3) STORE(r, 3, a##r##3);                                                           \
    } while (0)
    EACH_ROW(STORE_ROW);
}

/* What the next tile will read or write of y comes while this one is busy. */
static FM_INLINE void prefetch_y(const float *y, int64_t ldy, int64_t rows, const int P) {
    for (int64_t r = 0; r < rows; r++)
        for (int p = 0; p < P; p++) _mm_prefetch(y + r * ldy + 16 * p, _MM_HINT_T0);
}

/* All rows over P panels, in tiles of nearly equal height: seven rows are 4 + 3, not 6 + 1, since a low
 * tile spends its time on loading vectors. */
static FM_INLINE void words_rows(const fm_words_block *b, const int P, const bool split) {
    const uint32_t *x = b->x;
    float *y = b->y;
    __mmask16 last = fm_mask16(b->columns - 16 * (P - 1));
    int64_t rows = b->rows, tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    for (; tiles > 0; tiles--) {
        int64_t height = (rows + tiles - 1) / tiles;
        if (tiles > 1) prefetch_y(y + height * b->ldy, b->ldy, height, P);
        switch (height) {
        case 1: words_tile(b, x, y, last, 1, P, split); break;
        case 2: words_tile(b, x, y, last, 2, P, split); break;
        case 3: words_tile(b, x, y, last, 3, P, split); break;
        case 4: words_tile(b, x, y, last, 4, P, split); break;
        case 5: words_tile(b, x, y, last, 5, P, split); break;
        default: words_tile(b, x, y, last, 6, P, split); break;
        }
        x += height * b->x_row;
        y += height * b->ldy;
        rows -= height;
    }
}

static FM_INLINE void words_panels(const fm_words_block *b, const bool split) {
    switch (b->n_panels) {
    case 1: words_rows(b, 1, split); break;
    case 2: words_rows(b, 2, split); break;
    case 3: words_rows(b, 3, split); break;
    default: words_rows(b, 4, split); break;
    }
}

/* words_expand.h: products of pairs of BF16 without an instruction for them: both halves become floats, odd
 * before even as the definition wants, and the product of floats does the rest while the processor takes
 * subnormals for zeros. The loops here are plain C that compilers turn into vectors. */
#pragma once

#include "kernel/x86/x86.h"

#include <immintrin.h>

enum {
    EXPAND_WORDS = FM_TILE_K / 2,
    EXPAND_ROWS = 48,
    FLUSH = 0x8040, /* MXCSR: subnormals are zero, coming out and going in */
};

typedef struct expanded {
    _Alignas(64) uint32_t w[FM_TILE_PANELS][FM_TILE_K][FM_PANEL];
    _Alignas(64) uint32_t x[EXPAND_ROWS][FM_TILE_K];
} expanded;

static inline void expand_lanes(const uint32_t *w, int64_t words, uint32_t (*out)[FM_PANEL]) {
    for (int64_t k = 0; k < words; k++)
        for (int r = 0; r < FM_PANEL; r++) {
            out[2 * k][r] = w[k * FM_PANEL + r] & 0xffff0000;
            out[2 * k + 1][r] = w[k * FM_PANEL + r] << 16;
        }
}

static inline void expand_row(const uint32_t *x, int64_t x_word, int64_t words, uint32_t *out) {
    for (int64_t k = 0; k < words; k++) {
        uint32_t word = x[k * x_word];
        out[2 * k] = word & 0xffff0000;
        out[2 * k + 1] = word << 16;
    }
}

/* Words [k0, k0 + words) of a block, some rows at a time. */
static inline void expand_and_multiply(const fm_words_block *b, int64_t k0, int64_t words, expanded *e,
                                       void (*floats)(const fm_words_block *)) {
    for (int p = 0; p < b->n_panels; p++)
        expand_lanes(b->w + p * b->w_panel + k0 * FM_PANEL, words, e->w[p]);
    fm_words_block f = *b;
    f.n = 2 * words;
    f.x = e->x[0];
    f.x_row = FM_TILE_K;
    f.x_word = 1;
    f.w = e->w[0][0];
    f.w_panel = FM_TILE_K * FM_PANEL;
    f.adds = b->adds || k0 > 0;
    for (int64_t m = 0; m < b->rows; m += EXPAND_ROWS) {
        f.rows = b->rows - m < EXPAND_ROWS ? b->rows - m : EXPAND_ROWS;
        f.y = b->y + m * b->ldy;
        for (int64_t i = 0; i < f.rows; i++)
            expand_row(b->x + (m + i) * b->x_row + k0 * b->x_word, b->x_word, words, e->x[i]);
        floats(&f);
    }
}

static inline void expanded_product(const fm_words_block *b, void (*floats)(const fm_words_block *)) {
    expanded e;
    unsigned control = _mm_getcsr();
    _mm_setcsr(control | FLUSH);
    int64_t k0 = 0;
    do {
        int64_t words = b->n - k0 < EXPAND_WORDS ? b->n - k0 : EXPAND_WORDS;
        expand_and_multiply(b, k0, words, &e, floats);
        k0 += words;
    } while (k0 < b->n);
    _mm_setcsr(control);
}

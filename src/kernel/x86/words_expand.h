/* words_expand.h: products of pairs of BF16 without an instruction for them. The halves of rows become floats
 * first, odd before even as the definition wants; those of panels become floats in registers, where the
 * product of floats meets them, while the processor takes subnormals for zeros. */
#pragma once

#include "kernel/x86/x86.h"

#include <immintrin.h>

enum {
    EXPAND_WORDS = FM_TILE_K / 2,
    EXPAND_ROWS = 48,
    EXPAND_STEP = FM_TILE_K + 20, /* floats from row to row: their words lie in different banks of an L1 cache */
    FLUSH = 0x8040, /* MXCSR: subnormals are zero, coming out and going in */
};

static inline void expand_row(const uint32_t *x, int64_t x_word, int64_t words, uint32_t *out) {
    for (int64_t k = 0; k < words; k++) {
        uint32_t word = x[k * x_word];
        out[2 * k] = word & 0xffff0000;
        out[2 * k + 1] = word << 16;
    }
}

/* `product` takes words of w, and for each of them two floats of x, odd and even. */
static inline void expanded_product(const fm_words_block *b, void (*product)(const fm_words_block *)) {
    uint32_t x[EXPAND_ROWS][EXPAND_STEP];
    unsigned control = _mm_getcsr();
    _mm_setcsr(control | FLUSH);
    int64_t k = 0;
    do {
        fm_words_block f = *b;
        f.n = b->n - k < EXPAND_WORDS ? b->n - k : EXPAND_WORDS;
        f.x = x[0];
        f.x_row = EXPAND_STEP;
        f.x_word = 1;
        f.w = b->w + k * FM_PANEL;
        f.adds = b->adds || k > 0;
        for (int64_t m = 0; m < b->rows; m += f.rows) {
            f.rows = b->rows - m < EXPAND_ROWS ? b->rows - m : EXPAND_ROWS;
            f.y = b->y + m * b->ldy;
            for (int64_t i = 0; i < f.rows; i++)
                expand_row(b->x + (m + i) * b->x_row + k * b->x_word, b->x_word, f.n, x[i]);
            product(&f);
        }
        k += f.n;
    } while (k < b->n);
    _mm_setcsr(control);
}

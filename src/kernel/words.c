/* words.c: a product of words as blocks: FM_TILE_K words of a few panels, which stay in L1 while all rows
 * pass over them. Sums wait in y between blocks, which changes no bit. */
#include "kernel/words.h"

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* Rows [begin, end) of x by a block of w at word k0; `b` knows the rest. Rows in panels lie together 16 by
 * 16. */
static void multiply_rows(const fm_kernels *k, const fm_words_product *p, fm_words_block *b,
                          int64_t begin, int64_t end, float *y, int64_t k0) {
    if (!p->x.in_panels) {
        b->x = p->x.data + begin * p->x.step + k0;
        b->rows = end - begin;
        b->y = y + begin * p->ldy;
        k->words_product[p->form](b);
        return;
    }
    for (int64_t m = begin; m < end; m += b->rows) {
        b->x = p->x.data + m / FM_PANEL * p->x.step + k0 * FM_PANEL + m % FM_PANEL;
        b->rows = smaller(FM_PANEL - m % FM_PANEL, end - m);
        b->y = y + m * p->ldy;
        k->words_product[p->form](b);
    }
}

void fm_words_multiply(const fm_kernels *k, const fm_words_product *p, int64_t row_begin,
                       int64_t row_end, int64_t begin, int64_t end) {
    fm_words_block b = {.x_row = p->x.in_panels ? 1 : p->x.step,
                        .x_word = p->x.in_panels ? FM_PANEL : 1,
                        .w_panel = p->w.step,
                        .ldy = p->ldy};
    for (int64_t panel = begin; panel < end; panel += FM_TILE_PANELS) {
        b.n_panels = (int)smaller(FM_TILE_PANELS, end - panel);
        b.columns = smaller((int64_t)b.n_panels * FM_PANEL, p->n_out - panel * FM_PANEL);
        int64_t k0 = 0;
        do { /* once at least: no words make zeros */
            b.n = smaller(FM_TILE_K, p->n_words - k0);
            b.adds = p->adds || k0 > 0;
            b.w = p->w.data + panel * p->w.step + k0 * FM_PANEL;
            multiply_rows(k, p, &b, row_begin, row_end, p->y + panel * FM_PANEL, k0);
            k0 += b.n;
        } while (k0 < p->n_words);
    }
}

/* words_floats.c: products of floats through words, piece by piece. */
#include "kernel/words.h"

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t fm_words_rows_scratch(fm_word_form form, int64_t n) {
    return FM_WORDS_ROWS * fm_words_row_step(fm_words_count(form, n));
}

static const float *row_at(const fm_float_rows *r, int64_t m) {
    return r->x + (r->index ? r->index[m] : m) * r->ld;
}

/* Of rows that lie anywhere, the processor does not see where the next ones are. */
enum { AHEAD = 6, LINE = 16 };
static void prefetch_row(const float *x, int64_t n) {
    for (int64_t c = 0; c < n; c += LINE) __builtin_prefetch(x + c);
}

fm_words fm_words_pack_rows(const fm_kernels *k, fm_word_form form, const fm_float_rows *x, int64_t n,
                            int64_t row_begin, int64_t row_end, uint32_t *scratch) {
    int64_t step = fm_words_row_step(fm_words_count(form, n));
    for (int64_t m = row_begin; m < row_end; m++) {
        if (x->index && m + AHEAD < row_end) prefetch_row(row_at(x, m + AHEAD), n);
        k->words_of_row[form](row_at(x, m), n, scratch + (m - row_begin) * step);
    }
    return (fm_words){scratch, step, false};
}

void fm_words_multiply_rows(const fm_kernels *k, const fm_words_product *p, const fm_float_rows *x,
                            int64_t n, int64_t row_begin, int64_t row_end, int64_t begin, int64_t end,
                            uint32_t *scratch) {
    fm_words_product piece = *p;
    for (int64_t m = row_begin; m < row_end; m += FM_WORDS_ROWS) {
        int64_t rows = smaller(FM_WORDS_ROWS, row_end - m);
        piece.x = fm_words_pack_rows(k, p->form, x, n, m, m + rows, scratch);
        piece.y = p->y + m * p->ldy;
        fm_words_multiply(k, &piece, 0, rows, begin, end);
    }
}

/* Rows [t, t + rows) of columns [begin, end), as panels. */
static fm_words pack_columns(const fm_kernels *k, fm_word_form form, const fm_float_rows *r, int64_t t,
                             int64_t rows, int64_t begin, int64_t end, uint32_t *out) {
    fm_words panels = {out, fm_words_panel_step(FM_OUTER_WORDS), true};
    const float *x = r->x + begin + (r->index ? 0 : t * r->ld);
    k->words_of_columns[form](x, r->ld, r->index ? r->index + t : NULL, rows, end - begin, out, panels.step);
    return panels;
}

void fm_words_multiply_columns(const fm_kernels *k, const fm_words_outer *p, int64_t a_begin,
                               int64_t a_end, int64_t b_begin, int64_t b_end, uint32_t *scratch) {
    int64_t most = p->form == FM_WORDS_BF16 ? 2 * FM_OUTER_WORDS : FM_OUTER_WORDS;
    uint32_t *b_scratch = scratch + FM_OUTER_A / FM_PANEL * fm_words_panel_step(FM_OUTER_WORDS);
    int64_t rows = a_end - a_begin, columns = b_end - b_begin;
    fm_words_product piece = {.form = p->form, .n_out = columns, .y = p->y + a_begin * p->ldy + b_begin,
                              .ldy = p->ldy, .adds = true};
    for (int64_t t = 0; t < p->n_rows; t += most) {
        int64_t n = smaller(most, p->n_rows - t);
        piece.x = pack_columns(k, p->form, &p->a, t, n, a_begin, a_end, scratch);
        piece.w = pack_columns(k, p->form, &p->b, t, n, b_begin, b_end, b_scratch);
        piece.n_words = fm_words_count(p->form, n);
        fm_words_multiply(k, &piece, 0, rows, 0, (columns + FM_PANEL - 1) / FM_PANEL);
    }
}

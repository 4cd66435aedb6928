#include "op/products.h"

#include <assert.h>

enum {
    ROWS = 512,        /* of dx in a unit */
    TILE = FM_TILE_K,  /* columns of dx in a unit */
    PIECE = 2 * TILE,  /* of dy's columns that are packed at a time */
    PACKED = TILE * TILE,
    MADE_ROWS = FM_OUTER_WORDS, /* of x that are made at a time */
};

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t blocks_of(int64_t n, int64_t block) { return (n + block - 1) / block; }

/* What learning multiplies. */
static fm_word_form form_of(const fm_run *run) {
    (void)run;
    return FM_WORDS_F32;
}

size_t fm_products_scratch(void) {
    int64_t outer = FM_OUTER_SCRATCH + MADE_ROWS * FM_OUTER_B, frozen = PACKED + FM_PANEL * TILE;
    int64_t rows = fm_words_rows_scratch(FM_WORDS_F32, PIECE);
    return (size_t)larger(larger(outer, frozen), rows) * sizeof(float);
}

/* ---- dx += dy W ---------------------------------------------------------------------------------- */

int64_t fm_to_input_units(const fm_to_input *p) {
    return blocks_of(p->rows, ROWS) * blocks_of(p->columns, TILE);
}

/* Columns [c0, c0 + columns) of rows [n0, n0 + n) of w as panels of floats whose lanes are the columns. */
static void unpack_columns(const fm_kernels *k, const fm_panels *w, int64_t c0, int64_t columns, int64_t n0,
                           int64_t n, float *tile, uint32_t *out) {
    for (int64_t at = 0; at < n; at += FM_PANEL) {
        k->unpack[w->layout](w, (n0 + at) / FM_PANEL, c0, columns, tile);
        for (int64_t c = 0; c < columns; c += FM_PANEL)
            k->words_of_rows[FM_WORDS_F32](tile + c * FM_PANEL, FM_PANEL, smaller(FM_PANEL, columns - c),
                                           FM_PANEL, out + c * TILE + at * FM_PANEL);
    }
}

/* Columns [n0, n0 + n) of rows [c0, c0 + columns) of w as panels of floats whose lanes are the rows. */
static void unpack_rows(const fm_kernels *k, const fm_panels *w, int64_t c0, int64_t columns, int64_t n0,
                        int64_t n, uint32_t *out) {
    for (int64_t c = 0; c < columns; c += FM_PANEL)
        k->unpack[w->layout](w, (c0 + c) / FM_PANEL, n0, n, (float *)(void *)(out + c * TILE));
}

/* A block of dx: rows [row, row + rows) of columns [c0, c0 + columns). */
typedef struct block {
    int64_t row, rows, c0, columns;
    bool adds;
} block;

/* Whatever the weight is, decoded to floats. */
static void add_frozen(const fm_run *run, const fm_to_input *p, const fm_term *term, block b, float *scratch) {
    const fm_kernels *k = run->kernels;
    const fm_panels *w = &term->w->panels;
    int64_t all = term->transposed ? w->n_in : w->n_out;
    uint32_t *panels = (uint32_t *)(void *)scratch;
    fm_words_product product = {.form = FM_WORDS_F32, .w = {panels, TILE * FM_PANEL, true},
                                .n_out = b.columns, .y = p->dx + b.row * p->ld + b.c0, .ldy = p->ld,
                                .adds = b.adds};
    for (int64_t n0 = 0; n0 < all; n0 += TILE) {
        int64_t n = smaller(TILE, all - n0);
        if (term->transposed) unpack_rows(k, w, b.c0, b.columns, n0, n, panels);
        else unpack_columns(k, w, b.c0, b.columns, n0, n, scratch + PACKED, panels);
        product.x = (fm_words){(const uint32_t *)(const void *)(term->dy + b.row * term->ld + n0), term->ld,
                               false};
        product.n_words = n;
        fm_words_multiply(k, &product, 0, b.rows, 0, blocks_of(b.columns, FM_PANEL));
        product.adds = true;
    }
}

/* A weight that learns has the panels that are wanted (pack/master.h). */
static void add_learning(const fm_run *run, const fm_to_input *p, const fm_term *term, block b,
                         float *scratch) {
    const fm_panels *w = term->transposed ? &term->w->panels : &term->w->turned;
    fm_word_form form = form_of(run);
    fm_words_product product = {.form = form, .w = fm_words_of_panels(w), .n_out = p->columns, .y = p->dx,
                                .ldy = p->ld, .adds = b.adds};
    for (int64_t n0 = 0; n0 < w->n_in; n0 += PIECE) {
        int64_t n = smaller(PIECE, w->n_in - n0), words = fm_words_count(form, n);
        fm_float_rows dy = {term->dy + n0, term->ld, NULL};
        product.n_words = words;
        fm_words_multiply_rows(run->kernels, &product, &dy, n, b.row, b.row + b.rows, b.c0 / FM_PANEL,
                               blocks_of(b.c0 + b.columns, FM_PANEL), (uint32_t *)(void *)scratch);
        product.w.data += words * FM_PANEL;
        product.adds = true;
    }
}

void fm_to_input_unit(const fm_run *run, const fm_to_input *p, int64_t unit, float *scratch) {
    int64_t tiles = blocks_of(p->columns, TILE);
    block b = {.row = unit / tiles * ROWS, .c0 = unit % tiles * TILE, .adds = !p->sets};
    b.rows = smaller(ROWS, p->rows - b.row);
    b.columns = smaller(TILE, p->columns - b.c0);
    for (int i = 0; i < p->n; i++, b.adds = true) {
        const fm_weight *w = p->terms[i].w;
        assert(p->columns == (p->terms[i].transposed ? w->n_out : w->n_in));
        (w->turned.data ? add_learning : add_frozen)(run, p, &p->terms[i], b, scratch);
    }
}

/* ---- dW += dy^T x -------------------------------------------------------------------------------- */

int64_t fm_to_weight_units(const fm_to_weight *p) {
    return blocks_of(p->n_out, FM_OUTER_A) * blocks_of(p->n_in, FM_OUTER_B);
}

/* Rows of x are made a piece at a time: [row, row + n) of its columns [c0, c1). */
static void multiply_made(const fm_run *run, const fm_to_weight *p, fm_words_outer outer, int64_t n0,
                          int64_t n1, int64_t c0, int64_t c1, float *scratch) {
    float *made = scratch + FM_OUTER_SCRATCH;
    outer.y += c0;
    for (int64_t row = 0; row < p->rows; row += MADE_ROWS) {
        outer.n_rows = smaller(MADE_ROWS, p->rows - row);
        p->make_x(p->context, row, outer.n_rows, c0, c1 - c0, made);
        outer.a.x = p->dy + row * p->ld_dy;
        outer.b = (fm_float_rows){made, c1 - c0, NULL};
        fm_words_multiply_columns(run->kernels, &outer, n0, n1, 0, c1 - c0, (uint32_t *)(void *)scratch);
    }
}

void fm_to_weight_unit(const fm_run *run, const fm_to_weight *p, int64_t unit, float *scratch) {
    int64_t across = blocks_of(p->n_in, FM_OUTER_B);
    int64_t n0 = unit / across * FM_OUTER_A, n1 = smaller(n0 + FM_OUTER_A, p->n_out);
    int64_t c0 = unit % across * FM_OUTER_B, c1 = smaller(c0 + FM_OUTER_B, p->n_in);
    for (int64_t t = 0; t < p->rows && p->db && c0 == 0; t++)
        run->kernels->add(p->dy + t * p->ld_dy + n0, n1 - n0, p->db + n0);
    if (!p->dw) return;
    fm_words_outer outer = {.form = form_of(run), .a = {p->dy, p->ld_dy, NULL}, .b = {p->x, p->ld_x, p->x_rows},
                            .n_rows = p->rows, .y = p->dw, .ldy = p->n_in};
    if (p->make_x) multiply_made(run, p, outer, n0, n1, c0, c1, scratch);
    else fm_words_multiply_columns(run->kernels, &outer, n0, n1, c0, c1, (uint32_t *)(void *)scratch);
}

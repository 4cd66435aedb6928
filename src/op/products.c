#include "op/products.h"

#include <assert.h>

enum {
    ROWS = 512,          /* of dx in a unit */
    TILE = FM_TILE_K,    /* columns of dx in a unit */
    PACKED = TILE * TILE,
    WIDE = 1024,         /* columns of a result of words in a unit, whose rows are FM_WORDS_ROWS */
    PIECE = 1024,        /* words of a row that are packed at a time */
    MADE_ROWS = FM_OUTER_WORDS, /* of x that are made at a time */
};

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t blocks_of(int64_t n, int64_t block) { return (n + block - 1) / block; }

static fm_word_form form_of_panels(const fm_panels *w) {
    return w->layout == FM_LAYOUT_BF16 ? FM_WORDS_BF16 : FM_WORDS_F32;
}

fm_word_form fm_form_of(const fm_plan *plan, const fm_weight *w) {
    const fm_plan_options *o = fm_plan_options_of(plan);
    return o->learns && o->activations == FM_ACTIVATIONS_BF16 ? form_of_panels(&w->panels) : FM_WORDS_F32;
}

size_t fm_products_scratch(void) {
    int64_t outer = FM_OUTER_SCRATCH + MADE_ROWS * FM_OUTER_B, frozen = PACKED + FM_PANEL * TILE;
    int64_t rows = fm_words_rows_scratch(FM_WORDS_F32, PIECE);
    return (size_t)larger(larger(outer, frozen), rows) * sizeof(float);
}

/* ---- products of words --------------------------------------------------------------------------- */

/* Rows of y by columns, of what `panels` make of rows of floats x. */
typedef struct words_unit {
    fm_word_form form;
    const fm_panels *panels;
    fm_float_rows x;
    float *y;
    int64_t ld, row, rows, column, columns;
    bool adds;
} words_unit;

/* Unit number `unit` of all for `rows` rows and `columns` columns. */
static int64_t words_units(int64_t rows, int64_t columns) {
    return blocks_of(rows, FM_WORDS_ROWS) * blocks_of(columns, WIDE);
}
static void find_words_unit(words_unit *u, int64_t unit, int64_t rows, int64_t columns) {
    int64_t across = blocks_of(columns, WIDE);
    u->row = unit / across * FM_WORDS_ROWS;
    u->rows = smaller(FM_WORDS_ROWS, rows - u->row);
    u->column = unit % across * WIDE;
    u->columns = smaller(WIDE, columns - u->column);
}

static void multiply_words(const fm_run *run, const words_unit *u, float *scratch) {
    int64_t piece = u->form == FM_WORDS_BF16 ? 2 * PIECE : PIECE, n_in = u->panels->n_in;
    fm_float_rows x = u->x;
    fm_words_product product = {.form = u->form, .w = fm_words_of_panels(u->panels), .y = u->y, .ldy = u->ld,
                                .n_out = u->column + u->columns, .adds = u->adds};
    for (int64_t n0 = 0; n0 < n_in; n0 += piece, product.adds = true) {
        int64_t n = smaller(piece, n_in - n0);
        product.n_words = fm_words_count(u->form, n);
        fm_words_multiply_rows(run->kernels, &product, &x, n, u->row, u->row + u->rows, u->column / FM_PANEL,
                               blocks_of(u->column + u->columns, FM_PANEL), (uint32_t *)(void *)scratch);
        x.x += n;
        product.w.data += product.n_words * FM_PANEL;
    }
}

/* ---- y = x W^T + b -------------------------------------------------------------------------------- */

static const fm_panels *panels_of(const fm_weight *w, bool transposed) {
    return transposed ? &w->turned : &w->panels;
}

bool fm_is_product_of_words(const fm_plan *plan, const fm_weight *w, bool transposed) {
    return fm_form_of(plan, w) == FM_WORDS_BF16 && panels_of(w, transposed)->data;
}

/* Whether a unit is some rows of all results, which are packed once for them: where there are enough rows for the
 * threads. The bits are the same. */
static bool go_together(const fm_run *run, const fm_to_output *p) {
    const fm_panels *first = panels_of(p->results->w, p->results->transposed);
    if (p->n < 2 || first->n_in > PIECE) return false;
    for (int i = 0; i < p->n; i++) {
        const fm_panels *w = panels_of(p->results[i].w, p->results[i].transposed);
        if (form_of_panels(w) != form_of_panels(first) || w->n_in != first->n_in) return false;
    }
    return blocks_of(p->rows, FM_WORDS_ROWS) >= 4 * fm_pool_threads(run->pool);
}

int64_t fm_to_output_units(const fm_run *run, const fm_to_output *p) {
    if (go_together(run, p)) return blocks_of(p->rows, FM_WORDS_ROWS);
    int64_t units = 0;
    for (int i = 0; i < p->n; i++)
        units += words_units(p->rows, panels_of(p->results[i].w, p->results[i].transposed)->n_out);
    return units;
}

static void add_bias(const fm_run *run, const fm_result *r, int64_t row, int64_t rows, int64_t column, int64_t n) {
    for (int64_t t = row; r->bias && t < row + rows; t++)
        run->kernels->add(r->bias->master + column, n, r->y + t * r->ld + column);
}

static void rows_to_all(const fm_run *run, const fm_to_output *p, int64_t row, float *scratch) {
    int64_t rows = smaller(FM_WORDS_ROWS, p->rows - row);
    const fm_panels *first = panels_of(p->results->w, p->results->transposed);
    fm_word_form form = form_of_panels(first);
    fm_float_rows x = {p->x, p->ld, p->x_rows};
    fm_words words = fm_words_pack_rows(run->kernels, form, &x, first->n_in, row, row + rows,
                                        (uint32_t *)(void *)scratch);
    for (const fm_result *r = p->results; r < p->results + p->n; r++) {
        const fm_panels *w = panels_of(r->w, r->transposed);
        fm_words_product product = {.form = form, .x = words, .w = fm_words_of_panels(w), .n_out = w->n_out,
                                    .n_words = fm_words_count(form, w->n_in), .y = r->y + row * r->ld, .ldy = r->ld};
        fm_words_multiply(run->kernels, &product, 0, rows, 0, blocks_of(w->n_out, FM_PANEL));
        add_bias(run, r, row, rows, 0, w->n_out);
    }
}

void fm_to_output_unit(const fm_run *run, const fm_to_output *p, int64_t unit, float *scratch) {
    if (go_together(run, p)) {
        rows_to_all(run, p, unit * FM_WORDS_ROWS, scratch);
        return;
    }
    const fm_result *r = p->results;
    const fm_panels *w = panels_of(r->w, r->transposed);
    for (int64_t n; unit >= (n = words_units(p->rows, w->n_out)); w = panels_of(r->w, r->transposed))
        unit -= n, r++;
    words_unit u = {.form = form_of_panels(w), .panels = w, .x = {p->x, p->ld, p->x_rows}, .y = r->y, .ld = r->ld};
    find_words_unit(&u, unit, p->rows, w->n_out);
    multiply_words(run, &u, scratch);
    add_bias(run, r, u.row, u.rows, u.column, u.columns);
}

/* ---- dx += dy W ---------------------------------------------------------------------------------- */

/* A weight that learns has the panels that are wanted (pack/master.h). */
static bool is_packed(const fm_run *run, const fm_term *term) {
    const fm_panels *w = panels_of(term->w, !term->transposed);
    return w->data && term->w->turned.data && form_of_panels(w) == fm_form_of(run->plan, term->w);
}

static bool are_packed(const fm_run *run, const fm_to_input *p) {
    for (int i = 0; i < p->n; i++)
        if (!is_packed(run, &p->terms[i])) return false;
    return true;
}

int64_t fm_to_input_units(const fm_run *run, const fm_to_input *p) {
    return are_packed(run, p) ? words_units(p->rows, p->columns)
                              : blocks_of(p->rows, ROWS) * blocks_of(p->columns, TILE);
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

static void packed_unit(const fm_run *run, const fm_to_input *p, int64_t unit, float *scratch) {
    words_unit u = {.y = p->dx, .ld = p->ld, .adds = !p->sets};
    find_words_unit(&u, unit, p->rows, p->columns);
    for (int i = 0; i < p->n; i++, u.adds = true) {
        const fm_term *term = &p->terms[i];
        u.panels = panels_of(term->w, !term->transposed);
        u.form = form_of_panels(u.panels);
        u.x = (fm_float_rows){term->dy, term->ld, NULL};
        multiply_words(run, &u, scratch);
    }
}

void fm_to_input_unit(const fm_run *run, const fm_to_input *p, int64_t unit, float *scratch) {
    for (int i = 0; i < p->n; i++)
        assert(p->columns == (p->terms[i].transposed ? p->terms[i].w->n_out : p->terms[i].w->n_in));
    if (are_packed(run, p)) {
        packed_unit(run, p, unit, scratch);
        return;
    }
    int64_t tiles = blocks_of(p->columns, TILE);
    block b = {.row = unit / tiles * ROWS, .c0 = unit % tiles * TILE, .adds = !p->sets};
    b.rows = smaller(ROWS, p->rows - b.row);
    b.columns = smaller(TILE, p->columns - b.c0);
    for (int i = 0; i < p->n; i++, b.adds = true) add_frozen(run, p, &p->terms[i], b, scratch);
}

/* ---- dW += dy^T x -------------------------------------------------------------------------------- */

/* A unit: this many rows and columns of dW. Large ones pack less, as many as this keep a few threads busy. */
enum { ENOUGH_UNITS = 6 };
typedef struct piece {
    int64_t rows, columns;
} piece;

static int64_t pieces_of(const fm_to_weight *p, piece size) {
    return blocks_of(p->n_out, size.rows) * blocks_of(p->n_in, size.columns);
}

static piece piece_of(const fm_to_weight *p) {
    piece size = {FM_OUTER_A, FM_OUTER_B};
    while ((p->beside + 1) * pieces_of(p, size) < ENOUGH_UNITS && size.columns > 4 * FM_PANEL) size.columns /= 2;
    while ((p->beside + 1) * pieces_of(p, size) < ENOUGH_UNITS && size.rows > 3 * FM_PANEL) size.rows /= 2;
    return size;
}

int64_t fm_to_weight_units(const fm_to_weight *p) { return pieces_of(p, piece_of(p)); }

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
    piece size = piece_of(p);
    int64_t across = blocks_of(p->n_in, size.columns);
    int64_t n0 = unit / across * size.rows, n1 = smaller(n0 + size.rows, p->n_out);
    int64_t c0 = unit % across * size.columns, c1 = smaller(c0 + size.columns, p->n_in);
    for (int64_t t = 0; t < p->rows && p->db && c0 == 0; t++)
        run->kernels->add(p->dy + t * p->ld_dy + n0, n1 - n0, p->db + n0);
    if (!p->dw) return;
    fm_words_outer outer = {.form = p->form, .a = {p->dy, p->ld_dy, NULL}, .b = {p->x, p->ld_x, p->x_rows},
                            .n_rows = p->rows, .y = p->dw, .ldy = p->n_in};
    if (p->make_x) multiply_made(run, p, outer, n0, n1, c0, c1, scratch);
    else fm_words_multiply_columns(run->kernels, &outer, n0, n1, c0, c1, (uint32_t *)(void *)scratch);
}

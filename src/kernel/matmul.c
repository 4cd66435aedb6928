/* matmul.c: a product of matrices as tiles: decode FM_TILE_K columns of a few panels into L1, run
 * all rows of x over them, go on in K. Results wait in y between tiles, which changes no bit: the
 * chain of fused multiply-adds continues from the float it stopped at. */
#include "kernel/matmul.h"

#include <string.h>

enum {
    TILE_FLOATS = FM_TILE_PANELS * FM_TILE_K * FM_PANEL,
    EDGE_ROWS = FM_TILE_K / FM_TILE_PANELS, /* rows of y that the rest of the scratch holds */
};
_Static_assert(FM_MATMUL_SCRATCH == TILE_FLOATS + EDGE_ROWS * FM_TILE_PANELS * FM_PANEL,
               "scratch is a tile of weights and one of results");

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

typedef struct product {
    const fm_kernels *k;
    const fm_panels *w;
    const float *x;
    int64_t ldx, rows;
    float *y;
    int64_t ldy;
    float *scratch;
} product;

/* The group of panels at the right edge, of which y has only `columns`: whole vectors go to the
 * scratch, and only what exists goes back. */
static void edge_fma(const product *c, int n_panels, int64_t columns, const float *tile, int64_t k0,
                     int64_t nk, float *y) {
    float *edge = c->scratch + TILE_FLOATS;
    int64_t width = (int64_t)n_panels * FM_PANEL;
    for (int64_t m = 0; m < c->rows; m += EDGE_ROWS) {
        int64_t rows = smaller(EDGE_ROWS, c->rows - m);
        memset(edge, 0, (size_t)(rows * width) * sizeof *edge);
        for (int64_t i = 0; i < rows; i++)
            memcpy(edge + i * width, y + (m + i) * c->ldy, (size_t)columns * sizeof *y);
        c->k->tile_fma(n_panels, nk, tile, rows, c->x + m * c->ldx + k0, c->ldx, edge, width);
        for (int64_t i = 0; i < rows; i++)
            memcpy(y + (m + i) * c->ldy, edge + i * width, (size_t)columns * sizeof *y);
    }
}

/* A tile of panels, of which y has `columns`, over columns [k0, k0 + nk) of x. */
static void multiply_tile(const product *c, int n_panels, int64_t columns, const float *tile, int64_t k0,
                          int64_t nk, float *y) {
    if (columns == (int64_t)n_panels * FM_PANEL)
        c->k->tile_fma(n_panels, nk, tile, c->rows, c->x + k0, c->ldx, y, c->ldy);
    else
        edge_fma(c, n_panels, columns, tile, k0, nk, y);
}

static void begin_columns(const product *c, int64_t first, int64_t columns) {
    for (int64_t m = 0; m < c->rows; m++)
        memset(c->y + m * c->ldy + first, 0, (size_t)columns * sizeof *c->y);
}

static void multiply_group(const product *c, int64_t panel, int n_panels) {
    int64_t width = (int64_t)n_panels * FM_PANEL;
    int64_t columns = smaller(width, c->w->n_out - panel * FM_PANEL);
    begin_columns(c, panel * FM_PANEL, columns);
    for (int64_t k0 = 0; k0 < c->w->n_in; k0 += FM_TILE_K) {
        int64_t nk = smaller(FM_TILE_K, c->w->n_in - k0);
        for (int p = 0; p < n_panels; p++)
            c->k->unpack[c->w->layout](c->w, panel + p, k0, nk,
                                       c->scratch + p * FM_TILE_K * FM_PANEL);
        multiply_tile(c, n_panels, columns, c->scratch, k0, nk, c->y + panel * FM_PANEL);
    }
}

static void multiply_row(const product *c, int64_t begin, int64_t end) {
    int64_t whole = smaller(end, c->w->n_out / FM_PANEL); /* panels that y has in full */
    void (*row_product)(const fm_panels *, int64_t, int64_t, const float *, float *) =
        c->k->row_product[c->w->layout];
    if (begin < whole) row_product(c->w, begin, whole, c->x, c->y + begin * FM_PANEL);
    if (whole < begin) whole = begin;
    if (whole == end) return;
    row_product(c->w, whole, end, c->x, c->scratch);
    memcpy(c->y + whole * FM_PANEL, c->scratch,
           (size_t)(c->w->n_out - whole * FM_PANEL) * sizeof *c->y);
}

void fm_matmul(const fm_kernels *k, const fm_panels *w, int64_t begin, int64_t end, const float *x,
               int64_t ldx, int64_t rows, float *y, int64_t ldy, float *scratch) {
    product c = {k, w, x, ldx, rows, y, ldy, scratch};
    if (rows == 1 && k->row_product[w->layout]) {
        multiply_row(&c, begin, end);
        return;
    }
    for (int64_t panel = begin; panel < end && rows > 0; panel += FM_TILE_PANELS)
        multiply_group(&c, panel, (int)smaller(FM_TILE_PANELS, end - panel));
}

/* ---- with the transpose ------------------------------------------------------------------------ */

enum {
    TURNED_ROWS = FM_TILE_K / 2,          /* of w, whose columns lie in the tile as panels */
    TURNED_PANELS = 2 * FM_TILE_PANELS,   /* of columns: two groups, one behind the other in K */
    TURNED_GROUP = TURNED_ROWS * FM_PANEL,
};
_Static_assert(TURNED_PANELS * FM_PANEL == FM_TILE_K, "what one unpack decodes");

/* Where panel p of columns begins, as tile_fma wants the panels of a group. */
static float *panel_of_columns(const product *c, int64_t p) {
    return c->scratch + p % FM_TILE_PANELS * FM_TILE_K * FM_PANEL + p / FM_TILE_PANELS * TURNED_GROUP;
}

/* Columns [k0, k0 + nk) of a panel of w, turned: its 16 rows become rows `at` to `at` + 15 of the panels
 * of columns. */
static void turn_panel(const product *c, int64_t panel, int64_t k0, int64_t nk, int64_t at) {
    float *decoded = c->scratch + TILE_FLOATS;
    c->k->unpack[c->w->layout](c->w, panel, k0, nk, decoded);
    for (int64_t p = 0; p * FM_PANEL < nk; p++) {
        fm_kept_rows columns = {.x = decoded + p * FM_PANEL * FM_PANEL, .stride = FM_PANEL * sizeof(float)};
        c->k->rows_to_panel[FM_KEPT_F32](&columns, smaller(FM_PANEL, nk - p * FM_PANEL), FM_PANEL,
                                         panel_of_columns(c, p) + at * FM_PANEL);
    }
}

/* Columns [k0, k0 + nk) of y's one row. */
static void multiply_turned_row(const product *c, int64_t k0, int64_t nk) {
    begin_columns(c, k0, nk);
    for (int64_t n0 = 0; n0 < c->w->n_out; n0 += FM_PANEL) {
        int64_t panel = n0 / FM_PANEL, n = smaller(FM_PANEL, c->w->n_out - n0);
        if (nk == FM_TILE_K && c->k->turned_panel[c->w->layout]) {
            c->k->turned_panel[c->w->layout](c->w, panel, k0, n, c->x + n0, c->y + k0);
            continue;
        }
        c->k->unpack[c->w->layout](c->w, panel, k0, nk, c->scratch);
        c->k->turned_fma(n, nk, c->scratch, c->x + n0, c->y + k0);
    }
}

/* Columns [k0, k0 + nk) of y. */
static void multiply_turned(const product *c, int64_t k0, int64_t nk) {
    begin_columns(c, k0, nk);
    for (int64_t n0 = 0; n0 < c->w->n_out; n0 += TURNED_ROWS) {
        int64_t rows = smaller(TURNED_ROWS, c->w->n_out - n0);
        for (int64_t at = 0; at < rows; at += FM_PANEL) turn_panel(c, (n0 + at) / FM_PANEL, k0, nk, at);
        for (int64_t p = 0; p * FM_PANEL < nk; p += FM_TILE_PANELS) {
            int64_t columns = smaller(FM_TILE_PANELS * FM_PANEL, nk - p * FM_PANEL);
            multiply_tile(c, (int)((columns + FM_PANEL - 1) / FM_PANEL), columns, panel_of_columns(c, p), n0,
                          rows, c->y + k0 + p * FM_PANEL);
        }
    }
}

void fm_matmul_transposed(const fm_kernels *k, const fm_panels *w, int64_t begin, int64_t end,
                          const float *x, int64_t ldx, int64_t rows, float *y, int64_t ldy,
                          float *scratch) {
    product c = {k, w, x, ldx, rows, y, ldy, scratch};
    for (int64_t tile = begin; tile < end && rows > 0; tile++) {
        int64_t k0 = tile * FM_TILE_K;
        (rows == 1 ? multiply_turned_row : multiply_turned)(&c, k0, smaller(FM_TILE_K, w->n_in - k0));
    }
}

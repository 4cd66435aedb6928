/* matmul_codes.c: a product of integers over panels: whole panels go straight to y, and the one at
 * the right edge, of which y has only a part, by way of the scratch. */
#include "kernel/matmul.h"

#include <string.h>

enum { EDGE_ROWS = FM_MATMUL_SCRATCH / FM_PANEL };

void fm_matmul_codes(const fm_kernels *k, const fm_panels *w, int64_t begin, int64_t end,
                     const fm_codes *x, int64_t ldx, int64_t rows, float *y, int64_t ldy,
                     float *scratch) {
    int64_t whole = w->n_out / FM_PANEL; /* panels that y has in full */
    if (whole > end) whole = end;
    if (begin < whole && rows > 0)
        k->codes_product[w->layout](w, begin, whole, x, ldx, rows, y + begin * FM_PANEL, ldy);
    if (whole == end) return;
    float *edge = y + whole * FM_PANEL;
    size_t bytes = (size_t)(w->n_out - whole * FM_PANEL) * sizeof *y;
    for (int64_t m = 0; m < rows; m += EDGE_ROWS) {
        int64_t count = rows - m < EDGE_ROWS ? rows - m : EDGE_ROWS;
        k->codes_product[w->layout](w, whole, end, x + m * ldx, ldx, count, scratch, FM_PANEL);
        for (int64_t i = 0; i < count; i++)
            memcpy(edge + (m + i) * ldy, scratch + i * FM_PANEL, bytes);
    }
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* Panels [begin, end) for rows of x, whose products fit the scratch. */
static void multiply_twice(const fm_kernels *k, const fm_panels *w, int64_t begin, int64_t end,
                           const fm_codes *x, int64_t ldx, int64_t rows, float *y, int64_t ldy,
                           float *scratch) {
    int64_t width = (end - begin) * FM_PANEL;
    int64_t columns = smaller(width, w->n_out - begin * FM_PANEL);
    k->codes_product[w->layout](w, begin, end, x, ldx / 2, 2 * rows, scratch, width);
    for (int64_t m = 0; m < rows; m++) {
        float *sum = y + m * ldy + begin * FM_PANEL;
        memcpy(sum, scratch + 2 * m * width, (size_t)columns * sizeof *y);
        k->add(scratch + (2 * m + 1) * width, columns, sum);
    }
}

void fm_matmul_codes_twice(const fm_kernels *k, const fm_panels *w, int64_t begin, int64_t end,
                           const fm_codes *x, int64_t ldx, int64_t rows, float *y, int64_t ldy,
                           float *scratch) {
    enum { PAIRS = FM_MATMUL_SCRATCH / (2 * FM_PANEL) }; /* of a row's products with a panel */
    if (rows < 1) return;
    int64_t panels = smaller(end - begin, rows < PAIRS / FM_TILE_PANELS ? PAIRS / rows : FM_TILE_PANELS);
    for (int64_t p = begin; p < end; p += panels) {
        int64_t last = smaller(p + panels, end), most = PAIRS / (last - p);
        for (int64_t m = 0; m < rows; m += most)
            multiply_twice(k, w, p, last, x + m * ldx, ldx, smaller(most, rows - m), y + m * ldy, ldy,
                           scratch);
    }
}

void fm_codes_twice_from_float(const fm_kernels *k, const float *x, int64_t n, fm_codes *first,
                               fm_codes *second) {
    enum { PIECE = 16 * FM_CODES };
    float rest[PIECE];
    k->codes_from_float(x, n, first);
    for (int64_t at = 0; at < n; at += PIECE) {
        int64_t count = smaller(PIECE, n - at);
        k->codes_rest(x + at, count, first + at / FM_CODES, rest);
        k->codes_from_float(rest, count, second + at / FM_CODES);
    }
}

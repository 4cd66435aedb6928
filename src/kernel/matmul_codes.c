/* matmul_codes.c: a product of integers over panels: whole panels go straight to y, and the one at
 * the right edge, of which y has only a part, by way of the scratch. */
#include "kernel/matmul.h"

#include <string.h>

enum { EDGE_ROWS = FM_MATMUL_SCRATCH / FM_PANEL };

void fm_matmul_codes(const fm_kernels *k, fm_codes_form form, const fm_panels *w, int64_t begin,
                     int64_t end, const void *x, int64_t ldx, int64_t rows, float *y, int64_t ldy,
                     float *scratch) {
    int64_t whole = w->n_out / FM_PANEL; /* panels that y has in full */
    if (whole > end) whole = end;
    if (begin < whole && rows > 0)
        k->codes_product[form][w->layout](w, begin, whole, x, ldx, rows, y + begin * FM_PANEL, ldy);
    if (whole == end) return;
    float *edge = y + whole * FM_PANEL;
    size_t bytes = (size_t)(w->n_out - whole * FM_PANEL) * sizeof *y;
    size_t row = (size_t)ldx * fm_codes_block_bytes(form);
    for (int64_t m = 0; m < rows; m += EDGE_ROWS) {
        int64_t count = rows - m < EDGE_ROWS ? rows - m : EDGE_ROWS;
        k->codes_product[form][w->layout](w, whole, end, (const char *)x + (size_t)m * row, ldx, count,
                                          scratch, FM_PANEL);
        for (int64_t i = 0; i < count; i++)
            memcpy(edge + (m + i) * ldy, scratch + i * FM_PANEL, bytes);
    }
}

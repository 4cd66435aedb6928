/* matmul.h: matrix products over panels, out of a table's unpack and tile_fma. */
#pragma once

#include "kernel/kernel.h"

/* Floats of scratch that one worker needs for any product: a tile of weights, and a panel of it or some
 * results. */
enum { FM_MATMUL_SCRATCH = (FM_TILE_PANELS + 1) * FM_TILE_K * FM_PANEL };

/* y[m][n] (leading dimension ldy) for n in panels [begin, end), columns past n_out untouched:
 * y = x w^T, x [rows, n_in] with leading dimension ldx. `scratch` holds FM_MATMUL_SCRATCH floats,
 * 64-byte aligned, one per worker. Bits depend on x's row and w alone. */
void fm_matmul(const fm_kernels *k, const fm_panels *w, int64_t begin, int64_t end, const float *x,
               int64_t ldx, int64_t rows, float *y, int64_t ldy, float *scratch);

/* The product with the transpose, from the same panels: y = x w, x [rows, n_out], y [rows, n_in], for the
 * columns of tiles [begin, end), FM_TILE_K of them each. Its chain goes over the rows n of w in order,
 *     y[m][k] = fma(x[m][N-1], w[N-1][k], ... fma(x[m][1], w[1][k], fma(x[m][0], w[0][k], 0)))
 * so it is to the bit the product with a transposed copy. Tiles are turned once they are decoded: for one
 * row that costs about as much as decoding them, for many rows nothing. */
void fm_matmul_transposed(const fm_kernels *k, const fm_panels *w, int64_t begin, int64_t end,
                          const float *x, int64_t ldx, int64_t rows, float *y, int64_t ldy,
                          float *scratch);
static inline int64_t fm_column_tiles(const fm_panels *w) { return (w->n_in + FM_TILE_K - 1) / FM_TILE_K; }

/* y = x w^T as products of integers (codes.h): x is `rows` rows of blocks of the form, `ldx` blocks apart,
 * of fm_codes_blocks(n_in) each. For layouts with a codes_product only. */
void fm_matmul_codes(const fm_kernels *k, fm_codes_form form, const fm_panels *w, int64_t begin,
                     int64_t end, const void *x, int64_t ldx, int64_t rows, float *y, int64_t ldy,
                     float *scratch);

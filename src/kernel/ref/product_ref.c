/* product_ref.c: products of matrices, and of weights with values, in plain C. */
#include "kernel/ref/ref.h"

#include <math.h>

void fm_tile_fma_ref(int n_panels, int64_t nk, const float *tile, int64_t rows, const float *x,
                     int64_t ldx, float *y, int64_t ldy) {
    for (int64_t m = 0; m < rows; m++)
        for (int p = 0; p < n_panels; p++) {
            const float *w = tile + (int64_t)p * FM_TILE_K * FM_PANEL;
            float *out = y + m * ldy + p * FM_PANEL;
            for (int64_t k = 0; k < nk; k++)
                for (int r = 0; r < FM_PANEL; r++)
                    out[r] = fmaf(x[m * ldx + k], w[k * FM_PANEL + r], out[r]);
        }
}

void fm_turned_fma_ref(int64_t n, int64_t nk, const float *panel, const float *x, float *y) {
    for (int64_t k = 0; k < nk; k++)
        for (int64_t i = 0; i < n; i++) y[k] = fmaf(x[i], panel[k * FM_PANEL + i], y[k]);
}

void fm_weighted_rows_ref(const float *p, int64_t n, int64_t ldp, const float *v, int64_t nk,
                          int64_t ldv, int64_t d, float *acc, int64_t ldacc) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < nk; j++)
            for (int64_t c = 0; c < d; c++)
                acc[i * ldacc + c] = fmaf(p[i * ldp + j], v[j * ldv + c], acc[i * ldacc + c]);
}

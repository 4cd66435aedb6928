/* fitted.c: which formats have a search for good scales (quant/fit.h). */
#include "tensor/encode.h"

#include <stddef.h>

typedef void (*fit_fn)(const float *src, const float *importance, void *dst, int64_t n);

static const fit_fn fits[FM_DTYPE_COUNT] = {
    [FM_DTYPE_Q4_0] = fm_fit_q4_0,     [FM_DTYPE_Q4_1] = fm_fit_q4_1,
    [FM_DTYPE_Q5_0] = fm_fit_q5_0,     [FM_DTYPE_Q5_1] = fm_fit_q5_1,
    [FM_DTYPE_Q8_0] = fm_fit_q8_0,     [FM_DTYPE_Q4_K] = fm_fit_q4_k,
    [FM_DTYPE_Q5_K] = fm_fit_q5_k,     [FM_DTYPE_Q6_K] = fm_fit_q6_k,
    [FM_DTYPE_IQ4_NL] = fm_fit_iq4_nl, [FM_DTYPE_IQ4_XS] = fm_fit_iq4_xs,
    [FM_DTYPE_TCQ4] = fm_fit_tcq4,
};

bool fm_dtype_is_fitted(fm_dtype dtype) { return fits[dtype] != NULL; }

void fm_quantize_row(fm_dtype dtype, const float *src, const float *importance, void *dst, int64_t n) {
    if (fits[dtype]) fits[dtype](src, importance, dst, n);
    else fm_dtype_get(dtype)->encode(src, dst, n);
}

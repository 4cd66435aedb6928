/* encode.h: the quantisers that dtypes.def names; reached through fm_dtype_get(...)->encode. */
#pragma once

#include "tensor/dtype.h"

/* Rounds a row as well as Fathom can: where the format leaves a choice of scales, one that makes the
 * sum of importance[i] * (src[i] - rounded[i])^2 small; `importance` NULL counts all alike. Types
 * without such a choice, and those that are not searched, are rounded by their encode. */
void fm_quantize_row(fm_dtype dtype, const float *src, const float *importance, void *dst, int64_t n);
/* Whether scales are searched for. */
bool fm_dtype_is_fitted(fm_dtype dtype);

void fm_encode_f32(const float *src, void *dst, int64_t n);
void fm_encode_f16(const float *src, void *dst, int64_t n);
void fm_encode_bf16(const float *src, void *dst, int64_t n);
void fm_encode_f8_e4m3(const float *src, void *dst, int64_t n);
void fm_encode_q4_0(const float *src, void *dst, int64_t n);
void fm_encode_q4_1(const float *src, void *dst, int64_t n);
void fm_encode_q5_0(const float *src, void *dst, int64_t n);
void fm_encode_q5_1(const float *src, void *dst, int64_t n);
void fm_encode_q8_0(const float *src, void *dst, int64_t n);
void fm_encode_tcq4(const float *src, void *dst, int64_t n);
void fm_encode_tq1_0(const float *src, void *dst, int64_t n);
void fm_encode_tq2_0(const float *src, void *dst, int64_t n);
void fm_encode_q4_k(const float *src, void *dst, int64_t n);
void fm_encode_q5_k(const float *src, void *dst, int64_t n);
void fm_encode_q6_k(const float *src, void *dst, int64_t n);
void fm_encode_iq4_nl(const float *src, void *dst, int64_t n);
void fm_encode_iq4_xs(const float *src, void *dst, int64_t n);

/* n floats, a multiple of the block, to blocks with searched scales; importance [n] or NULL. */
void fm_fit_q4_0(const float *src, const float *importance, void *dst, int64_t n);
void fm_fit_q4_1(const float *src, const float *importance, void *dst, int64_t n);
void fm_fit_q5_0(const float *src, const float *importance, void *dst, int64_t n);
void fm_fit_q5_1(const float *src, const float *importance, void *dst, int64_t n);
void fm_fit_q8_0(const float *src, const float *importance, void *dst, int64_t n);
void fm_fit_q4_k(const float *src, const float *importance, void *dst, int64_t n);
void fm_fit_q5_k(const float *src, const float *importance, void *dst, int64_t n);
void fm_fit_q6_k(const float *src, const float *importance, void *dst, int64_t n);
void fm_fit_iq4_nl(const float *src, const float *importance, void *dst, int64_t n);
void fm_fit_iq4_xs(const float *src, const float *importance, void *dst, int64_t n);
void fm_fit_tcq4(const float *src, const float *importance, void *dst, int64_t n);

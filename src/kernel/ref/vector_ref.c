/* vector_ref.c: elementwise kernels and reductions over one vector, in plain C. */
#include "kernel/ref/ref.h"

#include "kernel/ref/exp_ref.h"
#include "kernel/ref/lanes_ref.h"

float fm_max_ref(const float *x, int64_t n) {
    float m = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        if (x[i] != x[i]) return NAN;
        if (x[i] > m) m = x[i];
    }
    return m + 0.0f; /* +0 whichever zero came first */
}

float fm_exp_sum_ref(float *x, int64_t n, float shift) {
    float lane[FM_PANEL] = {0};
    for (int64_t i = 0; i < n; i++) {
        x[i] = fm_exp_ref(x[i] - shift);
        lane[i % FM_PANEL] += x[i];
    }
    return fm_lane_sum_ref(lane);
}

void fm_sigmoid_ref(const float *x, int64_t n, float *y) {
    for (int64_t i = 0; i < n; i++) y[i] = 1.0f / (1.0f + fm_exp_ref(-x[i]));
}

void fm_swiglu_ref(const float *gate, const float *up, int64_t n, float *y) {
    for (int64_t i = 0; i < n; i++)
        y[i] = gate[i] / (1.0f + fm_exp_ref(-gate[i])) * up[i];
}

float fm_rmsnorm_ref(const float *x, const float *w, float eps, int64_t n, float *y) {
    float lane[FM_PANEL] = {0};
    for (int64_t i = 0; i < n; i++) lane[i % FM_PANEL] = fmaf(x[i], x[i], lane[i % FM_PANEL]);
    float r = 1.0f / sqrtf(fm_lane_sum_ref(lane) / (float)n + eps);
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * r * w[i];
    return r;
}

void fm_add_ref(const float *x, int64_t n, float *y) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i] + y[i];
}

void fm_axpy_ref(float a, const float *x, int64_t n, float *y) {
    for (int64_t i = 0; i < n; i++) y[i] = fmaf(a, x[i], y[i]);
}

void fm_scale_ref(float a, int64_t n, float *x) {
    for (int64_t i = 0; i < n; i++) x[i] *= a;
}

void fm_rotate_ref(float *x, int64_t n_pairs, const float *cosines, const float *sines,
                   bool interleaved) {
    int64_t step = interleaved ? 2 : 1, other = interleaved ? 1 : n_pairs;
    for (int64_t i = 0; i < n_pairs; i++) {
        float a = x[i * step], b = x[i * step + other];
        x[i * step] = a * cosines[i] - b * sines[i];
        x[i * step + other] = a * sines[i] + b * cosines[i];
    }
}

void fm_bf16_from_float_ref(const float *x, int64_t n, uint16_t *y) {
    for (int64_t i = 0; i < n; i++) y[i] = fm_bf16_from_float(x[i]);
}

/* backward_ref.c: gradients of one vector, and the step that uses them, in plain C. */
#include "kernel/ref/ref.h"

#include "kernel/ref/exp_ref.h"
#include "kernel/ref/lanes_ref.h"

void fm_swiglu_backward_ref(const float *gate, const float *up, const float *dy, int64_t n,
                            float *dgate, float *dup) {
    for (int64_t i = 0; i < n; i++) {
        float e = 1.0f + fm_exp_ref(-gate[i]), s = 1.0f / e, silu = gate[i] / e;
        dgate[i] = fmaf(dy[i] * up[i], fmaf(silu, 1.0f - s, s), dgate[i]);
        dup[i] = fmaf(dy[i], silu, dup[i]);
    }
}

float fm_dot_ref(const float *x, const float *y, int64_t n) {
    float lane[FM_PANEL] = {0};
    for (int64_t i = 0; i < n; i++) lane[i % FM_PANEL] = fmaf(x[i], y[i], lane[i % FM_PANEL]);
    return fm_lane_sum_ref(lane);
}

void fm_rmsnorm_backward_ref(const float *x, const float *w, float r, const float *dy, int64_t n,
                             float *dx, float *dw) {
    float lane[FM_PANEL] = {0};
    for (int64_t i = 0; i < n; i++)
        lane[i % FM_PANEL] = fmaf(dy[i] * w[i], x[i], lane[i % FM_PANEL]);
    float c = fm_lane_sum_ref(lane) / (float)n * r * r;
    for (int64_t i = 0; i < n; i++) dx[i] = fmaf(r, fmaf(-c, x[i], dy[i] * w[i]), dx[i]);
    for (int64_t i = 0; dw && i < n; i++) dw[i] = fmaf(dy[i], x[i] * r, dw[i]);
}

void fm_softmax_backward_ref(const float *p, float mean, int64_t n, float *d) {
    for (int64_t i = 0; i < n; i++) d[i] = p[i] * (d[i] - mean);
}

void fm_adamw_ref(const fm_adamw *a, const float *grad, int64_t n, float *x, float *m, float *v) {
    float from_gradient = 1.0f - a->beta1, from_square = 1.0f - a->beta2;
    for (int64_t i = 0; i < n; i++) {
        float g = grad[i] * a->gradient_scale;
        m[i] = fmaf(from_gradient, g - m[i], m[i]);
        v[i] = fmaf(g * from_square, g, v[i] * a->beta2);
        x[i] = fmaf(-a->rate, m[i] / fmaf(sqrtf(v[i]), a->second, a->epsilon), x[i] * a->keep);
    }
}

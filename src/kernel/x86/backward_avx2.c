/* backward_avx2.c: gradients of one vector, and the step that uses them. What does not fill a vector is
 * left to the reference. */
#include "kernel/x86/exp_avx2.h"

#include "kernel/ref/lanes_ref.h"
#include "kernel/ref/ref.h"

void fm_swiglu_backward_avx2(const float *gate, const float *up, const float *dy, int64_t n,
                             float *dgate, float *dup) {
    __m256 one = _mm256_set1_ps(1);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 g = _mm256_loadu_ps(gate + i), d = _mm256_loadu_ps(dy + i);
        __m256 e = _mm256_add_ps(one, fm_exp8(fm_negate8(g)));
        __m256 s = _mm256_div_ps(one, e), silu = _mm256_div_ps(g, e);
        __m256 slope = _mm256_fmadd_ps(silu, _mm256_sub_ps(one, s), s);
        __m256 with_up = _mm256_mul_ps(d, _mm256_loadu_ps(up + i));
        _mm256_storeu_ps(dgate + i, _mm256_fmadd_ps(with_up, slope, _mm256_loadu_ps(dgate + i)));
        _mm256_storeu_ps(dup + i, _mm256_fmadd_ps(d, silu, _mm256_loadu_ps(dup + i)));
    }
    fm_swiglu_backward_ref(gate + i, up + i, dy + i, n - i, dgate + i, dup + i);
}

float fm_dot_avx2(const float *x, const float *y, int64_t n) {
    __m256 low = _mm256_setzero_ps(), high = low;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        low = _mm256_fmadd_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i), low);
        high = _mm256_fmadd_ps(_mm256_loadu_ps(x + i + 8), _mm256_loadu_ps(y + i + 8), high);
    }
    float lane[FM_PANEL];
    _mm256_storeu_ps(lane, low);
    _mm256_storeu_ps(lane + 8, high);
    for (; i < n; i++) lane[i % FM_PANEL] = fmaf(x[i], y[i], lane[i % FM_PANEL]);
    return fm_lane_sum_ref(lane);
}

/* The sum of 16 lanes of dy[i] w[i] x[i]. */
static float weighted_dot(const float *dy, const float *w, const float *x, int64_t n) {
    __m256 low = _mm256_setzero_ps(), high = low;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256 g = _mm256_mul_ps(_mm256_loadu_ps(dy + i), _mm256_loadu_ps(w + i));
        __m256 h = _mm256_mul_ps(_mm256_loadu_ps(dy + i + 8), _mm256_loadu_ps(w + i + 8));
        low = _mm256_fmadd_ps(g, _mm256_loadu_ps(x + i), low);
        high = _mm256_fmadd_ps(h, _mm256_loadu_ps(x + i + 8), high);
    }
    float lane[FM_PANEL];
    _mm256_storeu_ps(lane, low);
    _mm256_storeu_ps(lane + 8, high);
    for (; i < n; i++) lane[i % FM_PANEL] = fmaf(dy[i] * w[i], x[i], lane[i % FM_PANEL]);
    return fm_lane_sum_ref(lane);
}

void fm_rmsnorm_backward_avx2(const float *x, const float *w, float r, const float *dy, int64_t n,
                              float *dx, float *dw) {
    float c = weighted_dot(dy, w, x, n) / (float)n * r * r;
    __m256 factor = _mm256_set1_ps(r), share = _mm256_set1_ps(c);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 g = _mm256_mul_ps(_mm256_loadu_ps(dy + i), _mm256_loadu_ps(w + i));
        g = _mm256_fnmadd_ps(share, _mm256_loadu_ps(x + i), g);
        _mm256_storeu_ps(dx + i, _mm256_fmadd_ps(factor, g, _mm256_loadu_ps(dx + i)));
    }
    for (; i < n; i++) dx[i] = fmaf(r, fmaf(-c, x[i], dy[i] * w[i]), dx[i]);
    if (!dw) return;
    for (i = 0; i + 8 <= n; i += 8) {
        __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + i), factor);
        v = _mm256_fmadd_ps(_mm256_loadu_ps(dy + i), v, _mm256_loadu_ps(dw + i));
        _mm256_storeu_ps(dw + i, v);
    }
    for (; i < n; i++) dw[i] = fmaf(dy[i], x[i] * r, dw[i]);
}

void fm_softmax_backward_avx2(const float *p, float mean, int64_t n, float *d) {
    __m256 shift = _mm256_set1_ps(mean);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 off = _mm256_sub_ps(_mm256_loadu_ps(d + i), shift);
        _mm256_storeu_ps(d + i, _mm256_mul_ps(_mm256_loadu_ps(p + i), off));
    }
    fm_softmax_backward_ref(p + i, mean, n - i, d + i);
}

void fm_adamw_avx2(const fm_adamw *a, const float *grad, int64_t n, float *x, float *m, float *v) {
    __m256 scale = _mm256_set1_ps(a->gradient_scale), beta2 = _mm256_set1_ps(a->beta2);
    __m256 from_gradient = _mm256_set1_ps(1.0f - a->beta1);
    __m256 from_square = _mm256_set1_ps(1.0f - a->beta2);
    __m256 second = _mm256_set1_ps(a->second), epsilon = _mm256_set1_ps(a->epsilon);
    __m256 rate = _mm256_set1_ps(a->rate), keep = _mm256_set1_ps(a->keep);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 g = _mm256_mul_ps(_mm256_loadu_ps(grad + i), scale), old = _mm256_loadu_ps(m + i);
        __m256 mean = _mm256_fmadd_ps(from_gradient, _mm256_sub_ps(g, old), old);
        __m256 square = _mm256_mul_ps(_mm256_loadu_ps(v + i), beta2);
        square = _mm256_fmadd_ps(_mm256_mul_ps(g, from_square), g, square);
        __m256 size = _mm256_fmadd_ps(_mm256_sqrt_ps(square), second, epsilon);
        __m256 kept = _mm256_mul_ps(_mm256_loadu_ps(x + i), keep);
        _mm256_storeu_ps(m + i, mean);
        _mm256_storeu_ps(v + i, square);
        _mm256_storeu_ps(x + i, _mm256_fnmadd_ps(rate, _mm256_div_ps(mean, size), kept));
    }
    fm_adamw_ref(a, grad + i, n - i, x + i, m + i, v + i);
}

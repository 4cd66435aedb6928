/* backward_avx512.c: gradients of one vector, and the step that uses them. Tails are masked. */
#include "kernel/x86/loop_avx512.h"

#define GET(mask, from) _mm512_maskz_loadu_ps(mask, from)
#define PUT(mask, to, v) _mm512_mask_storeu_ps(to, mask, v)

void fm_swiglu_backward_avx512(const float *gate, const float *up, const float *dy, int64_t n,
                               float *dgate, float *dup) {
    __m512 one = _mm512_set1_ps(1);
    FM_LOOP(i, mask) {
        __m512 g = GET(mask, gate + i), d = GET(mask, dy + i);
        __m512 e = _mm512_add_ps(one, fm_exp16(fm_negate16(g)));
        __m512 s = _mm512_div_ps(one, e), silu = _mm512_div_ps(g, e);
        __m512 slope = _mm512_fmadd_ps(silu, _mm512_sub_ps(one, s), s);
        __m512 with_up = _mm512_mul_ps(d, GET(mask, up + i));
        PUT(mask, dgate + i, _mm512_fmadd_ps(with_up, slope, GET(mask, dgate + i)));
        PUT(mask, dup + i, _mm512_fmadd_ps(d, silu, GET(mask, dup + i)));
    }
}

float fm_dot_avx512(const float *x, const float *y, int64_t n) {
    __m512 sum = _mm512_setzero_ps();
    FM_LOOP(i, mask) sum = _mm512_mask3_fmadd_ps(GET(mask, x + i), GET(mask, y + i), sum, mask);
    return fm_lane_sum_avx512(sum);
}

void fm_rmsnorm_backward_avx512(const float *x, const float *w, float r, const float *dy, int64_t n,
                                float *dx, float *dw) {
    __m512 sum = _mm512_setzero_ps(), factor = _mm512_set1_ps(r);
    FM_LOOP(i, mask) {
        __m512 g = _mm512_mul_ps(GET(mask, dy + i), GET(mask, w + i));
        sum = _mm512_mask3_fmadd_ps(g, GET(mask, x + i), sum, mask);
    }
    __m512 c = _mm512_set1_ps(fm_lane_sum_avx512(sum) / (float)n * r * r);
    FM_LOOP(i, mask) {
        __m512 v = GET(mask, x + i), g = _mm512_mul_ps(GET(mask, dy + i), GET(mask, w + i));
        g = _mm512_fnmadd_ps(c, v, g);
        PUT(mask, dx + i, _mm512_fmadd_ps(factor, g, GET(mask, dx + i)));
    }
    if (!dw) return;
    FM_LOOP(i, mask) {
        __m512 v = _mm512_mul_ps(GET(mask, x + i), factor);
        PUT(mask, dw + i, _mm512_fmadd_ps(GET(mask, dy + i), v, GET(mask, dw + i)));
    }
}

void fm_softmax_backward_avx512(const float *p, float mean, int64_t n, float *d) {
    __m512 shift = _mm512_set1_ps(mean);
    FM_LOOP(i, mask)
        PUT(mask, d + i, _mm512_mul_ps(GET(mask, p + i), _mm512_sub_ps(GET(mask, d + i), shift)));
}

void fm_adamw_avx512(const fm_adamw *a, const float *grad, int64_t n, float *x, float *m, float *v) {
    __m512 scale = _mm512_set1_ps(a->gradient_scale), beta2 = _mm512_set1_ps(a->beta2);
    __m512 from_gradient = _mm512_set1_ps(1.0f - a->beta1);
    __m512 from_square = _mm512_set1_ps(1.0f - a->beta2);
    __m512 second = _mm512_set1_ps(a->second), epsilon = _mm512_set1_ps(a->epsilon);
    __m512 rate = _mm512_set1_ps(a->rate), keep = _mm512_set1_ps(a->keep);
    FM_LOOP(i, mask) {
        __m512 g = _mm512_mul_ps(GET(mask, grad + i), scale), old = GET(mask, m + i);
        __m512 mean = _mm512_fmadd_ps(from_gradient, _mm512_sub_ps(g, old), old);
        __m512 square = _mm512_mul_ps(GET(mask, v + i), beta2);
        square = _mm512_fmadd_ps(_mm512_mul_ps(g, from_square), g, square);
        __m512 size = _mm512_fmadd_ps(_mm512_sqrt_ps(square), second, epsilon);
        __m512 kept = _mm512_mul_ps(GET(mask, x + i), keep);
        PUT(mask, m + i, mean);
        PUT(mask, v + i, square);
        PUT(mask, x + i, _mm512_fnmadd_ps(rate, _mm512_div_ps(mean, size), kept));
    }
}

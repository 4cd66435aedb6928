/* vector_avx512.c: elementwise kernels and reductions over one vector. Tails are masked. */
#include "kernel/x86/loop_avx512.h"

float fm_max_avx512(const float *x, int64_t n) {
    __m512 m = _mm512_set1_ps(-INFINITY);
    __mmask16 nan = 0;
    FM_LOOP(i, mask) {
        __m512 v = _mm512_mask_loadu_ps(m, mask, x + i);
        nan |= _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
        m = _mm512_max_ps(v, m);
    }
    return nan ? NAN : _mm512_reduce_max_ps(m) + 0.0f;
}

float fm_exp_sum_avx512(float *x, int64_t n, float shift) {
    __m512 sum = _mm512_setzero_ps(), s = _mm512_set1_ps(shift);
    FM_LOOP(i, mask) {
        __m512 e = fm_exp16(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), s));
        _mm512_mask_storeu_ps(x + i, mask, e);
        sum = _mm512_mask_add_ps(sum, mask, sum, e);
    }
    return fm_lane_sum_avx512(sum);
}

void fm_sigmoid_avx512(const float *x, int64_t n, float *y) {
    __m512 one = _mm512_set1_ps(1);
    FM_LOOP(i, mask) {
        __m512 e = fm_exp16(fm_negate16(_mm512_maskz_loadu_ps(mask, x + i)));
        _mm512_mask_storeu_ps(y + i, mask, _mm512_div_ps(one, _mm512_add_ps(one, e)));
    }
}

void fm_swiglu_avx512(const float *gate, const float *up, int64_t n, float *y) {
    __m512 one = _mm512_set1_ps(1);
    FM_LOOP(i, mask) {
        __m512 g = _mm512_maskz_loadu_ps(mask, gate + i);
        __m512 silu = _mm512_div_ps(g, _mm512_add_ps(one, fm_exp16(fm_negate16(g))));
        __m512 u = _mm512_maskz_loadu_ps(mask, up + i);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(silu, u));
    }
}

float fm_rmsnorm_avx512(const float *x, const float *w, float eps, int64_t n, float *y) {
    __m512 sum = _mm512_setzero_ps();
    FM_LOOP(i, mask) {
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
        sum = _mm512_mask3_fmadd_ps(v, v, sum, mask);
    }
    float r = 1.0f / sqrtf(fm_lane_sum_avx512(sum) / (float)n + eps);
    __m512 factor = _mm512_set1_ps(r);
    FM_LOOP(i, mask) {
        __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), factor);
        _mm512_mask_storeu_ps(y + i, mask,
                              _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, w + i)));
    }
    return r;
}

void fm_add_avx512(const float *x, int64_t n, float *y) {
    FM_LOOP(i, mask) {
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
        _mm512_mask_storeu_ps(y + i, mask,
                              _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, y + i)));
    }
}

void fm_axpy_avx512(float a, const float *x, int64_t n, float *y) {
    __m512 factor = _mm512_set1_ps(a);
    FM_LOOP(i, mask) {
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
        v = _mm512_fmadd_ps(factor, v, _mm512_maskz_loadu_ps(mask, y + i));
        _mm512_mask_storeu_ps(y + i, mask, v);
    }
}

void fm_scale_avx512(float a, int64_t n, float *x) {
    __m512 factor = _mm512_set1_ps(a);
    FM_LOOP(i, mask) {
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
        _mm512_mask_storeu_ps(x + i, mask, _mm512_mul_ps(v, factor));
    }
}

/* ---- rotation ---------------------------------------------------------------------------------- */

/* Pairs (a, b) by cosine c and sine s, in place. */
static inline void rotate16(__m512 *a, __m512 *b, __m512 c, __m512 s) {
    __m512 turned = _mm512_sub_ps(_mm512_mul_ps(*a, c), _mm512_mul_ps(*b, s));
    *b = _mm512_add_ps(_mm512_mul_ps(*a, s), _mm512_mul_ps(*b, c));
    *a = turned;
}

static void rotate_halves(float *x, int64_t n, const float *cosines, const float *sines) {
    FM_LOOP(i, mask) {
        __m512 a = _mm512_maskz_loadu_ps(mask, x + i), b = _mm512_maskz_loadu_ps(mask, x + n + i);
        rotate16(&a, &b, _mm512_maskz_loadu_ps(mask, cosines + i),
                 _mm512_maskz_loadu_ps(mask, sines + i));
        _mm512_mask_storeu_ps(x + i, mask, a);
        _mm512_mask_storeu_ps(x + n + i, mask, b);
    }
}

static void rotate_interleaved(float *x, int64_t n, const float *cosines, const float *sines) {
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    FM_LOOP(i, mask) {
        __mmask16 first = fm_mask_at(0, 2 * (n - i));
        __mmask16 second = n - i > 8 ? fm_mask_at(16, 2 * (n - i)) : 0;
        __m512 v = _mm512_maskz_loadu_ps(first, x + 2 * i);
        __m512 w = _mm512_maskz_loadu_ps(second, x + 2 * i + 16);
        __m512 a = _mm512_permutex2var_ps(v, even, w), b = _mm512_permutex2var_ps(v, odd, w);
        rotate16(&a, &b, _mm512_maskz_loadu_ps(mask, cosines + i),
                 _mm512_maskz_loadu_ps(mask, sines + i));
        _mm512_mask_storeu_ps(x + 2 * i, first, _mm512_permutex2var_ps(a, low, b));
        _mm512_mask_storeu_ps(x + 2 * i + 16, second, _mm512_permutex2var_ps(a, high, b));
    }
}

void fm_rotate_avx512(float *x, int64_t n_pairs, const float *cosines, const float *sines,
                      bool interleaved) {
    if (interleaved)
        rotate_interleaved(x, n_pairs, cosines, sines);
    else
        rotate_halves(x, n_pairs, cosines, sines);
}

/* ---- bfloat16 ---------------------------------------------------------------------------------- */

/* By integers, as half.h: the instruction for it would flush subnormals. */
void fm_bf16_from_float_avx512(const float *x, int64_t n, uint16_t *y) {
    const __m512i one = _mm512_set1_epi32(1), bias = _mm512_set1_epi32(0x7fff);
    FM_LOOP(i, mask) {
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
        __m512i bits = _mm512_castps_si512(v), high = _mm512_srli_epi32(bits, 16);
        __m512i odd = _mm512_and_si512(high, one);
        __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, bias), odd);
        __m512i result = _mm512_srli_epi32(rounded, 16);
        result = _mm512_mask_or_epi32(result, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), high,
                                      _mm512_set1_epi32(0x40));
        _mm256_mask_storeu_epi16(y + i, mask, _mm512_cvtepi32_epi16(result));
    }
}

/* vector_avx2.c: elementwise kernels and reductions over one vector. What does not fill a vector is
 * left to the reference. */
#include "kernel/x86/exp_avx2.h"

#include "kernel/ref/lanes_ref.h"
#include "kernel/ref/ref.h"

float fm_max_avx2(const float *x, int64_t n) {
    __m256 m = _mm256_set1_ps(-INFINITY), nan = _mm256_setzero_ps();
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_loadu_ps(x + i);
        nan = _mm256_or_ps(nan, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
        m = _mm256_max_ps(v, m);
    }
    if (_mm256_movemask_ps(nan)) return NAN;
    float lane[9];
    _mm256_storeu_ps(lane, m);
    lane[8] = fm_max_ref(x + i, n - i);
    return fm_max_ref(lane, 9);
}

float fm_exp_sum_avx2(float *x, int64_t n, float shift) {
    __m256 low = _mm256_setzero_ps(), high = low, s = _mm256_set1_ps(shift);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256 e = fm_exp8(_mm256_sub_ps(_mm256_loadu_ps(x + i), s));
        __m256 f = fm_exp8(_mm256_sub_ps(_mm256_loadu_ps(x + i + 8), s));
        _mm256_storeu_ps(x + i, e);
        _mm256_storeu_ps(x + i + 8, f);
        low = _mm256_add_ps(low, e);
        high = _mm256_add_ps(high, f);
    }
    float lane[FM_PANEL];
    _mm256_storeu_ps(lane, low);
    _mm256_storeu_ps(lane + 8, high);
    for (; i < n; i++) {
        x[i] = fm_exp_ref(x[i] - shift);
        lane[i % FM_PANEL] += x[i];
    }
    return fm_lane_sum_ref(lane);
}

void fm_sigmoid_avx2(const float *x, int64_t n, float *y) {
    __m256 one = _mm256_set1_ps(1);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 e = fm_exp8(fm_negate8(_mm256_loadu_ps(x + i)));
        _mm256_storeu_ps(y + i, _mm256_div_ps(one, _mm256_add_ps(one, e)));
    }
    fm_sigmoid_ref(x + i, n - i, y + i);
}

void fm_swiglu_avx2(const float *gate, const float *up, int64_t n, float *y) {
    __m256 one = _mm256_set1_ps(1);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 g = _mm256_loadu_ps(gate + i), u = _mm256_loadu_ps(up + i);
        __m256 silu = _mm256_div_ps(g, _mm256_add_ps(one, fm_exp8(fm_negate8(g))));
        _mm256_storeu_ps(y + i, _mm256_mul_ps(silu, u));
    }
    fm_swiglu_ref(gate + i, up + i, n - i, y + i);
}

static float sum_of_squares(const float *x, int64_t n) {
    __m256 low = _mm256_setzero_ps(), high = low;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256 v = _mm256_loadu_ps(x + i), w = _mm256_loadu_ps(x + i + 8);
        low = _mm256_fmadd_ps(v, v, low);
        high = _mm256_fmadd_ps(w, w, high);
    }
    float lane[FM_PANEL];
    _mm256_storeu_ps(lane, low);
    _mm256_storeu_ps(lane + 8, high);
    for (; i < n; i++) lane[i % FM_PANEL] = fmaf(x[i], x[i], lane[i % FM_PANEL]);
    return fm_lane_sum_ref(lane);
}

float fm_rmsnorm_avx2(const float *x, const float *w, float eps, int64_t n, float *y) {
    float r = 1.0f / sqrtf(sum_of_squares(x, n) / (float)n + eps);
    __m256 factor = _mm256_set1_ps(r);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + i), factor);
        _mm256_storeu_ps(y + i, _mm256_mul_ps(v, _mm256_loadu_ps(w + i)));
    }
    for (; i < n; i++) y[i] = x[i] * r * w[i];
    return r;
}

void fm_add_avx2(const float *x, int64_t n, float *y) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_add_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
    fm_add_ref(x + i, n - i, y + i);
}

void fm_axpy_avx2(float a, const float *x, int64_t n, float *y) {
    __m256 factor = _mm256_set1_ps(a);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_fmadd_ps(factor, _mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i));
        _mm256_storeu_ps(y + i, v);
    }
    for (; i < n; i++) y[i] = fmaf(a, x[i], y[i]);
}

void fm_scale_avx2(float a, int64_t n, float *x) {
    __m256 factor = _mm256_set1_ps(a);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), factor));
    fm_scale_ref(a, n - i, x + i);
}

/* ---- rotation ---------------------------------------------------------------------------------- */

static void rotate_pair(float *a, float *b, float c, float s) {
    float turned = *a * c - *b * s;
    *b = *a * s + *b * c;
    *a = turned;
}

static void rotate_halves(float *x, int64_t n, const float *cosines, const float *sines) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + n + i);
        __m256 c = _mm256_loadu_ps(cosines + i), s = _mm256_loadu_ps(sines + i);
        _mm256_storeu_ps(x + i, _mm256_sub_ps(_mm256_mul_ps(a, c), _mm256_mul_ps(b, s)));
        _mm256_storeu_ps(x + n + i, _mm256_add_ps(_mm256_mul_ps(a, s), _mm256_mul_ps(b, c)));
    }
    for (; i < n; i++) rotate_pair(&x[i], &x[n + i], cosines[i], sines[i]);
}

/* (a, b) times (c, c), then minus and plus (b, a) times (s, s). */
static void rotate_interleaved(float *x, int64_t n, const float *cosines, const float *sines) {
    const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        __m256 v = _mm256_loadu_ps(x + 2 * i), swapped = _mm256_permute_ps(v, 0xb1);
        __m256 c = _mm256_castps128_ps256(_mm_loadu_ps(cosines + i));
        __m256 s = _mm256_castps128_ps256(_mm_loadu_ps(sines + i));
        v = _mm256_mul_ps(v, _mm256_permutevar8x32_ps(c, twice));
        swapped = _mm256_mul_ps(swapped, _mm256_permutevar8x32_ps(s, twice));
        _mm256_storeu_ps(x + 2 * i, _mm256_addsub_ps(v, swapped));
    }
    for (; i < n; i++) rotate_pair(&x[2 * i], &x[2 * i + 1], cosines[i], sines[i]);
}

void fm_rotate_avx2(float *x, int64_t n_pairs, const float *cosines, const float *sines,
                    bool interleaved) {
    if (interleaved)
        rotate_interleaved(x, n_pairs, cosines, sines);
    else
        rotate_halves(x, n_pairs, cosines, sines);
}

/* ---- bfloat16 ---------------------------------------------------------------------------------- */

/* Rounded halves in the low 16 bits of words, as half.h. */
static FM_INLINE __m256i round_bf16(__m256 v) {
    __m256i bits = _mm256_castps_si256(v), high = _mm256_srli_epi32(bits, 16);
    __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(_mm256_srli_epi32(rounded, 16), quiet, nan);
}

void fm_bf16_from_float_avx2(const float *x, int64_t n, uint16_t *y) {
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i a = round_bf16(_mm256_loadu_ps(x + i)), b = round_bf16(_mm256_loadu_ps(x + i + 8));
        __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);
        _mm256_storeu_si256((__m256i *)(y + i), packed);
    }
    fm_bf16_from_float_ref(x + i, n - i, y + i);
}

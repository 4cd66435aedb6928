/* turned_avx2.c: a panel the other way round: 8 k of 8 rows at a time are turned in registers; k and
 * k + 4 are loaded side by side, which leaves two steps inside the halves of a vector. */
#include "kernel/x86/avx2.h"

/* Rows 0 to 3 of k in the low half, of k + 4 in the high one. */
#define PAIR(at, k)                                                                                \
    _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_load_ps((at) + (k) * FM_PANEL)),               \
                         _mm_load_ps((at) + ((k) + 4) * FM_PANEL), 1)

#define ROW(i, v)                                                                                  \
    if (n > i) sum = _mm256_fmadd_ps(_mm256_set1_ps(x[i]), _mm256_castpd_ps(v), sum)

/* sum over rows i < n in order of x[i] * row i of 8 k, continuing from `sum`; at most 4 rows. */
static FM_INLINE __m256 add_four(const int64_t n, const float *w, const float *x, __m256 sum) {
    __m256 k0 = PAIR(w, 0), k1 = PAIR(w, 1), k2 = PAIR(w, 2), k3 = PAIR(w, 3);
    __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(k0, k1)), b = _mm256_castps_pd(_mm256_unpacklo_ps(k2, k3));
    __m256d c = _mm256_castps_pd(_mm256_unpackhi_ps(k0, k1)), d = _mm256_castps_pd(_mm256_unpackhi_ps(k2, k3));
    ROW(0, _mm256_unpacklo_pd(a, b));
    ROW(1, _mm256_unpackhi_pd(a, b));
    ROW(2, _mm256_unpacklo_pd(c, d));
    ROW(3, _mm256_unpackhi_pd(c, d));
    return sum;
}

static FM_INLINE __m256 add_rows(const int64_t n, const float *w, const float *x, __m256 sum) {
    for (int64_t i = 0; i < n; i += 4) sum = add_four(n - i, w + i, x + i, sum);
    return sum;
}

void fm_turned_fma_avx2(int64_t n, int64_t nk, const float *panel, const float *x, float *y) {
    int64_t k = 0;
    if (n == FM_PANEL)
        for (; k + 8 <= nk; k += 8) {
            const float *w = panel + k * FM_PANEL;
            __m256 sum = add_four(4, w, x, _mm256_loadu_ps(y + k));
            sum = add_four(4, w + 4, x + 4, sum);
            sum = add_four(4, w + 8, x + 8, sum);
            _mm256_storeu_ps(y + k, add_four(4, w + 12, x + 12, sum));
        }
    for (; k < nk; k += 8) {
        int left = nk - k < 8 ? (int)(nk - k) : 8;
        __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(left), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        __m256 sum = _mm256_maskload_ps(y + k, mask);
        _mm256_maskstore_ps(y + k, mask, add_rows(n, panel + k * FM_PANEL, x, sum));
    }
}

/* turned_avx512.c: a panel the other way round: 16 k of 16 rows at a time are turned in registers, by
 * two steps inside the quarters of a vector and two across. */
#include "kernel/x86/avx512.h"

/* a0 to a3: rows r, r + 4, r + 8, r + 12 of four k, in the quarters of a vector each. */
#define FOUR(a, from)                                                                              \
    __m512 a##p = _mm512_load_ps(w + (from) * FM_PANEL);                                           \
    __m512 a##q = _mm512_load_ps(w + (from + 1) * FM_PANEL);                                       \
    __m512 a##r = _mm512_load_ps(w + (from + 2) * FM_PANEL);                                       \
    __m512 a##s = _mm512_load_ps(w + (from + 3) * FM_PANEL);                                       \
    __m512d a##t = _mm512_castps_pd(_mm512_unpacklo_ps(a##p, a##q));                               \
    __m512d a##u = _mm512_castps_pd(_mm512_unpackhi_ps(a##p, a##q));                               \
    __m512d a##v = _mm512_castps_pd(_mm512_unpacklo_ps(a##r, a##s));                               \
    __m512d a##w = _mm512_castps_pd(_mm512_unpackhi_ps(a##r, a##s));                               \
    __m512 a##0 = _mm512_castpd_ps(_mm512_unpacklo_pd(a##t, a##v));                                \
    __m512 a##1 = _mm512_castpd_ps(_mm512_unpackhi_pd(a##t, a##v));                                \
    __m512 a##2 = _mm512_castpd_ps(_mm512_unpacklo_pd(a##u, a##w));                                \
    __m512 a##3 = _mm512_castpd_ps(_mm512_unpackhi_pd(a##u, a##w))

/* Rows r and r + 8, then r + 4 and r + 12, of eight k each. */
#define ACROSS(r)                                                                                  \
    __m512 e##r = _mm512_shuffle_f32x4(a##r, b##r, 0x88), f##r = _mm512_shuffle_f32x4(c##r, d##r, 0x88); \
    __m512 g##r = _mm512_shuffle_f32x4(a##r, b##r, 0xdd), h##r = _mm512_shuffle_f32x4(c##r, d##r, 0xdd)

#define ROW(i, first, second, which)                                                               \
    if (n > i) sum = _mm512_fmadd_ps(_mm512_set1_ps(x[i]), _mm512_shuffle_f32x4(first, second, which), sum)

/* sum over rows i < n in order of x[i] * row i of 16 k, continuing from `sum`. */
static FM_INLINE __m512 add_rows(const int64_t n, const float *w, const float *x, __m512 sum) {
    FOUR(a, 0);
    FOUR(b, 4);
    FOUR(c, 8);
    FOUR(d, 12);
    ACROSS(0);
    ACROSS(1);
    ACROSS(2);
    ACROSS(3);
    ROW(0, e0, f0, 0x88);
    ROW(1, e1, f1, 0x88);
    ROW(2, e2, f2, 0x88);
    ROW(3, e3, f3, 0x88);
    ROW(4, g0, h0, 0x88);
    ROW(5, g1, h1, 0x88);
    ROW(6, g2, h2, 0x88);
    ROW(7, g3, h3, 0x88);
    ROW(8, e0, f0, 0xdd);
    ROW(9, e1, f1, 0xdd);
    ROW(10, e2, f2, 0xdd);
    ROW(11, e3, f3, 0xdd);
    ROW(12, g0, h0, 0xdd);
    ROW(13, g1, h1, 0xdd);
    ROW(14, g2, h2, 0xdd);
    ROW(15, g3, h3, 0xdd);
    return sum;
}

void fm_turned_fma_avx512(int64_t n, int64_t nk, const float *panel, const float *x, float *y) {
    int64_t k = 0;
    if (n == FM_PANEL)
        for (; k + 16 <= nk; k += 16)
            _mm512_storeu_ps(y + k, add_rows(FM_PANEL, panel + k * FM_PANEL, x, _mm512_loadu_ps(y + k)));
    for (; k < nk; k += 16) {
        __mmask16 mask = nk - k < 16 ? fm_mask16(nk - k) : 0xffff;
        __m512 sum = _mm512_maskz_loadu_ps(mask, y + k);
        _mm512_mask_storeu_ps(y + k, mask, add_rows(n, panel + k * FM_PANEL, x, sum));
    }
}

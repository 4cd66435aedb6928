/* rows_avx512.c: rows of a cache as floats, straight or turned into panels of 16 rows.
 *
 * What is turned is words of 32 bits: a float, two BF16 or four bytes, which become vectors of floats
 * only behind the shuffles. Eight words of all 16 rows at a time: rows r and r + 4 are loaded side by
 * side, which leaves two steps inside the quarters of a vector and one across. */
#include "kernel/x86/avx512.h"
#include "kernel/x86/rows.h"

typedef struct words8 {
    __m512i w0, w1, w2, w3, w4, w5, w6, w7; /* of 16 rows each */
} words8;

/* Words [0, 8) of the 16 rows from x. */
static FM_INLINE words8 turn(const char *x, size_t stride) {
#define PAIR(r)                                                                                    \
    _mm512_inserti64x4(                                                                            \
        _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(x + (r) * stride))),           \
        _mm256_loadu_si256((const __m256i *)(x + ((r) + 4) * stride)), 1)
/* Four words of rows r to r + 3 in each quarter: words c and c + 4, then of rows r + 4 to r + 7. */
#define QUARTERS(a, i)                                                                             \
    __m512i a##l = PAIR(i), a##m = PAIR(i + 1), a##n = PAIR(i + 2), a##o = PAIR(i + 3);            \
    __m512i a##p = _mm512_unpacklo_epi32(a##l, a##m), a##q = _mm512_unpackhi_epi32(a##l, a##m);    \
    __m512i a##r = _mm512_unpacklo_epi32(a##n, a##o), a##s = _mm512_unpackhi_epi32(a##n, a##o);    \
    __m512i a##0 = _mm512_unpacklo_epi64(a##p, a##r), a##1 = _mm512_unpackhi_epi64(a##p, a##r);    \
    __m512i a##2 = _mm512_unpacklo_epi64(a##q, a##s), a##3 = _mm512_unpackhi_epi64(a##q, a##s)
    QUARTERS(a, 0);
    QUARTERS(b, 8);
#define LOW(c) _mm512_shuffle_i32x4(a##c, b##c, 0x88)
#define HIGH(c) _mm512_shuffle_i32x4(a##c, b##c, 0xdd)
    return (words8){LOW(0), LOW(1), LOW(2), LOW(3), HIGH(0), HIGH(1), HIGH(2), HIGH(3)};
}

/* M(index, words) for each of the eight. */
#define EACH_WORD(M, w)                                                                            \
    do {                                                                                           \
        M(0, w.w0);                                                                                \
        M(1, w.w1);                                                                                \
        M(2, w.w2);                                                                                \
        M(3, w.w3);                                                                                \
        M(4, w.w4);                                                                                \
        M(5, w.w5);                                                                                \
        M(6, w.w6);                                                                                \
        M(7, w.w7);                                                                                \
    } while (0)

void fm_rows_to_panel_f32_avx512(const fm_kept_rows *rows, int64_t n, int64_t d, float *panel) {
    char whole[FM_ROWS_WHOLE_BYTES];
    fm_kept_rows r = fm_rows_whole(rows, n, (size_t)d * 4, whole);
    int64_t c = 0;
    for (; c + 8 <= d; c += 8, panel += 8 * FM_PANEL) {
        words8 w = turn((const char *)r.x + c * 4, r.stride);
#define PUT(i, v) _mm512_storeu_si512(panel + (i) * FM_PANEL, v)
        EACH_WORD(PUT, w);
#undef PUT
    }
    if (c == d) return;
    fm_kept_rows tail = fm_rows_tail(rows, c, 4);
    fm_rows_to_panel_f32_ref(&tail, n, d - c, panel);
}

void fm_rows_to_panel_bf16_avx512(const fm_kept_rows *rows, int64_t n, int64_t d, float *panel) {
    char whole[FM_ROWS_WHOLE_BYTES];
    fm_kept_rows r = fm_rows_whole(rows, n, (size_t)d * 2, whole);
    const __m512i high = _mm512_set1_epi32((int)0xffff0000u);
    int64_t c = 0;
    for (; c + 16 <= d; c += 16, panel += 16 * FM_PANEL) {
        words8 w = turn((const char *)r.x + c * 2, r.stride);
#define PUT(i, v)                                                                                  \
    _mm512_storeu_si512(panel + 2 * (i) * FM_PANEL, _mm512_slli_epi32(v, 16));                     \
    _mm512_storeu_si512(panel + (2 * (i) + 1) * FM_PANEL, _mm512_and_si512(v, high))
        EACH_WORD(PUT, w);
#undef PUT
    }
    if (c == d) return;
    fm_kept_rows tail = fm_rows_tail(rows, c, 2);
    fm_rows_to_panel_bf16_ref(&tail, n, d - c, panel);
}

void fm_rows_to_panel_int8_avx512(const fm_kept_rows *rows, int64_t n, int64_t d, float *panel) {
    char whole[FM_ROWS_WHOLE_BYTES];
    float scales[FM_ROWS_SCALES];
    fm_kept_rows r = fm_rows_whole(rows, n, (size_t)d, whole);
    fm_rows_turn_scales(rows, n, d, scales);
    int shift = __builtin_ctzll((unsigned long long)r.block);
    int64_t c = 0;
    for (; c + 32 <= d; c += 32, panel += 32 * FM_PANEL) {
        words8 w = turn((const char *)r.x + c, r.stride);
#define BYTE(i, j, v)                                                                              \
    _mm512_storeu_ps(panel + (4 * (i) + (j)) * FM_PANEL,                                           \
                     _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_srai_epi32(v, 24)), scale))
#define PUT(i, v)                                                                                  \
    do {                                                                                           \
        __m512 scale = _mm512_loadu_ps(scales + ((c + 4 * (i)) >> shift) * FM_PANEL);              \
        BYTE(i, 0, _mm512_slli_epi32(v, 24));                                                      \
        BYTE(i, 1, _mm512_slli_epi32(v, 16));                                                      \
        BYTE(i, 2, _mm512_slli_epi32(v, 8));                                                       \
        BYTE(i, 3, v);                                                                             \
    } while (0)
        EACH_WORD(PUT, w);
#undef PUT
    }
    if (c == d) return;
    fm_kept_rows tail = fm_rows_tail(rows, c, 1);
    fm_rows_to_panel_int8_ref(&tail, n, d - c, panel);
}

/* ---- straight ----------------------------------------------------------------------------------- */

void fm_rows_to_floats_f32_avx512(const fm_kept_rows *rows, int64_t n, int64_t d, float *y,
                                  int64_t ldy) {
    const char *x = rows->x;
    for (int64_t i = 0; i < n; i++, x += rows->stride, y += ldy) {
        const float *row = (const float *)(const void *)x;
        int64_t c = 0;
        for (; c + 16 <= d; c += 16) _mm512_storeu_ps(y + c, _mm512_loadu_ps(row + c));
        if (c < d) {
            __mmask16 mask = fm_mask16(d - c);
            _mm512_mask_storeu_ps(y + c, mask, _mm512_maskz_loadu_ps(mask, row + c));
        }
    }
}

void fm_rows_to_floats_bf16_avx512(const fm_kept_rows *rows, int64_t n, int64_t d, float *y,
                                   int64_t ldy) {
    const char *x = rows->x;
    for (int64_t i = 0; i < n; i++, x += rows->stride, y += ldy) {
        const uint16_t *row = (const uint16_t *)(const void *)x;
        int64_t c = 0;
        for (; c + 16 <= d; c += 16) {
            __m512i v = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(row + c)));
            _mm512_storeu_si512(y + c, _mm512_slli_epi32(v, 16));
        }
        if (c < d) {
            __mmask16 mask = fm_mask16(d - c);
            __m512i v = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, row + c));
            _mm512_mask_storeu_epi32(y + c, mask, _mm512_slli_epi32(v, 16));
        }
    }
}

/* Blocks of 8 are left to AVX2: they are half a vector. */
void fm_rows_to_floats_int8_avx512(const fm_kept_rows *rows, int64_t n, int64_t d, float *y,
                                   int64_t ldy) {
    if (rows->block < 16) {
        fm_rows_to_floats_int8_avx2(rows, n, d, y, ldy);
        return;
    }
    const char *x = rows->x, *s = (const char *)rows->scales;
    for (int64_t i = 0; i < n; i++, x += rows->stride, s += rows->stride, y += ldy)
        for (int64_t at = 0; at < d; at += rows->block) {
            __m512 scale = _mm512_set1_ps(((const float *)(const void *)s)[at / rows->block]);
            for (int64_t c = at; c < at + rows->block; c += 16) {
                __m512i q = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(x + c)));
                _mm512_storeu_ps(y + c, _mm512_mul_ps(_mm512_cvtepi32_ps(q), scale));
            }
        }
}

/* rows_avx2.c: rows of a cache as floats, straight or turned into panels of 16 rows. */
#include "kernel/x86/rows.h"
#include "kernel/x86/turn_avx2.h"

void fm_rows_to_panel_f32_avx2(const fm_kept_rows *rows, int64_t n, int64_t d, float *panel) {
    char whole[FM_ROWS_WHOLE_BYTES];
    fm_kept_rows r = fm_rows_whole(rows, n, (size_t)d * 4, whole);
    int64_t c = 0;
    for (; c + 4 <= d; c += 4, panel += 4 * FM_PANEL) {
#define PUT(i, v, half) _mm256_storeu_si256((__m256i *)(panel + (i) * FM_PANEL + half), v)
        EACH_WORD(PUT, (const char *)r.x + c * 4, r.stride);
#undef PUT
    }
    if (c == d) return;
    fm_kept_rows tail = fm_rows_tail(rows, c, 4);
    fm_rows_to_panel_f32_ref(&tail, n, d - c, panel);
}

void fm_rows_to_panel_bf16_avx2(const fm_kept_rows *rows, int64_t n, int64_t d, float *panel) {
    char whole[FM_ROWS_WHOLE_BYTES];
    fm_kept_rows r = fm_rows_whole(rows, n, (size_t)d * 2, whole);
    const __m256i high = _mm256_set1_epi32((int)0xffff0000u);
    int64_t c = 0;
    for (; c + 8 <= d; c += 8, panel += 8 * FM_PANEL) {
#define PUT(i, v, half)                                                                            \
    _mm256_storeu_si256((__m256i *)(panel + 2 * (i) * FM_PANEL + half), _mm256_slli_epi32(v, 16)); \
    _mm256_storeu_si256((__m256i *)(panel + (2 * (i) + 1) * FM_PANEL + half),                      \
                        _mm256_and_si256(v, high))
        EACH_WORD(PUT, (const char *)r.x + c * 2, r.stride);
#undef PUT
    }
    if (c == d) return;
    fm_kept_rows tail = fm_rows_tail(rows, c, 2);
    fm_rows_to_panel_bf16_ref(&tail, n, d - c, panel);
}

void fm_rows_to_panel_int8_avx2(const fm_kept_rows *rows, int64_t n, int64_t d, float *panel) {
    char whole[FM_ROWS_WHOLE_BYTES];
    float scales[FM_ROWS_SCALES];
    fm_kept_rows r = fm_rows_whole(rows, n, (size_t)d, whole);
    fm_rows_turn_scales(rows, n, d, scales);
    int shift = __builtin_ctzll((unsigned long long)r.block);
    int64_t c = 0;
    for (; c + 16 <= d; c += 16, panel += 16 * FM_PANEL) {
#define BYTE(i, j, v, half)                                                                        \
    _mm256_storeu_ps(panel + (4 * (i) + (j)) * FM_PANEL + half,                                    \
                     _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_srai_epi32(v, 24)), scale))
#define PUT(i, v, half)                                                                            \
    do {                                                                                           \
        __m256 scale = _mm256_loadu_ps(scales + ((c + 4 * (i)) >> shift) * FM_PANEL + half);       \
        BYTE(i, 0, _mm256_slli_epi32(v, 24), half);                                                \
        BYTE(i, 1, _mm256_slli_epi32(v, 16), half);                                                \
        BYTE(i, 2, _mm256_slli_epi32(v, 8), half);                                                 \
        BYTE(i, 3, v, half);                                                                       \
    } while (0)
        EACH_WORD(PUT, (const char *)r.x + c, r.stride);
#undef PUT
    }
    if (c == d) return;
    fm_kept_rows tail = fm_rows_tail(rows, c, 1);
    fm_rows_to_panel_int8_ref(&tail, n, d - c, panel);
}

/* ---- straight ----------------------------------------------------------------------------------- */

void fm_rows_to_floats_f32_avx2(const fm_kept_rows *rows, int64_t n, int64_t d, float *y,
                                int64_t ldy) {
    const char *x = rows->x;
    for (int64_t i = 0; i < n; i++, x += rows->stride, y += ldy) {
        const float *row = (const float *)(const void *)x;
        int64_t c = 0;
        for (; c + 8 <= d; c += 8) _mm256_storeu_ps(y + c, _mm256_loadu_ps(row + c));
        for (; c < d; c++) y[c] = row[c];
    }
}

void fm_rows_to_floats_bf16_avx2(const fm_kept_rows *rows, int64_t n, int64_t d, float *y,
                                 int64_t ldy) {
    const char *x = rows->x;
    for (int64_t i = 0; i < n; i++, x += rows->stride, y += ldy) {
        const uint16_t *row = (const uint16_t *)(const void *)x;
        int64_t c = 0;
        for (; c + 8 <= d; c += 8) {
            __m256i v = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(row + c)));
            _mm256_storeu_si256((__m256i *)(y + c), _mm256_slli_epi32(v, 16));
        }
        for (; c < d; c++) y[c] = fm_bf16_to_float(row[c]);
    }
}

void fm_rows_to_floats_int8_avx2(const fm_kept_rows *rows, int64_t n, int64_t d, float *y,
                                 int64_t ldy) {
    const char *x = rows->x, *s = (const char *)rows->scales;
    for (int64_t i = 0; i < n; i++, x += rows->stride, s += rows->stride, y += ldy)
        for (int64_t at = 0; at < d; at += rows->block) {
            __m256 scale = _mm256_set1_ps(((const float *)(const void *)s)[at / rows->block]);
            for (int64_t c = at; c < at + rows->block; c += 8) {
                __m256i q = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(x + c)));
                _mm256_storeu_ps(y + c, _mm256_mul_ps(_mm256_cvtepi32_ps(q), scale));
            }
        }
}

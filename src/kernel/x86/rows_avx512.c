/* rows_avx512.c: rows of a cache as floats, straight or turned into panels of 16 rows. What is turned becomes
 * floats only behind the shuffles. */
#include "kernel/x86/rows.h"
#include "kernel/x86/turn_avx512.h"

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

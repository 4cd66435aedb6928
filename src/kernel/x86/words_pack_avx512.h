/* words_pack_avx512.h: how words are made of floats. The file that includes this says in ROUND_PAIRS(a, b)
 * how 16 pairs of floats, a in the low halves, b in the high ones, are rounded, and in ROUND_ROW(a, b) the
 * same for 32 floats in a row; `name` is its level. */
#pragma once

#include "kernel/x86/loop_avx512.h"

/* The lanes that exist of the 16 elements at i, which may lie behind the end. */
static FM_INLINE __mmask16 words_mask(int64_t i, int64_t n) {
    return i < n ? fm_mask_at(i, n) : 0;
}

/* Rows of 16 words become columns. */
static FM_INLINE void transpose_words(__m512i v[16]) {
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) { /* v[4 i + j]: words j of rows 4 i to 4 i + 3, of every quarter */
        v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int j = 0; j < 4; j++) {
        __m512i a = _mm512_shuffle_i32x4(v[j], v[4 + j], 0x88);
        __m512i b = _mm512_shuffle_i32x4(v[j], v[4 + j], 0xdd);
        __m512i c = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], 0x88);
        __m512i d = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], 0xdd);
        t[j] = _mm512_shuffle_i32x4(a, c, 0x88);
        t[8 + j] = _mm512_shuffle_i32x4(a, c, 0xdd);
        t[4 + j] = _mm512_shuffle_i32x4(b, d, 0x88);
        t[12 + j] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
    for (int i = 0; i < 16; i++) v[i] = t[i];
}

/* 16 words of a row from number k on, n numbers in all. */
#define ROW_WORDS_F32(x, k, n) _mm512_maskz_loadu_epi32(words_mask(k, n), (x) + (k))
#define ROW_WORDS_BF16(x, k, n)                                                                    \
    ROUND_ROW(_mm512_maskz_loadu_ps(words_mask(k, n), (x) + (k)),                                  \
              _mm512_maskz_loadu_ps(words_mask((k) + 16, n), (x) + (k) + 16))

/* The panel whose lanes are rows: 16 words of every row at a time; `numbers` of them are one word. */
#define DEFINE_WORDS_OF_ROWS(name, ROW_WORDS, numbers)                                             \
    void fm_words_of_rows_##name(const float *x, int64_t ldx, int64_t rows, int64_t n,             \
                                 uint32_t *out) {                                                  \
        for (int64_t k = 0; k < n; k += 16 * numbers, out += 16 * FM_PANEL) {                      \
            __m512i v[16];                                                                         \
            for (int r = 0; r < 16; r++)                                                           \
                v[r] = r < rows ? ROW_WORDS(x + r * ldx, k, n) : _mm512_setzero_si512();           \
            transpose_words(v);                                                                    \
            int64_t words = (n - k + numbers - 1) / numbers;                                       \
            if (words >= 16)                                                                       \
                for (int i = 0; i < 16; i++) _mm512_storeu_si512(out + i * FM_PANEL, v[i]);        \
            else                                                                                   \
                for (int i = 0; i < 16; i++)                                                       \
                    if (i < words) _mm512_storeu_si512(out + i * FM_PANEL, v[i]);                  \
        }                                                                                          \
    }

/* Masks alone where the row ends: they cost more than the rounding. */
#define DEFINE_WORDS_OF_ROW_BF16(name)                                                             \
    void fm_words_of_row_##name(const float *x, int64_t n, uint32_t *out) {                        \
        int64_t k = 0;                                                                             \
        for (; k + 32 <= n; k += 32, out += 16)                                                    \
            _mm512_storeu_si512(out, ROUND_ROW(_mm512_loadu_ps(x + k), _mm512_loadu_ps(x + k + 16))); \
        if (k < n) _mm512_mask_storeu_epi32(out, words_mask(0, (n - k + 1) / 2), ROW_WORDS_BF16(x, k, n)); \
    }

/* Columns: of two rows at a time, some panels wide: what is read lies together, and what is written has a
 * place in L1. The processor does not see by itself where the next rows are. */
enum { WIDE = 16, AHEAD = 8 }; /* panels, rows */

static FM_INLINE void prefetch_row(const float *x, int64_t ldx, const int32_t *index, int64_t t,
                                   int64_t rows, int64_t columns) {
    if (t >= rows) return;
    const float *row = x + (index ? index[t] : t) * ldx;
    for (int64_t c = 0; c < columns; c += 16) _mm_prefetch(row + c, _MM_HINT_T0);
}

/* 16 columns of two rows, of which the second may not be there. */
#define COLUMN_PAIR(a, b, c, mask, two)                                                            \
    ROUND_PAIRS(_mm512_maskz_loadu_ps(mask, (a) + (c)), _mm512_maskz_loadu_ps((two) ? (mask) : 0, (b) + (c)))

#define DEFINE_WORDS_OF_COLUMNS_BF16(name)                                                         \
    static void columns_##name(const float *x, int64_t ldx, const int32_t *index, int64_t rows,    \
                               int64_t columns, uint32_t *out, int64_t step) {                     \
        for (int64_t t = 0; t < rows; t += 2, out += FM_PANEL) {                                   \
            const float *a = x + (index ? index[t] : t) * ldx;                                     \
            prefetch_row(x, ldx, index, t + AHEAD, rows, columns);                                 \
            prefetch_row(x, ldx, index, t + AHEAD + 1, rows, columns);                             \
            bool two = t + 1 < rows;                                                               \
            const float *b = two ? x + (index ? index[t + 1] : t + 1) * ldx : a;                   \
            uint32_t *to = out;                                                                    \
            int64_t c = 0;                                                                         \
            for (; two && c + FM_PANEL <= columns; c += FM_PANEL, to += step)                      \
                _mm512_storeu_si512(to, ROUND_PAIRS(_mm512_loadu_ps(a + c), _mm512_loadu_ps(b + c))); \
            for (; c < columns; c += FM_PANEL, to += step)                                         \
                _mm512_storeu_si512(to, COLUMN_PAIR(a, b, c, words_mask(c, columns), two));        \
        }                                                                                          \
    }                                                                                              \
    void fm_words_of_columns_##name(const float *x, int64_t ldx, const int32_t *index,             \
                                    int64_t rows, int64_t columns, uint32_t *out, int64_t step) {  \
        for (int64_t c = 0; c < columns; c += WIDE * FM_PANEL)                                     \
            columns_##name(x + c, ldx, index, rows,                                                \
                           columns - c < WIDE * FM_PANEL ? columns - c : WIDE * FM_PANEL,          \
                           out + c / FM_PANEL * step, step);                                       \
    }

/* words_avx2.c: products of words: 6 rows of x by one panel, 12 accumulators of the 16 registers. Pairs of BF16
 * become floats first: x by rows, panels in registers, or for many rows in an L1 cache. Contracts: words.h,
 * kernel.h. */
#include "kernel/x86/avx2.h"

#include "kernel/ref/ref.h"
#include "kernel/x86/words_expand.h"
#include "kernel/x86/words_round_avx2.h"

#include <string.h>

enum {
    TILE_ROWS = 6,
    MANY_ROWS = 2 * TILE_ROWS, /* for which panels become floats apart */
};

#define EACH_ROW(M)                                                                                \
    do {                                                                                           \
        M(0);                                                                                      \
        if (R > 1) M(1);                                                                           \
        if (R > 2) M(2);                                                                           \
        if (R > 3) M(3);                                                                           \
        if (R > 4) M(4);                                                                           \
        if (R > 5) M(5);                                                                           \
    } while (0)

/* All ones in the lanes that exist, of 8. */
static FM_INLINE __m256i lane_mask(int64_t lanes) {
    lanes = lanes < 0 ? 0 : lanes > 8 ? 8 : lanes;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* The low halves of eight words as floats. */
static FM_INLINE __m256 low_halves(const float *w) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256((const __m256i *)(const void *)w), 16));
}

/* R, masked and pairs are constants of the caller; `lanes` of the panel's 16 exist in y. With `pairs` a word
 * of w is two of BF16, odd before even, and x has two floats for it, in that order. */
static FM_INLINE void tile(const fm_words_block *b, const float *x, const float *w, float *y,
                           int64_t lanes, const int R, const bool masked, const bool pairs) {
    __m256 a00, a01, a10, a11, a20, a21, a30, a31, a40, a41, a50, a51;
    a00 = a01 = a10 = a11 = a20 = a21 = a30 = a31 = a40 = a41 = a50 = a51 = _mm256_setzero_ps();
    __m256i mask0 = lane_mask(lanes), mask1 = lane_mask(lanes - 8);
    int64_t ldy = b->ldy, x_row = b->x_row, x_word = b->x_word;
#define LOAD(from, half)                                                                           \
    (masked ? _mm256_maskload_ps((from) + 8 * half, mask##half) : _mm256_loadu_ps((from) + 8 * half))
#define LOAD_ROW(r)                                                                                \
    do {                                                                                           \
        a##r##0 = LOAD(y + r * ldy, 0);                                                            \
        a##r##1 = LOAD(y + r * ldy, 1);                                                            \
    } while (0)
    if (b->adds) EACH_ROW(LOAD_ROW);

    const __m256 high = _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000));
    for (int64_t k = b->n; k > 0; k--, w += FM_PANEL, x += x_word) {
        __m256 w0 = _mm256_loadu_ps(w), w1 = _mm256_loadu_ps(w + 8);
#define FMA_ROW(r)                                                                                 \
    do {                                                                                           \
        __m256 factor = _mm256_set1_ps(x[r * x_row]);                                              \
        a##r##0 = _mm256_fmadd_ps(factor, w0, a##r##0);                                            \
        a##r##1 = _mm256_fmadd_ps(factor, w1, a##r##1);                                            \
    } while (0)
        if (pairs) {
            w0 = _mm256_and_ps(w0, high), w1 = _mm256_and_ps(w1, high);
            EACH_ROW(FMA_ROW);
            w0 = low_halves(w), w1 = low_halves(w + 8);
            x++;
        }
        EACH_ROW(FMA_ROW);
    }

#define STORE(half, a, to)                                                                         \
    do {                                                                                           \
        if (masked)                                                                                \
            _mm256_maskstore_ps((to) + 8 * half, mask##half, a);                                   \
        else                                                                                       \
            _mm256_storeu_ps((to) + 8 * half, a);                                                  \
    } while (0)
#define STORE_ROW(r)                                                                               \
    do {                                                                                           \
        STORE(0, a##r##0, y + r * ldy);                                                            \
        STORE(1, a##r##1, y + r * ldy);                                                            \
    } while (0)
    EACH_ROW(STORE_ROW);
}

/* All rows over one panel, in tiles of nearly equal height. */
static FM_INLINE void panel_rows(const fm_words_block *b, const float *w, float *y, int64_t lanes,
                                 const bool masked, const bool pairs) {
    const float *x = (const float *)b->x;
    int64_t rows = b->rows, tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    for (; tiles > 0; tiles--) {
        int64_t height = (rows + tiles - 1) / tiles;
        switch (height) {
        case 1: tile(b, x, w, y, lanes, 1, masked, pairs); break;
        case 2: tile(b, x, w, y, lanes, 2, masked, pairs); break;
        case 3: tile(b, x, w, y, lanes, 3, masked, pairs); break;
        case 4: tile(b, x, w, y, lanes, 4, masked, pairs); break;
        case 5: tile(b, x, w, y, lanes, 5, masked, pairs); break;
        default: tile(b, x, w, y, lanes, 6, masked, pairs); break;
        }
        x += height * b->x_row;
        y += height * b->ldy;
        rows -= height;
    }
}

static FM_INLINE void panels(const fm_words_block *b, const bool pairs) {
    for (int p = 0; p < b->n_panels; p++) {
        const float *w = (const float *)b->w + p * b->w_panel;
        int64_t lanes = b->columns - p * FM_PANEL;
        if (lanes >= FM_PANEL)
            panel_rows(b, w, b->y + p * FM_PANEL, FM_PANEL, false, pairs);
        else
            panel_rows(b, w, b->y + p * FM_PANEL, lanes, true, pairs);
    }
}

void fm_words_product_f32_avx2(const fm_words_block *b) { panels(b, false); }

static void product_of_pairs(const fm_words_block *b) { panels(b, true); }

/* The numbers of n words of a panel, odd before even. */
static FM_INLINE void expand_panel(const float *w, int64_t n, float *out) {
    const __m256 high = _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000));
    for (; n > 0; n--, w += FM_PANEL, out += 2 * FM_PANEL) {
        _mm256_store_ps(out, _mm256_and_ps(_mm256_loadu_ps(w), high));
        _mm256_store_ps(out + 8, _mm256_and_ps(_mm256_loadu_ps(w + 8), high));
        _mm256_store_ps(out + 16, low_halves(w));
        _mm256_store_ps(out + 24, low_halves(w + 8));
    }
}

/* For many rows panels become floats once, and not in every tile. */
static void product_of_expanded(const fm_words_block *b) {
    _Alignas(32) float w[2 * EXPAND_WORDS * FM_PANEL];
    fm_words_block f = *b;
    f.n = 2 * b->n;
    for (int p = 0; p < b->n_panels; p++) {
        float *y = b->y + p * FM_PANEL;
        int64_t lanes = b->columns - p * FM_PANEL;
        expand_panel((const float *)b->w + p * b->w_panel, b->n, w);
        if (lanes >= FM_PANEL) panel_rows(&f, w, y, FM_PANEL, false, false);
        else panel_rows(&f, w, y, lanes, true, false);
    }
}

void fm_words_product_bf16_avx2(const fm_words_block *b) {
    expanded_product(b, b->rows < MANY_ROWS ? product_of_pairs : product_of_expanded);
}

/* ---- packing ------------------------------------------------------------------------------------ */

void fm_words_of_row_bf16_avx2(const float *x, int64_t n, uint32_t *out) {
    int64_t k = 0;
    for (; k + 16 <= n; k += 16) {
        __m256i a = _mm256_srli_epi32(round_high(_mm256_loadu_ps(x + k)), 16);
        __m256i b = _mm256_srli_epi32(round_high(_mm256_loadu_ps(x + k + 8)), 16);
        __m256i row = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);
        _mm256_storeu_si256((__m256i *)(out + k / 2), row);
    }
    fm_words_of_row_bf16_ref(x + k, n - k, out + k / 2);
}

/* Rows of 8 words become columns. */
static FM_INLINE void transpose_words(__m256 v[8]) {
    __m256 t[8], u[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) { /* u[i + j]: words j and 4 + j of rows i to i + 3 */
        u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int j = 0; j < 4; j++) {
        v[j] = _mm256_permute2f128_ps(u[j], u[4 + j], 0x20);
        v[4 + j] = _mm256_permute2f128_ps(u[j], u[4 + j], 0x31);
    }
}

/* Eight words of eight rows, from `row[i]` on, into lanes from `out` on. */
static FM_INLINE void store_transposed(__m256 v[8], uint32_t *out) {
    transpose_words(v);
    for (int i = 0; i < 8; i++) _mm256_storeu_ps((float *)out + i * FM_PANEL, v[i]);
}

void fm_words_of_rows_f32_avx2(const float *x, int64_t ldx, int64_t rows, int64_t n, uint32_t *out) {
    int64_t k = 0;
    for (; rows == FM_PANEL && k + 8 <= n; k += 8)
        for (int half = 0; half < 2; half++) {
            __m256 v[8];
            for (int i = 0; i < 8; i++) v[i] = _mm256_loadu_ps(x + (8 * half + i) * ldx + k);
            store_transposed(v, out + k * FM_PANEL + 8 * half);
        }
    fm_words_of_rows_f32_ref(x + k, ldx, rows, n - k, out + k * FM_PANEL);
}

void fm_words_of_rows_bf16_avx2(const float *x, int64_t ldx, int64_t rows, int64_t n, uint32_t *out) {
    int64_t k = 0;
    for (; rows == FM_PANEL && k + 16 <= n; k += 16)
        for (int half = 0; half < 2; half++) {
            __m256 v[8];
            for (int i = 0; i < 8; i++) {
                uint32_t words[8];
                fm_words_of_row_bf16_avx2(x + (8 * half + i) * ldx + k, 16, words);
                v[i] = _mm256_loadu_ps((const float *)words);
            }
            store_transposed(v, out + k / 2 * FM_PANEL + 8 * half);
        }
    fm_words_of_rows_bf16_ref(x + k, ldx, rows, n - k, out + k / 2 * FM_PANEL);
}

void fm_words_of_row_f32_avx2(const float *x, int64_t n, uint32_t *out) {
    memcpy(out, x, (size_t)n * sizeof *out);
}

/* Eight panels wide, so that what is read lies together. */
void fm_words_of_columns_f32_avx2(const float *x, int64_t ldx, const int32_t *index, int64_t rows,
                                  int64_t columns, uint32_t *out, int64_t step) {
    int64_t whole = columns / FM_PANEL * FM_PANEL;
    for (int64_t c0 = 0; c0 < whole; c0 += 8 * FM_PANEL)
        for (int64_t t = 0; t < rows; t++)
            for (int64_t c = c0; c < whole && c < c0 + 8 * FM_PANEL; c += FM_PANEL)
                memcpy(out + c / FM_PANEL * step + t * FM_PANEL,
                       x + (index ? index[t] : t) * ldx + c, FM_PANEL * sizeof *out);
    fm_words_of_columns_f32_ref(x + whole, ldx, index, rows, columns - whole,
                                out + whole / FM_PANEL * step, step);
}

void fm_words_of_columns_bf16_avx2(const float *x, int64_t ldx, const int32_t *index, int64_t rows,
                                   int64_t columns, uint32_t *out, int64_t step) {
    int64_t even = rows / 2 * 2, whole = columns / FM_PANEL * FM_PANEL;
    for (int64_t c0 = 0; c0 < whole; c0 += 8 * FM_PANEL)
        for (int64_t t = 0; t < even; t += 2) {
            const float *a = x + (index ? index[t] : t) * ldx;
            const float *b = x + (index ? index[t + 1] : t + 1) * ldx;
            for (int64_t c = c0; c < whole && c < c0 + 8 * FM_PANEL; c += FM_PANEL) {
                __m256i *word = (__m256i *)(out + c / FM_PANEL * step + t / 2 * FM_PANEL);
                __m256i first = round_pairs(_mm256_loadu_ps(a + c), _mm256_loadu_ps(b + c));
                __m256i second = round_pairs(_mm256_loadu_ps(a + c + 8), _mm256_loadu_ps(b + c + 8));
                _mm256_storeu_si256(word, first);
                _mm256_storeu_si256(word + 1, second);
            }
        }
    uint32_t *edge = out + whole / FM_PANEL * step;
    fm_words_of_columns_bf16_ref(x + whole, ldx, index, rows, columns - whole, edge, step);
    if (even == rows) return;
    if (index)
        index += even;
    else
        x += even * ldx;
    fm_words_of_columns_bf16_ref(x, ldx, index, 1, whole, out + even / 2 * FM_PANEL, step);
}

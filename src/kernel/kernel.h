/* kernel.h: the inner loops, as a table of function pointers per CPU level.
 *
 * kernel/ref/ is the definition of right; kernel/x86/ overrides what it can do faster. All levels
 * give the same bits: each contract below fixes the order of every sum and where a multiplication
 * and an addition are fused. Kernels never allocate, thread, log or fail. Pointers need no
 * alignment unless said; inputs and outputs do not overlap unless said; lengths may be any n >= 0.
 *
 * "Sum of 16 lanes" below means: element i goes to lane i mod 16, each lane accumulates its
 * elements in order of i with fmaf starting from 0 (elements past the end contribute nothing), and
 * the lanes are then added pairwise as a tree: lane l with lane l+8, then l+4, l+2, l+1.
 *
 * One NaN counts as good as another: which of two NaN operands an instruction keeps is left to the
 * compiler. Infinities, subnormals and the signs of zeros are kept to the bit. */
#pragma once

#include "base/cpu.h"
#include "kernel/codes.h"

enum {
    FM_TILE_K = 128,     /* k per tile: 4 panels of it fill 32 KiB, an L1 cache */
    FM_TILE_PANELS = 4,  /* panels per tile */
};

/* Magnitudes between which nothing in int8_from_float and back is subnormal or overflows. */
#define FM_INT8_LEAST 0x1p-100f
#define FM_INT8_MOST 0x1p127f

enum { FM_FEW_QUERIES = 8 }; /* see few_scores */

/* Rows of numbers as a cache keeps them: floats, BF16 (as stored, little-endian), or bytes with a float
 * per block of 8, 16, 32 or 64 of them: code * scale. */
typedef enum fm_kept_form { FM_KEPT_F32, FM_KEPT_BF16, FM_KEPT_INT8, FM_KEPT_FORMS } fm_kept_form;
typedef struct fm_kept_rows {
    const void *x;       /* the first row's numbers */
    const float *scales; /* INT8: of the first row's blocks, from the one that x begins */
    size_t stride;       /* bytes from row to row, for both */
    int64_t block;       /* INT8: numbers to a scale */
} fm_kept_rows;

/* What a lane multiplies at a time in the products of learning; see words.h. */
typedef enum fm_word_form { FM_WORDS_F32, FM_WORDS_BF16, FM_WORD_FORMS } fm_word_form;
typedef struct fm_words_block {
    int64_t n;             /* words */
    const uint32_t *x;     /* word k of row m: x[m * x_row + k * x_word] */
    int64_t x_row, x_word;
    int64_t rows;
    const uint32_t *w;     /* word k of lane r of panel p: w[p * w_panel + k * 16 + r] */
    int64_t w_panel;
    int n_panels;          /* 1 to FM_TILE_PANELS */
    int64_t columns;       /* of y: those of all panels, or fewer of the last */
    float *y;
    int64_t ldy;
    bool adds;             /* to y; otherwise the sums begin at 0 */
} fm_words_block;

/* AdamW's numbers for a step; see adamw. */
typedef struct fm_adamw {
    float gradient_scale;         /* of clipping */
    float beta1, beta2, epsilon;
    float rate;                   /* learning rate / (1 - beta1^t) */
    float second;                 /* 1 / sqrt(1 - beta2^t) */
    float keep;                   /* 1 - learning rate * weight decay */
} fm_adamw;

typedef struct fm_kernels {
    const char *name; /* of the CPU level */

    /* ---- matrix products; see panel.h for the definition ------------------------------------- */

    /* Decodes k in [k0, k0 + nk) of panel `panel` into tile[nk][16], exactly as the dtype's decode.
     * nk <= FM_TILE_K; k0 is a multiple of FM_TILE_K; `tile` is 64-byte aligned. Lanes of rows past
     * n_out are 0. */
    void (*unpack[FM_LAYOUTS])(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk,
                               float *tile);

    /* y[m][p*16 + r] = fma chain over k < nk of x[m][k] * tile[p][k][r], continuing from the value
     * in y. tile[p] begins at tile + p * FM_TILE_K * 16; 1 <= n_panels <= FM_TILE_PANELS. */
    void (*tile_fma)(int n_panels, int64_t nk, const float *tile, int64_t rows, const float *x,
                     int64_t ldx, float *y, int64_t ldy);

    /* A panel the other way round, for one row of x in products with the transpose: for k < nk
     * y[k] = fma(x[n-1], panel[k][n-1], ... fma(x[1], panel[k][1], fma(x[0], panel[k][0], y[k]))).
     * 1 <= n <= 16, nk <= FM_TILE_K. `panel` is 64-byte aligned, [FM_TILE_K][16]; what lies behind nk may
     * be read and does not count. */
    void (*turned_fma)(int64_t n, int64_t nk, const float *panel, const float *x, float *y);
    /* Optional, by layout: the same of FM_TILE_K columns from k0 on straight from a panel's codes. */
    void (*turned_panel[FM_LAYOUTS])(const fm_panels *w, int64_t panel, int64_t k0, int64_t n, const float *x,
                                     float *y);

    /* Optional (NULL where a level has none): the whole product for one row of x without a tile in
     * between, same bits. Panels [begin, end); y receives 16 floats per panel. */
    void (*row_product[FM_LAYOUTS])(const fm_panels *w, int64_t begin, int64_t end, const float *x,
                                    float *y);

    /* ---- products of integers; see codes.h for the definition --------------------------------- */

    /* Rounds a row of n floats to fm_codes_blocks(n) blocks of the form, fm_codes or fm_codes16, each as
     * one block of int8_from_float, zeros behind the end. The second byte is that of
     * fma(-scale, first, x) * (256 / scale); 0 where the scale is 0 or NaN. */
    void (*codes_from_float[FM_CODES_FORMS])(const float *x, int64_t n, void *out);
    /* y[m][(p - begin) * 16 + r] for panels p in [begin, end) and rows m of x, `ldx` blocks apart.
     * NULL, at all levels and in all forms alike, for a layout that has no codes to multiply. */
    void (*codes_product[FM_CODES_FORMS][FM_LAYOUTS])(const fm_panels *w, int64_t begin, int64_t end,
                                                      const void *x, int64_t ldx, int64_t rows,
                                                      float *y, int64_t ldy);

    /* ---- products of learning; see words.h for the definition --------------------------------- */

    /* y[m][n] for all rows and columns of a block. */
    void (*words_product[FM_WORD_FORMS])(const fm_words_block *b);
    /* n floats as a row of words. BF16 rounds to nearest even, subnormals to zero; so do the others. */
    void (*words_of_row[FM_WORD_FORMS])(const float *x, int64_t n, uint32_t *out);
    /* A panel whose lane r is row r of x: `rows` <= 16 rows of n floats, zeros in the other lanes. */
    void (*words_of_rows[FM_WORD_FORMS])(const float *x, int64_t ldx, int64_t rows, int64_t n,
                                         uint32_t *out);
    /* Panels whose lanes are the columns of x, [rows][columns]: the words go down the rows. Panels are
     * `step` words apart. With `index`, row t is row index[t] of x. Pieces of the rows may be packed
     * apart: an even number of rows is the same number of floats or half as many pairs. */
    void (*words_of_columns[FM_WORD_FORMS])(const float *x, int64_t ldx, const int32_t *index,
                                            int64_t rows, int64_t columns, uint32_t *out,
                                            int64_t step);

    /* ---- attention ---------------------------------------------------------------------------
     * Scores are a product of matrices like any other, with positions for output rows: keys are turned
     * into panels of 16 positions as they are read. Floats (panel.h): tile_fma does the rest. BF16
     * (words.h): rows are words already, and words_product does the rest. */

    /* y[i][c] = number c of row i, of n rows; d columns, whole blocks of them where there are scales. */
    void (*rows_to_floats[FM_KEPT_FORMS])(const fm_kept_rows *rows, int64_t n, int64_t d, float *y,
                                          int64_t ldy);
    /* The same turned: panel[c][i], as tile_fma reads it. 1 <= n <= 16, d <= FM_TILE_K; lanes past n
     * repeat the last row. `panel` is 64-byte aligned. */
    void (*rows_to_panel[FM_KEPT_FORMS])(const fm_kept_rows *rows, int64_t n, int64_t d,
                                         float *panel);
    /* acc[i][c] = fma(p[i][nk-1], v[nk-1][c], ... fma(p[i][0], v[0][c], acc[i][c])). */
    void (*weighted_rows)(const float *p, int64_t n, int64_t ldp, const float *v, int64_t nk,
                          int64_t ldv, int64_t d, float *acc, int64_t ldacc);

    /* Rows of BF16 as words. `next`, unless it is NULL: as many rows, of the same stride and width, that are
     * read soon; memory is asked for them. */

    /* The panel whose lane r is row r of n rows, 1 <= n <= 16, of d columns; zeros in the other lanes. An
     * odd d ends with a half of zeros. */
    void (*pairs_of_rows)(const fm_kept_rows *rows, int64_t n, int64_t d, uint32_t *panel, const void *next);
    /* Panels whose lanes are the columns, `step` words apart: word i of a lane is rows 2i and 2i + 1. Zeros
     * for the row that an odd n lacks, and in lanes past d. */
    void (*pairs_of_columns)(const fm_kept_rows *rows, int64_t n, int64_t d, uint32_t *out, int64_t step,
                             const void *next);
    /* x[i] = exp(x[i] - shift) rounded to BF16 as words_of_row does, an odd n ending with a half of zeros;
     * returns the sum of 16 lanes of the rounded numbers. `out` may be x. */
    float (*exp_pairs)(const float *x, int64_t n, float shift, uint32_t *out);
    /* Optional (NULL where a level has none): y[q][i] = the product of words, from 0, of row i of 16 rows of
     * BF16, n words of each, and lane q of a panel, for its first `queries` lanes. */
    void (*pair_scores)(const fm_kept_rows *rows, int64_t n, const uint32_t *panel, int64_t queries,
                        float *y, int64_t ldy, const void *next);
    /* Optional, for 1 to FM_FEW_QUERIES queries, where turning rows into panels would cost more than the products
     * with them. y[q][i] = the product of words, from 0, of row i of 16 rows of BF16 and row q of the queries'
     * words; n words, a multiple of 8. */
    void (*few_scores)(const fm_kept_rows *rows, int64_t n, const uint32_t *queries_words, int64_t ldq,
                       int64_t queries, float *y, int64_t ldy, const void *next);
    /* y[q][c] = the product of words, from 0 or (`adds`) from y, of the weights p[q] and of column c of n rows of
     * BF16, whose pairs go along the rows; an odd n ends with a half of zeros, and `ends` adds a pair of zeros.
     * d columns, a multiple of 64. */
    void (*few_sums)(const fm_kept_rows *rows, int64_t n, int64_t d, const uint32_t *p, int64_t ldp,
                     int64_t queries, float *y, int64_t ldy, bool adds, bool ends, const void *next);

    /* ---- vectors ------------------------------------------------------------------------------ */

    /* Largest element (NaN if any is NaN; +0 if it is a zero); -inf for n = 0. */
    float (*max)(const float *x, int64_t n);
    /* x[i] = exp(x[i] - shift) with the exponential of ref/exp_ref.h; returns the sum of 16 lanes
     * (plain additions) of the results. In place. */
    float (*exp_sum)(float *x, int64_t n, float shift);
    /* y[i] = 1 / (1 + exp(-x[i])); x may be y. */
    void (*sigmoid)(const float *x, int64_t n, float *y);
    /* y[i] = (gate[i] / (1 + exp(-gate[i]))) * up[i]; y may be gate or up. Shazeer 2020. */
    void (*swiglu)(const float *gate, const float *up, int64_t n, float *y);
    /* y[i] = (x[i] * r) * w[i], r = 1 / sqrtf(sum of 16 lanes of x[i]^2 / n + eps); x may be y.
     * Returns r. Zhang & Sennrich 2019. */
    float (*rmsnorm)(const float *x, const float *w, float eps, int64_t n, float *y);
    /* y[i] = x[i] + y[i]. */
    void (*add)(const float *x, int64_t n, float *y);
    /* y[i] = fma(a, x[i], y[i]). */
    void (*axpy)(float a, const float *x, int64_t n, float *y);
    /* x[i] *= a. */
    void (*scale)(float a, int64_t n, float *x);
    /* Rotates n_pairs pairs in place by the angles whose cosines and sines are given:
     * (a, b) -> (a cos - b sin, a sin + b cos), products rounded before the sum. Pair i is elements
     * (2i, 2i+1) when `interleaved`, else (i, i + n_pairs). */
    void (*rotate)(float *x, int64_t n_pairs, const float *cosines, const float *sines,
                   bool interleaved);
    /* ---- backwards ---------------------------------------------------------------------------
     * Gradients are added to what is there. */

    /* With s = 1 / (1 + exp(-gate)) and silu = gate / (1 + exp(-gate)) as in swiglu:
     * dgate[i] = fma(dy[i] * up[i], fma(silu, 1 - s, s), dgate[i]), dup[i] = fma(dy[i], silu, dup[i]). */
    void (*swiglu_backward)(const float *gate, const float *up, const float *dy, int64_t n,
                            float *dgate, float *dup);
    /* Of rmsnorm with its r: with g[i] = dy[i] * w[i] and
     * c = ((sum of 16 lanes of g[i] x[i]) / n * r) * r:
     * dx[i] = fma(r, fma(-c, x[i], g[i]), dx[i]), dw[i] = fma(dy[i], x[i] * r, dw[i]) unless dw is NULL. */
    void (*rmsnorm_backward)(const float *x, const float *w, float r, const float *dy, int64_t n,
                             float *dx, float *dw);
    /* Of softmax: d[i] = p[i] * (d[i] - mean), mean being the sum of p[i] d[i] over the row. In place. */
    void (*softmax_backward)(const float *p, float mean, int64_t n, float *d);
    /* The sum of 16 lanes of x[i] y[i]. */
    float (*dot)(const float *x, const float *y, int64_t n);
    /* Loshchilov & Hutter 2019, as PyTorch orders it, with g = grad[i] * gradient_scale:
     * m = fma(1 - beta1, g - m, m); v = fma(g * (1 - beta2), g, v * beta2);
     * x = fma(-rate, m / fma(sqrt(v), second, epsilon), x * keep). */
    void (*adamw)(const fm_adamw *a, const float *grad, int64_t n, float *x, float *m, float *v);

    /* ---- rounding ---------------------------------------------------------------------------- */

    /* BF16 as stored, little-endian, rounded to nearest even. */
    void (*bf16_from_float)(const float *x, int64_t n, uint16_t *y);
    /* Bytes in blocks of 8, 16, 32 or 64; n is a multiple of `block`. With m the largest |x| of block
     * b: scales[b] = m / 127, codes = x * (127 / m) rounded to nearest even, all within +-127. A
     * block with m < FM_INT8_LEAST counts as zeros: codes and scale 0. A block that holds a NaN, an
     * infinity or anything above FM_INT8_MOST gets codes 0 and the scale NaN: all of it is read as
     * NaN, none of it as a number that it never was. */
    void (*int8_from_float)(const float *x, int64_t n, int64_t block, int8_t *codes, float *scales);
} fm_kernels;

/* The table of a level. The processor must have it (fm_cpu_detect). Never NULL; static storage. */
const fm_kernels *fm_kernels_get(fm_cpu_level level);

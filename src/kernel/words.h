/* words.h: the matrix products of learning: of two matrices of floats, both known only now.
 *
 * Inference multiplies rows with weights that were packed once (panel.h). Learning has three products
 * for every weight, y = x W^T, dx += dy W and dW += dy^T x, whose operands change with every step, so
 * the packing is part of the price and both sides have a packed form.
 *
 * A word is what one lane multiplies at a time: 32 bits along k, the index that is summed over.
 *
 *   FM_WORDS_F32    one float
 *   FM_WORDS_BF16   two of BF16: the even k in the low half, the odd k in the high half; an odd number
 *                   of k ends with a half of zeros
 *
 * A matrix [m][k] is packed as rows of words, or as panels of 16 rows in which the words of all 16 lie
 * side by side, [word][16]: the layouts F32 and BF16 of panel.h. Panels of rows that are the columns of
 * a matrix of floats need no transposing (words_of_columns), which is what W^T, dy^T and x^T are.
 *
 * The definition, for the word of row m of the one matrix and row n of the other:
 *
 *   F32    y = fma(x, w, y)
 *   BF16   y = fma(x_even, w_even, fma(x_odd, w_odd, y)), where whatever is subnormal, what goes in and
 *          what comes out of either step, counts as zero of its sign
 *
 * in float32 and in the order of the words, from the y that is there or from 0. The second line is to the
 * bit what the instruction vdpbf16ps computes; processors that lack it compute the same by single
 * steps. So here too every level gives the same bits, for any split by rows, panels, words or threads. */
#pragma once

#include "kernel/kernel.h"

/* Words of a row of n numbers. */
static inline int64_t fm_words_count(fm_word_form form, int64_t n) {
    return form == FM_WORDS_BF16 ? (n + 1) / 2 : n;
}

/* Words from row to row and from panel to panel for n_words of each, rows and panels beginning with a line
 * of the cache: an odd number of lines, or neighbours might fall on the same set. */
static inline int64_t fm_words_row_step(int64_t n_words) { return ((n_words + 15) / 16 | 1) * 16; }
static inline int64_t fm_words_panel_step(int64_t n_words) { return (n_words | 1) * FM_PANEL; }

/* A matrix of words; borrowed memory. */
typedef struct fm_words {
    const uint32_t *data;
    int64_t step;   /* words from row to row, or from panel to panel */
    bool in_panels;
} fm_words;

/* Panels of layout F32 or BF16 as a matrix of words. */
static inline fm_words fm_words_of_panels(const fm_panels *w) {
    return (fm_words){w->data, (int64_t)(w->panel_bytes / sizeof(uint32_t)), true};
}

/* y[m][n], or what it holds and, where `adds`, for rows m in [row_begin, row_end) of x and the rows of w
 * that its panels [begin, end) hold; n_words are summed over. Row m = 0 and column n = 0 are at y, rows
 * `ldy` apart; columns from n_out on are left alone. */
typedef struct fm_words_product {
    fm_word_form form;
    fm_words x, w; /* w in panels */
    int64_t n_words, n_out;
    float *y;
    int64_t ldy;
    bool adds;
} fm_words_product;
void fm_words_multiply(const fm_kernels *k, const fm_words_product *p, int64_t row_begin,
                       int64_t row_end, int64_t begin, int64_t end);

/* ---- from floats --------------------------------------------------------------------------------
 * The same with the packing on the way, a piece that stays in the cache at a time: no pass over memory for
 * itself, and threads that share a product wait for nobody's packing. Bits do not depend on the pieces. */

/* Row m is row index[m] of x, or row m where there is no index. */
typedef struct fm_float_rows {
    const float *x;
    int64_t ld;
    const int32_t *index;
} fm_float_rows;

/* Rows [row_begin, row_end) of x, at most FM_WORDS_ROWS of n floats, as rows of words in `scratch`. */
enum { FM_WORDS_ROWS = 96 };
fm_words fm_words_pack_rows(const fm_kernels *k, fm_word_form form, const fm_float_rows *x, int64_t n,
                            int64_t row_begin, int64_t row_end, uint32_t *scratch);
/* Rows [row_begin, row_end) of y = x w^T for panels [begin, end): as fm_words_multiply, with rows of n floats
 * for p->x. `scratch` holds fm_words_rows_scratch(form, n) words, 64-byte aligned. */
int64_t fm_words_rows_scratch(fm_word_form form, int64_t n);
void fm_words_multiply_rows(const fm_kernels *k, const fm_words_product *p, const fm_float_rows *x,
                            int64_t n, int64_t row_begin, int64_t row_end, int64_t begin, int64_t end,
                            uint32_t *scratch);

/* y[i][j] += sum over t < n_rows of a[t][i] b[t][j], for some of the columns i of a and j of b: the gradient
 * of a weight, from those of what it made and from what it read. */
typedef struct fm_words_outer {
    fm_word_form form;
    fm_float_rows a, b;
    int64_t n_rows;
    float *y;
    int64_t ldy;
} fm_words_outer;
enum { FM_OUTER_A = 192, FM_OUTER_B = 256 }; /* columns at most in a piece */
/* Columns [a_begin, a_end) by [b_begin, b_end): a piece, or less of one at the edge. `scratch` holds
 * FM_OUTER_SCRATCH words, 64-byte aligned. */
enum { FM_OUTER_WORDS = 2 * FM_TILE_K };
enum { FM_OUTER_SCRATCH = (FM_OUTER_A + FM_OUTER_B) * (FM_OUTER_WORDS + 1) };
void fm_words_multiply_columns(const fm_kernels *k, const fm_words_outer *p, int64_t a_begin,
                               int64_t a_end, int64_t b_begin, int64_t b_end, uint32_t *scratch);

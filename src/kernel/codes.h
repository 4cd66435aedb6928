/* codes.h: the second definition of a matrix product: dots of integers.
 *
 * The first one (panel.h) multiplies floats, one k after another. This one rounds every row of x to
 * bytes first, 128 at a time, and multiplies those with the codes of the weight, which takes a
 * fraction of the instructions. Whoever asks for it gets it for every number of rows, so the promise
 * is the same: a result depends on the row of x and on the weight alone, and every CPU level gives
 * the same bits, since sums of integers are exact and the few sums of floats have a fixed order.
 *
 * A block b of up to 128 columns of a row becomes a scale sa_b = max |x| / 127 and codes
 * round(x * (127 / max |x|)), to even at ties: see codes_from_float in kernel.h. Weights keep the
 * codes of their format. With the groups g of 32 or 16 columns inside b, in order of k, each with the
 * weight's scale sw_g (d, or d times the group's own scale: always exact in float32) and, where the
 * format has one, what it adds to every weight, mw_g:
 *
 *     dot_g = sum over k in g of (signed code of w[n][k]) * (code of x[m][k])          exact integers
 *     sum_g = sum over k in g of (code of x[m][k])
 *     inner = 0; for every g of b:  inner = fma(sw_g, dot_g, inner)
 *                                   inner = fma(mw_g, sum_g, inner)             with a minimum only
 *     y[m][n] = 0; for every b:     y = fma(sa_b, inner, y)
 *
 * All in float32; dot_g and sum_g are exact in it. Q4_K and Q5_K subtract their minima: mw_g is
 * -(dmin * minimum).
 *
 * How far that is from the product of the numbers themselves: with W = what the weight's decode
 * gives, |y - sum x W| is at most
 *     sum over b of (sa_b / 2) (1 + 2^-15) sum over k in b of |W[n][k]|            rounding of x
 *   + 2^-24 (2 groups + 2 blocks) sum over g of sa_b (|sw_g dot_g| + |mw_g sum_g|)   of the sums
 * to first order. The first term decides: half a 127th of the largest activation of 128.
 *
 * A block of x that holds a NaN, an infinity or a magnitude above FM_INT8_MOST has the scale NaN, and
 * so has every result of its row: nothing becomes a number that it never was. */
#pragma once

#include "kernel/panel.h"

enum { FM_CODES = 128 };

/* A block of a row of x. Codes lie in the order in which words of nibbles give theirs (layout.h): of
 * every eight, 0 2 4 6 1 3 5 7. What lies past the end of the row is zero. The sums have the sign in
 * which kernels add them to take back what an unsigned code has too much. */
typedef struct fm_codes {
    int8_t code[FM_CODES];
    int32_t minus16[FM_CODES / 16]; /* minus the sum of codes [16 i, 16 i + 16) */
    int32_t minus32[FM_CODES / 32];
    float sum32[FM_CODES / 32];     /* the sum of codes [32 i, 32 i + 32) */
    float scale;
} fm_codes;

/* Blocks of a row of n columns. */
static inline int64_t fm_codes_blocks(int64_t n) { return (n + FM_CODES - 1) / FM_CODES; }

/* Where code k of a block lies. */
static inline int fm_codes_place(int k) { return (k & ~7) | (k & 1) << 2 | (k >> 1 & 3); }

/* codes.h: the second definition of a matrix product: dots of integers.
 *
 * The first one (panel.h) multiplies floats, one k after another. This one rounds every row of x to
 * bytes first, 32 at a time, and multiplies those with the codes of the weight, which takes a
 * fraction of the instructions. Whoever asks for it gets it for every number of rows, so the promise
 * is the same: a result depends on the row of x and on the weight alone, and every CPU level gives
 * the same bits, since sums of integers are exact and the few sums of floats have a fixed order.
 *
 * A block of 32 columns of a row becomes a scale sa = max |x| / 127 and codes
 * round(x * (127 / max |x|)), to even at ties: see int8_from_float in kernel.h. Weights keep the codes
 * of their format. With the groups g of 32 or 16 columns, in order of k, each with the weight's scale
 * sw_g (d, or d times the group's own scale: always exact in float32) and, where the format has one,
 * what it adds to every weight, mw_g:
 *
 *     dot_g = sum over k in g of (signed code of w[n][k]) * (code of x[m][k])          exact integers
 *     sum_g = sa_g * (sum over k in g of (code of x[m][k]))                     one float, rounded
 *     y[m][n] = 0; for every g:  y = fma(sa_g * sw_g, dot_g, y)            the product sa sw rounded
 *                                y = fma(mw_g, sum_g, y)                      with a minimum only
 *
 * All in float32; dot_g is exact in it. Formats with minima to subtract have -(dmin * minimum) as mw_g. IQ1_S
 * has its shift, an eighth of sw_g up or down.
 *
 * How far that is from the product of the numbers themselves: with W = what the weight's decode
 * gives, |y - sum x W| is at most
 *     sum over k of (sa_g / 2) (1 + 2^-15) |W[n][k]|                                  rounding of x
 *   + 2^-24 (F + 1) sum over g of (|sa_g sw_g dot_g| + |mw_g sum_g|)         of F fused multiply-adds
 * to first order. The first term decides: half a 127th of the largest activation of 32.
 *
 * Two bytes. For who wants more, a code has 16 bits: 256 times the byte above and a second one, which is
 * what the first left in 256ths of its scale, rounded to even at ties and kept within +-127:
 *     code = 256 first + second,  second = round((x - sa first) * (256 / sa)),  sa_g above being sa / 256
 * All else is as with one byte, but for dot_g, which may be more than 24 bits and is then rounded to
 * float32. With the scale of the first byte, the first term of the bound becomes (sa / 500), or (sa / 250)
 * where 128 became 127: 16 bits of x. It takes twice the products of bytes, but no more steps of the chain,
 * and the weight is read and opened once.
 *
 * A block of x that holds a NaN, an infinity or a magnitude above FM_INT8_MOST has the scale NaN, and
 * so has every result of its row: nothing becomes a number that it never was. */
#pragma once

#include "kernel/panel.h"

enum { FM_CODES = 32 };

/* A block of a row of x, a line of memory. Codes lie in the order in which words of nibbles give theirs
 * (layout.h): of every eight, 0 2 4 6 1 3 5 7. What lies past the end of the row is zero. Kernels that
 * make signed codes of a weight unsigned by an offset of 8, 128 or 32 add `undo` to their sums. */
typedef struct fm_codes {
    int8_t code[FM_CODES];
    float scale;             /* sa */
    float sum, sum16[2];     /* sa * the sum of all codes, of the first 16 and the last */
    int32_t undo8, undo128;  /* -8 and -128 times the sum of all codes */
    int32_t undo32[2];       /* -32 times the sum of the first 16 and the last */
} fm_codes;

_Static_assert(sizeof(fm_codes) == 64, "a line of memory");

/* The same with two bytes. The scale, the sums and what undoes offsets are those of the whole codes. */
typedef struct fm_codes16 {
    fm_codes first;
    int8_t second[FM_CODES];
} fm_codes16;

_Static_assert(sizeof(fm_codes16) == 96, "fm_codes with a half of a line behind it");

typedef enum fm_codes_form { FM_CODES_8, FM_CODES_16, FM_CODES_FORMS } fm_codes_form;

static inline size_t fm_codes_block_bytes(fm_codes_form form) {
    return form == FM_CODES_16 ? sizeof(fm_codes16) : sizeof(fm_codes);
}

/* Blocks of a row of n columns. */
static inline int64_t fm_codes_blocks(int64_t n) { return (n + FM_CODES - 1) / FM_CODES; }

/* Where code k of a block lies. */
static inline int fm_codes_place(int k) { return (k & ~7) | (k & 1) << 2 | (k >> 1 & 3); }

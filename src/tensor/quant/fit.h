/* fit.h: scales that make the rounding of a block small, for the formats of this folder.
 *
 * A block of n values x is to be x[i] = d * level[code[i]] (+ m). For given codes the best d (and m) is
 * linear least squares; for given d the best codes are the nearest ones. What is left is to find the
 * right codes among those that some scale leads to. Errors are weighted: the sum of w[i] * e[i]^2.
 *
 * Sources are finite numbers for a result that means something; anything else gives some block. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { FM_FIT_MOST = 32 }; /* values that share a scale */

/* The levels of a format in rising order. */
typedef struct fm_levels {
    int n, zero;       /* zero: index of the one nearest to zero */
    bool even;         /* whole numbers one after another */
    float value[64];
    uint8_t near[256]; /* uneven ones: the level nearest to i - 128 */
} fm_levels;

fm_levels fm_levels_even(int low, int high); /* -low, ..., high */
fm_levels fm_levels_of(const int8_t *values, int n);

/* The weights of n values: their importance, which is stepped over, or 1 where there is none. */
void fm_fit_weights(const float **importance, int n, float *w);

/* The scale d for x[i] = d * level, of either sign: the best of all for which 1 / d is within `reach`
 * (0 to 0.5, as a part) of where the largest |x| just meets the largest level. It is exact: with growing
 * 1 / d each x moves from level to level at known points, between which the codes stay and the error
 * has a formula. 0 for a block of zeros. n <= FM_FIT_MOST. */
float fm_fit_scale(const fm_levels *levels, const float *x, const float *w, int n, float reach);

/* What nearest codes make of a block for a given scale d. */
typedef struct fm_fit_sums {
    double xq, qq; /* sum of w x q, and of w q q, q being the levels chosen */
    double error;
} fm_fit_sums;
fm_fit_sums fm_fit_codes(const fm_levels *levels, const float *x, const float *w, int n, float d,
                         uint8_t *codes);

/* d >= 0 and m for x[i] = d * code + m, codes 0 to `top`: the best of a row of starts that stretch and clip
 * the range, each improved by turns of rounding and least squares. `negative`: m may not be above 0.
 * n is a multiple of 8. */
void fm_fit_line(const float *x, const float *w, int n, int top, bool negative, float *d, float *m);
/* The error of given d and m; `codes` may be NULL. */
double fm_fit_line_codes(const float *x, const float *w, int n, int top, float d, float m,
                         uint8_t *codes);

/* ---- whole blocks, as they are stored --------------------------------------------------------*/

/* One scale. Returns the half. */
uint16_t fm_fit_scale_as_half(const fm_levels *levels, const float *x, const float *w, int n,
                              uint8_t *codes);
/* Signed bytes with one scale. */
uint16_t fm_fit_bytes_as_half(const float *x, const float *w, int n, int8_t *codes);
/* 32 values, one scale and one minimum. */
void fm_fit_line_as_halves(const float *x, const float *w, int top, uint16_t *d, uint16_t *m,
                           uint8_t *codes);
/* `groups` runs of `size` values, each with a whole scale from low to high times one half, which is
 * returned. */
uint16_t fm_fit_scales(const fm_levels *levels, const float *x, const float *w, int groups, int size,
                       float reach, int low, int high, int *scales, uint8_t *codes);
/* 8 runs of 32 values, x = (d * scale) * code - (dmin * minimum), scales and minima from 0 to 63. */
void fm_fit_lines(const float *x, const float *w, int top, uint16_t *d, uint16_t *dmin, uint8_t *scales,
                  uint8_t *minima, uint8_t *codes);

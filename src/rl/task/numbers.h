/* numbers.h: divisors, remainders and fractions on paper, for the kinds whose workings need them. */
#pragma once

#include "base/buffer.h"
#include "rl/task/literal.h"

/* "12 - 5 = 7", without a line feed, for + - *; b in brackets when it is below zero. Returns the result. */
int64_t fm_put_step(int64_t a, char sign, int64_t b, fm_buffer *out);
/* "48 = 2*18 + 12", without a line feed. Returns the remainder. */
int64_t fm_put_division(int64_t a, int64_t b, fm_buffer *out);

/* Euclid's divisions, a line each: "48 = 2*18 + 12". Both positive; returns the divisor found. */
int64_t fm_euclid(int64_t a, int64_t b, fm_buffer *out);

/* A fraction in lowest terms with a positive bottom; "3/4", or "3" where the bottom is 1. */
typedef struct fm_fraction {
    int64_t top, bottom;
} fm_fraction;

fm_fraction fm_fraction_of(int64_t top, int64_t bottom); /* reduced; bottom is not 0 */
void fm_fraction_put(fm_fraction f, fm_buffer *out);
/* Brings top/bottom to lowest terms on paper, with Euclid's lines where they are needed. */
fm_fraction fm_fraction_reduce(int64_t top, int64_t bottom, fm_buffer *out);

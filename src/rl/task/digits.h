/* digits.h: arithmetic on paper, digit by digit, as it is written on the way to an answer. The results come out of
 * the columns, not from the machine's own arithmetic, so a working that is wrong gives a wrong answer. Numbers are
 * not negative and have at most 18 digits, results too. */
#pragma once

#include "base/buffer.h"

/* Adds n numbers, at most 32: a line for each column, from the right, and one that lists the digits written. */
int64_t fm_digits_add(const int64_t *numbers, size_t n, fm_buffer *out);
/* a - b with borrowing, in the same way; a >= b. */
int64_t fm_digits_subtract(int64_t a, int64_t b, fm_buffer *out);
/* a times b: a line for each digit of b that is not 0, one for each addition of what they gave. */
int64_t fm_digits_multiply(int64_t a, int64_t b, fm_buffer *out);
/* Long division, a line for each digit brought down; b > 0. */
int64_t fm_digits_divide(int64_t a, int64_t b, int64_t *remainder, fm_buffer *out);

/* Adds the numbers in ascending order, with `between` between them: the key where order means nothing; at most 32. */
void fm_digits_sorted_key(const int64_t *numbers, size_t n, const char *between, fm_buffer *out);

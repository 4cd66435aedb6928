/* digits.h: arithmetic on paper, column by column, as it is written on the way to an answer. The results come out of
 * the columns, not from the machine's own arithmetic, so a working that is wrong gives a wrong answer. */
#pragma once

#include "base/buffer.h"

enum { FM_DIGITS = 20 }; /* columns of the longest number */

/* Adds n numbers, none negative: a line for each column, from the right, and one that lists the digits written.
 * Returns what was written. */
int64_t fm_digits_add(const int64_t *numbers, size_t n, fm_buffer *out);

/* The numbers in ascending order, with `between` between them: the key where order means nothing; at most 32. */
void fm_digits_sorted_key(const int64_t *numbers, size_t n, const char *between, fm_buffer *out);

/* number.h: numbers as people and models write them, compared exactly: 0.5 is 1/2 is \frac{1}{2}, and
 * 0.3333 is not 1/3. Any bytes may come in. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FM_NUMBER_DIGITS = 256 };

/* digits * 10^exponent, with neither leading nor trailing zeros; zero has no digits. */
typedef struct fm_decimal {
    uint8_t digits[FM_NUMBER_DIGITS]; /* 0 .. 9, the first is the most significant */
    int n;
    int64_t exponent;
} fm_decimal;

typedef struct fm_number {
    bool negative;
    fm_decimal top, bottom; /* bottom is never zero */
} fm_number;

/* Reads a number at the beginning of s[0, n) and returns how many bytes it takes; 0: there is none.
 *   [sign] [$] decimal [/ decimal] [%]     or  [sign] \frac{decimal}{decimal}, \frac12
 * where a decimal is 1234, 1,234, 1.5, .5, 2e-3. The sign may be U+2212; a percent sign is read over.
 * More than FM_NUMBER_DIGITS digits, exponents past a million and a bottom of zero are no number. */
size_t fm_number_read(const char *s, size_t n, fm_number *out);

/* True if all of s[0, n) but spaces around it is one number. */
bool fm_number_parse(const char *s, size_t n, fm_number *out);

/* The first (or last) number within a text; the digits of a word such as H2O are none, and the dash of
 * 3-5 is no sign. */
bool fm_number_find(const char *s, size_t n, bool last, size_t *begin, size_t *length);

bool fm_number_equal(const fm_number *a, const fm_number *b);

/* literal.h: a number that somebody has written down as an answer.
 *
 * A literal is a number, never a calculation: where 17 + 25 is asked for, "17+25" is no answer. Read are
 * "42", "+42", "-42", "1,234,567", "42." and "42.0", "0.5" and ".5", "1/2", "1 / 2", "\frac{1}{2}" (\dfrac,
 * \tfrac), "1 1/2", in dollars or \( \) or bare; U+2212 is a minus. Digits are ASCII; exponents, percent, other
 * bases and numbers of more than 18 digits are not read. */
#pragma once

#include "rl/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fm_literal {
    int64_t top, bottom; /* as written, not reduced; bottom > 0; both below 10^18 */
    bool decimal;        /* had a point with a digit other than 0 behind it */
    bool fraction;       /* had a stroke */
    bool mixed;          /* a whole number in front of a fraction */
} fm_literal;

/* Which forms besides a whole number (or one with zeros behind its point) are taken. */
enum {
    FM_FORM_DECIMAL = 1,
    FM_FORM_FRACTION = 2, /* any stroke: 6/4 and 1 1/2 */
    FM_FORM_LOWEST = 4,   /* a fraction must be in lowest terms: 3/2 and 1 1/2, not 6/4, 4/2 or 1 2/4 */
};

/* A literal at the beginning of a text; returns the bytes taken, 0: there is none. */
size_t fm_literal_take(const char *text, size_t size, fm_literal *out);
/* The whole text is one literal of these forms. */
bool fm_literal_read(const char *text, size_t size, unsigned forms, fm_literal *out);
/* Is the whole text a literal of these forms with the value top/bottom? bottom > 0. */
fm_verdict fm_literal_check(const char *text, size_t size, unsigned forms, int64_t top, int64_t bottom);

/* Takes blanks off both ends. */
void fm_trim(const char **text, size_t *size);
int64_t fm_gcd(int64_t a, int64_t b); /* of their absolute values; gcd(0, 0) = 0 */

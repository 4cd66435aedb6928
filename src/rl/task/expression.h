/* expression.h: a calculation with + - * / and brackets over whole numbers, read strictly and computed exactly, for
 * checkers that must know which numbers somebody has used.
 *
 * No signs in front of numbers, no decimals, no powers, no `//`, no numbers side by side, no leading zeros: what is
 * not in the grammar is refused, so digits cannot be glued into numbers that were not given. x, U+00D7, U+00F7, U+2212
 * and U+00B7 are read as the signs they look like. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FM_EXPRESSION_NUMBERS = 8,    /* numbers in it */
    FM_EXPRESSION_NUMBER = 99999, /* the largest of them */
    FM_EXPRESSION_DEPTH = 32,     /* brackets within brackets */
};

typedef struct fm_expression {
    int64_t numbers[FM_EXPRESSION_NUMBERS]; /* in the order of the text */
    size_t n;
    bool calculates;      /* there is an operator in it */
    __int128 top, bottom; /* the value, in lowest terms; bottom > 0 */
} fm_expression;

/* False where the text is not one such calculation, is beyond a limit, or divides by 0. */
bool fm_expression_read(const char *text, size_t size, fm_expression *out);

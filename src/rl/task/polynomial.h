/* polynomial.h: polynomials in one unknown with whole coefficients: read from any form with + - * ^ and brackets,
 * computed exactly, compared coefficient by coefficient. */
#pragma once

#include "base/buffer.h"

enum {
    FM_POLYNOMIAL_DEGREE = 12,
    FM_POLYNOMIAL_DEPTH = 32, /* brackets and signs within each other */
};

typedef struct fm_polynomial {
    int64_t c[FM_POLYNOMIAL_DEGREE + 1]; /* c[i] stands with the i-th power */
    int degree;                          /* of the highest that is not 0; 0 for constants */
} fm_polynomial;

/* Each is false where a result would leave 10^15 or the degrees above. */
bool fm_polynomial_add(const fm_polynomial *a, const fm_polynomial *b, int64_t times,
                       fm_polynomial *out); /* a + times * b */
bool fm_polynomial_multiply(const fm_polynomial *a, const fm_polynomial *b, fm_polynomial *out);
bool fm_polynomial_equal(const fm_polynomial *a, const fm_polynomial *b);
bool fm_polynomial_at(const fm_polynomial *p, int64_t x, int64_t *out);

fm_polynomial fm_polynomial_of(const int64_t *c, size_t n); /* n <= DEGREE + 1 coefficients, the lowest first */

/* What the text of an answer looks like, besides its value. */
typedef struct fm_polynomial_form {
    bool expanded;     /* a sum of monomials, each power once */
    int factor_degree; /* the largest degree among the factors of the product that it is */
} fm_polynomial_form;

/* 3*x^2, 3x^2, 3x**2, 3 x^{2} are the same; so are 2(x+1)(x-3) and 2*(x+1)*(x-3). Division, fractions and other
 * letters are not read. `form` may be NULL. False: no such polynomial, or beyond the limits. */
bool fm_polynomial_read(const char *text, size_t size, char unknown, fm_polynomial *out, fm_polynomial_form *form);

/* "3x^2 - x + 5", the highest power first. */
void fm_polynomial_write(const fm_polynomial *p, char unknown, fm_buffer *out);

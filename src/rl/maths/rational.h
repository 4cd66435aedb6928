/* rational.h: values that are rational numbers, exactly. rl/maths only. */
#pragma once

#include "rl/maths/flint.h"
#include "rl/maths/scalar.h"

typedef enum fm_exact {
    FM_EXACT,     /* `out` has it */
    FM_INEXACT,   /* not a rational number by these means */
    FM_UNDEFINED, /* 1/0, 0^0, (-1)! */
    FM_TOO_LARGE, /* more than FM_MATHS_BITS bits */
} fm_exact;

fm_exact fm_rational_value(fm_scope *scope, fm_value v, fmpq_t out);

/* coefficient * pi^pi * i^i for products, quotients and sums of like terms of these; else not
 * FM_EXACT. */
typedef struct fm_monomial {
    fmpq_t coefficient;
    int pi, i; /* i: 0 or 1 */
} fm_monomial;
fm_exact fm_monomial_value(fm_scope *scope, fm_value v,
                           fm_monomial *out); /* initialised by the caller */

/* x^(1/k) where that is rational (of a negative x: the real root, for odd k). */
bool fm_rational_root(fmpq_t out, const fmpq_t x, ulong k);

/* Bits of numerator and denominator together. */
static inline slong fm_rational_bits(const fmpq_t x) {
    return (slong)(fmpz_bits(fmpq_numref(x)) + fmpz_bits(fmpq_denref(x)));
}

/* sample_log.h: a logarithm that gives every machine the same bits: libraries differ in the last
 * place, and a draw must not. Additions, multiplications and divisions of doubles only. */
#pragma once

#include <math.h>

/* Natural logarithm of a finite x > 0. x = m 2^e with m in [sqrt 1/2, sqrt 2), s = (m - 1)/(m + 1),
 * log m = 2 (s + s^3/3 + s^5/5 + ...), |s| < 0.1716: what is left out after s^23 is below 2^-66 of it. */
static inline double fm_log(double x) {
    int e;
    double m = frexp(x, &e);
    if (m < 0x1.6a09e667f3bcdp-1) {
        m += m;
        e--;
    }
    double s = (m - 1) / (m + 1), square = s * s, sum = 0;
    for (int k = 23; k > 1; k -= 2) sum = (sum + 1.0 / k) * square;
    /* ln 2 in two parts: the first has zeros where e has digits, so that its product is exact */
    return e * 0x1.62e42fee00000p-1 + (2 * s + (2 * s * sum + e * 0x1.a39ef35793c76p-33));
}

/* row_lines_avx2.h: a row product line by line of a panel, for layouts of words of codes. */
#pragma once

#include "kernel/x86/row_product_avx2.h"

#include <stddef.h>

#define CODES_8(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)
#define CODES_16(M) CODES_8(M) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)

#define BLOCK(type, p, at) ((const type *)AT(p, at))

/* A line of words, each with some codes: COUNT repeats for every code, and WEIGHT(p, h, i) says what
 * code i of v<p><h> stands for. */
#define LINE_OF(COUNT, OPEN_IT, at_line, codes)                                                    \
    do {                                                                                           \
        size_t line = (at_line), ahead = ahead_of(s, line);                                        \
        EACH_PANEL(FETCH_LINE);                                                                    \
        EACH_HALF(OPEN_IT);                                                                        \
        COUNT(STEP_ALL)                                                                            \
        x += codes;                                                                                \
    } while (0)
#define FETCH_LINE(p) PREFETCH(p, ahead)
#define OPEN_LINE(p, h) v##p##h = words8(AT(p, line), h)
#define STEP_ALL(i)                                                                                \
    {                                                                                              \
        __m256 f = _mm256_set1_ps(x[i]);                                                           \
        a00 = _mm256_fmadd_ps(f, WEIGHT(0, 0, i), a00);                                            \
        a01 = _mm256_fmadd_ps(f, WEIGHT(0, 1, i), a01);                                            \
        if (n > 1) a10 = _mm256_fmadd_ps(f, WEIGHT(1, 0, i), a10);                                 \
        if (n > 1) a11 = _mm256_fmadd_ps(f, WEIGHT(1, 1, i), a11);                                 \
    }

/* Accumulators, words, scales and minima of the group. */
#define VARIABLES                                                                                  \
    FOUR(__m256, a);                                                                               \
    FOUR(__m256i, v);                                                                              \
    FOUR(__m256, d);                                                                               \
    FOUR(__m256, m);                                                                               \
    ZERO_FOUR(a);                                                                                  \
    ZERO_FOUR(d);                                                                                  \
    ZERO_FOUR(m);                                                                                  \
    (void)m00, (void)m01, (void)m10, (void)m11;                                                    \
    v00 = v01 = v10 = v11 = _mm256_setzero_si256();                                                \
    (void)v00, (void)v01, (void)v10, (void)v11;                                                    \
    const float *x = s->x;

/* The even and the odd fours of eight k. */
#define FOURS                                                                                      \
    FOUR(__m256i, e);                                                                              \
    FOUR(__m256i, o);                                                                              \
    e00 = e01 = e10 = e11 = _mm256_setzero_si256();                                                \
    o00 = o01 = o10 = o11 = _mm256_setzero_si256();

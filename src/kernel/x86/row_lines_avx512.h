/* row_lines_avx512.h: a row product line by line of a panel, for layouts of words of codes. */
#pragma once

#include "kernel/x86/row_product_avx512.h"

#include <stddef.h>

#define CODES_8(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)
#define CODES_16(M) CODES_8(M) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)

#define BLOCK(type, p, at) ((const type *)AT(p, at))

/* A line of words, each with some codes: COUNT repeats for every code, and WEIGHT(p, i) says what
 * code i of v<p> stands for. The empty asm keeps the line in its register: gcc would rather load it
 * again, across two cache lines, for every code. */
#define LINE_OF(COUNT, OPEN_IT, at_line, codes)                                                    \
    do {                                                                                           \
        size_t line = (at_line), ahead = ahead_of(s, line);                                        \
        EACH_PANEL(OPEN_IT);                                                                       \
        COUNT(STEP_ALL)                                                                            \
        x += codes;                                                                                \
    } while (0)
#define OPEN_LINE(p)                                                                               \
    do {                                                                                           \
        PREFETCH(p, ahead);                                                                        \
        v##p = _mm512_loadu_si512(AT(p, line));                                                    \
        __asm__("" : "+v"(v##p));                                                                  \
    } while (0)
#define STEP_ALL(i)                                                                                \
    {                                                                                              \
        __m512 f = _mm512_set1_ps(x[i]);                                                           \
        a0 = _mm512_fmadd_ps(f, WEIGHT(0, i), a0);                                                 \
        if (n > 1) a1 = _mm512_fmadd_ps(f, WEIGHT(1, i), a1);                                      \
        if (n > 2) a2 = _mm512_fmadd_ps(f, WEIGHT(2, i), a2);                                      \
        if (n > 3) a3 = _mm512_fmadd_ps(f, WEIGHT(3, i), a3);                                      \
    }

/* Accumulators, words, scales and minima of the group. */
#define VARIABLES                                                                                  \
    FOUR(__m512, a);                                                                               \
    FOUR(__m512i, v);                                                                              \
    FOUR(__m512, d);                                                                               \
    FOUR(__m512, m);                                                                               \
    ZERO_FOUR(a);                                                                                  \
    ZERO_FOUR(d);                                                                                  \
    ZERO_FOUR(m);                                                                                  \
    (void)m0, (void)m1, (void)m2, (void)m3;                                                        \
    v0 = v1 = v2 = v3 = _mm512_setzero_si512();                                                    \
    (void)v0, (void)v1, (void)v2, (void)v3;                                                        \
    const float *x = s->x;

/* The even and the odd fours of eight k. */
#define FOURS                                                                                      \
    FOUR(__m512i, e);                                                                              \
    FOUR(__m512i, o);                                                                              \
    e0 = e1 = e2 = e3 = _mm512_setzero_si512();                                                    \
    o0 = o1 = o2 = o3 = _mm512_setzero_si512();

/* loop_avx512.h: walking along a vector with masked tails, and the exponential of 16 floats. */
#pragma once

#include "kernel/x86/avx512.h"

#include "kernel/ref/exp_ref.h"

/* The lanes that exist of the 16 elements at i. */
static inline __mmask16 fm_mask_at(int64_t i, int64_t n) {
    return n - i >= 16 ? 0xffff : fm_mask16(n - i);
}

#define FM_LOOP(i, mask)                                                                           \
    for (int64_t i = 0, whole = n - 16; i < n; i += 16)                                            \
        for (__mmask16 mask = i <= whole ? 0xffff : fm_mask16(n - i), once = 1; once; once = 0)

/* exp_ref.h, step by step. The splitting of 2^n is what vscalefps does: one rounding. */
static inline __m512 fm_exp16(__m512 x) {
    x = _mm512_max_ps(_mm512_set1_ps(FM_EXP_LOW), x); /* NaN is the second operand: stays */
    x = _mm512_min_ps(_mm512_set1_ps(FM_EXP_HIGH), x);
    __m512 round = _mm512_set1_ps(FM_EXP_ROUND);
    __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(x, _mm512_set1_ps(FM_EXP_LOG2E), round), round);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(FM_EXP_LN2_HIGH), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(FM_EXP_LN2_LOW), r);
    __m512 q = _mm512_fmadd_ps(_mm512_set1_ps(FM_EXP_C6), r, _mm512_set1_ps(FM_EXP_C5));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(FM_EXP_C4));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(FM_EXP_C3));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(FM_EXP_C2));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(1));
    return _mm512_scalef_ps(_mm512_fmadd_ps(q, r, _mm512_set1_ps(1)), n);
}

static inline __m512 fm_negate16(__m512 x) { return _mm512_xor_ps(x, _mm512_set1_ps(-0.0f)); }

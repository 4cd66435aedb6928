/* exp_avx2.h: the exponential of 8 floats. */
#pragma once

#include "kernel/x86/avx2.h"

#include "kernel/ref/exp_ref.h"

/* exp_ref.h, step by step. */
static FM_INLINE __m256 fm_exp8(__m256 x) {
    x = _mm256_max_ps(_mm256_set1_ps(FM_EXP_LOW), x); /* NaN is the second operand: stays */
    x = _mm256_min_ps(_mm256_set1_ps(FM_EXP_HIGH), x);
    __m256 round = _mm256_set1_ps(FM_EXP_ROUND);
    __m256 shifted = _mm256_fmadd_ps(x, _mm256_set1_ps(FM_EXP_LOG2E), round);
    __m256 n = _mm256_sub_ps(shifted, round);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(FM_EXP_LN2_HIGH), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(FM_EXP_LN2_LOW), r);
    __m256 q = _mm256_fmadd_ps(_mm256_set1_ps(FM_EXP_C6), r, _mm256_set1_ps(FM_EXP_C5));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(FM_EXP_C4));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(FM_EXP_C3));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(FM_EXP_C2));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(1));
    __m256 p = _mm256_fmadd_ps(q, r, _mm256_set1_ps(1));
    __m256i integer = _mm256_sub_epi32(_mm256_castps_si256(shifted), _mm256_castps_si256(round));
    __m256i half = _mm256_srai_epi32(integer, 1), bias = _mm256_set1_epi32(127);
    __m256i rest = _mm256_sub_epi32(integer, half);
    __m256i scale1 = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    __m256i scale2 = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
    p = _mm256_mul_ps(p, _mm256_castsi256_ps(scale1));
    return _mm256_mul_ps(p, _mm256_castsi256_ps(scale2));
}

static FM_INLINE __m256 fm_negate8(__m256 x) { return _mm256_xor_ps(x, _mm256_set1_ps(-0.0f)); }

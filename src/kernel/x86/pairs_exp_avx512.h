/* pairs_exp_avx512.h: the weights of attention, 32 at a time. ROUND_ROW(a, b) as in words_pack_avx512.h. */
#pragma once

#include "kernel/x86/loop_avx512.h"

/* Sixteen exponentials of those that exist, zeros for the others. */
static FM_INLINE __m512 exp_at(const float *x, int64_t i, int64_t n, __m512 shift) {
    if (i >= n) return _mm512_setzero_ps();
    __mmask16 mask = fm_mask_at(i, n);
    __m512 e = fm_exp16(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), shift));
    return _mm512_maskz_mov_ps(mask, e);
}

static FM_INLINE __m512 floats_of(__m256i halves) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

#define DEFINE_EXP_PAIRS(name)                                                                     \
    float fm_exp_pairs_##name(const float *x, int64_t n, float shift, uint32_t *out) {             \
        __m512 sum = _mm512_setzero_ps(), s = _mm512_set1_ps(shift);                               \
        for (int64_t i = 0; i < n; i += 32, out += 16) {                                           \
            __m512i row = ROUND_ROW(exp_at(x, i, n, s), exp_at(x, i + 16, n, s));                  \
            sum = _mm512_add_ps(sum, floats_of(_mm512_castsi512_si256(row)));                      \
            sum = _mm512_add_ps(sum, floats_of(_mm512_extracti64x4_epi64(row, 1)));                \
            int64_t words = (n - i + 1) / 2;                                                       \
            _mm512_mask_storeu_epi32(out, words >= 16 ? 0xffff : fm_mask16(words), row);           \
        }                                                                                          \
        return fm_lane_sum_avx512(sum);                                                            \
    }

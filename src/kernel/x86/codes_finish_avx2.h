/* codes_finish_avx2.h: what is left to do with 32 codes beside rounding them: the end of a row, their
 * order and their sums. AVX2, for both x86 levels. */
#pragma once

#include "kernel/codes.h"

#include <immintrin.h>
#include <string.h>

/* The last n values of a row with zeros behind them. */
static inline const float *fm_codes_pad(const float *x, int64_t n, float padded[FM_CODES]) {
    memset(padded, 0, FM_CODES * sizeof *padded);
    memcpy(padded, x, (size_t)n * sizeof *padded);
    return padded;
}

/* Orders 32 codes in their place, of every eight 0 2 4 6 1 3 5 7; returns their sum, the same again, and
 * the sums of the first 16 and the last. */
static inline __m128i fm_codes_order(int8_t *codes) {
    const __m256i order = _mm256_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15, 0, 2,
                                           4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    __m256i *code = (__m256i *)(void *)codes, v = _mm256_loadu_si256(code);
    _mm256_storeu_si256(code, _mm256_shuffle_epi8(v, order));
    __m256i fours = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), v), _mm256_set1_epi16(1));
    /* Sums of 8, then 16: the first 16 in the low half. */
    fours = _mm256_add_epi32(fours, _mm256_shuffle_epi32(fours, 0x4e));
    fours = _mm256_add_epi32(fours, _mm256_shuffle_epi32(fours, 0xb1));
    __m128i low = _mm256_castsi256_si128(fours), high = _mm256_extracti128_si256(fours, 1);
    return _mm_unpacklo_epi64(_mm_add_epi32(low, high), _mm_unpacklo_epi32(low, high));
}

/* Writes what a block keeps of such sums. */
static inline void fm_codes_put_sums(fm_codes *out, __m128i sums) {
    __m128 scaled = _mm_mul_ps(_mm_set1_ps(out->scale), _mm_cvtepi32_ps(sums));
    out->sum = _mm_cvtss_f32(scaled);
    _mm_storeh_pi((__m64 *)(void *)out->sum16, scaled);
    __m128i undo = _mm_sub_epi32(_mm_setzero_si128(), sums);
    _mm_storeu_si128((__m128i *)(void *)&out->undo8,
                     _mm_sllv_epi32(undo, _mm_setr_epi32(3, 7, 5, 5)));
}

/* From codes in their own order and their scale to what a block is. */
static inline void fm_codes_finish(fm_codes *out) { fm_codes_put_sums(out, fm_codes_order(out->code)); }

/* The same of two bytes, the scale being the first one's. */
static inline void fm_codes16_finish(fm_codes16 *out) {
    __m128i first = fm_codes_order(out->first.code), second = fm_codes_order(out->second);
    out->first.scale *= 0x1p-8f;
    fm_codes_put_sums(&out->first, _mm_add_epi32(_mm_slli_epi32(first, 8), second));
}

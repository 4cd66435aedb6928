/* codes_finish_avx2.h: what is left to do with 128 codes beside rounding them: the end of a row, their
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

/* Of every eight codes: 0 2 4 6 1 3 5 7. */
static inline __m256i fm_codes_order(__m256i v) {
    const __m256i order = _mm256_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15, 0, 2,
                                           4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    return _mm256_shuffle_epi8(v, order);
}

/* Minus the sums of four codes that lie side by side. */
static inline __m256i fm_codes_minus_fours(__m256i v) {
    __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), v);
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(-1));
}

/* Orders the codes in out->code and writes their sums. */
static inline void fm_codes_finish(fm_codes *out) {
    __m256i *code = (__m256i *)out->code, four[4];
    for (int i = 0; i < 4; i++) {
        __m256i v = _mm256_loadu_si256(code + i);
        _mm256_storeu_si256(code + i, fm_codes_order(v));
        four[i] = fm_codes_minus_fours(v);
    }
    /* Sums of 16: 0 2 4 6 in the low half, 1 3 5 7 in the high one. */
    __m256i sums = _mm256_hadd_epi32(_mm256_hadd_epi32(four[0], four[1]),
                                     _mm256_hadd_epi32(four[2], four[3]));
    __m128i even = _mm256_castsi256_si128(sums), odd = _mm256_extracti128_si256(sums, 1);
    __m128i both = _mm_add_epi32(even, odd);
    _mm_storeu_si128((__m128i *)out->minus16, _mm_unpacklo_epi32(even, odd));
    _mm_storeu_si128((__m128i *)(out->minus16 + 4), _mm_unpackhi_epi32(even, odd));
    _mm_storeu_si128((__m128i *)out->minus32, both);
    _mm_storeu_ps(out->sum32, _mm_cvtepi32_ps(_mm_sub_epi32(_mm_setzero_si128(), both)));
}

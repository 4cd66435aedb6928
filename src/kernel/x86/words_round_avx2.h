/* words_round_avx2.h: floats rounded to pairs of BF16. Contract: words.h. */
#pragma once

#include "kernel/x86/avx2.h"

/* BF16 in the high halves; what is below them is left over. As half.h, but subnormals are zeros. */
static FM_INLINE __m256i round_high(__m256 x) {
    __m256i bits = _mm256_castps_si256(x), exponent = _mm256_set1_epi32(0x7f800000);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    __m256i sign = _mm256_and_si256(bits, _mm256_set1_epi32((int)0x80000000));
    __m256i tiny = _mm256_cmpeq_epi32(_mm256_and_si256(bits, exponent), _mm256_setzero_si256());
    return _mm256_blendv_epi8(_mm256_blendv_epi8(rounded, quiet, nan), sign, tiny);
}

/* Pairs: a in the low halves, b in the high ones. */
static FM_INLINE __m256i round_pairs(__m256 a, __m256 b) {
    return _mm256_blend_epi16(_mm256_srli_epi32(round_high(a), 16), round_high(b), 0xaa);
}

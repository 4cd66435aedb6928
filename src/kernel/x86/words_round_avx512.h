/* words_round_avx512.h: floats rounded to pairs of BF16 with AVX-512 alone. Contract: words.h. */
#pragma once

#include "kernel/x86/avx512.h"

/* BF16 in the high halves; what is below them is left over. As half.h, but subnormals are zeros. */
static FM_INLINE __m512i round_high(__m512 x) {
    __m512i bits = _mm512_castps_si512(x), exponent = _mm512_set1_epi32(0x7f800000);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    rounded = _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), bits,
                                   _mm512_set1_epi32(0x400000));
    return _mm512_mask_and_epi32(rounded, _mm512_testn_epi32_mask(bits, exponent), bits,
                                 _mm512_set1_epi32((int)0x80000000));
}

static FM_INLINE __m512i round_pairs(__m512 a, __m512 b) {
    return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(round_high(a), 16), round_high(b));
}

static FM_INLINE __m512i round_row(__m512 a, __m512 b) {
    const __m512i high = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33,
                                          31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_epi16(round_high(a), high, round_high(b));
}

/* tcq4_avx512.h: scales and switches of TCQ4 for 16 lanes: what products of floats and of integers
 * share. See tensor/quant/tcq4.c. */
#pragma once

#include "kernel/layout.h"
#include "kernel/x86/avx512.h"
#include "tensor/quant/tcq4.h"

/* As fm_tcq4_scale. */
static FM_INLINE __m512 tcq4_scale(const uint8_t *e) {
    __m256i code = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)e));
    return _mm512_mul_ps(_mm512_cvtph_ps(_mm256_slli_epi16(code, 6)), _mm512_set1_ps(0x1p-3f));
}

/* As fm_tcq4_switches, for word j of the four at q. */
static FM_INLINE __m512i tcq4_switches(const void *q, const int j) {
    const char *line = q;
    __m512i before = _mm512_loadu_si512(line + 64 * ((j + 3) % 4));
    __m512i behind = _mm512_loadu_si512(line + 64 * ((j + 1) % 4));
    if (j == 0) before = _mm512_rol_epi32(before, 8);
    if (j == 3) behind = _mm512_ror_epi32(behind, 8);
    return _mm512_xor_si512(before, behind);
}

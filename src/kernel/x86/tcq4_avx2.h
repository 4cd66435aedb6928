/* tcq4_avx2.h: scales, switches and values of TCQ4 for half of the 16 lanes: what products of floats
 * and of integers share. See tensor/quant/tcq4.c. */
#pragma once

#include "kernel/layout.h"
#include "kernel/x86/avx2.h"
#include "tensor/quant/tcq4.h"

/* As fm_tcq4_scale, times 8. */
static FM_INLINE __m256 tcq4_scale_8(const uint8_t *e, const int half) {
    __m128i code = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(e + 8 * half)));
    return _mm256_cvtph_ps(_mm_slli_epi16(code, 6));
}

/* Every word turned by a byte, upwards or downwards. */
static FM_INLINE __m256i turn_up(__m256i words) {
    __m128i lanes = _mm_setr_epi8(3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
    return _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(lanes));
}

static FM_INLINE __m256i turn_down(__m256i words) {
    __m128i lanes = _mm_setr_epi8(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
    return _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(lanes));
}

/* As fm_tcq4_switches, for word j of four, between two others. */
static FM_INLINE __m256i tcq4_switches_between(__m256i before, __m256i behind, const int j) {
    if (j == 0) before = turn_up(before);
    if (j == 3) behind = turn_down(behind);
    return _mm256_xor_si256(before, behind);
}

/* The same, for word j of the four at q. */
static FM_INLINE __m256i tcq4_switches(const void *q, const int j, const int half) {
    const char *line = (const char *)q + 32 * half;
    __m256i before = _mm256_loadu_si256((const __m256i *)(line + 64 * ((j + 3) % 4)));
    __m256i behind = _mm256_loadu_si256((const __m256i *)(line + 64 * ((j + 1) % 4)));
    return tcq4_switches_between(before, behind, j);
}

/* What the codes in the low bits of every byte stand for, by the switches at the top of every byte;
 * `flip` is exclusive-ored to the values. */
static FM_INLINE __m256i tcq4_values(__m256i codes, __m256i switches, const int flip) {
    __m128i turn_over = _mm_set1_epi8((char)flip);
    __m128i values0 = _mm_loadu_si128((const __m128i *)fm_tcq4_values[0]);
    __m128i values1 = _mm_loadu_si128((const __m128i *)fm_tcq4_values[1]);
    __m256i table0 = _mm256_broadcastsi128_si256(_mm_xor_si128(values0, turn_over));
    __m256i table1 = _mm256_broadcastsi128_si256(_mm_xor_si128(values1, turn_over));
    codes = _mm256_and_si256(codes, _mm256_set1_epi32(0x0f0f0f0f));
    return _mm256_blendv_epi8(_mm256_shuffle_epi8(table0, codes),
                              _mm256_shuffle_epi8(table1, codes), switches);
}

/* Those of the even and the odd four of a word. */
static FM_INLINE __m256i even_tcq4(__m256i word, __m256i switches, const int flip) {
    return tcq4_values(word, _mm256_slli_epi32(switches, 7), flip);
}

static FM_INLINE __m256i odd_tcq4(__m256i word, __m256i switches, const int flip) {
    return tcq4_values(_mm256_srli_epi32(word, 4), _mm256_slli_epi32(switches, 3), flip);
}

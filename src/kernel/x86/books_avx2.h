/* books_avx2.h: half a vector of weights of the opened books (layout.h) and of TQ2_0, for unpack and row
 * products; as decode_avx2.h. Values are signed bytes of a table, at the top of a word: scales carry the
 * unit and 2^-24. */
#pragma once

#include "kernel/x86/decode_avx2.h"

static FM_INLINE __m256i book_table(const int8_t *values) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)values));
}

static FM_INLINE __m256i ternary_table(void) {
    return _mm256_broadcastsi128_si256(_mm_setr_epi8(-1, 0, 1, 2, -1, 0, 1, 2, -1, 0, 1, 2, -1, 0, 1, 2));
}

/* d * (2 s + 1), s being the bits `mask` of `codes`. */
static FM_INLINE __m256 odd_scale(const int layout, const uint16_t *d, __m256i codes, const int mask,
                                  const int half) {
    __m256i s = _mm256_slli_epi32(_mm256_and_si256(codes, _mm256_set1_epi32(mask)), 1);
    s = _mm256_or_si256(s, _mm256_set1_epi32(1));
    __m256 unit = _mm256_mul_ps(halves8(d, half), _mm256_set1_ps(fm_books_unit(layout) * 0x1p-24f));
    return _mm256_mul_ps(unit, _mm256_cvtepi32_ps(s));
}

/* Of nibble g of a word, in its low bits. */
static FM_INLINE __m256i book_nibble(const fm_lanes32 word, int g, const int half) {
    return _mm256_srl_epi32(words8(word, half), _mm_cvtsi32_si128(4 * g));
}

static FM_INLINE __m256i iq1_bytes(const uint8_t *bytes, const int half) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(bytes + 8 * half)));
}

/* IQ1's shift as bit 2 of every byte, set where bit `bit` of the lane is. */
static FM_INLINE __m256i iq1_shift(__m256i codes, const int bit) {
    return _mm256_and_si256(_mm256_srai_epi32(_mm256_slli_epi32(codes, 31 - bit), 31), _mm256_set1_epi8(4));
}

/* The values of four j of a word of 16 x 2 bits, with bits for above them. */
static FM_INLINE __m256i two_values(__m256i words, const int j, __m256i above, __m256i table) {
    __m256i twos = _mm256_and_si256(_mm256_srli_epi32(words, 2 * j), _mm256_set1_epi8(3));
    return _mm256_shuffle_epi8(table, _mm256_or_si256(twos, above));
}

/* IQ2: those of four 0 or 1 of a word of two fours. */
static FM_INLINE __m256i three_values(__m256i words, const int j, __m256i table) {
    if (j) words = _mm256_srli_epi32(words, 3);
    return _mm256_shuffle_epi8(table, _mm256_and_si256(words, _mm256_set1_epi8(7)));
}

/* Those of four 6 (j = 0) or 7 of the three lines at q. */
static FM_INLINE __m256i last_values(const void *q, const int j, const int half, __m256i table) {
    const fm_lanes32 *lines = (const fm_lanes32 *)q;
    __m256i low = _mm256_srli_epi32(words8(lines[j], half), 6);
    __m256i high = _mm256_srli_epi32(words8(lines[2], half), 4 + j);
    return _mm256_shuffle_epi8(table, _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(3)),
                                                      _mm256_and_si256(high, _mm256_set1_epi8(4))));
}

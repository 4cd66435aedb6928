/* books_avx512.h: one vector of weights of the opened books (layout.h) and of TQ2_0, for unpack and row
 * products; as decode_avx512.h. Tables are in the units of the weights, so that scales are whole. */
#pragma once

#include "kernel/x86/decode_avx512.h"

/* Two bits: the bits above them do not matter. */
static FM_INLINE __m512 ternary_values(void) {
    return _mm512_setr_ps(-1, 0, 1, 2, -1, 0, 1, 2, -1, 0, 1, 2, -1, 0, 1, 2);
}

static FM_INLINE __m512 book_values(const int layout, const int8_t *values) {
    return _mm512_mul_ps(bytes16(values), _mm512_set1_ps(fm_books_unit(layout)));
}

/* d * (2 s + 1), s being the bits `mask` of `codes`. */
static FM_INLINE __m512 odd_scale(const uint16_t *d, __m512i codes, const int mask) {
    __m512i s = _mm512_slli_epi32(_mm512_and_si512(codes, _mm512_set1_epi32(mask)), 1);
    s = _mm512_or_si512(s, _mm512_set1_epi32(1));
    return _mm512_mul_ps(halves16(d), _mm512_cvtepi32_ps(s));
}

/* Of nibble g of a word, in its low bits. */
static FM_INLINE __m512i book_nibble(const uint32_t *word, int g) {
    return _mm512_srl_epi32(words16(word), _mm_cvtsi32_si128(4 * g));
}

static FM_INLINE __m512i iq1_bytes(const uint8_t *bytes) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)bytes));
}

/* IQ1's shift: +1/8, or -1/8 where bit `bit` is set. */
static FM_INLINE __m512 iq1_shift(__m512i codes, const unsigned bit) {
    __m512i sign = _mm512_and_si512(_mm512_slli_epi32(codes, 31 - bit), _mm512_set1_epi32(INT32_MIN));
    return _mm512_castsi512_ps(
        _mm512_or_si512(sign, _mm512_castps_si512(_mm512_set1_ps(0.125f))));
}

/* IQ2: where in a word of two fours code i of eight begins. */
static FM_INLINE int iq2_at(int i) { return i / 2 * 8 + i % 2 * 3; }

/* Fours 6 and 7 of the three lines at q, under other bits: code i of eight begins at 8 (i / 2). */
static FM_INLINE __m512i iq2_last_even(const void *q) {
    enum { CHOOSE = 0xca }; /* a ? b : c */
    __m512i low = words16((const uint32_t *)q), high = words16((const uint32_t *)q + 2 * FM_PANEL);
    return _mm512_ternarylogic_epi32(_mm512_set1_epi8(3), _mm512_srli_epi32(low, 6),
                                     _mm512_srli_epi32(high, 4), CHOOSE);
}

static FM_INLINE __m512i iq2_last_odd(const void *q) {
    enum { CHOOSE = 0xca };
    __m512i low = words16((const uint32_t *)q + FM_PANEL), high = words16((const uint32_t *)q + 2 * FM_PANEL);
    return _mm512_ternarylogic_epi32(_mm512_set1_epi8(3), _mm512_srli_epi32(low, 6),
                                     _mm512_srli_epi32(high, 5), CHOOSE);
}

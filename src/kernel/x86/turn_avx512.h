/* turn_avx512.h: turning 16 rows into columns, in words of 32 bits: a float, two BF16 or four bytes. Eight
 * words of all rows at a time: rows r and r + 4 are loaded side by side, which leaves two steps inside the
 * quarters of a vector and one across. */
#pragma once

#include "kernel/x86/avx512.h"

typedef struct words8 {
    __m512i w0, w1, w2, w3, w4, w5, w6, w7; /* of 16 rows each */
} words8;

/* Words [0, 8) of the 16 rows from x. */
static FM_INLINE words8 turn(const char *x, size_t stride) {
#define PAIR(r)                                                                                    \
    _mm512_inserti64x4(                                                                            \
        _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(x + (r) * stride))),           \
        _mm256_loadu_si256((const __m256i *)(x + ((r) + 4) * stride)), 1)
/* Four words of rows r to r + 3 in each quarter: words c and c + 4, then of rows r + 4 to r + 7. */
#define QUARTERS(a, i)                                                                             \
    __m512i a##l = PAIR(i), a##m = PAIR(i + 1), a##n = PAIR(i + 2), a##o = PAIR(i + 3);            \
    __m512i a##p = _mm512_unpacklo_epi32(a##l, a##m), a##q = _mm512_unpackhi_epi32(a##l, a##m);    \
    __m512i a##r = _mm512_unpacklo_epi32(a##n, a##o), a##s = _mm512_unpackhi_epi32(a##n, a##o);    \
    __m512i a##0 = _mm512_unpacklo_epi64(a##p, a##r), a##1 = _mm512_unpackhi_epi64(a##p, a##r);    \
    __m512i a##2 = _mm512_unpacklo_epi64(a##q, a##s), a##3 = _mm512_unpackhi_epi64(a##q, a##s)
    QUARTERS(a, 0);
    QUARTERS(b, 8);
#define LOW(c) _mm512_shuffle_i32x4(a##c, b##c, 0x88)
#define HIGH(c) _mm512_shuffle_i32x4(a##c, b##c, 0xdd)
    return (words8){LOW(0), LOW(1), LOW(2), LOW(3), HIGH(0), HIGH(1), HIGH(2), HIGH(3)};
}

/* M(index, words) for each of the eight. */
#define EACH_WORD(M, w)                                                                            \
    do {                                                                                           \
        M(0, w.w0);                                                                                \
        M(1, w.w1);                                                                                \
        M(2, w.w2);                                                                                \
        M(3, w.w3);                                                                                \
        M(4, w.w4);                                                                                \
        M(5, w.w5);                                                                                \
        M(6, w.w6);                                                                                \
        M(7, w.w7);                                                                                \
    } while (0)

/* turn_avx2.h: turning 16 rows into columns, in words of 32 bits, four of eight rows at a time, see
 * turn_avx512.h. */
#pragma once

#include "kernel/x86/avx2.h"

typedef struct words4 {
    __m256i w0, w1, w2, w3; /* of 8 rows each */
} words4;

/* Words [0, 4) of the 8 rows from x. */
static FM_INLINE words4 turn(const char *x, size_t stride) {
#define PAIR(r)                                                                                    \
    _mm256_inserti128_si256(                                                                       \
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(x + (r) * stride))),              \
        _mm_loadu_si128((const __m128i *)(x + ((r) + 4) * stride)), 1)
    __m256i l = PAIR(0), m = PAIR(1), n = PAIR(2), o = PAIR(3);
    __m256i p = _mm256_unpacklo_epi32(l, m), q = _mm256_unpackhi_epi32(l, m);
    __m256i r = _mm256_unpacklo_epi32(n, o), s = _mm256_unpackhi_epi32(n, o);
    return (words4){_mm256_unpacklo_epi64(p, r), _mm256_unpackhi_epi64(p, r),
                    _mm256_unpacklo_epi64(q, s), _mm256_unpackhi_epi64(q, s)};
}

/* M(index, words, half of the panel) for each of the four words, rows 0-7 and then 8-15. */
#define EACH_WORD(M, x, stride)                                                                    \
    do {                                                                                           \
        words4 w = turn(x, stride);                                                                \
        M(0, w.w0, 0);                                                                             \
        M(1, w.w1, 0);                                                                             \
        M(2, w.w2, 0);                                                                             \
        M(3, w.w3, 0);                                                                             \
        w = turn((x) + 8 * (stride), stride);                                                      \
        M(0, w.w0, 8);                                                                             \
        M(1, w.w1, 8);                                                                             \
        M(2, w.w2, 8);                                                                             \
        M(3, w.w3, 8);                                                                             \
    } while (0)

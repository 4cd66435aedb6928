/* words_round_avx512bf16.h: the instructions for pairs of BF16. Contract: words.h. */
#pragma once

#include "kernel/x86/avx512.h"

/* In assembly, as compilers disagree about the type of a vector of BF16. */
static FM_INLINE __m512 dot_pairs(__m512 y, __m512i x, __m512i w) {
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(y) : "v"(x), "v"(w));
    return y;
}

/* 16 halves of a below 16 of b. */
static FM_INLINE __m512i round_row(__m512 a, __m512 b) {
    __m512i halves;
    __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(halves) : "v"(a), "v"(b));
    return halves;
}

static FM_INLINE __m512i round_pairs(__m512 a, __m512 b) {
    const __m512i in_turns = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
                                              23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(in_turns, round_row(a, b));
}

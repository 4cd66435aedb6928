/* unpack_avx2.h: statements of an unpack, whose next tile lies `next` bytes on. Formats of words go half by
 * half of the panel, to `out`: all k of eight rows from a few registers. */
#pragma once

#include "kernel/x86/x86.h"

#include <immintrin.h>

/* The line that lies `next` bytes on. */
#define FETCH(line) _mm_prefetch((const char *)(line) + next, _MM_HINT_T0)
#define EIGHT(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)
#define SIXTEEN(M) EIGHT(M) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
#define STORE_K(i, value) _mm256_store_ps(out + FM_PANEL * (i), value);
/* k of eight lies in byte i / 2 of this. */
#define FOUR_OF(i) (i % 2 ? odd : even)

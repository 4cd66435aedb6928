/* unpack_avx512.h: statements of an unpack, whose tile is `tile` and whose next one lies `next` bytes on. */
#pragma once

#include "kernel/x86/x86.h"

#include <immintrin.h>

/* The line that lies `next` bytes on. */
#define FETCH(line) _mm_prefetch((const char *)(line) + next, _MM_HINT_T0)
/* Statements for eight or sixteen k, with a constant index. */
#define EIGHT(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)
#define SIXTEEN(M) EIGHT(M) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
#define PUT(i, value) _mm512_store_ps(tile + FM_PANEL * (i), value)

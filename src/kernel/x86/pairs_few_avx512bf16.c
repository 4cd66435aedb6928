/* pairs_few_avx512bf16.c: attention's products of a few queries, the heads of a group that decodes: rows are
 * turned or paired in registers and multiplied there. Contracts: kernel.h. */
#include "kernel/x86/rows.h"
#include "kernel/x86/turn_avx512.h"
#include "kernel/x86/x86.h"

/* sum += the pairs of `words` and one word for all lanes, in memory or in a register. */
#define DOT_MEMORY(sum, words, word)                                                               \
    __asm__("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(words), "m"(*(const uint32_t *)(word)))
#define DOT(sum, words, word) __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(words), "v"(word))

/* M(i) for every query i of the first N; N is a constant wherever this is used. */
#define EACH_QUERY(M, N)                                                                           \
    do {                                                                                           \
        M(0);                                                                                      \
        if (N > 1) M(1);                                                                           \
        if (N > 2) M(2);                                                                           \
        if (N > 3) M(3);                                                                           \
        if (N > 4) M(4);                                                                           \
        if (N > 5) M(5);                                                                           \
        if (N > 6) M(6);                                                                           \
        if (N > 7) M(7);                                                                           \
    } while (0)

/* A case for every number of queries, which becomes a constant there. */
#define EACH_COUNT(M) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8)

/* ---- scores: lanes are positions ------------------------------------------------------------------ */

static FM_INLINE void scores(const int N, const fm_kept_rows *rows, int64_t n, const uint32_t *q, int64_t ldq,
                             float *y, int64_t ldy, const char *next) {
    __m512 a0, a1, a2, a3, a4, a5, a6, a7;
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = _mm512_setzero_ps();
    for (int64_t k = 0; k < n; k += 8, q += 8) {
        fm_rows_ask_turned(next, rows->stride, k / 8);
        words8 w = turn((const char *)rows->x + k * 4, rows->stride);
#define DOT_QUERY(i) DOT_MEMORY(a##i, word, q + (i) * ldq + at)
#define DOT_WORD(c, v)                                                                             \
    do {                                                                                           \
        const __m512i word = (v);                                                                  \
        const int64_t at = (c);                                                                    \
        EACH_QUERY(DOT_QUERY, N);                                                                  \
    } while (0)
        EACH_WORD(DOT_WORD, w);
    }
#define PUT_QUERY(i) _mm512_storeu_ps(y + (i) * ldy, a##i)
    EACH_QUERY(PUT_QUERY, N);
}

void fm_few_scores_avx512bf16(const fm_kept_rows *rows, int64_t n, const uint32_t *q, int64_t ldq,
                              int64_t queries, float *y, int64_t ldy, const void *next) {
#define SCORES(N) case N: scores(N, rows, n, q, ldq, y, ldy, next); break;
    switch (queries) { EACH_COUNT(SCORES) }
}

/* ---- sums: lanes are columns ---------------------------------------------------------------------- */

/* Of one query: 32 columns, or 64 with four queries at most, which the registers hold. */
typedef struct sums {
    __m512 p0, p1, p2, p3;
} sums;

static FM_INLINE sums get_sums(const float *y, const bool wide, bool adds) {
    if (!adds) return (sums){_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    if (!wide) return (sums){.p0 = _mm512_loadu_ps(y), .p1 = _mm512_loadu_ps(y + 16)};
    return (sums){_mm512_loadu_ps(y), _mm512_loadu_ps(y + 16), _mm512_loadu_ps(y + 32), _mm512_loadu_ps(y + 48)};
}

static FM_INLINE void put_sums(sums s, const bool wide, bool ends, float *y) {
    const __m512i zero = _mm512_setzero_si512();
    if (ends) {
        DOT(s.p0, zero, zero);
        DOT(s.p1, zero, zero);
        if (wide) DOT(s.p2, zero, zero);
        if (wide) DOT(s.p3, zero, zero);
    }
    _mm512_storeu_ps(y, s.p0);
    _mm512_storeu_ps(y + 16, s.p1);
    if (wide) _mm512_storeu_ps(y + 32, s.p2);
    if (wide) _mm512_storeu_ps(y + 48, s.p3);
}

/* 32 columns of the rows at a, and of the next ones unless there are none, as the words of 16 columns. */
static FM_INLINE void pair(const uint16_t *a, const uint16_t *b, __m512i *low, __m512i *high) {
    const __m512i first = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8,
                                           39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i second = _mm512_add_epi16(first, _mm512_set1_epi16(16));
    __m512i x = _mm512_loadu_si512(a), z = b ? _mm512_loadu_si512(b) : _mm512_setzero_si512();
    *low = _mm512_permutex2var_epi16(x, first, z);
    *high = _mm512_permutex2var_epi16(x, second, z);
}

static FM_INLINE void sum_columns(const int N, const bool wide, const fm_kept_rows *rows, int64_t n, const uint32_t *p,
                                  int64_t ldp, float *y, int64_t ldy, bool adds, bool ends, const char *next) {
    const char *x = rows->x;
#define GET(i) s##i = get_sums(y + (i) * ldy, wide, adds)
    sums s0, s1, s2, s3, s4, s5, s6, s7;
    EACH_QUERY(GET, N);
    for (int64_t i = 0; i < n; i += 2, x += 2 * rows->stride, p++) {
        const uint16_t *a = (const uint16_t *)(const void *)x;
        const uint16_t *b = i + 1 < n ? (const uint16_t *)(const void *)(x + rows->stride) : NULL;
        __m512i w0, w1, w2, w3;
        if (next) fm_rows_ask(next + (x - (const char *)rows->x), rows->stride, b ? 2 : 1, wide ? 64 : 32);
        pair(a, b, &w0, &w1);
        if (wide) pair(a + 32, b ? b + 32 : NULL, &w2, &w3);
#define ADD(i)                                                                                     \
    do {                                                                                           \
        const __m512i word = _mm512_set1_epi32((int32_t)p[(i) * ldp]);                             \
        DOT(s##i.p0, w0, word);                                                                    \
        DOT(s##i.p1, w1, word);                                                                    \
        if (wide) DOT(s##i.p2, w2, word);                                                          \
        if (wide) DOT(s##i.p3, w3, word);                                                          \
    } while (0)
        EACH_QUERY(ADD, N);
    }
#define PUT(i) put_sums(s##i, wide, ends, y + (i) * ldy)
    EACH_QUERY(PUT, N);
}

void fm_few_sums_avx512bf16(const fm_kept_rows *rows, int64_t n, int64_t d, const uint32_t *p, int64_t ldp,
                            int64_t queries, float *y, int64_t ldy, bool adds, bool ends, const void *next) {
    fm_kept_rows part = *rows;
    const char *ask = next;
    for (int64_t c = 0, columns = queries <= 4 ? 64 : 32; c < d; c += columns, y += columns) {
        part.x = (const char *)rows->x + c * 2;
#define SUMS(N) case N: sum_columns(N, N <= 4, &part, n, p, ldp, y, ldy, adds, ends, ask); break;
        switch (queries) { EACH_COUNT(SUMS) }
        if (ask) ask += columns * 2;
    }
}

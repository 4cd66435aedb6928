/* pairs_avx512bf16.c: attention's products with the instruction for pairs of BF16. Contracts: kernel.h. */
#include "kernel/x86/words_round_avx512bf16.h"

#define ROUND_ROW(a, b) round_row(a, b)
#define ROUND_PAIRS(a, b) round_pairs(a, b)
#include "kernel/x86/pairs_exp_avx512.h"
#include "kernel/x86/words_pack_avx512.h"

DEFINE_EXP_PAIRS(avx512bf16)

/* Lanes are the queries, so that rows are read as they lie: every word of 16 rows is spread over the lanes
 * by the instruction itself. Line k of a next row is asked for while word k of these is at work. */
#define DOT_ROW(i, row)                                                                            \
    __asm__("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(a##i) : "v"(q), "m"(*(const uint32_t *)(const void *)(row)))
#define DOT_FOUR(i, j, k, l, x)                                                                    \
    DOT_ROW(i, x);                                                                                 \
    DOT_ROW(j, (x) + s);                                                                           \
    DOT_ROW(k, (x) + 2 * s);                                                                       \
    DOT_ROW(l, (x) + s3)

void fm_pair_scores_avx512bf16(const fm_kept_rows *rows, int64_t n, const uint32_t *panel, int64_t queries,
                               float *y, int64_t ldy, const void *next) {
    __m512 a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15;
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = _mm512_setzero_ps();
    a8 = a9 = a10 = a11 = a12 = a13 = a14 = a15 = _mm512_setzero_ps();
    size_t s = rows->stride, s3 = 3 * s;
    const char *x0 = rows->x, *x4 = x0 + 4 * s, *x8 = x4 + 4 * s, *x12 = x8 + 4 * s;
    for (int64_t k0 = 0; k0 < n; k0 += 16) {
        const char *ask = next ? (const char *)next + k0 * 4 : (const char *)panel;
        size_t apart = next ? s : 0;
        for (int64_t k = n - k0 < 16 ? n - k0 : 16; k > 0; k--, panel += FM_PANEL) {
            __m512i q = _mm512_loadu_si512(panel);
            _mm_prefetch(ask, _MM_HINT_T0);
            DOT_FOUR(0, 1, 2, 3, x0);
            DOT_FOUR(4, 5, 6, 7, x4);
            DOT_FOUR(8, 9, 10, 11, x8);
            DOT_FOUR(12, 13, 14, 15, x12);
            x0 += 4, x4 += 4, x8 += 4, x12 += 4;
            ask += apart;
        }
    }
    __m512i v[16];
#define PUT(i) v[i] = _mm512_castps_si512(a##i)
    PUT(0), PUT(1), PUT(2), PUT(3), PUT(4), PUT(5), PUT(6), PUT(7);
    PUT(8), PUT(9), PUT(10), PUT(11), PUT(12), PUT(13), PUT(14), PUT(15);
    transpose_words(v);
    for (int i = 0; i < 16; i++)
        if (i < queries) _mm512_storeu_si512(y + i * ldy, v[i]);
}

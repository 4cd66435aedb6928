/* pairs_avx512.c: rows of BF16 as words, and weights rounded to them. Contracts: kernel.h. */
#include "kernel/x86/rows.h"
#include "kernel/x86/turn_avx512.h"
#include "kernel/x86/words_round_avx512.h"

#define ROUND_ROW(a, b) round_row(a, b)
#include "kernel/x86/pairs_exp_avx512.h"

DEFINE_EXP_PAIRS(avx512)

void fm_pairs_of_rows_avx512(const fm_kept_rows *rows, int64_t n, int64_t d, uint32_t *panel, const void *next) {
    int64_t c = 0;
    for (; n == FM_PANEL && c + 16 <= d; c += 16, panel += 8 * FM_PANEL) {
        fm_rows_ask_turned(next, rows->stride, c / 16);
        words8 w = turn((const char *)rows->x + c * 2, rows->stride);
#define PUT(i, v) _mm512_storeu_si512(panel + (i) * FM_PANEL, v)
        EACH_WORD(PUT, w);
#undef PUT
    }
    if (c == d) return;
    fm_kept_rows tail = fm_rows_tail(rows, c, 2);
    fm_pairs_of_rows_ref(&tail, n, d - c, panel, NULL);
}

/* Columns [c, c + 32) of the rows a and b: two panels' words. */
static FM_INLINE void put_columns(__m512i a, __m512i b, uint32_t *out, int64_t step, const bool second) {
    const __m512i first = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8,
                                           39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    _mm512_storeu_si512(out, _mm512_permutex2var_epi16(a, first, b));
    if (!second) return;
    const __m512i more = _mm512_add_epi16(first, _mm512_set1_epi16(16));
    _mm512_storeu_si512(out + step, _mm512_permutex2var_epi16(a, more, b));
}

void fm_pairs_of_columns_avx512(const fm_kept_rows *rows, int64_t n, int64_t d, uint32_t *out, int64_t step,
                                const void *next) {
    const char *x = rows->x;
    for (int64_t i = 0; i < n; i += 2, x += 2 * rows->stride, out += FM_PANEL) {
        const uint16_t *a = (const uint16_t *)(const void *)x;
        const uint16_t *b = i + 1 < n ? (const uint16_t *)(const void *)(x + rows->stride) : NULL;
        uint32_t *to = out;
        int64_t c = 0;
        if (next) fm_rows_ask((const char *)next + (x - (const char *)rows->x), rows->stride, b ? 2 : 1, d);
        for (; c + 32 <= d; c += 32, to += 2 * step)
            put_columns(_mm512_loadu_si512(a + c), b ? _mm512_loadu_si512(b + c) : _mm512_setzero_si512(),
                        to, step, true);
        if (c == d) continue;
        __mmask32 mask = (__mmask32)((1ull << (d - c)) - 1);
        put_columns(_mm512_maskz_loadu_epi16(mask, a + c),
                    b ? _mm512_maskz_loadu_epi16(mask, b + c) : _mm512_setzero_si512(), to, step,
                    d - c > FM_PANEL);
    }
}

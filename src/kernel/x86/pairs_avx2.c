/* pairs_avx2.c: rows of BF16 as words, and weights rounded to them. Contracts: kernel.h. */
#include "kernel/x86/exp_avx2.h"
#include "kernel/x86/rows.h"
#include "kernel/x86/turn_avx2.h"
#include "kernel/x86/words_round_avx2.h"

#include "kernel/ref/lanes_ref.h"

void fm_pairs_of_rows_avx2(const fm_kept_rows *rows, int64_t n, int64_t d, uint32_t *panel, const void *next) {
    fm_rows_ask(next, rows->stride, n, d);
    int64_t c = 0;
    for (; n == FM_PANEL && c + 8 <= d; c += 8, panel += 4 * FM_PANEL) {
#define PUT(i, v, half) _mm256_storeu_si256((__m256i *)(panel + (i) * FM_PANEL + half), v)
        EACH_WORD(PUT, (const char *)rows->x + c * 2, rows->stride);
#undef PUT
    }
    if (c == d) return;
    fm_kept_rows tail = fm_rows_tail(rows, c, 2);
    fm_pairs_of_rows_ref(&tail, n, d - c, panel, NULL);
}

void fm_pairs_of_columns_avx2(const fm_kept_rows *rows, int64_t n, int64_t d, uint32_t *out, int64_t step,
                              const void *next) {
    fm_rows_ask(next, rows->stride, n, d);
    int64_t whole = d / FM_PANEL * FM_PANEL, even = n / 2 * 2;
    const char *x = rows->x;
    for (int64_t i = 0; i < even; i += 2, x += 2 * rows->stride)
        for (int64_t c = 0; c < whole; c += FM_PANEL) {
            __m256i a = _mm256_loadu_si256((const __m256i *)(x + c * 2));
            __m256i b = _mm256_loadu_si256((const __m256i *)(x + rows->stride + c * 2));
            __m256i low = _mm256_unpacklo_epi16(a, b), high = _mm256_unpackhi_epi16(a, b);
            __m256i *to = (__m256i *)(out + c / FM_PANEL * step + i / 2 * FM_PANEL);
            _mm256_storeu_si256(to, _mm256_permute2x128_si256(low, high, 0x20));
            _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(low, high, 0x31));
        }
    fm_kept_rows edge = fm_rows_tail(rows, whole, 2), last = *rows;
    if (whole < d) fm_pairs_of_columns_ref(&edge, n, d - whole, out + whole / FM_PANEL * step, step, NULL);
    last.x = x;
    if (even < n && whole > 0) fm_pairs_of_columns_ref(&last, 1, whole, out + even / 2 * FM_PANEL, step, NULL);
}

/* The numbers of pairs, even and odd. */
static FM_INLINE __m256 even_of(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
static FM_INLINE __m256 odd_of(__m256i pairs) {
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000)));
}

/* Lanes 0 to 15 as lanes of pairs: evens in one vector, odds in the other. */
float fm_exp_pairs_avx2(const float *x, int64_t n, float shift, uint32_t *out) {
    __m256 even = _mm256_setzero_ps(), odd = even, s = _mm256_set1_ps(shift);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256 e = fm_exp8(_mm256_sub_ps(_mm256_loadu_ps(x + i), s));
        __m256 f = fm_exp8(_mm256_sub_ps(_mm256_loadu_ps(x + i + 8), s));
        __m256i row = _mm256_packus_epi32(_mm256_srli_epi32(round_high(e), 16),
                                          _mm256_srli_epi32(round_high(f), 16));
        row = _mm256_permute4x64_epi64(row, 0xd8);
        even = _mm256_add_ps(even, even_of(row));
        odd = _mm256_add_ps(odd, odd_of(row));
        _mm256_storeu_si256((__m256i *)(out + i / 2), row);
    }
    float lane[FM_PANEL], evens[8], odds[8];
    _mm256_storeu_ps(evens, even);
    _mm256_storeu_ps(odds, odd);
    for (int l = 0; l < 8; l++) lane[2 * l] = evens[l], lane[2 * l + 1] = odds[l];
    for (; i < n; i += 2) {
        float pair[2] = {fm_exp_ref(x[i] - shift), i + 1 < n ? fm_exp_ref(x[i + 1] - shift) : 0};
        uint32_t word;
        fm_words_of_row_bf16_ref(pair, 2, &word);
        lane[i % FM_PANEL] += fm_float_from_bits(word << 16);
        lane[(i + 1) % FM_PANEL] += fm_float_from_bits(word & 0xffff0000);
        memcpy(out + i / 2, &word, sizeof word); /* which may be x */
    }
    return fm_lane_sum_ref(lane);
}

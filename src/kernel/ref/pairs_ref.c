/* pairs_ref.c: rows of BF16 as words and weights rounded to them, in plain C. Contracts: kernel.h. */
#include "kernel/ref/ref.h"

#include "kernel/ref/exp_ref.h"
#include "kernel/ref/lanes_ref.h"
#include "kernel/words.h"

#include <string.h>

static uint32_t half_at(const fm_kept_rows *rows, int64_t n, int64_t d, int64_t i, int64_t c) {
    if (i >= n || c >= d) return 0;
    return ((const uint16_t *)(const void *)((const char *)rows->x + (size_t)i * rows->stride))[c];
}

void fm_pairs_of_rows_ref(const fm_kept_rows *rows, int64_t n, int64_t d, uint32_t *panel, const void *next) {
    (void)next;
    for (int64_t c = 0; c < d; c += 2, panel += FM_PANEL)
        for (int64_t r = 0; r < FM_PANEL; r++)
            panel[r] = half_at(rows, n, d, r, c) | half_at(rows, n, d, r, c + 1) << 16;
}

void fm_pairs_of_columns_ref(const fm_kept_rows *rows, int64_t n, int64_t d, uint32_t *out, int64_t step,
                             const void *next) {
    (void)next;
    for (int64_t c = 0; c < (d + FM_PANEL - 1) / FM_PANEL * FM_PANEL; c++)
        for (int64_t i = 0; i < n; i += 2)
            out[c / FM_PANEL * step + i / 2 * FM_PANEL + c % FM_PANEL] =
                half_at(rows, n, d, i, c) | half_at(rows, n, d, i + 1, c) << 16;
}

float fm_exp_pairs_ref(const float *x, int64_t n, float shift, uint32_t *out) {
    float lane[FM_PANEL] = {0};
    for (int64_t i = 0; i < n; i += 2) {
        float pair[2] = {fm_exp_ref(x[i] - shift), i + 1 < n ? fm_exp_ref(x[i + 1] - shift) : 0};
        uint32_t word;
        fm_words_of_row_bf16_ref(pair, 2, &word);
        lane[i % FM_PANEL] += fm_float_from_bits(word << 16);
        lane[(i + 1) % FM_PANEL] += fm_float_from_bits(word & 0xffff0000);
        memcpy(out + i / 2, &word, sizeof word); /* which may be x */
    }
    return fm_lane_sum_ref(lane);
}

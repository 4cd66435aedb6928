/* words_avx512.c: products of words with AVX-512 alone. Contracts: words.h, kernel.h. */
#include "kernel/x86/words_expand.h"
#include "kernel/x86/words_round_avx512.h"
#include "kernel/x86/words_tile_avx512.h"

#include <string.h>

void fm_words_product_f32_avx512(const fm_words_block *b) { words_panels(b, false); }

static void product_of_pairs(const fm_words_block *b) { words_panels(b, true); }

void fm_words_product_bf16_avx512(const fm_words_block *b) { expanded_product(b, product_of_pairs); }

/* ---- packing ------------------------------------------------------------------------------------ */

#define ROUND_PAIRS(a, b) round_pairs(a, b)
#define ROUND_ROW(a, b) round_row(a, b)
#include "kernel/x86/words_pack_avx512.h"

DEFINE_WORDS_OF_ROWS(f32_avx512, ROW_WORDS_F32, 1)
DEFINE_WORDS_OF_ROWS(bf16_avx512, ROW_WORDS_BF16, 2)
DEFINE_WORDS_OF_ROW_BF16(bf16_avx512)
DEFINE_WORDS_OF_COLUMNS_BF16(bf16_avx512)

void fm_words_of_row_f32_avx512(const float *x, int64_t n, uint32_t *out) {
    memcpy(out, x, (size_t)n * sizeof *out);
}

void fm_words_of_columns_f32_avx512(const float *x, int64_t ldx, const int32_t *index, int64_t rows,
                                    int64_t columns, uint32_t *out, int64_t step) {
    for (int64_t c0 = 0; c0 < columns; c0 += WIDE * FM_PANEL)
        for (int64_t t = 0; t < rows; t++)
            for (int64_t c = c0; c < columns && c < c0 + WIDE * FM_PANEL; c += FM_PANEL) {
                const float *row = x + (index ? index[t] : t) * ldx;
                __m512 v = _mm512_maskz_loadu_ps(words_mask(c, columns), row + c);
                _mm512_storeu_ps((float *)out + c / FM_PANEL * step + t * FM_PANEL, v);
            }
}

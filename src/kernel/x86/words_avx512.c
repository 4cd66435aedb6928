/* words_avx512.c: products of words with AVX-512 alone. Contracts: words.h, kernel.h. */
#include "kernel/x86/words_expand.h"
#include "kernel/x86/words_tile_avx512.h"

#include <string.h>

void fm_words_product_f32_avx512(const fm_words_block *b) { words_panels(b); }

void fm_words_product_bf16_avx512(const fm_words_block *b) {
    expanded_product(b, fm_words_product_f32_avx512);
}

/* ---- packing ------------------------------------------------------------------------------------ */

/* BF16 in the high halves; what is below them is left over. As half.h, but subnormals are zeros. */
static FM_INLINE __m512i round_high(__m512 x) {
    __m512i bits = _mm512_castps_si512(x), exponent = _mm512_set1_epi32(0x7f800000);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    rounded = _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), bits,
                                   _mm512_set1_epi32(0x400000));
    return _mm512_mask_and_epi32(rounded, _mm512_testn_epi32_mask(bits, exponent), bits,
                                 _mm512_set1_epi32((int)0x80000000));
}

static FM_INLINE __m512i round_pairs(__m512 a, __m512 b) {
    return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(round_high(a), 16), round_high(b));
}

static FM_INLINE __m512i round_row(__m512 a, __m512 b) {
    const __m512i high = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33,
                                          31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_epi16(round_high(a), high, round_high(b));
}

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

/* words_ref.c: products of words and how words are made, in plain C. Contracts: words.h, kernel.h. */
#include "kernel/ref/ref.h"

#include "kernel/words.h"
#include "tensor/half.h"

#include <math.h>

/* ---- products ----------------------------------------------------------------------------------- */

static float float_of(uint32_t word) { return fm_float_from_bits(word); }

static float without_subnormal(float x) {
    return fm_float_bits(x) & 0x7f800000 ? x : copysignf(0, x);
}

/* A fused step to which subnormals are zero. What comes out is judged as the processor does: by its 24
 * bits as if exponents had no end. That only matters next to the least normal number, and there the same
 * step on a larger scale shows it. */
static float step(float a, float b, float c) {
    a = without_subnormal(a), b = without_subnormal(b), c = without_subnormal(c);
    float y = fmaf(a, b, c);
    bool edge = y != 0 && fabsf(y) <= 0x1p-126f;
    if (edge && fabsf(fmaf(a * 0x1p24f, b, c * 0x1p24f)) < 0x1p-102f) return copysignf(0, y);
    return y;
}

typedef float (*word_fma)(uint32_t x, uint32_t w, float y);

static float fma_f32(uint32_t x, uint32_t w, float y) { return fmaf(float_of(x), float_of(w), y); }

static float fma_bf16(uint32_t x, uint32_t w, float y) {
    y = step(float_of(x & 0xffff0000), float_of(w & 0xffff0000), y);
    return step(float_of(x << 16), float_of(w << 16), y);
}

static void product(const fm_words_block *b, word_fma fma_word) {
    for (int64_t m = 0; m < b->rows; m++)
        for (int64_t n = 0; n < b->columns; n++) {
            const uint32_t *w = b->w + n / FM_PANEL * b->w_panel + n % FM_PANEL;
            float *y = &b->y[m * b->ldy + n], sum = b->adds ? *y : 0;
            for (int64_t k = 0; k < b->n; k++)
                sum = fma_word(b->x[m * b->x_row + k * b->x_word], w[k * FM_PANEL], sum);
            *y = sum;
        }
}

void fm_words_product_f32_ref(const fm_words_block *b) { product(b, fma_f32); }
void fm_words_product_bf16_ref(const fm_words_block *b) { product(b, fma_bf16); }

/* ---- packing ------------------------------------------------------------------------------------ */

static uint16_t half_of(float x) { return fm_bf16_from_float(without_subnormal(x)); }

/* The word that begins with x[0], of `left` floats. */
static uint32_t word_of(fm_word_form form, const float *x, int64_t left) {
    if (form == FM_WORDS_F32) return fm_float_bits(x[0]);
    return half_of(x[0]) | (left > 1 ? (uint32_t)half_of(x[1]) << 16 : 0);
}

static int64_t numbers_of(fm_word_form form) { return form == FM_WORDS_BF16 ? 2 : 1; }

static void pack_row(fm_word_form form, const float *x, int64_t n, uint32_t *out, int64_t apart) {
    int64_t numbers = numbers_of(form);
    for (int64_t k = 0; k < n; k += numbers) out[k / numbers * apart] = word_of(form, x + k, n - k);
}

static void pack_rows(fm_word_form form, const float *x, int64_t ldx, int64_t rows, int64_t n,
                      uint32_t *out) {
    for (int64_t r = 0; r < FM_PANEL; r++)
        for (int64_t k = 0; r >= rows && k < fm_words_count(form, n); k++) out[k * FM_PANEL + r] = 0;
    for (int64_t r = 0; r < rows; r++) pack_row(form, x + r * ldx, n, out + r, FM_PANEL);
}

static void pack_columns(fm_word_form form, const float *x, int64_t ldx, const int32_t *index,
                         int64_t rows, int64_t columns, uint32_t *out, int64_t panel) {
    int64_t numbers = numbers_of(form);
    for (int64_t c = 0; c < (columns + FM_PANEL - 1) / FM_PANEL * FM_PANEL; c++)
        for (int64_t t = 0; t < rows; t += numbers) {
            float pair[2] = {0, 0};
            for (int64_t i = 0; i < numbers && t + i < rows && c < columns; i++)
                pair[i] = x[(index ? index[t + i] : t + i) * ldx + c];
            out[c / FM_PANEL * panel + t / numbers * FM_PANEL + c % FM_PANEL] =
                word_of(form, pair, 2);
        }
}

#define DEFINE_PACKING(id, name)                                                                   \
    void fm_words_of_row_##name##_ref(const float *x, int64_t n, uint32_t *out) {                  \
        pack_row(FM_WORDS_##id, x, n, out, 1);                                                     \
    }                                                                                              \
    void fm_words_of_rows_##name##_ref(const float *x, int64_t ldx, int64_t rows, int64_t n,       \
                                       uint32_t *out) {                                            \
        pack_rows(FM_WORDS_##id, x, ldx, rows, n, out);                                            \
    }                                                                                              \
    void fm_words_of_columns_##name##_ref(const float *x, int64_t ldx, const int32_t *index,       \
                                          int64_t rows, int64_t columns, uint32_t *out,            \
                                          int64_t step) {                                          \
        pack_columns(FM_WORDS_##id, x, ldx, index, rows, columns, out, step);                      \
    }
DEFINE_PACKING(F32, f32)
DEFINE_PACKING(BF16, bf16)

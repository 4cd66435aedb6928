/* x86.h: what the x86 levels offer. Compiled for any processor: no vectors here.
 *
 * Both levels implement the same list, so that one macro declares it and one fills a table with
 * it. Contracts: kernel.h. */
#pragma once

#include "kernel/kernel.h"

/* Layouts with an unpack of their own, and those with a row product too. */
#define FM_X86_PACKED_LAYOUTS(LAYOUT, level)                                                       \
    LAYOUT(F32, f32, level)                                                                        \
    LAYOUT(F16, f16, level)                                                                        \
    LAYOUT(BF16, bf16, level)                                                                      \
    LAYOUT(Q8_0, q8_0, level)                                                                      \
    LAYOUT(Q4_0, q4_0, level)                                                                      \
    LAYOUT(Q4_1, q4_1, level)                                                                      \
    LAYOUT(Q5_0, q5_0, level)                                                                      \
    LAYOUT(Q5_1, q5_1, level)                                                                      \
    LAYOUT(Q2_K, q2_k, level)                                                                      \
    LAYOUT(Q3_K, q3_k, level)                                                                      \
    LAYOUT(Q4_K, q4_k, level)                                                                      \
    LAYOUT(Q5_K, q5_k, level)                                                                      \
    LAYOUT(Q6_K, q6_k, level)                                                                      \
    LAYOUT(IQ4_NL, iq4_nl, level)                                                                  \
    LAYOUT(IQ4_XS, iq4_xs, level)                                                                  \
    LAYOUT(MXFP4, mxfp4, level)                                                                    \
    LAYOUT(TCQ4, tcq4, level)                                                                      \
    LAYOUT(TQ2_0, tq2_0, level)                                                                    \
    LAYOUT(IQ1_S, iq1_s, level)                                                                    \
    LAYOUT(IQ1_M, iq1_m, level)                                                                    \
    LAYOUT(IQ2_XXS, iq2_xxs, level)                                                                \
    LAYOUT(IQ2_S, iq2_s, level)                                                                    \
    LAYOUT(IQ3_XXS, iq3_xxs, level)                                                                \
    LAYOUT(IQ3_S, iq3_s, level)                                                                    \
    LAYOUT(F8, f8, level)
/* Layouts whose codes are multiplied as integers: codes that number even steps, and others, which number values
 * of a table or of a book. */
#define FM_X86_STEP_CODES(LAYOUT, level)                                                           \
    LAYOUT(Q8_0, q8_0, level)                                                                      \
    LAYOUT(Q4_0, q4_0, level)                                                                      \
    LAYOUT(Q4_1, q4_1, level)                                                                      \
    LAYOUT(Q5_0, q5_0, level)                                                                      \
    LAYOUT(Q5_1, q5_1, level)                                                                      \
    LAYOUT(Q2_K, q2_k, level)                                                                      \
    LAYOUT(Q3_K, q3_k, level)                                                                      \
    LAYOUT(Q4_K, q4_k, level)                                                                      \
    LAYOUT(Q5_K, q5_k, level)                                                                      \
    LAYOUT(Q6_K, q6_k, level)
#define FM_X86_BOOK_CODES(LAYOUT, level)                                                           \
    LAYOUT(IQ4_NL, iq4_nl, level)                                                                  \
    LAYOUT(IQ4_XS, iq4_xs, level)                                                                  \
    LAYOUT(TCQ4, tcq4, level)                                                                      \
    LAYOUT(TQ2_0, tq2_0, level)                                                                    \
    LAYOUT(IQ1_S, iq1_s, level)                                                                    \
    LAYOUT(IQ1_M, iq1_m, level)                                                                    \
    LAYOUT(IQ2_XXS, iq2_xxs, level)                                                                \
    LAYOUT(IQ2_S, iq2_s, level)                                                                    \
    LAYOUT(IQ3_XXS, iq3_xxs, level)                                                                \
    LAYOUT(IQ3_S, iq3_s, level)                                                                    \
    LAYOUT(MXFP4, mxfp4, level)
#define FM_X86_CODES_LAYOUTS(LAYOUT, level)                                                        \
    FM_X86_STEP_CODES(LAYOUT, level) FM_X86_BOOK_CODES(LAYOUT, level)
#define FM_X86_LAYOUTS(LAYOUT, level) LAYOUT(ROWS, rows, level) FM_X86_PACKED_LAYOUTS(LAYOUT, level)

#define FM_DECLARE_UNPACK(id, name, level)                                                         \
    void fm_unpack_##name##_##level(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk,     \
                                    float *tile);
#define FM_DECLARE_ROW_PRODUCT(id, name, level)                                                    \
    void fm_row_product_##name##_##level(const fm_panels *w, int64_t begin, int64_t end,           \
                                         const float *x, float *y);

#define FM_DECLARE_CODES_PRODUCT(id, name, level)                                                  \
    void fm_codes_product_##name##_##level(const fm_panels *w, int64_t begin, int64_t end,         \
                                           const void *x, int64_t ldx, int64_t rows, float *y,     \
                                           int64_t ldy);                                           \
    void fm_codes16_product_##name##_##level(const fm_panels *w, int64_t begin, int64_t end,       \
                                             const void *x, int64_t ldx, int64_t rows, float *y,   \
                                             int64_t ldy);

/* The forms in which rows are kept. */
#define FM_X86_KEPT_FORMS(FORM, level)                                                             \
    FORM(F32, f32, level) FORM(BF16, bf16, level) FORM(INT8, int8, level)
#define FM_DECLARE_ROWS(id, name, level)                                                           \
    void fm_rows_to_floats_##name##_##level(const fm_kept_rows *rows, int64_t n, int64_t d,        \
                                            float *y, int64_t ldy);                                \
    void fm_rows_to_panel_##name##_##level(const fm_kept_rows *rows, int64_t n, int64_t d,         \
                                           float *panel);

/* Words of both forms; those of BF16 once more for processors with instructions for it. */
#define FM_X86_WORD_FORMS(FORM, level) FORM(F32, f32, level) FORM(BF16, bf16, level)
#define FM_DECLARE_WORDS(id, name, level)                                                          \
    void fm_words_product_##name##_##level(const fm_words_block *b);                               \
    void fm_words_of_row_##name##_##level(const float *x, int64_t n, uint32_t *out);               \
    void fm_words_of_rows_##name##_##level(const float *x, int64_t ldx, int64_t rows, int64_t n,   \
                                           uint32_t *out);                                         \
    void fm_words_of_columns_##name##_##level(const float *x, int64_t ldx, const int32_t *index,   \
                                              int64_t rows, int64_t columns, uint32_t *out,        \
                                              int64_t step);

#define FM_DECLARE_KERNELS(level)                                                                  \
    FM_X86_LAYOUTS(FM_DECLARE_UNPACK, level)                                                       \
    FM_X86_PACKED_LAYOUTS(FM_DECLARE_ROW_PRODUCT, level)                                           \
    void fm_tile_fma_##level(int n_panels, int64_t nk, const float *tile, int64_t rows,            \
                             const float *x, int64_t ldx, float *y, int64_t ldy);                  \
    void fm_turned_fma_##level(int64_t n, int64_t nk, const float *panel, const float *x, float *y); \
    FM_X86_WORD_FORMS(FM_DECLARE_WORDS, level)                                                     \
    FM_X86_KEPT_FORMS(FM_DECLARE_ROWS, level)                                                      \
    void fm_weighted_rows_##level(const float *p, int64_t n, int64_t ldp, const float *v,          \
                                  int64_t nk, int64_t ldv, int64_t d, float *acc, int64_t ldacc);  \
    void fm_pairs_of_rows_##level(const fm_kept_rows *rows, int64_t n, int64_t d, uint32_t *panel, \
                                  const void *next);                                               \
    void fm_pairs_of_columns_##level(const fm_kept_rows *rows, int64_t n, int64_t d, uint32_t *out, \
                                     int64_t step, const void *next);                              \
    float fm_exp_pairs_##level(const float *x, int64_t n, float shift, uint32_t *out);             \
    float fm_max_##level(const float *x, int64_t n);                                               \
    float fm_exp_sum_##level(float *x, int64_t n, float shift);                                    \
    void fm_sigmoid_##level(const float *x, int64_t n, float *y);                                  \
    void fm_swiglu_##level(const float *gate, const float *up, int64_t n, float *y);               \
    float fm_rmsnorm_##level(const float *x, const float *w, float eps, int64_t n, float *y);      \
    void fm_add_##level(const float *x, int64_t n, float *y);                                      \
    void fm_axpy_##level(float a, const float *x, int64_t n, float *y);                            \
    void fm_scale_##level(float a, int64_t n, float *x);                                           \
    void fm_rotate_##level(float *x, int64_t n_pairs, const float *cosines, const float *sines,    \
                           bool interleaved);                                                      \
    void fm_swiglu_backward_##level(const float *gate, const float *up, const float *dy, int64_t n, \
                                    float *dgate, float *dup);                                     \
    void fm_rmsnorm_backward_##level(const float *x, const float *w, float r, const float *dy,     \
                                     int64_t n, float *dx, float *dw);                             \
    void fm_softmax_backward_##level(const float *p, float mean, int64_t n, float *d);             \
    float fm_dot_##level(const float *x, const float *y, int64_t n);                               \
    void fm_adamw_##level(const fm_adamw *a, const float *grad, int64_t n, float *x, float *m,     \
                          float *v);                                                               \
    void fm_bf16_from_float_##level(const float *x, int64_t n, uint16_t *y);                       \
    void fm_int8_from_float_##level(const float *x, int64_t n, int64_t block, int8_t *codes,       \
                                    float *scales);                                                \
    void fm_codes_from_float_##level(const float *x, int64_t n, void *out);                        \
    void fm_codes16_from_float_##level(const float *x, int64_t n, void *out);

FM_DECLARE_KERNELS(avx2)
FM_DECLARE_KERNELS(avx512)
FM_X86_CODES_LAYOUTS(FM_DECLARE_CODES_PRODUCT, avx2)
/* With VNNI, which adds four products of bytes to an int32 at once: most processors with AVX-512 have
 * it, and most newer ones without. */
FM_X86_CODES_LAYOUTS(FM_DECLARE_CODES_PRODUCT, avx2vnni)
FM_X86_CODES_LAYOUTS(FM_DECLARE_CODES_PRODUCT, vnni)
FM_DECLARE_WORDS(BF16, bf16, avx512bf16)
void fm_turned_q4_k_avx2(const fm_panels *w, int64_t panel, int64_t k0, int64_t n, const float *x, float *y);
void fm_turned_q4_k_avx512(const fm_panels *w, int64_t panel, int64_t k0, int64_t n, const float *x, float *y);
float fm_exp_pairs_avx512bf16(const float *x, int64_t n, float shift, uint32_t *out);
void fm_pair_scores_avx512bf16(const fm_kept_rows *rows, int64_t n, const uint32_t *panel, int64_t queries,
                               float *y, int64_t ldy, const void *next);
void fm_few_scores_avx512bf16(const fm_kept_rows *rows, int64_t n, const uint32_t *queries_words, int64_t ldq,
                              int64_t queries, float *y, int64_t ldy, const void *next);
void fm_few_sums_avx512bf16(const fm_kept_rows *rows, int64_t n, int64_t d, const uint32_t *p, int64_t ldp,
                            int64_t queries, float *y, int64_t ldy, bool adds, bool ends, const void *next);

/* How far ahead of what an unpack reads the tile lies that this panel's next unpack will read; after
 * the last tile of a panel, roughly the first one of the panel that follows in the next group. One
 * prefetch per line, spread over the unpacking, hides memory where few rows share a tile. */
static inline size_t fm_next_tile(const fm_panels *w, int64_t k0, size_t tile_bytes) {
    return k0 + FM_TILE_K < w->n_in ? tile_bytes
                                    : tile_bytes + (FM_TILE_PANELS - 1) * w->panel_bytes;
}

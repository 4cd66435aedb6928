/* fill_x86.c: the tables of AVX2 (with FMA and F16C) and AVX-512 (F, BW, VL, DQ). Compiled without
 * either: filling a table must run on any processor. */
#include "kernel/fill.h"
#include "kernel/x86/x86.h"

#define UNPACK(id, name, level) k->unpack[FM_LAYOUT_##id] = fm_unpack_##name##_##level;
#define ROW_PRODUCT(id, name, level)                                                               \
    k->row_product[FM_LAYOUT_##id] = fm_row_product_##name##_##level;

#define ROWS(id, name, level)                                                                      \
    k->rows_to_floats[FM_KEPT_##id] = fm_rows_to_floats_##name##_##level;                          \
    k->rows_to_panel[FM_KEPT_##id] = fm_rows_to_panel_##name##_##level;
#define CODES_PRODUCT(id, name, level)                                                             \
    k->codes_product[FM_CODES_8][FM_LAYOUT_##id] = fm_codes_product_##name##_##level;              \
    k->codes_product[FM_CODES_16][FM_LAYOUT_##id] = fm_codes16_product_##name##_##level;

#define WORDS(id, name, level)                                                                     \
    k->words_product[FM_WORDS_##id] = fm_words_product_##name##_##level;                           \
    k->words_of_row[FM_WORDS_##id] = fm_words_of_row_##name##_##level;                             \
    k->words_of_rows[FM_WORDS_##id] = fm_words_of_rows_##name##_##level;                           \
    k->words_of_columns[FM_WORDS_##id] = fm_words_of_columns_##name##_##level;

/* `more`: statements for what not every level has. */
#define FILL(level, more)                                                                          \
    void fm_kernels_fill_##level(fm_kernels *k) {                                                  \
        FM_X86_LAYOUTS(UNPACK, level)                                                              \
        FM_X86_PACKED_LAYOUTS(ROW_PRODUCT, level)                                                  \
        k->tile_fma = fm_tile_fma_##level;                                                         \
        k->turned_fma = fm_turned_fma_##level;                                                     \
        FM_X86_WORD_FORMS(WORDS, level)                                                            \
        FM_X86_KEPT_FORMS(ROWS, level)                                                             \
        k->weighted_rows = fm_weighted_rows_##level;                                               \
        k->pairs_of_rows = fm_pairs_of_rows_##level;                                               \
        k->pairs_of_columns = fm_pairs_of_columns_##level;                                         \
        k->exp_pairs = fm_exp_pairs_##level;                                                       \
        k->max = fm_max_##level;                                                                   \
        k->exp_sum = fm_exp_sum_##level;                                                           \
        k->sigmoid = fm_sigmoid_##level;                                                           \
        k->swiglu = fm_swiglu_##level;                                                             \
        k->rmsnorm = fm_rmsnorm_##level;                                                           \
        k->add = fm_add_##level;                                                                   \
        k->axpy = fm_axpy_##level;                                                                 \
        k->scale = fm_scale_##level;                                                               \
        k->rotate = fm_rotate_##level;                                                             \
        k->swiglu_backward = fm_swiglu_backward_##level;                                           \
        k->rmsnorm_backward = fm_rmsnorm_backward_##level;                                         \
        k->softmax_backward = fm_softmax_backward_##level;                                         \
        k->dot = fm_dot_##level;                                                                   \
        k->adamw = fm_adamw_##level;                                                               \
        k->bf16_from_float = fm_bf16_from_float_##level;                                           \
        k->int8_from_float = fm_int8_from_float_##level;                                           \
        k->codes_from_float[FM_CODES_8] = fm_codes_from_float_##level;                             \
        k->codes_from_float[FM_CODES_16] = fm_codes16_from_float_##level;                          \
        more                                                                                       \
    }

FILL(avx2, FM_X86_CODES_LAYOUTS(CODES_PRODUCT, avx2) k->turned_panel[FM_LAYOUT_Q4_K] = fm_turned_q4_k_avx2;)
FILL(avx512, k->turned_panel[FM_LAYOUT_Q4_K] = fm_turned_q4_k_avx512;)

void fm_kernels_fill_avx2vnni(fm_kernels *k) { FM_X86_CODES_LAYOUTS(CODES_PRODUCT, avx2vnni) }
void fm_kernels_fill_vnni(fm_kernels *k) { FM_X86_CODES_LAYOUTS(CODES_PRODUCT, vnni) }
void fm_kernels_fill_avx512bf16(fm_kernels *k) {
    WORDS(BF16, bf16, avx512bf16)
    k->exp_pairs = fm_exp_pairs_avx512bf16;
    k->pair_scores = fm_pair_scores_avx512bf16;
    k->few_scores = fm_few_scores_avx512bf16;
    k->few_sums = fm_few_sums_avx512bf16;
}

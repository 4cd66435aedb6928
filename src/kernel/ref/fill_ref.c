/* fill_ref.c: the table of the reference level. */
#include "kernel/fill.h"
#include "kernel/ref/ref.h"

/* Layouts whose codes are multiplied as integers. */
#define CODES_LAYOUTS(product)                                                                     \
    [FM_LAYOUT_Q8_0] = product, [FM_LAYOUT_Q4_0] = product, [FM_LAYOUT_Q4_1] = product,            \
    [FM_LAYOUT_Q5_0] = product, [FM_LAYOUT_Q5_1] = product, [FM_LAYOUT_Q2_K] = product,            \
    [FM_LAYOUT_Q3_K] = product, [FM_LAYOUT_Q4_K] = product, [FM_LAYOUT_Q5_K] = product,            \
    [FM_LAYOUT_Q6_K] = product, [FM_LAYOUT_IQ4_NL] = product, [FM_LAYOUT_IQ4_XS] = product,        \
    [FM_LAYOUT_TCQ4] = product, [FM_LAYOUT_MXFP4] = product, [FM_LAYOUT_TQ2_0] = product,          \
    [FM_LAYOUT_IQ1_S] = product, [FM_LAYOUT_IQ1_M] = product, [FM_LAYOUT_IQ2_XXS] = product,       \
    [FM_LAYOUT_IQ2_S] = product, [FM_LAYOUT_IQ3_XXS] = product, [FM_LAYOUT_IQ3_S] = product

void fm_kernels_fill_ref(fm_kernels *k) {
    *k = (fm_kernels){
        .unpack =
            {
                [FM_LAYOUT_ROWS] = fm_unpack_rows_ref,
                [FM_LAYOUT_F32] = fm_unpack_f32_ref,
                [FM_LAYOUT_F16] = fm_unpack_f16_ref,
                [FM_LAYOUT_BF16] = fm_unpack_bf16_ref,
                [FM_LAYOUT_Q8_0] = fm_unpack_q8_0_ref,
                [FM_LAYOUT_Q4_0] = fm_unpack_q4_0_ref,
                [FM_LAYOUT_Q4_1] = fm_unpack_q4_1_ref,
                [FM_LAYOUT_Q5_0] = fm_unpack_q5_0_ref,
                [FM_LAYOUT_Q5_1] = fm_unpack_q5_1_ref,
                [FM_LAYOUT_Q2_K] = fm_unpack_q2_k_ref,
                [FM_LAYOUT_Q3_K] = fm_unpack_q3_k_ref,
                [FM_LAYOUT_Q4_K] = fm_unpack_q4_k_ref,
                [FM_LAYOUT_Q5_K] = fm_unpack_q5_k_ref,
                [FM_LAYOUT_Q6_K] = fm_unpack_q6_k_ref,
                [FM_LAYOUT_IQ4_NL] = fm_unpack_iq4_nl_ref,
                [FM_LAYOUT_IQ4_XS] = fm_unpack_iq4_xs_ref,
                [FM_LAYOUT_MXFP4] = fm_unpack_mxfp4_ref,
                [FM_LAYOUT_TCQ4] = fm_unpack_tcq4_ref,
                [FM_LAYOUT_TQ2_0] = fm_unpack_tq2_0_ref,
                [FM_LAYOUT_IQ1_S] = fm_unpack_iq1_s_ref,
                [FM_LAYOUT_IQ1_M] = fm_unpack_iq1_m_ref,
                [FM_LAYOUT_IQ2_XXS] = fm_unpack_iq2_xxs_ref,
                [FM_LAYOUT_IQ2_S] = fm_unpack_iq2_s_ref,
                [FM_LAYOUT_IQ3_XXS] = fm_unpack_iq3_xxs_ref,
                [FM_LAYOUT_IQ3_S] = fm_unpack_iq3_s_ref,
                [FM_LAYOUT_F8] = fm_unpack_f8_ref,
            },
        .tile_fma = fm_tile_fma_ref,
        .turned_fma = fm_turned_fma_ref,
        .codes_from_float = {[FM_CODES_8] = fm_codes_from_float_ref,
                             [FM_CODES_16] = fm_codes16_from_float_ref},
        .codes_product = {[FM_CODES_8] = {CODES_LAYOUTS(fm_codes_product_ref)},
                          [FM_CODES_16] = {CODES_LAYOUTS(fm_codes16_product_ref)}},
        .words_product = {[FM_WORDS_F32] = fm_words_product_f32_ref,
                          [FM_WORDS_BF16] = fm_words_product_bf16_ref},
        .words_of_row = {[FM_WORDS_F32] = fm_words_of_row_f32_ref,
                         [FM_WORDS_BF16] = fm_words_of_row_bf16_ref},
        .words_of_rows = {[FM_WORDS_F32] = fm_words_of_rows_f32_ref,
                          [FM_WORDS_BF16] = fm_words_of_rows_bf16_ref},
        .words_of_columns = {[FM_WORDS_F32] = fm_words_of_columns_f32_ref,
                             [FM_WORDS_BF16] = fm_words_of_columns_bf16_ref},
        .rows_to_floats = {[FM_KEPT_F32] = fm_rows_to_floats_f32_ref,
                           [FM_KEPT_BF16] = fm_rows_to_floats_bf16_ref,
                           [FM_KEPT_INT8] = fm_rows_to_floats_int8_ref},
        .rows_to_panel = {[FM_KEPT_F32] = fm_rows_to_panel_f32_ref,
                          [FM_KEPT_BF16] = fm_rows_to_panel_bf16_ref,
                          [FM_KEPT_INT8] = fm_rows_to_panel_int8_ref},
        .weighted_rows = fm_weighted_rows_ref,
        .pairs_of_rows = fm_pairs_of_rows_ref,
        .pairs_of_columns = fm_pairs_of_columns_ref,
        .exp_pairs = fm_exp_pairs_ref,
        .max = fm_max_ref,
        .exp_sum = fm_exp_sum_ref,
        .sigmoid = fm_sigmoid_ref,
        .swiglu = fm_swiglu_ref,
        .rmsnorm = fm_rmsnorm_ref,
        .add = fm_add_ref,
        .axpy = fm_axpy_ref,
        .scale = fm_scale_ref,
        .rotate = fm_rotate_ref,
        .swiglu_backward = fm_swiglu_backward_ref,
        .rmsnorm_backward = fm_rmsnorm_backward_ref,
        .softmax_backward = fm_softmax_backward_ref,
        .dot = fm_dot_ref,
        .adamw = fm_adamw_ref,
        .bf16_from_float = fm_bf16_from_float_ref,
        .int8_from_float = fm_int8_from_float_ref,
    };
}

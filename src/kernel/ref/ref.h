/* ref.h: the reference kernels, where faster ones fall back on them. Contracts: kernel.h. */
#pragma once

#include "kernel/kernel.h"

#define FM_REF_UNPACK(layout)                                                                      \
    void fm_unpack_##layout##_ref(const fm_panels *w, int64_t panel, int64_t k0, int64_t nk,       \
                                  float *tile)
FM_REF_UNPACK(rows);
FM_REF_UNPACK(f32);
FM_REF_UNPACK(f16);
FM_REF_UNPACK(bf16);
FM_REF_UNPACK(q8_0);
FM_REF_UNPACK(q4_0);
FM_REF_UNPACK(q4_1);
FM_REF_UNPACK(q5_0);
FM_REF_UNPACK(q5_1);
FM_REF_UNPACK(q2_k);
FM_REF_UNPACK(q3_k);
FM_REF_UNPACK(q4_k);
FM_REF_UNPACK(q5_k);
FM_REF_UNPACK(q6_k);
FM_REF_UNPACK(iq4_nl);
FM_REF_UNPACK(iq4_xs);
FM_REF_UNPACK(mxfp4);
FM_REF_UNPACK(tcq4);
FM_REF_UNPACK(tq2_0);
FM_REF_UNPACK(iq1_s);
FM_REF_UNPACK(iq1_m);
FM_REF_UNPACK(iq2_xxs);
FM_REF_UNPACK(iq2_s);
FM_REF_UNPACK(iq3_xxs);
FM_REF_UNPACK(iq3_s);
FM_REF_UNPACK(f8);
#undef FM_REF_UNPACK

void fm_tile_fma_ref(int n_panels, int64_t nk, const float *tile, int64_t rows, const float *x,
                     int64_t ldx, float *y, int64_t ldy);
void fm_turned_fma_ref(int64_t n, int64_t nk, const float *panel, const float *x, float *y);
#define FM_REF_WORDS(form)                                                                         \
    void fm_words_product_##form##_ref(const fm_words_block *b);                                   \
    void fm_words_of_row_##form##_ref(const float *x, int64_t n, uint32_t *out);                   \
    void fm_words_of_rows_##form##_ref(const float *x, int64_t ldx, int64_t rows, int64_t n,       \
                                       uint32_t *out);                                             \
    void fm_words_of_columns_##form##_ref(const float *x, int64_t ldx, const int32_t *index,       \
                                          int64_t rows, int64_t columns, uint32_t *out,            \
                                          int64_t step)
FM_REF_WORDS(f32);
FM_REF_WORDS(bf16);
#undef FM_REF_WORDS
#define FM_REF_ROWS(form)                                                                          \
    void fm_rows_to_floats_##form##_ref(const fm_kept_rows *rows, int64_t n, int64_t d, float *y,  \
                                        int64_t ldy);                                              \
    void fm_rows_to_panel_##form##_ref(const fm_kept_rows *rows, int64_t n, int64_t d, float *panel)
FM_REF_ROWS(f32);
FM_REF_ROWS(bf16);
FM_REF_ROWS(int8);
#undef FM_REF_ROWS
void fm_pairs_of_rows_ref(const fm_kept_rows *rows, int64_t n, int64_t d, uint32_t *panel, const void *next);
void fm_pairs_of_columns_ref(const fm_kept_rows *rows, int64_t n, int64_t d, uint32_t *out, int64_t step,
                             const void *next);
float fm_exp_pairs_ref(const float *x, int64_t n, float shift, uint32_t *out);
void fm_weighted_rows_ref(const float *p, int64_t n, int64_t ldp, const float *v, int64_t nk,
                          int64_t ldv, int64_t d, float *acc, int64_t ldacc);

float fm_max_ref(const float *x, int64_t n);
float fm_exp_sum_ref(float *x, int64_t n, float shift);
void fm_sigmoid_ref(const float *x, int64_t n, float *y);
void fm_swiglu_ref(const float *gate, const float *up, int64_t n, float *y);
float fm_rmsnorm_ref(const float *x, const float *w, float eps, int64_t n, float *y);
void fm_add_ref(const float *x, int64_t n, float *y);
void fm_axpy_ref(float a, const float *x, int64_t n, float *y);
void fm_scale_ref(float a, int64_t n, float *x);
void fm_rotate_ref(float *x, int64_t n_pairs, const float *cosines, const float *sines,
                   bool interleaved);
void fm_swiglu_backward_ref(const float *gate, const float *up, const float *dy, int64_t n,
                            float *dgate, float *dup);
void fm_rmsnorm_backward_ref(const float *x, const float *w, float r, const float *dy, int64_t n,
                             float *dx, float *dw);
void fm_softmax_backward_ref(const float *p, float mean, int64_t n, float *d);
float fm_dot_ref(const float *x, const float *y, int64_t n);
void fm_adamw_ref(const fm_adamw *a, const float *grad, int64_t n, float *x, float *m, float *v);
void fm_bf16_from_float_ref(const float *x, int64_t n, uint16_t *y);
void fm_codes_from_float_ref(const float *x, int64_t n, void *out);
void fm_codes16_from_float_ref(const float *x, int64_t n, void *out);
void fm_codes_product_ref(const fm_panels *w, int64_t begin, int64_t end, const void *x, int64_t ldx,
                          int64_t rows, float *y, int64_t ldy);
void fm_codes16_product_ref(const fm_panels *w, int64_t begin, int64_t end, const void *x, int64_t ldx,
                            int64_t rows, float *y, int64_t ldy);
void fm_int8_from_float_ref(const float *x, int64_t n, int64_t block, int8_t *codes, float *scales);

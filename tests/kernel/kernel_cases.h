/* kernel_cases.h: every kernel of the table as a case: how to make arguments of a size, how to call
 * it. test_kernelcheck.c compares levels over random sizes; bench/kernels.c times fixed ones. */
#pragma once

#include "weight_cases.h"

#include "kernel/words.h"

/* ---- vectors ------------------------------------------------------------------------------------ */

/* One or two vectors of n, an output of n that begins as the first where the call is in place. */
static inline void make_vectors(dice *d, case_data *c) {
    c->a = case_floats(d, c->n);
    c->b = case_floats(d, c->n);
    case_output(d, c, c->n);
    memcpy(c->start + CASE_GUARD, c->a, (size_t)c->n * sizeof *c->a);
}
static inline const float *in_place_or(case_data *c, const float *x) {
    return c->alias ? case_out(c) : x;
}

static inline void call_max(const fm_kernels *k, case_data *c) { c->value = k->max(c->a, c->n); }
static inline void call_exp_sum(const fm_kernels *k, case_data *c) {
    c->value = k->exp_sum(case_out(c), c->n, 0.75f);
}
static inline void call_sigmoid(const fm_kernels *k, case_data *c) {
    k->sigmoid(in_place_or(c, c->a), c->n, case_out(c));
}
static inline void call_swiglu(const fm_kernels *k, case_data *c) {
    k->swiglu(in_place_or(c, c->a), c->b, c->n, case_out(c));
}
static inline void call_swiglu_over_up(const fm_kernels *k, case_data *c) {
    k->swiglu(c->b, in_place_or(c, c->a), c->n, case_out(c));
}
static inline void call_rmsnorm(const fm_kernels *k, case_data *c) {
    c->value = k->rmsnorm(in_place_or(c, c->a), c->b, 1e-6f, c->n, case_out(c));
}
static inline void call_add(const fm_kernels *k, case_data *c) { k->add(c->b, c->n, case_out(c)); }
static inline void call_axpy(const fm_kernels *k, case_data *c) {
    k->axpy(-1.7f, c->b, c->n, case_out(c));
}
static inline void call_scale(const fm_kernels *k, case_data *c) {
    k->scale(0.3f, c->n, case_out(c));
}

static inline void make_rotation(dice *d, case_data *c) {
    c->a = case_floats(d, c->n);
    c->b = case_floats(d, c->n);
    case_output(d, c, 2 * c->n);
}
static inline void call_rotate_pairs(const fm_kernels *k, case_data *c) {
    k->rotate(case_out(c), c->n, c->a, c->b, true);
}
static inline void call_rotate_halves(const fm_kernels *k, case_data *c) {
    k->rotate(case_out(c), c->n, c->a, c->b, false);
}

static inline void call_bf16_from_float(const fm_kernels *k, case_data *c) {
    k->bf16_from_float(c->b, c->n, (uint16_t *)case_out(c));
}

/* Codes, a few floats that nobody may touch, scales: all in the output. k0 is the block. */
static inline void make_int8(dice *d, case_data *c) {
    c->k0 = INT64_C(8) << roll_below(d, 4);
    c->n = c->n / c->k0 * c->k0;
    c->a = case_floats(d, c->n);
    c->b = case_floats(d, c->n);
    float order = 1; /* magnitudes of every order, block by block */
    for (int64_t i = 0; i < c->n; i++) {
        if (i % c->k0 == 0) order = ldexpf(1, (int)roll_below(d, 241) - 120);
        if (roll(d) % 3 == 0) c->a[i] *= order;
    }
    case_output(d, c, c->n);
}
static inline void call_int8_from_float(const fm_kernels *k, case_data *c) {
    int8_t *codes = (int8_t *)case_out(c);
    k->int8_from_float(c->a, c->n, c->k0, codes, case_out(c) + c->n / 4 + 3);
    for (int64_t i = 0; i < c->n; i++) c->value += (float)(codes[i] * (i % 7)); /* as they are no floats */
}

/* ---- attention: rows queries, n keys, d wide ---------------------------------------------------- */

/* Rows of a cache, n of them, d wide, `lda` floats apart, k0 numbers to a scale in an INT8 one, whose
 * scales lie in the last eighth. */
static inline void make_rows(dice *d, case_data *c) {
    if (c->n < 1 || c->n > FM_PANEL) c->n = 1 + roll_below(d, FM_PANEL);
    c->d %= FM_TILE_K + 1;
    c->k0 = INT64_C(8) << roll_below(d, 4);
    c->lda = c->d + c->d / 8 + roll_below(d, 9);
    c->ldo = c->d + roll_below(d, 9);
    c->rows = FM_PANEL;
    c->a = case_floats(d, c->rows * c->lda);
    c->scratch = fm_alloc(FM_MATMUL_SCRATCH * sizeof(float), FM_MEM_OTHER);
    assert_non_null(c->scratch);
    case_output(d, c, FM_PANEL * c->ldo + FM_PANEL * FM_PANEL);
}
static inline fm_kept_rows case_rows(const case_data *c) {
    return (fm_kept_rows){c->a, c->a + c->d, (size_t)c->lda * sizeof(float), c->k0};
}
static inline int64_t case_columns(const case_data *c, fm_kept_form form) {
    return form == FM_KEPT_INT8 ? c->d / c->k0 * c->k0 : c->d;
}
static inline void call_rows(const fm_kernels *k, case_data *c, fm_kept_form form) {
    fm_kept_rows rows = case_rows(c);
    k->rows_to_floats[form](&rows, c->n, case_columns(c, form), case_out(c), c->ldo);
}
static inline void call_panel(const fm_kernels *k, case_data *c, fm_kept_form form) {
    fm_kept_rows rows = case_rows(c);
    int64_t d = case_columns(c, form);
    c->scratch[d * FM_PANEL] = 5;
    k->rows_to_panel[form](&rows, c->n, d, c->scratch);
    memcpy(case_out(c), c->scratch, (size_t)(d * FM_PANEL) * sizeof(float));
    c->value = c->scratch[d * FM_PANEL]; /* nobody may have touched it */
}
#define CASE_ROWS(name, id)                                                                        \
    static inline void call_rows_##name(const fm_kernels *k, case_data *c) {                       \
        call_rows(k, c, FM_KEPT_##id);                                                             \
    }                                                                                              \
    static inline void call_panel_##name(const fm_kernels *k, case_data *c) {                      \
        call_panel(k, c, FM_KEPT_##id);                                                            \
    }
CASE_ROWS(f32, F32)
CASE_ROWS(bf16, BF16)
CASE_ROWS(int8, INT8)
#undef CASE_ROWS

/* Words: whole panels, and nothing behind them. */
static inline void call_pairs(const fm_kernels *k, case_data *c, bool columns) {
    fm_kept_rows rows = case_rows(c);
    int64_t words = columns ? (c->d + FM_PANEL - 1) / FM_PANEL * ((c->n + 1) / 2) : (c->d + 1) / 2;
    uint32_t *out = (uint32_t *)(void *)c->scratch;
    c->scratch[words * FM_PANEL] = 5;
    if (columns)
        k->pairs_of_columns(&rows, c->n, c->d, out, (c->n + 1) / 2 * FM_PANEL, c->alias ? c->a : NULL);
    else
        k->pairs_of_rows(&rows, c->n, c->d, out, c->alias ? c->a : NULL);
    memcpy(case_out(c), c->scratch, (size_t)(words * FM_PANEL) * sizeof(float));
    c->value = c->scratch[words * FM_PANEL]; /* nobody may have touched it */
}
static inline void call_pairs_of_rows(const fm_kernels *k, case_data *c) { call_pairs(k, c, false); }
static inline void call_pairs_of_columns(const fm_kernels *k, case_data *c) { call_pairs(k, c, true); }
static inline void call_exp_pairs(const fm_kernels *k, case_data *c) {
    c->value = k->exp_pairs(c->alias ? case_out(c) : c->b, c->n, 0.75f, (uint32_t *)(void *)case_out(c));
}

static inline void make_weighted_rows(dice *d, case_data *c) {
    c->lda = c->n + roll_below(d, 9);
    c->ldb = c->d + roll_below(d, 9);
    c->ldo = c->d + roll_below(d, 9);
    c->a = case_floats(d, c->rows * c->lda);
    c->b = case_floats(d, c->n * c->ldb);
    case_output(d, c, c->rows * c->ldo);
}
static inline void call_weighted_rows(const fm_kernels *k, case_data *c) {
    k->weighted_rows(c->a, c->rows, c->lda, c->b, c->n, c->ldb, c->d, case_out(c), c->ldo);
}

/* ---- products of learning: rows of x, d panels, n words ------------------------------------------ */

/* Words of random floats, special ones among them, some so small that their products are subnormal. */
static inline uint32_t *case_words(dice *d, fm_word_form form, int64_t n) {
    int64_t numbers = form == FM_WORDS_BF16 ? 2 * n : n;
    float *x = case_floats(d, numbers);
    for (int64_t i = 0; i < numbers; i++)
        if (roll(d) % 4 == 0) x[i] *= 0x1p-64f;
    uint32_t *words = malloc((size_t)(n + 1) * sizeof *words);
    assert_non_null(words);
    fm_kernels_get(FM_CPU_REF)->words_of_row[form](x, numbers, words);
    free(x);
    return words;
}

/* `alias` stands for rows of x in a panel, k0 for the columns of y. */
static inline void make_words_product(dice *d, case_data *c, fm_word_form form) {
    c->d = 1 + c->d % FM_TILE_PANELS;
    c->n %= 600;
    if (c->alias && c->rows > FM_PANEL) c->rows %= FM_PANEL + 1;
    c->k0 = (c->d - 1) * FM_PANEL + 1 + roll_below(d, FM_PANEL);
    c->lda = c->n + roll_below(d, 9);
    c->ldb = c->n * FM_PANEL + roll_below(d, 9);
    c->ldo = c->k0 + roll_below(d, 9);
    c->a = (float *)(void *)case_words(d, form, c->alias ? c->n * FM_PANEL : c->rows * c->lda);
    c->b = (float *)(void *)case_words(d, form, c->d * c->ldb);
    case_output(d, c, c->rows * c->ldo);
    for (int64_t i = 0; i < c->out_floats; i++)
        if (roll(d) % 4 == 0) c->start[i] *= 0x1p-126f;
}
static inline void call_words_product(const fm_kernels *k, case_data *c, fm_word_form form) {
    k->words_product[form](&(fm_words_block){.n = c->n,
                                             .x = (const uint32_t *)(const void *)c->a,
                                             .x_row = c->alias ? 1 : c->lda,
                                             .x_word = c->alias ? FM_PANEL : 1,
                                             .rows = c->rows,
                                             .w = (const uint32_t *)(const void *)c->b,
                                             .w_panel = c->ldb,
                                             .n_panels = (int)c->d,
                                             .columns = c->k0,
                                             .y = case_out(c),
                                             .ldy = c->ldo,
                                             .adds = c->lda % 2 == 0});
}

/* What is packed: rows, of which d and then n remain, or columns; k0 words to a panel. */
static inline void make_words(dice *d, case_data *c) {
    c->rows = 1 + roll_below(d, FM_PANEL);
    c->d = 1 + c->d % 200;
    c->lda = (c->n > c->d ? c->n : c->d) + roll_below(d, 9);
    int64_t rows = c->n > c->rows ? c->n : c->rows;
    c->a = case_floats(d, rows * c->lda);
    c->k0 = c->n * FM_PANEL + roll_below(d, 9);
    case_output(d, c, (c->d + FM_PANEL - 1) / FM_PANEL * c->k0 + c->n * FM_PANEL);
}
#define CASE_WORDS(name, id)                                                                       \
    static inline void make_words_product_##name(dice *d, case_data *c) {                          \
        make_words_product(d, c, FM_WORDS_##id);                                                   \
    }                                                                                              \
    static inline void call_words_product_##name(const fm_kernels *k, case_data *c) {              \
        call_words_product(k, c, FM_WORDS_##id);                                                   \
    }                                                                                              \
    static inline void call_words_of_row_##name(const fm_kernels *k, case_data *c) {               \
        k->words_of_row[FM_WORDS_##id](c->a, c->n, (uint32_t *)(void *)case_out(c));               \
    }                                                                                              \
    static inline void call_words_of_rows_##name(const fm_kernels *k, case_data *c) {              \
        k->words_of_rows[FM_WORDS_##id](c->a, c->lda, c->rows, c->n,                               \
                                        (uint32_t *)(void *)case_out(c));                          \
    }                                                                                              \
    static inline void call_words_of_columns_##name(const fm_kernels *k, case_data *c) {           \
        k->words_of_columns[FM_WORDS_##id](c->a, c->lda, NULL, c->n, c->d,                         \
                                           (uint32_t *)(void *)case_out(c), c->k0);                \
    }
CASE_WORDS(f32, F32)
CASE_WORDS(bf16, BF16)
#undef CASE_WORDS

/* ---- backwards ---------------------------------------------------------------------------------- */

/* Inputs a, b, c and two or three outputs side by side. */
static inline void make_backward(dice *d, case_data *c) {
    c->a = case_floats(d, c->n);
    c->b = case_floats(d, c->n);
    c->c = case_floats(d, c->n);
    c->ldo = c->n + 5;
    case_output(d, c, 3 * c->ldo);
}
static inline void call_swiglu_backward(const fm_kernels *k, case_data *c) {
    k->swiglu_backward(c->a, c->b, c->c, c->n, case_out(c), case_out(c) + c->ldo);
}
static inline void call_rmsnorm_backward(const fm_kernels *k, case_data *c) {
    k->rmsnorm_backward(c->a, c->b, 0.6f, c->c, c->n, case_out(c), case_out(c) + c->ldo);
    k->rmsnorm_backward(c->b, c->a, 1.3f, c->c, c->n, case_out(c) + 2 * c->ldo, NULL);
}
static inline void call_softmax_backward(const fm_kernels *k, case_data *c) {
    k->softmax_backward(c->a, 0.3f, c->n, case_out(c));
}
static inline void call_dot(const fm_kernels *k, case_data *c) { c->value = k->dot(c->a, c->b, c->n); }
static inline void call_adamw(const fm_kernels *k, case_data *c) {
    const fm_adamw a = {.gradient_scale = 0.7f, .beta1 = 0.9f, .beta2 = 0.95f, .epsilon = 1e-8f,
                        .rate = 1e-3f, .second = 2.1f, .keep = 0.9999f};
    k->adamw(&a, c->a, c->n, case_out(c), case_out(c) + c->ldo, case_out(c) + 2 * c->ldo);
}

/* ---- the list ---------------------------------------------------------------------------------- */

#define CASE_DIFFERS(member)                                                                       \
    static inline bool differs_##member(const fm_kernels *k, const fm_kernels *below,              \
                                        const case_data *c) {                                      \
        (void)c;                                                                                   \
        return k->member != below->member;                                                         \
    }
CASE_DIFFERS(tile_fma)
CASE_DIFFERS(turned_fma)
CASE_DIFFERS(weighted_rows)
CASE_DIFFERS(max)
CASE_DIFFERS(exp_sum)
CASE_DIFFERS(sigmoid)
CASE_DIFFERS(swiglu)
CASE_DIFFERS(rmsnorm)
CASE_DIFFERS(add)
CASE_DIFFERS(axpy)
CASE_DIFFERS(scale)
CASE_DIFFERS(rotate)
CASE_DIFFERS(bf16_from_float)
CASE_DIFFERS(swiglu_backward)
CASE_DIFFERS(rmsnorm_backward)
CASE_DIFFERS(softmax_backward)
CASE_DIFFERS(dot)
CASE_DIFFERS(adamw)
CASE_DIFFERS(int8_from_float)
#undef CASE_DIFFERS
static inline bool differs_words(const fm_kernels *k, const fm_kernels *below, const case_data *c) {
    (void)c;
    return k->words_product[FM_WORDS_BF16] != below->words_product[FM_WORDS_BF16];
}
static inline bool differs_unpack(const fm_kernels *k, const fm_kernels *below, const case_data *c) {
    return k->unpack[c->layout] != below->unpack[c->layout];
}
static inline bool differs_row_product(const fm_kernels *k, const fm_kernels *below,
                                       const case_data *c) {
    return k->row_product[c->layout] != below->row_product[c->layout];
}

static inline bool differs_codes_from_float(const fm_kernels *k, const fm_kernels *below,
                                            const case_data *c) {
    (void)c;
    return k->codes_from_float[0] != below->codes_from_float[0];
}
static inline bool differs_codes_product(const fm_kernels *k, const fm_kernels *below,
                                         const case_data *c) {
    return k->codes_product[0][c->layout] != below->codes_product[0][c->layout];
}

static inline bool differs_rows(const fm_kernels *k, const fm_kernels *below, const case_data *c) {
    (void)c;
    return k->rows_to_panel[0] != below->rows_to_panel[0];
}

static inline bool differs_pairs(const fm_kernels *k, const fm_kernels *below, const case_data *c) {
    (void)c;
    return k->exp_pairs != below->exp_pairs;
}

static inline double macs_rows_n_d(const case_data *c) {
    return (double)c->rows * (double)c->n * (double)c->d;
}
static inline double macs_tile(const case_data *c) { return macs_rows_n_d(c) * FM_PANEL; }
static inline double macs_pairs(const case_data *c) { return 2 * macs_tile(c); }
static inline double macs_unpack(const case_data *c) {
    return (double)tile_columns(c) * (double)c->d;
}
static inline double bytes_unpack(const case_data *c) {
    return (double)fm_tensor_bytes(&c->tensor.t) * (double)tile_columns(c) / (double)c->n;
}
static inline double bytes_rows(const case_data *c) { return 4.0 * (double)(c->n * c->d); }
static inline double macs_n_d(const case_data *c) { return (double)c->n * (double)c->d; }
static inline double bytes_2_vectors(const case_data *c) { return 8 * (double)c->n; }
static inline double bytes_3_vectors(const case_data *c) { return 12 * (double)c->n; }
static inline double bytes_attention(const case_data *c) { return 4 * (double)c->n * (double)c->d; }
static inline double bytes_7_vectors(const case_data *c) { return 28 * (double)c->n; }
static inline double bytes_packed(const case_data *c) {
    return 4.0 * (double)c->n * (double)(c->rows > 1 ? c->rows : 1);
}
static inline double bytes_columns(const case_data *c) { return 4.0 * (double)(c->n * c->d); }
static inline double bytes_weight(const case_data *c) {
    return (double)fm_tensor_bytes(&c->tensor.t);
}

#define CASE_WEIGHTS(UNPACK, ROW)                                                                  \
    UNPACK("unpack f32", F32) UNPACK("unpack f16", F16) UNPACK("unpack bf16", BF16)                \
    UNPACK("unpack q8_0", Q8_0) UNPACK("unpack q4_0", Q4_0) UNPACK("unpack q4_1", Q4_1)            \
    UNPACK("unpack q5_0", Q5_0) UNPACK("unpack q5_1", Q5_1) UNPACK("unpack iq4_nl", IQ4_NL)        \
    UNPACK("unpack iq4_xs", IQ4_XS) ROW("row q5_0", Q5_0) ROW("row q5_1", Q5_1)                    \
    ROW("row iq4_nl", IQ4_NL) ROW("row iq4_xs", IQ4_XS)                                            \
    UNPACK("unpack q2_k", Q2_K) UNPACK("unpack q3_k", Q3_K) UNPACK("unpack mxfp4", MXFP4)          \
    ROW("row q2_k", Q2_K) ROW("row q3_k", Q3_K) ROW("row mxfp4", MXFP4)                            \
    UNPACK("unpack q4_k", Q4_K) UNPACK("unpack q5_k", Q5_K) UNPACK("unpack q6_k", Q6_K)            \
    UNPACK("unpack f8", F8_E4M3) ROW("row f32", F32) ROW("row f16", F16) ROW("row bf16", BF16)     \
    UNPACK("unpack tcq4", TCQ4) ROW("row tcq4", TCQ4)                                              \
    ROW("row q8_0", Q8_0) ROW("row q4_0", Q4_0) ROW("row q4_1", Q4_1) ROW("row q4_k", Q4_K)        \
    ROW("row q5_k", Q5_K) ROW("row q6_k", Q6_K) ROW("row f8", F8_E4M3)                             \
    UNPACK("unpack tq1_0", TQ1_0) UNPACK("unpack tq2_0", TQ2_0) UNPACK("unpack iq1_s", IQ1_S)      \
    UNPACK("unpack iq1_m", IQ1_M) UNPACK("unpack iq2_xxs", IQ2_XXS)                                \
    UNPACK("unpack iq2_xs", IQ2_XS) UNPACK("unpack iq2_s", IQ2_S)                                  \
    UNPACK("unpack iq3_xxs", IQ3_XXS) UNPACK("unpack iq3_s", IQ3_S)                                \
    ROW("row tq1_0", TQ1_0) ROW("row tq2_0", TQ2_0) ROW("row iq1_s", IQ1_S)                        \
    ROW("row iq1_m", IQ1_M) ROW("row iq2_xxs", IQ2_XXS) ROW("row iq2_xs", IQ2_XS)                  \
    ROW("row iq2_s", IQ2_S) ROW("row iq3_xxs", IQ3_XXS) ROW("row iq3_s", IQ3_S)

#define CASE_UNPACK(name, id)                                                                      \
    {name, NULL, call_unpack, differs_unpack, 1, 1023, 64, macs_unpack, bytes_unpack, FM_DTYPE_##id},
#define CASE_AS_IS(name, id)                                                                       \
    {name, NULL, call_unpack_rows, differs_unpack, 1, 1023, 64, macs_unpack, bytes_unpack,             \
     FM_DTYPE_##id},
#define CASE_ROW(name, id)                                                                         \
    {name, NULL, call_row_product, differs_row_product, 1, 2047, 1408, macs_n_d, bytes_weight,     \
     FM_DTYPE_##id},
#define CASE_CODES(name, id, rows)                                                                 \
    {"codes " name, NULL, call_codes8_product, differs_codes_product, rows, 2047, 128, macs_rows_n_d,  \
     bytes_weight, FM_DTYPE_##id},                                                                 \
        {"codes16 " name, NULL, call_codes16_product, differs_codes_product, rows, 2047, 128,      \
         macs_rows_n_d, bytes_weight, FM_DTYPE_##id},
/* Many rows, and one. */
#define CASE_BOTH_CODES(name, id) CASE_CODES(name, id, 24) CASE_CODES("row " name, id, 1)
#define CASE_ALL_CODES(CODES)                                                                      \
    CODES("q8_0", Q8_0) CODES("q4_0", Q4_0) CODES("q4_1", Q4_1) CODES("q5_0", Q5_0)                \
    CODES("q5_1", Q5_1) CODES("q2_k", Q2_K) CODES("q3_k", Q3_K) CODES("q4_k", Q4_K)                \
    CODES("q5_k", Q5_K) CODES("q6_k", Q6_K) CODES("iq4_nl", IQ4_NL) CODES("iq4_xs", IQ4_XS)        \
    CODES("tcq4", TCQ4) CODES("mxfp4", MXFP4)                                                      \
    CODES("tq1_0", TQ1_0) CODES("tq2_0", TQ2_0) CODES("iq1_s", IQ1_S) CODES("iq1_m", IQ1_M)        \
    CODES("iq2_xxs", IQ2_XXS) CODES("iq2_xs", IQ2_XS) CODES("iq2_s", IQ2_S)                        \
    CODES("iq3_xxs", IQ3_XXS) CODES("iq3_s", IQ3_S)
#define VECTOR(name, make, call, differs, bytes)                                                   \
    {name, make, call, differs, 1, 4096, 1, NULL, bytes, FM_DTYPE_F32}

/* Floats made per second. */
#define CASE_KEPT(name, make, call)                                                                \
    {name, make, call, differs_rows, 1, 16, FM_TILE_K, macs_n_d, bytes_rows, FM_DTYPE_F32},

#define CASE_WORDS(name, form, macs)                                                               \
    {name " product", make_words_product_##form, call_words_product_##form, differs_words, 48, 96, \
     3, macs, NULL, FM_DTYPE_F32},                                                                 \
    {name " of row", make_words, call_words_of_row_##form, differs_words, 1, 4096, 1, NULL,        \
     bytes_packed, FM_DTYPE_F32},                                                                  \
    {name " of rows", make_words, call_words_of_rows_##form, differs_words, 16, 512, 1, NULL,      \
     bytes_packed, FM_DTYPE_F32},                                                                  \
    {name " of columns", make_words, call_words_of_columns_##form, differs_words, 1, 128, 127, NULL, \
     bytes_columns, FM_DTYPE_F32},

/* `make` is NULL for the cases with weights: make_weight packs the dtype. */
static const kernel_case kernel_cases[] = {
    {"tile_fma", make_tile_fma, call_tile_fma, differs_tile_fma, 48, 128, 3, macs_tile, NULL,
     FM_DTYPE_F32},
    CASE_KEPT("rows f32, kept", make_rows, call_rows_f32) CASE_KEPT("rows bf16, kept", make_rows, call_rows_bf16)
    CASE_KEPT("rows int8, kept", make_rows, call_rows_int8) CASE_KEPT("panel f32", make_rows, call_panel_f32)
    CASE_KEPT("panel bf16", make_rows, call_panel_bf16) CASE_KEPT("panel int8", make_rows, call_panel_int8)
    {"words, pairs of rows", make_rows, call_pairs_of_rows, differs_pairs, 1, 16, FM_TILE_K, macs_n_d, bytes_rows,
     FM_DTYPE_F32},
    {"words, pairs of columns", make_rows, call_pairs_of_columns, differs_pairs, 1, 16, FM_TILE_K, macs_n_d,
     bytes_rows, FM_DTYPE_F32},
    {"turned_fma", make_turned_fma, call_turned_fma, differs_turned_fma, 1, 128, 15, macs_rows_n_d, NULL,
     FM_DTYPE_F32},
    {"weighted_rows", make_weighted_rows, call_weighted_rows, differs_weighted_rows, 16, 256, 512,
     macs_rows_n_d, bytes_attention, FM_DTYPE_F32},
    {"weighted_rows, 1", make_weighted_rows, call_weighted_rows, differs_weighted_rows, 1, 256, 128,
     macs_rows_n_d, bytes_attention, FM_DTYPE_F32},
    VECTOR("max", make_vectors, call_max, differs_max, NULL),
    VECTOR("exp_sum", make_vectors, call_exp_sum, differs_exp_sum, bytes_2_vectors),
    VECTOR("words, exp_pairs", make_vectors, call_exp_pairs, differs_pairs, bytes_2_vectors),
    VECTOR("sigmoid", make_vectors, call_sigmoid, differs_sigmoid, bytes_2_vectors),
    VECTOR("swiglu", make_vectors, call_swiglu, differs_swiglu, bytes_3_vectors),
    VECTOR("swiglu over up", make_vectors, call_swiglu_over_up, differs_swiglu, bytes_3_vectors),
    VECTOR("rmsnorm", make_vectors, call_rmsnorm, differs_rmsnorm, bytes_3_vectors),
    VECTOR("add", make_vectors, call_add, differs_add, bytes_3_vectors),
    VECTOR("axpy", make_vectors, call_axpy, differs_axpy, bytes_3_vectors),
    VECTOR("scale", make_vectors, call_scale, differs_scale, bytes_2_vectors),
    VECTOR("rotate pairs", make_rotation, call_rotate_pairs, differs_rotate, bytes_3_vectors),
    VECTOR("rotate halves", make_rotation, call_rotate_halves, differs_rotate, bytes_3_vectors),
    VECTOR("bf16_from_float", make_vectors, call_bf16_from_float, differs_bf16_from_float, NULL),
    VECTOR("swiglu_backward", make_backward, call_swiglu_backward, differs_swiglu_backward,
           bytes_7_vectors),
    VECTOR("rmsnorm_backward", make_backward, call_rmsnorm_backward, differs_rmsnorm_backward, NULL),
    VECTOR("softmax_backward", make_backward, call_softmax_backward, differs_softmax_backward,
           bytes_3_vectors),
    VECTOR("dot", make_backward, call_dot, differs_dot, bytes_2_vectors),
    VECTOR("adamw", make_backward, call_adamw, differs_adamw, bytes_7_vectors),
    CASE_WORDS("words f32", f32, macs_tile) CASE_WORDS("words bf16", bf16, macs_pairs)
    VECTOR("int8_from_float", make_int8, call_int8_from_float, differs_int8_from_float, NULL),
    VECTOR("codes_from_float", make_vectors, call_codes8_from_float, differs_codes_from_float, NULL),
    VECTOR("codes16_from_float", make_vectors, call_codes16_from_float, differs_codes_from_float, NULL),
    CASE_WEIGHTS(CASE_UNPACK, CASE_ROW)
    CASE_ALL_CODES(CASE_BOTH_CODES)
    /* The file's own rows. */
    CASE_AS_IS("rows f32", F32) CASE_AS_IS("rows f16", F16) CASE_AS_IS("rows bf16", BF16)
    CASE_AS_IS("rows q8_0", Q8_0) CASE_AS_IS("rows q4_0", Q4_0) CASE_AS_IS("rows q4_k", Q4_K)
    CASE_AS_IS("rows q6_k", Q6_K) CASE_AS_IS("rows f8", F8_E4M3) CASE_AS_IS("rows iq4_xs", IQ4_XS)
    CASE_AS_IS("rows q2_k", Q2_K) CASE_AS_IS("rows iq2_xs", IQ2_XS)
    CASE_AS_IS("rows iq1_s", IQ1_S) CASE_AS_IS("rows iq1_m", IQ1_M)
    CASE_AS_IS("rows iq2_xxs", IQ2_XXS) CASE_AS_IS("rows iq2_s", IQ2_S)
    CASE_AS_IS("rows iq3_xxs", IQ3_XXS) CASE_AS_IS("rows iq3_s", IQ3_S)
    CASE_AS_IS("rows tq1_0", TQ1_0) CASE_AS_IS("rows tq2_0", TQ2_0)
};

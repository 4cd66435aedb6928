/* codes_support.h: a weight, rows of x as codes of either form, and what a product of them must be. */
#pragma once

#include "kernel_support.h"

#include "kernel/matmul.h"
#include "pack/pack.h"

enum { GUARD = 24 };

typedef struct fixture {
    random_tensor tensor;
    fm_weight w;
    int64_t rows, ldx, ldy; /* ldx in blocks */
    fm_codes_form form;
    float *x;               /* [rows, n_in] */
    char *codes;
    float *y;               /* of the reference */
    float *scratch;
} fixture;

static inline bool multiplies(int dtype) {
    fm_layout layout = fm_layout_for(&(fm_tensor){.dtype = (fm_dtype)dtype});
    return fm_kernels_get(FM_CPU_REF)->codes_product[FM_CODES_8][layout] != NULL;
}

static inline size_t row_bytes(const fixture *f) {
    return (size_t)f->ldx * fm_codes_block_bytes(f->form);
}

/* The block of row m that holds column k. */
static inline const fm_codes *block_at(const fixture *f, int64_t m, int64_t k) {
    size_t at = (size_t)(k / FM_CODES) * fm_codes_block_bytes(f->form);
    return (const void *)(f->codes + (size_t)m * row_bytes(f) + at);
}

/* Code k of a block, in its own order. */
static inline int code_at(fm_codes_form form, const fm_codes *b, int k) {
    int place = fm_codes_place(k);
    return form == FM_CODES_8 ? b->code[place]
                              : 256 * b->code[place] + ((const fm_codes16 *)(const void *)b)->second[place];
}

/* Writes the codes of all rows. */
static inline void quantise(const fm_kernels *k, fixture *f) {
    memset(f->codes, 0x55, (size_t)f->rows * row_bytes(f) + 1);
    for (int64_t m = 0; m < f->rows; m++)
        k->codes_from_float[f->form](f->x + m * f->w.n_in, f->w.n_in, f->codes + (size_t)m * row_bytes(f));
}

static inline fixture make(dice *d, fm_codes_form form, int dtype, int64_t n_out, int64_t n_in, int64_t rows) {
    fm_error err;
    fixture f = {.tensor = roll_tensor(d, (fm_dtype)dtype, n_out, n_in, false), .rows = rows,
                 .form = form};
    if (dtype == FM_DTYPE_MXFP4) /* scales of any byte would overflow: 2^-20 to 2^11 */
        for (int64_t i = 0; i < n_out * n_in / 32; i++)
            ((uint8_t *)f.tensor.data)[17 * i] = (uint8_t)(107 + roll_below(d, 32));
    fm_weight_init(&f.w, "w", &f.tensor.t);
    assert_ok(fm_weight_pack(&f.w, NULL, NULL, &err));
    f.ldx = fm_codes_blocks(n_in) + roll_below(d, 3);
    f.ldy = n_out + roll_below(d, 20);
    f.x = malloc((size_t)(rows * n_in + 1) * sizeof *f.x);
    f.codes = malloc((size_t)rows * row_bytes(&f) + 1);
    f.y = malloc((size_t)(rows * f.ldy + 1) * sizeof *f.y);
    f.scratch = fm_alloc(FM_MATMUL_SCRATCH * sizeof *f.scratch, FM_MEM_OTHER);
    assert_true(f.x && f.codes && f.y && f.scratch);
    for (int64_t i = 0; i < rows * n_in; i++) /* blocks of many magnitudes, and of outliers */
        f.x[i] = roll_float(d) * ldexpf(1, (int)(i / FM_CODES % 7) - 3) * (roll(d) % 50 ? 1 : 20);
    quantise(fm_kernels_get(FM_CPU_REF), &f);
    return f;
}

static inline void release(fixture *f) {
    free(f->x);
    free(f->codes);
    free(f->y);
    fm_free(f->scratch);
    fm_weight_clear(&f->w);
    free_tensor(&f->tensor);
}

/* Rows [first, first + count) in two pieces of panels, nothing written outside. */
static inline void expect_rows(const fixture *f, const fm_kernels *k, int64_t first, int64_t count) {
    const fm_panels *w = &f->w.panels;
    int64_t total = count * f->ldy + GUARD, panels = fm_panel_count(w), cut = panels / 3;
    float *y = malloc((size_t)total * sizeof *y);
    assert_non_null(y);
    for (int64_t i = 0; i < total; i++) y[i] = fm_float_from_bits(0x7fa00000u + (uint32_t)i);
    memset(f->scratch, 0xff, FM_MATMUL_SCRATCH * sizeof *f->scratch);
    const char *x = f->codes + (size_t)first * row_bytes(f);
    fm_matmul_codes(k, f->form, w, 0, cut, x, f->ldx, count, y, f->ldy, f->scratch);
    fm_matmul_codes(k, f->form, w, cut, panels, x, f->ldx, count, y, f->ldy, f->scratch);
    for (int64_t i = 0; i < total; i++) {
        int64_t m = i / f->ldy, n = i % f->ldy;
        bool inside = m < count && n < f->w.n_out;
        float expected = inside ? f->y[(first + m) * f->ldy + n]
                                : fm_float_from_bits(0x7fa00000u + (uint32_t)i);
        if (inside ? !same_float(y[i], expected) : fm_float_bits(y[i]) != fm_float_bits(expected))
            fail_msg("%s, %s: [%lld, %lld], row %lld of %lld, column %lld is %a, not %a", k->name,
                     fm_layout_name(w->layout), (long long)f->w.n_out, (long long)f->w.n_in,
                     (long long)m, (long long)count, (long long)n, (double)y[i], (double)expected);
    }
    free(y);
}

/* codes_support.h: a weight, rows of x as codes once or twice, and what a product of them must be. */
#pragma once

#include "kernel_support.h"

#include "kernel/matmul.h"
#include "pack/pack.h"

enum { GUARD = 24 };

typedef struct fixture {
    random_tensor tensor;
    fm_weight w;
    int64_t rows, blocks, ldx, ldy; /* ldx in blocks */
    int times;                      /* rows of codes to a row of x */
    float *x;                       /* [rows, n_in] */
    fm_codes *codes;
    float *y;                       /* of the reference */
    float *scratch;
} fixture;

typedef __typeof__(fm_matmul_codes) code_product;

static inline bool multiplies(int dtype) {
    fm_layout layout = fm_layout_for(&(fm_tensor){.dtype = (fm_dtype)dtype});
    return fm_kernels_get(FM_CPU_REF)->codes_product[layout] != NULL;
}

/* Writes the codes of all rows. Twice: the second row of codes lies ldx / 2 behind the first. */
static inline void quantise(const fm_kernels *k, fixture *f) {
    memset(f->codes, 0x55, (size_t)(f->rows * f->ldx + 1) * sizeof *f->codes);
    for (int64_t m = 0; m < f->rows; m++) {
        const float *x = f->x + m * f->w.n_in;
        fm_codes *codes = f->codes + m * f->ldx;
        if (f->times == 1)
            k->codes_from_float(x, f->w.n_in, codes);
        else
            fm_codes_twice_from_float(k, x, f->w.n_in, codes, codes + f->ldx / 2);
    }
}

static inline fixture make(dice *d, int times, int dtype, int64_t n_out, int64_t n_in, int64_t rows) {
    fm_error err;
    fixture f = {.tensor = roll_tensor(d, (fm_dtype)dtype, n_out, n_in, false), .rows = rows,
                 .blocks = fm_codes_blocks(n_in), .times = times};
    if (dtype == FM_DTYPE_MXFP4) /* scales of any byte would overflow: 2^-20 to 2^11 */
        for (int64_t i = 0; i < n_out * n_in / 32; i++)
            ((uint8_t *)f.tensor.data)[17 * i] = (uint8_t)(107 + roll_below(d, 32));
    fm_weight_init(&f.w, "w", &f.tensor.t);
    assert_ok(fm_weight_pack(&f.w, NULL, NULL, &err));
    f.ldx = times * (f.blocks + roll_below(d, 3));
    f.ldy = n_out + roll_below(d, 20);
    f.x = malloc((size_t)(rows * n_in + 1) * sizeof *f.x);
    f.codes = malloc((size_t)(rows * f.ldx + 1) * sizeof *f.codes);
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
    const fm_codes *x = f->codes + first * f->ldx;
    code_product *multiply = f->times == 1 ? fm_matmul_codes : fm_matmul_codes_twice;
    multiply(k, w, 0, cut, x, f->ldx, count, y, f->ldy, f->scratch);
    multiply(k, w, cut, panels, x, f->ldx, count, y, f->ldy, f->scratch);
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

/* test_matmul.c: a matrix product is one chain of fused multiply-adds per element, whatever the
 * layout, the number of rows and the CPU level. */
#include "kernel_support.h"

#include "kernel/matmul.h"
#include "pack/pack.h"

enum { GUARD = 24 };

/* The definition, straight from panel.h. */
static void define_product(const fm_tensor *t, const float *x, int64_t ldx, int64_t rows, float *y,
                           int64_t ldy) {
    int64_t n_out = fm_tensor_rows(t), n_in = fm_tensor_columns(t);
    float *w = malloc((size_t)n_in * sizeof *w);
    assert_non_null(w);
    for (int64_t n = 0; n < n_out; n++) {
        fm_tensor_decode_row(t, n, w);
        for (int64_t m = 0; m < rows; m++) {
            float sum = 0;
            for (int64_t k = 0; k < n_in; k++) sum = fmaf(x[m * ldx + k], w[k], sum);
            y[m * ldy + n] = sum;
        }
    }
    free(w);
}

typedef struct shape {
    int64_t n_out, n_in, rows;
} shape;

static void expect_product(const fm_kernels *k, const fm_weight *w, shape s, const float *x,
                           int64_t ldx, const float *expected, int64_t ldy, float *scratch) {
    int64_t total = s.rows * ldy + GUARD;
    float *y = malloc((size_t)total * sizeof *y);
    assert_non_null(y);
    /* Poison: what must not be read, and what must not be written. */
    for (int64_t i = 0; i < total; i++) y[i] = fm_float_from_bits(0x7fa00000u + (uint32_t)i);
    memset(scratch, 0xff, FM_MATMUL_SCRATCH * sizeof *scratch);
    int64_t panels = fm_panel_count(&w->panels), cut = panels / 3;
    fm_matmul(k, &w->panels, 0, cut, x, ldx, s.rows, y, ldy, scratch);
    fm_matmul(k, &w->panels, cut, panels, x, ldx, s.rows, y, ldy, scratch);
    for (int64_t i = 0; i < total; i++) {
        int64_t m = i / ldy, n = i % ldy;
        if (m < s.rows && n < s.n_out) {
            if (!same_float(y[i], expected[m * ldy + n]))
                fail_msg("%s, %s: [%lld, %lld] x %lld rows: y[%lld][%lld] is %a, not %a", k->name,
                         fm_layout_name(w->panels.layout), (long long)s.n_out, (long long)s.n_in,
                         (long long)s.rows, (long long)m, (long long)n, (double)y[i],
                         (double)expected[m * ldy + n]);
        } else if (fm_float_bits(y[i]) != 0x7fa00000u + (uint32_t)i) {
            fail_msg("%s, %s: wrote outside y at row %lld, column %lld", k->name,
                     fm_layout_name(w->panels.layout), (long long)m, (long long)n);
        }
    }
    free(y);
}

/* All levels, packed and unpacked, against the definition; then each row alone. */
static void check_weight(dice *d, const fm_tensor *t, int64_t rows) {
    fm_error err;
    fm_weight as_is, packed;
    fm_weight_init(&as_is, "as_is", t);
    fm_weight_init(&packed, "packed", t);
    assert_ok(fm_weight_pack(&packed, NULL, NULL, &err));
    shape s = {packed.n_out, packed.n_in, rows};
    int64_t ldx = s.n_in + roll_below(d, 20), ldy = s.n_out + roll_below(d, 20);
    float *x = calloc((size_t)(rows * ldx) + 1, sizeof *x);
    float *expected = calloc((size_t)(rows * ldy) + 1, sizeof *expected);
    float *scratch = fm_alloc(FM_MATMUL_SCRATCH * sizeof *scratch, FM_MEM_OTHER);
    assert_true(x && expected && scratch);
    roll_floats(d, x, rows * ldx);
    define_product(t, x, ldx, rows, expected, ldy);
    for (int level = 0; level < levels_here(); level++) {
        const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
        expect_product(k, &as_is, s, x, ldx, expected, ldy, scratch);
        expect_product(k, &packed, s, x, ldx, expected, ldy, scratch);
        for (int64_t m = 0; m < rows; m++)
            expect_product(k, &packed, (shape){s.n_out, s.n_in, 1}, x + m * ldx, ldx,
                           expected + m * ldy, ldy, scratch);
    }
    free(x);
    free(expected);
    fm_free(scratch);
    fm_weight_clear(&packed);
}

/* ---- with the transpose ------------------------------------------------------------------------ */

/* t turned, as floats. Borrows `values`. */
static fm_tensor turned(const fm_tensor *t, float *values) {
    int64_t n_out = fm_tensor_rows(t), n_in = fm_tensor_columns(t);
    float *row = malloc((size_t)n_in * sizeof *row);
    fm_tensor out;
    fm_error err;
    assert_non_null(row);
    for (int64_t n = 0; n < n_out; n++) {
        fm_tensor_decode_row(t, n, row);
        for (int64_t k = 0; k < n_in; k++) values[k * n_out + n] = row[k];
    }
    free(row);
    assert_ok(fm_tensor_init(&out, FM_DTYPE_F32, 2, (const int64_t[]){n_in, n_out}, values, NULL, &err));
    return out;
}

/* All column tiles, in two calls; nothing else in y may change. */
static void expect_transposed(const fm_kernels *k, const fm_weight *w, int64_t rows, const float *x,
                              int64_t ldx, const float *expected, int64_t ldy, float *scratch) {
    int64_t total = rows * ldy + GUARD, tiles = fm_column_tiles(&w->panels), cut = tiles / 2;
    float *y = malloc((size_t)total * sizeof *y);
    assert_non_null(y);
    for (int64_t i = 0; i < total; i++) y[i] = fm_float_from_bits(0x7fa00000u + (uint32_t)i);
    memset(scratch, 0xff, FM_MATMUL_SCRATCH * sizeof *scratch);
    fm_matmul_transposed(k, &w->panels, 0, cut, x, ldx, rows, y, ldy, scratch);
    fm_matmul_transposed(k, &w->panels, cut, tiles, x, ldx, rows, y, ldy, scratch);
    for (int64_t i = 0; i < total; i++) {
        bool inside = i / ldy < rows && i % ldy < w->n_in;
        if (inside ? !same_float(y[i], expected[i]) : fm_float_bits(y[i]) != 0x7fa00000u + (uint32_t)i)
            fail_msg("%s, %s: [%lld, %lld] transposed x %lld rows: y[%lld][%lld] is %a, not %a", k->name,
                     fm_layout_name(w->panels.layout), (long long)w->n_out, (long long)w->n_in,
                     (long long)rows, (long long)(i / ldy), (long long)(i % ldy), (double)y[i],
                     inside ? (double)expected[i] : 0);
    }
    free(y);
}

/* All levels, packed and unpacked, many rows and each alone. Behind the columns of x lie NaN. */
static void check_transposed(dice *d, const fm_tensor *t, int64_t rows) {
    fm_error err;
    fm_weight as_is, packed;
    fm_weight_init(&as_is, "as_is", t);
    fm_weight_init(&packed, "packed", t);
    assert_ok(fm_weight_pack(&packed, NULL, NULL, &err));
    int64_t n_out = packed.n_out, n_in = packed.n_in;
    int64_t ldx = n_out + 1 + roll_below(d, 20), ldy = n_in + roll_below(d, 20);
    float *x = calloc((size_t)(rows * ldx), sizeof *x), *expected = calloc((size_t)(rows * ldy), sizeof *x);
    float *values = malloc((size_t)(n_out * n_in) * sizeof *values);
    float *scratch = fm_alloc(FM_MATMUL_SCRATCH * sizeof *scratch, FM_MEM_OTHER);
    assert_true(x && expected && values && scratch);
    roll_floats(d, x, rows * ldx);
    for (int64_t i = 0; i < rows * ldx; i++)
        if (i % ldx >= n_out) x[i] = NAN;
    fm_tensor copy = turned(t, values);
    define_product(&copy, x, ldx, rows, expected, ldy);
    for (int level = 0; level < levels_here(); level++) {
        const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
        expect_transposed(k, &as_is, rows, x, ldx, expected, ldy, scratch);
        expect_transposed(k, &packed, rows, x, ldx, expected, ldy, scratch);
        for (int64_t m = 0; m < rows; m++)
            expect_transposed(k, &packed, 1, x + m * ldx, ldx, expected + m * ldy, ldy, scratch);
    }
    free(x);
    free(expected);
    free(values);
    fm_free(scratch);
    fm_weight_clear(&packed);
}

/* ---- the tests ---------------------------------------------------------------------------------- */

static int64_t columns_for(dice *d, fm_dtype dtype) {
    int block = fm_dtype_get(dtype)->block_elements;
    if (block == 1) return 1 + roll_below(d, roll(d) % 4 ? 300 : 5);
    return block * (1 + roll_below(d, block == 32 ? 17 : 4));
}

static void every_dtype_multiplies_as_its_decoded_rows(void **state) {
    (void)state;
    dice d = {.seed = 1};
    static const int64_t outs[] = {1, 15, 16, 17, 64, 65, 150}, row_counts[] = {1, 2, 5, 6, 7, 13};
    for (int dtype = 0; dtype < FM_DTYPE_COUNT; dtype++) {
        bool packs = fm_layout_for(&(fm_tensor){.dtype = (fm_dtype)dtype}) != FM_LAYOUT_ROWS;
        for (int round = 0; round < (packs ? 14 : 4); round++) {
            int64_t n_out = outs[round % (int)FM_COUNT(outs)];
            random_tensor r = roll_tensor(&d, (fm_dtype)dtype, n_out, columns_for(&d, (fm_dtype)dtype),
                                          dtype == FM_DTYPE_F8_E4M3 && round % 3);
            check_weight(&d, &r.t, row_counts[roll_below(&d, FM_COUNT(row_counts))]);
            free_tensor(&r);
        }
    }
}

static void the_transpose_multiplies_as_a_copy_of_it_would(void **state) {
    (void)state;
    dice d = {.seed = 11};
    static const int64_t outs[] = {1, 15, 16, 17, 64, 65, 128, 150}, row_counts[] = {1, 2, 5, 13, 40};
    for (int dtype = 0; dtype < FM_DTYPE_COUNT; dtype++)
        for (int round = 0; round < (int)FM_COUNT(outs); round++) {
            random_tensor r = roll_tensor(&d, (fm_dtype)dtype, outs[round], columns_for(&d, (fm_dtype)dtype),
                                          dtype == FM_DTYPE_F8_E4M3 && round % 3);
            check_transposed(&d, &r.t, row_counts[roll_below(&d, FM_COUNT(row_counts))]);
            free_tensor(&r);
        }
}

static void zero_rows_touch_nothing(void **state) {
    (void)state;
    dice d = {.seed = 2};
    random_tensor r = roll_tensor(&d, FM_DTYPE_F32, 20, 10, false);
    check_weight(&d, &r.t, 0);
    free_tensor(&r);
}

static void long_products_cross_many_tiles(void **state) {
    (void)state;
    dice d = {.seed = 3};
    static const fm_dtype dtypes[] = {FM_DTYPE_BF16, FM_DTYPE_Q4_K, FM_DTYPE_Q6_K, FM_DTYPE_Q8_0,
                                      FM_DTYPE_F8_E4M3, FM_DTYPE_IQ4_XS, FM_DTYPE_Q5_0,
                                      FM_DTYPE_Q3_K, FM_DTYPE_MXFP4, FM_DTYPE_IQ2_XS};
    for (size_t i = 0; i < FM_COUNT(dtypes); i++) {
        random_tensor r = roll_tensor(&d, dtypes[i], 80, 1280, dtypes[i] == FM_DTYPE_F8_E4M3);
        check_weight(&d, &r.t, 50);
        free_tensor(&r);
    }
}

/* Infinities, NaN, subnormals and zeros of both signs in x and in the weights. */
static void special_values_follow_the_same_chain(void **state) {
    (void)state;
    dice d = {.seed = 4};
    for (int round = 0; round < 6; round++) {
        int64_t n_out = 40, n_in = 200, rows = round % 2 ? 1 : 9;
        fm_tensor t;
        fm_error err;
        float *values = malloc((size_t)(n_out * n_in) * sizeof *values);
        assert_non_null(values);
        roll_specials(&d, values, n_out * n_in);
        fm_dtype dtype = round < 3 ? FM_DTYPE_F32 : FM_DTYPE_BF16;
        fm_dtype_get(dtype)->encode(values, values, n_out * n_in); /* narrower in place: safe */
        assert_ok(fm_tensor_init(&t, dtype, 2, (const int64_t[]){n_out, n_in}, values, NULL, &err));
        check_weight(&d, &t, rows);
        free(values);
    }
    /* Every code of E4M3, both NaN codes among them. */
    uint8_t codes[20 * 256];
    for (int i = 0; i < 20 * 256; i++) codes[i] = (uint8_t)(i * 37);
    fm_tensor t = {.dtype = FM_DTYPE_F8_E4M3, .n_dims = 2, .shape = {20, 256, 1, 1}, .data = codes,
                   .row_bytes = 256};
    check_weight(&d, &t, 1);
    const float huge[2] = {0x1p127f, -0x1p-140f};
    t.scales = huge;
    t.scale_columns = 2;
    t.scale_block[0] = t.scale_block[1] = 128;
    check_weight(&d, &t, 1);
}

/* Scales that are infinite, NaN or subnormal, whatever a file may hold: one block to a row, so that
 * few rows drown in NaN. */
static void any_bytes_multiply_as_they_decode(void **state) {
    (void)state;
    dice d = {.seed = 6};
    for (int dtype = 0; dtype < FM_DTYPE_COUNT; dtype++) {
        const fm_dtype_info *info = fm_dtype_get((fm_dtype)dtype);
        random_tensor r = roll_tensor(&d, (fm_dtype)dtype, 160, info->block_elements, false);
        uint8_t *bytes = r.data;
        for (size_t i = 0; i < fm_tensor_bytes(&r.t); i++) bytes[i] = (uint8_t)roll(&d);
        check_weight(&d, &r.t, 2);
        free_tensor(&r);
    }
    uint8_t blocks[256][17]; /* every scale of MXFP4, the two subnormal ones among them */
    for (int e = 0; e < 256; e++)
        for (int i = 0; i < 17; i++) blocks[e][i] = (uint8_t)(i ? e * 16 + i * 31 : e);
    fm_tensor t = {.dtype = FM_DTYPE_MXFP4, .n_dims = 2, .shape = {256, 32, 1, 1}, .data = blocks,
                   .row_bytes = 17};
    check_weight(&d, &t, 3);
}

static void slices_of_scaled_fp8_keep_their_scales(void **state) {
    (void)state;
    dice d = {.seed = 5};
    random_tensor r = roll_tensor(&d, FM_DTYPE_F8_E4M3, 400, 300, true);
    static const int64_t begins[] = {0, 1, 16, 100, 127, 128, 129, 250}, counts[] = {1, 16, 33, 150};
    for (size_t i = 0; i < FM_COUNT(begins); i++)
        for (size_t j = 0; j < FM_COUNT(counts); j++) {
            fm_tensor slice = fm_tensor_slice_rows(&r.t, begins[i], counts[j]);
            check_weight(&d, &slice, 2);
        }
    free_tensor(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype_multiplies_as_its_decoded_rows),
        cmocka_unit_test(the_transpose_multiplies_as_a_copy_of_it_would),
        cmocka_unit_test(zero_rows_touch_nothing),
        cmocka_unit_test(long_products_cross_many_tiles),
        cmocka_unit_test(special_values_follow_the_same_chain),
        cmocka_unit_test(any_bytes_multiply_as_they_decode),
        cmocka_unit_test(slices_of_scaled_fp8_keep_their_scales),
    };
    return cmocka_run_group_tests_name("matmul", tests, NULL, NULL);
}

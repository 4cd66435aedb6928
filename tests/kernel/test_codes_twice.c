/* test_codes_twice.c: products of integers where a row is two rows of codes (codes.h, "Twice"): the sum of
 * the two products to the bit, at every CPU level and for every number of rows, and 16 bits near. */
#include "codes_support.h"

/* By two plain products of the reference and an addition. */
static void define(fixture *f) {
    const fm_kernels *ref = fm_kernels_get(FM_CPU_REF);
    const fm_panels *w = &f->w.panels;
    float *rest = malloc((size_t)(f->rows * f->ldy) * sizeof *rest);
    assert_non_null(rest);
    fm_matmul_codes(ref, w, 0, fm_panel_count(w), f->codes, f->ldx, f->rows, f->y, f->ldy, f->scratch);
    fm_matmul_codes(ref, w, 0, fm_panel_count(w), f->codes + f->ldx / 2, f->ldx, f->rows, rest, f->ldy,
                    f->scratch);
    for (int64_t m = 0; m < f->rows; m++)
        for (int64_t n = 0; n < w->n_out; n++) f->y[m * f->ldy + n] += rest[m * f->ldy + n];
    free(rest);
}

static void every_level_and_every_number_of_rows_gives_the_sum_of_both(void **state) {
    (void)state;
    dice d = {.seed = 11};
    static const int64_t outs[] = {1, 17, 64, 150, 700};
    static const int64_t counts[] = {1, 2, 3, 7, 70};
    for (int dtype = 0; dtype < FM_DTYPE_COUNT; dtype++) {
        if (!multiplies(dtype)) continue;
        int block = fm_dtype_get((fm_dtype)dtype)->block_elements;
        for (int round = 0; round < 10; round++) {
            fixture f = make(&d, 2, dtype, outs[round % (int)FM_COUNT(outs)],
                             block * (1 + roll_below(&d, block == 32 ? 17 : 3)),
                             counts[(round + round / 5) % (int)FM_COUNT(counts)]);
            define(&f);
            for (int level = 0; level < levels_here(); level++) {
                const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
                expect_rows(&f, k, 0, f.rows);
                expect_rows(&f, k, f.rows / 2, 1);
            }
            release(&f);
        }
    }
}

/* The bound of codes.h, with twice the roundings in the sums. */
static void products_are_within_sixteen_bits_of_the_numbers(void **state) {
    (void)state;
    dice d = {.seed = 12};
    for (int dtype = 0; dtype < FM_DTYPE_COUNT; dtype++) {
        if (!multiplies(dtype)) continue;
        fixture f = make(&d, 2, dtype, 40, 1280, 5);
        float *w = malloc((size_t)f.w.n_in * sizeof *w);
        assert_non_null(w);
        define(&f);
        for (int64_t n = 0; n < f.w.n_out; n++) {
            fm_tensor_decode_row(&f.tensor.t, n, w);
            double most = 0;
            for (int64_t k = 0; k < f.w.n_in; k++) most = fmax(most, fabs((double)w[k]));
            for (int64_t m = 0; m < f.rows; m++) {
                double exact = 0, of_x = 0, of_sums = 0;
                for (int64_t k = 0; k < f.w.n_in; k++) {
                    const fm_codes *b = f.codes + m * f.ldx + k / FM_CODES;
                    double x = (double)f.x[m * f.w.n_in + k];
                    exact += x * (double)w[k];
                    of_x += (double)b->scale / 500 * fabs((double)w[k]);
                    of_sums += (double)b->scale * abs(b->code[fm_codes_place((int)(k % FM_CODES))]) *
                               3 * most;
                }
                of_sums *= 0x1p-24 * (4 * (double)f.w.n_in / 16 + 2);
                double y = (double)f.y[m * f.ldy + n];
                if (!(fabs(y - exact) <= of_x + of_sums))
                    fail_msg("%s: y[%lld][%lld] is %g, not %g +- %g", fm_dtype_get((fm_dtype)dtype)->name,
                             (long long)m, (long long)n, y, exact, of_x + of_sums);
            }
        }
        free(w);
        release(&f);
    }
}

static void what_is_no_number_stays_none(void **state) {
    (void)state;
    dice d = {.seed = 13};
    fixture f = make(&d, 2, FM_DTYPE_Q8_0, 20, 768, 3);
    f.x[768 + 500] = INFINITY;
    for (int level = 0; level < levels_here(); level++) {
        const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
        quantise(k, &f);
        fm_matmul_codes_twice(k, &f.w.panels, 0, 2, f.codes, f.ldx, 3, f.y, f.ldy, f.scratch);
        for (int64_t m = 0; m < 3; m++)
            for (int64_t n = 0; n < 20; n++)
                assert_true(m == 1 ? isnan(f.y[m * f.ldy + n]) : isfinite(f.y[m * f.ldy + n]));
    }
    release(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_and_every_number_of_rows_gives_the_sum_of_both),
        cmocka_unit_test(products_are_within_sixteen_bits_of_the_numbers),
        cmocka_unit_test(what_is_no_number_stays_none),
    };
    return cmocka_run_group_tests_name("codes, twice", tests, NULL, NULL);
}

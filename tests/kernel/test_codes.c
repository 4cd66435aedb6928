/* test_codes.c: products of integers are what codes.h says: near the product of the numbers, the same
 * bits at every CPU level and for every number of rows, and loud about what cannot be a number. */
#include "codes_support.h"

/* The tables of the levels; NULL past the last. */
static const fm_kernels *table(int i) {
    return i < levels_here() ? fm_kernels_get((fm_cpu_level)i) : NULL;
}

static void define(fixture *f) {
    const fm_panels *w = &f->w.panels;
    fm_matmul_codes(fm_kernels_get(FM_CPU_REF), f->form, w, 0, fm_panel_count(w), f->codes, f->ldx, f->rows,
                    f->y, f->ldy, f->scratch);
}

static void every_level_and_every_number_of_rows_gives_the_same_bits(void **state) {
    (void)state;
    dice d = {.seed = 1};
    static const int64_t outs[] = {1, 15, 16, 17, 33, 64, 150};
    static const int64_t counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 25};
    for (int dtype = 0; dtype < FM_DTYPE_COUNT; dtype++) {
        if (!multiplies(dtype)) continue;
        int block = fm_dtype_get((fm_dtype)dtype)->block_elements;
        for (int round = 0; round < 44; round++) {
            int64_t n_in = block * (1 + roll_below(&d, block == 32 ? 17 : 4));
            fixture f = make(&d, (fm_codes_form)(round / 22), dtype, outs[round % (int)FM_COUNT(outs)], n_in,
                             counts[round % (int)FM_COUNT(counts)]);
            define(&f);
            for (int i = 0; table(i); i++) {
                const fm_kernels *k = table(i);
                quantise(k, &f);
                expect_rows(&f, k, 0, f.rows);
                for (int64_t m = 0; m < f.rows; m++) expect_rows(&f, k, m, 1);
            }
            release(&f);
        }
    }
}

/* So many that kernels which open weights for several rows at once do so in more than one piece of
 * columns, and cut the rows into blocks and into tiles of every height. */
static void many_rows_give_the_bits_of_one(void **state) {
    (void)state;
    dice d = {.seed = 6};
    static const int64_t counts[] = {16, 18, 19, 22, 259};
    for (int dtype = 0; dtype < FM_DTYPE_COUNT; dtype++) {
        if (!multiplies(dtype)) continue;
        int64_t n_in = fm_dtype_get((fm_dtype)dtype)->block_elements == 32 ? 19 * 32 : 3 * 256;
        for (int round = 0; round < 2 * (int)FM_COUNT(counts); round++) {
            fixture f = make(&d, (fm_codes_form)(round % 2), dtype, round % 4 < 2 ? 33 : 16 + round, n_in,
                             counts[round / 2]);
            define(&f);
            for (int i = 0; table(i); i++) expect_rows(&f, table(i), 0, f.rows);
            release(&f);
        }
    }
}

/* The first bound of codes.h, and the second one with every |sw dot| + |mw sum| taken as three times
 * the row's largest weight times the codes. */
static void check_bounds(dice *d, fm_codes_form form, int dtype) {
    fixture f = make(d, form, dtype, 40, 1280, 7);
    float *w = malloc((size_t)f.w.n_in * sizeof *w);
    assert_non_null(w);
    define(&f);
    for (int64_t n = 0; n < f.w.n_out; n++) {
        fm_tensor_decode_row(&f.tensor.t, n, w);
        double most = 0;
        for (int64_t k = 0; k < f.w.n_in; k++) most = fmax(most, fabs((double)w[k]));
        for (int64_t m = 0; m < f.rows; m++) {
            double exact = 0, rounded = 0, of_x = 0, of_sums = 0;
            for (int64_t k = 0; k < f.w.n_in; k++) {
                const fm_codes *b = block_at(&f, m, k);
                double scale = (double)b->scale, x = (double)f.x[m * f.w.n_in + k];
                int code = code_at(form, b, (int)(k % FM_CODES));
                /* Half a code, or a whole one where the second byte would have been 128. */
                double step = form == FM_CODES_16 && abs((code & 255) - 128) == 1 ? 1 : 0.5;
                exact += x * (double)w[k];
                rounded += scale * code * (double)w[k];
                of_x += scale * step * (1 + 0x1p-14) * fabs((double)w[k]);
                of_sums += scale * abs(code) * 3 * most;
            }
            double steps = (double)f.w.n_in / 16 * (form == FM_CODES_16 ? 3 : 2);
            double y = (double)f.y[m * f.ldy + n];
            of_sums *= 0x1p-24 * (steps + 1);
            if (!(fabs(y - rounded) <= of_sums && fabs(y - exact) <= of_x + of_sums))
                fail_msg("%s: y[%lld][%lld] is %g; of codes %g +- %g, of numbers %g +- %g",
                         fm_dtype_get((fm_dtype)dtype)->name, (long long)m, (long long)n, y, rounded,
                         of_sums, exact, of_x + of_sums);
        }
    }
    free(w);
    release(&f);
}

static void products_are_as_near_to_the_numbers_as_promised(void **state) {
    (void)state;
    dice d = {.seed = 2};
    for (int dtype = 0; dtype < FM_DTYPE_COUNT; dtype++)
        for (int form = 0; form < FM_CODES_FORMS && multiplies(dtype); form++)
            check_bounds(&d, (fm_codes_form)form, dtype);
}

/* Sums that would not fit 16 bits if a kernel added too many of them: all codes of the weight have
 * the same bits, all activations are the largest there are, of either sign. */
static void the_largest_codes_do_not_overflow(void **state) {
    (void)state;
    dice d = {.seed = 3};
    static const uint8_t bytes[] = {0x00, 0xff, 0x77, 0x88, 0x80, 0x7f};
    for (int dtype = 0; dtype < FM_DTYPE_COUNT; dtype++) {
        if (!multiplies(dtype)) continue;
        const fm_dtype_info *info = fm_dtype_get((fm_dtype)dtype);
        for (size_t pattern = 0; pattern < 4 * FM_COUNT(bytes); pattern++) {
            fixture f = make(&d, (fm_codes_form)(pattern / 2 % 2), dtype, 16, 512, 6);
            uint8_t *data = f.tensor.data;
            float x[256];
            /* Only bytes whose change leaves the block finite: the codes, not the scales. */
            for (int i = 0; i < info->block_bytes; i++) {
                uint8_t old = data[i];
                data[i] = bytes[pattern / 4];
                info->decode(data, x, info->block_elements);
                for (int k = 0; k < info->block_elements; k++)
                    if (!isfinite(x[k])) data[i] = old;
            }
            for (int64_t b = 1; b < 16 * 512 / info->block_elements; b++)
                memcpy(data + b * info->block_bytes, data, (size_t)info->block_bytes);
            fm_error err;
            fm_weight_clear(&f.w);
            fm_weight_init(&f.w, "w", &f.tensor.t);
            assert_ok(fm_weight_pack(&f.w, NULL, NULL, &err));
            /* The second bytes, too, are 127 nearly everywhere: 126.5 of the first code's 127. */
            for (int64_t i = 0; i < f.rows * 512; i++)
                f.x[i] = (pattern % 2 ? -3.0f : 3.0f) * (i % FM_CODES && f.form == FM_CODES_16 ? 126.4999f / 127 : 1);
            quantise(fm_kernels_get(FM_CPU_REF), &f);
            define(&f);
            for (int i = 0; table(i); i++) expect_rows(&f, table(i), 0, f.rows);
            release(&f);
        }
    }
}

/* In the row that holds it every result is NaN; the rows beside it know nothing of it. */
static void what_is_no_number_stays_none(void **state) {
    (void)state;
    static const float strange[] = {NAN, INFINITY, -INFINITY, 0x1.8p127f};
    dice d = {.seed = 4};
    for (int dtype = 0; dtype < FM_DTYPE_COUNT; dtype++) {
        if (!multiplies(dtype)) continue;
        for (size_t s = 0; s < 2 * FM_COUNT(strange); s++) {
            fixture f = make(&d, (fm_codes_form)(s % 2), dtype, 20, 768, 3);
            f.x[768 + roll_below(&d, 768)] = strange[s / 2];
            for (int i = 0; table(i); i++) {
                const fm_kernels *k = table(i);
                quantise(k, &f);
                fm_matmul_codes(k, f.form, &f.w.panels, 0, 2, f.codes, f.ldx, 3, f.y, f.ldy, f.scratch);
                for (int64_t m = 0; m < 3; m++)
                    for (int64_t n = 0; n < 20; n++)
                        assert_true(m == 1 ? isnan(f.y[m * f.ldy + n]) : isfinite(f.y[m * f.ldy + n]));
            }
            release(&f);
        }
    }
}

/* scale, order and sums of a block of codes [32], in their own order. */
static void check_block(const fm_codes *c, fm_codes_form form, float scale, const int code[FM_CODES]) {
    int32_t sum[2] = {0};
    assert_int_equal(fm_float_bits(c->scale), fm_float_bits(scale));
    for (int i = 0; i < FM_CODES; i++) {
        assert_int_equal(code_at(form, c, i), code[i]);
        sum[i / 16] += code[i];
    }
    int32_t all = sum[0] + sum[1];
    assert_int_equal(c->undo8, -8 * all);
    assert_int_equal(c->undo128, -128 * all);
    assert_true(same_float(c->sum, c->scale * (float)all));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(c->undo32[i], -32 * sum[i]);
        assert_true(same_float(c->sum16[i], c->scale * (float)sum[i]));
    }
}

static void codes_keep_their_order_and_their_sums(void **state) {
    (void)state;
    dice d = {.seed = 5};
    for (int64_t n = 0; n < 400; n += 1 + n / 20) {
        float x[400], padded[512] = {0}, scale[512 / FM_CODES];
        int8_t first[512] = {0};
        fm_codes16 codes[512 / FM_CODES];
        roll_floats(&d, x, 400);
        memcpy(padded, x, (size_t)n * sizeof *x);
        fm_kernels_get(FM_CPU_REF)->int8_from_float(padded, 512, FM_CODES, first, scale);
        for (int t = 0; table(t); t++)
            for (int form = 0; form < FM_CODES_FORMS; form++) {
                memset(codes, 0x55, sizeof codes);
                table(t)->codes_from_float[form](x, n, codes);
                for (int64_t b = 0; b < fm_codes_blocks(n); b++) {
                    int code[FM_CODES];
                    for (int i = 0; i < FM_CODES; i++) {
                        int64_t k = b * FM_CODES + i;
                        code[i] = first[k];
                        if (form == FM_CODES_8) continue;
                        float rest = fmaf(-scale[b], first[k], padded[k]);
                        float second = scale[b] > 0 ? nearbyintf(rest * (256 / scale[b])) : 0;
                        code[i] = 256 * code[i] + (int)fmaxf(-127, fminf(127, second));
                    }
                    const char *at = (const char *)codes + (size_t)b * fm_codes_block_bytes((fm_codes_form)form);
                    check_block((const void *)at, (fm_codes_form)form,
                                form == FM_CODES_8 ? scale[b] : scale[b] / 256, code);
                }
            }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_and_every_number_of_rows_gives_the_same_bits),
        cmocka_unit_test(many_rows_give_the_bits_of_one),
        cmocka_unit_test(products_are_as_near_to_the_numbers_as_promised),
        cmocka_unit_test(the_largest_codes_do_not_overflow),
        cmocka_unit_test(what_is_no_number_stays_none),
        cmocka_unit_test(codes_keep_their_order_and_their_sums),
    };
    return cmocka_run_group_tests_name("codes", tests, NULL, NULL);
}

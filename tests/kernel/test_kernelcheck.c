/* test_kernelcheck.c: every kernel of every CPU level gives the reference's bits, over sizes with
 * odd tails, special values, and guard zones around what it may write. */
#include "kernel_cases.h"

#include "kernel/fill.h"

enum { ROUNDS = 60 };

static int64_t random_size(dice *d) {
    static const int64_t sizes[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128};
    switch (roll(d) % 8) {
    case 0: return 1000 + roll_below(d, 1500);
    case 1:
    case 2: return roll_below(d, 300);
    default: return sizes[roll_below(d, FM_COUNT(sizes))];
    }
}

static void make_case(dice *d, const kernel_case *kc, case_data *c) {
    bool attention = kc->call == call_weighted_rows;
    *c = (case_data){.rows = roll_below(d, 20), .n = random_size(d), .alias = roll(d) % 2};
    c->d = random_size(d) % (attention ? 600 : 200);
    if (attention) c->n %= 300;
    if (!kc->make)
        make_weight(d, c, kc->dtype, kc->call != call_unpack_rows);
    else
        kc->make(d, c);
    make_codes_of_case(d, c, kc->call);
}

static void call_fresh(const kernel_case *kc, const fm_kernels *k, case_data *c) {
    memcpy(c->out, c->start, (size_t)c->out_floats * sizeof *c->out);
    c->value = 0;
    kc->call(k, c);
}

static void check_level(const kernel_case *kc, const fm_kernels *k, const fm_kernels *below,
                        dice *d) {
    const fm_kernels *ref = fm_kernels_get(FM_CPU_REF);
    for (int round = 0; round < ROUNDS; round++) {
        case_data c;
        uint64_t at = d->n;
        make_case(d, kc, &c);
        if (kc->differs(k, below, &c)) {
            float *expected = malloc((size_t)c.out_floats * sizeof *expected);
            assert_non_null(expected);
            call_fresh(kc, ref, &c);
            float value = c.value;
            memcpy(expected, c.out, (size_t)c.out_floats * sizeof *expected);
            call_fresh(kc, k, &c);
            int64_t i = first_difference(expected, c.out, c.out_floats);
            if (i >= 0)
                fail_msg("%s at %s (dice %llu): rows %lld, n %lld, d %lld: float %lld is %a, not %a",
                         kc->name, k->name, (unsigned long long)at, (long long)c.rows,
                         (long long)c.n, (long long)c.d, (long long)(i - CASE_GUARD),
                         (double)c.out[i], (double)expected[i]);
            if (!same_float(value, c.value))
                fail_msg("%s at %s: n %lld: returned %a, not %a", kc->name, k->name,
                         (long long)c.n, (double)c.value, (double)value);
            free(expected);
        }
        case_free(&c);
    }
}

static void every_level_gives_the_bits_of_the_reference(void **state) {
    (void)state;
    for (int level = 1; level < levels_here(); level++)
        for (size_t i = 0; i < FM_COUNT(kernel_cases); i++) {
            dice d = {.seed = 100 * (uint64_t)level + i};
            check_level(&kernel_cases[i], fm_kernels_get((fm_cpu_level)level),
                        fm_kernels_get((fm_cpu_level)(level - 1)), &d);
        }
}

/* Processors with AVX-512 that lack its later instructions have kernels that this one never chooses. */
static void avx512_without_its_later_instructions_gives_them_too(void **state) {
    (void)state;
    if (!fm_cpu_has(FM_CPU_AVX512)) return; /* nor do they run here */
    fm_kernels plain = *fm_kernels_get(FM_CPU_AVX2);
#if defined(__x86_64__)
    fm_kernels_fill_avx512(&plain);
#endif
    for (size_t i = 0; i < FM_COUNT(kernel_cases); i++) {
        dice d = {.seed = 1000 + i};
        bool changes = strstr(kernel_cases[i].name, "words");
        if (changes) check_level(&kernel_cases[i], &plain, fm_kernels_get(FM_CPU_AVX512), &d);
    }
}

/* A level that lost its overrides would pass the test above. */
static void x86_levels_override_what_is_hot(void **state) {
    (void)state;
    for (int level = 1; level < levels_here(); level++) {
        const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
        const fm_kernels *below = fm_kernels_get((fm_cpu_level)(level - 1));
        assert_string_equal(k->name, fm_cpu_level_name((fm_cpu_level)level));
        bool vnni = level == FM_CPU_AVXVNNI; /* overrides products of integers alone */
        assert_true(vnni || k->tile_fma != below->tile_fma);
        assert_true(vnni || k->turned_fma != below->turned_fma);
        assert_true(vnni || k->exp_sum != below->exp_sum);
        for (int form = 0; form < FM_WORD_FORMS; form++) {
            assert_true(vnni || k->words_product[form] != below->words_product[form]);
            assert_true(vnni || k->words_of_columns[form] != below->words_of_columns[form]);
        }
        assert_true(vnni || k->exp_pairs != below->exp_pairs);
        assert_true(vnni || k->pairs_of_rows != below->pairs_of_rows);
        assert_true(vnni || k->pairs_of_columns != below->pairs_of_columns);
        for (int form = 0; form < FM_KEPT_FORMS; form++) {
            assert_true(vnni || k->rows_to_floats[form] != below->rows_to_floats[form]);
            assert_true(vnni || k->rows_to_panel[form] != below->rows_to_panel[form]);
        }
        for (int layout = FM_LAYOUT_F32; layout < FM_LAYOUTS; layout++) {
            assert_true(vnni || k->unpack[layout] != below->unpack[layout]);
            assert_non_null(k->row_product[layout]);
        }
        /* Products of integers: for the same layouts everywhere, or bits would depend on the level. */
        const fm_kernels *ref = fm_kernels_get(FM_CPU_REF);
        bool faster = level == FM_CPU_AVX512 ? fm_cpu_has_vnni() : fm_cpu_has((fm_cpu_level)level);
        for (int layout = 0; layout < FM_LAYOUTS; layout++) {
            for (int form = 0; form < FM_CODES_FORMS; form++) {
                bool has = ref->codes_product[form][layout] != NULL;
                assert_int_equal(k->codes_product[form][layout] != NULL, has);
                if (faster && has)
                    assert_true(k->codes_product[form][layout] != below->codes_product[form][layout]);
            }
        }
    }
}

static void the_largest_of_nothing_and_of_nan(void **state) {
    (void)state;
    for (int level = 0; level < levels_here(); level++) {
        const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
        float x[40];
        assert_true(k->max(x, 0) == -INFINITY);
        for (int n = 1; n <= 40; n++)
            for (int at = 0; at < n; at++) {
                for (int i = 0; i < n; i++) x[i] = -2 - (float)i;
                x[at] = -1;
                assert_true(k->max(x, n) == -1);
                x[at] = NAN;
                assert_true(isnan(k->max(x, n)));
                for (int i = 0; i < n; i++) x[i] = i == at ? 0.0f : -0.0f;
                assert_int_equal(fm_float_bits(k->max(x, n)), 0);
            }
    }
}

/* The order of a sum of 16 lanes, written out a second time. */
static void a_sum_of_16_lanes_is_a_tree(void **state) {
    (void)state;
    dice d = {.seed = 9};
    for (int64_t n = 0; n < 70; n++) {
        float x[70], y[70], lane[16] = {0};
        roll_floats(&d, x, 70);
        for (int level = 0; level < levels_here(); level++) {
            memcpy(y, x, sizeof y);
            float got = fm_kernels_get((fm_cpu_level)level)->exp_sum(y, n, 0.25f), e[8];
            memset(lane, 0, sizeof lane);
            for (int64_t i = 0; i < n; i++) lane[i & 15] += y[i];
            for (int i = 0; i < 8; i++) e[i] = lane[i] + lane[i + 8];
            float sum = ((e[0] + e[4]) + (e[2] + e[6])) + ((e[1] + e[5]) + (e[3] + e[7]));
            assert_int_equal(fm_float_bits(got), fm_float_bits(sum));
        }
    }
}

static void read_bytes(const fm_kernels *k, const int8_t *codes, const float *scales, int64_t n,
                       int64_t block, float *y) {
    fm_kept_rows row = {.x = codes, .scales = scales, .block = block};
    k->rows_to_floats[FM_KEPT_INT8](&row, 1, n, y, n);
}

/* Half a step of the block's scale and four roundings, of 127 steps at most, whatever the order of
 * magnitude. */
static void bytes_are_within_half_a_step(void **state) {
    (void)state;
    dice d = {.seed = 10};
    const fm_kernels *k = fm_kernels_get(fm_cpu_detect());
    for (int round = 0; round < 4000; round++) {
        int64_t block = INT64_C(8) << roll_below(&d, 4);
        float x[64], y[64], scale, most = 0;
        int8_t codes[64];
        roll_floats(&d, x, block);
        float order = ldexpf(1, (int)roll_below(&d, 224) - 97);
        for (int64_t i = 0; i < block; i++) x[i] *= order;
        if (round % 50 == 0) x[roll_below(&d, block)] = round % 100 ? FM_INT8_MOST : -FM_INT8_MOST;
        for (int64_t i = 0; i < block; i++) most = fmaxf(most, fabsf(x[i]));
        k->int8_from_float(x, block, block, codes, &scale);
        read_bytes(k, codes, &scale, block, block, y);
        assert_true(scale == most / 127);
        for (int64_t i = 0; i < block; i++) {
            double off = fabs((double)x[i] - (double)y[i]);
            assert_true(isfinite(y[i]));
            assert_true(off <= (double)scale * (0.5 + 4 * 127 * 0x1p-24));
            if (fabsf(x[i]) == most) assert_int_equal(codes[i], x[i] < 0 ? -127 : 127);
        }
    }
}

static void bytes_of_a_block_with_nan_or_infinity_all_read_as_nan(void **state) {
    (void)state;
    static const float strange[] = {NAN, INFINITY, -INFINITY, 0x1.000002p127f, -0x1.fffffep127f};
    for (int level = 0; level < levels_here(); level++) {
        const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
        for (int64_t block = 8; block <= 64; block *= 2)
            for (int64_t at = 0; at < 3 * block; at++) {
                float x[192], y[192], scales[24];
                int8_t codes[192];
                for (int i = 0; i < 192; i++) x[i] = (float)(i % 9 - 4);
                x[at] = strange[at % 5];
                k->int8_from_float(x, 3 * block, block, codes, scales);
                read_bytes(k, codes, scales, 3 * block, block, y);
                for (int64_t i = 0; i < 3 * block; i++)
                    assert_true(i / block == at / block ? isnan(y[i]) : fabsf(y[i] - x[i]) < 0.02f);
            }
    }
}

/* Just above the least magnitude a block counts, below it is zero; zeros of both signs too. */
static void bytes_of_a_block_of_next_to_nothing_are_zero(void **state) {
    (void)state;
    static const float tiny[] = {0.0f, -0.0f, 0x1p-149f, -0x1p-126f, 0x1.fffffep-101f};
    for (int level = 0; level < levels_here(); level++) {
        const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
        float x[16], y[16], scale;
        int8_t codes[16];
        for (size_t t = 0; t < FM_COUNT(tiny); t++) {
            for (int i = 0; i < 16; i++) x[i] = i % 2 ? tiny[t] : 0.0f;
            k->int8_from_float(x, 16, 16, codes, &scale);
            read_bytes(k, codes, &scale, 16, 16, y);
            assert_int_equal(fm_float_bits(scale), 0);
            for (int i = 0; i < 16; i++) assert_int_equal(fm_float_bits(y[i]), 0);
        }
        x[3] = -FM_INT8_LEAST;
        k->int8_from_float(x, 16, 16, codes, &scale);
        assert_int_equal(codes[3], -127);
        assert_true(scale == FM_INT8_LEAST / 127);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_the_bits_of_the_reference),
        cmocka_unit_test(avx512_without_its_later_instructions_gives_them_too),
        cmocka_unit_test(x86_levels_override_what_is_hot),
        cmocka_unit_test(the_largest_of_nothing_and_of_nan),
        cmocka_unit_test(a_sum_of_16_lanes_is_a_tree),
        cmocka_unit_test(bytes_are_within_half_a_step),
        cmocka_unit_test(bytes_of_a_block_with_nan_or_infinity_all_read_as_nan),
        cmocka_unit_test(bytes_of_a_block_of_next_to_nothing_are_zero),
    };
    return cmocka_run_group_tests_name("kernelcheck", tests, NULL, NULL);
}

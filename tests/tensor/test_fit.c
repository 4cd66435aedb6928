/* Searched scales: against trying every scale there is, against the plain quantisers, with importance, on
 * random values and on the rows of models. */
#include "floats.h"

#include "base/mem.h"
#include "base/rng.h"
#include "format/store.h"
#include "tensor/encode.h"
#include "tensor/quant/fit.h"
#include "tensor/quant/iq_tables.h"

#include <math.h>

enum { ROW = 1024 };

static const fm_dtype fitted[] = {FM_DTYPE_Q4_0, FM_DTYPE_Q4_1,   FM_DTYPE_Q5_0,  FM_DTYPE_Q5_1,
                                  FM_DTYPE_Q8_0, FM_DTYPE_Q4_K,   FM_DTYPE_Q5_K,  FM_DTYPE_Q6_K,
                                  FM_DTYPE_IQ4_NL, FM_DTYPE_IQ4_XS};

/* Rows of several characters: normal, heavy tails, one outlier, all positive, tiny, on a grid. */
static void fill(float *x, int n, int kind, uint64_t stream) {
    for (int i = 0; i < n; i++) {
        double g = fm_rng_normal(31, stream, (uint64_t)i);
        x[i] = (float)(kind == 1   ? g * fabs(g)
                       : kind == 2 ? (i % 97 == 5 ? 40 * g : g)
                       : kind == 3 ? fabs(g) + 0.5
                       : kind == 4 ? g * 1e-6
                       : kind == 5 ? floor(g * 3) / 3
                                   : g);
    }
}

static void fill_importance(float *w, int n, uint64_t stream) {
    for (int i = 0; i < n; i++) {
        double u = fm_rng_uniform(32, stream, (uint64_t)i);
        w[i] = (float)(u < 0.05 ? 30 : u < 0.2 ? 1e-4 : 0.2 + u);
    }
}

static double error_of(fm_dtype dtype, const void *blocks, const float *x, const float *w, int n) {
    float *y = fm_alloc_array((size_t)n, sizeof *y, FM_MEM_OTHER);
    double sum = 0;
    fm_dtype_get(dtype)->decode(blocks, y, n);
    for (int i = 0; i < n; i++) {
        double e = (double)x[i] - (double)y[i];
        sum += (w ? (double)w[i] : 1) * e * e;
    }
    fm_free(y);
    return sum;
}

static void searched_scales_are_never_worse_than_plain_ones(void **state) {
    (void)state;
    static const fm_dtype plain[] = {FM_DTYPE_Q4_0, FM_DTYPE_Q4_1, FM_DTYPE_Q5_0, FM_DTYPE_Q5_1,
                                     FM_DTYPE_Q8_0};
    float x[ROW], w[ROW];
    uint8_t a[4 * ROW], b[4 * ROW];
    for (size_t t = 0; t < FM_COUNT(plain); t++)
        for (int kind = 0; kind < 6; kind++) {
            fill(x, ROW, kind, t);
            fill_importance(w, ROW, t);
            fm_dtype_get(plain[t])->encode(x, a, ROW);
            for (int weighted = 0; weighted < 2; weighted++) {
                fm_quantize_row(plain[t], x, weighted ? w : NULL, b, ROW);
                double before = error_of(plain[t], a, x, weighted ? w : NULL, ROW);
                double after = error_of(plain[t], b, x, weighted ? w : NULL, ROW);
                /* where importance differs from value to value, much is to be had */
                double most = weighted && kind == 0 && plain[t] != FM_DTYPE_Q8_0 ? 0.8 : 1;
                if (!(after <= most * before))
                    fail_msg("%s, kind %d, weighted %d: %g after %g", fm_dtype_get(plain[t])->name, kind,
                             weighted, after, before);
            }
        }
}

/* Every finite half there is, of both signs, as the scale of one block. */
static double best_of_all_halves(const fm_levels *levels, const float *x, const float *w) {
    double best = INFINITY;
    for (int h = 1; h < 0x7c00; h++)
        for (int sign = 0; sign < 2; sign++) {
            float d = fm_half_to_float((uint16_t)(h | sign << 15));
            double e = fm_fit_codes(levels, x, w, 32, d, NULL).error;
            if (e < best) best = e;
        }
    return best;
}

static void one_scale_is_as_good_as_the_best_of_all_halves(void **state) {
    (void)state;
    const struct {
        fm_dtype dtype;
        fm_levels levels;
    } cases[] = {{FM_DTYPE_Q4_0, fm_levels_even(8, 7)},
                 {FM_DTYPE_Q5_0, fm_levels_even(16, 15)},
                 {FM_DTYPE_IQ4_NL, fm_levels_of(fm_iq4_values, 16)}};
    int rounds = sanitized() ? 1 : 6;
    for (size_t c = 0; c < FM_COUNT(cases); c++)
        for (int kind = 0; kind < 4; kind++)
            for (int round = 0; round < rounds; round++) {
                float x[32], w[32];
                uint8_t block[32];
                fill(x, 32, kind, 1000 + (uint64_t)round);
                fill_importance(w, 32, (uint64_t)round);
                if (round % 2 == 0)
                    for (int i = 0; i < 32; i++) w[i] = 1;
                double brute = best_of_all_halves(&cases[c].levels, x, w);
                fm_quantize_row(cases[c].dtype, x, w, block, 32);
                double got = error_of(cases[c].dtype, block, x, w, 32);
                /* rounding the best scale to a half may pass over a neighbour's codes */
                if (!(got <= 1.01 * brute))
                    fail_msg("%s, kind %d, round %d: %g, the best is %g",
                             fm_dtype_get(cases[c].dtype)->name, kind, round, got, brute);
            }
}

/* The least error of x = d code + m over a fine net of both; not a bound, but near it. */
static double best_line(const float *x, const float *w, int top, bool negative) {
    float least = INFINITY, most = -INFINITY;
    double best = INFINITY;
    for (int i = 0; i < 32; i++) least = fminf(least, x[i]), most = fmaxf(most, x[i]);
    if (negative) least = fminf(least, 0);
    float range = most - least;
    for (int i = 0; i < 300; i++)
        for (int j = 0; j < 300; j++) {
            float m = least + range * (float)(j - 100) / 400;
            float d = range * (0.5f + 0.6f * (float)i / 300) / (float)top;
            if (negative && m > 0) continue;
            double e = fm_fit_line_codes(x, w, 32, top, d, m, NULL);
            if (e < best) best = e;
        }
    return best;
}

static void a_scale_and_a_minimum_are_near_the_best_of_a_fine_net(void **state) {
    (void)state;
    double got = 0, brute = 0, worst = 0;
    int rounds = sanitized() ? 1 : 10;
    for (int top = 15; top <= 31; top += 16)
        for (int kind = 0; kind < 4; kind++)
            for (int round = 0; round < rounds; round++) {
                float x[32], w[32];
                uint8_t block[32];
                fm_dtype dtype = top == 15 ? FM_DTYPE_Q4_1 : FM_DTYPE_Q5_1;
                fill(x, 32, kind, 2000 + (uint64_t)round);
                fill_importance(w, 32, (uint64_t)round);
                for (int i = 0; i < 32 && round % 2 == 0; i++) w[i] = 1;
                fm_quantize_row(dtype, x, w, block, 32);
                double e = error_of(dtype, block, x, w, 32), b = best_line(x, w, top, false);
                double scale = 0;
                for (int i = 0; i < 32; i++) scale += (double)w[i] * (double)x[i] * (double)x[i];
                got += e / scale;
                brute += b / scale;
                worst = fmax(worst, e / b);
            }
    print_message("on average %.4f of the net's best, at worst %.3f\n", got / brute, worst);
    assert_true(got <= 1.1 * brute);
    assert_true(worst <= 2);
}

/* With 6-bit scales and minima in common halves, a block of 256 can at best do what eight blocks with
 * scales of their own do. */
static void shared_scales_cost_little(void **state) {
    (void)state;
    static const struct {
        fm_dtype shared, own;
        double most;
    } pairs[] = {{FM_DTYPE_Q4_K, FM_DTYPE_Q4_1, 1.05},
                 {FM_DTYPE_Q5_K, FM_DTYPE_Q5_1, 1.1},
                 {FM_DTYPE_IQ4_XS, FM_DTYPE_IQ4_NL, 1.03}};
    static float x[64 * ROW];
    static uint8_t block[4 * 64 * ROW];
    for (size_t p = 0; p < FM_COUNT(pairs); p++)
        for (int kind = 0; kind < 2; kind++) {
            fill(x, 64 * ROW, kind, 77);
            fm_quantize_row(pairs[p].shared, x, NULL, block, 64 * ROW);
            double shared = error_of(pairs[p].shared, block, x, NULL, 64 * ROW);
            fm_quantize_row(pairs[p].own, x, NULL, block, 64 * ROW);
            double own = error_of(pairs[p].own, block, x, NULL, 64 * ROW);
            if (!(shared <= pairs[p].most * own))
                fail_msg("%s: %.4f times the error of %s", fm_dtype_get(pairs[p].shared)->name, shared / own,
                         fm_dtype_get(pairs[p].own)->name);
        }
}

/* What normal values lose, as a part of their size. Measured, and a twentieth on top. */
static void errors_on_normal_values_are_what_they_were(void **state) {
    (void)state;
    static const double expected[FM_DTYPE_COUNT] = {
        [FM_DTYPE_Q4_0] = 0.0809, [FM_DTYPE_Q4_1] = 0.0704, [FM_DTYPE_Q5_0] = 0.0400,
        [FM_DTYPE_Q5_1] = 0.0340, [FM_DTYPE_Q8_0] = 0.00515, [FM_DTYPE_Q4_K] = 0.0703,
        [FM_DTYPE_Q5_K] = 0.0346, [FM_DTYPE_Q6_K] = 0.0165, [FM_DTYPE_IQ4_NL] = 0.0732,
        [FM_DTYPE_IQ4_XS] = 0.0738};
    static float x[64 * ROW];
    static uint8_t block[4 * 64 * ROW];
    double whole = 0;
    fill(x, 64 * ROW, 0, 5);
    for (int i = 0; i < 64 * ROW; i++) whole += (double)x[i] * (double)x[i];
    for (size_t t = 0; t < FM_COUNT(fitted); t++) {
        fm_quantize_row(fitted[t], x, NULL, block, 64 * ROW);
        double e = sqrt(error_of(fitted[t], block, x, NULL, 64 * ROW) / whole);
        if (!(e <= 1.05 * expected[fitted[t]] && e > 0.5 * expected[fitted[t]]))
            fail_msg("%s: %.5f, expected %.5f", fm_dtype_get(fitted[t])->name, e, expected[fitted[t]]);
    }
}

static void rows_of_a_real_model_lose_less_with_searched_scales(void **state) {
    (void)state;
    const char *path = fixture_path("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
    fm_store *store;
    fm_error err;
    float *x;
    uint8_t *a, *b;
    if (access(path, R_OK) != 0) skip_because("the SmolLM2 fixture is missing");
    assert_ok(fm_store_open(path, &store, &err));
    /* the embedding has eight bits, so that these are no rounded values of a coarse grid */
    const fm_store_entry *e = fm_store_find(store, "token_embd.weight");
    int64_t n = 512 * 256;
    x = fm_alloc((size_t)n * 4, FM_MEM_OTHER);
    a = fm_alloc((size_t)n * 4, FM_MEM_OTHER);
    b = fm_alloc((size_t)n * 4, FM_MEM_OTHER);
    for (int64_t row = 0; row < 256; row++) fm_tensor_decode_part(&e->tensor, row * 100, 0, 512, x + row * 512);
    for (size_t t = 0; t < 4; t++) { /* Q4_0, Q4_1, Q5_0, Q5_1 */
        fm_dtype_get(fitted[t])->encode(x, a, n);
        fm_quantize_row(fitted[t], x, NULL, b, n);
        double before = error_of(fitted[t], a, x, NULL, (int)n), after = error_of(fitted[t], b, x, NULL, (int)n);
        print_message("%s: %.3f of the plain error\n", fm_dtype_get(fitted[t])->name, sqrt(after / before));
        assert_true(after < 0.95 * before);
    }
    fm_free(x);
    fm_free(a);
    fm_free(b);
    fm_store_close(store);
}

static void exact_values_stay_exact(void **state) {
    (void)state;
    for (size_t t = 0; t < FM_COUNT(fitted); t++) {
        float x[256], y[256];
        uint8_t block[512], again[512];
        const fm_dtype_info *d = fm_dtype_get(fitted[t]);
        for (int i = 0; i < 256; i++) x[i] = (float)((i * 7) % 15 - 7); /* whole numbers from -7 to 7 */
        fm_quantize_row(fitted[t], x, NULL, block, 256);
        d->decode(block, y, 256);
        double error = error_of(fitted[t], block, x, NULL, 256);
        bool on_grid = fitted[t] == FM_DTYPE_Q4_0 || fitted[t] == FM_DTYPE_Q4_1 || fitted[t] == FM_DTYPE_Q4_K;
        if (on_grid && error > 1e-3) fail_msg("%s: %g on whole numbers", d->name, error);
        /* what was rounded once stays: a second time may only find a scale as good */
        fm_quantize_row(fitted[t], y, NULL, again, 256);
        assert_true(error_of(fitted[t], again, y, NULL, 256) <= 0.02 * error + 1e-3);
    }
}

static void zeros_hostile_values_and_any_importance_are_survived(void **state) {
    (void)state;
    static const float odd[] = {0, -0.0f, 1e-40f, -1e-40f, 1e38f, -1e38f, 65504, 1e-7f, NAN, INFINITY, -INFINITY};
    for (size_t t = 0; t < FM_COUNT(fitted); t++)
        for (uint64_t round = 0; round < 200; round++) {
            float x[256], w[256], y[256];
            uint8_t block[512];
            for (int i = 0; i < 256; i++) {
                uint32_t r = fm_rng_at(33, round, (uint64_t)i).word[0];
                x[i] = round == 0 ? 0 : odd[r % (round < 100 ? 8 : FM_COUNT(odd))];
                w[i] = odd[r / 16 % FM_COUNT(odd)];
            }
            fm_quantize_row(fitted[t], x, round % 2 ? w : NULL, block, 256);
            fm_dtype_get(fitted[t])->decode(block, y, 256);
            for (int i = 0; i < 256 && round == 0; i++) assert_true(y[i] == 0);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searched_scales_are_never_worse_than_plain_ones),
        cmocka_unit_test(one_scale_is_as_good_as_the_best_of_all_halves),
        cmocka_unit_test(a_scale_and_a_minimum_are_near_the_best_of_a_fine_net),
        cmocka_unit_test(shared_scales_cost_little),
        cmocka_unit_test(errors_on_normal_values_are_what_they_were),
        cmocka_unit_test(rows_of_a_real_model_lose_less_with_searched_scales),
        cmocka_unit_test(exact_values_stay_exact),
        cmocka_unit_test(zeros_hostile_values_and_any_importance_are_survived),
    };
    return cmocka_run_group_tests_name("fit", tests, NULL, NULL);
}

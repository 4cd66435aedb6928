/* AdamW against an independent implementation's first step, Muon against its definition in double, and
 * both against themselves on another number of threads. */
#include "train_support.h"

#include "format/store.h"
#include "train/average.h"
#include "train/gradients.h"
#include "train/optim/optim.h"

#include <math.h>

static fm_optim_options options_of(const char *name) {
    fm_optim_options o = fm_optim_defaults();
    o.rule = fm_optim_rule_find(name);
    o.kernels = fm_kernels_get(fm_cpu_detect());
    return o;
}

/* ---- AdamW -------------------------------------------------------------------------------------*/

static const char *const models[] = {"tiny-v3", "tiny-v2", "tiny-v2-lite", "tiny-llama", "tiny-qwen2"};

static void floats_of(const fm_store *store, const char *name, const fm_tensor **tensor, float *out) {
    fm_error err;
    const fm_store_entry *e = fm_store_find(store, name);
    assert_non_null(e);
    *tensor = &e->tensor;
    assert_int_equal(e->tensor.dtype, FM_DTYPE_F32);
    assert_ok(fm_store_read(store, e->tensor.data, e->bytes, out, &err));
}

/* tests/golden/README.md, 8: 1e-6 for 99.5 % of the elements; where the gradient is nearly 0, a step may go
 * the other way, which is twice the rate. */
static void compare_step(const fm_store *model, const fm_store *golden, const char *adamw) {
    fm_error err;
    const char *name = adamw + strlen("adamw.");
    char grad_name[256];
    snprintf(grad_name, sizeof grad_name, "grad.%s", name);
    const fm_tensor *t;
    size_t n = fm_store_find(golden, adamw)->bytes / 4;
    float *value = malloc(n * 4), *grad = malloc(n * 4), *wanted = malloc(n * 4);
    floats_of(golden, adamw, &t, wanted);
    floats_of(golden, grad_name, &t, grad);
    floats_of(model, name, &t, value);
    fm_learned tensor = {.name = name, .rows = 1, .columns = (int64_t)n, .value = value, .grad = grad};
    fm_learned_list list = {&tensor, 1};
    fm_optim_options o = options_of("adamw");
    fm_optim *optim;
    assert_ok(fm_optim_new(&o, &list, NULL, &optim, &err));
    fm_optim_step(optim, 1e-3, 1);
    size_t off = 0;
    for (size_t i = 0; i < n; i++) {
        double distance = fabs((double)value[i] - (double)wanted[i]);
        off += distance > 1e-6;
        assert_true(distance <= 2.1e-3);
    }
    assert_true((double)off <= 0.005 * (double)n + 0.5);
    fm_optim_free(optim);
    free(value), free(grad), free(wanted);
}

static void the_first_step_of_adamw_is_that_of_the_golden_vectors(void **state) {
    (void)state;
    fm_error err;
    size_t compared = 0;
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        char path[64];
        fm_store *model, *golden;
        assert_ok(fm_store_open(golden_path(models[m]), &model, &err));
        snprintf(path, sizeof path, "%s/expected.safetensors", models[m]);
        assert_ok(fm_store_open(golden_path(path), &golden, &err));
        for (size_t i = 0; i < fm_store_count(golden); i++) {
            const char *name = fm_store_at(golden, i)->name;
            if (strncmp(name, "adamw.", 6) != 0) continue;
            compare_step(model, golden, name);
            compared++;
        }
        fm_store_close(golden);
        fm_store_close(model);
    }
    assert_true(compared >= 20);
}

static void adamw_follows_its_formula_over_many_steps(void **state) {
    (void)state;
    fm_error err;
    made_list made;
    made_begin(&made);
    fm_optim_options o = options_of("adamw");
    fm_optim *optim;
    assert_ok(fm_optim_new(&o, &made.list, NULL, &optim, &err));
    double w = made.at[2].value[100], norm = made.at[1].value[3], m = 0, v = 0, nm = 0, nv = 0;
    for (int t = 1; t <= 20; t++) {
        made_gradient(&made, (uint64_t)t);
        double g = 0.5 * (double)made.at[2].grad[100], ng = 0.5 * (double)made.at[1].grad[3];
        fm_optim_step(optim, 2e-3, 0.5);
        double c1 = 1 - pow(0.9, t), c2 = 1 - pow(0.95, t);
        m = 0.9 * m + 0.1 * g, v = 0.95 * v + 0.05 * g * g;
        w = w * (1 - 2e-3 * 0.1) - 2e-3 * (m / c1) / (sqrt(v / c2) + 1e-8);
        nm = 0.9 * nm + 0.1 * ng, nv = 0.95 * nv + 0.05 * ng * ng;
        norm -= 2e-3 * (nm / c1) / (sqrt(nv / c2) + 1e-8); /* norms do not decay */
        assert_true(fabs(w - (double)made.at[2].value[100]) < 1e-6);
        assert_true(fabs(norm - (double)made.at[1].value[3]) < 1e-6);
    }
    assert_int_equal(fm_optim_steps(optim), 20);
    fm_optim_free(optim);
    made_end(&made);
}

/* ---- Muon --------------------------------------------------------------------------------------*/

/* Five Newton-Schulz steps of u [r, c] in double, without turning it: X (X^T X) for tall ones. */
static void newton_schulz(double *x, int r, int c) {
    double sum = 0, *a = calloc((size_t)(r * r), 8), *b = calloc((size_t)(r * r), 8);
    double *y = calloc((size_t)(r * c), 8);
    for (int i = 0; i < r * c; i++) sum += x[i] * x[i];
    for (int i = 0; i < r * c; i++) x[i] /= sqrt(sum);
    for (int step = 0; step < 5; step++) {
        for (int i = 0; i < r; i++)
            for (int j = 0; j < r; j++) {
                a[i * r + j] = 0;
                for (int k = 0; k < c; k++) a[i * r + j] += x[i * c + k] * x[j * c + k];
            }
        for (int i = 0; i < r; i++)
            for (int j = 0; j < r; j++) {
                double square = 0;
                for (int k = 0; k < r; k++) square += a[i * r + k] * a[k * r + j];
                b[i * r + j] = -4.7750 * a[i * r + j] + 2.0315 * square;
            }
        for (int i = 0; i < r; i++)
            for (int j = 0; j < c; j++) {
                y[i * c + j] = 3.4445 * x[i * c + j];
                for (int k = 0; k < r; k++) y[i * c + j] += b[i * r + k] * x[k * c + j];
            }
        memcpy(x, y, (size_t)(r * c) * 8);
    }
    free(a), free(b), free(y);
}

static void muon_is_its_formula_for_wide_and_for_tall_matrices(void **state) {
    (void)state;
    fm_error err;
    made_list made;
    made_begin(&made);
    fm_optim_options o = options_of("muon");
    fm_optim *optim;
    enum { N = 67 * 33 };
    double m[2][N] = {{0}}, w[2][N], u[N];
    for (int which = 0; which < 2; which++)
        for (int64_t i = 0; i < fm_learned_elements(&made.at[2 + which]); i++)
            w[which][i] = (double)made.at[2 + which].value[i];
    assert_ok(fm_optim_new(&o, &made.list, NULL, &optim, &err));
    for (uint64_t step = 1; step <= 3; step++) {
        made_gradient(&made, step);
        fm_optim_step(optim, 0.01, 0.5);
        for (int which = 0; which < 2; which++) {
            const fm_learned *t = &made.at[2 + which];
            int n = (int)fm_learned_elements(t);
            for (int i = 0; i < n; i++) {
                m[which][i] = 0.95 * m[which][i] + 0.5 * (double)t->grad[i];
                u[i] = 0.5 * (double)t->grad[i] + 0.95 * m[which][i];
            }
            newton_schulz(u, (int)t->rows, (int)t->columns);
            double side = (double)(t->rows > t->columns ? t->rows : t->columns), size = 0;
            for (int i = 0; i < n; i++) {
                w[which][i] = w[which][i] * (1 - 0.01 * 0.1) - 0.01 * 0.2 * sqrt(side) * u[i];
                size += 0.04 * side * u[i] * u[i];
                assert_true(fabs(w[which][i] - (double)t->value[i]) < 1e-5);
            }
            /* The update's size is AdamW's, whatever the shape: 0.2, within the quintic's looseness. */
            assert_true(sqrt(size / n) > 0.13 && sqrt(size / n) < 0.26);
        }
    }
    fm_optim_free(optim);
    made_end(&made);
}

static void muon_leaves_all_but_hidden_matrices_to_adamw(void **state) {
    (void)state;
    fm_error err;
    made_list a, b;
    made_begin(&a);
    made_begin(&b);
    fm_optim_options muon = options_of("muon"), adamw = options_of("adamw");
    fm_optim *p, *q;
    assert_ok(fm_optim_new(&muon, &a.list, NULL, &p, &err));
    assert_ok(fm_optim_new(&adamw, &b.list, NULL, &q, &err));
    fm_optim_step(p, 0.01, 1);
    fm_optim_step(q, 0.01, 1);
    for (size_t i = 0; i < a.list.n; i++) {
        size_t bytes = (size_t)fm_learned_elements(&a.at[i]) * 4;
        bool hidden = a.at[i].kind == FM_LEARNED_MATRIX || a.at[i].kind == FM_LEARNED_EXPERT;
        assert_int_equal(memcmp(a.at[i].value, b.at[i].value, bytes) == 0, !hidden);
    }
    /* Two moments for four tensors, one for two. */
    assert_int_equal(fm_optim_moments(p), 10);
    assert_string_equal(fm_optim_moment_at(p, 4).moment, "momentum");
    assert_ptr_equal(fm_optim_moment_at(p, 4).tensor, &a.at[2]);
    assert_string_equal(fm_optim_moment_at(p, 9).moment, "v");
    assert_true(fm_optim_bytes(&muon, &a.list) < fm_optim_bytes(&adamw, &b.list));
    fm_optim_free(p);
    fm_optim_free(q);
    made_end(&a);
    made_end(&b);
}

static void an_expert_that_nobody_ever_chose_only_decays(void **state) {
    (void)state;
    fm_error err;
    made_list made;
    made_begin(&made);
    fm_learned *t = &made.at[3];
    float before = t->value[7];
    memset(t->grad, 0, (size_t)fm_learned_elements(t) * 4);
    fm_optim_options o = options_of("muon");
    fm_optim *optim;
    assert_ok(fm_optim_new(&o, &made.list, NULL, &optim, &err));
    fm_optim_step(optim, 0.01, 1);
    assert_true(t->value[7] == (float)(1 - 0.01 * 0.1) * before);
    fm_optim_free(optim);
    made_end(&made);
}

/* ---- threads -----------------------------------------------------------------------------------*/

static void run_steps(const char *rule, int threads, made_list *made, double *norm) {
    fm_error err;
    fm_pool *pool;
    fm_optim *optim;
    fm_stretches cut;
    fm_average average;
    made_begin(made);
    fm_optim_options o = options_of(rule);
    assert_ok(fm_pool_new(threads, &pool, &err));
    assert_ok(fm_stretches_cut(&made->list, &cut, &err));
    assert_ok(fm_optim_new(&o, &made->list, pool, &optim, &err));
    assert_ok(fm_average_new(&made->list, 0.9, &average, &err));
    double *sums = malloc((size_t)cut.n * sizeof *sums);
    for (uint64_t step = 1; step <= 5; step++) {
        made_gradient(made, step);
        *norm = fm_gradient_norm(&made->list, &cut, sums, pool);
        fm_optim_step(optim, 0.01, fm_clip_factor(*norm, 1));
        fm_average_update(&average, &made->list, &cut, pool);
    }
    for (size_t i = 0; i < made->list.n; i++) /* so that the average is compared too */
        memcpy(made->at[i].grad, average.at[i], (size_t)fm_learned_elements(&made->at[i]) * 4);
    free(sums);
    fm_average_clear(&average);
    fm_optim_free(optim);
    fm_stretches_clear(&cut);
    fm_pool_free(pool);
}

static void one_thread_and_three_take_the_same_steps_to_the_bit(void **state) {
    (void)state;
    for (size_t r = 0; fm_optim_rule_at(r); r++) {
        made_list one, three;
        double norm_one, norm_three;
        run_steps(fm_optim_rule_at(r)->name, 1, &one, &norm_one);
        run_steps(fm_optim_rule_at(r)->name, 3, &three, &norm_three);
        assert_true(norm_one == norm_three);
        for (size_t i = 0; i < one.list.n; i++) {
            size_t bytes = (size_t)fm_learned_elements(&one.at[i]) * 4;
            assert_memory_equal(one.at[i].value, three.at[i].value, bytes);
            assert_memory_equal(one.at[i].grad, three.at[i].grad, bytes);
        }
        made_end(&one);
        made_end(&three);
    }
}

/* ---- norms and clipping ------------------------------------------------------------------------*/

static void the_norm_is_that_of_all_gradients_together_and_clipping_makes_it_the_limit(void **state) {
    (void)state;
    fm_error err;
    made_list made;
    fm_stretches cut;
    made_begin(&made);
    assert_ok(fm_stretches_cut(&made.list, &cut, &err));
    double *sums = malloc((size_t)cut.n * sizeof *sums), wanted = 0;
    for (size_t i = 0; i < made.list.n; i++)
        for (int64_t j = 0; j < fm_learned_elements(&made.at[i]); j++)
            wanted += (double)made.at[i].grad[j] * (double)made.at[i].grad[j];
    double norm = fm_gradient_norm(&made.list, &cut, sums, NULL);
    assert_true(fabs(norm - sqrt(wanted)) < 1e-12 * norm);
    assert_true(fm_clip_factor(norm, norm / 4) == 0.25);
    assert_true(fm_clip_factor(norm, norm * 4) == 1);
    assert_true(fm_clip_factor(norm, 0) == 1);
    free(sums);
    fm_stretches_clear(&cut);
    made_end(&made);
}

static void a_frozen_tensor_has_no_moments_and_never_changes(void **state) {
    (void)state;
    fm_error err;
    made_list made;
    fm_optim *optim;
    fm_stretches cut;
    made_begin(&made);
    float *grad = made.at[0].grad, before = made.at[0].value[5];
    made.at[0].grad = NULL;
    fm_optim_options o = options_of("adamw");
    assert_ok(fm_optim_new(&o, &made.list, NULL, &optim, &err));
    assert_ok(fm_stretches_cut(&made.list, &cut, &err));
    assert_int_equal(cut.at[0].tensor, 1);
    fm_optim_step(optim, 0.01, 1);
    assert_true(made.at[0].value[5] == before);
    assert_int_equal(fm_optim_moments(optim), 10);
    assert_ptr_equal(fm_optim_moment_at(optim, 0).tensor, &made.at[1]);
    made.at[0].grad = grad;
    fm_stretches_clear(&cut);
    fm_optim_free(optim);
    made_end(&made);
}

static void what_is_no_number_is_found_and_its_tensor_named(void **state) {
    (void)state;
    fm_error err;
    made_list made;
    fm_stretches cut;
    made_begin(&made);
    assert_ok(fm_stretches_cut(&made.list, &cut, &err));
    double *sums = malloc((size_t)cut.n * sizeof *sums);
    assert_int_equal(fm_learned_not_finite(&made.list, FM_LEARNED_VALUE, &cut, sums, NULL), made.list.n);
    made.at[3].value[5] = INFINITY;
    made.at[4].grad[0] = NAN;
    made.at[0].value[9] = 3e38f; /* large, and a number */
    assert_int_equal(fm_learned_not_finite(&made.list, FM_LEARNED_VALUE, &cut, sums, NULL), 3);
    assert_int_equal(fm_learned_not_finite(&made.list, FM_LEARNED_GRAD, &cut, sums, NULL), 4);
    free(sums);
    fm_stretches_clear(&cut);
    made_end(&made);
}

static void without_memory_an_optimiser_is_not_made_and_nothing_leaks(void **state) {
    (void)state;
    fm_error err;
    made_list made;
    fm_optim *optim;
    made_begin(&made);
    fm_optim_options o = options_of("muon");
    fm_status status = FM_ERR_MEMORY;
    for (int64_t k = 0; status != FM_OK; k++) {
        size_t before = fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS];
        fm_mem_fail_from(k);
        status = fm_optim_new(&o, &made.list, NULL, &optim, &err);
        fm_mem_fail_from(-1);
        if (status == FM_OK) break;
        assert_int_equal(status, FM_ERR_MEMORY);
        assert_null(optim);
        assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS], before);
    }
    fm_optim_free(optim);
    made_end(&made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_step_of_adamw_is_that_of_the_golden_vectors),
        cmocka_unit_test(adamw_follows_its_formula_over_many_steps),
        cmocka_unit_test(muon_is_its_formula_for_wide_and_for_tall_matrices),
        cmocka_unit_test(muon_leaves_all_but_hidden_matrices_to_adamw),
        cmocka_unit_test(an_expert_that_nobody_ever_chose_only_decays),
        cmocka_unit_test(one_thread_and_three_take_the_same_steps_to_the_bit),
        cmocka_unit_test(the_norm_is_that_of_all_gradients_together_and_clipping_makes_it_the_limit),
        cmocka_unit_test(a_frozen_tensor_has_no_moments_and_never_changes),
        cmocka_unit_test(what_is_no_number_is_found_and_its_tensor_named),
        cmocka_unit_test(without_memory_an_optimiser_is_not_made_and_nothing_leaks),
    };
    return cmocka_run_group_tests_name("train/optim", tests, NULL, NULL);
}

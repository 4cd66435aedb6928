/* Adapters learn on models that stay as they are: of floats, of FP8, of 8-bit blocks, out of either kind of
 * file. The loss moves along their gradients as the gradients say. */
#include "support.h"

#include "base/rng.h"
#include "train/learning.h"

#include <math.h>

enum { ROWS = 24 };

typedef struct opened {
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
    fm_adapters *adapters;
    fm_learning *learning;
} opened;

static opened open_model(const char *name, int threads, bool trained) {
    opened o = {0};
    fm_error err;
    assert_ok(fm_store_open(golden_path(name), &o.store, &err));
    assert_ok(fm_pool_new(threads, &o.pool, &err));
    assert_ok(fm_model_bind(o.store, &(fm_model_options){.pack = true}, &o.model, &err));
    assert_ok(fm_model_load(o.model, o.pool, NULL, NULL, &err));
    fm_adapter_options lora = {.rank = 3, .alpha = 6, .targets = "all", .seed = 2};
    assert_ok(fm_adapters_new(o.model, &lora, &o.adapters, &err));
    for (size_t i = 0; trained && i < fm_adapters_count(o.adapters); i++) {
        fm_weight *b = &fm_adapters_at(o.adapters, i)->b;
        for (int64_t j = 0; j < b->n_out * b->n_in; j++)
            b->master[j] = (float)fm_rng_normal(3, i, (uint64_t)j) * 0.05f;
    }
    fm_learning_options learning = {.trainee = {.kernels = fm_kernels_get(fm_cpu_detect()), .pool = o.pool,
                                                .adapters = o.adapters},
                                    .rows = ROWS, .segments = 2};
    assert_ok(fm_learning_new(o.model, &learning, &o.learning, &err));
    return o;
}

static void close_model(opened *o) {
    fm_learning_free(o->learning);
    fm_adapters_free(o->adapters);
    fm_model_free(o->model);
    fm_pool_free(o->pool);
    fm_store_close(o->store);
}

static double loss_of(const opened *o, bool learns) {
    fm_error err;
    int32_t ids[ROWS], ahead[ROWS];
    float weights[ROWS];
    for (int t = 0; t < ROWS; t++) ids[t] = (t * t * 7 + t * 31 + 5) % 401;
    for (int t = 0; t < ROWS; t++) {
        ahead[t] = t + 1 < ROWS ? ids[t + 1] : -1;
        weights[t] = t + 1 < ROWS ? 1.0f / (ROWS - 1) : 0;
    }
    fm_segment segment = {.count = ROWS};
    fm_learning_step step = {.n_rows = ROWS, .ids = ids, .n_segments = 1, .segments = &segment,
                             .lesson = {.ahead = {ahead}, .weights = {weights}}};
    fm_learning_loss loss;
    assert_ok(fm_learning_run(o->learning, &step, learns, &loss, &err));
    return loss.weighted[0];
}

/* Adds h times a random direction to the masters; returns its product with the gradients. */
static double move(const opened *o, uint64_t direction, double h) {
    const fm_learned_list *list = fm_learning_list(o->learning);
    double along = 0;
    for (size_t i = 0; i < list->n; i++)
        for (int64_t j = 0; j < fm_learned_elements(&list->at[i]); j++) {
            double d = fm_rng_uniform(direction, i, (uint64_t)j) < 0.5 ? -1 : 1;
            along += d * list->at[i].grad[j];
            list->at[i].value[j] = (float)(list->at[i].value[j] + h * d);
        }
    fm_learning_publish(o->learning);
    return along;
}

static const char *const models[] = {"tiny-llama", "tiny-qwen2", "tiny-v3-fp8", "gguf/tiny-v2-lite.q8_0.gguf",
                                     "gguf/tiny-llama.q8_0.gguf"};

static void the_loss_moves_along_gradients_as_they_say(void **state) {
    (void)state;
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        opened o = open_model(models[m], 2, true);
        const fm_learned_list *list = fm_learning_list(o.learning);
        assert_int_equal(list->n, 2 * fm_adapters_count(o.adapters));
        double before = loss_of(&o, true);
        assert_true(before > 1);
        for (uint64_t direction = 1; direction <= 4; direction++) {
            const double h = 5e-5; /* larger ones tip the routing of tiny-v3 */
            double along = move(&o, direction, h), up = loss_of(&o, false);
            move(&o, direction, -2 * h);
            double down = loss_of(&o, false);
            move(&o, direction, h);
            double seen = (up - down) / (2 * h);
            if (!(fabs(seen - along) < 2e-2 * fabs(along) + 2e-2))
                fail_msg("%s: the loss moves by %g, gradients say %g", models[m], seen, along);
        }
        close_model(&o);
    }
}

static void new_ones_change_nothing_and_learn_by_B_first(void **state) {
    (void)state;
    opened o = open_model("tiny-llama", 1, false);
    loss_of(&o, true);
    const fm_learned_list *list = fm_learning_list(o.learning);
    for (size_t i = 0; i < list->n; i++) {
        double sum = 0;
        assert_int_equal(list->at[i].kind, FM_LEARNED_ADAPTER);
        for (int64_t j = 0; j < fm_learned_elements(&list->at[i]); j++) sum += fabs(list->at[i].grad[j]);
        assert_true(i % 2 ? sum > 0 : sum == 0); /* A's gradient goes through B, which is zeros */
    }
    close_model(&o);
}

static void gradients_are_the_same_on_any_number_of_threads(void **state) {
    (void)state;
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        opened a = open_model(models[m], 1, true), b = open_model(models[m], 3, true);
        loss_of(&a, true), loss_of(&b, true);
        const fm_learned_list *x = fm_learning_list(a.learning), *y = fm_learning_list(b.learning);
        for (size_t i = 0; i < x->n; i++)
            assert_memory_equal(x->at[i].grad, y->at[i].grad,
                                (size_t)fm_learned_elements(&x->at[i]) * sizeof(float));
        close_model(&a), close_model(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_moves_along_gradients_as_they_say),
        cmocka_unit_test(new_ones_change_nothing_and_learn_by_B_first),
        cmocka_unit_test(gradients_are_the_same_on_any_number_of_threads),
    };
    return cmocka_run_group_tests_name("adapters", tests, NULL, NULL);
}

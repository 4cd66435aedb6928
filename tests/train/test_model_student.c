/* A whole model as the loop's student: it learns, and its sums depend on neither split nor threads. */
#include "counting_data.h"

#include "train/gradients.h"
#include "train/initial.h"
#include "train/model_student.h"
#include "train/optim/optim.h"

#include <math.h>

enum { CONTEXT = 64, ROWS = 8 };

typedef struct class {
    fm_pool *pool;
    fm_store *store;
    fm_model *model;
    fm_model_student *student;
    const fm_student *face;
    fm_dataset *data;
    fm_loader *loader;
    fm_loader_step step;
    fm_stretches cut;
    double *sums;
} class;

static void begin(class *c, bool bf16, int threads, bool isolate) {
    static bool made;
    const fm_initial_options initial = {"pico", golden_path("tiny-v3"), 0.02, 1};
    if (!made) assert_ok(fm_initial_write(scratch_path(""), "pico", &initial, &err));
    made = true;
    assert_ok(fm_pool_new(threads, &c->pool, &err));
    assert_ok(fm_store_open(scratch_path("pico"), &c->store, &err));
    assert_ok(fm_model_bind(c->store, &(fm_model_options){.mtp = true}, &c->model, &err));
    const fm_model_student_options o = {.bf16 = bf16, .kernels = fm_kernels_get(fm_cpu_detect()), .pool = c->pool,
                                        .batch_tokens = CONTEXT * ROWS};
    assert_ok(fm_model_student_new(c->model, &o, &c->student, &err));
    c->face = fm_model_student_face(c->student);
    c->data = open_data();
    const fm_loader_options l = {.portion = FM_TRAIN, .context = CONTEXT, .rows = ROWS, .ahead = c->face->ahead,
                                 .isolate = isolate, .seed = 5};
    assert_ok(fm_loader_new(c->data, &l, &c->loader, &err));
    assert_ok(fm_stretches_cut(&c->face->learned, &c->cut, &err));
    c->sums = malloc((size_t)c->cut.n * sizeof *c->sums);
}

static void end(class *c) {
    free(c->sums);
    fm_stretches_clear(&c->cut);
    fm_loader_free(c->loader);
    fm_dataset_close(c->data);
    fm_model_student_free(c->student);
    fm_model_free(c->model);
    fm_store_close(c->store);
    fm_pool_free(c->pool);
}

/* The loader's present step in batches of `by` rows: loss per target, gradients added up. */
static double study(class *c, int64_t by, bool learns) {
    fm_student_loss loss = {0};
    fm_student_task task = {.weight = {1.0 / (double)c->step.learnt[0], 0.3 / (double)c->step.learnt[1]},
                            .balance = 1e-4};
    for (int64_t at = 0; at < c->step.n_rows; at += by) {
        fm_batch batch;
        fm_loader_view(c->loader, at, by, &batch);
        task.batch = &batch;
        assert_ok((learns ? c->face->learn : c->face->measure)(c->face->self, &task, &loss, &err));
    }
    return loss.nats[0] / (double)c->step.learnt[0];
}

static void next(class *c) {
    fm_gradients_clear(&c->face->learned, &c->cut, c->pool);
    assert_ok(fm_loader_next(c->loader, &c->step, &err));
}

static float *gradients(const class *c, size_t *n) {
    size_t at = 0, room = 0;
    for (size_t i = 0; i < c->face->learned.n; i++) room += (size_t)fm_learned_elements(&c->face->learned.at[i]);
    float *all = malloc(room * sizeof *all);
    for (size_t i = 0; i < c->face->learned.n; i++) {
        const fm_learned *t = &c->face->learned.at[i];
        if (!t->grad) continue;
        memcpy(all + at, t->grad, (size_t)fm_learned_elements(t) * sizeof *all);
        at += (size_t)fm_learned_elements(t);
    }
    *n = at;
    return all;
}

static void it_learns_in_float32_and_in_bf16_with_documents_alone_and_in_rows(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        class c = {0};
        fm_optim *optim;
        double first = 0, last = 0;
        begin(&c, kind % 2 == 1, 2, kind / 2);
        fm_optim_options o = fm_optim_defaults();
        o.kernels = fm_kernels_get(fm_cpu_detect());
        assert_ok(fm_optim_new(&o, &c.face->learned, c.pool, &optim, &err));
        for (int step = 0; step < 40; step++) {
            next(&c);
            last = study(&c, 4, true);
            if (step == 0) first = last;
            double norm = fm_gradient_norm(&c.face->learned, &c.cut, c.sums, c.pool);
            fm_optim_step(optim, 0.01, fm_clip_factor(norm, 1));
            assert_ok(c.face->changed(c.face->self, &err));
        }
        assert_true(first > 6 && first < 6.5); /* ln 512 = 6.24 */
        assert_true(last < 0.6 * first);
        fm_optim_free(optim);
        end(&c);
    }
}

static void the_split_of_a_step_changes_gradients_by_rounding_alone(void **state) {
    (void)state;
    for (int isolate = 0; isolate < 2; isolate++) {
        class c = {0};
        size_t n;
        begin(&c, false, 2, isolate);
        next(&c);
        double whole = study(&c, 8, true);
        float *a = gradients(&c, &n);
        fm_gradients_clear(&c.face->learned, &c.cut, c.pool);
        double parts = study(&c, 2, true);
        float *b = gradients(&c, &n);
        double off = 0, size = 0;
        for (size_t i = 0; i < n; i++) {
            off += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
            size += (double)a[i] * (double)a[i];
        }
        assert_true(fabs(whole - parts) < 1e-6);
        if (!(sqrt(off / size) < 1e-6)) fail_msg("%g", sqrt(off / size));
        free(a), free(b);
        end(&c);
    }
}

static void one_thread_and_three_give_the_same_bits(void **state) {
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        class one = {0}, three = {0};
        size_t n, m;
        begin(&one, kind == 1, 1, kind);
        begin(&three, kind == 1, 3, kind);
        next(&one), next(&three);
        double a = study(&one, 4, true), b = study(&three, 4, true);
        float *x = gradients(&one, &n), *y = gradients(&three, &m);
        assert_true(a == b && n == m);
        assert_memory_equal(x, y, n * sizeof *x);
        free(x), free(y);
        end(&one), end(&three);
    }
}

/* Which the module has nothing to say about. */
static int64_t rows_without_next(class *c) {
    fm_batch batch;
    int64_t n = 0;
    fm_loader_view(c->loader, 0, c->step.n_rows, &batch);
    for (int64_t t = 0; t < batch.n_rows; t++) n += batch.ahead[0][t] < 0;
    assert_true(n > 0);
    return n;
}

static void loads_count_every_choice_and_measuring_changes_nothing(void **state) {
    (void)state;
    class c = {0};
    begin(&c, false, 2, false);
    next(&c);
    assert_int_equal(c.face->n_layers, 4); /* three of the model, one of the module */
    double measured = study(&c, 4, false);
    assert_true(fm_gradient_norm(&c.face->learned, &c.cut, c.sums, c.pool) == 0);
    for (size_t i = 0; i < c.face->n_layers; i++)
        for (int64_t e = 0; e < c.face->layers[i].experts; e++) assert_int_equal(c.face->layers[i].load[e], 0);
    double learnt = study(&c, 4, true);
    assert_true(measured == learnt);
    for (size_t i = 0; i < c.face->n_layers; i++) {
        int64_t sum = 0, rows = c.step.tokens;
        for (int64_t e = 0; e < c.face->layers[i].experts; e++) sum += c.face->layers[i].load[e];
        if (i == 3) rows -= rows_without_next(&c);
        assert_int_equal(sum, rows * 2);
        assert_non_null(c.face->layers[i].bias);
    }
    end(&c);
}

static double balance_of(class *c, double sequence, double device, double communication) {
    fm_student_loss loss = {0};
    fm_batch batch;
    fm_loader_view(c->loader, 0, ROWS, &batch);
    const fm_student_task task = {.batch = &batch, .weight = {1.0 / (double)c->step.learnt[0]}, .balance = sequence,
                                  .device_balance = device, .communication_balance = communication, .devices = 4,
                                  .device_limit = 2};
    assert_ok(c->face->learn(c->face->self, &task, &loss, &err));
    return loss.balance;
}

static void the_balances_of_v2_are_losses_of_the_same_step_and_add_up(void **state) {
    (void)state;
    class c = {0};
    begin(&c, false, 2, false);
    next(&c);
    double each[] = {balance_of(&c, 1e-3, 0, 0), balance_of(&c, 0, 1e-3, 0), balance_of(&c, 0, 0, 1e-3)};
    for (int i = 0; i < 3; i++) assert_true(each[i] > 0);
    assert_true(each[0] != each[1] && each[1] != each[2]);
    double all = balance_of(&c, 1e-3, 1e-3, 1e-3), sum = each[0] + each[1] + each[2];
    assert_true(fabs(all - sum) < 1e-6 * sum);
    assert_true(balance_of(&c, 0, 0, 0) == 0);
    end(&c);
}

/* A batch of one document alone. */
static fm_batch only(const fm_batch *b, int64_t i, fm_loader_segment *segment) {
    int64_t from = b->segments[i].row;
    fm_batch one = *b;
    *segment = b->segments[i];
    segment->row = 0;
    one.n_rows = segment->count;
    one.ids += from;
    for (int d = 0; d < FM_LOADER_DEPTHS; d++) {
        if (one.ahead[d]) one.ahead[d] += from;
        if (one.targets[d]) one.targets[d] += from;
    }
    one.segments = segment;
    one.n_segments = 1;
    return one;
}

static void a_document_that_is_alone_costs_the_same_whatever_lies_beside_it(void **state) {
    (void)state;
    class c = {0};
    fm_batch all;
    double apart = 0;
    begin(&c, false, 2, true);
    next(&c);
    fm_loader_view(c.loader, 0, ROWS, &all);
    assert_true(all.n_segments > ROWS);
    fm_student_task task = {.batch = &all, .weight = {1}};
    fm_student_loss together = {0};
    assert_ok(c.face->measure(c.face->self, &task, &together, &err));
    for (int64_t i = 0; i < all.n_segments; i++) {
        fm_loader_segment segment;
        fm_batch one = only(&all, i, &segment);
        fm_student_loss loss = {0};
        task.batch = &one;
        assert_ok(c.face->measure(c.face->self, &task, &loss, &err));
        apart += loss.nats[0];
    }
    assert_true(fabs(apart - together.nats[0]) < 1e-12 * apart);
    end(&c);
}

static void it_takes_the_memory_that_it_says(void **state) {
    (void)state;
    class c = {0};
    size_t before = 0, after = 0;
    begin(&c, true, 1, false); /* so that the folder is there */
    end(&c);
    for (int p = 0; p < FM_MEM_PURPOSES; p++) before += fm_mem_statistics().live_bytes[p];
    begin(&c, true, 1, false);
    next(&c);
    study(&c, 8, true);
    fm_loader_free(c.loader);
    c.loader = NULL;
    for (int p = 0; p < FM_MEM_PURPOSES; p++) after += fm_mem_statistics().live_bytes[p];
    uint64_t said = fm_model_student_bytes(c.student);
    double share = (double)(after - before) / (double)said;
    if (share < 0.9 || share > 1.1) fail_msg("%zu bytes of %llu", after - before, (unsigned long long)said);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns_in_float32_and_in_bf16_with_documents_alone_and_in_rows),
        cmocka_unit_test(the_split_of_a_step_changes_gradients_by_rounding_alone),
        cmocka_unit_test(one_thread_and_three_give_the_same_bits),
        cmocka_unit_test(loads_count_every_choice_and_measuring_changes_nothing),
        cmocka_unit_test(the_balances_of_v2_are_losses_of_the_same_step_and_add_up),
        cmocka_unit_test(a_document_that_is_alone_costs_the_same_whatever_lies_beside_it),
        cmocka_unit_test(it_takes_the_memory_that_it_says),
    };
    return cmocka_run_group_tests_name("train/model_student", tests, NULL, NULL);
}

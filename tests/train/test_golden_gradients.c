/* Gradients of whole models against an independent implementation in double precision (tests/golden/README.md,
 * sections 5, 6 and 8), and what must hold of them whatever the model: any cut into steps, any number of
 * threads, any CPU level. */
#include "support.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "train/gradients.h"
#include "train/learning.h"

#include <math.h>

enum { ROWS = 64 };

/* ---- a model that learns from one prompt -------------------------------------------------------------- */

typedef struct opened {
    fm_store *store, *expected;
    fm_model *model;
    fm_pool *pool;
    fm_learning *learning;
    const int32_t *ids;
    int64_t n;
} opened;

typedef struct how {
    int threads;
    fm_cpu_level level;
    bool mtp, recompute;
    bool expanded; /* latents, where the model has some */
    fm_kv_type cache;
} how;

static how by_default(void) { return (how){.threads = 2, .level = fm_cpu_detect()}; }

static opened open_model(const char *model, how h) {
    opened o = {0};
    fm_error err;
    char path[64];
    assert_ok(fm_store_open(golden_path(model), &o.store, &err));
    snprintf(path, sizeof path, "%s/expected.safetensors", model);
    assert_ok(fm_store_open(golden_path(path), &o.expected, &err));
    assert_ok(fm_pool_new(h.threads, &o.pool, &err));
    fm_model_options options = {.mtp = h.mtp};
    assert_ok(fm_model_bind(o.store, &options, &o.model, &err));
    o.model->config.expand_latents = h.expanded && o.model->config.mla;
    fm_learning_options learning = {.trainee = {.kernels = fm_kernels_get(h.level), .pool = o.pool}, .rows = ROWS,
                                  .segments = 4, .mtp = h.mtp, .recompute = h.recompute, .cache = h.cache};
    assert_ok(fm_learning_new(o.model, &learning, &o.learning, &err));
    const fm_tensor *ids = &fm_store_find(o.expected, "p1.input_ids")->tensor;
    o.ids = ids->data;
    o.n = ids->shape[0];
    assert_in_range(o.n, 3, ROWS);
    return o;
}

static void close_model(opened *o) {
    fm_learning_free(o->learning);
    fm_model_free(o->model);
    fm_pool_free(o->pool);
    fm_store_close(o->store);
    fm_store_close(o->expected);
}

/* Next-token loss of the prompt, and with MTP 0.3 of the module's, both over their own targets. */
static fm_learning_loss learn_prompt(const opened *o, bool mtp) {
    fm_error err;
    fm_learning_loss loss;
    int32_t ahead[2][ROWS];
    float weights[2][ROWS];
    fm_segment segment = {.count = o->n};
    for (int d = 0; d < 2; d++)
        for (int64_t t = 0; t < o->n; t++) {
            bool there = t + d + 1 < o->n;
            ahead[d][t] = there ? o->ids[t + d + 1] : -1;
            weights[d][t] = there ? (float)((d ? 0.3 : 1) / (double)(o->n - 1 - d)) : 0;
        }
    fm_learning_step step = {.n_rows = o->n, .ids = o->ids, .n_segments = 1, .segments = &segment,
                            .lesson = {.ahead = {ahead[0], ahead[1]},
                                       .weights = {weights[0], mtp ? weights[1] : NULL}}};
    assert_ok(fm_learning_run(o->learning, &step, true, &loss, &err));
    return loss;
}

/* ---- against the golden numbers ------------------------------------------------------------------------ */

static double number_at(const fm_json *json, const char *a, const char *b) {
    double x = fm_json_number(fm_json_get(fm_json_get(json, a), b), -1);
    if (!(x >= 0)) fail_msg("no %s of %s", b, a);
    return x;
}

/* Every parameter's norm, and the gradients that are given, element by element. Returns the relative L2 error
 * of the worst tensor. */
static double compare_gradients(const opened *o, const char *prefix, const fm_json *norms) {
    const fm_learned_list *list = fm_learning_list(o->learning);
    double worst = 0;
    size_t compared = 0, given = 0, normed = 0;
    for (size_t i = 0; i < fm_store_count(o->expected); i++)
        given += strncmp(fm_store_at(o->expected, i)->name, prefix, strlen(prefix)) == 0;
    for (size_t i = 0; i < list->n; i++) {
        const fm_learned *l = &list->at[i];
        char name[192];
        snprintf(name, sizeof name, "%s%s", prefix, l->name);
        const fm_store_entry *e = fm_store_find(o->expected, name);
        double off = 0, size = 0, got = 0, norm = fm_json_number(fm_json_get(norms, l->name), 0);
        for (int64_t j = 0; l->grad && j < fm_learned_elements(l); j++) {
            double want = e ? (double)((const float *)e->tensor.data)[j] : 0, d = (double)l->grad[j] - want;
            off += d * d, size += want * want, got += (double)l->grad[j] * (double)l->grad[j];
        }
        if (!(fabs(sqrt(got) - norm) <= 2e-4 * norm))
            fail_msg("%s: its gradient has norm %g, not %g", l->name, sqrt(got), norm);
        if (e && !(sqrt(off) <= 2e-4 * sqrt(size)))
            fail_msg("%s: off by %g of %g", l->name, sqrt(off), sqrt(size));
        compared += e != NULL;
        normed += norm > 0;
        if (size > 0 && sqrt(off / size) > worst) worst = sqrt(off / size);
    }
    assert_int_equal(compared, given);
    assert_int_equal(normed, fm_json_length(norms));
    assert_true(compared > 0);
    return worst;
}

static double norm_of(const opened *o) {
    double sum = 0;
    const fm_learned_list *list = fm_learning_list(o->learning);
    for (size_t i = 0; i < list->n; i++)
        for (int64_t j = 0; list->at[i].grad && j < fm_learned_elements(&list->at[i]); j++)
            sum += (double)list->at[i].grad[j] * (double)list->at[i].grad[j];
    return sqrt(sum);
}

static fm_json *expected_numbers(const char *model) {
    fm_error err;
    char path[64], *text;
    size_t size;
    fm_json *json;
    snprintf(path, sizeof path, "%s/expected.json", model);
    assert_ok(fm_file_read(golden_path(path), 1 << 26, &text, &size, &err));
    assert_ok(fm_json_parse(text, size, &json, &err));
    fm_free(text);
    return json;
}

static const char *const models[] = {"tiny-llama", "tiny-qwen2", "tiny-v2-lite", "tiny-v2", "tiny-v3"};

static void check_model(const char *model, how h) {
    opened o = open_model(model, h);
    fm_json *json = expected_numbers(model);
    const char *section = h.mtp ? "mtp" : "train";
    fm_learning_loss loss = learn_prompt(&o, h.mtp);
    double want = number_at(json, section, h.mtp ? "main_loss" : "loss");
    if (!(fabs(loss.nats[0] / (double)(o.n - 1) - want) <= 2e-5))
        fail_msg("%s: loss %.7f, not %.7f", model, loss.nats[0] / (double)(o.n - 1), want);
    if (h.mtp) {
        assert_true(fabs(loss.nats[1] / (double)(o.n - 2) - number_at(json, "mtp", "loss")) <= 2e-5);
        double total = loss.weighted[0] + loss.weighted[1];
        assert_true(fabs(total - number_at(json, "mtp", "total_loss")) <= 2e-5);
    }
    const fm_json *norms = fm_json_get(fm_json_get(json, section), "grad_norms");
    double worst = compare_gradients(&o, h.mtp ? "mtp.grad." : "grad.", norms);
    double norm = number_at(json, section, "grad_norm");
    assert_true(fabs(norm_of(&o) - norm) <= 2e-4 * norm);
    print_message("%s%s: worst tensor off by %.1e\n", model, h.mtp ? " with MTP" : "", worst);
    fm_json_free(json);
    close_model(&o);
}

static void gradients_of_all_models_agree(void **state) {
    (void)state;
    how expanded = by_default();
    expanded.expanded = true;
    for (size_t i = 0; i < FM_COUNT(models); i++) {
        check_model(models[i], by_default());
        check_model(models[i], expanded);
    }
}

static void gradients_with_the_mtp_module_agree(void **state) {
    (void)state;
    how h = by_default();
    h.mtp = true;
    check_model("tiny-v3", h);
    h.expanded = true;
    check_model("tiny-v3", h);
}

/* ---- what must hold whatever the model ------------------------------------------------------------------ */

static size_t gradient_bytes(const opened *o) {
    const fm_learned_list *list = fm_learning_list(o->learning);
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) n += list->at[i].grad ? (size_t)fm_learned_elements(&list->at[i]) : 0;
    return n * sizeof(float);
}

/* All gradients in one array, which the caller frees. */
static float *gradients_of(const opened *o) {
    const fm_learned_list *list = fm_learning_list(o->learning);
    float *all = malloc(gradient_bytes(o)), *at = all;
    assert_non_null(all);
    for (size_t i = 0; i < list->n; i++) {
        if (!list->at[i].grad) continue;
        memcpy(at, list->at[i].grad, (size_t)fm_learned_elements(&list->at[i]) * sizeof *at);
        at += fm_learned_elements(&list->at[i]);
    }
    return all;
}

static void bits_depend_on_no_thread_level_or_what_is_kept(void **state) {
    (void)state;
    for (size_t k = 0; k < 2 * FM_COUNT(models); k++) {
        float *first = NULL;
        size_t i = k / 2;
        for (int variant = 0; variant < 6; variant++) {
            how h = {.threads = 1 + variant, .level = fm_cpu_detect(), .recompute = variant & 1,
                     .mtp = strcmp(models[i], "tiny-v3") == 0, .expanded = k & 1};
            if (variant >= 3) h.level = (fm_cpu_level)(variant - 3);
            if (h.level > fm_cpu_detect()) h.level = fm_cpu_detect();
            opened o = open_model(models[i], h);
            learn_prompt(&o, h.mtp);
            float *all = gradients_of(&o);
            if (first && memcmp(first, all, gradient_bytes(&o)) != 0)
                fail_msg("%s: other bits on %d threads at level %d", models[i], h.threads, (int)h.level);
            if (first) free(all);
            else first = all;
            close_model(&o);
        }
        free(first);
    }
}

/* Three documents, of which the last is short: in one step, or in a step each. */
static void learn_documents(const opened *o, bool together) {
    static const int64_t counts[] = {29, 17, 2};
    static fm_learning_loss loss;
    fm_error err;
    int32_t ahead[2][ROWS], ids[ROWS];
    float weights[2][ROWS];
    fm_segment segments[3];
    int64_t row = 0, n = 0;
    for (int i = 0; i < 3; i++) {
        segments[i] = (fm_segment){.row = row, .count = counts[i]};
        for (int64_t t = 0; t < counts[i]; t++, row++) {
            ids[row] = o->ids[row];
            for (int d = 0; d < 2; d++) {
                ahead[d][row] = t + d + 1 < counts[i] ? o->ids[row + d + 1] : -1;
                weights[d][row] = ahead[d][row] >= 0 && row % 7 ? (d ? 0.1f : 1.0f) / 40 : 0;
            }
        }
    }
    for (int i = 0; i < (together ? 1 : 3); i++, n += counts[i - 1]) {
        fm_segment alone = {.count = counts[i]};
        fm_learning_step step = {.n_rows = together ? row : counts[i], .ids = ids + n,
                                 .n_segments = together ? 3 : 1, .segments = together ? segments : &alone,
                                 .lesson = {.ahead = {ahead[0] + n, ahead[1] + n},
                                            .weights = {weights[0] + n, weights[1] + n},
                                            .sequence_balance = 0.01 / 3}};
        assert_ok(fm_learning_run(o->learning, &step, true, &loss, &err));
    }
}

static void any_cut_into_steps_gives_the_same_gradients(void **state) {
    (void)state;
    for (size_t k = 0; k < 2 * FM_COUNT(models); k++) {
        how h = by_default();
        size_t i = k / 2;
        h.mtp = strcmp(models[i], "tiny-v3") == 0;
        h.expanded = k & 1;
        float *all[2];
        size_t bytes = 0;
        for (int together = 0; together < 2; together++) {
            opened o = open_model(models[i], h);
            learn_documents(&o, together);
            all[together] = gradients_of(&o);
            bytes = gradient_bytes(&o);
            close_model(&o);
        }
        double off = 0, size = 0;
        for (size_t j = 0; j < bytes / sizeof(float); j++) {
            double d = (double)all[0][j] - (double)all[1][j];
            off += d * d, size += (double)all[0][j] * (double)all[0][j];
        }
        if (!(sqrt(off) <= 1e-6 * sqrt(size))) fail_msg("%s: off by %g", models[i], sqrt(off / size));
        print_message("%s: one step or three differ by %.1e\n", models[i], sqrt(off / size));
        free(all[0]);
        free(all[1]);
    }
}

static void steps_that_make_no_sense_are_refused(void **state) {
    (void)state;
    opened o = open_model("tiny-llama", by_default());
    fm_error err;
    fm_learning_loss loss;
    int32_t ids[] = {1, 2, 3}, ahead[] = {2, 3, -1};
    float weights[] = {1, 1, 0};
    fm_segment segment = {.count = 3};
    fm_learning_step good = {.n_rows = 3, .ids = ids, .n_segments = 1, .segments = &segment,
                             .lesson = {.ahead = {ahead}, .weights = {weights}}};
    assert_ok(fm_learning_run(o.learning, &good, true, &loss, &err));
    fm_learning_step bad = good;
    bad.n_rows = ROWS + 1;
    assert_int_equal(fm_learning_run(o.learning, &bad, true, &loss, &err), FM_ERR_ARGUMENT);
    ids[1] = 1 << 20;
    assert_int_equal(fm_learning_run(o.learning, &good, true, &loss, &err), FM_ERR_ARGUMENT);
    ids[1] = 2, weights[2] = 1; /* no token to predict */
    assert_int_equal(fm_learning_run(o.learning, &good, true, &loss, &err), FM_ERR_ARGUMENT);
    close_model(&o);
}

/* Whatever allocation fails, it is said, and nothing is left behind. */
static void memory_that_runs_out_is_said(void **state) {
    (void)state;
    opened o = open_model("tiny-v3", by_default());
    fm_learning_free(o.learning);
    fm_error err;
    fm_learning_options options = {.trainee = {.kernels = fm_kernels_get(fm_cpu_detect()), .pool = o.pool},
                                   .rows = 8, .segments = 2};
    fm_mem_stats before = fm_mem_statistics();
    fm_status status = FM_ERR_MEMORY;
    int64_t k = 0;
    for (; status != FM_OK; k++) {
        fm_mem_fail_from(k);
        status = fm_learning_new(o.model, &options, &o.learning, &err);
        fm_mem_fail_from(-1);
        if (status == FM_OK) break;
        assert_int_equal(status, FM_ERR_MEMORY);
        fm_mem_stats after = fm_mem_statistics();
        assert_memory_equal(before.live_bytes, after.live_bytes, sizeof before.live_bytes);
    }
    assert_in_range(k, 10, 1000);
    fm_learning_free(o.learning);
    options.memory_limit = 1 << 20;
    assert_int_equal(fm_learning_new(o.model, &options, &o.learning, &err), FM_ERR_MEMORY);
    assert_non_null(strstr(err.message, "GiB"));
    close_model(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_all_models_agree),
        cmocka_unit_test(gradients_with_the_mtp_module_agree),
        cmocka_unit_test(bits_depend_on_no_thread_level_or_what_is_kept),
        cmocka_unit_test(any_cut_into_steps_gives_the_same_gradients),
        cmocka_unit_test(steps_that_make_no_sense_are_refused),
        cmocka_unit_test(memory_that_runs_out_is_said),
    };
    return cmocka_run_group_tests_name("golden gradients", tests, NULL, NULL);
}

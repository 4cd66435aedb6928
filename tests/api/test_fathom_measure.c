/* Measuring through the public header: defaults, refusals, what is handed out after a failure. */
#include "fathom/fathom_measure.h"
#include "support.h"

#include <math.h>

static fathom_model *open_model(const char *name) {
    fathom_model_options options = fathom_model_defaults();
    fathom_model *model = NULL;
    fathom_error err = {0};
    options.context = 256;
    options.threads = 2;
    if (fathom_model_open(golden_path(name), &options, &model, &err) != FATHOM_OK) fail_msg("%s", err.message);
    return model;
}

static void a_bench_measures_a_model_also_with_its_guessing_module(void **state) {
    (void)state;
    static const int64_t five[] = {5}, depths[] = {0, 70};
    fathom_model *model = open_model("tiny-v3");
    fathom_bench_options o = fathom_bench_defaults();
    fathom_error err;
    char *json;
    o.prompt = o.generate = five;
    o.depth = depths, o.n_depth = 2;
    o.repeat = 2, o.sequences = 2, o.no_bandwidth = true;
    assert_true(fathom_model_describe(model).mtp);
    if (fathom_bench(model, &o, &json, &err) != FATHOM_OK) fail_msg("%s", err.message);
    assert_non_null(strstr(json, "\"pp5@d0\""));
    assert_non_null(strstr(json, "\"tg5x2@d70\""));
    fathom_free(json);
    static const int64_t deep[] = {2100}; /* the model was made for 2560 */
    fathom_bench_options usual = fathom_bench_defaults();
    usual.depth = deep;
    json = (char *)1;
    assert_int_equal(fathom_bench(model, &usual, &json, &err), FATHOM_ERR_LIMIT);
    assert_non_null(strstr(err.message, "2612 positions"));
    assert_null(json);
    o.repeat = -1;
    assert_int_equal(fathom_bench(model, &o, &json, NULL), FATHOM_ERR_ARGUMENT);
    fathom_model_close(model);
}

static bool count_windows(void *context, const fathom_perplexity_result *so_far) {
    int *n = context;
    assert_int_equal(so_far->windows, ++*n);
    return *n < 3;
}

static void a_text_is_scored_until_the_caller_has_enough(void **state) {
    (void)state;
    char text[6000] = "";
    for (int i = 0; i < 200; i++) strcat(text, "ships and crews ");
    fathom_model *model = open_model("tiny-v3");
    fathom_perplexity_options o = fathom_perplexity_defaults();
    fathom_perplexity_result r;
    fathom_error err;
    int n = 0;
    o.context = 32;
    o.on_window = count_windows;
    o.callback_context = &n;
    assert_int_equal(fathom_perplexity(model, text, strlen(text), &o, &r, &err), FATHOM_ERR_CANCELLED);
    assert_int_equal(r.windows, 3);
    assert_int_equal(r.scored, 3 * 15);
    assert_true(r.all_windows > 3 && fabs(r.perplexity - exp(r.nll)) < 1e-9 * r.perplexity);
    assert_true(r.kl == 0 && r.base_perplexity == 0 && r.bits_per_byte > 0);
    assert_int_equal(fathom_perplexity(model, "short", 5, NULL, &r, &err), FATHOM_ERR_ARGUMENT);
    assert_int_equal(r.scored, 0);
    fathom_model_close(model);
}

static void questions_are_counted_and_asked(void **state) {
    (void)state;
    const char *path = scratch_path("questions");
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 4; i++) fprintf(f, "{\"prompt\": \"and %d?\", \"answer\": %d}\n", i, i);
    fclose(f);
    int64_t count;
    fathom_error err;
    assert_int_equal(fathom_eval_count(path, 0, &count, &err), FATHOM_OK);
    assert_int_equal(count, 4);
    assert_int_equal(fathom_eval_count(path, 3, &count, NULL), FATHOM_OK);
    assert_int_equal(count, 3);
    assert_int_equal(fathom_eval_count(scratch_path("none"), 0, &count, &err), FATHOM_ERR_IO);
    assert_int_equal(count, 0);
    fathom_model *model = open_model("tiny-v3");
    fathom_eval_options o = fathom_eval_defaults(model);
    fathom_eval_result r;
    o.max_tokens = 7;
    o.samples = 2;
    if (fathom_eval(model, path, &o, &r, &err) != FATHOM_OK) fail_msg("%s", err.message);
    assert_true(r.items == 4 && r.done == 4 && r.samples == 8 && r.resumed == 0);
    assert_true(r.tokens > 0 && r.cut <= 8 && r.n_rows == 1 && r.n_pass_at == 1 && r.pass_at[0] == 2);
    const fathom_eval_row *all = &r.rows[0];
    assert_true(all->questions == 4 && all->replies == 8 && all->correct == r.correct && !all->domain);
    assert_true(fabs(all->accuracy.value - r.accuracy) < 1e-12);
    assert_true(all->accuracy.low <= r.accuracy && r.accuracy <= all->accuracy.high);
    assert_true(all->pass[0].value >= all->accuracy.value);
    fathom_eval_clear(&r);
    o.samples = -1;
    assert_int_equal(fathom_eval(model, path, &o, &r, &err), FATHOM_ERR_ARGUMENT);
    assert_int_equal(r.done, 0);
    fathom_eval_clear(&r);
    static const int64_t ks[] = {1, 3};
    o.samples = 2;
    o.pass_at = ks;
    o.n_pass_at = 2;
    assert_int_equal(fathom_eval(model, path, &o, &r, &err), FATHOM_ERR_ARGUMENT);
    fathom_eval_clear(&r);
    assert_int_equal(fathom_eval(NULL, path, NULL, &r, &err), FATHOM_ERR_ARGUMENT);
    fathom_eval_clear(&r);
    fathom_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bench_measures_a_model_also_with_its_guessing_module),
        cmocka_unit_test(a_text_is_scored_until_the_caller_has_enough),
        cmocka_unit_test(questions_are_counted_and_asked),
    };
    return cmocka_run_group_tests_name("measure", tests, NULL, NULL);
}

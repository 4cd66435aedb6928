/* Recipes: defaults, files, messages that name key and line, what may change when a run goes on. */
#include "support.h"

#include "base/json.h"
#include "train/run_recipe_table.h"

static fm_error err;

static void begin(fm_run_recipe *r) { assert_ok(fm_run_recipe_begin(r, &err)); }

static fm_status parse(fm_run_recipe *r, const char *text) {
    return fm_run_recipe_parse(r, text, strlen(text), "my.json", &err);
}

static void every_key_has_a_default_within_its_range_and_one_line_of_help(void **state) {
    (void)state;
    fm_run_recipe r;
    begin(&r);
    for (size_t i = 0; i < fm_recipe_key_count; i++) {
        const fm_recipe_key *k = &fm_recipe_keys[i];
        assert_true(strlen(k->help) > 8 && !strchr(k->help, '\n'));
        assert_true(strlen(k->key) <= 17);
    }
    assert_int_equal(r.run.steps, 1000);
    assert_true(r.optimizer.lr == 2e-3);
    assert_string_equal(r.model.shape, "nano");
    assert_int_equal(r.samples.prompts.n, 0);
    assert_true(r.checkpoint.keep_best);
    fm_run_recipe_clear(&r);
}

static void a_file_says_what_differs_from_the_defaults(void **state) {
    (void)state;
    fm_run_recipe r;
    begin(&r);
    assert_ok(parse(&r, "{\"run\": {\"steps\": 50, \"precision\": \"f32\"},\n"
                        " \"optimizer\": {\"name\": \"muon\", \"lr\": 0.02, \"decay_norms\": true},\n"
                        " \"samples\": {\"prompts\": [\"One\", \"Two|and more\"]}}"));
    assert_int_equal(r.run.steps, 50);
    assert_int_equal(r.run.precision, 0);
    assert_int_equal(r.optimizer.name, 1);
    assert_true(r.optimizer.lr == 0.02 && r.optimizer.decay_norms);
    assert_int_equal(r.samples.prompts.n, 2);
    assert_string_equal(r.samples.prompts.at[1], "Two|and more");
    assert_ok(fm_run_recipe_set(&r, "optimizer.lr=1e-3", &err));
    assert_ok(fm_run_recipe_set(&r, "samples.prompts=a|b|c", &err));
    assert_ok(fm_run_recipe_set(&r, "run.stage=sft", &err));
    assert_true(r.optimizer.lr == 1e-3 && r.samples.prompts.n == 3 && r.run.stage == 1);
    fm_run_recipe_clear(&r);
}

static void what_is_written_reads_back_as_the_same_recipe(void **state) {
    (void)state;
    fm_run_recipe a, b;
    fm_buffer first = {0}, second = {0};
    begin(&a);
    begin(&b);
    assert_ok(parse(&a, "{\"optimizer\": {\"lr\": 0.0123, \"clip\": 0.3}, \"data\": {\"train\": \"a \\\"b\\\"\"},"
                        "\"samples\": {\"prompts\": [\"x\"]}}"));
    fm_run_recipe_put(&a, &first);
    assert_ok(parse(&b, fm_buffer_string(&first)));
    fm_run_recipe_put(&b, &second);
    assert_string_equal(fm_buffer_string(&first), fm_buffer_string(&second));
    assert_ok(fm_run_recipe_same(&a, &b, &err));
    fm_buffer_clear(&first);
    fm_buffer_clear(&second);
    fm_run_recipe_clear(&a);
    fm_run_recipe_clear(&b);
}

static void mistakes_are_named_with_their_line_and_the_nearest_key(void **state) {
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"{\"run\": {\n \"stps\": 3}}", "my.json:2: the key of \"run\" 'stps' is unknown; did you mean 'steps'?"},
        {"{\n\n\"optimiser\": {}}", "my.json:3: the section 'optimiser' is unknown; did you mean 'optimizer'?"},
        {"{\"run\": {},\n\"optimizer\": {\n\"lr\":\n\"fast\"}}", "my.json:3: optimizer.lr must be a number"},
        {"{\"run\": {\"steps\": 0}}", "my.json:1: run.steps must be a whole number from 1 to 1000000000000, not 0"},
        {"{\"run\": {\"steps\": 2.5}}", "run.steps must be a whole number"},
        {"{\"batch\": {\"tokens\": true}}", "batch.tokens must be a whole number"},
        {"{\"run\": {\"precision\": \"fp64\"}}", "run.precision must be one of f32|bf16, not fp64"},
        {"{\"checkpoint\": {\"keep_best\": 1}}", "checkpoint.keep_best must be true or false"},
        {"{\"samples\": {\"prompts\": [1]}}", "samples.prompts must be a list of texts"},
        {"{\"run\": 3}", "my.json:1: \"run\" is a section"},
        {"{\"run\": {\"steps\": 3,}}", "my.json"},
        {"[1]", "a recipe is an object"},
        {"", "my.json"},
        /* A key of the same name in another section, and inside a text, is not the one that is meant. */
        {"{\"average\": {},\n\"data\": {\"train\": \"\\\"seed\\\": {\"},\n\"run\": {\"seed\": -1}}",
         "my.json:3: run.seed"},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_run_recipe r;
        begin(&r);
        assert_int_not_equal(parse(&r, cases[i].text), FM_OK);
        if (!strstr(err.message, cases[i].said)) fail_msg("%s\n  instead of %s", err.message, cases[i].said);
        fm_run_recipe_clear(&r);
    }
    fm_run_recipe r;
    begin(&r);
    assert_int_equal(fm_run_recipe_set(&r, "optimizer.lrr=1", &err), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "did you mean 'optimizer.lr'?"));
    assert_int_equal(fm_run_recipe_set(&r, "lr", &err), FM_ERR_ARGUMENT);
    assert_int_equal(fm_run_recipe_set(&r, "run.steps=many", &err), FM_ERR_ARGUMENT);
    assert_int_equal(fm_run_recipe_set(&r, "run.steps=1e400", &err), FM_ERR_ARGUMENT);
    assert_int_equal(fm_run_recipe_set(&r, "optimizer.lr=nan", &err), FM_ERR_ARGUMENT);
    fm_run_recipe_clear(&r);
}

static void another_run_is_told_from_the_same_one_and_the_key_is_named(void **state) {
    (void)state;
    fm_run_recipe a, b;
    char hash_a[FM_SHA256_HEX + 1], hash_b[FM_SHA256_HEX + 1];
    begin(&a);
    begin(&b);
    assert_ok(parse(&b, "{\"run\": {\"steps\": 5, \"threads\": 1}, \"checkpoint\": {\"every\": 3}}"));
    assert_ok(fm_run_recipe_same(&a, &b, &err));
    assert_ok(fm_run_recipe_hash(&a, hash_a, &err));
    assert_ok(fm_run_recipe_hash(&b, hash_b, &err));
    assert_string_equal(hash_a, hash_b);
    assert_ok(parse(&b, "{\"schedule\": {\"kind\": \"cosine\"}}"));
    assert_int_equal(fm_run_recipe_same(&a, &b, &err), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "schedule.kind = wsd and the recipe now says cosine"));
    assert_ok(fm_run_recipe_hash(&b, hash_b, &err));
    assert_string_not_equal(hash_a, hash_b);
    fm_run_recipe_clear(&a);
    fm_run_recipe_clear(&b);
}

static void the_help_lists_every_key_in_lines_that_fit(void **state) {
    (void)state;
    fm_buffer out = {0};
    fm_run_recipe_help(&out);
    const char *text = fm_buffer_string(&out);
    for (size_t i = 0; i < fm_recipe_key_count; i++) assert_non_null(strstr(text, fm_recipe_keys[i].help));
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "\n");
        if (n > 130) fail_msg("%.*s", (int)n, at);
        at += n + (at[n] == '\n');
    }
    fm_buffer_clear(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_has_a_default_within_its_range_and_one_line_of_help),
        cmocka_unit_test(a_file_says_what_differs_from_the_defaults),
        cmocka_unit_test(what_is_written_reads_back_as_the_same_recipe),
        cmocka_unit_test(mistakes_are_named_with_their_line_and_the_nearest_key),
        cmocka_unit_test(another_run_is_told_from_the_same_one_and_the_key_is_named),
        cmocka_unit_test(the_help_lists_every_key_in_lines_that_fit),
    };
    return cmocka_run_group_tests_name("train/recipe", tests, NULL, NULL);
}

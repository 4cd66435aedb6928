/* One timeline and its relatives through the public header: forks that part, timelines kept in files,
 * steps over many sessions, and nothing allocated on the way. */
#include "api_support.h"

#include "base/mem.h"

enum { PROMPT = 150 };

static const char *const families[] = {"tiny-v3", "tiny-v2-lite", "tiny-llama", "tiny-qwen2"};
static int32_t prompt[PROMPT];

static void push(fathom_session *s, int32_t id) {
    fathom_error err;
    assert_fathom(fathom_session_push(s, id, &err));
}

/* The logits after these tokens in a session of a model that nobody else uses, to be freed. */
static float *from_nothing(const char *name, const int32_t *ids, size_t n) {
    fathom_model *model = open_golden(name, NULL);
    fathom_session *s = session_of(model);
    fathom_error err;
    assert_fathom(fathom_session_sync(s, ids, n, NULL, &err));
    float *logits = logits_copy(model, s);
    fathom_session_free(s);
    fathom_model_close(model);
    return logits;
}

/* ---- forks ------------------------------------------------------------------------------------------*/

static void a_fork_has_the_same_past_and_a_future_of_its_own(void **state) {
    (void)state;
    for (size_t f = 0; f < FM_COUNT(families); f++) {
        fathom_model_options options = fathom_model_defaults();
        options.context = API_CONTEXT;
        options.sessions = 3;
        fathom_model *model = open_golden(families[f], &options);
        fathom_error err;
        for (size_t at = 1; at < PROMPT; at += 37) {
            fathom_session *trunk = session_of(model), *left, *right;
            assert_fathom(fathom_session_sync(trunk, prompt, at, NULL, &err));
            float *there = logits_copy(model, trunk);
            assert_fathom(fathom_session_fork(trunk, &left, &err));
            assert_fathom(fathom_session_fork(trunk, &right, &err));
            assert_logits(model, left, there);
            int32_t a[PROMPT + 8], b[PROMPT + 8];
            memcpy(a, prompt, at * sizeof *a);
            memcpy(b, prompt, at * sizeof *b);
            for (int i = 0; i < 8; i++) {
                push(left, a[at + (size_t)i] = 10 + i);
                push(right, b[at + (size_t)i] = 200 - i);
            }
            float *expect_a = from_nothing(families[f], a, at + 8);
            float *expect_b = from_nothing(families[f], b, at + 8);
            assert_logits(model, left, expect_a);
            assert_logits(model, right, expect_b);
            assert_logits(model, trunk, there);
            assert_int_equal(length_of(trunk), at);
            fathom_session_free(trunk); /* the past outlives who made it */
            push(left, 33);
            a[PROMPT + 7] = 33;
            size_t n;
            assert_memory_equal(fathom_session_tokens(left, &n), a, (at + 8) * sizeof *a);
            assert_int_equal(n, at + 9);
            free(there), free(expect_a), free(expect_b);
            fathom_session_free(left);
            fathom_session_free(right);
        }
        fathom_model_close(model);
    }
}

/* Several answers to one question: the question is computed once. */
static void forks_answer_one_question_in_several_ways(void **state) {
    (void)state;
    enum { WAYS = 4 };
    fathom_model_options options = fathom_model_defaults();
    options.context = API_CONTEXT;
    options.sessions = WAYS;
    fathom_model *model = open_golden("tiny-v3", &options);
    fathom_session *trunk = session_of(model);
    fathom_error err;
    static said alone[WAYS], forked[WAYS];
    static fathom_request r[WAYS];
    assert_fathom(fathom_session_sync(trunk, prompt, PROMPT, NULL, &err));
    for (int i = 0; i < WAYS; i++) {
        r[i] = (fathom_request){.prompt = prompt, .n = PROMPT, .options = options_into(&forked[i], 1, 30)};
        r[i].options.sampling.sequence = (uint64_t)i;
        assert_fathom(fathom_session_fork(trunk, &r[i].session, &err));
    }
    assert_fathom(fathom_generate_many(r, WAYS, &err));
    for (int i = 0; i < WAYS; i++) {
        forked[i].g = r[i].result;
        assert_int_equal(r[i].status, FATHOM_OK);
        assert_true(r[i].result.reused_tokens >= PROMPT - 2); /* MTP asks for one more again */
        fathom_session_free(r[i].session);
        fathom_generate_options o = options_into(&alone[i], 1, 30);
        o.sampling.sequence = (uint64_t)i;
        say_anew(model, prompt, PROMPT, &o);
        assert_true(same_said(&alone[i], &forked[i]));
        for (int k = 0; k < i; k++) assert_false(same_said(&alone[k], &alone[i]));
    }
    fathom_session_free(trunk);
    fathom_model_close(model);
}

/* ---- files -------------------------------------------------------------------------------------------*/

static void a_saved_timeline_goes_on_with_the_same_bits(void **state) {
    (void)state;
    for (size_t f = 0; f < FM_COUNT(families); f++)
        for (int cache = FATHOM_CACHE_F32; cache <= FATHOM_CACHE_INT8; cache++) {
            fathom_model_options options = fathom_model_defaults();
            options.context = API_CONTEXT;
            options.cache = (fathom_cache_type)cache;
            options.rows = 64;
            fathom_model *model = open_golden(families[f], &options);
            fathom_session *s = session_of(model), *loaded;
            fathom_error err;
            static said straight, resumed;
            fathom_generate_options o = options_into(&straight, 0.8f, 20);
            say(s, prompt, PROMPT, &o);
            int32_t so_far[API_CONTEXT];
            size_t n;
            const int32_t *tokens = fathom_session_tokens(s, &n);
            memcpy(so_far, tokens, n * sizeof *tokens);
            float *there = logits_copy(model, s);
            const char *path = scratch_path("timeline");
            assert_fathom(fathom_session_save(s, path, &err));
            o = options_into(&straight, 0.8f, 40);
            o.guesses = 5;
            say(s, so_far, n, &o);
            fathom_session_free(s);
            fathom_model_close(model); /* another day, other threads, other chunks */
            options.threads = 3;
            options.rows = 17;
            model = open_golden(families[f], &options);
            assert_fathom(fathom_session_load(model, path, &loaded, &err));
            assert_logits(model, loaded, there);
            assert_int_equal(length_of(loaded), n);
            o = options_into(&resumed, 0.8f, 40);
            o.guesses = 5;
            say(loaded, so_far, n, &o);
            assert_true(same_said(&straight, &resumed));
            assert_true(resumed.g.reused_tokens + 2 >= (int64_t)n);
            free(there);
            fathom_session_free(loaded);
            fathom_model_close(model);
        }
}

static void a_timeline_of_another_model_is_refused(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-v3", NULL), *other;
    fathom_session *s = session_of(model), *loaded = s;
    fathom_error err;
    const char *path = scratch_path("of-tiny-v3");
    assert_fathom(fathom_session_sync(s, prompt, PROMPT, NULL, &err));
    assert_fathom(fathom_session_save(s, path, &err));
    fathom_session_free(s);
    fathom_model_close(model);

    static const char *const strangers[] = {"tiny-llama", "tiny-v3-fp8", "tiny-v2"};
    for (size_t i = 0; i < FM_COUNT(strangers); i++) {
        other = open_golden(strangers[i], NULL);
        assert_int_equal(fathom_session_load(other, path, &loaded, &err), FATHOM_ERR_UNSUPPORTED);
        assert_null(loaded);
        assert_non_null(strstr(err.message, path));
        fathom_model_close(other);
    }
    fathom_model_options options = fathom_model_defaults();
    options.context = API_CONTEXT;
    options.cache = FATHOM_CACHE_INT8;
    other = open_golden("tiny-v3", &options);
    assert_int_equal(fathom_session_load(other, path, &loaded, &err), FATHOM_ERR_UNSUPPORTED);
    fathom_model_close(other);
    options.cache = fathom_model_defaults().cache;
    options.context = PROMPT - 1;
    other = open_golden("tiny-v3", &options);
    assert_int_equal(fathom_session_load(other, path, &loaded, &err), FATHOM_ERR_LIMIT);
    assert_int_equal(fathom_session_load(other, golden_path("tiny-v3/config.json"), &loaded, &err),
                     FATHOM_ERR_FORMAT);
    assert_int_not_equal(fathom_session_load(other, "/none/such", &loaded, &err), FATHOM_OK);
    assert_non_null(strstr(err.message, "/none/such"));
    s = session_of(other);
    assert_int_equal(fathom_session_save(s, "/none/such", &err), FATHOM_ERR_IO);
    fathom_session_free(s);
    fathom_model_close(other);
}

/* ---- steps -------------------------------------------------------------------------------------------*/

static void steps_over_many_sessions_give_each_its_own_bits(void **state) {
    (void)state;
    enum { SESSIONS = 20, TOKENS = 12 };
    for (size_t f = 0; f < FM_COUNT(families); f++) {
        fathom_model_options options = fathom_model_defaults();
        options.context = API_CONTEXT;
        options.sessions = SESSIONS;
        options.rows = 50;
        fathom_model *model = open_golden(families[f], &options);
        fathom_session *s[SESSIONS];
        static int32_t ids[SESSIONS][PROMPT + TOKENS];
        size_t n[SESSIONS];
        fathom_error err;
        for (int i = 0; i < SESSIONS; i++) {
            s[i] = session_of(model);
            n[i] = 1 + (size_t)i * 7;
            make_prompt(ids[i], n[i], (uint64_t)(i % 4));
            assert_fathom(fathom_session_queue(s[i], ids[i], n[i], &err));
            assert_true(fathom_session_waiting(s[i]) > 0);
        }
        fathom_sampling how = {.temperature = 1, .top_p = 1, .seed = 2};
        int64_t rows = 0, steps = 0;
        for (bool more = true; more; steps++) {
            fathom_step_report report;
            assert_fathom(fathom_step(s, SESSIONS, &report, &err));
            assert_true(report.rows > 0 && report.sessions > 0 && report.seconds >= 0);
            assert_true(report.rows <= 50);
            rows += report.rows;
            more = false;
            for (int i = 0; i < SESSIONS; i++) {
                size_t end = 1 + (size_t)i * 7 + TOKENS;
                if (fathom_session_waiting(s[i]) > 0) {
                    assert_null(fathom_session_logits(s[i]));
                    more = true;
                } else if (n[i] < end) {
                    ids[i][n[i]] = fathom_session_sample(s[i], &how);
                    assert_fathom(fathom_session_queue(s[i], &ids[i][n[i]++], 1, &err));
                    more = true;
                }
            }
        }
        assert_true(rows / steps > 10); /* they did go together */
        fathom_model *quiet = open_golden(families[f], NULL);
        for (int i = 0; i < SESSIONS; i++) {
            fathom_session *alone = session_of(quiet);
            assert_fathom(fathom_session_sync(alone, ids[i], n[i], NULL, &err));
            assert_memory_equal(fathom_session_logits(s[i]), fathom_session_logits(alone),
                                (size_t)fathom_model_describe(model).vocabulary * sizeof(float));
            assert_memory_equal(fathom_session_hidden(s[i]), fathom_session_hidden(alone),
                                (size_t)fathom_model_describe(model).hidden_size * sizeof(float));
            fathom_session_free(alone);
            fathom_session_free(s[i]);
        }
        fathom_model_close(quiet);
        fathom_model_close(model);
    }
}

static void steps_that_make_no_sense_are_refused_and_change_nothing(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-llama", NULL), *other = open_golden("tiny-v3", NULL);
    fathom_session *a = session_of(model), *b = session_of(other), *twice[] = {a, a}, *mixed[] = {a, b};
    fathom_error err;
    fathom_step_report report = {1, 1, 1};
    int32_t wrong = 512;
    assert_fathom(fathom_step(NULL, 0, &report, &err));
    assert_int_equal(report.rows, 0);
    assert_fathom(fathom_step(&a, 1, &report, &err)); /* nothing waits */
    assert_int_equal(report.rows, 0);
    assert_int_equal(fathom_session_queue(a, &wrong, 1, &err), FATHOM_ERR_ARGUMENT);
    assert_int_equal(fathom_session_queue(a, prompt, 0, &err), FATHOM_ERR_ARGUMENT);
    assert_fathom(fathom_session_queue(a, prompt, 5, &err));
    assert_int_equal(fathom_step(twice, 2, NULL, &err), FATHOM_ERR_ARGUMENT);
    assert_int_equal(fathom_step(mixed, 2, NULL, &err), FATHOM_ERR_ARGUMENT);
    assert_int_equal(fathom_session_waiting(a), 5);
    fathom_session_cancel(a);
    assert_int_equal(fathom_session_waiting(a), 0);
    assert_int_equal(length_of(a), 0);
    assert_fathom(fathom_session_queue(a, prompt, 5, &err));
    assert_fathom(fathom_step(&a, 1, NULL, &err));
    assert_int_equal(length_of(a), 5);
    fathom_session_free(a);
    fathom_session_free(b);
    fathom_model_close(model);
    fathom_model_close(other);
}

static void a_steady_token_allocates_nothing(void **state) {
    (void)state;
    enum { SESSIONS = 3, PAGE = 64 };
    fathom_model_options options = fathom_model_defaults();
    options.lazy = false; /* packing an expert takes working memory */
    options.context = API_CONTEXT;
    options.sessions = SESSIONS;
    for (size_t f = 0; f < FM_COUNT(families); f++) {
        fathom_model *model = open_golden(families[f], &options);
        fathom_session *s[SESSIONS];
        fathom_error err;
        fathom_sampling how = fathom_sampling_defaults(model);
        fathom_logit_bias bias = {7, -INFINITY};
        how.bias = &bias;
        how.n_bias = 1;
        for (int i = 0; i < SESSIONS; i++) {
            s[i] = session_of(model);
            assert_fathom(fathom_session_sync(s[i], prompt, PAGE + 1 + (size_t)i, NULL, &err));
        }
        int32_t warm = fathom_session_sample(s[0], &how);
        assert_true(warm >= 0);
        uint64_t before = fm_mem_statistics().allocations;
        for (int step = 0; step < 50; step++) { /* inside one page */
            for (int i = 0; i < SESSIONS; i++) {
                int32_t id = fathom_session_sample(s[i], &how);
                assert_fathom(fathom_session_queue(s[i], &id, 1, &err));
            }
            assert_fathom(fathom_step(s, SESSIONS, NULL, &err));
        }
        assert_int_equal(fm_mem_statistics().allocations - before, 0);
        for (int i = 0; i < SESSIONS; i++) fathom_session_free(s[i]);
        fathom_model_close(model);
    }
}

static void a_timeline_of_nothing_can_be_kept_too(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-v3", NULL);
    fathom_session *s = session_of(model), *fork, *loaded;
    fathom_error err;
    const char *path = scratch_path("nothing");
    assert_fathom(fathom_session_fork(s, &fork, &err));
    assert_fathom(fathom_session_save(s, path, &err));
    assert_fathom(fathom_session_load(model, path, &loaded, &err));
    fathom_session *all[] = {s, fork, loaded};
    float *expected = from_nothing("tiny-v3", prompt, 70);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(length_of(all[i]), 0);
        assert_null(fathom_session_logits(all[i]));
        assert_null(fathom_session_hidden(all[i]));
        assert_fathom(fathom_session_sync(all[i], prompt, 70, NULL, &err));
        assert_logits(model, all[i], expected);
        fathom_session_free(all[i]);
    }
    free(expected);
    fathom_model_close(model);
}

/* Allocations fail from the k-th on, whatever is under way: a sentence each time, nothing leaks, and what
 * is left goes on with the right bits. */
static fathom_status live_a_little(fathom_model *model, const char *path, int32_t *out, fathom_error *err) {
    static const char text[] = "root ::= [a-z ]+\n";
    fathom_session *s = NULL, *fork = NULL, *loaded = NULL;
    fathom_grammar *g = NULL;
    fathom_request r[3] = {{0}};
    fathom_status status = fathom_grammar_gbnf(text, sizeof text - 1, &g, err);
    if (status == FATHOM_OK) status = fathom_session_new(model, &s, err);
    if (status == FATHOM_OK) status = fathom_session_sync(s, prompt, 100, NULL, err);
    if (status == FATHOM_OK) status = fathom_session_fork(s, &fork, err);
    if (status == FATHOM_OK) status = fathom_session_push(fork, 17, err);
    if (status == FATHOM_OK) status = fathom_session_save(fork, path, err);
    if (status == FATHOM_OK) status = fathom_session_load(model, path, &loaded, err);
    if (status == FATHOM_OK) {
        fathom_session *of[] = {s, fork, loaded};
        for (int i = 0; i < 3; i++) {
            r[i] = (fathom_request){.session = of[i], .prompt = prompt, .n = 101,
                                    .options = fathom_generate_defaults(model)};
            r[i].options.max_tokens = 12;
            r[i].options.grammar = i == 1 ? g : NULL;
            r[i].options.logprobs = true;
        }
        status = fathom_generate_many(r, 3, err);
        for (int i = 0; i < 3 && status == FATHOM_OK; i++)
            if ((status = r[i].status) != FATHOM_OK) *err = r[i].error;
    }
    if (status == FATHOM_OK) { /* the last token of a reply may not be there */
        for (int i = 0; i < 3; i++) memcpy(out + 11 * i, fathom_session_tokens(r[i].session, &(size_t){0}) + 101,
                                           11 * sizeof *out);
    }
    fathom_session_free(s);
    fathom_session_free(fork);
    fathom_session_free(loaded);
    fathom_grammar_free(g);
    return status;
}

static void memory_that_ends_anywhere_is_an_error_and_no_more(void **state) {
    (void)state;
    static const char *const models[] = {"tiny-v3", "tiny-llama"};
    const char *path = scratch_path("faults");
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        fathom_model_options options = fathom_model_defaults();
        fathom_error err;
        options.context = API_CONTEXT;
        options.sessions = 4;
        options.threads = 1;
        fathom_model *model = open_golden(models[m], &options);
        int32_t expected[33], got[33];
        assert_fathom(live_a_little(model, path, expected, &err));
        size_t live = fm_mem_statistics().live_bytes[FM_MEM_OTHER];
        int64_t failed = 0;
        for (int64_t k = 0;; k += 1 + k / 40) {
            err = (fathom_error){0};
            fm_mem_fail_from(k);
            fathom_status status = live_a_little(model, path, got, &err);
            fm_mem_fail_from(-1);
            if (status == FATHOM_OK) {
                assert_memory_equal(got, expected, sizeof got);
                break;
            }
            if (status != FATHOM_ERR_MEMORY || !err.message[0])
                fail_msg("%s, allocation %d: %d, '%s'", models[m], (int)k, status, err.message);
            failed++;
        }
        assert_true(failed > 30);
        assert_fathom(live_a_little(model, path, got, &err));
        assert_memory_equal(got, expected, sizeof got);
        assert_true(fm_mem_statistics().live_bytes[FM_MEM_OTHER] <= live);
        fathom_model_close(model);
    }
}

static int set_up(void **state) {
    (void)state;
    make_prompt(prompt, PROMPT, 77);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fork_has_the_same_past_and_a_future_of_its_own),
        cmocka_unit_test(forks_answer_one_question_in_several_ways),
        cmocka_unit_test(a_saved_timeline_goes_on_with_the_same_bits),
        cmocka_unit_test(a_timeline_of_another_model_is_refused),
        cmocka_unit_test(steps_over_many_sessions_give_each_its_own_bits),
        cmocka_unit_test(steps_that_make_no_sense_are_refused_and_change_nothing),
        cmocka_unit_test(a_steady_token_allocates_nothing),
        cmocka_unit_test(a_timeline_of_nothing_can_be_kept_too),
        cmocka_unit_test(memory_that_ends_anywhere_is_an_error_and_no_more),
    };
    return cmocka_run_group_tests_name("timelines through the library", tests, set_up, NULL);
}

/* Models and sessions through the public header: timelines, generation, refusals. */
#include "base/mem.h"
#include "base/unicode.h"
#include "fathom/fathom.h"
#include "support.h"

static const int32_t prompt[] = {0, 43, 338, 325, 273, 220, 316, 23, 270, 370, 273, 220, 17, 15, 19,
                                 23, 26, 259, 77, 470, 301, 317, 346, 258, 65, 78, 284, 259, 359, 11};
enum { PROMPT = sizeof prompt / sizeof prompt[0], CONTEXT = 256 };

static fathom_model *open_model(const char *name, const fathom_model_options *options) {
    fathom_model_options defaults = fathom_model_defaults();
    fathom_model *model = NULL;
    fathom_error err = {0};
    defaults.context = CONTEXT;
    if (fathom_model_open(golden_path(name), options ? options : &defaults, &model, &err))
        fail_msg("%s: %s", name, err.message);
    return model;
}

static fathom_session *new_session(fathom_model *model) {
    fathom_session *session = NULL;
    fathom_error err = {0};
    if (fathom_session_new(model, &session, &err) != FATHOM_OK) fail_msg("%s", err.message);
    return session;
}

static size_t sync_to(fathom_session *s, const int32_t *ids, size_t n) {
    size_t reused = 999;
    fathom_error err = {0};
    if (fathom_session_sync(s, ids, n, &reused, &err) != FATHOM_OK) fail_msg("%s", err.message);
    return reused;
}

/* A copy of the logits, to be freed. */
static float *logits_of(fathom_model *model, const fathom_session *s) {
    size_t bytes = (size_t)fathom_model_describe(model).vocabulary * sizeof(float);
    float *copy = malloc(bytes);
    const float *logits = fathom_session_logits(s);
    assert_non_null(logits);
    memcpy(copy, logits, bytes);
    return copy;
}

static void assert_same_logits(fathom_model *model, const fathom_session *s, const float *expected) {
    assert_memory_equal(fathom_session_logits(s), expected,
                        (size_t)fathom_model_describe(model).vocabulary * sizeof(float));
}

/* ---- timelines -------------------------------------------------------------------------------*/

static const char *const families[] = {"tiny-v3", "tiny-v2-lite", "tiny-llama", "tiny-qwen2"};

static void pushing_tokens_one_by_one_gives_the_bits_of_one_prefill(void **state) {
    (void)state;
    for (size_t f = 0; f < FM_COUNT(families); f++) {
        fathom_model *model = open_model(families[f], NULL);
        fathom_session *whole = new_session(model), *single = new_session(model);
        assert_null(fathom_session_logits(single));
        assert_int_equal(sync_to(whole, prompt, PROMPT), 0);
        float *expected = logits_of(model, whole);
        for (size_t i = 0; i < PROMPT; i++)
            assert_int_equal(fathom_session_push(single, prompt[i], NULL), FATHOM_OK);
        assert_same_logits(model, single, expected);
        size_t n;
        assert_memory_equal(fathom_session_tokens(single, &n), prompt, sizeof prompt);
        assert_int_equal(n, PROMPT);
        free(expected);
        fathom_session_free(whole);
        fathom_session_free(single);
        fathom_model_close(model);
    }
}

static void sync_keeps_what_is_common_and_computes_the_rest(void **state) {
    (void)state;
    fathom_model_options options = fathom_model_defaults();
    options.context = CONTEXT;
    options.no_mtp = true; /* the module's rows need one token more to be computed again */
    fathom_model *model = open_model("tiny-v3", &options);
    fathom_session *s = new_session(model), *fresh = new_session(model);
    int32_t other[PROMPT];
    memcpy(other, prompt, sizeof prompt);
    other[20] = 99;
    assert_int_equal(sync_to(s, prompt, PROMPT), 0);
    assert_int_equal(sync_to(s, other, PROMPT), 20);
    assert_int_equal(sync_to(fresh, other, PROMPT), 0);
    float *expected = logits_of(model, fresh);
    assert_same_logits(model, s, expected);
    /* the same again, and a shorter one: the last token is computed for its logits */
    assert_int_equal(sync_to(s, other, PROMPT), PROMPT - 1);
    assert_same_logits(model, s, expected);
    assert_int_equal(sync_to(s, other, 10), 9);
    size_t n;
    fathom_session_tokens(s, &n);
    assert_int_equal(n, 10);
    free(expected);
    fathom_session_free(s);
    fathom_session_free(fresh);
    fathom_model_close(model);
}

static void sessions_of_one_model_do_not_disturb_each_other(void **state) {
    (void)state;
    fathom_model *model = open_model("tiny-v2-lite", NULL);
    fathom_session *a = new_session(model), *b = new_session(model), *alone = new_session(model);
    sync_to(alone, prompt, PROMPT);
    float *expected = logits_of(model, alone);
    for (size_t i = 0; i < PROMPT; i++) {
        assert_int_equal(fathom_session_push(a, prompt[i], NULL), FATHOM_OK);
        assert_int_equal(fathom_session_push(b, prompt[PROMPT - 1 - i], NULL), FATHOM_OK);
    }
    assert_same_logits(model, a, expected);
    free(expected);
    fathom_session_free(a);
    fathom_session_free(b);
    fathom_session_free(alone);
    fathom_model_close(model);
}

static void a_refused_prompt_changes_nothing(void **state) {
    (void)state;
    fathom_model *model = open_model("tiny-llama", NULL);
    fathom_session *s = new_session(model);
    sync_to(s, prompt, PROMPT);
    float *before = logits_of(model, s);
    int32_t many[CONTEXT + 1] = {0}, wrong[] = {0, 43, 512}, negative[] = {0, -1};
    fathom_error err;
    assert_int_equal(fathom_session_sync(s, many, CONTEXT + 1, NULL, &err), FATHOM_ERR_LIMIT);
    assert_non_null(strstr(err.message, "256"));
    assert_int_equal(fathom_session_sync(s, wrong, 3, NULL, &err), FATHOM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "512"));
    assert_int_equal(fathom_session_sync(s, negative, 2, NULL, &err), FATHOM_ERR_ARGUMENT);
    assert_int_equal(fathom_session_sync(s, prompt, 0, NULL, &err), FATHOM_ERR_ARGUMENT);
    assert_int_equal(fathom_session_push(s, 512, &err), FATHOM_ERR_ARGUMENT);
    size_t n;
    assert_memory_equal(fathom_session_tokens(s, &n), prompt, sizeof prompt);
    assert_int_equal(n, PROMPT);
    assert_same_logits(model, s, before);
    assert_int_equal(sync_to(s, many, CONTEXT), 1);
    assert_int_equal(fathom_session_push(s, 1, &err), FATHOM_ERR_LIMIT);
    free(before);
    fathom_session_free(s);
    fathom_model_close(model);
}

/* ---- generation ------------------------------------------------------------------------------*/

typedef struct heard {
    fm_buffer text;
    int calls, stop_after; /* stop_after < 0: never */
    int64_t read, total;
} heard;

static bool on_text(void *context, const char *text, size_t size, bool thinking) {
    heard *h = context;
    (void)thinking;
    assert_true(size > 0);
    assert_true(fm_utf8_valid(text, size));
    fm_buffer_put(&h->text, text, size);
    return ++h->calls != h->stop_after;
}

static bool stop_reading(void *context, int64_t done, int64_t total) {
    heard *h = context;
    h->read = done;
    h->total = total;
    return false;
}

static fathom_generate_options greedy(const fathom_model *model, heard *h) {
    fathom_generate_options o = fathom_generate_defaults(model);
    *h = (heard){.stop_after = -1};
    o.sampling.temperature = 0;
    o.max_tokens = 32;
    o.ignore_end = true;
    o.on_text = on_text;
    o.context = h;
    return o;
}

static void the_session_holds_prompt_and_reply(void **state) {
    (void)state;
    fathom_model *model = open_model("tiny-llama", NULL);
    fathom_session *s = new_session(model);
    heard h;
    fathom_generate_options o = greedy(model, &h);
    fathom_generation g;
    fathom_error err;
    assert_int_equal(fathom_generate(s, prompt, PROMPT, &o, &g, &err), FATHOM_OK);
    assert_int_equal(g.stop, FATHOM_STOP_LENGTH);
    assert_int_equal(g.generated_tokens, 32);
    assert_int_equal(g.prompt_tokens, PROMPT);
    assert_int_equal(g.reused_tokens, 0);
    size_t n, size;
    const int32_t *tokens = fathom_session_tokens(s, &n);
    assert_int_equal(n, PROMPT + 32);
    assert_memory_equal(tokens, prompt, sizeof prompt);
    char *text;
    fm_buffer clean = {0};
    assert_int_equal(fathom_detokenize(fathom_model_tokenizer(model), tokens + PROMPT, 32, &text,
                                       &size, &err), FATHOM_OK);
    fm_utf8_sanitize(text, size, &clean);
    assert_string_equal(fm_buffer_string(&h.text), fm_buffer_string(&clean));
    fathom_free(text);
    fm_buffer_clear(&clean);
    fm_buffer_clear(&h.text);
    fathom_session_free(s);
    fathom_model_close(model);
}

static void a_callback_stops_the_reply_or_the_reading(void **state) {
    (void)state;
    fathom_model_options small = fathom_model_defaults();
    small.context = CONTEXT;
    small.rows = 8;
    fathom_model *model = open_model("tiny-llama", &small);
    fathom_session *s = new_session(model);
    heard h;
    fathom_generate_options o = greedy(model, &h);
    fathom_generation g;
    h.stop_after = 3;
    assert_int_equal(fathom_generate(s, prompt, PROMPT, &o, &g, NULL), FATHOM_OK);
    assert_int_equal(g.stop, FATHOM_STOP_CALLER);
    assert_true(g.generated_tokens >= 3 && g.generated_tokens < 32);
    fm_buffer_clear(&h.text);
    fathom_session_free(s);
    s = new_session(model);
    o = greedy(model, &h);
    o.on_prompt = stop_reading;
    assert_int_equal(fathom_generate(s, prompt, PROMPT, &o, &g, NULL), FATHOM_OK);
    assert_int_equal(g.stop, FATHOM_STOP_CALLER);
    assert_int_equal(g.generated_tokens, 0);
    assert_int_equal(h.calls, 0);
    assert_true(h.read < h.total);
    /* what was read is kept, and the session still works */
    o = greedy(model, &h);
    assert_int_equal(fathom_generate(s, prompt, PROMPT, &o, &g, NULL), FATHOM_OK);
    assert_int_equal(g.generated_tokens, 32);
    fm_buffer_clear(&h.text);
    fathom_session_free(s);
    fathom_model_close(model);
}

static uint64_t fingerprint(const char *name, int threads, int64_t rows, uint64_t seed) {
    fathom_model_options options = fathom_model_defaults();
    options.threads = threads;
    options.rows = rows;
    options.context = CONTEXT;
    fathom_model *model = open_model(name, &options);
    fathom_session *s = new_session(model);
    heard h;
    fathom_generate_options o = greedy(model, &h);
    o.sampling = (fathom_sampling){.temperature = 1.5f, .top_p = 1, .seed = seed};
    fathom_generation g;
    assert_int_equal(fathom_generate(s, prompt, PROMPT, &o, &g, NULL), FATHOM_OK);
    fm_buffer_clear(&h.text);
    fathom_session_free(s);
    fathom_model_close(model);
    return g.logits_hash;
}

static void the_fingerprint_depends_on_tokens_and_seed_alone(void **state) {
    (void)state;
    for (size_t f = 0; f < FM_COUNT(families); f++) {
        uint64_t base = fingerprint(families[f], 1, 256, 5);
        assert_true(fingerprint(families[f], 2, 256, 5) == base);
        assert_true(fingerprint(families[f], 3, 7, 5) == base);
        assert_true(fingerprint(families[f], 1, 256, 6) != base);
    }
}

static void ids_that_the_tokenizer_lacks_are_never_drawn(void **state) {
    (void)state;
    fathom_model *model = open_model("tiny-qwen2", NULL);
    int64_t known = fathom_tokenizer_size(fathom_model_tokenizer(model));
    assert_true(known < fathom_model_describe(model).vocabulary);
    fathom_session *s = new_session(model);
    sync_to(s, prompt, PROMPT);
    for (uint64_t seed = 0; seed < 5000; seed++) {
        fathom_sampling sampling = {.temperature = 100, .top_p = 1, .seed = seed};
        int32_t id = fathom_session_sample(s, &sampling);
        assert_true(id >= 0 && id < known);
        assert_int_equal(id, fathom_session_sample(s, &sampling));
    }
    fathom_session_free(s);
    fathom_model_close(model);
}

/* ---- opening ---------------------------------------------------------------------------------*/

static bool never(void *context, double fraction) {
    *(double *)context = fraction;
    return false;
}

static void loading_can_be_cancelled(void **state) {
    (void)state;
    double at = -1;
    fathom_model_options o = fathom_model_defaults();
    o.progress = never;
    o.progress_context = &at;
    fathom_model *model = (fathom_model *)&at;
    assert_int_equal(fathom_model_open(golden_path("tiny-v3"), &o, &model, NULL),
                     FATHOM_ERR_CANCELLED);
    assert_null(model);
    assert_true(at >= 0 && at < 1);
}

static void a_model_that_does_not_fit_is_refused_with_the_number(void **state) {
    (void)state;
    fathom_model_options o = fathom_model_defaults();
    o.memory_limit = 100000;
    fathom_model *model;
    fathom_error err;
    assert_int_equal(fathom_model_open(golden_path("tiny-v3"), &o, &model, &err),
                     FATHOM_ERR_MEMORY);
    assert_non_null(strstr(err.message, "available"));
}

static void the_context_asked_for_is_the_context_given(void **state) {
    (void)state;
    fathom_model_options o = fathom_model_defaults();
    fathom_model *model;
    fathom_error err;
    o.context = 100;
    model = open_model("tiny-v3", &o);
    assert_int_equal(fathom_model_describe(model).context, 100);
    fathom_model_close(model);
    o.context = 1 << 20;
    assert_int_equal(fathom_model_open(golden_path("tiny-v3"), &o, &model, &err), FATHOM_ERR_LIMIT);
    o.context = -1;
    assert_int_equal(fathom_model_open(golden_path("tiny-v3"), &o, &model, &err),
                     FATHOM_ERR_ARGUMENT);
}

static void a_description_tells_what_was_opened(void **state) {
    (void)state;
    fathom_model *model = open_model("gguf/tiny-llama.q8_0.gguf", NULL);
    fathom_model_info info = fathom_model_describe(model);
    assert_string_equal(info.architecture, "llama");
    assert_string_equal(info.format, "gguf");
    assert_int_equal(info.vocabulary, 512);
    assert_true(info.layers > 0 && info.hidden_size > 0 && info.threads > 0);
    assert_true(info.parameters > 0 && info.active_parameters == info.parameters);
    assert_true(info.weight_bytes > 0 && info.plan_bytes > 0 && info.cache_bytes_per_token > 0);
    assert_non_null(info.cpu);
    assert_non_null(fathom_model_tokenizer(model));
    fathom_model_close(model);
    fathom_model_close(NULL);
    fathom_session_free(NULL);
}

/* Allocations fail from the k-th on: a sentence every time, and nothing leaks. */
static void running_out_of_memory_is_an_error_wherever_it_happens(void **state) {
    (void)state;
    static const char *const models[] = {"tiny-v3", "gguf/tiny-llama.q8_0.gguf"};
    for (size_t f = 0; f < FM_COUNT(models); f++) {
        bool done = false;
        for (int64_t k = 0; !done; k += 1 + k / 8) {
            fathom_model *model = NULL;
            fathom_session *s = NULL;
            fathom_generation g;
            fathom_error err = {0};
            fathom_model_options o = fathom_model_defaults();
            o.context = CONTEXT;
            o.threads = 1;
            fm_mem_fail_from(k);
            fathom_status status = fathom_model_open(golden_path(models[f]), &o, &model, &err);
            if (status == FATHOM_OK) status = fathom_session_new(model, &s, &err);
            if (status == FATHOM_OK) {
                fathom_generate_options generate = fathom_generate_defaults(model);
                generate.max_tokens = 4;
                status = fathom_generate(s, prompt, PROMPT, &generate, &g, &err);
            }
            fm_mem_fail_from(-1);
            done = status == FATHOM_OK;
            if (!done && status != FATHOM_ERR_MEMORY)
                fail_msg("allocation %d of %s: %s", (int)k, models[f], err.message);
            assert_true(done || err.message[0]);
            fathom_session_free(s);
            fathom_model_close(model);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushing_tokens_one_by_one_gives_the_bits_of_one_prefill),
        cmocka_unit_test(sync_keeps_what_is_common_and_computes_the_rest),
        cmocka_unit_test(sessions_of_one_model_do_not_disturb_each_other),
        cmocka_unit_test(a_refused_prompt_changes_nothing),
        cmocka_unit_test(the_session_holds_prompt_and_reply),
        cmocka_unit_test(a_callback_stops_the_reply_or_the_reading),
        cmocka_unit_test(the_fingerprint_depends_on_tokens_and_seed_alone),
        cmocka_unit_test(ids_that_the_tokenizer_lacks_are_never_drawn),
        cmocka_unit_test(loading_can_be_cancelled),
        cmocka_unit_test(a_model_that_does_not_fit_is_refused_with_the_number),
        cmocka_unit_test(the_context_asked_for_is_the_context_given),
        cmocka_unit_test(a_description_tells_what_was_opened),
        cmocka_unit_test(running_out_of_memory_is_an_error_wherever_it_happens),
    };
    return cmocka_run_group_tests_name("models and sessions", tests, NULL, NULL);
}

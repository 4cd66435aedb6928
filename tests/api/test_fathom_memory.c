/* What is promised is what is taken: memory by purpose against fathom_inspect, to within 5 %, and caches
 * in which sessions come and go for ever. */
#include "api_support.h"

#include "base/json.h"
#include "base/mem.h"

/* What counts only where a whole model is as small as a tiny one: the tree of beginnings (300 bytes a page)
 * and the sessions' logits beside the pages; names and vectors, which are promised with the weights. */
enum { SMOLLM_CONTEXT = 400, SMALL_THINGS = 64 << 10 };

typedef struct promise {
    double weights, plan, replies, cache, total;
} promise;

static promise promised(const char *path, const fathom_model_options *options) {
    char *text;
    fathom_error err;
    fm_json *root;
    fm_error why;
    assert_fathom(fathom_inspect(path, options, &text, &err));
    assert_int_equal(fm_json_parse(text, strlen(text), &root, &why), FM_OK);
    const fm_json *memory = fm_json_get(root, "memory");
    promise p = {fm_json_number(fm_json_get(memory, "weights"), 0), fm_json_number(fm_json_get(memory, "plan"), 0),
                 fm_json_number(fm_json_get(memory, "replies"), 0),
                 fm_json_number(fm_json_get(memory, "cache"), 0), fm_json_number(fm_json_get(memory, "total"), 0)};
    fm_json_free(root);
    fathom_free(text);
    return p;
}

static void assert_near(const char *what, double taken, double promised) {
    if (taken > promised * 1.05 + SMALL_THINGS || taken < promised * 0.95 - SMALL_THINGS)
        fail_msg("%s: %.0f bytes taken, %.0f promised", what, taken, promised);
}

/* To the last position, the last of them a reply, as long guesses as there are by default. */
static void fill(fathom_model *model, fathom_session *s, int64_t n, uint64_t seed) {
    enum { REPLY = 60 };
    int32_t *ids = malloc((size_t)n * sizeof *ids);
    fathom_error err;
    make_prompt(ids, (size_t)n, seed);
    for (int64_t i = 30; i < n - REPLY; i++) ids[i] = ids[i % 30]; /* something to guess from */
    fathom_generate_options o = fathom_generate_defaults(model); /* to the end of the context */
    o.ignore_end = true;
    o.sampling.temperature = 0;
    assert_fathom(fathom_generate(s, ids, (size_t)(n - REPLY), &o, NULL, &err));
    assert_true((int64_t)length_of(s) >= n - 1);
    free(ids);
}

/* Sessions that differ, each to the last position; then, where there are several, forks in place of the
 * last two, which part from the first. */
static void check_promise(const char *path, const fathom_model_options *options) {
    enum { MOST = 4 };
    promise p = promised(path, options);
    size_t before[FM_MEM_PURPOSES];
    memcpy(before, fm_mem_statistics().live_bytes, sizeof before);
    fathom_model *model;
    fathom_session *s[MOST] = {0};
    fathom_error err;
    int n = (int)options->sessions;
    assert_true(n <= MOST);
    assert_fathom(fathom_model_open(path, options, &model, &err));
    fm_mem_stats now = fm_mem_statistics();
    assert_near("weights", (double)(now.live_bytes[FM_MEM_WEIGHTS] - before[FM_MEM_WEIGHTS]), p.weights);
    assert_near("plan", (double)(now.live_bytes[FM_MEM_PLAN] - before[FM_MEM_PLAN]), p.plan);
    fathom_model_info info = fathom_model_describe(model);
    assert_true(info.context == options->context && (double)info.cache_bytes == p.cache);
    for (int i = 0; i < n; i++) {
        s[i] = session_of(model);
        fill(model, s[i], info.context, (uint64_t)i + 1);
    }
    now = fm_mem_statistics();
    double cache = (double)(now.live_bytes[FM_MEM_CACHE] - before[FM_MEM_CACHE]);
    if (cache > (p.cache + p.replies) * 1.05 + SMALL_THINGS)
        fail_msg("cache: %.0f bytes taken, %.0f promised", cache, p.cache + p.replies);
    /* Each session is promised a page for what it does not share while it parts from others. */
    double spare = p.cache / (double)((info.context + 63) / 64 + 1);
    assert_near("in all", (double)(now.live_bytes[FM_MEM_WEIGHTS] - before[FM_MEM_WEIGHTS] +
                                   now.live_bytes[FM_MEM_PLAN] - before[FM_MEM_PLAN]) + cache + spare, p.total);
    /* Bookkeeping is not promised: names, places in the file, a few bytes per id of the vocabulary. */
    size_t beside = now.live_bytes[FM_MEM_OTHER] - before[FM_MEM_OTHER];
    assert_true(beside < ((size_t)1 << 20) + 128 * (size_t)info.vocabulary);
    for (int i = 2; i < n; i++) {
        fathom_session_free(s[i]);
        assert_fathom(fathom_session_fork(s[0], &s[i], &err));
        size_t length;
        int32_t *ids = malloc((size_t)info.context * sizeof *ids);
        memcpy(ids, fathom_session_tokens(s[0], &length), length_of(s[0]) * sizeof *ids);
        ids[info.context / 2] = 9 + i;
        assert_fathom(fathom_session_sync(s[i], ids, length, NULL, &err));
        free(ids);
    }
    now = fm_mem_statistics();
    cache = (double)(now.live_bytes[FM_MEM_CACHE] - before[FM_MEM_CACHE]);
    if (cache > (p.cache + p.replies) * 1.05 + SMALL_THINGS)
        fail_msg("cache with forks: %.0f bytes taken, %.0f promised", cache, p.cache + p.replies);
    for (int i = 0; i < n; i++) fathom_session_free(s[i]);
    fathom_model_close(model);
    now = fm_mem_statistics();
    for (int i = 0; i < FM_MEM_PURPOSES; i++) assert_int_equal(now.live_bytes[i], before[i]);
}

static void what_is_promised_is_what_is_taken(void **state) {
    (void)state;
    static const char *const models[] = {"tiny-v3", "tiny-v2-lite", "tiny-llama", "tiny-qwen2",
                                         "gguf/tiny-llama.q8_0.gguf"};
    for (size_t m = 0; m < FM_COUNT(models); m++)
        for (int cache = FATHOM_CACHE_F32; cache <= FATHOM_CACHE_INT8; cache++)
            for (int64_t sessions = 1; sessions <= 4; sessions += 3) {
                fathom_model_options o = fathom_model_defaults();
                o.context = 500;
                o.cache = (fathom_cache_type)cache;
                o.sessions = sessions;
                o.threads = 2;
                check_promise(golden_path(models[m]), &o);
            }
}

static void so_it_is_of_a_real_model(void **state) {
    (void)state;
    const char *path = fixture_path("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
    if (access(path, R_OK) != 0) skip_because("fixture smollm2 is missing: run tests/fixtures/fetch");
    for (int64_t sessions = 1; sessions <= (sanitized() ? 1 : 4); sessions += 3) {
        fathom_model_options o = fathom_model_defaults();
        o.context = sanitized() ? 200 : SMOLLM_CONTEXT;
        o.sessions = sessions;
        check_promise(path, &o);
    }
}

/* ---- for ever --------------------------------------------------------------------------------------*/

/* Short conversations one after the other leave their beginnings in the cache; when it is full the
 * oldest go, and nobody notices but by speed. Memory does not grow. */
static void conversations_come_and_go_for_ever_in_a_small_cache(void **state) {
    (void)state;
    static const char *const models[] = {"tiny-v3", "tiny-llama"};
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        fathom_model_options options = fathom_model_defaults();
        options.context = API_CONTEXT;
        options.threads = 1;
        fathom_model *model = open_golden(models[m], &options);
        fathom_error err;
        static said first, again;
        int32_t prompt[200];
        size_t after_fifty = 0;
        int rounds = sanitized() ? 80 : 400;
        for (int i = 0; i < rounds; i++) {
            fathom_session *s = session_of(model);
            size_t n = 60 + (size_t)(i * 37 % 120);
            make_prompt(prompt, n, (uint64_t)i + 100);
            assert_fathom(fathom_session_sync(s, prompt, n, NULL, &err));
            fathom_session_free(s);
            if (i % 20 == 0) { /* one of them comes back from time to time and says the same */
                said *to = i ? &again : &first;
                make_prompt(prompt, 100, 1);
                fathom_generate_options o = options_into(to, 1, 40);
                say_anew(model, prompt, 100, &o);
                assert_true(i == 0 || same_said(&first, &again));
            }
            size_t bytes = fm_mem_statistics().live_bytes[FM_MEM_CACHE];
            if (i == 50) after_fifty = bytes;
            if (i > 50 && bytes > after_fifty + after_fifty / 20)
                fail_msg("%zu bytes after %d conversations, %zu after 50", bytes, i, after_fifty);
        }
        fathom_model_close(model);
    }
}

/* One after the other is one thing; here some live on while others come, in a cache for two. */
static void sessions_that_live_are_never_given_up_for_those_that_come(void **state) {
    (void)state;
    fathom_model_options options = fathom_model_defaults();
    options.context = API_CONTEXT;
    options.sessions = 2;
    fathom_model *model = open_golden("tiny-v3", &options);
    fathom_session *living = session_of(model);
    fathom_error err;
    int32_t prompt[API_CONTEXT];
    make_prompt(prompt, 200, 4);
    assert_fathom(fathom_session_sync(living, prompt, 200, NULL, &err));
    float *there = logits_copy(model, living);
    for (int i = 0; i < 60; i++) {
        fathom_session *s = session_of(model);
        int32_t other[API_CONTEXT];
        make_prompt(other, API_CONTEXT, (uint64_t)i + 50);
        assert_fathom(fathom_session_sync(s, other, API_CONTEXT, NULL, &err));
        fathom_session_free(s);
    }
    size_t reused;
    assert_fathom(fathom_session_sync(living, prompt, 200, &reused, &err));
    assert_true(reused >= 198);
    assert_logits(model, living, there);
    free(there);
    fathom_session_free(living);
    fathom_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_promised_is_what_is_taken),
        cmocka_unit_test(so_it_is_of_a_real_model),
        cmocka_unit_test(conversations_come_and_go_for_ever_in_a_small_cache),
        cmocka_unit_test(sessions_that_live_are_never_given_up_for_those_that_come),
    };
    return cmocka_run_group_tests_name("memory through the library", tests, NULL, NULL);
}

/* Sequences: what they promise about growing, going back, limits and failures; and models whose
 * weights are not numbers, which must run like any other. */
#include "../model/odd_support.h"

#include "engine/engine.h"
#include "engine/observe.h"

#include <math.h>
#include <pthread.h>

typedef struct rig {
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
    fm_engine *engine;
} rig;

static fm_status rig_open(rig *r, const char *path, const fm_engine_options *options, fm_error *err) {
    *r = (rig){0};
    fm_engine_options o = *options;
    fm_model_options bind = {.arith = FM_EXACT, .pack = true};
    FM_TRY(fm_store_open(path, &r->store, err));
    FM_TRY(fm_pool_new(2, &r->pool, err));
    FM_TRY(fm_model_bind(r->store, &bind, &r->model, err));
    FM_TRY(fm_model_load(r->model, r->pool, NULL, NULL, err));
    o.pool = r->pool;
    o.kernels = fm_kernels_get(fm_cpu_detect());
    FM_TRY(fm_engine_new(r->model, &o, &r->engine, err));
    return fm_engine_start(r->engine, err);
}

static void rig_close(rig *r) {
    fm_engine_free(r->engine);
    fm_model_free(r->model);
    fm_pool_free(r->pool);
    if (r->store) fm_store_close(r->store);
}

static const fm_engine_options small = {.rows = 8, .context = 100, .cache = FM_KV_F32};

static rig rig_of(const char *name, const fm_engine_options *options) {
    fm_error err;
    rig r;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", golden_path("odd"), name);
    assert_ok(rig_open(&r, path, options, &err));
    return r;
}

static fm_sequence *sequence(const rig *r) {
    fm_error err;
    fm_sequence *s;
    assert_ok(fm_sequence_new(r->engine, &s, &err));
    return s;
}

static void prompt(int32_t *ids, int64_t n, int seed) {
    for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)((i * 31 + seed * 17 + i * i) % 37);
}

static float *logits_of(const rig *r, const int32_t *ids, int64_t n) {
    fm_error err;
    fm_sequence *s = sequence(r);
    assert_ok(fm_sequence_extend(s, ids, n, NULL, NULL, &err));
    size_t bytes = (size_t)r->model->config.vocab_size * sizeof(float);
    float *copy = malloc(bytes);
    memcpy(copy, fm_sequence_logits(s), bytes);
    fm_sequence_free(s);
    return copy;
}

static void assert_logits(const rig *r, const fm_sequence *s, const float *want) {
    assert_non_null(fm_sequence_logits(s));
    assert_memory_equal(fm_sequence_logits(s), want, (size_t)r->model->config.vocab_size * sizeof(float));
}

static void going_back_and_on_again_is_as_if_one_had_come_straight(void **state) {
    (void)state;
    fm_error err;
    fm_engine_options o = small;
    o.context = 300; /* past a block of positions */
    o.cache = FM_KV_BF16;
    rig r = rig_of("v2-groups", &o);
    int32_t ids[300], other[300];
    prompt(ids, 300, 1), prompt(other, 300, 2);
    static const int64_t lengths[] = {1, 2, 63, 64, 65, 128, 255, 256, 257, 290};
    fm_sequence *s = sequence(&r);
    for (size_t i = 0; i < FM_COUNT(lengths); i++) {
        int64_t n = lengths[i], back = n / 3;
        float *want = logits_of(&r, ids, n);
        fm_sequence_truncate(s, 0);
        assert_null(fm_sequence_logits(s));
        if (back) assert_ok(fm_sequence_extend(s, ids, back, NULL, NULL, &err));
        assert_ok(fm_sequence_extend(s, other, n - back, NULL, NULL, &err));
        fm_sequence_truncate(s, back);
        if (back < n) assert_null(fm_sequence_logits(s));
        assert_ok(fm_sequence_extend(s, ids + back, n - back, NULL, NULL, &err));
        assert_logits(&r, s, want);
        fm_sequence_truncate(s, n); /* nothing to forget: the logits stay */
        fm_sequence_truncate(s, n + 5);
        assert_logits(&r, s, want);
        int64_t count;
        assert_memory_equal(fm_sequence_tokens(s, &count), ids, (size_t)n * sizeof *ids);
        assert_int_equal(count, n);
        free(want);
    }
    fm_sequence_truncate(s, -3); /* less than nothing is nothing */
    int64_t count;
    fm_sequence_tokens(s, &count);
    assert_int_equal(count, 0);
    assert_ok(fm_sequence_extend(s, ids, 5, NULL, NULL, &err));
    fm_sequence_free(s);
    rig_close(&r);
}

static void what_is_refused_changes_nothing(void **state) {
    (void)state;
    fm_error err;
    rig r = rig_of("qwen2-tied", &small);
    int32_t ids[101];
    prompt(ids, 101, 3);
    fm_sequence *s = sequence(&r);
    assert_ok(fm_sequence_extend(s, ids, 90, NULL, NULL, &err));
    float *want = malloc((size_t)r.model->config.vocab_size * sizeof *want);
    memcpy(want, fm_sequence_logits(s), (size_t)r.model->config.vocab_size * sizeof *want);
    const int32_t v = (int32_t)r.model->config.vocab_size;
    const int32_t bad[][3] = {{1, 2, -1}, {v, 1, 1}, {1, INT32_MAX, 1}, {INT32_MIN, 0, 0}};
    for (size_t i = 0; i < FM_COUNT(bad); i++) {
        assert_int_equal(fm_sequence_extend(s, bad[i], 3, NULL, NULL, &err), FM_ERR_ARGUMENT);
        assert_non_null(strstr(err.message, "id "));
        assert_logits(&r, s, want);
    }
    assert_int_equal(fm_sequence_extend(s, ids, 11, NULL, NULL, &err), FM_ERR_LIMIT);
    assert_non_null(strstr(err.message, "11 tokens after 90"));
    assert_non_null(strstr(err.message, "100"));
    /* a length that no array has: refused before an id is looked at */
    assert_int_equal(fm_sequence_extend(s, ids, INT64_MAX, NULL, NULL, &err), FM_ERR_LIMIT);
    assert_int_equal(fm_sequence_extend(s, ids, 0, NULL, NULL, &err), FM_ERR_ARGUMENT);
    assert_int_equal(fm_sequence_extend(s, ids, -1, NULL, NULL, &err), FM_ERR_ARGUMENT);
    assert_logits(&r, s, want);
    int64_t count;
    fm_sequence_tokens(s, &count);
    assert_int_equal(count, 90);
    assert_ok(fm_sequence_extend(s, ids + 90, 10, NULL, NULL, &err)); /* to the brim */
    free(want);
    fm_sequence_free(s);
    rig_close(&r);
}

typedef struct stopper {
    int calls, stop_at;
    int64_t last;
} stopper;

static bool stop(void *context, int64_t done, int64_t total) {
    stopper *p = context;
    assert_true(done >= p->last && done < total);
    p->last = done;
    return ++p->calls != p->stop_at;
}

static void a_prompt_can_be_stopped_between_chunks_and_resumed(void **state) {
    (void)state;
    fm_error err;
    rig r = rig_of("v3-mtp", &small);
    int32_t ids[50];
    prompt(ids, 50, 4);
    float *want = logits_of(&r, ids, 50);
    fm_sequence *s = sequence(&r);
    stopper p = {.stop_at = 4};
    assert_int_equal(fm_sequence_extend(s, ids, 50, stop, &p, &err), FM_ERR_CANCELLED);
    assert_int_equal(p.calls, 4);
    int64_t count;
    fm_sequence_tokens(s, &count);
    assert_int_equal(count, 24);
    assert_null(fm_sequence_logits(s));
    p = (stopper){0};
    assert_ok(fm_sequence_extend(s, ids + count, 50 - count, stop, &p, &err));
    assert_int_equal(p.calls, 4); /* chunks of 8 for 26 tokens */
    assert_logits(&r, s, want);
    free(want);
    fm_sequence_free(s);
    rig_close(&r);
}

/* Two sequences on two threads take turns on one engine: the bits are those of each alone. */
typedef struct talker {
    rig *r;
    int seed;
    float *want;
} talker;

static void *talk(void *context) {
    talker *t = context;
    fm_error err;
    int32_t ids[60];
    prompt(ids, 60, t->seed);
    for (int round = 0; round < 3; round++) {
        fm_sequence *s = sequence(t->r);
        for (int64_t i = 0; i < 60; i += 5) assert_ok(fm_sequence_extend(s, ids + i, 5, NULL, NULL, &err));
        assert_logits(t->r, s, t->want);
        fm_sequence_free(s);
    }
    return NULL;
}

static void sequences_of_one_engine_do_not_disturb_each_other(void **state) {
    (void)state;
    rig r = rig_of("v3-every-second-layer", &small);
    talker talkers[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        int32_t ids[60];
        prompt(ids, 60, i);
        talkers[i] = (talker){&r, i, logits_of(&r, ids, 60)};
    }
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, talk, &talkers[i]), 0);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++) free(talkers[i].want);
    rig_close(&r);
}

/* ---- memory -------------------------------------------------------------------------------------- */

static size_t live_bytes(void) {
    fm_mem_stats s = fm_mem_statistics();
    size_t sum = 0;
    for (int i = 0; i < FM_MEM_PURPOSES; i++) sum += s.live_bytes[i];
    return sum;
}

static void memory_that_ends_anywhere_is_said_and_given_back(void **state) {
    (void)state;
    static const char *const models[] = {"v3-mtp", "llama-tied", "gguf-v3-legacy-split/model.gguf"};
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        char path[4096];
        int32_t ids[20];
        prompt(ids, 20, 5);
        snprintf(path, sizeof path, "%s/%s", golden_path("odd"), models[m]);
        size_t before = live_bytes();
        bool enough = false;
        for (int64_t k = 0; !enough; k++) {
            fm_error err;
            rig r;
            fm_sequence *s = NULL;
            fm_mem_fail_from(k);
            fm_status status = rig_open(&r, path, &small, &err);
            if (status == FM_OK) status = fm_sequence_new(r.engine, &s, &err);
            if (status == FM_OK) status = fm_sequence_extend(s, ids, 20, NULL, NULL, &err);
            fm_mem_fail_from(-1);
            enough = status == FM_OK;
            if (!enough && status != FM_ERR_MEMORY)
                fail_msg("%s, allocation %lld: status %d, %s", models[m], (long long)k, (int)status, err.message);
            if (!enough) assert_non_null(strstr(err.message, "memory"));
            fm_sequence_free(s);
            rig_close(&r);
            assert_int_equal(live_bytes(), before);
            assert_true(k < 5000);
        }
    }
}

/* What is said before it is taken is what is taken, but for small change. */
static void the_memory_said_is_the_memory_taken(void **state) {
    (void)state;
    static const char *const models[] = {"v3-moonlight", "v3-fp8", "llama-tied", "qwen3",
                                         "gguf-v2-iq/model.gguf", "gguf-v3-legacy-split/model.gguf"};
    for (size_t m = 0; m < FM_COUNT(models); m++)
        for (int variant = 0; variant < 4; variant++) {
            fm_error err;
            fm_store *store;
            fm_model *model;
            fm_engine *engine;
            fm_sequence *s;
            char path[4096];
            int32_t ids[70];
            prompt(ids, 70, 3);
            snprintf(path, sizeof path, "%s/%s", golden_path("odd"), models[m]);
            fm_model_options bind = {.arith = variant & 1 ? FM_FAST : FM_EXACT, .pack = variant & 2};
            assert_ok(fm_store_open(path, &store, &err));
            size_t before = live_bytes();
            assert_ok(fm_model_bind(store, &bind, &model, &err));
            uint64_t said = fm_model_memory(model);
            assert_ok(fm_model_load(model, NULL, NULL, NULL, &err));
            size_t table = model->bindings_capacity * 256, taken = live_bytes() - before;
            if (taken > said + table + (80 << 10) || taken + 1024 < said)
                fail_msg("%s: %zu bytes taken, %llu said", models[m], taken, (unsigned long long)said);
            fm_engine_options o = small;
            o.kernels = fm_kernels_get(fm_cpu_detect());
            before = live_bytes();
            assert_ok(fm_engine_new(model, &o, &engine, &err));
            size_t recorded = live_bytes() - before;
            assert_ok(fm_engine_start(engine, &err));
            assert_int_equal(live_bytes() - before - recorded, fm_engine_plan_bytes(engine));
            before = fm_mem_statistics().live_bytes[FM_MEM_CACHE];
            assert_ok(fm_sequence_new(engine, &s, &err));
            assert_ok(fm_sequence_extend(s, ids, 70, NULL, NULL, &err));
            taken = fm_mem_statistics().live_bytes[FM_MEM_CACHE] - before;
            said = fm_engine_cache_bytes(engine, 70) +
                   (uint64_t)(model->config.vocab_size + model->config.hidden_size) * 4;
            assert_true(taken >= said && taken < said + 1024);
            fm_sequence_free(s);
            fm_engine_free(engine);
            fm_model_free(model);
            fm_store_close(store);
        }
}

static void a_sequence_that_could_not_grow_still_works(void **state) {
    (void)state;
    fm_error err;
    rig r = rig_of("v2-groups", &small);
    int32_t ids[90];
    prompt(ids, 90, 6);
    fm_sequence *s = sequence(&r);
    assert_ok(fm_sequence_extend(s, ids, 60, NULL, NULL, &err));
    fm_mem_fail_from(0); /* position 64 needs a page, and no other sequence has left one */
    assert_int_equal(fm_sequence_extend(s, ids + 60, 30, NULL, NULL, &err), FM_ERR_MEMORY);
    fm_mem_fail_from(-1);
    int64_t count;
    fm_sequence_tokens(s, &count);
    assert_int_equal(count, 60);
    assert_non_null(fm_sequence_logits(s));
    assert_ok(fm_sequence_extend(s, ids + 60, 30, NULL, NULL, &err));
    float *want = logits_of(&r, ids, 90);
    assert_logits(&r, s, want);
    free(want);
    fm_sequence_free(s);
    rig_close(&r);
}

static void a_steady_step_allocates_nothing(void **state) {
    (void)state;
    fm_error err;
    rig r = rig_of("v3-every-second-layer", &small);
    int32_t ids[60];
    prompt(ids, 60, 7);
    fm_sequence *s = sequence(&r);
    assert_ok(fm_sequence_extend(s, ids, 10, NULL, NULL, &err));
    uint64_t before = fm_mem_statistics().allocations;
    for (int i = 10; i < 60; i++) assert_ok(fm_sequence_extend(s, ids + i, 1, NULL, NULL, &err));
    assert_int_equal(fm_mem_statistics().allocations, before);
    fm_sequence_free(s);
    rig_close(&r);
}

/* ---- observing ------------------------------------------------------------------------------------ */

static void an_observation_is_refused_or_complete(void **state) {
    (void)state;
    fm_error err;
    rig r = rig_of("v3-mtp", &small);
    int32_t ids[20];
    prompt(ids, 20, 8);
    fm_observe_options o = {.kernels = fm_kernels_get(fm_cpu_detect()), .pool = r.pool,
                            .cache = FM_KV_F32, .hidden = true, .experts = true};
    fm_observation seen;
    assert_int_equal(fm_observe_prefill(r.model, ids, 0, &o, &seen, &err), FM_ERR_ARGUMENT);
    assert_int_equal(fm_observe_prefill(r.model, ids, 1 << 20, &o, &seen, &err), FM_ERR_LIMIT);
    ids[3] = (int32_t)r.model->config.vocab_size;
    assert_int_equal(fm_observe_prefill(r.model, ids, 20, &o, &seen, &err), FM_ERR_ARGUMENT);
    ids[3] = 3;
    o.mtp = true; /* not bound */
    assert_int_equal(fm_observe_prefill(r.model, ids, 20, &o, &seen, &err), FM_ERR_UNSUPPORTED);
    assert_int_equal(seen.n, 0);
    o.mtp = false, o.memory_limit = 1000;
    assert_int_equal(fm_observe_prefill(r.model, ids, 20, &o, &seen, &err), FM_ERR_MEMORY);
    o.memory_limit = 0;
    size_t before = live_bytes();
    bool enough = false;
    for (int64_t k = 0; !enough; k++) {
        fm_mem_fail_from(k);
        fm_status status = fm_observe_prefill(r.model, ids, 20, &o, &seen, &err);
        fm_mem_fail_from(-1);
        enough = status == FM_OK;
        if (!enough) assert_int_equal(status, FM_ERR_MEMORY);
        if (!enough) assert_int_equal(live_bytes(), before);
        assert_true(k < 1000);
    }
    static const char *const names[] = {"logits", "final", "hidden.0", "hidden.1", "hidden.2",
                                        "experts.1", "expert_weights.1"};
    assert_int_equal(seen.n, FM_COUNT(names));
    for (size_t i = 0; i < FM_COUNT(names); i++) assert_non_null(fm_observation_find(&seen, names[i]));
    fm_observation_clear(&seen);
    assert_int_equal(live_bytes(), before);
    rig_close(&r);
}

/* ---- weights that are no numbers -------------------------------------------------------------------- */

static void weights_that_are_not_numbers_run_like_any_other(void **state) {
    (void)state;
    fm_error err;
    static const char *const folders[] = {"v3-one-pair-one-head", "v2-norm-instead-of-scale"}; /* F32 */
    static const float bad[] = {NAN, INFINITY, 3e38f};
    int32_t ids[12];
    prompt(ids, 12, 9);
    for (size_t f = 0; f < FM_COUNT(folders); f++) {
        odd_copy c = odd_open(folders[f]);
        for (size_t i = 0; i < c.n; i++) {
            const fm_safetensors_item kept = c.items[i];
            if (strstr(kept.name, "experts.") && !strstr(kept.name, "experts.1.")) continue;
            int64_t n = 1;
            for (int d = 0; d < kept.n_dims; d++) n *= kept.shape[d];
            float *values = malloc((size_t)n * sizeof *values);
            for (size_t b = 0; b < FM_COUNT(bad); b++) {
                memcpy(values, kept.data, (size_t)n * sizeof *values);
                for (int64_t j = (int64_t)b; j < n; j += 1 + n / 7) values[j] = bad[b];
                c.items[i].data = values;
                odd_write(&c, NULL, NULL);
                rig r;
                assert_ok(rig_open(&r, c.path, &small, &err));
                float *logits = logits_of(&r, ids, 12);
                free(logits);
                rig_close(&r);
            }
            c.items[i] = kept;
            free(values);
        }
        odd_close(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(going_back_and_on_again_is_as_if_one_had_come_straight),
        cmocka_unit_test(what_is_refused_changes_nothing),
        cmocka_unit_test(a_prompt_can_be_stopped_between_chunks_and_resumed),
        cmocka_unit_test(sequences_of_one_engine_do_not_disturb_each_other),
        cmocka_unit_test(memory_that_ends_anywhere_is_said_and_given_back),
        cmocka_unit_test(the_memory_said_is_the_memory_taken),
        cmocka_unit_test(a_sequence_that_could_not_grow_still_works),
        cmocka_unit_test(a_steady_step_allocates_nothing),
        cmocka_unit_test(an_observation_is_refused_or_complete),
        cmocka_unit_test(weights_that_are_not_numbers_run_like_any_other),
    };
    return cmocka_run_group_tests_name("sequence", tests, NULL, NULL);
}

/* Random schedules: arrivals of prompts that begin alike, decoding with and without drafts, forks,
 * truncations, cancellations, ends, restarts from disk, in steps over whoever is there, with a cache that
 * is nearly too small; over every tiny architecture, every cache type and several numbers of threads.
 * After any step a sequence that waits for nothing must hold, by memcmp, the logits of its own solo run
 * in one chunk. The engine packs experts as they are chosen; the solo's model was packed at once. */
#include "support.h"

#include "base/rng.h"
#include "engine/engine.h"
#include "engine/observe.h"
#include "engine/snapshot.h"

enum { MOST = 6, CONTEXT = 400 };

typedef struct world {
    fm_store *store;
    fm_model *model, *eager;
    fm_pool *pool, *solo_pool;
    fm_engine *engine, *solo;
    fm_sequence *live[MOST];
    uint64_t seed, draws;
    int64_t vocabulary, checked, shared, drafted, kept, restored;
    const char *name;
} world;

static int64_t draw(world *w, int64_t n) {
    return (int64_t)(fm_rng_uniform(w->seed, 7, w->draws++) * (double)n);
}

static world open_world_with(const char *name, fm_kv_type cache, fm_activations activations, int threads,
                             uint64_t seed) {
    world w = {.seed = seed, .name = name};
    fm_error err;
    assert_ok(fm_store_open(golden_path(name), &w.store, &err));
    assert_ok(fm_pool_new(threads, &w.pool, &err));
    assert_ok(fm_pool_new(1, &w.solo_pool, &err));
    fm_model_options bind = {.pack = true, .mtp = true};
    assert_ok(fm_model_bind(w.store, &bind, &w.eager, &err));
    assert_ok(fm_model_load(w.eager, w.pool, NULL, NULL, &err));
    bind.lazy = true;
    assert_ok(fm_model_bind(w.store, &bind, &w.model, &err));
    assert_ok(fm_model_load(w.model, w.pool, NULL, NULL, &err));
    fm_kv_shape shape;
    if (fm_model_kv_shape(w.model, cache, &shape, &err) == FM_ERR_UNSUPPORTED) {
        cache = FM_KV_BF16; /* an odd width that int8 refuses */
        assert_ok(fm_model_kv_shape(w.model, cache, &shape, &err));
    }
    fm_engine_options options = {.rows = 48, .sequences = 4, .outputs = 9, .context = CONTEXT, .cache = cache,
                                 .activations = activations,
                                 .kernels = fm_kernels_get(fm_cpu_detect()), .pool = w.pool,
                                 .share_prefixes = true};
    options.cache_limit = (MOST * (CONTEXT / 64 + 2) + 4) * (uint64_t)(shape.page_bytes + 64);
    assert_ok(fm_engine_new(w.model, &options, &w.engine, &err));
    assert_ok(fm_engine_start(w.engine, &err));
    fm_engine_options alone = {.rows = CONTEXT, .context = CONTEXT, .cache = cache,
                               .activations = activations,
                               .kernels = fm_kernels_get(fm_cpu_detect()), .pool = w.solo_pool};
    assert_ok(fm_engine_new(w.eager, &alone, &w.solo, &err));
    assert_ok(fm_engine_start(w.solo, &err));
    w.vocabulary = w.model->config.vocab_size;
    return w;
}

static world open_world(const char *name, fm_kv_type cache, int threads, uint64_t seed) {
    return open_world_with(name, cache, FM_ACTIVATIONS_F32, threads, seed);
}

static void close_world(world *w) {
    for (int i = 0; i < MOST; i++) fm_sequence_free(w->live[i]);
    fm_engine_free(w->engine);
    fm_engine_free(w->solo);
    fm_model_free(w->model);
    fm_model_free(w->eager);
    fm_pool_free(w->pool);
    fm_pool_free(w->solo_pool);
    fm_store_close(w->store);
}

/* A prompt that begins like one of three, for some way. */
static int64_t make_prompt(world *w, int32_t *ids) {
    int64_t family = draw(w, 3), common = draw(w, 200), n = common + 1 + draw(w, 40);
    for (int64_t i = 0; i < n; i++)
        ids[i] = i < common ? (int32_t)(fm_rng_uniform(w->seed, 100 + (uint64_t)family, (uint64_t)i) *
                                        (double)w->vocabulary)
                            : (int32_t)draw(w, w->vocabulary);
    return n;
}

static void check_alone(world *w, fm_sequence *s) {
    fm_error err;
    int64_t n;
    const int32_t *tokens = fm_sequence_tokens(s, &n);
    fm_sequence *solo;
    assert_ok(fm_sequence_new(w->solo, &solo, &err));
    assert_ok(fm_sequence_extend(solo, tokens, n, NULL, NULL, &err));
    if (memcmp(fm_sequence_logits(s), fm_sequence_logits(solo), (size_t)w->vocabulary * 4) != 0)
        fail_msg("%s, seed %llu: after %lld tokens the bits are others than alone", w->name,
                 (unsigned long long)w->seed, (long long)n);
    fm_sequence_free(solo);
    w->checked++;
}

typedef struct guess {
    world *w;
    float *first; /* the module's logits for the token after the certain one */
} guess;

static int32_t draw_guess(void *context, const float *logits, int64_t ahead) {
    guess *g = context;
    if (ahead == 1) memcpy(g->first, logits, (size_t)g->w->vocabulary * 4);
    return (int32_t)draw(g->w, g->w->vocabulary);
}

/* The module's row for this sequence and one more token, whatever pages its past lies in, is that of a
 * prefill from nothing. */
static void check_draft(world *w, fm_sequence *s, const guess *g, int32_t next) {
    fm_error err;
    fm_observation seen;
    int64_t n;
    const int32_t *tokens = fm_sequence_tokens(s, &n);
    int32_t ids[CONTEXT + 1];
    memcpy(ids, tokens, (size_t)n * sizeof *ids);
    ids[n] = next;
    fm_observe_options options = {.cache = fm_engine_options_of(w->engine)->cache, .mtp = true,
                                  .activations = fm_engine_options_of(w->engine)->activations,
                                  .kernels = fm_kernels_get(fm_cpu_detect()), .pool = w->solo_pool};
    assert_ok(fm_observe_prefill(w->eager, ids, n + 1, &options, &seen, &err));
    const fm_observed *logits = fm_observation_find(&seen, "mtp.logits");
    const float *row = (const float *)logits->data + (n - 1) * w->vocabulary;
    if (memcmp(g->first, row, (size_t)w->vocabulary * 4) != 0)
        fail_msg("%s, seed %llu: after %lld tokens the draft is another than from nothing", w->name,
                 (unsigned long long)w->seed, (long long)n);
    fm_observation_clear(&seen);
    w->drafted++;
}

/* A token and guesses behind it in one go, of which a random number turn out right: the logits of every
 * row kept are those of the sequence alone. */
static void speculate(world *w, fm_sequence *s) {
    fm_error err;
    int64_t n, want = draw(w, 9);
    fm_sequence_tokens(s, &n);
    if (n < 1 || n + 1 + want > CONTEXT) return;
    fm_draft d = {.sequence = s, .want = want, .draw = draw_guess};
    guess g = {w, malloc((size_t)w->vocabulary * 4)};
    d.context = &g;
    d.ids[0] = (int32_t)draw(w, w->vocabulary);
    if (fm_engine_has_mtp(w->engine) && want > 0) {
        assert_ok(fm_engine_draft(w->engine, &d, 1, &err));
        if (d.want > 0 && draw(w, 4) == 0) check_draft(w, s, &g, d.ids[0]);
    } else {
        for (int64_t i = 1; i <= want; i++) d.ids[i] = (int32_t)draw(w, w->vocabulary);
    }
    free(g.first);
    assert_ok(fm_sequence_queue_scored(s, d.ids, 1 + d.want, &err));
}

/* Drafts that have been computed: some prove right. */
static void decide(world *w, fm_sequence *s) {
    int64_t rows = fm_sequence_rows(s);
    if (rows < 2) return;
    fm_sequence_keep_rows(s, 1 + draw(w, rows));
    assert_non_null(fm_sequence_logits(s));
    w->kept++;
}

/* One random event on sequence i. */
static void happen(world *w, int i) {
    fm_error err;
    fm_sequence **s = &w->live[i];
    int32_t ids[CONTEXT];
    int64_t n, event = draw(w, 100);
    if (!*s) {
        if (event < 60) return;
        assert_ok(fm_sequence_new(w->engine, s, &err));
        assert_ok(fm_sequence_queue(*s, ids, make_prompt(w, ids), &err));
        return;
    }
    decide(w, *s);
    fm_sequence_tokens(*s, &n);
    if (event < 20 && fm_sequence_logits(*s)) {
        speculate(w, *s);
    } else if (event < 55) { /* decode: a token, if it waits for nothing */
        int32_t id = (int32_t)draw(w, w->vocabulary);
        if (!fm_sequence_logits(*s)) return;
        if (n + 1 > CONTEXT) {
            assert_int_equal(fm_sequence_queue(*s, &id, 1, &err), FM_ERR_LIMIT);
            return;
        }
        assert_ok(fm_sequence_queue(*s, &id, 1, &err));
    } else if (event < 62 && n > 0) { /* back, and on with something else */
        fm_sequence_truncate(*s, draw(w, n));
        int64_t more = 1 + draw(w, 30);
        for (int64_t k = 0; k < more; k++) ids[k] = (int32_t)draw(w, w->vocabulary);
        fm_sequence_tokens(*s, &n);
        n += fm_sequence_waiting(*s);
        if (n + more <= CONTEXT) assert_ok(fm_sequence_queue(*s, ids, more, &err));
    } else if (event < 68) { /* a fork into a free place */
        for (int k = 0; k < MOST; k++)
            if (!w->live[k]) {
                assert_ok(fm_sequence_fork(*s, &w->live[k], &err));
                break;
            }
    } else if (event < 72) {
        fm_sequence_cancel(*s);
    } else if (event < 75) { /* to disk and back, into its place or a free one */
        bool fresh = fm_sequence_logits(*s);
        fm_sequence **to = s;
        for (int k = 0; k < MOST && draw(w, 2); k++)
            if (!w->live[k]) to = &w->live[k];
        assert_ok(fm_sequence_save(*s, scratch_path("sequence"), &err));
        if (to == s) fm_sequence_free(*s);
        assert_ok(fm_sequence_load(w->engine, scratch_path("sequence"), to, &err));
        assert_true(!fresh || fm_sequence_logits(*to));
        w->restored++;
    } else if (event < 79) {
        w->shared += fm_sequence_shared(*s);
        fm_sequence_free(*s);
        *s = NULL;
    }
}

static void run_schedule(world *w, int steps) {
    fm_error err;
    for (int step = 0; step < steps; step++) {
        fm_sequence *list[MOST];
        int n = 0;
        for (int i = 0; i < MOST; i++) {
            happen(w, i);
            if (w->live[i] && draw(w, 10) > 0) list[n++] = w->live[i];
        }
        assert_ok(fm_engine_step(w->engine, list, n, NULL, &err));
        for (int i = 0; i < MOST; i++)
            if (w->live[i] && fm_sequence_logits(w->live[i]) && draw(w, 8) == 0)
                check_alone(w, w->live[i]);
    }
}

/* Every architecture, and shapes at the edge of each. */
static const char *const models[] = {
    "tiny-v3", "tiny-v3-fp8", "tiny-v2-lite", "tiny-v2", "tiny-llama", "tiny-qwen2",
    "gguf/tiny-v3.f16-mla.gguf", "odd/qwen3", "odd/v3-mtp", "odd/v3-moonlight", "odd/v2-groups",
    "odd/llama-wide-heads", "odd/v3-two-groups-of-8"};

/* What the schedules of one model came to: a sample may be unlucky, all together not. */
typedef struct tally {
    int64_t checked, shared, drafted, kept, restored, drafts;
} tally;

static void run_one(const char *name, fm_kv_type cache, fm_activations activations, int threads,
                    uint64_t seed, int steps, tally *t) {
    world w = open_world_with(name, cache, activations, threads, seed);
    run_schedule(&w, steps);
    t->checked += w.checked;
    t->shared += w.shared;
    t->drafted += w.drafted;
    t->kept += w.kept;
    t->restored += w.restored;
    t->drafts += fm_engine_has_mtp(w.engine);
    close_world(&w);
}

static void every_row_is_that_of_its_solo_run(void **state) {
    (void)state;
    static const int threads[] = {1, 2, 3, 5};
    static const fm_kv_type caches[] = {FM_KV_F32, FM_KV_BF16, FM_KV_INT8};
    bool soak = getenv("FATHOM_SOAK");
    int schedules = soak ? 60 : 2, steps = sanitized() && !soak ? 30 : 100;
    for (size_t i = 0; i < FM_COUNT(models); i++) {
        tally t = {0};
        for (size_t c = 0; c < FM_COUNT(caches); c++)
            for (int k = 0; k < schedules; k++)
                run_one(models[i], caches[c], FM_ACTIVATIONS_F32, threads[(i + c + (size_t)k) % 4],
                        1000 + (i * 3 + c) * 1000 + (uint64_t)k, steps, &t);
        assert_true(t.checked > 0);
        if (sanitized()) continue;
        assert_true(t.checked > schedules * steps / 4 && t.kept > schedules * steps / 4);
        assert_true(t.shared > 0 && t.restored > 0 && (t.drafts == 0 || t.drafted > 0));
    }
}

/* The same with activations in bytes: over models whose weights have codes, experts and MTP among them. */
static void every_row_is_that_of_its_solo_run_with_activations_in_bytes(void **state) {
    (void)state;
    static const char *const quantised[] = {"gguf/tiny-v2-lite.q8_0.gguf", "gguf/tiny-llama.q8_0.gguf",
                                            "odd/gguf-moonlight-q8_0/model.gguf",
                                            "odd/gguf-qwen3-legacy/model.gguf"};
    bool soak = getenv("FATHOM_SOAK");
    int schedules = soak ? 60 : 2, steps = sanitized() && !soak ? 30 : 100;
    for (size_t i = 0; i < FM_COUNT(quantised); i++) {
        tally t = {0};
        for (int k = 0; k < schedules; k++)
            run_one(quantised[i], k % 2 ? FM_KV_BF16 : FM_KV_F32,
                    i % 2 ? FM_ACTIVATIONS_INT16 : FM_ACTIVATIONS_INT8,
                    1 + (k + (int)i) % 3, 90000 + i * 1000 + (uint64_t)k, steps, &t);
        assert_true(t.checked > 0);
        if (!sanitized()) assert_true(t.checked > schedules * steps / 4 && t.shared > 0);
    }
}

/* A cache with room for two conversations and a third that begins: the tree gives up its pages
 * first, then the third is refused and the others go on. */
static void a_full_cache_gives_up_prefixes_and_then_says_so(void **state) {
    (void)state;
    fm_error err;
    world w = open_world("tiny-llama", FM_KV_F32, 2, 5);
    fm_engine_free(w.engine);
    fm_engine_options options = *fm_engine_options_of(w.solo);
    fm_kv_shape shape;
    assert_ok(fm_model_kv_shape(w.model, FM_KV_F32, &shape, &err));
    options.rows = 64;
    options.share_prefixes = true;
    options.cache_limit = 5 * (uint64_t)(shape.page_bytes + 64);
    assert_ok(fm_engine_new(w.model, &options, &w.engine, &err));
    assert_ok(fm_engine_start(w.engine, &err));
    int32_t ids[130];
    for (int round = 0; round < 3; round++) { /* each leaves two full pages in the tree */
        for (int i = 0; i < 130; i++) ids[i] = (i * 7 + round * 31) % 400;
        assert_ok(fm_sequence_new(w.engine, &w.live[0], &err));
        assert_ok(fm_sequence_extend(w.live[0], ids, 130, NULL, NULL, &err));
        fm_sequence_free(w.live[0]);
        w.live[0] = NULL;
    }
    for (int i = 0; i < 2; i++) {
        ids[0] = 399 - i;
        assert_ok(fm_sequence_new(w.engine, &w.live[i], &err));
        fm_status status = fm_sequence_extend(w.live[i], ids, 130, NULL, NULL, &err);
        assert_int_equal(status, i == 0 ? FM_OK : FM_ERR_MEMORY);
    }
    assert_non_null(strstr(err.message, "cache"));
    assert_int_equal(fm_sequence_waiting(w.live[1]), 0);
    check_alone(&w, w.live[0]);
    close_world(&w);
}

static void a_steady_step_allocates_nothing(void **state) {
    (void)state;
    fm_error err;
    world w = open_world("tiny-v3", FM_KV_F32, 2, 6);
    fm_engine_options options = *fm_engine_options_of(w.engine);
    fm_engine_free(w.engine);
    assert_ok(fm_engine_new(w.eager, &options, &w.engine, &err)); /* packing takes working memory */
    assert_ok(fm_engine_start(w.engine, &err));
    int32_t ids[70];
    for (int i = 0; i < 70; i++) ids[i] = i * 3 % 400;
    for (int i = 0; i < 3; i++) {
        assert_ok(fm_sequence_new(w.engine, &w.live[i], &err));
        assert_ok(fm_sequence_extend(w.live[i], ids, 70, NULL, NULL, &err));
    }
    uint64_t before = fm_mem_statistics().allocations;
    for (int step = 0; step < 40; step++) { /* stays inside a page */
        for (int i = 0; i < 3; i++) assert_ok(fm_sequence_queue(w.live[i], &ids[step], 1, &err));
        assert_ok(fm_engine_step(w.engine, w.live, 3, NULL, &err));
    }
    assert_int_equal(fm_mem_statistics().allocations, before);
    close_world(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_that_of_its_solo_run),
        cmocka_unit_test(every_row_is_that_of_its_solo_run_with_activations_in_bytes),
        cmocka_unit_test(a_full_cache_gives_up_prefixes_and_then_says_so),
        cmocka_unit_test(a_steady_step_allocates_nothing),
    };
    return cmocka_run_group_tests_name("schedules", tests, NULL, NULL);
}

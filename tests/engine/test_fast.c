/* Fast arithmetic: whole blocks of a prompt are computed from materialised keys and values. Which rows
 * these are depends on how the text was queued and on nothing else, what is kept on the way included; how far
 * they are from exact is stated here. */
#include "support.h"

#include "base/mem.h"
#include "engine/sequence.h"

#include <math.h>

enum { LENGTH = 700, CONTEXT = 800 };

/* The largest difference of a logit on these models, whose logits go up to about ten: both forms round
 * about as often, so neither is nearer to the truth. */
static const float DISTANCE = 2e-4f;
/* Where keys, values and all that meets them are BF16: times as far from what a cache of floats gives as exact
 * arithmetic over latents in BF16. */
static const double NEARNESS_BF16 = 2.5;

typedef struct rig {
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
    fm_engine *engine;
} rig;

static rig rig_at(const char *name, fm_arith arith, int threads, int64_t rows, fm_kv_type cache,
                  fm_cpu_level level) {
    fm_error err;
    rig r = {0};
    assert_ok(fm_store_open(golden_path(name), &r.store, &err));
    assert_ok(fm_pool_new(threads, &r.pool, &err));
    assert_ok(fm_model_bind(r.store, &(fm_model_options){.arith = arith, .pack = true, .mtp = true},
                            &r.model, &err));
    assert_ok(fm_model_load(r.model, r.pool, NULL, NULL, &err));
    fm_engine_options options = {.rows = rows, .context = CONTEXT, .outputs = rows, .cache = cache,
                                 .pool = r.pool, .kernels = fm_kernels_get(level)};
    assert_ok(fm_engine_new(r.model, &options, &r.engine, &err));
    assert_ok(fm_engine_start(r.engine, &err));
    return r;
}

static rig rig_of(const char *name, fm_arith arith, int threads, int64_t rows, fm_kv_type cache) {
    return rig_at(name, arith, threads, rows, cache, fm_cpu_detect());
}

static void close_rig(rig *r) {
    fm_engine_free(r->engine);
    fm_model_free(r->model);
    fm_pool_free(r->pool);
    fm_store_close(r->store);
}

static fm_sequence *grown(const rig *r, const int32_t *ids, int64_t n) {
    fm_error err;
    fm_sequence *s;
    assert_ok(fm_sequence_new(r->engine, &s, &err));
    assert_ok(fm_sequence_extend(s, ids, n, NULL, NULL, &err));
    return s;
}

static size_t logit_bytes(const rig *r) { return (size_t)r->model->config.vocab_size * sizeof(float); }

static void make_ids(int32_t *ids, int64_t n, int seed) {
    for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)((i * i * 7 + i * 31 + seed * 57) % 401);
}

static const char *const models[] = {"tiny-v3", "tiny-v2-lite", "tiny-v2"};

/* One step, small chunks, more threads, a neighbour in the same steps: the same bits, while decoding
 * too. */
static void rows_are_fast_by_how_they_were_queued_alone(void **state) {
    (void)state;
    fm_error err;
    int32_t ids[LENGTH + 5], other[300];
    make_ids(ids, LENGTH + 5, 1), make_ids(other, 300, 2);
    static const int64_t rows[] = {48, 100, 256, 330}, kept[] = {CONTEXT, 1, 257, 0}; /* positions */
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        rig whole = rig_of(models[m], FM_FAST, 1, LENGTH, FM_KV_BF16);
        fm_sequence *want = grown(&whole, ids, LENGTH);
        for (int i = 0; i < 5; i++) assert_ok(fm_sequence_extend(want, ids + LENGTH + i, 1, NULL, NULL, &err));
        for (size_t i = 0; i < FM_COUNT(rows); i++) {
            rig r = rig_of(models[m], FM_FAST, (int)i + 1, rows[i], FM_KV_BF16);
            fm_engine_set_unfold_limit(r.engine, fm_engine_unfold_bytes(r.engine, kept[i]));
            fm_sequence *list[2];
            for (int k = 0; k < 2; k++) assert_ok(fm_sequence_new(r.engine, &list[k], &err));
            assert_ok(fm_sequence_queue(list[0], other, 300, &err));
            assert_ok(fm_sequence_queue(list[1], ids, LENGTH, &err));
            while (fm_sequence_waiting(list[1]) > 0)
                assert_ok(fm_engine_step(r.engine, list, 2, NULL, &err));
            for (int k = 0; k < 5; k++)
                assert_ok(fm_sequence_extend(list[1], ids + LENGTH + k, 1, NULL, NULL, &err));
            assert_memory_equal(fm_sequence_logits(list[1]), fm_sequence_logits(want), logit_bytes(&r));
            for (int k = 0; k < 2; k++) fm_sequence_free(list[k]);
            close_rig(&r);
        }
        fm_sequence_free(want);
        close_rig(&whole);
    }
}

static void fast_is_near_exact_and_equal_where_no_block_is_whole(void **state) {
    (void)state;
    int32_t ids[LENGTH];
    make_ids(ids, LENGTH, 3);
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        rig fast = rig_of(models[m], FM_FAST, 2, 256, FM_KV_F32);
        rig exact = rig_of(models[m], FM_EXACT, 2, 256, FM_KV_F32);
        static const int64_t lengths[] = {255, 256, LENGTH};
        for (size_t i = 0; i < FM_COUNT(lengths); i++) {
            fm_sequence *a = grown(&fast, ids, lengths[i]), *b = grown(&exact, ids, lengths[i]);
            const float *x = fm_sequence_logits(a), *y = fm_sequence_logits(b);
            float most = 0;
            for (size_t k = 0; k < logit_bytes(&fast) / sizeof *x; k++) most = fmaxf(most, fabsf(x[k] - y[k]));
            if (i == 0) assert_memory_equal(x, y, logit_bytes(&fast));
            if (i > 0) assert_true(most > 0 && most < DISTANCE);
            fm_sequence_free(a);
            fm_sequence_free(b);
        }
        close_rig(&fast);
        close_rig(&exact);
    }
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median over all rows of the length of their logits' difference; a tiny difference that sends a token to
 * another expert makes some of them large. */
static double distance(const rig *r, const fm_sequence *a, const fm_sequence *b) {
    static double rows[LENGTH];
    for (int64_t t = 0; t < LENGTH; t++) {
        const float *x = fm_sequence_row_logits(a, t), *y = fm_sequence_row_logits(b, t);
        rows[t] = 0;
        for (size_t k = 0; k < logit_bytes(r) / sizeof *x; k++)
            rows[t] += (double)(x[k] - y[k]) * (double)(x[k] - y[k]);
    }
    qsort(rows, LENGTH, sizeof *rows, by_size);
    return sqrt(rows[LENGTH / 2]);
}

static fm_sequence *scored(const rig *r, const int32_t *ids) {
    fm_error err;
    fm_sequence *s;
    assert_ok(fm_sequence_new(r->engine, &s, &err));
    assert_ok(fm_sequence_queue_scored(s, ids, LENGTH, &err));
    assert_ok(fm_sequence_compute(s, NULL, NULL, &err));
    return s;
}

static void in_bf16_fast_is_nearly_as_near_to_floats_as_exact_is(void **state) {
    (void)state;
    int32_t ids[LENGTH];
    make_ids(ids, LENGTH, 5);
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        rig floats = rig_of(models[m], FM_EXACT, 2, 256, FM_KV_F32);
        rig exact = rig_of(models[m], FM_EXACT, 2, 256, FM_KV_BF16);
        rig fast = rig_of(models[m], FM_FAST, 2, 256, FM_KV_BF16);
        fm_sequence *want = scored(&floats, ids), *a = scored(&exact, ids), *b = scored(&fast, ids);
        double of_exact = distance(&floats, a, want), of_fast = distance(&floats, b, want);
        if (!(of_fast > 0 && of_fast < NEARNESS_BF16 * of_exact))
            fail_msg("%s: %g off, exact %g", models[m], of_fast, of_exact);
        fm_sequence_free(want), fm_sequence_free(a), fm_sequence_free(b);
        close_rig(&floats), close_rig(&exact), close_rig(&fast);
    }
}

static void every_cpu_level_gives_the_same_fast_bits(void **state) {
    (void)state;
    enum { PART = 600 };
    int32_t ids[PART];
    make_ids(ids, PART, 6);
    static const fm_kv_type caches[] = {FM_KV_BF16, FM_KV_INT8};
    for (size_t c = 0; c < FM_COUNT(caches); c++) {
        rig first = rig_at("tiny-v2-lite", FM_FAST, 2, PART, caches[c], FM_CPU_REF);
        fm_sequence *want = grown(&first, ids, PART);
        for (int level = FM_CPU_REF + 1; level <= (int)fm_cpu_detect(); level++) {
            rig r = rig_at("tiny-v2-lite", FM_FAST, 2, 300, caches[c], (fm_cpu_level)level);
            fm_engine_set_unfold_limit(r.engine, fm_engine_unfold_bytes(r.engine, PART));
            fm_sequence *s = grown(&r, ids, PART);
            assert_memory_equal(fm_sequence_logits(s), fm_sequence_logits(want), logit_bytes(&r));
            fm_sequence_free(s);
            close_rig(&r);
        }
        fm_sequence_free(want);
        close_rig(&first);
    }
}

/* ---- what is kept --------------------------------------------------------------------------------- */

/* Bytes of keys and values that are neither pages nor logits. */
static size_t unfolded_bytes(const rig *r, size_t base) {
    return fm_mem_statistics().live_bytes[FM_MEM_CACHE] - (size_t)fm_engine_cache_statistics(r->engine).bytes -
           base;
}

static bool is_about(size_t bytes, uint64_t want) { return bytes >= want && bytes < want + 2048; }

static void steps(const rig *r, fm_sequence *s, int n) {
    fm_error err;
    for (int i = 0; i < n; i++) assert_ok(fm_engine_step(r->engine, &s, 1, NULL, &err));
}

static void keys_and_values_are_kept_while_a_prompt_is_read_and_no_longer(void **state) {
    (void)state;
    enum { ENDS = 5, CHUNK = 100 };
    fm_error err;
    int32_t ids[LENGTH];
    make_ids(ids, LENGTH, 7);
    rig r = rig_of("tiny-v2-lite", FM_FAST, 2, CHUNK, FM_KV_BF16);
    uint64_t block = fm_engine_unfold_bytes(r.engine, 1);
    assert_true(block > 0 && fm_engine_unfold_bytes(r.engine, 257) == 2 * block);
    fm_engine_set_unfold_limit(r.engine, 2 * block);
    for (int end = 0; end < ENDS; end++) {
        fm_sequence *s, *fork = NULL;
        assert_ok(fm_sequence_new(r.engine, &s, &err));
        size_t base = unfolded_bytes(&r, 0);
        assert_ok(fm_sequence_queue(s, ids, LENGTH, &err));
        steps(&r, s, 1);
        assert_true(is_about(unfolded_bytes(&r, base), block));
        steps(&r, s, 2);
        assert_true(is_about(unfolded_bytes(&r, base), 2 * block));
        switch (end) {
        case 0: steps(&r, s, 2); break; /* 512: from here on no row is fast */
        case 1: steps(&r, s, 3); break;
        case 2: fm_sequence_cancel(s); break;
        case 3: fm_sequence_truncate(s, 70); break;
        default:
            assert_ok(fm_sequence_fork(s, &fork, &err)); /* what is made stays with who makes it */
            fm_sequence_free(fork);
            assert_true(is_about(unfolded_bytes(&r, base), 2 * block));
            fm_sequence_free(s);
        }
        if (end == 0) assert_true(is_about(unfolded_bytes(&r, base), 2 * block));
        if (end == 0) steps(&r, s, 1);
        if (end < ENDS - 1) {
            assert_true(unfolded_bytes(&r, base) < 2048);
            fm_sequence_free(s);
        }
    }
    close_rig(&r);
}

/* Memory fails for nothing but what can be made again: pages and tables are there from a first run. */
static void without_memory_they_are_made_again(void **state) {
    (void)state;
    int32_t ids[LENGTH];
    make_ids(ids, LENGTH, 8);
    rig r = rig_of("tiny-v2", FM_FAST, 2, 64, FM_KV_BF16);
    fm_sequence *s = grown(&r, ids, LENGTH);
    float *want = malloc(logit_bytes(&r));
    memcpy(want, fm_sequence_logits(s), logit_bytes(&r));
    fm_engine_set_unfold_limit(r.engine, fm_engine_unfold_bytes(r.engine, LENGTH));
    for (int k = 0; k < 6; k++) {
        fm_sequence_truncate(s, 0);
        fm_mem_fail_from(k);
        fm_error err;
        fm_status status = fm_sequence_extend(s, ids, LENGTH, NULL, NULL, &err);
        fm_mem_fail_from(-1);
        assert_ok(status);
        assert_memory_equal(fm_sequence_logits(s), want, logit_bytes(&r));
    }
    free(want);
    fm_sequence_free(s);
    close_rig(&r);
}

/* Somebody decodes beside a prompt, and a row is said to be so slow that the prompt gets but one: enough where
 * what lies before it is kept, a block where it must be made again for every piece. */
static void a_prompt_beside_a_reply_makes_no_block_again_for_a_few_rows(void **state) {
    (void)state;
    fm_error err;
    int32_t ids[LENGTH];
    make_ids(ids, LENGTH, 9);
    for (int kept = 0; kept < 2; kept++) {
        rig r = rig_of("tiny-v2-lite", FM_FAST, 2, 400, FM_KV_BF16);
        fm_engine_set_unfold_limit(r.engine, kept ? fm_engine_unfold_bytes(r.engine, LENGTH) : 0);
        fm_sequence *reply = grown(&r, ids, 20), *prompt;
        assert_ok(fm_sequence_new(r.engine, &prompt, &err));
        assert_ok(fm_sequence_queue(prompt, ids, LENGTH, &err));
        steps(&r, prompt, 1); /* 400 rows */
        static const int64_t remade[] = {256, 1, 1}; /* from 512 on no row is fast */
        fm_sequence *list[] = {reply, prompt};
        for (size_t i = 0; i < FM_COUNT(remade); i++) {
            fm_step_report report;
            assert_ok(fm_sequence_queue(reply, ids + i, 1, &err));
            r.engine->speed.row = 10;
            assert_ok(fm_engine_step(r.engine, list, 2, &report, &err));
            assert_int_equal(report.rows, 1 + (kept ? 1 : remade[i]));
        }
        fm_sequence_free(reply);
        fm_sequence_free(prompt);
        close_rig(&r);
    }
}

static void who_unfolds_nothing_keeps_nothing(void **state) {
    (void)state;
    rig exact = rig_of("tiny-v3", FM_EXACT, 1, 64, FM_KV_BF16);
    rig dense = rig_of("tiny-llama", FM_FAST, 1, 64, FM_KV_BF16);
    rig floats = rig_of("tiny-v3", FM_FAST, 1, 64, FM_KV_F32);
    const rig *all[] = {&exact, &dense, &floats};
    for (size_t i = 0; i < FM_COUNT(all); i++) assert_int_equal(fm_engine_unfold_bytes(all[i]->engine, 5000), 0);
    close_rig(&exact), close_rig(&dense), close_rig(&floats);
}

/* A dense model has one form of attention: its fast is its exact. */
static void models_without_latents_do_not_differ(void **state) {
    (void)state;
    int32_t ids[LENGTH];
    make_ids(ids, LENGTH, 4);
    rig fast = rig_of("tiny-llama", FM_FAST, 2, 256, FM_KV_F32);
    rig exact = rig_of("tiny-llama", FM_EXACT, 2, 256, FM_KV_F32);
    fm_sequence *a = grown(&fast, ids, LENGTH), *b = grown(&exact, ids, LENGTH);
    assert_memory_equal(fm_sequence_logits(a), fm_sequence_logits(b), logit_bytes(&fast));
    fm_sequence_free(a);
    fm_sequence_free(b);
    close_rig(&fast);
    close_rig(&exact);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_fast_by_how_they_were_queued_alone),
        cmocka_unit_test(fast_is_near_exact_and_equal_where_no_block_is_whole),
        cmocka_unit_test(in_bf16_fast_is_nearly_as_near_to_floats_as_exact_is),
        cmocka_unit_test(every_cpu_level_gives_the_same_fast_bits),
        cmocka_unit_test(keys_and_values_are_kept_while_a_prompt_is_read_and_no_longer),
        cmocka_unit_test(without_memory_they_are_made_again),
        cmocka_unit_test(a_prompt_beside_a_reply_makes_no_block_again_for_a_few_rows),
        cmocka_unit_test(who_unfolds_nothing_keeps_nothing),
        cmocka_unit_test(models_without_latents_do_not_differ),
    };
    return cmocka_run_group_tests_name("fast", tests, NULL, NULL);
}

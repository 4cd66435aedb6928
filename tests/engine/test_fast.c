/* Fast arithmetic: whole blocks of a prompt are computed from materialised keys and values. Which rows
 * these are depends on how the text was queued and on nothing else; how far they are from exact is
 * stated here. */
#include "support.h"

#include "engine/engine.h"

#include <math.h>

enum { LENGTH = 700, CONTEXT = 800 };

/* The largest difference of a logit on these models, whose logits go up to about ten: both forms round
 * about as often, so neither is nearer to the truth. */
static const float DISTANCE = 2e-4f;

typedef struct rig {
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
    fm_engine *engine;
} rig;

static rig rig_of(const char *name, fm_arith arith, int threads, int64_t rows, fm_kv_type cache) {
    fm_error err;
    rig r = {0};
    assert_ok(fm_store_open(golden_path(name), &r.store, &err));
    assert_ok(fm_pool_new(threads, &r.pool, &err));
    assert_ok(fm_model_bind(r.store, &(fm_model_options){.arith = arith, .pack = true, .mtp = true},
                            &r.model, &err));
    assert_ok(fm_model_load(r.model, r.pool, NULL, NULL, &err));
    fm_engine_options options = {.rows = rows, .context = CONTEXT, .cache = cache, .pool = r.pool,
                                 .kernels = fm_kernels_get(fm_cpu_detect())};
    assert_ok(fm_engine_new(r.model, &options, &r.engine, &err));
    assert_ok(fm_engine_start(r.engine, &err));
    return r;
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
    static const int64_t rows[] = {48, 100, 256};
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        rig whole = rig_of(models[m], FM_FAST, 1, LENGTH, FM_KV_BF16);
        fm_sequence *want = grown(&whole, ids, LENGTH);
        for (int i = 0; i < 5; i++) assert_ok(fm_sequence_extend(want, ids + LENGTH + i, 1, NULL, NULL, &err));
        for (size_t i = 0; i < FM_COUNT(rows); i++) {
            rig r = rig_of(models[m], FM_FAST, (int)i + 1, rows[i], FM_KV_BF16);
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
        cmocka_unit_test(models_without_latents_do_not_differ),
    };
    return cmocka_run_group_tests_name("fast", tests, NULL, NULL);
}

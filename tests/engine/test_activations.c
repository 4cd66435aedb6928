/* Activations in bytes (kernel/codes.h) over whole models: the same bits at every CPU level, for every
 * number of threads and however a text is cut; near float32, and named wherever bits are kept. */
#include "support.h"

#include "engine/engine.h"
#include "engine/observe.h"
#include "engine/snapshot.h"

#include <math.h>
#include <unistd.h>

/* Models with quantised weights, and one without, which int8 leaves as it is. The bounds are a few
 * times what was measured: mean KL from the float32 run, in nats. */
typedef struct sample {
    const char *path;
    double kl;
} sample;

static const sample samples[] = {
    {"gguf/tiny-llama.q8_0.gguf", 1e-2},
    {"gguf/tiny-v2-lite.q8_0.gguf", 1.5e-2},
    {"odd/gguf-moonlight-q8_0/model.gguf", 1.2e-2},
    {"odd/gguf-llama-k/model.gguf", 1e-3},
    {"odd/gguf-llama-tied-q6/model.gguf", 3e-3},
    {"odd/gguf-qwen2-legacy/model.gguf", 1e-3},
    {"odd/gguf-qwen3-legacy/model.gguf", 1e-3},
    {"tiny-v3", 0},
};

enum { TOKENS = 90 };

typedef struct opened {
    fm_store *store;
    fm_model *model;
    int32_t ids[TOKENS];
    int64_t vocabulary;
} opened;

static opened open_sample(const char *path) {
    opened o = {0};
    fm_error err;
    assert_ok(fm_store_open(golden_path(path), &o.store, &err));
    assert_ok(fm_model_bind(o.store, &(fm_model_options){.pack = true, .mtp = true}, &o.model, &err));
    assert_ok(fm_model_load(o.model, NULL, NULL, NULL, &err));
    o.vocabulary = o.model->config.vocab_size;
    for (int i = 0; i < TOKENS; i++) o.ids[i] = (int32_t)((i * 37 + i * i) % o.vocabulary);
    return o;
}

static void close_sample(opened *o) {
    fm_model_free(o->model);
    fm_store_close(o->store);
}

/* Logits [TOKENS, V] of one prefill. */
static float *prefill(const opened *o, fm_activations activations, fm_cpu_level level, int threads) {
    fm_error err;
    fm_pool *pool;
    fm_observation seen;
    assert_ok(fm_pool_new(threads, &pool, &err));
    fm_observe_options options = {.kernels = fm_kernels_get(level), .pool = pool,
                                  .activations = activations};
    assert_ok(fm_observe_prefill(o->model, o->ids, TOKENS, &options, &seen, &err));
    size_t bytes = (size_t)(TOKENS * o->vocabulary) * sizeof(float);
    float *logits = malloc(bytes);
    assert_non_null(logits);
    memcpy(logits, fm_observation_find(&seen, "logits")->data, bytes);
    fm_observation_clear(&seen);
    fm_pool_free(pool);
    return logits;
}

static void every_level_and_every_number_of_threads_gives_the_same_bits(void **state) {
    (void)state;
    for (size_t i = 0; i < FM_COUNT(samples); i++) {
        opened o = open_sample(samples[i].path);
        for (int kind = FM_ACTIVATIONS_INT8; kind <= FM_ACTIVATIONS_INT16; kind++) {
            float *want = prefill(&o, (fm_activations)kind, FM_CPU_REF, 1);
            for (int level = FM_CPU_REF; level <= (int)fm_cpu_detect(); level++) {
                float *got = prefill(&o, (fm_activations)kind, (fm_cpu_level)level, 1 + (level + (int)i) % 3);
                if (memcmp(got, want, (size_t)(TOKENS * o.vocabulary) * sizeof(float)) != 0)
                    fail_msg("%s: other bits at %s", samples[i].path,
                             fm_cpu_level_name((fm_cpu_level)level));
                free(got);
            }
            free(want);
        }
        close_sample(&o);
    }
}

/* In chunks of 1, 3, 7 or 64 rows, with a neighbour that decodes beside it. */
static void any_chunks_and_any_neighbour_give_the_bits_of_one_prefill(void **state) {
    (void)state;
    static const int64_t rows[] = {2, 4, 8, 64};
    fm_error err;
    for (size_t i = 0; i < FM_COUNT(samples); i++) {
        opened o = open_sample(samples[i].path);
        fm_activations kind = i % 2 ? FM_ACTIVATIONS_INT16 : FM_ACTIVATIONS_INT8;
        float *want = prefill(&o, kind, fm_cpu_detect(), 2);
        for (size_t r = 0; r < FM_COUNT(rows); r++) {
            fm_pool *pool;
            fm_engine *engine;
            fm_sequence *s[2];
            assert_ok(fm_pool_new(1 + (int)(r % 3), &pool, &err));
            fm_engine_options options = {.rows = rows[r], .context = 2 * TOKENS, .pool = pool,
                                         .activations = kind,
                                         .kernels = fm_kernels_get(fm_cpu_detect())};
            assert_ok(fm_engine_new(o.model, &options, &engine, &err));
            assert_ok(fm_engine_start(engine, &err));
            for (int k = 0; k < 2; k++) assert_ok(fm_sequence_new(engine, &s[k], &err));
            assert_ok(fm_sequence_queue(s[0], o.ids, TOKENS, &err));
            for (int step = 0; fm_sequence_waiting(s[0]) > 0; step++) {
                assert_ok(fm_sequence_queue(s[1], &o.ids[step % 7], 1, &err));
                assert_ok(fm_engine_step(engine, s, 2, NULL, &err));
            }
            if (memcmp(fm_sequence_logits(s[0]), want + (TOKENS - 1) * o.vocabulary,
                       (size_t)o.vocabulary * sizeof(float)) != 0)
                fail_msg("%s: other bits in steps of %lld", samples[i].path, (long long)rows[r]);
            for (int k = 0; k < 2; k++) fm_sequence_free(s[k]);
            fm_engine_free(engine);
            fm_pool_free(pool);
        }
        free(want);
        close_sample(&o);
    }
}

static double log_sum(const float *x, int64_t n) {
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) top = fmax(top, (double)x[i]);
    for (int64_t i = 0; i < n; i++) sum += exp((double)x[i] - top);
    return top + log(sum);
}

static double divergence(const float *p, const float *q, int64_t n) {
    double p_norm = log_sum(p, n), q_norm = log_sum(q, n), kl = 0;
    for (int64_t i = 0; i < n; i++) {
        double log_p = (double)p[i] - p_norm;
        kl += exp(log_p) * (log_p - ((double)q[i] - q_norm));
    }
    return kl;
}

static void bytes_stay_near_the_numbers_and_are_not_them(void **state) {
    (void)state;
    for (size_t i = 0; i < FM_COUNT(samples); i++) {
        opened o = open_sample(samples[i].path);
        float *f32 = prefill(&o, FM_ACTIVATIONS_F32, fm_cpu_detect(), 2);
        float *int8 = prefill(&o, FM_ACTIVATIONS_INT8, fm_cpu_detect(), 2);
        float *int16 = prefill(&o, FM_ACTIVATIONS_INT16, fm_cpu_detect(), 2);
        double kl = 0, kl_twice = 0;
        for (int64_t at = 0; at < TOKENS * o.vocabulary; at += o.vocabulary) {
            kl += divergence(f32 + at, int8 + at, o.vocabulary) / TOKENS;
            kl_twice += divergence(f32 + at, int16 + at, o.vocabulary) / TOKENS;
        }
        print_message("# %s: mean KL %.3g, twice %.3g\n", samples[i].path, kl, kl_twice);
        assert_true(fabs(kl_twice) <= kl / 1000);
        bool same = memcmp(f32, int8, (size_t)(TOKENS * o.vocabulary) * sizeof(float)) == 0;
        assert_true(same == (samples[i].kl == 0));
        assert_true(same || (kl > 0 && kl < samples[i].kl));
        free(f32);
        free(int8);
        free(int16);
        close_sample(&o);
    }
}

static void a_saved_sequence_fits_its_own_kind_alone(void **state) {
    (void)state;
    fm_error err;
    char path[] = "/tmp/fathom-activations-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    opened o = open_sample("gguf/tiny-llama.q8_0.gguf");
    fm_engine *engine[FM_ACTIVATIONS_INT16 + 1];
    for (int kind = 0; kind <= FM_ACTIVATIONS_INT16; kind++) {
        fm_engine_options options = {.rows = 16, .context = 2 * TOKENS,
                                     .activations = (fm_activations)kind,
                                     .kernels = fm_kernels_get(fm_cpu_detect())};
        assert_ok(fm_engine_new(o.model, &options, &engine[kind], &err));
        assert_ok(fm_engine_start(engine[kind], &err));
    }
    for (int kind = 0; kind <= FM_ACTIVATIONS_INT16; kind++) {
        fm_sequence *s, *back;
        assert_ok(fm_sequence_new(engine[kind], &s, &err));
        assert_ok(fm_sequence_extend(s, o.ids, TOKENS, NULL, NULL, &err));
        assert_ok(fm_sequence_save(s, path, &err));
        assert_int_equal(fm_sequence_load(engine[(kind + 1) % 3], path, &back, &err), FM_ERR_UNSUPPORTED);
        assert_non_null(strstr(err.message, fm_activations_name((fm_activations)kind)));
        assert_ok(fm_sequence_load(engine[kind], path, &back, &err));
        assert_memory_equal(fm_sequence_logits(back), fm_sequence_logits(s),
                            (size_t)o.vocabulary * sizeof(float));
        fm_sequence_free(s);
        fm_sequence_free(back);
    }
    for (int kind = 0; kind <= FM_ACTIVATIONS_INT16; kind++) fm_engine_free(engine[kind]);
    close_sample(&o);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_and_every_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(any_chunks_and_any_neighbour_give_the_bits_of_one_prefill),
        cmocka_unit_test(bytes_stay_near_the_numbers_and_are_not_them),
        cmocka_unit_test(a_saved_sequence_fits_its_own_kind_alone),
    };
    return cmocka_run_group_tests_name("activations", tests, NULL, NULL);
}

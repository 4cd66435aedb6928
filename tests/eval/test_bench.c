/* The bench on golden models: what it computes, counts and refuses; no test looks at a speed. */
#include "support.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "eval/bandwidth.h"
#include "eval/bench.h"
#include "eval/traffic.h"
#include "model/parameters.h"

#include <math.h>

typedef struct opened {
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
    fm_engine *engine;
} opened;

static opened open_model(const char *name, fm_arith arith, int64_t rows, int threads) {
    opened o = {0};
    fm_error err;
    assert_ok(fm_store_open(golden_path(name), &o.store, &err));
    assert_ok(fm_model_bind(o.store, &(fm_model_options){.arith = arith, .pack = true}, &o.model, &err));
    assert_ok(fm_pool_new(threads, &o.pool, &err));
    assert_ok(fm_model_load(o.model, o.pool, NULL, NULL, &err));
    fm_engine_options options = {.rows = rows, .sequences = 4, .context = 128, .cache = FM_KV_F32,
                                 .kernels = fm_kernels_get(fm_cpu_detect()), .pool = o.pool};
    assert_ok(fm_engine_new(o.model, &options, &o.engine, &err));
    assert_ok(fm_engine_start(o.engine, &err));
    return o;
}

static void close_model(opened *o) {
    fm_engine_free(o->engine);
    fm_model_free(o->model);
    fm_pool_free(o->pool);
    fm_store_close(o->store);
}

static const int64_t prompts[] = {0, 7, 40}, replies[] = {5, 0}, depths[] = {0, 21};

static fm_bench_options some_tests(const opened *o) {
    return (fm_bench_options){.prompt = prompts, .n_prompt = 3, .generate = replies, .n_generate = 2,
                              .depth = depths, .n_depth = 2, .sequences = 3, .repeat = 3, .seed = 5,
                              .vocabulary = o->model->config.vocab_size};
}

/* The hash of a test computed by hand: fresh sequences, one after the other, token by token. */
static uint64_t expected_hash(const opened *o, const fm_bench_result *r, uint64_t seed) {
    uint64_t hash = 0;
    for (int64_t s = 0; s < r->sequences; s++) {
        fm_sequence *sequence;
        fm_error err;
        assert_ok(fm_sequence_new(o->engine, &sequence, &err));
        for (int64_t p = 0; p < r->depth + r->tokens; p++) {
            fm_rng_block b = fm_rng_at(seed, (uint64_t)s, (uint64_t)p);
            uint64_t wide = ((uint64_t)b.word[0] << 32) | b.word[1];
            int32_t id = (int32_t)(wide % (uint64_t)o->model->config.vocab_size);
            assert_ok(fm_sequence_extend(sequence, &id, 1, NULL, NULL, &err));
        }
        hash = fm_hash(fm_sequence_logits(sequence),
                       (size_t)o->model->config.vocab_size * sizeof(float), hash);
        fm_sequence_free(sequence);
    }
    return hash;
}

static void every_test_computes_the_logits_of_its_tokens(void **state) {
    (void)state;
    static const char *const names[] = {"tiny-v3", "tiny-v2-lite", "tiny-qwen2"};
    for (size_t m = 0; m < FM_COUNT(names); m++) {
        opened o = open_model(names[m], FM_EXACT, m == 0 ? 3 : 16, 2);
        fm_bench_options options = some_tests(&o);
        fm_bench_result *results;
        size_t n;
        fm_error err;
        assert_ok(fm_bench_run(o.model, o.engine, &options, &results, &n, &err));
        static const char *const expected[] = {"pp7@d0", "pp40@d0", "tg5x3@d0", "pp7@d21", "pp40@d21",
                                               "tg5x3@d21"};
        assert_int_equal(n, FM_COUNT(expected));
        for (size_t i = 0; i < n; i++) {
            const fm_bench_result *r = &results[i];
            assert_string_equal(r->name, expected[i]);
            assert_true(r->hash == expected_hash(&o, r, options.seed));
            assert_true(r->low > 0 && r->low <= r->median && r->median <= r->high);
            assert_true(r->decode ? r->weight_bytes > 0 && r->cache_bytes > 0 : r->flops > 0);
            assert_int_equal(r->depth_seconds > 0, r->depth > 0);
            assert_int_equal(r->sequences, r->decode ? 3 : 1);
        }
        fm_free(results);
        close_model(&o);
    }
}

static void other_seeds_give_other_tokens(void **state) {
    (void)state;
    opened o = open_model("tiny-llama", FM_EXACT, 16, 1);
    fm_bench_options options = some_tests(&o);
    fm_bench_result *a, *b;
    size_t n;
    fm_error err;
    assert_ok(fm_bench_run(o.model, o.engine, &options, &a, &n, &err));
    options.seed++;
    assert_ok(fm_bench_run(o.model, o.engine, &options, &b, &n, &err));
    for (size_t i = 0; i < n; i++) assert_true(a[i].hash != b[i].hash);
    fm_free(a);
    fm_free(b);
    close_model(&o);
}

/* ---- what goes wrong ----------------------------------------------------------------------------- */

typedef struct saboteur {
    float *weight;
    int steps, strike; /* the step after which the weight changes, or, negative, -1 - it stops */
} saboteur;

static bool sabotage(void *context, const char *test, double fraction) {
    saboteur *s = context;
    assert_non_null(test);
    assert_true(fraction > 0 && fraction <= 1 + 1e-9);
    int step = s->steps++;
    if (step == s->strike) *s->weight += 1;
    return step != -1 - s->strike;
}

static void a_repetition_with_other_logits_fails_loudly(void **state) {
    (void)state;
    opened o = open_model("tiny-llama", FM_EXACT, 64, 1);
    saboteur s = {.weight = o.model->final_norm.master, .strike = 2}; /* after 3 of 4 prefills */
    static const int64_t seven[] = {7};
    fm_bench_options options = {.prompt = seven, .n_prompt = 1, .sequences = 1, .repeat = 3,
                                .vocabulary = 100, .progress = sabotage, .context = &s};
    fm_bench_result *results;
    size_t n;
    fm_error err;
    assert_int_equal(fm_bench_run(o.model, o.engine, &options, &results, &n, &err), FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "pp7@d0: repetition 3 gave logits"));
    assert_null(results);
    close_model(&o);
}

static void it_stops_between_steps_when_told_to(void **state) {
    (void)state;
    opened o = open_model("tiny-llama", FM_EXACT, 16, 1);
    for (int at = 0; at < 30; at++) {
        saboteur s = {.strike = -1 - at};
        fm_bench_options options = some_tests(&o);
        options.progress = sabotage;
        options.context = &s;
        fm_bench_result *results;
        size_t n;
        fm_error err;
        assert_int_equal(fm_bench_run(o.model, o.engine, &options, &results, &n, &err),
                         FM_ERR_CANCELLED);
        assert_int_equal(s.steps, at + 1);
    }
    assert_int_equal(fm_engine_cache_statistics(o.engine).in_use, 0);
    close_model(&o);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    opened o = open_model("tiny-llama", FM_EXACT, 16, 1);
    fm_bench_options options = some_tests(&o);
    fm_status status = FM_ERR_MEMORY;
    for (int k = 0; status != FM_OK; k++) {
        fm_bench_result *results;
        size_t n;
        fm_error err;
        fm_mem_fail_from(k);
        status = fm_bench_run(o.model, o.engine, &options, &results, &n, &err);
        fm_mem_fail_from(-1);
        if (status != FM_OK) assert_int_equal(status, FM_ERR_MEMORY);
        assert_int_equal(fm_engine_cache_statistics(o.engine).in_use, 0);
        if (status == FM_OK) {
            assert_true(k > 5);
            fm_free(results);
        }
    }
    close_model(&o);
}

/* ---- traffic ------------------------------------------------------------------------------------- */

static double vectors_of(const fm_model *m) { /* norms and biases of a Llama or Qwen2 */
    const fm_config *c = &m->config;
    double d = (double)c->hidden_size, heads = (double)(c->num_attention_heads +
                                                        2 * c->num_key_value_heads);
    double layer = 2 * d + (c->attention_bias ? heads * (double)c->head_dim : 0);
    return 4 * (d + (double)c->num_hidden_layers * layer);
}

static void a_dense_model_reads_all_it_packed_and_one_row_of_the_embedding(void **state) {
    (void)state;
    static const char *const names[] = {"tiny-llama", "tiny-qwen2", "gguf/tiny-llama.q8_0.gguf"};
    for (size_t i = 0; i < FM_COUNT(names); i++) {
        opened o = open_model(names[i], FM_EXACT, 16, 1);
        double packed = (double)(fm_model_memory(o.model) - o.model->arena.total);
        double row = (double)fm_tensor_bytes(&o.model->embed.source) / (double)o.model->embed.n_out;
        double bytes = fm_traffic_weights(o.model, 1);
        assert_true(fabs(bytes - (packed + row + vectors_of(o.model))) < 1);
        assert_true(fabs(fm_traffic_weights(o.model, 3) - bytes - 2 * row) < 1);
        close_model(&o);
    }
}

static void a_model_of_experts_reads_those_a_token_is_sent_to(void **state) {
    (void)state;
    for (int arith = FM_EXACT; arith <= FM_FAST; arith++) {
        opened o = open_model("tiny-v3", (fm_arith)arith, 16, 1);
        const fm_model *m = o.model;
        double e = (double)m->gate.n_experts, k = (double)m->gate.per_token, layers = 0, one = 0;
        for (int64_t l = 0; l < m->config.num_hidden_layers; l++)
            if (m->layers[l].is_moe) {
                const fm_moe_weights *w = &m->layers[l].moe;
                const fm_weight *each[] = {w->gate, w->up, w->down};
                for (size_t i = 0; i < 3; i++)
                    one += (double)(each[i]->panels.panel_bytes * (size_t)fm_panel_count(&each[i]->panels));
                layers++;
            }
        assert_true(layers > 0 && e > k);
        double none_idle = fm_traffic_weights(m, 1) + (e - k) * one;
        double packed = (double)(fm_model_memory(m) - m->arena.total);
        assert_true(none_idle > packed && none_idle < packed * 1.02 + (double)m->arena.total);
        /* two tokens: each expert is missed by both with probability (1 - k/e)^2 */
        double two = e * (1 - (1 - k / e) * (1 - k / e));
        assert_true(fabs(fm_traffic_experts(&m->gate, 2) - two) < 1e-9);
        assert_true(fabs(fm_traffic_experts(&m->gate, 1) - k) < 1e-12);
        assert_true(fm_traffic_experts(&m->gate, 1000) <= e);
        close_model(&o);
    }
}

static void arithmetic_is_the_sum_over_the_tokens(void **state) {
    (void)state;
    opened o = open_model("tiny-v2-lite", FM_EXACT, 16, 1);
    const fm_config *c = &o.model->config;
    double head = 2.0 * (double)(c->vocab_size * c->hidden_size), sum = head;
    for (int64_t p = 10; p < 25; p++)
        sum += 2 * ((double)fm_config_parameters(c).products +
                    fm_config_attention_macs(c, (double)(p + 1), true)) - head;
    assert_true(fabs(fm_traffic_flops(o.model, 10, 15) / sum - 1) < 1e-12);
    const fm_kv_shape *kv = fm_engine_kv(o.engine);
    assert_true(fm_traffic_cache(kv, 9) == 10.0 * (double)kv->n_layers * (double)kv->row_bytes);
    close_model(&o);
}

static void memory_can_be_read(void **state) {
    (void)state;
    fm_pool *pool;
    fm_error err;
    double rate = 0;
    size_t bytes = fm_bandwidth_buffer();
    assert_true(bytes == 0 || bytes >= 64u << 20);
    assert_ok(fm_pool_new(2, &pool, &err));
    assert_ok(fm_bandwidth_measure(pool, 8 << 20, &rate, &err));
    assert_true(rate > 0 && isfinite(rate));
    for (int k = 0; k < 2; k++) {
        fm_mem_fail_from(k);
        assert_int_equal(fm_bandwidth_measure(pool, 8 << 20, &rate, &err), FM_ERR_MEMORY);
        fm_mem_fail_from(-1);
    }
    fm_pool_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_test_computes_the_logits_of_its_tokens),
        cmocka_unit_test(other_seeds_give_other_tokens),
        cmocka_unit_test(a_repetition_with_other_logits_fails_loudly),
        cmocka_unit_test(it_stops_between_steps_when_told_to),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_dense_model_reads_all_it_packed_and_one_row_of_the_embedding),
        cmocka_unit_test(a_model_of_experts_reads_those_a_token_is_sent_to),
        cmocka_unit_test(arithmetic_is_the_sum_over_the_tokens),
        cmocka_unit_test(memory_can_be_read),
    };
    return cmocka_run_group_tests_name("bench", tests, NULL, NULL);
}

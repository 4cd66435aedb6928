/* Every figure has its hash: the logits of one and the same text, on one thread and alone, on several, in pieces, and
 * among seven ragged neighbours, for every kind of activations and for weights of every family of formats: K-blocks,
 * plain blocks, a table of values, a trellis of codes, FP8. */
#include "support.h"

#include "base/file.h"
#include "base/hash.h"
#include "compress/convert.h"
#include "compress/quantize.h"
#include "engine/engine.h"
#include "train/initial.h"

/* Rows divide into 256, but for those of the absorbed keys. */
static const char shape[] =
    "{\"architectures\": [\"DeepseekV3ForCausalLM\"], \"model_type\": \"deepseek_v3\", \"vocab_size\": 512, "
    "\"hidden_size\": 256, \"num_hidden_layers\": 2, \"num_attention_heads\": 8, \"num_key_value_heads\": 8, "
    "\"q_lora_rank\": 256, \"kv_lora_rank\": 256, \"qk_nope_head_dim\": 32, \"qk_rope_head_dim\": 16, "
    "\"v_head_dim\": 32, \"intermediate_size\": 512, \"moe_intermediate_size\": 256, \"n_routed_experts\": 8, "
    "\"n_shared_experts\": 1, \"num_experts_per_tok\": 2, \"first_k_dense_replace\": 1, \"moe_layer_freq\": 1, "
    "\"n_group\": 2, \"topk_group\": 1, \"topk_method\": \"noaux_tc\", \"scoring_func\": \"sigmoid\", "
    "\"norm_topk_prob\": true, \"routed_scaling_factor\": 1.5, \"tie_word_embeddings\": false, "
    "\"hidden_act\": \"silu\", "
    "\"rms_norm_eps\": 1e-6, \"rope_theta\": 10000.0, \"max_position_embeddings\": 4096, \"bos_token_id\": 0, "
    "\"eos_token_id\": 1}";

enum { VOCABULARY = 512, PROMPT = 37, REPLY = 9, NEIGHBOURS = 7, MINE = 3, FORMATS = 5 };
static const char *const formats[FORMATS] = {"q4_k_s", "q8_0", "iq4_nl", "tcq4", "fp8"};

static char *path_of(const char *name) { return strdup(scratch_path(name)); }

static void write_shape(const char *path) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(shape, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* A model of random numbers in each format; the path is the caller's to free. */
static char *make(const char *format) {
    fm_error err;
    static bool made;
    char *json = path_of("shape.json"), *plain = path_of("plain"), *parent = strdup(plain);
    *strrchr(parent, '/') = 0;
    if (!made) {
        write_shape(json);
        fm_initial_options o = {.shape = json, .tokenizer = golden_path("tiny-v3"), .std = 0.05, .seed = 4};
        assert_ok(fm_initial_write(parent, "plain", &o, &err));
        made = true;
    }
    char *target = path_of(format);
    if (strcmp(format, "fp8") == 0) {
        fm_convert_options o = {.dtype = FM_DTYPE_F8_E4M3, .force = true};
        fm_convert_result ignored;
        assert_ok(fm_convert(plain, target, &o, &ignored, &err));
    } else {
        fm_quantize_options o = {.force = true};
        fm_buffer about = {0};
        fm_json_writer w = {.out = &about};
        assert_ok(fm_recipe_find(format, &o.recipe, &err));
        fm_json_open(&w, NULL, '{');
        assert_ok(fm_quantize(plain, target, &o, &w, &err));
        fm_buffer_clear(&about);
    }
    free(json), free(plain), free(parent);
    return target;
}

/* Token `at` of a text; 0 is the one whose hash is asked for. */
static int32_t token(int text, int64_t at) { return (int32_t)((at * 37 + at * at + 101 * text) % VOCABULARY); }

typedef struct company {
    int threads;
    int64_t rows;   /* of a step */
    int neighbours; /* that begin at different times and have prompts of different lengths */
} company;

static void queue(fm_sequence *s, int text, int64_t from, int64_t count) {
    fm_error err;
    int32_t ids[2 * PROMPT];
    for (int64_t i = 0; i < count; i++) ids[i] = token(text, from + i);
    assert_ok(fm_sequence_queue(s, ids, count, &err));
}

/* Of the logits behind the prompt and behind every token of the reply, which comes token by token. */
static uint64_t hash_of(const fm_model *model, fm_activations kind, company c) {
    fm_error err;
    fm_pool *pool;
    fm_engine *engine;
    fm_sequence *s[NEIGHBOURS + 1];
    int n = c.neighbours + 1, mine = c.neighbours ? MINE : 0;
    uint64_t hash = 0;
    assert_ok(fm_pool_new(c.threads, &pool, &err));
    fm_engine_options options = {.rows = c.rows, .context = (NEIGHBOURS + 1) * 2 * (PROMPT + REPLY + 64), .pool = pool,
                                 .activations = kind, .kernels = fm_kernels_get(fm_cpu_detect())};
    assert_ok(fm_engine_new(model, &options, &engine, &err));
    assert_ok(fm_engine_start(engine, &err));
    for (int i = 0; i < n; i++) assert_ok(fm_sequence_new(engine, &s[i], &err));
    queue(s[mine], 0, 0, PROMPT);
    int64_t at = PROMPT;
    for (int step = 0; at <= PROMPT + REPLY; step++) {
        for (int i = 0; i < n; i++)
            if (i != mine && step == i / 2) queue(s[i], i + 1, 0, 3 + 5 * i);
            else if (i != mine && step > i / 2 && fm_sequence_waiting(s[i]) == 0) queue(s[i], i + 1, step, 1);
        assert_ok(fm_engine_step(engine, s, n, NULL, &err));
        if (fm_sequence_waiting(s[mine]) > 0) continue;
        hash = fm_hash(fm_sequence_logits(s[mine]), VOCABULARY * sizeof(float), hash);
        queue(s[mine], 0, at++, 1);
    }
    for (int i = 0; i < n; i++) fm_sequence_free(s[i]);
    fm_engine_free(engine);
    fm_pool_free(pool);
    return hash;
}

static void check_model(const fm_model *model, const char *format, uint64_t seen[3]) {
    static const company others[] = {
        {3, 64, 0}, {2, 5, 0}, {1, 64, NEIGHBOURS}, {2, 16, NEIGHBOURS}, {3, 64, NEIGHBOURS}};
    static const fm_activations kinds[] = {FM_ACTIVATIONS_F32, FM_ACTIVATIONS_INT8, FM_ACTIVATIONS_INT16};
    for (size_t k = 0; k < FM_COUNT(kinds); k++) {
        seen[k] = hash_of(model, kinds[k], (company){1, 64, 0});
        for (size_t i = 0; i < FM_COUNT(others); i++)
            if (hash_of(model, kinds[k], others[i]) != seen[k])
                fail_msg("%s, activations %zu: another hash in company %zu", format, k, i);
    }
}

static void a_hash_is_that_of_one_thread_alone_whatever_the_company(void **state) {
    (void)state;
    fm_error err;
    uint64_t seen[FORMATS][3];
    for (int i = 0; i < FORMATS; i++) {
        char *path = make(formats[i]);
        fm_store *store;
        fm_model *model;
        assert_ok(fm_store_open(path, &store, &err));
        assert_ok(fm_model_bind(store, &(fm_model_options){.pack = true}, &model, &err));
        assert_ok(fm_model_load(model, NULL, NULL, NULL, &err));
        check_model(model, formats[i], seen[i]);
        fm_model_free(model);
        fm_store_close(store);
        free(path);
    }
    /* The hash sees what it should: formats and kinds differ; FP8 is multiplied in float32 whatever is asked. */
    for (int i = 0; i < FORMATS; i++) {
        bool fp8 = strcmp(formats[i], "fp8") == 0;
        assert_int_equal(seen[i][0] == seen[i][1] && seen[i][0] == seen[i][2], fp8);
        assert_true(fp8 || (seen[i][0] != seen[i][1] && seen[i][1] != seen[i][2] && seen[i][0] != seen[i][2]));
        for (int k = 0; k < i; k++) assert_true(seen[i][0] != seen[k][0]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_is_that_of_one_thread_alone_whatever_the_company),
    };
    return cmocka_run_group_tests_name("hashes", tests, NULL, NULL);
}

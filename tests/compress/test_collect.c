/* Importance matrices: what is measured, under which names, and that quantising takes it. */
#include "support.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "compress/collect.h"
#include "compress/imatrix.h"
#include "compress/quantize.h"
#include "engine/observe.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { TOKENS = 192, WINDOW = 64 };

static int32_t ids[TOKENS];

static void fill_ids(void) {
    for (int i = 0; i < TOKENS; i++) ids[i] = 3 + i * i * 7 % 491;
}

typedef struct opened {
    fm_store *store;
    fm_model *model;
} opened;

static opened open_model(const char *path) {
    opened o;
    fm_error err;
    fm_model_options options = {.arith = FM_EXACT, .pack = true};
    fill_ids();
    assert_ok(fm_store_open(path, &o.store, &err));
    assert_ok(fm_model_bind(o.store, &options, &o.model, &err));
    assert_ok(fm_model_load(o.model, NULL, NULL, NULL, &err));
    return o;
}

static void close_model(opened *o) {
    fm_model_free(o->model);
    fm_store_close(o->store);
}

static fm_collect_options usual(void) {
    return (fm_collect_options){.kernels = fm_kernels_get(fm_cpu_detect()), .context = WINDOW, .bos = -1,
                                .label = "numbers", .force = true};
}

static fm_collected collect(const char *from, const char *to, const fm_collect_options *o) {
    opened m = open_model(from);
    fm_collected result;
    fm_error err;
    assert_ok(fm_collect(m.model, ids, TOKENS, to, o, &result, &err));
    close_model(&m);
    return result;
}

/* One float of the file as it is stored. */
static float stored(const fm_store *s, const char *name, int64_t row, int64_t column) {
    const fm_store_entry *e = fm_store_find(s, name);
    float value;
    if (!e) fail_msg("no %s", name);
    fm_tensor_decode_part(&e->tensor, row, column, 1, &value);
    return value;
}

/* What the first layer's queries read can be had without the model's code: embedding, RMS norm. */
static void the_first_weights_inputs_are_normed_embeddings(void **state) {
    (void)state;
    enum { D = 512 };
    const char *source = golden_path("gguf/tiny-llama.f32.gguf"), *made = scratch_path("first.imatrix");
    fm_collect_options o = usual();
    o.bos = 1;
    fm_collected result = collect(source, made, &o);
    assert_int_equal(result.windows, TOKENS / WINDOW);
    assert_int_equal(result.tokens, TOKENS);
    fm_store *model, *matrix;
    fm_error err;
    assert_ok(fm_store_open(source, &model, &err));
    assert_ok(fm_store_open(made, &matrix, &err));
    const fm_tensor *embedding = &fm_store_find(model, "token_embd.weight")->tensor;
    const fm_tensor *norm = &fm_store_find(model, "blk.0.attn_norm.weight")->tensor;
    int64_t n = fm_tensor_columns(embedding);
    double eps, want[D] = {0};
    float x[D], g[D];
    assert_true(n <= D);
    assert_ok(fm_meta_get_real(fm_store_meta(model), "llama.attention.layer_norm_rms_epsilon", &eps, &err));
    fm_tensor_decode_row(norm, 0, g);
    for (int t = 0; t < TOKENS; t++) {
        double square = 0;
        fm_tensor_decode_row(embedding, t % WINDOW == 0 ? 1 : ids[t], x);
        for (int i = 0; i < n; i++) square += (double)x[i] * (double)x[i];
        for (int i = 0; i < n; i++) {
            double y = (double)x[i] / sqrt(square / (double)n + eps) * (double)g[i];
            want[i] += y * y;
        }
    }
    static const char *const readers[] = {"attn_q", "attn_k", "attn_v"};
    for (size_t r = 0; r < FM_COUNT(readers); r++) {
        char name[64];
        for (int i = 0; i < n; i++) {
            snprintf(name, sizeof name, "blk.0.%s.weight.in_sum2", readers[r]);
            assert_true(fabs((double)stored(matrix, name, 0, i) - want[i]) <= 1e-5 * want[i]);
        }
        snprintf(name, sizeof name, "blk.0.%s.weight.counts", readers[r]);
        assert_true(stored(matrix, name, 0, 0) == TOKENS);
    }
    fm_store_close(model);
    fm_store_close(matrix);
}

/* Every matrix that quantising rounds has its entry, in every shape of model and either form of MLA. */
static void every_rounded_matrix_but_the_embedding_has_an_entry(void **state) {
    (void)state;
    static const char *const models[] = {"tiny-llama", "tiny-qwen2", "tiny-v2-lite", "tiny-v3",
                                         "gguf/tiny-v3.f16-mla.gguf", "gguf/tiny-v2-lite.q8_0.gguf"};
    char matrix[256];
    snprintf(matrix, sizeof matrix, "%s", scratch_path("all.imatrix"));
    for (size_t i = 0; i < FM_COUNT(models); i++)
        for (int fused = 0; fused < (models[i][0] == 'g' ? 1 : 2); fused++) {
            fm_collect_options collecting = usual();
            fm_collected collected = collect(golden_path(models[i]), matrix, &collecting);
            fm_quantize_options o = {.force = true, .imatrix = matrix, .outline.fused_kv_b = fused};
            fm_buffer out = {0};
            fm_json_writer w = {.out = &out};
            fm_json *root;
            fm_error err;
            assert_ok(fm_recipe_find("q8_0", &o.recipe, &err));
            fm_json_open(&w, NULL, '{');
            assert_ok(fm_quantize(golden_path(models[i]), scratch_path("made.gguf"), &o, &w, &err));
            fm_json_close(&w, '}');
            assert_ok(fm_json_parse(out.data, out.size, &root, &err));
            const fm_json *list = fm_json_get(root, "tensors");
            int64_t rounded = 0;
            bool tied = true, embedding = false;
            for (size_t t = 0; t < fm_json_length(list); t++) {
                const fm_json *tensor = fm_json_at(list, t);
                const char *name = fm_json_string(fm_json_get(tensor, "name"), "");
                bool is_rounded = strcmp(fm_json_string(fm_json_get(tensor, "to"), ""), "Q8_0") == 0;
                rounded += is_rounded;
                tied = tied && strcmp(name, "output.weight") != 0;
                embedding = embedding || (is_rounded && strcmp(name, "token_embd.weight") == 0);
            }
            int64_t weighted = fm_json_integer(fm_json_get(root, "weighted_tensors"), 0);
            if (rounded == 0 || weighted != rounded - (embedding && !tied))
                fail_msg("%s: %lld of %lld are weighted", models[i], (long long)weighted, (long long)rounded);
            assert_true((int64_t)collected.weights >= weighted);
            fm_json_free(root);
            fm_buffer_clear(&out);
        }
}

static void experts_count_the_tokens_that_were_sent_to_them(void **state) {
    (void)state;
    const char *source = golden_path("tiny-v3"), *made = scratch_path("experts.imatrix");
    fm_collect_options o = usual();
    o.limit = 1;
    fm_collected result = collect(source, made, &o);
    assert_int_equal(result.tokens, WINDOW);
    opened m = open_model(source);
    const fm_config *c = &m.model->config;
    fm_observation seen;
    fm_store *matrix;
    fm_error err;
    fm_observe_options what = {.kernels = o.kernels, .cache = FM_KV_F32, .experts = true};
    assert_ok(fm_observe_prefill(m.model, ids, WINDOW, &what, &seen, &err));
    assert_ok(fm_store_open(made, &matrix, &err));
    size_t unseen = 0;
    int layers = 0;
    for (int64_t l = 0; l < c->num_hidden_layers; l++) {
        char name[64];
        snprintf(name, sizeof name, "experts.%lld", (long long)l);
        const fm_observed *chosen = fm_observation_find(&seen, name);
        if (!chosen) continue;
        layers++;
        for (int64_t e = 0; e < c->n_routed_experts; e++) {
            const int32_t *list = chosen->data;
            int count = 0;
            for (int64_t i = 0; i < chosen->shape[0] * chosen->shape[1]; i++) count += list[i] == e;
            unseen += count == 0;
            static const char *const readers[] = {"gate", "up", "down"};
            for (size_t r = 0; r < FM_COUNT(readers); r++) {
                snprintf(name, sizeof name, "blk.%lld.ffn_%s_exps.weight.counts", (long long)l, readers[r]);
                assert_true(stored(matrix, name, e, 0) == (float)count);
                snprintf(name, sizeof name, "blk.%lld.ffn_%s_exps.weight.in_sum2", (long long)l, readers[r]);
                assert_true((stored(matrix, name, e, 0) > 0) == (count > 0));
            }
        }
    }
    assert_true(layers > 0);
    assert_int_equal(result.unseen, unseen);
    fm_store_close(matrix);
    fm_observation_clear(&seen);
    close_model(&m);
}

static void threads_and_levels_change_nothing(void **state) {
    (void)state;
    fm_error err;
    char *bytes[3];
    size_t n[3];
    for (int i = 0; i < 3; i++) {
        fm_collect_options o = usual();
        assert_ok(fm_pool_new(i ? 3 : 1, &o.pool, &err));
        if (i == 2) o.kernels = fm_kernels_get(FM_CPU_REF);
        collect(golden_path("tiny-v2-lite"), scratch_path("threads.imatrix"), &o);
        fm_pool_free(o.pool);
        assert_ok(fm_file_read(scratch_path("threads.imatrix"), 1 << 26, &bytes[i], &n[i], &err));
        assert_int_equal(n[i], n[0]);
        assert_memory_equal(bytes[i], bytes[0], n[0]);
    }
    for (int i = 0; i < 3; i++) fm_free(bytes[i]);
}

static void refuse(opened *m, const char *to, const fm_collect_options *o, int64_t n, fm_status code,
                   const char *says) {
    fm_collected result;
    fm_error err;
    assert_int_equal(fm_collect(m->model, ids, n, to, o, &result, &err), code);
    if (!strstr(err.message, says)) fail_msg("'%s' does not say '%s'", err.message, says);
}

static bool stop(void *context, double fraction) {
    (void)context;
    return fraction < 0.5;
}

static void what_cannot_be_collected_leaves_no_file(void **state) {
    (void)state;
    opened m = open_model(golden_path("tiny-llama"));
    fm_collect_options o = usual();
    const char *to = scratch_path("never.imatrix");
    refuse(&m, to, &o, WINDOW - 1, FM_ERR_ARGUMENT, "do not fill one window of 64");
    o.progress = stop;
    refuse(&m, to, &o, TOKENS, FM_ERR_CANCELLED, "");
    o.progress = NULL;
    refuse(&m, scratch_path("no/folder"), &o, TOKENS, FM_ERR_IO, "no/folder");
    struct rlimit old, small = {4000, 4000}; /* in place of a disk that is full */
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    refuse(&m, to, &o, TOKENS, FM_ERR_IO, "cannot write");
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(fm_file_exists(to));
    fm_collected result;
    fm_error err;
    assert_ok(fm_collect(m.model, ids, TOKENS, to, &o, &result, &err));
    o.force = false;
    refuse(&m, to, &o, TOKENS, FM_ERR_IO, "force");
    close_model(&m);
}

static void every_failed_allocation_is_an_error(void **state) {
    (void)state;
    opened m = open_model(golden_path("tiny-v3"));
    fm_collect_options o = usual();
    o.limit = 1;
    fm_status status = FM_ERR_MEMORY;
    for (int64_t k = 0; status == FM_ERR_MEMORY; k += k < 40 ? 1 : k / 6) {
        fm_collected result;
        fm_error err;
        fm_mem_fail_from(k);
        status = fm_collect(m.model, ids, TOKENS, scratch_path("memory.imatrix"), &o, &result, &err);
        fm_mem_fail_from(-1);
        if (status != FM_OK && status != FM_ERR_MEMORY) fail_msg("allocation %lld: %s", (long long)k, err.message);
    }
    close_model(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_weights_inputs_are_normed_embeddings),
        cmocka_unit_test(every_rounded_matrix_but_the_embedding_has_an_entry),
        cmocka_unit_test(experts_count_the_tokens_that_were_sent_to_them),
        cmocka_unit_test(threads_and_levels_change_nothing),
        cmocka_unit_test(what_cannot_be_collected_leaves_no_file),
        cmocka_unit_test(every_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests_name("collect", tests, NULL, NULL);
}

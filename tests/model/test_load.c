/* Loading: the same bytes whoever packs them, nothing behind after a failure, and an error, not a fatal
 * signal, where the file is not what it was. */
#include "support.h"

#include "base/mem.h"
#include "model/bind.h"
#include "model/model.h"

#include <sys/stat.h>

enum { HIDDEN = 384, FFN = 3000, VOCABULARY = 2501 };

/* ---- a model of one layer whose matrices are several pieces, and end amid a panel ---------------- */

static const char config[] =
    "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_act\":\"silu\","
    "\"hidden_size\":384,\"intermediate_size\":3000,\"num_attention_heads\":4,\"head_dim\":96,"
    "\"num_key_value_heads\":2,\"num_hidden_layers\":1,\"vocab_size\":2501,\"rms_norm_eps\":1e-5,"
    "\"max_position_embeddings\":64,\"rope_theta\":10000.0,\"tie_word_embeddings\":false,"
    "\"quantization_config\":{\"quant_method\":\"fp8\",\"weight_block_size\":[128,128]}}";

typedef struct items {
    fm_safetensors_item item[32];
    char name[32][96];
    size_t n;
    uint64_t seed;
} items;

static void add(items *s, const char *name, fm_dtype dtype, int64_t rows, int64_t columns) {
    size_t bytes;
    fm_error err;
    fm_tensor t;
    const int64_t shape[] = {rows, columns};
    int n_dims = rows ? 2 : 1;
    assert_ok(fm_tensor_init(&t, dtype, n_dims, rows ? shape : &columns, NULL, &bytes, &err));
    uint8_t *data = malloc(bytes);
    for (size_t i = 0; i < bytes; i++) {
        s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
        data[i] = (uint8_t)(s->seed >> 56);
    }
    if (dtype == FM_DTYPE_F32) /* numbers that are none would tell nothing about order */
        for (size_t i = 0; i < bytes / 4; i++) ((float *)(void *)data)[i] = (float)((int)i % 8191) / 64;
    snprintf(s->name[s->n], sizeof s->name[0], "%s", name);
    s->item[s->n] = (fm_safetensors_item){.name = s->name[s->n], .dtype = dtype, .n_dims = n_dims,
                                          .shape = {t.shape[0], rows ? t.shape[1] : 0}, .data = data};
    s->n++;
}

static void add_matrix(items *s, const char *name, fm_dtype dtype, int64_t rows, int64_t columns) {
    char scales[96];
    add(s, name, dtype, rows, columns);
    if (dtype != FM_DTYPE_F8_E4M3) return;
    snprintf(scales, sizeof scales, "%s_scale_inv", name);
    add(s, scales, FM_DTYPE_F32, (rows + 127) / 128, (columns + 127) / 128);
}

/* Returns the folder. */
static const char *write_model(fm_dtype dtype) {
    items s = {.seed = (uint64_t)dtype + 1};
    fm_error err;
    add(&s, "model.embed_tokens.weight", FM_DTYPE_BF16, VOCABULARY, HIDDEN);
    add(&s, "model.norm.weight", FM_DTYPE_F32, 0, HIDDEN);
    add(&s, "model.layers.0.input_layernorm.weight", FM_DTYPE_F32, 0, HIDDEN);
    add(&s, "model.layers.0.post_attention_layernorm.weight", FM_DTYPE_F32, 0, HIDDEN);
    add_matrix(&s, "model.layers.0.self_attn.q_proj.weight", dtype, 384, HIDDEN);
    add_matrix(&s, "model.layers.0.self_attn.k_proj.weight", dtype, 192, HIDDEN);
    add_matrix(&s, "model.layers.0.self_attn.v_proj.weight", dtype, 192, HIDDEN);
    add_matrix(&s, "model.layers.0.self_attn.o_proj.weight", dtype, HIDDEN, 384);
    add_matrix(&s, "model.layers.0.mlp.gate_proj.weight", dtype, FFN, HIDDEN);
    add_matrix(&s, "model.layers.0.mlp.up_proj.weight", dtype, FFN, HIDDEN);
    add_matrix(&s, "model.layers.0.mlp.down_proj.weight", dtype, HIDDEN, FFN);
    add_matrix(&s, "lm_head.weight", dtype, VOCABULARY, HIDDEN);
    assert_ok(fm_safetensors_write(scratch_path("model.safetensors"), s.item, s.n, NULL, 0, &err));
    for (size_t i = 0; i < s.n; i++) free((void *)(uintptr_t)s.item[i].data);
    FILE *f = fopen(scratch_path("config.json"), "w");
    assert_non_null(f);
    fputs(config, f);
    assert_int_equal(fclose(f), 0);
    return scratch_path("");
}

/* ---- opening ------------------------------------------------------------------------------------- */

typedef struct opened {
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
} opened;

static opened open_bound(const char *path, bool pack, int threads) {
    opened o = {0};
    fm_error err;
    fm_model_options options = {.arith = FM_FAST, .pack = pack, .mtp = true};
    assert_ok(fm_store_open(path, &o.store, &err));
    assert_ok(fm_model_bind(o.store, &options, &o.model, &err));
    if (threads) assert_ok(fm_pool_new(threads, &o.pool, &err));
    return o;
}

static void close_all(opened *o) {
    fm_pool_free(o->pool);
    fm_model_free(o->model);
    fm_store_close(o->store);
}

static size_t panel_bytes(const fm_weight *w) {
    return (size_t)fm_panel_count(&w->panels) * w->panels.panel_bytes;
}

/* Every weight against one that packs itself from the mapping. */
static void assert_copies(const opened *o) {
    fm_error err;
    for (size_t i = 0; i < o->model->n_bindings; i++) {
        const fm_binding *b = &o->model->bindings[i];
        const fm_weight *w = b->weight;
        fm_weight own;
        fm_weight_init(&own, "own", &b->slice);
        if (o->model->options.pack) assert_ok(fm_weight_pack(&own, NULL, NULL, &err));
        assert_int_equal(w->panels.layout, own.panels.layout);
        assert_true(w->n_out == own.n_out && w->n_in == own.n_in);
        if (own.panels.layout == FM_LAYOUT_ROWS)
            assert_ptr_equal(w->panels.rows.data, b->slice.data);
        else
            assert_memory_equal(w->panels.data, own.panels.data, panel_bytes(&own));
        fm_weight_clear(&own);
    }
}

static void check_copies(const char *path) {
    fm_error err;
    for (int pack = 0; pack < 2; pack++)
        for (int threads = 0; threads <= 5; threads += threads ? 4 : 1) {
            size_t before = fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS];
            opened o = open_bound(path, pack, threads);
            uint64_t promised = fm_model_memory(o.model) - o.model->arena.total;
            assert_ok(fm_model_load(o.model, o.pool, NULL, NULL, &err));
            assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS] - before, promised);
            assert_copies(&o);
            close_all(&o);
            assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS], before);
        }
}

static void any_number_of_threads_packs_the_same_bytes(void **state) {
    (void)state;
    static const fm_dtype dtypes[] = {FM_DTYPE_F32, FM_DTYPE_BF16, FM_DTYPE_F16, FM_DTYPE_F8_E4M3};
    for (size_t i = 0; i < FM_COUNT(dtypes); i++) check_copies(write_model(dtypes[i]));
}

static void every_kind_of_file_is_packed_as_its_weights_pack_themselves(void **state) {
    (void)state;
    static const char *const models[] = {"tiny-v3", "tiny-v3-bf16", "tiny-v3-fp8", "tiny-v2-lite",
                                         "tiny-llama", "gguf/tiny-v3.f16-mla.gguf",
                                         "gguf/tiny-llama.q8_0.gguf", "odd/v3-mtp"};
    for (size_t i = 0; i < FM_COUNT(models); i++) {
        struct stat st;
        char path[4096];
        snprintf(path, sizeof path, "%s/model.gguf", golden_path(models[i]));
        check_copies(stat(path, &st) == 0 ? path : golden_path(models[i]));
    }
}

/* ---- what can go wrong --------------------------------------------------------------------------- */

static void a_file_that_was_shortened_is_an_error(void **state) {
    (void)state;
    for (int threads = 0; threads < 3; threads += 2) {
        const char *folder = write_model(FM_DTYPE_F32), *file = scratch_path("model.safetensors");
        struct stat st;
        fm_error err = {0};
        opened o = open_bound(folder, true, threads);
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(truncate(file, st.st_size / 2), 0);
        assert_int_equal(fm_model_load(o.model, o.pool, NULL, NULL, &err), FM_ERR_IO);
        assert_non_null(strstr(err.message, "model.safetensors"));
        assert_non_null(strstr(err.message, "shortened"));
        assert_non_null(strstr(err.message, ".weight"));
        close_all(&o);
    }
}

static void failed_allocations_leave_nothing_behind(void **state) {
    (void)state;
    fm_mem_stats before = fm_mem_statistics();
    for (int64_t k = 0, done = 0; !done; k++) {
        fm_error err = {0};
        opened o = open_bound(golden_path("tiny-v2-lite"), true, 2);
        fm_mem_fail_from(k);
        fm_status status = fm_model_load(o.model, o.pool, NULL, NULL, &err);
        fm_mem_fail_from(-1);
        done = status == FM_OK;
        if (!done) {
            assert_int_equal(status, FM_ERR_MEMORY);
            assert_non_null(strstr(err.message, "memory"));
        } else {
            assert_int_equal(k, 3); /* the copies, the list of pieces, the buffers */
        }
        close_all(&o);
        for (int i = 0; i < FM_MEM_PURPOSES; i++)
            assert_int_equal(fm_mem_statistics().live_bytes[i], before.live_bytes[i]);
    }
}

static bool until_half(void *context, double fraction) {
    double *last = context;
    assert_true(fraction >= *last && fraction <= 1);
    *last = fraction;
    return fraction < 0.5;
}

static bool to_the_end(void *context, double fraction) {
    until_half(context, fraction);
    return true;
}

static void progress_goes_forward_to_one_and_may_cancel(void **state) {
    (void)state;
    const char *folder = write_model(FM_DTYPE_BF16);
    fm_error err;
    double last = 0;
    opened o = open_bound(folder, true, 2);
    assert_ok(fm_model_load(o.model, o.pool, to_the_end, &last, &err));
    assert_true(last == 1);
    assert_true(o.model->load_seconds > 0 && o.model->load_bytes > 0);
    close_all(&o);
    last = 0;
    o = open_bound(folder, true, 0);
    assert_int_equal(fm_model_load(o.model, o.pool, until_half, &last, &err), FM_ERR_CANCELLED);
    close_all(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_threads_packs_the_same_bytes),
        cmocka_unit_test(every_kind_of_file_is_packed_as_its_weights_pack_themselves),
        cmocka_unit_test(a_file_that_was_shortened_is_an_error),
        cmocka_unit_test(failed_allocations_leave_nothing_behind),
        cmocka_unit_test(progress_goes_forward_to_one_and_may_cancel),
    };
    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}

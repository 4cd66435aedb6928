/* Low-rank adapters: on a model they are what merging them into its weights would be; as files they are the
 * same for whatever form of the model they are put on; what does not fit is refused by name. */
#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "model/adapters.h"
#include "model/panels.h"

#include <math.h>
#include <sys/stat.h>

enum { LENGTH = 40, CONTEXT = 64 };

static fm_store *open_store(const char *path) {
    fm_error err;
    fm_store *store;
    assert_ok(fm_store_open(path, &store, &err));
    return store;
}

static fm_model *load(const fm_store *store) {
    fm_error err;
    fm_model *model;
    assert_ok(fm_model_bind(store, &(fm_model_options){.pack = true}, &model, &err));
    assert_ok(fm_model_load(model, NULL, NULL, NULL, &err));
    return model;
}

/* Logits of the last of LENGTH tokens. The caller frees them. */
static float *logits_of(fm_model *model) {
    fm_error err;
    fm_engine *engine;
    fm_sequence *s;
    int32_t ids[LENGTH];
    for (int i = 0; i < LENGTH; i++) ids[i] = (i * i * 7 + i * 31 + 5) % 401;
    fm_engine_options o = {.rows = LENGTH, .context = CONTEXT, .cache = FM_KV_F32,
                           .kernels = fm_kernels_get(fm_cpu_detect())};
    assert_ok(fm_engine_new(model, &o, &engine, &err));
    assert_ok(fm_engine_start(engine, &err));
    assert_ok(fm_sequence_new(engine, &s, &err));
    assert_ok(fm_sequence_extend(s, ids, LENGTH, NULL, NULL, &err));
    size_t bytes = (size_t)model->config.vocab_size * sizeof(float);
    float *copy = malloc(bytes);
    memcpy(copy, fm_sequence_logits(s), bytes);
    fm_sequence_free(s);
    fm_engine_free(engine);
    return copy;
}

static double distance(const float *a, const float *b, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)a[i] - b[i]));
    return most;
}

/* New adapters whose B is not zeros: written, since masters count when they are read. */
static void write_trained(fm_model *model, const char *targets, const char *folder) {
    fm_error err;
    fm_adapters *a;
    fm_adapter_options o = {.rank = 3, .alpha = 6, .targets = targets, .seed = 5};
    assert_ok(fm_adapters_new(model, &o, &a, &err));
    for (size_t i = 0; i < fm_adapters_count(a); i++) {
        fm_weight *b = &fm_adapters_at(a, i)->b;
        for (int64_t j = 0; j < b->n_out * b->n_in; j++)
            b->master[j] = (float)fm_rng_normal(11, i, (uint64_t)j) * 0.05f;
    }
    mkdir(folder, 0777);
    assert_ok(fm_adapters_write(a, folder, "a model", &err));
    fm_adapters_free(a);
}

/* A folder that holds the model of `store` with the adapters that are on `model` merged into it. */
static void write_merged(const fm_store *store, fm_adapters *a, const char *folder) {
    fm_error err;
    size_t n = fm_store_count(store);
    fm_safetensors_item *items = calloc(n, sizeof *items);
    char from[4096], to[4096], command[9000];
    for (size_t i = 0; i < n; i++) {
        const fm_store_entry *e = fm_store_at(store, i);
        int64_t rows = fm_tensor_rows(&e->tensor), columns = fm_tensor_columns(&e->tensor);
        float *x = malloc((size_t)(rows * columns) * sizeof *x);
        for (int64_t r = 0; r < rows; r++) fm_tensor_decode_row(&e->tensor, r, x + r * columns);
        for (size_t k = 0; k < fm_adapters_count(a); k++) {
            const fm_adapter *it = fm_adapters_at(a, k);
            if (strcmp(fm_adapters_base(a, k)->name, e->name) != 0) continue;
            for (int64_t r = 0; r < rows; r++)
                for (int64_t c = 0; c < columns; c++) {
                    double sum = 0;
                    for (int64_t j = 0; j < it->a.n_out; j++)
                        sum += (double)it->b.master[r * it->a.n_out + j] * it->a.master[j * columns + c];
                    x[r * columns + c] += (float)(sum * it->scale);
                }
        }
        items[i] = (fm_safetensors_item){.name = e->name, .dtype = FM_DTYPE_F32, .n_dims = e->tensor.n_dims, .data = x};
        memcpy(items[i].shape, e->tensor.shape, sizeof items[i].shape);
    }
    mkdir(folder, 0777);
    snprintf(to, sizeof to, "%s/model.safetensors", folder);
    assert_ok(fm_safetensors_write(to, items, n, NULL, 0, &err));
    snprintf(from, sizeof from, "%s", fm_store_folder(store));
    snprintf(command, sizeof command, "cp '%s/config.json' '%s/'", from, folder);
    assert_int_equal(system(command), 0);
    for (size_t i = 0; i < n; i++) free((void *)(uintptr_t)items[i].data);
    free(items);
}

static void an_adapter_on_a_model_is_what_merging_it_would_be(void **state) {
    (void)state;
    fm_error err;
    static const char *const models[] = {"tiny-llama", "tiny-qwen2", "tiny-v2-lite", "tiny-v3", "tiny-v3-fp8"};
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        char folder[64], merged[64];
        snprintf(folder, sizeof folder, "lora%zu", m), snprintf(merged, sizeof merged, "merged%zu", m);
        fm_store *store = open_store(golden_path(models[m]));
        fm_model *model = load(store);
        int64_t v = model->config.vocab_size;
        float *plain = logits_of(model);
        fm_adapters *a;
        fm_adapter_options fresh = {.rank = 4, .alpha = 8, .targets = "all", .seed = 1};
        assert_ok(fm_adapters_new(model, &fresh, &a, &err));
        float *untouched = logits_of(model);
        assert_memory_equal(plain, untouched, (size_t)v * sizeof(float)); /* B begins as zeros */
        fm_adapters_free(a);
        write_trained(model, "all", scratch_path(folder));
        assert_ok(fm_adapters_open(model, scratch_path(folder), &a, &err));
        float *adapted = logits_of(model);
        assert_true(distance(plain, adapted, v) > 0.05);
        if (strcmp(models[m], "tiny-v3-fp8") != 0) {
            write_merged(store, a, scratch_path(merged));
            fm_store *other = open_store(scratch_path(merged));
            fm_model *whole = load(other);
            float *wanted = logits_of(whole);
            assert_true(distance(adapted, wanted, v) < 2e-3);
            free(wanted);
            fm_model_free(whole);
            fm_store_close(other);
        }
        fm_adapters_free(a);
        float *again = logits_of(model);
        assert_memory_equal(plain, again, (size_t)v * sizeof(float)); /* off, it leaves no trace */
        free(plain), free(untouched), free(adapted), free(again);
        fm_model_free(model);
        fm_store_close(store);
    }
}

static void mapped_weights_are_adapted_as_packed_ones_are(void **state) {
    (void)state;
    fm_error err;
    static const char *const models[] = {"gguf/tiny-llama.q8_0.gguf", "tiny-v3-fp8"};
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        fm_store *store = open_store(golden_path(models[m]));
        fm_model *packed = load(store), *mapped;
        const char *folder = scratch_path(m ? "mapped1" : "mapped0"), *panels = scratch_path("model.panels");
        float *logits[2];
        assert_ok(fm_model_bind(store, &(fm_model_options){.pack = true}, &mapped, &err));
        assert_ok(fm_panels_write(mapped, NULL, panels, NULL, NULL, &err));
        assert_ok(fm_model_use_panels(mapped, panels, &err));
        assert_ok(fm_model_load(mapped, NULL, NULL, NULL, &err));
        write_trained(packed, "all", folder);
        for (int i = 0; i < 2; i++) {
            fm_adapters *a;
            assert_ok(fm_adapters_open(i ? mapped : packed, folder, &a, &err));
            logits[i] = logits_of(i ? mapped : packed);
            fm_adapters_free(a);
        }
        assert_memory_equal(logits[0], logits[1], (size_t)packed->config.vocab_size * sizeof(float));
        free(logits[0]);
        free(logits[1]);
        fm_model_free(mapped);
        fm_model_free(packed);
        fm_store_close(store);
    }
}

static void one_file_fits_a_model_in_every_form(void **state) {
    (void)state;
    fm_error err;
    static const char *const pairs[][2] = {{"tiny-llama", "gguf/tiny-llama.f32.gguf"},
                                           {"tiny-qwen2", "gguf/tiny-qwen2.f32.gguf"},
                                           {"tiny-v3", "gguf/tiny-v3.f32.gguf"}};
    for (size_t m = 0; m < FM_COUNT(pairs); m++) {
        float *logits[2];
        int64_t v = 0;
        char folder[64];
        snprintf(folder, sizeof folder, "pair%zu", m);
        for (int i = 0; i < 2; i++) {
            fm_store *store = open_store(golden_path(pairs[m][1 - i]));
            fm_model *model = load(store);
            if (i == 0) write_trained(model, "all", scratch_path(folder)); /* made on the GGUF file */
            fm_adapters *a;
            assert_ok(fm_adapters_open(model, scratch_path(folder), &a, &err));
            logits[i] = logits_of(model);
            v = model->config.vocab_size;
            fm_adapters_free(a);
            fm_model_free(model);
            fm_store_close(store);
        }
        assert_true(distance(logits[0], logits[1], v) < 1e-3);
        free(logits[0]), free(logits[1]);
    }
}

static void what_does_not_fit_is_refused_by_name(void **state) {
    (void)state;
    fm_error err;
    fm_adapters *a;
    fm_store *store = open_store(golden_path("tiny-llama")), *other = open_store(golden_path("tiny-qwen2"));
    fm_model *model = load(store), *wrong = load(other);
    fm_adapter_options o = {.rank = 2, .alpha = 4, .targets = "q_proj,w_proj"};
    assert_int_equal(fm_adapters_new(model, &o, &a, &err), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "'w_proj'"));
    assert_non_null(strstr(err.message, "down_proj"));
    o = (fm_adapter_options){.rank = 0, .alpha = 4, .targets = "all"};
    assert_int_equal(fm_adapters_new(model, &o, &a, &err), FM_ERR_ARGUMENT);
    write_trained(model, "q_proj,down_proj", scratch_path("llama"));
    assert_int_equal(fm_adapters_open(wrong, scratch_path("llama"), &a, &err), FM_ERR_FORMAT);
    assert_null(a);
    assert_int_equal(fm_adapters_open(model, scratch_path("nothing"), &a, &err), FM_ERR_IO);
    static const char *const configs[][2] = {
        {"{\"peft_type\":\"IA3\",\"r\":2,\"lora_alpha\":4}", "IA3"},
        {"{\"r\":2,\"lora_alpha\":4,\"use_dora\":true}", "use_dora"},
        {"{\"r\":2,\"lora_alpha\":4,\"modules_to_save\":[\"lm_head\"]}", "modules_to_save"},
        {"{\"r\":2,\"lora_alpha\":4,\"bias\":\"all\"}", "biases"},
        {"{\"r\":0,\"lora_alpha\":4}", "lora_alpha"},
        {"{\"r\":2}", "lora_alpha"},
    };
    for (size_t i = 0; i < FM_COUNT(configs); i++) {
        FILE *f = fopen(scratch_path("llama/adapter_config.json"), "w");
        fputs(configs[i][0], f);
        fclose(f);
        assert_int_not_equal(fm_adapters_open(model, scratch_path("llama"), &a, &err), FM_OK);
        assert_non_null(strstr(err.message, configs[i][1]));
    }
    fm_model_free(model), fm_model_free(wrong);
    fm_store_close(store), fm_store_close(other);
}

static void without_memory_nothing_is_left(void **state) {
    (void)state;
    fm_error err;
    fm_store *store = open_store(golden_path("tiny-llama"));
    fm_model *model = load(store);
    write_trained(model, "all", scratch_path("memory"));
    size_t before = fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS];
    bool enough = false;
    for (int64_t k = 0; !enough; k++) {
        fm_adapters *a = NULL;
        fm_mem_fail_from(k);
        fm_adapter_options o = {.rank = 2, .alpha = 4, .targets = "all"};
        fm_status status = k % 2 ? fm_adapters_open(model, scratch_path("memory"), &a, &err)
                                 : fm_adapters_new(model, &o, &a, &err);
        if (status == FM_OK) status = fm_adapters_write(a, scratch_path("memory"), "x", &err);
        fm_mem_fail_from(-1);
        enough = status == FM_OK;
        if (!enough) assert_int_equal(status, FM_ERR_MEMORY);
        fm_adapters_free(a);
        assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS], before);
    }
    fm_model_free(model);
    fm_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_adapter_on_a_model_is_what_merging_it_would_be),
        cmocka_unit_test(mapped_weights_are_adapted_as_packed_ones_are),
        cmocka_unit_test(one_file_fits_a_model_in_every_form),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(without_memory_nothing_is_left),
    };
    return cmocka_run_group_tests_name("adapters", tests, NULL, NULL);
}

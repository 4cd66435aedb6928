/* The fingerprint tells models apart by configuration, tensors and weights, and nothing else. */
#include "support.h"

#include "base/file.h"
#include "model/model.h"

#include <sys/stat.h>

static uint64_t fingerprint(const char *path, fm_model_options options) {
    fm_error err;
    fm_store *store;
    fm_model *m;
    assert_ok(fm_store_open(path, &store, &err));
    assert_ok(fm_model_bind(store, &options, &m, &err));
    assert_ok(fm_model_load(m, NULL, NULL, NULL, &err));
    uint64_t f = fm_model_fingerprint(m);
    assert_true(f == fm_model_fingerprint(m));
    fm_model_free(m);
    fm_store_close(store);
    return f;
}

static uint64_t packed(const char *path) { return fingerprint(path, (fm_model_options){.pack = true}); }

static const char *const models[] = {
    "tiny-v3", "tiny-v3-bf16", "tiny-v3-fp8", "tiny-v2-lite", "tiny-v2", "tiny-llama", "tiny-qwen2",
    "gguf/tiny-v3.f32.gguf", "gguf/tiny-v3.f16-mla.gguf", "gguf/tiny-llama.f16.gguf",
    "gguf/tiny-llama.q8_0.gguf", "odd/v3-fp8", "odd/v3-mtp", "odd/gguf-v3-split-f16",
};

static void packing_changes_nothing_and_no_two_models_agree(void **state) {
    (void)state;
    uint64_t seen[FM_COUNT(models)];
    for (size_t i = 0; i < FM_COUNT(models); i++) {
        struct stat st;
        char path[4096];
        snprintf(path, sizeof path, "%s/model.gguf", golden_path(models[i]));
        if (stat(path, &st) != 0) snprintf(path, sizeof path, "%s", golden_path(models[i]));
        seen[i] = packed(path);
        assert_true(seen[i] == fingerprint(path, (fm_model_options){.pack = false}));
        for (size_t j = 0; j < i; j++) assert_true(seen[i] != seen[j]);
    }
}

static void put(const char *path, const char *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* The folder's one shard and configuration, in memory. */
typedef struct copy {
    char *weights, *config;
    size_t n, n_config;
} copy;

static copy copy_of(const char *name) {
    fm_error err;
    copy c;
    char path[4096];
    snprintf(path, sizeof path, "%s/model.safetensors", golden_path(name));
    assert_ok(fm_file_read(path, (size_t)1 << 30, &c.weights, &c.n, &err));
    snprintf(path, sizeof path, "%s/config.json", golden_path(name));
    assert_ok(fm_file_read(path, (size_t)1 << 20, &c.config, &c.n_config, &err));
    put(scratch_path("model.safetensors"), c.weights, c.n);
    put(scratch_path("config.json"), c.config, c.n_config);
    return c;
}

static void copy_free(copy *c) {
    fm_free(c->weights);
    fm_free(c->config);
}

/* A bit in the middle of every tensor's first row. Where a tensor is one that nobody reads, that bit
 * may not matter: there is none in these models. */
static void a_change_in_any_tensor_shows(void **state) {
    (void)state;
    static const char *const names[] = {"tiny-v2-lite", "tiny-llama"};
    for (size_t k = 0; k < FM_COUNT(names); k++) {
        copy c = copy_of(names[k]);
        fm_error err;
        fm_store *store;
        uint64_t same = packed(scratch_path(""));
        assert_true(same == packed(golden_path(names[k]))); /* wherever it lies */
        assert_ok(fm_store_open(scratch_path(""), &store, &err));
        for (size_t i = 0; i < fm_store_count(store); i++) {
            const fm_store_entry *e = fm_store_at(store, i);
            long at = -1;
            for (size_t p = 0; p + e->bytes <= c.n; p++)
                if (memcmp(c.weights + p, e->tensor.data, e->bytes) == 0) {
                    at = (long)p;
                    break;
                }
            assert_true(at >= 0);
            char *bit = &c.weights[(size_t)at + e->tensor.row_bytes / 2];
            *bit ^= 1;
            put(scratch_path("other.safetensors"), c.weights, c.n);
            assert_int_equal(rename(scratch_path("other.safetensors"), scratch_path("model.safetensors")), 0);
            if (packed(scratch_path("")) == same) fail_msg("%s: a change in %s is missed", names[k], e->name);
            *bit ^= 1;
        }
        fm_store_close(store);
        copy_free(&c);
    }
}

static void a_change_of_the_configuration_shows(void **state) {
    (void)state;
    static const char *const changes[][2] = {
        {"\"rope_theta\": 10000", "\"rope_theta\": 10001"},
        {"\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": 1e-05"},
    };
    copy c = copy_of("tiny-v2-lite");
    uint64_t same = packed(scratch_path(""));
    for (size_t i = 0; i < FM_COUNT(changes); i++) {
        char *at = strstr(c.config, changes[i][0]), *text = strdup(c.config);
        if (!at) fail_msg("config.json does not say %s", changes[i][0]);
        memcpy(text + (at - c.config), changes[i][1], strlen(changes[i][1]));
        put(scratch_path("config.json"), text, c.n_config);
        assert_true(packed(scratch_path("")) != same);
        free(text);
    }
    copy_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packing_changes_nothing_and_no_two_models_agree),
        cmocka_unit_test(a_change_in_any_tensor_shows),
        cmocka_unit_test(a_change_of_the_configuration_shows),
    };
    return cmocka_run_group_tests_name("fingerprint", tests, NULL, NULL);
}

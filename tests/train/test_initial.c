/* A model that knows nothing opens like any other. */
#include "support.h"

#include "base/file.h"
#include "model/model.h"
#include "train/checkpoint.h"
#include "train/initial.h"

#include <math.h>

static fm_error err;

static fm_initial_options options(const char *shape) {
    return (fm_initial_options){shape, golden_path("tiny-v3"), 0.006, 1};
}

static void every_preset_becomes_a_folder_that_binds_with_its_module(void **state) {
    (void)state;
    const char *name, *help;
    for (size_t i = 0; fm_initial_preset_at(i, &name, &help); i++) {
        fm_store *store;
        fm_model *model;
        fm_initial_options o = options(name);
        assert_ok(fm_initial_write(scratch_path(""), name, &o, &err));
        assert_ok(fm_checkpoint_verify(scratch_path(name), NULL, &err));
        assert_ok(fm_store_open(scratch_path(name), &store, &err));
        assert_ok(fm_model_bind(store, &(fm_model_options){.mtp = true}, &model, &err));
        assert_non_null(model->mtp);
        assert_true(model->config.tie_word_embeddings);
        assert_int_equal(model->config.vocab_size, 512);
        /* Whatever is in the file has a place in the model. */
        for (size_t t = 0; t < fm_store_count(store); t++) assert_true(fm_store_at(store, t)->bytes > 0);
        fm_model_free(model);
        fm_store_close(store);
    }
}

static void weights_have_the_spread_that_was_asked_for_norms_are_1_and_biases_0(void **state) {
    (void)state;
    fm_store *store;
    fm_initial_options o = options("nano");
    o.std = 0.02;
    assert_ok(fm_initial_write(scratch_path(""), "spread", &o, &err));
    assert_ok(fm_store_open(scratch_path("spread"), &store, &err));
    size_t drawn = 0;
    for (size_t t = 0; t < fm_store_count(store); t++) {
        const fm_store_entry *e = fm_store_at(store, t);
        size_t n = e->bytes / 4;
        float *x = malloc(e->bytes);
        double sum = 0, squares = 0;
        assert_ok(fm_store_read(store, e->tensor.data, e->bytes, x, &err));
        for (size_t i = 0; i < n; i++) sum += (double)x[i], squares += (double)x[i] * (double)x[i];
        if (strstr(e->name, "norm.weight")) {
            assert_true(sum == (double)n && squares == (double)n);
        } else if (strstr(e->name, "bias")) {
            assert_true(squares == 0);
        } else {
            /* The spread of n normals is known to 1 / sqrt(2 n); five of those are allowed. */
            assert_true(fabs(sqrt(squares / (double)n) / 0.02 - 1) < 5 / sqrt(2 * (double)n));
            assert_true(fabs(sum / (double)n) < 5 * 0.02 / sqrt((double)n));
            drawn++;
        }
        free(x);
    }
    assert_true(drawn > 500);
    fm_store_close(store);
}

static void hash_of(const char *name, const fm_initial_options *o, char *hash) {
    assert_ok(fm_initial_write(scratch_path(""), name, o, &err));
    assert_ok(fm_checkpoint_verify(scratch_path(name), hash, &err));
}

static void the_same_seed_gives_the_same_folder_and_another_seed_another(void **state) {
    (void)state;
    char a[FM_SHA256_HEX + 1], b[FM_SHA256_HEX + 1], c[FM_SHA256_HEX + 1];
    fm_initial_options o = options("pico");
    hash_of("a", &o, a);
    hash_of("b", &o, b);
    hash_of("b", &o, b); /* over itself too */
    o.seed = 2;
    hash_of("c", &o, c);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
}

static void any_config_of_a_known_family_is_a_shape(void **state) {
    (void)state;
    static const char *const models[] = {"tiny-v2", "tiny-v2-lite", "tiny-v3", "tiny-llama", "tiny-qwen2"};
    for (size_t i = 0; i < FM_COUNT(models); i++) {
        char shape[128];
        fm_store *store, *original;
        fm_model *model;
        snprintf(shape, sizeof shape, "%s/config.json", models[i]);
        fm_initial_options o = options(golden_path(shape));
        assert_ok(fm_initial_write(scratch_path(""), models[i], &o, &err));
        assert_ok(fm_store_open(scratch_path(models[i]), &store, &err));
        assert_ok(fm_store_open(golden_path(models[i]), &original, &err));
        assert_ok(fm_model_bind(store, &(fm_model_options){.mtp = true}, &model, &err));
        for (size_t t = 0; t < fm_store_count(original); t++) {
            const fm_store_entry *e = fm_store_at(original, t), *mine = fm_store_find(store, e->name);
            /* A module's copies of embedding and head are the main model's own. */
            bool copy = strstr(e->name, "shared_head.head") || strstr(e->name, ".embed_tokens");
            if (!mine && copy && strncmp(e->name, "model.layers.", 13) == 0) continue;
            if (!mine) fail_msg("%s: %s is missing", models[i], e->name);
            assert_int_equal(mine->tensor.n_dims, e->tensor.n_dims);
            for (int k = 0; k < e->tensor.n_dims; k++) assert_int_equal(mine->tensor.shape[k], e->tensor.shape[k]);
        }
        fm_model_free(model);
        fm_store_close(store);
        fm_store_close(original);
    }
}

static void what_cannot_be_made_is_refused_in_words_and_leaves_nothing(void **state) {
    (void)state;
    fm_initial_options o = options("nanno");
    assert_int_equal(fm_initial_write(scratch_path(""), "no", &o, &err), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "did you mean nano"));
    o = options("nano");
    o.tokenizer = scratch_path("nowhere");
    assert_int_equal(fm_initial_write(scratch_path(""), "no", &o, &err), FM_ERR_IO);
    FILE *f = fopen(scratch_path("small.json"), "w");
    char *text;
    size_t n;
    assert_ok(fm_file_read(golden_path("tiny-v3/config.json"), 1 << 20, &text, &n, &err));
    strstr(text, "\"vocab_size\": 512")[14] = '1';
    fwrite(text, 1, n, f), fclose(f), fm_free(text);
    o = options(scratch_path("small.json"));
    assert_int_equal(fm_initial_write(scratch_path(""), "no", &o, &err), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "has room for 112 tokens"));
    assert_false(fm_file_exists(scratch_path("no")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_preset_becomes_a_folder_that_binds_with_its_module),
        cmocka_unit_test(weights_have_the_spread_that_was_asked_for_norms_are_1_and_biases_0),
        cmocka_unit_test(the_same_seed_gives_the_same_folder_and_another_seed_another),
        cmocka_unit_test(any_config_of_a_known_family_is_a_shape),
        cmocka_unit_test(what_cannot_be_made_is_refused_in_words_and_leaves_nothing),
    };
    return cmocka_run_group_tests_name("train/initial", tests, NULL, NULL);
}

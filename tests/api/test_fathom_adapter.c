/* A model with a low-rank adapter, through the library: another model, which says so to its snapshots. */
#include "api_support.h"

#include "base/rng.h"
#include "model/adapters.h"

#include <sys/stat.h>

static void write_adapter(const char *folder) {
    fm_error err;
    fm_store *store;
    fm_model *model;
    fm_adapters *a;
    assert_ok(fm_store_open(golden_path("tiny-llama"), &store, &err));
    assert_ok(fm_model_bind(store, &(fm_model_options){.pack = true}, &model, &err));
    fm_adapter_options o = {.rank = 2, .alpha = 4, .targets = "q_proj,down_proj", .seed = 9};
    assert_ok(fm_adapters_new(model, &o, &a, &err));
    for (size_t i = 0; i < fm_adapters_count(a); i++) {
        fm_weight *b = &fm_adapters_at(a, i)->b;
        for (int64_t j = 0; j < b->n_out * b->n_in; j++) b->master[j] = (float)fm_rng_normal(1, i, (uint64_t)j) * 0.1f;
    }
    mkdir(folder, 0777);
    assert_ok(fm_adapters_write(a, folder, "tiny-llama", &err));
    fm_adapters_free(a);
    fm_model_free(model);
    fm_store_close(store);
}

static void a_model_with_an_adapter_is_another_model(void **state) {
    (void)state;
    fathom_error err;
    int32_t prompt[20];
    make_prompt(prompt, 20, 3);
    write_adapter(scratch_path("adapter"));
    fathom_model_options options = fathom_model_defaults();
    options.context = API_CONTEXT;
    options.adapter = scratch_path("adapter");
    fathom_model *plain = open_golden("tiny-llama", NULL), *adapted = open_golden("tiny-llama", &options);
    fathom_session *a = session_of(plain), *b = session_of(adapted);
    assert_fathom(fathom_session_sync(a, prompt, 20, NULL, &err));
    assert_fathom(fathom_session_sync(b, prompt, 20, NULL, &err));
    int64_t v = fathom_model_describe(plain).vocabulary;
    double most = 0;
    for (int64_t i = 0; i < v; i++)
        most = fmax(most, fabs((double)fathom_session_logits(a)[i] - fathom_session_logits(b)[i]));
    assert_true(most > 0.05);
    assert_true(fathom_model_describe(adapted).weight_bytes > fathom_model_describe(plain).weight_bytes);
    fathom_session *loaded = NULL;
    assert_fathom(fathom_session_save(b, scratch_path("talk"), &err));
    assert_int_not_equal(fathom_session_load(plain, scratch_path("talk"), &loaded, &err), FATHOM_OK);
    assert_null(loaded);
    assert_fathom(fathom_session_load(adapted, scratch_path("talk"), &loaded, &err));
    fathom_session_free(loaded);
    fathom_session_free(a), fathom_session_free(b);
    fathom_model_close(plain), fathom_model_close(adapted);
}

static void an_adapter_that_does_not_fit_is_refused(void **state) {
    (void)state;
    fathom_error err;
    fathom_model *model = NULL;
    fathom_model_options options = fathom_model_defaults();
    options.context = API_CONTEXT;
    options.adapter = scratch_path("nowhere");
    assert_int_equal(fathom_model_open(golden_path("tiny-llama"), &options, &model, &err), FATHOM_ERR_IO);
    assert_null(model);
    write_adapter(scratch_path("other"));
    options.adapter = scratch_path("other");
    assert_int_equal(fathom_model_open(golden_path("tiny-qwen2"), &options, &model, &err), FATHOM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "lora_"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_with_an_adapter_is_another_model),
        cmocka_unit_test(an_adapter_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("adapter", tests, NULL, NULL);
}

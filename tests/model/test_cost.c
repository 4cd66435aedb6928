#include "config_support.h"

#include "base/json.h"
#include "format/store.h"
#include "model/cost.h"
#include "model/parameters.h"

#include "fathom/fathom.h"

#include <math.h>

static void counts_are_those_of_the_published_models(void **state) {
    (void)state;
    static const struct { const char *name; int64_t total, mtp; double active, without; } cases[] = {
        {"deepseek-v2-lite", 15706484224, 0, 2.661e9, 2.451e9},
        {"deepseek-v2", 235741434880, 0, 21.376e9, 20.852e9},
        {"deepseek-v3", 671026419200, 11610068224, 37.552e9, 36.626e9},
        {"moonlight-16b-a3b", 15960110208, 0, 2.915e9, 2.579e9},
        {"r1-distill-qwen-1.5b", 1777088000, 0, 1777088000, 1543714304},
        {"r1-distill-qwen-7b", 7615616512, 0, 7615616512, 7070619136},
        {"r1-distill-qwen-14b", 14770033664, 0, 14770033664, 13991465984},
        {"r1-distill-qwen-32b", 32763876352, 0, 32763876352, 31985308672},
        {"r1-distill-llama-8b", 8030261248, 0, 8030261248, 7504924672},
        {"r1-distill-llama-70b", 70553706496, 0, 70553706496, 69503033344},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_config c = golden_config(cases[i].name);
        fm_parameters p = fm_config_parameters(&c);
        assert_int_equal(p.total, cases[i].total);
        assert_int_equal(p.mtp, cases[i].mtp);
        assert_true(fabs((double)p.active - cases[i].active) < 0.0005e9);
        assert_true(fabs((double)p.active_without_embedding - cases[i].without) < 0.0005e9);
        double estimate = fm_config_parameters_estimate(&c);
        assert_true(estimate >= (double)p.stored && estimate < 2 * (double)p.stored);
    }
    fm_config v3 = golden_config("deepseek-v3");
    assert_int_equal(fm_config_parameters(&v3).stored, 684489845504);
}

static void counts_are_the_elements_of_the_tensors(void **state) {
    (void)state;
    static const char *const stores[] = {
        "tiny-v3", "tiny-v3-bf16", "tiny-v3-fp8", "tiny-v2", "tiny-v2-lite", "tiny-llama",
        "tiny-qwen2", "gguf/tiny-v3.f32.gguf", "gguf/tiny-v3.f16-mla.gguf",
        "gguf/tiny-v2-lite.q8_0.gguf", "gguf/tiny-llama.f16.gguf", "gguf/tiny-qwen2.f32.gguf",
        "tiny-v2/model.safetensors",
    };
    for (size_t i = 0; i < FM_COUNT(stores); i++) {
        fm_error err;
        fm_store *store;
        fm_config c;
        int64_t elements = 0;
        assert_ok(fm_store_open(golden_path(stores[i]), &store, &err));
        assert_ok(fm_config_of_store(&c, store, &err));
        for (size_t j = 0; j < fm_store_count(store); j++) {
            const fm_store_entry *e = fm_store_at(store, j);
            if (!e->is_scale && strcmp(e->name, "rope_freqs.weight") != 0)
                elements += fm_tensor_elements(&e->tensor);
        }
        if (fm_config_parameters(&c).stored != elements)
            fail_msg("%s: %lld by the config, %lld in the file", stores[i],
                     (long long)fm_config_parameters(&c).stored, (long long)elements);
        fm_store_close(store);
    }
}

/* ---- the document ----------------------------------------------------------------------------*/

static fm_json *cost_of(const char *name, const fathom_cost_options *options) {
    fathom_error e;
    fm_error err;
    char *text;
    fm_json *root;
    if (fathom_cost(golden_path(name), options, &text, &e) != FATHOM_OK) fail_msg("%s", e.message);
    assert_ok(fm_json_parse(text, strlen(text), &root, &err));
    fathom_free(text);
    return root;
}

static double figure(const fm_json *root, const char *section, const char *key) {
    const fm_json *v = fm_json_get(fm_json_get(root, section), key);
    if (!v) fail_msg("no %s.%s", section, key);
    return fm_json_number(v, NAN);
}

static void v3_comes_out_at_the_figures_of_its_report(void **state) {
    (void)state;
    fm_json *root = cost_of("configs/deepseek-v3.json", NULL);
    assert_true(figure(root, "parameters", "total") == 671026419200.0);
    assert_true(figure(root, "training", "tokens") == 14.8e12);
    assert_true(figure(root, "training", "pre_training_gpu_hours") == 2664e3);
    assert_true(figure(root, "training", "gpu_hours") == 2788e3);
    assert_true(figure(root, "training", "dollars") == 5.576e6);
    assert_true(figure(root, "training", "pre_training_dollars") == 5.328e6);
    assert_true(figure(root, "cache", "elements_per_token") == 35136);
    assert_true(figure(root, "cache", "bytes_per_token") == 70272);
    assert_true(figure(root, "cache", "int8_bytes_per_token") == 61 * 640); /* 576 + 4 * 9, padded */
    assert_true(figure(root, "cache", "plain_bytes_per_token") == 4997120);
    /* 2 FLOPs for every active weight that is a matrix: nothing but norms and biases is missing. */
    assert_true(figure(root, "flops_per_token", "weights") == 2 * 36624596992.0);
    fm_json_free(root);
}

static const fm_json *line(const fm_json *root, const char *label) {
    const fm_json *working = fm_json_get(root, "working");
    for (size_t i = 0; i < fm_json_length(working); i++)
        if (strcmp(fm_json_string(fm_json_get(fm_json_at(working, i), "label"), ""), label) == 0)
            return fm_json_at(working, i);
    fail_msg("no line of working says '%s'", label);
    return NULL;
}

static void the_working_shows_every_figure(void **state) {
    (void)state;
    fm_json *root = cost_of("configs/deepseek-v3.json", NULL);
    static const struct { const char *label, *formula; double value; } lines[] = {
        {"attention, one layer",
         "q_a 7168 x 1536 + norm + q_b 1536 x 24576 + kv_a 7168 x (512 + 64) + norm + "
         "kv_b 512 x 128 x (128 + 128) + o 16384 x 7168", 187107328},
        {"dense feed-forward, one layer", "3 x 7168 x 18432", 396361728},
        {"experts, one MoE layer", "(256 routed + 1 shared) x 44040192 + gate 1835264",
         11320164608},
        {"parameters", NULL, 671026419200},
        {"pre-training GPU hours", "14.8 x 10^12 tokens x 180000", 2664000},
        {"GPU hours", "2664000 + context extension 119000 + post-training 5000", 2788000},
        {"dollars", "2788000 hours x $2", 5576000},
    };
    for (size_t i = 0; i < FM_COUNT(lines); i++) {
        const fm_json *l = line(root, lines[i].label);
        assert_true(fm_json_number(fm_json_get(l, "value"), 0) == lines[i].value);
        if (lines[i].formula)
            assert_string_equal(fm_json_string(fm_json_get(l, "formula"), ""), lines[i].formula);
    }
    fm_json_free(root);
}

static void given_figures_replace_the_report(void **state) {
    (void)state;
    fathom_cost_options o = fathom_cost_defaults();
    o.train_tokens = 2e12;
    o.gpu_hours_per_trillion = 1000;
    o.extension_gpu_hours = 10;
    o.post_training_gpu_hours = 0;
    o.dollars_per_gpu_hour = 3;
    o.context = 4096;
    fm_json *root = cost_of("configs/deepseek-v3.json", &o);
    assert_true(figure(root, "training", "gpu_hours") == 2010);
    assert_true(figure(root, "training", "dollars") == 6030);
    assert_true(figure(root, "cache", "bytes") == 70272.0 * 4096);
    fm_json_free(root);
}

static void other_shapes_are_priced_only_when_asked(void **state) {
    (void)state;
    fm_json *root = cost_of("configs/r1-distill-qwen-1.5b.json", NULL);
    assert_int_equal(fm_json_kind_of(fm_json_get(root, "training")), FM_JSON_NULL);
    assert_non_null(fm_json_string(fm_json_get(root, "training_note"), NULL));
    fm_json_free(root);
    fathom_cost_options o = fathom_cost_defaults();
    o.train_tokens = 1e12;
    root = cost_of("configs/r1-distill-qwen-1.5b.json", &o);
    /* V3's rate in proportion to the arithmetic of a token: about 1.6 of 40 thousand million. */
    double rate = figure(root, "training", "gpu_hours_per_trillion_tokens");
    double flops = figure(root, "training", "flops_per_token");
    assert_true(flops > 6 * 1.54e9 && flops < 6 * 2.0e9);
    fm_json_free(root);
    root = cost_of("configs/deepseek-v3.json", NULL);
    assert_true(fabs(rate / 180000 - flops / figure(root, "training", "flops_per_token")) < 1e-12);
    fm_json_free(root);
}

static void a_folder_or_a_gguf_may_be_named_as_well(void **state) {
    (void)state;
    fm_json *folder = cost_of("tiny-v2-lite", NULL);
    fm_json *gguf = cost_of("gguf/tiny-v2-lite.q8_0.gguf", NULL);
    fm_json *tied = cost_of("gguf/tiny-llama.f32.gguf", NULL);
    fm_json *llama = cost_of("tiny-llama/model.safetensors", NULL);
    assert_true(figure(folder, "parameters", "total") == figure(gguf, "parameters", "total"));
    assert_true(figure(tied, "parameters", "head") == 0);
    assert_true(figure(tied, "parameters", "total") == figure(llama, "parameters", "total"));
    fm_json_free(folder), fm_json_free(gguf), fm_json_free(tied), fm_json_free(llama);
}

static void nonsense_is_refused_in_words(void **state) {
    (void)state;
    fathom_error e;
    char *text = (char *)"";
    fathom_cost_options o = fathom_cost_defaults();
    o.context = 1 << 20;
    assert_int_equal(fathom_cost(golden_path("configs/deepseek-v3.json"), &o, &text, &e),
                     FATHOM_ERR_ARGUMENT);
    assert_null(text);
    assert_non_null(strstr(e.message, "1048576"));
    o = fathom_cost_defaults(), o.train_tokens = INFINITY;
    assert_int_equal(fathom_cost(golden_path("configs/deepseek-v3.json"), &o, &text, &e),
                     FATHOM_ERR_ARGUMENT);
    assert_int_equal(fathom_cost(golden_path("configs/none.json"), NULL, &text, &e), FATHOM_ERR_IO);
    assert_non_null(strstr(e.message, "none.json"));
    assert_int_equal(fathom_cost(golden_path("README.md"), NULL, &text, NULL), FATHOM_ERR_FORMAT);
    /* Each size is allowed, the product is absurd: refused before it is multiplied out. */
    fm_config c;
    fm_error err;
    fm_meta *meta = meta_of_json(
        "{'model_type':'deepseek_v3','hidden_size':16777216,'num_hidden_layers':1024,"
        "'num_attention_heads':4,'intermediate_size':96,'max_position_embeddings':4096,"
        "'vocab_size':100,'kv_lora_rank':32,'qk_nope_head_dim':16,'qk_rope_head_dim':8,"
        "'v_head_dim':16,'n_routed_experts':4096,'num_experts_per_tok':8,"
        "'moe_intermediate_size':16777216}");
    assert_int_equal(fm_config_read(&c, meta, false, &err), FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "cannot be meant"));
    fm_meta_free(meta);
}

static void running_out_of_memory_is_a_sentence_at_every_step(void **state) {
    (void)state;
    fathom_error e;
    char *text = NULL;
    int64_t k = 0;
    for (;; k++) {
        fm_mem_fail_from(k);
        fathom_status status = fathom_cost(golden_path("configs/deepseek-v3.json"), NULL, &text, &e);
        fm_mem_fail_from(-1);
        if (status == FATHOM_OK) break;
        assert_null(text);
        assert_true(e.message[0] != 0);
    }
    assert_true(k > 3);
    fathom_free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_the_published_models),
        cmocka_unit_test(counts_are_the_elements_of_the_tensors),
        cmocka_unit_test(v3_comes_out_at_the_figures_of_its_report),
        cmocka_unit_test(the_working_shows_every_figure),
        cmocka_unit_test(given_figures_replace_the_report),
        cmocka_unit_test(other_shapes_are_priced_only_when_asked),
        cmocka_unit_test(a_folder_or_a_gguf_may_be_named_as_well),
        cmocka_unit_test(nonsense_is_refused_in_words),
        cmocka_unit_test(running_out_of_memory_is_a_sentence_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

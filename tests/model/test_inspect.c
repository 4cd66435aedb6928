#include "format/format_support.h"

#include "base/json.h"
#include "fathom/fathom.h"

#include <math.h>

static fm_json *inspect(const char *path, const fathom_model_options *options) {
    fathom_error e;
    fm_error err;
    char *text;
    fm_json *root;
    if (fathom_inspect(path, options, &text, &e) != FATHOM_OK) fail_msg("%s: %s", path, e.message);
    assert_ok(fm_json_parse(text, strlen(text), &root, &err));
    fathom_free(text);
    return root;
}

static const fm_json *at(const fm_json *root, const char *section, const char *key) {
    const fm_json *v = fm_json_get(fm_json_get(root, section), key);
    if (!v) fail_msg("no %s.%s", section, key);
    return v;
}

static double number(const fm_json *root, const char *section, const char *key) {
    return fm_json_number(at(root, section, key), NAN);
}

static const char *text(const fm_json *root, const char *section, const char *key) {
    return fm_json_string(at(root, section, key), "(none)");
}

static void golden_models_are_described_and_counted(void **state) {
    (void)state;
    static const struct {
        const char *path, *format, *architecture, *up_projection, *pre_tokenizer;
        bool mtp;
    } cases[] = {
        {"tiny-v3", "safetensors", "deepseek_v3", "kv_b_proj", "(none)", true},
        {"tiny-v3-bf16", "safetensors", "deepseek_v3", "kv_b_proj", "(none)", true},
        {"tiny-v3-fp8", "safetensors", "deepseek_v3", "kv_b_proj", "(none)", true},
        {"tiny-v2", "safetensors", "deepseek_v2", "kv_b_proj", "(none)", false},
        {"tiny-llama", "safetensors", "llama", "(none)", "(none)", false},
        {"tiny-qwen2", "safetensors", "qwen2", "(none)", "(none)", false},
        {"gguf/tiny-v3.f32.gguf", "gguf", "deepseek_v3", "attn_kv_b", "deepseek-v3", false},
        {"gguf/tiny-v3.f16-mla.gguf", "gguf", "deepseek_v3", "attn_k_b and attn_v_b", "deepseek-v3",
         false},
        {"gguf/tiny-v2-lite.q8_0.gguf", "gguf", "deepseek_v2", "attn_kv_b", "deepseek-llm", false},
        {"gguf/tiny-llama.q8_0.gguf", "gguf", "llama", "(none)", "llama-bpe", false},
        {"gguf/tiny-qwen2.f16.gguf", "gguf", "qwen2", "(none)", "qwen2", false},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_json *root = inspect(golden_path(cases[i].path), NULL);
        assert_string_equal(text(root, "file", "format"), cases[i].format);
        assert_string_equal(text(root, "model", "architecture"), cases[i].architecture);
        assert_string_equal(text(root, "attention", "up_projection"), cases[i].up_projection);
        assert_string_equal(text(root, "tokenizer", "pre_tokenizer"), cases[i].pre_tokenizer);
        assert_true(fm_json_bool(at(root, "mtp", "present"), !cases[i].mtp) == cases[i].mtp);
        assert_true(fm_json_bool(at(root, "parameters", "agree"), false));
        assert_true(fm_json_bool(at(root, "tokenizer", "belongs"), false));
        assert_true(fm_json_bool(at(root, "memory", "fits"), false));
        assert_true(number(root, "tokenizer", "size") <= 512);
        if (strcmp(cases[i].format, "gguf") == 0) assert_true(number(root, "file", "version") == 3);
        fm_json_free(root);
    }
}

static void bytes_and_tensors_add_up(void **state) {
    (void)state;
    fm_json *root = inspect(golden_path("tiny-v3-fp8"), NULL);
    const fm_json *tensors = fm_json_get(root, "tensors"), *dtypes = fm_json_get(root, "dtypes");
    int64_t bytes = 0, by_dtype = 0, scales = 0;
    for (size_t i = 0; i < fm_json_length(tensors); i++)
        bytes += fm_json_integer(fm_json_get(fm_json_at(tensors, i), "bytes"), -1);
    for (size_t i = 0; i < fm_json_length(dtypes); i++) {
        const fm_json *d = fm_json_at(dtypes, i);
        by_dtype += fm_json_integer(fm_json_get(d, "bytes"), -1);
        if (strcmp(fm_json_string(fm_json_get(d, "dtype"), ""), "scales of blocks") == 0)
            scales = fm_json_integer(fm_json_get(d, "tensors"), -1);
    }
    assert_true(number(root, "file", "tensors") == (double)fm_json_length(tensors));
    assert_true(number(root, "file", "shards") == 2);
    assert_int_equal(bytes, by_dtype);
    assert_true(bytes > 0 && (double)bytes < number(root, "file", "bytes"));
    assert_int_equal(scales, 240);
    const fm_json *first = fm_json_at(tensors, 0);
    assert_string_equal(fm_json_string(fm_json_get(first, "name"), ""), "model.embed_tokens.weight");
    assert_int_equal(fm_json_integer(fm_json_at(fm_json_get(first, "shape"), 0), 0), 512);
    fm_json_free(root);
}

static void memory_is_what_opening_takes(void **state) {
    (void)state;
    fathom_model_options o = fathom_model_defaults();
    fathom_model *model;
    fathom_error e;
    o.threads = 2;
    fm_json *root = inspect(golden_path("tiny-v3"), &o);
    if (fathom_model_open(golden_path("tiny-v3"), &o, &model, &e) != FATHOM_OK)
        fail_msg("%s", e.message);
    fathom_model_info info = fathom_model_describe(model);
    assert_true(number(root, "memory", "weights") == (double)info.weight_bytes);
    assert_true(number(root, "memory", "plan") == (double)info.plan_bytes);
    assert_true(number(root, "memory", "cache_bytes_per_token") ==
                (double)info.cache_bytes_per_token);
    assert_true(number(root, "memory", "context") == (double)info.context);
    assert_true(number(root, "parameters", "active") == (double)info.active_parameters);
    fathom_model_close(model);
    fm_json_free(root);
}

/* The three answers: a shorter context, the weights left in the file, more memory. */
static void what_does_not_fit_is_said_with_the_way_out(void **state) {
    (void)state;
    fathom_model_options o = fathom_model_defaults();
    o.threads = 1;
    fm_json *root = inspect(golden_path("tiny-v3"), &o);
    uint64_t weights = (uint64_t)number(root, "memory", "weights");
    uint64_t plan = (uint64_t)(number(root, "memory", "plan") + number(root, "memory", "replies"));
    uint64_t in_place = (uint64_t)number(root, "memory", "weights_in_place");
    uint64_t cache = (uint64_t)number(root, "memory", "cache");
    fm_json_free(root);
    assert_true(in_place < weights);

    o.memory_limit = weights + plan + cache;
    root = inspect(golden_path("tiny-v3"), &o);
    assert_true(fm_json_bool(at(root, "memory", "fits"), false));
    fm_json_free(root);

    /* Unasked, the context is halved until it fits, as opening the model does. */
    o.memory_limit = weights + plan + cache - 1;
    root = inspect(golden_path("tiny-v3"), &o);
    assert_true(fm_json_bool(at(root, "memory", "fits"), false));
    assert_true(number(root, "memory", "context") == 1280);
    fm_json_free(root);

    o.context = 2560;
    root = inspect(golden_path("tiny-v3"), &o);
    assert_false(fm_json_bool(at(root, "memory", "fits"), true));
    int64_t largest = (int64_t)number(root, "memory", "largest_context");
    assert_true(largest > 0 && largest < 2560);
    assert_contains(text(root, "memory", "advice"), "A context of");
    fm_json_free(root);
    o.context = largest;
    root = inspect(golden_path("tiny-v3"), &o);
    assert_true(fm_json_bool(at(root, "memory", "fits"), false));
    fm_json_free(root);

    o.context = 2560;
    o.memory_limit = in_place + plan + cache;
    assert_true(o.memory_limit < weights + plan);
    root = inspect(golden_path("tiny-v3"), &o);
    assert_contains(text(root, "memory", "advice"), "Leaving the weights in the file takes");
    fm_json_free(root);
    o.map_only = true;
    root = inspect(golden_path("tiny-v3"), &o);
    assert_true(fm_json_bool(at(root, "memory", "fits"), false));
    fm_json_free(root);

    o.map_only = false;
    o.memory_limit = 1000;
    root = inspect(golden_path("tiny-v3"), &o);
    assert_contains(text(root, "memory", "advice"), "more memory");
    fm_json_free(root);
}

static void a_third_layout_of_the_up_projection_is_recognised(void **state) {
    (void)state;
    /* kv_b together with its halves, as one converter writes: every weight of the halves is there
     * twice and counts once. Heads 1, r 32, nope 32, rope 8, v 32; hidden 32. */
    static const struct { const char *name; uint32_t dims; uint64_t ne[3]; } tensors[] = {
        {"token_embd.weight", 2, {32, 10}},          {"output_norm.weight", 1, {32}},
        {"blk.0.attn_norm.weight", 1, {32}},         {"blk.0.ffn_norm.weight", 1, {32}},
        {"blk.0.attn_q.weight", 2, {32, 40}},        {"blk.0.attn_kv_a_mqa.weight", 2, {32, 40}},
        {"blk.0.attn_kv_a_norm.weight", 1, {32}},    {"blk.0.attn_kv_b.weight", 2, {32, 64}},
        {"blk.0.attn_k_b.weight", 3, {32, 32, 1}},   {"blk.0.attn_v_b.weight", 3, {32, 32, 1}},
        {"blk.0.attn_output.weight", 2, {32, 32}},   {"blk.0.ffn_gate.weight", 2, {32, 64}},
        {"blk.0.ffn_up.weight", 2, {32, 64}},        {"blk.0.ffn_down.weight", 2, {64, 32}},
    };
    static const struct { const char *key; uint32_t value; } pairs[] = {
        {"block_count", 1}, {"context_length", 64}, {"embedding_length", 32},
        {"feed_forward_length", 64}, {"attention.head_count", 1}, {"vocab_size", 10},
        {"attention.kv_lora_rank", 32}, {"rope.dimension_count", 8},
        {"attention.key_length", 40}, {"attention.value_length", 32},
    };
    fm_buffer b = {0};
    uint64_t offset = 0;
    put_header(&b, 3, FM_COUNT(tensors), FM_COUNT(pairs) + 1);
    put_key(&b, "general.architecture", GGUF_STRING);
    put_string(&b, "deepseek2");
    for (size_t i = 0; i < FM_COUNT(pairs); i++) {
        char key[64];
        snprintf(key, sizeof key, "deepseek2.%s", pairs[i].key);
        put_pair_u32(&b, key, pairs[i].value);
    }
    for (size_t i = 0; i < FM_COUNT(tensors); i++) {
        uint64_t bytes = 4;
        put_tensor(&b, tensors[i].name, tensors[i].dims, tensors[i].ne, 0, offset);
        for (uint32_t d = 0; d < tensors[i].dims; d++) bytes *= tensors[i].ne[d];
        offset += (bytes + 31) / 32 * 32;
    }
    put_padding(&b, 32);
    memset(fm_buffer_room(&b, offset), 0, offset);
    write_bytes(scratch_path("three.gguf"), b.data, b.size);
    fm_buffer_clear(&b);
    fm_json *root = inspect(scratch_path("three.gguf"), NULL);
    assert_string_equal(text(root, "attention", "up_projection"),
                        "attn_kv_b with attn_k_b and attn_v_b");
    assert_true(fm_json_bool(at(root, "parameters", "agree"), false));
    assert_true(fm_json_bool(at(root, "model", "tie_word_embeddings"), false));
    assert_int_equal(fm_json_kind_of(fm_json_get(root, "tokenizer")), FM_JSON_NULL);
    fm_json_free(root);
}

static void deepseek_v3_is_understood_at_its_real_size(void **state) {
    (void)state;
    char command[8192];
    snprintf(command, sizeof command, "python3 '%s' '%s'", golden_path("make/v3_sparse.py"),
             scratch_path("v3"));
    assert_int_equal(system(command), 0);
    fathom_model_options o = fathom_model_defaults();
    o.memory_limit = 24ull << 30;
    o.threads = 2;
    fm_json *root = inspect(scratch_path("v3"), &o);
    assert_true(number(root, "file", "shards") == 163);
    assert_true(number(root, "parameters", "total") == 671026419200.0);
    assert_true(number(root, "parameters", "in_file") == 684489845504.0);
    assert_true(fm_json_bool(at(root, "parameters", "agree"), false));
    assert_true(fm_json_bool(at(root, "mtp", "present"), false));
    assert_true(number(root, "attention", "cache_bytes_per_token") == 70272);
    assert_true(number(root, "attention", "plain_cache_bytes_per_token") == 4997120);
    assert_true(number(root, "memory", "weights") > 640e9);
    assert_false(fm_json_bool(at(root, "memory", "fits"), true));
    assert_contains(text(root, "memory", "advice"), "24.0 GiB are available");
    fm_json_free(root);
}

static void what_cannot_be_inspected_is_refused_in_words(void **state) {
    (void)state;
    fathom_error e;
    char *json = (char *)"";
    fathom_model_options o = fathom_model_defaults();
    o.context = 1 << 20;
    assert_int_equal(fathom_inspect(golden_path("tiny-v3"), &o, &json, &e), FATHOM_ERR_LIMIT);
    assert_contains(e.message, "2560");
    assert_null(json);
    assert_int_equal(fathom_inspect(golden_path("none"), NULL, &json, &e), FATHOM_ERR_IO);
    assert_int_equal(fathom_inspect(golden_path("README.md"), NULL, &json, NULL), FATHOM_ERR_FORMAT);
    assert_null(json);
}

/* A model that is bound by then is given up. */
static void panels_that_were_asked_for_and_do_not_fit_leave_nothing_behind(void **state) {
    (void)state;
    fathom_error e;
    char *json = NULL;
    fathom_model_options o = fathom_model_defaults();
    fm_mem_stats before = fm_mem_statistics();
    static const char *const files[] = {"none.panels", "tiny-v3/config.json"};
    static const fathom_status wanted[] = {FATHOM_ERR_IO, FATHOM_ERR_FORMAT};
    for (size_t i = 0; i < FM_COUNT(files); i++) {
        o.panels = golden_path(files[i]);
        assert_int_equal(fathom_inspect(golden_path("tiny-v3"), &o, &json, &e), wanted[i]);
        assert_contains(e.message, files[i]);
        assert_null(json);
    }
    fm_mem_stats after = fm_mem_statistics();
    for (int i = 0; i < FM_MEM_PURPOSES; i++) assert_int_equal(after.live_bytes[i], before.live_bytes[i]);
}

static void running_out_of_memory_is_a_sentence_at_every_step(void **state) {
    (void)state;
    fathom_model_options o = fathom_model_defaults();
    fathom_error e;
    char *json = NULL;
    int64_t k = 0, step = sanitized() ? 37 : 7;
    o.threads = 1;
    for (;; k += step) {
        fm_mem_fail_from(k);
        fathom_status status = fathom_inspect(golden_path("gguf/tiny-llama.f16.gguf"), &o, &json, &e);
        fm_mem_fail_from(-1);
        if (status == FATHOM_OK) break;
        assert_null(json);
        assert_true(e.message[0] != 0);
    }
    assert_true(k > 20);
    fathom_free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_models_are_described_and_counted),
        cmocka_unit_test(bytes_and_tensors_add_up),
        cmocka_unit_test(memory_is_what_opening_takes),
        cmocka_unit_test(what_does_not_fit_is_said_with_the_way_out),
        cmocka_unit_test(a_third_layout_of_the_up_projection_is_recognised),
        cmocka_unit_test(deepseek_v3_is_understood_at_its_real_size),
        cmocka_unit_test(what_cannot_be_inspected_is_refused_in_words),
        cmocka_unit_test(panels_that_were_asked_for_and_do_not_fit_leave_nothing_behind),
        cmocka_unit_test(running_out_of_memory_is_a_sentence_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

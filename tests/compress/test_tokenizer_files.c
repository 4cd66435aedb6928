/* The tokenizers that people have, through GGUF's arrays and back: the same ids for the same text. */
#include "support.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "compress/gguf_keys.h"
#include "compress/hf_files.h"
#include "token/tokenizer.h"

typedef struct kind {
    const char *folder, *pre;
    bool fixture;
} kind;

static const kind kinds[] = {
    {"tests/golden/tiny-tokenizers/deepseek-llm", "deepseek-llm", false},
    {"tests/golden/tiny-tokenizers/deepseek-v3", "deepseek-v3", false},
    {"tests/golden/tiny-tokenizers/llama-bpe", "llama-bpe", false},
    {"tests/golden/tiny-tokenizers/qwen2", "qwen2", false},
    {".cache/fixtures/tokenizers/r1", "deepseek-v3", true},
    {".cache/fixtures/tokenizers/v3", "deepseek-v3", true},
    {".cache/fixtures/tokenizers/r1_distill_qwen", "deepseek-r1-qwen", true},
    {".cache/fixtures/tokenizers/r1_distill_llama", "llama-bpe", true},
    {".cache/fixtures/tokenizers/qwen2_5", "qwen2", true},
    {".cache/fixtures/tokenizers/llama3", "llama-bpe", true},
};

static void read_file(const char *folder, const char *name, char **text, size_t *size) {
    char path[4200];
    fm_error err;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    *size = 0;
    *text = NULL;
    if (fm_file_exists(path)) assert_ok(fm_file_read(path, 1 << 28, text, size, &err));
}

static fm_tokenizer *from_text(const char *json, size_t n, const char *config, size_t m) {
    fm_tokenizer *t;
    fm_error err;
    assert_ok(fm_tokenizer_from_json(json, n, config, m, &t, &err));
    return t;
}

static fm_tokenizer *from_folder(const char *folder) {
    size_t n, m;
    char *json, *config;
    read_file(folder, "tokenizer.json", &json, &n);
    read_file(folder, "tokenizer_config.json", &config, &m);
    fm_tokenizer *t = from_text(json, n, config, m);
    fm_free(json);
    fm_free(config);
    return t;
}

static fm_status nothing(void *context, size_t i, fm_item_sink *sink, fm_error *err) {
    (void)context, (void)i, (void)sink, (void)err;
    return FM_OK;
}

/* The folder's tokenizer as a GGUF file without tensors. */
static void put_into_gguf(const char *folder, const fm_config *config, const fm_meta *meta,
                          const char *path, const char *pre) {
    fm_gguf_head head = {0};
    fm_store *store;
    fm_error err;
    bool found;
    assert_ok(fm_gguf_put_tokenizer(&head, config, meta, folder, &found, &err));
    assert_true(found);
    assert_ok(fm_gguf_write(path, &head, NULL, 0, nothing, NULL, &err));
    fm_gguf_head_clear(&head);
    assert_ok(fm_store_open(path, &store, &err));
    const char *name = NULL;
    assert_ok(fm_meta_get_string(fm_store_meta(store), "tokenizer.ggml.pre", &name, &err));
    assert_string_equal(name, pre);
    fm_store_close(store);
}

static fm_tokenizer *out_of_gguf(const char *path, const fm_config *config) {
    fm_buffer json = {0}, config_json = {0};
    fm_store *store;
    fm_error err;
    bool found;
    assert_ok(fm_store_open(path, &store, &err));
    assert_ok(fm_hf_put_tokenizer(&json, &config_json, config, fm_store_meta(store), &found, &err));
    assert_true(found);
    fm_tokenizer *t = from_text(json.data, json.size, config_json.data, config_json.size);
    fm_buffer_clear(&json);
    fm_buffer_clear(&config_json);
    fm_store_close(store);
    return t;
}

static void assert_same(const fm_tokenizer *a, const fm_tokenizer *b, const char *text, size_t size) {
    fm_error err;
    for (int mode = FM_ENCODE_PLAIN; mode <= FM_ENCODE_SPECIAL; mode++) {
        fm_buffer x = {0}, y = {0};
        assert_ok(fm_tokenizer_encode(a, text, size, (fm_encode_mode)mode, &x, &err));
        assert_ok(fm_tokenizer_encode(b, text, size, (fm_encode_mode)mode, &y, &err));
        assert_int_equal(x.size, y.size);
        assert_memory_equal(x.data, y.data, x.size);
        fm_buffer_clear(&x);
        fm_buffer_clear(&y);
    }
}

static void check(const kind *k) {
    static const char odd[] = "e\xcc\x81t\xc3\xa9 \xe4\xbd\xa0\xe5\xa5\xbd 1234567 I'll  \t\r\n\n "
                              "\xf0\x9f\x98\x80<think>\n</think><|im_end|><|eot_id|>";
    const char *folder = source_path(".", k->folder);
    char *text;
    size_t size;
    fm_error err;
    fm_meta *meta;
    FILE *f = fopen(scratch_path("config.json"), "w");
    fputs("{}", f);
    fclose(f);
    assert_ok(fm_meta_read_config(scratch_path("config.json"), &meta, &err));
    assert_ok(fm_file_read(golden_path("peers/alice.txt"), 1 << 20, &text, &size, &err));
    fm_tokenizer *a = from_folder(folder);
    fm_config config = {.vocab_size = fm_tokenizer_size(a) + 5, .max_position_embeddings = 4096};
    put_into_gguf(folder, &config, meta, scratch_path("tokens.gguf"), k->pre);
    fm_tokenizer *b = out_of_gguf(scratch_path("tokens.gguf"), &config);
    assert_same(a, b, text, size);
    assert_same(a, b, odd, sizeof odd - 1);
    assert_int_equal(fm_tokenizer_size(a), fm_tokenizer_size(b)); /* padding is not drawn from */
    assert_int_equal(fm_tokenizer_bos(a), fm_tokenizer_bos(b));
    assert_int_equal(fm_tokenizer_eos(a), fm_tokenizer_eos(b));
    assert_int_equal(fm_tokenizer_adds_bos(a), fm_tokenizer_adds_bos(b));
    const char *x = fm_tokenizer_chat_template(a), *y = fm_tokenizer_chat_template(b);
    assert_int_equal(x != NULL, y != NULL);
    if (x) assert_string_equal(x, y);
    fm_tokenizer_free(a);
    fm_tokenizer_free(b);
    fm_meta_free(meta);
    fm_free(text);
}

static void small_tokenizers_come_back_the_same(void **state) {
    (void)state;
    for (size_t i = 0; i < FM_COUNT(kinds); i++)
        if (!kinds[i].fixture) check(&kinds[i]);
}

static void published_tokenizers_come_back_the_same(void **state) {
    (void)state;
    for (size_t i = 0; i < FM_COUNT(kinds); i++) {
        if (!kinds[i].fixture) continue;
        if (!fm_is_directory(source_path(".", kinds[i].folder)))
            skip_because("fixture %s is missing", kinds[i].folder);
        check(&kinds[i]);
    }
}

static void a_way_of_cutting_that_gguf_has_no_name_for_is_refused(void **state) {
    (void)state;
    fm_gguf_head head = {0};
    fm_config config = {.vocab_size = 1000};
    fm_meta *meta;
    fm_error err;
    bool found;
    size_t n;
    mkdir(scratch_path("odd"), 0777);
    char *json;
    read_file(golden_path("tiny-tokenizers/qwen2"), "tokenizer.json", &json, &n);
    char *digits = strstr(json, "|\\\\p{N}|"); /* another number of digits to a piece */
    assert_non_null(digits);
    memcpy(digits, "|\\\\p{L}|", 8);
    FILE *f = fopen(scratch_path("odd/tokenizer.json"), "w");
    fwrite(json, 1, n, f);
    fclose(f);
    f = fopen(scratch_path("odd/config.json"), "w");
    fputs("{}", f);
    fclose(f);
    assert_ok(fm_meta_read_config(scratch_path("odd"), &meta, &err));
    assert_int_equal(fm_gguf_put_tokenizer(&head, &config, meta, scratch_path("odd"), &found, &err),
                     FM_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "tokenizer.ggml.pre"));
    config.vocab_size = 100;
    assert_int_equal(fm_gguf_put_tokenizer(&head, &config, meta, golden_path("tiny-tokenizers/qwen2"),
                                           &found, &err), FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "100 rows"));
    config.vocab_size = 1000;
    assert_ok(fm_gguf_put_tokenizer(&head, &config, meta, scratch_path(""), &found, &err));
    assert_false(found);
    fm_gguf_head_clear(&head);
    fm_meta_free(meta);
    fm_free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_tokenizers_come_back_the_same),
        cmocka_unit_test(published_tokenizers_come_back_the_same),
        cmocka_unit_test(a_way_of_cutting_that_gguf_has_no_name_for_is_refused),
    };
    return cmocka_run_group_tests_name("tokenizer_files", tests, NULL, NULL);
}

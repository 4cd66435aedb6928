/* Models to GGUF and back: every golden model, bit for bit where nothing is rounded; files that llama.cpp's
 * converter made, tensor by tensor and key by key; what cannot be said is refused, what is lost is said. */
#include "support.h"

#include "base/file.h"
#include "base/mem.h"
#include "compress/convert.h"
#include "engine/observe.h"
#include "model/model.h"
#include "token/tokenizer.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Everything that is said in a conversion, one sentence a line. */
static char said[4096];
static void hear(void *context, const char *sentence) {
    (void)context;
    size_t n = strlen(said);
    snprintf(said + n, sizeof said - n, "%s\n", sentence);
}

static fm_convert_options usual(void) {
    said[0] = 0;
    return (fm_convert_options){.dtype = -1, .say = hear};
}

static fm_convert_result convert(const char *from, const char *to, const fm_convert_options *options) {
    fm_error err;
    fm_convert_result result;
    assert_ok(fm_convert(from, to, options, &result, &err));
    return result;
}

/* ---- comparing models ------------------------------------------------------------------------*/

typedef struct view {
    fm_store *store;
    fm_model *model;
    fm_observation seen;
} view;

static const int32_t prompt[] = {7, 3, 301, 42, 250, 9, 77, 128, 411, 5, 66, 201};

static view look(const char *path, bool mtp) {
    view v = {0};
    fm_error err;
    assert_ok(fm_store_open(path, &v.store, &err));
    fm_model_options options = {.arith = FM_EXACT, .pack = true, .mtp = mtp};
    assert_ok(fm_model_bind(v.store, &options, &v.model, &err));
    assert_ok(fm_model_load(v.model, NULL, NULL, NULL, &err));
    fm_observe_options what = {.kernels = fm_kernels_get(fm_cpu_detect()), .cache = FM_KV_F32,
                               .hidden = true, .mtp = mtp};
    assert_ok(fm_observe_prefill(v.model, prompt, FM_COUNT(prompt), &what, &v.seen, &err));
    return v;
}

static void forget(view *v) {
    fm_observation_clear(&v->seen);
    fm_model_free(v->model);
    fm_store_close(v->store);
}

/* The largest difference of what two models see, logits and hidden states alike; 0: the same bits. */
static double differ(const char *a_path, const char *b_path, bool mtp) {
    view a = look(a_path, mtp), b = look(b_path, mtp);
    double worst = 0;
    assert_int_equal(a.seen.n, b.seen.n);
    for (size_t i = 0; i < a.seen.n; i++) {
        const fm_observed *x = &a.seen.items[i], *y = fm_observation_find(&b.seen, x->name);
        assert_non_null(y);
        size_t n = (size_t)(x->shape[0] * x->shape[1]);
        if (memcmp(x->data, y->data, n * 4) == 0) continue;
        for (size_t k = 0; k < n; k++)
            worst = fmax(worst, fabs((double)((const float *)x->data)[k] -
                                     (double)((const float *)y->data)[k]));
        if (worst == 0) worst = 1e-30; /* signs of zeros */
    }
    forget(&a);
    forget(&b);
    return worst;
}

/* ---- comparing tokenizers --------------------------------------------------------------------*/

static fm_tokenizer *tokenizer_of_folder(const char *folder) {
    char path[4200], *json, *config;
    size_t n, m;
    fm_error err;
    fm_tokenizer *t;
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    assert_ok(fm_file_read(path, 1 << 26, &json, &n, &err));
    snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
    assert_ok(fm_file_read(path, 1 << 26, &config, &m, &err));
    assert_ok(fm_tokenizer_from_json(json, n, config, m, &t, &err));
    fm_free(json);
    fm_free(config);
    return t;
}

static void assert_same_tokenizers(const char *a_folder, const char *b_folder) {
    static const char text[] = "The year 2024, it's Caf\xc3\xa9 \xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c "
                               "123456  tabs\t\tand\r\n\nlines... \xf0\x9f\x98\x80 x=3.14159; /* c */ "
                               "<think>no</think> <|im_start|> <|begin_of_text|>";
    fm_tokenizer *a = tokenizer_of_folder(a_folder), *b = tokenizer_of_folder(b_folder);
    fm_error err;
    for (int mode = FM_ENCODE_PLAIN; mode <= FM_ENCODE_SPECIAL; mode++) {
        fm_buffer x = {0}, y = {0};
        assert_ok(fm_tokenizer_encode(a, text, sizeof text - 1, (fm_encode_mode)mode, &x, &err));
        assert_ok(fm_tokenizer_encode(b, text, sizeof text - 1, (fm_encode_mode)mode, &y, &err));
        assert_int_equal(x.size, y.size);
        assert_memory_equal(x.data, y.data, x.size);
        fm_buffer_clear(&x);
        fm_buffer_clear(&y);
    }
    assert_int_equal(fm_tokenizer_size(a), fm_tokenizer_size(b));
    assert_int_equal(fm_tokenizer_eos(a), fm_tokenizer_eos(b));
    assert_int_equal(fm_tokenizer_adds_bos(a), fm_tokenizer_adds_bos(b));
    /* one that is never added may come from config.json instead, as llama.cpp's converter has it */
    if (fm_tokenizer_adds_bos(a)) assert_int_equal(fm_tokenizer_bos(a), fm_tokenizer_bos(b));
    for (fm_token id = 0; id < fm_tokenizer_size(a); id++) {
        size_t n, m;
        const char *s = fm_tokenizer_piece(a, id, &n), *t = fm_tokenizer_piece(b, id, &m);
        assert_int_equal(n, m);
        assert_memory_equal(s, t, n);
        assert_int_equal(fm_tokenizer_is_added(a, id), fm_tokenizer_is_added(b, id));
        /* GGUF flags by looks what DeepSeek's own files do not: <\xEF\xBD\x9CUser\xEF\xBD\x9C> */
        bool barred = n > 4 && memcmp(s, "<\xEF\xBD\x9C", 4) == 0;
        if (!barred) assert_int_equal(fm_tokenizer_is_special(a, id), fm_tokenizer_is_special(b, id));
        assert_int_equal(fm_tokenizer_is_end_of_turn(a, id), fm_tokenizer_is_end_of_turn(b, id));
    }
    fm_tokenizer_free(a);
    fm_tokenizer_free(b);
}

/* ---- round trips -----------------------------------------------------------------------------*/

/* Llama's table of divisors is float32 in GGUF, where the formula is computed in double: the one
 * rounding that a conversion of float32 weights has. */
static const struct model {
    const char *name;
    double rounding;
} models[] = {{"tiny-v3", 0},   {"tiny-v3-bf16", 0}, {"tiny-v2-lite", 0},
              {"tiny-v2", 0},   {"tiny-llama", 2e-4}, {"tiny-qwen2", 0}};

static void converted_models_compute_the_same_bits(void **state) {
    (void)state;
    for (size_t i = 0; i < FM_COUNT(models); i++)
        for (int fused = 0; fused < 2; fused++) {
            fm_convert_options o = usual();
            o.outline.fused_kv_b = fused;
            const char *source = golden_path(models[i].name), *gguf = scratch_path("model.gguf");
            const char *folder = scratch_path("folder");
            o.force = true;
            fm_convert_result r = convert(source, gguf, &o);
            assert_string_equal(r.format, "gguf");
            double d = differ(source, gguf, false);
            if (!(d <= models[i].rounding)) fail_msg("%s as GGUF: off by %g", models[i].name, d);
            convert(gguf, folder, &o);
            d = differ(source, folder, false);
            if (!(d <= models[i].rounding)) fail_msg("%s and back: off by %g", models[i].name, d);
            assert_same_tokenizers(source, folder);
        }
}

static void every_tensor_comes_back_as_it_was(void **state) {
    (void)state;
    for (size_t i = 0; i < FM_COUNT(models); i++) {
        fm_convert_options o = usual();
        fm_store *a, *b;
        fm_error err;
        o.force = true;
        o.outline.mtp = true;
        convert(golden_path(models[i].name), scratch_path("model.gguf"), &o);
        convert(scratch_path("model.gguf"), scratch_path("folder"), &o);
        assert_ok(fm_store_open(golden_path(models[i].name), &a, &err));
        assert_ok(fm_store_open(scratch_path("folder"), &b, &err));
        assert_int_equal(fm_store_count(a), fm_store_count(b));
        for (size_t k = 0; k < fm_store_count(a); k++) {
            const fm_store_entry *x = fm_store_at(a, k), *y = fm_store_find(b, x->name);
            if (!y) fail_msg("%s: %s is missing", models[i].name, x->name);
            assert_int_equal(x->tensor.dtype, y->tensor.dtype);
            assert_int_equal(x->bytes, y->bytes);
            assert_memory_equal(x->tensor.shape, y->tensor.shape, sizeof x->tensor.shape);
            if (memcmp(x->tensor.data, y->tensor.data, x->bytes) != 0)
                fail_msg("%s: %s has other bytes", models[i].name, x->name);
        }
        fm_store_close(a);
        fm_store_close(b);
    }
}

static void the_guessing_module_is_kept_on_request_and_its_loss_is_said(void **state) {
    (void)state;
    fm_convert_options o = usual();
    convert(golden_path("tiny-v3"), scratch_path("with.gguf"), &o);
    assert_non_null(strstr(said, "multi-token-prediction module was left out"));
    o = usual();
    o.outline.mtp = true;
    convert(golden_path("tiny-v3"), scratch_path("with-mtp.gguf"), &o);
    assert_string_equal(said, "");
    assert_true(differ(golden_path("tiny-v3"), scratch_path("with-mtp.gguf"), true) == 0);
    o = usual();
    convert(scratch_path("with-mtp.gguf"), scratch_path("with-mtp"), &o);
    assert_true(differ(golden_path("tiny-v3"), scratch_path("with-mtp"), true) == 0);
}

static void weights_in_blocks_of_fp8_become_bf16_with_a_sentence_or_exact_float32(void **state) {
    (void)state;
    fm_convert_options o = usual();
    fm_convert_result r = convert(golden_path("tiny-v3-fp8"), scratch_path("fp8.gguf"), &o);
    assert_int_equal(r.dtype, FM_DTYPE_BF16);
    assert_non_null(strstr(said, "matrices were rounded from F8_E4M3 to BF16"));
    o = usual();
    o.dtype = FM_DTYPE_F32;
    convert(golden_path("tiny-v3-fp8"), scratch_path("fp8-f32.gguf"), &o);
    assert_null(strstr(said, "rounded"));
    assert_true(differ(golden_path("tiny-v3-fp8"), scratch_path("fp8-f32.gguf"), false) == 0);
    double d = differ(golden_path("tiny-v3-fp8"), scratch_path("fp8.gguf"), false);
    assert_true(d > 0 && d < 20);
}

static void quantised_files_become_float32_folders_that_compute_the_same_bits(void **state) {
    (void)state;
    static const char *const files[] = {"gguf/tiny-v2-lite.q8_0.gguf", "gguf/tiny-v3.f16-mla.gguf",
                                        "gguf/tiny-qwen2.f16.gguf"};
    for (size_t i = 0; i < FM_COUNT(files); i++) {
        fm_convert_options o = usual();
        o.dtype = FM_DTYPE_F32;
        o.force = true;
        convert(golden_path(files[i]), scratch_path("wide"), &o);
        double d = differ(golden_path(files[i]), scratch_path("wide"), false);
        if (d != 0) fail_msg("%s: off by %g", files[i], d);
    }
    fm_convert_options o = usual();
    fm_convert_result r = convert(golden_path(files[0]), scratch_path("narrow"), &o);
    assert_int_equal(r.dtype, FM_DTYPE_BF16);
    assert_non_null(strstr(said, "rounded from Q8_0 to BF16"));
}

/* ---- beside llama.cpp's converter ------------------------------------------------------------*/

static void assert_same_value(const char *key, const fm_meta_value *a, const fm_meta_value *b) {
    if (!b) fail_msg("%s is missing", key);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->count, b->count);
    size_t n = a->count;
    if (a->kind == FM_META_STRING) assert_string_equal(a->string.data, b->string.data);
    else if (a->kind == FM_META_REAL) assert_true(a->real == b->real);
    else if (a->kind == FM_META_BOOL) assert_int_equal(a->boolean, b->boolean);
    else if (a->kind == FM_META_INTEGER) assert_int_equal(a->integer, b->integer);
    else if (a->kind == FM_META_INTEGERS) assert_memory_equal(a->integers, b->integers, n * 8);
    else if (a->kind == FM_META_STRINGS)
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(a->strings[i].size, b->strings[i].size);
            assert_memory_equal(a->strings[i].data, b->strings[i].data, a->strings[i].size);
        }
    else fail_msg("%s", key);
}

static void compare_with_reference(const char *model, const char *reference, int dtype, bool fused) {
    fm_convert_options o = usual();
    fm_store *a, *b;
    fm_error err;
    o.force = true;
    o.dtype = dtype;
    o.outline.fused_kv_b = fused;
    convert(golden_path(model), scratch_path("ours.gguf"), &o);
    assert_ok(fm_store_open(golden_path(reference), &a, &err));
    assert_ok(fm_store_open(scratch_path("ours.gguf"), &b, &err));
    for (size_t i = 0; i < fm_meta_count(fm_store_meta(a)); i++) {
        const char *key;
        const fm_meta_value *v = fm_meta_at(fm_store_meta(a), i, &key);
        assert_same_value(key, v, fm_meta_find(fm_store_meta(b), key));
    }
    assert_int_equal(fm_meta_count(fm_store_meta(a)), fm_meta_count(fm_store_meta(b)));
    assert_int_equal(fm_store_count(a), fm_store_count(b));
    for (size_t i = 0; i < fm_store_count(a); i++) {
        const fm_store_entry *x = fm_store_at(a, i), *y = fm_store_find(b, x->name);
        if (!y) fail_msg("%s: %s is missing", reference, x->name);
        assert_int_equal(x->tensor.dtype, y->tensor.dtype);
        assert_memory_equal(x->tensor.shape, y->tensor.shape, sizeof x->tensor.shape);
        if (strcmp(x->name, "rope_freqs.weight") != 0 &&
            memcmp(x->tensor.data, y->tensor.data, x->bytes) != 0)
            fail_msg("%s: %s has other bytes", reference, x->name);
    }
    fm_store_close(a);
    fm_store_close(b);
}

static void files_are_those_of_llama_cpps_converter(void **state) {
    (void)state;
    compare_with_reference("tiny-v3", "gguf/tiny-v3.f32.gguf", -1, true);
    compare_with_reference("tiny-v3", "gguf/tiny-v3.f16-mla.gguf", FM_DTYPE_F16, false);
    compare_with_reference("tiny-v2-lite", "gguf/tiny-v2-lite.f32.gguf", -1, true);
    compare_with_reference("tiny-llama", "gguf/tiny-llama.f32.gguf", -1, false);
    compare_with_reference("tiny-llama", "gguf/tiny-llama.f16.gguf", FM_DTYPE_F16, false);
    compare_with_reference("tiny-qwen2", "gguf/tiny-qwen2.f32.gguf", -1, false);
    compare_with_reference("tiny-qwen2", "gguf/tiny-qwen2.f16.gguf", FM_DTYPE_F16, false);
}

/* ---- shards, targets, failures ---------------------------------------------------------------*/

static void large_models_are_cut_into_files_with_an_index(void **state) {
    (void)state;
    fm_convert_options o = usual();
    o.shard_bytes = 300000;
    fm_convert_result r = convert(golden_path("gguf/tiny-v3.f32.gguf"), scratch_path("cut"), &o);
    assert_true(r.files > 5);
    assert_true(fm_file_exists(scratch_path("cut/model.safetensors.index.json")));
    assert_true(differ(golden_path("gguf/tiny-v3.f32.gguf"), scratch_path("cut"), false) == 0);
}

static int entries_of(const char *path) {
    DIR *dir = opendir(path);
    int n = 0;
    assert_non_null(dir);
    for (struct dirent *d; (d = readdir(dir));) n += d->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void refuse(const char *from, const char *to, const fm_convert_options *o, fm_status code,
                   const char *says) {
    fm_error err;
    fm_convert_result r;
    assert_int_equal(fm_convert(from, to, o, &r, &err), code);
    if (!strstr(err.message, says)) fail_msg("'%s' does not say '%s'", err.message, says);
}

static void write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void what_is_there_is_replaced_on_request_only_and_never_if_it_is_not_ours(void **state) {
    (void)state;
    fm_convert_options o = usual();
    char folder[128];
    snprintf(folder, sizeof folder, "%s", scratch_path("old"));
    convert(golden_path("gguf/tiny-qwen2.f32.gguf"), folder, &o);
    refuse(golden_path("gguf/tiny-qwen2.f32.gguf"), folder, &o, FM_ERR_IO, "is there already");
    o.force = true;
    o.shard_bytes = 200000;
    convert(golden_path("gguf/tiny-qwen2.f32.gguf"), folder, &o);
    assert_false(fm_file_exists(scratch_path("old/model.safetensors")));
    o.shard_bytes = 0;
    convert(golden_path("gguf/tiny-qwen2.f32.gguf"), folder, &o);
    assert_int_equal(entries_of(folder), 5);
    write_text(scratch_path("old/thesis.tex"), "mine");
    refuse(golden_path("gguf/tiny-qwen2.f32.gguf"), folder, &o, FM_ERR_IO, "thesis.tex");
    assert_true(fm_file_exists(scratch_path("old/thesis.tex")));
    o.force = false;
    write_text(scratch_path("file.gguf"), "old");
    refuse(golden_path("tiny-qwen2"), scratch_path("file.gguf"), &o, FM_ERR_IO, "is there already");
    refuse(golden_path("tiny-qwen2"), folder, &o, FM_ERR_IO, "is a folder");
    refuse(golden_path("gguf/tiny-qwen2.f32.gguf"), scratch_path("file.gguf"), &o, FM_ERR_IO,
           "is not a folder");
}

static void damaged_models_are_refused_before_anything_is_written(void **state) {
    (void)state;
    fm_convert_options o = usual();
    char *bytes;
    size_t size;
    fm_error err;
    assert_ok(fm_file_read(golden_path("gguf/tiny-qwen2.f32.gguf"), 1 << 26, &bytes, &size, &err));
    static const double cuts[] = {0.0001, 0.01, 0.5, 0.999};
    for (size_t i = 0; i < FM_COUNT(cuts); i++) {
        FILE *f = fopen(scratch_path("cut.gguf"), "w");
        fwrite(bytes, 1, (size_t)(cuts[i] * (double)size), f);
        fclose(f);
        refuse(scratch_path("cut.gguf"), scratch_path("never"), &o, FM_ERR_FORMAT, "cut.gguf");
        assert_false(fm_file_exists(scratch_path("never")));
    }
    fm_free(bytes);
    refuse(scratch_path("nowhere.gguf"), scratch_path("never"), &o, FM_ERR_IO, "nowhere.gguf");
}

/* A limit on the size of files stands in for a disk that is full. */
static void a_full_disk_leaves_nothing_behind(void **state) {
    (void)state;
    fm_convert_options o = usual();
    struct rlimit old, small = {200000, 200000};
    mkdir(scratch_path("full"), 0777);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    refuse(golden_path("gguf/tiny-qwen2.f32.gguf"), scratch_path("full/a"), &o, FM_ERR_IO, "cannot write");
    refuse(golden_path("tiny-qwen2"), scratch_path("full/a.gguf"), &o, FM_ERR_IO, "cannot write");
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(entries_of(scratch_path("full")), 0);
}

static bool kill_at_third(void *context, double fraction) {
    (void)context;
    if (fraction > 0.3) raise(SIGKILL);
    return true;
}

static void a_kill_leaves_nothing_under_the_final_name(void **state) {
    (void)state;
    static const char *const sources[] = {"gguf/tiny-v3.f32.gguf", "tiny-v3"};
    for (size_t i = 0; i < FM_COUNT(sources); i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            fm_convert_options o = usual();
            fm_convert_result r;
            o.progress = kill_at_third;
            fm_convert(golden_path(sources[i]), scratch_path("killed"), &o, &r, NULL);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_false(fm_file_exists(scratch_path("killed")));
    }
}

static bool stop_at_half(void *context, double fraction) {
    (void)context;
    return fraction < 0.5;
}

static void a_callback_stops_it_cleanly(void **state) {
    (void)state;
    fm_convert_options o = usual();
    mkdir(scratch_path("stopped"), 0777);
    o.progress = stop_at_half;
    refuse(golden_path("gguf/tiny-v3.f32.gguf"), scratch_path("stopped/a"), &o, FM_ERR_CANCELLED, "");
    refuse(golden_path("tiny-v3"), scratch_path("stopped/a.gguf"), &o, FM_ERR_CANCELLED, "");
    assert_int_equal(entries_of(scratch_path("stopped")), 0);
}

static void threads_change_nothing(void **state) {
    (void)state;
    fm_error err;
    for (int threads = 1; threads <= 3; threads += 2) {
        fm_convert_options o = usual();
        assert_ok(fm_pool_new(threads, &o.pool, &err));
        o.outline.mtp = true;
        convert(golden_path("tiny-v3-fp8"), scratch_path(threads == 1 ? "one.gguf" : "three.gguf"), &o);
        fm_pool_free(o.pool);
    }
    char *a, *b;
    size_t n, m;
    assert_ok(fm_file_read(scratch_path("one.gguf"), 1 << 26, &a, &n, &err));
    assert_ok(fm_file_read(scratch_path("three.gguf"), 1 << 26, &b, &m, &err));
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    fm_free(a);
    fm_free(b);
}

static void every_failed_allocation_is_an_error_and_leaves_nothing(void **state) {
    (void)state;
    mkdir(scratch_path("memory"), 0777);
    static const char *const sources[] = {"gguf/tiny-llama.q8_0.gguf", "tiny-llama"};
    for (size_t i = 0; i < FM_COUNT(sources); i++) {
        fm_status status = FM_ERR_MEMORY;
        for (int64_t k = 0; status == FM_ERR_MEMORY; k += k < 60 ? 1 : k / 8) {
            fm_convert_options o = usual();
            fm_convert_result r;
            fm_error err;
            fm_mem_fail_from(k);
            status = fm_convert(golden_path(sources[i]), scratch_path("memory/out"), &o, &r, &err);
            fm_mem_fail_from(-1);
            if (status == FM_ERR_MEMORY && entries_of(scratch_path("memory")) != 0)
                fail_msg("allocation %lld: something was left", (long long)k);
        }
        assert_int_equal(status, FM_OK);
        assert_int_equal(entries_of(scratch_path("memory")), 1);
        char old[160];
        snprintf(old, sizeof old, "%s", scratch_path("memory/out"));
        if (fm_is_directory(old)) rename(old, scratch_path("converted-out"));
        else remove(old);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converted_models_compute_the_same_bits),
        cmocka_unit_test(every_tensor_comes_back_as_it_was),
        cmocka_unit_test(the_guessing_module_is_kept_on_request_and_its_loss_is_said),
        cmocka_unit_test(weights_in_blocks_of_fp8_become_bf16_with_a_sentence_or_exact_float32),
        cmocka_unit_test(quantised_files_become_float32_folders_that_compute_the_same_bits),
        cmocka_unit_test(files_are_those_of_llama_cpps_converter),
        cmocka_unit_test(large_models_are_cut_into_files_with_an_index),
        cmocka_unit_test(what_is_there_is_replaced_on_request_only_and_never_if_it_is_not_ours),
        cmocka_unit_test(damaged_models_are_refused_before_anything_is_written),
        cmocka_unit_test(a_full_disk_leaves_nothing_behind),
        cmocka_unit_test(a_kill_leaves_nothing_under_the_final_name),
        cmocka_unit_test(a_callback_stops_it_cleanly),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(every_failed_allocation_is_an_error_and_leaves_nothing),
    };
    return cmocka_run_group_tests_name("convert", tests, NULL, NULL);
}

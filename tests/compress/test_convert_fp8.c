/* Models to FP8 as DeepSeek-V3 publishes it: the golden checkpoint to the byte, from folders and from GGUF; what
 * is FP8 already keeps its bits; values that are no numbers; targets and failures. */
#include "support.h"

#include "base/file.h"
#include "base/mem.h"
#include "compress/convert.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char said[4096];
static void hear(void *context, const char *sentence) {
    (void)context;
    size_t n = strlen(said);
    snprintf(said + n, sizeof said - n, "%s\n", sentence);
}

static fm_convert_options to_fp8(void) {
    said[0] = 0;
    return (fm_convert_options){.dtype = FM_DTYPE_F8_E4M3, .say = hear, .force = true};
}

static fm_convert_result convert(const char *from, const char *to, const fm_convert_options *options) {
    fm_error err;
    fm_convert_result result;
    assert_ok(fm_convert(from, to, options, &result, &err));
    return result;
}

static fm_store *open_store(const char *path) {
    fm_store *store;
    fm_error err;
    assert_ok(fm_store_open(path, &store, &err));
    return store;
}

/* ---- comparing tensors -----------------------------------------------------------------------*/

static bool close_floats(const float *a, const float *b, size_t n, float bound) {
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(a[i] - b[i]) <= bound * fabsf(a[i]))) return false;
    return true;
}

/* Every tensor of `b` is in `a` with the same bytes; scales may be off by `bound` of their size. */
static void assert_same_tensors(const char *a_path, const char *b_path, float bound) {
    fm_store *a = open_store(a_path), *b = open_store(b_path);
    assert_int_equal(fm_store_count(a), fm_store_count(b));
    for (size_t i = 0; i < fm_store_count(b); i++) {
        const fm_store_entry *y = fm_store_at(b, i), *x = fm_store_find(a, y->name);
        if (!x) fail_msg("%s is in %s alone", y->name, b_path);
        assert_int_equal(x->tensor.dtype, y->tensor.dtype);
        assert_memory_equal(x->tensor.shape, y->tensor.shape, sizeof x->tensor.shape);
        bool same = memcmp(x->tensor.data, y->tensor.data, y->bytes) == 0;
        bool near = y->is_scale && y->tensor.dtype == FM_DTYPE_F32 &&
                    close_floats(x->tensor.data, y->tensor.data, y->bytes / 4, bound);
        if (!same && !near) fail_msg("%s of %s has other bytes", y->name, b_path);
    }
    fm_store_close(a);
    fm_store_close(b);
}

/* The golden checkpoint was quantised by another program from the weights of tiny-v3. */
static void v3_in_float32_becomes_the_golden_fp8_checkpoint_to_the_byte(void **state) {
    (void)state;
    fm_convert_options o = to_fp8();
    fm_convert_result r = convert(golden_path("tiny-v3"), scratch_path("fp8"), &o);
    assert_string_equal(r.format, "safetensors");
    assert_int_equal(r.dtype, FM_DTYPE_F8_E4M3);
    assert_non_null(strstr(said, "240 tensors were rounded from F32 to F8_E4M3"));
    assert_same_tensors(golden_path("tiny-v3-fp8"), scratch_path("fp8"), 0);
    fm_store *a = open_store(golden_path("tiny-v3-fp8")), *b = open_store(scratch_path("fp8"));
    for (size_t i = 0; i < fm_meta_count(fm_store_meta(a)); i++) {
        const char *key;
        const fm_meta_value *x = fm_meta_at(fm_store_meta(a), i, &key), *y = fm_meta_find(fm_store_meta(b), key);
        if (!y || x->kind != y->kind || x->count != y->count) fail_msg("config: %s", key);
    }
    fm_store_close(a);
    fm_store_close(b);
}

static void a_gguf_file_in_either_form_becomes_the_same_checkpoint(void **state) {
    (void)state;
    for (int fused = 0; fused < 2; fused++) {
        fm_convert_options o = {.dtype = -1, .force = true, .outline = {.mtp = true, .fused_kv_b = fused}};
        convert(golden_path("tiny-v3"), scratch_path("m.gguf"), &o);
        o = to_fp8();
        convert(scratch_path("m.gguf"), scratch_path("from-gguf"), &o);
        assert_same_tensors(golden_path("tiny-v3-fp8"), scratch_path("from-gguf"), 0);
    }
    static const char *const others[] = {"tiny-llama", "tiny-qwen2", "tiny-v2", "tiny-v2-lite"};
    for (size_t i = 0; i < FM_COUNT(others); i++) { /* rows in pairs, tied heads, biases */
        fm_convert_options o = {.dtype = -1, .force = true};
        convert(golden_path(others[i]), scratch_path("m.gguf"), &o);
        o = to_fp8();
        convert(golden_path(others[i]), scratch_path("direct"), &o);
        convert(scratch_path("m.gguf"), scratch_path("from-gguf"), &o);
        assert_same_tensors(scratch_path("direct"), scratch_path("from-gguf"), 0);
    }
}

/* BF16 moves a weight by 2^-9 of its size, half a step of E4M3 is 2^-5 at least: the largest of a block still
 * meets 448, and every code is found again. */
static void codes_survive_a_trip_through_bf16_and_scales_nearly(void **state) {
    (void)state;
    fm_convert_options o = {.dtype = -1, .outline = {.mtp = true}};
    convert(golden_path("tiny-v3-fp8"), scratch_path("bf16.gguf"), &o);
    o = to_fp8();
    convert(scratch_path("bf16.gguf"), scratch_path("again"), &o);
    assert_null(strstr(said, "F32 to")); /* norms are float32 in GGUF, and what they hold is BF16 */
    assert_same_tensors(golden_path("tiny-v3-fp8"), scratch_path("again"), 0x1p-8f);
}

static void what_is_fp8_already_keeps_codes_and_scales(void **state) {
    (void)state;
    static const char *const models[] = {"tiny-v3-fp8", "odd/v3-fp8-powers-of-two", "odd/llama-fp8"};
    for (size_t i = 0; i < FM_COUNT(models); i++) {
        fm_convert_options o = to_fp8();
        convert(golden_path(models[i]), scratch_path("kept"), &o);
        assert_null(strstr(said, "rounded"));
        assert_same_tensors(golden_path(models[i]), scratch_path("kept"), 0);
    }
}

static void write_file(const char *path, const char *bytes, size_t size) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

/* llama-fp8's matrices have two blocks of 128 each way, and as many of 120. */
static void blocks_of_another_size_are_made_anew_and_that_is_said(void **state) {
    (void)state;
    char *bytes;
    size_t size;
    fm_error err;
    mkdir(scratch_path("blocks"), 0777);
    assert_ok(fm_file_read(golden_path("odd/llama-fp8/model.safetensors"), 1 << 26, &bytes, &size, &err));
    write_file(scratch_path("blocks/model.safetensors"), bytes, size);
    fm_free(bytes);
    assert_ok(fm_file_read(golden_path("odd/llama-fp8/config.json"), 1 << 26, &bytes, &size, &err));
    char *at = strstr(bytes, "weight_block_size");
    for (int i = 0; i < 2; i++) memcpy(at = strstr(at, "128"), "120", 3);
    write_file(scratch_path("blocks/config.json"), bytes, size);
    fm_free(bytes);
    fm_convert_options o = to_fp8();
    convert(scratch_path("blocks"), scratch_path("anew"), &o);
    assert_non_null(strstr(said, "rounded from F8_E4M3 to F8_E4M3"));
    fm_store *a = open_store(scratch_path("blocks")), *b = open_store(scratch_path("anew"));
    for (size_t i = 0; i < fm_store_count(a); i++) {
        const fm_tensor *x = &fm_store_at(a, i)->tensor;
        if (x->dtype != FM_DTYPE_F8_E4M3) continue;
        const fm_tensor *y = &fm_store_find(b, fm_store_at(a, i)->name)->tensor;
        float old[256], new[256];
        assert_int_equal(y->scale_block[0], 128);
        for (int64_t row = 0; row < fm_tensor_rows(x); row++) {
            fm_tensor_decode_row(x, row, old);
            fm_tensor_decode_row(y, row, new);
            for (int64_t k = 0; k < fm_tensor_columns(x); k++) {
                float scale = y->scales[row / 128 * y->scale_columns + k / 128];
                assert_true(fabsf(old[k] - new[k]) <= fmaxf(fabsf(old[k]) / 16, scale * 0x1p-10f) * 1.001f);
            }
        }
    }
    fm_store_close(a);
    fm_store_close(b);
}

/* ---- values ----------------------------------------------------------------------------------*/

static const char poked[] = "model.layers.1.mlp.up_proj.weight";

/* tiny-qwen2 with its first weights of `poked` replaced. */
static void make_poked_model(const float *values, size_t n) {
    fm_store *store = open_store(golden_path("tiny-qwen2"));
    const fm_store_entry *e = fm_store_find(store, poked);
    char *bytes;
    size_t size;
    fm_error err;
    mkdir(scratch_path("poked"), 0777);
    static const char *const files[] = {"tiny-qwen2/config.json", "tiny-qwen2/model.safetensors"};
    for (size_t i = 0; i < FM_COUNT(files); i++) {
        char to[200];
        snprintf(to, sizeof to, "%s%s", scratch_path("poked"), strchr(files[i], '/'));
        assert_ok(fm_file_read(golden_path(files[i]), 1 << 26, &bytes, &size, &err));
        char *at = i ? memmem(bytes, size, e->tensor.data, e->bytes) : NULL;
        assert_true(i == 0 || at);
        if (at) memcpy(at, values, n * sizeof *values);
        write_file(to, bytes, size);
        fm_free(bytes);
    }
    fm_store_close(store);
}

static void a_nan_stays_one_and_spoils_no_neighbour_and_an_infinity_is_refused(void **state) {
    (void)state;
    fm_convert_options o = to_fp8();
    float row[4096], bad[2] = {NAN, 1};
    fm_error err;
    fm_convert_result r;
    make_poked_model(bad, 2);
    convert(scratch_path("poked"), scratch_path("nan"), &o);
    fm_store *store = open_store(scratch_path("nan"));
    const fm_tensor *t = &fm_store_find(store, poked)->tensor;
    assert_true(fm_tensor_columns(t) <= 4096);
    fm_tensor_decode_row(t, 0, row);
    assert_true(isnan(row[0]) && fabsf(row[1] - 1) <= 1.0f / 16);
    for (int64_t i = 1; i < fm_tensor_columns(t); i++) assert_true(isfinite(row[i]));
    fm_store_close(store);
    bad[1] = -INFINITY;
    make_poked_model(bad, 2);
    assert_int_equal(fm_convert(scratch_path("poked"), scratch_path("never"), &o, &r, &err), FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, poked));
    assert_false(fm_file_exists(scratch_path("never")));
}

static void blocks_of_zeros_read_back_as_zeros(void **state) {
    (void)state;
    fm_store *store = open_store(golden_path("tiny-qwen2"));
    size_t n = fm_store_find(store, poked)->bytes / sizeof(float);
    float *zeros = fm_alloc_array(n, sizeof *zeros, FM_MEM_OTHER), row[4096];
    fm_store_close(store);
    for (size_t i = 0; i < n; i++) zeros[i] = 0;
    make_poked_model(zeros, n);
    fm_free(zeros);
    fm_convert_options o = to_fp8();
    convert(scratch_path("poked"), scratch_path("zeros"), &o);
    store = open_store(scratch_path("zeros"));
    const fm_tensor *t = &fm_store_find(store, poked)->tensor;
    for (int64_t i = 0; i < fm_tensor_rows(t); i++) {
        fm_tensor_decode_row(t, i, row);
        for (int64_t k = 0; k < fm_tensor_columns(t); k++) assert_true(row[k] == 0);
    }
    fm_store_close(store);
}

/* ---- targets, failures -----------------------------------------------------------------------*/

static int entries_of(const char *path) {
    DIR *dir = opendir(path);
    int n = 0;
    assert_non_null(dir);
    for (struct dirent *d; (d = readdir(dir));) n += d->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void threads_and_shards_change_no_tensor(void **state) {
    (void)state;
    fm_error err;
    fm_convert_options o = to_fp8();
    assert_ok(fm_pool_new(3, &o.pool, &err));
    o.shard_bytes = 100000;
    fm_convert_result r = convert(golden_path("tiny-v3"), scratch_path("cut"), &o);
    assert_true(r.files > 5);
    assert_same_tensors(golden_path("tiny-v3-fp8"), scratch_path("cut"), 0);
    fm_pool_free(o.pool);
}

static bool stop_at_half(void *context, double fraction) {
    *(double *)context = fraction;
    return fraction < 0.5;
}

static bool never_past_the_end(void *context, double fraction) {
    assert_true(fraction >= *(double *)context && fraction <= 1);
    *(double *)context = fraction;
    return true;
}

/* A limit on the size of files stands in for a disk that is full. */
static void a_full_disk_or_a_stop_leaves_nothing_behind(void **state) {
    (void)state;
    double fraction = 0;
    fm_convert_options o = {.dtype = FM_DTYPE_F8_E4M3, .context = &fraction};
    fm_convert_result r;
    fm_error err;
    struct rlimit old, small = {200000, 200000};
    mkdir(scratch_path("full"), 0777);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    fm_status status = fm_convert(golden_path("tiny-v3"), scratch_path("full/a"), &o, &r, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, FM_ERR_IO);
    assert_non_null(strstr(err.message, "cannot write"));
    o.progress = stop_at_half;
    status = fm_convert(golden_path("tiny-v3"), scratch_path("full/a"), &o, &r, &err);
    assert_int_equal(status, FM_ERR_CANCELLED);
    assert_int_equal(entries_of(scratch_path("full")), 0);
    fraction = 0;
    o.progress = never_past_the_end;
    convert(golden_path("tiny-v3"), scratch_path("full/a"), &o);
    assert_true(fraction == 1);
    assert_int_equal(fm_convert(golden_path("tiny-v3"), scratch_path("full/a"), &o, &r, &err), FM_ERR_IO);
    assert_non_null(strstr(err.message, "is there already"));
}

static void every_failed_allocation_is_an_error_and_leaves_nothing(void **state) {
    (void)state;
    static const char *const sources[] = {"gguf/tiny-llama.q8_0.gguf", "tiny-llama"};
    mkdir(scratch_path("memory"), 0777);
    for (size_t i = 0; i < FM_COUNT(sources); i++) {
        fm_status status = FM_ERR_MEMORY;
        for (int64_t k = 0; status == FM_ERR_MEMORY; k += k < 60 ? 1 : k / 16) {
            fm_convert_options o = {.dtype = FM_DTYPE_F8_E4M3};
            fm_convert_result r;
            fm_error err;
            fm_mem_fail_from(k);
            status = fm_convert(golden_path(sources[i]), scratch_path("memory/out"), &o, &r, &err);
            fm_mem_fail_from(-1);
            if (status == FM_ERR_MEMORY && entries_of(scratch_path("memory")) != 0)
                fail_msg("allocation %lld: something was left", (long long)k);
        }
        assert_int_equal(status, FM_OK);
        char made[160];
        snprintf(made, sizeof made, "%s", scratch_path("memory/out"));
        assert_int_equal(rename(made, scratch_path(i ? "made-1" : "made-0")), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v3_in_float32_becomes_the_golden_fp8_checkpoint_to_the_byte),
        cmocka_unit_test(a_gguf_file_in_either_form_becomes_the_same_checkpoint),
        cmocka_unit_test(codes_survive_a_trip_through_bf16_and_scales_nearly),
        cmocka_unit_test(what_is_fp8_already_keeps_codes_and_scales),
        cmocka_unit_test(blocks_of_another_size_are_made_anew_and_that_is_said),
        cmocka_unit_test(a_nan_stays_one_and_spoils_no_neighbour_and_an_infinity_is_refused),
        cmocka_unit_test(blocks_of_zeros_read_back_as_zeros),
        cmocka_unit_test(threads_and_shards_change_no_tensor),
        cmocka_unit_test(a_full_disk_or_a_stop_leaves_nothing_behind),
        cmocka_unit_test(every_failed_allocation_is_an_error_and_leaves_nothing),
    };
    return cmocka_run_group_tests_name("convert_fp8", tests, NULL, NULL);
}

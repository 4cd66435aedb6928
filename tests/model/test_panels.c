/* A model's file of panels: mapped it gives the bytes that packing gives, takes no memory, and is not used where it
 * was made of anything else. */
#include "support.h"

#include "base/file.h"
#include "base/mem.h"
#include "model/lazy.h"
#include "model/panels.h"

#include <fcntl.h>
#include <sys/stat.h>

static const char *const models[] = {
    "tiny-v3", "tiny-v3-bf16", "tiny-v3-fp8", "tiny-v2-lite", "tiny-v2", "tiny-llama", "tiny-qwen2",
    "gguf/tiny-v3.f16-mla.gguf", "gguf/tiny-v2-lite.q8_0.gguf", "gguf/tiny-llama.q8_0.gguf", "odd/v3-mtp",
    "odd/v3-every-second-layer", "odd/qwen3-tied", "odd/gguf-v2-iq/model.gguf", "odd/gguf-v3-fused-f32/model.gguf",
    "odd/gguf-moonlight-q8_0/model.gguf"};

typedef struct opened {
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
} opened;

static opened open_bound(const char *path, int mtp, bool lazy, int threads) {
    opened o = {0};
    fm_error err;
    assert_ok(fm_store_open(path, &o.store, &err));
    assert_ok(fm_model_bind(o.store, &(fm_model_options){.pack = true, .mtp = mtp, .lazy = lazy}, &o.model, &err));
    assert_ok(fm_pool_new(threads, &o.pool, &err));
    return o;
}

static void close_all(opened *o) {
    fm_pool_free(o->pool);
    fm_model_free(o->model);
    fm_store_close(o->store);
}

static void write_panels(const char *model, const char *path, int threads) {
    fm_error err;
    opened o = open_bound(model, 9, false, threads);
    assert_ok(fm_panels_write(o.model, o.pool, path, NULL, NULL, &err));
    close_all(&o);
}

/* Every weight against one that packs itself. */
static void assert_panels(const opened *o) {
    fm_error err;
    for (size_t i = 0; i < o->model->n_bindings; i++) {
        const fm_binding *b = &o->model->bindings[i];
        fm_weight own;
        fm_weight_init(&own, "own", &b->slice);
        assert_ok(fm_weight_pack(&own, NULL, NULL, &err));
        assert_int_equal(b->weight->panels.layout, own.panels.layout);
        assert_true((b->ready != NULL) == (own.panels.layout != FM_LAYOUT_ROWS));
        if (b->ready) {
            const uint8_t *data = b->weight->panels.data, *map = o->model->panels->map.data;
            assert_true(data > map && data < map + o->model->panels->map.size);
            assert_memory_equal(data, own.panels.data, fm_weight_packed_bytes(&own));
        }
        fm_weight_clear(&own);
    }
}

static void mapped_panels_are_those_that_packing_makes(void **state) {
    (void)state;
    const char *path = scratch_path("a.panels");
    fm_error err;
    for (size_t i = 0; i < FM_COUNT(models); i++) {
        write_panels(golden_path(models[i]), path, 1 + (int)i % 3);
        for (int kind = 0; kind < 4; kind++) { /* with and without modules that guess; with all experts at once */
            int mtp = kind % 2;
            opened plain = open_bound(golden_path(models[i]), mtp, false, 1);
            assert_ok(fm_model_load(plain.model, NULL, NULL, NULL, &err));
            size_t before = fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS];
            opened o = open_bound(golden_path(models[i]), mtp, kind / 2, 2);
            uint64_t packed = fm_model_memory(o.model) - o.model->arena.total;
            assert_ok(fm_model_use_panels(o.model, path, &err));
            assert_true(fm_model_memory(o.model) == o.model->arena.total && fm_model_memory_later(o.model) == 0);
            assert_true(o.model->mapped_bytes == packed);
            assert_ok(fm_model_load(o.model, o.pool, NULL, NULL, &err));
            assert_true(o.model->load_bytes == 0);
            assert_panels(&o);
            assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_WEIGHTS], before);
            assert_true(fm_model_fingerprint(o.model) == fm_model_fingerprint(plain.model));
            assert_ok(fm_panels_check(o.model, o.pool, NULL, NULL, &err));
            close_all(&o);
            close_all(&plain);
        }
    }
}

static void any_number_of_threads_writes_the_same_file(void **state) {
    (void)state;
    const char *path = scratch_path("a.panels");
    char *first, *second;
    size_t n, m;
    fm_error err;
    write_panels(golden_path("tiny-v3-fp8"), path, 1);
    assert_ok(fm_file_read(path, SIZE_MAX / 2, &first, &n, &err));
    write_panels(golden_path("tiny-v3-fp8"), path, 4);
    assert_ok(fm_file_read(path, SIZE_MAX / 2, &second, &m, &err));
    assert_int_equal(n, m);
    assert_memory_equal(first, second, n);
    fm_free(first);
    fm_free(second);
}

static void the_file_has_a_name_beside_the_model(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"gguf/tiny-llama.q8_0.gguf", "gguf/tiny-llama.q8_0.gguf.panels"},
                                           {"tiny-v3-bf16", "tiny-v3-bf16/model.panels"}};
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_error err;
        fm_store *store;
        struct stat st;
        char model[4096];
        snprintf(model, sizeof model, "%s", golden_path(cases[i][0]));
        assert_int_equal(stat(model, &st), 0);
        assert_ok(fm_store_open(model, &store, &err));
        char *path = fm_panels_path(store);
        assert_string_equal(path, golden_path(cases[i][1]));
        fm_free(path);
        fm_store_close(store);
    }
}

/* ---- what does not fit -------------------------------------------------------------------------- */

static const char QUANTISED[] = "gguf/tiny-v2-lite.q8_0.gguf";

static void put_file(const char *path, const char *bytes, size_t n, const struct timespec *time) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    const struct timespec times[2] = {*time, *time};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* It is not used, the sentence has these words, and the model packs instead. */
static void assert_not_used(const char *model, const char *panels, fm_status wanted, const char *words) {
    fm_error err = {0};
    opened o = open_bound(model, 1, false, 2);
    uint64_t packed = fm_model_memory(o.model);
    assert_int_equal(fm_model_use_panels(o.model, panels, &err), wanted);
    if (!strstr(err.message, words) || !strstr(err.message, ".panels: ")) fail_msg("'%s'", err.message);
    assert_null(o.model->panels);
    assert_true(o.model->mapped_bytes == 0 && fm_model_memory(o.model) == packed);
    assert_ok(fm_model_load(o.model, o.pool, NULL, NULL, &err));
    assert_true(o.model->load_bytes > 0);
    close_all(&o);
}

static void panels_of_other_files_are_not_used(void **state) {
    (void)state;
    const struct timespec then = {1700000000, 5}, later = {1700000000, 6};
    const char *model = scratch_path("model.gguf"), *panels = scratch_path("model.gguf.panels");
    char *bytes;
    size_t n;
    fm_error err;
    assert_ok(fm_file_read(golden_path(QUANTISED), SIZE_MAX / 2, &bytes, &n, &err));
    put_file(model, bytes, n, &then);
    write_panels(model, panels, 2);
    put_file(model, bytes, n, &later); /* perhaps the same, but who knows */
    assert_not_used(model, panels, FM_ERR_FORMAT, "other files");
    put_file(model, bytes, n, &then);
    opened o = open_bound(model, 1, false, 1);
    assert_ok(fm_model_use_panels(o.model, panels, &err));
    const fm_binding *first = &o.model->bindings[0]; /* somewhere in a row that is looked at */
    size_t at = first->entry->offset + first->slice.row_bytes / 2;
    close_all(&o);
    bytes[at] ^= 1; /* another model, of the same size, that claims to be as old */
    put_file(model, bytes, n, &then);
    assert_not_used(model, panels, FM_ERR_FORMAT, "other weights");
    bytes[at] ^= 1;
    put_file(model, bytes, n, &then);
    assert_int_equal(truncate(panels, 5000), 0);
    assert_not_used(model, panels, FM_ERR_FORMAT, "cut short");
    assert_not_used(model, scratch_path("absent.panels"), FM_ERR_IO, "");
    fm_free(bytes);
}

static void panels_of_another_model_are_not_used(void **state) {
    (void)state;
    const struct timespec then = {1700000000, 0};
    const char *panels = scratch_path("model.gguf.panels");
    char *bytes[2];
    size_t n[2], most;
    fm_error err;
    assert_ok(fm_file_read(golden_path(QUANTISED), SIZE_MAX / 2, &bytes[0], &n[0], &err));
    assert_ok(fm_file_read(golden_path("gguf/tiny-llama.q8_0.gguf"), SIZE_MAX / 2, &bytes[1], &n[1], &err));
    most = n[0] > n[1] ? n[0] : n[1];
    for (int i = 0; i < 2; i++) { /* as long as each other: more may lie behind the tensors */
        char *longer = calloc(1, most);
        memcpy(longer, bytes[i], n[i]);
        put_file(scratch_path(i ? "b.gguf" : "a.gguf"), longer, most, &then);
        free(longer);
        fm_free(bytes[i]);
    }
    write_panels(scratch_path("a.gguf"), panels, 1);
    assert_not_used(scratch_path("b.gguf"), panels, FM_ERR_FORMAT, "no panels of");
}

static void a_damaged_matrix_is_found_by_checking(void **state) {
    (void)state;
    const char *panels = scratch_path("a.panels");
    fm_error err = {0};
    write_panels(golden_path("tiny-v3"), panels, 2);
    FILE *f = fopen(panels, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 4096 + 12345, SEEK_SET), 0);
    int byte = fgetc(f);
    assert_int_equal(fseek(f, -1, SEEK_CUR), 0);
    fputc(~byte, f);
    assert_int_equal(fclose(f), 0);
    opened o = open_bound(golden_path("tiny-v3"), 1, false, 2);
    assert_ok(fm_model_use_panels(o.model, panels, &err));
    assert_int_equal(fm_panels_check(o.model, o.pool, NULL, NULL, &err), FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "damaged"));
    close_all(&o);
}

/* The system is asked for what loading will touch before it is touched, which would be the end of the process. */
static void panels_that_are_cut_while_they_are_opened_are_an_error_of_loading(void **state) {
    (void)state;
    const char *panels = scratch_path("short.panels");
    fm_error err = {0};
    write_panels(golden_path("tiny-v3"), panels, 2);
    opened o = open_bound(golden_path("tiny-v3"), 1, false, 2);
    assert_ok(fm_model_use_panels(o.model, panels, &err));
    const fm_map *map = &o.model->panels->map;
    assert_int_equal(truncate(panels, 4096), 0);
    if (fm_map_populate(map, map->size - 1, 1, &err) == FM_OK)
        skip_because("the kernel is older than 5.14 and cannot populate a mapping");
    assert_int_equal(fm_model_load(o.model, o.pool, NULL, NULL, &err), FM_ERR_IO);
    bool says = strstr(err.message, "the file of panels: ") && strstr(err.message, "shortened");
    if (!says) fail_msg("'%s'", err.message);
    close_all(&o);
}

/* ---- what can go wrong --------------------------------------------------------------------------- */

static void failed_allocations_leave_nothing_behind(void **state) {
    (void)state;
    const char *model = golden_path(QUANTISED), *path = scratch_path("failing.panels");
    fm_mem_stats before = fm_mem_statistics();
    for (int using = 0; using < 2; using++)
        for (int64_t k = 0, done = 0; !done; k++) {
            fm_error err = {0};
            opened o = open_bound(model, 1, true, 2);
            if (!using) o.model->options.lazy = false;
            fm_mem_fail_from(k);
            fm_status status = using ? fm_model_use_panels(o.model, path, &err)
                                     : fm_panels_write(o.model, o.pool, path, NULL, NULL, &err);
            if (using && status == FM_OK) status = fm_model_load(o.model, o.pool, NULL, NULL, &err);
            fm_mem_fail_from(-1);
            done = status == FM_OK;
            if (!done) assert_int_equal(status, FM_ERR_MEMORY);
            if (!done) assert_non_null(strstr(err.message, "memory"));
            if (!using) assert_int_equal(access(path, F_OK) == 0, done);
            close_all(&o);
            for (int i = 0; i < FM_MEM_PURPOSES; i++)
                assert_int_equal(fm_mem_statistics().live_bytes[i], before.live_bytes[i]);
        }
}

static bool forward(void *context, double fraction) {
    double *last = context;
    assert_true(fraction >= last[0] && fraction <= 1);
    last[0] = fraction;
    return fraction < last[1];
}

static void progress_goes_forward_and_may_cancel(void **state) {
    (void)state;
    const char *model = golden_path("tiny-v3"), *path = scratch_path("cancelled.panels");
    fm_error err;
    opened o = open_bound(model, 1, false, 2);
    assert_int_equal(fm_panels_write(o.model, o.pool, path, forward, (double[]){0, 0}, &err), FM_ERR_CANCELLED);
    assert_int_not_equal(access(path, F_OK), 0);
    double last[] = {0, 2};
    assert_ok(fm_panels_write(o.model, o.pool, path, forward, last, &err));
    assert_true(last[0] == 1);
    close_all(&o);
    o = open_bound(model, 1, false, 2);
    assert_ok(fm_model_use_panels(o.model, path, &err));
    last[0] = 0;
    assert_ok(fm_model_load(o.model, o.pool, forward, last, &err));
    assert_true(last[0] == 1);
    close_all(&o);
    o = open_bound(model, 1, false, 2);
    assert_ok(fm_model_use_panels(o.model, path, &err));
    assert_int_equal(fm_model_load(o.model, o.pool, forward, (double[]){0, 0}, &err), FM_ERR_CANCELLED);
    close_all(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mapped_panels_are_those_that_packing_makes),
        cmocka_unit_test(any_number_of_threads_writes_the_same_file),
        cmocka_unit_test(the_file_has_a_name_beside_the_model),
        cmocka_unit_test(panels_of_other_files_are_not_used),
        cmocka_unit_test(panels_of_another_model_are_not_used),
        cmocka_unit_test(a_damaged_matrix_is_found_by_checking),
        cmocka_unit_test(panels_that_are_cut_while_they_are_opened_are_an_error_of_loading),
        cmocka_unit_test(failed_allocations_leave_nothing_behind),
        cmocka_unit_test(progress_goes_forward_and_may_cancel),
    };
    return cmocka_run_group_tests_name("panels", tests, NULL, NULL);
}

/* test_panel_file.c: panels in a file: what was put in comes out, and no damage gets by. */
#include "kernel_support.h"

#include "base/file.h"
#include "base/hash.h"
#include "pack/panel_file.h"

#include <sys/stat.h>

/* ---- the version ------------------------------------------------------------------------------- */

/* If this fails, files of panels from before your change would be taken for what they no longer are: raise
 * FM_PANEL_VERSION, and only then write down the new number. */
static void panels_of_this_version_are_as_they_were(void **state) {
    (void)state;
    static const struct { int version; uint64_t hash; } known = {2, 0x63668b2ea6ffe2e3u};
    uint64_t hash = 0;
    dice d = {.seed = 11};
    fm_error err;
    for (int dtype = 0; dtype < FM_DTYPE_COUNT; dtype++) {
        if (fm_layout_for(&(fm_tensor){.dtype = (fm_dtype)dtype}) == FM_LAYOUT_ROWS) continue;
        int block = fm_dtype_get((fm_dtype)dtype)->block_elements;
        random_tensor r = roll_tensor(&d, (fm_dtype)dtype, 16 * 3 + 5, block == 1 ? 333 : 3 * block,
                                      dtype == FM_DTYPE_F8_E4M3);
        fm_weight w;
        fm_weight_init(&w, fm_dtype_get((fm_dtype)dtype)->name, &r.t);
        assert_ok(fm_weight_pack(&w, NULL, NULL, &err));
        hash = fm_hash(w.panels.data, fm_weight_packed_bytes(&w), hash ^ fm_panel_key(&w, 32));
        fm_weight_clear(&w);
        free_tensor(&r);
    }
    assert_int_equal(FM_PANEL_VERSION, known.version);
    if (hash != known.hash) fail_msg("the hash is 0x%016llx", (unsigned long long)hash);
}

/* ---- files ------------------------------------------------------------------------------------- */

enum { MATRICES = 90, SOURCE = 0x1234 };

static fm_panel_entry entries[MATRICES];

static uint8_t *make_panels(size_t *bytes) {
    dice d = {.seed = 5};
    *bytes = 0;
    for (size_t i = 0; i < MATRICES; i++) {
        entries[i] = (fm_panel_entry){.key = roll(&d), .bytes = 64 * (uint64_t)roll_below(&d, 20), .sample = roll(&d)};
        *bytes += entries[i].bytes;
    }
    uint8_t *panels = malloc(*bytes);
    for (size_t i = 0; i < *bytes; i++) panels[i] = (uint8_t)roll(&d);
    return panels;
}

/* In groups of `together`. */
static fm_status write_file(const char *path, const uint8_t *panels, size_t together, fm_pool *pool, fm_error *err) {
    fm_panel_writer w;
    FM_TRY(fm_panel_writer_open(&w, path, SOURCE, entries, MATRICES, err));
    for (size_t i = 0; i < MATRICES; i += together) {
        size_t n = MATRICES - i < together ? MATRICES - i : together;
        fm_status status = fm_panel_writer_put(&w, panels + (entries[i].offset - entries[0].offset), n, pool, err);
        if (status == FM_OK) continue;
        fm_panel_writer_abort(&w);
        return status;
    }
    return fm_panel_writer_commit(&w, err);
}

static uint8_t *bytes_of(const char *path, size_t *n) {
    fm_error err;
    char *bytes;
    assert_ok(fm_file_read(path, SIZE_MAX / 2, &bytes, n, &err));
    return (uint8_t *)bytes;
}

static void put_file(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void what_was_put_in_comes_out(void **state) {
    (void)state;
    size_t bytes, n[2];
    uint8_t *panels = make_panels(&bytes), *whole[2];
    const char *path = scratch_path("a.panels");
    fm_error err;
    fm_pool *pool;
    fm_panel_file f;
    assert_ok(fm_pool_new(3, &pool, &err));
    for (int i = 0; i < 2; i++) {
        assert_ok(write_file(path, panels, i ? 7 : MATRICES, i ? pool : NULL, &err));
        whole[i] = bytes_of(path, &n[i]);
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(whole[0], whole[1], n[0]);
    assert_ok(fm_panel_file_open(path, &f, &err));
    assert_true(f.source == SOURCE && f.n == MATRICES && f.end - f.begin == bytes);
    const uint8_t *at = panels;
    for (size_t i = 0; i < MATRICES; at += entries[i++].bytes) {
        assert_true(f.entries[i].key == entries[i].key && f.entries[i].sample == entries[i].sample);
        assert_int_equal(f.entries[i].bytes, entries[i].bytes);
        assert_int_equal((uintptr_t)fm_panel_file_at(&f, &f.entries[i]) % 64, 0);
        assert_memory_equal(fm_panel_file_at(&f, &f.entries[i]), at, entries[i].bytes);
    }
    assert_ok(fm_panel_file_check(&f, NULL, NULL, NULL, &err));
    assert_ok(fm_panel_file_check(&f, pool, NULL, NULL, &err));
    fm_panel_file_close(&f);
    fm_pool_free(pool);
    for (int i = 0; i < 2; i++) fm_free(whole[i]);
    free(panels);
}

/* A status and a sentence with the file's name. */
static void assert_refused(const char *path, fm_status wanted) {
    fm_error err = {0};
    fm_panel_file f;
    fm_status status = fm_panel_file_open(path, &f, &err);
    if (status == FM_OK) fail_msg("it was opened");
    assert_true(status == wanted || status == FM_ERR_UNSUPPORTED); /* a bit of the version */
    assert_non_null(strstr(err.message, "bad.panels: "));
    assert_null(f.map.data);
}

static void damage_is_found_wherever_it_is(void **state) {
    (void)state;
    size_t bytes, n;
    uint8_t *panels = make_panels(&bytes);
    const char *path = scratch_path("a.panels"), *bad = scratch_path("bad.panels");
    fm_error err;
    assert_ok(write_file(path, panels, MATRICES, NULL, &err));
    uint8_t *whole = bytes_of(path, &n);
    size_t begin = 4096, end = begin + bytes;
    for (size_t i = 0; i < n; i += i < 64 || i >= end ? 1 : 997) {
        if (i >= 64 && i < begin) continue; /* zeros that mean nothing */
        fm_panel_file f;
        whole[i] ^= (uint8_t)(1 << i % 8);
        put_file(bad, whole, n);
        if (i < 64 || i >= end) {
            assert_refused(bad, FM_ERR_FORMAT);
        } else {
            assert_ok(fm_panel_file_open(bad, &f, &err));
            assert_int_equal(fm_panel_file_check(&f, NULL, NULL, NULL, &err), FM_ERR_FORMAT);
            assert_non_null(strstr(err.message, "damaged"));
            fm_panel_file_close(&f);
        }
        whole[i] ^= (uint8_t)(1 << i % 8);
    }
    fm_free(whole);
    free(panels);
}

static void a_file_of_another_length_is_refused(void **state) {
    (void)state;
    size_t bytes, n;
    uint8_t *panels = make_panels(&bytes);
    const char *path = scratch_path("a.panels"), *bad = scratch_path("bad.panels");
    fm_error err;
    assert_ok(write_file(path, panels, MATRICES, NULL, &err));
    uint8_t *whole = bytes_of(path, &n), *longer = malloc(n + 4096);
    memcpy(longer, whole, n);
    memset(longer + n, 0, 4096);
    for (size_t cut = 0; cut < n; cut += cut < 80 ? 1 : n / 50) {
        put_file(bad, whole, cut);
        assert_refused(bad, FM_ERR_FORMAT);
    }
    put_file(bad, longer, n + 1);
    assert_refused(bad, FM_ERR_FORMAT);
    put_file(bad, longer, n + 4096);
    assert_refused(bad, FM_ERR_FORMAT);
    free(longer);
    fm_free(whole);
    free(panels);
}

/* A header and a directory that are as they should be, but for one entry. */
static void write_directory(const char *path, const fm_panel_entry *list, size_t n, uint64_t panels) {
    struct {
        char magic[8];
        uint32_t version, order;
        uint64_t source, entries, panels, reserved[2], hash;
    } h = {.version = FM_PANEL_VERSION, .order = 0x01020304, .entries = n, .panels = panels};
    uint64_t hash = fm_hash(list, n * sizeof *list, 0);
    memcpy(h.magic, "fathompn", 8);
    h.hash = fm_hash(&h, sizeof h - 8, h.version);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fwrite(&h, sizeof h, 1, f);
    assert_int_equal(fseek(f, 4096 + (long)panels, SEEK_SET), 0);
    fwrite(list, sizeof *list, n, f);
    fwrite(&hash, sizeof hash, 1, f);
    assert_int_equal(fclose(f), 0);
}

static void entries_that_lie_elsewhere_are_refused(void **state) {
    (void)state;
    static const fm_panel_entry good[3] = {{1, 4096, 128, 0, 0}, {2, 4224, 64, 0, 0}, {3, 4288, 0, 0, 0}};
    const char *bad = scratch_path("bad.panels");
    fm_error err;
    fm_panel_file f;
    write_directory(bad, good, 3, 192);
    assert_ok(fm_panel_file_open(bad, &f, &err));
    fm_panel_file_close(&f);
    static const uint64_t values[] = {0, 1, 63, 64, 128, 192, 4096, 4160, 1ull << 32, UINT64_MAX - 63, UINT64_MAX};
    for (size_t i = 0; i < 3; i++)
        for (size_t v = 0; v < FM_COUNT(values); v++)
            for (int field = 0; field < 2; field++) {
                fm_panel_entry list[3];
                memcpy(list, good, sizeof list);
                uint64_t *at = field ? &list[i].bytes : &list[i].offset;
                if (*at == values[v]) continue;
                *at = values[v];
                write_directory(bad, list, 3, 192);
                assert_refused(bad, FM_ERR_FORMAT);
            }
    write_directory(bad, good, 2, 256); /* bytes that are nobody's */
    assert_refused(bad, FM_ERR_FORMAT);
}

static void what_is_no_file_of_panels_is_told_from_one_of_another_version(void **state) {
    (void)state;
    size_t bytes, n;
    uint8_t *panels = make_panels(&bytes);
    const char *path = scratch_path("a.panels"), *bad = scratch_path("bad.panels");
    fm_error err = {0};
    fm_panel_file f;
    assert_ok(write_file(path, panels, MATRICES, NULL, &err));
    uint8_t *whole = bytes_of(path, &n);
    whole[8]++; /* the version */
    put_file(bad, whole, n);
    assert_int_equal(fm_panel_file_open(bad, &f, &err), FM_ERR_UNSUPPORTED);
    char next[32];
    snprintf(next, sizeof next, "version %d ", FM_PANEL_VERSION + 1);
    assert_non_null(strstr(err.message, next));
    assert_true(fm_panel_file_recognise(bad) && fm_panel_file_recognise(path));
    put_file(bad, "GGUF and more", 13);
    assert_false(fm_panel_file_recognise(bad) || fm_panel_file_recognise(scratch_path("absent")));
    assert_int_equal(mkfifo(scratch_path("pipe"), 0600), 0);
    assert_false(fm_panel_file_recognise(scratch_path("pipe"))); /* nobody writes to it, nobody waits */
    assert_refused(bad, FM_ERR_FORMAT);
    assert_int_equal(fm_panel_file_open(scratch_path("absent"), &f, &err), FM_ERR_IO);
    fm_free(whole);
    free(panels);
}

static void failed_allocations_leave_nothing_behind(void **state) {
    (void)state;
    size_t bytes;
    uint8_t *panels = make_panels(&bytes);
    const char *path = scratch_path("failing.panels");
    size_t before = fm_mem_statistics().live_bytes[FM_MEM_OTHER];
    for (int64_t k = 0, done = 0; !done; k++) {
        fm_error err = {0};
        fm_mem_fail_from(k);
        fm_status status = write_file(path, panels, 9, NULL, &err);
        fm_mem_fail_from(-1);
        done = status == FM_OK;
        if (!done) assert_int_equal(status, FM_ERR_MEMORY);
        assert_int_equal(access(path, F_OK) == 0, done);
        assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_OTHER], before);
    }
    free(panels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(panels_of_this_version_are_as_they_were),
        cmocka_unit_test(what_was_put_in_comes_out),
        cmocka_unit_test(damage_is_found_wherever_it_is),
        cmocka_unit_test(a_file_of_another_length_is_refused),
        cmocka_unit_test(entries_that_lie_elsewhere_are_refused),
        cmocka_unit_test(what_is_no_file_of_panels_is_told_from_one_of_another_version),
        cmocka_unit_test(failed_allocations_leave_nothing_behind),
    };
    return cmocka_run_group_tests_name("panel_file", tests, NULL, NULL);
}

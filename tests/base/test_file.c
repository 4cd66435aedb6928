#include "support.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void assert_contents(const char *path, const char *text) {
    fm_error err;
    char *s;
    size_t n;
    assert_ok(fm_file_read(path, 1 << 20, &s, &n, &err));
    assert_int_equal(n, strlen(text));
    assert_string_equal(s, text);
    fm_free(s);
}

static int files_in(const char *folder) {
    DIR *d = opendir(folder);
    assert_non_null(d);
    int n = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static const char *fresh_folder(const char *name) {
    const char *path = scratch_path(name);
    assert_int_equal(mkdir(path, 0755), 0);
    return path;
}

static void a_map_shows_the_whole_file(void **state) {
    (void)state;
    fm_error err;
    fm_map map;
    const char *path = scratch_path("mapped");
    write_file(path, "hello");
    assert_ok(fm_map_open(path, &map, &err));
    assert_int_equal(map.size, 5);
    assert_memory_equal(map.data, "hello", 5);
    fm_map_drop(&map, 0, 5);
    fm_map_drop(&map, 3, SIZE_MAX - 1); /* outside: ignored */
    fm_map_drop(&map, SIZE_MAX, 4);
    assert_memory_equal(map.data, "hello", 5);
    fm_map_close(&map);
    assert_null(map.data);
    fm_map_close(&map);
}

static void dropped_pages_come_back_from_the_file(void **state) {
    (void)state;
    fm_error err;
    fm_map map;
    const char *path = scratch_path("large");
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 100000; i++) fwrite(&i, sizeof i, 1, f);
    fclose(f);
    assert_ok(fm_map_open(path, &map, &err));
    fm_map_drop(&map, 0, map.size);
    fm_map_drop(&map, 5000, 100000);
    for (int i = 0; i < 100000; i++) assert_memory_equal(map.data + 4 * (size_t)i, &i, 4);
    fm_map_close(&map);
}

static void an_empty_file_maps_to_nothing(void **state) {
    (void)state;
    fm_error err;
    fm_map map;
    const char *path = scratch_path("empty");
    write_file(path, "");
    assert_ok(fm_map_open(path, &map, &err));
    assert_null(map.data);
    assert_int_equal(map.size, 0);
    fm_map_close(&map);
}

static void a_range_is_read_from_the_file_and_what_is_gone_is_an_error(void **state) {
    (void)state;
    static char text[100000], out[100000];
    fm_error err;
    fm_map map;
    for (size_t i = 0; i < sizeof text - 1; i++) text[i] = (char)('a' + i * 31 % 23);
    const char *path = scratch_path("range");
    write_file(path, text);
    assert_ok(fm_map_open(path, &map, &err));
    for (size_t at = 0; at < map.size; at += 33333) {
        fm_map_forget(&map, at, 40000);
        memset(out, 0, sizeof out);
        assert_ok(fm_map_read(&map, at, map.size - at, out, &err));
        assert_memory_equal(out, text + at, map.size - at);
    }
    fm_map_forget(&map, 0, 0);
    fm_map_forget(&map, SIZE_MAX, 5); /* outside: ignored */
    assert_ok(fm_map_read(&map, map.size, 0, out, &err));
    assert_int_equal(fm_map_read(&map, 1, map.size, out, &err), FM_ERR_ARGUMENT);
    assert_int_equal(fm_map_read(&map, SIZE_MAX, 2, out, &err), FM_ERR_ARGUMENT);
    assert_int_equal(rename(path, scratch_path("renamed")), 0); /* it is still the same file */
    assert_ok(fm_map_read(&map, 5, 50, out, &err));
    assert_int_equal(truncate(scratch_path("renamed"), 60000), 0);
    assert_ok(fm_map_read(&map, 50000, 10000, out, &err));
    assert_int_equal(fm_map_read(&map, 50000, 10001, out, &err), FM_ERR_IO);
    assert_non_null(strstr(err.message, "60000"));
    fm_map_close(&map);
}

static void a_range_is_populated_and_what_is_gone_is_an_error(void **state) {
    (void)state;
    static char text[100000];
    fm_error err;
    fm_map map;
    memset(text, 'a', sizeof text - 1);
    const char *path = scratch_path("populated");
    write_file(path, text);
    assert_ok(fm_map_open(path, &map, &err));
    fm_map_huge(&map);
    for (size_t at = 0; at < map.size; at += 33333) {
        assert_ok(fm_map_populate(&map, at, map.size - at, &err));
        assert_true(fm_map_cached(&map, at));
    }
    assert_ok(fm_map_populate(&map, map.size, 0, &err));
    fm_map_cached(&map, SIZE_MAX); /* outside: nothing is touched */
    assert_int_equal(truncate(path, 20000), 0);
    assert_ok(fm_map_populate(&map, 5, 19000, &err));
    fm_status status = fm_map_populate(&map, 15000, 50000, &err); /* before Linux 5.14 the system only begins to read */
    assert_true(status == FM_OK || (status == FM_ERR_IO && strstr(err.message, "shortened")));
    fm_map_close(&map);
}

static void what_cannot_be_opened_is_named(void **state) {
    (void)state;
    fm_error err;
    fm_map map;
    char *text;
    size_t n;
    const char *missing = scratch_path("missing"), *folder = scratch_path("");
    assert_int_equal(fm_map_open(missing, &map, &err), FM_ERR_IO);
    assert_non_null(strstr(err.message, missing));
    assert_int_equal(fm_map_open(folder, &map, &err), FM_ERR_IO);
    assert_non_null(strstr(err.message, "directory"));
    assert_int_equal(fm_map_open("/dev/zero", &map, &err), FM_ERR_IO);
    assert_int_equal(fm_file_read(missing, 10, &text, &n, &err), FM_ERR_IO);
    assert_int_equal(fm_file_read(folder, 10, &text, &n, &err), FM_ERR_IO);
    assert_null(text);
}

static void reading_stops_at_the_limit(void **state) {
    (void)state;
    fm_error err;
    char *text;
    size_t n;
    const char *path = scratch_path("ten");
    write_file(path, "0123456789");
    assert_ok(fm_file_read(path, 10, &text, &n, &err));
    assert_string_equal(text, "0123456789");
    fm_free(text);
    assert_int_equal(fm_file_read(path, 9, &text, &n, &err), FM_ERR_LIMIT);
    assert_int_equal(fm_file_read("/dev/zero", 1 << 20, &text, &n, &err), FM_ERR_LIMIT);
    assert_ok(fm_file_read("/proc/self/status", 1 << 20, &text, &n, &err)); /* its size says 0 */
    assert_true(n > 100);
    fm_free(text);
}

static void no_memory_for_a_file_is_an_error(void **state) {
    (void)state;
    fm_error err;
    char *text;
    size_t n;
    for (int k = 0; k < 2; k++) {
        fm_mem_fail_from(k);
        fm_status status = fm_file_read(scratch_path("large"), 1 << 20, &text, &n, &err);
        fm_mem_fail_from(-1);
        assert_int_equal(status, FM_ERR_MEMORY);
        assert_null(text);
    }
    const char *path = scratch_path("unborn");
    for (int k = 0; k < 3; k++) {
        fm_writer *w;
        fm_mem_fail_from(k);
        fm_status status = fm_writer_open(path, &w, &err);
        fm_mem_fail_from(-1);
        assert_int_equal(status, FM_ERR_MEMORY);
        assert_null(w);
        assert_false(fm_file_exists(path));
    }
}

static void a_file_appears_only_when_it_is_complete(void **state) {
    (void)state;
    fm_error err;
    fm_writer *w;
    const char *folder = fresh_folder("complete"), *path = scratch_path("complete/out");
    assert_ok(fm_writer_open(path, &w, &err));
    assert_ok(fm_writer_put(w, "first ", 6, &err));
    assert_false(fm_file_exists(path));
    assert_ok(fm_writer_put(w, "second", 6, &err));
    assert_ok(fm_writer_commit(w, &err));
    assert_contents(path, "first second");
    assert_int_equal(files_in(folder), 1);

    assert_ok(fm_writer_open(path, &w, &err));
    assert_ok(fm_writer_put(w, "never", 5, &err));
    fm_writer_abort(w);
    assert_contents(path, "first second"); /* the old one is still whole */
    assert_int_equal(files_in(folder), 1);
    fm_writer_abort(NULL);
}

static void pieces_of_every_size_arrive_in_order(void **state) {
    (void)state;
    fm_error err;
    fm_writer *w;
    const char *path = scratch_path("pieces");
    static unsigned char block[200000];
    static const size_t sizes[] = {1, 0, 65535, 65536, 65537, 3, 131072, 7, 199999, 64, 65472};
    assert_ok(fm_writer_open(path, &w, &err));
    size_t total = 0;
    for (size_t i = 0; i < FM_COUNT(sizes); i++) {
        for (size_t j = 0; j < sizes[i]; j++) block[j] = (unsigned char)((total + j) * 31 >> 3);
        assert_ok(fm_writer_put(w, block, sizes[i], &err));
        total += sizes[i];
    }
    assert_ok(fm_writer_commit(w, &err));
    fm_map map;
    assert_ok(fm_map_open(path, &map, &err));
    assert_int_equal(map.size, total);
    for (size_t i = 0; i < total; i++) assert_int_equal(map.data[i], (unsigned char)(i * 31 >> 3));
    fm_map_close(&map);
}

static void a_full_disk_leaves_nothing_half_written(void **state) {
    (void)state;
    fm_error err;
    fm_writer *w;
    const char *folder = fresh_folder("full"), *path = scratch_path("full/out");
    write_file(path, "old");
    static char block[1 << 20];
    struct rlimit old, small = {.rlim_cur = 300000, .rlim_max = RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN); /* then write fails, as on a full disk */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);

    assert_ok(fm_writer_open(path, &w, &err)); /* fails in a put */
    fm_status put = fm_writer_put(w, block, sizeof block, &err);
    fm_status again = fm_writer_put(w, "x", 1, NULL);
    fm_status commit = fm_writer_commit(w, NULL);
    int left = files_in(folder);

    fm_status first = fm_writer_open(path, &w, NULL); /* fails only in the commit */
    for (int i = 0; i < 4; i++) fm_writer_put(w, block, 65000, NULL);
    fm_status buffered = fm_writer_put(w, block, 60000, NULL);
    fm_status last = fm_writer_commit(w, NULL);

    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(put, FM_ERR_IO);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(again, FM_ERR_IO);
    assert_int_equal(commit, FM_ERR_IO);
    assert_int_equal(left, 1);
    assert_int_equal(first, FM_OK);
    assert_int_equal(buffered, FM_OK);
    assert_int_equal(last, FM_ERR_IO);
    assert_int_equal(files_in(folder), 1);
    assert_contents(path, "old");
}

static void devices_and_pipes_are_written_and_never_replaced(void **state) {
    (void)state;
    fm_error err;
    fm_writer *w;
    assert_ok(fm_writer_open("/dev/full", &w, &err));
    assert_ok(fm_writer_put(w, "x", 1, &err));
    assert_int_equal(fm_writer_commit(w, &err), FM_ERR_IO);
    assert_ok(fm_writer_open("/dev/null", &w, &err));
    assert_ok(fm_writer_put(w, "x", 1, &err));
    assert_ok(fm_writer_commit(w, &err));
    struct stat st;
    assert_true(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
    assert_true(stat("/dev/full", &st) == 0 && S_ISCHR(st.st_mode));

    const char *path = scratch_path("pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_ok(fm_writer_open(path, &w, &err));
    assert_ok(fm_writer_put(w, "through", 7, &err));
    assert_ok(fm_writer_commit(w, &err));
    char got[16] = {0};
    assert_int_equal(read(reader, got, sizeof got), 7);
    assert_string_equal(got, "through");
    close(reader);
    assert_true(stat(path, &st) == 0 && S_ISFIFO(st.st_mode));
}

static void a_link_stays_a_link_and_a_mode_stays_a_mode(void **state) {
    (void)state;
    fm_error err;
    fm_writer *w;
    const char *target = scratch_path("target"), *link = scratch_path("link");
    write_file(target, "old");
    assert_int_equal(chmod(target, 0600), 0);
    assert_int_equal(symlink("target", link), 0);
    assert_ok(fm_writer_open(link, &w, &err));
    assert_ok(fm_writer_put(w, "new", 3, &err));
    assert_ok(fm_writer_commit(w, &err));
    struct stat st;
    assert_true(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
    assert_true(stat(target, &st) == 0 && (st.st_mode & 0777) == 0600);
    assert_contents(target, "new");
}

static void a_new_file_has_the_mode_that_the_umask_leaves(void **state) {
    (void)state;
    static const mode_t masks[] = {022, 077, 002};
    for (size_t i = 0; i < FM_COUNT(masks); i++) {
        fm_error err;
        fm_writer *w;
        const char *path = scratch_path("masked");
        unlink(path);
        mode_t old = umask(masks[i]);
        fm_status opened = fm_writer_open(path, &w, &err);
        umask(old);
        assert_ok(opened);
        assert_ok(fm_writer_put(w, "x", 1, &err));
        assert_ok(fm_writer_commit(w, &err));
        struct stat st;
        assert_true(stat(path, &st) == 0);
        assert_int_equal(st.st_mode & 0777, 0666 & ~masks[i]);
    }
}

static void a_pipe_is_not_waited_for_when_a_map_is_asked_for(void **state) {
    (void)state;
    fm_error err;
    fm_map map;
    const char *path = scratch_path("nobody-writes");
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(20); /* or this would hang */
    assert_int_equal(fm_map_open(path, &map, &err), FM_ERR_IO);
    alarm(0);
    assert_non_null(strstr(err.message, "not a regular file"));
}

static void impossible_places_are_refused(void **state) {
    (void)state;
    fm_error err;
    fm_writer *w;
    assert_int_equal(fm_writer_open(scratch_path("no/such/folder"), &w, &err), FM_ERR_IO);
    assert_int_equal(fm_writer_open(scratch_path(""), &w, &err), FM_ERR_IO);
    assert_non_null(strstr(err.message, "directory"));
    /* No user, root neither, may create files there. */
    assert_int_equal(fm_writer_open("/proc/fathom", &w, &err), FM_ERR_IO);
    assert_non_null(strstr(err.message, "/proc/fathom"));
    assert_null(w);
}

static void folders_are_made_for_a_path_but_for_its_last_part(void **state) {
    (void)state;
    fm_error err;
    char path[600], *scratch = strdup(scratch_path("made"));
    snprintf(path, sizeof path, "%s/a//b/c/", scratch);
    for (int twice = 0; twice < 2; twice++) assert_ok(fm_folder_make_for(path, &err));
    assert_false(fm_file_exists(path));
    snprintf(path, sizeof path, "%s/a/b", scratch);
    assert_true(fm_is_directory(path));
    assert_ok(fm_folder_make_for("here", &err));
    assert_ok(fm_folder_make_for("/", &err));
    assert_ok(fm_folder_make_for("", &err));
    assert_int_equal(fm_folder_make_for("/proc/nowhere/x", &err), FM_ERR_IO);
    assert_non_null(strstr(err.message, "/proc/nowhere"));
    free(scratch);
}

static void paths_join_with_one_slash(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}};
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        char *p = fm_path_join(cases[i][0], cases[i][1]);
        assert_string_equal(p, cases[i][2]);
        fm_free(p);
    }
    assert_true(fm_is_directory(scratch_path("")));
    assert_false(fm_is_directory(scratch_path("mapped")));
    assert_true(fm_file_exists(scratch_path("mapped")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_shows_the_whole_file),
        cmocka_unit_test(dropped_pages_come_back_from_the_file),
        cmocka_unit_test(an_empty_file_maps_to_nothing),
        cmocka_unit_test(a_range_is_read_from_the_file_and_what_is_gone_is_an_error),
        cmocka_unit_test(a_range_is_populated_and_what_is_gone_is_an_error),
        cmocka_unit_test(what_cannot_be_opened_is_named),
        cmocka_unit_test(reading_stops_at_the_limit),
        cmocka_unit_test(no_memory_for_a_file_is_an_error),
        cmocka_unit_test(a_file_appears_only_when_it_is_complete),
        cmocka_unit_test(pieces_of_every_size_arrive_in_order),
        cmocka_unit_test(a_full_disk_leaves_nothing_half_written),
        cmocka_unit_test(devices_and_pipes_are_written_and_never_replaced),
        cmocka_unit_test(a_link_stays_a_link_and_a_mode_stays_a_mode),
        cmocka_unit_test(a_new_file_has_the_mode_that_the_umask_leaves),
        cmocka_unit_test(a_pipe_is_not_waited_for_when_a_map_is_asked_for),
        cmocka_unit_test(impossible_places_are_refused),
        cmocka_unit_test(folders_are_made_for_a_path_but_for_its_last_part),
        cmocka_unit_test(paths_join_with_one_slash),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}

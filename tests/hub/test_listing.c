/* Listings of repositories: read, remembered in a folder, and chosen from; memory that runs out. */
#include "base/file.h"
#include "base/mem.h"
#include "hub/choose.h"
#include "hub/manifest.h"
#include "hub/pull.h"
#include "support.h"

#include <sys/stat.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define BLOB "89abcdef0123456789abcdef0123456789abcdef"
#define SHA256 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const char listing_json[] =
    "{\"sha\": \"" COMMIT "\", \"siblings\": ["
    "{\"rfilename\": \"tokenizer.json\", \"size\": 3, \"blobId\": \"" BLOB "\"},"
    "{\"rfilename\": \"model.safetensors\", \"size\": 5, \"lfs\": {\"sha256\": \"" SHA256 "\"}},"
    "{\"rfilename\": \"m-Q4_0.gguf\", \"size\": 9, \"lfs\": {\"sha256\": \"" SHA256 "\"}},"
    "{\"rfilename\": \"README.md\", \"size\": 1},"
    "{\"rfilename\": \"config.json\", \"size\": 2, \"blobId\": \"no id\"}]}";

static fm_listing read_listing(void) {
    fm_listing l;
    fm_error err;
    assert_ok(fm_listing_parse(listing_json, sizeof listing_json - 1, &l, &err));
    return l;
}

static void a_listing_holds_the_kinds_that_a_model_needs_by_name(void **state) {
    (void)state;
    fm_listing l = read_listing();
    assert_string_equal(l.commit, COMMIT);
    assert_int_equal(l.n, 4);
    const fm_hub_file *weights = fm_listing_find(&l, "model.safetensors");
    const fm_hub_file *tokenizer = fm_listing_find(&l, "tokenizer.json");
    const fm_hub_file *config = fm_listing_find(&l, "config.json");
    assert_true(weights && tokenizer && config);
    assert_null(fm_listing_find(&l, "README.md"));
    assert_true(weights->has_sha256 && weights->size == 5);
    assert_string_equal(weights->id, SHA256);
    assert_true(!tokenizer->has_sha256);
    assert_string_equal(tokenizer->id, BLOB);
    assert_string_equal(config->id, ""); /* not 40 digits: no id */
    fm_listing_clear(&l);
    assert_null(fm_listing_find(&l, "config.json"));
}

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void a_folder_remembers_what_lies_in_it_and_looks_again(void **state) {
    (void)state;
    const char *folder = scratch_path("folder");
    fm_error err;
    fm_listing l = read_listing(), again;
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_ok(fm_manifest_read(folder, &again, &err));
    assert_int_equal(again.n, 0);
    for (size_t i = 0; i < l.n; i++) l.files[i].here = true;
    assert_ok(fm_manifest_write(folder, "a/b", "main", &l, &err));
    write_file(scratch_path("folder/config.json"), "{}");
    write_file(scratch_path("folder/model.safetensors"), "four");
    assert_ok(fm_manifest_read(folder, &again, &err));
    assert_int_equal(again.n, l.n);
    for (size_t i = 0; i < l.n; i++) {
        assert_string_equal(again.files[i].name, l.files[i].name);
        assert_string_equal(again.files[i].id, l.files[i].id);
        assert_int_equal(again.files[i].size, l.files[i].size);
        assert_int_equal(again.files[i].has_sha256, l.files[i].has_sha256);
        /* the others are gone, or of another size than they had */
        assert_int_equal(again.files[i].here, strcmp(l.files[i].name, "config.json") == 0);
    }
    fm_listing_clear(&again);
    fm_listing_clear(&l);
}

static void only_the_same_content_is_carried_to_another_listing(void **state) {
    (void)state;
    fm_listing old = read_listing(), fresh = read_listing();
    for (size_t i = 0; i < old.n; i++) old.files[i].here = true;
    fm_listing_find(&fresh, "tokenizer.json")->id = "another";
    fm_listing_find(&fresh, "m-Q4_0.gguf")->size++;
    fm_manifest_carry(&old, &fresh);
    assert_true(fm_listing_find(&fresh, "model.safetensors")->here);
    assert_false(fm_listing_find(&fresh, "tokenizer.json")->here);
    assert_false(fm_listing_find(&fresh, "m-Q4_0.gguf")->here);
    assert_false(fm_listing_find(&fresh, "config.json")->here); /* without an id nobody knows */
    fm_listing_clear(&old);
    fm_listing_clear(&fresh);
}

static size_t live_bytes(void) {
    size_t all = 0;
    fm_mem_stats s = fm_mem_statistics();
    for (int i = 0; i < FM_MEM_PURPOSES; i++) all += s.live_bytes[i];
    return all;
}

/* ROOT/a/b with every file of the listing. */
static const char *filled_root(void) {
    static const struct { const char *name, *text; } files[] = {
        {"root/a/b/config.json", "{}"}, {"root/a/b/tokenizer.json", "{ }"},
        {"root/a/b/model.safetensors", "fives"}, {"root/a/b/m-Q4_0.gguf", "nine byte"}};
    fm_error err;
    fm_listing l = read_listing();
    mkdir(scratch_path("root"), 0755);
    mkdir(scratch_path("root/a"), 0755);
    mkdir(scratch_path("root/a/b"), 0755);
    for (size_t i = 0; i < FM_COUNT(files); i++) write_file(scratch_path(files[i].name), files[i].text);
    for (size_t i = 0; i < l.n; i++) l.files[i].here = true;
    assert_ok(fm_manifest_write(scratch_path("root/a/b"), "a/b", "main", &l, &err));
    fm_listing_clear(&l);
    return scratch_path("root");
}

static void a_pulled_name_is_its_folder_or_its_file(void **state) {
    (void)state;
    char root[4096], *path;
    snprintf(root, sizeof root, "%s", filled_root());
    fm_error err;
    assert_ok(fm_pulled_path("a/b", root, &path, &err));
    assert_string_equal(path, scratch_path("root/a/b"));
    fm_free(path);
    assert_ok(fm_pulled_path("a/b:q4_0", root, &path, &err));
    assert_string_equal(path, scratch_path("root/a/b/m-Q4_0.gguf"));
    fm_free(path);
    assert_int_equal(fm_pulled_path("a/b:Q8_0", root, &path, &err), FM_ERR_ARGUMENT);
    assert_int_equal(fm_pulled_path("a/c", root, &path, &err), FM_ERR_IO);
    assert_null(path);
}

static void memory_that_runs_out_is_told_and_given_back(void **state) {
    (void)state;
    char root[4096], *path;
    snprintf(root, sizeof root, "%s", filled_root());
    size_t before = live_bytes();
    for (int64_t k = 0;; k++) {
        fm_error err;
        fm_mem_fail_from(k);
        fm_status status = fm_pulled_path("a/b", root, &path, &err);
        fm_mem_fail_from(-1);
        if (status == FM_OK) {
            assert_true(k >= 5);
            fm_free(path);
            assert_int_equal(live_bytes(), before);
            return;
        }
        if (status != FM_ERR_MEMORY) fail_msg("%d: %s", (int)k, err.message);
        assert_null(path);
        assert_int_equal(live_bytes(), before);
    }
}

static void writing_a_manifest_survives_it_too(void **state) {
    (void)state;
    const char *folder = scratch_path("again");
    mkdir(folder, 0755);
    fm_listing l = read_listing();
    size_t before = live_bytes();
    fm_status status = FM_ERR_MEMORY;
    for (int64_t k = 0; status != FM_OK; k++) {
        fm_error err;
        fm_mem_fail_from(k);
        status = fm_manifest_write(folder, "a/b", "main", &l, &err);
        fm_mem_fail_from(-1);
        assert_true(status == FM_OK || status == FM_ERR_MEMORY);
        assert_int_equal(live_bytes(), before);
        assert_int_equal(fm_file_size(folder, FM_MANIFEST) >= 0, status == FM_OK);
    }
    fm_listing_clear(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listing_holds_the_kinds_that_a_model_needs_by_name),
        cmocka_unit_test(a_folder_remembers_what_lies_in_it_and_looks_again),
        cmocka_unit_test(only_the_same_content_is_carried_to_another_listing),
        cmocka_unit_test(a_pulled_name_is_its_folder_or_its_file),
        cmocka_unit_test(memory_that_runs_out_is_told_and_given_back),
        cmocka_unit_test(writing_a_manifest_survives_it_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

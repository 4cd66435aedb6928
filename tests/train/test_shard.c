/* Shards: what is written is read, and whatever happened to a file is found. */
#include "data_support.h"

#include "base/mem.h"

#include <sys/resource.h>
#include <signal.h>

static const int lengths[] = {5, 1, 700, 64, 2};

static void write_one(const char *path, int64_t vocabulary, bool masked, uint64_t *contents) {
    fm_error err;
    made_source s = {"a", -1, lengths, FM_COUNT(lengths), 1, masked};
    fm_shard_writer w = {.vocabulary = vocabulary, .vocabulary_hash = VOCABULARY_HASH};
    for (int d = 0; d < s.n; d++) made_document(&w, &s, 0, d);
    assert_ok(fm_shard_finish(&w, path, contents, &err));
    assert_int_equal(w.n_documents, 0); /* ready for the next one */
}

static void check_round_trip(int64_t vocabulary, int width, bool masked) {
    fm_error err;
    fm_shard s;
    uint64_t contents;
    made_source made = {"a", -1, lengths, FM_COUNT(lengths), 1, masked};
    write_one(scratch_path("round"), vocabulary, masked, &contents);
    assert_ok(fm_shard_open(scratch_path("round"), &s, &err));
    assert_ok(fm_shard_verify(&s, &err));
    assert_int_equal(s.width, width);
    assert_int_equal(s.vocabulary, vocabulary);
    assert_int_equal(s.n_documents, FM_COUNT(lengths));
    assert_int_equal(s.n_tokens, 772);
    assert_true(s.contents == contents && s.vocabulary_hash == VOCABULARY_HASH);
    assert_int_equal(s.mask != NULL, masked);
    for (int d = 0; d < (int)FM_COUNT(lengths); d++) {
        int32_t ids[700];
        int from = lengths[d] / 3;
        assert_int_equal(s.index[d].length, lengths[d]);
        assert_ok(fm_shard_copy(&s, d, from, lengths[d] - from, ids, &err));
        for (int i = from; i < lengths[d]; i++) {
            assert_int_equal(ids[i - from], made_id(0, d, i));
            assert_int_equal(fm_shard_learnt(&s, d, i), made_learnt(&made, i));
        }
    }
    fm_shard_close(&s);
}

static void what_is_written_is_read_again_in_both_widths(void **state) {
    (void)state;
    check_round_trip(VOCABULARY, 2, false);
    check_round_trip(65536, 2, true);
    check_round_trip(65537, 4, false);
    check_round_trip(129280, 4, true);
}

static void a_shard_without_documents_is_one(void **state) {
    (void)state;
    fm_error err;
    fm_shard s;
    fm_shard_writer w = {.vocabulary = 300};
    assert_ok(fm_shard_finish(&w, scratch_path("none"), NULL, &err));
    assert_ok(fm_shard_open(scratch_path("none"), &s, &err));
    assert_ok(fm_shard_verify(&s, &err));
    assert_int_equal(s.n_documents, 0);
    fm_shard_close(&s);
}

static void a_mask_of_only_ones_is_not_written(void **state) {
    (void)state;
    fm_error err;
    fm_shard s;
    fm_shard_writer w = {.vocabulary = 300};
    fm_shard_add(&w, 0, (int32_t[]){1, 2, 3}, (uint8_t[]){1, 1, 1}, 3);
    assert_ok(fm_shard_finish(&w, scratch_path("ones"), NULL, &err));
    assert_ok(fm_shard_open(scratch_path("ones"), &s, &err));
    assert_null(s.mask);
    fm_shard_close(&s);
}

static void put_file(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void a_file_cut_at_any_length_is_refused(void **state) {
    (void)state;
    fm_error err;
    char *bytes;
    size_t n;
    write_one(scratch_path("whole"), VOCABULARY, true, NULL);
    assert_ok(fm_file_read(scratch_path("whole"), 1 << 20, &bytes, &n, &err));
    for (size_t cut = 0; cut < n; cut++) {
        fm_shard s;
        put_file(scratch_path("cut"), bytes, cut);
        assert_int_equal(fm_shard_open(scratch_path("cut"), &s, &err), FM_ERR_FORMAT);
        assert_non_null(strstr(err.message, "cut short"));
    }
    fm_free(bytes);
}

static void every_byte_that_is_turned_is_found(void **state) {
    (void)state;
    fm_error err;
    char *bytes;
    size_t n;
    write_one(scratch_path("whole"), VOCABULARY, true, NULL);
    assert_ok(fm_file_read(scratch_path("whole"), 1 << 20, &bytes, &n, &err));
    for (size_t at = 0; at < n; at++) {
        fm_shard s;
        bytes[at] ^= 0x20;
        put_file(scratch_path("turned"), bytes, n);
        fm_status status = fm_shard_open(scratch_path("turned"), &s, &err);
        if (at < 128) assert_int_not_equal(status, FM_OK);
        if (status == FM_OK) assert_int_equal(fm_shard_verify(&s, &err), FM_ERR_FORMAT);
        fm_shard_close(&s);
        bytes[at] ^= 0x20;
    }
    fm_free(bytes);
}

static void an_id_outside_the_vocabulary_is_found_when_it_is_read(void **state) {
    (void)state;
    fm_error err;
    fm_shard s;
    int32_t ids[2];
    fm_shard_writer w = {.vocabulary = 300};
    fm_shard_add(&w, 0, (int32_t[]){299, 300}, NULL, 2);
    assert_ok(fm_shard_finish(&w, scratch_path("outside"), NULL, &err));
    assert_ok(fm_shard_open(scratch_path("outside"), &s, &err));
    assert_ok(fm_shard_copy(&s, 0, 0, 1, ids, &err));
    assert_int_equal(fm_shard_copy(&s, 0, 0, 2, ids, &err), FM_ERR_FORMAT);
    fm_shard_close(&s);
}

static void other_files_are_refused_in_words(void **state) {
    (void)state;
    fm_error err;
    fm_shard s;
    char text[200];
    memset(text, 'x', sizeof text);
    put_file(scratch_path("text"), text, sizeof text);
    assert_int_equal(fm_shard_open(scratch_path("text"), &s, &err), FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "no shard of tokens"));
    assert_int_equal(fm_shard_open(scratch_path("absent"), &s, &err), FM_ERR_IO);
}

static void a_full_disk_leaves_no_file(void **state) {
    (void)state;
    fm_error err;
    struct rlimit before, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 512;
    fm_shard_writer w = {.vocabulary = 300};
    int32_t ids[2000] = {0};
    fm_shard_add(&w, 0, ids, NULL, 2000);
    setrlimit(RLIMIT_FSIZE, &small);
    fm_status status = fm_shard_finish(&w, scratch_path("full"), NULL, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, FM_ERR_IO);
    assert_int_not_equal(access(scratch_path("full"), F_OK), 0);
    fm_shard_writer_clear(&w);
}

static void running_out_of_memory_is_said_at_the_end(void **state) {
    (void)state;
    fm_error err;
    for (int64_t k = 0; k < 12; k++) {
        fm_shard_writer w = {.vocabulary = 300};
        fm_mem_fail_from(k);
        int32_t ids[200] = {0};
        fm_shard_add(&w, 0, ids, NULL, 200);
        fm_status status = fm_shard_finish(&w, scratch_path("memory"), NULL, &err);
        fm_mem_fail_from(-1);
        assert_true(status == FM_ERR_MEMORY || (status == FM_OK && k > 3));
        fm_shard_writer_clear(&w);
    }
}

/* ---- folders of shards ---------------------------------------------------------------------------*/

static void a_dataset_checks_what_its_manifest_says(void **state) {
    (void)state;
    fm_error err;
    made_source sources[] = {{"a", -1, lengths, FM_COUNT(lengths), 2}, {"b", -1, lengths, 3, 1}};
    const char *folder = made_folder("checked");
    fm_dataset *d = made_dataset(folder, sources, 2);
    int64_t documents, tokens, local;
    fm_dataset_count(d, FM_TRAIN, &documents, &tokens);
    assert_int_equal(documents, 8);
    assert_int_equal(tokens, 772 + 706);
    assert_ok(fm_dataset_verify(d, &err));
    const fm_dataset_part *part = &d->sources[0].part[FM_TRAIN];
    assert_ptr_equal(fm_dataset_find(part, 4, &local), &part->shards[1]);
    assert_int_equal(local, 2);
    assert_ok(fm_dataset_check_vocabulary(d, VOCABULARY, VOCABULARY_HASH, &err));
    assert_int_equal(fm_dataset_check_vocabulary(d, VOCABULARY, 5, &err), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "another tokenizer"));
    fm_dataset_close(d);

    char path[4300]; /* another shard under the same name */
    snprintf(path, sizeof path, "%s/a-train-00001.tokens", folder);
    write_one(path, VOCABULARY, false, NULL);
    assert_int_equal(fm_dataset_open(folder, &d, &err), FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "a-train-00001.tokens"));
    write_one(path, 70000, false, NULL);
    assert_int_equal(fm_dataset_open(folder, &d, &err), FM_ERR_FORMAT);
    remove(path);
    assert_int_equal(fm_dataset_open(folder, &d, &err), FM_ERR_IO);
    assert_int_equal(fm_dataset_open(scratch_path(""), &d, &err), FM_ERR_IO);
    assert_non_null(strstr(err.message, "data build"));
}

static void hostile_manifests_are_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "", "[]", "{}", "{\"format\":\"fathom-data\",\"version\":2}", "{\"format\":\"fathom-data\",\"version\":1}",
#define HEAD "{\"format\":\"fathom-data\",\"version\":1,\"tokenizer\":{\"size\":300,\"hash\":\"0123456789abcdef\"}"
        HEAD "}", HEAD ",\"sources\":[]}", HEAD ",\"sources\":[{}]}", HEAD ",\"sources\":[7]}",
        HEAD ",\"sources\":[{\"name\":\"a\",\"weight\":-1}]}",
        HEAD ",\"sources\":[{\"name\":\"a\",\"weight\":1},{\"name\":\"b\"}]}",
        HEAD ",\"sources\":[{\"name\":\"a\",\"train\":{\"shards\":[{\"file\":\"../x\"}]}}]}",
        HEAD ",\"sources\":[{\"name\":\"a\",\"train\":{\"shards\":[{}]}}]}",
        "{\"format\":\"fathom-data\",\"version\":1,\"tokenizer\":{\"size\":300,\"hash\":\"0123456789abcdef\","
        "\"bos\":300}}",
        "{\"format\":\"fathom-data\",\"version\":1,\"tokenizer\":{\"size\":300,\"hash\":\"+123456789abcdef\"}}",
    };
    const char *folder = made_folder("hostile");
    for (size_t i = 0; i < FM_COUNT(texts); i++) {
        fm_error err;
        fm_dataset *d;
        char path[4300];
        snprintf(path, sizeof path, "%s/%s", folder, FM_DATASET_MANIFEST);
        put_file(path, texts[i], strlen(texts[i]));
        fm_status status = fm_dataset_open(folder, &d, &err);
        assert_true(status == FM_ERR_FORMAT || status == FM_ERR_UNSUPPORTED);
        assert_null(d);
        assert_non_null(strstr(err.message, FM_DATASET_MANIFEST));
    }
}

static void opening_a_dataset_survives_every_allocation_that_fails(void **state) {
    (void)state;
    fm_error err;
    made_source sources[] = {{"a", 1, lengths, FM_COUNT(lengths), 2}, {"b", 2, lengths, 3, 1}};
    const char *folder = made_folder("memory-set");
    fm_dataset_close(made_dataset(folder, sources, 2));
    fm_status status = FM_ERR_MEMORY;
    for (int64_t k = 0; status != FM_OK && k < 1000; k++) {
        fm_dataset *d;
        fm_mem_fail_from(k);
        status = fm_dataset_open(folder, &d, &err);
        fm_mem_fail_from(-1);
        assert_true(status == FM_OK || status == FM_ERR_MEMORY);
        fm_dataset_close(d);
    }
    assert_int_equal(status, FM_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again_in_both_widths),
        cmocka_unit_test(a_shard_without_documents_is_one),
        cmocka_unit_test(a_mask_of_only_ones_is_not_written),
        cmocka_unit_test(a_file_cut_at_any_length_is_refused),
        cmocka_unit_test(every_byte_that_is_turned_is_found),
        cmocka_unit_test(an_id_outside_the_vocabulary_is_found_when_it_is_read),
        cmocka_unit_test(other_files_are_refused_in_words),
        cmocka_unit_test(a_full_disk_leaves_no_file),
        cmocka_unit_test(running_out_of_memory_is_said_at_the_end),
        cmocka_unit_test(a_dataset_checks_what_its_manifest_says),
        cmocka_unit_test(hostile_manifests_are_refused),
        cmocka_unit_test(opening_a_dataset_survives_every_allocation_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Building data from inside: memory that runs out, being stopped, and what the loader then reads. */
#include "support.h"

#include "base/mem.h"
#include "token/learn.h"
#include "train/build.h"
#include "train/loader.h"

#include <dirent.h>
#include <math.h>

static const char text[] = "the cat sat on the mat and the cat saw that the mat sat on the cat\n";

static fm_tokenizer *make_tokenizer(void) {
    fm_error err;
    fm_learner *l;
    fm_learnt made;
    fm_buffer json = {0}, config = {0};
    fm_tokenizer *t;
    fm_learn_options o = {.vocabulary = 280, .least_count = 2};
    assert_ok(fm_learner_new(&o, &l, &err));
    assert_ok(fm_learner_add(l, &(fm_token_text){text, sizeof text - 1}, 1, &err));
    assert_ok(fm_learner_finish(l, FM_LEARN_CHAT_V3, &json, &config, &made, &err));
    assert_ok(fm_tokenizer_from_json(json.data, json.size, config.data, config.size, &t, &err));
    fm_learner_free(l);
    fm_buffer_clear(&json);
    fm_buffer_clear(&config);
    return t;
}

static void put_file(const char *name, const char *contents) {
    FILE *f = fopen(scratch_path(name), "w");
    assert_non_null(f);
    fputs(contents, f);
    fclose(f);
}

/* Names in the scratch folder that begin with this. */
static int left_behind(const char *beginning) {
    DIR *dir = opendir(scratch_path(""));
    int n = 0;
    for (struct dirent *d; (d = readdir(dir));) n += strncmp(d->d_name, beginning, strlen(beginning)) == 0;
    closedir(dir);
    return n;
}

static fm_build_options options_for(const fm_build_source *source, const fm_tokenizer *t) {
    return (fm_build_options){.sources = source, .n_sources = 1, .tokenizer = t, .style = FM_CHAT_DEEPSEEK_V3,
                              .near = 0.8, .shard = 1000};
}

static void every_allocation_may_fail_and_leaves_no_folder(void **state) {
    (void)state;
    fm_error err;
    fm_tokenizer *t = make_tokenizer();
    put_file("memory.jsonl", "{\"prompt\": \"the cat\", \"completion\": \"sat\"}\n{\"text\": \"on the mat\"}\n");
    const char *path = scratch_path("memory.jsonl");
    char out[4200];
    snprintf(out, sizeof out, "%s", scratch_path("memory-out"));
    fm_build_source source = {"a", NAN, &path, 1};
    fm_build_options o = options_for(&source, t);
    fm_status status = FM_ERR_MEMORY;
    int64_t k = 0;
    for (; status != FM_OK && k < 2000; k++) {
        fm_buffer manifest = {0};
        fm_mem_fail_from(k);
        status = fm_build(out, &o, &manifest, &err);
        fm_mem_fail_from(-1);
        assert_true(status == FM_OK || status == FM_ERR_MEMORY);
        if (status != FM_OK) assert_int_equal(left_behind("memory-out"), 0);
        fm_buffer_clear(&manifest);
    }
    assert_int_equal(status, FM_OK);
    assert_true(k > 20);
    fm_tokenizer_free(t);
}

static bool stop(void *context, double fraction) {
    (void)context, (void)fraction;
    return false;
}

static void being_stopped_leaves_no_folder(void **state) {
    (void)state;
    fm_error err;
    fm_tokenizer *t = make_tokenizer();
    put_file("stop.txt", text);
    const char *path = scratch_path("stop.txt");
    fm_build_source source = {"a", NAN, &path, 1};
    fm_build_options o = options_for(&source, t);
    fm_buffer manifest = {0};
    o.progress = stop;
    assert_int_equal(fm_build(scratch_path("stop-out"), &o, &manifest, &err), FM_ERR_CANCELLED);
    assert_int_equal(left_behind("stop-out"), 0);
    fm_buffer_clear(&manifest);
    fm_tokenizer_free(t);
}

static void the_loader_reads_what_was_built(void **state) {
    (void)state;
    fm_error err;
    fm_tokenizer *t = make_tokenizer();
    put_file("read.txt", text);
    const char *path = scratch_path("read.txt");
    fm_build_source source = {"a", NAN, &path, 1};
    fm_build_options o = options_for(&source, t);
    fm_buffer manifest = {0}, ids = {0};
    fm_dataset *d;
    fm_loader *l;
    fm_loader_step step;
    fm_batch b;
    assert_ok(fm_build(scratch_path("read-out"), &o, &manifest, &err));
    assert_ok(fm_dataset_open(scratch_path("read-out"), &d, &err));
    assert_ok(fm_dataset_verify(d, &err));
    assert_ok(fm_dataset_check_vocabulary(d, fm_tokenizer_size(t), fm_tokenizer_fingerprint(t), &err));
    assert_int_equal(d->roles.bos, 0);
    assert_int_equal(d->roles.fim_hole, 8);
    assert_ok(fm_loader_new(d, &(fm_loader_options){.context = 512, .rows = 4, .ahead = 1, .epochs = 1}, &l, &err));
    assert_ok(fm_loader_next(l, &step, &err));
    fm_loader_view(l, 0, step.n_rows, &b);
    assert_ok(fm_tokenizer_encode(t, text, sizeof text - 1, FM_ENCODE_PLAIN, &ids, &err));
    assert_int_equal(b.n_rows, ids.size / 4 + 2);
    assert_memory_equal(b.ids + 1, ids.data, ids.size);
    assert_int_equal(b.ids[0], 0);
    assert_int_equal(b.ids[b.n_rows - 1], 1);
    fm_loader_free(l);
    fm_dataset_close(d);
    fm_buffer_clear(&ids);
    fm_buffer_clear(&manifest);
    fm_tokenizer_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail_and_leaves_no_folder),
        cmocka_unit_test(being_stopped_leaves_no_folder),
        cmocka_unit_test(the_loader_reads_what_was_built),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

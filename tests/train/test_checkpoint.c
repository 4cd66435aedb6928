/* Checkpoints: whole or not there, found by looking, kept as asked; and the log that goes with them. */
#include "support.h"

#include "base/file.h"
#include "base/json.h"
#include "train/checkpoint_folder.h"
#include "train/run_log.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static fm_error err;
static float values[3000];

/* A folder of checkpoints of its own for every test. */
static const char *fresh(const char *name) {
    const char *path = scratch_path(name);
    assert_int_equal(mkdir(path, 0777), 0);
    return path;
}

static fm_status try_write(const char *folder, int64_t step, char *hash) {
    fm_checkpoint *c;
    fm_safetensors_item item = {"w", FM_DTYPE_F32, false, 1, {3000}, values};
    values[0] = (float)step;
    FM_TRY(fm_checkpoint_begin(folder, step, &c, &err));
    fm_status status = fm_checkpoint_put(c, "state.json", "{\"a\": 1}\n", 9, &err);
    if (status == FM_OK) status = fm_checkpoint_put_tensors(c, "model.safetensors", &item, 1, &err);
    if (status == FM_OK) status = fm_checkpoint_copy(c, "config.json", golden_path("tiny-v3"), &err);
    if (status == FM_OK) status = fm_checkpoint_copy(c, "not-there.json", golden_path("tiny-v3"), &err);
    if (status == FM_OK) return fm_checkpoint_commit(c, hash, &err);
    fm_checkpoint_abort(c);
    return status;
}

static void write_one(const char *folder, int64_t step) { assert_ok(try_write(folder, step, NULL)); }

static int64_t latest_step(const char *folder) {
    char *path;
    int64_t step;
    assert_ok(fm_checkpoint_latest(folder, &path, &step, NULL, NULL, &err));
    assert_int_equal(path != NULL, step >= 0);
    fm_free(path);
    return step;
}

static char *file_in(const char *folder, int64_t step, const char *file) {
    static char path[4096];
    char name[FM_CHECKPOINT_NAME];
    fm_checkpoint_name(step, name);
    snprintf(path, sizeof path, "%s/%s/%s", folder, name, file);
    return path;
}

static void a_checkpoint_holds_its_files_and_their_hashes_and_the_same_state_the_same_bytes(void **state) {
    (void)state;
    const char *a = fresh("same-a"), *b = fresh("same-b");
    char first[FM_SHA256_HEX + 1], second[FM_SHA256_HEX + 1], again[FM_SHA256_HEX + 1];
    assert_ok(try_write(a, 1200, first));
    assert_ok(try_write(b, 1200, second));
    assert_string_equal(first, second);
    assert_ok(fm_checkpoint_verify(file_in(a, 1200, ""), again, &err));
    assert_string_equal(first, again);
    assert_true(fm_file_exists(file_in(a, 1200, "config.json")));
    assert_false(fm_file_exists(file_in(a, 1200, "not-there.json")));
    assert_int_equal(latest_step(a), 1200);
    assert_int_equal(latest_step(scratch_path("no-such-folder")), -1);
    assert_ok(try_write(a, 1200, second)); /* the same step again takes its place */
    assert_string_equal(first, second);
    assert_ok(try_write(a, 1201, second));
    assert_string_not_equal(first, second);
}

static char said[FM_ERROR_MAX];
static void hear(void *context, const char *sentence) {
    ++*(int *)context;
    snprintf(said, sizeof said, "%s", sentence);
}

static void a_damaged_or_incomplete_checkpoint_is_passed_over_with_a_warning(void **state) {
    (void)state;
    const char *folder = fresh("damaged");
    for (int64_t step = 10; step <= 50; step += 10) write_one(folder, step);
    FILE *f = fopen(file_in(folder, 50, "model.safetensors"), "r+");
    fseek(f, -7, SEEK_END), fputc(1, f), fclose(f);              /* a bit */
    assert_int_equal(truncate(file_in(folder, 40, "state.json"), 3), 0); /* an end */
    assert_int_equal(unlink(file_in(folder, 30, "manifest.json")), 0);
    char *path;
    int64_t step;
    int warnings = 0;
    assert_ok(fm_checkpoint_latest(folder, &path, &step, hear, &warnings, &err));
    assert_int_equal(step, 20);
    assert_int_equal(warnings, 3);
    assert_non_null(strstr(said, "the checkpoint of step 30 is passed over"));
    fm_free(path);
    assert_int_equal(fm_checkpoint_verify(file_in(folder, 50, ""), NULL, &err), FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "model.safetensors is damaged"));
}

static void of_many_checkpoints_the_newest_the_milestones_and_the_best_stay(void **state) {
    (void)state;
    const char *folder = fresh("kept");
    for (int64_t step = 1; step <= 12; step++) write_one(folder, step);
    char left[4096];
    snprintf(left, sizeof left, "%s/.step-000000000099.tmp", folder); /* of a killed writer */
    assert_int_equal(mkdir(left, 0777), 0);
    fm_retention keep = {.newest = 2, .every = 5, .best = 3};
    assert_ok(fm_checkpoint_retain(folder, &keep, &err));
    for (int64_t step = 1; step <= 12; step++) {
        bool stays = step >= 11 || step == 5 || step == 10 || step == 3;
        assert_int_equal(fm_file_exists(file_in(folder, step, "manifest.json")), stays);
    }
    assert_false(fm_file_exists(left));
}

/* A file that may not grow any more fails like a disk that is full. */
static void a_full_disk_is_a_clear_error_that_leaves_older_checkpoints_as_they_were(void **state) {
    (void)state;
    const char *folder = fresh("full");
    write_one(folder, 1);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    for (rlim_t limit = 0; limit < 13000; limit += 600) {
        small = old;
        small.rlim_cur = limit;
        setrlimit(RLIMIT_FSIZE, &small);
        fm_status status = try_write(folder, 2, NULL);
        setrlimit(RLIMIT_FSIZE, &old);
        if (status == FM_OK) continue;
        assert_int_equal(status, FM_ERR_IO);
        assert_non_null(strstr(err.message, "cannot write "));
        assert_false(fm_file_exists(file_in(folder, 2, "")));
        assert_int_equal(latest_step(folder), 1);
    }
    char left[4096];
    snprintf(left, sizeof left, "%s/.step-000000000002.tmp", folder);
    assert_false(fm_file_exists(left));
    write_one(folder, 2); /* and when there is room again, it goes on */
    assert_int_equal(latest_step(folder), 2);
}

static void killed_at_any_moment_a_writer_leaves_only_whole_checkpoints(void **state) {
    (void)state;
    const char *folder = fresh("killed");
    write_one(folder, 0);
    for (int round = 0; round < (soaking() ? 200 : 20); round++) {
        pid_t child = fork();
        if (child == 0) {
            for (int64_t step = 1;; step++)
                if (try_write(folder, step % 50, NULL) != FM_OK) _exit(1);
        }
        usleep(1000 + 731 * (useconds_t)round % 20000);
        kill(child, SIGKILL);
        int how;
        waitpid(child, &how, 0);
        assert_true(WIFSIGNALED(how));
        char *path;
        int64_t step;
        int warnings = 0;
        assert_ok(fm_checkpoint_latest(folder, &path, &step, hear, &warnings, &err));
        assert_non_null(path);
        assert_int_equal(warnings, 0);
        fm_free(path);
    }
}

/* ---- the log -----------------------------------------------------------------------------------*/

static void log_steps(const char *path, int64_t from, int64_t to, int64_t kept, double wanted_seconds) {
    fm_run_log log;
    fm_run_spent spent;
    assert_ok(fm_run_log_open(path, kept, &log, &spent, &err));
    assert_true(spent.seconds == wanted_seconds && spent.joules == -1);
    for (int64_t step = from; step <= to; step++) {
        fm_json_writer *w = fm_run_log_event(&log, "step", step);
        fm_json_put_real(w, "seconds", 0.5 * (double)step);
        assert_ok(fm_run_log_end(&log, &err));
    }
    fm_run_log_close(&log);
}

static void a_log_goes_on_behind_the_checkpoint_and_without_its_torn_end(void **state) {
    (void)state;
    const char *path = scratch_path("log.jsonl");
    char *text;
    size_t size;
    log_steps(path, 0, 9, -1, 0);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "{\"event\": \"st", 13), 13);
    close(fd);
    log_steps(path, 10, 11, 20, 4.5); /* only the torn line went */
    log_steps(path, 8, 8, 7, 3.5);    /* steps 8 to 11 will happen again */
    assert_ok(fm_file_read(path, 1 << 20, &text, &size, &err));
    int64_t step = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), step++) {
        fm_json *root;
        assert_ok(fm_json_parse(line, strlen(line), &root, &err));
        assert_int_equal(fm_json_integer(fm_json_get(root, "step"), -1), step);
        fm_json_free(root);
    }
    assert_int_equal(step, 9);
    fm_free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_holds_its_files_and_their_hashes_and_the_same_state_the_same_bytes),
        cmocka_unit_test(a_damaged_or_incomplete_checkpoint_is_passed_over_with_a_warning),
        cmocka_unit_test(of_many_checkpoints_the_newest_the_milestones_and_the_best_stay),
        cmocka_unit_test(a_full_disk_is_a_clear_error_that_leaves_older_checkpoints_as_they_were),
        cmocka_unit_test(killed_at_any_moment_a_writer_leaves_only_whole_checkpoints),
        cmocka_unit_test(a_log_goes_on_behind_the_checkpoint_and_without_its_torn_end),
    };
    return cmocka_run_group_tests_name("train/checkpoint", tests, NULL, NULL);
}

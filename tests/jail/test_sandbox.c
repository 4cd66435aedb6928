#include "jail_support.h"

#include "base/clock.h"
#include "jail/sandbox.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define skip_without_a_jail()                                                                      \
    do {                                                                                           \
        fm_error none = {0};                                                                       \
        if (fm_sandbox_available(&none) != FM_OK) skip_because("%s", none.message);                \
    } while (0)

/* Runs a shell script in the jail. */
static fm_sandbox_result shell(const char *script, fm_sandbox_limits limits) {
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    fm_sandbox_job job = {.argv = argv, .limits = limits};
    fm_sandbox_result r;
    fm_error err = {0};
    assert_ok(fm_sandbox_run(&job, &r, &err));
    return r;
}

static void assert_says(const char *script, const char *expected) {
    fm_sandbox_result r = shell(script, (fm_sandbox_limits){0});
    assert_string_equal(fm_buffer_string(&r.output), expected);
    fm_sandbox_result_clear(&r);
}

/* ---- what works -------------------------------------------------------------------------------*/

static void output_exit_code_and_the_last_words_come_back(void **state) {
    (void)state;
    skip_without_a_jail();
    fm_sandbox_result r = shell("printf 'a\\0b'; echo first >&2; echo second >&2; exit 3", (fm_sandbox_limits){0});
    assert_int_equal(r.end, FM_SANDBOX_EXITED);
    assert_int_equal(r.exit_code, 3);
    assert_int_equal(r.output.size, 3);
    assert_memory_equal(r.output.data, "a\0b", 3);
    assert_string_equal(r.complaint, "second");
    assert_true(r.peak_bytes > 0);
    fm_sandbox_result_clear(&r);
}

static void input_and_files_are_there_and_cannot_be_changed(void **state) {
    (void)state;
    skip_without_a_jail();
    size_t n = 3 << 20; /* more than any pipe holds */
    char *bytes = malloc(n);
    for (size_t i = 0; i < n; i++) bytes[i] = (char)(i * 7);
    const char *argv[] = {"/box/count", "x", NULL};
    static const char script[] = "#!/bin/sh\nwc -c | tr -d ' '; cat /box/data; (echo y >/box/data) 2>/dev/null ||"
                                 " echo kept; (echo y >&0) 2>/dev/null; (rm /box/data) 2>/dev/null || echo there";
    fm_sandbox_job job = {.argv = argv,
                          .files = {{"count", script, sizeof script - 1}, {"data", "words\n", 6}},
                          .n_files = 2,
                          .input = bytes,
                          .input_size = n};
    fm_sandbox_result r;
    fm_error err = {0};
    assert_ok(fm_sandbox_run(&job, &r, &err));
    assert_string_equal(fm_buffer_string(&r.output), "3145728\nwords\nkept\nthere\n");
    fm_sandbox_result_clear(&r);
    free(bytes);
}

static void without_input_standard_input_is_empty(void **state) {
    (void)state;
    skip_without_a_jail();
    assert_says("wc -c | tr -d ' '", "0\n");
}

static void tmp_is_empty_and_can_be_written_and_nothing_is_left_for_the_next(void **state) {
    (void)state;
    skip_without_a_jail();
    for (int i = 0; i < 2; i++) assert_says("pwd; ls -A /tmp; echo x >file; cat file", "/tmp\nx\n");
}

static void environment_and_clock_zone_are_fixed(void **state) {
    (void)state;
    skip_without_a_jail();
    setenv("FATHOM_SECRET", "hunter2", 1);
    setenv("TZ", "Asia/Tokyo", 1);
    assert_says("env | grep -v '^_=' | sort",
                "HOME=/tmp\nLANG=C.UTF-8\nLC_ALL=C.UTF-8\nPATH=/usr/local/bin:/usr/bin:/bin\nPWD=/tmp\n"
                "PYTHONDONTWRITEBYTECODE=1\nPYTHONHASHSEED=0\nTMPDIR=/tmp\nTZ=UTC\n");
    unsetenv("FATHOM_SECRET");
    unsetenv("TZ");
}

/* ---- how it can end ---------------------------------------------------------------------------*/

static void assert_ends(const char *script, fm_sandbox_limits limits, fm_sandbox_end end) {
    double began = fm_clock_seconds();
    fm_sandbox_result r = shell(script, limits);
    if (r.end != end) fail_msg("%s: %s, not %s", script, fm_sandbox_end_name(r.end), fm_sandbox_end_name(end));
    assert_true(fm_clock_seconds() - began < 60);
    fm_sandbox_result_clear(&r);
}

static void each_end_has_its_name(void **state) {
    (void)state;
    skip_without_a_jail();
    assert_ends("exit 0", (fm_sandbox_limits){0}, FM_SANDBOX_EXITED);
    assert_ends("sh -c 'kill -SEGV $$'; exit 139", (fm_sandbox_limits){0}, FM_SANDBOX_CRASHED);
    assert_ends("while :; do :; done", (fm_sandbox_limits){.cpu_seconds = 1, .wall_seconds = 50}, FM_SANDBOX_CPU);
    assert_ends("sleep 1000", (fm_sandbox_limits){.wall_seconds = 0.3}, FM_SANDBOX_WALL);
    assert_ends("yes", (fm_sandbox_limits){0}, FM_SANDBOX_OUTPUT);
    assert_ends("yes >&2", (fm_sandbox_limits){.cpu_seconds = 50, .wall_seconds = 1}, FM_SANDBOX_WALL);
    for (int i = 0; i < FM_SANDBOX_ENDS; i++) assert_string_not_equal(fm_sandbox_end_name(i), "unknown");
}

static void an_output_that_is_too_long_is_cut_at_the_limit(void **state) {
    (void)state;
    skip_without_a_jail();
    fm_sandbox_result r = shell("yes", (fm_sandbox_limits){.output_bytes = 1001});
    assert_int_equal(r.end, FM_SANDBOX_OUTPUT);
    assert_int_equal(r.output.size, 1001);
    fm_sandbox_result_clear(&r);
    r = shell("printf 12345", (fm_sandbox_limits){.output_bytes = 5});
    assert_int_equal(r.end, FM_SANDBOX_EXITED);
    assert_int_equal(r.output.size, 5);
    fm_sandbox_result_clear(&r);
}

static void a_program_that_is_not_there_fails_like_one(void **state) {
    (void)state;
    skip_without_a_jail();
    const char *argv[] = {"/usr/bin/no-such-program", NULL};
    fm_sandbox_job job = {.argv = argv};
    fm_sandbox_result r;
    fm_error err = {0};
    assert_ok(fm_sandbox_run(&job, &r, &err));
    assert_int_equal(r.end, FM_SANDBOX_EXITED);
    assert_int_equal(r.exit_code, 127);
    fm_sandbox_result_clear(&r);
}

/* ---- what is refused --------------------------------------------------------------------------*/

static void jobs_that_cannot_be_are_refused(void **state) {
    (void)state;
    const char *argv[] = {"/bin/true", NULL}, *none[] = {NULL};
    fm_sandbox_job jobs[] = {{.argv = none},
                             {.argv = argv, .files = {{"../up", "", 0}}, .n_files = 1},
                             {.argv = argv, .files = {{"..", "", 0}}, .n_files = 1},
                             {.argv = argv, .files = {{"", "", 0}}, .n_files = 1},
                             {.argv = argv, .files = {{"a", "12", 2}}, .n_files = 1, .limits = {.file_bytes = 1}},
                             {.argv = argv, .n_files = 3}};
    for (size_t i = 0; i < FM_COUNT(jobs); i++) {
        fm_sandbox_result r;
        fm_error err = {0};
        assert_int_equal(fm_sandbox_run(&jobs[i], &r, &err), FM_ERR_ARGUMENT);
        assert_non_null(err.message[0] ? err.message : NULL);
    }
}

/* ---- what is left -----------------------------------------------------------------------------*/

static void nothing_is_left_behind(void **state) {
    (void)state;
    skip_without_a_jail();
    int files = open_files();
    size_t bytes = fm_mem_statistics().live_bytes[FM_MEM_OTHER];
    assert_says("echo one", "one\n");
    assert_ends("sleep 1000", (fm_sandbox_limits){.wall_seconds = 0.1}, FM_SANDBOX_WALL);
    assert_int_equal(open_files(), files);
    assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_OTHER], bytes);
    assert_false(children());
}

static void out_of_memory_at_any_place_is_an_error_and_leaves_nothing(void **state) {
    (void)state;
    skip_without_a_jail();
    const char *argv[] = {"/bin/echo", "a", NULL};
    fm_sandbox_job job = {.argv = argv};
    int files = open_files();
    bool done = false;
    for (int64_t k = 0; !done && k < 40; k++) {
        fm_sandbox_result r;
        fm_error err = {0};
        fm_mem_fail_from(k);
        fm_status status = fm_sandbox_run(&job, &r, &err);
        fm_mem_fail_from(-1);
        done = status == FM_OK;
        if (!done) assert_int_equal(status, FM_ERR_MEMORY);
        fm_sandbox_result_clear(&r);
        assert_int_equal(open_files(), files);
    }
    assert_true(done);
}

static void *run_some(void *failed) {
    const char *argv[] = {"/bin/sh", "-c", "read x; echo $x", NULL};
    for (int i = 0; i < 5; i++) {
        char word[32];
        int n = snprintf(word, sizeof word, "%d-%p\n", i, (void *)&i);
        fm_sandbox_job job = {.argv = argv, .input = word, .input_size = (size_t)n};
        fm_sandbox_result r;
        fm_error err = {0};
        if (fm_sandbox_run(&job, &r, &err) != FM_OK || strcmp(fm_buffer_string(&r.output), word) != 0)
            *(bool *)failed = true;
        fm_sandbox_result_clear(&r);
    }
    return NULL;
}

static void several_threads_run_jails_at_once(void **state) {
    (void)state;
    skip_without_a_jail();
    pthread_t threads[4];
    bool failed[4] = {0};
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, run_some, &failed[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_false(failed[i]);
    }
}

/* In a process of its own, since the answer is remembered. */
static void a_machine_without_bubblewrap_is_told_so(void **state) {
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        setenv("PATH", "/nonexistent", 1);
        fm_error err = {0};
        bool right = fm_sandbox_available(&err) == FM_ERR_UNSUPPORTED && strstr(err.message, "bwrap is not installed");
        _exit(right ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* So that a fault of ours is no skip. */
static void where_bubblewrap_works_the_jail_does(void **state) {
    (void)state;
    if (system("bwrap --unshare-user --unshare-pid --unshare-net --ro-bind / / true 2>/dev/null") != 0)
        skip_because("this machine has no jail for programs: bwrap does not work here");
    fm_error err = {0};
    assert_ok(fm_sandbox_available(&err));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_without_bubblewrap_is_told_so), /* first */
        cmocka_unit_test(where_bubblewrap_works_the_jail_does),
        cmocka_unit_test(output_exit_code_and_the_last_words_come_back),
        cmocka_unit_test(input_and_files_are_there_and_cannot_be_changed),
        cmocka_unit_test(without_input_standard_input_is_empty),
        cmocka_unit_test(tmp_is_empty_and_can_be_written_and_nothing_is_left_for_the_next),
        cmocka_unit_test(environment_and_clock_zone_are_fixed),
        cmocka_unit_test(each_end_has_its_name),
        cmocka_unit_test(an_output_that_is_too_long_is_cut_at_the_limit),
        cmocka_unit_test(a_program_that_is_not_there_fails_like_one),
        cmocka_unit_test(jobs_that_cannot_be_are_refused),
        cmocka_unit_test(nothing_is_left_behind),
        cmocka_unit_test(out_of_memory_at_any_place_is_an_error_and_leaves_nothing),
        cmocka_unit_test(several_threads_run_jails_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

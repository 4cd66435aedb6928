#include "jail_support.h"

#include "base/clock.h"
#include "jail/child.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs a shell script. */
static fm_status shell(const char *script, const fm_child_limits *limits, fm_child_result *result,
                       fm_error *err) {
    const char *argv[] = {"sh", "-c", script, NULL};
    fm_child_job job = {.argv = argv};
    if (limits) job.limits = *limits;
    return fm_child_run(&job, result, err);
}

static void assert_says(const char *script, const char *expected) {
    fm_child_result r;
    fm_error err = {0};
    assert_ok(shell(script, NULL, &r, &err));
    assert_string_equal(fm_buffer_string(&r.output), expected);
    fm_child_result_clear(&r);
}

/* ---- what works -------------------------------------------------------------------------------*/

static void output_and_exit_code_come_back(void **state) {
    (void)state;
    fm_child_result r;
    fm_error err = {0};
    assert_ok(shell("printf 'a\\0b'; echo first >&2; echo second >&2; exit 3", NULL, &r, &err));
    assert_int_equal(r.exit_code, 3);
    assert_int_equal(r.output.size, 3);
    assert_memory_equal(r.output.data, "a\0b", 3);
    assert_string_equal(r.complaint, "first");
    fm_child_result_clear(&r);
}

static void input_comes_from_memory_or_from_a_file(void **state) {
    (void)state;
    const char *argv[] = {"cat", NULL};
    size_t n = 3 << 20; /* more than any pipe holds */
    char *bytes = malloc(n);
    for (size_t i = 0; i < n; i++) bytes[i] = (char)(i * 7);
    fm_child_job job = {.argv = argv, .input = bytes, .input_size = n};
    fm_child_result r;
    fm_error err = {0};
    assert_ok(fm_child_run(&job, &r, &err));
    assert_int_equal(r.output.size, n);
    assert_memory_equal(r.output.data, bytes, n);
    fm_child_result_clear(&r);

    char path[] = "/tmp/fathom-child-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "from a file", 11), 11);
    close(fd);
    job = (fm_child_job){.argv = argv, .input_path = path};
    assert_ok(fm_child_run(&job, &r, &err));
    assert_string_equal(fm_buffer_string(&r.output), "from a file");
    fm_child_result_clear(&r);
    unlink(path);
    free(bytes);
}

static void without_input_standard_input_is_empty(void **state) {
    (void)state;
    assert_says("wc -c | tr -d ' \\n'", "0");
}

static void the_child_has_no_descriptors_environment_or_directory_of_ours(void **state) {
    (void)state;
    int leak = open("/dev/null", O_RDONLY); /* not close-on-exec, as a careless library would */
    assert_true(leak >= 0);
    setenv("FATHOM_SECRET", "hunter2", 1);
    assert_says("for n in 3 4 5 6 7 8 9; do (eval ': <&'$n) 2>/dev/null && echo $n; done; "
                "echo \"$FATHOM_SECRET\"; pwd; echo $HOME",
                "\n/\n/nonexistent\n");
    unsetenv("FATHOM_SECRET");
    close(leak);
}

static void signals_that_we_block_or_ignore_are_normal_in_the_child(void **state) {
    (void)state;
    sigset_t block, before;
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &block, &before);
    signal(SIGPIPE, SIG_IGN);
    /* Signals 32 and 33 (bits 31 and 32) are the C library's own: nobody can reset them, and some
     * parents of this test hand them down ignored. */
    assert_says("set -- $(grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f2);"
                "printf '%x %x' $((0x$1)) $((0x$2 & ~0x180000000))", "0 0");
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void the_child_can_gain_no_privileges(void **state) {
    (void)state;
    assert_says("grep NoNewPrivs /proc/self/status | tr -d '\\t\\n'", "NoNewPrivs:1");
}

static void an_isolated_child_sees_no_network(void **state) {
    (void)state;
    fm_child_result r;
    fm_error err = {0};
    assert_ok(shell("echo $$; tail -n +3 /proc/self/net/dev | cut -d: -f1 | grep -v '^ *lo$'", NULL,
                    &r, &err));
    bool isolated = r.isolated;
    if (isolated) assert_string_equal(fm_buffer_string(&r.output), "1\n");
    fm_child_result_clear(&r);
    if (!isolated) skip_because("the kernel allows no user namespaces here");
}

static void a_child_that_another_hand_reaps_is_an_error_and_no_endless_wait(void **state) {
    (void)state;
    fm_child_result r;
    fm_error err = {0};
    double start = fm_clock_seconds();
    signal(SIGCHLD, SIG_IGN); /* then the kernel reaps */
    fm_status status = shell("exit 3", NULL, &r, &err);
    signal(SIGCHLD, SIG_DFL);
    assert_int_equal(status, FM_ERR_IO);
    assert_non_null(strstr(err.message, "SIGCHLD"));
    assert_true(fm_clock_seconds() - start < 10);
    assert_int_equal(r.output.size, 0);
}

/* ---- limits -----------------------------------------------------------------------------------*/

static void a_child_that_sleeps_is_stopped_at_its_time(void **state) {
    (void)state;
    fm_child_limits limits = {.wall_seconds = 0.3};
    fm_child_result r;
    fm_error err = {0};
    double begin = fm_clock_seconds();
    assert_int_equal(shell("echo begun; sleep 30", &limits, &r, &err), FM_ERR_LIMIT);
    assert_true(fm_clock_seconds() - begin < 10);
    assert_non_null(strstr(err.message, "sh did not finish within 0.3 seconds"));
    assert_int_equal(r.output.size, 0);
    assert_false(children());
}

static void a_child_that_closes_its_streams_is_stopped_too(void **state) {
    (void)state;
    fm_child_limits limits = {.wall_seconds = 0.3};
    fm_child_result r;
    fm_error err = {0};
    assert_int_equal(shell("exec >&- 2>&-; sleep 30", &limits, &r, &err), FM_ERR_LIMIT);
}

static void a_child_that_computes_for_ever_is_stopped_by_its_processor_time(void **state) {
    (void)state;
    fm_child_limits limits = {.cpu_seconds = 1, .wall_seconds = 60};
    fm_child_result r;
    fm_error err = {0};
    assert_int_equal(shell("while :; do :; done", &limits, &r, &err), FM_ERR_LIMIT);
    assert_non_null(strstr(err.message, "processor time"));
}

static void output_beyond_the_limit_is_an_error_and_not_a_part(void **state) {
    (void)state;
    fm_child_limits limits = {.output_bytes = 1000};
    fm_child_result r;
    fm_error err = {0};
    assert_int_equal(shell("while :; do echo more and more; done", &limits, &r, &err),
                     FM_ERR_LIMIT);
    assert_non_null(strstr(err.message, "more than the 1000 bytes"));
    assert_int_equal(r.output.size, 0);
    assert_ok(shell("head -c 1000 /dev/zero", &limits, &r, &err));
    assert_int_equal(r.output.size, 1000);
    fm_child_result_clear(&r);
    assert_int_equal(shell("head -c 1001 /dev/zero", &limits, &r, &err), FM_ERR_LIMIT);
}

static void endless_complaints_are_read_and_dropped(void **state) {
    (void)state;
    fm_child_result r;
    fm_error err = {0};
    assert_ok(shell("head -c 2000000 /dev/zero >&2; echo done", NULL, &r, &err));
    assert_string_equal(fm_buffer_string(&r.output), "done\n");
    assert_int_equal(strlen(r.complaint), sizeof r.complaint - 1);
    fm_child_result_clear(&r);
}

static void memory_and_file_sizes_are_bounded(void **state) {
    (void)state;
    fm_child_limits limits = {.memory_bytes = 64 << 20, .file_bytes = 4096};
    fm_child_result r;
    fm_error err = {0};
    assert_ok(shell("head -c 300000000 /dev/zero | tail -c 200000000 >/dev/null; echo $?", &limits,
                    &r, &err));
    assert_string_not_equal(fm_buffer_string(&r.output), "0\n");
    fm_child_result_clear(&r);
    assert_ok(
        shell("f=$(mktemp) || exit 9; (head -c 100000 /dev/zero >$f) 2>/dev/null; wc -c <$f | "
              "tr -d ' '; rm -f $f",
              &limits, &r, &err));
    assert_string_equal(fm_buffer_string(&r.output), "4096\n");
    fm_child_result_clear(&r);
}

static void grandchildren_die_with_the_child(void **state) {
    (void)state;
    /* The grandchild holds both streams open, and would go on for longer than the test waits. */
    char path[] = "/tmp/fathom-alive-XXXXXX", script[256];
    close(mkstemp(path));
    snprintf(script, sizeof script, "(while :; do echo x >>%s; sleep 0.05; done) & echo started",
             path);
    fm_child_result r;
    fm_error err = {0};
    double begin = fm_clock_seconds();
    assert_ok(shell(script, NULL, &r, &err));
    assert_true(fm_clock_seconds() - begin < 10);
    assert_string_equal(fm_buffer_string(&r.output), "started\n");
    fm_child_result_clear(&r);
    usleep(100000);
    truncate(path, 0);
    usleep(300000);
    FILE *f = fopen(path, "r");
    assert_int_equal(fgetc(f), EOF);
    fclose(f);
    unlink(path);
}

static void a_grandchild_in_another_session_dies_where_namespaces_allow(void **state) {
    (void)state;
    char path[] = "/tmp/fathom-alive-XXXXXX", script[256];
    close(mkstemp(path));
    snprintf(
        script, sizeof script,
        "setsid sh -c 'i=0; while [ $i -lt 40 ]; do echo x >>%s; sleep 0.05; i=$((i+1)); done' "
        ">/dev/null 2>&1 & sleep 0.2",
        path);
    fm_child_result r;
    fm_error err = {0};
    assert_ok(shell(script, NULL, &r, &err));
    bool isolated = r.isolated;
    fm_child_result_clear(&r);
    usleep(100000);
    truncate(path, 0);
    usleep(300000);
    FILE *f = fopen(path, "r");
    int c = fgetc(f);
    fclose(f);
    unlink(path);
    if (isolated)
        assert_int_equal(c, EOF);
    else
        skip_because("the kernel allows no user namespaces here");
}

/* ---- what fails -------------------------------------------------------------------------------*/

static void a_missing_program_is_named(void **state) {
    (void)state;
    const char *argv[] = {"fathom-no-such-program", NULL};
    fm_child_job job = {.argv = argv};
    fm_child_result r;
    fm_error err = {0};
    assert_int_equal(fm_child_run(&job, &r, &err), FM_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "fathom-no-such-program is not installed"));
    assert_false(fm_child_exists("fathom-no-such-program"));
    assert_true(fm_child_exists("sh"));
}

static void a_program_that_is_none_cannot_be_started(void **state) {
    (void)state;
    const char *argv[] = {"/etc/passwd", NULL};
    fm_child_job job = {.argv = argv};
    fm_child_result r;
    fm_error err = {0};
    assert_int_equal(fm_child_run(&job, &r, &err), FM_ERR_IO);
    assert_non_null(strstr(err.message, "cannot start /etc/passwd: could not execute it"));
    assert_false(children());
}

static void a_missing_input_file_is_named(void **state) {
    (void)state;
    const char *argv[] = {"cat", NULL};
    fm_child_job job = {.argv = argv, .input_path = "/nonexistent/file"};
    fm_child_result r;
    fm_error err = {0};
    assert_int_equal(fm_child_run(&job, &r, &err), FM_ERR_IO);
    assert_non_null(strstr(err.message, "/nonexistent/file"));
}

static void a_crash_is_an_error_of_format(void **state) {
    (void)state;
    fm_child_result r;
    fm_error err = {0};
    fm_status status = shell("exec sh -c 'ulimit -c 0; kill -KILL $$'", NULL, &r, &err);
    if (status == FM_OK) { /* process 1 of a namespace cannot kill itself */
        assert_true(r.isolated);
        fm_child_result_clear(&r);
        return;
    }
    assert_int_equal(status, FM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "signal 9"));
}

static void nothing_is_left_open(void **state) {
    (void)state;
    int before = open_files();
    fm_child_result r;
    fm_error err = {0};
    for (int i = 0; i < 5; i++) {
        assert_ok(shell("echo x", NULL, &r, &err));
        fm_child_result_clear(&r);
        fm_child_limits limits = {.output_bytes = 1};
        assert_int_equal(shell("echo xxxx", &limits, &r, &err), FM_ERR_LIMIT);
        const char *argv[] = {"/etc/passwd", NULL};
        fm_child_job job = {.argv = argv};
        assert_int_equal(fm_child_run(&job, &r, &err), FM_ERR_IO);
    }
    assert_int_equal(open_files(), before);
    assert_false(children());
}

static void failed_allocations_are_reported(void **state) {
    (void)state;
    for (int64_t k = 0;; k++) {
        fm_child_result r;
        fm_error err = {0};
        fm_mem_fail_from(k);
        fm_status status = shell("echo hello", NULL, &r, &err);
        fm_mem_fail_from(-1);
        if (status == FM_OK) {
            assert_true(k > 0);
            fm_child_result_clear(&r);
            break;
        }
        assert_int_equal(status, FM_ERR_MEMORY);
        assert_true(k < 100);
    }
    assert_false(children());
}

static void *run_many(void *arg) {
    static char not_run[] = "did not run", wrong[] = "wrong output";
    long id = (long)arg;
    char script[64], expected[64];
    snprintf(script, sizeof script, "cat; echo %ld", id);
    const char *argv[] = {"sh", "-c", script, NULL};
    snprintf(expected, sizeof expected, "in %ld\n%ld\n", id, id);
    char input[32];
    int n = snprintf(input, sizeof input, "in %ld\n", id);
    for (int i = 0; i < 8; i++) {
        fm_child_job job = {.argv = argv, .input = input, .input_size = (size_t)n};
        fm_child_result r;
        fm_error err = {0};
        if (fm_child_run(&job, &r, &err) != FM_OK) return not_run;
        bool same = strcmp(fm_buffer_string(&r.output), expected) == 0;
        fm_child_result_clear(&r);
        if (!same) return wrong;
    }
    return NULL;
}

static void threads_run_children_side_by_side(void **state) {
    (void)state;
    pthread_t threads[6];
    for (long i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_many, (void *)i), 0);
    for (int i = 0; i < 6; i++) {
        void *complaint;
        pthread_join(threads[i], &complaint);
        if (complaint) fail_msg("%s", (const char *)complaint);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_exit_code_come_back),
        cmocka_unit_test(input_comes_from_memory_or_from_a_file),
        cmocka_unit_test(without_input_standard_input_is_empty),
        cmocka_unit_test(the_child_has_no_descriptors_environment_or_directory_of_ours),
        cmocka_unit_test(signals_that_we_block_or_ignore_are_normal_in_the_child),
        cmocka_unit_test(a_child_that_another_hand_reaps_is_an_error_and_no_endless_wait),
        cmocka_unit_test(the_child_can_gain_no_privileges),
        cmocka_unit_test(an_isolated_child_sees_no_network),
        cmocka_unit_test(a_child_that_sleeps_is_stopped_at_its_time),
        cmocka_unit_test(a_child_that_closes_its_streams_is_stopped_too),
        cmocka_unit_test(a_child_that_computes_for_ever_is_stopped_by_its_processor_time),
        cmocka_unit_test(output_beyond_the_limit_is_an_error_and_not_a_part),
        cmocka_unit_test(endless_complaints_are_read_and_dropped),
        cmocka_unit_test(memory_and_file_sizes_are_bounded),
        cmocka_unit_test(grandchildren_die_with_the_child),
        cmocka_unit_test(a_grandchild_in_another_session_dies_where_namespaces_allow),
        cmocka_unit_test(a_missing_program_is_named),
        cmocka_unit_test(a_program_that_is_none_cannot_be_started),
        cmocka_unit_test(a_missing_input_file_is_named),
        cmocka_unit_test(a_crash_is_an_error_of_format),
        cmocka_unit_test(nothing_is_left_open),
        cmocka_unit_test(failed_allocations_are_reported),
        cmocka_unit_test(threads_run_children_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

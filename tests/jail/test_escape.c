/* Every attack of hostile.c, really run in the jail, while the world outside watches for what got out. */
#include "support.h"

#include "base/clock.h"
#include "base/file.h"
#include "jail/program.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static fm_jail_program attacks;
static char missing[FM_ERROR_MAX]; /* what this machine lacks; empty: nothing */

static int make_attacks(void **state) {
    (void)state;
    fm_error err = {0};
    if (fm_jail_available(FM_JAIL_C, &err) != FM_OK) {
        snprintf(missing, sizeof missing, "%s", err.message);
        return 0;
    }
    FILE *f = fopen(source_path("tests/jail", "hostile.c"), "rb");
    static char source[1 << 16];
    size_t n = f ? fread(source, 1, sizeof source, f) : 0;
    if (f) fclose(f);
    if (fm_jail_make(FM_JAIL_C, source, n, &attacks, &err) != FM_OK || attacks.broken) {
        printf("# the attacks do not compile: %s%s\n", err.message, attacks.complaint);
        return -1;
    }
    return 0;
}

static int forget_attacks(void **state) {
    (void)state;
    fm_jail_clear(&attacks);
    return 0;
}

#define skip_without_a_jail() do { if (missing[0]) skip_because("%s", missing); } while (0)

static fm_sandbox_result attack(const char *name, const char *first, const char *second,
                                const fm_sandbox_limits *limits) {
    const char *const arguments[] = {name, first, second, NULL};
    fm_sandbox_result r;
    fm_error err = {0};
    assert_ok(fm_jail_run(&attacks, arguments, "input", 5, limits, &r, &err));
    if (strstr(fm_buffer_string(&r.output), "ESCAPED")) fail_msg("%s: %s", name, fm_buffer_string(&r.output));
    return r;
}

/* The attack came to its end and nothing gave way. */
static void assert_holds(const char *name, const char *first, const char *second) {
    fm_sandbox_result r = attack(name, first, second, NULL);
    if (r.end != FM_SANDBOX_EXITED || strcmp(fm_buffer_string(&r.output), "held\n") != 0)
        fail_msg("%s: %s, %d, %d: %s", name, fm_sandbox_end_name(r.end), r.exit_code, r.signal,
                 fm_buffer_string(&r.output));
    fm_sandbox_result_clear(&r);
}

/* Processes of this machine whose name or command line has the word. */
static int processes_called(const char *word) {
    int n = 0;
    DIR *d = opendir("/proc");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        static const char *const files[] = {"comm", "cmdline"};
        for (int i = 0; e->d_name[0] >= '0' && e->d_name[0] <= '9' && i < 2; i++) {
            char path[300], text[512] = "";
            snprintf(path, sizeof path, "/proc/%s/%s", e->d_name, files[i]);
            int fd = open(path, O_RDONLY);
            ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
            for (ssize_t k = 0; k < size - 1; k++)
                if (!text[k]) text[k] = ' ';
            if (size > 0 && strstr(text, word)) {
                n++;
                break;
            }
            close(fd);
        }
    }
    closedir(d);
    return n;
}

/* ---- more than one's share --------------------------------------------------------------------*/

static void a_fork_bomb_has_fifteen_children(void **state) {
    (void)state;
    skip_without_a_jail();
    assert_holds("fork_bomb", NULL, NULL);
    assert_holds("thread_bomb", NULL, NULL);
    assert_int_equal(processes_called("/box/program fork_bomb"), 0);
}

static void a_storm_of_forks_ends_at_the_limit_with_all_of_its_children(void **state) {
    (void)state;
    skip_without_a_jail();
    fm_sandbox_limits limits = {.wall_seconds = 1, .cpu_seconds = 1};
    fm_sandbox_result r = attack("fork_storm", NULL, NULL, &limits);
    assert_int_not_equal(r.end, FM_SANDBOX_EXITED);
    fm_sandbox_result_clear(&r);
    assert_int_equal(processes_called("/box/program fork_storm"), 0);
}

static void no_more_of_the_disk_is_filled_than_allowed(void **state) {
    (void)state;
    skip_without_a_jail();
    assert_holds("disk_fill", NULL, NULL);
}

static void a_memory_bomb_gets_its_share(void **state) {
    (void)state;
    skip_without_a_jail();
    assert_holds("memory_bomb", NULL, NULL);
    assert_holds("memory_elsewhere", NULL, NULL);
}

static void a_crowd_that_shares_the_work_of_a_memory_bomb_is_stopped(void **state) {
    (void)state;
    skip_without_a_jail();
    fm_sandbox_limits limits = {.wall_seconds = 60, .cpu_seconds = 60};
    fm_sandbox_result r = attack("memory_crowd", NULL, NULL, &limits);
    assert_int_equal(r.end, FM_SANDBOX_MEMORY);
    fm_sandbox_result_clear(&r);
}

static void a_crowd_of_empty_files_is_stopped(void **state) {
    (void)state;
    skip_without_a_jail();
    fm_sandbox_limits limits = {.wall_seconds = 60, .cpu_seconds = 60};
    fm_sandbox_result r = attack("file_crowd", NULL, NULL, &limits);
    assert_int_equal(r.end, FM_SANDBOX_MEMORY);
    fm_sandbox_result_clear(&r);
}

static void no_limit_can_be_raised(void **state) {
    (void)state;
    skip_without_a_jail();
    assert_holds("limits_up", NULL, NULL);
}

static void a_flood_of_output_is_cut_and_stopped(void **state) {
    (void)state;
    skip_without_a_jail();
    fm_sandbox_result r = attack("output_flood", NULL, NULL, NULL);
    assert_int_equal(r.end, FM_SANDBOX_OUTPUT);
    assert_int_equal(r.output.size, 64 << 10);
    fm_sandbox_result_clear(&r);
}

static void nobody_survives_the_end_of_the_program(void **state) {
    (void)state;
    skip_without_a_jail();
    assert_holds("survivor", NULL, NULL);
    assert_int_equal(processes_called("fathom-survivor"), 0);
    assert_int_equal(processes_called("/box/program"), 0);
}

/* ---- out --------------------------------------------------------------------------------------*/

static int listener(int family, int kind, const struct sockaddr *at, socklen_t size) {
    int fd = socket(family, kind | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, at, size), 0);
    if (kind == SOCK_STREAM) assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static void no_word_reaches_anybody_who_listens(void **state) {
    (void)state;
    skip_without_a_jail();
    struct sockaddr_in here = {.sin_family = AF_INET};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int tcp = listener(AF_INET, SOCK_STREAM, (struct sockaddr *)&here, sizeof here);
    socklen_t size = sizeof here;
    assert_int_equal(getsockname(tcp, (struct sockaddr *)&here, &size), 0);
    int udp = listener(AF_INET, SOCK_DGRAM, (struct sockaddr *)&here, sizeof here);
    char port[16], name[64];
    snprintf(port, sizeof port, "%d", ntohs(here.sin_port));
    snprintf(name, sizeof name, "fathom-escape-%d", (int)getpid());
    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    memcpy(abstract.sun_path + 1, name, strlen(name));
    int local = listener(AF_UNIX, SOCK_STREAM, (struct sockaddr *)&abstract,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
    assert_holds("network", port, name);
    struct pollfd fds[] = {
        {.fd = tcp, .events = POLLIN}, {.fd = udp, .events = POLLIN}, {.fd = local, .events = POLLIN}};
    assert_int_equal(poll(fds, 3, 20), 0);
    for (int i = 0; i < 3; i++) close(fds[i].fd);
}

static void processes_outside_cannot_be_seen_signalled_or_traced(void **state) {
    (void)state;
    skip_without_a_jail();
    pid_t other = fork();
    if (other == 0) for (;;) pause();
    char number[16];
    snprintf(number, sizeof number, "%d", (int)other);
    assert_holds("signals", number, NULL);
    assert_holds("trace", number, NULL);
    assert_holds("proc", NULL, NULL);
    int status;
    assert_int_equal(waitpid(other, &status, WNOHANG), 0); /* it lives */
    kill(other, SIGKILL);
    waitpid(other, &status, 0);
}

static void no_path_leads_out(void **state) {
    (void)state;
    skip_without_a_jail();
    const char *secret = scratch_path("secret");
    FILE *f = fopen(secret, "w");
    fputs("hunter2", f);
    fclose(f);
    assert_holds("links", secret, NULL);
    assert_holds("root_tricks", NULL, NULL);
    assert_holds("mounts", NULL, NULL);
    assert_holds("devices", NULL, NULL);
    assert_holds("usr", NULL, NULL);
    assert_int_equal(access("/usr/x", F_OK), -1);
}

static void the_kernel_has_no_other_doors(void **state) {
    (void)state;
    skip_without_a_jail();
    assert_holds("kernel", NULL, NULL);
    assert_holds("other_numbers", NULL, NULL);
}

static void nothing_of_ours_is_inherited(void **state) {
    (void)state;
    skip_without_a_jail();
    int leaks[40];
    for (int i = 0; i < 40; i++) leaks[i] = open("/etc/passwd", O_RDONLY); /* not close-on-exec */
    setenv("FATHOM_SECRET", "hunter2", 1);
    setenv("OPENAI_API_KEY", "hunter2", 1);
    assert_holds("descriptors", NULL, NULL);
    assert_holds("secrets", "hunter2", NULL);
    unsetenv("FATHOM_SECRET");
    unsetenv("OPENAI_API_KEY");
    for (int i = 0; i < 40; i++) close(leaks[i]);
}

static void calls_of_other_architectures_kill(void **state) {
    (void)state;
    skip_without_a_jail();
#ifndef __x86_64__
    skip_because("x32 and i386 calls exist on x86-64 only");
#else
    static const char *const names[] = {"x32", "i386"};
    for (int i = 0; i < 2; i++) {
        fm_sandbox_result r = attack(names[i], NULL, NULL, NULL);
        assert_int_equal(r.end, FM_SANDBOX_CRASHED);
        assert_int_equal(r.output.size, 0);
        /* A kernel without emulation of i386 answers with a fault before the filter is asked. */
        assert_true(r.signal == SIGSYS || (i == 1 && r.signal == SIGSEGV));
        fm_sandbox_result_clear(&r);
    }
#endif
}

/* ---- Python, and the compiler itself ----*/

static void python_sees_no_more(void **state) {
    (void)state;
    fm_error err = {0};
    if (fm_jail_available(FM_JAIL_PYTHON, &err) != FM_OK) skip_because("%s", err.message);
    static const char source[] =
        "import os, socket, ctypes, subprocess\n"
        "def bad(what, f):\n"
        "    try: f()\n"
        "    except (OSError, PermissionError): return\n"
        "    print('ESCAPED', what)\n"
        "bad('passwd', lambda: open('/etc/passwd'))\n"
        "bad('environ', lambda: open('/proc/1/environ'))\n"
        "bad('socket', lambda: socket.create_connection(('127.0.0.1', 22), 1))\n"
        "bad('usr', lambda: open('/usr/x', 'w'))\n"
        "bad('kill', lambda: os.kill(2, 9))\n"
        "bad('nice', lambda: os.nice(-5))\n"
        "who = subprocess.run(['/usr/bin/id', '-u'], capture_output=True, text=True).stdout.strip()\n"
        "print(who, sorted(os.environ))\n";
    fm_jail_program p;
    assert_ok(fm_jail_make(FM_JAIL_PYTHON, source, sizeof source - 1, &p, &err));
    assert_false(p.broken);
    fm_sandbox_result r;
    assert_ok(fm_jail_run(&p, NULL, NULL, 0, NULL, &r, &err));
    if (strncmp(fm_buffer_string(&r.output), "65534 ['HOME'", 13) != 0)
        fail_msg("%s %s", fm_buffer_string(&r.output), r.complaint);
    fm_sandbox_result_clear(&r);
    fm_jail_clear(&p);
}

static void the_compiler_is_in_the_jail_too(void **state) {
    (void)state;
    skip_without_a_jail();
    const char *secret = scratch_path("secret.h");
    FILE *f = fopen(secret, "w");
    fputs("#define SECRET 1\n", f);
    fclose(f);
    char source[4 << 10];
    int n = snprintf(source, sizeof source, "#include \"%s\"\nint main(void) { return SECRET; }\n", secret);
    fm_jail_program p;
    fm_error err = {0};
    assert_ok(fm_jail_make(FM_JAIL_C, source, (size_t)n, &p, &err));
    assert_true(p.broken);
    fm_jail_clear(&p);
    static const char *const endless[] = {
        "#include \"/dev/zero\"\n", "#include __FILE__\n", "char a[1 << 30] = {1}; int main(void) { return 0; }",
        "#define A(x) x x x x x x x x\n#define B(x) A(A(A(A(x))))\n#define C(x) B(B(B(x)))\nint a[] = {C(1,)}; "};
    for (size_t i = 0; i < FM_COUNT(endless); i++) {
        double began = fm_clock_seconds();
        assert_ok(fm_jail_make(FM_JAIL_C, endless[i], strlen(endless[i]), &p, &err));
        assert_true(p.broken);
        assert_string_not_equal(p.complaint, "");
        assert_true(fm_clock_seconds() - began < 100);
        fm_jail_clear(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fork_bomb_has_fifteen_children),
        cmocka_unit_test(a_storm_of_forks_ends_at_the_limit_with_all_of_its_children),
        cmocka_unit_test(no_more_of_the_disk_is_filled_than_allowed),
        cmocka_unit_test(a_memory_bomb_gets_its_share),
        cmocka_unit_test(a_crowd_that_shares_the_work_of_a_memory_bomb_is_stopped),
        cmocka_unit_test(a_crowd_of_empty_files_is_stopped),
        cmocka_unit_test(no_limit_can_be_raised),
        cmocka_unit_test(a_flood_of_output_is_cut_and_stopped),
        cmocka_unit_test(nobody_survives_the_end_of_the_program),
        cmocka_unit_test(no_word_reaches_anybody_who_listens),
        cmocka_unit_test(processes_outside_cannot_be_seen_signalled_or_traced),
        cmocka_unit_test(no_path_leads_out),
        cmocka_unit_test(the_kernel_has_no_other_doors),
        cmocka_unit_test(nothing_of_ours_is_inherited),
        cmocka_unit_test(calls_of_other_architectures_kill),
        cmocka_unit_test(python_sees_no_more),
        cmocka_unit_test(the_compiler_is_in_the_jail_too),
    };
    return cmocka_run_group_tests(tests, make_attacks, forget_attacks);
}

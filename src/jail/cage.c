#include "jail/cage.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "jail/spawn.h"
#include "jail/start.h"
#include "jail/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    NOBODY = 65534,
    SETUP_SECONDS = 20,
    MAX_ARGUMENTS = 160,
    STACK_BYTES = 8 << 20,
};

/* Numbers of the descriptors that bwrap is started with. All are single digits, so that the shell can close what
 * bwrap may have left. */
enum { FD_STARTED = 3, FD_STATUS, FD_GO, FD_SYSCALLS, FD_FILES, FD_REPORT = FD_FILES + FM_SANDBOX_FILES, FD_COUNT };

/* Limits the number of processes ($0), here where the jail has a count of its own (since Linux 5.14; bash calls the
 * limit u, dash p), says that the walls stand, forgets every descriptor but the streams, and becomes the program. */
#define FIRST_WORDS                                                                                \
    "ulimit -u $0 2>/dev/null || ulimit -p $0 || exit 126; echo >&3; "                             \
    "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec \"$@\""

typedef struct plan {
    fm_arena arena;
    const char *arguments[MAX_ARGUMENTS];
    size_t n_arguments;
    char *bwrap;
    int fds[FD_COUNT];  /* what goes to the numbers 0 ... in the child; negative: nothing */
    int ours[FD_COUNT]; /* the other ends of pipes */
    fm_sandbox_limits limits;
    bool failed; /* out of memory or of arguments */
} plan;

/* ---- bwrap's arguments ------------------------------------------------------------------------*/

static void add(plan *p, const char *argument) {
    if (!argument || p->n_arguments + 1 >= MAX_ARGUMENTS) p->failed = true;
    else p->arguments[p->n_arguments++] = argument;
}

#define ADD(p, ...)                                                                                \
    do {                                                                                           \
        const char *const list_[] = {__VA_ARGS__};                                                 \
        for (size_t i_ = 0; i_ < FM_COUNT(list_); i_++) add(p, list_[i_]);                         \
    } while (0)

/* /bin and the like are links into /usr on systems of today, folders on older ones. */
static void add_system_folders(plan *p) {
    static const char *const names[] = {"bin", "lib", "lib32", "lib64", "libx32", "sbin"};
    ADD(p, "--ro-bind", "/usr", "/usr");
    for (size_t i = 0; i < FM_COUNT(names); i++) {
        char *path = fm_arena_format(&p->arena, "/%s", names[i]);
        struct stat st;
        if (!path) p->failed = true;
        else if (lstat(path, &st) != 0) continue;
        else if (S_ISLNK(st.st_mode)) ADD(p, "--symlink", fm_arena_format(&p->arena, "usr/%s", names[i]), path);
        else ADD(p, "--ro-bind", path, path);
    }
}

static void add_walls(plan *p, const fm_sandbox_job *job) {
    ADD(p, "bwrap", "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
        "--unshare-cgroup-try", "--uid", "65534", "--gid", "65534", "--hostname", "jail", "--cap-drop", "ALL",
        "--die-with-parent", "--as-pid-1");
    add_system_folders(p);
    ADD(p, "--dir", "/dev", "--dev-bind", "/dev/null", "/dev/null", "--dev-bind", "/dev/zero", "/dev/zero",
        "--dev-bind", "/dev/urandom", "/dev/urandom");
    for (size_t i = 0; i < job->n_files; i++)
        ADD(p, "--perms", "0555", "--ro-bind-data", fm_arena_format(&p->arena, "%d", FD_FILES + (int)i),
            fm_arena_format(&p->arena, "/box/%s", job->files[i].name));
    /* bwrap's root is a file system in memory without a limit: it is closed last. */
    ADD(p, "--size", fm_arena_format(&p->arena, "%zu", p->limits.scratch_bytes), "--tmpfs", "/tmp",
        "--remount-ro", "/", "--chdir", "/tmp");
    ADD(p, "--json-status-fd", fm_arena_format(&p->arena, "%d", FD_STATUS), "--block-fd",
        fm_arena_format(&p->arena, "%d", FD_GO), "--seccomp", fm_arena_format(&p->arena, "%d", FD_SYSCALLS));
}

static void add_program(plan *p, const fm_sandbox_job *job) {
    ADD(p, "--", "/bin/sh", "-c", FIRST_WORDS, fm_arena_format(&p->arena, "%u", p->limits.processes));
    for (size_t i = 0; job->argv[i]; i++) add(p, job->argv[i]);
    if (!p->failed) p->arguments[p->n_arguments] = NULL;
}

/* ---- in the child: system calls only ----------------------------------------------------------*/

static void give_up(const plan *p) {
    int code = errno;
    ssize_t ignored = write(p->fds[FD_REPORT], &code, sizeof code);
    (void)ignored;
    _exit(127);
}

/* Root becomes nobody, so that a hole in the walls leads to nobody, and since the kernel counts no processes of
 * root's. In a namespace that has only root (EINVAL), that root is somebody else outside. */
static bool give_up_root(void) {
    if (geteuid() != 0) return true;
    if (syscall(SYS_setgroups, (size_t)0, NULL) != 0 && errno != EPERM) return false;
    if (syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) != 0) return errno == EINVAL;
    return syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) == 0 || errno == EINVAL;
}

/* The kernel, when it is short of memory, is to take the jail first. */
static void offer_itself(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t ignored = write(fd, "1000", 4);
    (void)ignored;
    close(fd);
}

/* All but the number of processes: FIRST_WORDS. The limit of processor time is the jail's owner's to keep, for all
 * processes together; the kernel's counts whole ticks, also those that the host of a virtual machine took, and is
 * there in case that the owner cannot. */
static bool set_limits(const fm_sandbox_limits *l) {
    return fm_spawn_limit(RLIMIT_CPU, 2 * (rlim_t)l->cpu_seconds + 1, 0) && fm_spawn_limit(RLIMIT_CORE, 0, 0) &&
           fm_spawn_limit(RLIMIT_FSIZE, l->file_bytes, 0) && fm_spawn_limit(RLIMIT_NOFILE, l->open_files, 0) &&
           fm_spawn_limit(RLIMIT_STACK, STACK_BYTES, 0) && fm_spawn_limit(RLIMIT_MEMLOCK, 0, 0) &&
           fm_spawn_limit(RLIMIT_MSGQUEUE, 0, 0) && fm_spawn_limit(RLIMIT_SIGPENDING, 64, 0) &&
           fm_spawn_limit(RLIMIT_AS, l->memory_bytes, 0);
}

static void become(plan *p) {
    static const char *const environment[] = {
        "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "HOME=/tmp", "TMPDIR=/tmp", "TZ=UTC",
        "PYTHONHASHSEED=0", "PYTHONDONTWRITEBYTECODE=1", NULL};
    setsid();
    fm_spawn_reset_signals();
    /* All came from above 9, so none is overwritten before it is moved. */
    for (int i = 0; i < FD_COUNT; i++) {
        if (p->fds[i] < 0) close(i); /* whatever somebody else had there */
        else if (dup3(p->fds[i], i, i == FD_REPORT ? O_CLOEXEC : 0) < 0) give_up(p);
    }
    p->fds[FD_REPORT] = FD_REPORT;
    if (!fm_spawn_close_from(FD_COUNT) || chdir("/") != 0) give_up(p);
    umask(022);
    offer_itself();
    if (!give_up_root()) give_up(p);
    /* After the change of user, which forgets it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(p);
    if (!set_limits(&p->limits)) give_up(p);
    execve(p->bwrap, (char *const *)(uintptr_t)p->arguments, (char *const *)(uintptr_t)environment);
    give_up(p);
}

/* ---- in the parent ----------------------------------------------------------------------------*/

/* A pipe whose reading end is ours (or, for `go`, the writing end), the other the child's number `fd`. */
static bool open_pipe(plan *p, int fd) {
    int ends[2];
    bool made = fm_spawn_pipe(ends);
    bool feeds = fd == FD_GO;
    p->fds[fd] = ends[feeds ? 0 : 1];
    p->ours[fd] = ends[feeds ? 1 : 0];
    return made;
}

static fm_status open_descriptors(plan *p, const fm_sandbox_job *job, fm_error *err) {
    static const int pipes[] = {STDOUT_FILENO, STDERR_FILENO, FD_STARTED, FD_STATUS, FD_GO, FD_REPORT};
    FM_TRY(fm_syscalls_filter(&p->fds[FD_SYSCALLS], err));
    bool made = true;
    for (size_t i = 0; made && i < FM_COUNT(pipes); i++) made = open_pipe(p, pipes[i]);
    if (made) {
        p->fds[STDIN_FILENO] = fm_spawn_lift(fm_spawn_memory_file(job->input, job->input_size));
        made = p->fds[STDIN_FILENO] >= 0;
    }
    for (size_t i = 0; made && i < job->n_files; i++) {
        p->fds[FD_FILES + i] = fm_spawn_lift(fm_spawn_memory_file(job->files[i].data, job->files[i].size));
        made = p->fds[FD_FILES + i] >= 0;
    }
    if (made) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "cannot make the pipes of a jail: %s", strerror(errno));
}

static fm_status fork_monitor(plan *p, pid_t *monitor, fm_error *err) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler of ours may run in the child */
    pid_t pid = fork();
    if (pid == 0) become(p);
    int code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    fm_spawn_close(p->fds, FD_COUNT);
    for (int i = 0; i < FD_COUNT; i++) p->fds[i] = -1;
    if (pid < 0) return fm_fail(err, FM_ERR_IO, "cannot start a jail: %s", strerror(code));
    *monitor = pid;
    ssize_t n;
    do n = read(p->ours[FD_REPORT], &code, sizeof code);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof code) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "cannot start a jail by %s: %s", p->bwrap, strerror(code));
}

/* The monitor's first line has the number of process 1, which waits for a word of ours. */
static pid_t first_process(int status) {
    char line[1024];
    size_t size = 0;
    double deadline = fm_clock_seconds() + SETUP_SECONDS;
    while (size < sizeof line - 1 && !memchr(line, '\n', size)) {
        struct pollfd ready = {.fd = status, .events = POLLIN};
        double left = deadline - fm_clock_seconds();
        if (left <= 0) return -1;
        if (poll(&ready, 1, (int)(left * 1000) + 1) < 0 && errno != EINTR) return -1;
        if (!ready.revents) continue;
        ssize_t n = read(status, line + size, sizeof line - 1 - size);
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) return -1;
        if (n > 0) size += (size_t)n;
    }
    const char *end = memchr(line, '\n', size);
    fm_json *document = NULL;
    if (!end || fm_json_parse(line, (size_t)(end - line), &document, NULL) != FM_OK) return -1;
    int64_t pid = fm_json_integer(fm_json_get(document, "child-pid"), -1);
    fm_json_free(document);
    return pid > 1 && pid <= INT32_MAX ? (pid_t)pid : -1;
}

/* What the monitor or the walls complained of, when they never got to the program. */
static fm_status not_built(const plan *p, fm_error *err) {
    char words[256] = "";
    ssize_t n = read(p->ours[STDERR_FILENO], words, sizeof words - 1);
    size_t size = n > 0 ? (size_t)n : 0;
    words[size] = 0;
    words[strcspn(words, "\n")] = 0;
    for (char *c = words; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    return fm_fail(err, FM_ERR_IO, "a jail could not be set up: %s", *words ? words : "bwrap said nothing");
}

/* Process 1 waits: from here on it can be killed by a handle that stays its own, and goes on. */
static fm_status begin(plan *p, fm_cage *cage, fm_error *err) {
    fcntl(p->ours[STDERR_FILENO], F_SETFL, O_NONBLOCK);
    cage->first = first_process(p->ours[FD_STATUS]);
    if (cage->first < 0) return not_built(p, err);
    cage->inside = fm_spawn_end_of(cage->first);
    if (cage->inside < 0)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "the jail needs pidfd_open, which this kernel does not have: %s",
                       strerror(errno));
    if (write(p->ours[FD_GO], "g", 1) != 1) return not_built(p, err);
    return FM_OK;
}

static void hand_over(plan *p, fm_cage *cage) {
    cage->output = p->ours[STDOUT_FILENO];
    cage->error = p->ours[STDERR_FILENO];
    cage->started = p->ours[FD_STARTED];
    cage->status = p->ours[FD_STATUS];
    p->ours[STDOUT_FILENO] = p->ours[STDERR_FILENO] = p->ours[FD_STARTED] = p->ours[FD_STATUS] = -1;
    int streams[] = {cage->output, cage->error, cage->started, cage->status};
    for (size_t i = 0; i < FM_COUNT(streams); i++) fcntl(streams[i], F_SETFL, O_NONBLOCK);
}

static fm_status start(plan *p, const fm_sandbox_job *job, fm_cage *cage, fm_error *err) {
    FM_TRY(fm_child_find("bwrap", &p->bwrap, err));
    add_walls(p, job);
    add_program(p, job);
    if (p->failed) return fm_fail(err, FM_ERR_MEMORY, "out of memory for the arguments of a jail, or too many of them");
    FM_TRY(open_descriptors(p, job, err));
    FM_TRY(fork_monitor(p, &cage->monitor, err));
    FM_TRY(begin(p, cage, err));
    hand_over(p, cage);
    return FM_OK;
}

fm_status fm_cage_start(const fm_sandbox_job *job, const fm_sandbox_limits *limits, fm_cage *out, fm_error *err) {
    plan p = {.limits = *limits};
    for (int i = 0; i < FD_COUNT; i++) p.fds[i] = p.ours[i] = -1;
    *out = (fm_cage){.monitor = -1, .first = -1, .inside = -1, .output = -1, .error = -1, .started = -1, .status = -1};
    fm_status status = start(&p, job, out, err);
    if (status != FM_OK && out->monitor > 0) {
        struct rusage unused;
        bool lost;
        fm_cage_end(out, &unused, &lost);
    }
    fm_spawn_close(p.fds, FD_COUNT);
    fm_spawn_close(p.ours, FD_COUNT);
    fm_arena_clear(&p.arena);
    fm_free(p.bwrap);
    return status;
}

int fm_cage_end(fm_cage *cage, struct rusage *usage, bool *lost) {
    int status = 0;
    *lost = false;
    if (cage->inside >= 0) {
        /* Process 1 dies last of its namespace, and its handle becomes readable when it has. */
        syscall(SYS_pidfd_send_signal, cage->inside, SIGKILL, NULL, 0);
        struct pollfd gone = {.fd = cage->inside, .events = POLLIN};
        while (poll(&gone, 1, -1) < 0 && errno == EINTR) {}
    } else {
        kill(cage->monitor, SIGKILL); /* whose child dies with it; no program has run yet */
    }
    while (wait4(cage->monitor, &status, 0, usage) < 0 && !*lost) *lost = errno == ECHILD;
    int fds[] = {cage->inside, cage->output, cage->error, cage->started, cage->status};
    fm_spawn_close(fds, FM_COUNT(fds));
    return status;
}

#include "jail/start.h"

#include "jail/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Everything the child needs, made before the fork. */
typedef struct plan {
    char *program; /* a path */
    const char *const *argv;
    int in, out, error; /* its standard streams */
    int report;         /* where it says why exec failed; closes by itself when exec succeeds */
    fm_child_limits limits;
} plan;

/* What the child sends through `report`. */
typedef struct failure {
    int step; /* index into steps[] */
    int code; /* errno */
} failure;

enum { STEP_STREAMS, STEP_FILES, STEP_LIMITS, STEP_PRIVILEGES, STEP_EXEC };
static const char *const steps[] = {"arrange its streams", "close files", "set its limits",
                                    "give up privileges", "execute it"};

/* ---- in the child: system calls only ----------------------------------------------------------*/

static void give_up(const plan *p, int step) {
    failure f = {step, errno};
    ssize_t ignored = write(p->report, &f, sizeof f);
    (void)ignored;
    _exit(127);
}

static bool set_limits(const fm_child_limits *l) {
    /* The memory limit comes last but for exec: nothing here may need memory after it. */
    return fm_spawn_limit(RLIMIT_CPU, l->cpu_seconds, 1) && fm_spawn_limit(RLIMIT_CORE, 0, 0) &&
           fm_spawn_limit(RLIMIT_FSIZE, l->file_bytes, 0) && fm_spawn_limit(RLIMIT_NPROC, l->processes, 0) &&
           fm_spawn_limit(RLIMIT_NOFILE, l->open_files, 0) && fm_spawn_limit(RLIMIT_AS, l->memory_bytes, 0);
}

static void become(plan *p) {
    static const char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
                                              "LC_ALL=C.UTF-8", "HOME=/nonexistent", NULL};
    setsid();
    fm_spawn_reset_signals();
    /* All four came from above 9, so none is overwritten before it is moved. */
    if (dup2(p->in, 0) < 0 || dup2(p->out, 1) < 0 || dup2(p->error, 2) < 0 ||
        dup3(p->report, 3, O_CLOEXEC) < 0)
        give_up(p, STEP_STREAMS);
    p->report = 3;
    if (!fm_spawn_close_from(4)) give_up(p, STEP_FILES);
    if (chdir("/") != 0) give_up(p, STEP_FILES);
    umask(077);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        give_up(p, STEP_PRIVILEGES);
    if (!set_limits(&p->limits)) give_up(p, STEP_LIMITS);
    execve(p->program, (char *const *)(uintptr_t)p->argv, (char *const *)(uintptr_t)environment);
    give_up(p, STEP_EXEC);
}

/* ---- in the parent ----------------------------------------------------------------------------*/

/* fork, with namespaces of its own where the kernel lets us. The raw call, since unshare would move
 * us as well, and a new process id namespace begins only with the next child. */
static pid_t fork_isolated(bool *isolated) {
#if defined(__x86_64__) || defined(__aarch64__)
    long flags = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC | SIGCHLD;
    long pid = syscall(SYS_clone, flags, 0L, 0L, 0L, 0L);
    if (pid >= 0) {
        *isolated = true;
        return (pid_t)pid;
    }
#endif
    *isolated = false;
    return fork();
}

/* Why the child could not be started, or FM_OK once it runs the program. */
static fm_status await_exec(int report, const char *program, fm_error *err) {
    failure f;
    ssize_t n;
    do n = read(report, &f, sizeof f);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof f || f.step < 0 || f.step >= (int)FM_COUNT(steps)) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "cannot start %s: could not %s: %s", program, steps[f.step],
                   strerror(f.code));
}

static fm_status fork_child(plan *p, fm_child_process *out, fm_error *err) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler of ours may run in the child */
    pid_t pid = fork_isolated(&out->isolated);
    if (pid == 0) become(p);
    int code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0)
        return fm_fail(err, FM_ERR_IO, "cannot start %s: %s", p->program, strerror(code));
    out->pid = pid;
    return FM_OK;
}

static fm_status launch(plan *p, const fm_child_job *job, fm_child_process *out, fm_error *err) {
    int output[2] = {-1, -1}, error[2] = {-1, -1}, report[2] = {-1, -1};
    fm_status status = FM_OK;
    if (!fm_spawn_pipe(output) || !fm_spawn_pipe(error) || !fm_spawn_pipe(report)) {
        status = fm_fail(err, FM_ERR_IO, "cannot make a pipe to %s: %s", job->argv[0],
                         strerror(errno));
    } else {
        p->out = output[1];
        p->error = error[1];
        p->report = report[1];
        status = fork_child(p, out, err);
    }
    int theirs[] = {output[1], error[1], report[1]};
    fm_spawn_close(theirs, 3);
    if (status == FM_OK) {
        status = await_exec(report[0], job->argv[0], err);
        if (status != FM_OK) waitpid(out->pid, NULL, 0);
    }
    if (status == FM_OK) {
        out->output = output[0];
        out->error = error[0];
        fcntl(out->output, F_SETFL, O_NONBLOCK);
        fcntl(out->error, F_SETFL, O_NONBLOCK);
    } else {
        int ours[] = {output[0], error[0]};
        fm_spawn_close(ours, 2);
    }
    fm_spawn_close(report, 1);
    return status;
}

fm_status fm_child_start(const fm_child_job *job, const fm_child_limits *limits,
                         fm_child_process *out, fm_error *err) {
    plan p = {.argv = job->argv, .limits = *limits};
    FM_TRY(fm_child_find(job->argv[0], &p.program, err));
    p.in = job->input_path ? open(job->input_path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
                           : fm_spawn_memory_file(job->input, job->input_size);
    p.in = fm_spawn_lift(p.in);
    fm_status status;
    if (p.in < 0)
        status = fm_fail(err, FM_ERR_IO, "cannot open %s: %s",
                         job->input_path ? job->input_path : "a file in memory", strerror(errno));
    else
        status = launch(&p, job, out, err);
    fm_spawn_close(&p.in, 1);
    fm_free(p.program);
    return status;
}

#include "jail/sandbox.h"

#include "base/clock.h"
#include "jail/cage.h"
#include "jail/footprint.h"
#include "jail/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LOOK_MILLISECONDS = 10, /* between two looks at what it has taken, */
    LOOK_REST = 20,         /* and so many times what a look took, on machines with many processes */
};

fm_sandbox_limits fm_sandbox_default_limits(void) {
    return (fm_sandbox_limits){
        .wall_seconds = 10,
        .cpu_seconds = 2,
        .memory_bytes = (size_t)256 << 20,
        .total_bytes = (size_t)512 << 20,
        .output_bytes = (size_t)64 << 10,
        .file_bytes = (size_t)1 << 20,
        .scratch_bytes = (size_t)16 << 20,
        .scratch_files = 4096,
        .processes = 16,
        .open_files = 32,
    };
}

static fm_sandbox_limits filled(fm_sandbox_limits l) {
    fm_sandbox_limits d = fm_sandbox_default_limits();
    if (l.wall_seconds > 0) d.wall_seconds = l.wall_seconds;
    if (l.cpu_seconds) d.cpu_seconds = l.cpu_seconds;
    if (l.memory_bytes) d.memory_bytes = l.memory_bytes;
    if (l.total_bytes) d.total_bytes = l.total_bytes;
    if (l.output_bytes) d.output_bytes = l.output_bytes;
    if (l.file_bytes) d.file_bytes = l.file_bytes;
    if (l.scratch_bytes) d.scratch_bytes = l.scratch_bytes;
    if (l.scratch_files) d.scratch_files = l.scratch_files;
    if (l.processes) d.processes = l.processes;
    if (l.open_files) d.open_files = l.open_files;
    return d;
}

const char *fm_sandbox_end_name(fm_sandbox_end end) {
    static const char *const names[FM_SANDBOX_ENDS] = {"exited", "crashed", "cpu", "wall", "memory", "output"};
    return (unsigned)end < FM_SANDBOX_ENDS ? names[end] : "unknown";
}

/* ---- watching ---------------------------------------------------------------------------------*/

typedef struct watch {
    fm_cage cage;
    fm_sandbox_limits limits;
    fm_sandbox_result *result;
    double began, next_look;
    size_t complaint_size;
    bool fresh_line;     /* of standard error */
    bool started;        /* the walls stand and the program runs */
    bool stopped;        /* by us, and result->end says why */
    int scratch;         /* its /tmp, seen from outside; -1 where we may not look */
} watch;

static void stop(watch *w, fm_sandbox_end why) {
    if (w->stopped) return;
    w->stopped = true;
    w->result->end = why;
}

/* Takes what is there; false at the end of the stream. What fits is kept of an output that is too long. */
static bool drain_output(watch *w) {
    char chunk[16 << 10];
    for (;;) {
        ssize_t n = read(w->cage.output, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        if (n == 0) return false;
        size_t room = w->limits.output_bytes - w->result->output.size;
        bool all = (size_t)n <= room;
        fm_buffer_put(&w->result->output, chunk, all ? (size_t)n : room);
        if (!all) stop(w, FM_SANDBOX_OUTPUT);
        if (!all || w->result->output.failed) return false;
    }
}

/* Keeps the last line of standard error that is not empty: a Python traceback ends with what was wrong. Reads a
 * bounded amount at a time: a flood must not keep us from the clock. */
static bool drain_error(watch *w) {
    char chunk[4096];
    for (int turn = 0; turn < 64; turn++) {
        ssize_t n = read(w->cage.error, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        if (n == 0) return false;
        for (ssize_t i = 0; i < n; i++) {
            unsigned char c = (unsigned char)chunk[i];
            if (c == '\n') {
                w->fresh_line = true;
                continue;
            }
            if (w->fresh_line) w->complaint_size = 0;
            w->fresh_line = false;
            if (w->complaint_size < sizeof w->result->complaint - 1)
                w->result->complaint[w->complaint_size++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
        }
    }
    return true;
}

/* One byte when the program is about to run: its time begins. */
static bool await_start(watch *w) {
    char byte;
    ssize_t n = read(w->cage.started, &byte, 1);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 1 && !w->started) {
        w->started = true;
        w->began = fm_clock_seconds();
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/%s/tmp", (int)w->cage.first, "root");
        w->scratch = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    return n == 1;
}

/* Files without a byte cost the kernel memory that the size of a tmpfs does not count. */
static bool too_many_files(watch *w) {
    struct statfs fs;
    return w->scratch >= 0 && fstatfs(w->scratch, &fs) == 0 && fs.f_files - fs.f_ffree > w->limits.scratch_files;
}

/* Of this thread: what a look costs, also on a machine on which it has to wait for its turn. */
static double processor_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void look_at_footprint(watch *w, double now) {
    if (now < w->next_look) return;
    double before = processor_clock();
    fm_footprint taken = fm_footprint_of(w->cage.first);
    if (taken.bytes > w->limits.total_bytes || too_many_files(w)) stop(w, FM_SANDBOX_MEMORY);
    if (taken.cpu_seconds > w->limits.cpu_seconds) stop(w, FM_SANDBOX_CPU);
    w->next_look = now + 1e-3 * LOOK_MILLISECONDS + LOOK_REST * (processor_clock() - before);
}

/* Until process 1 ends or a limit is met. A stream that a grandchild holds open does not count. */
static void watch_jail(watch *w) {
    bool output_open = true, error_open = true, start_open = true;
    w->began = fm_clock_seconds();
    for (;;) {
        struct pollfd fds[] = {{.fd = output_open ? w->cage.output : -1, .events = POLLIN},
                               {.fd = error_open ? w->cage.error : -1, .events = POLLIN},
                               {.fd = start_open ? w->cage.started : -1, .events = POLLIN},
                               {.fd = w->cage.inside, .events = POLLIN}};
        poll(fds, FM_COUNT(fds), LOOK_MILLISECONDS);
        if (fds[2].revents) start_open = await_start(w);
        if (fds[0].revents) output_open = drain_output(w);
        if (fds[1].revents) error_open = drain_error(w);
        if (fds[3].revents || w->stopped || w->result->output.failed) return;
        double now = fm_clock_seconds();
        look_at_footprint(w, now);
        /* Setting up has as long again, so that a busy machine costs no program its time. */
        if (now - w->began > w->limits.wall_seconds) stop(w, FM_SANDBOX_WALL);
        if (w->stopped) return;
    }
}

/* ---- judging ----------------------------------------------------------------------------------*/

/* The monitor's exit code is the program's, or 128 and the signal that ended it. A program may say such a code
 * itself; it has then not ended well either. */
static void judge(watch *w, int status, const struct rusage *usage) {
    fm_sandbox_result *r = w->result;
    r->cpu_seconds = fm_spawn_processor_seconds(usage);
    r->peak_bytes = (size_t)usage->ru_maxrss << 10;
    r->exit_code = -1;
    if (w->stopped) return;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (code <= 128) {
        r->end = FM_SANDBOX_EXITED;
        r->exit_code = code;
        return;
    }
    r->signal = code - 128;
    bool used_up = r->cpu_seconds >= w->limits.cpu_seconds;
    r->end = used_up && r->signal == SIGKILL ? FM_SANDBOX_CPU : FM_SANDBOX_CRASHED;
}

static fm_status run(const fm_sandbox_job *job, fm_sandbox_result *result, fm_error *err) {
    watch w = {.limits = filled(job->limits), .result = result, .scratch = -1};
    FM_TRY(fm_cage_start(job, &w.limits, &w.cage, err));
    watch_jail(&w);
    result->wall_seconds = fm_clock_seconds() - w.began;
    if (!w.stopped) drain_output(&w);
    drain_error(&w);
    await_start(&w);
    struct rusage usage = {0};
    bool lost;
    int status = fm_cage_end(&w.cage, &usage, &lost);
    if (w.scratch >= 0) close(w.scratch);
    if (result->output.failed) return fm_fail_memory(err, result->output.size, "the output of a program in the jail");
    if (lost)
        return fm_fail(err, FM_ERR_IO,
                       "how a program in the jail ended is not known: this process ignores SIGCHLD, or another part "
                       "of it has waited for the child");
    if (!w.started)
        return fm_fail(err, FM_ERR_IO, "a jail could not be set up: %s",
                       result->complaint[0] ? result->complaint : "it ended without a word");
    judge(&w, status, &usage);
    return FM_OK;
}

static fm_status checked(const fm_sandbox_job *job, fm_error *err) {
    fm_sandbox_limits limits = filled(job->limits);
    if (!job->argv || !job->argv[0] || job->n_files > FM_SANDBOX_FILES)
        return fm_fail(err, FM_ERR_ARGUMENT, "a job for the jail needs a program, and at most %d files",
                       FM_SANDBOX_FILES);
    for (size_t i = 0; i < job->n_files; i++) {
        const fm_sandbox_file *f = &job->files[i];
        if (!f->name[0] || strchr(f->name, '/') || f->name[0] == '.')
            return fm_fail(err, FM_ERR_ARGUMENT, "a file in the jail needs a plain name, not '%s'", f->name);
        if (f->size > limits.file_bytes)
            return fm_fail(err, FM_ERR_ARGUMENT, "%s has %zu bytes, and the jail takes files of at most %zu", f->name,
                           f->size, limits.file_bytes);
    }
    return FM_OK;
}

static fm_status run_or_clear(const fm_sandbox_job *job, fm_sandbox_result *result, fm_error *err) {
    *result = (fm_sandbox_result){0};
    fm_status status = run(job, result, err);
    if (status != FM_OK) fm_sandbox_result_clear(result);
    return status;
}

/* ---- can this machine do it? ------------------------------------------------------------------*/

static fm_status probe(fm_error *err) {
    static const char *const program[] = {"/bin/sh", "-c", "echo jailed", NULL};
    fm_sandbox_job job = {.argv = program, .limits = {.wall_seconds = 30}};
    fm_sandbox_result r;
    fm_status status = run_or_clear(&job, &r, err);
    if (status == FM_ERR_MEMORY) return status;
    if (status == FM_OK && strcmp(fm_buffer_string(&r.output), "jailed\n") != 0)
        status = fm_fail(err, FM_ERR_UNSUPPORTED, "a shell does not run there: %s", r.complaint);
    if (status != FM_OK) {
        fm_sandbox_result_clear(&r);
        fm_error_prefix(err, status, "this machine has no jail for programs (docs/jail.md says what it needs)");
        if (err) err->code = FM_ERR_UNSUPPORTED;
        return FM_ERR_UNSUPPORTED;
    }
    fm_sandbox_result_clear(&r);
    return FM_OK;
}

static struct {
    pthread_mutex_t lock;
    bool known;
    fm_error answer; /* code FM_OK: yes */
} jailing = {.lock = PTHREAD_MUTEX_INITIALIZER};

fm_status fm_sandbox_available(fm_error *err) {
    pthread_mutex_lock(&jailing.lock);
    if (!jailing.known) {
        jailing.answer = (fm_error){0};
        jailing.answer.code = probe(&jailing.answer);
        jailing.known = jailing.answer.code != FM_ERR_MEMORY; /* which says nothing about the machine */
    }
    fm_status status = jailing.answer.code;
    if (status != FM_OK && err) *err = jailing.answer;
    pthread_mutex_unlock(&jailing.lock);
    return status;
}

fm_status fm_sandbox_run(const fm_sandbox_job *job, fm_sandbox_result *result, fm_error *err) {
    *result = (fm_sandbox_result){0};
    FM_TRY(checked(job, err));
    FM_TRY(fm_sandbox_available(err));
    return run_or_clear(job, result, err);
}

void fm_sandbox_result_clear(fm_sandbox_result *result) {
    fm_buffer_clear(&result->output);
    *result = (fm_sandbox_result){0};
}

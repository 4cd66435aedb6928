#include "jail/start.h"

#include "base/clock.h"
#include "jail/spawn.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

fm_child_limits fm_child_default_limits(void) {
    return (fm_child_limits){
        .wall_seconds = 20,
        .cpu_seconds = 20,
        .memory_bytes = (size_t)1 << 30,
        .output_bytes = (size_t)64 << 20,
        .file_bytes = (size_t)64 << 20,
        .processes = 64,
        .open_files = 64,
    };
}

static fm_child_limits filled(fm_child_limits l) {
    fm_child_limits d = fm_child_default_limits();
    if (l.wall_seconds > 0) d.wall_seconds = l.wall_seconds;
    if (l.cpu_seconds) d.cpu_seconds = l.cpu_seconds;
    if (l.memory_bytes) d.memory_bytes = l.memory_bytes;
    if (l.output_bytes) d.output_bytes = l.output_bytes;
    if (l.file_bytes) d.file_bytes = l.file_bytes;
    if (l.processes) d.processes = l.processes;
    if (l.open_files) d.open_files = l.open_files;
    return d;
}

/* ---- finding programs -------------------------------------------------------------------------*/

/* PATH is searched here and not in the child, where it would not be safe; and only in absolute
 * directories, so that a program in the directory of somebody's files is never run by accident. */
fm_status fm_child_find(const char *program, char **path, fm_error *err) {
    *path = NULL;
    const char *list = getenv("PATH");
    if (strchr(program, '/') || !list) list = "";
    fm_buffer candidate = {0};
    if (strchr(program, '/')) {
        fm_buffer_text(&candidate, program);
    } else {
        for (const char *p = list; *p;) {
            size_t n = strcspn(p, ":");
            candidate.size = 0;
            fm_buffer_format(&candidate, "%.*s/%s", (int)n, p, program);
            if (*p == '/' && access(fm_buffer_string(&candidate), X_OK) == 0) break;
            candidate.size = 0;
            p += n + (p[n] == ':');
        }
    }
    bool failed = candidate.failed, found = candidate.size > 0;
    *path = fm_buffer_take(&candidate);
    if (failed || !*path) return fm_fail_memory(err, strlen(list), "the path of a program");
    if (found) return FM_OK;
    fm_free(*path);
    *path = NULL;
    return fm_fail(err, FM_ERR_UNSUPPORTED, "the program %s is not installed", program);
}

bool fm_child_exists(const char *program) {
    char *path;
    bool found = fm_child_find(program, &path, NULL) == FM_OK;
    fm_free(path);
    return found;
}

/* ---- watching ---------------------------------------------------------------------------------*/

typedef struct watch {
    fm_child_process child;
    fm_child_limits limits;
    fm_child_result *result;
    double deadline;
    size_t complaint_size;
    bool out_of_time, too_much;
    bool lost; /* somebody else has reaped it */
} watch;

/* Takes what is there. Returns false at the end of the stream. */
static bool drain_output(watch *w) {
    char chunk[16 << 10];
    for (;;) {
        ssize_t n = read(w->child.output, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        if (n == 0) return false;
        if (w->result->output.size + (size_t)n > w->limits.output_bytes) {
            w->too_much = true;
            return false;
        }
        fm_buffer_put(&w->result->output, chunk, (size_t)n);
        if (w->result->output.failed) return false;
    }
}

/* Keeps the first line of what it says, as printable ASCII and whatever UTF-8 there is. */
static bool drain_error(watch *w) {
    char chunk[1024];
    for (;;) {
        ssize_t n = read(w->child.error, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        if (n == 0) return false;
        size_t room = sizeof w->result->complaint - 1;
        for (ssize_t i = 0; i < n && w->complaint_size < room; i++) {
            unsigned char c = (unsigned char)chunk[i];
            if (c == '\n' && w->complaint_size > 0) w->complaint_size = room;
            else if (c == '\n') continue;
            else w->result->complaint[w->complaint_size++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
        }
    }
}

/* Until the program ends, or a limit is met. A stream that a grandchild holds open does not
 * count. */
static void watch_child(watch *w) {
    int end = fm_spawn_end_of(w->child.pid);
    bool output_open = true, error_open = true;
    while (!fm_spawn_has_ended(w->child.pid, &w->lost)) {
        double left = w->deadline - fm_clock_seconds();
        if (left <= 0) {
            w->out_of_time = true;
            break;
        }
        struct pollfd fds[] = {{.fd = output_open ? w->child.output : -1, .events = POLLIN},
                               {.fd = error_open ? w->child.error : -1, .events = POLLIN},
                               {.fd = end, .events = POLLIN}};
        int milliseconds = end < 0 ? 20 : left > 1000 ? 1000000 : (int)(left * 1000) + 1;
        poll(fds, 3, milliseconds);
        if (fds[0].revents) output_open = drain_output(w);
        if (fds[1].revents) error_open = drain_error(w);
        if (w->too_much || w->result->output.failed) break;
    }
    if (end >= 0) close(end);
}

/* Kills whatever is left of it, takes the last output, and reaps. */
static int finish_child(watch *w, struct rusage *usage) {
    int status = 0;
    if (!w->lost) {
        kill(-w->child.pid, SIGKILL);
        kill(w->child.pid, SIGKILL);
        while (wait4(w->child.pid, &status, 0, usage) < 0 && !w->lost) w->lost = errno == ECHILD;
    }
    if (!w->too_much && !w->out_of_time) drain_output(w);
    drain_error(w);
    close(w->child.output);
    close(w->child.error);
    return status;
}

static fm_status judge(const watch *w, const char *program, int status, const struct rusage *usage,
                       fm_error *err) {
    if (w->result->output.failed)
        return fm_fail_memory(err, w->result->output.size, "the output of a helper program");
    if (w->too_much)
        return fm_fail(err, FM_ERR_LIMIT,
                       "%s wrote more than the %zu bytes allowed and was stopped", program,
                       w->limits.output_bytes);
    if (w->out_of_time)
        return fm_fail(err, FM_ERR_LIMIT, "%s did not finish within %g seconds and was stopped",
                       program, w->limits.wall_seconds);
    if (w->lost)
        return fm_fail(err, FM_ERR_IO,
                       "how %s ended is not known: this process ignores SIGCHLD, or another part "
                       "of it has waited for the child", program);
    if (!WIFSIGNALED(status)) return FM_OK;
    int signal = WTERMSIG(status);
    if (signal == SIGXCPU ||
        (signal == SIGKILL && fm_spawn_processor_seconds(usage) >= w->limits.cpu_seconds))
        return fm_fail(err, FM_ERR_LIMIT,
                       "%s used more than %u seconds of processor time and was stopped", program,
                       w->limits.cpu_seconds);
    if (signal == SIGXFSZ)
        return fm_fail(err, FM_ERR_LIMIT, "%s wrote a file of more than %zu bytes and was stopped",
                       program, w->limits.file_bytes);
    return fm_fail(err, FM_ERR_FORMAT, "%s crashed (signal %d, %s)", program, signal,
                   strsignal(signal));
}

fm_status fm_child_run(const fm_child_job *job, fm_child_result *result, fm_error *err) {
    *result = (fm_child_result){0};
    watch w = {.limits = filled(job->limits), .result = result};
    w.deadline = fm_clock_seconds() + w.limits.wall_seconds;
    FM_TRY(fm_child_start(job, &w.limits, &w.child, err));
    result->isolated = w.child.isolated;
    watch_child(&w);
    struct rusage usage = {0};
    int code = finish_child(&w, &usage);
    result->exit_code = WIFEXITED(code) ? WEXITSTATUS(code) : -1;
    fm_status status = judge(&w, job->argv[0], code, &usage, err);
    if (status != FM_OK) fm_child_result_clear(result);
    return status;
}

void fm_child_result_clear(fm_child_result *result) {
    fm_buffer_clear(&result->output);
    *result = (fm_child_result){0};
}

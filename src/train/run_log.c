#include "train/run_log.h"

#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Bytes of the lines that stay: those before the first that is torn or of a later step. */
static size_t kept_bytes(const char *text, size_t size, int64_t step, fm_run_spent *spent) {
    size_t at = 0;
    while (at < size) {
        const char *end = memchr(text + at, '\n', size - at);
        fm_json *line = NULL;
        if (!end || fm_json_parse(text + at, (size_t)(end - text) - at, &line, NULL) != FM_OK) break;
        bool stays = fm_json_integer(fm_json_get(line, "step"), INT64_MAX) <= step;
        if (stays) {
            spent->seconds = fm_json_number(fm_json_get(line, "seconds"), spent->seconds);
            spent->joules = fm_json_number(fm_json_get(line, "joules"), spent->joules);
        }
        fm_json_free(line);
        if (!stays) break;
        at = (size_t)(end - text) + 1;
    }
    return at;
}

fm_status fm_run_log_open(const char *path, int64_t step, fm_run_log *out, fm_run_spent *spent, fm_error *err) {
    *out = (fm_run_log){.fd = -1};
    *spent = (fm_run_spent){0, -1};
    size_t kept = 0, size;
    if (step >= 0 && fm_file_exists(path)) {
        char *text;
        FM_TRY(fm_file_read(path, (size_t)4 << 30, &text, &size, err));
        kept = kept_bytes(text, size, step, spent);
        fm_free(text);
    }
    out->path = fm_strdup(path);
    if (!out->path) return fm_fail_memory(err, strlen(path), path);
    out->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (out->fd < 0 || ftruncate(out->fd, (off_t)kept) != 0) {
        fm_status status = fm_fail(err, FM_ERR_IO, "cannot write %s: %s", path, strerror(errno));
        fm_run_log_close(out);
        return status;
    }
    return FM_OK;
}

void fm_run_log_close(fm_run_log *log) {
    if (log->path && log->fd >= 0) close(log->fd);
    fm_free(log->path);
    fm_buffer_clear(&log->line);
    fm_buffer_clear(&log->waiting);
    *log = (fm_run_log){.fd = -1};
}

fm_json_writer *fm_run_log_event(fm_run_log *log, const char *event, int64_t step) {
    fm_buffer_clear(&log->line);
    log->json = (fm_json_writer){.out = &log->line, .flat = true};
    fm_json_open(&log->json, NULL, '{');
    fm_json_put_text(&log->json, "event", event);
    fm_json_put_integer(&log->json, "step", step);
    return &log->json;
}

static fm_status write_waiting(fm_run_log *log, fm_error *err) {
    fm_buffer *b = &log->waiting;
    size_t at = 0;
    int code = 0;
    while (at < b->size && !code) {
        ssize_t done = write(log->fd, b->data + at, b->size - at);
        if (done >= 0) at += (size_t)done;
        else if (errno != EINTR) code = errno;
    }
    if (at) memmove(b->data, b->data + at, b->size - at); /* a disk may take half a line */
    b->size -= at;
    return code ? fm_fail(err, FM_ERR_IO, "cannot write %s: %s", log->path, strerror(code)) : FM_OK;
}

fm_status fm_run_log_end(fm_run_log *log, fm_error *err) {
    fm_json_close(&log->json, '}');
    FM_TRY(fm_buffer_status(&log->line, err));
    fm_buffer_put(&log->waiting, log->line.data, log->line.size);
    FM_TRY(fm_buffer_status(&log->waiting, err));
    return write_waiting(log, err);
}

fm_status fm_run_log_sync(fm_run_log *log, fm_error *err) {
    FM_TRY(write_waiting(log, err));
    if (fdatasync(log->fd) == 0 || errno == EINVAL) return FM_OK; /* EINVAL: it is a pipe or a device */
    return fm_fail(err, FM_ERR_IO, "cannot write %s: %s", log->path, strerror(errno));
}

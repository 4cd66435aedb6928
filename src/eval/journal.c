#include "eval/journal.h"

#include "base/buffer.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_LIMIT = 1 << 30 };

struct fm_journal {
    char *path, *text;
    size_t size;    /* of text, its last newline included */
    size_t *starts; /* [n + 1] of the lines in text */
    size_t n;
    int fd;
};

static fm_status refused(const fm_journal *j, const char *what, fm_error *err) {
    return fm_fail(err, FM_ERR_IO, "cannot %s %s: %s", what, j->path, strerror(errno));
}

static fm_status open_file(fm_journal *j, fm_error *err) {
    struct stat st;
    j->fd = open(j->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);
    if (j->fd < 0 || fstat(j->fd, &st) != 0) return refused(j, "open", err);
    if (!S_ISREG(st.st_mode))
        return fm_fail(err, FM_ERR_IO, "%s is not a regular file: results need one that they can be "
                       "added to", j->path);
    if (flock(j->fd, LOCK_EX | LOCK_NB) == 0) return FM_OK;
    if (errno == EWOULDBLOCK)
        return fm_fail(err, FM_ERR_IO, "%s is being written by another process: wait for it, or give "
                       "another name", j->path);
    return refused(j, "lock", err);
}

static fm_status find_lines(fm_journal *j, fm_error *err) {
    while (j->size > 0 && j->text[j->size - 1] != '\n') j->size--;
    for (size_t i = 0; i < j->size; i++) j->n += j->text[i] == '\n';
    j->starts = fm_alloc_array(j->n + 1, sizeof *j->starts, FM_MEM_OTHER);
    if (!j->starts) return fm_fail_memory(err, (j->n + 1) * sizeof *j->starts, "a journal");
    size_t line = 0;
    for (size_t i = 0; i < j->size; i++)
        if (j->text[i] == '\n') j->starts[++line] = i + 1;
    return FM_OK;
}

static fm_status open_journal(fm_journal *j, const char *path, fm_error *err) {
    size_t size;
    if (!(j->path = fm_strdup(path))) return fm_fail_memory(err, strlen(path), "a path");
    FM_TRY(open_file(j, err));
    FM_TRY(fm_file_read(path, FILE_LIMIT, &j->text, &j->size, err));
    size = j->size;
    FM_TRY(find_lines(j, err));
    if (j->size < size && ftruncate(j->fd, (off_t)j->size) != 0) return refused(j, "shorten", err);
    return FM_OK;
}

fm_status fm_journal_open(const char *path, fm_journal **out, fm_error *err) {
    *out = NULL;
    fm_journal *j = fm_alloc_zero(sizeof *j, FM_MEM_OTHER);
    if (!j) return fm_fail_memory(err, sizeof *j, "a journal");
    j->fd = -1;
    fm_status status = open_journal(j, path, err);
    if (status == FM_OK)
        *out = j;
    else
        fm_journal_close(j);
    return status;
}

void fm_journal_close(fm_journal *j) {
    if (!j) return;
    if (j->fd >= 0) close(j->fd);
    fm_free(j->starts);
    fm_free(j->text);
    fm_free(j->path);
    fm_free(j);
}

size_t fm_journal_count(const fm_journal *j) { return j->n; }

const char *fm_journal_line(const fm_journal *j, size_t i, size_t *size) {
    *size = j->starts[i + 1] - j->starts[i] - 1;
    return j->text + j->starts[i];
}

static bool write_all(int fd, const char *s, size_t n) {
    while (n > 0) {
        ssize_t wrote = write(fd, s, n);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return false;
        s += wrote;
        n -= (size_t)wrote;
    }
    return true;
}

fm_status fm_journal_append(fm_journal *j, const char *line, size_t size, fm_error *err) {
    fm_buffer b = {0};
    fm_buffer_put(&b, line, size);
    fm_buffer_put(&b, "\n", 1);
    fm_status status = fm_buffer_status(&b, err);
    off_t end = lseek(j->fd, 0, SEEK_END);
    if (status == FM_OK && (end < 0 || !write_all(j->fd, b.data, b.size) || fdatasync(j->fd) != 0)) {
        status = refused(j, "write", err);
        if (end >= 0 && ftruncate(j->fd, end) != 0) errno = 0; /* the next opening cuts it off */
    }
    fm_buffer_clear(&b);
    return status;
}

#include "base/file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Anything but a directory. `flags` go to open beside the usual ones. */
static fm_status open_to_read(const char *path, int flags, int *fd, struct stat *st,
                              fm_error *err) {
    *fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    if (*fd < 0) return fm_fail(err, FM_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    if (fstat(*fd, st) != 0) {
        int code = errno;
        close(*fd);
        return fm_fail(err, FM_ERR_IO, "cannot read %s: %s", path, strerror(code));
    }
    if (S_ISDIR(st->st_mode)) {
        close(*fd);
        return fm_fail(err, FM_ERR_IO, "%s is a directory, not a file", path);
    }
    return FM_OK;
}

static int64_t modified(const struct stat *st) {
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

fm_status fm_map_open(const char *path, fm_map *out, fm_error *err) {
    *out = (fm_map){0};
    int fd;
    struct stat st;
    FM_TRY(open_to_read(path, O_NONBLOCK, &fd, &st, err)); /* a pipe is refused, not waited for */
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return fm_fail(err, FM_ERR_IO, "%s is not a regular file and cannot be mapped", path);
    }
    size_t size = (size_t)st.st_size;
    if (size > 0) {
        void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        int code = errno;
        if (p == MAP_FAILED) {
            close(fd);
            return fm_fail(err, FM_ERR_IO, "cannot map %s (%zu bytes): %s", path, size,
                           strerror(code));
        }
        *out = (fm_map){p, size, fd, modified(&st)};
    } else {
        close(fd);
    }
    return FM_OK;
}

void fm_map_close(fm_map *map) {
    if (map->data) {
        munmap((void *)(uintptr_t)map->data, map->size);
        close(map->fd);
    }
    *map = (fm_map){0};
}

void fm_map_drop(const fm_map *map, size_t offset, size_t length) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (offset > map->size || length > map->size - offset) return;
    /* Only pages that lie wholly inside: their neighbours' bytes are somebody else's. */
    size_t begin = (offset + page - 1) / page * page, end = (offset + length) / page * page;
    if (begin < end)
        madvise((void *)(uintptr_t)(map->data + begin), end - begin, MADV_DONTNEED);
}

void fm_map_prefetch(const fm_map *map, size_t offset, size_t length) {
    if (offset >= map->size) return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), begin = offset / page * page;
    if (length > map->size - offset) length = map->size - offset;
    madvise((void *)(uintptr_t)(map->data + begin), offset + length - begin, MADV_WILLNEED);
}

fm_status fm_map_populate(const fm_map *map, size_t offset, size_t length, fm_error *err) {
#ifndef MADV_POPULATE_READ /* of older headers */
    enum { MADV_POPULATE_READ = 22 };
#endif
    if (length == 0) return FM_OK;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), begin = offset / page * page;
    int code;
    do code = madvise((void *)(uintptr_t)(map->data + begin), offset + length - begin, MADV_POPULATE_READ) ? errno : 0;
    while (code == EINTR);
    if (code == EFAULT || code == EHWPOISON)
        return fm_fail(err, FM_ERR_IO, "reading %zu bytes at %zu failed: the disk has an error, or something has "
                       "shortened the file", length, offset);
    if (code) fm_map_prefetch(map, offset, length); /* the system cannot, or has no memory for the tables */
    return FM_OK;
}

bool fm_map_cached(const fm_map *map, size_t offset) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char there = 1;
    if (offset < map->size) mincore((void *)(uintptr_t)(map->data + offset / page * page), 1, &there);
    return there & 1; /* as it was where that fails */
}

void fm_map_huge(const fm_map *map) {
    if (map->data) madvise((void *)(uintptr_t)map->data, map->size, MADV_HUGEPAGE);
}

void fm_map_forget(const fm_map *map, size_t offset, size_t length) {
    if (offset >= map->size || length == 0) return; /* of length 0 the system would forget all */
    posix_fadvise(map->fd, (off_t)offset, (off_t)length, POSIX_FADV_DONTNEED);
}

fm_status fm_map_unchanged(const fm_map *map, fm_error *err) {
    struct stat st;
    if (!map->data) return FM_OK;
    if (fstat(map->fd, &st) != 0)
        return fm_fail(err, FM_ERR_IO, "asking about the file failed: %s", strerror(errno));
    if ((size_t)st.st_size == map->size && modified(&st) == map->modified) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "something has changed the file since it was opened (it had %zu bytes and "
                   "has %lld): open it again, and replace files that are in use by renaming", map->size,
                   (long long)st.st_size);
}

fm_status fm_map_read(const fm_map *map, size_t offset, size_t length, void *out, fm_error *err) {
    if (offset > map->size || length > map->size - offset)
        return fm_fail(err, FM_ERR_ARGUMENT, "%zu bytes at %zu are not all in a file of %zu", length,
                       offset, map->size);
    for (char *to = out; length > 0;) {
        ssize_t n = pread(map->fd, to, length, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return fm_fail(err, FM_ERR_IO, "reading at byte %zu failed: %s", offset, strerror(errno));
        if (n == 0)
            return fm_fail(err, FM_ERR_IO, "the file ends at byte %zu and had %zu when it was opened: "
                           "something has shortened it; fetch or copy it again", offset, map->size);
        to += n;
        offset += (size_t)n;
        length -= (size_t)n;
    }
    return FM_OK;
}

/* Reads until the end, growing: pipes and /proc files do not tell their size. */
static fm_status read_all(int fd, const char *name, size_t limit, char **out, size_t *size,
                          fm_error *err) {
    size_t capacity = 64 << 10, used = 0;
    char *buffer = fm_alloc(capacity + 1, FM_MEM_OTHER);
    if (!buffer) return fm_fail_memory(err, capacity, name);
    for (;;) {
        if (used == capacity) {
            capacity *= 2;
            char *bigger = fm_realloc(buffer, capacity + 1, FM_MEM_OTHER);
            if (!bigger) {
                fm_free(buffer);
                return fm_fail_memory(err, capacity, name);
            }
            buffer = bigger;
        }
        ssize_t n = read(fd, buffer + used, capacity - used);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            int code = errno;
            fm_free(buffer);
            return fm_fail(err, FM_ERR_IO, "cannot read %s: %s", name, strerror(code));
        }
        if (n == 0) break;
        used += (size_t)n;
        if (used > limit) {
            fm_free(buffer);
            return fm_fail(err, FM_ERR_LIMIT, "%s is larger than the %zu bytes allowed here", name,
                           limit);
        }
    }
    buffer[used] = 0;
    *out = buffer;
    *size = used;
    return FM_OK;
}

fm_status fm_file_read(const char *path, size_t limit, char **out, size_t *size, fm_error *err) {
    *out = NULL;
    *size = 0;
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", limit, out, size, err);
    int fd;
    struct stat st;
    FM_TRY(open_to_read(path, 0, &fd, &st, err));
    fm_status status = read_all(fd, path, limit, out, size, err);
    close(fd);
    return status;
}

struct fm_writer {
    int fd;
    bool failed;
    char *path;      /* with symbolic links followed, so that a link stays a link */
    char *temporary; /* NULL when the bytes go straight to a device or a pipe */
    size_t used;
    unsigned char buffer[64 << 10];
};

/* A device or a pipe (/dev/stdout, /dev/null) is written as it is: a file renamed to its place
 * would replace it. */
static fm_status open_special(fm_writer *w, fm_error *err) {
    w->fd = open(w->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (w->fd < 0)
        return fm_fail(err, FM_ERR_IO, "cannot write %s: %s", w->path, strerror(errno));
    return FM_OK;
}

/* A new file PATH.xxxxxxxx.tmp, whose name goes to `name`. Not by mkostemp, which makes it private
 * whatever the umask says. */
static int create_beside(const char *path, mode_t mode, char *name, size_t size) {
    enum { ATTEMPTS = 100 };
    for (uint32_t i = 0; i < ATTEMPTS; i++) {
        uint32_t random = 0;
        (void)!getrandom(&random, sizeof random, GRND_NONBLOCK); /* O_EXCL is what counts */
        snprintf(name, size, "%s.%08x.tmp", path, (unsigned)(random + i));
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

/* `old` is the file to be replaced, whose mode the new one gets; NULL: the umask decides. */
static fm_status open_temporary(fm_writer *w, const struct stat *old, fm_error *err) {
    size_t bytes = strlen(w->path) + sizeof ".xxxxxxxx.tmp";
    w->temporary = fm_alloc(bytes, FM_MEM_OTHER);
    if (!w->temporary) return fm_fail_memory(err, bytes, w->path);
    w->fd = create_beside(w->path, old ? 0600 : 0666, w->temporary, bytes);
    if (w->fd < 0) {
        int code = errno;
        fm_free(w->temporary); /* there is nothing of that name to delete */
        w->temporary = NULL;
        return fm_fail(err, FM_ERR_IO, "cannot write %s: %s", w->path, strerror(code));
    }
    if (old) (void)fchmod(w->fd, old->st_mode & 0777); /* failing, it stays private */
    return FM_OK;
}

fm_status fm_writer_open(const char *path, fm_writer **out, fm_error *err) {
    *out = NULL;
    fm_writer *w = fm_alloc_zero(sizeof *w, FM_MEM_OTHER);
    if (!w) return fm_fail_memory(err, sizeof *w, path);
    w->fd = -1;
    struct stat st;
    bool exists = stat(path, &st) == 0;
    char *real = exists ? realpath(path, NULL) : NULL;
    w->path = fm_strdup(real && S_ISREG(st.st_mode) ? real : path);
    free(real);
    fm_status status;
    if (!w->path)
        status = fm_fail_memory(err, strlen(path), path);
    else if (exists && S_ISDIR(st.st_mode))
        status = fm_fail(err, FM_ERR_IO, "cannot write %s: it is a directory", path);
    else if (exists && !S_ISREG(st.st_mode))
        status = open_special(w, err);
    else
        status = open_temporary(w, exists ? &st : NULL, err);
    if (status != FM_OK) {
        fm_writer_abort(w);
        return status;
    }
    *out = w;
    return FM_OK;
}

static fm_status flush(fm_writer *w, const unsigned char *bytes, size_t n, fm_error *err) {
    while (n > 0) {
        ssize_t done = write(w->fd, bytes, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) {
            w->failed = true;
            return fm_fail(err, FM_ERR_IO, "cannot write %s: %s", w->path, strerror(errno));
        }
        bytes += done;
        n -= (size_t)done;
    }
    return FM_OK;
}

fm_status fm_writer_put(fm_writer *w, const void *bytes, size_t n, fm_error *err) {
    if (w->failed) return fm_fail(err, FM_ERR_IO, "writing %s failed before", w->path);
    if (n >= sizeof w->buffer - w->used) {
        FM_TRY(flush(w, w->buffer, w->used, err));
        w->used = 0;
        if (n >= sizeof w->buffer) return flush(w, bytes, n, err);
    }
    if (n) memcpy(w->buffer + w->used, bytes, n);
    w->used += n;
    return FM_OK;
}

fm_status fm_writer_commit(fm_writer *w, fm_error *err) {
    fm_status status = w->failed ? fm_fail(err, FM_ERR_IO, "writing %s failed before", w->path)
                                 : flush(w, w->buffer, w->used, err);
    if (status == FM_OK && w->temporary && fsync(w->fd) != 0)
        status = fm_fail(err, FM_ERR_IO, "cannot write %s: %s", w->path, strerror(errno));
    int closed = close(w->fd);
    w->fd = -1;
    if (status == FM_OK && (closed != 0 || (w->temporary && rename(w->temporary, w->path) != 0)))
        status = fm_fail(err, FM_ERR_IO, "cannot write %s: %s", w->path, strerror(errno));
    if (status == FM_OK) {
        fm_free(w->temporary); /* it has become the file */
        w->temporary = NULL;
    }
    fm_writer_abort(w);
    return status;
}

void fm_writer_abort(fm_writer *w) {
    if (!w) return;
    if (w->fd >= 0) close(w->fd);
    if (w->temporary) unlink(w->temporary);
    fm_free(w->path);
    fm_free(w->temporary);
    fm_free(w);
}

fm_status fm_folder_make_for(const char *path, fm_error *err) {
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/') end--;
    char *part = fm_strndup(path, end);
    if (!part) return fm_fail_memory(err, end, "a path");
    fm_status status = FM_OK;
    for (size_t i = 1; i < end && status == FM_OK; i++) {
        if (path[i] != '/') continue;
        part[i] = 0;
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            status = fm_fail(err, FM_ERR_IO, "cannot make the folder %s: %s", part, strerror(errno));
        part[i] = '/';
    }
    fm_free(part);
    return status;
}

bool fm_is_directory(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool fm_file_exists(const char *path) { return access(path, F_OK) == 0; }

char *fm_path_join(const char *directory, const char *name) {
    size_t a = strlen(directory), b = strlen(name);
    char *p = fm_alloc(a + b + 2, FM_MEM_OTHER);
    if (!p) return NULL;
    memcpy(p, directory, a);
    if (a > 0 && directory[a - 1] != '/') p[a++] = '/';
    memcpy(p + a, name, b + 1);
    return p;
}

#include "train/build_private.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

fm_status fm_build_folder_begin(const char *path, fm_build_folder *out, fm_error *err) {
    struct stat st;
    size_t n = strlen(path), bytes = n + sizeof ".xxxxxxxx.tmp";
    while (n > 1 && path[n - 1] == '/') n--;
    *out = (fm_build_folder){fm_strndup(path, n), fm_alloc(bytes, FM_MEM_OTHER)};
    if (!out->path || !out->temporary) {
        fm_build_folder_abort(out);
        return fm_fail_memory(err, bytes, "a path");
    }
    out->temporary[0] = 0; /* nothing to remove yet */
    fm_status status = FM_OK;
    if (lstat(out->path, &st) == 0 && rmdir(out->path) != 0)
        status = fm_fail(err, FM_ERR_IO, "%s is there already: delete it, or give another folder", out->path);
    if (status == FM_OK) status = fm_folder_make_for(out->path, err);
    if (status == FM_OK) {
        snprintf(out->temporary, bytes, "%.*s.%08x.tmp", (int)n, path, (unsigned)getpid());
        if (mkdir(out->temporary, 0777) != 0) {
            status = fm_fail(err, FM_ERR_IO, "cannot make the folder %s: %s", out->temporary, strerror(errno));
            out->temporary[0] = 0;
        }
    }
    if (status != FM_OK) fm_build_folder_abort(out);
    return status;
}

char *fm_build_folder_path(const fm_build_folder *f, const char *name) { return fm_path_join(f->temporary, name); }

static fm_status put_file(const char *path, const void *bytes, size_t size, fm_error *err) {
    fm_writer *w;
    FM_TRY(fm_writer_open(path, &w, err));
    fm_status status = fm_writer_put(w, bytes, size, err);
    if (status == FM_OK) return fm_writer_commit(w, err);
    fm_writer_abort(w);
    return status;
}

fm_status fm_build_folder_put(const fm_build_folder *f, const char *name, const void *bytes, size_t size,
                              fm_error *err) {
    char *path = fm_build_folder_path(f, name);
    if (!path) return fm_fail_memory(err, strlen(name), "a path");
    fm_status status = put_file(path, bytes, size, err);
    fm_free(path);
    return status;
}

static void sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

fm_status fm_build_folder_commit(fm_build_folder *f, fm_error *err) {
    sync_folder(f->temporary);
    if (rename(f->temporary, f->path) != 0) {
        fm_status status = fm_fail(err, FM_ERR_IO, "cannot write %s: %s", f->path, strerror(errno));
        fm_build_folder_abort(f);
        return status;
    }
    f->temporary[0] = 0;
    fm_build_folder_abort(f);
    return FM_OK;
}

void fm_build_folder_abort(fm_build_folder *f) {
    DIR *dir = f->temporary && *f->temporary ? opendir(f->temporary) : NULL;
    for (struct dirent *d; dir && (d = readdir(dir));) (void)unlinkat(dirfd(dir), d->d_name, 0);
    if (dir) closedir(dir);
    if (dir) rmdir(f->temporary);
    fm_free(f->path);
    fm_free(f->temporary);
    *f = (fm_build_folder){0};
}

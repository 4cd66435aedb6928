#include "compress/new_folder.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_ours(const char *name) {
    static const char *const names[] = {"config.json", "generation_config.json", "tokenizer.json",
                                        "tokenizer_config.json", "chat_template.jinja",
                                        "model.safetensors.index.json"};
    for (size_t i = 0; i < FM_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0) return true;
    size_t n = strlen(name), m = strlen(".safetensors");
    return n > m && strcmp(name + n - m, ".safetensors") == 0;
}

static bool is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

/* Whether a folder has files that a conversion would not have made; one of them goes to `name`. */
static bool has_others(const char *path, char *name, size_t size) {
    DIR *dir = opendir(path);
    bool found = false;
    for (struct dirent *d; dir && !found && (d = readdir(dir));) {
        found = !is_dots(d->d_name) && !is_ours(d->d_name);
        if (found) snprintf(name, size, "%s", d->d_name);
    }
    if (dir) closedir(dir);
    return found;
}

/* Deletes a folder of our own files; anything else in it is left, and the folder with it. */
static void delete_folder(const char *path) {
    DIR *dir = opendir(path);
    for (struct dirent *d; dir && (d = readdir(dir));)
        if (is_ours(d->d_name) || strstr(d->d_name, ".tmp")) unlinkat(dirfd(dir), d->d_name, 0);
    if (dir) closedir(dir);
    rmdir(path);
}

static fm_status check_target(const char *path, bool force, bool *replaces, fm_error *err) {
    char other[256];
    struct stat st;
    *replaces = lstat(path, &st) == 0;
    if (!*replaces) return FM_OK;
    if (!S_ISDIR(st.st_mode))
        return fm_fail(err, FM_ERR_IO, "%s is not a folder, and what is made here is one", path);
    if (rmdir(path) == 0) { /* an empty one makes room */
        *replaces = false;
        return FM_OK;
    }
    if (!force)
        return fm_fail(err, FM_ERR_IO, "%s is there already: with force it is replaced", path);
    if (has_others(path, other, sizeof other))
        return fm_fail(err, FM_ERR_IO, "%s holds more than a model (%s): give another folder", path, other);
    return FM_OK;
}

fm_status fm_new_folder_begin(const char *path, bool force, fm_new_folder *out, fm_error *err) {
    *out = (fm_new_folder){0};
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    out->path = fm_strndup(path, n);
    size_t bytes = n + sizeof ".XXXXXX.tmp";
    out->temporary = fm_alloc(bytes, FM_MEM_OTHER);
    fm_status status = out->path && out->temporary ? FM_OK : fm_fail_memory(err, bytes, path);
    if (status == FM_OK) status = check_target(out->path, force, &out->replaces, err);
    for (unsigned i = 0; status == FM_OK; i++) {
        snprintf(out->temporary, bytes, "%s.%06x.tmp", out->path, ((unsigned)getpid() * 64 + i) & 0xffffff);
        if (mkdir(out->temporary, 0777) == 0) return FM_OK;
        if (errno != EEXIST || i == 63)
            status = fm_fail(err, FM_ERR_IO, "cannot make the folder %s: %s", out->temporary,
                             strerror(errno));
    }
    fm_free(out->temporary);
    fm_free(out->path);
    *out = (fm_new_folder){0};
    return status;
}

fm_status fm_new_folder_commit(fm_new_folder *f, fm_error *err) {
    unsigned flags = f->replaces ? RENAME_EXCHANGE : RENAME_NOREPLACE;
    int done = renameat2(AT_FDCWD, f->temporary, AT_FDCWD, f->path, flags);
    if (done != 0 && errno == EINVAL && !f->replaces) done = rename(f->temporary, f->path);
    if (done != 0) {
        fm_status status = fm_fail(err, FM_ERR_IO, "cannot write %s: %s", f->path, strerror(errno));
        fm_new_folder_abort(f);
        return status;
    }
    if (f->replaces) delete_folder(f->temporary); /* where the old one is now */
    fm_free(f->temporary);
    f->temporary = NULL;
    fm_new_folder_abort(f);
    return FM_OK;
}

void fm_new_folder_abort(fm_new_folder *f) {
    if (f->temporary) delete_folder(f->temporary);
    fm_free(f->temporary);
    fm_free(f->path);
    *f = (fm_new_folder){0};
}

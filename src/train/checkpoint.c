/* checkpoint.c: writing a checkpoint. Finding and keeping them is in checkpoints.c. */
#include "train/checkpoint.h"

#include "base/file.h"
#include "base/json_write.h"
#include "train/checkpoint_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_FILES = 32, MOST_COPY = 256 << 20 };

struct fm_checkpoint {
    char *folder, *temporary, *path;
    char *names[MOST_FILES];
    size_t n;
};

static fm_status sync_folder(const char *path, fm_error *err) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0;
    int code = errno;
    if (fd >= 0) close(fd);
    if (failed) return fm_fail(err, FM_ERR_IO, "cannot write the folder %s: %s", path, strerror(code));
    return FM_OK;
}

static fm_status make_folder(const char *path, fm_error *err) {
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && fm_is_directory(path))) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "cannot make the folder %s: %s", path, strerror(errno));
}

fm_status fm_checkpoint_begin(const char *folder, int64_t step, fm_checkpoint **out, fm_error *err) {
    char name[FM_CHECKPOINT_NAME];
    fm_checkpoint_name(step, name);
    return fm_checkpoint_begin_named(folder, name, out, err);
}

const char *fm_checkpoint_folder(const fm_checkpoint *c) { return c->temporary; }

fm_status fm_checkpoint_begin_named(const char *folder, const char *name, fm_checkpoint **out, fm_error *err) {
    char hidden[256];
    *out = NULL;
    fm_checkpoint *c = fm_alloc_zero(sizeof *c, FM_MEM_OTHER);
    if (!c) return fm_fail_memory(err, sizeof *c, "a checkpoint");
    snprintf(hidden, sizeof hidden, ".%s.tmp", name);
    c->folder = fm_strdup(folder);
    fm_status status = c->folder ? make_folder(folder, err) : fm_fail_memory(err, strlen(folder), folder);
    char *temporary = status == FM_OK ? fm_path_join(folder, hidden) : NULL;
    if (status == FM_OK && (!temporary || !(c->path = fm_path_join(folder, name))))
        status = fm_fail_memory(err, strlen(folder), folder);
    if (status == FM_OK) status = fm_folder_remove(temporary, err);
    if (status == FM_OK && mkdir(temporary, 0777) != 0)
        status = fm_fail(err, FM_ERR_IO, "cannot make the folder %s: %s", temporary, strerror(errno));
    if (status == FM_OK) {
        c->temporary = temporary;
        *out = c;
        return FM_OK;
    }
    fm_free(temporary);
    fm_checkpoint_abort(c);
    return status;
}

/* The path of a file to be written, whose name the manifest will list. */
static fm_status new_file(fm_checkpoint *c, const char *name, char **path, fm_error *err) {
    if (c->n == MOST_FILES) return fm_fail(err, FM_ERR_LIMIT, "%s: more than %d files", c->path, MOST_FILES);
    *path = fm_path_join(c->temporary, name);
    if (!*path || !(c->names[c->n] = fm_strdup(name))) {
        fm_free(*path);
        return fm_fail_memory(err, strlen(name), name);
    }
    c->n++;
    return FM_OK;
}

static fm_status write_whole(const char *path, const void *bytes, size_t n, fm_error *err) {
    fm_writer *w;
    FM_TRY(fm_writer_open(path, &w, err));
    fm_status status = fm_writer_put(w, bytes, n, err);
    if (status == FM_OK) return fm_writer_commit(w, err);
    fm_writer_abort(w);
    return status;
}

fm_status fm_checkpoint_put(fm_checkpoint *c, const char *name, const void *bytes, size_t n, fm_error *err) {
    char *path = NULL;
    FM_TRY(new_file(c, name, &path, err));
    fm_status status = write_whole(path, bytes, n, err);
    fm_free(path);
    return status;
}

fm_status fm_checkpoint_add(fm_checkpoint *c, const char *name, fm_error *err) {
    char *path = NULL;
    FM_TRY(new_file(c, name, &path, err));
    fm_free(path);
    return FM_OK;
}

static const char *const metadata[] = {"format", "pt"}; /* Transformers insists on it */

fm_status fm_checkpoint_put_tensors(fm_checkpoint *c, const char *name, const fm_safetensors_item *items,
                                    size_t n, fm_error *err) {
    char *path = NULL;
    FM_TRY(new_file(c, name, &path, err));
    fm_status status = fm_safetensors_write(path, items, n, metadata, 1, err);
    fm_free(path);
    return status;
}

fm_status fm_checkpoint_put_tensors_from(fm_checkpoint *c, const char *name, const fm_safetensors_item *items,
                                         size_t n, fm_item_fn fn, void *context, fm_error *err) {
    char *path = NULL;
    FM_TRY(new_file(c, name, &path, err));
    fm_status status = fm_safetensors_write_from(path, items, n, metadata, 1, fn, context, err);
    fm_free(path);
    return status;
}

fm_status fm_checkpoint_copy(fm_checkpoint *c, const char *name, const char *from_folder, fm_error *err) {
    char *source = fm_path_join(from_folder, name), *text;
    size_t size;
    if (!source) return fm_fail_memory(err, strlen(name), name);
    fm_status status = FM_OK;
    if (fm_file_exists(source)) {
        status = fm_file_read(source, MOST_COPY, &text, &size, err);
        if (status == FM_OK) {
            status = fm_checkpoint_put(c, name, text, size, err);
            fm_free(text);
        }
    }
    fm_free(source);
    return status;
}

static fm_status put_file(fm_checkpoint *c, const char *name, fm_json_writer *w, fm_error *err) {
    char hex[FM_SHA256_HEX + 1];
    struct stat st;
    char *path = fm_path_join(c->temporary, name);
    if (!path) return fm_fail_memory(err, strlen(name), name);
    fm_status status = fm_sha256_of_file(path, hex, err);
    if (status == FM_OK && stat(path, &st) != 0)
        status = fm_fail(err, FM_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    fm_free(path);
    FM_TRY(status);
    fm_json_open(w, name, '{');
    fm_json_put_text(w, "sha256", hex);
    fm_json_put_integer(w, "bytes", (int64_t)st.st_size);
    fm_json_close(w, '}');
    return FM_OK;
}

static fm_status write_manifest(fm_checkpoint *c, char *hash, fm_error *err) {
    fm_buffer text = {0};
    fm_json_writer w = {.out = &text};
    fm_status status = FM_OK;
    fm_json_open(&w, NULL, '{');
    fm_json_open(&w, "files", '{');
    for (size_t i = 0, n = c->n; i < n && status == FM_OK; i++) status = put_file(c, c->names[i], &w, err);
    fm_json_close(&w, '}');
    fm_json_close(&w, '}');
    if (status == FM_OK) status = fm_buffer_status(&text, err);
    if (status == FM_OK) status = fm_checkpoint_put(c, FM_CHECKPOINT_MANIFEST, text.data, text.size, err);
    if (status == FM_OK && hash) fm_sha256_of(text.data, text.size, hash);
    fm_buffer_clear(&text);
    return status;
}

/* An older checkpoint of this step, which the run is repeating, changes places with the new one in one step
 * and is then removed under its hidden name. */
static fm_status take_name(fm_checkpoint *c, fm_error *err) {
    bool replaces = fm_is_directory(c->path);
    int failed = replaces ? renameat2(AT_FDCWD, c->temporary, AT_FDCWD, c->path, RENAME_EXCHANGE)
                          : rename(c->temporary, c->path);
    if (failed && replaces && errno == EINVAL) { /* a file system that cannot exchange */
        FM_TRY(fm_folder_remove(c->path, err));
        failed = rename(c->temporary, c->path);
        replaces = false;
    }
    if (failed) return fm_fail(err, FM_ERR_IO, "cannot write %s: %s", c->path, strerror(errno));
    if (replaces) fm_folder_remove(c->temporary, NULL);
    fm_free(c->temporary);
    c->temporary = NULL;
    return sync_folder(c->folder, err);
}

fm_status fm_checkpoint_commit(fm_checkpoint *c, char hash[FM_SHA256_HEX + 1], fm_error *err) {
    fm_status status = write_manifest(c, hash, err);
    if (status == FM_OK) status = sync_folder(c->temporary, err);
    if (status == FM_OK) status = take_name(c, err);
    fm_checkpoint_abort(c);
    return status;
}

void fm_checkpoint_abort(fm_checkpoint *c) {
    if (!c) return;
    if (c->temporary) fm_folder_remove(c->temporary, NULL);
    for (size_t i = 0; i < c->n; i++) fm_free(c->names[i]);
    fm_free(c->temporary);
    fm_free(c->folder);
    fm_free(c->path);
    fm_free(c);
}

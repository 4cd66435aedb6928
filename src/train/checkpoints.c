/* checkpoints.c: which checkpoints there are, whether they are whole, and which of them stay. */
#include "base/file.h"
#include "base/json.h"
#include "train/checkpoint_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fm_checkpoint_name(int64_t step, char name[FM_CHECKPOINT_NAME]) {
    snprintf(name, FM_CHECKPOINT_NAME, "step-%012lld", (long long)step);
}

int64_t fm_checkpoint_step_of(const char *name) {
    char *end, again[FM_CHECKPOINT_NAME];
    if (strncmp(name, "step-", 5) != 0) return -1;
    long long step = strtoll(name + 5, &end, 10);
    if (*end || step < 0) return -1;
    fm_checkpoint_name(step, again);
    return strcmp(name, again) == 0 ? step : -1;
}

fm_status fm_folder_remove(const char *path, fm_error *err) {
    DIR *d = opendir(path);
    if (!d && errno == ENOENT) return FM_OK;
    int code = d ? 0 : errno;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (unlinkat(dirfd(d), e->d_name, 0) != 0) code = errno;
    }
    if (d) closedir(d);
    if (code == 0 && rmdir(path) != 0) code = errno;
    return code ? fm_fail(err, FM_ERR_IO, "cannot remove %s: %s", path, strerror(code)) : FM_OK;
}

/* ---- whole or not ------------------------------------------------------------------------------*/

typedef struct checking {
    const char *path;
    fm_error *err;
} checking;

static fm_status check_file(void *context, const char *name, size_t n, const fm_json *v) {
    const checking *c = context;
    char hex[FM_SHA256_HEX + 1];
    struct stat st;
    (void)n;
    if (strchr(name, '/')) return fm_fail(c->err, FM_ERR_FORMAT, "%s: a manifest names files beside it", c->path);
    char *path = fm_path_join(c->path, name);
    if (!path) return fm_fail_memory(c->err, n, name);
    fm_status status = FM_OK;
    if (stat(path, &st) != 0)
        status = fm_fail(c->err, FM_ERR_IO, "%s is missing", path);
    else if ((int64_t)st.st_size != fm_json_integer(fm_json_get(v, "bytes"), -1))
        status = fm_fail(c->err, FM_ERR_FORMAT, "%s has %lld bytes and not what its manifest says", path,
                         (long long)st.st_size);
    else
        status = fm_sha256_of_file(path, hex, c->err);
    if (status == FM_OK && strcmp(hex, fm_json_string(fm_json_get(v, "sha256"), "")) != 0)
        status = fm_fail(c->err, FM_ERR_FORMAT, "%s is damaged: its sha256 is not what its manifest says", path);
    fm_free(path);
    return status;
}

fm_status fm_checkpoint_verify(const char *path, char hash[FM_SHA256_HEX + 1], fm_error *err) {
    char *name = fm_path_join(path, FM_CHECKPOINT_MANIFEST), *text = NULL;
    size_t size;
    fm_json *root = NULL;
    checking c = {path, err};
    fm_status status = name ? FM_OK : fm_fail_memory(err, strlen(path), path);
    if (status == FM_OK) status = fm_file_read(name, 1 << 20, &text, &size, err);
    if (status == FM_OK) {
        status = fm_json_parse(text, size, &root, err);
        if (status != FM_OK) fm_error_prefix(err, status, "%s", name);
    }
    const fm_json *files = fm_json_get(root, "files");
    if (status == FM_OK && fm_json_length(files) == 0)
        status = fm_fail(err, FM_ERR_FORMAT, "%s lists no files", name);
    if (status == FM_OK) status = fm_json_each(files, check_file, &c);
    if (status == FM_OK && hash) fm_sha256_of(text, size, hash);
    fm_json_free(root);
    fm_free(text);
    fm_free(name);
    return status;
}

/* ---- which there are ---------------------------------------------------------------------------*/

static int by_falling_step(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Steps of the checkpoints in a folder, newest first; removes what writers have left if asked to. */
static fm_status list(const char *folder, bool tidy, int64_t **steps, size_t *n, fm_error *err) {
    DIR *d = opendir(folder);
    fm_buffer found = {0};
    *steps = NULL, *n = 0;
    if (!d && errno == ENOENT) return FM_OK;
    if (!d) return fm_fail(err, FM_ERR_IO, "cannot read the folder %s: %s", folder, strerror(errno));
    for (struct dirent *e; (e = readdir(d));) {
        int64_t step = fm_checkpoint_step_of(e->d_name);
        size_t length = strlen(e->d_name);
        if (step >= 0) fm_buffer_put(&found, &step, sizeof step);
        else if (tidy && strncmp(e->d_name, ".step-", 6) == 0 && strcmp(e->d_name + length - 4, ".tmp") == 0) {
            char *path = fm_path_join(folder, e->d_name);
            if (path) fm_folder_remove(path, NULL); /* failing, it is tried again next time */
            fm_free(path);
        }
    }
    closedir(d);
    fm_status status = fm_buffer_status(&found, err);
    *n = found.size / sizeof **steps;
    *steps = (int64_t *)(void *)fm_buffer_take(&found);
    if (status == FM_OK && *n) qsort(*steps, *n, sizeof **steps, by_falling_step);
    return status;
}

char *fm_checkpoint_path(const char *folder, int64_t step) {
    char name[FM_CHECKPOINT_NAME];
    fm_checkpoint_name(step, name);
    return fm_path_join(folder, name);
}

fm_status fm_checkpoint_latest(const char *folder, char **path, int64_t *step,
                               void (*warn)(void *context, const char *sentence), void *context, fm_error *err) {
    int64_t *steps;
    size_t n;
    fm_error why;
    *path = NULL, *step = -1;
    FM_TRY(list(folder, false, &steps, &n, err));
    fm_status status = FM_OK;
    for (size_t i = 0; i < n && status == FM_OK && !*path; i++) {
        char *at = fm_checkpoint_path(folder, steps[i]);
        if (!at) {
            status = fm_fail_memory(err, strlen(folder), folder);
        } else if (fm_checkpoint_verify(at, NULL, &why) == FM_OK) {
            *path = at, *step = steps[i];
            continue;
        } else if (warn) {
            fm_error_prefix(&why, why.code, "the checkpoint of step %lld is passed over", (long long)steps[i]);
            warn(context, why.message);
        }
        fm_free(at);
    }
    fm_free(steps);
    return status;
}

fm_status fm_checkpoint_retain(const char *folder, const fm_retention *keep, fm_error *err) {
    int64_t *steps;
    size_t n;
    FM_TRY(list(folder, true, &steps, &n, err));
    fm_status status = FM_OK;
    for (size_t i = 0; i < n && status == FM_OK; i++) {
        bool stays = (int64_t)i < keep->newest || steps[i] == keep->best ||
                     (keep->every > 0 && steps[i] % keep->every == 0);
        if (stays) continue;
        char *path = fm_checkpoint_path(folder, steps[i]);
        status = path ? fm_folder_remove(path, err) : fm_fail_memory(err, strlen(folder), folder);
        fm_free(path);
    }
    fm_free(steps);
    return status;
}

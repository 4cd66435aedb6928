#include "hub/manifest.h"

#include "base/file.h"
#include "base/json_write.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int64_t fm_file_size(const char *folder, const char *name) {
    struct stat st;
    char path[8192]; /* twice what the system takes */
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    bool there = n > 0 && n < (int)sizeof path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
    return there ? (int64_t)st.st_size : -1;
}

fm_status fm_manifest_read(const char *folder, fm_listing *out, fm_error *err) {
    *out = (fm_listing){.commit = ""};
    if (fm_file_size(folder, FM_MANIFEST) < 0) return FM_OK;
    char *path = fm_path_join(folder, FM_MANIFEST), *text = NULL;
    size_t size;
    if (!path) return fm_fail_memory(err, strlen(folder), "a path");
    fm_status status = fm_file_read(path, FM_LISTING_LIMIT, &text, &size, err);
    if (status == FM_OK) status = fm_listing_parse(text, size, out, err);
    fm_free(text);
    fm_free(path);
    for (size_t i = 0; i < out->n; i++)
        if (out->files[i].here && fm_file_size(folder, out->files[i].name) != out->files[i].size)
            out->files[i].here = false;
    return status == FM_ERR_MEMORY ? status : FM_OK;
}

static void put_file(fm_json_writer *w, const fm_hub_file *f) {
    fm_json_open(w, NULL, '{');
    w->flat = true; /* one file, one line */
    fm_json_put_text(w, "rfilename", f->name);
    if (f->size >= 0) fm_json_put_integer(w, "size", f->size);
    if (f->has_sha256) {
        fm_json_open(w, "lfs", '{');
        fm_json_put_text(w, "sha256", f->id);
        fm_json_close(w, '}');
    } else if (*f->id) {
        fm_json_put_text(w, "blobId", f->id);
    }
    if (f->here) fm_json_put_bool(w, "here", true);
    fm_json_close(w, '}');
    w->flat = false;
}

fm_status fm_manifest_write(const char *folder, const char *repository, const char *revision,
                            const fm_listing *listing, fm_error *err) {
    fm_buffer text = {0};
    fm_json_writer w = {.out = &text};
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "id", repository);
    fm_json_put_text(&w, "revision", revision);
    fm_json_put_text(&w, "sha", listing->commit);
    fm_json_open(&w, "siblings", '[');
    for (size_t i = 0; i < listing->n; i++) put_file(&w, &listing->files[i]);
    fm_json_close(&w, ']');
    fm_json_close(&w, '}');
    char *path = fm_path_join(folder, FM_MANIFEST);
    fm_writer *writer;
    fm_status status = path ? fm_buffer_status(&text, err) : fm_fail_memory(err, 1, "a path");
    if (status == FM_OK) status = fm_writer_open(path, &writer, err);
    if (status == FM_OK) {
        status = fm_writer_put(writer, text.data, text.size, err);
        if (status == FM_OK)
            status = fm_writer_commit(writer, err);
        else
            fm_writer_abort(writer);
    }
    fm_free(path);
    fm_buffer_clear(&text);
    return status;
}

void fm_manifest_carry(const fm_listing *old, fm_listing *fresh) {
    for (size_t i = 0; i < fresh->n; i++) {
        fm_hub_file *f = &fresh->files[i];
        const fm_hub_file *before = fm_listing_find(old, f->name);
        f->here = before && before->here && *f->id && before->size == f->size &&
                  strcmp(before->id, f->id) == 0;
    }
}

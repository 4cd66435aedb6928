#include "train/corpus.h"

#include "base/file.h"
#include "base/unicode.h"
#include "train/jsonl.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEEPEST = 64 };

typedef struct walk {
    fm_document_fn fn;
    void *context;
    uint64_t *bytes;
    fm_error *err;
} walk;

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

bool fm_document_is_text(const fm_document *d) {
    return !memchr(d->text, 0, d->size) && fm_utf8_valid(d->text, d->size);
}

/* ---- files ---------------------------------------------------------------------------------------*/

static fm_status take_lines(walk *w, const char *path, const fm_map *map) {
    fm_jsonl lines = {.path = path};
    const char *text = (const char *)map->data;
    fm_status status = FM_OK;
    for (size_t at = 0; at < map->size && status == FM_OK;) {
        const char *end = memchr(text + at, '\n', map->size - at);
        size_t size = end ? (size_t)(end - text) - at : map->size - at;
        fm_document d;
        bool any;
        status = fm_jsonl_line(&lines, text + at, size, &d, &any, w->err);
        if (status == FM_OK && any) status = w->fn(w->context, &d, w->err);
        if (w->bytes) *w->bytes += size + (end != NULL);
        at += size + 1;
    }
    fm_jsonl_clear(&lines);
    return status;
}

static fm_status take_text(walk *w, const char *path, const fm_map *map) {
    if (map->size > FM_DOCUMENT_MAX)
        return fm_fail(w->err, FM_ERR_LIMIT, "%s has %zu bytes, and a document has at most %d: cut it into "
                       "files, or give its documents as lines of a .jsonl", path, map->size, FM_DOCUMENT_MAX);
    fm_document d = {.text = map->size ? (const char *)map->data : "", .size = map->size, .path = path};
    fm_status status = w->fn(w->context, &d, w->err);
    if (w->bytes) *w->bytes += map->size;
    return status;
}

static fm_status take_file(walk *w, const char *path) {
    fm_map map;
    FM_TRY(fm_map_open(path, &map, w->err));
    bool lines = ends_with(path, ".jsonl") || ends_with(path, ".ndjson");
    fm_status status = lines ? take_lines(w, path, &map) : take_text(w, path, &map);
    fm_map_close(&map);
    return status;
}

/* ---- folders -------------------------------------------------------------------------------------*/

static int not_hidden(const struct dirent *d) { return d->d_name[0] != '.'; }
static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

typedef fm_status (*visit_fn)(void *context, const char *path, const struct stat *st, int depth);

/* Files, and links to files; folders, but no links to them, which could lead in circles. */
static bool to_be_visited(const char *path, struct stat *st) {
    if (lstat(path, st) != 0) return false;
    if (!S_ISLNK(st->st_mode)) return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode);
    return stat(path, st) == 0 && S_ISREG(st->st_mode);
}

static fm_status visit_folder(const char *path, int depth, visit_fn visit, void *context, fm_error *err) {
    struct dirent **names;
    struct stat st;
    int n = scandir(path, &names, not_hidden, by_name);
    if (n < 0) return fm_fail(err, FM_ERR_IO, "cannot read the folder %s: %s", path, strerror(errno));
    fm_status status = FM_OK;
    for (int i = 0; i < n; i++) {
        char *inner = status == FM_OK ? fm_path_join(path, names[i]->d_name) : NULL;
        if (status == FM_OK && !inner) status = fm_fail_memory(err, strlen(path), "a path");
        if (inner && to_be_visited(inner, &st)) status = visit(context, inner, &st, depth + 1);
        fm_free(inner);
        free(names[i]);
    }
    free(names);
    return status;
}

static fm_status take_any(void *context, const char *path, const struct stat *st, int depth) {
    walk *w = context;
    if (!S_ISDIR(st->st_mode)) return take_file(w, path);
    if (depth > DEEPEST)
        return fm_fail(w->err, FM_ERR_LIMIT, "%s lies more than %d folders deep", path, DEEPEST);
    return visit_folder(path, depth, take_any, w, w->err);
}

fm_status fm_corpus_walk(const char *path, fm_document_fn fn, void *context, uint64_t *bytes, fm_error *err) {
    walk w = {fn, context, bytes, err};
    struct stat st;
    if (stat(path, &st) != 0) return fm_fail(err, FM_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    return take_any(&w, path, &st, 0);
}

static fm_status add_size(void *context, const char *path, const struct stat *st, int depth) {
    if (!S_ISDIR(st->st_mode)) *(uint64_t *)context += (uint64_t)st->st_size;
    else if (depth <= DEEPEST) (void)visit_folder(path, depth, add_size, context, NULL);
    return FM_OK;
}

uint64_t fm_corpus_bytes(const char *path) {
    uint64_t bytes = 0;
    struct stat st;
    if (stat(path, &st) == 0) (void)add_size(&bytes, path, &st, 0);
    return bytes;
}

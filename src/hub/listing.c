#include "hub/listing.h"

#include "base/json.h"
#include "hub/pull_name.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 200000 };

static const int64_t max_size = (int64_t)1 << 50; /* a pebibyte: no file has it */

static bool is_hex(const char *s, size_t n) {
    return s && strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

static bool known_kind(const char *name) {
    static const char *const kinds[] = {".json", ".safetensors", ".gguf", ".jinja"};
    size_t n = strlen(name);
    for (size_t i = 0; i < FM_COUNT(kinds); i++) {
        size_t m = strlen(kinds[i]);
        if (n > m && strcmp(name + n - m, kinds[i]) == 0) return true;
    }
    return false;
}

/* No repository can hold such a file, so whoever lists it means harm or is broken. */
static bool hostile(const char *s, size_t n) {
    if (n == 0 || strlen(s) != n || s[0] == '/' || s[n - 1] == '/') return true;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7F || s[i] == '\\') return true;
    for (const char *part = s; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
        size_t m = strcspn(part, "/");
        if (m == 0 || (m <= 2 && strncmp(part, "..", m) == 0)) return true;
    }
    return false;
}

static fm_status read_file(const fm_json *v, fm_listing *l, fm_error *err) {
    size_t n;
    const char *name = fm_json_string_n(fm_json_get(v, "rfilename"), &n);
    if (!name || hostile(name, n))
        return fm_fail(err, FM_ERR_FORMAT, "the list of files holds \"%.200s\", which is no name of "
                       "a file in a repository; nothing was fetched", name ? name : "");
    if (!known_kind(name) || !fm_safe_path(name)) return FM_OK;
    const fm_json *lfs = fm_json_get(v, "lfs");
    const char *sha256 = fm_json_string(fm_json_get(lfs, "sha256"), NULL);
    const char *blob = fm_json_string(fm_json_get(v, "blobId"), NULL);
    fm_hub_file f = {.size = fm_json_integer(fm_json_get(v, "size"), -1),
                     .has_sha256 = is_hex(sha256, 64),
                     .here = fm_json_bool(fm_json_get(v, "here"), false)};
    if (f.size < 0) f.size = fm_json_integer(fm_json_get(lfs, "size"), -1);
    if (f.size < -1 || f.size > max_size)
        return fm_fail(err, FM_ERR_FORMAT, "%s is said to have %lld bytes", name, (long long)f.size);
    const char *id = f.has_sha256 ? sha256 : is_hex(blob, 40) ? blob : "";
    f.name = fm_arena_strndup(&l->arena, name, n);
    f.id = fm_arena_strndup(&l->arena, id, strlen(id));
    if (!f.name || !f.id) return fm_fail_memory(err, n, "a list of files");
    l->files[l->n++] = f;
    return FM_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const fm_hub_file *)a)->name, ((const fm_hub_file *)b)->name);
}

static fm_status read_listing(const fm_json *root, fm_listing *l, fm_error *err) {
    const char *commit = fm_json_string(fm_json_get(root, "sha"), NULL);
    const fm_json *siblings = fm_json_get(root, "siblings");
    size_t n = fm_json_length(siblings);
    if (!is_hex(commit, 40) && !is_hex(commit, 64))
        return fm_fail(err, FM_ERR_FORMAT, "the answer names no commit (\"sha\")");
    if (fm_json_kind_of(siblings) != FM_JSON_ARRAY)
        return fm_fail(err, FM_ERR_FORMAT, "the answer has no list of files (\"siblings\")");
    if (n > MAX_FILES)
        return fm_fail(err, FM_ERR_LIMIT, "%zu files are more than the %d a model may have", n,
                       MAX_FILES);
    l->commit = fm_arena_strndup(&l->arena, commit, strlen(commit));
    l->files = fm_arena_array(&l->arena, n + 1, sizeof *l->files);
    if (!l->commit || !l->files) return fm_fail_memory(err, n * sizeof *l->files, "a list of files");
    for (size_t i = 0; i < n; i++) FM_TRY(read_file(fm_json_at(siblings, i), l, err));
    qsort(l->files, l->n, sizeof *l->files, by_name);
    for (size_t i = 1; i < l->n; i++)
        if (strcmp(l->files[i - 1].name, l->files[i].name) == 0)
            return fm_fail(err, FM_ERR_FORMAT, "%s is listed twice", l->files[i].name);
    return FM_OK;
}

fm_status fm_listing_parse(const char *json, size_t size, fm_listing *out, fm_error *err) {
    fm_json *root;
    *out = (fm_listing){.commit = ""};
    FM_TRY(fm_json_parse(json, size, &root, err));
    fm_status status = read_listing(root, out, err);
    fm_json_free(root);
    if (status != FM_OK) fm_listing_clear(out);
    return status;
}

void fm_listing_clear(fm_listing *l) {
    fm_arena_clear(&l->arena);
    *l = (fm_listing){.commit = ""};
}

static int name_against(const void *name, const void *file) {
    return strcmp(name, ((const fm_hub_file *)file)->name);
}

fm_hub_file *fm_listing_find(const fm_listing *l, const char *name) {
    return l->n ? bsearch(name, l->files, l->n, sizeof *l->files, name_against) : NULL;
}

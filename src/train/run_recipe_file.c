/* run_recipe_file.c: recipe files: JSON of two levels, with messages that name the line. */
#include "base/file.h"
#include "base/json.h"
#include "base/nearest.h"
#include "train/run_recipe_table.h"

#include <stdio.h>
#include <string.h>

typedef struct reading {
    fm_run_recipe *recipe;
    const char *text, *name;
    size_t size;
    const char *section; /* that is being read */
    fm_error *err;
} reading;

/* The line of a key, or of a section where `key` is NULL. The text has been parsed, so it is well formed. */
static int line_of(const reading *r, const char *section, const char *key) {
    int line = 1, depth = 0;
    bool inside = false;
    for (size_t i = 0; i < r->size; i++) {
        char c = r->text[i];
        line += c == '\n';
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (c != '"') continue;
        size_t begin = ++i;
        while (i < r->size && r->text[i] != '"') i += r->text[i] == '\\' ? 2 : 1;
        size_t n = i - begin, next = i + 1;
        while (next < r->size && strchr(" \t\r\n", r->text[next])) next++;
        if (next >= r->size || r->text[next] != ':') continue;
        const char *wanted = depth == 1 ? section : key;
        bool same = wanted && strlen(wanted) == n && memcmp(r->text + begin, wanted, n) == 0;
        if (depth == 1) inside = same;
        if (same && ((depth == 1 && !key) || (depth == 2 && inside))) return line;
    }
    return line;
}

static fm_status locate(const reading *r, fm_status status, const char *section, const char *key) {
    return fm_error_prefix(r->err, status, "%s:%d", r->name, line_of(r, section, key));
}

static fm_status no_such(const reading *r, const char *what, const char *word, const char *const *known, size_t n) {
    const char *near = fm_nearest_word(word, known, n);
    return near ? fm_fail(r->err, FM_ERR_ARGUMENT, "%s '%.60s' is unknown; did you mean '%s'?", what, word, near)
                : fm_fail(r->err, FM_ERR_ARGUMENT, "%s '%.60s' is unknown (--help-recipe lists them)", what, word);
}

static fm_status set_list(const reading *r, const fm_recipe_key *k, const fm_json *v) {
    enum { MOST = 64 };
    const char *items[MOST];
    size_t n = fm_json_length(v);
    if (n > MOST) return fm_fail(r->err, FM_ERR_LIMIT, "%s.%s takes at most 64 texts", k->section, k->key);
    for (size_t i = 0; i < n; i++)
        if (!(items[i] = fm_json_string(fm_json_at(v, i), NULL))) return fm_recipe_refuse(k, "what it has", r->err);
    return fm_recipe_set_texts(r->recipe, k, items, n, r->err);
}

static fm_status set_key(const reading *r, const fm_recipe_key *k, const fm_json *v) {
    bool number = k->kind == FM_RECIPE_INTEGER || k->kind == FM_RECIPE_REAL;
    switch (fm_json_kind_of(v)) {
    case FM_JSON_INTEGER:
    case FM_JSON_REAL: return fm_recipe_set_number(r->recipe, k, fm_json_number(v, 0), r->err);
    case FM_JSON_BOOL:
        if (k->kind != FM_RECIPE_FLAG) break;
        return fm_recipe_value_set(r->recipe, k, fm_json_bool(v, false) ? "true" : "false", r->err);
    case FM_JSON_STRING:
        if (number || k->kind == FM_RECIPE_FLAG || k->kind == FM_RECIPE_TEXTS)
            return fm_recipe_refuse(k, "a text", r->err);
        return fm_recipe_value_set(r->recipe, k, fm_json_string(v, ""), r->err);
    case FM_JSON_ARRAY:
        if (k->kind == FM_RECIPE_TEXTS) return set_list(r, k, v);
        break;
    default: break;
    }
    static const char *const kinds[] = {"null",   "true or false", "a number", "a number",
                                        "a text", "a list",        "a section"};
    return fm_recipe_refuse(k, kinds[fm_json_kind_of(v)], r->err);
}

static fm_status take_key(void *context, const char *key, size_t n, const fm_json *v) {
    const reading *r = context;
    const char *known[128];
    size_t count = 0;
    (void)n;
    for (size_t i = 0; i < fm_recipe_key_count && count < FM_COUNT(known); i++) {
        const fm_recipe_key *k = &fm_recipe_keys[i];
        if (strcmp(k->section, r->section) != 0) continue;
        if (strcmp(k->key, key) == 0) {
            fm_status status = set_key(r, k, v);
            return status == FM_OK ? FM_OK : locate(r, status, r->section, key);
        }
        known[count++] = k->key;
    }
    char what[64];
    snprintf(what, sizeof what, "the key of \"%s\"", r->section);
    return locate(r, no_such(r, what, key, known, count), r->section, key);
}

static fm_status take_section(void *context, const char *name, size_t n, const fm_json *v) {
    reading *r = context;
    const char *known[128];
    size_t count = 0;
    (void)n;
    r->section = NULL;
    for (size_t i = 0; i < fm_recipe_key_count && count < FM_COUNT(known); i++) {
        if (count && strcmp(known[count - 1], fm_recipe_keys[i].section) == 0) continue;
        known[count++] = fm_recipe_keys[i].section;
        if (strcmp(known[count - 1], name) == 0) r->section = known[count - 1];
    }
    if (!r->section) return locate(r, no_such(r, "the section", name, known, count), name, NULL);
    if (fm_json_kind_of(v) != FM_JSON_OBJECT)
        return locate(r, fm_fail(r->err, FM_ERR_ARGUMENT, "\"%s\" is a section: {\"%s\": {...}}", name, name), name,
                      NULL);
    return fm_json_each(v, take_key, r);
}

fm_status fm_run_recipe_parse(fm_run_recipe *recipe, const char *text, size_t size, const char *name,
                              fm_error *err) {
    fm_json *root;
    fm_error own;
    reading r = {.recipe = recipe, .text = text, .size = size, .name = name, .err = err ? err : &own};
    fm_status status = fm_json_parse(text, size, &root, r.err);
    if (status != FM_OK) return fm_error_prefix(r.err, status, "%s", name);
    if (fm_json_kind_of(root) != FM_JSON_OBJECT)
        status = fm_fail(r.err, FM_ERR_FORMAT, "%s: a recipe is an object: {\"run\": {...}}", name);
    else
        status = fm_json_each(root, take_section, &r);
    fm_json_free(root);
    return status;
}

fm_status fm_run_recipe_read(fm_run_recipe *recipe, const char *path, fm_error *err) {
    char *text;
    size_t size;
    FM_TRY(fm_file_read(path, 1 << 20, &text, &size, err));
    fm_status status = fm_run_recipe_parse(recipe, text, size, path, err);
    fm_free(text);
    return status;
}

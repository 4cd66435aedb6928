#include "eval/items.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "eval/item_read.h"

#include <string.h>

enum { FILE_LIMIT = 1 << 30 };

typedef struct reader {
    fm_eval_items *out;
    const char *name;
    int64_t line;
    fm_error *err;
} reader;

static fm_status bad(const reader *r, const char *what) {
    return fm_fail(r->err, FM_ERR_FORMAT, "%s, line %lld: %s", r->name, (long long)r->line, what);
}

static fm_status no_memory(const reader *r, size_t bytes) {
    return fm_fail_memory(r->err, bytes, "a list of questions");
}

/* Lengths go in too, so that moving a byte from one text to the next changes the hash. */
static uint64_t hash_item(const fm_eval_item *item) {
    uint64_t h = fm_hash(item->answer, item->answer_size, item->answer_size);
    for (size_t i = 0; i < item->n_messages; i++) {
        const fm_eval_message *m = &item->messages[i];
        h = fm_hash(m->role, strlen(m->role), h ^ m->size);
        h = fm_hash(m->content, m->size, h);
    }
    const char *test = item->program.test;
    if (test) h = fm_hash(test, strlen(test), h);
    return item->source ? fm_hash(item->source, item->source_size, h) : h;
}

fm_status fm_eval_items_add(fm_eval_items *out, const fm_eval_item *item, fm_error *err) {
    if ((out->n & (out->n - 1)) == 0) { /* full at every power of two */
        size_t capacity = out->n ? out->n * 2 : 1;
        void *items = fm_realloc(out->items, capacity * sizeof *out->items, FM_MEM_OTHER);
        if (!items) return fm_fail_memory(err, capacity * sizeof *out->items, "a list of questions");
        out->items = items;
    }
    fm_eval_item *added = &out->items[out->n];
    *added = *item;
    added->index = out->n++;
    added->hash = hash_item(item);
    return FM_OK;
}

static fm_status add_item(const reader *r, const fm_json *root, const char *line, size_t n) {
    fm_error inner;
    fm_eval_item item = {.line = r->line};
    if (fm_json_kind_of(root) != FM_JSON_OBJECT) return bad(r, "it is not a JSON object");
    fm_status status = fm_item_read(root, &r->out->arena, &item, &inner);
    if (status == FM_ERR_FORMAT) return bad(r, inner.message);
    if (status != FM_OK) return no_memory(r, 64);
    if (item.kind == FM_ITEM_PROBLEM) {
        item.source = fm_arena_strndup(&r->out->arena, line, n);
        item.source_size = n;
        if (!item.source) return no_memory(r, n);
    }
    return fm_eval_items_add(r->out, &item, r->err);
}

static fm_status add_line(const reader *r, const char *s, size_t n) {
    fm_json *root = NULL;
    fm_error inner;
    fm_status status = fm_json_parse(s, n, &root, &inner);
    if (status == FM_ERR_MEMORY) return no_memory(r, n);
    if (status != FM_OK) return bad(r, inner.message);
    status = add_item(r, root, s, n);
    fm_json_free(root);
    return status;
}

static bool is_blank(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r') return false;
    return true;
}

fm_status fm_eval_items_parse(const char *name, const char *text, size_t size, int64_t limit,
                              fm_eval_items *out, fm_error *err) {
    *out = (fm_eval_items){0};
    reader r = {.out = out, .name = name, .err = err};
    fm_status status = FM_OK;
    for (size_t at = 0; at < size && status == FM_OK && (limit <= 0 || (int64_t)out->n < limit);) {
        const char *newline = memchr(text + at, '\n', size - at);
        size_t n = newline ? (size_t)(newline - text) - at : size - at;
        r.line++;
        if (!is_blank(text + at, n)) status = add_line(&r, text + at, n);
        at += n + 1;
    }
    if (status == FM_OK && out->n == 0)
        status = fm_fail(err, FM_ERR_FORMAT, "%s holds no questions: give one JSON object a line, with "
                         "\"prompt\" and \"answer\"", name);
    if (status != FM_OK) fm_eval_items_clear(out);
    return status;
}

fm_status fm_eval_items_read(const char *path, int64_t limit, fm_eval_items *out, fm_error *err) {
    char *text;
    size_t size;
    *out = (fm_eval_items){0};
    FM_TRY(fm_file_read(path, FILE_LIMIT, &text, &size, err));
    fm_status status = fm_eval_items_parse(path, text, size, limit, out, err);
    fm_free(text);
    return status;
}

void fm_eval_items_clear(fm_eval_items *items) {
    fm_free(items->items);
    fm_arena_clear(&items->arena);
    *items = (fm_eval_items){0};
}

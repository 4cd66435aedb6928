#include "eval/items.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

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

static fm_status copy(const reader *r, const fm_json *v, const char **out, size_t *size) {
    size_t n;
    const char *s = fm_json_string_n(v, &n);
    *out = fm_arena_strndup(&r->out->arena, s, n);
    if (size) *size = n;
    return *out ? FM_OK : no_memory(r, n);
}

static fm_status read_messages(const reader *r, const fm_json *list, fm_eval_item *item) {
    size_t n = fm_json_length(list);
    if (fm_json_kind_of(list) != FM_JSON_ARRAY || n == 0)
        return bad(r, "\"messages\" must be a list of at least one {\"role\", \"content\"}");
    fm_eval_message *messages = fm_arena_array(&r->out->arena, n, sizeof *messages);
    if (!messages) return no_memory(r, n * sizeof *messages);
    for (size_t i = 0; i < n; i++) {
        const fm_json *role = fm_json_get(fm_json_at(list, i), "role");
        const fm_json *content = fm_json_get(fm_json_at(list, i), "content");
        if (!fm_json_string(role, NULL) || !fm_json_string(content, NULL))
            return bad(r, "a message must be {\"role\": \"user\", \"content\": \"...\"}");
        FM_TRY(copy(r, role, &messages[i].role, NULL));
        FM_TRY(copy(r, content, &messages[i].content, &messages[i].size));
    }
    item->messages = messages;
    item->n_messages = n;
    return FM_OK;
}

static fm_status read_question(const reader *r, const fm_json *root, fm_eval_item *item) {
    static const char *const names[] = {"prompt", "question", "problem"};
    const fm_json *messages = fm_json_get(root, "messages"), *text = NULL;
    if (messages) return read_messages(r, messages, item);
    for (size_t i = 0; i < FM_COUNT(names) && !text; i++) text = fm_json_get(root, names[i]);
    if (!text) return bad(r, "there is neither \"messages\" nor \"prompt\", \"question\" or \"problem\"");
    size_t n;
    if (!fm_json_string_n(text, &n) || n == 0) return bad(r, "the question must be a text that is not empty");
    fm_eval_message *message = fm_arena_array(&r->out->arena, 1, sizeof *message);
    if (!message) return no_memory(r, sizeof *message);
    message->role = "user";
    FM_TRY(copy(r, text, &message->content, &message->size));
    item->messages = message;
    item->n_messages = 1;
    return FM_OK;
}

static fm_status read_answer(const reader *r, const fm_json *root, fm_eval_item *item) {
    const fm_json *v = fm_json_get(root, "answer");
    fm_arena *arena = &r->out->arena;
    if (!v) return bad(r, "there is no \"answer\"");
    switch (fm_json_kind_of(v)) {
    case FM_JSON_STRING: FM_TRY(copy(r, v, &item->answer, &item->answer_size)); break;
    case FM_JSON_INTEGER:
        item->answer = fm_arena_format(arena, "%lld", (long long)fm_json_integer(v, 0));
        break;
    case FM_JSON_REAL: item->answer = fm_arena_format(arena, "%.15g", fm_json_number(v, 0)); break;
    case FM_JSON_BOOL: item->answer = fm_json_bool(v, false) ? "true" : "false"; break;
    default: return bad(r, "\"answer\" must be a text, a number or a boolean");
    }
    if (!item->answer) return no_memory(r, 32);
    if (fm_json_kind_of(v) != FM_JSON_STRING) item->answer_size = strlen(item->answer);
    if (strspn(item->answer, " \t\r\n") >= item->answer_size) return bad(r, "\"answer\" is empty");
    return FM_OK;
}

static fm_status read_id(const reader *r, const fm_json *root, fm_eval_item *item) {
    const fm_json *v = fm_json_get(root, "id");
    if (!v) v = fm_json_get(root, "unique_id");
    if (fm_json_kind_of(v) == FM_JSON_STRING) return copy(r, v, &item->id, NULL);
    if (fm_json_kind_of(v) != FM_JSON_INTEGER) return FM_OK;
    item->id = fm_arena_format(&r->out->arena, "%lld", (long long)fm_json_integer(v, 0));
    return item->id ? FM_OK : no_memory(r, 32);
}

/* Lengths go in too, so that moving a byte from one text to the next changes the hash. */
static uint64_t hash_item(const fm_eval_item *item) {
    uint64_t h = fm_hash(item->answer, item->answer_size, item->answer_size);
    for (size_t i = 0; i < item->n_messages; i++) {
        const fm_eval_message *m = &item->messages[i];
        h = fm_hash(m->role, strlen(m->role), h ^ m->size);
        h = fm_hash(m->content, m->size, h);
    }
    return h;
}

static fm_status add_item(const reader *r, const fm_json *root) {
    fm_eval_items *out = r->out;
    if (fm_json_kind_of(root) != FM_JSON_OBJECT) return bad(r, "it is not a JSON object");
    fm_eval_item item = {.line = r->line};
    FM_TRY(read_question(r, root, &item));
    FM_TRY(read_answer(r, root, &item));
    FM_TRY(read_id(r, root, &item));
    item.hash = hash_item(&item);
    if ((out->n & (out->n - 1)) == 0) { /* full at every power of two */
        size_t capacity = out->n ? out->n * 2 : 1;
        void *items = fm_realloc(out->items, capacity * sizeof *out->items, FM_MEM_OTHER);
        if (!items) return no_memory(r, capacity * sizeof *out->items);
        out->items = items;
    }
    out->items[out->n++] = item;
    return FM_OK;
}

static fm_status add_line(const reader *r, const char *s, size_t n) {
    fm_json *root = NULL;
    fm_error inner;
    fm_status status = fm_json_parse(s, n, &root, &inner);
    if (status == FM_ERR_MEMORY) return no_memory(r, n);
    if (status != FM_OK) return bad(r, inner.message);
    status = add_item(r, root);
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

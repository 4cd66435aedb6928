#include "rl/program/program_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NESTED_LISTS_MAX = 60 };

bool fm_run_end(run *r, fm_program_end end, const char *message) {
    if (r->result->end != FM_PROGRAM_DONE) return false;
    r->result->end = end;
    r->result->line = r->line;
    snprintf(r->result->message, sizeof r->result->message, "%s", message);
    return false;
}

bool fm_run_fail(run *r, const char *format, ...) {
    char message[FM_PROGRAM_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return fm_run_end(r, FM_PROGRAM_FAILED, message);
}

bool fm_run_steps(run *r, size_t steps) {
    if (steps > (uint64_t)(r->limits.steps - r->result->steps)) {
        r->result->steps = r->limits.steps;
        return fm_run_end(r, FM_PROGRAM_STEPS, "the program took all the steps it may take");
    }
    r->result->steps += (int64_t)steps;
    return true;
}

void *fm_run_alloc(run *r, size_t bytes) {
    bytes = bytes < 16 ? 16 : bytes;
    if (bytes > r->limits.memory - r->result->memory) {
        fm_run_end(r, FM_PROGRAM_MEMORY, "the program took all the memory it may take");
        return NULL;
    }
    r->result->memory += bytes;
    void *p = fm_arena_alloc(&r->heap, bytes);
    if (!p) {
        r->no_memory = true;
        fm_run_end(r, FM_PROGRAM_MEMORY, "this machine has no memory");
    }
    return p;
}

const char *fm_value_kind_name(value v) {
    static const char *const names[] = {"nothing", "None", "a truth value", "a number", "a text", "a list", "a range"};
    return names[v.kind];
}

static int64_t range_length(const range *g) {
    bool up = g->step > 0;
    if (up ? g->begin >= g->end : g->begin <= g->end) return 0;
    uint64_t width = up ? (uint64_t)g->end - (uint64_t)g->begin : (uint64_t)g->begin - (uint64_t)g->end;
    uint64_t step = up ? (uint64_t)g->step : 0 - (uint64_t)g->step;
    uint64_t n = (width - 1) / step + 1;
    return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

bool fm_value_true(value v) {
    switch (v.kind) {
    case VALUE_TRUTH:
    case VALUE_NUMBER: return v.number != 0;
    case VALUE_TEXT: return v.text->n > 0;
    case VALUE_LIST: return v.list->n > 0;
    case VALUE_RANGE: return range_length(v.range) > 0;
    default: return false;
    }
}

text *fm_run_text(run *r, size_t n) {
    text *t = fm_run_steps(r, n / 64) ? fm_run_alloc(r, sizeof *t + n + 1) : NULL;
    if (t) t->n = n;
    return t;
}

bool fm_value_text(run *r, const char *s, size_t n, value *out) {
    text *t = fm_run_text(r, n);
    if (t && n) memcpy(t->s, s, n);
    *out = (value){.kind = VALUE_TEXT, .text = t};
    return t != NULL;
}

bool fm_value_list(run *r, size_t n, value *out) {
    list *l = fm_run_alloc(r, sizeof *l);
    if (!l) return false;
    l->capacity = n;
    if (n && !(l->items = fm_run_alloc(r, n * sizeof *l->items))) return false;
    *out = (value){.kind = VALUE_LIST, .list = l};
    return true;
}

bool fm_list_add(run *r, list *l, value item) {
    if (l->n == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 4;
        value *items = fm_run_steps(r, l->n / 16) ? fm_run_alloc(r, capacity * sizeof *items) : NULL;
        if (!items) return false;
        if (l->n) memcpy(items, l->items, l->n * sizeof *items);
        l->items = items;
        l->capacity = capacity;
    }
    l->items[l->n++] = item;
    return true;
}

bool fm_value_length(run *r, value v, int64_t *n) {
    if (v.kind == VALUE_TEXT) *n = (int64_t)v.text->n;
    else if (v.kind == VALUE_LIST) *n = (int64_t)v.list->n;
    else if (v.kind == VALUE_RANGE) *n = range_length(v.range);
    else return fm_run_fail(r, "%s has no items", fm_value_kind_name(v));
    return true;
}

bool fm_value_item(run *r, value v, int64_t i, value *out, bool *there) {
    *there = true;
    switch (v.kind) {
    case VALUE_RANGE: *out = value_number(v.range->begin + i * v.range->step); return true;
    case VALUE_LIST:
        *there = i < (int64_t)v.list->n;
        if (*there) *out = v.list->items[i];
        return true;
    default:
        *there = i < (int64_t)v.text->n;
        return !*there || fm_value_text(r, v.text->s + i, 1, out);
    }
}

bool fm_value_items(run *r, value v, value *out) {
    int64_t n;
    if (!fm_value_length(r, v, &n) || !fm_run_steps(r, (uint64_t)n)) return false;
    if (!fm_value_list(r, (size_t)n, out)) return false;
    for (int64_t i = 0; i < n; i++) {
        value item;
        bool there;
        if (!fm_value_item(r, v, i, &item, &there) || !fm_list_add(r, out->list, item)) return false;
    }
    return true;
}

static int order_of(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int text_order(const text *a, const text *b) {
    int order = memcmp(a->s, b->s, a->n < b->n ? a->n : b->n);
    return order ? (order > 0) - (order < 0) : order_of((int64_t)a->n, (int64_t)b->n);
}

static bool compare(run *r, value a, value b, bool only_equal, int depth, int *order);

/* The first pair of items that differ decides; else the length. */
static bool list_order(run *r, const list *a, const list *b, bool only_equal, int depth, int *order) {
    *order = order_of((int64_t)a->n, (int64_t)b->n);
    if (only_equal && *order != 0) return true;
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        int here;
        if (!compare(r, a->items[i], b->items[i], true, depth + 1, &here)) return false;
        if (here == 0) continue;
        if (only_equal) {
            *order = 1;
            return true;
        }
        return compare(r, a->items[i], b->items[i], false, depth + 1, order);
    }
    return true;
}

/* With only_equal, *order is 0 or not, and any two values may be compared. */
static bool compare(run *r, value a, value b, bool only_equal, int depth, int *order) {
    if (!fm_run_steps(r, 1)) return false;
    if (depth > NESTED_LISTS_MAX)
        return fm_run_end(r, FM_PROGRAM_DEPTH, "lists within lists are too deep to be compared");
    *order = 1;
    if (value_is_number(a) && value_is_number(b)) {
        *order = order_of(a.number, b.number);
    } else if (a.kind == VALUE_TEXT && b.kind == VALUE_TEXT) {
        *order = text_order(a.text, b.text);
        return fm_run_steps(r, (a.text->n < b.text->n ? a.text->n : b.text->n) / 64);
    } else if (a.kind == VALUE_LIST && b.kind == VALUE_LIST) {
        return list_order(r, a.list, b.list, only_equal, depth, order);
    } else if (a.kind == VALUE_RANGE || b.kind == VALUE_RANGE) {
        return fm_run_fail(r, "a range is not compared");
    } else if (!only_equal) {
        return fm_run_fail(r, "%s and %s have no order", fm_value_kind_name(a), fm_value_kind_name(b));
    } else if (a.kind == VALUE_NONE && b.kind == VALUE_NONE) {
        *order = 0;
    }
    return true;
}

bool fm_value_equal(run *r, value a, value b, bool *equal) {
    int order = 1;
    bool good = compare(r, a, b, true, 0, &order);
    *equal = order == 0;
    return good;
}

bool fm_value_compare(run *r, value a, value b, int *order) { return compare(r, a, b, false, 0, order); }

/* ---- showing ------------------------------------------------------------------------------------- */

static bool room(run *r, const fm_buffer *out, size_t begin, size_t most, size_t n) {
    if (out->size - begin + n <= most) return true;
    return fm_run_end(r, FM_PROGRAM_OUTPUT, "the program wrote all it may write");
}

static void show_quoted(const text *t, fm_buffer *out) {
    char quote = memchr(t->s, '\'', t->n) && !memchr(t->s, '"', t->n) ? '"' : '\'';
    fm_buffer_put(out, &quote, 1);
    for (size_t i = 0; i < t->n; i++) {
        char c = t->s[i];
        if (c == quote || c == '\\') fm_buffer_format(out, "\\%c", c);
        else if (c == '\n') fm_buffer_text(out, "\\n");
        else if (c == '\t') fm_buffer_text(out, "\\t");
        else if (c == '\r') fm_buffer_text(out, "\\r");
        else if (c < 32 || c == 127) fm_buffer_format(out, "\\x%02x", (unsigned)c);
        else fm_buffer_put(out, &c, 1);
    }
    fm_buffer_put(out, &quote, 1);
}

static bool show(run *r, value v, bool quoted, size_t begin, size_t most, int depth, fm_buffer *out) {
    bool good = true;
    if (!fm_run_steps(r, 1)) return false;
    if (v.kind == VALUE_LIST && depth > NESTED_LISTS_MAX)
        return fm_run_end(r, FM_PROGRAM_DEPTH, "lists within lists are too deep to be shown");
    switch (v.kind) {
    case VALUE_NONE: fm_buffer_text(out, "None"); break;
    case VALUE_TRUTH: fm_buffer_text(out, v.number ? "True" : "False"); break;
    case VALUE_NUMBER: fm_buffer_format(out, "%lld", (long long)v.number); break;
    case VALUE_TEXT:
        if (!fm_run_steps(r, v.text->n / 64) || !room(r, out, begin, most, v.text->n)) return false;
        if (quoted) show_quoted(v.text, out);
        else fm_buffer_put(out, v.text->s, v.text->n);
        break;
    case VALUE_LIST:
        fm_buffer_text(out, v.list->showing ? "[...]" : "[");
        if (v.list->showing) break;
        v.list->showing = true;
        for (size_t i = 0; i < v.list->n && good; i++) {
            if (i > 0) fm_buffer_text(out, ", ");
            good = show(r, v.list->items[i], true, begin, most, depth + 1, out);
        }
        v.list->showing = false;
        fm_buffer_text(out, "]");
        break;
    default: return fm_run_fail(r, "%s cannot be shown", fm_value_kind_name(v));
    }
    return good && room(r, out, begin, most, 0);
}

bool fm_value_show(run *r, value v, bool quoted, size_t most, fm_buffer *out) {
    if (!show(r, v, quoted, out->size, most, 0, out)) return false;
    if (out->failed) {
        r->no_memory = true;
        return fm_run_end(r, FM_PROGRAM_MEMORY, "this machine has no memory");
    }
    return true;
}

/* What Python calls white space, in ASCII. */
static bool is_space(char c) { return c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31); }

bool fm_value_read_number(run *r, const text *t, value *out) {
    size_t begin = 0, end = t->n;
    while (begin < end && is_space(t->s[begin])) begin++;
    while (end > begin && is_space(t->s[end - 1])) end--;
    bool negative = begin < end && t->s[begin] == '-';
    if (begin < end && (t->s[begin] == '-' || t->s[begin] == '+')) begin++;
    int64_t n = 0;
    bool good = begin < end && fm_run_steps(r, (end - begin) / 64);
    for (size_t i = begin; i < end && good; i++) {
        good = t->s[i] >= '0' && t->s[i] <= '9' && !__builtin_mul_overflow(n, 10, &n) &&
               !__builtin_sub_overflow(n, t->s[i] - '0', &n);
    }
    if (good && !negative) good = !__builtin_sub_overflow(0, n, &n);
    *out = value_number(n);
    return good || fm_run_fail(r, "int() was given a text that is no number of 64 bits");
}

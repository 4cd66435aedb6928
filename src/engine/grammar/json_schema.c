/* From schema to grammar: a rule for every conjunction of schemas that is met. */
#include "engine/grammar/json_schema.h"

#include "base/hash.h"

/* ---- the right-hand side of a rule ---------------------------------------------------------*/

static fm_status put_kind(fm_schema_writer *w, const fm_schema *s, unsigned kind, fm_buffer *out, bool *never) {
    switch (kind) {
    case FM_KIND_NULL: fm_buffer_text(out, "\"null\""); return FM_OK;
    case FM_KIND_BOOL: fm_buffer_text(out, "true-or-false"); return FM_OK;
    case FM_KIND_OBJECT: return fm_schema_put_object(w, s, out, never);
    case FM_KIND_ARRAY: return fm_schema_put_array(w, s, out, never);
    case FM_KIND_STRING: return fm_schema_put_string(w, s, out, never);
    case FM_KIND_WHOLE: return fm_schema_put_number(w, s, true, out, never);
    default: return fm_schema_put_number(w, s, false, out, never);
    }
}

static fm_status put_kinds(fm_schema_writer *w, const fm_schema *s, unsigned kinds, fm_buffer *out,
                           bool *never) {
    size_t begin = out->size;
    if (kinds & FM_KIND_FRACTION) kinds &= ~(unsigned)FM_KIND_WHOLE; /* one rule for both */
    for (unsigned kind = FM_KIND_FRACTION; kind; kind >>= 1) {
        size_t before = out->size;
        bool none = false;
        if (!(kinds & kind)) continue;
        if (out->size > begin) fm_buffer_text(out, " | ");
        FM_TRY(put_kind(w, s, kind, out, &none));
        if (none) out->size = before;
    }
    *never = out->size == begin && !out->failed;
    return FM_OK;
}

static fm_status put_body(fm_schema_writer *w, fm_schema *s, fm_buffer *out, bool *never) {
    FM_TRY(fm_schema_expand(w, s));
    *never = s->never;
    if (s->never) return FM_OK;
    int choice = fm_schema_choice(s);
    if (choice >= 0) return fm_schema_put_choice(w, s, choice, out, never);
    if (fm_schema_has_values(s)) return fm_schema_put_values(w, s, out, never);
    unsigned written, valid;
    FM_TRY(fm_schema_kinds(w, s, &written, &valid));
    if (written != FM_KIND_ANY || fm_schema_asks(s, FM_KIND_ANY)) return put_kinds(w, s, written, out, never);
    fm_buffer_text(out, "value");
    return FM_OK;
}

/* ---- rules ---------------------------------------------------------------------------------*/

struct fm_schema_rule {
    fm_schema_rule *next; /* in the same bucket */
    const fm_schema *s;   /* as it was before it was expanded */
    fm_schema_rule *outer; /* while it is written: the rule that it is a branch of */
    int number;
    bool never;
};

enum { BUCKETS = 1024 };

static size_t bucket_of(const fm_schema *s) {
    uint64_t h = 0;
    for (int i = 0; i < s->n; i++)
        h = fm_mix64(h ^ (uintptr_t)s->parts[i].schema ^ (uint64_t)s->parts[i].chosen);
    return h % BUCKETS;
}

static bool same(const fm_schema *a, const fm_schema *b) {
    if (a->n != b->n) return false;
    for (int i = 0; i < a->n; i++)
        if (a->parts[i].schema != b->parts[i].schema || a->parts[i].chosen != b->parts[i].chosen)
            return false;
    return true;
}

static fm_status add_rule(fm_schema_writer *w, const fm_schema *s, fm_schema_rule **out) {
    fm_schema *key = fm_schema_new(w);
    fm_schema_rule *rule = fm_arena_alloc(&w->arena, sizeof *rule);
    if (!key) return w->err->code;
    if (!rule) return fm_schema_no_memory(w);
    if (w->n_rules == FM_SCHEMA_RULES_MAX)
        return fm_fail(w->err, FM_ERR_LIMIT, "the JSON schema makes more than %d rules", FM_SCHEMA_RULES_MAX);
    *key = *s;
    *rule = (fm_schema_rule){.next = w->known[bucket_of(s)], .s = key, .number = w->n_rules++};
    w->known[bucket_of(s)] = rule;
    *out = rule;
    return FM_OK;
}

static fm_status write_rule(fm_schema_writer *w, fm_schema *s, fm_schema_rule *rule, bool same_value) {
    if (w->depth >= FM_SCHEMA_NESTING_MAX)
        return fm_fail(w->err, FM_ERR_LIMIT, "JSON schema, %.200s: schemas nest more than %d deep",
                       s->n ? s->parts[0].path : "#", FM_SCHEMA_NESTING_MAX);
    fm_buffer body = {0};
    fm_schema_rule *around = w->open;
    rule->outer = same_value ? around : NULL;
    w->open = rule;
    w->depth++;
    fm_status status = put_body(w, s, &body, &rule->never);
    w->depth--;
    w->open = around;
    if (status == FM_OK) status = fm_buffer_status(&body, w->err);
    if (status == FM_OK) {
        fm_buffer_format(&w->rules, "v%d ::= ", rule->number);
        if (rule->never) fm_buffer_format(&w->rules, "\"never\" v%d", rule->number);
        else fm_buffer_put(&w->rules, body.data, body.size);
        fm_buffer_text(&w->rules, "\n");
        if (w->rules.size > FM_GRAMMAR_TEXT_MAX)
            status = fm_fail(w->err, FM_ERR_LIMIT, "the JSON schema makes a grammar of more than %d bytes",
                             FM_GRAMMAR_TEXT_MAX);
    }
    fm_buffer_clear(&body);
    return status;
}

/* A rule that is met again while it is being written is taken to have values; if it turns out to have none,
 * it is written as one that never ends, and the grammar's own check finds out whether that matters. */
fm_status fm_schema_put(fm_schema_writer *w, fm_schema *s, fm_buffer *out, bool *never) {
    bool same_value = w->same_value;
    *never = w->same_value = false;
    FM_TRY(fm_schema_shorten(w, s));
    fm_schema_rule *rule = w->known[bucket_of(s)];
    while (rule && !same(rule->s, s)) rule = rule->next;
    if (!rule) {
        FM_TRY(add_rule(w, s, &rule));
        FM_TRY(write_rule(w, s, rule, same_value));
    }
    for (const fm_schema_rule *r = same_value ? w->open : NULL; r; r = r->outer)
        if (r == rule)
            return fm_fail(w->err, FM_ERR_FORMAT, "JSON schema, %.200s: a branch of this anyOf or oneOf is the "
                           "whole again; remove it", s->parts[0].path);
    *never = rule->never;
    if (!rule->never) fm_buffer_format(out, "v%d", rule->number);
    return FM_OK;
}

/* ---- from text to grammar ------------------------------------------------------------------*/

static fm_status write_root(fm_schema_writer *w, fm_buffer *out) {
    fm_schema *s = fm_schema_new(w);
    bool never = false;
    if (!s) return w->err->code;
    FM_TRY(fm_schema_add(w, s, w->root, "#", "%s", ""));
    fm_buffer_text(out, "root ::= ");
    FM_TRY(fm_schema_put(w, s, out, &never));
    if (never) return fm_fail(w->err, FM_ERR_FORMAT, "no value is valid by this JSON schema");
    fm_buffer_text(out, "\n");
    FM_TRY(fm_buffer_status(&w->rules, w->err));
    fm_buffer_put(out, w->rules.data, w->rules.size);
    return FM_OK;
}

fm_status fm_schema_write(const char *text, size_t size, fm_json_space space, fm_buffer *out,
                          fm_error *err) {
    fm_json *root = NULL;
    fm_error unheard;
    if (!err) err = &unheard;
    if (size > FM_SCHEMA_TEXT_MAX)
        return fm_fail(err, FM_ERR_LIMIT, "the JSON schema has %zu bytes; at most %d are read", size,
                       FM_SCHEMA_TEXT_MAX);
    fm_status status = fm_json_parse(text, size, &root, err);
    if (status != FM_OK) return fm_error_prefix(err, status, "JSON schema");
    fm_schema_writer w = {.root = root, .err = err};
    w.known = fm_arena_array(&w.arena, BUCKETS, sizeof *w.known);
    status = w.known ? write_root(&w, out) : fm_schema_no_memory(&w);
    if (status == FM_OK) fm_schema_put_shared(out, space);
    if (status == FM_OK) status = fm_buffer_status(out, err);
    fm_buffer_clear(&w.rules);
    fm_arena_clear(&w.arena);
    fm_json_free(root);
    return status;
}

/* Arrays: items in fixed places first, then any number of one kind. */
#include "engine/grammar/json_schema.h"

typedef struct array {
    fm_schema_writer *w;
    const fm_schema *s;
    size_t fixed;     /* places that some part describes by itself */
    int64_t min, max; /* -1: no end */
} array;

static fm_status check_shape(fm_schema_writer *w, const fm_schema_part *p, size_t *fixed) {
    const fm_json *prefix = fm_json_get(p->schema, "prefixItems"), *items = fm_json_get(p->schema, "items");
    if (prefix && fm_json_kind_of(prefix) != FM_JSON_ARRAY)
        return fm_schema_wrong(w, p, "prefixItems", "must be an array of schemas");
    if (fm_json_kind_of(items) == FM_JSON_ARRAY)
        return fm_schema_refuse(w, p, "items", "as an array is of older drafts; write prefixItems");
    if (fm_json_length(prefix) > *fixed) *fixed = fm_json_length(prefix);
    return FM_OK;
}

/* What all parts ask of the item at place i: fixed places first, then `items`. */
static fm_status item_at(const array *a, size_t i, fm_schema **out) {
    *out = fm_schema_new(a->w);
    if (!*out) return a->w->err->code;
    for (int k = 0; k < a->s->n; k++) {
        const fm_schema_part *p = &a->s->parts[k];
        const fm_json *own = fm_json_at(fm_json_get(p->schema, "prefixItems"), i);
        const fm_json *items = fm_json_get(p->schema, "items");
        if (own) FM_TRY(fm_schema_add(a->w, *out, own, p->path, "/prefixItems/%zu", i));
        else if (items) FM_TRY(fm_schema_add(a->w, *out, items, p->path, "/items"));
    }
    return FM_OK;
}

/* Appends the rule for place i; *never: the array must end before it. */
static fm_status put_item(const array *a, size_t i, fm_buffer *out, bool *never) {
    fm_schema *item;
    FM_TRY(item_at(a, i, &item));
    return fm_schema_put(a->w, item, out, never);
}

/* Items from place i on: "," ws x ("," ws y ...)?, each optional from `min` on. */
static fm_status put_from(const array *a, size_t i, fm_buffer *out) {
    fm_buffer text = {0};
    bool never = false, optional = (int64_t)i >= a->min;
    if (a->max >= 0 && (int64_t)i >= a->max) return FM_OK;
    const char *comma = i ? "\",\" ws " : "";
    fm_status status = put_item(a, i, &text, &never);
    if (status == FM_OK) status = fm_buffer_status(&text, a->w->err);
    if (status == FM_OK && !never && i < a->fixed) {
        fm_buffer_format(out, "%s%s%s ", optional ? "(" : "", comma, fm_buffer_string(&text));
        status = put_from(a, i + 1, out);
        fm_buffer_text(out, optional ? ")?" : "");
    } else if (status == FM_OK && !never) {
        long long least = a->min > (int64_t)i ? a->min - (int64_t)i : 0, most = a->max - (int64_t)i;
        const char *name = fm_buffer_string(&text);
        if (i == 0) { /* the first has no comma */
            fm_buffer_format(out, "%s%s (\",\" ws %s){%lld,", least ? "" : "(", name, name,
                             least > 1 ? least - 1 : 0);
            if (a->max >= 0) fm_buffer_format(out, "%lld", most - 1);
            fm_buffer_text(out, least ? "}" : "})?");
        } else {
            fm_buffer_format(out, "(\",\" ws %s){%lld,", name, least);
            if (a->max >= 0) fm_buffer_format(out, "%lld", most);
            fm_buffer_text(out, "}");
        }
    }
    fm_buffer_clear(&text);
    return status;
}

/* How many items there can be before one that has no valid value. */
static fm_status find_end(array *a) {
    for (size_t i = 0; i <= a->fixed && (a->max < 0 || (int64_t)i < a->max); i++) {
        fm_buffer ignored = {0};
        bool never;
        fm_status status = put_item(a, i, &ignored, &never);
        fm_buffer_clear(&ignored);
        FM_TRY(status);
        if (never) a->max = (int64_t)i;
    }
    return FM_OK;
}

fm_status fm_schema_put_array(fm_schema_writer *w, const fm_schema *s, fm_buffer *out, bool *never) {
    if (!fm_schema_asks(s, FM_KIND_ARRAY)) {
        fm_buffer_text(out, "array");
        return FM_OK;
    }
    array a = {.w = w, .s = s, .max = -1};
    for (int i = 0; i < s->n; i++) FM_TRY(check_shape(w, &s->parts[i], &a.fixed));
    if (a.fixed > FM_SCHEMA_NESTING_MAX)
        return fm_fail(w->err, FM_ERR_LIMIT, "JSON schema, %.200s: more than %d prefixItems", s->parts[0].path,
                       FM_SCHEMA_NESTING_MAX);
    FM_TRY(fm_schema_least(w, s, "minItems", &a.min));
    FM_TRY(fm_schema_most(w, s, "maxItems", &a.max));
    FM_TRY(find_end(&a));
    *never = a.max >= 0 && a.max < a.min;
    if (*never) return FM_OK;
    if (a.max == 0) {
        fm_buffer_text(out, "\"[\" ws \"]\"");
        return FM_OK;
    }
    fm_buffer_text(out, "\"[\" ws ");
    FM_TRY(put_from(&a, 0, out));
    fm_buffer_text(out, " ws \"]\"");
    return FM_OK;
}

/* enum and const, anyOf and oneOf. */
#include "engine/grammar/json_schema.h"

#include <math.h>
#include <string.h>

/* ---- values --------------------------------------------------------------------------------*/

bool fm_schema_has_values(const fm_schema *s) {
    return fm_schema_having(s, "enum") || fm_schema_having(s, "const");
}

unsigned fm_schema_kind_of(const fm_json *value) {
    double real;
    switch (fm_json_kind_of(value)) {
    case FM_JSON_NULL: return FM_KIND_NULL;
    case FM_JSON_BOOL: return FM_KIND_BOOL;
    case FM_JSON_INTEGER: return FM_KIND_WHOLE;
    case FM_JSON_REAL:
        real = fm_json_number(value, 0);
        return real == floor(real) ? FM_KIND_WHOLE : FM_KIND_FRACTION;
    case FM_JSON_STRING: return FM_KIND_STRING;
    case FM_JSON_ARRAY: return FM_KIND_ARRAY;
    case FM_JSON_OBJECT: return FM_KIND_OBJECT;
    }
    return 0;
}

static bool among(fm_schema_writer *w, const fm_json *list, const fm_json *value) {
    for (size_t i = 0; i < fm_json_length(list); i++)
        if (fm_schema_equal(w, fm_json_at(list, i), value)) return true;
    return false;
}

/* Do all enums and consts but `source`, which it was taken from, name it? */
static bool named_by_others(fm_schema_writer *w, const fm_schema *s, const fm_json *source,
                            const fm_json *value) {
    for (int i = 0; i < s->n; i++) {
        const fm_json *list = fm_json_get(s->parts[i].schema, "enum");
        const fm_json *only = fm_json_get(s->parts[i].schema, "const");
        if (list && list != source && !among(w, list, value)) return false;
        if (only && only != source && !fm_schema_equal(w, only, value)) return false;
    }
    return true;
}

/* Of a conjunction that has an enum or a const. */
fm_status fm_schema_values(fm_schema_writer *w, const fm_schema *s, const fm_json ***out, size_t *n) {
    const fm_schema_part *listed = fm_schema_having(s, "enum"), *single = fm_schema_having(s, "const");
    const fm_json *source = single ? fm_json_get(single->schema, "const") : fm_json_get(listed->schema, "enum");
    unsigned written, valid;
    for (int i = 0; i < s->n; i++) {
        const fm_json *v = fm_json_get(s->parts[i].schema, "enum");
        if (v && fm_json_kind_of(v) != FM_JSON_ARRAY)
            return fm_schema_wrong(w, &s->parts[i], "enum", "must be an array of values");
    }
    FM_TRY(fm_schema_kinds(w, s, &written, &valid));
    size_t many = single ? 1 : fm_json_length(source);
    *n = 0;
    *out = fm_arena_array(&w->arena, many + 1, sizeof **out);
    if (!*out) return fm_schema_no_memory(w);
    for (size_t i = 0; i < many; i++) {
        const fm_json *v = single ? source : fm_json_at(source, i);
        if (fm_schema_kind_of(v) & valid && named_by_others(w, s, source, v)) (*out)[(*n)++] = v;
        FM_TRY(fm_schema_spend(w, 1));
    }
    return FM_OK;
}

/* Beside enum and const only the type is looked at: what else speaks of these values would have to be
 * checked here. */
static fm_status check_company(fm_schema_writer *w, const fm_schema *s, const fm_json **values, size_t n) {
    unsigned kinds = 0;
    const fm_schema_part *part;
    for (size_t i = 0; i < n; i++) kinds |= fm_schema_kind_of(values[i]);
    const char *keyword = fm_schema_asking(s, kinds, &part);
    if (!keyword) return FM_OK;
    return fm_schema_refuse(w, part, keyword, "is not checked beside enum and const; list the values that are left");
}

fm_status fm_schema_put_values(fm_schema_writer *w, const fm_schema *s, fm_buffer *out, bool *never) {
    const fm_json **values;
    size_t n;
    FM_TRY(fm_schema_values(w, s, &values, &n));
    FM_TRY(check_company(w, s, values, n));
    *never = n == 0;
    for (size_t i = 0; i < n; i++) {
        if (i) fm_buffer_text(out, " | ");
        fm_schema_put_value(out, values[i]);
    }
    return FM_OK;
}

/* ---- branches ------------------------------------------------------------------------------*/

int fm_schema_choice(const fm_schema *s) {
    for (int i = 0; i < s->n; i++)
        if (!s->parts[i].chosen &&
            (fm_json_get(s->parts[i].schema, "anyOf") || fm_json_get(s->parts[i].schema, "oneOf")))
            return i;
    return -1;
}

fm_status fm_schema_branch(fm_schema_writer *w, const fm_schema *s, int part, const char *keyword, size_t i,
                           fm_schema **out) {
    *out = fm_schema_new(w);
    if (!*out) return w->err->code;
    **out = *s;
    (*out)->parts[part].chosen = true;
    const fm_json *list = fm_json_get(s->parts[part].schema, keyword);
    const char *path = fm_arena_format(&w->arena, "%.1000s/%s/%zu", s->parts[part].path, keyword, i);
    FM_TRY(fm_schema_add_from(w, *out, fm_json_at(list, i), path, part));
    /* So that a branch has one rule wherever it stands: */
    if (fm_schema_only_chooses(&s->parts[part])) fm_schema_remove(*out, part);
    return FM_OK;
}

/* oneOf is anyOf where no value fits two branches; that is proven, or it is refused. */
static fm_status prove_apart(fm_schema_writer *w, const fm_schema *s, int part, size_t n) {
    const fm_schema_part *p = &s->parts[part];
    if (n > 64) return fm_schema_refuse(w, p, "oneOf", "has more than 64 branches to tell apart; write anyOf");
    fm_schema *branches[64];
    for (size_t i = 0; i < n; i++) {
        FM_TRY(fm_schema_branch(w, s, part, "oneOf", i, &branches[i]));
        FM_TRY(fm_schema_expand(w, branches[i]));
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            bool apart = true;
            if (i != j) FM_TRY(fm_schema_apart(w, branches[i], branches[j], &apart));
            if (apart) continue;
            return fm_fail(w->err, FM_ERR_UNSUPPORTED,
                           "JSON schema, %.200s: keyword \"oneOf\" has branches %zu and %zu that may both hold; "
                           "write anyOf, or tell them apart by type or by a required const",
                           p->path, i < j ? i : j, i < j ? j : i);
        }
    return FM_OK;
}

fm_status fm_schema_put_choice(fm_schema_writer *w, const fm_schema *s, int part, fm_buffer *out,
                               bool *never) {
    const fm_schema_part *p = &s->parts[part];
    bool one = fm_json_get(p->schema, "oneOf") != NULL;
    const char *keyword = one ? "oneOf" : "anyOf";
    const fm_json *list = fm_json_get(p->schema, keyword);
    size_t n = fm_json_length(list), begin = out->size;
    if (one && fm_json_get(p->schema, "anyOf"))
        return fm_schema_refuse(w, p, "oneOf", "beside anyOf is not followed; use allOf of both");
    if (fm_json_kind_of(list) != FM_JSON_ARRAY || n == 0)
        return fm_schema_wrong(w, p, keyword, "must be an array of schemas");
    if (one) FM_TRY(prove_apart(w, s, part, n));
    for (size_t i = 0; i < n; i++) {
        fm_schema *branch;
        bool none;
        size_t before = out->size;
        FM_TRY(fm_schema_branch(w, s, part, keyword, i, &branch));
        if (out->size > begin) fm_buffer_text(out, " | ");
        w->same_value = true;
        FM_TRY(fm_schema_put(w, branch, out, &none));
        if (none) out->size = before;
    }
    *never = out->size == begin && !out->failed;
    return FM_OK;
}

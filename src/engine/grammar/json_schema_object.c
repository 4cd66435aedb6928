/* Objects: the members that the schema names, in its order, then others where it lets them.
 *
 *     {"properties": {"a": A, "b": B, "c": C}, "required": ["b"]}
 *
 *     v0    ::= "{" ws (o0-a0 o0-t1 | o0-a1 o0-t2) ws "}"     the first member is a or b
 *     o0-t1 ::= "," ws o0-a1 o0-t2                            b is required
 *     o0-t2 ::= ("," ws o0-a2)? o0-t3
 *     o0-t3 ::= ""                                            or ("," ws m0)*, others
 *     o0-a0 ::= "\"a\":" sp v1                                a's value; and so on */
#include "engine/grammar/json_schema.h"

#include "base/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct property {
    const char *name;
    fm_schema *value;
    bool required; /* written always */
    bool never; /* no value is valid: the member must be absent */
} property;

typedef struct object {
    fm_schema_writer *w;
    const fm_schema *s;
    property *list;
    size_t n, n_required; /* the latter with repetitions */
    int number; /* in the names of its rules */
    bool others; /* members that no part names may follow */
    char other[32]; /* their rule */
} object;

/* ---- questions to all parts ----------------------------------------------------------------*/

bool fm_schema_requires(const fm_schema *s, const char *key) {
    for (int i = 0; i < s->n; i++) {
        const fm_json *required = fm_json_get(s->parts[i].schema, "required");
        for (size_t k = 0; k < fm_json_length(required); k++)
            if (strcmp(fm_json_string(fm_json_at(required, k), ""), key) == 0) return true;
    }
    return false;
}

bool fm_schema_writes(const fm_schema *s, const char *key) {
    bool declared = false, tells_apart = false;
    for (int i = 0; i < s->n; i++) {
        const fm_json *discriminator = fm_json_get(s->parts[i].schema, "discriminator");
        declared |= fm_json_get(fm_json_get(s->parts[i].schema, "properties"), key) != NULL;
        tells_apart |= strcmp(fm_json_string(fm_json_get(discriminator, "propertyName"), ""), key) == 0;
    }
    return (declared && tells_apart) || fm_schema_requires(s, key);
}

/* Named by a part's `properties`, or else under its `additionalProperties`. */
fm_schema *fm_schema_member(fm_schema_writer *w, const fm_schema *s, const char *key, bool *declared) {
    fm_schema *m = fm_schema_new(w);
    *declared = false;
    for (int i = 0; m && i < s->n; i++) {
        const fm_schema_part *p = &s->parts[i];
        const fm_json *own = fm_json_get(fm_json_get(p->schema, "properties"), key);
        const fm_json *other = fm_json_get(p->schema, "additionalProperties");
        fm_status status = FM_OK;
        if (own) {
            *declared = true;
            status = fm_schema_add(w, m, own, p->path, "/properties/%.80s", key);
        } else if (other)
            status = fm_schema_add(w, m, other, p->path, "/additionalProperties");
        if (status != FM_OK) return NULL;
    }
    return m;
}

/* An object that names members has others only where it says so; one that names none is a map. */
bool fm_schema_open(const fm_schema *s) {
    bool said = false;
    for (int i = 0; i < s->n; i++) {
        const fm_json *other = fm_json_get(s->parts[i].schema, "additionalProperties");
        if (fm_json_kind_of(other) == FM_JSON_BOOL && !fm_json_bool(other, true)) return false;
        said |= other != NULL;
    }
    return said || !fm_schema_having(s, "properties");
}

/* ---- what it has ---------------------------------------------------------------------------*/

static bool listed(const object *o, const char *name) {
    for (size_t i = 0; i < o->n; i++)
        if (strcmp(o->list[i].name, name) == 0) return true;
    return false;
}

static fm_status add_property(void *context, const char *key, size_t length, const fm_json *value) {
    object *o = context;
    bool declared;
    (void)length, (void)value;
    FM_TRY(fm_schema_spend(o->w, o->n_required + o->n));
    if (o->s->n > 1 && listed(o, key)) return FM_OK;
    property p = {.name = key, .required = fm_schema_writes(o->s, key)};
    p.value = fm_schema_member(o->w, o->s, key, &declared);
    if (!p.value) return o->w->err->code;
    o->list[o->n++] = p;
    return FM_OK;
}

/* Members' names have no zero bytes: the parser of JSON refuses them. */
static bool is_name(const fm_json *v) {
    size_t n;
    const char *s = fm_json_string_n(v, &n);
    return s && !memchr(s, 0, n);
}

static fm_status check_shape(fm_schema_writer *w, const fm_schema_part *p) {
    const fm_json *properties = fm_json_get(p->schema, "properties");
    const fm_json *required = fm_json_get(p->schema, "required");
    if (properties && fm_json_kind_of(properties) != FM_JSON_OBJECT)
        return fm_schema_wrong(w, p, "properties", "must be an object of schemas");
    if (required && fm_json_kind_of(required) != FM_JSON_ARRAY)
        return fm_schema_wrong(w, p, "required", "must be an array of names");
    for (size_t i = 0; i < fm_json_length(required); i++)
        if (!is_name(fm_json_at(required, i)))
            return fm_schema_wrong(w, p, "required", "must be an array of names");
    return FM_OK;
}

static fm_status collect(object *o) {
    size_t room = 0;
    for (int i = 0; i < o->s->n; i++) {
        FM_TRY(check_shape(o->w, &o->s->parts[i]));
        room += fm_json_length(fm_json_get(o->s->parts[i].schema, "properties"));
        o->n_required += fm_json_length(fm_json_get(o->s->parts[i].schema, "required"));
    }
    room += o->n_required;
    o->list = fm_arena_array(&o->w->arena, room + 1, sizeof *o->list);
    if (!o->list) return fm_schema_no_memory(o->w);
    for (int i = 0; i < o->s->n; i++)
        FM_TRY(fm_json_each(fm_json_get(o->s->parts[i].schema, "properties"), add_property, o));
    for (int i = 0; i < o->s->n; i++) { /* required, but described nowhere */
        const fm_json *required = fm_json_get(o->s->parts[i].schema, "required");
        for (size_t k = 0; k < fm_json_length(required); k++) {
            const char *name = fm_json_string(fm_json_at(required, k), "");
            if (!listed(o, name)) FM_TRY(add_property(o, name, 0, NULL));
        }
    }
    return FM_OK;
}

/* ---- names that are none of the known ones -------------------------------------------------*/

typedef struct spelled_name { /* as JSON, without the quotes */
    char *text;
    size_t n;
} spelled_name;

static size_t unit_at(const spelled_name *s, size_t at) { /* bytes of one character, escape and all */
    if (at >= s->n) return 0;
    if (s->text[at] == '\\') return s->text[at + 1] == 'u' ? 6 : 2;
    size_t n = 1;
    while (at + n < s->n && ((unsigned char)s->text[at + n] & 0xC0) == 0x80) n++;
    return n;
}

static bool shares_unit(const spelled_name *a, const spelled_name *b, size_t at) {
    size_t n = unit_at(a, at);
    return n && n == unit_at(b, at) && memcmp(a->text + at, b->text + at, n) == 0;
}

static void put_class_of(fm_buffer *out, const char *unit, size_t n) {
    uint32_t c;
    fm_utf8_decode(unit, n, &c); /* JSON was checked to be UTF-8 */
    fm_schema_put_class_character(out, c);
}

/* A character that begins none of the names' next ones, and then anything. */
static void put_other_unit(const spelled_name *names, size_t n, size_t at, fm_buffer *out) {
    char escapes[8] = "\"\\bfnrt";
    fm_buffer_text(out, "([^\"\\\\\\x00-\\x1F");
    for (size_t i = 0; i < n; i++) {
        size_t unit = unit_at(&names[i], at);
        if (unit == 0 || (i && shares_unit(&names[i - 1], &names[i], at))) continue;
        if (names[i].text[at] != '\\') {
            put_class_of(out, names[i].text + at, unit);
            continue;
        }
        char *known = unit == 2 ? strchr(escapes, names[i].text[at + 1]) : NULL;
        if (known) memmove(known, known + 1, strlen(known));
    }
    fm_buffer_text(out, "]");
    if (escapes[0]) {
        fm_buffer_text(out, " | \"\\\\\" [");
        for (const char *e = escapes; *e; e++) fm_schema_put_class_character(out, (unsigned char)*e);
        fm_buffer_text(out, "]");
    }
    fm_buffer_text(out, ") key-char*");
}

/* What may follow the first `at` bytes, which all names share, such that the whole is none of them.
 * The names are sorted. */
static fm_status put_other_name(fm_schema_writer *w, const spelled_name *names, size_t n, size_t at, int depth,
                                fm_buffer *out) {
    if (depth > 200) /* a group per character; the grammar's own limit is 256 */
        return fm_fail(w->err, FM_ERR_LIMIT,
                       "the JSON schema has names of more than 200 characters where others may follow");
    bool complete = names[0].n == at; /* the shortest comes first */
    fm_buffer_text(out, "(");
    put_other_unit(names, n, at, out);
    for (size_t i = complete, end; i < n; i = end) {
        for (end = i + 1; end < n && shares_unit(&names[i], &names[end], at);) end++;
        fm_buffer_text(out, " | ");
        size_t unit = unit_at(&names[i], at);
        fm_schema_put_literal(out, names[i].text + at, unit);
        fm_buffer_text(out, " ");
        FM_TRY(put_other_name(w, names + i, end - i, at + unit, depth + 1, out));
    }
    fm_buffer_text(out, complete ? ")" : ")?");
    return FM_OK;
}

static int by_text(const void *a, const void *b) {
    const spelled_name *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->n < y->n ? x->n : y->n);
    return order ? order : x->n < y->n ? -1 : x->n > y->n;
}

static fm_status spell_names(object *o, spelled_name **out) {
    *out = fm_arena_array(&o->w->arena, o->n + 1, sizeof **out);
    if (!*out) return fm_schema_no_memory(o->w);
    for (size_t i = 0; i < o->n; i++) {
        fm_buffer text = {0};
        fm_schema_spell(&text, o->list[i].name, strlen(o->list[i].name));
        (*out)[i].n = text.size;
        (*out)[i].text = text.failed ? NULL : fm_arena_strndup(&o->w->arena, text.data, text.size);
        fm_buffer_clear(&text);
        if (!(*out)[i].text) return fm_schema_no_memory(o->w);
    }
    qsort(*out, o->n, sizeof **out, by_text);
    return FM_OK;
}

/* The rule of a member that no part names: its name and its value. */
static fm_status put_other_rule(object *o, bool *never) {
    fm_schema_writer *w = o->w;
    fm_schema *value = fm_schema_new(w);
    fm_buffer text = {0};
    if (!value) return w->err->code;
    for (int i = 0; i < o->s->n; i++) {
        const fm_schema_part *p = &o->s->parts[i];
        const fm_json *other = fm_json_get(p->schema, "additionalProperties");
        if (other) FM_TRY(fm_schema_add(w, value, other, p->path, "/additionalProperties"));
    }
    snprintf(o->other, sizeof o->other, "m%d", o->number);
    fm_buffer_format(&text, "%s ::= \"\\\"\" ", o->other);
    spelled_name *names;
    fm_status status = spell_names(o, &names);
    if (status == FM_OK && o->n == 0) fm_buffer_text(&text, "char*");
    else if (status == FM_OK) status = put_other_name(w, names, o->n, 0, 0, &text);
    fm_buffer_text(&text, " \"\\\":\" sp ");
    if (status == FM_OK) status = fm_schema_put(w, value, &text, never);
    fm_buffer_text(&text, "\n");
    if (status == FM_OK) status = fm_buffer_status(&text, w->err);
    if (status == FM_OK && !*never) fm_buffer_put(&w->rules, text.data, text.size);
    fm_buffer_clear(&text);
    return status;
}

/* ---- writing -------------------------------------------------------------------------------*/

/* o0-a3: the member's name and value. */
static fm_status put_members(object *o, bool *never) {
    for (size_t i = 0; i < o->n; i++) {
        property *p = &o->list[i];
        fm_buffer text = {0};
        fm_buffer_format(&text, "o%d-a%zu ::= ", o->number, i);
        fm_schema_put_text(&text, p->name, strlen(p->name), ":");
        fm_buffer_text(&text, " sp ");
        fm_status status = fm_schema_put(o->w, p->value, &text, &p->never);
        fm_buffer_text(&text, "\n");
        if (status == FM_OK) status = fm_buffer_status(&text, o->w->err);
        if (status == FM_OK && !p->never) fm_buffer_put(&o->w->rules, text.data, text.size);
        fm_buffer_clear(&text);
        FM_TRY(status);
        if (p->never && p->required) *never = true;
    }
    return FM_OK;
}

/* o0-t3: what may follow when the members before 3 are done with and at least one was written. */
static void put_tails(object *o) {
    fm_buffer *out = &o->w->rules;
    for (size_t i = 1; i <= o->n; i++) {
        fm_buffer_format(out, "o%d-t%zu ::= ", o->number, i);
        if (i == o->n) {
            if (o->others) fm_buffer_format(out, "(\",\" ws %s)*\n", o->other);
            else fm_buffer_text(out, "\"\"\n");
            continue;
        }
        if (!o->list[i].never)
            fm_buffer_format(out, o->list[i].required ? "\",\" ws o%d-a%zu " : "(\",\" ws o%d-a%zu)? ",
                             o->number, i);
        fm_buffer_format(out, "o%d-t%zu\n", o->number, i + 1);
    }
}

static void put_first_members(object *o, fm_buffer *out) {
    bool required = false, any = false;
    size_t begin = out->size;
    for (size_t i = 0; i < o->n && !required; i++) {
        if (o->list[i].never) continue;
        fm_buffer_format(out, "%so%d-a%zu o%d-t%zu", any ? " | " : "\"{\" ws (", o->number, i, o->number, i + 1);
        any = true;
        required = o->list[i].required;
    }
    if (!required && o->others) {
        fm_buffer_format(out, "%s%s (\",\" ws %s)*", any ? " | " : "\"{\" ws (", o->other, o->other);
        any = true;
    }
    if (any) fm_buffer_text(out, ") ws \"}\"");
    if (!required) fm_buffer_text(out, out->size > begin ? " | \"{\" ws \"}\"" : "\"{\" ws \"}\"");
}

static fm_status put_map(object *o, int64_t min, int64_t max, fm_buffer *out, bool *never) {
    *never = max >= 0 && max < min;
    if (*never) return FM_OK;
    if (min == 0) fm_buffer_text(out, "\"{\" ws \"}\"");
    if (max == 0 || !o->others) {
        *never = min > 0;
        return FM_OK;
    }
    fm_buffer_format(out, "%s\"{\" ws %s (\",\" ws %s){%lld,", min == 0 ? " | " : "", o->other, o->other,
                     (long long)(min > 1 ? min - 1 : 0));
    if (max > 0) fm_buffer_format(out, "%lld", (long long)max - 1);
    fm_buffer_text(out, "} ws \"}\"");
    return FM_OK;
}

/* Counts are enforced in maps, and accepted where the rest of the schema implies them. */
static fm_status check_counts(const object *o, int64_t min, int64_t max) {
    int64_t required = 0;
    for (size_t i = 0; i < o->n; i++) required += o->list[i].required;
    if (min > required && (o->n > 0 || min > 1))
        return fm_schema_refuse(o->w, fm_schema_having(o->s, "minProperties"), "minProperties",
                                "asks for more members than are required, and a grammar does not remember "
                                "which names were written; list them as required");
    if (o->n > 0 && max >= 0 && (o->others || max < (int64_t)o->n))
        return fm_schema_refuse(o->w, fm_schema_having(o->s, "maxProperties"), "maxProperties",
                                "is not enforced beside properties that are named");
    return FM_OK;
}

fm_status fm_schema_put_object(fm_schema_writer *w, const fm_schema *s, fm_buffer *out, bool *never) {
    if (!fm_schema_asks(s, FM_KIND_OBJECT)) {
        fm_buffer_text(out, "object");
        return FM_OK;
    }
    object o = {.w = w, .s = s, .number = w->n_objects++, .others = fm_schema_open(s)};
    int64_t min = 0, max = -1;
    FM_TRY(fm_schema_least(w, s, "minProperties", &min));
    FM_TRY(fm_schema_most(w, s, "maxProperties", &max));
    FM_TRY(collect(&o));
    FM_TRY(check_counts(&o, min, max));
    bool no_others = false;
    if (o.others) FM_TRY(put_other_rule(&o, &no_others));
    o.others &= !no_others;
    if (o.n == 0) return put_map(&o, min, max, out, never);
    FM_TRY(put_members(&o, never));
    if (*never) return FM_OK;
    put_tails(&o);
    put_first_members(&o, out);
    return FM_OK;
}

/* Conjunctions of schemas: what applies to one value. */
#include "engine/grammar/json_schema.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

fm_status fm_schema_refuse(fm_schema_writer *w, const fm_schema_part *p, const char *keyword,
                           const char *why) {
    return fm_fail(w->err, FM_ERR_UNSUPPORTED, "JSON schema, %.200s: keyword \"%.80s\" %s", p->path,
                   keyword, why);
}

fm_status fm_schema_wrong(fm_schema_writer *w, const fm_schema_part *p, const char *keyword,
                          const char *why) {
    return fm_fail(w->err, FM_ERR_FORMAT, "JSON schema, %.200s: keyword \"%.80s\" %s", p->path, keyword,
                   why);
}

fm_status fm_schema_no_memory(fm_schema_writer *w) {
    return fm_fail_memory(w->err, sizeof(fm_schema), "a JSON schema");
}

/* ---- parts ---------------------------------------------------------------------------------*/

fm_status fm_schema_spend(fm_schema_writer *w, size_t steps) {
    w->work += steps;
    if (w->work <= FM_SCHEMA_WORK_MAX && w->arena.total <= FM_SCHEMA_MEMORY_MAX) return FM_OK;
    return fm_fail(w->err, FM_ERR_LIMIT,
                   "the JSON schema combines its parts with each other in too many ways (anyOf, oneOf and "
                   "allOf inside each other, or very long lists)");
}

fm_schema *fm_schema_new(fm_schema_writer *w) {
    if (fm_schema_spend(w, 64) != FM_OK) return NULL;
    fm_schema *s = fm_arena_alloc(&w->arena, sizeof *s);
    if (!s) fm_schema_no_memory(w);
    return s;
}

fm_status fm_schema_add_from(fm_schema_writer *w, fm_schema *s, const fm_json *schema, const char *path,
                             int from) {
    if (!path) return fm_schema_no_memory(w);
    for (int i = 0; i < s->n; i++) {
        if (s->parts[i].schema != schema || fm_json_kind_of(schema) != FM_JSON_OBJECT) continue;
        for (int up = from; up >= 0; up = s->parts[up].from)
            if (up == i) return fm_schema_wrong(w, &s->parts[i], "$ref", "leads back to itself");
        return FM_OK; /* said twice */
    }
    if (s->n == FM_SCHEMA_PARTS_MAX)
        return fm_fail(w->err, FM_ERR_LIMIT, "JSON schema, %.200s: more than %d schemas apply at once",
                       path, FM_SCHEMA_PARTS_MAX);
    s->parts[s->n++] = (fm_schema_part){.schema = schema, .path = path, .from = from};
    return FM_OK;
}

fm_status fm_schema_add(fm_schema_writer *w, fm_schema *s, const fm_json *schema, const char *at,
                        const char *format, ...) {
    char tail[256];
    va_list args;
    va_start(args, format);
    vsnprintf(tail, sizeof tail, format, args);
    va_end(args);
    return fm_schema_add_from(w, s, schema, fm_arena_format(&w->arena, "%.1000s%s", at, tail), -1);
}

void fm_schema_remove(fm_schema *s, int part) {
    int from = s->parts[part].from;
    s->n--;
    for (int i = part; i < s->n; i++) s->parts[i] = s->parts[i + 1];
    for (int i = 0; i < s->n; i++) {
        if (s->parts[i].from == part) s->parts[i].from = from;
        else if (s->parts[i].from > part) s->parts[i].from--;
    }
}

const fm_schema_part *fm_schema_having(const fm_schema *s, const char *keyword) {
    for (int i = s->n - 1; i >= 0; i--)
        if (fm_json_get(s->parts[i].schema, keyword)) return &s->parts[i];
    return NULL;
}

/* ---- $ref ----------------------------------------------------------------------------------*/

static int hex_value(char c) {
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* In place: a pointer stands in a URI, where "%41" is 'A'. */
static void decode_percent(char *s) {
    char *out = s;
    for (; *s; s++) {
        int high = *s == '%' ? hex_value(s[1]) : -1, low = high >= 0 ? hex_value(s[2]) : -1;
        *out++ = low >= 0 ? (char)(high << 4 | low) : *s;
        if (low >= 0) s += 2;
    }
    *out = 0;
}

/* In place: one step of a pointer, where "~1" is '/' and "~0" is '~'. */
static void decode_tilde(char *s) {
    char *out = s;
    for (; *s; s++) {
        bool escape = *s == '~' && (s[1] == '0' || s[1] == '1');
        *out++ = !escape ? *s : s[1] == '0' ? '~' : '/';
        s += escape;
    }
    *out = 0;
}

/* What a pointer such as "/$defs/a~1b" means; NULL if nothing. Takes it apart. */
static const fm_json *follow_pointer(const fm_json *root, char *pointer) {
    const fm_json *at = root;
    while (at && pointer) {
        char *key = pointer + 1, end;
        size_t index;
        if (*pointer != '/') return *pointer ? NULL : at;
        pointer = strchr(key, '/');
        if (pointer) *pointer = 0;
        decode_tilde(key);
        if (fm_json_kind_of(at) != FM_JSON_ARRAY) at = fm_json_get(at, key);
        else at = sscanf(key, "%zu%c", &index, &end) == 1 ? fm_json_at(at, index) : NULL;
        if (pointer) *pointer = '/';
    }
    return at;
}

static fm_status follow_ref(fm_schema_writer *w, const fm_schema_part *p, const fm_json **target,
                            const char **path) {
    *path = fm_json_string(fm_json_get(p->schema, "$ref"), NULL);
    if (!*path) return fm_schema_wrong(w, p, "$ref", "must be a string");
    FM_TRY(fm_schema_spend(w, strlen(*path)));
    if (**path != '#') return fm_schema_refuse(w, p, "$ref", "leads out of the schema; only #/... is followed");
    char *pointer = fm_arena_format(&w->arena, "%s", *path + 1);
    if (!pointer) return fm_schema_no_memory(w);
    decode_percent(pointer);
    *target = follow_pointer(w->root, pointer);
    return *target ? FM_OK : fm_schema_wrong(w, p, "$ref", "leads to no schema (anchors are not followed)");
}

fm_status fm_schema_shorten(fm_schema_writer *w, fm_schema *s) {
    for (int steps = 0; s->n == 1 && !s->parts[0].expanded; steps++) {
        fm_schema_part *p = &s->parts[0];
        const fm_json *target;
        const char *path;
        if (fm_json_kind_of(p->schema) != FM_JSON_OBJECT || fm_json_length(p->schema) != 1 ||
            !fm_json_get(p->schema, "$ref"))
            return FM_OK;
        if (steps == 64) return fm_schema_wrong(w, p, "$ref", "leads back to itself");
        FM_TRY(follow_ref(w, p, &target, &path));
        *p = (fm_schema_part){.schema = target, .path = path, .from = -1};
    }
    return FM_OK;
}

/* ---- keywords ------------------------------------------------------------------------------*/

typedef struct keyword {
    const char *name;
    unsigned kinds; /* of values that it speaks of; 0: of none in particular */
    bool silent;    /* says nothing about what is valid */
} keyword;

static const keyword known_keywords[] = {
    {"$ref", 0}, {"allOf", 0}, {"anyOf", 0}, {"oneOf", 0}, {"type", 0}, {"enum", 0}, {"const", 0},
    {"discriminator", 0}, {"properties", FM_KIND_OBJECT}, {"required", FM_KIND_OBJECT},
    {"additionalProperties", FM_KIND_OBJECT}, {"minProperties", FM_KIND_OBJECT},
    {"maxProperties", FM_KIND_OBJECT},
    {"items", FM_KIND_ARRAY}, {"prefixItems", FM_KIND_ARRAY}, {"minItems", FM_KIND_ARRAY},
    {"maxItems", FM_KIND_ARRAY}, {"uniqueItems", FM_KIND_ARRAY},
    {"minLength", FM_KIND_STRING}, {"maxLength", FM_KIND_STRING}, {"pattern", FM_KIND_STRING},
    {"format", FM_KIND_STRING},
    {"minimum", FM_KIND_NUMBER}, {"maximum", FM_KIND_NUMBER}, {"exclusiveMinimum", FM_KIND_NUMBER},
    {"exclusiveMaximum", FM_KIND_NUMBER}, {"multipleOf", FM_KIND_NUMBER},
    {"$schema", 0, true}, {"$id", 0, true}, {"$comment", 0, true}, {"$defs", 0, true},
    {"$anchor", 0, true}, {"definitions", 0, true}, {"title", 0, true}, {"description", 0, true},
    {"default", 0, true}, {"examples", 0, true}, {"example", 0, true}, {"deprecated", 0, true},
    {"readOnly", 0, true}, {"writeOnly", 0, true},
    {"contentEncoding", 0, true}, {"contentMediaType", 0, true}, {"contentSchema", 0, true},
    {"externalDocs", 0, true}, {"xml", 0, true}, {"nullable", 0, true},
};

static const keyword *find_keyword(const char *name) {
    for (size_t i = 0; i < FM_COUNT(known_keywords); i++)
        if (strcmp(known_keywords[i].name, name) == 0) return &known_keywords[i];
    return NULL;
}

typedef struct keyword_check {
    fm_schema_writer *w;
    const fm_schema_part *part;
} keyword_check;

static fm_status check_keyword(void *context, const char *key, size_t length, const fm_json *value) {
    keyword_check *c = context;
    (void)length;
    if (strncmp(key, "x-", 2) == 0) return FM_OK;
    if (!find_keyword(key)) return fm_schema_refuse(c->w, c->part, key, "cannot be enforced here; remove it");
    if (strcmp(key, "$id") == 0 && c->part->schema != c->w->root)
        return fm_schema_refuse(c->w, c->part, key, "makes a schema of its own, which references here do not "
                                                    "know; remove it");
    if (strcmp(key, "uniqueItems") == 0 && fm_json_bool(value, true))
        return fm_schema_refuse(c->w, c->part, key,
                                "cannot be enforced: a grammar does not remember values");
    return FM_OK;
}

static fm_status expand_all_of(fm_schema_writer *w, fm_schema *s, int part) {
    const fm_json *all = fm_json_get(s->parts[part].schema, "allOf");
    if (fm_json_kind_of(all) != FM_JSON_ARRAY || fm_json_length(all) == 0)
        return fm_schema_wrong(w, &s->parts[part], "allOf", "must be an array of schemas");
    for (size_t i = 0; i < fm_json_length(all); i++)
        FM_TRY(fm_schema_add_from(w, s, fm_json_at(all, i),
                        fm_arena_format(&w->arena, "%.1000s/allOf/%zu", s->parts[part].path, i), part));
    return FM_OK;
}

fm_status fm_schema_expand(fm_schema_writer *w, fm_schema *s) {
    for (int i = 0; i < s->n; i++) { /* parts are added as we go */
        fm_schema_part *p = &s->parts[i];
        fm_json_kind kind = fm_json_kind_of(p->schema);
        const fm_json *target;
        const char *path;
        if (p->expanded) continue;
        p->expanded = true;
        if (kind == FM_JSON_BOOL) {
            s->never |= !fm_json_bool(p->schema, true);
            continue;
        }
        if (kind != FM_JSON_OBJECT)
            return fm_fail(w->err, FM_ERR_FORMAT, "JSON schema, %.200s: a schema is an object, true or false",
                           p->path);
        FM_TRY(fm_schema_spend(w, 16 * fm_json_length(p->schema)));
        FM_TRY(fm_json_each(p->schema, check_keyword, &(keyword_check){w, p}));
        if (fm_json_get(p->schema, "$ref")) {
            FM_TRY(follow_ref(w, p, &target, &path));
            FM_TRY(fm_schema_add_from(w, s, target, path, i));
        }
        if (fm_json_get(p->schema, "allOf")) FM_TRY(expand_all_of(w, s, i));
    }
    return FM_OK;
}

/* ---- counts --------------------------------------------------------------------------------*/

static fm_status count_of(fm_schema_writer *w, const fm_schema_part *p, const char *name, int64_t *out) {
    const fm_json *v = fm_json_get(p->schema, name);
    *out = -1;
    if (!v) return FM_OK;
    double real = fm_json_number(v, -1);
    if (!(real >= 0) || real != floor(real))
        return fm_schema_wrong(w, p, name, "must be a whole number, 0 or more");
    if (real > FM_SCHEMA_COUNT_MAX)
        return fm_fail(w->err, FM_ERR_LIMIT, "JSON schema, %.200s: keyword \"%s\" counts to %.17g; at most %d is "
                       "counted, so leave it out or lower it", p->path, name, real, FM_SCHEMA_COUNT_MAX);
    *out = (int64_t)real;
    return FM_OK;
}

fm_status fm_schema_least(fm_schema_writer *w, const fm_schema *s, const char *name, int64_t *out) {
    for (int i = 0; i < s->n; i++) {
        int64_t n;
        FM_TRY(count_of(w, &s->parts[i], name, &n));
        if (n > *out) *out = n;
    }
    return FM_OK;
}

fm_status fm_schema_most(fm_schema_writer *w, const fm_schema *s, const char *name, int64_t *out) {
    for (int i = 0; i < s->n; i++) {
        int64_t n;
        FM_TRY(count_of(w, &s->parts[i], name, &n));
        if (n >= 0 && (*out < 0 || n < *out)) *out = n;
    }
    return FM_OK;
}

/* ---- kinds ---------------------------------------------------------------------------------*/

static unsigned kind_named(const char *name) {
    static const keyword names[] = {
        {"null", FM_KIND_NULL}, {"boolean", FM_KIND_BOOL}, {"object", FM_KIND_OBJECT},
        {"array", FM_KIND_ARRAY}, {"string", FM_KIND_STRING}, {"integer", FM_KIND_WHOLE},
        {"number", FM_KIND_NUMBER},
    };
    for (size_t i = 0; name && i < FM_COUNT(names); i++)
        if (strcmp(name, names[i].name) == 0) return names[i].kinds;
    return 0;
}

static fm_status kinds_of_type(fm_schema_writer *w, const fm_schema_part *p, unsigned *out) {
    const fm_json *type = fm_json_get(p->schema, "type");
    bool array = fm_json_kind_of(type) == FM_JSON_ARRAY;
    *out = 0;
    for (size_t i = 0; i < (array ? fm_json_length(type) : 1); i++) {
        unsigned kind = kind_named(fm_json_string(array ? fm_json_at(type, i) : type, NULL));
        if (!kind)
            return fm_schema_wrong(w, p, "type",
                                   "must name null, boolean, object, array, string, integer or number");
        *out |= kind;
    }
    if (fm_json_bool(fm_json_get(p->schema, "nullable"), false)) *out |= FM_KIND_NULL;
    return FM_OK;
}

static fm_status collect_kinds(void *context, const char *key, size_t length, const fm_json *value) {
    const keyword *k = find_keyword(key);
    (void)length, (void)value;
    *(unsigned *)context |= k ? k->kinds : 0;
    return FM_OK;
}

static fm_status count_keyword(void *context, const char *key, size_t length, const fm_json *value) {
    const keyword *k = find_keyword(key);
    (void)length, (void)value;
    *(size_t *)context += k && !k->silent;
    return FM_OK;
}

bool fm_schema_only_chooses(const fm_schema_part *p) {
    size_t n = 0;
    fm_json_each(p->schema, count_keyword, &n);
    return n == 1 && (fm_json_get(p->schema, "anyOf") || fm_json_get(p->schema, "oneOf"));
}

const char *fm_schema_asking(const fm_schema *s, unsigned kinds, const fm_schema_part **part) {
    for (size_t i = 0; i < FM_COUNT(known_keywords); i++) {
        *part = known_keywords[i].kinds & kinds ? fm_schema_having(s, known_keywords[i].name) : NULL;
        if (*part) return known_keywords[i].name;
    }
    return NULL;
}

bool fm_schema_asks(const fm_schema *s, unsigned kinds) {
    const fm_schema_part *part;
    return fm_schema_asking(s, kinds, &part) != NULL;
}

fm_status fm_schema_kinds(fm_schema_writer *w, const fm_schema *s, unsigned *written, unsigned *valid) {
    bool typed = false;
    unsigned spoken_of = 0;
    *valid = FM_KIND_ANY;
    for (int i = 0; i < s->n; i++) {
        unsigned kinds;
        FM_TRY(fm_json_each(s->parts[i].schema, collect_kinds, &spoken_of));
        if (!fm_json_get(s->parts[i].schema, "type")) continue;
        FM_TRY(kinds_of_type(w, &s->parts[i], &kinds));
        *valid &= kinds;
        typed = true;
    }
    *written = !typed && spoken_of ? spoken_of : *valid;
    return FM_OK;
}

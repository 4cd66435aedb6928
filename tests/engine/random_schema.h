/* random_schema.h: random schemas, and random documents that are near them. */
#pragma once

#include "engine/json_validator.h"

/* ---- schemas -------------------------------------------------------------------------------*/

typedef struct schema_maker {
    dice *d;
    bool simple; /* every schema has a type, and nothing is combined with anything but by anyOf alone */
    int defs;
} schema_maker;

static json_t *random_schema(schema_maker *m, int depth);

static const char *const member_names[] = {"a", "ab", "abc", "b", "\u00e9", "q\"", "zz", "n\\"};
static const char *const texts[] = {"", "a", "ab", "red", "\u00e9\u4f60", "q\"\\", "x\ny", "2024-02-29",
                                    "AB-12", "aab"};
static const char *const patterns[] = {"^[a-c]{1,3}$", "ab", "^(a|red)*$", "^[A-Z]+-[0-9]{2}$", "^a|b$", "^[^a]*$",
                                       "\\d", "^\\w+$", "(ab?){2}", "^.?$"};

static json_t *maybe_bound(dice *d) {
    static const double reals[] = {0.5, -0.25, 1.75, 12.5, 99.9, -3.2, 0.001, 100.125};
    return roll(d, 2) ? json_integer((int)roll(d, 400) - 150) : json_real(reals[roll(d, FM_COUNT(reals))]);
}

static json_t *number_schema(dice *d, bool whole) {
    json_t *s = json_pack("{s:s}", "type", whole ? "integer" : "number");
    if (roll(d, 2)) json_object_set_new(s, roll(d, 2) ? "minimum" : "exclusiveMinimum", maybe_bound(d));
    if (roll(d, 2)) json_object_set_new(s, roll(d, 2) ? "maximum" : "exclusiveMaximum", maybe_bound(d));
    return s;
}

static json_t *string_schema(dice *d) {
    json_t *s = json_pack("{s:s}", "type", "string");
    uint32_t kind = roll(d, 4);
    if (kind == 1) json_object_set_new(s, "pattern", json_string(patterns[roll(d, FM_COUNT(patterns))]));
    if (kind == 2) json_object_set_new(s, "format", json_string("date"));
    if (kind == 3) json_object_set_new(s, "minLength", json_integer(roll(d, 3)));
    if (kind == 3 && roll(d, 2)) json_object_set_new(s, "maxLength", json_integer(1 + roll(d, 4)));
    return s;
}

static json_t *array_schema(schema_maker *m, int depth) {
    json_t *s = json_pack("{s:s}", "type", "array");
    if (roll(m->d, 3)) json_object_set_new(s, "items", random_schema(m, depth - 1));
    if (roll(m->d, 3) == 0) {
        json_t *prefix = json_array();
        for (uint32_t n = 1 + roll(m->d, 3); n > 0; n--) json_array_append_new(prefix, random_schema(m, depth - 1));
        json_object_set_new(s, "prefixItems", prefix);
    }
    if (roll(m->d, 3) == 0) json_object_set_new(s, "minItems", json_integer(roll(m->d, 3)));
    if (roll(m->d, 3) == 0) json_object_set_new(s, "maxItems", json_integer(1 + roll(m->d, 3)));
    return s;
}

static json_t *object_schema(schema_maker *m, int depth) {
    json_t *s = json_pack("{s:s}", "type", "object"), *properties = json_object(), *required = json_array();
    size_t first = roll(m->d, FM_COUNT(member_names));
    for (uint32_t i = 0, n = roll(m->d, 4); i < n; i++) {
        const char *name = member_names[(first + i) % FM_COUNT(member_names)];
        json_object_set_new(properties, name, random_schema(m, depth - 1));
        if (roll(m->d, 2)) json_array_append_new(required, json_string(name));
    }
    bool named = json_object_size(properties) > 0;
    if (named) json_object_set(s, "properties", properties);
    if (json_array_size(required)) json_object_set(s, "required", required);
    if (roll(m->d, 3) == 0)
        json_object_set_new(s, "additionalProperties", roll(m->d, 2) ? json_false() : random_schema(m, depth - 1));
    if (!named && roll(m->d, 3) == 0) json_object_set_new(s, "maxProperties", json_integer(roll(m->d, 3)));
    json_decref(properties);
    json_decref(required);
    return s;
}

static json_t *values_schema(dice *d) {
    json_t *list = json_array();
    for (uint32_t n = 1 + roll(d, 3); n > 0; n--) {
        uint32_t kind = roll(d, 4);
        json_array_append_new(list, kind == 0   ? json_string(texts[roll(d, FM_COUNT(texts))])
                                    : kind == 1 ? json_integer((int)roll(d, 5) - 1)
                                    : kind == 2 ? json_real(1.5)
                                                : json_pack("{s:[n,b]}", "a", 1));
    }
    if (roll(d, 2)) return json_pack("{s:o}", "enum", list);
    json_t *s = json_pack("{s:O}", "const", json_array_get(list, 0));
    json_decref(list);
    return s;
}

static json_t *combined(schema_maker *m, int depth) {
    static const char *const ways[] = {"anyOf", "oneOf", "allOf"};
    uint32_t way = m->simple ? 0 : roll(m->d, 3);
    json_t *list = json_array(), *s = m->simple || roll(m->d, 2) ? json_object() : random_schema(m, depth - 1);
    for (uint32_t n = 1 + roll(m->d, 3); n > 0; n--) json_array_append_new(list, random_schema(m, depth - 1));
    if (!json_is_object(s)) {
        json_decref(s);
        s = json_object();
    }
    json_object_set_new(s, ways[way], list);
    return s;
}

static json_t *random_schema(schema_maker *m, int depth) {
    static const char *const plain[] = {"null", "boolean", "string", "number", "integer"};
    uint32_t kind = roll(m->d, depth > 0 ? 12 : 5);
    switch (kind) {
    case 0: return json_pack("{s:s}", "type", plain[roll(m->d, FM_COUNT(plain))]);
    case 1: return number_schema(m->d, roll(m->d, 2));
    case 2: return string_schema(m->d);
    case 3: return values_schema(m->d);
    case 4: {
        char pointer[32];
        snprintf(pointer, sizeof pointer, "#/$defs/d%u", roll(m->d, (uint32_t)m->defs));
        return json_pack("{s:s}", "$ref", pointer);
    }
    case 5: case 6: return array_schema(m, depth);
    case 7: case 8: case 9: return object_schema(m, depth);
    default: return combined(m, depth);
    }
}

/* With definitions that may lead to each other. */
static json_t *random_root(dice *d, bool simple) {
    schema_maker m = {d, simple, 3};
    json_t *root = random_schema(&m, 3), *defs = json_object();
    for (int i = 0; i < m.defs; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%d", i);
        json_object_set_new(defs, name, random_schema(&m, 2));
    }
    json_object_set_new(root, "$defs", defs);
    return root;
}

/* ---- documents -----------------------------------------------------------------------------*/

static json_t *document_near(dice *d, const json_t *root, const json_t *schema, int fuel);

static json_t *any_document(dice *d) {
    switch (roll(d, 6)) {
    case 0: return json_null();
    case 1: return json_boolean(roll(d, 2));
    case 2: return json_string(texts[roll(d, FM_COUNT(texts))]);
    case 3: return maybe_bound(d);
    case 4: return json_array();
    default: return json_object();
    }
}

static json_t *array_near(dice *d, const json_t *root, const json_t *schema, int fuel) {
    const json_t *prefix = key_of(schema, "prefixItems"), *items = key_of(schema, "items");
    json_t *x = json_array();
    for (uint32_t i = 0, n = roll(d, 5); i < n; i++) {
        const json_t *own = i < json_array_size(prefix) ? json_array_get(prefix, i) : items;
        json_array_append_new(x, own ? document_near(d, root, own, fuel - 1) : any_document(d));
    }
    return x;
}

static json_t *object_near(dice *d, const json_t *root, const json_t *schema, int fuel) {
    const json_t *required = key_of(schema, "required"), *other = key_of(schema, "additionalProperties");
    json_t *x = json_object(), *own;
    const char *name;
    json_object_foreach(json_object_get(schema, "properties"), name, own) {
        bool must = false;
        for (size_t i = 0; i < json_array_size(required); i++)
            must |= !strcmp(json_string_value(json_array_get(required, i)), name);
        if (roll(d, 8) >= (must ? 1u : 5u)) json_object_set_new(x, name, document_near(d, root, own, fuel - 1));
    }
    for (uint32_t n = roll(d, 3); n > 1; n--) {
        const char *name2 = member_names[roll(d, FM_COUNT(member_names))];
        if (json_object_get(x, name2) || json_object_get(key_of(schema, "properties"), name2)) continue;
        json_object_set_new(x, name2, other ? document_near(d, root, other, fuel - 1) : any_document(d));
    }
    return x;
}

/* Valid or nearly so, with members in the schema's order. */
static json_t *document_near(dice *d, const json_t *root, const json_t *schema, int fuel) {
    static const char *const lists[] = {"anyOf", "oneOf", "allOf"};
    const json_t *k;
    if (fuel <= 0 || roll(d, 12) == 0 || !json_is_object(schema)) return any_document(d);
    if ((k = key_of(schema, "$ref"))) return document_near(d, root, pointed_at(root, json_string_value(k)), fuel - 1);
    for (size_t i = 0; i < FM_COUNT(lists); i++)
        if ((k = key_of(schema, lists[i])) && json_array_size(k) && roll(d, 3))
            return document_near(d, root, json_array_get(k, roll(d, (uint32_t)json_array_size(k))), fuel - 1);
    if ((k = key_of(schema, "const"))) return json_deep_copy(k);
    if ((k = key_of(schema, "enum"))) return json_deep_copy(json_array_get(k, roll(d, (uint32_t)json_array_size(k))));
    const char *type = json_string_value(key_of(schema, "type"));
    if (!type) return any_document(d);
    if (!strcmp(type, "array")) return array_near(d, root, schema, fuel);
    if (!strcmp(type, "object")) return object_near(d, root, schema, fuel);
    if (!strcmp(type, "string")) return json_string(texts[roll(d, FM_COUNT(texts))]);
    if (!strcmp(type, "integer")) return json_integer((int)roll(d, 400) - 150);
    if (!strcmp(type, "number")) return maybe_bound(d);
    return !strcmp(type, "null") ? json_null() : json_boolean(roll(d, 2));
}

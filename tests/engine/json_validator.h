/* json_validator.h: is this document valid by this schema? The plainest way: a document is there, so each
 * keyword is a question to it. It knows nothing of grammars and shares no code with the compiler.
 *
 * Of formats only date is checked here, and patterns are PCRE2's. */
#pragma once

#include "engine/grammar_support.h"

#include <jansson.h>
#include <math.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

typedef struct validator {
    const json_t *root;
    bool as_written; /* members in the schema's order, and none that an object with properties does not name */
} validator;

static bool valid(const validator *v, const json_t *schema, const json_t *x);

static inline const json_t *key_of(const json_t *schema, const char *key) { return json_object_get(schema, key); }

static bool same_value(const json_t *a, const json_t *b) {
    const char *key;
    json_t *item;
    if (json_is_number(a) && json_is_number(b)) return json_number_value(a) == json_number_value(b);
    if (json_typeof(a) != json_typeof(b)) return false;
    if (json_is_array(a)) {
        bool same = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; same && i < json_array_size(a); i++)
            same = same_value(json_array_get(a, i), json_array_get(b, i));
        return same;
    }
    if (!json_is_object(a)) return json_equal(a, b);
    bool same = json_object_size(a) == json_object_size(b);
    json_object_foreach((json_t *)(uintptr_t)a, key, item)
        same = same && json_object_get(b, key) && same_value(item, json_object_get(b, key));
    return same;
}

static bool is_of_type(const char *type, const json_t *x) {
    double n = json_number_value(x);
    if (!strcmp(type, "null")) return json_is_null(x);
    if (!strcmp(type, "boolean")) return json_is_boolean(x);
    if (!strcmp(type, "object")) return json_is_object(x);
    if (!strcmp(type, "array")) return json_is_array(x);
    if (!strcmp(type, "string")) return json_is_string(x);
    if (!strcmp(type, "integer")) return json_is_number(x) && n == floor(n);
    return !strcmp(type, "number") && json_is_number(x);
}

static bool type_fits(const json_t *schema, const json_t *x) {
    const json_t *type = key_of(schema, "type");
    if (!type || (json_is_true(key_of(schema, "nullable")) && json_is_null(x))) return true;
    if (json_is_string(type)) return is_of_type(json_string_value(type), x);
    for (size_t i = 0; i < json_array_size(type); i++)
        if (is_of_type(json_string_value(json_array_get(type, i)), x)) return true;
    return false;
}

static bool number_fits(const json_t *schema, const json_t *x) {
    double n = json_number_value(x);
    const json_t *b;
    if ((b = key_of(schema, "minimum")) && !(n >= json_number_value(b))) return false;
    if ((b = key_of(schema, "maximum")) && !(n <= json_number_value(b))) return false;
    if ((b = key_of(schema, "exclusiveMinimum")) && !(n > json_number_value(b))) return false;
    if ((b = key_of(schema, "exclusiveMaximum")) && !(n < json_number_value(b))) return false;
    if ((b = key_of(schema, "multipleOf")) && n / json_number_value(b) != floor(n / json_number_value(b)))
        return false;
    return true;
}

static size_t characters(const json_t *x) {
    size_t n = 0;
    for (size_t i = 0; i < json_string_length(x); i++) n += ((unsigned char)json_string_value(x)[i] & 0xC0) != 0x80;
    return n;
}

static bool matches(const char *pattern, const json_t *x) {
    int error;
    size_t at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX | PCRE2_ALLOW_EMPTY_CLASS,
                                     &error, &at, NULL);
    if (!code) fail_msg("PCRE2 does not take %s", pattern);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int found = pcre2_match(code, (PCRE2_SPTR)json_string_value(x), json_string_length(x), 0, 0, data, NULL);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return found >= 0;
}

static bool is_date(const char *s) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y, m, d, n = 0;
    if (strlen(s) != 10 || sscanf(s, "%4d-%2d-%2d%n", &y, &m, &d, &n) != 3 || n != 10) return false;
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return y >= 1 && m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1] + (m == 2 && leap);
}

static bool string_fits(const json_t *schema, const json_t *x) {
    const json_t *k;
    if ((k = key_of(schema, "minLength")) && (double)characters(x) < json_number_value(k)) return false;
    if ((k = key_of(schema, "maxLength")) && (double)characters(x) > json_number_value(k)) return false;
    if ((k = key_of(schema, "pattern")) && !matches(json_string_value(k), x)) return false;
    bool date = (k = key_of(schema, "format")) && !strcmp(json_string_value(k), "date");
    return !date || is_date(json_string_value(x));
}

static bool array_fits(const validator *v, const json_t *schema, const json_t *x) {
    const json_t *k, *prefix = key_of(schema, "prefixItems"), *items = key_of(schema, "items");
    size_t n = json_array_size(x);
    if ((k = key_of(schema, "minItems")) && (double)n < json_number_value(k)) return false;
    if ((k = key_of(schema, "maxItems")) && (double)n > json_number_value(k)) return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *own = i < json_array_size(prefix) ? json_array_get(prefix, i) : items;
        if (own && !valid(v, own, json_array_get(x, i))) return false;
    }
    return true;
}

/* Members that are not named come last. */
static size_t place_of(const json_t *properties, const char *name) {
    const char *key;
    json_t *item;
    size_t place = 0;
    json_object_foreach((json_t *)(uintptr_t)properties, key, item) {
        if (!strcmp(key, name)) return place;
        place++;
    }
    return place;
}

static bool object_fits(const validator *v, const json_t *schema, const json_t *x) {
    const json_t *k, *properties = key_of(schema, "properties"), *required = key_of(schema, "required");
    const json_t *other = key_of(schema, "additionalProperties");
    const char *key;
    json_t *item;
    for (size_t i = 0; i < json_array_size(required); i++)
        if (!json_object_get(x, json_string_value(json_array_get(required, i)))) return false;
    if ((k = key_of(schema, "minProperties")) && (double)json_object_size(x) < json_number_value(k)) return false;
    if ((k = key_of(schema, "maxProperties")) && (double)json_object_size(x) > json_number_value(k)) return false;
    size_t place = 0;
    json_object_foreach((json_t *)(uintptr_t)x, key, item) {
        const json_t *own = json_object_get(properties, key);
        if (v->as_written && !own && !other && properties) return false;
        if (v->as_written && place_of(properties, key) < place) return false;
        place = place_of(properties, key);
        if (!own) own = other;
        if (own && !valid(v, own, item)) return false;
    }
    return true;
}

static const json_t *pointed_at(const json_t *root, const char *pointer) {
    const json_t *at = root;
    char step[64];
    for (const char *p = pointer + 1; at && *p == '/';) { /* names in tests are plain */
        size_t n = strcspn(++p, "/");
        snprintf(step, sizeof step, "%.*s", (int)n, p);
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(step)) : json_object_get(at, step);
        p += n;
    }
    if (!at) fail_msg("%s points nowhere", pointer);
    return at;
}

static bool combinations_fit(const validator *v, const json_t *schema, const json_t *x) {
    const json_t *all = key_of(schema, "allOf"), *any = key_of(schema, "anyOf"), *one = key_of(schema, "oneOf");
    size_t fit = 0, alone = 0;
    for (size_t i = 0; i < json_array_size(all); i++)
        if (!valid(v, json_array_get(all, i), x)) return false;
    for (size_t i = 0; i < json_array_size(any); i++) fit += valid(v, json_array_get(any, i), x);
    for (size_t i = 0; i < json_array_size(one); i++) alone += valid(v, json_array_get(one, i), x);
    return (!any || fit > 0) && (!one || alone == 1);
}

static bool fits(const validator *v, const json_t *schema, const json_t *x) {
    const json_t *k;
    if (json_is_boolean(schema)) return json_is_true(schema);
    if ((k = key_of(schema, "$ref")) && !valid(v, pointed_at(v->root, json_string_value(k)), x)) return false;
    if (!type_fits(schema, x) || !combinations_fit(v, schema, x)) return false;
    if ((k = key_of(schema, "const")) && !same_value(k, x)) return false;
    if ((k = key_of(schema, "enum"))) {
        bool found = false;
        for (size_t i = 0; i < json_array_size(k); i++) found |= same_value(json_array_get(k, i), x);
        if (!found) return false;
    }
    if (json_is_number(x)) return number_fits(schema, x);
    if (json_is_string(x)) return string_fits(schema, x);
    if (json_is_array(x)) return array_fits(v, schema, x);
    return !json_is_object(x) || object_fits(v, schema, x);
}

/* References that lead only back to themselves: no value is valid. */
static bool valid(const validator *v, const json_t *schema, const json_t *x) {
    static int depth;
    bool ok = ++depth < 500 && fits(v, schema, x);
    depth--;
    return ok;
}

static inline bool is_valid(const json_t *schema, const json_t *document, bool as_written) {
    return valid(&(validator){schema, as_written}, schema, document);
}

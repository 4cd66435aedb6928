/* JSON schemas: what is accepted, refused and why; against a validator; that hostile ones stay small. */
#include "engine/json_validator.h"

#include "base/clock.h"
#include "base/file.h"

#define DIGITS JSON_REAL_PRECISION(15) /* jansson writes 3.2 as it was */

static fm_status compile(const char *schema, size_t n, fm_grammar **out, fm_error *err) {
    return fm_grammar_from_json_schema(schema, n, FM_JSON_PRETTY, out, err);
}

static fm_grammar *grammar_of_schema(const char *schema) {
    fm_error err = {0};
    fm_grammar *g = NULL;
    if (compile(schema, strlen(schema), &g, &err) != FM_OK) fail_msg("%s\nfor\n%s", err.message, schema);
    return g;
}

/* ---- each keyword --------------------------------------------------------------------------*/

static void check_texts(fm_grammar *g, const json_t *list, bool accepted, const char *schema) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if ((judge(g, text) == COMPLETE) != accepted)
            fail_msg("%s should be %s by\n%s", text, accepted ? "accepted" : "refused", schema);
    }
}

/* What is accepted must also be valid by the validator, so that it is worth to be compared with. */
static void check_validator(const json_t *schema, const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        json_t *x = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (!x || !is_valid(schema, x, false)) fail_msg("the validator refuses %s", text);
        json_decref(x);
    }
}

static void each_keyword_accepts_and_refuses_what_it_says(void **state) {
    (void)state;
    json_error_t e;
    json_t *cases = json_load_file(source_path("tests/engine", "json_schema_cases.json"), JSON_ALLOW_NUL, &e);
    if (!cases) fail_msg("%s at line %d", e.text, e.line);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i), *schema = json_object_get(c, "schema");
        char *text = json_dumps(schema, DIGITS);
        fm_grammar *g = grammar_of_schema(text);
        check_texts(g, json_object_get(c, "accepted"), true, text);
        check_texts(g, json_object_get(c, "refused"), false, text);
        if (!strstr(text, "\\\\u{") && !strstr(text, "~1")) /* which the validator does not know */
             check_validator(schema, json_object_get(c, "accepted"));
        fm_grammar_free(g);
        free(text);
    }
    assert_true(json_array_size(cases) > 70);
    json_decref(cases);
}

static void json_mode_takes_any_object_and_nothing_else(void **state) {
    (void)state;
    fm_error err = {0};
    fm_grammar *g;
    assert_ok(fm_grammar_json_object(FM_JSON_PRETTY, &g, &err));
    expect(g, "{}", COMPLETE);
    expect(g, "{\"a\": [1, {\"b\": null}, -0.5e-7], \"\": {\"\\u00e9\": [[], {}]}}", COMPLETE);
    expect(g, "{\n  \"a\": 1,\n  \"b\": [\n    true\n  ]\n}", COMPLETE);
    expect(g, "{\"a\": ", PREFIX);
    expect(g, "[]", REFUSED);
    expect(g, "{} ", REFUSED);
    expect(g, "{\"a\"}", REFUSED);
    expect(g, "{a: 1}", REFUSED);
    expect(g, "{\"a\": 1,}", REFUSED);
    fm_grammar_free(g);
}

static void white_space_is_as_asked_and_bounded(void **state) {
    (void)state;
    static const char schema[] = "{\"properties\": {\"a\": {\"items\": {}}, \"b\": {\"const\": [1, {\"c\": 2}]}}}";
    fm_error err = {0};
    fm_grammar *g;
    assert_ok(fm_grammar_from_json_schema(schema, sizeof schema - 1, FM_JSON_COMPACT, &g, &err));
    expect(g, "{\"a\":[1,{\"x\":[]}],\"b\":[1,{\"c\":2}]}", COMPLETE);
    expect(g, "{\"a\": ", REFUSED);
    expect(g, "{ ", REFUSED);
    expect(g, "{\"a\":[1, ", REFUSED);
    fm_grammar_free(g);
    assert_ok(fm_grammar_from_json_schema(schema, sizeof schema - 1, FM_JSON_PRETTY, &g, &err));
    expect(g, "{\n\t\"a\": [\n\t\t1\n\t],\n\t\"b\":[ 1,\n        {\"c\": 2 } ] }", COMPLETE);
    expect(g, "{  ", REFUSED);
    expect(g, "{\n\n", REFUSED);
    expect(g, " {", REFUSED);
    fm_grammar_free(g);
}

static void expect_length(fm_grammar *g, int n, bool fits) {
    fm_buffer b = {0};
    fm_buffer_text(&b, "\"");
    for (int i = 0; i < n; i++) fm_buffer_text(&b, i % 7 == 3 ? "\u00e9" : i % 7 == 5 ? "\\u00e9" : "a");
    fm_buffer_text(&b, "\"");
    if ((judge(g, fm_buffer_string(&b)) == COMPLETE) != fits) fail_msg("%d characters", n);
    fm_buffer_clear(&b);
}

static void long_strings_are_counted_to_the_character(void **state) {
    (void)state;
    static const int lengths[][2] = {{0, 99}, {0, 100}, {0, 201}, {1, 250}, {99, 299}, {100, 100}, {150, 1234},
                                     {300, 300}, {0, 3999}, {0, 4000}, {0, 4001}, {50, 4149}, {200, 4250}, {7, 20007}};
    for (size_t i = 0; i < FM_COUNT(lengths); i++) {
        char schema[100];
        int min = lengths[i][0], max = lengths[i][1];
        snprintf(schema, sizeof schema, "{\"type\": \"string\", \"minLength\": %d, \"maxLength\": %d}", min,
                 max);
        fm_grammar *g = grammar_of_schema(schema);
        const int tried[] = {0, min - 1, min, min + 1, (min + max) / 2, 99, 100, 101, 199, 200, 201, max - 101,
                             max - 100, max - 99, max - 1, max, max + 1};
        for (size_t k = 0; k < FM_COUNT(tried); k++)
            if (tried[k] >= 0) expect_length(g, tried[k], tried[k] >= min && tried[k] <= max);
        fm_grammar_free(g);
    }
}

/* ---- the manual ------------------------------------------------------------------------------*/

/* Compiles what stands between fences of this language; says how many there were. */
static int check_examples(const char *page, const char *fence, bool schema) {
    int n = 0;
    for (const char *at = page; (at = strstr(at, fence)); n++) {
        fm_error err = {0};
        fm_grammar *g = NULL;
        at += strlen(fence);
        size_t size = (size_t)(strstr(at, "```") - at);
        assert_ok(schema ? compile(at, size, &g, &err) : fm_grammar_parse(at, size, &g, &err));
        fm_grammar_free(g);
    }
    return n;
}

static void every_example_of_the_manual_compiles(void **state) {
    (void)state;
    fm_error err = {0};
    char *page;
    size_t n;
    assert_ok(fm_file_read(source_path("docs", "grammar.md"), 1 << 20, &page, &n, &err));
    char *text = fm_strndup(page, n);
    assert_int_equal(check_examples(text, "```json\n", true), 3);
    assert_int_equal(check_examples(text, "```gbnf\n", false), 2);
    fm_free(text);
    fm_free(page);
}

/* ---- refusals ------------------------------------------------------------------------------*/

static void refused(const char *schema, fm_status code, const char *part) {
    fm_error err = {0};
    fm_grammar *g = (fm_grammar *)1;
    fm_status status = compile(schema, strlen(schema), &g, &err);
    if (status != code || !strstr(err.message, part) || g)
        fail_msg("%.300s: %s '%s', wanted %s '%s'", schema, fm_status_name(status), err.message,
                 fm_status_name(code), part);
}

static void what_cannot_be_enforced_is_refused_by_name_and_place(void **state) {
    (void)state;
    static const char *const keywords[] = {
        "not", "if", "then", "else", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas",
        "dependencies", "contains", "minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties",
        "additionalItems", "$dynamicRef", "$recursiveRef", "extends", "tipo",
    };
    char schema[256], part[256];
    for (size_t i = 0; i < FM_COUNT(keywords); i++) {
        snprintf(schema, sizeof schema, "{\"properties\": {\"a\": {\"items\": {\"%s\": {}}}}}", keywords[i]);
        snprintf(part, sizeof part, "#/properties/a/items: keyword \"%s\" cannot be enforced", keywords[i]);
        refused(schema, FM_ERR_UNSUPPORTED, part);
    }
    refused("{\"uniqueItems\": true}", FM_ERR_UNSUPPORTED, "#: keyword \"uniqueItems\" cannot be enforced");
    refused("{\"multipleOf\": 0.01}", FM_ERR_UNSUPPORTED, "multipleOf");
    refused("{\"format\": \"iri\"}", FM_ERR_UNSUPPORTED, "is none of date, time");
    refused("{\"type\": \"string\", \"format\": \"date\", \"maxLength\": 9}", FM_ERR_UNSUPPORTED, "maxLength");
    refused("{\"type\": \"string\", \"pattern\": \"^a+$\", \"maxLength\": 9}", FM_ERR_UNSUPPORTED, "maxLength");
    refused("{\"type\": \"string\", \"pattern\": \"^a*$\", \"minLength\": 1}", FM_ERR_UNSUPPORTED, "minLength");
    refused("{\"allOf\": [{\"pattern\": \"a\"}, {\"pattern\": \"b\"}]}", FM_ERR_UNSUPPORTED, "another pattern");
    refused("{\"enum\": [1, 2], \"minimum\": 2}", FM_ERR_UNSUPPORTED, "beside enum");
    refused("{\"const\": \"a\", \"format\": \"date\"}", FM_ERR_UNSUPPORTED, "beside enum");
    refused("{\"const\": [1], \"items\": {}}", FM_ERR_UNSUPPORTED, "keyword \"items\" is not checked beside enum");
    refused("{\"properties\": {\"a\": {}, \"b\": {}}, \"minProperties\": 1}", FM_ERR_UNSUPPORTED, "minProperties");
    refused("{\"properties\": {\"a\": {}, \"b\": {}}, \"maxProperties\": 1}", FM_ERR_UNSUPPORTED, "maxProperties");
    refused("{\"additionalProperties\": {}, \"minProperties\": 2}", FM_ERR_UNSUPPORTED, "which names were written");
    refused("{\"oneOf\": [{\"type\": \"integer\"}, {\"type\": \"number\"}]}", FM_ERR_UNSUPPORTED,
            "branches 0 and 1 that may both hold");
    refused("{\"oneOf\": [{\"enum\": [1, 2]}, {\"enum\": [2.0, 3]}]}", FM_ERR_UNSUPPORTED, "may both hold");
    refused("{\"oneOf\": [{}], \"anyOf\": [{}]}", FM_ERR_UNSUPPORTED, "beside anyOf");
    refused("{\"items\": [{}]}", FM_ERR_UNSUPPORTED, "write prefixItems");
    refused("{\"minimum\": 1e18}", FM_ERR_UNSUPPORTED, "more than 18 digits");
    refused("{\"exclusiveMinimum\": 1e-30}", FM_ERR_UNSUPPORTED, "20 digits");
    refused("{\"properties\": {\"a\": {\"$id\": \"x\"}}}", FM_ERR_UNSUPPORTED, "#/properties/a: keyword \"$id\"");
}

static void annotations_are_ignored(void **state) {
    (void)state;
    fm_grammar *g = grammar_of_schema(
        "{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\", \"$id\": \"https://a.b/c\", \"title\": \"t\","
        "\"description\": \"d\", \"default\": 1, \"examples\": [2], \"deprecated\": true, \"readOnly\": true,"
        "\"writeOnly\": false, \"$comment\": \"c\", \"x-order\": 1, \"contentMediaType\": \"a/b\","
        "\"type\": \"integer\"}");
    expect(g, "7", COMPLETE);
    expect(g, "\"7\"", REFUSED);
    fm_grammar_free(g);
}

static void mistakes_are_named_with_their_place(void **state) {
    (void)state;
    refused("", FM_ERR_FORMAT, "JSON schema: not valid JSON");
    refused("{\"type\": }", FM_ERR_FORMAT, "JSON schema: not valid JSON at line 1");
    refused("{\"type\": \"int\"}", FM_ERR_FORMAT, "#: keyword \"type\" must name null, boolean");
    refused("{\"type\": []}", FM_ERR_FORMAT, "no value is valid");
    refused("{\"items\": 5}", FM_ERR_FORMAT, "#/items: a schema is an object, true or false");
    refused("{\"properties\": []}", FM_ERR_FORMAT, "#: keyword \"properties\" must be an object");
    refused("{\"properties\": {\"a\": []}}", FM_ERR_FORMAT, "#/properties/a: a schema is");
    refused("{\"required\": \"a\"}", FM_ERR_FORMAT, "\"required\" must be an array of names");
    refused("{\"required\": [\"a\\u0000b\"]}", FM_ERR_FORMAT, "\"required\" must be an array of names");
    refused("{\"enum\": 3}", FM_ERR_FORMAT, "\"enum\" must be an array");
    refused("{\"anyOf\": []}", FM_ERR_FORMAT, "\"anyOf\" must be an array");
    refused("{\"oneOf\": {}}", FM_ERR_FORMAT, "\"oneOf\" must be an array");
    refused("{\"allOf\": [], \"a\": 1}", FM_ERR_UNSUPPORTED, "keyword \"a\"");
    refused("{\"allOf\": []}", FM_ERR_FORMAT, "\"allOf\" must be an array");
    refused("{\"anyOf\": [{\"type\": \"string\"}, {\"minItems\": -1}]}", FM_ERR_FORMAT,
            "#/anyOf/1: keyword \"minItems\" must be a whole number");
    refused("{\"maxLength\": 1.5}", FM_ERR_FORMAT, "must be a whole number");
    refused("{\"maximum\": \"1\"}", FM_ERR_FORMAT, "must be a number");
    refused("{\"pattern\": 1}", FM_ERR_FORMAT, "must be a string");
    refused("{\"$ref\": 1}", FM_ERR_FORMAT, "must be a string");
    refused("{\"$ref\": \"#/$defs/a\", \"$defs\": {}}", FM_ERR_FORMAT, "leads to no schema");
    refused("{\"$ref\": \"other.json\"}", FM_ERR_UNSUPPORTED, "leads out of the schema");
    refused("{\"$ref\": \"#/a/%zz\"}", FM_ERR_FORMAT, "leads to no schema");
    refused("{\"type\": \"integer\", \"minimum\": 3, \"maximum\": 2}", FM_ERR_FORMAT, "no value is valid");
    refused("{\"required\": [\"a\"], \"additionalProperties\": false}", FM_ERR_FORMAT, "no value is valid");
    refused("{\"allOf\": [{\"type\": \"string\"}, {\"type\": \"null\"}]}", FM_ERR_FORMAT, "no value is valid");
    refused("{\"allOf\": [{\"const\": 1}, {\"const\": 2}]}", FM_ERR_FORMAT, "no value is valid");
    refused("{\"type\": \"array\", \"items\": false, \"minItems\": 1}", FM_ERR_FORMAT, "no value is valid");
}

static void patterns_that_are_not_regular_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *part;
    } cases[] = {
        {"(?=a)", "looks ahead or behind"}, {"(?!a)", "looks ahead"}, {"(?<=a)", "looks ahead"}, {"(?i)a", "options"},
        {"\\\\bx", "looks around"}, {"(a)\\\\1", "refers back"}, {"\\\\p{L}", "not known here"},
        {"a^b", "^ or $ elsewhere"}, {"(^a)", "^ or $ elsewhere"}, {"a$b", "elsewhere"}, {"(a", "without an end"},
        {"a)", "must be escaped"}, {"[a", "without an end"}, {"[]", "no character can match"},
        {"[^\\\\s\\\\S]", "no character"},
        {"[z-a]", "ends before it begins"}, {"*", "must be escaped"}, {"a**", "must be escaped"}, {"a{,3}", "no count"},
        {"a{3,2}", "below its beginning"}, {"a{1000000}", "counts to more"}, {"a{1", "no count"},
        {"\\\\", "ends in a backslash"},
        {"\\\\ud800", "no character"}, {"\\\\ud800\\\\u0041", "no character"}, {"\\\\x4", "no character"},
        {"\\\\u{110000}", "no character"}, {"\\\\01", "octal"}, {"(?<n", "without an end"},
        {"(?<n>a", "without an end"},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        char schema[128];
        snprintf(schema, sizeof schema, "{\"type\": \"string\", \"pattern\": \"%s\"}", cases[i].pattern);
        refused(schema, FM_ERR_UNSUPPORTED, cases[i].part);
        refused(schema, FM_ERR_UNSUPPORTED, "#: keyword \"pattern\"");
    }
}

/* ---- hostile schemas -----------------------------------------------------------------------*/

static void put_times(fm_buffer *b, const char *text, int n) {
    for (int i = 0; i < n; i++) fm_buffer_text(b, text);
}

/* Answered in bounded time, whatever the answer. */
static fm_status in_time(fm_buffer *schema, const char *part) {
    fm_error err = {0};
    fm_grammar *g = NULL;
    double begin = fm_clock_seconds();
    fm_status status = compile(fm_buffer_string(schema), schema->size, &g, &err);
    double seconds = fm_clock_seconds() - begin;
    if (status != FM_OK && !part) printf("# %s\n", err.message);
    if (part && (status == FM_OK || !strstr(err.message, part)))
        fail_msg("%s '%s', wanted '%s'", fm_status_name(status), err.message, part);
    if (seconds > (sanitized() ? 60 : 6)) fail_msg("%.1f seconds for %.100s", seconds, fm_buffer_string(schema));
    fm_grammar_free(g);
    fm_buffer_clear(schema);
    return status;
}

static void counts_and_nesting_meet_a_limit(void **state) {
    (void)state;
    fm_buffer b = {0};
    refused("{\"minItems\": 1000000000000}", FM_ERR_LIMIT, "#: keyword \"minItems\" counts to 1000000000000");
    refused("{\"type\": \"string\", \"maxLength\": 1e300}", FM_ERR_LIMIT, "\"maxLength\" counts to 1.");
    refused("{\"maxItems\": 99999, \"items\": {\"maxItems\": 99999, \"items\": {\"type\": \"null\"}}}", FM_ERR_LIMIT,
            "instructions");
    put_times(&b, "{\"items\": ", 1000);
    put_times(&b, "{}", 1);
    put_times(&b, "}", 1000);
    assert_int_equal(in_time(&b, "schemas nest more than 128 deep"), FM_ERR_LIMIT);
    put_times(&b, "{\"items\": ", 5000);
    assert_int_equal(in_time(&b, "not valid JSON"), FM_ERR_FORMAT);
    fm_buffer_text(&b, "{\"title\": \"");
    put_times(&b, "0123456789", 200000);
    assert_int_equal(in_time(&b, "bytes; at most"), FM_ERR_LIMIT);
    fm_buffer_text(&b, "{\"type\": \"string\", \"pattern\": \"");
    put_times(&b, "(", 10000);
    fm_buffer_text(&b, "\"}");
    assert_int_equal(in_time(&b, "nests groups too deep"), FM_ERR_UNSUPPORTED);
    fm_buffer_text(&b, "{\"prefixItems\": [{}");
    put_times(&b, ", {}", 1000);
    fm_buffer_text(&b, "]}");
    assert_int_equal(in_time(&b, "more than 128 prefixItems"), FM_ERR_LIMIT);
    fm_buffer_text(&b, "{\"allOf\": [{\"type\": \"null\"}");
    put_times(&b, ", {\"type\": \"null\"}", 1000);
    fm_buffer_text(&b, "]}");
    assert_int_equal(in_time(&b, "more than 32 schemas apply at once"), FM_ERR_LIMIT);
}

static void loops_of_references_are_refused(void **state) {
    (void)state;
    refused("{\"$ref\": \"#\"}", FM_ERR_FORMAT, "leads back to itself");
    refused("{\"$ref\": \"#/$defs/a\", \"$defs\": {\"a\": {\"$ref\": \"#/$defs/b\"}, "
            "\"b\": {\"$ref\": \"#/$defs/a\"}}}", FM_ERR_FORMAT, "leads back to itself");
    refused("{\"allOf\": [{\"$ref\": \"#\"}]}", FM_ERR_FORMAT, "leads back to itself");
    refused("{\"type\": \"array\", \"$ref\": \"#\"}", FM_ERR_FORMAT, "leads back to itself");
    refused("{\"anyOf\": [{\"$ref\": \"#\"}, {\"type\": \"null\"}]}", FM_ERR_FORMAT,
            "#: a branch of this anyOf or oneOf is the whole again");
    refused("{\"items\": {\"anyOf\": [{\"type\": \"null\"}, {\"oneOf\": [{\"$ref\": \"#/items\"}]}]}}",
            FM_ERR_FORMAT, "#/items: a branch of this anyOf or oneOf is the whole again");
    refused("{\"required\": [\"a\"], \"properties\": {\"a\": {\"$ref\": \"#\"}}}", FM_ERR_FORMAT,
            "like itself, without end");
    refused("{\"items\": {\"$ref\": \"#\"}, \"minItems\": 1}", FM_ERR_FORMAT, "like itself, without end");
}

static void schemas_that_multiply_meet_a_limit(void **state) {
    (void)state;
    fm_buffer b = {0};
    fm_buffer_text(&b, "{\"allOf\": [{}"); /* 8^20 ways */
    for (int i = 0; i < 20; i++) {
        fm_buffer_text(&b, ", {\"anyOf\": [{}");
        for (int k = 0; k < 7; k++) fm_buffer_format(&b, ", {\"minLength\": %d}", 8 * i + k);
        fm_buffer_text(&b, "]}");
    }
    fm_buffer_text(&b, "]}");
    assert_int_equal(in_time(&b, NULL), FM_ERR_LIMIT);

    fm_buffer_text(&b, "{\"anyOf\": [{\"$ref\": \"#/$defs/d0\"}], \"$defs\": {"); /* 2^60 ways, by reference */
    for (int i = 0; i < 60; i++)
        fm_buffer_format(&b, "\"d%d\": {\"description\": \"%d\", \"anyOf\": [{\"items\": {\"$ref\": \"#/$defs/d%d\"}}, "
                         "{\"additionalProperties\": {\"$ref\": \"#/$defs/d%d\"}}]}, ", i, i, i + 1, i + 1);
    fm_buffer_text(&b, "\"d60\": {}}}");
    assert_int_equal(in_time(&b, NULL), FM_OK); /* a rule for each is enough */

    fm_buffer_text(&b, "{\"$defs\": {\"big\": {\"required\": [\"a\"");
    for (int i = 0; i < 20000; i++) fm_buffer_format(&b, ", \"r%d\"", i);
    fm_buffer_text(&b, "]}}, \"anyOf\": [{}");
    for (int i = 0; i < 5000; i++) fm_buffer_format(&b, ", {\"$ref\": \"#/$defs/big\", \"title\": \"%d\"}", i);
    fm_buffer_text(&b, "]}");
    assert_int_equal(in_time(&b, "too many ways"), FM_ERR_LIMIT);

    fm_buffer_text(&b, "{\"oneOf\": [{\"type\": \"null\"}");
    for (int i = 0; i < 60; i++) {
        fm_buffer_text(&b, ", {\"enum\": [-1");
        for (int k = 0; k < 2000; k++) fm_buffer_format(&b, ", %d", 2000 * i + k);
        fm_buffer_text(&b, "]}");
    }
    fm_buffer_text(&b, "]}");
    assert_int_equal(in_time(&b, NULL), FM_ERR_UNSUPPORTED); /* -1 is in all */
}

static void large_honest_schemas_are_taken(void **state) {
    (void)state;
    fm_buffer b = {0};
    fm_buffer_text(&b, "{\"properties\": {\"p\": {}");
    for (int i = 0; i < 1000; i++)
        fm_buffer_format(&b, ", \"member_%d\": {\"type\": \"object\", \"properties\": {\"x\": {\"type\": \"number\", "
                         "\"minimum\": %d}, \"y\": {\"enum\": [\"a\", \"b%d\"]}}, \"required\": [\"x\"]}", i, i, i);
    fm_buffer_text(&b, "}, \"required\": [\"p\"");
    for (int i = 0; i < 1000; i += 3) fm_buffer_format(&b, ", \"member_%d\"", i);
    fm_buffer_text(&b, "], \"additionalProperties\": {\"type\": \"null\"}}");
    assert_int_equal(in_time(&b, NULL), FM_OK);
    fm_buffer_text(&b, "{\"enum\": [\"\"");
    for (int i = 0; i < 5000; i++) fm_buffer_format(&b, ", \"value number %d\"", i);
    fm_buffer_text(&b, "]}");
    assert_int_equal(in_time(&b, NULL), FM_OK);
    fm_buffer_text(&b, "{\"properties\": {\"a\": {\"type\": \"string\", \"maxLength\": 100000}");
    for (int i = 0; i < 50; i++)
        fm_buffer_format(&b, ", \"b%d\": {\"type\": \"string\", \"maxLength\": 65535}", i);
    fm_buffer_text(&b, "}}");
    assert_int_equal(in_time(&b, NULL), FM_OK);
}

/* ---- memory --------------------------------------------------------------------------------*/

static void running_out_of_memory_leaks_nothing(void **state) {
    (void)state;
    static const char schema[] =
        "{\"$defs\": {\"t\": {\"anyOf\": [{\"type\": \"null\"}, {\"$ref\": \"#\"}]}}, \"type\": \"object\", "
        "\"properties\": {\"a\": {\"type\": \"number\", \"minimum\": 0.5, \"exclusiveMaximum\": 12.25}, "
        "\"b\": {\"pattern\": \"^[a-c\\\\s]+x{2}$\"},"
        "\"c\": {\"enum\": [1, \"\\u00e9\", [{\"k\": null}]]}, \"d\": {\"prefixItems\": [{\"format\": \"date\"}], "
        "\"items\": {\"$ref\": \"#/$defs/t\"}, \"maxItems\": 3}, "
        "\"e\": {\"oneOf\": [{\"const\": 1}, {\"type\": \"string\"}]},"
        "\"f\": {\"allOf\": [{\"type\": \"string\"}, {\"minLength\": 2}]}}, \"required\": [\"a\", \"zz\"], "
        "\"additionalProperties\": {\"type\": \"boolean\"}}";
    for (int64_t k = 0;; k++) {
        fm_error err = {0};
        fm_grammar *g = NULL;
        uint64_t before = fm_mem_statistics().live_bytes[FM_MEM_OTHER];
        fm_mem_fail_from(k);
        fm_status status = compile(schema, sizeof schema - 1, &g, &err);
        fm_mem_fail_from(-1);
        if (status == FM_OK) {
            assert_true(k > 100);
            expect(g, "{\"a\": 0.5, \"zz\": true}", COMPLETE);
            fm_grammar_free(g);
            break;
        }
        if (status != FM_ERR_MEMORY) fail_msg("at %lld: %s", (long long)k, err.message);
        assert_null(g);
        assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_OTHER], before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_keyword_accepts_and_refuses_what_it_says),
        cmocka_unit_test(json_mode_takes_any_object_and_nothing_else),
        cmocka_unit_test(white_space_is_as_asked_and_bounded),
        cmocka_unit_test(long_strings_are_counted_to_the_character),
        cmocka_unit_test(every_example_of_the_manual_compiles),
        cmocka_unit_test(what_cannot_be_enforced_is_refused_by_name_and_place),
        cmocka_unit_test(annotations_are_ignored),
        cmocka_unit_test(mistakes_are_named_with_their_place),
        cmocka_unit_test(patterns_that_are_not_regular_are_refused),
        cmocka_unit_test(counts_and_nesting_meet_a_limit),
        cmocka_unit_test(loops_of_references_are_refused),
        cmocka_unit_test(schemas_that_multiply_meet_a_limit),
        cmocka_unit_test(large_honest_schemas_are_taken),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

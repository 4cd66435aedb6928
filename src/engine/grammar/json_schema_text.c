#include "engine/grammar/json_schema.h"

#include "base/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- GBNF ----------------------------------------------------------------------------------*/

void fm_schema_put_literal(fm_buffer *out, const char *bytes, size_t n) {
    fm_buffer_text(out, "\"");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '"' || c == '\\') fm_buffer_format(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7F) fm_buffer_format(out, "\\x%02X", c);
        else fm_buffer_put(out, &bytes[i], 1);
    }
    fm_buffer_text(out, "\"");
}

void fm_schema_put_class_character(fm_buffer *out, uint32_t c) {
    bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (plain) fm_buffer_format(out, "%c", (int)c);
    else if (c < 0x10000) fm_buffer_format(out, "\\u%04X", c);
    else fm_buffer_format(out, "\\U%08X", c);
}

/* ---- JSON ----------------------------------------------------------------------------------*/

void fm_schema_spell_character(fm_buffer *out, uint32_t c) {
    static const char special[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *at = c && c < 0x80 ? strchr(special, (int)c) : NULL;
    char utf8[4];
    if (at) fm_buffer_format(out, "\\%c", names[at - special]);
    else if (c < 0x20) fm_buffer_format(out, "\\u%04x", c);
    else fm_buffer_put(out, utf8, (size_t)fm_utf8_encode(c, utf8));
}

void fm_schema_spell(fm_buffer *out, const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int length = fm_utf8_decode(s + i, n - i, &c); /* JSON was checked to be UTF-8 */
        fm_schema_spell_character(out, c);
        i += length ? (size_t)length : 1;
    }
}

void fm_schema_put_text(fm_buffer *out, const char *s, size_t n, const char *after) {
    fm_buffer spelled = {0};
    fm_buffer_text(&spelled, "\"");
    fm_schema_spell(&spelled, s, n);
    fm_buffer_text(&spelled, "\"");
    fm_buffer_text(&spelled, after);
    if (spelled.failed) out->failed = true;
    else fm_schema_put_literal(out, spelled.data, spelled.size);
    fm_buffer_clear(&spelled);
}

void fm_schema_put_character(fm_buffer *out, uint32_t c) {
    fm_buffer spelled = {0};
    fm_schema_spell_character(&spelled, c);
    if (spelled.failed) out->failed = true;
    else fm_schema_put_literal(out, spelled.data, spelled.size);
    fm_buffer_clear(&spelled);
}

typedef struct members {
    fm_buffer *out;
    size_t n;
} members;

static fm_status put_member(void *context, const char *key, size_t length, const fm_json *value) {
    members *m = context;
    if (m->n++) fm_buffer_text(m->out, " \",\" ws ");
    fm_schema_put_text(m->out, key, length, ":");
    fm_buffer_text(m->out, " sp ");
    fm_schema_put_value(m->out, value);
    return FM_OK;
}

static void put_composite(fm_buffer *out, const fm_json *value, bool object) {
    fm_buffer_text(out, object ? "\"{\" ws " : "\"[\" ws ");
    members m = {out, 0};
    if (object) fm_json_each(value, put_member, &m);
    for (size_t i = 0; !object && i < fm_json_length(value); i++) {
        if (m.n++) fm_buffer_text(out, " \",\" ws ");
        fm_schema_put_value(out, fm_json_at(value, i));
    }
    fm_buffer_text(out, m.n ? " ws " : "");
    fm_buffer_text(out, object ? "\"}\"" : "\"]\"");
}

/* With as many digits as it takes to read the same number back; 2.0 is 2. */
static void spell_real(fm_buffer *out, double value) {
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    for (char *c = text; *c; c++)
        if (!strchr("0123456789+-e", *c)) *c = '.'; /* whatever the locale takes for the point */
    fm_buffer_text(out, text);
}

static void put_scalar(fm_buffer *out, const fm_json *value) {
    fm_buffer text = {0};
    fm_json_kind kind = fm_json_kind_of(value);
    if (kind == FM_JSON_NULL) fm_buffer_text(&text, "null");
    else if (kind == FM_JSON_BOOL) fm_buffer_text(&text, fm_json_bool(value, false) ? "true" : "false");
    else if (kind == FM_JSON_INTEGER) fm_buffer_format(&text, "%lld", (long long)fm_json_integer(value, 0));
    else spell_real(&text, fm_json_number(value, 0));
    if (text.failed) out->failed = true;
    else fm_schema_put_literal(out, text.data, text.size);
    fm_buffer_clear(&text);
}

void fm_schema_put_value(fm_buffer *out, const fm_json *value) {
    size_t n;
    const char *s = fm_json_string_n(value, &n);
    fm_json_kind kind = fm_json_kind_of(value);
    if (s) fm_schema_put_text(out, s, n, "");
    else if (kind == FM_JSON_ARRAY || kind == FM_JSON_OBJECT) put_composite(out, value, kind == FM_JSON_OBJECT);
    else put_scalar(out, value);
}

/* ---- shared rules --------------------------------------------------------------------------*/

void fm_schema_put_shared(fm_buffer *out, fm_json_space space) {
    fm_buffer_text(out, space == FM_JSON_COMPACT
                            ? "ws ::= \"\"\nsp ::= \"\"\n"
                            : "ws ::= (\" \" | \"\\n\" [ \\t]{0,64})?\nsp ::= \" \"?\n");
    fm_buffer_text(
        out,
        "value ::= object | array | string | number | true-or-false | \"null\"\n"
        "object ::= \"{\" ws (member (\",\" ws member)* ws)? \"}\"\n"
        "member ::= string \":\" sp value\n"
        "array ::= \"[\" ws (value (\",\" ws value)* ws)? \"]\"\n"
        "string ::= \"\\\"\" char* \"\\\"\"\n"
        "char ::= plain | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" unit)\n"
        "block ::= char{100}\n"
        "plain ::= [^\"\\\\\\x00-\\x1F]\n"
        /* a UTF-16 unit, or a pair of them: surrogates do not come alone */
        "unit ::= [0-9A-CEFa-cef] hex{3} | [Dd] [0-7] hex{2} |\n"
        "  [Dd] [89ABab] hex{2} \"\\\\u\" [Dd] [C-Fc-f] hex{2}\n"
        "hex ::= [0-9A-Fa-f]\n"
        /* in names of members that the schema does not know: every character has one spelling, so
         * that these names can be told from those it does know */
        "key-char ::= plain | \"\\\\\" [\"\\\\bfnrt]\n"
        "integer ::= \"-\"? whole\n"
        "whole ::= \"0\" | [1-9] [0-9]{0,17}\n"
        "number ::= \"-\"? whole (\".\" [0-9]{1,20})? ([eE] (\"+\"? [0-9]{1,2} | \"-\" [0-9]{1,3}))?\n"
        "true-or-false ::= \"true\" | \"false\"\n");
}

/* ---- equality ------------------------------------------------------------------------------*/

static bool is_number(fm_json_kind kind) { return kind == FM_JSON_INTEGER || kind == FM_JSON_REAL; }

typedef struct comparison {
    fm_schema_writer *w;
    const fm_json *other;
    bool equal;
} comparison;

static fm_status compare_member(void *context, const char *key, size_t length, const fm_json *value) {
    comparison *c = context;
    const fm_json *other = fm_json_get(c->other, key);
    (void)length;
    if (!other || !fm_schema_equal(c->w, value, other)) c->equal = false;
    return FM_OK;
}

static bool equal_arrays(fm_schema_writer *w, const fm_json *a, const fm_json *b) {
    if (fm_json_length(a) != fm_json_length(b)) return false;
    for (size_t i = 0; i < fm_json_length(a); i++)
        if (!fm_schema_equal(w, fm_json_at(a, i), fm_json_at(b, i))) return false;
    return true;
}

bool fm_schema_equal(fm_schema_writer *w, const fm_json *a, const fm_json *b) {
    fm_json_kind x = fm_json_kind_of(a), y = fm_json_kind_of(b);
    w->work++;
    if (x != y) return is_number(x) && is_number(y) && fm_json_number(a, 0) == fm_json_number(b, 0);
    size_t n, m;
    const char *s = fm_json_string_n(a, &n), *t = fm_json_string_n(b, &m);
    switch (x) {
    case FM_JSON_NULL: return true;
    case FM_JSON_BOOL: return fm_json_bool(a, false) == fm_json_bool(b, false);
    case FM_JSON_INTEGER: return fm_json_integer(a, 0) == fm_json_integer(b, 0);
    case FM_JSON_REAL: return fm_json_number(a, 0) == fm_json_number(b, 0);
    case FM_JSON_STRING: return n == m && memcmp(s, t, n) == 0;
    case FM_JSON_ARRAY: return equal_arrays(w, a, b);
    case FM_JSON_OBJECT: break;
    }
    comparison c = {w, b, fm_json_length(a) == fm_json_length(b)};
    if (c.equal) fm_json_each(a, compare_member, &c);
    return c.equal;
}

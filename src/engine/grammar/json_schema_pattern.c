/* Patterns: the regular part of ECMA-262 as GBNF, over the characters of a string as JSON spells them.
 *
 *     ^[a-z"]+$      ([a-z] | "\\\"")+
 *     ab|^c          char* "a" "b" char* | "c" char*        a pattern is found anywhere but for ^ and $
 *
 * What is not regular (backreferences) or looks around (?=, \b) is refused, and so are ^ and $ but at
 * the ends of the pattern or of its alternatives. Laziness (*?) changes nothing about what matches.
 * On the way each part tells how many characters it takes, so that minLength and maxLength may stand
 * beside a pattern that implies them. */
#include "engine/grammar/json_schema_class.h"

#include "base/unicode.h"
#include "engine/grammar/json_schema.h"

#include <stdio.h>
#include <string.h>

enum { GROUPS_MAX = 60, REPEAT_MAX = FM_SCHEMA_COUNT_MAX };

typedef fm_schema_extent extent;

typedef struct pattern {
    fm_schema_writer *w;
    const fm_schema_part *part;
    const char *text;
    size_t n, at;
    int groups;
    fm_buffer *out;
} pattern;

static fm_status refuse(pattern *p, const char *why) {
    char sentence[200];
    snprintf(sentence, sizeof sentence, "%s (at character %zu)", why, p->at + 1);
    return fm_schema_refuse(p->w, p->part, "pattern", sentence);
}

static bool ended(const pattern *p) { return p->at >= p->n; }
static char peek(const pattern *p) { return p->at < p->n ? p->text[p->at] : '\0'; }

static bool take(pattern *p, const char *word) {
    size_t n = strlen(word);
    if (p->n - p->at < n || memcmp(p->text + p->at, word, n) != 0) return false;
    p->at += n;
    return true;
}

/* ---- how many characters -------------------------------------------------------------------*/

/* Far more than a string that is written has; sums and products stop there. */
enum { MANY = 1 << 30 };

static int64_t at_most_many(int64_t n) { return n > MANY ? MANY : n; }

static extent after_each_other(extent a, extent b) {
    return (extent){at_most_many(a.min + b.min), a.max < 0 || b.max < 0 ? -1 : at_most_many(a.max + b.max)};
}

static extent one_of(extent a, extent b) {
    return (extent){a.min < b.min ? a.min : b.min, a.max < 0 || b.max < 0 ? -1 : a.max > b.max ? a.max : b.max};
}

static extent times(extent e, int64_t min, int64_t max) {
    bool endless = (max < 0 && e.max != 0) || (e.max < 0 && max != 0);
    return (extent){at_most_many(e.min * min), endless ? -1 : max < 0 ? 0 : at_most_many(e.max * max)};
}

/* ---- characters ----------------------------------------------------------------------------*/

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(pattern *p, int n, uint32_t *out) {
    *out = 0;
    for (int i = 0; i < n; i++, p->at++) {
        int v = hex_value(peek(p));
        if (v < 0) return false;
        *out = *out << 4 | (uint32_t)v;
    }
    return true;
}

/* Behind \u: 00e9, {1F600}, or a pair of surrogates. */
static fm_status read_unicode(pattern *p, uint32_t *out) {
    uint32_t low;
    bool ok;
    if (take(p, "{")) {
        *out = 0;
        while (hex_value(peek(p)) >= 0 && *out < 0x110000)
            *out = *out << 4 | (uint32_t)hex_value(p->text[p->at++]);
        ok = take(p, "}");
    } else
        ok = read_hex(p, 4, out);
    if (ok && *out >= 0xD800 && *out < 0xDC00 && take(p, "\\u")) {
        ok = read_hex(p, 4, &low) && low >= 0xDC00 && low < 0xE000;
        if (ok) *out = 0x10000 + ((*out & 0x3FF) << 10) + (low & 0x3FF);
    }
    if (!ok || *out > 0x10FFFF || (*out >= 0xD800 && *out < 0xE000))
        return refuse(p, "has an escape that is no character");
    return FM_OK;
}

static fm_status read_plain(pattern *p, uint32_t *out) {
    int n = fm_utf8_decode(p->text + p->at, p->n - p->at, out);
    p->at += n ? (size_t)n : 1;
    return FM_OK;
}

static fm_status read_letter_escape(pattern *p, char c, uint32_t *out) {
    if (c == 'u') return read_unicode(p, out);
    if (c == 'x') return read_hex(p, 2, out) ? FM_OK : refuse(p, "has an escape that is no character");
    if (c == 'b' || c == 'B') return refuse(p, "looks around (\\b), which cannot be enforced");
    return refuse(p, c >= '1' && c <= '9' ? "refers back to what a group matched, which cannot be enforced"
                                          : "has an escape that is not known here");
}

/* Behind a backslash: one character. */
static fm_status read_escape(pattern *p, uint32_t *out) {
    static const char names[] = "nrtfv0", values[] = "\n\r\t\f\v";
    char c = peek(p);
    if (ended(p)) return refuse(p, "ends in a backslash");
    const char *at = c ? strchr(names, c) : NULL;
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '1' && c <= '9');
    if (!at && !letter) return read_plain(p, out);
    p->at++;
    if (!at) return read_letter_escape(p, c, out);
    *out = (unsigned char)values[at - names];
    return c == '0' && peek(p) >= '0' && peek(p) <= '9' ? refuse(p, "has an octal escape") : FM_OK;
}

/* ---- classes -------------------------------------------------------------------------------*/

static fm_status too_many_ranges(pattern *p) { return refuse(p, "has a class of more than 256 ranges"); }

static fm_status put_set(pattern *p, const fm_class *c) {
    return fm_class_put(c, p->out) ? FM_OK : refuse(p, "has a class that no character can match");
}

/* One end of a range in a class, or a named set (*single false). */
static fm_status read_member(pattern *p, fm_class *set, uint32_t *c, bool *single) {
    bool named = false;
    *single = true;
    if (!take(p, "\\")) return read_plain(p, c);
    if (peek(p) != '.' && !fm_class_add_named(set, peek(p), &named)) return too_many_ranges(p);
    if (named) p->at++;
    *single = !named;
    if (named) return FM_OK;
    if (take(p, "b")) {
        *c = '\b';
        return FM_OK;
    }
    return read_escape(p, c);
}

static fm_status put_class(pattern *p) {
    fm_class set = {.negated = take(p, "^")};
    while (!ended(p) && peek(p) != ']') {
        uint32_t first, last;
        bool single, range_end = true;
        FM_TRY(read_member(p, &set, &first, &single));
        if (!single) continue;
        last = first;
        if (peek(p) == '-' && p->at + 1 < p->n && p->text[p->at + 1] != ']') {
            p->at++;
            FM_TRY(read_member(p, &set, &last, &range_end));
        }
        if (!range_end) { /* [a-\d]: the hyphen is one */
            if (!fm_class_add(&set, '-', '-')) return too_many_ranges(p);
            last = first;
        }
        if (last < first) return refuse(p, "has a range that ends before it begins");
        if (!fm_class_add(&set, first, last)) return too_many_ranges(p);
    }
    if (!take(p, "]")) return refuse(p, "has a class without an end");
    return put_set(p, &set);
}

/* ---- structure -----------------------------------------------------------------------------*/

static fm_status put_alternatives(pattern *p, bool outermost, extent *e);

/* Behind the "(". */
static fm_status put_group(pattern *p, extent *e) {
    if (++p->groups > GROUPS_MAX) return refuse(p, "nests groups too deep");
    if (take(p, "?<") && peek(p) != '=' && peek(p) != '!') {
        while (!ended(p) && peek(p) != '>') p->at++;
        if (!take(p, ">")) return refuse(p, "has a group without an end");
    } else if (!take(p, "?:") && (peek(p) == '?' || p->text[p->at - 1] == '<'))
        return refuse(p, "looks ahead or behind, or sets options, which cannot be enforced");
    fm_buffer_text(p->out, "(");
    FM_TRY(put_alternatives(p, false, e));
    if (!take(p, ")")) return refuse(p, "has a group without an end");
    fm_buffer_text(p->out, ")");
    p->groups--;
    return FM_OK;
}

static fm_status put_atom(pattern *p, extent *e) {
    fm_class set = {.n = 0};
    uint32_t c;
    bool named = false;
    *e = (extent){1, 1};
    if (take(p, "(")) return put_group(p, e);
    if (take(p, "[")) return put_class(p);
    if (peek(p) == '.') fm_class_add_named(&set, '.', &named);
    else if (take(p, "\\")) {
        if (peek(p) != '.') fm_class_add_named(&set, peek(p), &named);
        if (!named) FM_TRY(read_escape(p, &c));
    } else if (peek(p) && strchr("*+?{}])", peek(p)))
        return refuse(p, "has a character here that must be escaped");
    else if (peek(p) == '^' || peek(p) == '$')
        return refuse(p, "has ^ or $ elsewhere than at its ends");
    else
        FM_TRY(read_plain(p, &c));
    p->at += named;
    if (named) return put_set(p, &set);
    fm_schema_put_character(p->out, c);
    return FM_OK;
}

static bool read_count(pattern *p, int64_t *out) {
    size_t begin = p->at;
    for (*out = 0; peek(p) >= '0' && peek(p) <= '9'; p->at++)
        *out = at_most_many(*out * 10 + (peek(p) - '0'));
    return p->at > begin;
}

/* Behind an atom: * + ? {3} {3,} {3,5}, perhaps lazy. */
static fm_status put_quantifier(pattern *p, extent *e) {
    int64_t min = 0, max = -1;
    if (take(p, "*")) {
    } else if (take(p, "+")) min = 1;
    else if (take(p, "?")) max = 1;
    else if (take(p, "{")) {
        if (!read_count(p, &min)) return refuse(p, "has braces that are no count");
        if (!take(p, ",")) max = min;
        else if (!read_count(p, &max)) max = -1;
        if (!take(p, "}")) return refuse(p, "has braces that are no count");
        if (max >= 0 && max < min) return refuse(p, "has a count whose end is below its beginning");
        if (min > REPEAT_MAX || max > REPEAT_MAX) return refuse(p, "counts to more than 100000");
    } else
        return FM_OK;
    take(p, "?");
    *e = times(*e, min, max);
    fm_buffer_format(p->out, "{%lld,", (long long)min);
    if (max >= 0) fm_buffer_format(p->out, "%lld", (long long)max);
    fm_buffer_text(p->out, "}");
    return FM_OK;
}

static fm_status put_sequence(pattern *p, bool outermost, extent *e) {
    bool from_start = outermost && take(p, "^"), to_end = false;
    if (outermost && !from_start) fm_buffer_text(p->out, "char* ");
    *e = (extent){0, 0};
    size_t items = 0;
    for (; !ended(p) && peek(p) != '|' && !(peek(p) == ')' && p->groups > 0); items++) {
        extent item;
        char after = p->at + 1 < p->n ? p->text[p->at + 1] : '|';
        if (outermost && peek(p) == '$' && after == '|') {
            p->at++;
            to_end = true;
            break;
        }
        FM_TRY(put_atom(p, &item));
        FM_TRY(put_quantifier(p, &item));
        *e = after_each_other(*e, item);
        fm_buffer_text(p->out, " ");
    }
    if (outermost && !(from_start && to_end)) e->max = -1;
    if (outermost && !to_end) fm_buffer_text(p->out, "char*");
    else if (!items) fm_buffer_text(p->out, "\"\"");
    return FM_OK;
}

static fm_status put_alternatives(pattern *p, bool outermost, extent *e) {
    FM_TRY(put_sequence(p, outermost, e));
    while (take(p, "|")) {
        extent other;
        fm_buffer_text(p->out, " | ");
        FM_TRY(put_sequence(p, outermost, &other));
        *e = one_of(*e, other);
    }
    return FM_OK;
}

fm_status fm_schema_put_pattern(fm_schema_writer *w, const fm_schema_part *part, fm_buffer *out,
                                fm_schema_extent *e) {
    pattern p = {.w = w, .part = part, .out = out};
    p.text = fm_json_string_n(fm_json_get(part->schema, "pattern"), &p.n);
    if (!p.text) return fm_schema_wrong(w, part, "pattern", "must be a string");
    fm_buffer_text(out, "(");
    FM_TRY(put_alternatives(&p, true, e));
    fm_buffer_text(out, ")");
    return FM_OK;
}

/* GBNF text to a tree. The notation, in itself:
 *
 *     grammar  ::= rule*
 *     rule     ::= name "::=" choice newline       a new line inside ( ) or next to a | does not end it
 *     choice   ::= sequence ("|" sequence)*
 *     sequence ::= (item repeat*)*
 *     item     ::= "literal" | [class] | [^class] | . | name | "(" choice ")"
 *     repeat   ::= * | + | ? | {m} | {m,} | {,n} | {m,n}
 */
#include "base/unicode.h"
#include "engine/grammar/grammar_ast.h"

#include <stdio.h>
#include <string.h>

typedef struct parser {
    const char *text;
    size_t size, at;
    int nesting;
    fm_grammar_tree *tree;
    fm_buffer stack;  /* fm_ast *: items of sequences and choices that are not complete yet */
    fm_buffer ranges; /* of the class being read */
    fm_error *err;
} parser;

/* ---- errors --------------------------------------------------------------------------------*/

static void locate(const parser *p, size_t at, int *line, int *column) {
    *line = *column = 1;
    for (size_t i = 0; i < at; i++) {
        if (p->text[i] == '\n') {
            (*line)++;
            *column = 1;
        } else if (((unsigned char)p->text[i] & 0xC0) != 0x80)
            (*column)++;
    }
}

static fm_status wrong(parser *p, size_t at, const char *sentence) {
    int line, column;
    locate(p, at, &line, &column);
    return fm_fail(p->err, FM_ERR_FORMAT, "grammar, line %d, column %d: %s", line, column, sentence);
}

static fm_status expected(parser *p, const char *what) {
    char sentence[160];
    uint32_t c;
    if (p->at >= p->size)
        snprintf(sentence, sizeof sentence, "expected %s, found the end of the text", what);
    else if (p->text[p->at] == '\n')
        snprintf(sentence, sizeof sentence, "expected %s, found the end of the line", what);
    else {
        int n = fm_utf8_decode(p->text + p->at, p->size - p->at, &c);
        snprintf(sentence, sizeof sentence, "expected %s, found '%.*s'", what, n, p->text + p->at);
    }
    return wrong(p, p->at, sentence);
}

/* ---- small pieces --------------------------------------------------------------------------*/

static char peek(const parser *p) { return p->at < p->size ? p->text[p->at] : '\0'; }
static bool ended(const parser *p) { return p->at >= p->size; }

static bool take(parser *p, const char *word) {
    size_t n = strlen(word);
    if (p->size - p->at < n || memcmp(p->text + p->at, word, n) != 0) return false;
    p->at += n;
    return true;
}

static void skip_space(parser *p, bool lines) {
    for (; !ended(p); p->at++) {
        char c = peek(p);
        if (c == '#')
            while (!ended(p) && peek(p) != '\n') p->at++;
        if (ended(p)) return;
        c = peek(p);
        if (c != ' ' && c != '\t' && c != '\r' && !(lines && c == '\n')) return;
    }
}

static bool in_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_';
}

static size_t name_length(const parser *p) {
    size_t n = 0;
    while (p->at + n < p->size && in_name(p->text[p->at + n])) n++;
    return n;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static fm_status read_hex(parser *p, int digits, uint32_t *out) {
    size_t begin = p->at;
    *out = 0;
    for (int i = 0; i < digits; i++, p->at++) {
        int v = ended(p) ? -1 : hex_value(peek(p));
        if (v < 0) {
            char what[64];
            snprintf(what, sizeof what, "%d hexadecimal digits", digits);
            return expected(p, what);
        }
        *out = *out << 4 | (uint32_t)v;
    }
    if (*out > 0x10FFFF || (*out >= 0xD800 && *out < 0xE000))
        return wrong(p, begin, "not a character of Unicode");
    return FM_OK;
}

/* One character of a literal or a class, behind an escape or plain. */
static fm_status read_character(parser *p, uint32_t *out) {
    if (peek(p) != '\\') {
        p->at += (size_t)fm_utf8_decode(p->text + p->at, p->size - p->at, out);
        return FM_OK;
    }
    p->at++;
    char c = peek(p);
    const char *plain = "\\\"[]-^./'", *at = c ? strchr(plain, c) : NULL;
    if (!at && (!c || !strchr("nrtxuU", c)))
        return expected(p, "one of n r t x u U \\ \" [ ] - ^ . / ' after a backslash");
    p->at++;
    switch (c) {
    case 'n': *out = '\n'; return FM_OK;
    case 'r': *out = '\r'; return FM_OK;
    case 't': *out = '\t'; return FM_OK;
    case 'x': return read_hex(p, 2, out);
    case 'u': return read_hex(p, 4, out);
    case 'U': return read_hex(p, 8, out);
    default: *out = (unsigned char)c; return FM_OK;
    }
}

/* ---- items ---------------------------------------------------------------------------------*/

static fm_status read_literal(parser *p, fm_ast **out) {
    size_t begin = p->at++;
    fm_buffer bytes = {0};
    fm_status status = FM_OK;
    while (status == FM_OK && peek(p) != '"') {
        uint32_t c;
        char utf8[4];
        if (ended(p) || peek(p) == '\n') {
            status = wrong(p, begin, "this literal has no closing \" on its line (write \\n for a new line)");
            break;
        }
        status = read_character(p, &c);
        if (status == FM_OK) fm_buffer_put(&bytes, utf8, (size_t)fm_utf8_encode(c, utf8));
    }
    p->at++;
    if (status == FM_OK) status = fm_buffer_status(&bytes, p->err);
    if (status == FM_OK) status = fm_ast_literal(p->tree, bytes.data, bytes.size, out, p->err);
    fm_buffer_clear(&bytes);
    return status;
}

static fm_status read_class(parser *p, fm_ast **out) {
    size_t begin = p->at++;
    bool negated = take(p, "^");
    p->ranges.size = 0;
    while (peek(p) != ']') {
        if (ended(p) || peek(p) == '\n')
            return wrong(p, begin, "this class has no closing ] on its line (write \\n for a new line)");
        size_t at = p->at;
        fm_code_range r;
        FM_TRY(read_character(p, &r.first));
        r.last = r.first;
        if (peek(p) == '-' && p->at + 1 < p->size && p->text[p->at + 1] != ']') {
            p->at++;
            if (peek(p) == '\n') continue; /* said above */
            FM_TRY(read_character(p, &r.last));
        }
        if (r.last < r.first) return wrong(p, at, "this range ends before it begins");
        fm_buffer_put(&p->ranges, &r, sizeof r);
    }
    p->at++;
    FM_TRY(fm_buffer_status(&p->ranges, p->err));
    FM_TRY(fm_ast_class(p->tree, (fm_code_range *)(void *)p->ranges.data,
                        p->ranges.size / sizeof(fm_code_range), negated, out, p->err));
    return *out ? FM_OK : wrong(p, begin, "no character can match this class");
}

static fm_status read_mention(parser *p, fm_ast **out) {
    size_t n = name_length(p), begin = p->at;
    uint32_t rule;
    size_t before = fm_ast_rule_count(p->tree);
    FM_TRY(fm_ast_rule_named(p->tree, p->text + begin, n, &rule, p->err));
    if (rule >= before) fm_ast_rules(p->tree)[rule].mentioned_at = begin;
    p->at += n;
    return fm_ast_mention(p->tree, rule, out, p->err);
}

static fm_status read_choice(parser *p, fm_ast **out);

static fm_status read_group(parser *p, fm_ast **out) {
    p->at++;
    if (++p->nesting > FM_GRAMMAR_NESTING_MAX)
        return fm_fail(p->err, FM_ERR_LIMIT,
                       "the grammar nests groups more than %d deep: give inner groups rules of their own",
                       FM_GRAMMAR_NESTING_MAX);
    FM_TRY(read_choice(p, out));
    if (!take(p, ")")) return expected(p, "an item, | or )");
    p->nesting--;
    return FM_OK;
}

/* *out stays NULL where no item begins. */
static fm_status read_item(parser *p, fm_ast **out) {
    *out = NULL;
    fm_code_range any = {0, 0x10FFFF};
    char c = peek(p);
    if (c == '"') return read_literal(p, out);
    if (c == '[') return read_class(p, out);
    if (c == '(') return read_group(p, out);
    if (take(p, ".")) return fm_ast_class(p->tree, &any, 1, false, out, p->err);
    if (c == '<')
        return wrong(p, p->at, "tokens by name or number (<...>) are not known here: a grammar speaks of text");
    return in_name(c) ? read_mention(p, out) : FM_OK;
}

/* ---- repetition ----------------------------------------------------------------------------*/

/* A number if there is one; *out is left alone otherwise. */
static fm_status read_count(parser *p, int32_t *out) {
    size_t begin = p->at;
    int64_t value = 0;
    while (peek(p) >= '0' && peek(p) <= '9') {
        value = value * 10 + (peek(p) - '0');
        if (value > FM_GRAMMAR_SIZE_MAX)
            return fm_fail(p->err, FM_ERR_LIMIT,
                           "at most %d repetitions can be counted; {m,} has no upper bound",
                           FM_GRAMMAR_SIZE_MAX);
        p->at++;
    }
    if (p->at > begin) *out = (int32_t)value;
    return FM_OK;
}

static fm_status read_braces(parser *p, int32_t *min, int32_t *max) {
    size_t begin = p->at++;
    *min = *max = -1;
    skip_space(p, false);
    FM_TRY(read_count(p, min));
    skip_space(p, false);
    bool comma = take(p, ",");
    if (comma) {
        skip_space(p, false);
        FM_TRY(read_count(p, max));
        skip_space(p, false);
    }
    if (peek(p) != '}') return expected(p, comma ? "a number or }" : "a number, a comma or }");
    p->at++;
    if (*min < 0 && *max < 0) return wrong(p, begin, "these braces hold no number");
    if (*min < 0) *min = 0;
    if (!comma) *max = *min;
    if (*max >= 0 && *max < *min) return wrong(p, begin, "the second number is smaller than the first");
    return FM_OK;
}

static fm_status read_repeats(parser *p, fm_ast **item) {
    for (;;) {
        int32_t min = 0, max = -1;
        skip_space(p, p->nesting > 0);
        if (peek(p) == '{')
            FM_TRY(read_braces(p, &min, &max));
        else if (take(p, "+"))
            min = 1;
        else if (take(p, "?"))
            max = 1;
        else if (!take(p, "*"))
            return FM_OK;
        FM_TRY(fm_ast_repeat(p->tree, *item, min, max, item, p->err));
    }
}

/* ---- sequences, choices, rules -------------------------------------------------------------*/

static fm_status collect(parser *p, size_t base, fm_ast_kind kind, fm_ast **out) {
    FM_TRY(fm_buffer_status(&p->stack, p->err));
    fm_ast *const *items = NULL; /* an empty sequence may come before the stack has any memory */
    size_t n = (p->stack.size - base) / sizeof *items;
    if (n) items = (fm_ast *const *)(void *)(p->stack.data + base);
    FM_TRY(fm_ast_items(p->tree, kind, items, n, out, p->err));
    p->stack.size = base;
    return FM_OK;
}

static fm_status read_sequence(parser *p, fm_ast **out) {
    size_t base = p->stack.size;
    for (;;) {
        skip_space(p, p->nesting > 0);
        fm_ast *item;
        FM_TRY(read_item(p, &item));
        if (!item) return collect(p, base, FM_AST_SEQUENCE, out);
        FM_TRY(read_repeats(p, &item));
        fm_buffer_put(&p->stack, &item, sizeof item);
    }
}

/* True at a |, also at the beginning of the next line. */
static bool take_bar(parser *p) {
    size_t at = p->at;
    skip_space(p, true);
    if (take(p, "|")) {
        skip_space(p, true);
        return true;
    }
    p->at = at;
    return false;
}

static fm_status read_choice(parser *p, fm_ast **out) {
    size_t base = p->stack.size;
    do {
        fm_ast *sequence;
        FM_TRY(read_sequence(p, &sequence));
        fm_buffer_put(&p->stack, &sequence, sizeof sequence);
    } while (take_bar(p));
    return collect(p, base, FM_AST_CHOICE, out);
}

static fm_status read_rule(parser *p) {
    size_t n = name_length(p), begin = p->at;
    if (n == 0) return expected(p, "the name of a rule");
    uint32_t rule;
    FM_TRY(fm_ast_rule_named(p->tree, p->text + begin, n, &rule, p->err));
    if (fm_ast_rules(p->tree)[rule].body) return wrong(p, begin, "a rule of this name stands above");
    p->at += n;
    skip_space(p, false);
    if (!take(p, "::=")) return expected(p, "::=");
    skip_space(p, true);
    fm_ast *body;
    FM_TRY(read_choice(p, &body));
    if (!ended(p) && peek(p) != '\n') return expected(p, "an item, | or the end of the line");
    fm_ast_rules(p->tree)[rule].body = body;
    return FM_OK;
}

static fm_status read_rules(parser *p) {
    for (skip_space(p, true); !ended(p); skip_space(p, true)) FM_TRY(read_rule(p));
    for (size_t i = 0; i < fm_ast_rule_count(p->tree); i++) {
        const fm_ast_rule *r = &fm_ast_rules(p->tree)[i];
        if (r->body) continue;
        int line, column;
        locate(p, r->mentioned_at, &line, &column);
        return fm_fail(p->err, FM_ERR_FORMAT, "grammar, line %d, column %d: no rule is named %s", line,
                       column, r->name);
    }
    size_t before = fm_ast_rule_count(p->tree);
    FM_TRY(fm_ast_rule_named(p->tree, "root", 4, &p->tree->root, p->err));
    if (p->tree->root < before) return FM_OK;
    return fm_fail(p->err, FM_ERR_FORMAT,
                   "the grammar has no rule named root, and that is where an answer begins");
}

fm_status fm_grammar_read(const char *text, size_t size, fm_grammar_tree *t, fm_error *err) {
    if (size > FM_GRAMMAR_TEXT_MAX)
        return fm_fail(err, FM_ERR_LIMIT, "the grammar has %zu bytes; at most %d are read", size,
                       FM_GRAMMAR_TEXT_MAX);
    if (!fm_utf8_valid(text, size))
        return fm_fail(err, FM_ERR_FORMAT, "the grammar is not valid UTF-8");
    parser p = {.text = text, .size = size, .tree = t, .err = err};
    fm_status status = read_rules(&p);
    if (status == FM_ERR_LIMIT) {
        int line, column;
        locate(&p, p.at, &line, &column);
        fm_error_prefix(err, status, "grammar, line %d, column %d", line, column);
    }
    fm_buffer_clear(&p.stack);
    fm_buffer_clear(&p.ranges);
    return status;
}

#include "rl/program/program_lex.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const words[WORDS] = {
    "and", "break", "continue", "def", "elif", "else", "False", "for", "if",
    "in", "None", "not", "or", "pass", "return", "True", "while",
};

/* Python's other words, which are no names there. */
static const char *const foreign_words[] = {
    "as", "assert", "async", "await", "class", "del", "except", "finally", "from", "global", "import", "is",
    "lambda", "nonlocal", "raise", "try", "with", "yield",
};

static const char *const signs[SIGNS] = {
    "+", "-", "*", "//", "%", "**", "+=", "-=", "*=", "//=", "%=", "**=", "<", "<=", ">", ">=", "==", "!=",
    "=", ",", ":", ".", "(", ")", "[", "]",
};

const char *fm_program_word(word w) { return words[w]; }
const char *fm_program_sign(sign s) { return signs[s]; }

bool fm_program_wrong(reading *r, int line, const char *format, ...) {
    fm_program_result *result = r->result;
    if (result->end == FM_PROGRAM_SYNTAX) return false;
    result->end = FM_PROGRAM_SYNTAX;
    result->line = line;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->message, sizeof result->message, format, arguments);
    va_end(arguments);
    return false;
}

bool fm_program_no_memory(reading *r) {
    r->no_memory = true;
    return false;
}

typedef struct lexer {
    reading *reading;
    const char *text;
    size_t n, at;
    int line;
    int brackets;                           /* open ones: newlines inside do not count */
    int indents[FM_PROGRAM_BLOCKS_MAX + 1]; /* columns of the open blocks; [0] is 0 */
    int depth;
    fm_buffer tokens;
    fm_buffer names;
    int *table; /* of ids + 1, by hash */
    size_t table_size;
} lexer;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

static bool printable(char c) { return c >= 32 && c < 127; }

/* The byte k places on; 0 past the end. */
static char peek(const lexer *l, size_t k) { return k < l->n - l->at ? l->text[l->at + k] : 0; }

static bool unprintable(lexer *l) {
    return fm_program_wrong(l->reading, l->line, "a byte that is no printable ASCII");
}

static void add(lexer *l, token t) {
    t.line = l->line;
    fm_buffer_put(&l->tokens, &t, sizeof t);
}

static bool number(lexer *l) {
    int64_t value = 0;
    size_t begin = l->at;
    for (; is_digit(peek(l, 0)); l->at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, peek(l, 0) - '0', &value))
            return fm_program_wrong(l->reading, l->line, "this number does not fit in 64 bits");
    if (l->text[begin] == '0' && l->at - begin > 1)
        return fm_program_wrong(l->reading, l->line, "a number begins with 0");
    if (is_letter(peek(l, 0)) || peek(l, 0) == '.')
        return fm_program_wrong(l->reading, l->line, "numbers are whole and written in digits alone");
    add(l, (token){.kind = TOKEN_NUMBER, .number = value});
    return true;
}

static size_t hash(const char *s, size_t n) {
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

/* The id of a name; -1 without memory. The table is larger than any number of names in the text. */
static int64_t id_of(lexer *l, const char *s, size_t n) {
    const name_entry *known = (const name_entry *)(const void *)l->names.data;
    size_t i = hash(s, n) & (l->table_size - 1);
    for (; l->table[i]; i = (i + 1) & (l->table_size - 1)) {
        const name_entry *e = &known[l->table[i] - 1];
        if (e->n == n && memcmp(e->text, s, n) == 0) return l->table[i] - 1;
    }
    name_entry fresh = {fm_arena_strndup(l->reading->arena, s, n), n};
    fm_buffer_put(&l->names, &fresh, sizeof fresh);
    if (!fresh.text || l->names.failed) return -1;
    l->table[i] = (int)(l->names.size / sizeof fresh);
    return l->table[i] - 1;
}

static bool is_word(const char *w, const char *s, size_t n) { return strlen(w) == n && !memcmp(w, s, n); }

static bool name(lexer *l) {
    const char *s = l->text + l->at;
    size_t n = 0;
    while (is_letter(peek(l, n)) || is_digit(peek(l, n))) n++;
    l->at += n;
    if (n > 64) return fm_program_wrong(l->reading, l->line, "a name has more than 64 letters");
    for (int w = 0; w < WORDS; w++)
        if (is_word(words[w], s, n)) {
            add(l, (token){.kind = TOKEN_WORD, .word = (uint8_t)w});
            return true;
        }
    for (size_t i = 0; i < FM_COUNT(foreign_words); i++)
        if (is_word(foreign_words[i], s, n))
            return fm_program_wrong(l->reading, l->line, "'%s' is not in this language", foreign_words[i]);
    if (peek(l, 0) == '"' || peek(l, 0) == '\'')
        return fm_program_wrong(l->reading, l->line, "texts have no letter in front of their quotes");
    int64_t id = id_of(l, s, n);
    if (id < 0) return fm_program_no_memory(l->reading);
    add(l, (token){.kind = TOKEN_NAME, .number = id});
    return true;
}

static bool text(lexer *l) {
    char quote = peek(l, 0);
    if (peek(l, 1) == quote && peek(l, 2) == quote)
        return fm_program_wrong(l->reading, l->line, "texts have one quote on each side");
    size_t n = 0, begin = ++l->at;
    while (l->at < l->n && peek(l, 0) != quote && peek(l, 0) != '\n')
        l->at += peek(l, 0) == '\\' && l->n - l->at > 1 && peek(l, 1) != '\n' ? 2 : 1;
    if (peek(l, 0) != quote) return fm_program_wrong(l->reading, l->line, "a text is not closed on its line");
    char *out = fm_arena_alloc(l->reading->arena, l->at - begin + 1);
    if (!out) return fm_program_no_memory(l->reading);
    for (size_t i = begin; i < l->at; i++) {
        char c = l->text[i];
        if (!printable(c)) return unprintable(l);
        if (c == '\\') {
            static const char from[] = "nt\\'\"", to[] = "\n\t\\'\"";
            const char *found = strchr(from, l->text[++i]);
            if (!found || !*found)
                return fm_program_wrong(l->reading, l->line, "what follows \\ is n, t, \\ or a quote");
            c = to[found - from];
        }
        out[n++] = c;
    }
    l->at++;
    add(l, (token){.kind = TOKEN_TEXT, .text = out, .n = n});
    return true;
}

static bool operator_or_bracket(lexer *l) {
    int best = -1;
    size_t length = 0;
    for (int s = 0; s < SIGNS; s++) {
        size_t n = strlen(signs[s]);
        if (n > length && n <= l->n - l->at && memcmp(signs[s], l->text + l->at, n) == 0) {
            best = s;
            length = n;
        }
    }
    char c = peek(l, 0);
    if (best < 0 && c == '/')
        return fm_program_wrong(l->reading, l->line, "there are no fractions: write // for whole division");
    if (best < 0 && printable(c)) return fm_program_wrong(l->reading, l->line, "'%c' has no meaning here", c);
    if (best < 0) return unprintable(l);
    l->at += length;
    if (best == SIGN_OPEN || best == SIGN_OPEN_LIST) l->brackets++;
    if ((best == SIGN_CLOSE || best == SIGN_CLOSE_LIST) && --l->brackets < 0)
        return fm_program_wrong(l->reading, l->line, "a bracket closes that was never opened");
    add(l, (token){.kind = TOKEN_SIGN, .sign = (uint8_t)best});
    return true;
}

/* A line's leading spaces: blocks that begin or end here. */
static bool indentation(lexer *l, int column) {
    if (column > l->indents[l->depth]) {
        if (l->depth == FM_PROGRAM_BLOCKS_MAX)
            return fm_program_wrong(l->reading, l->line, "more than %d blocks in blocks", FM_PROGRAM_BLOCKS_MAX);
        l->indents[++l->depth] = column;
        add(l, (token){.kind = TOKEN_INDENT});
        return true;
    }
    while (column < l->indents[l->depth]) {
        l->depth--;
        add(l, (token){.kind = TOKEN_DEDENT});
    }
    if (column != l->indents[l->depth])
        return fm_program_wrong(l->reading, l->line, "this line is not indented like any block it may be in");
    return true;
}

static bool comment(lexer *l) {
    for (; l->at < l->n && l->text[l->at] != '\n'; l->at++) {
        if (peek(l, 0) == '\r' && peek(l, 1) == '\n') return true;
        if (!printable(peek(l, 0)) && peek(l, 0) != '\t') return unprintable(l);
    }
    return true;
}

static void end_line(lexer *l) {
    if (!l->tokens.size) return;
    if (((const token *)(const void *)(l->tokens.data + l->tokens.size))[-1].kind != TOKEN_NEWLINE)
        add(l, (token){.kind = TOKEN_NEWLINE});
}

/* Spaces, comments and the ends of lines, also of lines with nothing else. */
static bool blank(lexer *l, bool *line_ended) {
    for (*line_ended = false;; l->at++) {
        if (peek(l, 0) == '#' && !comment(l)) return false;
        if (peek(l, 0) == '\r' && peek(l, 1) == '\n') l->at++;
        if (peek(l, 0) == '\n') {
            if (!l->brackets) end_line(l);
            *line_ended = true;
            l->line++;
        } else if (peek(l, 0) != ' ') {
            return true;
        }
    }
}

static bool one_token(lexer *l) {
    char c = peek(l, 0);
    if (is_digit(c)) return number(l);
    if (is_letter(c)) return name(l);
    if (c == '"' || c == '\'') return text(l);
    if (c == '\t') return fm_program_wrong(l->reading, l->line, "a tab: indent with spaces");
    return operator_or_bracket(l);
}

static bool all_tokens(lexer *l) {
    bool line_begins;
    for (bool first = true; blank(l, &line_begins); first = false) {
        if (l->at >= l->n) {
            if (l->brackets) return fm_program_wrong(l->reading, l->line, "a bracket is never closed");
            end_line(l);
            if (!indentation(l, 0)) return false;
            add(l, (token){.kind = TOKEN_END});
            return !l->tokens.failed || fm_program_no_memory(l->reading);
        }
        if ((line_begins || first) && !l->brackets) {
            size_t begin = l->at;
            while (begin > 0 && l->text[begin - 1] == ' ') begin--;
            if (!indentation(l, (int)(l->at - begin))) return false;
        }
        if (!one_token(l)) return false;
        if (l->tokens.failed) return fm_program_no_memory(l->reading);
    }
    return false;
}

static bool copy_out(lexer *l, lexed *out) {
    fm_arena *arena = l->reading->arena;
    out->count = l->tokens.size / sizeof(token);
    out->n_names = (int)(l->names.size / sizeof(name_entry));
    out->tokens = fm_arena_alloc(arena, l->tokens.size);
    out->names = fm_arena_alloc(arena, l->names.size + 1);
    if (!out->tokens || !out->names) return fm_program_no_memory(l->reading);
    memcpy(out->tokens, l->tokens.data, l->tokens.size);
    if (l->names.size) memcpy(out->names, l->names.data, l->names.size);
    return true;
}

bool fm_program_lex(reading *r, const char *text, size_t n, lexed *out) {
    if (n > FM_PROGRAM_TEXT_MAX)
        return fm_program_wrong(r, 1, "the program has more than %d bytes", FM_PROGRAM_TEXT_MAX);
    lexer l = {.reading = r, .text = text, .n = n, .line = 1, .table_size = 64};
    while (l.table_size < n) l.table_size *= 2;
    l.table = fm_alloc_array(l.table_size, sizeof *l.table, FM_MEM_OTHER);
    bool good = l.table ? all_tokens(&l) : fm_program_no_memory(r);
    good = good && copy_out(&l, out);
    fm_buffer_clear(&l.tokens);
    fm_buffer_clear(&l.names);
    fm_free(l.table);
    return good;
}

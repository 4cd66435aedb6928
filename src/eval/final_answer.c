#include "eval/final_answer.h"

#include "eval/number.h"

#include <string.h>

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
static bool is_wordy(char c) { return is_letter(c) || is_digit(c) || (unsigned char)c >= 0x80; }

static fm_span trim(fm_span t) {
    while (t.n > 0 && is_space(*t.s)) t.s++, t.n--;
    while (t.n > 0 && is_space(t.s[t.n - 1])) t.n--;
    return t;
}

static fm_span after(fm_span t, size_t n) { return (fm_span){t.s + n, t.n - n}; }

static bool begins(fm_span t, const char *word) {
    size_t n = strlen(word);
    return t.n >= n && memcmp(t.s, word, n) == 0;
}

static bool ends(fm_span t, const char *word) {
    size_t n = strlen(word);
    return t.n >= n && memcmp(t.s + t.n - n, word, n) == 0;
}

static bool begins_any_case(fm_span t, const char *word) {
    size_t n = strlen(word);
    if (t.n < n) return false;
    for (size_t i = 0; i < n; i++)
        if (lower(t.s[i]) != word[i]) return false;
    return true;
}

/* What follows the last `word` in t; t itself and false if there is none. */
static bool after_last(fm_span *t, const char *word) {
    size_t n = strlen(word);
    for (size_t i = t->n; i-- > 0;)
        if (begins(after(*t, i), word)) {
            *t = after(*t, i + n);
            return true;
        }
    return false;
}

/* Bytes from the opening brace at t.s[0] through its partner; 0: there is none. A brace behind a
 * backslash is a character. */
static size_t braced(fm_span t) {
    size_t depth = 0;
    for (size_t i = 0; i < t.n; i++) {
        if (t.s[i] == '\\') {
            i++;
            continue;
        }
        if (t.s[i] == '{') depth++;
        if (t.s[i] == '}' && --depth == 0) return i + 1;
        if (depth == 0) return 0;
    }
    return 0;
}

/* ---- extraction ---------------------------------------------------------------------------------- */

/* If t begins with \boxed{...}, what is inside. */
static bool boxed(fm_span t, fm_span *inside) {
    if (!begins(t, "\\boxed") && !begins(t, "\\fbox")) return false;
    t = after(t, begins(t, "\\fbox") ? 5 : 6);
    while (t.n > 0 && *t.s == ' ') t = after(t, 1);
    size_t n = t.n > 0 && *t.s == '{' ? braced(t) : 0;
    if (n == 0) return false;
    *inside = (fm_span){t.s + 1, n - 2};
    return true;
}

/* Backslashes are walked from the end; a text of many unclosed \boxed{ would cost its square, so only
 * the last few are tried. */
bool fm_answer_boxed(fm_span t, fm_span *inside) {
    int tries = 64;
    for (size_t i = t.n; i-- > 0 && tries > 0;) {
        fm_span at = after(t, i);
        if (*at.s != '\\' || (!begins(at, "\\boxed") && !begins(at, "\\fbox"))) continue;
        if (boxed(at, inside)) return true;
        tries--;
    }
    return false;
}

/* What the last </answer> closes. */
static bool tagged(fm_span t, fm_span *inside) {
    fm_span behind = t;
    if (!after_last(&behind, "</answer>")) return false;
    fm_span before = {t.s, (size_t)(behind.s - t.s) - strlen("</answer>")};
    *inside = before;
    return after_last(inside, "<answer>");
}

/* Up to the end of the line, or a period that ends a sentence. */
static fm_span sentence(fm_span t) {
    for (size_t i = 0; i < t.n; i++) {
        if (t.s[i] == '\n') return (fm_span){t.s, i};
        if (t.s[i] == '.' && (i + 1 == t.n || is_space(t.s[i + 1]))) return (fm_span){t.s, i};
    }
    return t;
}

static bool announced(fm_span t, fm_span *out) {
    static const char *const words[] = {"answer is", "answer:", "answer**:", "####"};
    for (size_t i = t.n; i-- > 0;)
        for (size_t w = 0; w < FM_COUNT(words); w++) {
            fm_span at = after(t, i);
            if (!begins_any_case(at, words[w])) continue;
            at = after(at, strlen(words[w]));
            while (at.n > 0 && (is_space(*at.s) || *at.s == ':' || *at.s == '*')) at = after(at, 1);
            *out = trim(sentence(at));
            if (out->n > 0) return true;
        }
    return false;
}

static fm_span last_line(fm_span t) {
    t = trim(t);
    size_t begin = t.n;
    while (begin > 0 && t.s[begin - 1] != '\n') begin--;
    return trim(after(t, begin));
}

fm_span fm_answer_extract(const char *reply, size_t n, bool numeric, bool *marked) {
    fm_span t = {reply, n}, out, inside, thought = t;
    size_t begin, length;
    bool ignored;
    if (!marked) marked = &ignored;
    *marked = false;
    if (!after_last(&t, "</think>") && after_last(&thought, "<think>")) return (fm_span){reply + n, 0};
    *marked = true;
    if (tagged(t, &out)) return trim(fm_answer_boxed(out, &inside) ? inside : out);
    if (fm_answer_boxed(t, &out)) return trim(out);
    if (announced(t, &out)) {
        if (numeric && fm_number_find(out.s, out.n, false, &begin, &length))
            return (fm_span){out.s + begin, length};
        return out;
    }
    *marked = false;
    if (numeric && fm_number_find(t.s, t.n, true, &begin, &length))
        return (fm_span){t.s + begin, length};
    return last_line(t);
}

fm_span fm_answer_expected(const char *text, size_t n) {
    fm_span t = {text, n};
    after_last(&t, "####");
    return trim(t);
}

/* ---- normalising --------------------------------------------------------------------------------- */

static const char *const wrappers[] = {"\\boxed", "\\fbox", "\\text", "\\textbf", "\\mathrm",
                                       "\\mathbf", "\\mbox"};

/* \text{...} around all of it, or false. */
static bool unwrap_command(fm_span *t) {
    for (size_t i = 0; i < FM_COUNT(wrappers); i++) {
        size_t n = strlen(wrappers[i]);
        if (!begins(*t, wrappers[i]) || t->n <= n || t->s[n] != '{') continue;
        if (braced(after(*t, n)) != t->n - n) continue;
        *t = (fm_span){t->s + n + 1, t->n - n - 2};
        return true;
    }
    return false;
}

/* A pair of marks around all of it, neither of them inside. */
static bool unwrap_pair(fm_span *t) {
    static const char *const pairs[][2] = {{"$$", "$$"}, {"$", "$"}, {"\\(", "\\)"}, {"\\[", "\\]"},
                                           {"**", "**"}, {"*", "*"}, {"`", "`"},     {"\"", "\""}};
    for (size_t i = 0; i < FM_COUNT(pairs); i++) {
        size_t a = strlen(pairs[i][0]), b = strlen(pairs[i][1]);
        if (t->n < a + b || !begins(*t, pairs[i][0]) || !ends(*t, pairs[i][1])) continue;
        fm_span inside = {t->s + a, t->n - a - b}, rest = inside;
        if (after_last(&rest, pairs[i][1])) continue;
        *t = inside;
        return true;
    }
    return false;
}

/* A unit at the end, as in 12\text{ cm}: the command's first byte, or t.n. */
static size_t unit_begins(fm_span t) {
    if (t.n == 0 || t.s[t.n - 1] != '}') return t.n;
    size_t open = t.n;
    while (open > 0 && t.s[open - 1] != '{') open--;
    if (open == 0 || braced(after(t, open - 1)) != t.n - open + 1) return t.n;
    fm_span head = trim((fm_span){t.s, open - 1});
    static const char *const units[] = {"\\text", "\\mathrm", "\\mbox"};
    for (size_t i = 0; i < FM_COUNT(units); i++)
        if (ends(head, units[i]) && head.n > strlen(units[i])) return head.n - strlen(units[i]);
    return t.n;
}

/* A few layers: nobody wraps an answer in more, and each costs a walk over all of it. */
static fm_span peel(fm_span t) {
    size_t before = t.n + 1;
    for (int layer = 0; layer < 12 && t.n < before; layer++) {
        before = t.n;
        t = trim(t);
        while (t.n > 1 && (t.s[t.n - 1] == '.' || t.s[t.n - 1] == ',') && t.s[t.n - 2] != '\\') t.n--;
        if (unwrap_pair(&t) || unwrap_command(&t)) continue;
        t.n = unit_begins(t);
        /* "x = 5"; an equation with more in front stays one */
        fm_span rest = t.n > 1 && is_letter(*t.s) ? trim(after(t, 1)) : (fm_span){t.s, 0};
        if (rest.n > 1 && *rest.s == '=') t = trim(after(rest, 1));
    }
    return t;
}

/* What TeX writes and nobody means: bytes to leave out at t.s, and what to write instead. */
static size_t rewrite(fm_span t, const char **instead) {
    static const struct {
        const char *from, *to;
    } rules[] = {{"\\left", ""},      {"\\right", ""},   {"\\displaystyle", ""}, {"\\dfrac", "\\frac"},
                 {"\\tfrac", "\\frac"}, {"\\!", ""},     {"\\,", " "},           {"\\;", " "},
                 {"\\:", " "},        {"\\ ", " "},      {"~", " "},             {"^\\circ", ""},
                 {"^{\\circ}", ""},   {"\\degree", ""},  {"\xC2\xB0", ""},       {"\xE2\x88\x92", "-"},
                 {"\xC2\xA0", " "}};
    for (size_t i = 0; i < FM_COUNT(rules); i++) {
        size_t n = strlen(rules[i].from);
        if (!begins(t, rules[i].from)) continue;
        bool word = is_letter(rules[i].from[n - 1]); /* \leftarrow is not \left */
        if (word && t.n > n && is_letter(t.s[n])) continue;
        *instead = rules[i].to;
        return n;
    }
    return 0;
}

static void put_character(fm_buffer *out, size_t begin, char c) {
    bool first = out->size == begin;
    char last = first || out->failed ? 0 : out->data[out->size - 1];
    if (is_space(c)) {
        if (!first && last != ' ') fm_buffer_put(out, " ", 1);
        return;
    }
    /* a space stays between words only */
    if (last == ' ' && out->size - begin >= 2 && !(is_wordy(c) && is_wordy(out->data[out->size - 2])))
        out->size--;
    fm_buffer_put(out, &c, 1);
}

void fm_answer_normalize(fm_buffer *out, const char *text, size_t n) {
    fm_span t = peel((fm_span){text, n});
    size_t begin = out->size;
    while (t.n > 0) {
        const char *instead = NULL;
        size_t used = rewrite(t, &instead);
        for (; used > 0 && *instead; instead++) put_character(out, begin, *instead);
        if (used == 0) put_character(out, begin, *t.s);
        t = after(t, used > 0 ? used : 1);
    }
    if (!out->failed && out->size > begin && out->data[out->size - 1] == ' ') out->size--;
}

bool fm_answer_is_number(fm_span text) {
    fm_buffer b = {0};
    fm_number ignored;
    fm_answer_normalize(&b, text.s, text.n);
    bool number = !b.failed && fm_number_parse(b.data, b.size, &ignored);
    fm_buffer_clear(&b);
    return number;
}

bool fm_answer_equal(fm_span a, fm_span b, bool *failed) {
    fm_buffer x = {0}, y = {0};
    fm_number p, q;
    fm_answer_normalize(&x, a.s, a.n);
    fm_answer_normalize(&y, b.s, b.n);
    bool equal = false;
    if (x.failed || y.failed)
        *failed = true;
    else if (fm_number_parse(x.data, x.size, &p) && fm_number_parse(y.data, y.size, &q))
        equal = fm_number_equal(&p, &q);
    else
        equal = x.size == y.size && (x.size == 0 || memcmp(x.data, y.data, x.size) == 0);
    fm_buffer_clear(&x);
    fm_buffer_clear(&y);
    return equal;
}

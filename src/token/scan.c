#include "token/scan.h"

#include "token/scan_text.h"

enum {
    L = FM_CHAR_LETTER, M = FM_CHAR_MARK, N = FM_CHAR_NUMBER, P = FM_CHAR_PUNCT,
    S = FM_CHAR_SYMBOL, SPACE = FM_CHAR_SPACE, NEWLINE = FM_CHAR_NEWLINE, CJK = FM_CHAR_CJK,
};

/* The end of the run of characters that have one of the classes. */
static inline size_t run(const text *t, size_t at, unsigned any) {
    while (at < t->n) {
        size_t next;
        if (!(class_at(t, at, &next) & any)) break;
        at = next;
    }
    return at;
}

/* ... that have none of the classes. */
static inline size_t run_without(const text *t, size_t at, unsigned none) {
    while (at < t->n) {
        size_t next;
        if (class_at(t, at, &next) & none) break;
        at = next;
    }
    return at;
}

static inline size_t run_newlines(const text *t, size_t at) {
    while (at < t->n && (t->s[at] == '\r' || t->s[at] == '\n')) at++;
    return at;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ on text that starts with white space: up to the last line end of the
 * run; or the whole run at the end of the text, and all but its last character before a word.
 * Characters of class `stop` end the text. Without `newlines`, the first alternative is missing. */
static inline size_t scan_space(const text *t, unsigned stop, bool newlines) {
    size_t at = 0, last = 0, line = 0;
    bool more = false;
    while (at < t->n) {
        size_t next;
        unsigned c = class_at(t, at, &next);
        more = !(c & SPACE) && !(c & stop);
        if (!(c & SPACE)) break;
        last = at;
        at = next;
        if (c & NEWLINE) line = at;
    }
    if (newlines && line) return line;
    return more && last > 0 ? last : at;
}

/* 's|'t|'re|'ve|'m|'ll|'d: bytes of the contraction at the start of the text, or 0. With `fold`
 * in any case, where U+017F (long s, C5 BF) is an s too. */
static inline size_t contraction(const text *t, bool fold) {
    if (t->n < 2 || t->s[0] != '\'') return 0;
    unsigned a = t->s[1], b = t->n > 2 ? t->s[2] : 0;
    if (fold) {
        if (a == 0xC5 && b == 0xBF) return 3;
        if (a < 0x80) a |= 0x20;
        if (b < 0x80) b |= 0x20;
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    return ((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static inline size_t scan_gpt2(const text *t, unsigned stop) {
    size_t end = contraction(t, false);
    if (end) return end;
    size_t start = t->s[0] == ' ' ? 1 : 0, next;
    if (start == t->n) return start;
    unsigned c = class_at(t, start, &next);
    if (c & stop) return start; /* a lone space, since the caller has dealt with a stop in front */
    if (c & L) return run(t, next, L);
    if (c & N) return run(t, next, N);
    if (!(c & SPACE)) return run_without(t, next, SPACE | L | N);
    return scan_space(t, stop, false);
}

size_t fm_scan_gpt2(const uint8_t *classes, const unsigned char *s, size_t n) {
    return scan_gpt2(&(text){classes, s, n}, 0);
}

/* Every \p{N} alone, then GPT-2's pattern between them. */
size_t fm_scan_smollm(const uint8_t *classes, const unsigned char *s, size_t n) {
    text t = {classes, s, n};
    size_t next;
    if (class_at(&t, 0, &next) & N) return next;
    return scan_gpt2(&t, N);
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*
 * |\s*[\r\n]+|\s+(?!\S)|\s+          with at most `digits` numbers in the third alternative */
static inline size_t scan_llama3(const text *t, int digits) {
    size_t end = contraction(t, true), next, after = 0;
    if (end) return end;
    unsigned c = class_at(t, 0, &next);
    if (c & L) return run(t, next, L);
    if (c & N) {
        for (; --digits > 0 && next < t->n && (class_at(t, next, &after) & N);) next = after;
        return next;
    }
    unsigned d = next < t->n ? class_at(t, next, &after) : SPACE;
    if (!(c & NEWLINE) && (d & L)) return run(t, after, L);
    if (!(c & SPACE)) return run_newlines(t, run_without(t, next, SPACE | L | N));
    if (t->s[0] == ' ' && !(d & (SPACE | L | N)))
        return run_newlines(t, run_without(t, after, SPACE | L | N));
    return scan_space(t, 0, true);
}

size_t fm_scan_llama3(const uint8_t *classes, const unsigned char *s, size_t n) {
    return scan_llama3(&(text){classes, s, n}, 3);
}

size_t fm_scan_qwen2(const uint8_t *classes, const unsigned char *s, size_t n) {
    return scan_llama3(&(text){classes, s, n}, 1);
}

static inline bool is_ascii_letter(unsigned c) { return (c | 0x20) - 'a' < 26; }

/* DeepSeek-V3 cuts \p{N}{1,3} out first, then [CJK]+, and applies its third pattern to every piece:
 * to a run of CJK, which may hold punctuation and marks, and to what lies between. So the text of
 * the third pattern ends where CJK begins or ends, and at numbers. `inside` is FM_CHAR_CJK in a run
 * of CJK, else 0. */
static inline bool v3_stops(unsigned c, unsigned inside) { return (c ^ inside) & (N | CJK); }

static inline size_t v3_run(const text *t, size_t at, unsigned any, unsigned inside) {
    while (at < t->n) {
        size_t next;
        unsigned c = class_at(t, at, &next);
        if (!(c & any) || v3_stops(c, inside)) break;
        at = next;
    }
    return at;
}

/* [!-/:-@[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*
 * |\s*[\r\n]+|\s+(?!\S)|\s+
 * Returns 0 where no alternative matches (control and unassigned characters). */
static inline size_t v3_word(const text *t, unsigned inside) {
    size_t next, after = 0;
    unsigned c = class_at(t, 0, &next), d = 0;
    if (next < t->n) d = class_at(t, next, &after);
    if (v3_stops(d, inside)) d = 0;
    if (c & (L | M)) return v3_run(t, next, L | M, inside);
    if ((c & (P | S)) && t->s[0] < 0x80 && next < t->n && is_ascii_letter(t->s[1])) {
        while (next < t->n && is_ascii_letter(t->s[next])) next++;
        return next;
    }
    if (c & (P | S)) {
        next = v3_run(t, next, P | S, inside);
        return inside ? next : run_newlines(t, next);
    }
    if (!(c & NEWLINE) && (d & (L | M))) return v3_run(t, after, L | M, inside);
    if (t->s[0] == ' ' && (d & (P | S))) return run_newlines(t, v3_run(t, after, P | S, inside));
    return c & SPACE ? scan_space(t, N | CJK, true) : 0;
}

size_t fm_scan_deepseek_v3(const uint8_t *classes, const unsigned char *s, size_t n) {
    text t = {classes, s, n};
    size_t next, after;
    unsigned c = class_at(&t, 0, &next);
    if (c & N) {
        for (int i = 1; i < 3 && next < n && (class_at(&t, next, &after) & N); i++) next = after;
        return next;
    }
    unsigned inside = c & CJK;
    size_t end = v3_word(&t, inside);
    /* What matches nothing, up to the next match or the end of this text, is a piece as well. */
    for (size_t at = next; !end; at = next)
        if (at == n || v3_stops(class_at(&t, at, &next), inside) ||
            v3_word(&(text){classes, s + at, n - at}, inside))
            end = at;
    return end;
}

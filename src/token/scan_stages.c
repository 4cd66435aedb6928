/* scan_stages.c: the six stages of DeepSeek-LLM (and V2), the five of DeepSeek-Coder, in one pass.
 *
 *     [\r\n]    \s?[letters]+    \s?[punctuation]+    \s+$ (not Coder)    [CJK]+    \p{N}
 *
 * Every stage cuts the pieces of the one before at both ends of its matches, so a word ends at the
 * first place where any stage cuts. Whether one does is seen in the characters beside the place,
 * and for white space in its run: no stage needs to know how its match began, since what a match
 * takes is all there is of its class, and the one space in front of that. The sets may overlap:
 * LLM's punctuation holds the ASCII letters, its CJK holds some spaces and numbers, and U+3000 is
 * white space and punctuation. */
#include "token/scan.h"

#include "token/scan_text.h"

enum {
    L = FM_CHAR_LETTER, N = FM_CHAR_NUMBER, P = FM_CHAR_PUNCT, SPACE = FM_CHAR_SPACE,
    NEWLINE = FM_CHAR_NEWLINE, CJK = FM_CHAR_CJK,
};

/* As class_at; at the end of the text a line end, which cuts as the end does. */
static inline unsigned class_or_end(const text *t, size_t at, size_t *next) {
    *next = at + 1;
    return at < t->n ? class_at(t, at, next) : NEWLINE;
}

/* Do the letters' stage or the one before it cut between two characters? `after` follows them. */
static inline bool letters_cut(unsigned before, unsigned c, unsigned after) {
    if ((before | c) & NEWLINE) return true;
    if (before & L) return !(c & L);
    if (c & L) return !(before & SPACE);
    return (c & SPACE) && (after & L);
}

/* ... or the punctuation's? `beyond` follows `after`. */
static inline bool first_stages_cut(unsigned before, unsigned c, unsigned after, unsigned beyond) {
    if (letters_cut(before, c, after)) return true;
    if (before & P) return !(c & P);
    if (c & P) return !(before & SPACE);
    return (c & SPACE) && (after & P) && !letters_cut(c, after, beyond);
}

/* Whether white space that begins with `c`, right before `at`, behind something else, goes on to the
 * end of its piece. */
static bool ends_piece(const text *t, unsigned c, size_t at) {
    size_t next, beyond_at, end;
    unsigned after = class_or_end(t, at, &next), beyond = class_or_end(t, next, &beyond_at);
    for (;;) {
        unsigned last = class_or_end(t, beyond_at, &end);
        if (first_stages_cut(c, after, beyond, last)) return true;
        if (!(after & SPACE)) return false;
        c = after, after = beyond, beyond = last;
        beyond_at = end;
    }
}

static inline size_t scan_stages(const text *t, bool trailing_space) {
    size_t at, next, beyond_at, end;
    unsigned before = class_or_end(t, 0, &at), c = class_or_end(t, at, &next);
    unsigned after = class_or_end(t, next, &beyond_at);
    for (;;) {
        unsigned beyond = class_or_end(t, beyond_at, &end);
        if (first_stages_cut(before, c, after, beyond)) return at;
        if ((before ^ c) & CJK || (before | c) & N) return at;
        if (trailing_space && (c & SPACE) && !(before & SPACE) && ends_piece(t, c, next)) return at;
        before = c, c = after, after = beyond;
        at = next, next = beyond_at, beyond_at = end;
    }
}

size_t fm_scan_deepseek_llm(const uint8_t *classes, const unsigned char *s, size_t n) {
    return scan_stages(&(text){classes, s, n}, true);
}

size_t fm_scan_deepseek_coder(const uint8_t *classes, const unsigned char *s, size_t n) {
    return scan_stages(&(text){classes, s, n}, false);
}

#include "rl/maths/final.h"

#include <stdbool.h>
#include <string.h>

typedef struct piece {
    const char *s;
    size_t n;
} piece;

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static piece trim(piece t) {
    while (t.n > 0 && is_space(*t.s)) t.s++, t.n--;
    while (t.n > 0 && is_space(t.s[t.n - 1])) t.n--;
    return t;
}

/* How often `word` occurs, two at most; *first and *last are its places in t. */
static int count(piece t, const char *word, size_t *first, size_t *last) {
    size_t n = strlen(word);
    int found = 0;
    for (size_t i = 0; i + n <= t.n && found < 2; i++) {
        const char *at = memchr(t.s + i, *word, t.n - n - i + 1);
        if (!at) break;
        i = (size_t)(at - t.s);
        if (memcmp(at, word, n) != 0) continue;
        if (found++ == 0) *first = i;
        *last = i;
    }
    return found;
}

/* Behind the thought, if there is one. */
static fm_final behind_thought(piece *t) {
    size_t open = 0, close = 0, last;
    int opened = count(*t, "<think>", &open, &last), closed = count(*t, "</think>", &close, &last);
    if (opened > 1 || closed > 1) return FM_FINAL_THOUGHTS;
    if (opened && !closed) return FM_FINAL_THINKING;
    if (opened && close < open) return FM_FINAL_THOUGHTS;
    if (closed) t->s += close + 8, t->n -= close + 8;
    return FM_FINAL_FOUND;
}

/* From the opening brace at t.s[0] to its partner, both left out; a brace behind a backslash is a
 * character. */
static bool braced(piece t, piece *inside) {
    size_t depth = 0;
    for (size_t i = 0; i < t.n; i++) {
        if (t.s[i] == '\\')
            i++;
        else if (t.s[i] == '{')
            depth++;
        else if (t.s[i] == '}' && --depth == 0) {
            *inside = (piece){t.s + 1, i - 1};
            return true;
        }
    }
    return false;
}

/* The one box of t; *whole says whether nothing but white space is around it. */
static fm_final box(piece t, piece *inside, bool *whole) {
    size_t a = 0, b = 0, last;
    int boxes = count(t, "\\boxed", &a, &last), frames = count(t, "\\fbox", &b, &last);
    if (boxes + frames == 0) return FM_FINAL_NONE;
    if (boxes + frames > 1) return FM_FINAL_SEVERAL;
    size_t begin = boxes ? a : b, brace = begin + (boxes ? 6 : 5);
    while (brace < t.n && is_space(t.s[brace])) brace++;
    if (brace == t.n || t.s[brace] != '{') return FM_FINAL_UNCLOSED;
    if (!braced((piece){t.s + brace, t.n - brace}, inside)) return FM_FINAL_UNCLOSED;
    size_t end = (size_t)(inside->s - t.s) + inside->n + 1;
    *whole = trim((piece){t.s, begin}).n == 0 && trim((piece){t.s + end, t.n - end}).n == 0;
    return FM_FINAL_FOUND;
}

static fm_final tagged(piece t, piece *inside) {
    size_t open = 0, close = 0, last;
    int opened = count(t, "<answer>", &open, &last), closed = count(t, "</answer>", &close, &last);
    if (opened + closed == 0) return FM_FINAL_NONE;
    if (opened > 1 || closed > 1) return FM_FINAL_SEVERAL;
    if (opened != closed || close < open) return FM_FINAL_UNCLOSED;
    if (trim((piece){t.s + close + 9, t.n - close - 9}).n > 0) return FM_FINAL_TEXT_AFTER;
    *inside = trim((piece){t.s + open + 8, close - open - 8});
    piece boxed = {0};
    bool whole = false;
    fm_final found = box(*inside, &boxed, &whole);
    if (found == FM_FINAL_SEVERAL || found == FM_FINAL_UNCLOSED) return found;
    if (found == FM_FINAL_FOUND && whole) *inside = boxed;
    return FM_FINAL_FOUND;
}

fm_final fm_final_answer(const char *reply, size_t n, const char **answer, size_t *answer_n) {
    piece t = {reply, n}, inside = {0};
    bool whole;
    *answer = reply, *answer_n = 0;
    fm_final found = behind_thought(&t);
    if (found != FM_FINAL_FOUND) return found;
    found = tagged(t, &inside);
    if (found == FM_FINAL_NONE) found = box(t, &inside, &whole);
    if (found != FM_FINAL_FOUND) return found;
    inside = trim(inside);
    if (inside.n == 0) return FM_FINAL_EMPTY;
    if (inside.n > FM_FINAL_MAX) return FM_FINAL_TOO_LONG;
    *answer = inside.s, *answer_n = inside.n;
    return FM_FINAL_FOUND;
}

const char *fm_final_reason(fm_final found) {
    static const char *const reasons[] = {
        [FM_FINAL_FOUND] = "there is one answer",
        [FM_FINAL_NONE] = "there is no answer",
        [FM_FINAL_SEVERAL] = "there are several answers",
        [FM_FINAL_UNCLOSED] = "the answer is not closed",
        [FM_FINAL_EMPTY] = "the answer is empty",
        [FM_FINAL_TOO_LONG] = "the answer is too long",
        [FM_FINAL_TEXT_AFTER] = "text follows the answer",
        [FM_FINAL_THINKING] = "the thought does not end",
        [FM_FINAL_THOUGHTS] = "there are several thoughts",
    };
    return reasons[found];
}

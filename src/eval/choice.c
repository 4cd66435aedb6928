#include "eval/choice.h"

#include "eval/final_answer.h"

#include <string.h>

enum { LONGEST = 4096 };

static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

static bool is_wordy(char c) {
    return is_lower(c) || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

static bool stands_alone(fm_span t, size_t i) {
    if (i > 0 && (is_wordy(t.s[i - 1]) || t.s[i - 1] == '\'' || t.s[i - 1] == '\\')) return false;
    if (i + 1 == t.n) return true;
    char next = t.s[i + 1];
    if (is_wordy(next) || next == '\'') return false;
    if ((t.s[i] != 'A' && t.s[i] != 'I') || next != ' ' || i + 2 >= t.n || !is_wordy(t.s[i + 2])) return true;
    const char *rest = t.s + i + 2; /* "A dog", but "A or B" */
    size_t n = t.n - i - 2;
    return (n > 2 && memcmp(rest, "or ", 3) == 0) || (n > 3 && memcmp(rest, "and ", 4) == 0);
}

static int64_t by_text(const fm_eval_item *item, fm_span answer, bool *failed) {
    int64_t found = -1;
    for (size_t i = 0; i < item->n_choices; i++) {
        fm_span choice = {item->choices[i], strlen(item->choices[i])};
        if (!fm_answer_equal(answer, choice, failed)) continue;
        if (found >= 0) return -1;
        found = (int64_t)i;
    }
    return found;
}

/* The letter that stands alone, if all that do are the same. */
static int64_t by_letter(const fm_eval_item *item, fm_span answer) {
    int64_t letter = -1, n = (int64_t)item->n_choices;
    for (size_t i = 0; i < answer.n; i++) {
        int64_t at = answer.s[i] - 'A';
        if (at < 0 || at >= n || !stands_alone(answer, i)) continue;
        if (letter >= 0 && letter != at) return -1;
        letter = at;
    }
    return letter;
}

int64_t fm_choice_of(const fm_eval_item *item, fm_span answer, bool *failed) {
    if (answer.n == 0 || answer.n > LONGEST) return -1;
    /* "vitamin C" is a text first; a letter and nothing else is a letter, whatever the texts are */
    int64_t at = answer.n > 1 ? by_text(item, answer, failed) : -1;
    if (at < 0) at = by_letter(item, answer);
    return at >= 0 || answer.n > 1 ? at : by_text(item, answer, failed);
}

/* strings.c: work on words letter by letter: turned round, shifted, cut, put together, step after step. */
#include "rl/task/task.h"
#include "rl/task/word_list.h"

#include <inttypes.h>
#include <string.h>

enum { TEXT_MAX = 40, STEPS_MAX = 4 };

/* What is done in a step; `by` is a number, or a letter and what it becomes. */
enum {
    REVERSE, UPPER, NO_VOWELS, ROTATE_LEFT, ROTATE_RIGHT, SHIFT, EVERY_SECOND, REPLACE, DOUBLE, SORT_LETTERS, FIRST,
    LAST, REMOVE, ACTIONS
};

typedef struct strings {
    char text[TEXT_MAX];               /* a word of small letters */
    int64_t steps[2 * STEPS_MAX], n;   /* an action and its `by`, one after the other */
} strings;

static const fm_fact facts[] = {
    FM_FACT_TEXT_OF(strings, text),
    FM_FACT_INTEGERS_OF(strings, steps, n, 0, 26 * 26),
};

static const char *const bands[] = {
    "one step on a word of 3 to 6 letters", "one step on a word of 5 to 10 letters", "two steps", "three steps",
    "four steps on random letters"};

static const char *const phrasings[] = {
    "Take the text \"{text}\" and {steps}. What is the result?",
    "\"{text}\": {steps}. Write the result.",
    "Start with \"{text}\". Now {steps}. What do you get?",
    "What comes out when you take \"{text}\" and {steps}?",
    "Here is \"{text}\". If you {steps}, what is left at the end?",
    "Begin: \"{text}\". Do this: {steps}. Give the final text.",
};

/* '#' stands for the number, '%' for the letter, '@' for the letter that REPLACE looks for. */
static const char *const descriptions[ACTIONS] = {
    [REVERSE] = "reverse it",
    [UPPER] = "write it in capital letters",
    [NO_VOWELS] = "remove all vowels (a, e, i, o, u)",
    [ROTATE_LEFT] = "move the first # letters to the end",
    [ROTATE_RIGHT] = "move the last # letters to the front",
    [SHIFT] = "replace each letter by the one # further on in the alphabet, where a follows z",
    [EVERY_SECOND] = "keep only every second letter, beginning with the first",
    [REPLACE] = "replace every @ by %",
    [DOUBLE] = "write each letter twice",
    [SORT_LETTERS] = "put its letters in alphabetical order",
    [FIRST] = "keep only the first # letters",
    [LAST] = "keep only the last # letters",
    [REMOVE] = "remove every %",
};

/* ---- the steps ----------------------------------------------------------------------------------- */

static bool capital(char c) { return c >= 'A' && c <= 'Z'; }
static char small(char c) { return capital(c) ? (char)(c - 'A' + 'a') : c; }
/* `letter` in the case that `like` has */
static char cased(char letter, char like) { return capital(like) ? (char)(letter - 'a' + 'A') : letter; }

static size_t keep_if_not(char *s, size_t n, const char *unwanted) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!strchr(unwanted, small(s[i]))) s[kept++] = s[i];
    return kept;
}

static void turn(char *s, size_t n) {
    for (size_t i = 0; i + 1 < n; i++) {
        char c = s[i];
        s[i] = s[--n];
        s[n] = c;
    }
}

/* Three turns move the first k letters behind the others. */
static void rotate(char *s, size_t n, size_t k) {
    turn(s, k);
    turn(s + k, n - k);
    turn(s, n);
}

static void sort_letters(char *s, size_t n) {
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && small(s[j - 1]) > small(s[j]); j--) {
            char c = s[j];
            s[j] = s[j - 1];
            s[j - 1] = c;
        }
}

/* One letter after the other. */
static void each_letter(int64_t action, int64_t by, char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char c = small(s[i]);
        if (action == UPPER) s[i] = (char)(c - 'a' + 'A');
        if (action == SHIFT) s[i] = cased((char)('a' + (c - 'a' + by) % 26), s[i]);
        if (action == REPLACE && c == 'a' + by / 26) s[i] = cased((char)('a' + by % 26), s[i]);
    }
}

/* s has room for 2 * n letters and a zero. */
static void act(int64_t action, int64_t by, char *s) {
    size_t n = strlen(s), k = (size_t)by < n ? (size_t)by : n;
    char one[2] = {(char)('a' + by % 26), 0};
    switch (action) {
    case REVERSE: turn(s, n); break;
    case NO_VOWELS: n = keep_if_not(s, n, "aeiou"); break;
    case REMOVE: n = keep_if_not(s, n, one); break;
    case ROTATE_LEFT: rotate(s, n, k); break;
    case ROTATE_RIGHT: rotate(s, n, n - k); break;
    case EVERY_SECOND:
        for (size_t i = 1; 2 * i < n; i++) s[i] = s[2 * i];
        n = (n + 1) / 2;
        break;
    case DOUBLE:
        for (size_t i = n; i-- > 0;) s[2 * i] = s[2 * i + 1] = s[i];
        n *= 2;
        break;
    case SORT_LETTERS: sort_letters(s, n); break;
    case FIRST: n = k; break;
    case LAST:
        memmove(s, s + n - k, k);
        n = k;
        break;
    default: each_letter(action, by, s, n);
    }
    s[n] = 0;
}

enum { RESULT_MAX = TEXT_MAX << STEPS_MAX };

static void put_step(int64_t action, int64_t by, fm_buffer *out) {
    for (const char *c = descriptions[action]; *c; c++) {
        if (*c == '#') fm_buffer_format(out, "%" PRId64, by);
        else if (*c == '@') fm_buffer_format(out, "%c", (char)('a' + by / 26));
        else if (*c == '%') fm_buffer_format(out, "%c", (char)('a' + by % 26));
        else fm_buffer_put(out, c, 1);
    }
}

/* ---- the kind ------------------------------------------------------------------------------------ */

/* One try at a step that changes this text and leaves something of it. */
static bool try_step(fm_dice *d, const char *before, int64_t *step) {
    char text[RESULT_MAX];
    int64_t n = (int64_t)strlen(before);
    step[0] = fm_dice_between(d, 0, ACTIONS - 1);
    step[1] = 0;
    const char *description = descriptions[step[0]];
    if (strchr(description, '%')) step[1] = small(before[fm_dice_between(d, 0, n - 1)]) - 'a';
    if (strchr(description, '@')) step[1] = step[1] * 26 + fm_dice_between(d, 0, 25);
    if (strchr(description, '#')) step[1] = step[0] == SHIFT ? fm_dice_between(d, 1, 3) : fm_dice_between(d, 2, n);
    strcpy(text, before);
    act(step[0], step[1], text);
    return strlen(text) >= 2 && strlen(text) <= 20 && strcmp(text, before) != 0;
}

/* `last` is the action before, which is not done again at once. */
static bool throw_step(fm_dice *d, const char *before, int64_t last, int64_t *step) {
    for (int tries = 0; tries < 50; tries++)
        if (try_step(d, before, step) && step[0] != last) return true;
    return false;
}

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    static const struct {
        int least, most, steps;
    } levels[] = {{3, 6, 1}, {5, 10, 1}, {4, 10, 2}, {5, 10, 3}, {6, 12, 4}};
    strings *s = out;
    (void)phrasing;
    char text[RESULT_MAX];
    if (band < 4) {
        strcpy(s->text, fm_task_word(d, levels[band].least, levels[band].most));
    } else {
        int64_t n = fm_dice_between(d, levels[band].least, levels[band].most);
        for (int64_t i = 0; i < n; i++) s->text[i] = (char)('a' + fm_dice_between(d, 0, 25));
    }
    strcpy(text, s->text);
    for (int i = 0; i < levels[band].steps; i++) {
        int64_t *step = s->steps + 2 * i;
        if (!throw_step(d, text, i > 0 ? step[-2] : -1, step)) return false;
        act(step[0], step[1], text);
    }
    s->n = 2 * levels[band].steps;
    return true;
}

static fm_status valid(const void *p, fm_error *err) {
    const strings *s = p;
    if (!s->text[0] || strspn(s->text, "abcdefghijklmnopqrstuvwxyz") != strlen(s->text))
        return fm_fail(err, FM_ERR_FORMAT, "\"text\" has one or more small letters and nothing else");
    if (s->n < 2 || s->n % 2)
        return fm_fail(err, FM_ERR_FORMAT, "\"steps\" has pairs: an action and its number");
    for (int64_t i = 0; i < s->n; i += 2) {
        int64_t action = s->steps[i], by = s->steps[i + 1];
        if (action >= ACTIONS) return fm_fail(err, FM_ERR_FORMAT, "\"steps\" has actions from 0 to %d", ACTIONS - 1);
        bool plain = !strpbrk(descriptions[action], "#@%");
        if (by >= (plain ? 1 : action == REPLACE ? 26 * 26 : 26))
            return fm_fail(err, FM_ERR_FORMAT, "an action in \"steps\" goes by a number that is too large");
    }
    return FM_OK;
}

static bool slot(const void *p, const char *name, fm_buffer *out) {
    const strings *s = p;
    if (strcmp(name, "steps")) return false;
    for (int64_t i = 0; i < s->n; i += 2) {
        if (i > 0) fm_buffer_text(out, i + 2 == s->n ? ", and then " : ", then ");
        put_step(s->steps[i], s->steps[i + 1], out);
    }
    return true;
}

static void key(const void *p, fm_buffer *out) {
    const strings *s = p;
    fm_buffer_text(out, s->text);
    for (int64_t i = 0; i < s->n; i += 2) fm_buffer_format(out, ",%" PRId64 " %" PRId64, s->steps[i], s->steps[i + 1]);
}

static void put_letters(const char *s, fm_buffer *out) {
    for (size_t i = 0; s[i]; i++) fm_buffer_format(out, i ? " %c" : "%c", s[i]);
}

/* Each step on the letters, one by one. */
static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const strings *s = p;
    char text[RESULT_MAX];
    strcpy(text, s->text);
    fm_buffer_text(working, "Letters: ");
    put_letters(text, working);
    for (int64_t i = 0; i < s->n; i += 2) {
        act(s->steps[i], s->steps[i + 1], text);
        fm_buffer_text(working, "\n");
        put_step(s->steps[i], s->steps[i + 1], working);
        fm_buffer_text(working, ": ");
        put_letters(text, working);
    }
    fm_buffer_format(working, "\nTogether: %s\n", text);
    fm_buffer_text(answer, text);
}

/* The very letters, in quotes or not; capitals count. */
static fm_verdict check(const void *p, const char *answer, size_t size) {
    const strings *s = p;
    char text[RESULT_MAX];
    strcpy(text, s->text);
    for (int64_t i = 0; i < s->n; i += 2) act(s->steps[i], s->steps[i + 1], text);
    bool quoted = size >= 2 && (*answer == '"' || *answer == '\'') && answer[size - 1] == *answer;
    if (quoted) answer++, size -= 2;
    return strlen(text) == size && !memcmp(text, answer, size) ? FM_RIGHT : FM_WRONG;
}

const fm_task_kind fm_task_strings = {
    .name = "strings",
    .answer = "the text, in quotes or not; capital letters count",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 2,
    .size = sizeof(strings), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .slot = slot, .key = key, .solve = solve, .check = check,
};

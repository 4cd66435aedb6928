/* division.c: division of whole numbers with remainder, by long division. */
#include "rl/task/digits.h"
#include "rl/task/literal.h"
#include "rl/task/task.h"

#include <inttypes.h>
#include <strings.h>

typedef struct division {
    int64_t a, b; /* a : b */
} division;

static const fm_fact facts[] = {FM_FACT_INTEGER_OF(division, a, 0, 999999999999),
                                FM_FACT_INTEGER_OF(division, b, 1, 999999)};

static const struct {
    int a_least, a_most, b_least, b_most; /* digits */
    bool exact;
} levels[] = {{1, 2, 1, 1, true}, {2, 3, 1, 1, false}, {3, 5, 2, 2, false}, {5, 8, 3, 3, false}};

static const char *const bands[] = {
    "1 or 2 digits by 1 digit, nothing left", "2 or 3 digits by 1 digit", "3 to 5 digits by 2 digits",
    "5 to 8 digits by 3 digits"};

#define HOW "Answer with the quotient and the remainder, as in \"7 remainder 2\"."
static const char *const phrasings[] = {
    "Divide {a} by {b}. " HOW,
    "What is {a} / {b} in whole numbers? " HOW,
    "{a} : {b} = ? " HOW,
    "How often does {b} go into {a}, and what is left? " HOW,
    "Find quotient and remainder of {a} divided by {b}. " HOW,
    "{a} nuts are shared out evenly among {b} people. How many does each get, and how many are left? " HOW,
};

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    division *s = out;
    (void)phrasing;
    s->a = fm_dice_digits(d, (int)fm_dice_between(d, levels[band].a_least, levels[band].a_most));
    s->b = fm_dice_digits(d, (int)fm_dice_between(d, levels[band].b_least, levels[band].b_most));
    if (s->b < 2) return false;
    if (levels[band].exact) s->a -= s->a % s->b;
    return s->a >= s->b;
}

static void key(const void *p, fm_buffer *out) {
    const division *s = p;
    fm_buffer_format(out, "%" PRId64 "/%" PRId64, s->a, s->b);
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const division *s = p;
    int64_t rest, quotient = fm_digits_divide(s->a, s->b, &rest, working);
    fm_buffer_format(answer, "%" PRId64 " remainder %" PRId64, quotient, rest);
    fm_buffer_format(working, "The digits written and what is left: %" PRId64 " remainder %" PRId64 "\n", quotient,
                     rest);
}

/* "remainder", "rem", "r", perhaps behind a comma: what stands between the two numbers. */
static size_t take_between(const char *text, size_t size) {
    static const char *const words[] = {"remainder", "rem.", "rem", "r"};
    size_t at = 0;
    while (at < size && (text[at] == ' ' || text[at] == ',')) at++;
    for (size_t i = 0; i < FM_COUNT(words); i++) {
        size_t n = 0;
        while (words[i][n]) n++;
        if (size - at < n || strncasecmp(text + at, words[i], n)) continue;
        for (at += n; at < size && (text[at] == ' ' || text[at] == ':' || text[at] == '=');) at++;
        return at;
    }
    return 0;
}

/* What was left out of a is a multiple of b, and nothing more could be taken: a = q b + r with 0 <= r < b. */
static fm_verdict check(const void *p, const char *answer, size_t size) {
    const division *s = p;
    fm_literal q, r = {0, 1};
    size_t at = fm_literal_take(answer, size, &q);
    if (!at || q.bottom != 1) return FM_WRONG;
    if (at < size) {
        size_t between = take_between(answer + at, size - at);
        if (!between || !fm_literal_read(answer + at + between, size - at - between, 0, &r)) return FM_WRONG;
    }
    if (q.fraction || q.decimal || r.bottom != 1 || r.top < 0 || r.top >= s->b) return FM_WRONG;
    return (__int128)q.top * s->b + r.top == s->a ? FM_RIGHT : FM_WRONG;
}

const fm_task_kind fm_task_division = {
    .name = "division",
    .answer = "\"7 remainder 2\" or \"7 r 2\"; the quotient alone where nothing is left",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 1,
    .size = sizeof(division), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .key = key, .solve = solve, .check = check,
};

/* countdown.c: reach a target with given numbers, each used exactly once, and + - * /.
 *
 * The working is a search as one makes it on paper. It goes through a fixed order of pairs and operations; where the
 * way there is long, it begins a little before the place where it will succeed, as somebody with an idea would. */
#include "rl/task/digits.h"
#include "rl/task/expression.h"
#include "rl/task/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    NUMBERS_MAX = 4,
    NUMBER_MOST = 9999,
    TEXT = 96,       /* bytes of an expression on paper */
    LINES_KEPT = 12, /* pairs that a working tries before it ends, with the choices that led there */
};

typedef struct countdown {
    int64_t numbers[NUMBERS_MAX], n, target;
} countdown;

static const fm_fact facts[] = {FM_FACT_INTEGERS_OF(countdown, numbers, n, 1, NUMBER_MOST),
                                FM_FACT_INTEGER_OF(countdown, target, 1, 999999)};

static const struct {
    int numbers;
    int64_t most, target;
} levels[] = {{3, 10, 50}, {3, 50, 100}, {4, 15, 100}, {4, 100, 1000}};

static const char *const bands[] = {
    "three numbers up to 10, target up to 50", "three numbers up to 50, target up to 100",
    "four numbers up to 15, target up to 100", "four numbers up to 100, target up to 1,000"};

static const char *const phrasings[] = {
    "Use each of the numbers {numbers} exactly once, with + - * / and brackets, to make {target}.",
    "Using the numbers {numbers}, each exactly once, write an expression that equals {target}. You may use + - * / and "
    "brackets.",
    "Make {target} out of {numbers}. Every number must be used once; allowed are + - * / and brackets.",
    "Numbers: {numbers}. Target: {target}. Each number is used exactly once, with + - * / and brackets. Give the "
    "expression.",
    "How can {target} be calculated from {numbers} when every number appears exactly once? Allowed are + - * / and "
    "brackets.",
};

/* A number on paper: its value and how it was made. */
typedef struct piece {
    int64_t value;
    char text[TEXT];
    bool made; /* out of others: needs brackets in an expression */
} piece;

static const char signs[] = "+-*/";

/* Larger first; whole positive results only, and none that change nothing or are the other's twin. */
static bool combine(const piece *a, const piece *b, char sign, piece *out) {
    if (a->value < b->value) {
        const piece *kept = a;
        a = b, b = kept;
    }
    switch (sign) {
    case '+': out->value = a->value + b->value; break;
    case '-': out->value = a->value - b->value; break;
    case '*': out->value = a->value * b->value; break;
    default: out->value = a->value % b->value ? 0 : a->value / b->value;
    }
    if (out->value <= 0 || out->value > 99999999 || (b->value == 1 && (sign == '*' || sign == '/'))) return false;
    int n = snprintf(out->text, TEXT, "%s%s%s %c %s%s%s", a->made ? "(" : "", a->text, a->made ? ")" : "", sign,
                     b->made ? "(" : "", b->text, b->made ? ")" : "");
    out->made = true;
    return n < TEXT;
}

/* What is left when pieces i and j have become one, which stands last. */
static void replace(const piece *pieces, int n, int i, int j, const piece *made, piece *out) {
    int m = 0;
    for (int k = 0; k < n; k++)
        if (k != i && k != j) out[m++] = pieces[k];
    out[m] = *made;
}

static void pieces_of(const countdown *s, piece *out) {
    for (int i = 0; i < s->n; i++) {
        out[i] = (piece){.value = s->numbers[i]};
        snprintf(out[i].text, TEXT, "%" PRId64, s->numbers[i]);
    }
}

/* A search writes lines; those before `first` are only counted. `path` are the choices that led to where it is, of
 * which `shown` have been written. */
typedef struct paper {
    fm_buffer *out;
    int64_t target, lines, first;
    piece path[NUMBERS_MAX][NUMBERS_MAX]; /* what is left after each choice; the last one is what was made */
    int depth, shown;
    char found[TEXT];
} paper;

/* "take 3 + 5 = 8, left 2 7 8" */
static void put_choice(const piece *left, int n, fm_buffer *out) {
    fm_buffer_format(out, "take %s = %" PRId64 ", left", left[n - 1].text, left[n - 1].value);
    for (int k = 0; k < n; k++) fm_buffer_format(out, " %" PRId64, left[k].value);
    fm_buffer_text(out, "\n");
}

/* One line more; true when it is to be written, after the choices that led here. */
static bool next_line(paper *p, int n) {
    if (p->lines++ < p->first) return false;
    for (; p->shown < p->depth; p->shown++) put_choice(p->path[p->shown], n + p->depth - 1 - p->shown, p->out);
    return true;
}

/* Two pieces are left: all that they make, on one line. */
static bool try_last(const piece *pieces, paper *p) {
    bool written = next_line(p, 2);
    int64_t a = pieces[0].value, b = pieces[1].value;
    if (written) fm_buffer_format(p->out, "%" PRId64 " and %" PRId64 ":", a, b);
    for (const char *sign = signs; *sign; sign++) {
        piece made;
        if (!combine(&pieces[0], &pieces[1], *sign, &made)) continue;
        if (written)
            fm_buffer_format(p->out, " %" PRId64 "%c%" PRId64 "=%" PRId64, a > b ? a : b, *sign, a > b ? b : a,
                             made.value);
        if (made.value != p->target) continue;
        if (written) fm_buffer_text(p->out, " found\n");
        memcpy(p->found, made.text, TEXT);
        return true;
    }
    if (written) fm_buffer_text(p->out, " no\n");
    return false;
}

static bool search(const piece *pieces, int n, paper *p) {
    if (n == 2) return try_last(pieces, p);
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++)
            for (const char *sign = signs; *sign; sign++) {
                piece made, *left = p->path[p->depth];
                if (!combine(&pieces[i], &pieces[j], *sign, &made)) continue;
                replace(pieces, n, i, j, &made, left);
                p->depth++;
                bool found = search(left, n - 1, p);
                p->depth--;
                if (p->shown > p->depth) p->shown = p->depth;
                if (found) return true;
            }
    return false;
}

/* A random way of putting the pieces together gives the target, so there is one. */
static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    countdown *s = out;
    (void)phrasing;
    s->n = levels[band].numbers;
    for (int i = 0; i < s->n; i++) s->numbers[i] = fm_dice_between(d, 1, levels[band].most);
    piece pieces[NUMBERS_MAX], left[NUMBERS_MAX], made;
    pieces_of(s, pieces);
    for (int n = (int)s->n; n > 1; n--) {
        int i = (int)fm_dice_between(d, 0, n - 1), j = (int)fm_dice_between(d, 0, n - 2);
        j += j >= i;
        if (!combine(&pieces[i], &pieces[j], signs[fm_dice_between(d, 0, 3)], &made)) return false;
        replace(pieces, n, i, j, &made, left);
        memcpy(pieces, left, sizeof(piece) * (size_t)(n - 1));
    }
    s->target = pieces[0].value;
    return s->target >= 10 && s->target <= levels[band].target;
}

static fm_status valid(const void *p, fm_error *err) {
    const countdown *s = p;
    return s->n >= 2 ? FM_OK : fm_fail(err, FM_ERR_FORMAT, "countdown needs at least two \"numbers\"");
}

static void key(const void *p, fm_buffer *out) {
    const countdown *s = p;
    fm_digits_sorted_key(s->numbers, (size_t)s->n, ",", out);
    fm_buffer_format(out, ">%" PRId64, s->target);
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const countdown *s = p;
    piece pieces[NUMBERS_MAX];
    pieces_of(s, pieces);
    paper sheet = {.out = working, .target = s->target, .first = INT64_MAX};
    if (search(pieces, (int)s->n, &sheet)) {
        paper again = {.out = working, .target = s->target, .first = sheet.lines - LINES_KEPT};
        search(pieces, (int)s->n, &again);
        fm_buffer_text(answer, again.found);
        fm_buffer_format(working, "So %" PRId64 " = %s\n", s->target, again.found);
    } else {
        fm_buffer_format(working, "Whole positive numbers alone do not lead to %" PRId64 "\n", s->target);
    }
}

/* "= 24" behind the expression says nothing but what is true. */
static bool take_equals(const char *answer, size_t *size, int64_t target) {
    const char *equals = memchr(answer, '=', *size);
    if (!equals) return true;
    fm_expression right;
    if (!fm_expression_read(equals + 1, *size - (size_t)(equals + 1 - answer), &right)) return false;
    *size = (size_t)(equals - answer);
    return right.n == 1 && !right.calculates && right.top == target;
}

/* The numbers used are the numbers given, as multisets, and the value is the target exactly. */
static fm_verdict check(const void *p, const char *answer, size_t size) {
    const countdown *s = p;
    fm_expression e;
    if (!take_equals(answer, &size, s->target)) return FM_WRONG;
    if (!fm_expression_read(answer, size, &e) || e.n != (size_t)s->n) return FM_WRONG;
    for (size_t i = 0; i < e.n; i++) {
        int given = 0, used = 0;
        for (size_t j = 0; j < e.n; j++) {
            given += s->numbers[j] == e.numbers[i];
            used += e.numbers[j] == e.numbers[i];
        }
        if (given != used) return FM_WRONG;
    }
    return e.bottom == 1 && e.top == s->target ? FM_RIGHT : FM_WRONG;
}

const fm_task_kind fm_task_countdown = {
    .name = "countdown",
    .answer = "an expression with + - * / and brackets that uses every number given exactly once",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 1,
    .size = sizeof(countdown), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .key = key, .solve = solve, .check = check,
};

/* sequences.c: the number that comes next. */
#include "rl/task/digits.h"
#include "rl/task/numbers.h"
#include "rl/task/task.h"

#include <inttypes.h>
#include <string.h>

enum { TERMS_MAX = 10, TERM_MOST = 1000000 };

typedef enum rule { ARITHMETIC, GEOMETRIC, QUADRATIC, SUMS, INTERLEAVED, RULES } rule;

typedef struct sequence {
    int64_t rule, terms[TERMS_MAX], n;
} sequence;

static const fm_fact facts[] = {FM_FACT_INTEGER_OF(sequence, rule, 0, RULES - 1),
                                FM_FACT_INTEGERS_OF(sequence, terms, n, -TERM_MOST, TERM_MOST)};

static const char *const bands[] = {"equal differences", "equal ratios", "equal differences of differences",
                                    "each the sum of the two before", "two sequences that take turns"};

static const char *const phrasings[] = {
    "What is the next number? {terms}, ...",
    "Continue the sequence by one number: {terms}, ...",
    "{terms}, ?",
    "Which number follows {terms}?",
    "A sequence begins {terms}. Find its next term.",
    "Somebody writes down {terms}. What will the next number be?",
};

static bool differences_equal(const int64_t *t, int n, int apart) {
    for (int i = 0; i + 2 * apart < n; i++)
        if (t[i + 2 * apart] - t[i + apart] != t[i + apart] - t[i]) return false;
    return true;
}

static bool ratios_equal(const int64_t *t, int n) {
    for (int i = 0; i < n; i++)
        if (t[i] == 0 || (i + 1 < n && t[i + 1] * t[0] != t[1] * t[i])) return false;
    return t[n - 1] * t[1] % t[0] == 0;
}

static void take_differences(const int64_t *t, int n, int64_t *out) {
    for (int i = 0; i + 1 < n; i++) out[i] = t[i + 1] - t[i];
}

static bool sums(const int64_t *t, int n) {
    for (int i = 0; i + 2 < n; i++)
        if (t[i + 2] != t[i] + t[i + 1]) return false;
    return true;
}

/* Do the terms follow this rule, and what comes next? */
static bool follows(const sequence *s, rule r, int64_t *next) {
    const int64_t *t = s->terms, last = t[s->n - 1];
    int n = (int)s->n;
    int64_t d[TERMS_MAX];
    take_differences(t, n, d);
    switch (r) {
    case ARITHMETIC: *next = last + d[n - 2]; return differences_equal(t, n, 1);
    case GEOMETRIC: *next = t[0] ? last * t[1] / t[0] : 0; return ratios_equal(t, n);
    case QUADRATIC: *next = last + 2 * d[n - 2] - d[n - 3]; return differences_equal(d, n - 1, 1);
    case SUMS: *next = last + t[n - 2]; return sums(t, n);
    default: *next = 2 * t[n - 2] - t[n - 4]; return differences_equal(t, n, 2);
    }
}

static int64_t draw_step(fm_dice *d, int64_t most) {
    int64_t step = fm_dice_between(d, 1, most);
    return fm_dice_chance(d, 1, 3) ? -step : step;
}

static void draw_terms(sequence *s, fm_dice *d) {
    int64_t *t = s->terms;
    int64_t step = draw_step(d, s->rule == ARITHMETIC ? 60 : 12), second = draw_step(d, 8);
    t[0] = s->rule == GEOMETRIC ? fm_dice_between(d, 1, 12) : fm_dice_between(d, -20, 80);
    t[1] = s->rule == SUMS ? fm_dice_between(d, 1, 40) : fm_dice_between(d, 0, 80);
    int64_t ratio = fm_dice_between(d, 2, 6);
    for (int i = s->rule == SUMS || s->rule == INTERLEAVED ? 2 : 1; i < s->n; i++)
        switch (s->rule) {
        case ARITHMETIC: t[i] = t[i - 1] + step; break;
        case GEOMETRIC: t[i] = t[i - 1] * ratio; break;
        case QUADRATIC: t[i] = t[i - 1] + step + (i - 1) * second; break;
        case SUMS: t[i] = t[i - 1] + t[i - 2]; break;
        default: t[i] = t[i - 2] + (i % 2 ? second : step);
        }
}

/* Only terms that leave one answer: whatever rule of ours they follow, the same number comes next. */
static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    sequence *s = out;
    (void)phrasing;
    s->rule = band;
    s->n = band == INTERLEAVED ? fm_dice_between(d, 7, 9) : fm_dice_between(d, band == ARITHMETIC ? 4 : 5, 6);
    draw_terms(s, d);
    if (band == GEOMETRIC && fm_dice_chance(d, 1, 3))
        for (int i = 0, j = (int)s->n - 1; i < j; i++, j--) {
            int64_t kept = s->terms[i];
            s->terms[i] = s->terms[j], s->terms[j] = kept;
        }
    int64_t wanted, other;
    if (!follows(s, (rule)band, &wanted) || wanted > TERM_MOST || wanted < -TERM_MOST) return false;
    for (int r = 0; r < RULES; r++)
        if (r < band && follows(s, (rule)r, &other)) return false; /* belongs to an easier band */
        else if (follows(s, (rule)r, &other) && other != wanted) return false;
    return true;
}

static fm_status valid(const void *p, fm_error *err) {
    const sequence *s = p;
    int64_t next;
    if (s->n < (s->rule == INTERLEAVED ? 6 : 4))
        return fm_fail(err, FM_ERR_FORMAT, "there are too few \"terms\" for the rule");
    if (!follows(s, (rule)s->rule, &next))
        return fm_fail(err, FM_ERR_FORMAT, "the \"terms\" do not follow rule %" PRId64, s->rule);
    return FM_OK;
}

static void key(const void *p, fm_buffer *out) {
    const sequence *s = p;
    for (int i = 0; i < s->n; i++) fm_buffer_format(out, i ? ",%" PRId64 : "%" PRId64, s->terms[i]);
}

static void put_list(const char *what, const int64_t *t, int n, int apart, const char *end, fm_buffer *out) {
    fm_buffer_text(out, what);
    for (int i = 0; i < n; i += apart) fm_buffer_format(out, " %" PRId64, t[i]);
    fm_buffer_text(out, end);
}

static void put_next(int64_t last, int64_t step, fm_buffer *out) {
    fm_put_step(last, step < 0 ? '-' : '+', step < 0 ? -step : step, out);
    fm_buffer_text(out, "\n");
}

/* "* 3" each time, or "/ 3", or both. */
static void solve_ratios(const int64_t *t, int n, fm_buffer *out) {
    fm_fraction f = fm_fraction_of(t[1], t[0]);
    fm_buffer_text(out, "each is the one before");
    if (f.top != 1) fm_buffer_format(out, " * %" PRId64, f.top);
    if (f.bottom != 1) fm_buffer_format(out, " / %" PRId64, f.bottom);
    fm_buffer_format(out, "\n%" PRId64, t[n - 1]);
    if (f.top != 1) fm_buffer_format(out, " * %" PRId64, f.top);
    if (f.bottom != 1) fm_buffer_format(out, " / %" PRId64, f.bottom);
    fm_buffer_format(out, " = %" PRId64 "\n", t[n - 1] / f.bottom * f.top);
}

static void solve_interleaved(const int64_t *t, int n, fm_buffer *out) {
    put_list("every second one:", t + n % 2, n - n % 2, 2, "", out);
    fm_buffer_format(out, ", differences %" PRId64 "\n", t[n - 2] - t[n - 4]);
    put_list("the others:", t + 1 - n % 2, n - 1 + n % 2, 2, "", out);
    fm_buffer_format(out, ", differences %" PRId64 "\nthe first of these is next: ", t[n - 1] - t[n - 3]);
    put_next(t[n - 2], t[n - 2] - t[n - 4], out);
}

/* The rules in order of difficulty: what does not hold is seen not to, and the next is tried. */
static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const sequence *s = p;
    const int64_t *t = s->terms;
    int n = (int)s->n;
    int64_t d[TERMS_MAX], dd[TERMS_MAX], next;
    take_differences(t, n, d);
    take_differences(d, n - 1, dd);
    put_list("differences:", d, n - 1, 1, s->rule == ARITHMETIC ? ", all equal\n" : ", not equal\n", working);
    if (s->rule == ARITHMETIC) put_next(t[n - 1], d[n - 2], working);
    else if (s->rule == GEOMETRIC) solve_ratios(t, n, working);
    else
        put_list("their differences:", dd, n - 2, 1, s->rule == QUADRATIC ? ", all equal\n" : ", not equal\n", working);
    if (s->rule == QUADRATIC) {
        fm_buffer_text(working, "next difference: ");
        put_next(d[n - 2], dd[n - 3], working);
        put_next(t[n - 1], d[n - 2] + dd[n - 3], working);
    } else if (s->rule == SUMS) {
        for (int i = 0; i + 2 < n; i++)
            fm_buffer_format(working, "%" PRId64 " + %" PRId64 " = %" PRId64 ", ", t[i], t[i + 1], t[i + 2]);
        fm_buffer_text(working, "each is the sum of the two before\n");
        put_next(t[n - 2], t[n - 1], working);
    } else if (s->rule == INTERLEAVED) {
        solve_interleaved(t, n, working);
    }
    follows(s, (rule)s->rule, &next);
    fm_buffer_format(answer, "%" PRId64, next);
    fm_buffer_format(working, "Next comes %" PRId64 "\n", next);
}

static fm_verdict check(const void *p, const char *answer, size_t size) {
    const sequence *s = p;
    int64_t next;
    follows(s, (rule)s->rule, &next);
    return fm_literal_check(answer, size, 0, next, 1);
}

const fm_task_kind fm_task_sequences = {
    .name = "sequences",
    .answer = "a whole number",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 1,
    .size = sizeof(sequence), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .key = key, .solve = solve, .check = check,
};

/* subtraction.c: differences of two whole numbers, column by column; the harder half may fall below zero. */
#include "rl/task/digits.h"
#include "rl/task/literal.h"
#include "rl/task/task.h"

#include <inttypes.h>

typedef struct difference {
    int64_t a, b; /* a - b */
} difference;

static const fm_fact facts[] = {FM_FACT_INTEGER_OF(difference, a, 0, 999999999999),
                                FM_FACT_INTEGER_OF(difference, b, 0, 999999999999)};

static const struct {
    int least, most; /* digits */
    bool below_zero;
} levels[] = {{1, 2, false}, {2, 4, false}, {4, 8, false}, {2, 8, true}};

static const char *const bands[] = {"numbers of 1 or 2 digits", "numbers of 2 to 4 digits", "numbers of 4 to 8 digits",
                                    "numbers of 2 to 8 digits, half of the results below zero"};

static const char *const phrasings[] = {
    "What is {a} - {b}?",       "Compute {a} - {b}.",          "{a} - {b} = ?",
    "Subtract {b} from {a}.",   "What is left of {a} when {b} is taken away?",
    "Find the difference {a} minus {b}.", "How much do you have to add to {b} to get {a}?",
};

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    difference *s = out;
    (void)phrasing;
    s->a = fm_dice_digits(d, (int)fm_dice_between(d, levels[band].least, levels[band].most));
    s->b = fm_dice_digits(d, (int)fm_dice_between(d, levels[band].least, levels[band].most));
    if (s->a >= s->b || levels[band].below_zero) return true;
    int64_t kept = s->a;
    s->a = s->b, s->b = kept;
    return true;
}

static void key(const void *p, fm_buffer *out) {
    const difference *s = p;
    fm_buffer_format(out, "%" PRId64 "-%" PRId64, s->a, s->b);
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const difference *s = p;
    bool below = s->a < s->b;
    if (below)
        fm_buffer_format(working, "%" PRId64 " is less, so the result is -(%" PRId64 " - %" PRId64 ")\n", s->a, s->b,
                         s->a);
    int64_t value = fm_digits_subtract(below ? s->b : s->a, below ? s->a : s->b, working);
    if (below) value = -value;
    fm_buffer_format(working, "Read from the left%s: %" PRId64 "\n", below ? ", with the minus" : "", value);
    fm_buffer_format(answer, "%" PRId64, value);
}

static fm_verdict check(const void *p, const char *answer, size_t size) {
    const difference *s = p;
    return fm_literal_check(answer, size, 0, s->a - s->b, 1);
}

const fm_task_kind fm_task_subtraction = {
    .name = "subtraction",
    .answer = "a whole number, with a minus where it is below zero",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 2,
    .size = sizeof(difference), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .key = key, .solve = solve, .check = check,
};

/* addition.c: sums of whole numbers, column by column from the right. */
#include "rl/task/digits.h"
#include "rl/task/literal.h"
#include "rl/task/task.h"

#include <inttypes.h>

enum { NUMBERS_MAX = 5 };

typedef struct sum {
    int64_t numbers[NUMBERS_MAX], n;
} sum;

static const fm_fact facts[] = {FM_FACT_INTEGERS_OF(sum, numbers, n, 0, 999999999999)};

static const struct {
    int numbers, least, most; /* how many, and digits of each */
} levels[] = {{2, 1, 2}, {2, 2, 4}, {2, 4, 8}, {3, 2, 5}, {5, 3, 8}};

static const char *const bands[] = {
    "two numbers of 1 or 2 digits", "two numbers of 2 to 4 digits", "two numbers of 4 to 8 digits",
    "three numbers of 2 to 5 digits", "five numbers of 3 to 8 digits"};

static const char *const phrasings[] = {
    "What is {sum}?",
    "Compute {sum}.",
    "{sum} = ?",
    "Add these numbers: {numbers}.",
    "Find the sum of {numbers}.",
    "Work out the total of {numbers}.",
    "How much do {numbers} make together?",
};

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    sum *s = out;
    (void)phrasing;
    s->n = levels[band].numbers;
    for (int i = 0; i < s->n; i++)
        s->numbers[i] = fm_dice_digits(d, (int)fm_dice_between(d, levels[band].least, levels[band].most));
    return true;
}

static fm_status valid(const void *p, fm_error *err) {
    const sum *s = p;
    return s->n >= 2 ? FM_OK : fm_fail(err, FM_ERR_FORMAT, "a sum has at least two \"numbers\"");
}

static bool slot(const void *p, const char *name, fm_buffer *out) {
    const sum *s = p;
    if (name[0] != 's') return false;
    for (int i = 0; i < s->n; i++) fm_buffer_format(out, i ? " + %" PRId64 : "%" PRId64, s->numbers[i]);
    return true;
}

static void key(const void *p, fm_buffer *out) {
    const sum *s = p;
    fm_digits_sorted_key(s->numbers, (size_t)s->n, "+", out);
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const sum *s = p;
    int64_t total = fm_digits_add(s->numbers, (size_t)s->n, working);
    fm_buffer_format(working, "Read from the left: %" PRId64 "\n", total);
    fm_buffer_format(answer, "%" PRId64, total);
}

static fm_verdict check(const void *p, const char *answer, size_t size) {
    const sum *s = p;
    int64_t total = 0;
    for (int i = 0; i < s->n; i++) total += s->numbers[i];
    return fm_literal_check(answer, size, 0, total, 1);
}

const fm_task_kind fm_task_addition = {
    .name = "addition",
    .answer = "a whole number",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 2,
    .size = sizeof(sum), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .slot = slot, .key = key, .solve = solve, .check = check,
};

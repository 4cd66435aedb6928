/* multiplication.c: products of two whole numbers, by the digits of the second and a running sum. */
#include "rl/task/digits.h"
#include "rl/task/literal.h"
#include "rl/task/task.h"

#include <inttypes.h>

typedef struct product {
    int64_t a, b;
} product;

static const fm_fact facts[] = {FM_FACT_INTEGER_OF(product, a, 0, 99999999),
                                FM_FACT_INTEGER_OF(product, b, 0, 99999999)};

static const struct {
    int a_least, a_most, b_least, b_most; /* digits */
} levels[] = {{1, 2, 1, 1}, {2, 3, 2, 2}, {3, 3, 3, 3}, {4, 4, 4, 4}, {5, 6, 5, 6}};

static const char *const bands[] = {"1 or 2 digits by 1 digit", "2 or 3 digits by 2 digits", "3 digits by 3 digits",
                                    "4 digits by 4 digits", "5 or 6 digits by 5 or 6 digits"};

static const char *const phrasings[] = {
    "What is {a} * {b}?",
    "Compute {a} times {b}.",
    "{a} x {b} = ?",
    "Multiply {a} by {b}.",
    "Find the product of {a} and {b}.",
    "There are {a} boxes with {b} nails in each. How many nails are there?",
    "A hall has {a} rows of {b} seats. How many seats does it have?",
};

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    product *s = out;
    (void)phrasing;
    s->a = fm_dice_digits(d, (int)fm_dice_between(d, levels[band].a_least, levels[band].a_most));
    s->b = fm_dice_digits(d, (int)fm_dice_between(d, levels[band].b_least, levels[band].b_most));
    return true;
}

static void key(const void *p, fm_buffer *out) {
    const product *s = p;
    fm_digits_sorted_key((const int64_t[]){s->a, s->b}, 2, "*", out);
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const product *s = p;
    int64_t value = 0;
    if (s->a == 0 || s->b == 0) fm_buffer_text(working, "One of them is 0.\n");
    else value = fm_digits_multiply(s->a, s->b, working);
    fm_buffer_format(working, "The product is %" PRId64 "\n", value);
    fm_buffer_format(answer, "%" PRId64, value);
}

static fm_verdict check(const void *p, const char *answer, size_t size) {
    const product *s = p;
    return fm_literal_check(answer, size, 0, s->a * s->b, 1);
}

const fm_task_kind fm_task_multiplication = {
    .name = "multiplication",
    .answer = "a whole number",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 2,
    .size = sizeof(product), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .key = key, .solve = solve, .check = check,
};

/* gcd.c: greatest common divisors, by Euclid's algorithm. */
#include "rl/task/digits.h"
#include "rl/task/numbers.h"
#include "rl/task/task.h"

#include <inttypes.h>

enum { NUMBERS_MAX = 3 };

typedef struct divisor {
    int64_t numbers[NUMBERS_MAX], n;
} divisor;

static const fm_fact facts[] = {FM_FACT_INTEGERS_OF(divisor, numbers, n, 1, 999999999)};

static const struct {
    int numbers;
    int64_t common, rest; /* the most of a common factor, and of what it is multiplied with */
} levels[] = {{2, 12, 12}, {2, 40, 40}, {2, 200, 300}, {3, 60, 60}};

static const char *const bands[] = {"two numbers up to 144", "two numbers up to 1,600", "two numbers up to 60,000",
                                    "three numbers up to 3,600"};

static const char *const phrasings[] = {
    "What is the greatest common divisor of {list}?",
    "Compute gcd({numbers}).",
    "Find the largest whole number that divides {list} without remainder.",
    "Find the highest common factor of {list}.",
    "Planks of {list} cm are to be cut into pieces of one length with nothing left over. How many cm can the pieces "
    "have at most?",
};

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    divisor *s = out;
    (void)phrasing;
    int64_t common = fm_dice_chance(d, 1, 6) ? 1 : fm_dice_between(d, 2, levels[band].common);
    s->n = levels[band].numbers;
    for (int i = 0; i < s->n; i++) {
        s->numbers[i] = common * fm_dice_between(d, 2, levels[band].rest);
        for (int j = 0; j < i; j++)
            if (s->numbers[i] == s->numbers[j]) return false;
    }
    return true;
}

static fm_status valid(const void *p, fm_error *err) {
    const divisor *s = p;
    return s->n >= 2 ? FM_OK : fm_fail(err, FM_ERR_FORMAT, "a common divisor is of at least two \"numbers\"");
}

static bool slot(const void *p, const char *name, fm_buffer *out) {
    const divisor *s = p;
    if (name[0] != 'l') return false;
    for (int i = 0; i < s->n; i++)
        fm_buffer_format(out, "%s%" PRId64, i == 0 ? "" : i == s->n - 1 ? " and " : ", ", s->numbers[i]);
    return true;
}

static void key(const void *p, fm_buffer *out) {
    const divisor *s = p;
    fm_digits_sorted_key(s->numbers, (size_t)s->n, ",", out);
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const divisor *s = p;
    int64_t common = s->numbers[0];
    for (int i = 1; i < s->n; i++) {
        int64_t other = s->numbers[i];
        common = common > other ? fm_euclid(common, other, working) : fm_euclid(other, common, working);
        if (i + 1 < s->n)
            fm_buffer_format(working, "so far %" PRId64 ", now with %" PRId64 "\n", common, s->numbers[i + 1]);
    }
    fm_buffer_format(working, "The last divisor is the greatest common one: %" PRId64 "\n", common);
    fm_buffer_format(answer, "%" PRId64, common);
}

/* It divides them all, and what is left has no divisor in common. */
static fm_verdict check(const void *p, const char *answer, size_t size) {
    const divisor *s = p;
    fm_literal l;
    if (!fm_literal_read(answer, size, 0, &l) || l.top < 1) return FM_WRONG;
    int64_t left = 0;
    for (int i = 0; i < s->n; i++) {
        if (s->numbers[i] % l.top) return FM_WRONG;
        left = fm_gcd(left, s->numbers[i] / l.top);
    }
    return left == 1 ? FM_RIGHT : FM_WRONG;
}

const fm_task_kind fm_task_gcd = {
    .name = "gcd",
    .answer = "a whole number",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 1,
    .size = sizeof(divisor), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .slot = slot, .key = key, .solve = solve, .check = check,
};

/* lcm.c: least common multiples, from the greatest common divisor. */
#include "rl/task/digits.h"
#include "rl/task/numbers.h"
#include "rl/task/task.h"

#include <inttypes.h>

enum { NUMBERS_MAX = 3 };

typedef struct multiple {
    int64_t numbers[NUMBERS_MAX], n;
} multiple;

static const fm_fact facts[] = {FM_FACT_INTEGERS_OF(multiple, numbers, n, 1, 99999)};

static const struct {
    int numbers;
    int64_t least, most;
} levels[] = {{2, 2, 15}, {2, 6, 60}, {2, 30, 400}, {3, 4, 40}};

static const char *const bands[] = {"two numbers up to 15", "two numbers up to 60", "two numbers up to 400",
                                    "three numbers up to 40"};

static const char *const phrasings[] = {
    "What is the least common multiple of {list}?",
    "Compute lcm({numbers}).",
    "Find the smallest positive number that can be divided by {list} without remainder.",
    "Which is the first number that appears in the times tables of {list} alike?",
    "Lamps blink every {list} seconds, and have just blinked together. After how many seconds will they do so again?",
};

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    multiple *s = out;
    (void)phrasing;
    s->n = levels[band].numbers;
    for (int i = 0; i < s->n; i++) {
        s->numbers[i] = fm_dice_between(d, levels[band].least, levels[band].most);
        for (int j = 0; j < i; j++)
            if (s->numbers[i] == s->numbers[j]) return false;
    }
    return true;
}

static fm_status valid(const void *p, fm_error *err) {
    const multiple *s = p;
    return s->n >= 2 ? FM_OK : fm_fail(err, FM_ERR_FORMAT, "a common multiple is of at least two \"numbers\"");
}

static bool slot(const void *p, const char *name, fm_buffer *out) {
    const multiple *s = p;
    if (name[0] != 'l') return false;
    for (int i = 0; i < s->n; i++)
        fm_buffer_format(out, "%s%" PRId64, i == 0 ? "" : i == s->n - 1 ? " and " : ", ", s->numbers[i]);
    return true;
}

static void key(const void *p, fm_buffer *out) {
    const multiple *s = p;
    fm_digits_sorted_key(s->numbers, (size_t)s->n, ",", out);
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const multiple *s = p;
    int64_t common = s->numbers[0];
    for (int i = 1; i < s->n; i++) {
        int64_t other = s->numbers[i], divisor = common > other ? fm_euclid(common, other, working)
                                                                : fm_euclid(other, common, working);
        fm_buffer_format(working, "gcd %" PRId64 ": %" PRId64 " / %" PRId64 " = %" PRId64 "\n", divisor, other, divisor,
                         other / divisor);
        common = fm_put_step(common, '*', other / divisor, working);
        fm_buffer_text(working, "\n");
    }
    fm_buffer_format(working, "The least common multiple is %" PRId64 "\n", common);
    fm_buffer_format(answer, "%" PRId64, common);
}

/* All divide it, and how often they go into it has no divisor in common: otherwise a smaller one would do. */
static fm_verdict check(const void *p, const char *answer, size_t size) {
    const multiple *s = p;
    fm_literal l;
    if (!fm_literal_read(answer, size, 0, &l) || l.top < 1) return FM_WRONG;
    int64_t left = 0;
    for (int i = 0; i < s->n; i++) {
        if (l.top % s->numbers[i]) return FM_WRONG;
        left = fm_gcd(left, l.top / s->numbers[i]);
    }
    return left == 1 ? FM_RIGHT : FM_WRONG;
}

const fm_task_kind fm_task_lcm = {
    .name = "lcm",
    .answer = "a whole number",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 1,
    .size = sizeof(multiple), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .slot = slot, .key = key, .solve = solve, .check = check,
};

/* fractions.c: fractions brought to lowest terms, added, subtracted, multiplied and divided. */
#include "rl/task/numbers.h"
#include "rl/task/task.h"

#include <inttypes.h>
#include <string.h>

enum { REDUCE, ADD, SUBTRACT, MULTIPLY, DIVIDE };

typedef struct calculation {
    int64_t operation, a, b, c, d; /* a/b alone, or with c/d */
} calculation;

static const fm_fact facts[] = {
    FM_FACT_INTEGER_OF(calculation, operation, REDUCE, DIVIDE), FM_FACT_INTEGER_OF(calculation, a, -9999, 9999),
    FM_FACT_INTEGER_OF(calculation, b, 1, 9999), FM_FACT_INTEGER_OF(calculation, c, -9999, 9999),
    FM_FACT_INTEGER_OF(calculation, d, 1, 9999)};

static const char *const bands[] = {
    "to lowest terms", "sums and differences, bottoms up to 12", "products and quotients, up to 15",
    "all four, up to 40, with fractions below zero"};

static const char *const phrasings[] = {
    "{task}",          "Please solve this on paper. {task}",
    "Fractions: {task}", "Calculate without a calculator. {task}",
    "Here is an exercise with fractions. {task}",
};

/* Not a whole number, and for sums in lowest terms. */
static void draw_fraction(fm_dice *d, int64_t most, int64_t *top, int64_t *bottom) {
    *bottom = fm_dice_between(d, 2, most);
    *top = fm_dice_between(d, 1, most);
}

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    static const int64_t most[] = {0, 12, 15, 40};
    calculation *f = out;
    (void)phrasing;
    if (band == 0) {
        int64_t common = fm_dice_between(d, 2, 24);
        draw_fraction(d, 20, &f->a, &f->b);
        f->a *= common, f->b *= common, f->d = 1;
        return f->a % f->b != 0;
    }
    f->operation = band == 1 ? fm_dice_between(d, ADD, SUBTRACT) : band == 2 ? fm_dice_between(d, MULTIPLY, DIVIDE)
                                                                             : fm_dice_between(d, ADD, DIVIDE);
    draw_fraction(d, most[band], &f->a, &f->b);
    draw_fraction(d, most[band], &f->c, &f->d);
    if (band == 3 && fm_dice_chance(d, 1, 3)) f->a = -f->a;
    return fm_gcd(f->a, f->b) == 1 && fm_gcd(f->c, f->d) == 1;
}

static fm_status valid(const void *p, fm_error *err) {
    const calculation *f = p;
    if (f->operation == DIVIDE && f->c == 0) return fm_fail(err, FM_ERR_FORMAT, "\"c\" is 0, by which nobody divides");
    if (f->operation == REDUCE && (f->c != 0 || f->d != 1))
        return fm_fail(err, FM_ERR_FORMAT, "to bring a/b to lowest terms, \"c\" must be 0 and \"d\" 1");
    return FM_OK;
}

static void put_operand(int64_t top, int64_t bottom, fm_buffer *out) {
    fm_buffer_format(out, top < 0 ? "(%" PRId64 "/%" PRId64 ")" : "%" PRId64 "/%" PRId64, top, bottom);
}

static void put_question(const calculation *f, fm_buffer *out) {
    static const char *const signs[] = {"", " + ", " - ", " * ", " : "};
    put_operand(f->a, f->b, out);
    fm_buffer_text(out, signs[f->operation]);
    put_operand(f->c, f->d, out);
}

static bool slot(const void *p, const char *name, fm_buffer *out) {
    const calculation *f = p;
    (void)name;
    if (f->operation == REDUCE) {
        fm_buffer_format(out, "Bring %" PRId64 "/%" PRId64 " to lowest terms.", f->a, f->b);
        return true;
    }
    fm_buffer_text(out, "What is ");
    put_question(f, out);
    fm_buffer_text(out, "? Give the exact value.");
    return true;
}

static void key(const void *p, fm_buffer *out) {
    const calculation *f = p;
    static const char signs[] = "r+-*:";
    bool turn = (f->operation == ADD || f->operation == MULTIPLY) && (f->a > f->c || (f->a == f->c && f->b > f->d));
    fm_buffer_format(out, "%" PRId64 "/%" PRId64 "%c", turn ? f->c : f->a, turn ? f->d : f->b, signs[f->operation]);
    if (f->operation != REDUCE)
        fm_buffer_format(out, "%" PRId64 "/%" PRId64, turn ? f->a : f->c, turn ? f->b : f->d);
}

/* Over one bottom, which is the least common multiple. */
static fm_fraction solve_sum(const calculation *f, fm_buffer *out) {
    int64_t common = f->b / fm_gcd(f->b, f->d) * f->d, a = f->a * (common / f->b), c = f->c * (common / f->d);
    fm_buffer_format(out, "common bottom of %" PRId64 " and %" PRId64 ": %" PRId64 "\n", f->b, f->d, common);
    fm_buffer_format(out, "%" PRId64 "/%" PRId64 " = %" PRId64 "/%" PRId64, f->a, f->b, a, common);
    fm_buffer_format(out, ", %" PRId64 "/%" PRId64 " = %" PRId64 "/%" PRId64 "\n", f->c, f->d, c, common);
    int64_t top = fm_put_step(a, f->operation == ADD ? '+' : '-', c, out);
    fm_buffer_text(out, "\n");
    return fm_fraction_reduce(top, common, out);
}

static fm_fraction solve_product(const calculation *f, fm_buffer *out) {
    int64_t c = f->c, d = f->d;
    if (f->operation == DIVIDE) {
        c = f->c < 0 ? -f->d : f->d;
        d = f->c < 0 ? -f->c : f->c;
        fm_buffer_format(out, "turn the second one over: multiply by %" PRId64 "/%" PRId64 "\n", c, d);
    }
    fm_buffer_text(out, "tops: ");
    int64_t top = fm_put_step(f->a, '*', c, out);
    fm_buffer_text(out, "\nbottoms: ");
    int64_t bottom = fm_put_step(f->b, '*', d, out);
    fm_buffer_text(out, "\n");
    return fm_fraction_reduce(top, bottom, out);
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const calculation *f = p;
    fm_fraction value = f->operation == REDUCE                            ? fm_fraction_reduce(f->a, f->b, working)
                        : f->operation == ADD || f->operation == SUBTRACT ? solve_sum(f, working)
                                                                          : solve_product(f, working);
    fm_fraction_put(value, answer);
    fm_buffer_text(working, "The result is ");
    fm_fraction_put(value, working);
    fm_buffer_text(working, "\n");
}

static fm_verdict check(const void *p, const char *answer, size_t size) {
    const calculation *f = p;
    int64_t a = f->a, b = f->b, c = f->c, d = f->d;
    switch (f->operation) {
    case REDUCE: return fm_literal_check(answer, size, FM_FORM_FRACTION | FM_FORM_LOWEST, a, b);
    case ADD: a = a * d + c * b, b *= d; break;
    case SUBTRACT: a = a * d - c * b, b *= d; break;
    case MULTIPLY: a *= c, b *= d; break;
    default: a *= c < 0 ? -d : d, b *= c < 0 ? -c : c;
    }
    return fm_literal_check(answer, size, FM_FORM_FRACTION | FM_FORM_DECIMAL, a, b);
}

const fm_task_kind fm_task_fractions = {
    .name = "fractions",
    .answer = "any exact form: 3/2, 6/4, 1 1/2, 1.5; in lowest terms where that is the question",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 1,
    .size = sizeof(calculation), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .slot = slot, .key = key, .solve = solve, .check = check,
};

/* equations.c: linear equations in one unknown. */
#include "rl/task/numbers.h"
#include "rl/task/task.h"

#include <inttypes.h>

enum { COEFFICIENT = 9999 };

/* a (x + p) + b = c (x + q) + d; p and q are 0 where there are no brackets. */
typedef struct equation {
    int64_t a, p, b, c, q, d;
    char unknown[2];
} equation;

#define NUMBER(name) FM_FACT_INTEGER_OF(equation, name, -COEFFICIENT, COEFFICIENT)
static const fm_fact facts[] = {NUMBER(a), NUMBER(p), NUMBER(b), NUMBER(c), NUMBER(q), NUMBER(d),
                                FM_FACT_TEXT_OF(equation, unknown)};

static const char *const bands[] = {
    "x + 7 = 12 and 3x = 12", "3x + 5 = 20, whole solutions", "7x - 4 = 3x + 20, whole solutions",
    "any coefficients to 12, solutions may be fractions", "with brackets: 3(x - 2) + 1 = 5(x + 4)"};

static const char *const phrasings[] = {
    "Solve for {unknown}: {equation}",
    "Find {unknown} if {equation}.",
    "{equation}. What is {unknown}?",
    "For which {unknown} does {equation} hold?",
    "Solve the equation {equation}.",
    "Which number must stand for {unknown} so that both sides of {equation} are equal?",
};

static int64_t draw_nonzero(fm_dice *d, int64_t most) {
    int64_t v = fm_dice_between(d, 1, most);
    return fm_dice_chance(d, 1, 3) ? -v : v;
}

/* Chooses d so that x solves it. */
static void close_with(equation *e, int64_t x) { e->d = e->a * (x + e->p) + e->b - e->c * (x + e->q); }

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    static const char letters[] = "xxxxyztn";
    equation *e = out;
    (void)phrasing;
    e->unknown[0] = letters[fm_dice_between(d, 0, 7)];
    int64_t x = fm_dice_between(d, -12, 20);
    e->a = band == 0 ? 1 : draw_nonzero(d, 12);
    e->b = draw_nonzero(d, 30);
    if (band == 0 && fm_dice_chance(d, 1, 2)) {
        e->a = fm_dice_between(d, 2, 12);
        e->b = 0;
    }
    if (band >= 2) e->c = draw_nonzero(d, 12);
    if (band == 4) {
        e->p = draw_nonzero(d, 9);
        e->q = draw_nonzero(d, 9);
    }
    if (band == 3) e->d = draw_nonzero(d, 30);
    else close_with(e, x);
    return e->a != e->c;
}

static fm_status valid(const void *p, fm_error *err) {
    const equation *e = p;
    char u = e->unknown[0];
    if (!((u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z')))
        return fm_fail(err, FM_ERR_FORMAT, "\"unknown\" must be one letter");
    if (e->a == e->c) return fm_fail(err, FM_ERR_FORMAT, "\"a\" and \"c\" are equal, so there is not one solution");
    return FM_OK;
}

/* "3(x - 2) + 1", "x", "0" */
static void put_side(int64_t a, int64_t p, int64_t b, char x, fm_buffer *out) {
    if (a) {
        if (a == -1) fm_buffer_text(out, "-");
        else if (a != 1) fm_buffer_format(out, "%" PRId64, a);
        if (p) fm_buffer_format(out, "(%c %c %" PRId64 ")", x, p < 0 ? '-' : '+', p < 0 ? -p : p);
        else fm_buffer_put(out, &x, 1);
    }
    if (!a) fm_buffer_format(out, "%" PRId64, b);
    else if (b) fm_buffer_format(out, " %c %" PRId64, b < 0 ? '-' : '+', b < 0 ? -b : b);
}

static void put_equation(const equation *e, fm_buffer *out) {
    put_side(e->a, e->p, e->b, e->unknown[0], out);
    fm_buffer_text(out, " = ");
    put_side(e->c, e->q, e->d, e->unknown[0], out);
}

static bool slot(const void *p, const char *name, fm_buffer *out) {
    if (name[0] != 'e') return false;
    put_equation(p, out);
    return true;
}

/* The sides in one order, without the unknown's name. */
static void key(const void *p, fm_buffer *out) {
    const equation *e = p;
    int64_t left[] = {e->a, e->p, e->b}, right[] = {e->c, e->q, e->d};
    bool turn = false;
    for (int i = 2; i >= 0; i--)
        if (left[i] != right[i]) turn = left[i] < right[i];
    const int64_t *first = turn ? right : left, *second = turn ? left : right;
    fm_buffer_format(out, "%" PRId64 "(x%+" PRId64 ")%+" PRId64 "=", first[0], first[1], first[2]);
    fm_buffer_format(out, "%" PRId64 "(x%+" PRId64 ")%+" PRId64, second[0], second[1], second[2]);
}

static void put_line(const equation *e, fm_buffer *out) {
    put_equation(e, out);
    fm_buffer_text(out, "\n");
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    equation e = *(const equation *)p;
    char x = e.unknown[0];
    if (e.p || e.q) {
        e.b += e.a * e.p, e.d += e.c * e.q;
        e.p = e.q = 0;
        fm_buffer_text(working, "multiply out: ");
        put_line(&e, working);
    }
    if (e.c) {
        fm_buffer_format(working, "%s %" PRId64 "%c on both sides: ", e.c > 0 ? "take" : "add", e.c > 0 ? e.c : -e.c,
                         x);
        e.a -= e.c, e.c = 0;
        put_line(&e, working);
    }
    if (e.b) {
        fm_buffer_format(working, "%s %" PRId64 " on both sides: ", e.b > 0 ? "take" : "add", e.b > 0 ? e.b : -e.b);
        e.d -= e.b, e.b = 0;
        put_line(&e, working);
    }
    fm_fraction value = fm_fraction_of(e.d, e.a);
    if (e.a != 1) fm_buffer_format(working, "divide by %" PRId64 ": %c = %" PRId64 "/%" PRId64 "\n", e.a, x, e.d, e.a);
    fm_fraction_put(value, answer);
    fm_buffer_format(working, "So %c = ", x);
    fm_fraction_put(value, working);
    fm_buffer_text(working, "\n");
}

/* Puts the number in: both sides, times its bottom, must be equal. */
static fm_verdict check(const void *p, const char *answer, size_t size) {
    const equation *e = p;
    fm_literal x;
    if (size > 2 && answer[0] == '$' && answer[size - 1] == '$') answer++, size -= 2;
    fm_trim(&answer, &size);
    if (size > 1 && answer[0] == e->unknown[0]) {
        answer++, size--;
        fm_trim(&answer, &size);
        if (!size || *answer != '=') return FM_WRONG;
        answer++, size--;
    }
    if (!fm_literal_read(answer, size, FM_FORM_DECIMAL | FM_FORM_FRACTION, &x)) return FM_WRONG;
    __int128 left = e->a * ((__int128)x.top + e->p * (__int128)x.bottom) + e->b * (__int128)x.bottom;
    __int128 right = e->c * ((__int128)x.top + e->q * (__int128)x.bottom) + e->d * (__int128)x.bottom;
    return left == right ? FM_RIGHT : FM_WRONG;
}

const fm_task_kind fm_task_equations = {
    .name = "equations",
    .answer = "any exact form: 3/2, 6/4, 1.5; \"x = 3/2\" too",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 1,
    .size = sizeof(equation), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .slot = slot, .key = key, .solve = solve, .check = check,
};

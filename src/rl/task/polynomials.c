/* polynomials.c: polynomials in one unknown: their values, sums, products, derivatives and factors. */
#include "rl/task/literal.h"
#include "rl/task/polynomial.h"
#include "rl/task/task.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 3, COEFFICIENTS_MAX = 21 };

enum { VALUE, COLLECT, SUBTRACT, EXPAND, DERIVATIVE, FACTOR, ASKED };

/* Parts are lists of coefficients, the constant first; their lengths add up to n. */
typedef struct polynomials {
    int64_t asked, at;                    /* `at`: where the value is taken; else 0 */
    char unknown[2];
    int64_t lengths[PARTS_MAX], parts;
    int64_t coefficients[COEFFICIENTS_MAX], n;
} polynomials;

static const fm_fact facts[] = {
    FM_FACT_INTEGER_OF(polynomials, asked, VALUE, ASKED - 1),
    FM_FACT_INTEGER_OF(polynomials, at, -20, 20),
    FM_FACT_TEXT_OF(polynomials, unknown),
    FM_FACT_INTEGERS_OF(polynomials, lengths, parts, 1, 7),
    FM_FACT_INTEGERS_OF(polynomials, coefficients, n, -100000, 100000),
};

static const char *const bands[] = {
    "values, sums and derivatives up to degree 2",
    "products of two linear factors, differences, derivatives of degree 3",
    "products of degrees 1 and 2, factors of x^2 + bx + c",
    "values and derivatives up to degree 5, factors of ax^2 + bx + c",
    "products of three factors, factors of cubics"};

static const char *const phrasings[] = {
    "{task}: {what}.",
    "{what}\n{task}.",
    "Polynomials in {unknown}. {task}: {what}",
    "Given {what}. {task}.",
    "{task} for me, please: {what}",
    "My exercise says: {what}. The task: {task}.",
};

/* ---- parts --------------------------------------------------------------------------------------- */

static fm_polynomial part(const polynomials *p, int which) {
    const int64_t *c = p->coefficients;
    for (int i = 0; i < which; i++) c += p->lengths[i];
    return fm_polynomial_of(c, (size_t)p->lengths[which]);
}

static void add_part(polynomials *p, const fm_polynomial *q) {
    p->lengths[p->parts++] = q->degree + 1;
    for (int i = 0; i <= q->degree; i++) p->coefficients[p->n++] = q->c[i];
}

static fm_polynomial derivative(const fm_polynomial *q) {
    int64_t c[FM_POLYNOMIAL_DEGREE + 1] = {0};
    for (int i = 1; i <= q->degree; i++) c[i - 1] = q->c[i] * i;
    return fm_polynomial_of(c, FM_POLYNOMIAL_DEGREE + 1);
}

/* The polynomial that is the answer, or that the answer's factors must make. False: out of range. */
static bool result(const polynomials *p, fm_polynomial *out) {
    *out = part(p, 0);
    if (p->asked == DERIVATIVE) *out = derivative(out);
    for (int i = 1; i < p->parts; i++) {
        fm_polynomial next = part(p, i);
        bool good = p->asked == EXPAND ? fm_polynomial_multiply(out, &next, out)
                                       : fm_polynomial_add(out, &next, p->asked == SUBTRACT ? -1 : 1, out);
        if (!good) return false;
    }
    return true;
}

/* ---- factors ------------------------------------------------------------------------------------- */

/* Divides q by (bottom x - top) where top/bottom is a root. */
static bool divide_out(fm_polynomial *q, int64_t top, int64_t bottom) {
    int64_t c[FM_POLYNOMIAL_DEGREE + 1] = {0}, carry = 0;
    for (int i = q->degree; i >= 1; i--) {
        int64_t lead = q->c[i] + carry;
        if (lead % bottom) return false;
        c[i - 1] = lead / bottom;
        carry = c[i - 1] * top;
    }
    if (q->c[0] + carry != 0) return false;
    *q = fm_polynomial_of(c, FM_POLYNOMIAL_DEGREE + 1);
    return true;
}

static int64_t content(const fm_polynomial *q) {
    int64_t common = 0;
    for (int i = 0; i <= q->degree; i++) common = fm_gcd(common, q->c[i]);
    return q->c[q->degree] < 0 ? -common : common;
}

typedef struct factors {
    int64_t number;
    struct {
        int64_t top, bottom; /* bottom x - top */
    } linear[FM_POLYNOMIAL_DEGREE];
    int n;
} factors;

/* q at top/bottom times bottom^degree, term by term. */
static void try_on_paper(const fm_polynomial *q, int64_t top, int64_t bottom, char unknown, fm_buffer *out) {
    int64_t total = 0;
    fm_buffer_format(out, bottom > 1 ? "%c = %" PRId64 "/%" PRId64 ":" : "%c = %" PRId64 ":", unknown, top, bottom);
    for (int i = q->degree; i >= 0; i--) {
        int64_t term = q->c[i];
        for (int k = 0; k < q->degree; k++) term *= k < i ? top : bottom;
        fm_buffer_format(out, i < q->degree ? " + (%" PRId64 ")" : " (%" PRId64 ")", term);
        total += term;
    }
    fm_buffer_format(out, " = %" PRId64 ", %s\n", total, total ? "no root" : "a root");
}

static bool try_root(fm_polynomial *q, factors *f, int64_t top, int64_t bottom, char unknown, fm_buffer *working) {
    if (fm_gcd(top, bottom) != 1) return false;
    if (working) try_on_paper(q, top, bottom, unknown, working);
    if (!divide_out(q, top, bottom)) return false;
    f->linear[f->n].top = top;
    f->linear[f->n++].bottom = bottom;
    return true;
}

/* The next root top/bottom of q, by bottom and size of top, which divide its outer coefficients. */
static bool find_root(fm_polynomial *q, factors *f, char unknown, fm_buffer *working) {
    int64_t constant = llabs(q->c[0]), lead = llabs(q->c[q->degree]);
    if (constant == 0) return try_root(q, f, 0, 1, unknown, working);
    for (int64_t bottom = 1; bottom <= lead; bottom++)
        for (int64_t size = 1; lead % bottom == 0 && size <= constant; size++)
            if (constant % size == 0 && (try_root(q, f, size, bottom, unknown, working) ||
                                         try_root(q, f, -size, bottom, unknown, working)))
                return true;
    return false;
}

/* Into linear factors; false where there are other ones. */
static bool find_factors(const fm_polynomial *whole, factors *f, char unknown, fm_buffer *working) {
    fm_polynomial q = *whole;
    *f = (factors){.number = content(&q)};
    if (f->number == 0) return false;
    for (int i = 0; i <= q.degree; i++) q.c[i] /= f->number;
    if (working && f->number != 1) {
        fm_buffer_format(working, "take out %" PRId64 ": ", f->number);
        fm_polynomial_write(&q, unknown, working);
        fm_buffer_text(working, "\n");
    }
    while (q.degree > 1) {
        if (!find_root(&q, f, unknown, working)) return false;
        if (!working) continue;
        fm_buffer_text(working, "left: ");
        fm_polynomial_write(&q, unknown, working);
        fm_buffer_text(working, "\n");
    }
    if (q.degree == 1) {
        f->linear[f->n].top = -q.c[0];
        f->linear[f->n++].bottom = q.c[1];
    }
    return true;
}

static void put_factors(const factors *f, char unknown, fm_buffer *out) {
    if (f->number != 1) fm_buffer_format(out, f->number == -1 ? "-" : "%" PRId64, f->number);
    for (int i = 0; i < f->n; i++) {
        fm_polynomial linear = fm_polynomial_of((int64_t[]){-f->linear[i].top, f->linear[i].bottom}, 2);
        fm_buffer_text(out, "(");
        fm_polynomial_write(&linear, unknown, out);
        fm_buffer_text(out, ")");
    }
}

/* ---- drawing ------------------------------------------------------------------------------------- */

static int64_t not_zero(fm_dice *d, int64_t most) {
    int64_t c = fm_dice_between(d, 1, most);
    return fm_dice_chance(d, 1, 2) ? c : -c;
}

static fm_polynomial throw_polynomial(fm_dice *d, int degree, int64_t most) {
    int64_t c[FM_POLYNOMIAL_DEGREE + 1];
    for (int i = 0; i < degree; i++) c[i] = fm_dice_between(d, -most, most);
    c[degree] = not_zero(d, most);
    return fm_polynomial_of(c, (size_t)degree + 1);
}

/* The product of linear factors, the leading coefficients of which are up to `lead`. */
static fm_polynomial throw_product(fm_dice *d, int n, int64_t lead, int64_t most) {
    fm_polynomial q = {.c = {1}};
    for (int i = 0; i < n; i++) {
        int64_t c[2] = {0, 1};
        c[0] = not_zero(d, most);
        if (i == 0) c[1] = fm_dice_between(d, 1, lead);
        fm_polynomial f = fm_polynomial_of(c, 2);
        fm_polynomial_multiply(&q, &f, &q);
    }
    return q;
}

typedef struct level {
    int asked, degrees[PARTS_MAX];
    int64_t most;
} level;

static void throw_parts(polynomials *p, const level *l, fm_dice *d) {
    p->asked = l->asked;
    for (int i = 0; i < PARTS_MAX && l->degrees[i]; i++) {
        fm_polynomial q = l->asked == FACTOR ? throw_product(d, l->degrees[i], l->most > 9 ? 1 : 4, l->most)
                                             : throw_polynomial(d, l->degrees[i], l->most);
        add_part(p, &q);
    }
    if (l->asked == VALUE) p->at = fm_dice_between(d, -5, 5);
}

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    static const level levels[][3] = {
        {{VALUE, {2}, 9}, {COLLECT, {2, 2}, 9}, {DERIVATIVE, {2}, 12}},
        {{EXPAND, {1, 1}, 9}, {SUBTRACT, {2, 2}, 20}, {DERIVATIVE, {3}, 12}},
        {{EXPAND, {1, 2}, 9}, {FACTOR, {2}, 12}, {COLLECT, {3, 2, 3}, 30}},
        {{VALUE, {4}, 9}, {FACTOR, {2}, 9}, {DERIVATIVE, {5}, 15}},
        {{EXPAND, {1, 1, 1}, 6}, {FACTOR, {3}, 6}, {EXPAND, {2, 2}, 9}},
    };
    polynomials *p = out;
    (void)phrasing;
    p->unknown[0] = "xxxyzntk"[fm_dice_between(d, 0, 7)];
    throw_parts(p, &levels[band][fm_dice_between(d, 0, 2)], d);
    return true;
}

static fm_status valid(const void *v, fm_error *err) {
    const polynomials *p = v;
    int64_t n = 0, value;
    fm_polynomial whole;
    factors f;
    for (int i = 0; i < p->parts; i++) n += p->lengths[i];
    if (p->parts < 1 || n != p->n)
        return fm_fail(err, FM_ERR_FORMAT, "\"lengths\" has the lengths of one to three parts of \"coefficients\"");
    bool one = p->asked == VALUE || p->asked == DERIVATIVE || p->asked == FACTOR;
    if (one != (p->parts == 1) || (p->asked == SUBTRACT && p->parts != 2))
        return fm_fail(err, FM_ERR_FORMAT, "what is \"asked\" is not asked of so many parts");
    for (int i = 0; i < p->parts; i++)
        if (part(p, i).degree + 1 != p->lengths[i])
            return fm_fail(err, FM_ERR_FORMAT, "a part ends with a coefficient of 0");
    if (p->unknown[0] < 'a' || p->unknown[0] > 'z')
        return fm_fail(err, FM_ERR_FORMAT, "\"unknown\" is one small letter");
    if (p->asked != VALUE && p->at) return fm_fail(err, FM_ERR_FORMAT, "\"at\" is 0 where no value is asked for");
    if (!result(p, &whole) || (p->asked == VALUE && !fm_polynomial_at(&whole, p->at, &value)))
        return fm_fail(err, FM_ERR_FORMAT, "the result is too large");
    if (p->asked == FACTOR && (whole.degree < 1 || llabs(whole.c[0]) > 10000 || llabs(whole.c[whole.degree]) > 1000 ||
                               !find_factors(&whole, &f, 'x', NULL)))
        return fm_fail(err, FM_ERR_FORMAT, "the polynomial has no linear factors with small whole coefficients");
    return FM_OK;
}

/* ---- words --------------------------------------------------------------------------------------- */

static void put_parts(const polynomials *p, fm_buffer *out) {
    static const char *const between[ASKED] = {[COLLECT] = " + ", [SUBTRACT] = " - ", [EXPAND] = ""};
    for (int i = 0; i < p->parts; i++) {
        fm_polynomial q = part(p, i);
        if (i > 0) fm_buffer_text(out, between[p->asked]);
        if (p->parts > 1) fm_buffer_text(out, "(");
        fm_polynomial_write(&q, p->unknown[0], out);
        if (p->parts > 1) fm_buffer_text(out, ")");
    }
}

static bool slot(const void *v, const char *name, fm_buffer *out) {
    const polynomials *p = v;
    static const char *const tasks[ASKED] = {
        [COLLECT] = "Simplify", [SUBTRACT] = "Simplify", [EXPAND] = "Expand and collect like terms",
        [DERIVATIVE] = "Find the derivative", [FACTOR] = "Factor into linear factors"};
    if (!strcmp(name, "what")) put_parts(p, out);
    else if (strcmp(name, "task")) return false;
    else if (p->asked == VALUE) fm_buffer_format(out, "Find the value at %s = %" PRId64, p->unknown, p->at);
    else fm_buffer_text(out, tasks[p->asked]);
    return true;
}

static int by_part(const void *a, const void *b) {
    const fm_polynomial *p = a, *q = b;
    for (int i = 0; i <= FM_POLYNOMIAL_DEGREE; i++)
        if (p->c[i] != q->c[i]) return p->c[i] < q->c[i] ? -1 : 1;
    return 0;
}

/* Parts of a sum and of a product may be exchanged; the unknown is x. A polynomial that is expanded and the one that
 * is factored back are the same problem. */
static void key(const void *v, fm_buffer *out) {
    const polynomials *p = v;
    fm_polynomial parts[PARTS_MAX];
    int n = (int)p->parts;
    for (int i = 0; i < n; i++) parts[i] = part(p, i);
    if (p->asked == COLLECT || p->asked == EXPAND) qsort(parts, (size_t)n, sizeof *parts, by_part);
    bool product = p->asked == EXPAND || p->asked == FACTOR;
    if (product && result(p, &parts[0])) n = 1;
    fm_buffer_format(out, "%" PRId64 " at %" PRId64 ":", product ? (int64_t)EXPAND : p->asked, p->at);
    for (int i = 0; i < n; i++) {
        fm_buffer_text(out, i ? "; " : " ");
        fm_polynomial_write(&parts[i], 'x', out);
    }
}

/* ---- on paper ------------------------------------------------------------------------------------ */

/* From the highest coefficient: times x, plus the next. */
static void solve_value(const polynomials *p, fm_buffer *working, fm_buffer *answer) {
    fm_polynomial q = part(p, 0);
    int64_t value = q.c[q.degree];
    fm_buffer_format(working, "begin with %" PRId64 "\n", value);
    for (int i = q.degree - 1; i >= 0; i--) {
        int64_t product = value * p->at;
        fm_buffer_format(working, "%" PRId64 " * %" PRId64 " = %" PRId64 ", plus %" PRId64 " = %" PRId64 "\n", value,
                         p->at, product, q.c[i], product + q.c[i]);
        value = product + q.c[i];
    }
    fm_buffer_format(working, "The value is %" PRId64 "\n", value);
    fm_buffer_format(answer, "%" PRId64, value);
}

static void put_power(int64_t c, int power, char unknown, fm_buffer *out) {
    int64_t all[FM_POLYNOMIAL_DEGREE + 1] = {0};
    all[power] = c;
    fm_polynomial q = fm_polynomial_of(all, FM_POLYNOMIAL_DEGREE + 1);
    fm_polynomial_write(&q, unknown, out);
}

/* Power by power, the highest first: the coefficients, added or subtracted. */
static void add_on_paper(const polynomials *p, fm_buffer *working, fm_polynomial *out) {
    result(p, out);
    for (int power = FM_POLYNOMIAL_DEGREE; power >= 0; power--) {
        bool first = true;
        for (int i = 0; i < p->parts; i++) {
            int64_t c = part(p, i).c[power];
            if (c == 0) continue;
            if (first) fm_buffer_format(working, "power %d: ", power);
            bool minus = p->asked == SUBTRACT && i > 0;
            fm_buffer_text(working, minus ? " - " : first ? "" : " + ");
            fm_buffer_format(working, first && !minus ? "%" PRId64 : "(%" PRId64 ")", c);
            first = false;
        }
        if (!first) fm_buffer_format(working, " = %" PRId64 "\n", out->c[power]);
    }
}

/* Each term of the first times each of the second, and like terms collected; then times the third. */
static void multiply_on_paper(const polynomials *p, fm_buffer *working, fm_polynomial *out) {
    char x = p->unknown[0];
    *out = part(p, 0);
    for (int k = 1; k < p->parts; k++) {
        fm_polynomial next = part(p, k);
        for (int i = out->degree; i >= 0; i--) {
            if (out->c[i] == 0) continue;
            put_power(out->c[i], i, x, working);
            fm_buffer_text(working, " times (");
            fm_polynomial_write(&next, x, working);
            fm_buffer_text(working, "): ");
            for (int j = next.degree, first = 1; j >= 0; j--) {
                if (next.c[j] == 0) continue;
                if (!first) fm_buffer_text(working, ", ");
                put_power(out->c[i] * next.c[j], i + j, x, working);
                first = 0;
            }
            fm_buffer_text(working, "\n");
        }
        fm_polynomial_multiply(out, &next, out);
        fm_buffer_text(working, "collected: ");
        fm_polynomial_write(out, x, working);
        fm_buffer_text(working, "\n");
    }
}

static void differentiate_on_paper(const polynomials *p, fm_buffer *working, fm_polynomial *out) {
    fm_polynomial q = part(p, 0);
    *out = derivative(&q);
    for (int i = q.degree; i >= 0; i--) {
        if (q.c[i] == 0) continue;
        put_power(q.c[i], i, p->unknown[0], working);
        fm_buffer_format(working, ": %d * %" PRId64 " = %" PRId64 ", ", i, q.c[i], q.c[i] * i);
        put_power(i ? q.c[i] * i : 0, i ? i - 1 : 0, p->unknown[0], working);
        fm_buffer_text(working, "\n");
    }
}

static void solve(const void *v, fm_buffer *working, fm_buffer *answer) {
    const polynomials *p = v;
    fm_polynomial q = part(p, 0);
    factors f;
    if (p->asked == VALUE) {
        solve_value(p, working, answer);
        return;
    }
    if (p->asked == FACTOR) {
        if (find_factors(&q, &f, p->unknown[0], working)) put_factors(&f, p->unknown[0], answer);
        fm_buffer_format(working, "The product is %s\n", fm_buffer_string(answer));
        return;
    }
    if (p->asked == EXPAND) multiply_on_paper(p, working, &q);
    else if (p->asked == DERIVATIVE) differentiate_on_paper(p, working, &q);
    else add_on_paper(p, working, &q);
    fm_polynomial_write(&q, p->unknown[0], answer);
    fm_buffer_format(working, "The result is %s\n", fm_buffer_string(answer));
}

/* Sums and products must be carried out, factors must be linear; a derivative may have any form. */
static fm_verdict check(const void *v, const char *answer, size_t size) {
    const polynomials *p = v;
    fm_polynomial expected, given;
    fm_polynomial_form form;
    int64_t value;
    if (p->asked == VALUE) {
        fm_polynomial q = part(p, 0);
        return fm_polynomial_at(&q, p->at, &value) ? fm_literal_check(answer, size, 0, value, 1) : FM_UNDECIDED;
    }
    if (!result(p, &expected) || !fm_polynomial_read(answer, size, p->unknown[0], &given, &form)) return FM_WRONG;
    if (!fm_polynomial_equal(&expected, &given)) return FM_WRONG;
    if (p->asked == FACTOR) return form.factor_degree <= 1 ? FM_RIGHT : FM_WRONG;
    return p->asked == DERIVATIVE || form.expanded ? FM_RIGHT : FM_WRONG;
}

const fm_task_kind fm_task_polynomials = {
    .name = "polynomials",
    .answer = "a polynomial with whole coefficients such as 3x^2 - x + 5, factors such as 2(x - 1)(x + 3), or a number",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 2,
    .size = sizeof(polynomials), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .slot = slot, .key = key, .solve = solve, .check = check,
};

#include "rl/maths/scalar.h"

#include "rl/maths/ball.h"
#include "rl/maths/modular.h"
#include "rl/maths/rational.h"

static bool has_variables(const fm_tree_node *x) {
    if (x->kind == FM_TREE_NAME) return true;
    for (int i = 0; i < x->n; i++)
        if (has_variables(x->child[i])) return true;
    return false;
}

/* Both as rational numbers: true where that decides. */
static bool rationals(fm_scope *scope, fm_value gold, fm_value given, fm_verdict *verdict,
                      const char **why) {
    fmpq_t a, b;
    fmpq_init(a), fmpq_init(b);
    fm_exact x = fm_rational_value(scope, gold, a), y = fm_rational_value(scope, given, b);
    bool done = true;
    if (x == FM_UNDEFINED) {
        *why = "the expected answer has no value";
        *verdict = FM_UNDECIDED;
    } else if (y == FM_UNDEFINED) {
        *why = "it is undefined";
        *verdict = FM_WRONG;
    } else if (x == FM_EXACT && y == FM_EXACT)
        *verdict = fmpq_equal(a, b) ? FM_RIGHT : FM_WRONG;
    else
        done = false;
    fmpq_clear(a), fmpq_clear(b);
    return done;
}

static fm_verdict numbers(fm_scope *scope, fm_value gold, fm_value given, const char **why) {
    fm_verdict verdict = fm_ball_equal(scope, gold, given, why);
    if (verdict != FM_UNDECIDED || fm_modular_equal(scope, gold, given) != FM_MODULAR_EQUAL)
        return verdict;
    return FM_RIGHT; /* too large to be written out, or alike in pi, e and logarithms */
}

fm_verdict fm_scalar_equal(fm_scope *scope, fm_value gold, fm_value given, const char **why) {
    fm_verdict verdict;
    *why = "its value is another";
    if (rationals(scope, gold, given, &verdict, why)) return verdict;
    if (gold.lower == given.lower && fm_tree_same(gold.x, given.x)) return FM_RIGHT;
    if (!has_variables(gold.x) && !has_variables(given.x)) return numbers(scope, gold, given, why);
    switch (fm_modular_equal(scope, gold, given)) {
    case FM_MODULAR_EQUAL: return FM_RIGHT;
    case FM_MODULAR_DIFFERENT: return FM_WRONG;
    case FM_MODULAR_UNDEFINED_GOLD: *why = "the expected answer has no value"; return FM_UNDECIDED;
    case FM_MODULAR_UNDEFINED_GIVEN: *why = "it is undefined"; return FM_WRONG;
    default: return fm_ball_equal(scope, gold, given, why);
    }
}

bool fm_scalar_order(fm_scope *scope, fm_value a, fm_value b, int *order) {
    const char *ignored;
    if (fm_ball_order(scope, a, b, order)) return true;
    *order = 0;
    return fm_scalar_equal(scope, a, b, &ignored) == FM_RIGHT;
}

fm_verdict fm_scalar_near(fm_scope *scope, fm_value gold, fm_value given, double tolerance) {
    return fm_ball_near(scope, gold, given, tolerance);
}

fm_verdict fm_scalar_multiple(fm_scope *scope, fm_value gold, fm_value given, int *sign) {
    *sign = 0;
    switch (fm_modular_multiple(scope, gold, given)) {
    case FM_MODULAR_EQUAL: *sign = fm_ball_sign_of_ratio(scope, gold, given); return FM_RIGHT;
    case FM_MODULAR_DIFFERENT:
    case FM_MODULAR_UNDEFINED_GIVEN: return FM_WRONG;
    default: return FM_UNDECIDED;
    }
}

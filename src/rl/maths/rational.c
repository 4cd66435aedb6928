#include "rl/maths/rational.h"

#include "rl/maths/equivalence.h"

enum { FACTORIAL_MAX = 2000, BINOMIAL_MAX = 20000, ROOT_MAX = 64 };

/* ---- literals -------------------------------------------------------------------------------- */

/* digits[0, n) without its point as an integer. */
static bool read_digits(fmpz_t out, const char *s, int n) {
    char digits[FM_MATHS_DIGITS + 2];
    int count = 0;
    for (int i = 0; i < n && count <= FM_MATHS_DIGITS; i++)
        if (s[i] != '.') digits[count++] = s[i];
    digits[count] = 0;
    if (count == 0) fmpz_zero(out);
    return count == 0 || fmpz_set_str(out, digits, 10) == 0;
}

static fm_exact literal(const fm_tree_node *x, fmpq_t out) {
    int places = 0;
    for (int i = 0; i < x->text_n; i++)
        if (x->text[i] == '.') places = x->text_n - i - 1;
    fmpz_t top, less, scale;
    fmpz_init(top), fmpz_init(less), fmpz_init(scale);
    bool ok = read_digits(top, x->text, x->text_n);
    fmpz_ui_pow_ui(scale, 10, (ulong)places);
    if (ok && x->repeat > 0) { /* 0.1(6) = (16 - 1) / (100 - 10) */
        fmpz_t unrepeated;
        fmpz_init(unrepeated);
        ok = read_digits(less, x->text, x->text_n - x->repeat);
        fmpz_sub(top, top, less);
        fmpz_ui_pow_ui(unrepeated, 10, (ulong)(places - x->repeat));
        fmpz_sub(scale, scale, unrepeated);
        fmpz_clear(unrepeated);
    }
    if (ok) {
        fmpq_set_fmpz_frac(out, top, scale);
        fmpz_ui_pow_ui(scale, 10, (ulong)(x->exponent < 0 ? -x->exponent : x->exponent));
        if (x->exponent < 0)
            fmpq_div_fmpz(out, out, scale);
        else
            fmpq_mul_fmpz(out, out, scale);
    }
    fmpz_clear(top), fmpz_clear(less), fmpz_clear(scale);
    return ok ? FM_EXACT : FM_TOO_LARGE;
}

/* ---- powers and roots ------------------------------------------------------------------------ */

bool fm_rational_root(fmpq_t out, const fmpq_t x, ulong k) {
    if (k == 0 || k > ROOT_MAX || (k % 2 == 0 && fmpq_sgn(x) < 0)) return false;
    bool negative = fmpq_sgn(x) < 0;
    fmpz_t top, bottom;
    fmpz_init(top), fmpz_init(bottom);
    fmpz_abs(top, fmpq_numref(x));
    bool exact = fmpz_root(top, top, (slong)k) && fmpz_root(bottom, fmpq_denref(x), (slong)k);
    if (exact) {
        if (negative) fmpz_neg(top, top);
        fmpq_set_fmpz_frac(out, top, bottom);
    }
    fmpz_clear(top), fmpz_clear(bottom);
    return exact;
}

static fm_exact integer_power(fmpq_t out, const fmpq_t base, const fmpz_t power) {
    if (fmpq_is_zero(base) && fmpz_sgn(power) <= 0) return FM_UNDEFINED;
    if (fmpq_is_zero(base) || fmpq_is_one(base)) {
        fmpq_set(out, base);
        return FM_EXACT;
    }
    if (fmpz_bits(power) > 20) return FM_TOO_LARGE;
    slong n = fmpz_get_si(power), size = n < 0 ? -n : n;
    if (fm_rational_bits(base) * size > FM_MATHS_BITS) return FM_TOO_LARGE;
    fmpq_pow_si(out, base, n);
    return FM_EXACT;
}

static fm_exact power(fmpq_t out, const fmpq_t base, const fmpq_t exponent) {
    if (fmpz_is_one(fmpq_denref(exponent))) return integer_power(out, base, fmpq_numref(exponent));
    if (fmpz_cmp_ui(fmpq_denref(exponent), ROOT_MAX) > 0) return FM_INEXACT;
    fmpq_t root;
    fmpq_init(root);
    fm_exact result = FM_INEXACT;
    if (fm_rational_root(root, base, fmpz_get_ui(fmpq_denref(exponent))))
        result = integer_power(out, root, fmpq_numref(exponent));
    fmpq_clear(root);
    return result;
}

static bool small_integer(const fmpq_t x, ulong limit, ulong *out) {
    if (!fmpz_is_one(fmpq_denref(x)) || fmpq_sgn(x) < 0 || fmpz_cmp_ui(fmpq_numref(x), limit) > 0)
        return false;
    *out = fmpz_get_ui(fmpq_numref(x));
    return true;
}

static fm_exact root(fmpq_t out, const fmpq_t x, const fmpq_t index) {
    ulong k;
    if (!small_integer(index, ROOT_MAX, &k)) return FM_INEXACT;
    if (k == 0) return FM_UNDEFINED;
    return fm_rational_root(out, x, k) ? FM_EXACT : FM_INEXACT;
}

static fm_exact factorial(fmpq_t out, const fmpq_t x) {
    ulong n;
    if (!fmpz_is_one(fmpq_denref(x))) return FM_INEXACT;
    if (fmpq_sgn(x) < 0) return FM_UNDEFINED;
    if (!small_integer(x, FACTORIAL_MAX, &n)) return FM_TOO_LARGE;
    fmpz_fac_ui(fmpq_numref(out), n);
    fmpz_one(fmpq_denref(out));
    return FM_EXACT;
}

static fm_exact binomial(fmpq_t out, const fmpq_t above, const fmpq_t below) {
    ulong n, k;
    if (!small_integer(above, BINOMIAL_MAX, &n) || !small_integer(below, BINOMIAL_MAX, &k))
        return FM_INEXACT;
    fmpz_bin_uiui(fmpq_numref(out), n, k);
    fmpz_one(fmpq_denref(out));
    return FM_EXACT;
}

/* ---- trees ----------------------------------------------------------------------------------- */

static fm_exact two(const fm_tree_node *x, bool lower, fmpq_t out, const fmpq_t a, const fmpq_t b) {
    switch (x->kind) {
    case FM_TREE_PLUS_MINUS:
        if (lower != (x->op == 1))
            fmpq_sub(out, a, b);
        else
            fmpq_add(out, a, b);
        return FM_EXACT;
    case FM_TREE_ADD: fmpq_add(out, a, b); return FM_EXACT;
    case FM_TREE_SUBTRACT: fmpq_sub(out, a, b); return FM_EXACT;
    case FM_TREE_MULTIPLY: fmpq_mul(out, a, b); return FM_EXACT;
    case FM_TREE_DIVIDE:
        if (fmpq_is_zero(b)) return FM_UNDEFINED;
        fmpq_div(out, a, b);
        return FM_EXACT;
    case FM_TREE_POWER: return power(out, a, b);
    case FM_TREE_ROOT: return root(out, a, b);
    case FM_TREE_BINOMIAL: return binomial(out, a, b);
    default: return FM_INEXACT;
    }
}

static fm_exact one(const fm_tree_node *x, bool lower, fmpq_t out, const fmpq_t a) {
    switch (x->kind) {
    case FM_TREE_NEGATE: fmpq_neg(out, a); return FM_EXACT;
    case FM_TREE_ABSOLUTE: fmpq_abs(out, a); return FM_EXACT;
    case FM_TREE_PERCENT:
        fmpq_div_2exp(out, a, 2);
        fmpq_div_fmpz(out, out, (fmpz[]){25});
        return FM_EXACT;
    case FM_TREE_FACTORIAL: return factorial(out, a);
    case FM_TREE_PLUS_MINUS:
        if (lower != (x->op == 1))
            fmpq_neg(out, a);
        else
            fmpq_set(out, a);
        return FM_EXACT;
    default: return FM_INEXACT;
    }
}

fm_exact fm_rational_value(fm_scope *scope, fm_value v, fmpq_t out) {
    const fm_tree_node *x = v.x;
    if (x->kind == FM_TREE_NUMBER) return literal(x, out);
    if (x->kind == FM_TREE_CALL || x->kind == FM_TREE_DEGREE || x->n < 1 || x->n > 2)
        return FM_INEXACT;
    fmpq_t a, b;
    fmpq_init(a), fmpq_init(b);
    fm_exact result = fm_rational_value(scope, (fm_value){x->child[0], v.lower}, a);
    if (result == FM_EXACT && x->n == 2)
        result = fm_rational_value(scope, (fm_value){x->child[1], v.lower}, b);
    if (result == FM_EXACT && fm_rational_bits(a) + fm_rational_bits(b) > 2 * FM_MATHS_BITS)
        result = FM_TOO_LARGE;
    if (result == FM_EXACT) {
        scope->work -= 50 + fm_rational_bits(a) + fm_rational_bits(b);
        result = scope->work < 0 || fm_flint_short() ? FM_TOO_LARGE
                 : x->n == 2     ? two(x, v.lower, out, a, b)
                                 : one(x, v.lower, out, a);
    }
    fmpq_clear(a), fmpq_clear(b);
    return result;
}

/* ---- rational multiples of pi and i ---------------------------------------------------------- */

static fm_exact combine(const fm_tree_node *x, fm_monomial *out, const fm_monomial *a,
                        const fm_monomial *b) {
    bool like = a->pi == b->pi && a->i == b->i;
    switch (x->kind) {
    case FM_TREE_ADD:
    case FM_TREE_SUBTRACT:
        if (!like) return FM_INEXACT;
        out->pi = a->pi, out->i = a->i;
        break;
    case FM_TREE_MULTIPLY:
    case FM_TREE_DIVIDE:
        if (x->kind == FM_TREE_DIVIDE && b->i) return FM_INEXACT;
        out->pi = x->kind == FM_TREE_DIVIDE ? a->pi - b->pi : a->pi + b->pi;
        out->i = a->i + b->i;
        break;
    default: return FM_INEXACT;
    }
    fm_exact result = two(x, false, out->coefficient, a->coefficient, b->coefficient);
    if (out->i == 2) {
        fmpq_neg(out->coefficient, out->coefficient);
        out->i = 0;
    }
    return result;
}

fm_exact fm_monomial_value(fm_scope *scope, fm_value v, fm_monomial *out) {
    const fm_tree_node *x = v.x;
    out->pi = out->i = 0;
    fm_exact result = fm_rational_value(scope, v, out->coefficient);
    if (result != FM_INEXACT) return result;
    bool constant =
        x->kind == FM_TREE_CONSTANT && (x->op == FM_CONSTANT_PI || x->op == FM_CONSTANT_I);
    if (constant) {
        fmpq_one(out->coefficient);
        out->pi = x->op == FM_CONSTANT_PI, out->i = x->op == FM_CONSTANT_I;
        return FM_EXACT;
    }
    if (x->kind == FM_TREE_NEGATE || x->kind == FM_TREE_DEGREE) {
        result = fm_monomial_value(scope, (fm_value){x->child[0], v.lower}, out);
        if (x->kind == FM_TREE_NEGATE) {
            fmpq_neg(out->coefficient, out->coefficient);
        } else {
            fmpq_div_fmpz(out->coefficient, out->coefficient, (fmpz[]){180});
            out->pi++;
        }
        return result;
    }
    if (x->n != 2 || (x->kind != FM_TREE_ADD && x->kind != FM_TREE_SUBTRACT &&
                      x->kind != FM_TREE_MULTIPLY && x->kind != FM_TREE_DIVIDE))
        return FM_INEXACT;
    fm_monomial a, b;
    fmpq_init(a.coefficient), fmpq_init(b.coefficient);
    result = fm_monomial_value(scope, (fm_value){x->child[0], v.lower}, &a);
    if (result == FM_EXACT) result = fm_monomial_value(scope, (fm_value){x->child[1], v.lower}, &b);
    if (result == FM_EXACT) result = combine(x, out, &a, &b);
    fmpq_clear(a.coefficient), fmpq_clear(b.coefficient);
    return result;
}

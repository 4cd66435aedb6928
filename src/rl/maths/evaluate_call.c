/* evaluate_call.c: functions: of angles, logarithms, powers of e and the rest. */
#include "rl/maths/evaluate_parts.h"

enum { UNITY_MAX = 240 }; /* roots of unity in a proof */

/* Cosine (sine) of pi q, an algebraic number: half an integer of the field of 4d-th roots of unity,
 * d the denominator of q. */
static bool circular_part(fm_place *at, bool sine, const fmpq_t q, fm_known *out) {
    slong d = fmpz_fits_si(fmpq_denref(q)) ? fmpz_get_si(fmpq_denref(q)) : UNITY_MAX;
    if (at->proof && d > UNITY_MAX / 4) return fm_place_fail(at);
    (sine ? arb_sin_pi_fmpq : arb_cos_pi_fmpq)(acb_realref(out->v), q, at->precision);
    arb_zero(acb_imagref(out->v));
    if (at->proof && d > 1) fm_place_count_root(at, (int)n_euler_phi((ulong)(4 * d)), 1000 + (uint64_t)d);
    out->u = out->l = 1;
    if (d <= 2) { /* 0, 1, -1 */
        fmpz_t n;
        fmpz_init(n);
        arb_get_unique_fmpz(n, acb_realref(out->v));
        fmpq_set_fmpz(out->q, n);
        fmpz_clear(n);
        return fm_known_settle(at, out);
    }
    return true;
}

/* Of the value of sine and cosine, whatever they were found from. */
static bool of_circle(fm_place *at, int function, fm_known *out, const fm_known *sine,
                      const fm_known *cosine) {
    fm_known one;
    fm_known_init(&one);
    fmpq_one(one.q);
    bool ok = fm_known_settle(at, &one);
    bool cotangent = function == FM_FUNCTION_COT, upright = function == FM_FUNCTION_TAN;
    if (upright || cotangent)
        ok = ok &&
             fm_known_combine(at, FM_TREE_DIVIDE, out, upright ? sine : cosine, upright ? cosine : sine);
    else if (function == FM_FUNCTION_SEC || function == FM_FUNCTION_CSC)
        ok = ok &&
             fm_known_combine(at, FM_TREE_DIVIDE, out, &one, function == FM_FUNCTION_SEC ? cosine : sine);
    else {
        const fm_known *k = function == FM_FUNCTION_SIN ? sine : cosine;
        acb_set(out->v, k->v);
        fmpq_set(out->q, k->q);
        out->rational = k->rational, out->u = k->u, out->l = k->l;
    }
    fm_known_clear(&one);
    return ok;
}

static bool circular(fm_place *at, const fm_tree_node *x, bool lower, fm_known *out) {
    fm_monomial m;
    fmpq_init(m.coefficient);
    fm_known sine, cosine, argument;
    fm_known_init(&sine), fm_known_init(&cosine), fm_known_init(&argument);
    fm_exact exact = fm_monomial_value(at->scope, (fm_value){x->child[0], lower}, &m);
    bool part = exact == FM_EXACT && m.i == 0 && (m.pi == 1 || fmpq_is_zero(m.coefficient)), ok;
    if (part)
        ok = circular_part(at, true, m.coefficient, &sine) &&
             circular_part(at, false, m.coefficient, &cosine);
    else if (at->proof)
        ok = fm_place_fail(at);
    else {
        ok = fm_evaluate(at, (fm_value){x->child[0], lower}, &argument);
        acb_sin_cos(sine.v, cosine.v, argument.v, at->precision);
    }
    ok = ok && of_circle(at, x->op, out, &sine, &cosine);
    fm_known_clear(&sine), fm_known_clear(&cosine), fm_known_clear(&argument);
    fmpq_clear(m.coefficient);
    return ok;
}

/* Sum of k log p over the prime factors; for a proof each log p is a rational near it. */
static bool add_logarithms(fm_place *at, const fmpz_t n, bool minus, fmpq_t sum) {
    n_factor_t factors;
    n_factor_init(&factors);
    if (fmpz_bits(n) > 62) return fm_place_fail(at);
    n_factor(&factors, fmpz_get_ui(n), 1);
    fm_known k;
    arb_t x;
    fm_known_init(&k), arb_init(x);
    for (int i = 0; i < factors.num; i++) {
        arb_log_ui(x, factors.p[i], 64);
        fm_known_near(at, &k, x, factors.p[i] + 16);
        fmpz_t times;
        fmpz_init_set_si(times, minus ? -(slong)factors.exp[i] : (slong)factors.exp[i]);
        fmpq_mul_fmpz(k.q, k.q, times);
        fmpq_add(sum, sum, k.q);
        fmpz_clear(times);
    }
    fm_known_clear(&k), arb_clear(x);
    return true;
}

/* ln x for a proof: of a positive rational, of e, and of roots and powers of these. */
static bool proved_logarithm(fm_place *at, const fm_tree_node *x, bool lower, fm_known *out) {
    fmpq_t q;
    fmpq_init(q);
    bool ok = false, power = x->kind == FM_TREE_POWER || x->kind == FM_TREE_ROOT;
    if (x->kind == FM_TREE_CONSTANT && x->op == FM_CONSTANT_E) {
        fmpq_one(out->q);
        ok = fm_known_settle(at, out);
    } else if (fm_rational_value(at->scope, (fm_value){x, lower}, q) == FM_EXACT) {
        fmpq_set_si(out->q, 0, 1);
        ok = fmpq_sgn(q) > 0 && add_logarithms(at, fmpq_numref(q), false, out->q) &&
             add_logarithms(at, fmpq_denref(q), true, out->q) && fm_known_settle(at, out);
    } else if (power &&
               fm_rational_value(at->scope, (fm_value){x->child[1], lower}, q) == FM_EXACT &&
               !fmpq_is_zero(q)) {
        fm_known base;
        fm_known_init(&base);
        ok = proved_logarithm(at, x->child[0], lower, &base);
        if (x->kind == FM_TREE_ROOT) fmpq_inv(q, q);
        fmpq_mul(out->q, base.q, q);
        ok = ok && fm_known_settle(at, out);
        fm_known_clear(&base);
    }
    fmpq_clear(q);
    return ok || fm_place_fail(at);
}

static bool logarithm(fm_place *at, const fm_tree_node *x, bool lower, fm_known *out) {
    if (at->proof) return proved_logarithm(at, x, lower, out);
    fm_known k;
    fm_known_init(&k);
    bool ok = fm_evaluate(at, (fm_value){x, lower}, &k);
    if (ok && k.rational && fmpq_is_zero(k.q)) {
        at->undefined = true;
        ok = fm_place_fail(at);
    }
    if (ok) acb_log(out->v, k.v, at->precision);
    fm_known_clear(&k);
    return ok;
}

/* log, with its base below it or by the scope. */
static bool based_logarithm(fm_place *at, const fm_tree_node *x, bool lower, fm_known *out) {
    if (x->n == 1 && !at->scope->common) return logarithm(at, x->child[0], lower, out);
    static const fm_tree_node ten = {.kind = FM_TREE_NUMBER, .text = "10", .text_n = 2};
    fm_known top, bottom;
    fm_known_init(&top), fm_known_init(&bottom);
    bool ok = logarithm(at, x->child[0], lower, &top) &&
              logarithm(at, x->n == 2 ? x->child[1] : &ten, lower, &bottom) &&
              fm_known_combine(at, FM_TREE_DIVIDE, out, &top, &bottom);
    fm_known_clear(&top), fm_known_clear(&bottom);
    return ok;
}

/* e^x: a turn where x is a rational part of i pi; for a proof also a power of what stands for e. */
bool fm_evaluate_exponential(fm_place *at, const fm_tree_node *x, bool lower, fm_known *out) {
    fm_monomial m;
    fmpq_init(m.coefficient);
    fm_known a, b;
    fm_known_init(&a), fm_known_init(&b);
    fm_exact exact = fm_monomial_value(at->scope, (fm_value){x, lower}, &m);
    bool ok;
    if (exact == FM_EXACT && m.i == 1 && m.pi == 1) {
        fm_known turn;
        fm_known_init(&turn);
        ok = circular_part(at, true, m.coefficient, &a) && fm_known_constant(at, FM_CONSTANT_I, &b) &&
             fm_known_combine(at, FM_TREE_MULTIPLY, &turn, &a, &b);
        fm_known_clear(&a), fm_known_init(&a);
        ok = ok && circular_part(at, false, m.coefficient, &a) &&
             fm_known_combine(at, FM_TREE_ADD, out, &a, &turn);
        fm_known_clear(&turn);
    } else if (at->proof)
        ok = exact == FM_EXACT && m.i == 0 && m.pi == 0 && fm_known_constant(at, FM_CONSTANT_E, &a)
                 ? fm_known_power(at, out, &a, m.coefficient, 0)
                 : fm_place_fail(at);
    else {
        ok = fm_evaluate(at, (fm_value){x, lower}, &a);
        acb_exp(out->v, a.v, at->precision);
    }
    fm_known_clear(&a), fm_known_clear(&b);
    fmpq_clear(m.coefficient);
    return ok;
}

bool fm_evaluate_call(fm_place *at, const fm_tree_node *x, bool lower, fm_known *out) {
    if (x->op <= FM_FUNCTION_CSC) return circular(at, x, lower, out);
    if (x->op == FM_FUNCTION_LN) return logarithm(at, x->child[0], lower, out);
    if (x->op == FM_FUNCTION_LOG) return based_logarithm(at, x, lower, out);
    if (x->op == FM_FUNCTION_EXP) return fm_evaluate_exponential(at, x->child[0], lower, out);
    if (at->proof) return fm_place_fail(at);
    fm_known a;
    fm_known_init(&a);
    bool ok = fm_evaluate(at, (fm_value){x->child[0], lower}, &a);
    if (ok) {
        switch (x->op) {
        case FM_FUNCTION_ARCSIN: acb_asin(out->v, a.v, at->precision); break;
        case FM_FUNCTION_ARCCOS: acb_acos(out->v, a.v, at->precision); break;
        case FM_FUNCTION_ARCTAN: acb_atan(out->v, a.v, at->precision); break;
        case FM_FUNCTION_SINH: acb_sinh(out->v, a.v, at->precision); break;
        case FM_FUNCTION_COSH: acb_cosh(out->v, a.v, at->precision); break;
        default: acb_tanh(out->v, a.v, at->precision); break;
        }
    }
    fm_known_clear(&a);
    return ok;
}

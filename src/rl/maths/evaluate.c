#include "rl/maths/evaluate_parts.h"

#include "base/rng.h"
#include "rl/maths/equivalence.h"

#include <math.h>

enum { ROOT_INDEX_MAX = 64 };

bool fm_place_fail(fm_place *at) {
    at->failed = true;
    return false;
}

/* Bits of |n|, and 0 for 0: log2 of a bound. */
static double bits(const fmpz_t n) { return fmpz_is_zero(n) ? 0 : (double)fmpz_bits(n); }

/* out is the rational q in out->q. */
bool fm_known_settle(fm_place *at, fm_known *out) {
    if (fm_rational_bits(out->q) > FM_MATHS_BITS) return fm_place_fail(at);
    out->rational = true;
    arb_set_fmpq(acb_realref(out->v), out->q, at->precision);
    arb_zero(acb_imagref(out->v));
    out->u = bits(fmpq_numref(out->q));
    out->l = bits(fmpq_denref(out->q)) - (fmpz_is_one(fmpq_denref(out->q)) ? 1 : 0);
    return true;
}

/* A root of this index enters, unless it has before. */
void fm_place_count_root(fm_place *at, int index, uint64_t key) {
    for (int k = 0; k < at->n_roots; k++)
        if (at->roots[k] == key) return;
    if (at->n_roots == FM_ROOTS_MAX)
        fm_place_fail(at);
    else
        at->roots[at->n_roots++] = key;
    at->degree *= index;
}

static uint64_t hash_more(uint64_t h, const void *data, size_t n) {
    const unsigned char *s = data;
    for (size_t i = 0; i < n; i++) h = (h ^ s[i]) * 0x100000001b3u;
    return h;
}

static uint64_t hash_tree(const fm_tree_node *x, bool lower) {
    uint64_t h = hash_more(0xcbf29ce484222325u, &x->kind, sizeof x->kind);
    h = hash_more(h, &x->op, sizeof x->op);
    h = hash_more(h, &lower, sizeof lower);
    h = hash_more(h, &x->exponent, sizeof x->exponent);
    if (x->text_n > 0) h = hash_more(h, x->text, (size_t)x->text_n);
    for (int i = 0; i < x->n; i++) {
        uint64_t child = hash_tree(x->child[i], lower);
        h = hash_more(h, &child, sizeof child);
    }
    return h;
}

static uint64_t hash_rational(const fmpq_t q) {
    ulong parts[4] = {fmpz_fdiv_ui(fmpq_numref(q), 0xfffffffffffffbffu),
                      fmpz_fdiv_ui(fmpq_denref(q), 0xfffffffffffffbffu),
                      fmpz_fdiv_ui(fmpq_numref(q), 0xfffffffffffff9bfu),
                      fmpz_fdiv_ui(fmpq_denref(q), 0xfffffffffffff9bfu)};
    return hash_more(0x9e3779b97f4a7c15u, parts, sizeof parts);
}

/* ---- constants and variables ----------------------------------------------------------------- */

/* A random rational within 2^-12 of the ball, with 44 bits behind the point. */
bool fm_known_near(fm_place *at, fm_known *out, const arb_t x, uint64_t key) {
    arb_t scaled;
    fmpz_t n, scale;
    arb_init(scaled), fmpz_init(n), fmpz_init_set_ui(scale, (ulong)1 << 44);
    arb_mul_2exp_si(scaled, x, 44);
    arf_get_fmpz(n, arb_midref(scaled), ARF_RND_FLOOR);
    fm_rng_block r = fm_rng_at(at->scope->seed ^ at->point << 32, 99, key);
    fmpz_add_ui(n, n, r.word[0]);
    fmpq_set_fmpz_frac(out->q, n, scale);
    arb_clear(scaled), fmpz_clear(n), fmpz_clear(scale);
    return fm_known_settle(at, out);
}

bool fm_known_constant(fm_place *at, int which, fm_known *out) {
    if (which == FM_CONSTANT_I) {
        acb_onei(out->v);
        if (at->proof) fm_place_count_root(at, 2, 1);
        return true;
    }
    if (which != FM_CONSTANT_PI && which != FM_CONSTANT_E) return fm_place_fail(at);
    arb_t x;
    arb_init(x);
    if (which == FM_CONSTANT_PI)
        arb_const_pi(x, at->precision);
    else
        arb_const_e(x, at->precision);
    bool ok = true;
    if (at->proof)
        ok = fm_known_near(at, out, x, (uint64_t)which + 1);
    else
        acb_set_arb(out->v, x);
    arb_clear(x);
    return ok;
}

static bool variable(fm_place *at, const fm_tree_node *x, fm_known *out) {
    at->variables = true;
    fm_rng_block r = fm_rng_at(at->scope->seed ^ at->point, 98, hash_tree(x, false));
    slong fraction = (slong)r.word[0] | 1;
    static const slong from[] = {0, 1, -1, -5}, width[] = {1, 4, 1, 4};
    fmpq_set_si(out->q, from[at->range] * ((slong)1 << 32) + width[at->range] * fraction,
                (ulong)1 << 32);
    return fm_known_settle(at, out);
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

static bool rational_two(fm_place *at, fm_tree_kind kind, fm_known *out, const fm_known *a,
                         const fm_known *b) {
    switch (kind) {
    case FM_TREE_ADD: fmpq_add(out->q, a->q, b->q); break;
    case FM_TREE_SUBTRACT: fmpq_sub(out->q, a->q, b->q); break;
    case FM_TREE_MULTIPLY: fmpq_mul(out->q, a->q, b->q); break;
    default:
        if (fmpq_is_zero(b->q)) {
            at->undefined = true;
            return fm_place_fail(at);
        }
        fmpq_div(out->q, a->q, b->q);
    }
    return fm_known_settle(at, out);
}

bool fm_known_combine(fm_place *at, fm_tree_kind kind, fm_known *out, const fm_known *a,
                       const fm_known *b) {
    if (a->rational && b->rational) return rational_two(at, kind, out, a, b);
    switch (kind) {
    case FM_TREE_ADD:
    case FM_TREE_SUBTRACT:
        (kind == FM_TREE_ADD ? acb_add : acb_sub)(out->v, a->v, b->v, at->precision);
        out->u = fmax(a->u + b->l, b->u + a->l) + 1;
        out->l = a->l + b->l;
        return true;
    case FM_TREE_MULTIPLY:
        acb_mul(out->v, a->v, b->v, at->precision);
        out->u = a->u + b->u, out->l = a->l + b->l;
        return true;
    default:
        if (b->rational && fmpq_is_zero(b->q)) {
            at->undefined = true;
            return fm_place_fail(at);
        }
        acb_div(out->v, a->v, b->v, at->precision);
        out->u = a->u + b->l, out->l = a->l + b->u;
        return true;
    }
}

static bool power_integer(fm_place *at, fm_known *out, const fm_known *a, const fmpz_t n) {
    if (a->rational && (!fmpq_is_zero(a->q) || fmpz_sgn(n) > 0) && fmpz_bits(n) <= 16 &&
        fm_rational_bits(a->q) * (double)labs(fmpz_get_si(n)) <= FM_MATHS_BITS) {
        fmpq_pow_si(out->q, a->q, fmpz_get_si(n));
        return fm_known_settle(at, out);
    }
    if (a->rational && fmpq_is_zero(a->q)) {
        at->undefined = fmpz_sgn(n) <= 0;
        return at->undefined ? fm_place_fail(at) : fm_known_settle(at, out); /* 0 */
    }
    double size = fabs(fmpz_get_d(n));
    bool down = fmpz_sgn(n) < 0;
    acb_pow_fmpz(out->v, a->v, n, at->precision);
    out->u = size * (down ? a->l : a->u), out->l = size * (down ? a->u : a->l);
    return true;
}

/* The k-th root: the real one of a real radicand where there is one, else the principal. */
static bool root(fm_place *at, fm_known *out, const fm_known *a, ulong k, uint64_t key) {
    if (k == 0 || k > ROOT_INDEX_MAX) return fm_place_fail(at);
    if (a->rational && fm_rational_root(out->q, a->q, k)) return fm_known_settle(at, out);
    bool negative = arb_is_zero(acb_imagref(a->v)) && arb_is_negative(acb_realref(a->v));
    if (negative && k % 2 == 1) {
        acb_neg(out->v, a->v);
        acb_root_ui(out->v, out->v, k, at->precision);
        acb_neg(out->v, out->v);
    } else
        acb_root_ui(out->v, a->v, k, at->precision);
    if (at->proof) {
        if (a->rational) key = hash_rational(a->q);
        fm_place_count_root(at, (int)k, hash_more(key, &k, sizeof k));
    }
    out->u = (a->u + (double)(k - 1) * a->l) / (double)k, out->l = a->l;
    return true;
}

bool fm_known_power(fm_place *at, fm_known *out, const fm_known *a, const fmpq_t e,
                           uint64_t key) {
    if (fmpz_is_one(fmpq_denref(e))) return power_integer(at, out, a, fmpq_numref(e));
    if (fmpz_cmp_ui(fmpq_denref(e), ROOT_INDEX_MAX) > 0) return fm_place_fail(at);
    fm_known r;
    fm_known_init(&r);
    bool ok = root(at, &r, a, fmpz_get_ui(fmpq_denref(e)), key) &&
              power_integer(at, out, &r, fmpq_numref(e));
    fm_known_clear(&r);
    return ok;
}

/* ---- trees ----------------------------------------------------------------------------------- */

static bool evaluate(fm_place *at, const fm_tree_node *x, bool lower, fm_known *out);

static bool power(fm_place *at, const fm_tree_node *x, bool lower, const fm_known *a,
                  const fm_known *b, fm_known *out) {
    bool exponent = b->rational && fmpz_cmp_ui(fmpq_denref(b->q), ROOT_INDEX_MAX) <= 0;
    if (exponent) return fm_known_power(at, out, a, b->q, hash_tree(x->child[0], lower));
    if (at->proof) return fm_place_fail(at);
    if (a->rational && fmpq_is_zero(a->q)) return fm_place_fail(at);
    acb_pow(out->v, a->v, b->v, at->precision);
    return true;
}

static bool absolute(fm_place *at, fm_known *out, const fm_known *a) {
    if (a->rational) {
        fmpq_abs(out->q, a->q);
        return fm_known_settle(at, out);
    }
    bool real = arb_is_zero(acb_imagref(a->v));
    if (at->proof && !real) return fm_place_fail(at); /* its conjugates may be larger than a's */
    acb_abs(acb_realref(out->v), a->v, at->precision);
    arb_zero(acb_imagref(out->v));
    out->u = a->u, out->l = a->l;
    return true;
}

static bool of_two(fm_place *at, const fm_tree_node *x, bool lower, fm_known *out) {
    bool e = x->kind == FM_TREE_POWER && x->child[0]->kind == FM_TREE_CONSTANT &&
             x->child[0]->op == FM_CONSTANT_E;
    if (e) return fm_evaluate_exponential(at, x->child[1], lower, out);
    fm_known a, b;
    fm_known_init(&a), fm_known_init(&b);
    bool ok = evaluate(at, x->child[0], lower, &a) && evaluate(at, x->child[1], lower, &b);
    bool minus =
        x->kind == FM_TREE_SUBTRACT || (x->kind == FM_TREE_PLUS_MINUS && lower != (x->op == 1));
    if (ok) switch (x->kind) {
        case FM_TREE_POWER: ok = power(at, x, lower, &a, &b, out); break;
        case FM_TREE_ROOT:
            ok = b.rational && fmpz_is_one(fmpq_denref(b.q)) && fmpq_sgn(b.q) > 0 &&
                         fmpz_cmp_ui(fmpq_numref(b.q), ROOT_INDEX_MAX) <= 0
                     ? root(at, out, &a, fmpz_get_ui(fmpq_numref(b.q)),
                            hash_tree(x->child[0], lower))
                     : fm_place_fail(at);
            break;
        case FM_TREE_ADD:
        case FM_TREE_SUBTRACT:
        case FM_TREE_PLUS_MINUS:
            ok = fm_known_combine(at, minus ? FM_TREE_SUBTRACT : FM_TREE_ADD, out, &a, &b);
            break;
        case FM_TREE_MULTIPLY:
        case FM_TREE_DIVIDE: ok = fm_known_combine(at, x->kind, out, &a, &b); break;
        default: ok = fm_place_fail(at);
        }
    fm_known_clear(&a), fm_known_clear(&b);
    return ok;
}

static bool of_one(fm_place *at, const fm_tree_node *x, bool lower, fm_known *out) {
    fm_known a, b, c;
    fm_known_init(&a), fm_known_init(&b), fm_known_init(&c);
    bool ok = evaluate(at, x->child[0], lower, &a);
    fmpz_t n;
    fmpz_init_set_ui(n, x->kind == FM_TREE_PERCENT ? 100 : x->kind == FM_TREE_DEGREE ? 180 : 0);
    fmpq_set_fmpz(b.q, n);
    ok = ok && fm_known_settle(at, &b);
    if (ok) switch (x->kind) {
        case FM_TREE_PLUS_MINUS:
            ok =
                fm_known_combine(at, lower != (x->op == 1) ? FM_TREE_SUBTRACT : FM_TREE_ADD, out, &b, &a);
            break;
        case FM_TREE_NEGATE: ok = fm_known_combine(at, FM_TREE_SUBTRACT, out, &b, &a); break;
        case FM_TREE_PERCENT: ok = fm_known_combine(at, FM_TREE_DIVIDE, out, &a, &b); break;
        case FM_TREE_DEGREE:
            ok = fm_known_combine(at, FM_TREE_DIVIDE, &c, &a, &b);
            fm_known_clear(&b), fm_known_init(&b);
            ok = ok && fm_known_constant(at, FM_CONSTANT_PI, &b) &&
                 fm_known_combine(at, FM_TREE_MULTIPLY, out, &c, &b);
            break;
        case FM_TREE_ABSOLUTE: ok = absolute(at, out, &a); break;
        case FM_TREE_FACTORIAL:
            if (at->proof || !a.rational || !fmpz_is_one(fmpq_denref(a.q)) || fmpq_sgn(a.q) < 0) {
                ok = fm_place_fail(at);
                break;
            }
            acb_add_ui(out->v, a.v, 1, at->precision);
            acb_gamma(out->v, out->v, at->precision);
            break;
        default: ok = fm_place_fail(at);
        }
    fm_known_clear(&a), fm_known_clear(&b), fm_known_clear(&c);
    fmpz_clear(n);
    return ok;
}

static bool evaluate(fm_place *at, const fm_tree_node *x, bool lower, fm_known *out) {
    if ((at->scope->work -= 200 + at->precision * 2) < 0 || at->failed || fm_flint_short()) return fm_place_fail(at);
    switch (x->kind) {
    case FM_TREE_NAME: return variable(at, x, out);
    case FM_TREE_CONSTANT: return fm_known_constant(at, x->op, out);
    case FM_TREE_CALL: at->scope->work -= 20 * at->precision; return fm_evaluate_call(at, x, lower, out);
    case FM_TREE_NUMBER:
    case FM_TREE_FACTORIAL:
    case FM_TREE_BINOMIAL: {
        fm_exact exact = fm_rational_value(at->scope, (fm_value){x, lower}, out->q);
        if (exact == FM_EXACT) return fm_known_settle(at, out);
        if (exact == FM_UNDEFINED) at->undefined = true;
        return exact != FM_UNDEFINED && x->kind == FM_TREE_FACTORIAL ? of_one(at, x, lower, out)
                                                                     : fm_place_fail(at);
    }
    default:
        return x->n == 1   ? of_one(at, x, lower, out)
               : x->n == 2 ? of_two(at, x, lower, out)
                           : fm_place_fail(at);
    }
}

bool fm_evaluate(fm_place *at, fm_value v, fm_known *out) {
    return evaluate(at, v.x, v.lower, out);
}

bool fm_known_subtract(fm_place *at, fm_known *out, const fm_known *a, const fm_known *b) {
    return fm_known_combine(at, FM_TREE_SUBTRACT, out, a, b);
}

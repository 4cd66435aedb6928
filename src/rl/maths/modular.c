#include "rl/maths/modular.h"

#include "base/rng.h"
#include "rl/maths/rational.h"

#include <string.h>

typedef uint64_t residue;

/* One random point modulo one prime. */
typedef struct field {
    fm_scope *scope;
    uint64_t p, stream;
    residue i;       /* a square root of -1 */
    bool opaque;     /* something was: what differs need not differ */
    bool undefined;  /* zero was divided by */
    bool unreadable; /* no value at all: infinity, units */
} field;

/* What a random residue stands for. */
enum {
    KEY_NAME,
    KEY_PI,
    KEY_EXP,
    KEY_POWER,
    KEY_LN,
    KEY_ABSOLUTE,
    KEY_CALL,
    KEY_FACTORIAL,
    KEY_BINOMIAL,
    KEY_TURN
};

/* ---- arithmetic ------------------------------------------------------------------------------ */

static residue mul(const field *f, residue a, residue b) {
    return (residue)((unsigned __int128)a * b % f->p);
}
static residue add(const field *f, residue a, residue b) { return (a + b) % f->p; }
static residue sub(const field *f, residue a, residue b) { return (a + f->p - b) % f->p; }

static residue pow_ui(const field *f, residue a, uint64_t n) {
    residue r = 1;
    for (; n; n >>= 1, a = mul(f, a, a))
        if (n & 1) r = mul(f, r, a);
    return r;
}

static residue inverse(field *f, residue a) {
    if (a == 0) f->undefined = true;
    return pow_ui(f, a, f->p - 2);
}

static residue random_at(const field *f, uint64_t key, uint64_t a, uint64_t b) {
    fm_rng_block r = fm_rng_at(f->scope->seed ^ (f->stream << 8), key + (a << 4), b ^ (a >> 32));
    return 1 + (((uint64_t)r.word[1] << 32 | r.word[0]) % (f->p - 1));
}

static residue opaque(field *f, uint64_t key, uint64_t a, uint64_t b) {
    f->opaque = true;
    fm_rng_block mixed = fm_rng_at(a, key, b); /* all bits of both count */
    return random_at(f, key, mixed.word[0], (uint64_t)mixed.word[1] << 32 | mixed.word[2]);
}

static uint64_t hash_text(const char *s, int n) {
    uint64_t h = 0xcbf29ce484222325u;
    for (int i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    return h;
}

static residue of_rational(field *f, const fmpq_t q) {
    residue bottom = fmpz_fdiv_ui(fmpq_denref(q), f->p);
    return mul(f, fmpz_fdiv_ui(fmpq_numref(q), f->p), inverse(f, bottom));
}

/* base^n for any integer n; the exponent counts modulo p - 1. */
static residue power_integer(field *f, residue base, const fmpz_t n) {
    if (base == 0) {
        if (fmpz_sgn(n) <= 0) f->undefined = true;
        return 0;
    }
    return pow_ui(f, base, fmpz_fdiv_ui(n, f->p - 1));
}

/* ---- powers, exponentials, logarithms -------------------------------------------------------- */

static residue value(field *f, const fm_tree_node *x, bool lower);

/* base^(a/b): the whole part of a/b for what it is, the rest opaque. */
static residue power_rational(field *f, residue base, const fmpq_t e) {
    if (fmpz_is_one(fmpq_denref(e))) return power_integer(f, base, fmpq_numref(e));
    if (base == 0) {
        if (fmpq_sgn(e) < 0) f->undefined = true;
        return 0;
    }
    fmpz_t whole;
    fmpq_t part;
    fmpz_init(whole), fmpq_init(part);
    fmpz_fdiv_q(whole, fmpq_numref(e), fmpq_denref(e));
    fmpq_sub_fmpz(part, e, whole);
    residue r = base == 1 ? 1 : opaque(f, KEY_POWER, base, of_rational(f, part));
    r = mul(f, r, power_integer(f, base, whole));
    fmpz_clear(whole), fmpq_clear(part);
    return r;
}

/* e^(i pi q): a power of i where q is a half, else a value of its own. */
static residue turn(field *f, const fmpq_t q) {
    fmpq_t twice, part;
    fmpq_init(twice), fmpq_init(part);
    fmpq_add(twice, q, q);
    fmpz_t whole;
    fmpz_init(whole);
    fmpz_fdiv_q(whole, fmpq_numref(twice), fmpq_denref(twice));
    fmpq_sub_fmpz(part, twice, whole);
    residue r = pow_ui(f, f->i, fmpz_fdiv_ui(whole, 4));
    if (!fmpq_is_zero(part)) r = mul(f, r, opaque(f, KEY_TURN, of_rational(f, part), 0));
    fmpq_clear(twice), fmpq_clear(part), fmpz_clear(whole);
    return r;
}

/* The generator of exponentials of this kind at an argument with residue v; e^(-u) = 1 / e^u. */
static residue exponential_of(field *f, residue v, int quarter) {
    bool negative = v > f->p / 2;
    if (negative) v = f->p - v;
    residue r = v == 0 ? 1 : opaque(f, KEY_EXP, v, (uint64_t)quarter);
    return negative != 0 ? inverse(f, r) : r;
}

/* e^(x i^quarter), term by term. */
static residue exponential(field *f, const fm_tree_node *x, bool lower, int quarter) {
    if (quarter >= 2) return inverse(f, exponential(f, x, lower, quarter - 2));
    if (x->kind == FM_TREE_NEGATE) return inverse(f, exponential(f, x->child[0], lower, quarter));
    if (x->kind == FM_TREE_ADD || x->kind == FM_TREE_SUBTRACT) {
        residue a = exponential(f, x->child[0], lower, quarter),
                b = exponential(f, x->child[1], lower, quarter);
        return mul(f, a, x->kind == FM_TREE_ADD ? b : inverse(f, b));
    }
    fm_monomial m;
    fmpq_init(m.coefficient);
    residue r = 0;
    bool done = false;
    fm_exact exact = fm_monomial_value(f->scope, (fm_value){x, lower}, &m);
    if (exact == FM_EXACT && m.pi == 0 && m.i == 0 && quarter == 0) {
        r = power_rational(f, random_at(f, KEY_EXP, 0, 0),
                           m.coefficient); /* e itself is known: no opacity */
        done = true;
    } else if (exact == FM_EXACT && m.pi == 1 && m.i + quarter == 1) {
        r = turn(f, m.coefficient);
        done = true;
    } else if (x->kind == FM_TREE_MULTIPLY)
        for (int side = 0; side < 2 && !done; side++) {
            const fm_tree_node *factor = x->child[side], *other = x->child[1 - side];
            if (factor->kind == FM_TREE_CONSTANT && factor->op == FM_CONSTANT_I) {
                r = exponential(f, other, lower, quarter + 1);
                done = true;
            } else if (fm_rational_value(f->scope, (fm_value){factor, lower}, m.coefficient) ==
                           FM_EXACT &&
                       fmpz_is_one(fmpq_denref(m.coefficient))) {
                r = power_integer(f, exponential(f, other, lower, quarter),
                                  fmpq_numref(m.coefficient));
                done = true;
            }
        }
    fmpq_clear(m.coefficient);
    return done ? r : exponential_of(f, value(f, x, lower), quarter);
}

/* base^x, term by term of x. */
static residue power(field *f, const fm_tree_node *base, const fm_tree_node *x, bool lower) {
    if (base->kind == FM_TREE_CONSTANT && base->op == FM_CONSTANT_E)
        return exponential(f, x, lower, 0);
    fmpq_t e;
    fmpq_init(e);
    residue r;
    fm_exact exact = fm_rational_value(f->scope, (fm_value){x, lower}, e);
    if (exact == FM_EXACT)
        r = power_rational(f, value(f, base, lower), e);
    else if (x->kind == FM_TREE_NEGATE)
        r = inverse(f, power(f, base, x->child[0], lower));
    else if (x->kind == FM_TREE_ADD || x->kind == FM_TREE_SUBTRACT) {
        residue a = power(f, base, x->child[0], lower), b = power(f, base, x->child[1], lower);
        r = mul(f, a, x->kind == FM_TREE_ADD ? b : inverse(f, b));
    } else if (x->kind == FM_TREE_MULTIPLY && x->child[0]->kind == FM_TREE_NUMBER &&
               fm_rational_value(f->scope, (fm_value){x->child[0], lower}, e) == FM_EXACT &&
               fmpz_is_one(fmpq_denref(e)))
        r = power_integer(f, power(f, base, x->child[1], lower), fmpq_numref(e));
    else
        r = opaque(f, KEY_POWER, value(f, base, lower), value(f, x, lower) ^ (uint64_t)1 << 63);
    fmpq_clear(e);
    return r;
}

/* The sum of the logarithms of the prime factors of n < 2^62, each a value of its own. */
static residue logarithm_of_integer(field *f, const fmpz_t n) {
    n_factor_t factors;
    n_factor_init(&factors);
    n_factor(&factors, fmpz_get_ui(n), 1);
    residue r = 0;
    for (int k = 0; k < factors.num; k++)
        r = add(f, r, mul(f, opaque(f, KEY_LN, factors.p[k], 1), factors.exp[k]));
    return r;
}

static residue logarithm(field *f, const fm_tree_node *x, bool lower) {
    fmpq_t q;
    fmpq_init(q);
    residue r;
    if (x->kind == FM_TREE_CONSTANT && x->op == FM_CONSTANT_E)
        r = 1;
    else if (fm_rational_value(f->scope, (fm_value){x, lower}, q) == FM_EXACT && fmpq_sgn(q) > 0 &&
             fmpz_bits(fmpq_numref(q)) < 62 && fmpz_bits(fmpq_denref(q)) < 62)
        r = sub(f, logarithm_of_integer(f, fmpq_numref(q)),
                logarithm_of_integer(f, fmpq_denref(q)));
    else
        r = opaque(f, KEY_LN, value(f, x, lower), 0);
    fmpq_clear(q);
    return r;
}

static residue call(field *f, const fm_tree_node *x, bool lower) {
    const fm_tree_node *argument = x->child[0];
    bool circular = x->op <= FM_FUNCTION_CSC,
         hyperbolic = x->op >= FM_FUNCTION_SINH && x->op <= FM_FUNCTION_TANH;
    if (x->op == FM_FUNCTION_EXP) return exponential(f, argument, lower, 0);
    if (x->op == FM_FUNCTION_LN) return logarithm(f, argument, lower);
    if (x->op == FM_FUNCTION_LOG) {
        residue top = logarithm(f, argument, lower);
        if (x->n == 2) return mul(f, top, inverse(f, logarithm(f, x->child[1], lower)));
        fmpz_t ten;
        fmpz_init_set_ui(ten, 10);
        residue bottom = f->scope->common ? logarithm_of_integer(f, ten) : 1;
        fmpz_clear(ten);
        return mul(f, top, inverse(f, bottom));
    }
    if (!circular && !hyperbolic)
        return opaque(f, KEY_CALL, (uint64_t)x->op, value(f, argument, lower));
    residue e = exponential(f, argument, lower, circular ? 1 : 0), back = inverse(f, e);
    residue sine = mul(f, sub(f, e, back), inverse(f, circular ? mul(f, 2, f->i) : 2));
    residue cosine = mul(f, add(f, e, back), inverse(f, 2));
    switch (x->op) {
    case FM_FUNCTION_SIN:
    case FM_FUNCTION_SINH: return sine;
    case FM_FUNCTION_COS:
    case FM_FUNCTION_COSH: return cosine;
    case FM_FUNCTION_TAN:
    case FM_FUNCTION_TANH: return mul(f, sine, inverse(f, cosine));
    case FM_FUNCTION_COT: return mul(f, cosine, inverse(f, sine));
    case FM_FUNCTION_SEC: return inverse(f, cosine);
    default: return inverse(f, sine);
    }
}

/* ---- trees ----------------------------------------------------------------------------------- */

static residue constant(field *f, int which) {
    switch (which) {
    case FM_CONSTANT_PI: return random_at(f, KEY_PI, 0, 0);
    case FM_CONSTANT_E: return random_at(f, KEY_EXP, 0, 0);
    case FM_CONSTANT_I: return f->i;
    default: f->unreadable = true; return 0;
    }
}

static residue leaf(field *f, const fm_tree_node *x) {
    fmpq_t q;
    switch (x->kind) {
    case FM_TREE_NAME: return random_at(f, KEY_NAME, hash_text(x->text, x->text_n), 0);
    case FM_TREE_CONSTANT: return constant(f, x->op);
    case FM_TREE_NUMBER: break;
    default: f->unreadable = true; return 0;
    }
    fmpq_init(q);
    residue r = 0;
    if (fm_rational_value(f->scope, (fm_value){x, false}, q) == FM_EXACT)
        r = of_rational(f, q);
    else
        f->unreadable = true;
    fmpq_clear(q);
    return r;
}

/* Factorials, binomials, roots: by their exact value if they have one. */
static residue special(field *f, const fm_tree_node *x, bool lower) {
    fmpq_t q;
    fmpq_init(q);
    fm_exact exact = fm_rational_value(f->scope, (fm_value){x, lower}, q);
    residue r = exact == FM_EXACT ? of_rational(f, q) : 0;
    if (exact == FM_UNDEFINED) f->undefined = true;
    if (exact != FM_EXACT && exact != FM_UNDEFINED) {
        if (x->kind == FM_TREE_ROOT &&
            fm_rational_value(f->scope, (fm_value){x->child[1], lower}, q) == FM_EXACT &&
            !fmpq_is_zero(q)) {
            fmpq_inv(q, q);
            r = power_rational(f, value(f, x->child[0], lower), q);
        } else if (x->kind == FM_TREE_ABSOLUTE) {
            residue a = value(f, x->child[0], lower);
            r = opaque(f, KEY_ABSOLUTE, a > f->p / 2 ? f->p - a : a, 0);
        } else if (x->n == 2) {
            residue a = value(f, x->child[0], lower);
            r = opaque(f, x->kind == FM_TREE_ROOT ? KEY_POWER : KEY_BINOMIAL, a,
                       value(f, x->child[1], lower));
        } else
            r = opaque(f, KEY_FACTORIAL, value(f, x->child[0], lower), 0);
    }
    fmpq_clear(q);
    return r;
}

static residue value(field *f, const fm_tree_node *x, bool lower) {
    if ((f->scope->work -= 100) < 0 || fm_flint_short()) f->unreadable = true;
    if (f->unreadable) return 0;
    switch (x->kind) {
    case FM_TREE_NEGATE: return sub(f, 0, value(f, x->child[0], lower));
    case FM_TREE_ADD: return add(f, value(f, x->child[0], lower), value(f, x->child[1], lower));
    case FM_TREE_SUBTRACT:
        return sub(f, value(f, x->child[0], lower), value(f, x->child[1], lower));
    case FM_TREE_MULTIPLY:
        return mul(f, value(f, x->child[0], lower), value(f, x->child[1], lower));
    case FM_TREE_DIVIDE: {
        residue a = value(f, x->child[0], lower);
        return mul(f, a, inverse(f, value(f, x->child[1], lower)));
    }
    case FM_TREE_PLUS_MINUS: {
        residue a = value(f, x->child[0], lower), b = x->n == 2 ? value(f, x->child[1], lower) : a;
        return (lower != (x->op == 1) ? sub : add)(f, x->n == 2 ? a : 0, b);
    }
    case FM_TREE_PERCENT: return mul(f, value(f, x->child[0], lower), inverse(f, 100));
    case FM_TREE_DEGREE:
        return mul(f, value(f, x->child[0], lower),
                   mul(f, constant(f, FM_CONSTANT_PI), inverse(f, 180)));
    case FM_TREE_POWER: return power(f, x->child[0], x->child[1], lower);
    case FM_TREE_CALL: return call(f, x, lower);
    case FM_TREE_ROOT:
    case FM_TREE_ABSOLUTE:
    case FM_TREE_FACTORIAL:
    case FM_TREE_BINOMIAL: return special(f, x, lower);
    default: return leaf(f, x);
    }
}

/* ---- points ---------------------------------------------------------------------------------- */

/* A random prime of 61 bits that is 1 modulo 4, and a root of -1. */
static field new_field(fm_scope *scope, int which) {
    field f = {.scope = scope, .stream = (uint64_t)which};
    fm_rng_block r = fm_rng_at(scope->seed, 77, (uint64_t)which);
    uint64_t from = ((uint64_t)r.word[1] << 32 | r.word[0]) >> 4 | (uint64_t)1 << 60;
    do from = n_nextprime(from, 1);
    while (from % 4 != 1);
    f.p = from;
    scope->work -= 30000;
    for (residue g = 2;; g++) {
        f.i = pow_ui(&f, g, (f.p - 1) / 4);
        if (mul(&f, f.i, f.i) == f.p - 1) return f;
    }
}

static fm_modular both(field *f, fm_value gold, fm_value given, residue *a, residue *b) {
    *b = 0;
    *a = value(f, gold.x, gold.lower);
    if (f->undefined) return FM_MODULAR_UNDEFINED_GOLD;
    *b = value(f, given.x, given.lower);
    if (f->undefined) return FM_MODULAR_UNDEFINED_GIVEN;
    return f->unreadable || f->opaque ? FM_MODULAR_UNKNOWN : FM_MODULAR_DIFFERENT;
}

fm_modular fm_modular_equal(fm_scope *scope, fm_value gold, fm_value given) {
    for (int k = 0; k < 2; k++) {
        field f = new_field(scope, k);
        residue a, b;
        fm_modular unless = both(&f, gold, given, &a, &b);
        if (f.unreadable || f.undefined || a != b) return unless;
    }
    return FM_MODULAR_EQUAL;
}

fm_modular fm_modular_multiple(fm_scope *scope, fm_value gold, fm_value given) {
    for (int k = 0; k < 2; k++) {
        field f = new_field(scope, k), g = f;
        g.stream += 2; /* the same prime, another point */
        residue a, b, c, d;
        fm_modular unless = both(&f, gold, given, &a, &b);
        if (f.unreadable || f.undefined) return unless;
        unless = both(&g, gold, given, &c, &d);
        if (g.unreadable || g.undefined) return unless;
        if (a == 0 || b == 0 || mul(&f, a, d) != mul(&f, b, c)) return unless;
    }
    return FM_MODULAR_EQUAL;
}

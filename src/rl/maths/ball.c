#include "rl/maths/ball.h"

#include "rl/maths/equivalence.h"
#include "rl/maths/evaluate.h"

enum { COARSE = 128, FINE = 1024 }; /* bits */

static fm_place new_place(fm_scope *scope, slong precision, uint64_t point, int range) {
    return (fm_place){
        .scope = scope, .precision = precision, .point = point, .range = range, .degree = 1};
}

static bool is_finite(const fm_known *k) { return acb_is_finite(k->v); }
static bool is_real(const fm_known *k) { return arb_contains_zero(acb_imagref(k->v)); }

typedef enum meeting { MEET, APART, NO_GOLD, COMPLEX_GOLD, NO_GIVEN, UNDEFINED_GIVEN } meeting;

static meeting compare_at(fm_scope *scope, fm_value gold, fm_value given, slong precision,
                          uint64_t point, int range, bool *variables) {
    fm_place at = new_place(scope, precision, point, range), too = at;
    fm_known a, b;
    fm_known_init(&a), fm_known_init(&b);
    meeting result;
    if (!fm_evaluate(&at, gold, &a) || !is_finite(&a))
        result = NO_GOLD;
    else if (!fm_evaluate(&too, given, &b) || !is_finite(&b))
        result = too.undefined ? UNDEFINED_GIVEN : NO_GIVEN;
    else if (!acb_overlaps(a.v, b.v))
        result = at.variables && !is_real(&a) ? COMPLEX_GOLD : APART;
    else
        result = MEET;
    *variables = at.variables || too.variables;
    fm_known_clear(&a), fm_known_clear(&b);
    return result;
}

/* gold - given = 0 at a point, proved. */
static bool proved(fm_scope *scope, fm_value gold, fm_value given, uint64_t point, int range) {
    slong precision = 64;
    for (int round = 0; round < 4; round++) {
        fm_place at = new_place(scope, precision, point, range);
        at.proof = true;
        fm_known a, b, d;
        fm_known_init(&a), fm_known_init(&b), fm_known_init(&d);
        bool ok = fm_evaluate(&at, gold, &a) && fm_evaluate(&at, given, &b) &&
                  fm_known_subtract(&at, &d, &a, &b) && is_finite(&d) && !at.failed;
        bool zero = ok && d.rational && fmpq_is_zero(d.q);
        double need = (at.degree - 1) * d.u + d.l + 2;
        if (ok && !zero && !d.rational && acb_contains_zero(d.v) && precision > 64) {
            arf_t size;
            arf_init(size);
            acb_get_abs_ubound_arf(size, d.v, 64);
            zero = arf_cmpabs_2exp_si(size, -(slong)need) < 0;
            arf_clear(size);
        }
        bool hopeless =
            !ok || d.rational || !acb_contains_zero(d.v) || !(need < FM_MATHS_PRECISION - 64);
        fm_known_clear(&a), fm_known_clear(&b), fm_known_clear(&d);
        if (zero) return true;
        if (hopeless || precision == FM_MATHS_PRECISION) return false;
        precision = round == 0 ? (slong)need + 128 : 2 * precision;
        if (precision > FM_MATHS_PRECISION) precision = FM_MATHS_PRECISION;
    }
    return false;
}

static fm_verdict numbers_equal(fm_scope *scope, fm_value gold, fm_value given, meeting first,
                                const char **why) {
    bool ignored;
    for (slong precision = COARSE;; precision = FINE) {
        if (precision == FINE) first = compare_at(scope, gold, given, FINE, 0, 0, &ignored);
        if (first == APART) return FM_WRONG;
        if (first == UNDEFINED_GIVEN) {
            *why = "it is undefined";
            return FM_WRONG;
        }
        if (precision == FINE) break;
    }
    if (first == NO_GIVEN) {
        *why = "it is no finite number within the limits";
        return FM_WRONG;
    }
    if (first == MEET && proved(scope, gold, given, 0, 0) && proved(scope, gold, given, 1, 0))
        return FM_RIGHT;
    *why = first == MEET ? "the numbers agree to 300 digits, and no proof was found"
                         : "the expected answer has no value";
    return FM_UNDECIDED;
}

/* Expressions: at points of four kinds, where the gold is real. */
static fm_verdict expressions_equal(fm_scope *scope, fm_value gold, fm_value given,
                                    const char **why) {
    enum { POINTS = 8 };
    int positive = 0, elsewhere = 0, apart = 0, proofs = 0, last = -1;
    bool ignored, complex_apart = false;
    for (int k = 0; k < POINTS; k++) {
        int range = k & 3;
        bool right = range < 2;
        if ((right ? positive : elsewhere) == 2) continue;
        meeting m = compare_at(scope, gold, given, COARSE, (uint64_t)k, range, &ignored);
        if (m == NO_GOLD) continue;
        if (m == COMPLEX_GOLD) {
            complex_apart = true;
            continue;
        }
        if (m != MEET && right) {
            if (m != APART) *why = "it has no value where the expected answer has one";
            return FM_WRONG;
        }
        if (m != MEET) apart++;
        if (right)
            positive++, last = k;
        else
            elsewhere++;
        if (right && proofs == positive - 1)
            proofs += proved(scope, gold, given, (uint64_t)k, range);
    }
    if (positive + elsewhere == 0 || complex_apart) {
        if (complex_apart && positive + elsewhere == 0) return FM_WRONG;
        if (positive + elsewhere == 0) {
            *why = "the expected answer has no real values at the points that were tried";
            return FM_UNDECIDED;
        }
    }
    if (positive == 0 && apart > 0) return FM_WRONG;
    if (apart > 0) {
        *why = "it agrees where the variables are positive, and not elsewhere";
        return FM_UNDECIDED;
    }
    if (proofs >= 2) return FM_RIGHT;
    if (last >= 0 &&
        compare_at(scope, gold, given, FINE, (uint64_t)last, last & 3, &ignored) == APART)
        return FM_WRONG;
    *why = "they agree at every point that was tried, and no proof was found";
    return FM_UNDECIDED;
}

fm_verdict fm_ball_equal(fm_scope *scope, fm_value gold, fm_value given, const char **why) {
    bool variables;
    meeting first = compare_at(scope, gold, given, COARSE, 0, 0, &variables);
    if (!variables) return numbers_equal(scope, gold, given, first, why);
    return expressions_equal(scope, gold, given, why);
}

bool fm_ball_order(fm_scope *scope, fm_value a, fm_value b, int *order) {
    bool done = false;
    for (slong precision = COARSE; precision <= FINE && !done; precision += FINE - COARSE) {
        fm_place at = new_place(scope, precision, 0, 0), too = at;
        fm_known x, y;
        fm_known_init(&x), fm_known_init(&y);
        if (fm_evaluate(&at, a, &x) && fm_evaluate(&too, b, &y) && !at.variables &&
            !too.variables && is_finite(&x) && is_finite(&y) && is_real(&x) && is_real(&y)) {
            if (arb_lt(acb_realref(x.v), acb_realref(y.v))) *order = -1, done = true;
            if (arb_gt(acb_realref(x.v), acb_realref(y.v))) *order = 1, done = true;
        }
        fm_known_clear(&x), fm_known_clear(&y);
    }
    return done;
}

fm_verdict fm_ball_near(fm_scope *scope, fm_value gold, fm_value given, double tolerance) {
    fm_place at = new_place(scope, COARSE, 0, 0), too = at;
    fm_known a, b;
    arb_t off, allowed;
    fm_known_init(&a), fm_known_init(&b), arb_init(off), arb_init(allowed);
    fm_verdict verdict = FM_UNDECIDED;
    if (fm_evaluate(&at, gold, &a) && fm_evaluate(&too, given, &b) && !at.variables &&
        !too.variables && is_finite(&a) && is_finite(&b)) {
        acb_sub(b.v, b.v, a.v, COARSE);
        acb_abs(off, b.v, COARSE);
        acb_abs(allowed, a.v, COARSE);
        arf_t share;
        arf_init(share);
        arf_set_d(share, tolerance);
        arb_mul_arf(allowed, allowed, share, COARSE);
        arf_clear(share);
        verdict = arb_le(off, allowed) ? FM_RIGHT : arb_gt(off, allowed) ? FM_WRONG : FM_UNDECIDED;
    }
    fm_known_clear(&a), fm_known_clear(&b), arb_clear(off), arb_clear(allowed);
    return verdict;
}

int fm_ball_sign_of_ratio(fm_scope *scope, fm_value gold, fm_value given) {
    fm_place at = new_place(scope, COARSE, 5, 1), too = at;
    fm_known a, b;
    fm_known_init(&a), fm_known_init(&b);
    int sign = 0;
    if (fm_evaluate(&at, gold, &a) && fm_evaluate(&too, given, &b) && is_finite(&a) &&
        is_finite(&b) && is_real(&a) && is_real(&b)) {
        arb_mul(acb_realref(a.v), acb_realref(a.v), acb_realref(b.v), COARSE);
        sign = arb_is_positive(acb_realref(a.v)) ? 1 : arb_is_negative(acb_realref(a.v)) ? -1 : 0;
    }
    fm_known_clear(&a), fm_known_clear(&b);
    return sign;
}

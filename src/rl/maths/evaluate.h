/* evaluate.h: a tree's value in a complex ball, with the bounds that ball.h proves with. rl/maths
 * only. */
#pragma once

#include "rl/maths/rational.h"

enum { FM_ROOTS_MAX = 24 }; /* different ones in one proof */

/* A value with its exact form, if it is rational, and the bounds of ball.h, in bits. */
typedef struct fm_known {
    acb_t v;
    fmpq_t q;
    bool rational;
    double u, l;
} fm_known;

/* Where and how an expression is evaluated. */
typedef struct fm_place {
    fm_scope *scope;
    slong precision;
    uint64_t point;
    int range;   /* of variables: 0: (0, 1), 1: (1, 5), 2: (-1, 0), 3: (-5, -1) */
    bool proof;  /* constants are random rationals near themselves, and bounds are kept */
    bool failed; /* no proof: something is not algebraic; no value: not a scalar */
    bool undefined;
    bool variables;               /* one was met */
    uint64_t roots[FM_ROOTS_MAX]; /* the different ones so far */
    int n_roots;
    double degree;
} fm_place;

static inline void fm_known_init(fm_known *k) {
    acb_init(k->v);
    fmpq_init(k->q);
    k->rational = false;
    k->u = k->l = 0;
}

static inline void fm_known_clear(fm_known *k) {
    acb_clear(k->v);
    fmpq_clear(k->q);
}

/* False: at->failed. */
bool fm_evaluate(fm_place *at, fm_value v, fm_known *out);
bool fm_known_subtract(fm_place *at, fm_known *out, const fm_known *a, const fm_known *b);

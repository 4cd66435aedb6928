/* scalar.h: are two values the same? The layers under equivalence.h; rl/maths only. */
#pragma once

#include "rl/maths/tree.h"
#include "rl/verdict.h"

/* What two sides of a comparison share. */
typedef struct fm_scope {
    uint64_t
        seed; /* of both texts: primes and points are chosen by it, so no answer can aim at them */
    bool common;  /* log without a base is of base 10, else of base e */
    int64_t work; /* what may still be spent, about nanoseconds */
} fm_scope;

/* A tree without lists and relations; `lower`: what stands behind \pm is subtracted. */
typedef struct fm_value {
    const fm_tree_node *x;
    bool lower;
} fm_value;

/* Equality of values: numbers or expressions in variables. */
fm_verdict fm_scalar_equal(fm_scope *scope, fm_value gold, fm_value given, const char **why);

/* -1, 0, 1 for real numbers gold < given, =, >; false if that is not decided. */
bool fm_scalar_order(fm_scope *scope, fm_value a, fm_value b, int *order);

/* |gold - given| <= tolerance * |gold| for numbers, in balls. */
fm_verdict fm_scalar_near(fm_scope *scope, fm_value gold, fm_value given, double tolerance);

/* given = c * gold for a constant c != 0; *sign is that of c, 0 if unknown. */
fm_verdict fm_scalar_multiple(fm_scope *scope, fm_value gold, fm_value given, int *sign);

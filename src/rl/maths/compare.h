/* compare.h: answers as they are built: lists, sets, intervals, tuples, relations, units, down to
 * their values. rl/maths only. */
#pragma once

#include "rl/maths/equivalence.h"
#include "rl/maths/scalar.h"

typedef struct fm_comparison {
    fm_scope scope;
    const fm_maths_options *options;
    fm_arena *arena;
    const char *why;
} fm_comparison;

/* The verdict on trees; c->why says what was wrong or missing. */
fm_verdict fm_compare(fm_comparison *c, const fm_tree_node *gold, const fm_tree_node *given);

/* ---- the parts, each in a file of its own ---------------------------------------------------- */

/* compare.c: a value, or a piece of a tuple, against what somebody gave for it. */
fm_verdict fm_compare_value(fm_comparison *c, fm_value gold, fm_value given);
/* Says why, and is FM_WRONG. */
fm_verdict fm_compare_wrong(fm_comparison *c, const char *why);
/* 1 or -1 for an infinity, else 0. */
int fm_compare_infinity(const fm_tree_node *x);

/* intervals.c: unions of intervals and points as sets. */
bool fm_is_interval(const fm_tree_node *x);
fm_verdict fm_compare_intervals(fm_comparison *c, const fm_tree_node *gold,
                                const fm_tree_node *given);

/* relations.c: the gold is an equation or an inequality, or a chain of them. */
fm_verdict fm_compare_relation(fm_comparison *c, const fm_tree_node *gold,
                               const fm_tree_node *given);
/* A name, or f(x): what may stand in front of "=" and only gives the answer its name. */
bool fm_is_label(const fm_tree_node *x, const fm_tree_node *gold);
bool fm_mentions(const fm_tree_node *x, const fm_tree_node *name);

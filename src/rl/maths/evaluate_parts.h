/* evaluate_parts.h: what the two halves of evaluation share: evaluate.c has constants, arithmetic and trees,
 * evaluate_call.c functions. rl/maths only. */
#pragma once

#include "rl/maths/evaluate.h"

/* False. */
bool fm_place_fail(fm_place *at);
/* A root of this index enters, unless it has before. */
void fm_place_count_root(fm_place *at, int index, uint64_t key);
/* out is the rational q in out->q. */
bool fm_known_settle(fm_place *at, fm_known *out);
/* A random rational within 2^-12 of the ball, with 44 bits behind the point. */
bool fm_known_near(fm_place *at, fm_known *out, const arb_t x, uint64_t key);
bool fm_known_constant(fm_place *at, int which, fm_known *out);
/* Sum, difference, product or quotient. */
bool fm_known_combine(fm_place *at, fm_tree_kind kind, fm_known *out, const fm_known *a, const fm_known *b);
bool fm_known_power(fm_place *at, fm_known *out, const fm_known *a, const fmpq_t e, uint64_t key);

bool fm_evaluate_call(fm_place *at, const fm_tree_node *x, bool lower, fm_known *out);
/* e^x: a turn where x is a rational part of i pi; for a proof also a power of what stands for e. */
bool fm_evaluate_exponential(fm_place *at, const fm_tree_node *x, bool lower, fm_known *out);

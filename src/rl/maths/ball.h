/* ball.h: values in complex balls, and proofs that one is zero. rl/maths only.
 *
 * Two balls that do not meet prove that values differ, whatever the precision. That values are
 * equal no ball proves, but a root bound does: an expression made of integers by + - * / and k-th
 * roots is either zero or at least
 *
 *     2^-((D - 1) u + l)      C. Burnikel, R. Fleischer, K. Mehlhorn, S. Schirra, "A strong and
 * easily computable separation bound for arithmetic expressions involving radicals", Algorithmica
 * 27 (2000), 87-99
 *
 * where 2^u and 2^l bound all conjugates of a numerator and a denominator, which are algebraic
 * integers, and D is the product of the indices of its different roots. 2 cos and 2 sin of a
 * rational part p/q of pi are integers in the field of 4q-th roots of unity. So a ball that is
 * smaller than the bound and contains zero is zero.
 *
 * pi, e and the logarithms of primes are no algebraic numbers. A proof takes a random rational near
 * each of them instead: what holds there for algebraic reasons holds of the constant (the balls
 * have seen to it that the constant is on the same branch of every root). Variables take random
 * rationals as well. */
#pragma once

#include "rl/maths/scalar.h"

/* WRONG: they differ, for sure. RIGHT: proved. UNDECIDED: the balls meet, the proof does not reach;
 * or expressions in variables agree where these are positive, and not elsewhere. */
fm_verdict fm_ball_equal(fm_scope *scope, fm_value gold, fm_value given, const char **why);

bool fm_ball_order(fm_scope *scope, fm_value a, fm_value b, int *order); /* real and different */
fm_verdict fm_ball_near(fm_scope *scope, fm_value gold, fm_value given, double tolerance);
/* The sign of given / gold at a point, 0 if it is not real. */
int fm_ball_sign_of_ratio(fm_scope *scope, fm_value gold, fm_value given);

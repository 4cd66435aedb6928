/* equivalence.h: is this answer the expected one, as mathematics and not as text?
 *
 * Text is read by a closed grammar (rl/maths/parse.h: numbers, expressions, relations, sets,
 * intervals, tuples, matrices, units, words, and the LaTeX that answers are written in) and
 * compared in layers, each of them exact: rationals; rational functions at random points modulo
 * random primes; roots and transcendental constants in complex balls, where equality is proved with
 * a root bound. What none of them decides is FM_UNDECIDED, and is never paid nor punished.
 *
 *   FM_RIGHT      the same (for expressions in variables: but for odds below 2^-90)
 *   FM_WRONG      something else, or no answer in the grammar, or one beyond the limits below
 *   FM_UNDECIDED  the expected answer itself is not in the grammar and the texts differ, or the
 * means here do not tell the two apart
 *
 * On purpose it is not symmetric: `gold` says what was asked. A gold value takes "x = 5" for 5, but
 * a gold "x = 5" does not take "x + 2 = 7", a gold interval does not take an inequality, and a gold
 * of one value takes no list in which it occurs. A gold number wants a number that is finished: 391
 * is not answered by 17 * 23, nor 3/4 by 1/2 + 1/4 (`any_form` allows it).
 *
 * Any bytes may come in, zeros and broken UTF-8 included. No state, no locale; thread-safe. Time
 * and memory are bounded: microseconds as a rule, milliseconds at worst, a few MB. */
#pragma once

#include "rl/verdict.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    FM_MATHS_TEXT = 4096,     /* bytes of an answer */
    FM_MATHS_NODES = 2048,    /* of its tree */
    FM_MATHS_DEPTH = 128,     /* of its nesting: a pair of brackets is 4 */
    FM_MATHS_HEIGHT = 400,    /* operations one upon the other: terms of a sum */
    FM_MATHS_DIGITS = 1000,   /* of a literal number, and its exponent within +-1000 */
    FM_MATHS_BITS = 1 << 16,  /* of an exact number on the way */
    FM_MATHS_PRECISION = 8192 /* bits of the finest ball */
};

/* All zero: the strictest, for rewards. */
typedef struct fm_maths_options {
    bool any_form;      /* only the value counts: 2 * 5 is 10 */
    bool lowest_terms;  /* a gold fraction wants its answer cancelled: 2/4 is not 1/2 */
    bool unit_required; /* a gold with a unit wants one; else it may be left out ("5" for "5 cm").
                         * Where a unit is written it must always fit: "5 kg" is wrong */
    bool ordered; /* "1, 2" is not "2, 1". Else lists are solutions in any order; tuples have theirs
                   */
    double tolerance; /* > 0: numbers may be off by this share of the gold's magnitude */
    const char
        *prompt;     /* may be NULL: an answer with an operation in it that stands in this text, */
    size_t prompt_n; /* while the gold does not, is an echo and wrong */
} fm_maths_options;

/* `options` NULL: all zero. `why`, if not NULL, gets a clause for people, static: "not in lowest
 * terms". */
fm_verdict fm_maths_equivalent(const char *gold, size_t gold_n, const char *given, size_t given_n,
                               const fm_maths_options *options, const char **why);

/* tally.h: what came of a question that was asked several times, and of many questions so far.
 *
 * A sample that could not be decided is left out, not counted as wrong: shares are of decided samples,
 * and a question without any has none. */
#pragma once

#include "eval/grader.h"
#include "eval/stats.h"

typedef enum fm_eval_stop { FM_EVAL_END, FM_EVAL_LENGTH, FM_EVAL_STOPS } fm_eval_stop;

typedef struct fm_eval_sample {
    fm_span answer; /* as extracted; n = 0: none */
    fm_verdict verdict;
    bool formed;
    fm_eval_stop stop;
    int64_t tokens; /* generated; -1: not known */
    double seconds;
} fm_eval_sample;

typedef struct fm_score {
    int64_t samples, decided, right, unanswered, formed, cut;
    double share;     /* of the decided samples that are right; NaN: none was decided */
    double consensus; /* cons@k, see below; NaN: not decided */
} fm_score;

/* cons@k: is the answer that most samples gave right? Answers that say the same vote together; samples
 * without an answer are a class of their own, which is wrong. Of t classes that lead together r are
 * right: r / t, which is what drawing one of them would give on average; NaN when one of them is
 * undecided. `n` samples are compared with each other. */
fm_status fm_consensus(const fm_grader *grader, const fm_eval_item *item, const fm_eval_sample *samples,
                       int64_t n, double *out, fm_error *err);

fm_status fm_score_item(const fm_grader *grader, const fm_eval_item *item, const fm_eval_sample *samples,
                        int64_t n, fm_score *out, fm_error *err);

/* Sums for somebody who watches; what is reported in the end is summary.h's. */
typedef struct fm_eval_tally {
    int64_t items, samples, right, undecided, unanswered, formed, cut;
    fm_moments share; /* over items that have one */
} fm_eval_tally;

void fm_eval_tally_add(fm_eval_tally *tally, const fm_score *score);

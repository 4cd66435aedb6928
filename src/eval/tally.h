/* tally.h: what came of a question, and of many.
 *
 * A question is asked `samples` times. Accuracy and pass@1 are the mean, over questions, of the share
 * of its samples that are right; cons@k asks whether the answer that most of its samples gave is right. */
#pragma once

#include "base/buffer.h"
#include "eval/final_answer.h"
#include "eval/stats.h"

typedef enum fm_eval_stop { FM_EVAL_END, FM_EVAL_LENGTH, FM_EVAL_STOPS } fm_eval_stop;

typedef struct fm_eval_sample {
    fm_span answer; /* as extracted; n = 0: none */
    bool correct;
    fm_eval_stop stop;
    int64_t tokens; /* generated */
    double seconds;
} fm_eval_sample;

typedef struct fm_eval_tally {
    int64_t items, samples, unanswered, right; /* the last two: samples */
    int64_t stops[FM_EVAL_STOPS];
    int64_t majority_right; /* items */
    double tokens, seconds; /* of all samples */
    fm_moments share;       /* of right samples, over items */
} fm_eval_tally;

/* Index of the sample whose answer stands for the majority: of the largest group of equal answers, of
 * equally large ones the one that was given first; -1 where no sample has an answer. `n` samples are
 * compared with each other. */
int64_t fm_eval_majority(const fm_eval_sample *samples, int64_t n, bool *failed);

fm_status fm_eval_tally_add(fm_eval_tally *t, const fm_eval_sample *samples, int64_t n, fm_error *err);

/* Wilson's 95 % interval with questions as the trials: samples of one question are no independent
 * trials, and counting them as such would promise too much. */
void fm_eval_tally_interval(const fm_eval_tally *t, double *low, double *high);
void fm_eval_tally_majority_interval(const fm_eval_tally *t, double *low, double *high);

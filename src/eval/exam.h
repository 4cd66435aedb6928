/* exam.h: somebody asked many questions, the answers graded and counted, the results kept. */
#pragma once

#include "eval/outcome.h"
#include "eval/respondent.h"
#include "eval/summary.h"

typedef struct fm_exam_result {
    fm_eval_tally tally;      /* of this run and of what it found done */
    int64_t items, resumed;   /* in all; found done */
    int64_t tokens;           /* drawn in this run, the unfinished too */
} fm_exam_result;

typedef struct fm_exam_options {
    fm_outcome_setup setup;   /* what is asked and how; kept with the results */
    const fm_respondent *respondent;
    const fm_grader *grader;
    const int64_t *ks;        /* of pass@k, ascending, at most FM_SUMMARY_KS */
    size_t n_ks;
    const char *out;          /* file of results, joined if it is there; NULL: none */
    /* After every step. Returning false stops with FM_ERR_CANCELLED; what is done stays. May be NULL. */
    bool (*progress)(void *context, const fm_exam_result *so_far);
    void *context;
} fm_exam_options;

/* *result and, if it is not NULL, *summary (to be cleared; its names are those of the items) hold what
 * there is after a failure too. */
fm_status fm_exam_run(const fm_eval_items *items, const fm_exam_options *options, fm_exam_result *result,
                      fm_summary *summary, fm_error *err);

/* summary.h: the figures of an exam: over all questions, per domain, per band.
 *
 * pass@1 is the mean, over questions, of the share of their samples that are right. Intervals are 95 %
 * bootstraps over questions (stats.h): a question's samples are no independent trials. Where all
 * questions came out alike, which says nothing of their spread, the interval is Wilson's. */
#pragma once

#include "base/arena.h"
#include "eval/tally.h"

enum { FM_SUMMARY_KS = 16, FM_SUMMARY_ROUNDS = 2000 };

typedef struct fm_figure {
    double value, low, high; /* NaN: no question has one */
    int64_t items;           /* that it is the mean of */
} fm_figure;

typedef struct fm_reply_lengths {
    int64_t n;           /* replies whose length is known */
    double mean, median; /* in tokens; NaN for none */
} fm_reply_lengths;

typedef struct fm_summary_row {
    const char *domain, *band; /* NULL: all of them */
    int64_t items, samples, right, undecided, unanswered, formed, cut;
    fm_figure share, consensus, pass[FM_SUMMARY_KS];
    fm_reply_lengths right_tokens, wrong_tokens;
} fm_summary_row;

typedef struct fm_summary {
    fm_summary_row *rows; /* the first is of all; then domains by name, each with its bands behind it */
    size_t n;
    int64_t ks[FM_SUMMARY_KS];
    size_t n_ks;
    fm_arena arena;
} fm_summary;

/* What is left of a sample when its question is scored. */
typedef struct fm_length {
    int64_t tokens; /* -1: not known */
    fm_verdict verdict;
} fm_length;

/* A question that was finished; its order among the others counts for the draws. */
typedef struct fm_scored {
    const char *domain, *band; /* NULL: none; live as long as the summary */
    fm_score score;
    const fm_length *lengths;  /* [score.samples] */
} fm_scored;

/* `ks` (ascending, at most FM_SUMMARY_KS) are those of pass@k. */
fm_status fm_summary_make(const fm_scored *scored, size_t n, const int64_t *ks, size_t n_ks, uint64_t seed,
                          fm_summary *out, fm_error *err);
void fm_summary_clear(fm_summary *summary);

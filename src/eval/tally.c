#include "eval/tally.h"

static const double NORMAL_95 = 1.959963984540054;

int64_t fm_eval_majority(const fm_eval_sample *samples, int64_t n, bool *failed) {
    int64_t best = -1, most = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t votes = 0;
        bool counted = samples[i].answer.n == 0; /* ... with an earlier sample */
        for (int64_t j = 0; j < n && !counted; j++) {
            if (samples[j].answer.n == 0) continue;
            if (!fm_answer_equal(samples[i].answer, samples[j].answer, failed)) continue;
            if (j < i) counted = true;
            votes++;
        }
        if (!counted && votes > most) {
            most = votes;
            best = i;
        }
    }
    return best;
}

fm_status fm_eval_tally_add(fm_eval_tally *t, const fm_eval_sample *samples, int64_t n, fm_error *err) {
    bool failed = false;
    int64_t right = 0, majority = fm_eval_majority(samples, n, &failed);
    if (failed) return fm_fail_memory(err, 0, "comparing answers");
    for (int64_t i = 0; i < n; i++) {
        right += samples[i].correct;
        t->unanswered += samples[i].answer.n == 0;
        t->stops[samples[i].stop]++;
        t->tokens += (double)samples[i].tokens;
        t->seconds += samples[i].seconds;
    }
    t->items++;
    t->samples += n;
    t->right += right;
    t->majority_right += majority >= 0 && samples[majority].correct;
    fm_moments_add(&t->share, n > 0 ? (double)right / (double)n : 0);
    return FM_OK;
}

void fm_eval_tally_interval(const fm_eval_tally *t, double *low, double *high) {
    fm_wilson(t->share.mean * (double)t->items, (double)t->items, NORMAL_95, low, high);
}

void fm_eval_tally_majority_interval(const fm_eval_tally *t, double *low, double *high) {
    fm_wilson((double)t->majority_right, (double)t->items, NORMAL_95, low, high);
}

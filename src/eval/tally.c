#include "eval/tally.h"

#include <math.h>

/* Samples that vote together; `first` stands for them. */
typedef struct class {
    int64_t first, votes;
} class;

/* The class of sample i among `n`, or n. */
static fm_status find(const fm_grader *g, const fm_eval_item *item, const fm_eval_sample *s, int64_t i,
                      const class *classes, int64_t n, int64_t *out, fm_error *err) {
    for (*out = 0; *out < n; ++*out) {
        const fm_eval_sample *other = &s[classes[*out].first];
        bool same = s[i].answer.n == 0 && other->answer.n == 0;
        if (s[i].answer.n > 0 && other->answer.n > 0 && s[i].verdict == other->verdict)
            FM_TRY(g->same(g->context, item, other->answer, s[i].answer, &same, err));
        if (same) return FM_OK;
    }
    return FM_OK;
}

/* r / t of the classes that lead. */
static double lead(const class *classes, int64_t n, const fm_eval_sample *s) {
    int64_t most = 0, tied = 0, right = 0;
    bool undecided = false;
    for (int64_t c = 0; c < n; c++)
        if (classes[c].votes > most) most = classes[c].votes;
    for (int64_t c = 0; c < n; c++) {
        if (classes[c].votes < most) continue;
        const fm_eval_sample *first = &s[classes[c].first];
        tied++;
        right += first->answer.n > 0 && first->verdict == FM_RIGHT;
        undecided |= first->answer.n > 0 && first->verdict == FM_UNDECIDED;
    }
    return tied == 0 || undecided ? NAN : (double)right / (double)tied;
}

fm_status fm_consensus(const fm_grader *grader, const fm_eval_item *item, const fm_eval_sample *samples,
                       int64_t n, double *out, fm_error *err) {
    class *classes = fm_alloc_array((size_t)(n > 0 ? n : 1), sizeof *classes, FM_MEM_OTHER);
    fm_status status = classes ? FM_OK : fm_fail_memory(err, (size_t)n * sizeof *classes, "votes");
    int64_t n_classes = 0;
    for (int64_t i = 0; i < n && status == FM_OK; i++) {
        int64_t c = 0;
        status = find(grader, item, samples, i, classes, n_classes, &c, err);
        if (status != FM_OK) break;
        if (c == n_classes) classes[n_classes++] = (class){.first = i};
        classes[c].votes++;
    }
    if (status == FM_OK) *out = lead(classes, n_classes, samples);
    fm_free(classes);
    return status;
}

fm_status fm_score_item(const fm_grader *grader, const fm_eval_item *item, const fm_eval_sample *samples,
                        int64_t n, fm_score *out, fm_error *err) {
    fm_score s = {.samples = n};
    for (int64_t i = 0; i < n; i++) {
        s.decided += samples[i].verdict != FM_UNDECIDED;
        s.right += samples[i].verdict == FM_RIGHT;
        s.unanswered += samples[i].answer.n == 0;
        s.formed += samples[i].formed;
        s.cut += samples[i].stop == FM_EVAL_LENGTH;
    }
    s.share = s.decided > 0 ? (double)s.right / (double)s.decided : NAN;
    FM_TRY(fm_consensus(grader, item, samples, n, &s.consensus, err));
    *out = s;
    return FM_OK;
}

void fm_eval_tally_add(fm_eval_tally *t, const fm_score *s) {
    t->items++;
    t->samples += s->samples;
    t->right += s->right;
    t->undecided += s->samples - s->decided;
    t->unanswered += s->unanswered;
    t->formed += s->formed;
    t->cut += s->cut;
    if (!isnan(s->share)) fm_moments_add(&t->share, s->share);
}

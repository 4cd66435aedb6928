/* rounds.c: replies on their way together: draw, guess, queue, step. */
#include "engine/reply_impl.h"

static void fail(fm_reply *r, fm_status status) {
    r->failed = status;
    r->done = true;
}

/* Draws where logits are there. */
static void draw(fm_reply *r) {
    fm_sequence *s = r->sequence;
    if (r->done || s->waiting > 0) return;
    if (fm_sequence_rows(s) == 0) {
        fail(r, fm_fail(&r->failure, FM_ERR_ARGUMENT, "a reply needs a prompt of at least one token"));
        return;
    }
    fm_status status = fm_reply_draw(r, &r->failure);
    if (status != FM_OK) fail(r, status);
    if (!r->done) fm_reply_guess(r);
}

/* The module's guesses for all replies that want some, as many at a time as a step takes. Where it
 * fails they do without: the tokens that are drawn have been handed out and must be queued. */
static void guess_together(fm_engine *e, fm_reply *const *list, int64_t n) {
    enum { TOGETHER = 16 };
    fm_draft drafts[TOGETHER];
    fm_reply *of[TOGETHER];
    int64_t most = e->options.sequences < TOGETHER ? e->options.sequences : TOGETHER;
    for (int64_t i = 0; i < n;) {
        int64_t count = 0;
        for (; i < n && count < most; i++) {
            if (list[i]->done || list[i]->sequence->waiting > 0 || list[i]->kind != FM_GUESS_MTP) continue;
            of[count] = list[i];
            drafts[count++] = list[i]->draft;
        }
        if (count == 0) return;
        fm_status status = fm_engine_draft(e, drafts, count, NULL);
        for (int64_t k = 0; k < count; k++) {
            of[k]->draft = drafts[k];
            fm_reply_guessed(of[k]);
            if (status != FM_OK) of[k]->draft.want = 0;
        }
    }
}

/* All of them in one step; those that find no room fail alone. */
static fm_status step(fm_engine *e, fm_reply *const *list, int64_t n, fm_error *err) {
    int64_t count = 0;
    fm_step_report report;
    pthread_mutex_lock(&e->lock);
    fm_engine_enter(e);
    for (int64_t i = 0; i < n; i++)
        if (!list[i]->done) e->gathered[count++] = list[i]->sequence;
    for (int64_t i = 0; i < count; i++) e->gathered[i]->failed = FM_OK;
    fm_status status = fm_engine_run_step(e, e->gathered, count, true, &report, err);
    fm_engine_leave(e);
    pthread_mutex_unlock(&e->lock);
    for (int64_t i = 0; i < n; i++) {
        fm_reply *r = list[i];
        if (r->done || r->sequence->failed == FM_OK) continue;
        r->failure = r->sequence->failure;
        fail(r, r->sequence->failed);
        fm_sequence_cancel(r->sequence);
    }
    return status;
}

fm_status fm_replies_round(fm_reply *const *list, int64_t n, bool *more, fm_error *err) {
    *more = false;
    if (n == 0) return FM_OK;
    fm_engine *e = list[0]->sequence->engine;
    for (int64_t i = 0; i < n; i++) draw(list[i]);
    guess_together(e, list, n);
    for (int64_t i = 0; i < n; i++) {
        fm_reply *r = list[i];
        if (r->done) continue;
        fm_status status = r->sequence->waiting > 0 ? FM_OK : fm_reply_queue(r, &r->failure);
        if (status != FM_OK) fail(r, status);
        if (!r->done) *more = true;
    }
    return *more ? step(e, list, n, err) : FM_OK;
}

fm_status fm_reply_run(fm_reply *r, fm_error *err) {
    fm_engine *e = r->sequence->engine;
    for (;;) {
        if (r->sequence->waiting > 0) FM_TRY(fm_sequence_compute(r->sequence, NULL, NULL, err));
        draw(r);
        if (r->done) return fm_reply_failure(r, err);
        guess_together(e, &r, 1);
        FM_TRY(fm_reply_queue(r, err));
    }
}

/* company.c: threads that compute at the same time share their steps.
 *
 * Whoever waits for a sequence to get on is in the company. When no step is running, one of them takes
 * everybody's waiting tokens into one step; the others sleep until it is over. Threads that took part
 * go away to draw their next token and come back: the next step waits a moment for those, or they
 * would take turns alone instead of going together. */
#include "engine/sequence.h"

#include "base/clock.h"

#include <errno.h>
#include <time.h>

/* How long a step waits for those who took part in the one before: drawing a token takes about one
 * millisecond in a large vocabulary. */
static const double GATHERING_SECONDS = 0.002;

static void join(fm_engine *e, fm_sequence *s) {
    fm_sequence **link = &e->company;
    while (*link) link = &(*link)->next;
    *link = s;
    s->next = NULL;
    s->took_part = false;
    s->failed = FM_OK;
    if (e->expected > 0 && --e->expected == 0) pthread_cond_broadcast(&e->free);
}

static void part(fm_engine *e, fm_sequence *s) {
    fm_sequence **link = &e->company;
    while (*link != s) link = &(*link)->next;
    *link = s->next;
}

static void wait_for_others(fm_engine *e) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(GATHERING_SECONDS * 1e9);
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (e->expected > 0)
        if (pthread_cond_timedwait(&e->free, &e->lock, &until) == ETIMEDOUT) break;
    e->expected = 0;
}

/* Everybody in the company, in order of arrival, but those who have had their step and only not woken
 * yet: they may leave, and be freed, while this one runs. */
static int64_t gather(fm_engine *e) {
    int64_t n = 0;
    for (fm_sequence *s = e->company; s; s = s->next)
        if (!s->took_part) e->gathered[n++] = s;
    return n;
}

/* Runs a step for all; what goes wrong with all of it is each one's failure. */
static void lead(fm_engine *e) {
    fm_error err;
    fm_step_report report = {0};
    e->gathering = true; /* meanwhile the others may run what they need before they come: drafts */
    wait_for_others(e);
    fm_engine_enter(e);
    e->gathering = false;
    int64_t n = gather(e);
    fm_status status = fm_engine_run_step(e, e->gathered, n, true, &report, &err);
    for (int64_t i = 0; i < n; i++) {
        fm_sequence *s = e->gathered[i];
        s->took_part = true;
        if (status == FM_OK || s->failed != FM_OK) continue;
        s->failed = status;
        s->failure = err;
    }
    e->expected = n;
    fm_engine_leave(e);
}

/* One step in company. */
static fm_status step_together(fm_sequence *s, fm_error *err) {
    fm_engine *e = s->engine;
    pthread_mutex_lock(&e->lock);
    join(e, s);
    while (!s->took_part) {
        if (e->running || e->gathering)
            pthread_cond_wait(&e->free, &e->lock);
        else
            lead(e);
    }
    part(e, s);
    pthread_mutex_unlock(&e->lock);
    if (s->failed != FM_OK && err) *err = s->failure;
    return s->failed;
}

fm_status fm_sequence_compute(fm_sequence *s, fm_extend_progress progress, void *context, fm_error *err) {
    int64_t begin = s->n, total = s->waiting;
    while (s->waiting > 0) {
        fm_status status = FM_OK;
        if (progress && !progress(context, s->n - begin, total))
            status = fm_fail(err, FM_ERR_CANCELLED, "stopped after %lld of %lld tokens",
                             (long long)(s->n - begin), (long long)total);
        if (status == FM_OK) status = step_together(s, err);
        if (status != FM_OK) {
            fm_sequence_cancel(s);
            return status;
        }
    }
    return FM_OK;
}

fm_status fm_sequence_extend(fm_sequence *s, const int32_t *ids, int64_t n,
                             fm_extend_progress progress, void *context, fm_error *err) {
    FM_TRY(fm_sequence_queue(s, ids, n, err));
    return fm_sequence_compute(s, progress, context, err);
}

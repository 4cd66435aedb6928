/* step.c: one step: which waiting rows go in, and what comes out for whom. */
#include "engine/sequence.h"

#include "base/clock.h"

#include <string.h>

/* A step that carries decoding rows is to take at most this long: four words a second stay readable
 * while a neighbour's prompt is being read. */
static const double STEP_SECONDS = 0.25;

/* So few waiting tokens count as decoding: the next token, and a draft of some more behind it. */
enum { DECODING_ROWS = 1 + FM_DRAFT_MAX };

static int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

/* The next waiting tokens of a sequence, `count` of them or as many as there are places for logits. */
static fm_status add_segment(fm_engine *e, fm_composition *d, fm_sequence *s, int64_t count, fm_error *err) {
    int64_t plain = s->waiting - s->scored; /* waiting tokens without logits, in front */
    int64_t outputs = at_most(count > plain ? count - plain : 0, e->options.outputs - d->outputs);
    count = at_most(count, plain + outputs);
    if (count == 0) return FM_OK;
    FM_TRY(fm_sequence_reserve(s, count, err));
    e->runners[d->segments] = s;
    e->segments[d->segments++] = (fm_segment){.row = d->rows, .count = count, .position = s->n,
                                              .pages = s->pages.table,
                                              .fast_from = s->fast_from, .fast_to = s->fast_to};
    fm_unfold_place(e, s, &e->segments[d->segments - 1]);
    memcpy(e->ids + d->rows, s->tokens + s->n, (size_t)count * sizeof *e->ids);
    d->rows += count;
    for (int64_t i = outputs; i > 0; i--) e->output_rows[d->outputs++] = (int32_t)(d->rows - i);
    return FM_OK;
}

/* Rows that prompts may fill. */
static int64_t prompt_rows(const fm_engine *e, const fm_composition *d) {
    int64_t left = e->options.rows - d->rows;
    if (d->decoding == 0 || e->speed.row <= 0) return left;
    double affordable = STEP_SECONDS / e->speed.row - (double)d->rows;
    return affordable < 1 ? at_most(1, left) /* a prompt always gets on */
                          : affordable > (double)left ? left : (int64_t)affordable;
}

static fm_status compose(fm_engine *e, fm_composition *d, fm_sequence *const *list, int64_t n, bool apart,
                         fm_error *err) {
    const fm_engine_options *o = &e->options;
    for (int prompts = 0; prompts < 2; prompts++) {
        int64_t left = prompts ? prompt_rows(e, d) : o->rows;
        for (int64_t i = 0; i < n && d->segments < o->sequences && left > 0; i++) {
            fm_sequence *s = list[i];
            if (s->waiting == 0 || (s->waiting > DECODING_ROWS) != prompts) continue;
            int64_t before = d->rows;
            int64_t count = at_most(s->waiting, prompts ? fm_unfold_rows(e, s, left, o->rows - before) : left);
            s->failed = add_segment(e, d, s, count, apart ? &s->failure : err);
            if (s->failed != FM_OK && !apart) return s->failed;
            left -= d->rows - before;
            if (!prompts) d->decoding += d->rows - before;
        }
    }
    return FM_OK;
}

/* Copies out what belongs to each sequence and moves its tokens from waiting to computed. */
static void settle(fm_engine *e, const fm_composition *d) {
    size_t v = (size_t)e->model->config.vocab_size, h = (size_t)e->model->config.hidden_size;
    int64_t output = 0;
    for (int64_t i = 0; i < d->segments; i++) {
        fm_sequence *s = e->runners[i];
        int64_t end = e->segments[i].row + e->segments[i].count;
        s->n += e->segments[i].count;
        s->waiting -= e->segments[i].count;
        fm_unfold_settle(e, s, &e->segments[i]);
        if (s->begins) s->rows = 0;
        s->begins = s->redo = false;
        for (; output < d->outputs && e->output_rows[output] < end; output++, s->rows++) {
            memcpy(s->logits + (size_t)s->rows * v,
                   fm_plan_floats(e->plan, e->logits) + (size_t)output * v, v * sizeof(float));
            memcpy(s->hidden + (size_t)s->rows * h,
                   fm_plan_floats(e->plan, e->final) + (size_t)output * h, h * sizeof(float));
        }
        if (s->scored > s->waiting) s->scored = s->waiting;
        if (s->rows > 0) s->logits_at = s->n;
        /* Of a draft only the first token is certain: the tree waits for the others. */
        fm_sequence_offer(s, s->rows > 1 ? s->n - s->rows + 1 : s->n);
    }
}

/* What disturbs a step makes it longer: a shorter one is nearer to the truth. */
static void smooth(double *average, double now) {
    double weight = *average == 0 ? 1 : now < *average ? 0.5 : 0.2;
    *average += weight * (now - *average);
}

/* Seconds in which steps have waited for experts: each waits once, and costs less the next time. */
static double waited(const fm_engine *e) {
    return fm_plan_waited(e->plan) + (e->mtp.plan ? fm_plan_waited(e->mtp.plan) : 0);
}

/* What a row of a prompt costs, and steps of few rows. */
static void learn_speed(fm_engine *e, const fm_composition *d, double seconds) {
    if (d->rows >= 8) smooth(&e->speed.row, seconds / (double)d->rows);
    if (d->rows <= 1 + FM_DRAFT_MAX) smooth(&e->speed.step[d->rows], seconds);
}

fm_status fm_engine_run_step(fm_engine *e, fm_sequence *const *list, int64_t n, bool apart,
                             fm_step_report *report, fm_error *err) {
    fm_composition d = {0};
    FM_TRY(compose(e, &d, list, n, apart, err));
    if (d.rows == 0) return FM_OK;
    fm_step step = {.n_rows = d.rows, .ids = e->ids, .n_segments = (int)d.segments,
                    .segments = e->segments, .n_outputs = d.outputs,
                    .output_rows = e->output_rows, .kv = &e->kv};
    pthread_mutex_unlock(&e->lock);
    double start = fm_clock_seconds(), waited_before = waited(e);
    fm_status status = fm_plan_run(e->plan, &step, err);
    if (status == FM_OK && e->mtp.plan) status = fm_mtp_follow(e, &d, err);
    double seconds = fm_clock_seconds() - start;
    pthread_mutex_lock(&e->lock);
    FM_TRY(status);
    settle(e, &d);
    learn_speed(e, &d, seconds - (waited(e) - waited_before));
    *report = (fm_step_report){.rows = d.rows, .sequences = d.segments, .seconds = seconds};
    return FM_OK;
}

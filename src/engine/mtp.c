/* mtp.c: the multi-token-prediction module beside the main model.      DeepSeek-V3, section 2.2
 *
 * Row p of the module reads token p + 1 and the main model's state after token p, and says what token
 * p + 2 may be. Its keys and values are layer L of the cache; row p lies in slot p + 1, beside the main
 * model's row of the token it read, so that what a page holds is a matter of its tokens and of the
 * state after the page before it. That state is in that page's tail: a sequence that takes over pages
 * of another finds there what its first row needs.
 *
 * fm_mtp_follow keeps the module's rows true: after every step, rows for the step's tokens from true
 * states. fm_engine_draft goes beyond, on its own states; those rows are overwritten by later steps. */
#include "engine/sequence.h"

#include <assert.h>
#include <string.h>

static size_t width(const fm_engine *e) { return (size_t)e->model->config.hidden_size; }

fm_status fm_mtp_new(fm_engine *e, fm_error *err) {
    fm_mtp *m = &e->mtp;
    const fm_engine_options *o = &e->options;
    fm_plan_options plan = {.rows = o->rows, .outputs = o->sequences, .kernels = o->kernels,
                            .pool = o->pool, .routed = e->model->gate.per_token,
                            .activations = o->activations};
    size_t bytes;
    m->kv = e->kv;
    m->kv.shift = 1;
    FM_TRY(fm_plan_new(&plan, &m->plan, err));
    FM_TRY(fm_model_record_mtp(e->model, &(fm_record_options){0}, m->plan, err));
    FM_TRY(fm_plan_place(m->plan, &bytes, err));
    m->logits = fm_plan_find(m->plan, "mtp.logits");
    m->final = fm_plan_find(m->plan, "mtp.final");
    m->hidden = fm_alloc_array((size_t)o->rows * width(e), sizeof *m->hidden, FM_MEM_PLAN);
    m->segments = fm_alloc_array((size_t)o->sequences, sizeof *m->segments, FM_MEM_PLAN);
    m->ids = fm_alloc_array((size_t)o->rows, sizeof *m->ids, FM_MEM_PLAN);
    if (!m->hidden || !m->segments || !m->ids)
        return fm_fail_memory(err, (size_t)o->rows * width(e) * sizeof(float), "an MTP module's rows");
    e->plan_bytes += bytes + (size_t)o->rows * width(e) * sizeof(float);
    return FM_OK;
}

void fm_mtp_free(fm_engine *e) {
    fm_plan_free(e->mtp.plan);
    fm_free(e->mtp.hidden);
    fm_free(e->mtp.segments);
    fm_free(e->mtp.ids);
}

/* ---- keeping up ------------------------------------------------------------------------------------*/

/* Adds the rows of one segment of the main step. The very first token of a sequence has none; a token
 * that is computed again has its own from before. */
static void follow_segment(fm_engine *e, fm_step *step, const fm_sequence *s, const fm_segment *g) {
    fm_mtp *m = &e->mtp;
    const float *states = fm_plan_floats(e->plan, e->states) + (size_t)g->row * width(e);
    int64_t first = g->position == 0 || s->redo, count = g->count - first;
    if (count == 0) return;
    m->segments[step->n_segments++] = (fm_segment){
        .row = step->n_rows, .count = count, .position = g->position + first - 1, .pages = g->pages};
    memcpy(m->ids + step->n_rows, s->tokens + g->position + first, (size_t)count * sizeof *m->ids);
    float *hidden = m->hidden + (size_t)step->n_rows * width(e);
    if (!first) {
        memcpy(hidden, s->state, width(e) * sizeof(float));
        hidden += width(e);
    }
    memcpy(hidden, states, (size_t)(g->count - 1) * width(e) * sizeof(float));
    step->n_rows += count;
}

/* The states that rows of later steps, or other sequences, begin with. */
static void keep_states(fm_engine *e, fm_sequence *s, const fm_segment *g) {
    const float *states = fm_plan_floats(e->plan, e->states) + (size_t)g->row * width(e);
    int64_t page = e->kv.page_positions, end = g->position + g->count;
    for (int64_t p = g->position + page - 1 - g->position % page; p < end; p += page)
        memcpy(fm_kv_tail(&e->kv, g->pages[p / page]),
               states + (size_t)(p - g->position) * width(e), width(e) * sizeof(float));
    memcpy(s->state, states + (size_t)(g->count - 1) * width(e), width(e) * sizeof(float));
}

fm_status fm_mtp_follow(fm_engine *e, const fm_composition *d, fm_error *err) {
    fm_mtp *m = &e->mtp;
    fm_step step = {.ids = m->ids, .segments = m->segments, .kv = &m->kv, .hidden = m->hidden};
    for (int64_t i = 0; i < d->segments; i++)
        follow_segment(e, &step, e->runners[i], &e->segments[i]);
    if (step.n_rows > 0) FM_TRY(fm_plan_run(m->plan, &step, err));
    for (int64_t i = 0; i < d->segments; i++) keep_states(e, e->runners[i], &e->segments[i]);
    return FM_OK;
}

/* ---- drafting --------------------------------------------------------------------------------------*/

/* Row i of the module for the token after what drafts[i] has: its state is the main model's at first,
 * the module's own further on. */
static void draft_row(fm_engine *e, fm_step *step, const fm_draft *f, int64_t ahead, int64_t row) {
    fm_mtp *m = &e->mtp;
    const float *own = fm_plan_floats(m->plan, m->final) + (size_t)row * width(e);
    memcpy(m->hidden + (size_t)step->n_rows * width(e), ahead ? own : f->sequence->state,
           width(e) * sizeof(float));
    m->ids[step->n_rows] = f->ids[ahead];
    m->segments[step->n_segments++] = (fm_segment){.row = step->n_rows, .count = 1,
                                                   .position = f->sequence->n + ahead - 1,
                                                   .pages = f->sequence->pages.table};
    step->n_rows++;
}

/* One token more for every draft that wants one. Rows keep the order of the drafts. */
static fm_status draft_once(fm_engine *e, fm_draft *drafts, int64_t n, int64_t ahead,
                            int32_t *rows, fm_error *err) {
    fm_mtp *m = &e->mtp;
    fm_step step = {.ids = m->ids, .segments = m->segments, .kv = &m->kv, .hidden = m->hidden,
                    .output_rows = rows};
    for (int64_t i = 0, row = 0; i < n; i++) {
        if (drafts[i].want < ahead) continue; /* had no row last time either */
        if (drafts[i].want > ahead) {
            rows[step.n_rows] = (int32_t)step.n_rows;
            draft_row(e, &step, &drafts[i], ahead, row);
        }
        row++;
    }
    step.n_outputs = step.n_rows;
    if (step.n_rows == 0) return FM_OK;
    FM_TRY(fm_plan_run(m->plan, &step, err));
    const float *logits = fm_plan_floats(m->plan, m->logits);
    for (int64_t i = 0; i < n; i++) {
        if (drafts[i].want <= ahead) continue;
        drafts[i].ids[ahead + 1] = drafts[i].draw(drafts[i].context, logits, ahead + 1);
        logits += e->model->config.vocab_size;
    }
    return FM_OK;
}

fm_status fm_engine_draft(fm_engine *e, fm_draft *drafts, int64_t n, fm_error *err) {
    assert(e->mtp.plan && n <= e->options.sequences);
    int64_t most = 0;
    fm_status status = FM_OK;
    pthread_mutex_lock(&e->lock);
    fm_engine_enter(e);
    for (int64_t i = 0; i < n; i++) {
        fm_sequence *s = drafts[i].sequence;
        if (s->n == 0 || s->waiting > 0 || drafts[i].want > e->options.context - s->n) drafts[i].want = 0;
        if (drafts[i].want > 0 && fm_sequence_reserve(s, drafts[i].want, NULL) != FM_OK)
            drafts[i].want = 0; /* no room for guesses */
        if (drafts[i].want > most) most = drafts[i].want;
    }
    pthread_mutex_unlock(&e->lock);
    for (int64_t ahead = 0; ahead < most && status == FM_OK; ahead++)
        status = draft_once(e, drafts, n, ahead, e->output_rows, err);
    pthread_mutex_lock(&e->lock);
    fm_engine_leave(e);
    pthread_mutex_unlock(&e->lock);
    return status;
}

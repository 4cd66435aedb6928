#include "engine/sequence.h"

#include "base/clock.h"

#include <string.h>

enum { DEFAULT_SEQUENCES = 16 };

/* A step that carries decoding rows is to take at most this long: four words a second stay readable
 * while a neighbour's prompt is being read. */
static const double STEP_SECONDS = 0.25;

static fm_status make_plan(fm_engine *e, fm_error *err) {
    fm_plan_options plan = {.rows = e->options.rows, .outputs = e->options.sequences,
                            .kernels = e->options.kernels, .pool = e->options.pool,
                            .routed = e->model->gate.per_token};
    FM_TRY(fm_plan_new(&plan, &e->plan, err));
    FM_TRY(fm_model_record(e->model, &(fm_record_options){0}, e->plan, err));
    FM_TRY(fm_plan_place(e->plan, &e->plan_bytes, err));
    e->logits = fm_plan_find(e->plan, "logits");
    e->final = fm_plan_find(e->plan, "final");
    return FM_OK;
}

static fm_status make_tables(fm_engine *e, fm_error *err) {
    size_t n = (size_t)e->options.sequences, rows = (size_t)e->options.rows;
    e->segments = fm_alloc_array(n, sizeof *e->segments, FM_MEM_PLAN);
    e->runners = fm_alloc_array(n, sizeof *e->runners, FM_MEM_PLAN);
    e->output_rows = fm_alloc_array(n, sizeof *e->output_rows, FM_MEM_PLAN);
    e->ids = fm_alloc_array(rows, sizeof *e->ids, FM_MEM_PLAN);
    if (!e->segments || !e->runners || !e->output_rows || !e->ids)
        return fm_fail_memory(err, rows * sizeof *e->ids, "the tables of a step");
    FM_TRY(fm_cache_new(&e->kv, e->options.cache_limit, &e->cache, err));
    return e->options.share_prefixes ? fm_prefix_new(e->cache, &e->prefix, err) : FM_OK;
}

fm_status fm_engine_new(const fm_model *model, const fm_engine_options *options, fm_engine **out,
                        fm_error *err) {
    *out = NULL;
    fm_engine *e = fm_alloc_zero(sizeof *e, FM_MEM_OTHER);
    if (!e) return fm_fail_memory(err, sizeof *e, "an engine");
    e->model = model;
    e->options = *options;
    if (e->options.sequences == 0) e->options.sequences = DEFAULT_SEQUENCES;
    if (e->options.sequences > e->options.rows) e->options.sequences = e->options.rows;
    pthread_mutex_init(&e->turn, NULL);
    fm_status status = fm_model_kv_shape(model, options->cache, &e->kv, err);
    if (status == FM_OK) status = make_plan(e, err);
    if (status == FM_OK) status = make_tables(e, err);
    if (status != FM_OK) {
        fm_engine_free(e);
        return status;
    }
    *out = e;
    return FM_OK;
}

void fm_engine_free(fm_engine *e) {
    if (!e) return;
    fm_prefix_free(e->prefix);
    fm_cache_free(e->cache);
    fm_plan_free(e->plan);
    fm_free(e->segments);
    fm_free(e->runners);
    fm_free(e->output_rows);
    fm_free(e->ids);
    pthread_mutex_destroy(&e->turn);
    fm_free(e);
}

fm_status fm_engine_start(fm_engine *e, fm_error *err) { return fm_plan_allocate(e->plan, err); }
void fm_engine_set_context(fm_engine *e, int64_t context) { e->options.context = context; }
size_t fm_engine_plan_bytes(const fm_engine *e) { return e->plan_bytes; }
const fm_kv_shape *fm_engine_kv(const fm_engine *e) { return &e->kv; }
const fm_engine_options *fm_engine_options_of(const fm_engine *e) { return &e->options; }

uint64_t fm_engine_cache_bytes(const fm_engine *e, int64_t positions) {
    int64_t pages = (positions + e->kv.page_positions - 1) / e->kv.page_positions;
    return (uint64_t)pages * e->kv.page_bytes;
}

fm_cache_stats fm_engine_cache_statistics(const fm_engine *e) { return fm_cache_statistics(e->cache); }

/* ---- composing a step ------------------------------------------------------------------------------ */

/* The step being put together. */
typedef struct draft {
    fm_engine *engine;
    int64_t rows, segments, outputs, decoding;
} draft;

/* Adds the next `count` waiting tokens of a sequence. */
static fm_status add_segment(draft *d, fm_sequence *s, int64_t count, fm_error *err) {
    fm_engine *e = d->engine;
    FM_TRY(fm_sequence_reserve(s, count, err));
    e->runners[d->segments] = s;
    e->segments[d->segments++] = (fm_segment){.row = d->rows, .count = count, .position = s->n,
                                              .pages = s->pages.table};
    memcpy(e->ids + d->rows, s->tokens + s->n, (size_t)count * sizeof *e->ids);
    d->rows += count;
    if (count == s->waiting) e->output_rows[d->outputs++] = (int32_t)(d->rows - 1);
    return FM_OK;
}

/* Rows that prompts may fill. */
static int64_t prompt_rows(const draft *d) {
    int64_t left = d->engine->options.rows - d->rows;
    if (d->decoding == 0 || d->engine->seconds_per_row <= 0) return left;
    double affordable = STEP_SECONDS / d->engine->seconds_per_row - (double)d->rows;
    int64_t most = affordable < 1 ? 1 : affordable > (double)left ? left : (int64_t)affordable;
    return most < left ? most : left; /* at least one: a prompt always gets on */
}

static fm_status compose(draft *d, fm_sequence *const *list, int64_t n, fm_error *err) {
    const fm_engine_options *o = &d->engine->options;
    for (int64_t i = 0; i < n && d->segments < o->sequences && d->rows < o->rows; i++)
        if (list[i]->waiting == 1) {
            FM_TRY(add_segment(d, list[i], 1, err));
            d->decoding++;
        }
    int64_t left = prompt_rows(d);
    for (int64_t i = 0; i < n && d->segments < o->sequences && left > 0; i++) {
        int64_t count = list[i]->waiting < left ? list[i]->waiting : left;
        if (list[i]->waiting < 2) continue;
        FM_TRY(add_segment(d, list[i], count, err));
        left -= count;
    }
    return FM_OK;
}

/* Copies out what belongs to each sequence and moves its tokens from waiting to computed. */
static void settle(draft *d) {
    fm_engine *e = d->engine;
    const fm_config *c = &e->model->config;
    int64_t output = 0;
    for (int64_t i = 0; i < d->segments; i++) {
        fm_sequence *s = e->runners[i];
        int64_t count = e->segments[i].count;
        s->n += count;
        s->waiting -= count;
        fm_sequence_offer(s);
        if (s->waiting > 0) continue;
        memcpy(s->logits, fm_plan_floats(e->plan, e->logits) + output * c->vocab_size,
               (size_t)c->vocab_size * sizeof(float));
        memcpy(s->hidden, fm_plan_floats(e->plan, e->final) + output * c->hidden_size,
               (size_t)c->hidden_size * sizeof(float));
        s->logits_at = s->n;
        output++;
    }
}

/* What a row of a prompt costs, smoothed; steps of few rows say nothing about it. */
static void learn_speed(fm_engine *e, int64_t rows, double seconds) {
    if (rows < 8) return;
    double now = seconds / (double)rows;
    e->seconds_per_row = e->seconds_per_row > 0 ? 0.75 * e->seconds_per_row + 0.25 * now : now;
}

static fm_status run_step(fm_engine *e, fm_sequence *const *list, int64_t n, fm_step_report *report,
                          fm_error *err) {
    draft d = {.engine = e};
    FM_TRY(compose(&d, list, n, err));
    if (d.rows == 0) return FM_OK;
    fm_step step = {.n_rows = d.rows, .ids = e->ids, .n_segments = (int)d.segments,
                    .segments = e->segments, .n_outputs = d.outputs,
                    .output_rows = e->output_rows, .kv = &e->kv};
    double start = fm_clock_seconds();
    FM_TRY(fm_plan_run(e->plan, &step, err));
    double seconds = fm_clock_seconds() - start;
    settle(&d);
    learn_speed(e, d.rows, seconds);
    *report = (fm_step_report){.rows = d.rows, .sequences = d.segments, .seconds = seconds};
    return FM_OK;
}

fm_status fm_engine_step(fm_engine *e, fm_sequence *const *sequences, int64_t n,
                         fm_step_report *report, fm_error *err) {
    fm_step_report done = {0};
    pthread_mutex_lock(&e->turn);
    fm_status status = run_step(e, sequences, n, &done, err);
    pthread_mutex_unlock(&e->turn);
    if (report) *report = done;
    return status;
}

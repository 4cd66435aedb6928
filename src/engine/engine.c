#include "engine/sequence.h"

#include <string.h>

enum { DEFAULT_SEQUENCES = 16 };

static fm_status make_plan(fm_engine *e, fm_error *err) {
    fm_plan_options plan = {.rows = e->options.rows, .outputs = e->options.outputs,
                            .kernels = e->options.kernels, .pool = e->options.pool,
                            .routed = e->model->gate.per_token,
                            .activations = e->options.activations};
    FM_TRY(fm_plan_new(&plan, &e->plan, err));
    FM_TRY(fm_model_record(e->model, &(fm_record_options){.states = e->model->mtp}, e->plan, err));
    FM_TRY(fm_plan_place(e->plan, &e->plan_bytes, err));
    e->logits = fm_plan_find(e->plan, "logits");
    e->final = fm_plan_find(e->plan, "final");
    e->states = fm_plan_find(e->plan, "states");
    return e->model->mtp ? fm_mtp_new(e, err) : FM_OK;
}

static fm_status make_tables(fm_engine *e, fm_error *err) {
    size_t n = (size_t)e->options.sequences, rows = (size_t)e->options.rows;
    e->segments = fm_alloc_array(n, sizeof *e->segments, FM_MEM_PLAN);
    e->runners = fm_alloc_array(n, sizeof *e->runners, FM_MEM_PLAN);
    e->output_rows = fm_alloc_array((size_t)e->options.outputs, sizeof *e->output_rows, FM_MEM_PLAN);
    e->ids = fm_alloc_array(rows, sizeof *e->ids, FM_MEM_PLAN);
    if (!e->segments || !e->runners || !e->output_rows || !e->ids)
        return fm_fail_memory(err, rows * sizeof *e->ids, "the tables of a step");
    FM_TRY(fm_cache_new(&e->kv, e->options.cache_limit, &e->cache, err));
    FM_TRY(fm_unfold_new(e, err));
    return e->options.share_prefixes ? fm_prefix_new(e->cache, &e->prefix, err) : FM_OK;
}

static void settle_options(fm_engine_options *o) {
    if (o->sequences == 0) o->sequences = DEFAULT_SEQUENCES;
    if (o->sequences > o->rows) o->sequences = o->rows;
    if (o->outputs < o->sequences) o->outputs = o->sequences;
    if (o->outputs > o->rows) o->outputs = o->rows;
}

fm_status fm_engine_new(const fm_model *model, const fm_engine_options *options, fm_engine **out,
                        fm_error *err) {
    *out = NULL;
    fm_engine *e = fm_alloc_zero(sizeof *e, FM_MEM_OTHER);
    if (!e) return fm_fail_memory(err, sizeof *e, "an engine");
    e->model = model;
    e->options = *options;
    settle_options(&e->options);
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->free, NULL);
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
    fm_cache_free(e->unfolded);
    fm_mtp_free(e);
    fm_plan_free(e->plan);
    fm_free(e->segments);
    fm_free(e->runners);
    fm_free(e->output_rows);
    fm_free(e->ids);
    fm_free(e->gathered);
    pthread_cond_destroy(&e->free);
    pthread_mutex_destroy(&e->lock);
    fm_free(e);
}

fm_status fm_engine_start(fm_engine *e, fm_error *err) {
    FM_TRY(fm_plan_allocate(e->plan, err));
    return e->mtp.plan ? fm_plan_allocate(e->mtp.plan, err) : FM_OK;
}

void fm_engine_set_context(fm_engine *e, int64_t context) { e->options.context = context; }

void fm_engine_set_cache_limit(fm_engine *e, uint64_t bytes) {
    e->options.cache_limit = bytes;
    fm_cache_set_limit(e->cache, bytes);
}

size_t fm_engine_plan_bytes(const fm_engine *e) { return e->plan_bytes; }
const fm_kv_shape *fm_engine_kv(const fm_engine *e) { return &e->kv; }
fm_plan *fm_engine_plan(fm_engine *e) { return e->plan; }
const fm_engine_options *fm_engine_options_of(const fm_engine *e) { return &e->options; }
bool fm_engine_has_mtp(const fm_engine *e) { return e->mtp.plan; }

uint64_t fm_engine_cache_bytes(const fm_engine *e, int64_t positions) {
    int64_t pages = (positions + e->kv.page_positions - 1) / e->kv.page_positions;
    return (uint64_t)pages * fm_cache_page_cost(&e->kv);
}

fm_cache_stats fm_engine_cache_statistics(fm_engine *e) {
    pthread_mutex_lock(&e->lock);
    fm_cache_stats stats = fm_cache_statistics(e->cache);
    pthread_mutex_unlock(&e->lock);
    return stats;
}

fm_engine_speed fm_engine_speed_of(fm_engine *e) {
    pthread_mutex_lock(&e->lock);
    fm_engine_speed speed = e->speed;
    pthread_mutex_unlock(&e->lock);
    return speed;
}

fm_status fm_engine_step(fm_engine *e, fm_sequence *const *sequences, int64_t n,
                         fm_step_report *report, fm_error *err) {
    fm_step_report done = {0};
    pthread_mutex_lock(&e->lock);
    fm_engine_enter(e);
    fm_status status = fm_engine_run_step(e, sequences, n, false, &done, err);
    fm_engine_leave(e);
    pthread_mutex_unlock(&e->lock);
    if (report) *report = done;
    return status;
}

#include "engine/observe.h"

#include "engine/cache.h"

#include <stdio.h>
#include <string.h>

/* Everything one prefill needs, so that one place gives it back. */
typedef struct prefill {
    const fm_model *model;
    const fm_observe_options *options;
    const int32_t *ids;
    int64_t n;
    int32_t *rows; /* 0 .. n-1: all rows are outputs */
    fm_kv_shape kv;
    fm_cache *cache;
    fm_pages pages;
    uint64_t held; /* bytes of the pages and of everything copied out */
    fm_observation *out;
    fm_error *err;
} prefill;

static fm_status add(prefill *p, const char *name, bool integers, int64_t rows, int64_t columns,
                     const void *data) {
    fm_observation *o = p->out;
    if (o->n == o->capacity) {
        size_t capacity = o->capacity ? o->capacity * 2 : 64;
        void *items = fm_realloc(o->items, capacity * sizeof *o->items, FM_MEM_OTHER);
        if (!items) return fm_fail_memory(p->err, capacity * sizeof *o->items, "observations");
        o->items = items;
        o->capacity = capacity;
    }
    size_t bytes = (size_t)(rows * columns) * 4;
    fm_observed item = {.integers = integers, .shape = {rows, columns}};
    snprintf(item.name, sizeof item.name, "%s", name);
    item.data = fm_alloc(bytes ? bytes : 1, FM_MEM_OTHER);
    if (!item.data) return fm_fail_memory(p->err, bytes, name);
    memcpy(item.data, data, bytes);
    o->items[o->n++] = item;
    return FM_OK;
}

static fm_status add_value(prefill *p, const fm_plan *plan, const fm_step *step, const char *name) {
    fm_value v = fm_plan_find(plan, name);
    if (v < 0) return FM_OK;
    return add(p, name, false, fm_plan_rows(plan, step, v), fm_plan_columns(plan, v),
               fm_plan_floats(plan, v));
}

static fm_status add_routing(prefill *p, const fm_plan *plan, const fm_step *step, int64_t layer) {
    char name[40];
    snprintf(name, sizeof name, "routing.%lld", (long long)layer);
    fm_value v = fm_plan_find(plan, name);
    if (v < 0) return FM_OK;
    const fm_gate *gate = &p->model->gate;
    fm_routing r = fm_routing_view(gate, fm_plan_data(plan, v), fm_plan_options_of(plan)->rows);
    snprintf(name, sizeof name, "experts.%lld", (long long)layer);
    FM_TRY(add(p, name, true, step->n_rows, gate->per_token, r.ids));
    snprintf(name, sizeof name, "expert_weights.%lld", (long long)layer);
    return add(p, name, false, step->n_rows, gate->per_token, r.weights);
}

static fm_status collect(prefill *p, const fm_plan *plan, const fm_step *step) {
    static const char *const fixed[] = {"logits", "final", "mtp.logits", "mtp.hidden"};
    for (size_t i = 0; i < FM_COUNT(fixed); i++) FM_TRY(add_value(p, plan, step, fixed[i]));
    for (int64_t l = 0; l <= p->model->config.num_hidden_layers; l++) {
        char name[40];
        snprintf(name, sizeof name, "hidden.%lld", (long long)l);
        FM_TRY(add_value(p, plan, step, name));
        FM_TRY(add_routing(p, plan, step, l));
    }
    return FM_OK;
}

/* Bytes that this prefill holds beside its plans: keys and values, and a copy of every array. */
static uint64_t held_bytes(const prefill *p) {
    const fm_config *c = &p->model->config;
    const fm_observe_options *o = p->options;
    uint64_t pages = (uint64_t)((p->n + p->kv.page_positions - 1) / p->kv.page_positions);
    uint64_t d = (uint64_t)c->hidden_size, layers = (uint64_t)c->num_hidden_layers;
    uint64_t row = (uint64_t)c->vocab_size + d;
    if (o->hidden) row += (layers + 1) * d;
    if (o->experts) row += layers * 2 * (uint64_t)c->num_experts_per_tok;
    if (o->mtp) row += (uint64_t)c->vocab_size + d;
    return pages * p->kv.page_bytes + (uint64_t)p->n * row * sizeof(float);
}

typedef fm_status (*record_fn)(const fm_model *, const fm_record_options *, fm_plan *, fm_error *);

/* Records, places, checks the memory, runs and collects one plan over `n` rows. */
static fm_status run_plan(prefill *p, record_fn record, int64_t n, const int32_t *ids,
                          const float *hidden) {
    const fm_observe_options *o = p->options;
    fm_plan_options options = {.rows = n, .outputs = n, .kernels = o->kernels, .pool = o->pool,
                               .routed = p->model->gate.per_token,
                               .activations = o->activations};
    fm_record_options what = {.hidden = o->hidden || hidden, .experts = o->experts};
    bool fast = p->model->options.arith == FM_FAST; /* then every row, for comparisons */
    fm_segment segment = {.count = n, .pages = p->pages.table, .fast_to = fast ? n : 0};
    fm_step step = {.n_rows = n, .ids = ids, .n_segments = 1, .segments = &segment, .n_outputs = n,
                    .output_rows = p->rows, .kv = &p->kv, .hidden = hidden};
    fm_plan *plan = NULL;
    size_t bytes = 0;
    fm_status status = fm_plan_new(&options, &plan, p->err);
    if (status == FM_OK) status = record(p->model, &what, plan, p->err);
    if (status == FM_OK) status = fm_plan_place(plan, &bytes, p->err);
    if (status == FM_OK && o->memory_limit && bytes + p->held > o->memory_limit)
        status = fm_fail(p->err, FM_ERR_MEMORY,
                         "a prefill of %lld tokens needs %llu MiB for activations and results and "
                         "only %llu MiB are available: give fewer tokens", (long long)n,
                         (unsigned long long)((bytes + p->held) >> 20),
                         (unsigned long long)(o->memory_limit >> 20));
    if (status == FM_OK) status = fm_plan_allocate(plan, p->err);
    if (status == FM_OK) status = fm_plan_run(plan, &step, p->err);
    if (status == FM_OK) status = collect(p, plan, &step);
    fm_plan_free(plan);
    return status;
}

static fm_status check_ids(const prefill *p) {
    int64_t vocabulary = p->model->config.vocab_size;
    if (p->n < 1) return fm_fail(p->err, FM_ERR_ARGUMENT, "give at least one token id");
    if (p->n > p->model->config.max_position_embeddings)
        return fm_fail(p->err, FM_ERR_LIMIT, "%lld tokens are more than this model's %lld positions",
                       (long long)p->n, (long long)p->model->config.max_position_embeddings);
    for (int64_t i = 0; i < p->n; i++)
        if (p->ids[i] < 0 || p->ids[i] >= vocabulary)
            return fm_fail(p->err, FM_ERR_ARGUMENT,
                           "id %d at place %lld: this model's ids go from 0 to %lld", p->ids[i],
                           (long long)i, (long long)(vocabulary - 1));
    return FM_OK;
}

static fm_status run_all(prefill *p) {
    FM_TRY(check_ids(p));
    p->held = held_bytes(p);
    p->rows = fm_alloc((size_t)p->n * sizeof *p->rows, FM_MEM_OTHER);
    if (!p->rows) return fm_fail_memory(p->err, (size_t)p->n * sizeof *p->rows, "a prefill");
    for (int64_t i = 0; i < p->n; i++) p->rows[i] = (int32_t)i;
    FM_TRY(fm_cache_new(&p->kv, 0, &p->cache, p->err));
    FM_TRY(fm_pages_reserve(&p->pages, p->cache, 0, p->n, p->err));
    FM_TRY(run_plan(p, fm_model_record, p->n, p->ids, NULL));
    if (!p->options->mtp) return FM_OK;
    if (p->n < 2) return fm_fail(p->err, FM_ERR_ARGUMENT, "the MTP module needs two tokens or more");
    const fm_observed *final = fm_observation_find(p->out, "final");
    return run_plan(p, fm_model_record_mtp, p->n - 1, p->ids + 1, final->data);
}

fm_status fm_observe_prefill(const fm_model *model, const int32_t *ids, int64_t n,
                             const fm_observe_options *options, fm_observation *out,
                             fm_error *err) {
    *out = (fm_observation){0};
    prefill p = {.model = model, .options = options, .ids = ids, .n = n, .out = out, .err = err};
    fm_status status = fm_model_kv_shape(model, options->cache, &p.kv, err);
    if (status == FM_OK) status = run_all(&p);
    fm_free(p.rows);
    if (p.cache) fm_pages_clear(&p.pages, p.cache);
    fm_cache_free(p.cache);
    if (status != FM_OK) fm_observation_clear(out);
    return status;
}

void fm_observation_clear(fm_observation *o) {
    for (size_t i = 0; i < o->n; i++) fm_free(o->items[i].data);
    fm_free(o->items);
    *o = (fm_observation){0};
}

const fm_observed *fm_observation_find(const fm_observation *o, const char *name) {
    for (size_t i = 0; i < o->n; i++)
        if (strcmp(o->items[i].name, name) == 0) return &o->items[i];
    return NULL;
}

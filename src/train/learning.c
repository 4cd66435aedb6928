#include "train/learning.h"

#include <stdio.h>

struct fm_learning {
    fm_model *model;
    fm_learning_options options;
    fm_trainee *trainee;
    fm_plan *plan;
    fm_step_pages pages;
    fm_segment *segments;
    fm_lesson lesson; /* of the last step, and its rows */
    int64_t n_rows;
    uint64_t bytes;
};

static fm_status kv_of(const fm_model *m, const fm_learning_options *o, fm_kv_shape *kv, fm_error *err) {
    if (o->cache == FM_KV_INT8)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "learning keeps keys and values as f32 or bf16, not as int8");
    if (o->rows < 1 || o->segments < 1)
        return fm_fail(err, FM_ERR_ARGUMENT, "a step that learns needs room for a row and a segment");
    return fm_model_kv_shape(m, o->cache, kv, err);
}

static fm_status make_plan(fm_model *m, const fm_learning_options *o, fm_plan **plan, size_t *bytes,
                           fm_error *err) {
    fm_plan_options p = {.rows = o->rows, .outputs = 1, .routed = m->config.num_experts_per_tok, .learns = true,
                         .activations = o->trainee.form == FM_WORDS_BF16 ? FM_ACTIVATIONS_BF16
                                                                        : FM_ACTIVATIONS_F32,
                         .kernels = o->trainee.kernels, .pool = o->trainee.pool};
    fm_record_options record = {.experts = true, .taught = o->taught, .recompute = o->recompute};
    FM_TRY(fm_plan_new(&p, plan, err));
    FM_TRY(fm_model_record_learning(m, &record, o->mtp, *plan, err));
    return fm_plan_place(*plan, bytes, err);
}

static fm_status check_memory(const fm_learning *l, fm_error *err) {
    if (!l->options.memory_limit || l->bytes <= l->options.memory_limit) return FM_OK;
    return fm_fail(err, FM_ERR_MEMORY,
                   "learning with steps of %lld tokens takes %.1f GiB and %.1f GiB are available: use fewer tokens "
                   "in a micro-batch or a smaller model", (long long)l->options.rows,
                   (double)l->bytes / (1 << 30), (double)l->options.memory_limit / (1 << 30));
}

/* Weights first: a plan's gradients flow where weights have some. */
static fm_status start(fm_learning *l, fm_error *err) {
    fm_kv_shape kv;
    size_t of_plan;
    const fm_learning_options *o = &l->options;
    FM_TRY(kv_of(l->model, o, &kv, err));
    FM_TRY(fm_trainee_memory(l->model, &o->trainee, &l->bytes, err));
    l->bytes += fm_step_pages_bytes(&kv, o->rows, o->segments);
    FM_TRY(check_memory(l, err));
    FM_TRY(fm_trainee_new(l->model, &o->trainee, &l->trainee, err));
    FM_TRY(make_plan(l->model, o, &l->plan, &of_plan, err));
    l->bytes += of_plan;
    FM_TRY(check_memory(l, err));
    FM_TRY(fm_plan_allocate(l->plan, err));
    FM_TRY(fm_step_pages_new(&kv, o->rows, o->segments, &l->pages, err));
    l->segments = fm_alloc_array((size_t)o->segments, sizeof *l->segments, FM_MEM_OTHER);
    return l->segments ? FM_OK : fm_fail_memory(err, (size_t)o->segments * sizeof *l->segments, "segments");
}

fm_status fm_learning_new(fm_model *model, const fm_learning_options *options, fm_learning **out, fm_error *err) {
    *out = NULL;
    fm_learning *l = fm_alloc_zero(sizeof *l, FM_MEM_OTHER);
    if (!l) return fm_fail_memory(err, sizeof *l, "a model that learns");
    l->model = model;
    l->options = *options;
    fm_status status = start(l, err);
    if (status == FM_OK) *out = l;
    else fm_learning_free(l);
    return status;
}

void fm_learning_free(fm_learning *l) {
    if (!l) return;
    fm_plan_free(l->plan);
    fm_step_pages_clear(&l->pages);
    fm_free(l->segments);
    fm_trainee_free(l->trainee);
    fm_free(l);
}

const fm_learned_list *fm_learning_list(const fm_learning *l) { return fm_trainee_list(l->trainee); }
void fm_learning_publish(fm_learning *l) { fm_trainee_publish(l->trainee); }
uint64_t fm_learning_bytes(const fm_learning *l) { return l->bytes; }
fm_plan *fm_learning_plan(fm_learning *l) { return l->plan; }

/* ---- a step ----------------------------------------------------------------------------------------- */

static fm_status check(const fm_learning *l, const fm_learning_step *s, fm_error *err) {
    if (s->n_rows < 1 || s->n_rows > l->options.rows || s->n_segments < 1 ||
        s->n_segments > l->options.segments)
        return fm_fail(err, FM_ERR_ARGUMENT, "a step of %lld rows in %d segments does not fit into %lld in %lld",
                       (long long)s->n_rows, s->n_segments, (long long)l->options.rows,
                       (long long)l->options.segments);
    if (l->options.taught != (s->lesson.teaching != NULL))
        return fm_fail(err, FM_ERR_ARGUMENT, "a step needs a teaching where the plan was made for one, and only there");
    int64_t v = l->model->config.vocab_size;
    for (int64_t t = 0; t < s->n_rows; t++)
        for (int d = -1; d <= l->options.mtp; d++) {
            const int32_t *ids = d < 0 ? s->ids : s->lesson.ahead[d];
            bool may_lack = d >= 0 && (!s->lesson.weights[d] || s->lesson.weights[d][t] == 0);
            if (ids[t] >= v || ids[t] < (may_lack ? -1 : 0))
                return fm_fail(err, FM_ERR_ARGUMENT, "token %d of row %lld is not one of the model's %lld", ids[t],
                               (long long)t, (long long)v);
        }
    return FM_OK;
}

static const float *kept(const fm_learning *l, const char *name) {
    return fm_plan_floats(l->plan, fm_plan_find(l->plan, name));
}

static void add_taught(const fm_learning *l, const fm_learning_step *s, fm_learning_loss *loss) {
    const float *of_row = kept(l, "loss.0"), *facts = kept(l, "facts.0");
    for (int64_t t = 0; s->lesson.weights[0] && t < s->n_rows; t++) {
        loss->nats[0] += (double)facts[2 * t];
        loss->divergence += (double)facts[2 * t + 1];
        loss->weighted[0] += (double)s->lesson.weights[0][t] * (double)of_row[t];
    }
}

static void add_losses(const fm_learning *l, const fm_learning_step *s, bool learns, fm_learning_loss *loss) {
    char name[32];
    *loss = (fm_learning_loss){0};
    if (l->options.taught) add_taught(l, s, loss);
    for (int d = l->options.taught; d <= l->options.mtp; d++) {
        snprintf(name, sizeof name, "nll.%d", d);
        const float *nll = kept(l, name);
        for (int64_t t = 0; s->lesson.weights[d] && t < s->n_rows; t++) {
            loss->nats[d] += (double)nll[t];
            loss->weighted[d] += (double)s->lesson.weights[d][t] * (double)nll[t];
        }
    }
    for (int64_t layer = 0; learns && layer < l->model->config.num_hidden_layers + l->options.mtp; layer++) {
        snprintf(name, sizeof name, "balance.%lld", (long long)layer);
        fm_value v = fm_plan_find(l->plan, name);
        if (v >= 0) loss->balance += *(const double *)fm_plan_data(l->plan, v);
    }
}

fm_status fm_learning_run(fm_learning *l, const fm_learning_step *s, bool learns, fm_learning_loss *loss,
                         fm_error *err) {
    FM_TRY(check(l, s, err));
    l->lesson = s->lesson, l->n_rows = s->n_rows;
    for (int i = 0; i < s->n_segments; i++) l->segments[i] = s->segments[i];
    fm_step_pages_lay(&l->pages, l->segments, s->n_segments);
    fm_step step = {.n_rows = s->n_rows, .ids = s->ids, .n_segments = s->n_segments, .segments = l->segments,
                    .kv = &l->pages.kv, .lesson = &s->lesson};
    FM_TRY((learns ? fm_plan_learn : fm_plan_run)(l->plan, &step, err));
    add_losses(l, s, learns, loss);
    return FM_OK;
}

bool fm_learning_add_load(const fm_learning *l, int64_t layer, int64_t *load) {
    char name[32];
    snprintf(name, sizeof name, "routing.%lld", (long long)layer);
    fm_value v = fm_plan_find(l->plan, name);
    if (v < 0) return false;
    const fm_gate *gate = &l->model->gate;
    fm_routing r = fm_routing_view(gate, fm_plan_data(l->plan, v), l->options.rows);
    for (int64_t e = 0; e < gate->n_experts; e++) load[e] += r.offsets[e + 1] - r.offsets[e];
    int64_t d = layer - l->model->config.num_hidden_layers; /* the lesson that the module reads */
    for (int64_t t = 0; d >= 0 && t < l->n_rows; t++)
        for (int64_t i = 0; l->lesson.ahead[d][t] < 0 && i < gate->per_token; i++)
            load[r.ids[t * gate->per_token + i]]--;
    return true;
}

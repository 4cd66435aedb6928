#include "train/model_student.h"

#include "base/buffer.h"
#include "base/file.h"

#include <stdio.h>
#include <string.h>

/* Documents by themselves may be short: a batch with more of them than this share of its tokens is taken in
 * several steps, which add up to the same, instead of keeping pages for what hardly ever comes. */
enum { TOKENS_PER_SEGMENT = 32 };

struct fm_model_student {
    fm_model *model;
    fm_learning *learning;
    fm_student face;
    float *weights[FM_DEPTHS]; /* [batch_tokens] */
    fm_segment *segments;      /* [most_segments] */
    int64_t most_segments;
    fm_adapters *adapters;
    const char *base;
    fm_teacher *teacher;
};

int64_t fm_model_student_segments(int64_t batch_tokens) { return batch_tokens / TOKENS_PER_SEGMENT + 1; }

/* ---- a batch -----------------------------------------------------------------------------------*/

/* Segments [first, first + n) of the batch as a step: views that begin at their first row. */
static fm_learning_step step_of(const fm_model_student *s, const fm_student_task *t, int64_t first, int64_t n) {
    const fm_batch *b = t->batch;
    const fm_loader_segment *last = &b->segments[first + n - 1];
    int64_t from = b->segments[first].row;
    const fm_config *c = &s->model->config;
    fm_learning_step step = {.n_rows = last->row + last->count - from, .ids = b->ids + from, .n_segments = (int)n,
                             .segments = s->segments,
                             .lesson = {.sequence_balance = t->balance, .device_balance = t->device_balance,
                                        .communication_balance = t->communication_balance,
                                        .devices = t->devices ? t->devices : c->n_group,
                                        .device_limit = t->device_limit ? t->device_limit : c->topk_group}};
    for (int64_t i = 0; i < n; i++)
        s->segments[i] = (fm_segment){.row = b->segments[first + i].row - from, .count = b->segments[first + i].count};
    for (int d = 0; d < s->face.ahead; d++) {
        step.lesson.ahead[d] = b->ahead[d] + from;
        step.lesson.weights[d] = t->weight[d] > 0 ? s->weights[d] : NULL;
        for (int64_t i = 0; i < step.n_rows; i++)
            s->weights[d][i] = b->targets[d][from + i] >= 0 ? (float)t->weight[d] : 0;
    }
    return step;
}

static fm_status run(fm_model_student *s, const fm_student_task *t, bool learns, fm_student_loss *sum,
                     fm_error *err) {
    int64_t n = t->batch->n_segments;
    for (int64_t at = 0; at < n; at += s->most_segments) {
        fm_learning_step step = step_of(s, t, at, n - at < s->most_segments ? n - at : s->most_segments);
        fm_learning_loss loss;
        fm_teaching teaching;
        if (s->teacher) {
            FM_TRY(fm_teacher_ask(s->teacher, step.n_rows, step.ids, step.segments, step.n_segments,
                                  step.lesson.weights[0], &teaching, err));
            step.lesson.teaching = &teaching;
        }
        FM_TRY(fm_learning_run(s->learning, &step, learns, &loss, err));
        for (int d = 0; d < s->face.ahead; d++) sum->nats[d] += loss.nats[d];
        sum->divergence += loss.divergence;
        sum->balance += loss.balance;
        for (size_t i = 0; learns && i < s->face.n_layers; i++)
            fm_learning_add_load(s->learning, s->face.layers[i].layer, s->face.layers[i].load);
    }
    return FM_OK;
}

static fm_status learn(void *self, const fm_student_task *t, fm_student_loss *loss, fm_error *err) {
    return run(self, t, true, loss, err);
}
static fm_status measure(void *self, const fm_student_task *t, fm_student_loss *loss, fm_error *err) {
    return run(self, t, false, loss, err);
}
static fm_status changed(void *self, fm_error *err) {
    (void)err;
    fm_learning_publish(((fm_model_student *)self)->learning);
    return FM_OK;
}

/* ---- checkpoints of adapters -------------------------------------------------------------------*/

/* An adapter says nothing on another model than the one that it was learnt on, so a checkpoint says which that
 * was: in a file of its own, since PEFT refuses members of adapter_config.json that it does not know. */
static const char base_file[] = "base.json";

static void put_base(const fm_model_student *s, fm_buffer *out) {
    char hash[24];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)fm_model_base_fingerprint(s->model));
    fm_json_writer w = {.out = out};
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "fingerprint", hash);
    fm_json_close(&w, '}');
}

static fm_status save(void *self, fm_checkpoint *c, fm_error *err) {
    fm_model_student *s = self;
    fm_buffer base = {0};
    FM_TRY(fm_adapters_write(s->adapters, fm_checkpoint_folder(c), s->base, err));
    FM_TRY(fm_checkpoint_add(c, "adapter_config.json", err));
    FM_TRY(fm_checkpoint_add(c, "adapter_model.safetensors", err));
    put_base(s, &base);
    fm_status status = fm_buffer_status(&base, err);
    if (status == FM_OK) status = fm_checkpoint_put(c, base_file, base.data, base.size, err);
    fm_buffer_clear(&base);
    return status;
}

/* Checkpoints of before there was such a file are believed. */
static fm_status check_base(const fm_model_student *s, const char *checkpoint, fm_error *err) {
    enum { LIMIT = 1 << 10 };
    char *path = fm_path_join(checkpoint, base_file), *text = NULL;
    size_t size = 0;
    fm_buffer own = {0};
    fm_status status = path ? FM_OK : fm_fail_memory(err, strlen(checkpoint), "a path");
    if (status == FM_OK && fm_file_exists(path)) status = fm_file_read(path, LIMIT, &text, &size, err);
    put_base(s, &own);
    if (status == FM_OK) status = fm_buffer_status(&own, err);
    if (status == FM_OK && text && (size != own.size || memcmp(text, own.data, size) != 0))
        status = fm_fail(err, FM_ERR_ARGUMENT, "the adapter in %s was learnt on another model than %s as it is now: go "
                         "on with that one, or begin a new run", checkpoint, s->base);
    fm_buffer_clear(&own);
    fm_free(text);
    fm_free(path);
    return status;
}

static fm_status load(void *self, const char *checkpoint, fm_error *err) {
    fm_model_student *s = self;
    FM_TRY(check_base(s, checkpoint, err));
    return fm_adapters_reload(s->adapters, checkpoint, err);
}

/* ---- where the time goes -----------------------------------------------------------------------*/

static void profile(void *self, fm_json_writer *w) {
    enum { MOST = 64 };
    fm_profile_line lines[MOST];
    size_t n = fm_plan_profile_lines(fm_learning_plan(((fm_model_student *)self)->learning), lines, MOST);
    fm_json_open(w, "ops", '[');
    for (size_t i = 0; i < n && i < MOST; i++) {
        fm_json_open(w, NULL, '{');
        fm_json_put_text(w, "op", lines[i].op);
        fm_json_put_bool(w, "backward", lines[i].backward);
        fm_json_put_integer(w, "columns_in", lines[i].columns_in);
        fm_json_put_integer(w, "columns_out", lines[i].columns_out);
        fm_json_put_integer(w, "calls", lines[i].calls);
        fm_json_put_real(w, "seconds", lines[i].seconds);
        fm_json_close(w, '}');
    }
    fm_json_close(w, ']');
}

/* ---- putting it together -----------------------------------------------------------------------*/

/* The layers with experts, those of modules among them: their loads, and the biases that the list has. */
static fm_status list_layers(fm_model_student *s, fm_error *err) {
    const fm_config *c = &s->model->config;
    const fm_learned_list *l = &s->face.learned;
    int64_t layers = c->num_hidden_layers + s->face.ahead - 1;
    s->face.layers = fm_alloc_array((size_t)layers + 1, sizeof *s->face.layers, FM_MEM_OTHER);
    if (!s->face.layers) return fm_fail_memory(err, (size_t)layers, "a list of layers");
    for (int64_t i = 0; i < layers; i++) {
        if (!fm_config_is_moe_layer(c, i)) continue;
        int64_t *load = fm_alloc_array((size_t)c->n_routed_experts, sizeof *load, FM_MEM_OTHER);
        if (!load) return fm_fail_memory(err, (size_t)c->n_routed_experts * sizeof *load, "the loads of experts");
        s->face.layers[s->face.n_layers++] = (fm_expert_layer){i, c->n_routed_experts, load, NULL};
    }
    for (size_t t = 0; t < l->n; t++)
        for (size_t i = 0; i < s->face.n_layers; i++)
            if (l->at[t].kind == FM_LEARNED_BIAS && !l->at[t].grad && l->at[t].layer == s->face.layers[i].layer &&
                l->at[t].columns == c->n_routed_experts)
                s->face.layers[i].bias = l->at[t].value;
    return FM_OK;
}

static fm_status build(fm_model_student *s, const fm_model_student_options *o, fm_error *err) {
    int mtp = o->adapters ? 0 : s->model->n_mtp;
    s->adapters = o->adapters;
    s->base = o->base;
    s->teacher = o->teacher;
    s->most_segments = fm_model_student_segments(o->batch_tokens);
    const fm_learning_options l = {
        .trainee = {.form = o->bf16 ? FM_WORDS_BF16 : FM_WORDS_F32, .kernels = o->kernels, .pool = o->pool,
                    .adapters = o->adapters},
        .rows = o->batch_tokens, .segments = s->most_segments, .mtp = mtp, .taught = o->teacher != NULL,
        .recompute = o->recompute,
        .cache = o->bf16 ? FM_KV_BF16 : FM_KV_F32, .memory_limit = o->memory_limit};
    FM_TRY(fm_learning_new(s->model, &l, &s->learning, err));
    FM_TRY(fm_plan_profile(fm_learning_plan(s->learning), err));
    s->face = (fm_student){.self = s, .learned = *fm_learning_list(s->learning), .ahead = 1 + mtp,
                           .taught = o->teacher != NULL,
                           .batch_tokens = o->batch_tokens, .learn = learn, .measure = measure, .changed = changed,
                           .save = o->adapters ? save : NULL, .load = o->adapters ? load : NULL,
                           .profile = profile};
    s->segments = fm_alloc_array((size_t)s->most_segments, sizeof *s->segments, FM_MEM_OTHER);
    if (!s->segments) return fm_fail_memory(err, (size_t)s->most_segments * sizeof *s->segments, "segments");
    for (int d = 0; d < s->face.ahead; d++) {
        s->weights[d] = fm_alloc_array((size_t)o->batch_tokens, sizeof(float), FM_MEM_OTHER);
        if (!s->weights[d]) return fm_fail_memory(err, (size_t)o->batch_tokens * sizeof(float), "a lesson");
    }
    return list_layers(s, err);
}

fm_status fm_model_student_new(fm_model *model, const fm_model_student_options *options, fm_model_student **out,
                               fm_error *err) {
    *out = NULL;
    fm_model_student *s = fm_alloc_zero(sizeof *s, FM_MEM_OTHER);
    if (!s) return fm_fail_memory(err, sizeof *s, "a model that learns");
    s->model = model;
    fm_status status = build(s, options, err);
    if (status == FM_OK) *out = s;
    else fm_model_student_free(s);
    return status;
}

void fm_model_student_free(fm_model_student *s) {
    if (!s) return;
    for (size_t i = 0; i < s->face.n_layers; i++) fm_free(s->face.layers[i].load);
    for (int d = 0; d < FM_DEPTHS; d++) fm_free(s->weights[d]);
    fm_free(s->face.layers);
    fm_free(s->segments);
    fm_learning_free(s->learning);
    fm_free(s);
}

const fm_student *fm_model_student_face(const fm_model_student *s) { return &s->face; }
uint64_t fm_model_student_bytes(const fm_model_student *s) { return fm_learning_bytes(s->learning); }

/* trainer_parts.c: making a trainer, and what it does now and then: log, validate, save. */
#include "train/trainer_private.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- making ------------------------------------------------------------------------------------*/

static fm_optim_options optim_options(const fm_run_recipe *r, const fm_kernels *kernels) {
    fm_optim_options o = fm_optim_defaults();
    o.rule = fm_optim_rule_at((size_t)r->optimizer.name);
    o.beta1 = r->optimizer.beta1;
    o.beta2 = r->optimizer.beta2;
    o.epsilon = r->optimizer.epsilon;
    o.weight_decay = r->optimizer.weight_decay;
    o.decay_norms = r->optimizer.decay_norms;
    o.decay_embeddings = r->optimizer.decay_embeddings;
    o.momentum = r->optimizer.momentum;
    o.iterations = r->optimizer.newton_schulz;
    o.kernels = kernels;
    return o;
}

uint64_t fm_trainer_bytes(const fm_run_recipe *recipe, const fm_learned_list *learned) {
    fm_optim_options o = optim_options(recipe, NULL);
    uint64_t sum = fm_optim_bytes(&o, learned);
    for (size_t i = 0; recipe->average.decay > 0 && i < learned->n; i++)
        sum += (uint64_t)fm_learned_elements(&learned->at[i]) * sizeof(float);
    return sum;
}

static fm_schedule schedule_of(const fm_run_recipe *r) {
    return (fm_schedule){.kind = (fm_schedule_kind)r->schedule.kind, .peak = r->optimizer.lr,
                         .floor = r->schedule.floor, .decay_from = r->schedule.decay_from,
                         .warmup = (int64_t)ceil(r->schedule.warmup * (double)r->run.steps), .steps = r->run.steps};
}

static fm_status make_loader(fm_trainer *t, fm_error *err) {
    enum { AUTO, ON };
    const fm_run_recipe *r = t->recipe;
    int64_t rows = r->batch.tokens / r->data.context;
    if (rows < 1)
        return fm_fail(err, FM_ERR_ARGUMENT, "batch.tokens is %lld, less than one row of data.context = %lld",
                       (long long)r->batch.tokens, (long long)r->data.context);
    bool isolate = r->data.isolate == AUTO ? r->run.stage != 0 : r->data.isolate == ON;
    t->loader_options = (fm_loader_options){.portion = FM_TRAIN, .context = r->data.context, .rows = rows,
                                            .ahead = t->student->ahead, .isolate = isolate, .fim_rate = r->data.fim,
                                            .seed = (uint64_t)r->run.seed};
    return fm_loader_new(t->options.dataset, &t->loader_options, &t->loader, err);
}

static fm_run_tensors tensors_of(fm_trainer *t) {
    return (fm_run_tensors){&t->student->learned, t->optim, t->average.at ? &t->average : NULL,
                            t->student->save != NULL};
}

static fm_status go_on(fm_trainer *t, fm_error *err) {
    const char *path = t->options.folder->latest;
    fm_run_tensors tensors = tensors_of(t);
    fm_run_state state;
    FM_TRY(fm_run_state_read(path, &state, err));
    if (strcmp(state.recipe, t->state.recipe) != 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "%s belongs to a run with another recipe", path);
    fm_status status = fm_loader_set_state(t->loader, &state.loader, err);
    if (status == FM_ERR_ARGUMENT) /* the recipe is the same */
        fm_error_prefix(err, status, "%s holds other data than when this run began", t->recipe->data.train);
    FM_TRY(status);
    FM_TRY(fm_run_state_load(path, &tensors, err));
    if (t->student->load) FM_TRY(t->student->load(t->student->self, path, err));
    state.spikes.limit = t->state.spikes.limit;
    state.spikes.patience = t->state.spikes.patience;
    t->state = state;
    return t->student->changed(t->student->self, err);
}

static fm_status build(fm_trainer *t, fm_error *err) {
    const fm_run_recipe *r = t->recipe;
    const fm_learned_list *learned = &t->student->learned;
    fm_optim_options o = optim_options(r, t->options.kernels);
    t->schedule = schedule_of(r);
    t->state = (fm_run_state){.best_step = -1, .spikes = {.limit = r->spike.limit, .patience = r->spike.patience}};
    FM_TRY(fm_run_recipe_hash(r, t->state.recipe, err));
    FM_TRY(make_loader(t, err));
    FM_TRY(fm_stretches_cut(learned, &t->stretches, err));
    t->sums = fm_alloc_array((size_t)t->stretches.n + 1, sizeof *t->sums, FM_MEM_OTHER);
    if (!t->sums) return fm_fail_memory(err, (size_t)t->stretches.n * sizeof *t->sums, "sums of gradients");
    FM_TRY(fm_optim_new(&o, learned, t->pool, &t->optim, err));
    if (r->average.decay > 0) FM_TRY(fm_average_new(learned, r->average.decay, &t->average, err));
    t->saved = t->options.folder->latest ? t->options.folder->step : -1;
    if (t->options.folder->latest) FM_TRY(go_on(t, err));
    char *path = fm_path_join(t->options.folder->path, "log.jsonl");
    if (!path) return fm_fail_memory(err, strlen(t->options.folder->path), "log.jsonl");
    int64_t step = t->options.folder->latest ? t->state.step : -1;
    fm_status status = fm_run_log_open(path, step, &t->log, &t->before, err);
    fm_free(path);
    return status;
}

fm_status fm_trainer_new(const fm_trainer_options *options, fm_trainer **out, fm_error *err) {
    *out = NULL;
    fm_trainer *t = fm_alloc_zero(sizeof *t, FM_MEM_OTHER);
    if (!t) return fm_fail_memory(err, sizeof *t, "a trainer");
    t->options = *options;
    t->recipe = options->recipe;
    t->student = options->student;
    t->pool = options->pool;
    fm_status status = build(t, err);
    if (status == FM_OK) *out = t;
    else fm_trainer_free(t);
    return status;
}

void fm_trainer_free(fm_trainer *t) {
    if (!t) return;
    fm_run_log_close(&t->log);
    fm_average_clear(&t->average);
    fm_optim_free(t->optim);
    fm_stretches_clear(&t->stretches);
    fm_loader_free(t->loader);
    fm_free(t->sums);
    fm_free(t);
}

/* ---- the log -----------------------------------------------------------------------------------*/

static void note(fm_trainer *t, const char *sentence) {
    fm_json_writer *w = fm_run_log_event(&t->log, "note", t->state.step);
    fm_json_put_text(w, "text", sentence);
    fm_run_log_end(&t->log, NULL); /* it is said below too */
    if (t->options.note) t->options.note(t->options.context, sentence);
}

/* Ends an event. A disk that is full need not end the run: the log waits until it has room. */
static fm_status end_event(fm_trainer *t, fm_error *err) {
    enum { CONTINUE, MOST_WAITING = 64 << 20 };
    fm_error why;
    fm_status status = fm_run_log_end(&t->log, &why);
    bool goes_on = status == FM_ERR_IO && t->recipe->checkpoint.when_full == CONTINUE &&
                   t->log.waiting.size < MOST_WAITING;
    if (goes_on && !t->log_waits) {
        t->log_waits = true;
        fm_error_prefix(&why, status, "the log is kept in memory until there is room");
        note(t, why.message);
    }
    if (status == FM_OK) t->log_waits = false;
    if (status == FM_OK || goes_on) return FM_OK;
    if (err) *err = why;
    return status;
}

double fm_trainer_share_of_peak(const fm_trainer *t, const fm_step_facts *f) {
    double possible = t->options.peak_flops * f->seconds;
    return possible > 0 ? t->options.flops_per_token * (double)f->tokens / possible : NAN;
}

fm_status fm_trainer_log_start(fm_trainer *t, fm_error *err) {
    fm_json_writer *w = fm_run_log_event(&t->log, t->state.step ? "resume" : "start", t->state.step);
    fm_json_put_text(w, "recipe_sha256", t->state.recipe);
    fm_json_put_integer(w, "threads", fm_pool_threads(t->pool));
    fm_json_put_text(w, "cpu_level", t->options.kernels->name);
    char data[24];
    snprintf(data, sizeof data, "%016llx", (unsigned long long)t->options.dataset->fingerprint);
    fm_json_put_text(w, "data", data);
    fm_json_put_real(w, "peak_flops", t->options.peak_flops);
    fm_json_put_real(w, "flops_per_token", t->options.flops_per_token);
    if (t->options.describe) t->options.describe(t->options.context, w);
    fm_run_recipe_put_member(t->recipe, w, "recipe");
    return end_event(t, err);
}

static void put_layers(const fm_trainer *t, fm_json_writer *w) {
    fm_json_open(w, "layers", '[');
    for (size_t i = 0; i < t->student->n_layers; i++) {
        const fm_expert_layer *l = &t->student->layers[i];
        fm_load_figures f = fm_load_measure(l->load, l->experts);
        fm_json_open(w, NULL, '{');
        fm_json_put_integer(w, "layer", l->layer);
        fm_json_put_real(w, "max_violation", f.max_violation);
        fm_json_put_real(w, "entropy", f.entropy);
        fm_json_put_integer(w, "dead", f.dead);
        fm_json_open(w, "load", '[');
        for (int64_t e = 0; e < l->experts; e++) fm_json_put_integer(w, NULL, l->load[e]);
        fm_json_close(w, ']');
        fm_json_close(w, '}');
    }
    fm_json_close(w, ']');
}

static fm_status log_skip(fm_trainer *t, const fm_step_facts *f, fm_error *err) {
    fm_json_writer *w = fm_run_log_event(&t->log, "skip", t->state.step);
    fm_json_put_text(w, "because", f->spike == FM_SPIKE_LOSS ? "loss" : "norm");
    fm_json_put_real(w, "loss", f->loss);
    fm_json_put_real(w, "norm", f->norm);
    fm_json_put_real(w, "deviations", f->deviations);
    return end_event(t, err);
}

fm_status fm_trainer_log_step(fm_trainer *t, const fm_step_facts *f, fm_error *err) {
    enum { LOADS_EVERY = 10 };
    double peak = fm_trainer_share_of_peak(t, f);
    fm_json_writer *w = fm_run_log_event(&t->log, "step", t->state.step);
    fm_json_put_real(w, "loss", f->loss);
    if (isfinite(f->mtp_loss)) fm_json_put_real(w, "mtp_loss", f->mtp_loss);
    if (isfinite(f->divergence)) fm_json_put_real(w, "divergence", f->divergence);
    if (t->student->n_layers) fm_json_put_real(w, "balance_loss", f->balance_loss);
    fm_json_put_real(w, "rate", f->rate);
    fm_json_put_real(w, "norm", f->norm);
    fm_json_put_integer(w, "tokens", t->state.tokens);
    fm_json_put_real(w, "seconds", fm_trainer_seconds(t));
    fm_json_put_real(w, "tokens_per_second", f->seconds > 0 ? (double)f->tokens / f->seconds : 0);
    if (fm_energy_read(&t->energy))
        fm_json_put_real(w, "joules", (t->before.joules > 0 ? t->before.joules : 0) + t->energy.joules);
    if (t->options.flops_per_token > 0)
        fm_json_put_real(w, "flops", t->options.flops_per_token * (double)t->state.tokens);
    if (isfinite(peak)) fm_json_put_real(w, "share_of_peak", peak);
    FM_TRY(end_event(t, err));
    if (f->spike != FM_SPIKE_NONE) FM_TRY(log_skip(t, f, err));
    bool last = t->state.step >= t->recipe->run.steps;
    if (!t->student->n_layers || (t->state.step % LOADS_EVERY && !last)) return FM_OK;
    put_layers(t, fm_run_log_event(&t->log, "experts", t->state.step));
    return end_event(t, err);
}

/* ---- validation --------------------------------------------------------------------------------*/

/* The first tokens of the validation portion, always the same. */
static fm_status measure(fm_trainer *t, fm_loader *loader, fm_student_loss *loss, int64_t *targets, fm_error *err) {
    fm_loader_step step;
    int64_t tokens = 0;
    *targets = 0;
    do {
        fm_batch batch;
        FM_TRY(fm_loader_next(loader, &step, err));
        if (step.n_rows == 0) break;
        fm_loader_view(loader, 0, step.n_rows, &batch);
        fm_student_task task = {.batch = &batch, .weight = {1}};
        FM_TRY(t->student->measure(t->student->self, &task, loss, err));
        *targets += step.learnt[0];
        tokens += step.tokens;
    } while (tokens < t->recipe->validation.tokens);
    return FM_OK;
}

fm_status fm_trainer_validate(fm_trainer *t, fm_error *err) {
    fm_loader_options o = t->loader_options;
    fm_loader *loader;
    int64_t documents, tokens, targets;
    fm_student_loss sum = {0};
    fm_dataset_count(t->options.dataset, FM_VALID, &documents, &tokens);
    if (documents == 0) return FM_OK;
    int64_t rows = t->student->batch_tokens / o.context;
    o.portion = FM_VALID;
    o.rows = rows > 8 ? 8 : rows > 0 ? rows : 1;
    o.epochs = 1;
    o.fim_rate = 0;
    FM_TRY(fm_loader_new(t->options.dataset, &o, &loader, err));
    fm_status status = measure(t, loader, &sum, &targets, err);
    fm_loader_free(loader);
    FM_TRY(status);
    if (targets == 0) return FM_OK;
    double loss = sum.nats[0] / (double)targets;
    if (t->state.best_step < 0 || loss < t->state.best_loss) {
        t->state.best_loss = loss;
        t->state.best_step = t->state.step;
    }
    fm_json_writer *w = fm_run_log_event(&t->log, "validation", t->state.step);
    fm_json_put_real(w, "loss", loss);
    if (t->student->taught) fm_json_put_real(w, "divergence", sum.divergence / (double)targets);
    fm_json_put_integer(w, "tokens", targets);
    return end_event(t, err);
}

/* ---- checkpoints -------------------------------------------------------------------------------*/

static fm_status write_checkpoint(fm_trainer *t, char *hash, fm_error *err) {
    static const char *const copied[] = {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
                                         "special_tokens_map.json", "config.json", "generation_config.json"};
    size_t copies = t->student->save ? 4 : FM_COUNT(copied); /* what it saves is no model by itself */
    fm_run_tensors tensors = tensors_of(t);
    fm_buffer recipe = {0};
    fm_checkpoint *c;
    FM_TRY(fm_run_log_sync(&t->log, err)); /* or steps before it would never be in the log */
    FM_TRY(fm_checkpoint_begin(t->options.folder->checkpoints, t->state.step, &c, err));
    fm_status status = fm_run_state_save(c, &t->state, &tensors, err);
    if (status == FM_OK && t->student->save) status = t->student->save(t->student->self, c, err);
    for (size_t i = 0; i < copies && status == FM_OK; i++)
        status = fm_checkpoint_copy(c, copied[i], t->options.folder->source, err);
    fm_run_recipe_put_fixed(t->recipe, &recipe);
    if (status == FM_OK) status = fm_buffer_status(&recipe, err);
    if (status == FM_OK) status = fm_checkpoint_put(c, "recipe.json", recipe.data, recipe.size, err);
    fm_buffer_clear(&recipe);
    if (status == FM_OK) return fm_checkpoint_commit(c, hash, err);
    fm_checkpoint_abort(c);
    return status;
}

static fm_status after_checkpoint(fm_trainer *t, const char *hash, bool samples, fm_error *err) {
    const fm_run_recipe *r = t->recipe;
    fm_retention keep = {r->checkpoint.keep, r->checkpoint.keep_every,
                         r->checkpoint.keep_best ? t->state.best_step : -1};
    fm_json_writer *w = fm_run_log_event(&t->log, "checkpoint", t->state.step);
    fm_json_put_text(w, "sha256", hash);
    FM_TRY(end_event(t, err));
    FM_TRY(fm_checkpoint_retain(t->options.folder->checkpoints, &keep, err));
    if (!samples || !t->options.sample) return FM_OK;
    char *path = fm_checkpoint_path(t->options.folder->checkpoints, t->state.step);
    if (!path) return fm_fail_memory(err, strlen(t->options.folder->checkpoints), "a path");
    fm_status status = t->options.sample(t->options.context, path, t->state.step, &t->log, err);
    fm_free(path);
    return status;
}

fm_status fm_trainer_checkpoint(fm_trainer *t, bool samples, bool last, fm_error *err) {
    enum { CONTINUE };
    char hash[FM_SHA256_HEX + 1];
    fm_error why;
    fm_status status = write_checkpoint(t, hash, &why);
    if (status == FM_OK) {
        t->saved = t->state.step;
        return after_checkpoint(t, hash, samples, err);
    }
    fm_error_prefix(&why, status, "the checkpoint of step %lld could not be written and older ones are as they were",
                    (long long)t->state.step);
    if (status != FM_ERR_IO || last || t->recipe->checkpoint.when_full != CONTINUE) {
        if (err) *err = why;
        return status;
    }
    note(t, why.message);
    return FM_OK;
}

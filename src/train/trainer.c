/* trainer.c: the loop. What a run is made of, validation and checkpoints are in trainer_parts.c. */
#include "train/trainer_private.h"

#include "base/clock.h"
#include "train/gradients.h"
#include "train/schedule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- one step ----------------------------------------------------------------------------------*/

static double share(const fm_trainer *t) { return fm_schedule_share(t->state.step, t->recipe->run.steps); }

/* What one -log p and one segment count, given what the whole step holds. */
static fm_student_task task_of(const fm_trainer *t, const fm_loader_step *step, int64_t segments) {
    const fm_run_recipe *r = t->recipe;
    fm_student_task task = {0};
    double mtp = share(t) < r->mtp.late_from ? r->mtp.weight : r->mtp.late_weight;
    int modules = t->student->ahead - 1;
    for (int d = 0; d < t->student->ahead; d++) {
        double part = d == 0 ? 1 : mtp / modules;
        task.weight[d] = step->learnt[d] > 0 ? part / (double)step->learnt[d] : 0;
    }
    double each = segments > 0 ? 1 / (double)segments : 0;
    task.balance = r->experts.balance * each;
    task.device_balance = r->experts.device_balance * each;
    task.communication_balance = r->experts.exchange_balance * each;
    task.devices = r->experts.devices;
    task.device_limit = r->experts.device_limit;
    return task;
}

static int64_t micro_rows(const fm_trainer *t) {
    int64_t wanted = t->recipe->batch.micro_tokens / t->recipe->data.context;
    int64_t most = t->student->batch_tokens / t->recipe->data.context;
    int64_t rows = wanted < most ? wanted : most;
    return rows > 0 ? rows : 1;
}

static int64_t count_segments(fm_trainer *t, const fm_loader_step *step) {
    int64_t segments = 0, by = micro_rows(t);
    const fm_run_recipe *r = t->recipe;
    if (r->experts.balance == 0 && r->experts.device_balance == 0 && r->experts.exchange_balance == 0) return 0;
    for (int64_t at = 0; at < step->n_rows; at += by) {
        fm_batch batch;
        fm_loader_view(t->loader, at, at + by < step->n_rows ? by : step->n_rows - at, &batch);
        segments += batch.n_segments;
    }
    return segments;
}

static fm_status learn(fm_trainer *t, const fm_loader_step *step, fm_student_loss *loss, fm_error *err) {
    fm_student_task task = task_of(t, step, count_segments(t, step));
    int64_t by = micro_rows(t);
    *loss = (fm_student_loss){0};
    for (size_t i = 0; i < t->student->n_layers; i++)
        memset(t->student->layers[i].load, 0, (size_t)t->student->layers[i].experts * sizeof(int64_t));
    fm_gradients_clear(&t->student->learned, &t->stretches, t->pool);
    for (int64_t at = 0; at < step->n_rows; at += by) {
        fm_batch batch;
        fm_loader_view(t->loader, at, at + by < step->n_rows ? by : step->n_rows - at, &batch);
        task.batch = &batch;
        FM_TRY(t->student->learn(t->student->self, &task, loss, err));
    }
    return FM_OK;
}

/* A loss or a norm that is no number: says which tensor it comes from, if it is a weight or a gradient. */
static fm_status not_finite(fm_trainer *t, const char *what, fm_error *err) {
    const fm_learned_list *l = &t->student->learned;
    size_t weight = fm_learned_not_finite(l, FM_LEARNED_VALUE, &t->stretches, t->sums, t->pool);
    size_t grad = weight < l->n ? l->n : fm_learned_not_finite(l, FM_LEARNED_GRAD, &t->stretches, t->sums, t->pool);
    char where[320] = "", whole[96] = "another start";
    if (weight < l->n)
        snprintf(where, sizeof where, ", for the weight %s holds a NaN or an infinity", l->at[weight].name);
    else if (grad < l->n)
        snprintf(where, sizeof where, ", first in the gradient of %s", l->at[grad].name);
    if (t->saved >= 0)
        snprintf(whole, sizeof whole, "its checkpoint of step %lld (model.start)", (long long)t->saved);
    return fm_fail(err, FM_ERR_FORMAT,
                   "step %lld: the %s is no number%s; take %s for another run, with a lower learning rate or other "
                   "data", (long long)t->state.step + 1, what, where, whole);
}

static fm_status change_weights(fm_trainer *t, const fm_step_facts *f, fm_error *err) {
    const fm_run_recipe *r = t->recipe;
    fm_optim_step(t->optim, f->rate, fm_clip_factor(f->norm, r->optimizer.clip));
    double speed = share(t) < r->experts.bias_stop ? r->experts.bias_speed : 0;
    for (size_t i = 0; i < t->student->n_layers; i++) fm_expert_bias_move(&t->student->layers[i], speed);
    if (t->average.at) fm_average_update(&t->average, &t->student->learned, &t->stretches, t->pool);
    return t->student->changed(t->student->self, err);
}

/* Of the modules of multi-token prediction that had something to foretell; NAN: none had. */
static double mean_of_modules(const fm_loader_step *step, const fm_student_loss *loss, int modules) {
    double sum = 0;
    int n = 0;
    for (int d = 1; d <= modules; d++)
        if (step->learnt[d] > 0) sum += loss->nats[d] / (double)step->learnt[d], n++;
    return n ? sum / n : NAN;
}

static fm_status take_step(fm_trainer *t, const fm_loader_step *step, fm_step_facts *f, fm_error *err) {
    fm_student_loss loss;
    FM_TRY(learn(t, step, &loss, err));
    f->tokens = step->tokens;
    f->balance_loss = loss.balance;
    f->loss = step->learnt[0] > 0 ? loss.nats[0] / (double)step->learnt[0] : 0;
    f->mtp_loss = mean_of_modules(step, &loss, t->student->ahead - 1);
    f->divergence = t->student->taught && step->learnt[0] > 0 ? loss.divergence / (double)step->learnt[0] : NAN;
    f->rate = fm_schedule_rate(&t->schedule, t->state.step);
    if (!isfinite(f->loss)) return not_finite(t, "loss", err);
    f->norm = fm_gradient_norm(&t->student->learned, &t->stretches, t->sums, t->pool);
    if (!isfinite(f->norm)) return not_finite(t, "norm of the gradient", err);
    f->spike = fm_spikes_judge(&t->state.spikes, f->loss, f->norm, &f->deviations);
    if (f->spike == FM_SPIKE_NONE) FM_TRY(change_weights(t, f, err));
    t->state.step++;
    t->state.tokens += step->tokens;
    fm_loader_get_state(t->loader, &t->state.loader);
    return FM_OK;
}

/* ---- the loop ----------------------------------------------------------------------------------*/

static bool due(int64_t every, int64_t step) { return every > 0 && step % every == 0; }

static bool tell(fm_trainer *t, const fm_step_facts *f) {
    int64_t steps = t->recipe->run.steps, left = steps - t->state.step;
    double mean = t->steps_timed > 0 ? t->seconds_timed / (double)t->steps_timed : f->seconds;
    fm_run_progress p = {.step = t->state.step, .steps = steps, .loss = f->loss, .divergence = f->divergence,
                         .rate = f->rate, .norm = f->norm,
                         .tokens_per_second = f->seconds > 0 ? (double)f->tokens / f->seconds : 0,
                         .share_of_peak = fm_trainer_share_of_peak(t, f), .seconds_left = mean * (double)left};
    return !t->options.progress || t->options.progress(t->options.context, &p);
}

/* Everything that follows a step. *stop: the caller wants an end. */
static fm_status after_step(fm_trainer *t, const fm_step_facts *f, bool *stop, fm_error *err) {
    const fm_run_recipe *r = t->recipe;
    int64_t step = t->state.step;
    bool last = step >= r->run.steps;
    FM_TRY(fm_trainer_log_step(t, f, err));
    if (due(r->validation.every, step) || (last && r->validation.every > 0)) FM_TRY(fm_trainer_validate(t, err));
    *stop = !tell(t, f) || last || (r->run.hours > 0 && fm_trainer_seconds(t) >= r->run.hours * 3600);
    bool samples = due(r->samples.every, step) || (last && r->samples.every > 0);
    bool best = r->checkpoint.keep_best && t->state.best_step == step;
    if (*stop || samples || best || due(r->checkpoint.every, step))
        FM_TRY(fm_trainer_checkpoint(t, samples, *stop, err));
    return FM_OK;
}

static fm_run_end end_of(const fm_trainer *t) {
    if (t->state.step >= t->recipe->run.steps) return FM_RUN_DONE;
    bool late = t->recipe->run.hours > 0 && fm_trainer_seconds(t) >= t->recipe->run.hours * 3600;
    return late ? FM_RUN_TIME : FM_RUN_STOPPED;
}

static fm_status loop(fm_trainer *t, fm_run_end *end, fm_error *err) {
    bool stop = t->state.step >= t->recipe->run.steps;
    while (!stop) {
        fm_step_facts f = {0};
        fm_loader_step step;
        double began = fm_clock_seconds();
        FM_TRY(fm_loader_next(t->loader, &step, err));
        if (step.n_rows == 0) {
            *end = FM_RUN_NO_DATA;
            return fm_trainer_checkpoint(t, false, true, err);
        }
        FM_TRY(take_step(t, &step, &f, err));
        f.seconds = fm_clock_seconds() - began;
        t->seconds_timed += f.seconds, t->steps_timed++;
        FM_TRY(after_step(t, &f, &stop, err));
    }
    *end = end_of(t);
    return FM_OK;
}

fm_status fm_trainer_run(fm_trainer *t, fm_run_end *end, fm_error *err) {
    static const char *const reasons[] = {"all steps are done", "it was stopped", "its time was over",
                                          "the data ended"};
    t->began = fm_clock_seconds();
    fm_energy_begin(&t->energy);
    FM_TRY(fm_trainer_log_start(t, err));
    fm_status status = loop(t, end, err);
    if (t->student->profile) {
        t->student->profile(t->student->self, fm_run_log_event(&t->log, "profile", t->state.step));
        fm_run_log_end(&t->log, NULL); /* the line below says what is wrong with the log */
    }
    const char *because = status == FM_OK ? reasons[*end] : err ? err->message : "an error";
    fm_json_writer *w = fm_run_log_event(&t->log, "end", t->state.step);
    fm_json_put_text(w, "because", because);
    fm_json_put_real(w, "seconds", fm_trainer_seconds(t));
    fm_status logged = fm_run_log_end(&t->log, status == FM_OK ? err : NULL);
    return status == FM_OK ? logged : status;
}

const fm_run_state *fm_trainer_state(const fm_trainer *t) { return &t->state; }
double fm_trainer_seconds(const fm_trainer *t) { return t->before.seconds + fm_clock_seconds() - t->began; }

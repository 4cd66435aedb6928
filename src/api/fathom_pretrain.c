/* fathom_pretrain.c: training runs from their recipe to their last checkpoint. */
#include "api/objects.h"
#include "api/run_samples.h"
#include "api/training_run.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/json_write.h"
#include "train/peak.h"

#include <string.h>

fathom_run_options fathom_run_defaults(void) { return (fathom_run_options){0}; }

/* Of each stage: its name, and the defaults in which it differs. */
static const struct stage {
    const char *name;
    const char *const *defaults;
} stages[] = {
    [FM_STAGE_PRETRAIN] = {"pretrain", (const char *const[]){NULL}},
    [FM_STAGE_SFT] = {"sft", (const char *const[]){"run.stage=sft", "optimizer.lr=3e-4", "schedule.kind=cosine",
                                                   "schedule.floor=0.1", NULL}},
    [FM_STAGE_DISTILL] = {"distill", (const char *const[]){"run.stage=distill", "optimizer.lr=1e-4",
                                                           "schedule.kind=cosine", "schedule.floor=0.1", NULL}},
};

/* ---- the recipe --------------------------------------------------------------------------------*/

static fm_status check_recipe(const fm_api_training *p, fm_error *err) {
    const fm_run_recipe *r = &p->recipe;
    if (r->run.stage != (int)p->stage)
        return fm_fail(err, FM_ERR_ARGUMENT, "the recipe's run.stage is %s: that is 'fathom %s'",
                       stages[r->run.stage].name, stages[r->run.stage].name);
    if (!*r->data.train)
        return fm_fail(err, FM_ERR_ARGUMENT,
                       "the recipe has no data.train: name a folder that 'fathom data build' made");
    bool starts = *r->model.start, taught = *r->teacher.model;
    if (p->stage == FM_STAGE_SFT && !starts)
        return fm_fail(err, FM_ERR_ARGUMENT, "the recipe has no model.start: name the model that is to be tuned");
    if (p->stage == FM_STAGE_DISTILL && !starts && !taught)
        return fm_fail(err, FM_ERR_ARGUMENT, "the recipe has neither model.start nor teacher.model: name the student, "
                       "the teacher or both");
    if (r->lora.rank > 0 && !starts)
        return fm_fail(err, FM_ERR_ARGUMENT, "the recipe has lora.rank and no model.start: name the model that the "
                       "adapter is for");
    if (taught && p->stage != FM_STAGE_DISTILL)
        return fm_fail(err, FM_ERR_ARGUMENT, "the recipe has a teacher.model: that is 'fathom distill'");
    return FM_OK;
}

static fm_status read_recipe(const char *run, fm_api_training *p, fm_error *err) {
    const fathom_run_options *o = p->options;
    char *own = fm_path_join(run, "recipe.json");
    if (!own) return fm_fail_memory(err, strlen(run), run);
    fm_status status = fm_run_recipe_begin(&p->recipe, err);
    for (const char *const *d = stages[p->stage].defaults; *d && status == FM_OK; d++)
        status = fm_run_recipe_set(&p->recipe, *d, err);
    if (status == FM_OK && o->recipe) status = fm_run_recipe_read(&p->recipe, o->recipe, err);
    else if (status == FM_OK && fm_file_exists(own)) status = fm_run_recipe_read(&p->recipe, own, err);
    fm_free(own);
    for (size_t i = 0; i < o->n_settings && status == FM_OK; i++)
        status = fm_run_recipe_set(&p->recipe, o->settings[i], err);
    return status == FM_OK ? check_recipe(p, err) : status;
}

/* ---- telling -----------------------------------------------------------------------------------*/

static bool on_progress(void *context, const fm_run_progress *r) {
    const fathom_run_options *o = ((const fm_api_training *)context)->options;
    const fathom_run_progress progress = {r->step, r->steps, r->loss, r->rate, r->norm, r->divergence,
                                          r->tokens_per_second, r->share_of_peak, r->seconds_left};
    return !o->progress || o->progress(o->callback_context, &progress);
}

static void on_note(void *context, const char *sentence) {
    const fathom_run_options *o = ((const fm_api_training *)context)->options;
    if (o->note) o->note(o->callback_context, sentence);
}

/* Words are for people: that they cannot be had does not end a run. */
static fm_status on_sample(void *context, const char *checkpoint, int64_t step, fm_run_log *log, fm_error *err) {
    fm_api_training *p = context;
    (void)err;
    fm_error why;
    const char *model = p->adapters ? p->folder.model : checkpoint, *adapter = p->adapters ? checkpoint : NULL;
    if (fm_api_run_samples(model, adapter, step, &p->recipe, log, &why) != FM_OK) on_note(p, why.message);
    return FM_OK;
}

static void describe(void *context, fm_json_writer *w) {
    const fm_api_training *p = context;
    fm_json_put_text(w, "version", fathom_version());
    fm_json_put_text(w, "model", p->folder.source);
    fm_json_put_text(w, "architecture", p->model->config.arch->name);
    fm_json_put_integer(w, "parameters", p->parameters.total);
    fm_json_put_integer(w, "active_parameters", p->parameters.active);
    fm_json_put_integer(w, "mtp_parameters", p->model->mtp ? p->parameters.mtp : 0);
    fm_json_put_integer(w, "learnt_parameters", fm_api_training_learnt(p));
    if (p->teacher) fm_json_put_text(w, "teacher", p->recipe.teacher.model);
}

static fm_status put_result(const fm_api_training *p, fm_run_end end, char **json, fm_error *err) {
    static const char *const ends[] = {"done", "stopped", "time", "no data"};
    const fm_run_state *s = fm_trainer_state(p->trainer);
    fm_buffer out = {0};
    fm_json_writer w = {.out = &out};
    char *path = fm_checkpoint_path(p->folder.checkpoints, s->step);
    if (!path) return fm_fail_memory(err, strlen(p->folder.path), "a path");
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "end", ends[end]);
    fm_json_put_text(&w, "checkpoint", path);
    fm_json_put_integer(&w, "step", s->step);
    fm_json_put_integer(&w, "tokens", s->tokens);
    if (s->best_step >= 0) fm_json_put_real(&w, "best_validation_loss", s->best_loss);
    fm_json_close(&w, '}');
    fm_free(path);
    fm_status status = fm_buffer_status(&out, err);
    *json = fm_buffer_take(&out);
    return status;
}

/* ---- the run -----------------------------------------------------------------------------------*/

static fm_status train(fm_api_training *p, const char *run, char **json, fm_error *err) {
    FM_TRY(read_recipe(run, p, err));
    p->kernels = fm_kernels_get(fm_cpu_detect());
    FM_TRY(fm_dataset_open(p->recipe.data.train, &p->dataset, err));
    FM_TRY(fm_dataset_verify(p->dataset, err));
    FM_TRY(fm_pool_new((int)p->recipe.run.threads, &p->pool, err));
    FM_TRY(fm_run_folder_open(run, &p->recipe, &p->folder, on_note, p, err));
    FM_TRY(fm_api_training_open(p, err));
    fm_word_form form = p->recipe.run.precision ? FM_WORDS_BF16 : FM_WORDS_F32;
    const fm_trainer_options o = {.recipe = &p->recipe, .folder = &p->folder, .dataset = p->dataset,
                                  .student = fm_model_student_face(p->student), .kernels = p->kernels,
                                  .pool = p->pool, .flops_per_token = fm_api_training_flops(p),
                                  .peak_flops = fm_measure_peak(p->kernels, form, p->pool), .describe = describe,
                                  .progress = on_progress, .note = on_note, .sample = on_sample, .context = p};
    fm_run_end end;
    FM_TRY(fm_trainer_new(&o, &p->trainer, err));
    FM_TRY(fm_trainer_run(p->trainer, &end, err));
    return json ? put_result(p, end, json, err) : FM_OK;
}

static void clear(fm_api_training *p) {
    fm_trainer_free(p->trainer);
    fm_api_training_close(p);
    fm_run_folder_close(&p->folder);
    fm_pool_free(p->pool);
    fm_dataset_close(p->dataset);
    fm_run_recipe_clear(&p->recipe);
}

static fathom_status run_stage(fm_stage stage, const char *run, const fathom_run_options *options,
                               char **json, fathom_error *error) {
    fm_error err = {0};
    fathom_run_options defaults = fathom_run_defaults();
    fm_api_training p = {.options = options ? options : &defaults, .stage = stage, .folder = {.lock = -1}};
    if (json) *json = NULL;
    fm_status status = train(&p, run, json, &err);
    clear(&p);
    /* A page that shows how far it came, whatever it came to; a run without a log has none. */
    if (status != FM_ERR_ARGUMENT) fathom_report(run, NULL, NULL, NULL);
    return fm_api_return(status, &err, error);
}

fathom_status fathom_pretrain(const char *run, const fathom_run_options *options, char **json, fathom_error *err) {
    return run_stage(FM_STAGE_PRETRAIN, run, options, json, err);
}

fathom_status fathom_sft(const char *run, const fathom_run_options *options, char **json, fathom_error *err) {
    return run_stage(FM_STAGE_SFT, run, options, json, err);
}

fathom_status fathom_distill(const char *run, const fathom_run_options *options, char **json, fathom_error *err) {
    return run_stage(FM_STAGE_DISTILL, run, options, json, err);
}

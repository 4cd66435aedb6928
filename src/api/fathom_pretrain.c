/* fathom_pretrain.c: training runs from their recipe to their last checkpoint. */
#include "api/objects.h"
#include "api/run_samples.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/json_write.h"
#include "fathom/fathom_train.h"
#include "model/parameters.h"
#include "train/model_student.h"
#include "train/peak.h"
#include "train/trainer.h"

#include <limits.h>
#include <string.h>
#include <sys/statvfs.h>

static const double GiB = 1 << 30;

fathom_run_options fathom_run_defaults(void) { return (fathom_run_options){0}; }

/* Stages of training, as recipe.def numbers them, with the defaults in which they differ. */
typedef enum stage_number { PRETRAIN, SFT } stage_number;
static const char *const stage_names[] = {"pretrain", "sft"};
static const char *const stage_defaults[][5] = {
    {NULL},
    {"run.stage=sft", "optimizer.lr=3e-4", "schedule.kind=cosine", "schedule.floor=0.1", NULL},
};

/* Everything that a run holds open, in the order in which it is taken. */
typedef struct training {
    const fathom_run_options *options;
    stage_number stage;
    fm_run_recipe recipe;
    fm_run_folder folder;
    fm_dataset *dataset;
    fm_pool *pool;
    const fm_kernels *kernels;
    fm_store *store;
    fm_model *model;
    fm_model_student *student;
    fm_trainer *trainer;
    fm_parameters parameters;
} training;

/* ---- the recipe --------------------------------------------------------------------------------*/

static fm_status check_recipe(const training *p, fm_error *err) {
    const fm_run_recipe *r = &p->recipe;
    if (r->run.stage != (int)p->stage)
        return fm_fail(err, FM_ERR_ARGUMENT, "the recipe's run.stage is %s: that is 'fathom %s'",
                       stage_names[r->run.stage], stage_names[r->run.stage]);
    if (!*r->data.train)
        return fm_fail(err, FM_ERR_ARGUMENT,
                       "the recipe has no data.train: name a folder that 'fathom data build' made");
    if (p->stage == SFT && !*r->model.start)
        return fm_fail(err, FM_ERR_ARGUMENT, "the recipe has no model.start: name the model that is to be tuned");
    return FM_OK;
}

static fm_status read_recipe(const char *run, training *p, fm_error *err) {
    const fathom_run_options *o = p->options;
    char *own = fm_path_join(run, "recipe.json");
    if (!own) return fm_fail_memory(err, strlen(run), run);
    fm_status status = fm_run_recipe_begin(&p->recipe, err);
    for (const char *const *d = stage_defaults[p->stage]; *d && status == FM_OK; d++)
        status = fm_run_recipe_set(&p->recipe, *d, err);
    if (status == FM_OK && o->recipe) status = fm_run_recipe_read(&p->recipe, o->recipe, err);
    else if (status == FM_OK && fm_file_exists(own)) status = fm_run_recipe_read(&p->recipe, own, err);
    fm_free(own);
    for (size_t i = 0; i < o->n_settings && status == FM_OK; i++)
        status = fm_run_recipe_set(&p->recipe, o->settings[i], err);
    return status == FM_OK ? check_recipe(p, err) : status;
}

/* ---- taking ------------------------------------------------------------------------------------*/

static double flops_per_token(const training *p) {
    const fm_config *c = &p->model->config;
    double mtp = p->model->mtp ? (double)p->parameters.mtp_products : 0;
    /* Multiply-adds forward, twice as many backward; attention over half of the context on average. */
    double macs = (double)p->parameters.products + mtp +
                  fm_config_attention_macs(c, (double)p->recipe.data.context / 2, c->mla);
    return 6 * macs;
}

/* What the student has taken it has hardly touched yet: nothing is lost where the rest does not fit. */
static fm_status check_memory(const training *p, uint64_t available, fm_error *err) {
    uint64_t needed = fm_model_student_bytes(p->student) +
                      fm_trainer_bytes(&p->recipe, &fm_model_student_face(p->student)->learned);
    if (!available || needed <= available) return FM_OK;
    return fm_fail(err, FM_ERR_MEMORY,
                   "this run needs %.2f GiB and the machine has %.2f: take a smaller batch.micro_tokens or "
                   "data.context, or a smaller model", (double)needed / GiB, (double)available / GiB);
}

/* One checkpoint: the weights and what the loop has beside them. */
static fm_status check_disk(const training *p, fm_error *err) {
    const fm_learned_list *learned = &fm_model_student_face(p->student)->learned;
    uint64_t needed = fm_trainer_bytes(&p->recipe, learned);
    struct statvfs disk;
    for (size_t i = 0; i < learned->n; i++) needed += (uint64_t)fm_learned_elements(&learned->at[i]) * sizeof(float);
    if (statvfs(p->folder.path, &disk) != 0) return FM_OK;
    double room = (double)disk.f_bavail * (double)disk.f_frsize;
    if ((double)needed <= room) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "a checkpoint of this run takes %.4f GiB and the disk of %s has %.4f GiB free: make "
                   "room, or give a folder on another disk", (double)needed / GiB, p->folder.path, room / GiB);
}

static fm_status check_tokens(const training *p, fm_error *err) {
    fathom_tokenizer *t;
    FM_TRY(fm_api_tokenizer_of_store(p->store, &t, err));
    fm_status status = FM_OK;
    if (t)
        status = fm_dataset_check_vocabulary(p->dataset, fm_tokenizer_size(t->inner),
                                             fm_tokenizer_fingerprint(t->inner), err);
    fathom_tokenizer_close(t);
    if (status != FM_OK || p->dataset->vocabulary <= p->model->config.vocab_size) return status;
    return fm_fail(err, FM_ERR_ARGUMENT, "%s has tokens up to %lld and the model %s has room for %lld",
                   p->recipe.data.train, (long long)p->dataset->vocabulary - 1, p->folder.model,
                   (long long)p->model->config.vocab_size);
}

static fm_status open_model(training *p, fm_error *err) {
    const fm_run_recipe *r = &p->recipe;
    FM_TRY(fm_store_open(p->folder.model, &p->store, err));
    FM_TRY(fm_model_bind(p->store, &(fm_model_options){.mtp = INT_MAX, .expand_latents = true}, &p->model, err));
    p->parameters = fm_config_parameters(&p->model->config);
    FM_TRY(check_tokens(p, err));
    int64_t tokens = r->batch.micro_tokens < r->batch.tokens ? r->batch.micro_tokens : r->batch.tokens;
    uint64_t available = fm_mem_available();
    const fm_model_student_options o = {.bf16 = r->run.precision != 0, .recompute = r->run.recompute,
                                        .kernels = p->kernels, .pool = p->pool, .memory_limit = available,
                                        .batch_tokens = tokens > r->data.context ? tokens : r->data.context};
    FM_TRY(fm_model_student_new(p->model, &o, &p->student, err));
    FM_TRY(check_memory(p, available, err));
    return check_disk(p, err);
}

/* ---- telling -----------------------------------------------------------------------------------*/

static bool on_progress(void *context, const fm_run_progress *r) {
    const fathom_run_options *o = ((training *)context)->options;
    const fathom_run_progress progress = {r->step, r->steps, r->loss, r->rate, r->norm, r->tokens_per_second,
                                          r->share_of_peak, r->seconds_left};
    return !o->progress || o->progress(o->callback_context, &progress);
}

static void on_note(void *context, const char *sentence) {
    const fathom_run_options *o = ((training *)context)->options;
    if (o->note) o->note(o->callback_context, sentence);
}

/* Words are for people: that they cannot be had does not end a run. */
static fm_status on_sample(void *context, const char *checkpoint, int64_t step, fm_run_log *log, fm_error *err) {
    training *p = context;
    (void)err;
    fm_error why;
    if (fm_api_run_samples(checkpoint, step, &p->recipe, log, &why) != FM_OK) on_note(p, why.message);
    return FM_OK;
}

static void describe(void *context, fm_json_writer *w) {
    const training *p = context;
    fm_json_put_text(w, "version", fathom_version());
    fm_json_put_text(w, "model", p->folder.source);
    fm_json_put_text(w, "architecture", p->model->config.arch->name);
    fm_json_put_integer(w, "parameters", p->parameters.total);
    fm_json_put_integer(w, "active_parameters", p->parameters.active);
    fm_json_put_integer(w, "mtp_parameters", p->model->mtp ? p->parameters.mtp : 0);
}

static fm_status put_result(const training *p, fm_run_end end, char **json, fm_error *err) {
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

static fm_status train(training *p, const char *run, char **json, fm_error *err) {
    FM_TRY(read_recipe(run, p, err));
    p->kernels = fm_kernels_get(fm_cpu_detect());
    FM_TRY(fm_dataset_open(p->recipe.data.train, &p->dataset, err));
    FM_TRY(fm_dataset_verify(p->dataset, err));
    FM_TRY(fm_pool_new((int)p->recipe.run.threads, &p->pool, err));
    FM_TRY(fm_run_folder_open(run, &p->recipe, &p->folder, on_note, p, err));
    FM_TRY(open_model(p, err));
    fm_word_form form = p->recipe.run.precision ? FM_WORDS_BF16 : FM_WORDS_F32;
    const fm_trainer_options o = {.recipe = &p->recipe, .folder = &p->folder, .dataset = p->dataset,
                                  .student = fm_model_student_face(p->student), .kernels = p->kernels,
                                  .pool = p->pool, .flops_per_token = flops_per_token(p),
                                  .peak_flops = fm_measure_peak(p->kernels, form, p->pool), .describe = describe,
                                  .progress = on_progress, .note = on_note, .sample = on_sample, .context = p};
    fm_run_end end;
    FM_TRY(fm_trainer_new(&o, &p->trainer, err));
    FM_TRY(fm_trainer_run(p->trainer, &end, err));
    return json ? put_result(p, end, json, err) : FM_OK;
}

static void clear(training *p) {
    fm_trainer_free(p->trainer);
    fm_model_student_free(p->student);
    fm_model_free(p->model);
    fm_store_close(p->store);
    fm_run_folder_close(&p->folder);
    fm_pool_free(p->pool);
    fm_dataset_close(p->dataset);
    fm_run_recipe_clear(&p->recipe);
}

static fathom_status run_stage(stage_number stage, const char *run, const fathom_run_options *options,
                               char **json, fathom_error *error) {
    fm_error err = {0};
    fathom_run_options defaults = fathom_run_defaults();
    training p = {.options = options ? options : &defaults, .stage = stage, .folder = {.lock = -1}};
    if (json) *json = NULL;
    fm_status status = train(&p, run, json, &err);
    clear(&p);
    /* A page that shows how far it came, whatever it came to; a run without a log has none. */
    if (status != FM_ERR_ARGUMENT) fathom_report(run, NULL, NULL, NULL);
    return fm_api_return(status, &err, error);
}

fathom_status fathom_pretrain(const char *run, const fathom_run_options *options, char **json, fathom_error *err) {
    return run_stage(PRETRAIN, run, options, json, err);
}

fathom_status fathom_sft(const char *run, const fathom_run_options *options, char **json, fathom_error *err) {
    return run_stage(SFT, run, options, json, err);
}

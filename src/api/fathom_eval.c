/* fathom_eval.c: questions put to an open model, or to one behind an address. */
#include "api/eval_endpoint.h"
#include "api/eval_result.h"
#include "api/eval_source.h"
#include "api/own_engine.h"

#include "base/clock.h"
#include "base/hash.h"
#include "eval/local.h"

#include <math.h>
#include <string.h>

enum { PARALLEL = 8, MOST_PARALLEL = 1024, MOST_SAMPLES = 1 << 20 };

fathom_eval_options fathom_eval_defaults(const fathom_model *model) {
    fathom_eval_options o = {.thinking_budget = -1, .sampling = {.temperature = 0.6f, .top_p = 0.95f}};
    if (model) o.sampling = fathom_sampling_defaults(model);
    return o;
}

typedef struct job {
    fathom_model *model; /* NULL: the endpoint */
    const fathom_eval_options *options;
    fm_eval_source source;
    fm_exam_options exam;
    int64_t ks[FM_SUMMARY_KS];
    int64_t parallel;
    double began;
    fm_overlap overlap;
    /* a model of this process */
    fm_chat_style style;
    fm_exam_prompts prompts;
    fm_engine *engine;
    fm_local local;
    /* one behind an address */
    fm_endpoint endpoint;
    fm_respondent respondent;
} job;

static void publish(const job *j, const fm_exam_result *r, fathom_eval_result *out) {
    const fm_overlap *v = &j->overlap;
    fm_eval_publish(r, fm_clock_seconds() - j->began, out);
    out->overlap = (fathom_eval_overlap){.lines = v->lines, .keys = v->keys, .phrasings = v->phrasings,
                                         .with_key = v->with_key, .with_phrasing = v->with_phrasing,
                                         .grams_8 = v->grams_8, .grams_13 = v->grams_13};
}

static bool on_progress(void *context, const fm_exam_result *r) {
    const job *j = context;
    fathom_eval_result so_far;
    if (!j->options->progress) return true;
    publish(j, r, &so_far);
    return j->options->progress(j->options->progress_context, &so_far);
}

static bool go_on(void *context) {
    const job *j = context;
    fm_exam_result none = {.items = (int64_t)j->source.items.n};
    return on_progress(context, &none);
}

/* ---- options ------------------------------------------------------------------------------------- */

/* 0.7 rather than the 0.699999988 that a float makes of it. */
static double tidy(float x) { return round((double)x * 1e6) / 1e6; }

/* 2, 4, 8, ... and the number of samples itself, unless the caller says which. */
static fm_status take_ks(job *j, fm_error *err) {
    const fathom_eval_options *o = j->options;
    int64_t samples = j->exam.setup.samples;
    size_t n = 0;
    if (o->n_pass_at > FM_SUMMARY_KS)
        return fm_fail(err, FM_ERR_ARGUMENT, "pass@k is computed for at most %d k", FM_SUMMARY_KS);
    for (size_t i = 0; o->pass_at && i < o->n_pass_at; i++) {
        if (o->pass_at[i] < 1 || o->pass_at[i] > samples || (n > 0 && o->pass_at[i] <= j->ks[n - 1]))
            return fm_fail(err, FM_ERR_ARGUMENT, "the k of pass@k must ascend from 1 to the %lld replies of a question",
                           (long long)samples);
        j->ks[n++] = o->pass_at[i];
    }
    for (int64_t k = 2; !o->pass_at && k < samples && n < FM_SUMMARY_KS - 1; k *= 2) j->ks[n++] = k;
    if (!o->pass_at && samples > 1) j->ks[n++] = samples;
    j->exam.ks = j->ks;
    j->exam.n_ks = n;
    return FM_OK;
}

static fm_status take_options(job *j, fm_error *err) {
    const fathom_eval_options *o = j->options;
    const fathom_sampling *s = &o->sampling;
    if (o->samples < 0 || o->samples >= MOST_SAMPLES || o->parallel < 0 || o->parallel > MOST_PARALLEL ||
        o->max_tokens < 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "samples go to %d, replies side by side to %d",
                       MOST_SAMPLES - 1, MOST_PARALLEL);
    if (s->n_bias > 0)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "an evaluation takes no biases: results are not kept with them");
    if (!j->model && !o->endpoint) return fm_fail(err, FM_ERR_ARGUMENT, "there is neither a model nor an endpoint");
    j->exam = (fm_exam_options){.out = o->out, .progress = on_progress, .context = j};
    j->exam.setup = (fm_outcome_setup){
        .system = o->system, .instruction = o->instruction, .samples = o->samples ? o->samples : 1,
        .max_tokens = o->max_tokens, .thinking_budget = o->thinking_budget < 0 ? -1 : o->thinking_budget,
        .temperature = tidy(s->temperature), .top_p = tidy(s->top_p), .min_p = tidy(s->min_p),
        .repetition_penalty = s->repetition_penalty == 0 ? 1 : tidy(s->repetition_penalty),
        .presence_penalty = tidy(s->presence_penalty), .frequency_penalty = tidy(s->frequency_penalty),
        .top_k = s->top_k, .seed = s->seed, .raw = o->raw, .thinking = o->chat.thinking};
    return take_ks(j, err);
}

/* ---- a model of this process --------------------------------------------------------------------- */

static fm_status take_model(job *j, fm_error *err) {
    static const char *const caches[] = {
        [FATHOM_CACHE_F32] = "f32", [FATHOM_CACHE_BF16] = "bf16", [FATHOM_CACHE_INT8] = "int8"};
    const fathom_model *m = j->model;
    const fathom_chat_options *chat = &j->options->chat;
    fm_outcome_setup *s = &j->exam.setup;
    if (!m->tokenizer)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "%s has no tokenizer: put its tokenizer.json beside the "
                       "weights", m->path);
    s->model = m->name;
    s->architecture = m->inner->config.arch->name;
    s->arith = m->options.arith == FATHOM_EXACT ? "exact" : "fast";
    s->cache = caches[m->options.cache];
    s->activations = fm_api_activations_name(m->options.activations);
    s->context = m->options.context;
    j->style = m->tokenizer->style;
    if (chat->style && !fm_chat_style_parse(chat->style, &j->style))
        return fm_fail(err, FM_ERR_ARGUMENT, "there is no chat style '%s'", chat->style);
    s->style = fm_chat_style_name(j->style);
    return FM_OK;
}

/* Where every reply fits below its limit of tokens, the context is no part of the question. */
static int64_t settle_context(job *j) {
    fm_outcome_setup *s = &j->exam.setup;
    int64_t context = s->context;
    if (s->max_tokens == 0 || s->max_tokens > context - j->prompts.longest) return context;
    s->context = 0;
    return j->prompts.longest + s->max_tokens;
}

static int64_t replies_of(const job *j) { return (int64_t)j->source.items.n * j->exam.setup.samples; }

static void settle_parallel(job *j, int64_t context) {
    int64_t asked = j->options->parallel;
    uint64_t available = fm_mem_available(), each = fm_engine_cache_bytes(j->model->engine, context);
    int64_t n = asked ? asked : PARALLEL;
    while (!asked && available && n > 1 && (uint64_t)n * each > available / 2) n--;
    j->parallel = n < replies_of(j) ? n : replies_of(j);
}

/* Logits of a few fixed tokens: other weights give others. */
static fm_status fingerprint(job *j, fm_error *err) {
    int32_t ids[8];
    int64_t v = j->model->inner->config.vocab_size, n = fm_engine_options_of(j->engine)->context;
    if (n > (int64_t)FM_COUNT(ids)) n = (int64_t)FM_COUNT(ids);
    for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)((i * 7919 + 11) % v);
    fm_sequence *s;
    FM_TRY(fm_sequence_new(j->engine, &s, err));
    fm_status status = fm_sequence_extend(s, ids, n, NULL, NULL, err);
    if (status == FM_OK)
        j->exam.setup.fingerprint = fm_hash(fm_sequence_logits(s), (size_t)v * sizeof(float), 0);
    fm_sequence_free(s);
    return status;
}

static fm_status prepare_model(job *j, fm_error *err) {
    FM_TRY(take_model(j, err));
    const fm_tokenizer *t = j->model->tokenizer->inner;
    fm_status status = fm_exam_prompts_make(t, &j->source.items, &j->exam.setup, j->style, &j->prompts, err);
    if (status != FM_OK) return fm_error_prefix(err, status, "%s", j->source.name);
    int64_t context = settle_context(j);
    settle_parallel(j, context);
    FM_TRY(fm_api_own_engine(j->model, j->parallel, 0, context, true, &j->engine, err));
    j->local = (fm_local){.engine = j->engine, .tokenizer = t, .items = &j->source.items, .prompts = &j->prompts,
                          .slots = j->parallel};
    fm_local_settle(&j->local, &j->exam.setup);
    j->respondent = fm_local_respondent(&j->local);
    return fingerprint(j, err);
}

/* ---- one behind an address ----------------------------------------------------------------------- */

static fm_status prepare_endpoint(job *j, fm_error *err) {
    const fathom_endpoint *e = j->options->endpoint;
    fm_outcome_setup *s = &j->exam.setup;
    if (!e->url || !e->model || !*e->model)
        return fm_fail(err, FM_ERR_ARGUMENT, "an endpoint needs its address and the name of a model");
    if (s->raw || s->thinking || j->options->chat.style || s->thinking_budget >= 0 || s->top_k > 0 || s->min_p > 0 ||
        s->repetition_penalty != 1)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "an endpoint takes messages, temperature, top-p, presence and "
                       "frequency penalties and a limit of tokens, and nothing else");
    s->model = e->model;
    s->architecture = "endpoint";
    s->fingerprint = fm_hash(e->url, strlen(e->url), fm_hash(e->model, strlen(e->model), 0));
    j->parallel = j->options->parallel ? j->options->parallel : PARALLEL;
    if (j->parallel > replies_of(j)) j->parallel = replies_of(j);
    j->endpoint = (fm_endpoint){.options = e, .items = &j->source.items, .setup = s, .parallel = j->parallel};
    j->respondent = fm_endpoint_respondent(&j->endpoint);
    return FM_OK;
}

/* ---- all of it ----------------------------------------------------------------------------------- */

static fm_status prepare(job *j, const char *path, fm_error *err) {
    const char *data = j->options->train_data;
    FM_TRY(take_options(j, err));
    FM_TRY(fm_eval_source_open(path, j->options, &j->source, err));
    j->exam.setup.grader = j->source.grader.name;
    j->exam.grader = &j->source.grader;
    j->exam.respondent = &j->respondent;
    if (data) FM_TRY(fm_overlap_count(&j->source.items, data, go_on, j, &j->overlap, err));
    return j->options->endpoint ? prepare_endpoint(j, err) : prepare_model(j, err);
}

fathom_status fathom_eval_count(const char *path, int64_t limit, int64_t *count, fathom_error *error) {
    fm_error err;
    fm_eval_source source;
    fm_status status = fm_eval_source_open(path, &(fathom_eval_options){.limit = limit}, &source, &err);
    *count = status == FM_OK ? (int64_t)source.items.n : 0;
    if (status == FM_OK) fm_eval_source_close(&source);
    return fm_api_return(status, &err, error);
}

fathom_status fathom_eval(fathom_model *model, const char *path, const fathom_eval_options *options,
                          fathom_eval_result *result, fathom_error *error) {
    fm_error err, second;
    fathom_eval_options defaults = fathom_eval_defaults(model);
    job j = {.model = model, .options = options ? options : &defaults, .began = fm_clock_seconds()};
    fm_exam_result inner = {0};
    fm_summary summary = {0};
    fm_status status = prepare(&j, path, &err);
    inner.items = (int64_t)j.source.items.n;
    if (status == FM_OK) status = fm_exam_run(&j.source.items, &j.exam, &inner, &summary, &err);
    publish(&j, &inner, result);
    fm_status also = fm_eval_publish_rows(&summary, result, status == FM_OK ? &err : &second);
    if (status == FM_OK) status = also;
    fm_summary_clear(&summary);
    fm_engine_free(j.engine);
    fm_exam_prompts_clear(&j.prompts);
    fm_eval_source_close(&j.source);
    return fm_api_return(status, &err, error);
}

/* fathom_eval.c: a file of questions put to an open model. */
#include "api/own_engine.h"
#include "fathom/fathom_measure.h"

#include "base/clock.h"
#include "base/hash.h"
#include "eval/exam.h"

#include <math.h>

enum { PARALLEL = 8, MOST_PARALLEL = 1024, MOST_SAMPLES = 1 << 20 };

fathom_eval_options fathom_eval_defaults(const fathom_model *model) {
    return (fathom_eval_options){.thinking_budget = -1, .sampling = fathom_sampling_defaults(model)};
}

typedef struct job {
    fathom_model *model;
    const fathom_eval_options *options;
    fm_eval_items items;
    fm_exam_options exam;
    fm_exam_prompts prompts;
    fm_engine *engine;
    double began;
} job;

/* ---- what is said so far -------------------------------------------------------------------------- */

static void publish(const job *j, const fm_eval_tally *t, int64_t items, int64_t resumed, int64_t tokens,
                    fathom_eval_result *out) {
    double n = (double)t->items, samples = (double)t->samples;
    *out = (fathom_eval_result){.items = items, .done = t->items, .resumed = resumed, .samples = t->samples,
                                .correct = t->right, .unanswered = t->unanswered,
                                .ended = t->stops[FM_EVAL_END], .cut = t->stops[FM_EVAL_LENGTH],
                                .accuracy = t->share.mean, .accuracy_error = fm_moments_error(&t->share),
                                .majority = n > 0 ? (double)t->majority_right / n : 0,
                                .mean_tokens = samples > 0 ? t->tokens / samples : 0,
                                .tokens = tokens, .seconds = fm_clock_seconds() - j->began};
    fm_eval_tally_interval(t, &out->accuracy_low, &out->accuracy_high);
    fm_eval_tally_majority_interval(t, &out->majority_low, &out->majority_high);
}

static bool on_progress(void *context, const fm_exam_result *r) {
    const job *j = context;
    fathom_eval_result so_far;
    if (!j->options->progress) return true;
    publish(j, &r->tally, r->items, r->resumed, r->tokens, &so_far);
    return j->options->progress(j->options->progress_context, &so_far);
}

/* ---- before the first question ------------------------------------------------------------------- */

static fm_status take_style(job *j, fm_error *err) {
    const fathom_chat_options *chat = &j->options->chat;
    j->exam.style = j->model->tokenizer->style;
    if (chat->style && !fm_chat_style_parse(chat->style, &j->exam.style))
        return fm_fail(err, FM_ERR_ARGUMENT, "there is no chat style '%s'", chat->style);
    j->exam.setup.style = fm_chat_style_name(j->exam.style);
    j->exam.setup.thinking = chat->thinking;
    return FM_OK;
}

/* 0.7 rather than the 0.699999988 that a float makes of it. */
static double tidy(float x) { return round((double)x * 1e6) / 1e6; }

static fm_status take_options(job *j, fm_error *err) {
    static const char *const caches[] = {
        [FATHOM_CACHE_F32] = "f32", [FATHOM_CACHE_BF16] = "bf16", [FATHOM_CACHE_INT8] = "int8"};
    const fathom_eval_options *o = j->options;
    const fathom_model *m = j->model;
    if (o->samples < 0 || o->samples >= MOST_SAMPLES || o->parallel < 0 || o->parallel > MOST_PARALLEL ||
        o->max_tokens < 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "samples go to %d, replies side by side to %d",
                       MOST_SAMPLES - 1, MOST_PARALLEL);
    if (o->sampling.n_bias > 0)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "an evaluation takes no biases: results are not kept with them");
    if (!m->tokenizer)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "%s has no tokenizer: put its tokenizer.json beside the "
                       "weights", m->path);
    j->exam = (fm_exam_options){.out = o->out, .progress = on_progress, .context = j};
    j->exam.setup = (fm_outcome_setup){
        .model = m->name, .architecture = m->inner->config.arch->name,
        .arith = m->options.arith == FATHOM_EXACT ? "exact" : "fast", .cache = caches[m->options.cache],
        .activations = fm_api_activations_name(m->options.activations),
        .system = o->system, .instruction = o->instruction, .samples = o->samples ? o->samples : 1,
        .max_tokens = o->max_tokens, .thinking_budget = o->thinking_budget < 0 ? -1 : o->thinking_budget,
        .context = m->options.context, .temperature = tidy(o->sampling.temperature),
        .top_p = tidy(o->sampling.top_p), .min_p = tidy(o->sampling.min_p),
        .repetition_penalty = o->sampling.repetition_penalty == 0 ? 1 : tidy(o->sampling.repetition_penalty),
        .presence_penalty = tidy(o->sampling.presence_penalty),
        .frequency_penalty = tidy(o->sampling.frequency_penalty),
        .top_k = o->sampling.top_k, .seed = o->sampling.seed, .raw = o->raw};
    return take_style(j, err);
}

/* Where every reply fits below its limit of tokens, the context is no part of the question. */
static int64_t settle_context(job *j) {
    fm_outcome_setup *s = &j->exam.setup;
    int64_t context = s->context;
    if (s->max_tokens == 0 || s->max_tokens > context - j->prompts.longest) return context;
    s->context = 0;
    return j->prompts.longest + s->max_tokens;
}

static void settle_parallel(job *j, int64_t context) {
    int64_t asked = j->options->parallel, replies = (int64_t)j->items.n * j->exam.setup.samples;
    uint64_t available = fm_mem_available(), each = fm_engine_cache_bytes(j->model->engine, context);
    int64_t n = asked ? asked : PARALLEL;
    while (!asked && available && n > 1 && (uint64_t)n * each > available / 2) n--;
    j->exam.parallel = n < replies ? n : replies;
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

static fm_status prepare(job *j, const char *path, fm_error *err) {
    const fm_tokenizer *t;
    FM_TRY(take_options(j, err));
    t = j->model->tokenizer->inner;
    FM_TRY(fm_eval_items_read(path, j->options->limit, &j->items, err));
    fm_status status = fm_exam_prompts_make(t, &j->items, &j->exam, &j->prompts, err);
    if (status != FM_OK) return fm_error_prefix(err, status, "%s", path);
    int64_t context = settle_context(j);
    settle_parallel(j, context);
    FM_TRY(fm_api_own_engine(j->model, j->exam.parallel, 0, context, true, &j->engine, err));
    return fingerprint(j, err);
}

fathom_status fathom_eval_count(const char *path, int64_t limit, int64_t *count, fathom_error *error) {
    fm_error err;
    fm_eval_items items = {0};
    fm_status status = fm_eval_items_read(path, limit, &items, &err);
    *count = (int64_t)items.n;
    fm_eval_items_clear(&items);
    return fm_api_return(status, &err, error);
}

fathom_status fathom_eval(fathom_model *model, const char *path, const fathom_eval_options *options,
                          fathom_eval_result *result, fathom_error *error) {
    fm_error err;
    fathom_eval_options defaults = fathom_eval_defaults(model);
    job j = {.model = model, .options = options ? options : &defaults, .began = fm_clock_seconds()};
    fm_exam_result inner = {0};
    fm_status status = prepare(&j, path, &err);
    if (status == FM_OK)
        status = fm_exam_run(j.engine, model->tokenizer->inner, &j.items, &j.prompts, &j.exam, &inner,
                             &err);
    publish(&j, &inner.tally, (int64_t)j.items.n, inner.resumed, inner.tokens, result);
    fm_engine_free(j.engine);
    fm_exam_prompts_clear(&j.prompts);
    fm_eval_items_clear(&j.items);
    return fm_api_return(status, &err, error);
}

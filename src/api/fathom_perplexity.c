/* fathom_perplexity.c: a text scored by an open model. */
#include "api/own_engine.h"
#include "fathom/fathom_measure.h"

#include "eval/perplexity.h"

#include <math.h>

enum { CONTEXT = 512 };

fathom_perplexity_options fathom_perplexity_defaults(void) {
    return (fathom_perplexity_options){.context = CONTEXT};
}

typedef struct job {
    fathom_model *model;
    const fathom_perplexity_options *options;
    int64_t context;
    fm_buffer ids;         /* fm_token */
    int32_t *token_bytes;  /* [vocabulary] */
    fm_engine *engine;
} job;

static int64_t tokens_of(const job *j) { return (int64_t)(j->ids.size / sizeof(fm_token)); }

/* ---- callbacks ----------------------------------------------------------------------------------- */

static void publish(const job *j, const fm_perplexity_result *r, fathom_perplexity_result *out) {
    *out = (fathom_perplexity_result){
        .windows = r->windows, .all_windows = r->all_windows, .tokens = tokens_of(j), .scored = r->scored,
        .context = j->context, .perplexity = exp(r->nll), .error = exp(r->nll) * r->nll_error,
        .nll = r->nll, .bits_per_byte = r->bytes > 0 ? r->nll * (double)r->scored / r->bytes / log(2) : 0,
        .base_perplexity = exp(r->base_nll), .kl = r->kl, .kl_error = r->kl_error,
        .kl_median = r->kl_median, .kl_99 = r->kl_99, .kl_max = r->kl_max, .same_top = r->same_top,
        .same_top_error = r->same_top_error, .delta = r->delta, .delta_error = r->delta_error};
    if (!j->options->against) out->base_perplexity = 0;
}

static bool on_plan(void *context, int64_t windows, int64_t scored, uint64_t bytes) {
    const job *j = context;
    const fathom_perplexity_options *o = j->options;
    return !o->on_plan || o->on_plan(o->callback_context, windows, scored, bytes);
}

static bool on_window(void *context, const fm_perplexity_result *so_far) {
    const job *j = context;
    const fathom_perplexity_options *o = j->options;
    fathom_perplexity_result result;
    publish(j, so_far, &result);
    return !o->on_window || o->on_window(o->callback_context, &result);
}

static bool on_step(void *context, double fraction) {
    const job *j = context;
    const fathom_perplexity_options *o = j->options;
    return !o->progress || o->progress(o->callback_context, fraction);
}

/* ---- the text ------------------------------------------------------------------------------------ */

static fm_status check_options(job *j, fm_error *err) {
    const fathom_perplexity_options *o = j->options;
    int64_t most = j->model->inner->config.max_position_embeddings;
    j->context = o->context ? o->context : CONTEXT < most ? CONTEXT : most;
    if (j->context < 4 || j->context > most)
        return fm_fail(err, FM_ERR_ARGUMENT, "a window of %lld tokens makes no sense here: give 4 to the "
                       "%lld positions this model was made for", (long long)j->context, (long long)most);
    if (o->stride < 0 || o->stride >= j->context)
        return fm_fail(err, FM_ERR_ARGUMENT, "a stride must be less than the window of %lld tokens",
                       (long long)j->context);
    if (!j->model->tokenizer)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "%s has no tokenizer: put its tokenizer.json beside the "
                       "weights", j->model->path);
    return FM_OK;
}

static fm_status tokenize(job *j, const char *text, size_t size, fm_token *bos, fm_error *err) {
    const fm_tokenizer *t = j->model->tokenizer->inner;
    int64_t vocabulary = j->model->inner->config.vocab_size;
    *bos = fm_tokenizer_adds_bos(t) ? fm_tokenizer_bos(t) : -1;
    if (*bos >= 0) fm_buffer_put(&j->ids, bos, sizeof *bos);
    FM_TRY(fm_tokenizer_encode(t, text, size, FM_ENCODE_PLAIN, &j->ids, err));
    FM_TRY(fm_buffer_status(&j->ids, err));
    j->token_bytes = fm_alloc_array((size_t)vocabulary, sizeof *j->token_bytes, FM_MEM_OTHER);
    if (!j->token_bytes)
        return fm_fail_memory(err, (size_t)vocabulary * sizeof *j->token_bytes, "a table of tokens");
    for (int64_t i = 0; i < vocabulary; i++) {
        size_t bytes;
        fm_tokenizer_piece(t, (fm_token)i, &bytes);
        j->token_bytes[i] = (int32_t)bytes;
    }
    return FM_OK;
}

static fm_status score(job *j, const char *text, size_t size, fm_perplexity_result *result,
                       fm_error *err) {
    const fathom_perplexity_options *o = j->options;
    const fm_model *m = j->model->inner;
    fm_token bos;
    FM_TRY(check_options(j, err));
    FM_TRY(tokenize(j, text, size, &bos, err));
    int64_t outputs = fm_perplexity_outputs(m->config.vocab_size, j->model->options.rows);
    FM_TRY(fm_api_own_engine(j->model, 1, outputs, j->context, false, &j->engine, err));
    fm_perplexity_options options = {.context = j->context, .stride = o->stride, .limit = o->limit,
                                     .bos = bos, .token_bytes = j->token_bytes,
                                     .save = o->save_logits, .against = o->against, .on_plan = on_plan,
                                     .on_window = on_window, .on_step = on_step, .callback_context = j};
    return fm_perplexity_run(m, j->engine, (const fm_token *)(const void *)j->ids.data, tokens_of(j),
                             &options, result, err);
}

fathom_status fathom_perplexity(fathom_model *model, const char *text, size_t size,
                                const fathom_perplexity_options *options,
                                fathom_perplexity_result *result, fathom_error *error) {
    fm_error err;
    fathom_perplexity_options defaults = fathom_perplexity_defaults();
    job j = {.model = model, .options = options ? options : &defaults};
    fm_perplexity_result inner = {0};
    fm_status status = score(&j, text, size, &inner, &err);
    publish(&j, &inner, result);
    fm_engine_free(j.engine);
    fm_free(j.token_bytes);
    fm_buffer_clear(&j.ids);
    return fm_api_return(status, &err, error);
}

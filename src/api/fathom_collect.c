/* fathom_collect.c: what matters to a model, measured over a text. */
#include "api/handles.h"
#include "fathom/fathom_compress.h"

#include "compress/collect.h"

enum { CONTEXT = 512, LEAST = 4 };

fathom_collect_options fathom_collect_defaults(void) {
    return (fathom_collect_options){.context = CONTEXT};
}

static fm_status check_window(const fathom_model *m, const fathom_collect_options *o, int64_t *context,
                              fm_error *err) {
    int64_t most = m->inner->config.max_position_embeddings;
    *context = o->context ? o->context : CONTEXT < most ? CONTEXT : most;
    if (*context >= LEAST && *context <= most && o->limit >= 0) return FM_OK;
    return fm_fail(err, FM_ERR_ARGUMENT, "a window of %lld tokens makes no sense here: give %d to the %lld "
                   "positions this model was made for", (long long)*context, LEAST, (long long)most);
}

static fm_status collect(fathom_model *m, const char *text, size_t size, const char *target,
                         const fathom_collect_options *o, fm_buffer *ids, fm_collected *result, fm_error *err) {
    fm_cpu_level level;
    fm_collect_options inner = {.pool = m->pool, .limit = o->limit, .label = o->label ? o->label : "text",
                                .force = o->force, .progress = o->progress,
                                .progress_context = o->callback_context};
    FM_TRY(fm_api_needs_tokenizer(m->tokenizer, err));
    FM_TRY(check_window(m, o, &inner.context, err));
    FM_TRY(fm_cpu_level_parse(m->options.cpu, &level, err));
    const fm_tokenizer *t = m->tokenizer->inner;
    inner.kernels = fm_kernels_get(level);
    inner.bos = fm_tokenizer_adds_bos(t) ? fm_tokenizer_bos(t) : -1;
    FM_TRY(fm_tokenizer_encode(t, text, size, FM_ENCODE_PLAIN, ids, err));
    FM_TRY(fm_buffer_status(ids, err));
    return fm_collect(m->inner, (const fm_token *)(const void *)ids->data,
                      (int64_t)(ids->size / sizeof(fm_token)), target, &inner, result, err);
}

fathom_status fathom_collect(fathom_model *model, const char *text, size_t size, const char *target,
                             const fathom_collect_options *options, fathom_collected *result,
                             fathom_error *error) {
    fm_error err;
    fathom_collect_options defaults = fathom_collect_defaults();
    fm_collected inner = {0};
    fm_buffer ids = {0};
    fm_status status = collect(model, text, size, target, options ? options : &defaults, &ids, &inner, &err);
    if (result)
        *result = (fathom_collected){inner.windows, inner.tokens, inner.weights, inner.unseen};
    fm_buffer_clear(&ids);
    return fm_api_return(status, &err, error);
}

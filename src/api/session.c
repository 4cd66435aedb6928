/* session.c: one timeline of tokens. */
#include "api/handles.h"

fathom_status fathom_session_new(fathom_model *model, fathom_session **out, fathom_error *error) {
    fm_error err;
    *out = NULL;
    fathom_session *s = fm_alloc_zero(sizeof *s, FM_MEM_OTHER);
    fm_status status = s ? FM_OK : fm_fail_memory(&err, sizeof *s, "a session");
    if (s) {
        s->model = model;
        status = fm_sampler_new(&(fm_sampling){.top_p = 1}, fm_api_drawable(model),
                                fm_engine_options_of(model->engine)->kernels, &s->sampler, &err);
        if (status == FM_OK) status = fm_sequence_new(model->engine, &s->sequence, &err);
    }
    if (status == FM_OK)
        *out = s;
    else
        fathom_session_free(s);
    return fm_api_return(status, &err, error);
}

void fathom_session_free(fathom_session *s) {
    if (!s) return;
    fm_sequence_free(s->sequence);
    fm_sampler_free(s->sampler);
    fm_free(s);
}

/* Length of the common prefix, leaving at least one token of the n to compute. */
static int64_t common_prefix(const fathom_session *s, const int32_t *ids, size_t n) {
    int64_t have, same = 0;
    const int32_t *tokens = fm_sequence_tokens(s->sequence, &have);
    while (same < have && same < (int64_t)n && tokens[same] == ids[same]) same++;
    return same == (int64_t)n && same > 0 ? same - 1 : same;
}

fm_status fm_api_sync(fathom_session *s, const int32_t *ids, size_t n, size_t *reused,
                      fm_extend_progress progress, void *context, fm_error *err) {
    int64_t limit = s->model->options.context;
    if (n == 0) return fm_fail(err, FM_ERR_ARGUMENT, "the prompt has no tokens");
    if (n > (size_t)limit)
        return fm_fail(err, FM_ERR_LIMIT,
                       "the prompt has %zu tokens and the context holds %lld: shorten it or ask for "
                       "a larger context", n, (long long)limit);
    int64_t same = common_prefix(s, ids, n), vocabulary = s->model->inner->config.vocab_size;
    for (size_t i = (size_t)same; i < n; i++)
        if (ids[i] < 0 || ids[i] >= vocabulary)
            return fm_fail(err, FM_ERR_ARGUMENT,
                           "id %d at place %zu: this model's ids go from 0 to %lld", ids[i], i,
                           (long long)(vocabulary - 1));
    if (reused) *reused = (size_t)same;
    fm_sequence_truncate(s->sequence, same);
    return fm_sequence_extend(s->sequence, ids + same, (int64_t)n - same, progress, context, err);
}

fathom_status fathom_session_sync(fathom_session *s, const int32_t *ids, size_t n, size_t *reused,
                                  fathom_error *error) {
    fm_error err;
    return fm_api_return(fm_api_sync(s, ids, n, reused, NULL, NULL, &err), &err, error);
}

fathom_status fathom_session_push(fathom_session *s, int32_t id, fathom_error *error) {
    fm_error err;
    return fm_api_return(fm_sequence_extend(s->sequence, &id, 1, NULL, NULL, &err), &err, error);
}

const int32_t *fathom_session_tokens(const fathom_session *s, size_t *n) {
    int64_t count;
    const int32_t *tokens = fm_sequence_tokens(s->sequence, &count);
    *n = (size_t)count;
    return tokens;
}

const float *fathom_session_logits(const fathom_session *s) {
    return fm_sequence_logits(s->sequence);
}

const float *fathom_session_hidden(const fathom_session *s) {
    return fm_sequence_hidden(s->sequence);
}

int32_t fathom_session_sample(const fathom_session *s, const fathom_sampling *sampling) {
    const float *logits = fm_sequence_logits(s->sequence);
    if (!logits) return -1;
    fm_sampling how = {.temperature = sampling->temperature, .top_p = sampling->top_p,
                       .top_k = sampling->top_k, .min_p = sampling->min_p, .seed = sampling->seed};
    int64_t position;
    fm_sequence_tokens(s->sequence, &position);
    if (fm_sampler_configure(s->sampler, &how, NULL) != FM_OK) return -1; /* never: nothing to refuse */
    return fm_sampler_draw(s->sampler, logits, (uint64_t)position, NULL, 0);
}

/* session.c: one timeline of tokens. */
#include "api/handles.h"

#include "engine/snapshot.h"

/* A session around a sequence that somebody makes. */
static fm_status make_session(fathom_model *model, fathom_session **out, fm_error *err) {
    *out = fm_alloc_zero(sizeof **out, FM_MEM_OTHER);
    if (!*out) return fm_fail_memory(err, sizeof **out, "a session");
    (*out)->model = model;
    return fm_sampler_new(&(fm_sampling){.top_p = 1}, fm_api_drawable(model),
                          fm_engine_options_of(model->engine)->kernels, &(*out)->sampler, err);
}

static fathom_status hand_over(fathom_session *s, fm_status status, const fm_error *err,
                               fathom_session **out, fathom_error *error) {
    if (status != FM_OK) fathom_session_free(s);
    *out = status == FM_OK ? s : NULL;
    return fm_api_return(status, err, error);
}

fathom_status fathom_session_new(fathom_model *model, fathom_session **out, fathom_error *error) {
    fm_error err;
    fathom_session *s;
    fm_status status = make_session(model, &s, &err);
    if (status == FM_OK) status = fm_sequence_new(model->engine, &s->sequence, &err);
    return hand_over(s, status, &err, out, error);
}

fathom_status fathom_session_fork(const fathom_session *session, fathom_session **out,
                                  fathom_error *error) {
    fm_error err;
    fathom_session *s;
    fm_status status = make_session(session->model, &s, &err);
    if (status == FM_OK) status = fm_sequence_fork(session->sequence, &s->sequence, &err);
    return hand_over(s, status, &err, out, error);
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

fm_status fm_api_queue(fathom_session *s, const int32_t *ids, size_t n, size_t *reused, fm_error *err) {
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
    fm_sequence_truncate(s->sequence, same);
    fm_status status = fm_sequence_queue(s->sequence, ids + same, (int64_t)n - same, err);
    *reused = n - (size_t)fm_sequence_waiting(s->sequence);
    return status;
}

fm_status fm_api_sync(fathom_session *s, const int32_t *ids, size_t n, size_t *reused,
                      fm_extend_progress progress, void *context, fm_error *err) {
    FM_TRY(fm_api_queue(s, ids, n, reused, err));
    return fm_sequence_compute(s->sequence, progress, context, err);
}

fathom_status fathom_session_sync(fathom_session *s, const int32_t *ids, size_t n, size_t *reused,
                                  fathom_error *error) {
    fm_error err;
    size_t kept = 0;
    fm_status status = fm_api_sync(s, ids, n, &kept, NULL, NULL, &err);
    if (reused) *reused = kept;
    return fm_api_return(status, &err, error);
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

fathom_status fathom_session_save(const fathom_session *s, const char *path, fathom_error *error) {
    fm_error err;
    return fm_api_return(fm_sequence_save(s->sequence, path, &err), &err, error);
}

fathom_status fathom_session_load(fathom_model *model, const char *path, fathom_session **out,
                                  fathom_error *error) {
    fm_error err;
    fathom_session *s;
    fm_status status = make_session(model, &s, &err);
    if (status == FM_OK) status = fm_sequence_load(model->engine, path, &s->sequence, &err);
    return hand_over(s, status, &err, out, error);
}

fathom_status fathom_session_queue(fathom_session *s, const int32_t *ids, size_t n,
                                   fathom_error *error) {
    fm_error err;
    return fm_api_return(fm_sequence_queue(s->sequence, ids, (int64_t)n, &err), &err, error);
}

size_t fathom_session_waiting(const fathom_session *s) {
    return (size_t)fm_sequence_waiting(s->sequence);
}

void fathom_session_cancel(fathom_session *s) { fm_sequence_cancel(s->sequence); }

/* All of one model, none twice. *engaged: so many are marked as listed, for `release`. */
static fm_status engage(fathom_session *const *sessions, size_t n, size_t *engaged, fm_error *err) {
    for (size_t i = 0; i < n; i++, ++*engaged) {
        if (sessions[i]->model != sessions[0]->model)
            return fm_fail(err, FM_ERR_ARGUMENT, "sessions of different models cannot share a step");
        if (sessions[i]->engaged)
            return fm_fail(err, FM_ERR_ARGUMENT, "session %zu of a step is in it already: list each once",
                           i + 1);
        sessions[i]->engaged = true;
    }
    return FM_OK;
}

static void release(fathom_session *const *sessions, size_t engaged) {
    for (size_t i = 0; i < engaged; i++) sessions[i]->engaged = false;
}

static fm_status step(fathom_session *const *sessions, size_t n, fm_step_report *done, fm_error *err) {
    enum { FEW = 64 }; /* a steady step allocates nothing */
    fm_sequence *few[FEW], **list = few;
    if (n > FEW && !(list = fm_alloc_array(n, sizeof *list, FM_MEM_OTHER)))
        return fm_fail_memory(err, n * sizeof *list, "a step");
    for (size_t i = 0; i < n; i++) list[i] = sessions[i]->sequence;
    fm_status status = fm_engine_step(sessions[0]->model->engine, list, (int64_t)n, done, err);
    if (list != few) fm_free(list);
    return status;
}

fathom_status fathom_step(fathom_session *const *sessions, size_t n, fathom_step_report *report,
                          fathom_error *error) {
    fm_error err;
    fm_step_report done = {0};
    size_t engaged = 0;
    fm_status status = engage(sessions, n, &engaged, &err);
    if (status == FM_OK && n > 0) status = step(sessions, n, &done, &err);
    release(sessions, engaged);
    if (report) *report = (fathom_step_report){done.rows, done.sequences, done.seconds};
    return fm_api_return(status, &err, error);
}

/* ---- sampling --------------------------------------------------------------------------------------*/

/* Both declare an id and a float in this order, so a list of one is a list of the other. */
_Static_assert(sizeof(fathom_logit_bias) == sizeof(fm_logit_bias) &&
               offsetof(fathom_logit_bias, bias) == offsetof(fm_logit_bias, bias), "one layout");

fm_sampling fm_api_sampling(const fathom_sampling *s) {
    return (fm_sampling){.temperature = s->temperature, .top_p = s->top_p, .top_k = s->top_k,
                         .min_p = s->min_p, .repetition_penalty = s->repetition_penalty,
                         .presence_penalty = s->presence_penalty,
                         .frequency_penalty = s->frequency_penalty,
                         .bias = (const fm_logit_bias *)(const void *)s->bias, .n_bias = s->n_bias,
                         .seed = s->seed, .sequence = s->sequence};
}

int32_t fathom_session_sample(const fathom_session *s, const fathom_sampling *sampling) {
    const float *logits = fm_sequence_logits(s->sequence);
    if (!logits) return -1;
    fathom_sampling now = *sampling;
    now.repetition_penalty = now.presence_penalty = now.frequency_penalty = 0;
    fm_sampling how = fm_api_sampling(&now);
    int64_t position;
    fm_sequence_tokens(s->sequence, &position);
    if (fm_sampler_configure(s->sampler, &how, NULL) != FM_OK) return -1;
    int32_t id = fm_sampler_draw(s->sampler, logits, (uint64_t)position, NULL, 0);
    fm_sampling none = {.top_p = 1}; /* the biases are the caller's */
    return fm_sampler_configure(s->sampler, &none, NULL) == FM_OK ? id : -1;
}

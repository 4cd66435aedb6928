/* generate.c: prompts in, replies out: one, or many together. */
#include "api/handles.h"

#include "base/clock.h"
#include "engine/reply.h"

#include <string.h>

fathom_generate_options fathom_generate_defaults(const fathom_model *model) {
    fathom_generate_options o = {.thinking_budget = -1, .guesses = FM_API_GUESSES};
    if (model) o.sampling = fathom_sampling_defaults(model);
    return o;
}

/* Both declare an id and a float in this order, so a list of one is a list of the other. */
_Static_assert(sizeof(fathom_logprob) == sizeof(fm_logprob) &&
               offsetof(fathom_logprob, logprob) == offsetof(fm_logprob, logprob), "one layout");
_Static_assert((int)FATHOM_LOGPROBS_TOP == (int)FM_LOGPROBS_TOP &&
               (int)FATHOM_GUESSES_MAX == (int)FM_DRAFT_MAX, "one limit");

/* ---- one reply of the engine, in the caller's words ------------------------------------------------*/

typedef struct job {
    fathom_session *session;
    const fathom_generate_options *options;
    fm_token_text *stops;
    fm_reply *reply;
    fathom_generation *result;
    double start;
} job;

static bool on_text(void *context, const char *text, size_t size, bool thinking) {
    const fathom_generate_options *o = ((job *)context)->options;
    return !o->on_text || o->on_text(o->context, text, size, thinking);
}

static bool on_token(void *context, const fm_reply_token *t) {
    const fathom_generate_options *o = ((job *)context)->options;
    fathom_token token = {.id = t->id, .thinking = t->thinking, .forced = t->forced};
    if (t->logprobs) {
        token.logprob = t->logprobs->raw;
        token.drawn_logprob = t->logprobs->drawn;
        token.top = (const fathom_logprob *)(const void *)t->logprobs->top;
        token.n_top = t->logprobs->n_top;
    }
    return o->on_token(o->context, &token);
}

/* The vocabulary as a tree of bytes, made once for a model. */
static fm_status trie_of(fathom_model *m, const fm_token_trie **out, fm_error *err) {
    fm_status status = FM_OK;
    pthread_mutex_lock(&m->lock);
    if (!m->trie && m->tokenizer) status = fm_token_trie_new(m->tokenizer->inner, &m->trie, err);
    *out = m->trie;
    pthread_mutex_unlock(&m->lock);
    return status;
}

static fm_status copy_stops(job *j, fm_error *err) {
    const fathom_generate_options *o = j->options;
    if (o->n_stops == 0) return FM_OK;
    j->stops = fm_alloc_array(o->n_stops, sizeof *j->stops, FM_MEM_OTHER);
    if (!j->stops) return fm_fail_memory(err, o->n_stops * sizeof *j->stops, "stop strings");
    for (size_t i = 0; i < o->n_stops; i++)
        j->stops[i] = (fm_token_text){o->stops[i], strlen(o->stops[i])};
    return FM_OK;
}

static fm_status make_reply(job *j, fm_error *err) {
    const fathom_generate_options *o = j->options;
    fathom_model *m = j->session->model;
    fm_reply_options options = {
        .sampling = fm_api_sampling(&o->sampling), .max_tokens = o->max_tokens > 0 ? o->max_tokens : 0,
        .ignore_end = o->ignore_end, .logprobs = o->logprobs, .n_logprobs = o->n_logprobs,
        .guesses = o->guesses, .on_text = on_text, .on_token = o->on_token ? on_token : NULL,
        .context = j};
    FM_TRY(copy_stops(j, err));
    options.text = (fm_transcript_options){.starts_thinking = o->starts_thinking,
                                           .thinking_budget = o->thinking_budget, .stops = j->stops,
                                           .n_stops = o->n_stops};
    if (o->grammar) {
        options.grammar = o->grammar->inner;
        FM_TRY(trie_of(m, &options.trie, err));
    }
    return fm_reply_new(j->session->sequence, m->tokenizer ? m->tokenizer->inner : NULL, &options,
                        &j->reply, err);
}

static void report(const job *j, double end) {
    static const fathom_stop stops[] = {[FM_REPLY_END] = FATHOM_STOP_END,
                                        [FM_REPLY_LENGTH] = FATHOM_STOP_LENGTH,
                                        [FM_REPLY_STRING] = FATHOM_STOP_STRING,
                                        [FM_REPLY_CALLER] = FATHOM_STOP_CALLER};
    fm_reply_report r = fm_reply_report_of(j->reply);
    fathom_generation *g = j->result;
    g->stop = stops[r.stop];
    g->stop_string = r.text.stop;
    g->generated_tokens = r.tokens;
    g->reasoning_tokens = r.text.reasoning_tokens;
    g->unanswered = r.text.thinking;
    g->guessed_tokens = r.guessed;
    g->right_guesses = r.right;
    g->steps = r.steps;
    g->generate_seconds = end - j->start - g->prompt_seconds;
    g->logits_hash = r.logits_hash;
}

static void clear(job *j) {
    if (j->session) j->session->engaged = false;
    fm_reply_free(j->reply);
    fm_free(j->stops);
}

/* ---- one ------------------------------------------------------------------------------------------*/

static fm_status generate(job *j, const int32_t *prompt, size_t n, fm_error *err) {
    fathom_generation *g = j->result;
    size_t reused = 0;
    FM_TRY(make_reply(j, err)); /* what is wrong with the options is said before anything is computed */
    fm_status status = fm_api_sync(j->session, prompt, n, &reused, j->options->on_prompt,
                                   j->options->context, err);
    g->reused_tokens = (int64_t)reused;
    g->prompt_seconds = fm_clock_seconds() - j->start;
    if (status == FM_ERR_CANCELLED) {
        g->stop = FATHOM_STOP_CALLER;
        return FM_OK;
    }
    FM_TRY(status);
    status = fm_reply_run(j->reply, err);
    report(j, fm_clock_seconds());
    return status;
}

fathom_status fathom_generate(fathom_session *s, const int32_t *prompt, size_t n,
                              const fathom_generate_options *options, fathom_generation *result,
                              fathom_error *error) {
    fm_error err;
    fathom_generate_options defaults = fathom_generate_defaults(s->model);
    fathom_generation g = {.prompt_tokens = (int64_t)n, .arith = s->model->options.arith,
                           .activations = s->model->options.activations,
                           .stop_string = -1};
    job j = {.session = s, .options = options ? options : &defaults, .result = &g,
             .start = fm_clock_seconds()};
    fm_status status = generate(&j, prompt, n, &err);
    clear(&j);
    if (result) *result = g;
    return fm_api_return(status, &err, error);
}

/* ---- many ------------------------------------------------------------------------------------------*/

static fm_status begin(job *j, fathom_request *r, fm_error *err) {
    size_t reused = 0;
    r->result = (fathom_generation){.prompt_tokens = (int64_t)r->n, .stop_string = -1,
                                    .arith = r->session->model->options.arith,
                                    .activations = r->session->model->options.activations};
    if (r->session->engaged)
        return fm_fail(err, FM_ERR_ARGUMENT, "an earlier request has the same session: give each its own");
    *j = (job){.session = r->session, .options = &r->options, .result = &r->result,
               .start = fm_clock_seconds()};
    j->session->engaged = true;
    FM_TRY(make_reply(j, err));
    fm_status status = fm_api_queue(r->session, r->prompt, r->n, &reused, err);
    r->result.reused_tokens = (int64_t)reused;
    return status;
}

/* Rounds until none has anything left to do. */
static fm_status go_round(job *jobs, const fathom_request *requests, size_t n, fm_error *err) {
    fm_reply **replies = fm_alloc_array(n, sizeof *replies, FM_MEM_OTHER);
    if (!replies) return fm_fail_memory(err, n * sizeof *replies, "a list of replies");
    int64_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (requests[i].status == FATHOM_OK) replies[count++] = jobs[i].reply;
    fm_status status = FM_OK;
    for (bool more = count > 0; more && status == FM_OK;)
        status = fm_replies_round(replies, count, &more, err);
    fm_free(replies);
    return status;
}

/* What became of one; `round` is how the last round went, which those that are not done died of. */
static void end(job *j, fathom_request *r, fm_status round, const fm_error *why, double now) {
    fm_error err;
    if (r->status == FATHOM_OK) {
        bool done = fm_reply_done(j->reply);
        r->status = done ? fm_api_return(fm_reply_failure(j->reply, &err), &err, &r->error)
                         : fm_api_return(round, why, &r->error);
        if (!done) fm_sequence_cancel(r->session->sequence);
        report(j, now);
    }
    clear(j);
}

fathom_status fathom_generate_many(fathom_request *requests, size_t n, fathom_error *error) {
    fm_error err;
    if (n == 0) return FATHOM_OK;
    for (size_t i = 1; i < n; i++)
        if (requests[i].session->model != requests[0].session->model)
            return fm_api_return(fm_fail(&err, FM_ERR_ARGUMENT, "replies of different models cannot "
                                         "be generated together"), &err, error);
    job *jobs = fm_alloc_zero(n * sizeof *jobs, FM_MEM_OTHER);
    if (!jobs) return fm_api_return(fm_fail_memory(&err, n * sizeof *jobs, "replies"), &err, error);
    for (size_t i = 0; i < n; i++)
        requests[i].status = fm_api_return(begin(&jobs[i], &requests[i], &err), &err, &requests[i].error);
    fm_status status = go_round(jobs, requests, n, &err);
    double now = fm_clock_seconds();
    for (size_t i = 0; i < n; i++) end(&jobs[i], &requests[i], status, &err, now);
    fm_free(jobs);
    return fm_api_return(status, &err, error);
}

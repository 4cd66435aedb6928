/* api_support.h: models, sessions and what replies said, through the public header alone. */
#pragma once

#include "support.h"

#include "fathom/fathom.h"

#include <math.h>

/* Fails the test with the library's own sentence. */
#define assert_fathom(expression)                                                                  \
    do {                                                                                           \
        if ((expression) != FATHOM_OK) fail_msg("%s: %s", #expression, err.message);               \
    } while (0)

enum { API_CONTEXT = 256, MOST_SAID = 512 };

/* A golden model, by name; `options` NULL: a context of API_CONTEXT. */
static inline fathom_model *open_golden(const char *name, const fathom_model_options *options) {
    fathom_model_options defaults = fathom_model_defaults();
    fathom_model *model = NULL;
    fathom_error err;
    defaults.context = API_CONTEXT;
    assert_fathom(fathom_model_open(golden_path(name), options ? options : &defaults, &model, &err));
    return model;
}

static inline fathom_session *session_of(fathom_model *model) {
    fathom_session *s = NULL;
    fathom_error err;
    assert_fathom(fathom_session_new(model, &s, &err));
    return s;
}

static inline size_t length_of(const fathom_session *s) {
    size_t n;
    fathom_session_tokens(s, &n);
    return n;
}

/* Ids below 400, the same for the same seed; no added token among them but the first. */
static inline void make_prompt(int32_t *ids, size_t n, uint64_t seed) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        ids[i] = i ? 3 + (int32_t)((seed >> 33) % 397) : 0;
    }
}

/* Everything that a reply told its caller. */
typedef struct said {
    int32_t ids[MOST_SAID];
    float logprob[MOST_SAID], drawn[MOST_SAID];
    bool thinking[MOST_SAID], forced[MOST_SAID];
    fathom_logprob top[MOST_SAID][FATHOM_LOGPROBS_TOP];
    int n_top[MOST_SAID];
    int n, stop_after; /* stop_after 0: never */
    char answer[16 * MOST_SAID], reasoning[16 * MOST_SAID];
    size_t answered, reasoned;
    fathom_generation g;
} said;

static inline bool note_text(void *context, const char *text, size_t size, bool thinking) {
    said *s = context;
    size_t *at = thinking ? &s->reasoned : &s->answered;
    char *to = thinking ? s->reasoning : s->answer;
    if (size == 0 || *at + size >= sizeof s->answer) abort(); /* also on other threads than the test's */
    memcpy(to + *at, text, size);
    *at += size;
    to[*at] = 0;
    return true;
}

static inline bool note_token(void *context, const fathom_token *t) {
    said *s = context;
    if (s->n == MOST_SAID) abort();
    s->ids[s->n] = t->id;
    s->logprob[s->n] = t->logprob;
    s->drawn[s->n] = t->drawn_logprob;
    s->thinking[s->n] = t->thinking;
    s->forced[s->n] = t->forced;
    s->n_top[s->n] = t->n_top;
    if (t->n_top) memcpy(s->top[s->n], t->top, (size_t)t->n_top * sizeof *t->top);
    return ++s->n != s->stop_after;
}

/* Drawn at `temperature`, to `most` tokens or the end of the context, whatever is drawn. */
static inline fathom_generate_options options_into(said *to, float temperature, int64_t most) {
    fathom_generate_options o = fathom_generate_defaults(NULL);
    memset(to, 0, sizeof *to);
    o.sampling = (fathom_sampling){.temperature = temperature, .top_p = 1, .seed = 3};
    o.max_tokens = most;
    o.ignore_end = true;
    o.guesses = 0;
    o.on_text = note_text;
    o.on_token = note_token;
    o.context = to;
    return o;
}

static inline void say(fathom_session *s, const int32_t *prompt, size_t n, const fathom_generate_options *o) {
    fathom_error err;
    assert_fathom(fathom_generate(s, prompt, n, o, &((said *)o->context)->g, &err));
}

/* The same in a session of its own. */
static inline void say_anew(fathom_model *model, const int32_t *prompt, size_t n,
                            const fathom_generate_options *o) {
    fathom_session *s = session_of(model);
    say(s, prompt, n, o);
    fathom_session_free(s);
}

static inline bool same_said(const said *a, const said *b) {
    return a->n == b->n && memcmp(a->ids, b->ids, (size_t)a->n * sizeof *a->ids) == 0 &&
           a->answered == b->answered && memcmp(a->answer, b->answer, a->answered) == 0 &&
           a->reasoned == b->reasoned && memcmp(a->reasoning, b->reasoning, a->reasoned) == 0 &&
           a->g.stop == b->g.stop && a->g.stop_string == b->g.stop_string &&
           a->g.generated_tokens == b->g.generated_tokens && a->g.logits_hash == b->g.logits_hash;
}

/* A copy of the logits, to be freed. */
static inline float *logits_copy(const fathom_model *model, const fathom_session *s) {
    size_t bytes = (size_t)fathom_model_describe(model).vocabulary * sizeof(float);
    float *copy = malloc(bytes);
    assert_non_null(fathom_session_logits(s));
    return memcpy(copy, fathom_session_logits(s), bytes);
}

static inline void assert_logits(const fathom_model *model, const fathom_session *s, const float *expected) {
    assert_non_null(fathom_session_logits(s));
    assert_memory_equal(fathom_session_logits(s), expected,
                        (size_t)fathom_model_describe(model).vocabulary * sizeof(float));
}

/* many.c: several questions answered together.
 *
 *     cc many.c $(pkg-config --cflags --libs fathom) -o many
 *     ./many MODEL 'Why is the sky blue?' 'Why is grass green?' 'Why is snow white?'
 *
 * Most of the time of a token goes into reading the weights. Answers that are made step by step together
 * share that reading; each is, to the bit, what it would have been alone. */
#include <fathom/fathom.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One question on its way: its session, its prompt, the answer as far as it has come. */
typedef struct talk {
    const char *question;
    int32_t *prompt;
    char *answer;
    size_t size;
} talk;

/* Answers come in pieces, all of them mixed; `context` tells whose this is. */
static bool on_text(void *context, const char *text, size_t size, bool thinking) {
    talk *t = context;
    if (thinking) return true;
    char *longer = realloc(t->answer, t->size + size + 1);
    if (!longer) return false;
    t->answer = longer;
    memcpy(longer + t->size, text, size);
    longer[t->size += size] = 0;
    return true;
}

static fathom_status prepare(fathom_model *model, talk *t, fathom_request *r, fathom_error *err) {
    fathom_message message = {"user", t->question, strlen(t->question)};
    r->options = fathom_generate_defaults(model);
    r->options.max_tokens = 200;
    r->options.on_text = on_text;
    r->options.context = t;
    fathom_status status = fathom_chat_tokens(fathom_model_tokenizer(model), &message, 1, NULL, &t->prompt,
                                              &r->n, &r->options.starts_thinking, err);
    r->prompt = t->prompt;
    return status == FATHOM_OK ? fathom_session_new(model, &r->session, err) : status;
}

/* A request that fails has its own reason and harms no other. */
static void report(const talk *talks, const fathom_request *requests, size_t n) {
    int64_t tokens = 0;
    double seconds = 0;
    for (size_t i = 0; i < n; i++) {
        const fathom_generation *g = &requests[i].result;
        bool fine = requests[i].status == FATHOM_OK;
        printf("%s\n%s\n\n", talks[i].question,
               !fine ? requests[i].error.message : talks[i].answer ? talks[i].answer : "");
        tokens += g->generated_tokens;
        double time = g->prompt_seconds + g->generate_seconds;
        if (time > seconds) seconds = time;
    }
    fprintf(stderr, "%zu answers, %lld tokens in %.1f s: %.1f tokens/s in all\n", n, (long long)tokens,
            seconds, seconds > 0 ? (double)tokens / seconds : 0);
}

static fathom_status answer_all(fathom_model *model, talk *talks, fathom_request *requests, size_t n,
                                fathom_error *err) {
    fathom_status status = FATHOM_OK;
    for (size_t i = 0; i < n && status == FATHOM_OK; i++)
        status = prepare(model, &talks[i], &requests[i], err);
    if (status == FATHOM_OK) status = fathom_generate_many(requests, n, err);
    if (status == FATHOM_OK) report(talks, requests, n);
    return status;
}

int main(int argc, char **argv) {
    fathom_model *model;
    fathom_error err;
    if (argc < 3) {
        fprintf(stderr, "usage: %s MODEL QUESTION...\n", argv[0]);
        return 2;
    }
    /* Room for the keys and values of all of them at once. */
    size_t n = (size_t)argc - 2;
    fathom_model_options options = fathom_model_defaults();
    options.sessions = (int64_t)n;
    if (fathom_model_open(argv[1], &options, &model, &err) != FATHOM_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 2;
    }
    talk *talks = calloc(n, sizeof *talks);
    fathom_request *requests = calloc(n, sizeof *requests);
    if (!talks || !requests) abort();
    for (size_t i = 0; i < n; i++) talks[i].question = argv[2 + i];
    fathom_status status = answer_all(model, talks, requests, n, &err);
    if (status != FATHOM_OK) fprintf(stderr, "%s\n", err.message);
    for (size_t i = 0; i < n; i++) {
        fathom_session_free(requests[i].session);
        fathom_free(talks[i].prompt);
        free(talks[i].answer);
    }
    free(requests);
    free(talks);
    fathom_model_close(model);
    return status == FATHOM_OK ? 0 : 2;
}

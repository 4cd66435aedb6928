/* perplexity.h: how well a model foretells a text, and how far its distributions are from another run's.
 *
 * The text's tokens are cut into windows of `context`. Without a stride windows lie side by side and the
 * second half of each is scored, tokens context/2 + 1 to the end, so that every scored token has half a
 * window before it at least; what is left after the last whole window is not used: llama.cpp's
 * convention, whose figures can be compared. With a stride each window begins so many tokens later and
 * scores what no earlier one did; every token but the first is scored once. Where the tokenizer adds a
 * BOS, it takes the place of each window's first token. */
#pragma once

#include "engine/engine.h"
#include "eval/baseline.h"

typedef struct fm_perplexity_window {
    int64_t begin, end; /* tokens */
    int64_t first;      /* scored: first .. end - 1; begin < first */
} fm_perplexity_window;

/* The index-th window over n tokens; false past the last. 0 <= stride < context. */
bool fm_perplexity_window_at(int64_t n, int64_t context, int64_t stride, int64_t index,
                             fm_perplexity_window *out);

/* Figures so far, or in all. Logarithms are natural. */
typedef struct fm_perplexity_result {
    int64_t windows, all_windows;
    int64_t scored;
    double nll, nll_error; /* mean of -log p, and its standard error */
    double bytes;          /* of the scored tokens */
    /* beside a baseline, means over scored tokens with their standard errors; p is the baseline */
    double base_nll;
    double kl, kl_error;                      /* sum over the vocabulary of p (log p - log q) */
    double kl_median, kl_99, kl_max;          /* only when all is done */
    double same_top, same_top_error;          /* both have the same most probable token */
    double delta, delta_error;                /* log q - log p of the token that came */
} fm_perplexity_result;

typedef struct fm_perplexity_options {
    int64_t context, stride, limit; /* limit: most windows; 0: all */
    int32_t bos;                    /* -1: none */
    const int32_t *token_bytes;     /* [vocabulary] bytes of each token; NULL: not counted */
    const char *save, *against;     /* files of baseline.h, or NULL */
    /* Once, before anything is computed: the bytes that `save` will have. Returning false stops. */
    bool (*on_plan)(void *context, int64_t windows, int64_t scored, uint64_t bytes);
    bool (*on_window)(void *context, const fm_perplexity_result *so_far);
    bool (*on_step)(void *context, double fraction); /* between steps, of everything */
    void *callback_context;
} fm_perplexity_options;

/* Rows whose logits are held at once: what fits in 64 MiB, at most the engine's own rows. */
int64_t fm_perplexity_outputs(int64_t vocabulary, int64_t rows);

/* Scores ids[0, n), which lie in the vocabulary. The engine must have been started and holds a context
 * of `context` positions; nobody else uses it. Takes memory for a few rows of logits and three numbers a
 * scored token. FM_ERR_FORMAT where logits are no numbers, FM_ERR_CANCELLED by a callback. */
fm_status fm_perplexity_run(const fm_model *model, fm_engine *engine, const int32_t *ids, int64_t n,
                            const fm_perplexity_options *options, fm_perplexity_result *result,
                            fm_error *err);

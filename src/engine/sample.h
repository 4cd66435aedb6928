/* sample.h: from logits to a token.
 *
 *     fm_sampler_new(&how, n_ids, kernels, &sampler, err);      per answer
 *     fm_sampler_see(sampler, prompt, n);
 *     for (;;) {
 *         id = fm_sampler_draw(sampler, logits, position, mask, n_bits);
 *         fm_sampler_accept(sampler, id);
 *     }
 *
 * The steps and their order stand in samplers.def. What they leave is a weight p for each token, and
 * the token is the winner of a race: token i arrives at time E_i / p_i, E_i exponential with mean 1,
 * and the first to arrive is drawn, with probability p_i / sum p (the Gumbel-max trick; Gumbel 1954).
 * E_i is a function of (seed, sequence, position, i) and nothing else, so that
 *
 * - a draw depends on no other draw: not on neighbours, threads, or what was drawn in vain;
 * - two distributions that are nearly the same nearly always draw the same token: with probability at
 *   least (1 - d) / (1 + d), d their distance in total variation, without knowing of each other
 *   (Daliri, Musco and Suresh 2024). A draft that draws with the target's seed is accepted that often,
 *   and one answer can be compared with another from other weights, arithmetic or settings;
 * - a setting that takes nothing away changes nothing, bit for bit.
 *
 * Machines agree: exponentials are the kernels', whose levels all give the same bits, the logarithm is
 * our own, sums are of doubles in the order of ids. Drawing allocates nothing. */
#pragma once

#include "kernel/kernel.h"

typedef struct fm_logit_bias {
    int32_t id;
    float bias; /* -infinity bans altogether */
} fm_logit_bias;

/* Values that make no sense in a cut (NaN, negative) switch it off; a temperature that is not above
 * zero means the most probable token. */
typedef struct fm_sampling {
    float temperature;        /* 0 (or less): the most probable */
    float top_p;              /* 1: off */
    int top_k;                /* 0: off */
    float min_p;              /* 0: off */
    float repetition_penalty; /* 1 or 0: off; over prompt and answer (Keskar et al. 2019, CTRL) */
    float presence_penalty, frequency_penalty; /* 0: off; over the answer so far, as OpenAI has them */
    const fm_logit_bias *bias; /* borrowed; one id twice: both are added */
    size_t n_bias;
    uint64_t seed, sequence; /* `sequence` tells answers to one prompt apart */
} fm_sampling;

/* One answer's options, counts of tokens and work memory. Belongs to one thread at a time. */
typedef struct fm_sampler fm_sampler;

/* Ids [0, n_ids), n_ids > 0, may be drawn; what else the logits hold is not looked at. Penalties that
 * are not finite, a negative repetition penalty, and a bias that is NaN or for an id out of range are
 * FM_ERR_ARGUMENT. Takes 8 bytes per id, and 4 more with penalties. */
fm_status fm_sampler_new(const fm_sampling *how, int64_t n_ids, const fm_kernels *kernels,
                         fm_sampler **out, fm_error *err);
void fm_sampler_free(fm_sampler *sampler);
/* Other options from here on. Tokens are counted while a penalty is on: those that came before the
 * first one are not known. On failure all stays as it was. */
fm_status fm_sampler_configure(fm_sampler *sampler, const fm_sampling *how, fm_error *err);

/* Tokens of the prompt, for the repetition penalty; ids that cannot be drawn are passed over. */
void fm_sampler_see(fm_sampler *sampler, const int32_t *ids, int64_t n);
/* The answer goes on with this token ... */
void fm_sampler_accept(fm_sampler *sampler, int32_t id);
/* ... or did not: takes back one fm_sampler_accept of it. For drafts that draw ahead. */
void fm_sampler_retract(fm_sampler *sampler, int32_t id);

/* The token at `position` (below 2^32), given its logits, which are only read. `allowed` (may be
 * NULL): bits of a grammar's mask, n_bits of them; ids past them are not allowed either. Does not
 * change the counts. Ties go to the lowest id. A logit that is NaN or -infinity is drawn only where
 * nothing else is allowed. Returns -1 where the mask allows nothing at all. */
int32_t fm_sampler_draw(fm_sampler *sampler, const float *logits, uint64_t position,
                        const uint64_t *allowed, int64_t n_bits);

enum { FM_LOGPROBS_TOP = 20 };

typedef struct fm_logprob {
    int32_t id;
    float logprob;
} fm_logprob;

/* Natural logarithms of probabilities among the ids that may be drawn. */
typedef struct fm_logprobs {
    float raw;   /* of softmax(logits), before any step: what APIs report */
    float drawn; /* of the distribution that the last draw was from, after all steps: what RL scores;
                  * -infinity for a token that was out of the question */
    int n_top;
    fm_logprob top[FM_LOGPROBS_TOP]; /* the largest `raw`, largest first, ties to the lowest id */
} fm_logprobs;

/* Those of `id` and of the n_top most probable tokens (at most FM_LOGPROBS_TOP; NaN and -infinity
 * are not among them). `drawn` speaks of this sampler's last fm_sampler_draw. */
void fm_sampler_logprobs(const fm_sampler *sampler, const float *logits, int32_t id, int n_top,
                         fm_logprobs *out);

/* ---- the steps, for those who list them ---------------------------------------------------------*/

typedef struct fm_sampler_step {
    const char *name, *help;
} fm_sampler_step;

/* The index-th step in the order applied; NULL past the end. */
const fm_sampler_step *fm_sampler_steps(size_t index);

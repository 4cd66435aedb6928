/* attention_backward.h: gradients of attention (attention.h), from what the forward pass left behind:
 * every query's m and l, and its result o. With p(j) = exp(s(j) - m) / l, and dO the gradient of o,
 *
 *     dP(j) = dO . v(j)        dS(j) = p(j) (dP(j) - D),  D = dO . o
 *     dv(j) += p(j) dO         dq += scale dS(j) k(j)     dk(j) += scale dS(j) q
 *
 *                                                        Dao et al. 2022 (FlashAttention), appendix B.4
 *
 * Keys and values are read from the cache as rounded to its type, as the forward pass read them; their
 * gradients are those of the numbers that were rounded (straight through). Positions in front of the step's
 * segments, if there are any, are constants.
 *
 * Every sum has one order, whoever computes it: dq goes by blocks of keys, those by positions; dk and dv go
 * by queries, dv before dk for each tile of queries where both are one gradient (MLA's latents). */
#pragma once

#include "op/attention.h"

typedef struct fm_attention_gradients {
    const float *d_out; /* [T, groups * heads * d_v] */
    float *d_parts[2];  /* of the parts of the queries, laid out as they are; NULL: not wanted */
    /* Row t of the step's keys at + t * ld + group * key_step, values likewise; may be the same memory,
     * where values are the first columns of keys. NULL: not wanted. */
    float *d_keys, *d_values;
    int64_t ld_keys, ld_values;
} fm_attention_gradients;

/* Bytes that every worker needs. */
size_t fm_attention_backward_scratch(const fm_attention_step *s);
/* Adds to the gradients. `s` as in the forward pass, with its `sums` and its `out`. */
void fm_attention_run_backward(const fm_run *run, const fm_attention_step *s,
                               const fm_attention_gradients *g);

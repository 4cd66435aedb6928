/* traffic.h: what a step must read and compute, from the loaded weights and the model's shape: the
 * figures that a speed is held against. */
#pragma once

#include "engine/engine.h"

/* Experts of one layer that a step of `rows` tokens reads: per_token for one row, which is exact; for
 * more, the number expected when every token chooses on its own and evenly: E (1 - (1 - K/E)^rows). */
double fm_traffic_experts(const fm_gate *gate, int64_t rows);

/* Bytes of weights that a decoding step of `rows` tokens reads once: the compute copies as they lie in
 * memory (padding included), one row of the embedding per token, and of the experts as many as
 * fm_traffic_experts says. */
double fm_traffic_weights(const fm_model *model, int64_t rows);

/* Bytes of keys and values that one token at this position reads, itself included. */
double fm_traffic_cache(const fm_kv_shape *kv, int64_t position);

/* Floating-point operations (two a multiply-add) of `tokens` new tokens after `depth` others, with one
 * row of logits for the last: products with weights, and attention in the model's form. What a form
 * computes again and again (keys made from latents once more) does not count. */
double fm_traffic_flops(const fm_model *model, int64_t depth, int64_t tokens);

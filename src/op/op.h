/* op.h: the operations a model is written in. Each function records one node and returns its value.
 *
 * Letters: T rows of the step, D hidden size, H heads, K chosen experts, E experts. Every op lives
 * in op/<name>.c with its formula, its forward and the places of its backward. ops.def lists them
 * all for the checks. Gradients add (+=) everywhere. */
#pragma once

#include "graph/plan.h"
#include "op/experts.h"
#include "op/gate.h"
#include "pack/pack.h"

/* y[t] = W[ids[t]]: rows of the embedding, W [V, D]. */
fm_value fm_embed(fm_plan *p, const fm_weight *w);
/* Of the token `depth` >= 1 places behind each row's own (step->lesson->ahead[depth - 1]); zeros where there
 * is none: what MTP module `depth` reads while it learns. */
fm_value fm_embed_ahead(fm_plan *p, const fm_weight *w, int depth);
/* Rows that an MTP plan is fed with: the main model's final state, step->hidden. */
fm_value fm_hidden_input(fm_plan *p, int64_t columns);

/* y = x / sqrt(mean(x^2) + eps) * g over each run of `width` columns starting at `offset` within
 * groups of `stride` columns ; other columns pass through. Whole rows go to a new value, since the
 * residual stream is still wanted; parts are normed in place. g [width], float32 (w->master). */
fm_value fm_rmsnorm(fm_plan *p, fm_value x, const fm_weight *g, double eps);
fm_value fm_rmsnorm_part(fm_plan *p, fm_value x, const fm_weight *g, double eps, int64_t offset,
                         int64_t width, int64_t stride);

/* y = x W^T + b, W [n_out, n_in]; b [n_out] float32 (master) or NULL. Where W has an adapter
 * (pack/adapter.h), what that makes of x is added. */
fm_value fm_linear(fm_plan *p, fm_value x, const fm_weight *w, const fm_weight *bias);
/* Several of them over one x, y[i] for part i, as one node: at most FM_LINEARS. */
enum { FM_LINEARS = 3 };
typedef struct fm_linear_part {
    const fm_weight *w, *bias;
} fm_linear_part;
void fm_linears(fm_plan *p, fm_value x, const fm_linear_part *parts, int n, fm_value *y);
/* One matrix per head: y[t, h*n_out + i] = sum_k W[h][i][k] x[t, h*x_stride + x_offset + k]; x_stride 0: all
 * heads read the same columns. */
fm_value fm_linear_heads(fm_plan *p, fm_value x, const fm_weight *w, int64_t n_heads,
                         int64_t x_offset, int64_t x_stride);
/* With its transpose: y[t, h*n_in + k] = sum_i W[h][i][k] x[t, h*x_stride + x_offset + i]. */
fm_value fm_linear_heads_transposed(fm_plan *p, fm_value x, const fm_weight *w, int64_t n_heads,
                                    int64_t x_offset, int64_t x_stride);

/* Cosines then sines of position * frequency for each row: [T, 2 * n_pairs]; once per plan. */
fm_value fm_rope_angles(fm_plan *p, const double *frequencies, int64_t n_pairs, double factor);
/* Rotates, in each of `n_heads` groups of `stride` columns, the 2 * n_pairs columns at `offset`. */
fm_value fm_rope(fm_plan *p, fm_value x, fm_value angles, int64_t n_heads, int64_t stride,
                 int64_t offset, bool interleaved);

/* Grouped-query attention of this layer over the cache, into which it first writes k and v:
 * q [T, H*d], k [T, Hkv*d], v [T, Hkv*dv] -> [T, H*dv]. Causal softmax of scale * q.k; query head h
 * reads key head h / (H / Hkv). Ainslie et al. 2023. */
typedef struct fm_attend_shape {
    int64_t layer, n_heads, n_kv_heads, head_dim, value_dim;
    double scale;
} fm_attend_shape;
fm_value fm_attend(fm_plan *p, fm_value q, fm_value k, fm_value v, const fm_attend_shape *shape);

/* Multi-head latent attention over the cache of latents, into which it first writes `latent`
 * [T, r + dr] = (normalised c, rotated k_r). DeepSeek-V2, section 2.1.
 * Absorbed: qa [T, H*r] = W_UK^T q_nope per head, q [T, H*(dn+dr)] for its rotated last dr columns;
 * returns u [T, H*r], the weighted sums of latents, which W_UV turns into values.
 * Naive: keys and values are materialised from the latents by uk [H][dn, r], or [H][r, dn] where
 * `uk_transposed`, and uv [H][dv, r]; returns [T, H*dv]. */
typedef struct fm_mla_shape {
    int64_t layer, n_heads, kv_lora_rank, nope_dim, rope_dim, v_dim;
    double scale;
    bool uk_transposed;
} fm_mla_shape;
fm_value fm_mla_absorbed(fm_plan *p, fm_value qa, fm_value q, fm_value latent,
                         const fm_mla_shape *shape);
fm_value fm_mla_naive(fm_plan *p, fm_value q, fm_value latent, const fm_weight *uk,
                      const fm_weight *uv, const fm_mla_shape *shape);
/* The same for the fast rows of the absorbed form's result `o` = W_UV u, in its place. */
fm_value fm_mla_naive_over(fm_plan *p, fm_value o, fm_value q, fm_value latent, const fm_weight *uk,
                           const fm_weight *uv, const fm_mla_shape *shape);

/* Keys of latent attention where the cache keeps keys: y[t, h] = (k[t, h], k_r[t]), k [T, H*dn], k_r the last
 * dr columns of latent [T, r + dr]; y [T, H*(dn+dr)]. */
fm_value fm_mla_keys(fm_plan *p, fm_value k, fm_value latent, const fm_mla_shape *shape);

/* y = silu(gate) * up. */
fm_value fm_swiglu(fm_plan *p, fm_value gate, fm_value up);
/* y = x + residual, or scale x + residual, in the residual's place. */
fm_value fm_add(fm_plan *p, fm_value x, fm_value residual);
fm_value fm_add_scaled(fm_plan *p, fm_value x, float scale, fm_value residual);
/* y[t] = [a[t]; b[t]]: MTP's input, embedding first. */
fm_value fm_concat(fm_plan *p, fm_value a, fm_value b);
/* The rows whose logits are wanted. */
fm_value fm_select_outputs(fm_plan *p, fm_value x);
/* A loss: nll[t] = -log p of the token `depth` + 1 places ahead of row t (step->lesson), [T, 1], from the
 * states x [T, D] and the head w [V, D]; 0 where the lesson gives the row no weight. Where the plan learns,
 * gradients begin here: those of weight * nll. */
fm_value fm_xent(fm_plan *p, fm_value x, const fm_weight *w, int depth);
/* The same with a teacher (step->lesson->teaching), of the next token: the result [T, 1] is
 *   (1 - weight) nll + weight T^2 KL,   KL = sum over i of p_i log(p_i / q_i)
 * over the tokens that the teaching tells apart and all others as one; p the teacher's shares, q the student's
 * at temperature T. *facts [T, 2] receives nll and KL. Hinton et al. 2015, section 2.1. */
fm_value fm_distil(fm_plan *p, fm_value x, const fm_weight *w, fm_value *facts);
/* What a teacher says: of the rows that the lesson gives a weight at depth 0, the `top` likeliest ids below
 * `vocabulary`, [T, top] int32, likeliest first, and in *shares [T, top + 1] theirs of softmax(logits / temperature)
 * and that of all others. Other rows hold rubbish. Not in plans that learn. */
fm_value fm_likeliest(fm_plan *p, fm_value x, const fm_weight *w, int64_t top, int64_t vocabulary, double temperature,
                      fm_value *shares);
/* A copy of x that outlives the run's later nodes, under a name. */
fm_value fm_observe(fm_plan *p, fm_value x, const char *name);

/* Routing from the gate's scores: logits [T, E] -> a routing value (see gate.h). `bias` [E] float32
 * (master) or NULL. */
fm_value fm_route(fm_plan *p, fm_value logits, const fm_weight *bias, const fm_gate *gate);
/* The same; *losses is -1 or, where the plan learns, a value whose first double is the sum of the losses of
 * balance (balance.h) over the segments of a step that went back. */
fm_value fm_route_learning(fm_plan *p, fm_value logits, const fm_weight *bias, const fm_gate *gate,
                           fm_value *losses);
/* y[slot] = Expert_e(x[token of slot]), e the expert of the slot: [T*K, D] in routed rows. */
fm_value fm_experts(fm_plan *p, fm_value x, fm_value routing, const fm_expert_provider *provider,
                    const fm_gate *gate);
/* y[t] = shared[t] + sum over the chosen experts of t, ascending by id, of weight * y_e. `shared`
 * may be -1. */
fm_value fm_combine(fm_plan *p, fm_value expert_rows, fm_value routing, fm_value shared,
                    const fm_gate *gate);

/* Every op by name, from ops.def; NULL past the end. */
const fm_op *fm_op_at(int i);

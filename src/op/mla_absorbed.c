/* mla_absorbed: multi-head latent attention on the latents themselves.   DeepSeek-V2, section 2.1
 *   s_h(j) = scale (qa_h . c(j) + q_r,h . k_r(j)),  u_h = sum_j softmax_j(s_h) c(j),  j <= position
 * qa [T, H*r] = W_UK^T q_nope, q [T, H*(dn+dr)] with its last dr columns per head rotated,
 * latent [T, r+dr] = (c normalised, k_r rotated): the cached row. u [T, H*r]; W_UV u is the output.
 * All heads read the same row: attention with one key and value head. Rows that a segment has as fast are
 * left out, their u stays as it is: mla_naive computes them. */
#include "op/attention.h"
#include "op/op.h"
#include "op/op_private.h"

typedef fm_mla_shape params;

typedef struct job {
    const fm_run *run;
    const params *p;
    const float *latent;
} job;

static void write_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    int64_t n = j->p->kv_lora_rank + j->p->rope_dim;
    for (int64_t t = begin; t < end; t++) {
        const fm_segment *s = fm_step_segment(j->run->step, t);
        fm_cache_write(j->run->kernels, j->run->step->kv, s->pages, j->p->layer,
                       s->position + t - s->row, 0, j->latent + t * n, n);
    }
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    job j = {run, p, fm_input(run, node, 2)};
    fm_pool_for(run->pool, run->step->n_rows, 16, write_rows, &j);
    int64_t r = p->kv_lora_rank, dr = p->rope_dim, dq = p->nope_dim + dr;
    fm_attention_step s = {.layer = p->layer, .groups = 1, .heads = p->n_heads, .d_k = r + dr,
                           .d_v = r, .scale = p->scale, .leaves_fast = true,
                           .parts = {{fm_input(run, node, 0), p->n_heads * r, r, r},
                                     {fm_input(run, node, 1) + p->nope_dim, p->n_heads * dq, dq, dr}},
                           .out = fm_output(run, node, 0), .shared = fm_output(run, node, 1)};
    fm_attention_run(run, &s);
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    (void)plan;
    const params *p = fm_params(node);
    return fm_attention_scratch(p->kv_lora_rank + p->rope_dim, p->kv_lora_rank);
}

const fm_op fm_op_mla_absorbed = {.name = "mla_absorbed", .forward = forward, .scratch = scratch};

fm_value fm_mla_absorbed(fm_plan *p, fm_value qa, fm_value q, fm_value latent,
                         const fm_mla_shape *shape) {
    fm_value u = fm_plan_value(
        p, FM_ROWS_TOKENS, (size_t)(shape->n_heads * shape->kv_lora_rank) * sizeof(float), 0);
    int64_t r = shape->kv_lora_rank;
    fm_value shared = fm_plan_value(p, FM_ROWS_TOKENS, 0, fm_attention_shared(p, r + shape->rope_dim, r));
    fm_plan_node(p, &fm_op_mla_absorbed, FM_VALUES(qa, q, latent), FM_VALUES(u, shared), shape,
                 sizeof *shape);
    return u;
}

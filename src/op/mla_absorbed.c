/* mla_absorbed: multi-head latent attention on the latents themselves.   DeepSeek-V2, section 2.1
 *   s_h(j) = scale (qa_h . c(j) + q_r,h . k_r(j)),  u_h = sum_j softmax_j(s_h) c(j),  j <= position
 * qa [T, H*r] = W_UK^T q_nope, q [T, H*(dn+dr)] with its last dr columns per head rotated,
 * latent [T, r+dr] = (c normalised, k_r rotated): the cached row. u [T, H*r]; W_UV u is the output.
 * All heads read the same row: attention with one key and value head. Rows that a segment has as fast are
 * left out, their u is 0: mla_naive computes them. */
#include "op/attention.h"
#include "op/op.h"
#include "op/op_private.h"

#include <string.h>

typedef fm_mla_shape params;

/* Heads per unit of work: they share a pass over the cache. */
enum { HEADS = 8 };

typedef struct job {
    const fm_run *run;
    const params *p;
    const float *qa, *q, *latent;
    float *u;
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

static int64_t head_groups(const params *p) { return (p->n_heads + HEADS - 1) / HEADS; }

static void attend_heads(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    const params *p = j->p;
    int64_t r = p->kv_lora_rank, dr = p->rope_dim, dq = p->nope_dim + dr;
    float *query = fm_plan_scratch(j->run->plan, worker), *work = query + HEADS * (r + dr);
    for (int64_t i = begin; i < end; i++) {
        int64_t t = i / head_groups(p), first = i % head_groups(p) * HEADS;
        int64_t n = p->n_heads - first < HEADS ? p->n_heads - first : HEADS;
        const fm_segment *s = fm_step_segment(j->run->step, t);
        if (fm_segment_is_fast(s, s->position + t - s->row)) {
            memset(j->u + (t * p->n_heads + first) * r, 0, (size_t)(n * r) * sizeof(float));
            continue;
        }
        for (int64_t h = 0; h < n; h++) {
            int64_t head = t * p->n_heads + first + h;
            memcpy(query + h * (r + dr), j->qa + head * r, (size_t)r * sizeof(float));
            memcpy(query + h * (r + dr) + r, j->q + head * dq + p->nope_dim,
                   (size_t)dr * sizeof(float));
        }
        fm_attention a = {.k = j->run->kernels, .n = n, .d_k = r + dr, .d_v = r,
                          .scale = (float)p->scale, .out = j->u + (t * p->n_heads + first) * r,
                          .ldo = r, .work = work};
        fm_cached c = {.kv = j->run->step->kv, .pages = s->pages, .layer = p->layer,
                       .length = s->position + t - s->row + 1,
                       .buffer = work + fm_attention_work(HEADS, r)};
        fm_attention_cached(&a, &c, query, r + dr);
    }
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    job j = {run, p, fm_input(run, node, 0), fm_input(run, node, 1), fm_input(run, node, 2),
             fm_output(run, node, 0)};
    fm_pool_for(run->pool, run->step->n_rows, 16, write_rows, &j);
    fm_pool_for(run->pool, run->step->n_rows * head_groups(p), 1, attend_heads, &j);
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    (void)plan;
    const params *p = fm_params(node);
    int64_t d = p->kv_lora_rank + p->rope_dim;
    return (size_t)(HEADS * d + fm_attention_work(HEADS, p->kv_lora_rank) +
                    FM_ATTENTION_BLOCK * d) * sizeof(float);
}

const fm_op fm_op_mla_absorbed = {.name = "mla_absorbed", .forward = forward, .scratch = scratch};

fm_value fm_mla_absorbed(fm_plan *p, fm_value qa, fm_value q, fm_value latent,
                         const fm_mla_shape *shape) {
    fm_value u = fm_plan_value(
        p, FM_ROWS_TOKENS, (size_t)(shape->n_heads * shape->kv_lora_rank) * sizeof(float), 0);
    fm_plan_node(p, &fm_op_mla_absorbed, FM_VALUES(qa, q, latent), FM_VALUES(u), shape,
                 sizeof *shape);
    return u;
}

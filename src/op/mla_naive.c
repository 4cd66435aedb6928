/* mla_naive: multi-head latent attention with keys and values made from the latents.
 *   k_h(j) = (W_UK,h c(j), k_r(j)),  v_h(j) = W_UV,h c(j),
 *   o_h = sum_j softmax_j(scale q_h . k_h(j)) v_h(j),  j <= position        DeepSeek-V2, section 2.1
 * q [T, H*(dn+dr)] with its last dr columns per head rotated, latent [T, r+dr], o [T, H*dv].
 * Cheaper than the absorbed form for long prompts: d_k + d_v products per pair instead of 2r + dr,
 * once a block of keys has been made for all the rows that read it.
 * Over a cache of floats all is float32. Over the others, which round the latents already, queries, keys,
 * values and weights of the softmax are BF16, whose products take half the time, and what is made may be
 * kept while a prompt is read (step.h, fm_unfolded).
 * Alone it computes every row. Over the absorbed form's o, whose latents are in the cache already, it
 * computes the rows that a segment has as fast and leaves the others as they are.
 * It has no gradient: what learns takes the absorbed form. */
#include "op/mla_naive.h"

typedef struct latent_rows {
    const fm_run *run;
    const fm_mla_shape *shape;
    const float *latent;
} latent_rows;

static void write_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const latent_rows *j = context;
    int64_t n = j->shape->kv_lora_rank + j->shape->rope_dim;
    for (int64_t t = begin; t < end; t++) {
        const fm_segment *s = fm_step_segment(j->run->step, t);
        fm_cache_write(j->run->kernels, j->run->step->kv, s->pages, j->shape->layer,
                       s->position + t - s->row, 0, j->latent + t * n, n);
    }
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const fm_mla_naive_params *p = fm_params(node);
    latent_rows rows = {run, &p->shape, fm_input(run, node, 1)};
    if (!p->over) fm_pool_for(run->pool, run->step->n_rows, 16, write_rows, &rows);
    fm_mla_naive_job j = {run, p, fm_input(run, node, 0), fm_output(run, node, 0)};
    (run->step->kv->type == FM_KV_F32 ? fm_mla_naive_floats : fm_mla_naive_words)(&j);
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    size_t floats = fm_mla_naive_floats_scratch(plan, fm_params(node));
    size_t words = fm_mla_naive_words_scratch(plan, fm_params(node));
    return floats > words ? floats : words;
}

const fm_op fm_op_mla_naive = {.name = "mla_naive", .forward = forward, .scratch = scratch};

fm_value fm_mla_naive(fm_plan *p, fm_value q, fm_value latent, const fm_weight *uk,
                      const fm_weight *uv, const fm_mla_shape *shape) {
    fm_value y = fm_plan_value(
        p, FM_ROWS_TOKENS, (size_t)(shape->n_heads * shape->v_dim) * sizeof(float), 0);
    fm_plan_node(p, &fm_op_mla_naive, FM_VALUES(q, latent), FM_VALUES(y),
                 &(fm_mla_naive_params){*shape, uk, uv, false}, sizeof(fm_mla_naive_params));
    return y;
}

fm_value fm_mla_naive_over(fm_plan *p, fm_value o, fm_value q, fm_value latent, const fm_weight *uk,
                           const fm_weight *uv, const fm_mla_shape *shape) {
    fm_value y = fm_plan_alias(p, o);
    fm_plan_node(p, &fm_op_mla_naive, FM_VALUES(q, latent, o), FM_VALUES(y),
                 &(fm_mla_naive_params){*shape, uk, uv, true}, sizeof(fm_mla_naive_params));
    return y;
}

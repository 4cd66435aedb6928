/* mla_absorbed: multi-head latent attention on the latents themselves.   DeepSeek-V2, section 2.1
 *   s_h(j) = scale (qa_h . c(j) + q_r,h . k_r(j)),  u_h = sum_j softmax_j(s_h) c(j),  j <= position
 * qa [T, H*r] = W_UK^T q_nope, q [T, H*(dn+dr)] with its last dr columns per head rotated,
 * latent [T, r+dr] = (c normalised, k_r rotated): the cached row. u [T, H*r]; W_UV u is the output.
 * All heads read the same row: attention with one key and value head. Rows that a segment has as fast are
 * left out, their u stays as it is: mla_naive computes them.
 * Gradients: attention_backward.h. A latent is a key and a value, and gets both gradients; of q only the
 * rotated columns are read here and get theirs. */
#include "op/attention_backward.h"
#include "op/op.h"
#include "op/op_private.h"
#include "op/op_sample.h"

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

static fm_attention_step shape_of(const params *p) {
    return (fm_attention_step){.layer = p->layer, .groups = 1, .heads = p->n_heads,
                               .d_k = p->kv_lora_rank + p->rope_dim, .d_v = p->kv_lora_rank,
                               .scale = p->scale};
}

static fm_attention_step step_of(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    int64_t r = p->kv_lora_rank, dr = p->rope_dim, dq = p->nope_dim + dr;
    fm_attention_step s = shape_of(p);
    s.parts[0] = (fm_query_part){fm_input(run, node, 0), p->n_heads * r, r, r};
    s.parts[1] = (fm_query_part){fm_input(run, node, 1) + p->nope_dim, p->n_heads * dq, dq, dr};
    fm_attention_find(run, node, &s);
    s.leaves_fast = !s.sums; /* who learns has no other form */
    return s;
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    job j = {run, fm_params(node), fm_input(run, node, 2)};
    fm_pool_for(run->pool, run->step->n_rows, 16, write_rows, &j);
    fm_attention_step s = step_of(run, node);
    fm_attention_run(run, &s);
    return FM_OK;
}

static fm_status backward_input(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    int64_t width = p->kv_lora_rank + p->rope_dim;
    float *d_q = fm_input_grad(run, node, 1), *d_latent = fm_input_grad(run, node, 2);
    fm_attention_step s = step_of(run, node);
    fm_attention_gradients g = {.d_out = fm_output_grad(run, node, 0),
                                .d_parts = {fm_input_grad(run, node, 0), d_q ? d_q + p->nope_dim : NULL},
                                .d_keys = d_latent, .ld_keys = width,
                                .d_values = d_latent, .ld_values = width};
    fm_attention_run_backward(run, &s, &g);
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    fm_attention_step s = shape_of(fm_params(node));
    return fm_attention_scratch(plan, &s);
}

static fm_value sample(fm_plan *p, const fm_sampler *s, int variant) {
    void *c = s->context;
    if (variant > 0) return -1;
    s->cache(c, 7 + 4, 1);
    fm_mla_shape shape = {0, 3, 7, 5, 4, 6, 0.3, false};
    return fm_mla_absorbed(p, s->input(c, p, 3 * 7), s->input(c, p, 3 * 9), s->input(c, p, 7 + 4), &shape);
}

const fm_op fm_op_mla_absorbed = {
    .name = "mla_absorbed", .sample = sample, .forward = forward, .backward_input = backward_input, .scratch = scratch,
    .backward_reads = FM_READS_INPUT(0) | FM_READS_INPUT(1) | FM_READS_OUTPUT(FM_ATTENTION_OUT) |
                      FM_READS_OUTPUT(FM_ATTENTION_SUMS)};

fm_value fm_mla_absorbed(fm_plan *p, fm_value qa, fm_value q, fm_value latent,
                         const fm_mla_shape *shape) {
    fm_attention_step s = shape_of(shape);
    fm_value made[FM_ATTENTION_VALUES + 1];
    fm_attention_values(p, &s, made);
    fm_plan_node(p, &fm_op_mla_absorbed, FM_VALUES(qa, q, latent), made, shape, sizeof *shape);
    return made[FM_ATTENTION_OUT];
}

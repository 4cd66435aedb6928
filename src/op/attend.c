/* attend: grouped-query attention over the cache.                          Ainslie et al. 2023
 *   o_h = sum_j softmax_j(scale q_h . k_g(j)) v_g(j),  g = h / (H / Hkv),  j <= position
 * q [T, H*d], k [T, Hkv*d], v [T, Hkv*dv], o [T, H*dv]; a cached row is (k of all groups, v of all groups).
 * Keys and values of the step are written first and then read from the cache like all others, as
 * rounded to its type, so that a row does not know whether its neighbours were cached before.
 * Gradients: attention_backward.h, from q, o, each query's m and l, and the cache. */
#include "op/attention_backward.h"
#include "op/op.h"
#include "op/op_private.h"
#include "op/op_sample.h"

typedef fm_attend_shape params;

typedef struct job {
    const fm_run *run;
    const params *p;
    const float *k, *v;
} job;

static void write_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    const params *p = j->p;
    int64_t n = p->n_kv_heads * p->head_dim, n_v = p->n_kv_heads * p->value_dim;
    for (int64_t t = begin; t < end; t++) {
        const fm_segment *s = fm_step_segment(j->run->step, t);
        int64_t position = s->position + t - s->row;
        const fm_kv_shape *kv = j->run->step->kv;
        fm_cache_write(j->run->kernels, kv, s->pages, p->layer, position, 0, j->k + t * n, n);
        fm_cache_write(j->run->kernels, kv, s->pages, p->layer, position, n, j->v + t * n_v, n_v);
    }
}

static fm_attention_step shape_of(const params *p) {
    int64_t d = p->head_dim, d_v = p->value_dim;
    return (fm_attention_step){.layer = p->layer, .groups = p->n_kv_heads,
                               .heads = p->n_heads / p->n_kv_heads, .d_k = d, .d_v = d_v, .key_step = d,
                               .value_offset = p->n_kv_heads * d, .value_step = d_v, .scale = p->scale};
}

static fm_attention_step step_of(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    fm_attention_step s = shape_of(p);
    s.parts[0] = (fm_query_part){fm_input(run, node, 0), p->n_heads * p->head_dim, p->head_dim, p->head_dim};
    fm_attention_find(run, node, &s);
    return s;
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    job j = {run, fm_params(node), fm_input(run, node, 1), fm_input(run, node, 2)};
    fm_pool_for(run->pool, run->step->n_rows, 16, write_rows, &j);
    fm_attention_step s = step_of(run, node);
    fm_attention_run(run, &s);
    return FM_OK;
}

static fm_status backward_input(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    fm_attention_step s = step_of(run, node);
    fm_attention_gradients g = {.d_out = fm_output_grad(run, node, 0), .d_parts = {fm_input_grad(run, node, 0)},
                                .d_keys = fm_input_grad(run, node, 1), .ld_keys = p->n_kv_heads * p->head_dim,
                                .d_values = fm_input_grad(run, node, 2), .ld_values = p->n_kv_heads * p->value_dim};
    fm_attention_run_backward(run, &s, &g);
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    fm_attention_step s = shape_of(fm_params(node));
    return fm_attention_scratch(plan, &s);
}

static fm_value sample(fm_plan *p, const fm_sampler *s, int variant) {
    void *c = s->context;
    if (variant > 1) return -1;
    int64_t d_v = variant == 0 ? 5 : 3;
    s->cache(c, 2 * (5 + d_v), 1);
    fm_attend_shape shape = {0, 6, 2, 5, d_v, 0.4};
    return fm_attend(p, s->input(c, p, 6 * 5), s->input(c, p, 2 * 5), s->input(c, p, 2 * d_v), &shape);
}

const fm_op fm_op_attend = {
    .name = "attend", .sample = sample, .forward = forward, .backward_input = backward_input, .scratch = scratch,
    .backward_reads =
        FM_READS_INPUT(0) | FM_READS_OUTPUT(FM_ATTENTION_OUT) | FM_READS_OUTPUT(FM_ATTENTION_SUMS)};

fm_value fm_attend(fm_plan *p, fm_value q, fm_value k, fm_value v, const fm_attend_shape *shape) {
    fm_attention_step s = shape_of(shape);
    fm_value made[FM_ATTENTION_VALUES + 1];
    fm_attention_values(p, &s, made);
    fm_plan_node(p, &fm_op_attend, FM_VALUES(q, k, v), made, shape, sizeof *shape);
    return made[FM_ATTENTION_OUT];
}

/* combine: y[t] = shared[t] + sum over the chosen experts e of t, ascending by id, of
 *          weight[t, e] * y_e[slot of (t, e)]           DeepSeek-V3, equation 12
 * backward_input: dy_e[slot] += weight dy[t]; dweight[t, e] = dy[t] . y_e[slot]; dshared += dy. */
#include "op/op.h"
#include "op/op_private.h"
#include "op/op_sample.h"

#include <string.h>

typedef struct params {
    fm_gate gate;
    bool has_shared;
} params;

typedef struct job {
    const fm_run *run;
    const params *p;
    fm_routing r;
    const float *rows, *shared;
    float *y;
    int64_t d;
} job;

static void prefetch_token(const fm_routing *r, int64_t t, int64_t n_rows, int64_t per_token, const float *rows,
                           int64_t d) {
    for (int64_t i = t * per_token; i < (t + 1) * per_token && t < n_rows; i++)
        fm_prefetch_row(rows + r->slots[i] * d, d);
}

static void combine_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    int64_t per_token = j->p->gate.per_token, d = j->d;
    for (int64_t t = begin; t < end; t++) {
        float *y = j->y + t * d;
        prefetch_token(&j->r, t + FM_TOKENS_AHEAD, j->run->step->n_rows, per_token, j->rows, d);
        if (!j->shared)
            memset(y, 0, (size_t)d * sizeof(float));
        else if (j->shared != j->y)
            memcpy(y, j->shared + t * d, (size_t)d * sizeof(float));
        for (int64_t i = 0; i < per_token; i++)
            j->run->kernels->axpy(j->r.weights[t * per_token + i],
                                  j->rows + j->r.slots[t * per_token + i] * d, d, y);
    }
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    job j = {.run = run, .p = p,
             .r = fm_routing_view(&p->gate, fm_plan_data(run->plan, node->inputs[1]),
                                  fm_plan_options_of(run->plan)->rows),
             .rows = fm_input(run, node, 0), .y = fm_output(run, node, 0),
             .shared = p->has_shared ? fm_input(run, node, 2) : NULL,
             .d = fm_columns(run, node->inputs[0])};
    fm_pool_for(run->pool, run->step->n_rows, 4, combine_rows, &j);
    return FM_OK;
}

/* ---- gradients ------------------------------------------------------------------------------------ */

typedef struct gradient_job {
    const fm_kernels *k;
    const params *p;
    fm_routing r;
    const float *rows, *dy;
    float *drows, *dweights, *dshared; /* NULL where nothing flows; dshared handed on: dy itself */
    bool sets;                         /* drows, which every slot gets once */
    int64_t n_rows, d;
} gradient_job;

static void combine_gradients(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const gradient_job *j = context;
    int64_t d = j->d, per_token = j->p->gate.per_token;
    for (int64_t t = begin; t < end; t++) {
        const float *dy = j->dy + t * d;
        if (j->dweights) prefetch_token(&j->r, t + FM_TOKENS_AHEAD, j->n_rows, per_token, j->rows, d);
        for (int64_t i = t * per_token; i < (t + 1) * per_token; i++) {
            int64_t slot = j->r.slots[i] * d;
            if (j->dweights) j->dweights[i] += j->k->dot(dy, j->rows + slot, d);
            if (!j->drows) continue;
            if (j->sets) memset(j->drows + slot, 0, (size_t)d * sizeof(float));
            j->k->axpy(j->r.weights[i], dy, d, j->drows + slot);
        }
        if (j->dshared && j->dshared != j->dy) j->k->add(dy, d, j->dshared + t * d);
    }
}

static fm_status backward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    gradient_job j = {.k = run->kernels, .p = p, .rows = fm_input(run, node, 0),
                      .r = fm_routing_view(&p->gate, fm_plan_data(run->plan, node->inputs[1]),
                                           fm_plan_options_of(run->plan)->rows),
                      .dy = fm_output_grad(run, node, 0), .drows = fm_input_grad(run, node, 0),
                      .dweights = fm_input_grad(run, node, 1), .dshared = fm_input_grad(run, node, 2),
                      .sets = fm_plan_grad_is_new(run->plan, node, 0),
                      .n_rows = run->step->n_rows, .d = fm_columns(run, node->inputs[0])};
    fm_pool_for(run->pool, run->step->n_rows, 4, combine_gradients, &j);
    return FM_OK;
}

fm_value fm_combine(fm_plan *p, fm_value expert_rows, fm_value routing, fm_value shared,
                    const fm_gate *gate) {
    size_t bytes = (size_t)fm_plan_columns(p, expert_rows) * sizeof(float);
    fm_value y = shared >= 0 ? fm_plan_alias(p, shared)
                             : fm_plan_value(p, FM_ROWS_TOKENS, bytes, 0);
    fm_plan_node(p, &fm_op_combine, FM_VALUES(expert_rows, routing, shared), FM_VALUES(y),
                 &(params){*gate, shared >= 0}, sizeof(params));
    return y;
}

static fm_value sample(fm_plan *p, const fm_sampler *s, int variant) {
    if (variant > 1) return -1;
    fm_gate gate = {.n_experts = FM_SAMPLE_EXPERTS, .per_token = 2, .n_groups = 1, .kept_groups = 1,
                    .scoring = FM_GATE_SOFTMAX, .scale = 3};
    fm_value routing = fm_route(p, s->spread(s->context, p, FM_SAMPLE_EXPERTS), NULL, &gate);
    const fm_expert_provider *experts = s->experts(s->context, FM_SAMPLE_EXPERTS, 6, 4);
    fm_value x = s->input(s->context, p, 6), rows = fm_experts(p, x, routing, experts, &gate);
    /* x is read by others too, or only here */
    return fm_combine(p, rows, routing, variant == 0 ? x : s->input(s->context, p, 6), &gate);
}

const fm_op fm_op_combine = {
    .name = "combine", .forward = forward, .backward_input = backward,
    .backward_reads = FM_READS_INPUT(0) | FM_READS_INPUT(1), .backward_sets = FM_READS_INPUT(0),
    .hands_on = 3, .sample = sample};

/* route: the gate's logits become a routing value (gate.h).
 * logits [T, E] -> ids, weights [T, K], slots, tokens, offsets.
 * backward_input: the choice is a constant; the weights carry gradients to the logits through the
 * scores (and, when normalised, through their sum). The bias gets none: it is moved by load. The losses
 * of balance (balance.h) add theirs; their sum over the segments is kept for whoever asks. */
#include "op/balance.h"
#include "op/op.h"
#include "op/op_private.h"
#include "op/op_sample.h"

#include <string.h>

typedef struct params {
    const fm_weight *bias;
    fm_gate gate;
} params;

typedef struct job {
    const fm_run *run;
    const params *p;
    const float *logits;
    fm_routing out;
} job;

static void choose_rows(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    const fm_gate *g = &j->p->gate;
    float *work = fm_plan_scratch(j->run->plan, worker);
    for (int64_t t = begin; t < end; t++)
        fm_gate_choose(j->run->kernels, g, j->logits + t * g->n_experts,
                       j->p->bias ? j->p->bias->master : NULL, j->out.ids + t * g->per_token,
                       j->out.weights + t * g->per_token, work);
}

/* Counting sort of the pairs by expert; tokens stay in order within one. */
static void assign_slots(const fm_routing *r, const fm_gate *gate, int64_t n_tokens) {
    int64_t n = n_tokens * gate->per_token;
    for (int64_t e = 0; e <= gate->n_experts; e++) r->offsets[e] = 0;
    for (int64_t i = 0; i < n; i++) r->offsets[r->ids[i] + 1]++;
    for (int64_t e = 0; e < gate->n_experts; e++) r->offsets[e + 1] += r->offsets[e];
    for (int64_t i = 0; i < n; i++) {
        int32_t slot = r->offsets[r->ids[i]]++; /* offsets[e] becomes the end of e ... */
        r->slots[i] = slot;
        r->tokens[slot] = (int32_t)(i / gate->per_token);
    }
    for (int64_t e = gate->n_experts; e > 0; e--) r->offsets[e] = r->offsets[e - 1];
    r->offsets[0] = 0; /* ... and is moved back to its beginning */
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    job j = {run, p, fm_input(run, node, 0),
             fm_routing_view(&p->gate, fm_plan_data(run->plan, node->outputs[0]),
                             fm_plan_options_of(run->plan)->rows)};
    fm_pool_for(run->pool, run->step->n_rows, 8, choose_rows, &j);
    assign_slots(&j.out, &p->gate, run->step->n_rows);
    if (node->n_outputs > 1) *(double *)fm_plan_data(run->plan, node->outputs[1]) = 0;
    return FM_OK;
}

/* ---- gradients ------------------------------------------------------------------------------------ */

typedef struct gradient_job {
    const fm_run *run;
    const params *p;
    const float *logits, *dweights; /* dweights: [T, K], NULL where nobody learnt from them */
    const int32_t *ids;
    float *dlogits;
    double *losses;                 /* of each segment */
} gradient_job;

/* ds [E]: what the weights of the chosen and, with its c, the loss of balance say of a row's scores. */
static void to_scores(const gradient_job *j, int64_t t, const float *s, const float *c, int64_t rows,
                      float *ds) {
    const fm_gate *g = &j->p->gate;
    const int32_t *ids = j->ids + t * g->per_token;
    double sum = 1e-20, inner = 0, all = 0, balance = 0;
    memset(ds, 0, (size_t)g->n_experts * sizeof *ds);
    for (int64_t i = 0; j->dweights && i < g->per_token; i++) {
        sum += (double)s[ids[i]];
        inner += (double)j->dweights[t * g->per_token + i] * (double)s[ids[i]];
    }
    for (int64_t i = 0; j->dweights && i < g->per_token; i++) {
        double d = (double)j->dweights[t * g->per_token + i];
        if (g->normalize) d = (d - inner / sum) / sum;
        ds[ids[i]] = (float)(g->scale * d);
    }
    for (int64_t e = 0; c && e < g->n_experts; e++) {
        all += (double)s[e];
        balance += (double)c[e] * (double)s[e];
    }
    for (int64_t e = 0; c && e < g->n_experts; e++)
        ds[e] += (float)(((double)c[e] - balance / all) / (all * (double)rows));
}

static void row_back(const gradient_job *j, int64_t t, const float *c, int64_t rows, float *work) {
    const fm_gate *g = &j->p->gate;
    int64_t n = g->n_experts;
    float *s = work, *ds = work + n, *dlogits = j->dlogits + t * n;
    fm_gate_scores(j->run->kernels, g, j->logits + t * n, s);
    to_scores(j, t, s, c, rows, ds);
    double mean = 0;
    for (int64_t e = 0; g->scoring == FM_GATE_SOFTMAX && e < n; e++) mean += (double)s[e] * (double)ds[e];
    for (int64_t e = 0; e < n; e++)
        dlogits[e] += g->scoring == FM_GATE_SOFTMAX ? s[e] * (ds[e] - (float)mean)
                                                    : ds[e] * s[e] * (1.0f - s[e]);
}

static void rows_back(void *context, int64_t begin, int64_t end, int worker) {
    const gradient_job *j = context;
    for (int64_t t = begin; t < end; t++) row_back(j, t, NULL, 0, fm_plan_scratch(j->run->plan, worker));
}

static void segments_back(void *context, int64_t begin, int64_t end, int worker) {
    const gradient_job *j = context;
    const fm_gate *g = &j->p->gate;
    double *doubles = fm_plan_scratch(j->run->plan, worker);
    float *work = (float *)(void *)(doubles + fm_balance_work(g)), *c = work + 2 * g->n_experts;
    for (int64_t i = begin; i < end; i++) {
        const fm_segment *segment = &j->run->step->segments[i];
        j->losses[i] = fm_balance_segment(j->run->kernels, g, j->run->step->lesson,
                                          j->logits + segment->row * g->n_experts,
                                          j->ids + segment->row * g->per_token, segment->count, c, work,
                                          doubles);
        for (int64_t t = segment->row; t < segment->row + segment->count; t++)
            row_back(j, t, c, segment->count, work);
    }
}

static fm_status backward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    double *losses = fm_plan_data(run->plan, node->outputs[1]);
    fm_routing r = fm_routing_view(&p->gate, fm_plan_data(run->plan, node->outputs[0]),
                                   fm_plan_options_of(run->plan)->rows);
    gradient_job j = {run, p, fm_input(run, node, 0), fm_output_grad(run, node, 0), r.ids,
                      fm_input_grad(run, node, 0), losses + 1};
    if (!j.dlogits) return FM_OK;
    if (!fm_lesson_balances(run->step->lesson)) {
        fm_pool_for(run->pool, run->step->n_rows, 8, rows_back, &j);
        return FM_OK;
    }
    fm_pool_for(run->pool, run->step->n_segments, 1, segments_back, &j);
    for (int i = 0; i < run->step->n_segments; i++) losses[0] += j.losses[i];
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    const fm_gate *g = &((const params *)fm_params(node))->gate;
    size_t floats = (size_t)(2 * g->n_experts + g->n_groups);
    if (fm_plan_options_of(plan)->learns)
        floats += (size_t)(3 * g->n_experts + 2 * fm_balance_work(g));
    return floats * sizeof(float);
}

fm_value fm_route_learning(fm_plan *p, fm_value logits, const fm_weight *bias, const fm_gate *gate,
                           fm_value *losses) {
    fm_value y = fm_plan_value(p, FM_ROWS_TOKENS, fm_routing_row_bytes(gate),
                               fm_routing_fixed_bytes(gate));
    fm_plan_gradient_columns(p, y, gate->per_token);
    *losses = fm_plan_options_of(p)->learns
                  ? fm_plan_value(p, FM_ROWS_TOKENS, sizeof(double), sizeof(double)) : -1;
    fm_plan_node(p, &fm_op_route, FM_VALUES(logits), FM_VALUES(y, *losses), &(params){bias, *gate},
                 sizeof(params));
    return y;
}

fm_value fm_route(fm_plan *p, fm_value logits, const fm_weight *bias, const fm_gate *gate) {
    fm_value losses;
    return fm_route_learning(p, logits, bias, gate, &losses);
}

/* Weights that are or are not normalised, of sigmoids or a softmax; read by combine. */
static fm_value sample(fm_plan *p, const fm_sampler *s, int variant) {
    if (variant > 3) return -1;
    fm_gate gate = {.n_experts = FM_SAMPLE_EXPERTS, .per_token = 3, .n_groups = 1, .kept_groups = 1,
                    .scoring = variant & 1 ? FM_GATE_SIGMOID : FM_GATE_SOFTMAX,
                    .normalize = variant & 2, .scale = 2.5};
    fm_value losses, routing = fm_route_learning(p, s->spread(s->context, p, FM_SAMPLE_EXPERTS), NULL, &gate,
                                                 &losses);
    fm_plan_keep(p, losses, "balance");
    fm_value x = s->input(s->context, p, 9);
    const fm_expert_provider *experts = s->experts(s->context, FM_SAMPLE_EXPERTS, 9, 5);
    return fm_combine(p, fm_experts(p, x, routing, experts, &gate), routing, -1, &gate);
}

const fm_op fm_op_route = {
    .name = "route", .forward = forward, .backward_input = backward,
    .backward_reads = FM_READS_INPUT(0) | FM_READS_OUTPUT(0) | FM_READS_OUTPUT(1), .scratch = scratch,
    .sample = sample};

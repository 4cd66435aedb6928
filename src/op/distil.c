/* distil: what differing from a teacher costs, with what predicting costs (xent.c):
 *
 *   loss = (1 - a) nll + a T^2 KL,   KL = sum over k of p_k log(p_k / q_k) + p_r log(p_r / q_r)
 *
 * p_k: the teacher's shares of the tokens k that it tells apart, p_r of the rest; q = softmax(x W^T / T) of the
 * student, q_r that of all other tokens together. T^2 keeps the gradients' size (Hinton et al. 2015).
 * With u = x W^T / T:  dKL/du_k = q_k - p_k,  dKL/du_j = (q_j / q_r) (q_r - p_r) for the others.
 * q_r is summed by itself, from its own largest logit, and not as 1 - q_k: it may be small. */
#include "op/head_rows.h"
#include "op/op.h"
#include "op/op_sample.h"
#include "op/products.h"

#include <math.h>
#include <string.h>

typedef struct params {
    const fm_weight *w;
} params;

typedef struct job {
    const fm_teaching *teaching;
    const int32_t *targets;
    float *loss, *facts; /* [T], [T, 2] */
} job;

/* A row's divergence; u [V], the logits over T, becomes its gradient times `factor`. */
static double diverge(const fm_head_rows *h, int64_t t, float *u, double factor) {
    const fm_teaching *k = ((const job *)h->context)->teaching;
    const fm_kernels *kernels = h->run->kernels;
    const int32_t *ids = k->ids + t * k->top;
    const float *p = k->shares + t * (k->top + 1);
    float *own = u + h->w->n_out; /* [top]: logits of the tokens that are told apart */
    int64_t v = h->w->n_out;
    for (int64_t i = 0; i < k->top; i++) own[i] = u[ids[i]];
    for (int64_t i = 0; i < k->top; i++) u[ids[i]] = -INFINITY;
    float most = kernels->max(u, v), sum = kernels->exp_sum(u, v, most);
    double rest = (double)most + log((double)sum), high = rest, all = 0;
    for (int64_t i = 0; i < k->top; i++) high = fmax(high, (double)own[i]);
    for (int64_t i = 0; i < k->top; i++) all += exp((double)own[i] - high);
    all = high + log(all + exp(rest - high));
    double kl = 0, of_rest = (double)p[k->top];
    if (of_rest > 0) kl += of_rest * (log(of_rest) - (rest - all));
    kernels->scale((float)(factor * (exp(rest - all) - of_rest) / (double)sum), v, u);
    for (int64_t i = 0; i < k->top; i++) {
        double share = (double)p[i], q = (double)own[i] - all;
        if (share > 0) kl += share * (log(share) - q);
        u[ids[i]] = (float)(factor * (exp(q) - share));
    }
    return kl;
}

/* Logits become their gradients. */
static void teach(const fm_head_rows *h, int64_t t, float *row, float *scratch) {
    const job *j = h->context;
    const fm_kernels *k = h->run->kernels;
    int64_t v = h->w->n_out;
    int32_t target = j->targets[t];
    double weight = (double)h->weights[t], of_kl = j->teaching->weight, temperature = j->teaching->temperature;
    memcpy(scratch, row, (size_t)v * sizeof(float));
    k->scale((float)(1 / temperature), v, scratch);
    double kl = diverge(h, t, scratch, weight * of_kl * temperature);
    float most = k->max(row, v), at_target = row[target], sum = k->exp_sum(row, v, most);
    double nll = log((double)sum) + ((double)most - (double)at_target);
    j->facts[2 * t] = (float)nll;
    j->facts[2 * t + 1] = (float)kl;
    j->loss[t] = (float)((1 - of_kl) * nll + of_kl * temperature * temperature * kl);
    if (!h->dx) return;
    k->scale((float)(weight * (1 - of_kl) / (double)sum), v, row);
    row[target] -= (float)(weight * (1 - of_kl));
    k->add(scratch, v, row);
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    const fm_lesson *lesson = run->step->lesson;
    int64_t rows = run->step->n_rows;
    job j = {lesson->teaching, lesson->ahead[0], fm_output(run, node, 0), fm_output(run, node, 5)};
    fm_head_rows h = {.run = run, .w = p->w, .x = fm_input(run, node, 0), .weights = lesson->weights[0],
                      .list = fm_plan_data(run->plan, node->outputs[2]), .gathered = fm_output(run, node, 3),
                      .logits = fm_output(run, node, 4), .dx = run->learns ? fm_output(run, node, 1) : NULL,
                      .row = teach, .context = &j};
    memset(j.loss, 0, (size_t)rows * sizeof(float));
    memset(j.facts, 0, (size_t)rows * 2 * sizeof(float));
    fm_head_rows_run(&h);
    return FM_OK;
}

static bool learns(const fm_node *node) { return ((const params *)fm_params(node))->w->grad != NULL; }

/* Products, or a row of logits and those that are told apart. */
static size_t scratch(const fm_plan *plan, const fm_node *node) {
    (void)plan;
    size_t row = 2 * (size_t)((const params *)fm_params(node))->w->n_out * sizeof(float);
    return row > fm_products_scratch() ? row : fm_products_scratch();
}

static double reads(const fm_run *run, const fm_node *node) {
    (void)run;
    return fm_product_bytes(&((const params *)fm_params(node))->w->panels);
}

fm_value fm_distil(fm_plan *p, fm_value x, const fm_weight *w, fm_value *facts) {
    params all = {w};
    fm_value loss = fm_plan_value(p, FM_ROWS_TOKENS, sizeof(float), 0), own[3];
    fm_value dx = fm_plan_value(p, FM_ROWS_TOKENS, (size_t)w->n_in * sizeof(float), 0);
    fm_head_rows_values(p, w, own);
    *facts = fm_plan_value(p, FM_ROWS_TOKENS, 2 * sizeof(float), 0);
    fm_plan_node(p, &fm_op_distil, FM_VALUES(x), FM_VALUES(loss, dx, own[0], own[1], own[2], *facts), &all,
                 sizeof all);
    return loss;
}

/* Two vocabularies; whoever checks brings the teaching. */
static fm_value sample(fm_plan *p, const fm_sampler *s, int variant) {
    fm_value facts;
    if (variant > 1) return -1;
    fm_value x = s->input(s->context, p, 11);
    return fm_distil(p, x, s->weights(s->context, 1, variant == 0 ? 18 : FM_SAMPLE_ROWS, 11), &facts);
}

const fm_op fm_op_distil = {
    .name = "distil", .forward = forward, .backward_input = fm_head_rows_backward, .learns = learns,
    .backward_reads = FM_READS_OUTPUT(1), .is_loss = true, .scratch = scratch, .reads = reads,
    .sample = sample};

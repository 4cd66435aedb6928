/* xent: what predicting costs: nll[t] = -log softmax(x[t] W^T)[target of t], the target being the token
 * `depth` + 1 places ahead (step->lesson); rows of weight 0 are left out and cost 0.
 * x [T, D], W [V, D], nll [T].  dlogits = weight (softmax - one at the target), dx = dlogits W,
 * dW += dlogits^T x.
 *
 * Logits never exist for all rows (head_rows.h). Gradients of x wait in a value until the way back. */
#include "op/head_rows.h"
#include "op/op.h"
#include "op/op_sample.h"
#include "op/products.h"

#include <math.h>
#include <string.h>

typedef struct params {
    const fm_weight *w;
    int depth;
} params;

typedef struct job {
    const int32_t *targets;
    float *nll;
} job;

/* Logits become their gradients. */
static void softmax(const fm_head_rows *h, int64_t t, float *row, float *scratch) {
    (void)scratch;
    const job *j = h->context;
    const fm_kernels *k = h->run->kernels;
    int64_t v = h->w->n_out;
    int32_t target = j->targets[t];
    float weight = h->weights[t], most = k->max(row, v), at_target = row[target];
    float sum = k->exp_sum(row, v, most);
    j->nll[t] = (float)(log((double)sum) + ((double)most - (double)at_target));
    if (!h->dx) return;
    k->scale(weight / sum, v, row);
    row[target] -= weight;
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    const fm_lesson *lesson = run->step->lesson;
    job j = {lesson->ahead[p->depth], fm_output(run, node, 0)};
    fm_head_rows h = {.run = run, .w = p->w, .x = fm_input(run, node, 0), .weights = lesson->weights[p->depth],
                      .list = fm_plan_data(run->plan, node->outputs[2]), .gathered = fm_output(run, node, 3),
                      .logits = fm_output(run, node, 4), .dx = run->learns ? fm_output(run, node, 1) : NULL,
                      .row = softmax, .context = &j};
    memset(j.nll, 0, (size_t)run->step->n_rows * sizeof(float));
    fm_head_rows_run(&h);
    return FM_OK;
}

static bool learns(const fm_node *node) { return ((const params *)fm_params(node))->w->grad != NULL; }

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    (void)plan, (void)node;
    return fm_products_scratch();
}

static double reads(const fm_run *run, const fm_node *node) {
    (void)run;
    return fm_product_bytes(&((const params *)fm_params(node))->w->panels);
}

fm_value fm_xent(fm_plan *p, fm_value x, const fm_weight *w, int depth) {
    params all = {w, depth};
    fm_value nll = fm_plan_value(p, FM_ROWS_TOKENS, sizeof(float), 0), own[3];
    fm_value dx = fm_plan_value(p, FM_ROWS_TOKENS, (size_t)w->n_in * sizeof(float), 0);
    fm_head_rows_values(p, w, own);
    fm_plan_node(p, &fm_op_xent, FM_VALUES(x), FM_VALUES(nll, dx, own[0], own[1], own[2]), &all, sizeof all);
    return nll;
}

/* At both depths a head may have: targets are below FM_SAMPLE_ROWS. */
static fm_value sample(fm_plan *p, const fm_sampler *s, int variant) {
    if (variant > 1) return -1;
    fm_value x = s->input(s->context, p, 11);
    return fm_xent(p, x, s->weights(s->context, 1, variant == 0 ? 18 : FM_SAMPLE_ROWS, 11), variant);
}

const fm_op fm_op_xent = {
    .name = "xent", .forward = forward, .backward_input = fm_head_rows_backward, .learns = learns,
    .backward_reads = FM_READS_OUTPUT(1), .is_loss = true, .scratch = scratch, .reads = reads,
    .sample = sample};

/* linear: y = x W^T + b                                  x [T, n_in], W [n_out, n_in], y [T, n_out]
 * backward_input: dx += dy W;  backward_weight: dW += dy^T x, db += sum over rows of dy.
 *
 * Where the plan says so and the weight has codes, x comes with its own codes (op/codes.c).
 * Threads share out groups of panels, i.e. of output columns; the order of every sum is that of
 * panel.h, whoever computes it. */
#include "op/op.h"
#include "op/op_private.h"

typedef struct params {
    const fm_weight *w, *bias;
} params;

typedef struct job {
    const fm_run *run;
    const params *p;
    fm_product_rows x;
    float *y;
} job;

static void groups(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    const fm_weight *w = j->p->w;
    float *scratch = fm_plan_scratch(j->run->plan, worker);
    for (int64_t g = begin; g < end; g++) {
        fm_product_group(j->run->kernels, &w->panels, g, &j->x, j->y, w->n_out, scratch);
        if (!j->p->bias) continue;
        int64_t first = g * FM_PANEL_GRAIN * FM_PANEL, n = FM_PANEL_GRAIN * FM_PANEL;
        if (n > w->n_out - first) n = w->n_out - first;
        for (int64_t t = 0; t < j->x.n; t++)
            j->run->kernels->add(j->p->bias->master + first, n, j->y + t * w->n_out + first);
    }
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    job j = {run, p,
             {fm_input(run, node, 0),
              node->n_inputs > 1 ? fm_plan_data(run->plan, node->inputs[1]) : NULL, p->w->n_in,
              fm_rows(run, node->inputs[0]), fm_codes_times(run->plan)},
             fm_output(run, node, 0)};
    fm_plan_fetch_next(run, node);
    if (j.x.n > 0) fm_pool_for(run->pool, fm_panel_groups(&p->w->panels), 1, groups, &j);
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    (void)plan, (void)node;
    return fm_matmul_scratch_bytes();
}

static double reads(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    return fm_rows(run, node->inputs[0]) ? fm_product_bytes(&p->w->panels) : 0;
}

static const void *begins(const fm_node *node, int worker, int threads) {
    const fm_panels *w = &((const params *)fm_params(node))->w->panels;
    return fm_panel_group_at(w, fm_pool_stretch(fm_panel_groups(w), worker, threads));
}

const fm_op fm_op_linear = {
    .name = "linear", .forward = forward, .scratch = scratch, .reads = reads, .begins = begins};

fm_value fm_linear(fm_plan *p, fm_value x, const fm_weight *w, const fm_weight *bias) {
    fm_value codes = fm_reads_codes(p, w) ? fm_codes_value(p, x) : -1;
    fm_value y = fm_plan_value(p, fm_plan_space(p, x), (size_t)w->n_out * sizeof(float), 0);
    fm_plan_node(p, &fm_op_linear, FM_VALUES(x, codes), FM_VALUES(y), &(params){w, bias}, sizeof(params));
    return y;
}

/* elementwise.c: swiglu and add.
 * swiglu: y = silu(gate) * up, silu(z) = z / (1 + e^-z).                         Shazeer 2020
 *   backward_input: dgate += dy up s (1 + gate (1 - s)), dup += dy silu(gate), s = 1/(1+e^-gate)
 * add: y = scale x + residual, in the residual's place.  backward_input: dx += scale dy, dresidual += dy. */
#include "op/op.h"
#include "op/op_private.h"
#include "op/op_sample.h"

#include <string.h>

typedef struct job {
    const fm_kernels *k;
    const float *a, *b;
    float *y;
    int64_t columns;
    float scale; /* of add */
} job;

static job job_of(const fm_run *run, const fm_node *node, float scale) {
    return (job){run->kernels, fm_input(run, node, 0), fm_input(run, node, 1),
                 fm_output(run, node, 0), fm_columns(run, node->inputs[0]), scale};
}

static void swiglu_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    int64_t at = begin * j->columns;
    j->k->swiglu(j->a + at, j->b + at, (end - begin) * j->columns, j->y + at);
}

static fm_status swiglu_forward(const fm_run *run, const fm_node *node) {
    job j = job_of(run, node, 1);
    fm_pool_for(run->pool, fm_rows(run, node->inputs[0]), 4, swiglu_rows, &j);
    return FM_OK;
}

typedef struct gradient_job {
    const fm_run *run;
    const float *gate, *up, *dy;
    float *dgate, *dup; /* NULL: into scratch */
    int64_t columns;
} gradient_job;

static void swiglu_gradients(void *context, int64_t begin, int64_t end, int worker) {
    const gradient_job *j = context;
    int64_t n = j->columns;
    float *nowhere = fm_plan_scratch(j->run->plan, worker);
    for (int64_t t = begin; t < end; t++) {
        int64_t at = t * n;
        if (!j->dgate || !j->dup) memset(nowhere, 0, (size_t)n * sizeof(float));
        j->run->kernels->swiglu_backward(j->gate + at, j->up + at, j->dy + at, n,
                                         j->dgate ? j->dgate + at : nowhere,
                                         j->dup ? j->dup + at : nowhere);
    }
}

static fm_status swiglu_backward(const fm_run *run, const fm_node *node) {
    gradient_job j = {run, fm_input(run, node, 0), fm_input(run, node, 1), fm_output_grad(run, node, 0),
                      fm_input_grad(run, node, 0), fm_input_grad(run, node, 1),
                      fm_columns(run, node->inputs[0])};
    if (j.dgate || j.dup)
        fm_pool_for(run->pool, fm_rows(run, node->inputs[0]), 4, swiglu_gradients, &j);
    return FM_OK;
}

static size_t swiglu_scratch(const fm_plan *plan, const fm_node *node) {
    return fm_plan_options_of(plan)->learns
               ? (size_t)fm_plan_columns(plan, node->inputs[0]) * sizeof(float) : 0;
}

static fm_value swiglu_sample(fm_plan *p, const fm_sampler *s, int variant) {
    return variant == 0 ? fm_swiglu(p, s->input(s->context, p, 35), s->input(s->context, p, 35)) : -1;
}

const fm_op fm_op_swiglu = {
    .name = "swiglu", .forward = swiglu_forward, .backward_input = swiglu_backward,
    .backward_reads = FM_READS_INPUT(0) | FM_READS_INPUT(1), .scratch = swiglu_scratch,
    .sample = swiglu_sample};

fm_value fm_swiglu(fm_plan *p, fm_value gate, fm_value up) {
    fm_value y = fm_plan_value(p, fm_plan_space(p, gate),
                               (size_t)fm_plan_columns(p, gate) * sizeof(float), 0);
    fm_plan_node(p, &fm_op_swiglu, FM_VALUES(gate, up), FM_VALUES(y), NULL, 0);
    return y;
}

/* y += scale x: without a product where there is nothing to scale. */
static void add_scaled(const fm_kernels *k, float scale, const float *x, int64_t n, float *y) {
    if (scale == 1) k->add(x, n, y);
    else k->axpy(scale, x, n, y);
}

static void add_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    int64_t at = begin * j->columns, n = (end - begin) * j->columns;
    if (j->y != j->b) memcpy(j->y + at, j->b + at, (size_t)n * sizeof(float));
    add_scaled(j->k, j->scale, j->a + at, n, j->y + at);
}

static fm_status add_forward(const fm_run *run, const fm_node *node) {
    job j = job_of(run, node, *(const float *)fm_params(node));
    fm_pool_for(run->pool, fm_rows(run, node->inputs[0]), 16, add_rows, &j);
    return FM_OK;
}

typedef struct add_job {
    const fm_kernels *k;
    const float *dy;
    float *dx[2];
    int64_t columns;
    float scale[2];
} add_job;

static void add_gradients(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const add_job *j = context;
    int64_t at = begin * j->columns, n = (end - begin) * j->columns;
    for (int i = 0; i < 2; i++)
        if (j->dx[i] && j->dx[i] != j->dy) add_scaled(j->k, j->scale[i], j->dy + at, n, j->dx[i] + at);
}

static fm_status add_backward(const fm_run *run, const fm_node *node) {
    add_job j = {run->kernels, fm_output_grad(run, node, 0),
                 {fm_input_grad(run, node, 0), fm_input_grad(run, node, 1)},
                 fm_columns(run, node->inputs[0]), {*(const float *)fm_params(node), 1}};
    fm_pool_for(run->pool, fm_rows(run, node->inputs[0]), 16, add_gradients, &j);
    return FM_OK;
}

/* Of two, of one with itself, and twice of the same residual. */
static fm_value add_sample(fm_plan *p, const fm_sampler *s, int variant) {
    if (variant > 2) return -1;
    fm_value x = s->input(s->context, p, 21), y = variant == 1 ? x : s->input(s->context, p, 21);
    fm_value z = fm_add(p, x, y);
    return variant == 2 ? fm_add(p, z, y) : z;
}

const fm_op fm_op_add = {.name = "add", .forward = add_forward, .backward_input = add_backward,
                         .hands_on = 2, .sample = add_sample};

fm_value fm_add_scaled(fm_plan *p, fm_value x, float scale, fm_value residual) {
    fm_value y = fm_plan_alias(p, residual);
    fm_plan_node(p, &fm_op_add, FM_VALUES(x, residual), FM_VALUES(y), &scale, sizeof scale);
    return y;
}

fm_value fm_add(fm_plan *p, fm_value x, fm_value residual) { return fm_add_scaled(p, x, 1, residual); }

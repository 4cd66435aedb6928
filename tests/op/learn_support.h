/* learn_support.h: both ends of a learning plan of one op: inputs whose gradients are handed out, and a loss
 * whose gradient is given. */
#pragma once

#include "op_support.h"

/* An input whose gradient is copied out; NULL: nobody learns it. */
typedef struct source_params {
    const float *values;
    float *gradient;
} source_params;

static inline fm_status source_forward(const fm_run *run, const fm_node *node) {
    const source_params *p = fm_params(node);
    fm_value v = node->outputs[0];
    memcpy(fm_output(run, node, 0), p->values,
           (size_t)(fm_rows(run, v) * fm_columns(run, v)) * sizeof(float));
    return FM_OK;
}
static inline fm_status source_weight(const fm_run *run, const fm_node *node) {
    const source_params *p = fm_params(node);
    fm_value v = node->outputs[0];
    memcpy(p->gradient, fm_output_grad(run, node, 0),
           (size_t)(fm_rows(run, v) * fm_columns(run, v)) * sizeof(float));
    return FM_OK;
}
static inline bool source_learns(const fm_node *node) {
    return ((const source_params *)fm_params(node))->gradient != NULL;
}
static const fm_op source_op = {.name = "source", .forward = source_forward,
                                .backward_weight = source_weight, .learns = source_learns};

/* sum(d_out . x) */
static inline fm_status loss_forward(const fm_run *run, const fm_node *node) {
    (void)run, (void)node;
    return FM_OK;
}
static inline fm_status loss_input(const fm_run *run, const fm_node *node) {
    const input_params *p = fm_params(node);
    int64_t n = fm_rows(run, node->inputs[0]) * fm_columns(run, node->inputs[0]);
    for (int64_t i = 0; i < n; i++) fm_input_grad(run, node, 0)[i] += p->values[i];
    return FM_OK;
}
static const fm_op loss_op = {.name = "loss", .forward = loss_forward, .backward_input = loss_input,
                              .is_loss = true};

/* `gradient` [rows, columns] or NULL; both outlive the plan. */
static inline fm_value source(fm_plan *plan, const float *values, float *gradient, int64_t columns) {
    fm_value v = fm_plan_value(plan, FM_ROWS_TOKENS, (size_t)columns * sizeof(float), 0);
    fm_plan_node(plan, &source_op, FM_VALUES(-1), FM_VALUES(v), &(source_params){values, gradient},
                 sizeof(source_params));
    return v;
}

static inline void loss(fm_plan *plan, fm_value x, const float *d_x) {
    fm_plan_node(plan, &loss_op, FM_VALUES(x), FM_VALUES(-1), &(input_params){d_x}, sizeof(input_params));
}

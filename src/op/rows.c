/* rows.c: ops that only move rows: hidden_input, select_outputs, concat, observe. */
#include "op/op.h"
#include "op/op_private.h"
#include "op/op_sample.h"

#include <string.h>

/* ---- hidden_input: y[t] = step.hidden[t], the main model's state, for an MTP plan --------------- */

static fm_status hidden_forward(const fm_run *run, const fm_node *node) {
    int64_t d = fm_columns(run, node->outputs[0]);
    memcpy(fm_output(run, node, 0), run->step->hidden,
           (size_t)(run->step->n_rows * d) * sizeof(float));
    return FM_OK;
}

const fm_op fm_op_hidden_input = {.name = "hidden_input", .forward = hidden_forward};

fm_value fm_hidden_input(fm_plan *p, int64_t columns) {
    fm_value y = fm_plan_value(p, FM_ROWS_TOKENS, (size_t)columns * sizeof(float), 0);
    fm_plan_node(p, &fm_op_hidden_input, FM_VALUES(-1), FM_VALUES(y), NULL, 0);
    return y;
}

/* ---- select_outputs: y[o] = x[output_rows[o]]; backward: dx[output_rows[o]] += dy[o] ------------- */

static fm_status select_forward(const fm_run *run, const fm_node *node) {
    const float *x = fm_input(run, node, 0);
    float *y = fm_output(run, node, 0);
    int64_t d = fm_columns(run, node->inputs[0]);
    for (int64_t o = 0; o < run->step->n_outputs; o++)
        memcpy(y + o * d, x + run->step->output_rows[o] * d, (size_t)d * sizeof(float));
    return FM_OK;
}

static fm_status select_backward(const fm_run *run, const fm_node *node) {
    const float *dy = fm_output_grad(run, node, 0);
    float *dx = fm_input_grad(run, node, 0);
    int64_t d = fm_columns(run, node->inputs[0]);
    for (int64_t o = 0; dx && o < run->step->n_outputs; o++)
        run->kernels->add(dy + o * d, d, dx + run->step->output_rows[o] * d);
    return FM_OK;
}

static fm_value select_sample(fm_plan *p, const fm_sampler *s, int variant) {
    return variant == 0 ? fm_select_outputs(p, s->input(s->context, p, 18)) : -1;
}

const fm_op fm_op_select_outputs = {.name = "select_outputs", .forward = select_forward,
                                    .backward_input = select_backward, .sample = select_sample};

fm_value fm_select_outputs(fm_plan *p, fm_value x) {
    fm_value y = fm_plan_value(p, FM_ROWS_OUTPUTS, (size_t)fm_plan_columns(p, x) * sizeof(float), 0);
    fm_plan_node(p, &fm_op_select_outputs, FM_VALUES(x), FM_VALUES(y), NULL, 0);
    return y;
}

/* ---- concat: y[t] = [a[t]; b[t]]; backward: da += dy[:, :A], db += dy[:, A:] ---------------------- */

static fm_status concat_forward(const fm_run *run, const fm_node *node) {
    const float *a = fm_input(run, node, 0), *b = fm_input(run, node, 1);
    float *y = fm_output(run, node, 0);
    int64_t na = fm_columns(run, node->inputs[0]), nb = fm_columns(run, node->inputs[1]);
    for (int64_t t = 0; t < fm_rows(run, node->inputs[0]); t++) {
        memcpy(y + t * (na + nb), a + t * na, (size_t)na * sizeof(float));
        memcpy(y + t * (na + nb) + na, b + t * nb, (size_t)nb * sizeof(float));
    }
    return FM_OK;
}

static fm_status concat_backward(const fm_run *run, const fm_node *node) {
    int64_t n[2] = {fm_columns(run, node->inputs[0]), fm_columns(run, node->inputs[1])};
    for (int i = 0; i < 2; i++) {
        const float *dy = fm_output_grad(run, node, 0) + (i ? n[0] : 0);
        float *dx = fm_input_grad(run, node, i);
        for (int64_t t = 0; dx && t < fm_rows(run, node->inputs[0]); t++)
            run->kernels->add(dy + t * (n[0] + n[1]), n[i], dx + t * n[i]);
    }
    return FM_OK;
}

static fm_value concat_sample(fm_plan *p, const fm_sampler *s, int variant) {
    return variant == 0 ? fm_concat(p, s->input(s->context, p, 18), s->input(s->context, p, 5)) : -1;
}

const fm_op fm_op_concat = {.name = "concat", .forward = concat_forward,
                            .backward_input = concat_backward, .sample = concat_sample};

fm_value fm_concat(fm_plan *p, fm_value a, fm_value b) {
    int64_t columns = fm_plan_columns(p, a) + fm_plan_columns(p, b);
    fm_value y = fm_plan_value(p, fm_plan_space(p, a), (size_t)columns * sizeof(float), 0);
    fm_plan_node(p, &fm_op_concat, FM_VALUES(a, b), FM_VALUES(y), NULL, 0);
    return y;
}

/* ---- observe: a copy that stays; nothing flows back through it ------------------------------------ */

static fm_status observe_forward(const fm_run *run, const fm_node *node) {
    int64_t n = fm_rows(run, node->inputs[0]) * fm_columns(run, node->inputs[0]);
    memcpy(fm_output(run, node, 0), fm_input(run, node, 0), (size_t)n * sizeof(float));
    return FM_OK;
}

const fm_op fm_op_observe = {.name = "observe", .forward = observe_forward, .is_constant = true};

fm_value fm_observe(fm_plan *p, fm_value x, const char *name) {
    fm_value y = fm_plan_value(p, fm_plan_space(p, x), (size_t)fm_plan_columns(p, x) * sizeof(float), 0);
    fm_plan_node(p, &fm_op_observe, FM_VALUES(x), FM_VALUES(y), NULL, 0);
    fm_plan_keep(p, y, name);
    return y;
}

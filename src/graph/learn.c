/* learn.c: a plan forwards and then backwards: gradients of the losses of a step.
 *
 * Every node that gradients reach does three things, in this order: what it or its neighbours want
 * again is computed again; the gradients that it is the first to reach are cleared; then its weights'
 * gradients and its inputs' are added to. Weights come first, because an input's gradient may take
 * over the place of the result's. */
#include "graph/plan_private.h"

#include <assert.h>
#include <string.h>

float *fm_plan_grad(const fm_plan *plan, fm_value v) {
    if (v < 0 || !plan->values[v].has_gradient) return NULL;
    return (float *)(void *)(plan->memory + plan->values[v].gradient_offset);
}

bool fm_plan_grad_is_new(const fm_plan *plan, const fm_node *node, int i) {
    const value *v = &plan->values[node->inputs[i]];
    if (!v->has_gradient || v->gradient_from != (int)(node - plan->nodes) ||
        v->gradient_of != node->inputs[i])
        return false;
    for (int j = 0; j < i; j++) /* an input that comes twice */
        if (node->inputs[j] == node->inputs[i]) return false;
    return true;
}

void fm_plan_gradient_columns(fm_plan *plan, fm_value v, int64_t columns) {
    if (!plan->failed && v >= 0) plan->values[v].gradient_columns = columns;
}

void fm_plan_recompute(fm_plan *plan, fm_value v) {
    if (!plan->failed && v >= 0 && plan->options.learns) plan->nodes[plan->values[v].made_by].again = true;
}

typedef struct clearing {
    float *x;
    int64_t columns;
} clearing;

static void clear_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const clearing *c = context;
    memset(c->x + begin * c->columns, 0, (size_t)((end - begin) * c->columns) * sizeof(float));
}

/* Clears the gradients that this node is the first to reach and does not set by itself. */
static void clear_gradients(const fm_run *run, const fm_node *node) {
    const fm_plan *plan = run->plan;
    for (int i = 0; i < node->n_inputs; i++) {
        if (!fm_plan_grad_is_new(plan, node, i) || node->op->backward_sets & FM_READS_INPUT(i)) continue;
        const value *v = &plan->values[node->inputs[i]];
        clearing c = {fm_plan_grad(plan, node->inputs[i]), fm_plan_gradient_width(v)};
        fm_pool_for(run->pool, fm_plan_rows(plan, run->step, node->inputs[i]), 64, clear_rows, &c);
    }
}

static fm_status compute_again(const fm_run *run, int for_node) {
    fm_plan *plan = run->plan;
    for (int i = 0; i <= for_node; i++) {
        const fm_node *node = &plan->nodes[i];
        if (plan->learning[i].again_for != for_node) continue;
        for (int j = 0; j < node->n_outputs; j++)
            plan->values[node->outputs[j]].computed_again = !plan->values[node->outputs[j]].kept_as;
        FM_TRY(node->op->forward(run, node));
    }
    return FM_OK;
}

static fm_status backward(const fm_run *run, int i) {
    const fm_node *node = &run->plan->nodes[i];
    FM_TRY(compute_again(run, i));
    clear_gradients(run, node);
    if (node->op->backward_weight && node->op->learns && node->op->learns(node))
        FM_TRY(node->op->backward_weight(run, node));
    return node->op->backward_input ? node->op->backward_input(run, node) : FM_OK;
}

fm_status fm_plan_learn(fm_plan *plan, const fm_step *step, fm_error *err) {
    assert(plan->options.learns && step->lesson);
    FM_TRY(fm_plan_forward(plan, step, true, err));
    fm_run run = {.plan = plan, .step = step, .kernels = plan->options.kernels,
                  .pool = plan->options.pool, .learns = true, .err = err};
    for (int i = plan->n_nodes - 1; i >= 0; i--)
        if (plan->learning[i].flows) FM_TRY(fm_plan_run_node(&run, i, backward, plan->n_nodes + i));
    return FM_OK;
}

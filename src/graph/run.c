/* run.c: executing a placed plan over a step. */
#include "graph/plan_private.h"

#include <assert.h>

fm_status fm_plan_allocate(fm_plan *plan, fm_error *err) {
    assert(plan->placed);
    if (plan->memory) return FM_OK;
    size_t bytes = plan->arena_bytes +
                   plan->scratch_bytes * (size_t)fm_pool_threads(plan->options.pool);
    plan->memory = fm_alloc(bytes ? bytes : 1, FM_MEM_PLAN);
    return plan->memory ? FM_OK : fm_fail_memory(err, bytes, "the activations of a plan");
}

static fm_status forward(const fm_run *run, int i) {
    const fm_node *node = &run->plan->nodes[i];
    return node->op->forward(run, node);
}

fm_status fm_plan_forward(fm_plan *plan, const fm_step *step, bool learns, fm_error *err) {
    assert(plan->memory && step->n_rows <= plan->options.rows &&
           step->n_outputs <= plan->options.outputs);
    fm_run run = {.plan = plan, .step = step, .kernels = plan->options.kernels,
                  .pool = plan->options.pool, .learns = learns, .err = err};
    for (int i = 0; i < plan->n_values && plan->options.learns; i++)
        plan->values[i].computed_again = false;
    for (int i = 0; i < plan->n_nodes; i++) FM_TRY(fm_plan_run_node(&run, i, forward, i));
    return FM_OK;
}

fm_status fm_plan_run(fm_plan *plan, const fm_step *step, fm_error *err) {
    return fm_plan_forward(plan, step, false, err);
}

void fm_plan_wait(fm_plan *plan, double seconds) { plan->waited += seconds; }
double fm_plan_waited(const fm_plan *plan) { return plan->waited; }

void fm_plan_fetch_next(const fm_run *run, const fm_node *node) {
    const fm_plan *plan = run->plan;
    int threads = fm_pool_threads(run->pool), here = (int)(node - plan->nodes), next = here;
    do next = next + 1 < plan->n_nodes ? next + 1 : 0;
    while (next != here && !plan->nodes[next].op->reads);
    const fm_op *op = plan->nodes[next].op;
    for (int w = 0; w < threads; w++)
        fm_pool_fetch(run->pool, w, op->begins ? op->begins(&plan->nodes[next], w, threads) : NULL);
}

void *fm_plan_data(const fm_plan *plan, fm_value v) {
    assert(v >= 0 && v < plan->n_values && plan->values[v].made_by >= 0);
    const value *it = &plan->values[v];
    return plan->memory + (it->computed_again ? it->again_offset : it->offset);
}

int64_t fm_plan_rows(const fm_plan *plan, const fm_step *step, fm_value v) {
    switch (plan->values[v].space) {
    case FM_ROWS_TOKENS: return step->n_rows;
    case FM_ROWS_OUTPUTS: return step->n_outputs;
    case FM_ROWS_ROUTED: return step->n_rows * plan->options.routed;
    case FM_ROWS_SPACES: break;
    }
    return 0;
}

void *fm_plan_scratch(const fm_plan *plan, int worker) {
    return plan->memory + plan->arena_bytes + plan->scratch_bytes * (size_t)worker;
}

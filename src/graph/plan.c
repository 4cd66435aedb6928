#include "graph/plan.h"

#include "graph/plan_private.h"

#include <assert.h>
#include <string.h>

const char *fm_activations_name(fm_activations activations) {
    static const char *const names[] = {
        [FM_ACTIVATIONS_F32] = "f32", [FM_ACTIVATIONS_INT8] = "int8", [FM_ACTIVATIONS_INT16] = "int16",
        [FM_ACTIVATIONS_BF16] = "bf16"};
    return activations <= FM_ACTIVATIONS_BF16 ? names[activations] : "unknown";
}

fm_status fm_plan_new(const fm_plan_options *options, fm_plan **out, fm_error *err) {
    *out = NULL;
    if (options->rows < 1 || options->outputs < 1 || options->routed < 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "a plan needs room for at least one row");
    /* rows and (row, expert) pairs are counted in int32 from here on */
    if (options->rows > INT32_MAX || options->outputs > INT32_MAX ||
        options->routed > INT32_MAX / options->rows)
        return fm_fail(err, FM_ERR_LIMIT,
                       "a step of %lld rows with %lld experts each is too large: use fewer rows",
                       (long long)options->rows, (long long)options->routed);
    fm_plan *plan = fm_alloc_zero(sizeof *plan, FM_MEM_PLAN);
    if (!plan) return fm_fail_memory(err, sizeof *plan, "a plan");
    plan->options = *options;
    *out = plan;
    return FM_OK;
}

void fm_plan_free(fm_plan *plan) {
    if (!plan) return;
    fm_arena_clear(&plan->names);
    fm_free(plan->values);
    fm_free(plan->nodes);
    fm_free(plan->memory);
    fm_free(plan->times);
    fm_free(plan->learning);
    fm_free(plan);
}

const fm_plan_options *fm_plan_options_of(const fm_plan *plan) { return &plan->options; }

/* Makes room for one more element of `size` bytes in a growing array; false marks the plan. */
static bool grow(fm_plan *plan, void **array, int count, int *capacity, size_t size) {
    if (plan->failed) return false;
    if (count < *capacity) return true;
    int bigger = *capacity ? *capacity * 2 : 256;
    void *p = fm_realloc(*array, (size_t)bigger * size, FM_MEM_PLAN);
    if (!p) {
        plan->failed = true;
        return false;
    }
    *array = p;
    *capacity = bigger;
    return true;
}

fm_value fm_plan_value(fm_plan *plan, fm_row_space space, size_t row_bytes, size_t fixed_bytes) {
    if (!grow(plan, (void **)&plan->values, plan->n_values, &plan->values_capacity,
              sizeof *plan->values))
        return -1;
    plan->values[plan->n_values] = (value){.space = space, .row_bytes = row_bytes,
                                           .fixed_bytes = fixed_bytes,
                                           .storage = plan->n_values, .alias_of = -1, .made_by = -1,
                                           .last_use = -1};
    return plan->n_values++;
}

fm_value fm_plan_alias(fm_plan *plan, fm_value v) {
    if (plan->failed || v < 0) return -1;
    const value old = plan->values[v];
    fm_value alias = fm_plan_value(plan, old.space, old.row_bytes, old.fixed_bytes);
    if (alias < 0) return alias;
    plan->values[alias].alias_of = v;
    if (!plan->options.learns) plan->values[alias].storage = old.storage; /* otherwise live.c knows */
    return alias;
}

static int count_values(const fm_value *list, int limit) {
    int n = 0;
    while (n < limit && list[n] >= 0) n++;
    return n;
}

const fm_node *fm_plan_node(fm_plan *plan, const fm_op *op, const fm_value *inputs,
                            const fm_value *outputs, const void *params, size_t params_size) {
    void *copy = fm_arena_alloc(&plan->names, params_size);
    if (!copy) plan->failed = true;
    if (!grow(plan, (void **)&plan->nodes, plan->n_nodes, &plan->nodes_capacity,
              sizeof *plan->nodes))
        return NULL;
    if (params_size) memcpy(copy, params, params_size);
    fm_node *node = &plan->nodes[plan->n_nodes];
    *node = (fm_node){.op = op, .params = copy};
    node->n_inputs = count_values(inputs, FM_NODE_INPUTS);
    node->n_outputs = count_values(outputs, FM_NODE_OUTPUTS);
    for (int i = 0; i < FM_NODE_INPUTS; i++) node->inputs[i] = i < node->n_inputs ? inputs[i] : -1;
    for (int i = 0; i < FM_NODE_OUTPUTS; i++)
        node->outputs[i] = i < node->n_outputs ? outputs[i] : -1;
    for (int i = 0; i < node->n_inputs; i++) plan->values[inputs[i]].last_use = plan->n_nodes;
    for (int i = 0; i < node->n_outputs; i++) {
        value *v = &plan->values[outputs[i]];
        assert(v->made_by < 0 && "a value has one maker");
        v->made_by = plan->n_nodes;
        if (v->last_use < plan->n_nodes) v->last_use = plan->n_nodes;
    }
    plan->n_nodes++;
    return node;
}

void fm_plan_keep(fm_plan *plan, fm_value v, const char *name) {
    if (plan->failed || v < 0) return;
    char *copy = fm_arena_strndup(&plan->names, name, strlen(name));
    if (!copy) plan->failed = true;
    plan->values[v].kept_as = copy;
}

fm_value fm_plan_made_from(const fm_plan *plan, const fm_op *op, fm_value v) {
    if (plan->failed || v < 0) return -1;
    for (int i = plan->n_nodes - 1; i > plan->values[v].made_by; i--)
        if (plan->nodes[i].op == op && plan->nodes[i].inputs[0] == v) return plan->nodes[i].outputs[0];
    return -1;
}

int64_t fm_plan_columns(const fm_plan *plan, fm_value v) {
    return v < 0 ? 0 : (int64_t)(plan->values[v].row_bytes / sizeof(float));
}

fm_row_space fm_plan_space(const fm_plan *plan, fm_value v) {
    return v < 0 ? FM_ROWS_TOKENS : plan->values[v].space;
}

fm_value fm_plan_find(const fm_plan *plan, const char *name) {
    for (int i = 0; i < plan->n_values; i++)
        if (plan->values[i].kept_as && strcmp(plan->values[i].kept_as, name) == 0) return i;
    return -1;
}

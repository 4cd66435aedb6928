/* live.c: when the bytes of a plan are needed: values, and in a learning plan their gradients and what is
 * computed again.
 *
 * A value is alive from the node that makes it to the last that reads it (a kept one to the end). In a
 * learning plan the nodes are walked twice, to the end and back: a value stays until the last node whose
 * backward reads it, its gradient is there from the first node that adds to it until the one that made
 * the value. A node that is computed again gives up what it made after the last reader on the way there,
 * and makes it anew before the first on the way back; what it reads must then still be there. */
#include "graph/plan_private.h"

#include <assert.h>
#include <stdlib.h>

enum { ALIGNMENT = 64 };

static int backward_of(const fm_plan *plan, int node) { return 2 * plan->n_nodes - 1 - node; }

int64_t fm_plan_capacity(const fm_plan *plan, fm_row_space space) {
    switch (space) {
    case FM_ROWS_TOKENS: return plan->options.rows;
    case FM_ROWS_OUTPUTS: return plan->options.outputs;
    case FM_ROWS_ROUTED: return plan->options.rows * plan->options.routed;
    case FM_ROWS_SPACES: break;
    }
    return 0;
}

static bool bytes_for(const fm_plan *plan, fm_row_space space, size_t row_bytes, size_t fixed_bytes,
                      size_t *bytes) {
    if (!fm_mul_size((size_t)fm_plan_capacity(plan, space), row_bytes, bytes) ||
        !fm_add_size(*bytes, fixed_bytes, bytes) || !fm_add_size(*bytes, ALIGNMENT - 1, bytes))
        return false;
    *bytes &= ~(size_t)(ALIGNMENT - 1);
    return true;
}

/* ---- gradients: where they flow ------------------------------------------------------------------ */

int64_t fm_plan_gradient_width(const value *v) {
    return v->gradient_columns ? v->gradient_columns : (int64_t)(v->row_bytes / sizeof(float));
}

/* Whether a weight that learns is upstream of each value. Begins anew: a plan may be placed again after
 * weights were frozen. */
static void find_learning(fm_plan *plan) {
    for (int i = 0; i < plan->n_values; i++) plan->values[i].has_gradient = false;
    for (int i = 0; i < plan->n_nodes; i++) {
        const fm_node *node = &plan->nodes[i];
        bool learns = node->op->learns && node->op->learns(node);
        for (int j = 0; j < node->n_inputs && node->op->backward_input; j++)
            learns |= plan->values[node->inputs[j]].learns;
        for (int j = 0; j < node->n_outputs; j++) plan->values[node->outputs[j]].learns = learns;
    }
}

/* The nodes that gradients reach, from the losses back. Nodes are walked backwards, so the first that
 * reaches a value's gradient in this loop is the first in the run. */
static void find_flow(fm_plan *plan) {
    for (int i = plan->n_nodes - 1; i >= 0; i--) {
        const fm_node *node = &plan->nodes[i];
        node_learning *l = &plan->learning[i];
        l->again_for = -1;
        l->flows = node->op->is_loss;
        for (int j = 0; j < node->n_outputs; j++)
            l->flows |= plan->values[node->outputs[j]].has_gradient;
        if (!l->flows || !node->op->backward_input) continue;
        for (int j = 0; j < node->n_inputs; j++) {
            value *v = &plan->values[node->inputs[j]];
            if (!v->learns || v->has_gradient) continue;
            v->has_gradient = true;
            v->gradient_from = i;
            v->gradient_of = node->inputs[j];
        }
    }
}

static bool comes_twice(const fm_node *node, int input) {
    for (int j = 0; j < node->n_inputs; j++)
        if (j != input && node->inputs[j] == node->inputs[input]) return true;
    return false;
}

/* Lets the gradient of an input take over that of the result where the op allows it. */
static void hand_on(fm_plan *plan) {
    for (int i = plan->n_nodes - 1; i >= 0; i--) {
        const fm_node *node = &plan->nodes[i];
        int input = node->op->hands_on - 1; /* which may be one that this node does without */
        if (!plan->learning[i].flows || input < 0 || input >= node->n_inputs) continue;
        const value *from = &plan->values[node->outputs[0]];
        value *to = &plan->values[node->inputs[input]];
        if (!from->has_gradient || !to->has_gradient) continue;
        if (to->gradient_from != i || to->space != from->space || comes_twice(node, input) ||
            fm_plan_gradient_width(to) != fm_plan_gradient_width(from))
            continue;
        to->gradient_of = from->gradient_of;
    }
}

/* ---- values --------------------------------------------------------------------------------------- */

/* The span of times on the way back at which a value is read. */
typedef struct need {
    int first, last; /* first > last: never */
} need;

static void widen(need *n, int time) {
    if (time < n->first) n->first = time;
    if (time > n->last) n->last = time;
}

/* What gradients read; then, from the last node to the first, what is computed again for them. */
static void find_needs(fm_plan *plan, need *needs) {
    for (int v = 0; v < plan->n_values; v++) needs[v] = (need){2 * plan->n_nodes, -1};
    for (int i = 0; i < plan->n_nodes; i++) {
        const fm_node *node = &plan->nodes[i];
        if (!plan->learning[i].flows) continue;
        for (int j = 0; j < node->n_inputs; j++)
            if (node->op->backward_reads & FM_READS_INPUT(j))
                widen(&needs[node->inputs[j]], backward_of(plan, i));
        for (int j = 0; j < node->n_outputs; j++)
            if (node->op->backward_reads & FM_READS_OUTPUT(j))
                widen(&needs[node->outputs[j]], backward_of(plan, i));
    }
    for (int i = plan->n_nodes - 1; i >= 0; i--) {
        const fm_node *node = &plan->nodes[i];
        int first = 2 * plan->n_nodes;
        for (int j = 0; j < node->n_outputs; j++)
            if (needs[node->outputs[j]].first < first) first = needs[node->outputs[j]].first;
        if (!node->again || first == 2 * plan->n_nodes) continue;
        plan->learning[i].again_for = backward_of(plan, first);
        for (int j = 0; j < node->n_outputs; j++) widen(&needs[node->outputs[j]], first);
        for (int j = 0; j < node->n_inputs; j++) widen(&needs[node->inputs[j]], first);
    }
}

/* An alias takes over its value's storage where nothing on the way back wants the value: not gradients, not what
 * is computed again. */
static void share_storage(fm_plan *plan, const need *needs) {
    for (int i = 0; i < plan->n_values; i++) {
        value *v = &plan->values[i];
        v->storage = i;
        if (v->alias_of < 0 || v->made_by < 0) continue;
        const value *of = &plan->values[v->alias_of];
        bool again = plan->learning[v->made_by].again_for >= 0 || plan->learning[of->made_by].again_for >= 0;
        if (!again && !of->kept_as && needs[v->alias_of].last < 0 && of->last_use <= v->made_by)
            v->storage = of->storage;
    }
}

static fm_status too_large(const fm_plan *plan, fm_error *err) {
    return fm_fail(err, FM_ERR_LIMIT, "a plan for %lld rows overflows: use fewer rows",
                   (long long)plan->options.rows);
}

/* The interval of the storage that an alias has taken over. */
static interval *interval_of(const fm_plan *plan, fm_value v, interval *list, int count) {
    for (int j = 0; j < count; j++)
        if (list[j].what == OF_VALUE && list[j].value == plan->values[v].storage) return &list[j];
    assert(!"a value has its storage before its alias");
    return NULL;
}

static fm_status learning_intervals(fm_plan *plan, const need *needs, interval *out, int *count,
                                    fm_error *err) {
    for (int i = 0; i < plan->n_values; i++) {
        value *v = &plan->values[i];
        if (v->made_by < 0) continue; /* recorded but never made: takes no place */
        size_t bytes, gradient;
        if (!bytes_for(plan, v->space, v->row_bytes, v->fixed_bytes, &bytes) ||
            !bytes_for(plan, v->space, (size_t)fm_plan_gradient_width(v) * sizeof(float), 0, &gradient))
            return too_large(plan, err);
        bool again = plan->learning[v->made_by].again_for >= 0 && !v->kept_as;
        int end = v->last_use;
        if (v->kept_as) end = 2 * plan->n_nodes;
        else if (!again && needs[i].last > end) end = needs[i].last;
        if (v->storage == i) {
            out[(*count)++] = (interval){v->made_by, end, bytes, 0, i, OF_VALUE};
        } else {
            interval *in = interval_of(plan, i, out, *count);
            if (end > in->end) in->end = end;
        }
        if (again) out[(*count)++] = (interval){needs[i].first, needs[i].last, bytes, 0, i, OF_AGAIN};
        if (v->has_gradient && v->gradient_of == i)
            out[(*count)++] = (interval){backward_of(plan, v->gradient_from),
                                         backward_of(plan, v->made_by), gradient, 0, i, OF_GRADIENT};
    }
    /* a gradient that was taken over lives as long as the one that took it */
    for (int i = 0; i < plan->n_values; i++) {
        const value *v = &plan->values[i];
        if (!v->has_gradient || v->gradient_of == i) continue;
        for (int j = 0; j < *count; j++)
            if (out[j].what == OF_GRADIENT && out[j].value == v->gradient_of &&
                out[j].end < backward_of(plan, v->made_by))
                out[j].end = backward_of(plan, v->made_by);
    }
    return FM_OK;
}

/* Without learning: one interval per storage; aliases widen the interval of what they share. */
static fm_status running_intervals(const fm_plan *plan, interval *out, int *of_storage, int *count,
                                   fm_error *err) {
    for (int i = 0; i < plan->n_values; i++) {
        const value *v = &plan->values[i];
        if (v->made_by < 0) continue;
        int end = v->kept_as ? plan->n_nodes : v->last_use;
        if (v->storage != i) {
            interval *in = &out[of_storage[v->storage]];
            assert(v->made_by >= in->end && "a value was read after its storage was taken over");
            if (end > in->end) in->end = end;
            continue;
        }
        size_t bytes;
        if (!bytes_for(plan, v->space, v->row_bytes, v->fixed_bytes, &bytes)) return too_large(plan, err);
        of_storage[i] = *count;
        out[(*count)++] = (interval){v->made_by, end, bytes, 0, i, OF_VALUE};
    }
    return FM_OK;
}

static int by_beginning(const void *a, const void *b) {
    const interval *x = a, *y = b;
    if (x->begin != y->begin) return x->begin - y->begin;
    return x->value != y->value ? x->value - y->value : (int)x->what - (int)y->what;
}

static fm_status refuse_what_cannot_learn(const fm_plan *plan, fm_error *err) {
    for (int i = 0; i < plan->n_nodes; i++) {
        const fm_op *op = plan->nodes[i].op;
        bool is_source = plan->nodes[i].n_inputs == 0 && (op->backward_weight || op->is_constant);
        if (!op->backward_input && !is_source && !op->is_constant)
            return fm_fail(err, FM_ERR_UNSUPPORTED,
                           "nothing can be learnt through %s, which has no gradient: leave it out of the plan",
                           op->name);
    }
    return FM_OK;
}

fm_status fm_plan_intervals(fm_plan *plan, interval *out, int *count, fm_error *err) {
    size_t n = (size_t)plan->n_values;
    *count = 0;
    if (plan->options.learns) {
        FM_TRY(refuse_what_cannot_learn(plan, err));
        if (!plan->learning)
            plan->learning = fm_alloc_array((size_t)plan->n_nodes, sizeof *plan->learning, FM_MEM_PLAN);
        need *needs = fm_alloc_array(n, sizeof *needs, FM_MEM_OTHER);
        fm_status status = FM_OK;
        if (!plan->learning || !needs) {
            status = fm_fail_memory(err, n * sizeof *needs, "placing a plan");
        } else {
            find_learning(plan);
            find_flow(plan);
            hand_on(plan);
            find_needs(plan, needs);
            share_storage(plan, needs);
            status = learning_intervals(plan, needs, out, count, err);
        }
        fm_free(needs);
        FM_TRY(status);
    } else {
        int *of_storage = fm_alloc_array(n, sizeof *of_storage, FM_MEM_OTHER);
        if (!of_storage) return fm_fail_memory(err, n * sizeof *of_storage, "placing a plan");
        fm_status status = running_intervals(plan, out, of_storage, count, err);
        fm_free(of_storage);
        FM_TRY(status);
    }
    qsort(out, (size_t)*count, sizeof *out, by_beginning);
    return FM_OK;
}

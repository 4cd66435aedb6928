/* place.c: where every value lives: first fit into one arena of what live.c says is needed when.
 *
 * Two values may share bytes when they are never alive together. They are placed in the order in which
 * they are made, each at the lowest offset that nothing living touches: not optimal, but close for
 * chains of layers, and the plan is recorded in that order. */
#include "base/buffer.h"
#include "graph/plan_private.h"

#include <assert.h>
#include <stdlib.h>

enum { ALIGNMENT = 64 };

static int by_offset(const void *a, const void *b) {
    const interval *x = *(const interval *const *)a, *y = *(const interval *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* First fit: walks the living intervals by offset and takes the first gap that is large enough. */
static size_t first_fit(const interval **living, int n, size_t bytes) {
    qsort(living, (size_t)n, sizeof *living, by_offset);
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        if (living[i]->offset >= at && living[i]->offset - at >= bytes) break;
        size_t end = living[i]->offset + living[i]->bytes;
        if (end > at) at = end;
    }
    return at;
}

static bool assign(fm_plan *plan, interval *intervals, int count, const interval **living) {
    size_t high = 0;
    for (int i = 0; i < count; i++) {
        int n = 0;
        for (int j = 0; j < i; j++)
            if (intervals[j].end >= intervals[i].begin && intervals[j].bytes) living[n++] = &intervals[j];
        intervals[i].offset = first_fit(living, n, intervals[i].bytes);
        size_t end;
        if (!fm_add_size(intervals[i].offset, intervals[i].bytes, &end)) return false;
        if (end > high) high = end;
    }
    plan->arena_bytes = high;
    return true;
}

static void measure_scratch(fm_plan *plan) {
    size_t most = 0;
    for (int i = 0; i < plan->n_nodes; i++) {
        const fm_node *node = &plan->nodes[i];
        size_t bytes = node->op->scratch ? node->op->scratch(plan, node) : 0;
        if (bytes > most) most = bytes;
    }
    plan->scratch_bytes = (most + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static void settle(fm_plan *plan, const interval *intervals, int count) {
    for (int i = 0; i < count; i++) {
        value *v = &plan->values[intervals[i].value];
        *(intervals[i].what == OF_VALUE      ? &v->offset
          : intervals[i].what == OF_GRADIENT ? &v->gradient_offset
                                             : &v->again_offset) = intervals[i].offset;
    }
    for (int i = 0; i < plan->n_values; i++) { /* those that share another's place */
        value *v = &plan->values[i];
        if (v->made_by >= 0) v->offset = plan->values[v->storage].offset;
        if (v->has_gradient) v->gradient_offset = plan->values[v->gradient_of].gradient_offset;
    }
}

fm_status fm_plan_place(fm_plan *plan, size_t *bytes, fm_error *err) {
    if (plan->failed) return fm_fail_memory(err, 0, "recording a plan");
    size_t n = (size_t)plan->n_values * (plan->options.learns ? 3 : 1);
    interval *intervals = fm_alloc_array(n, sizeof *intervals, FM_MEM_OTHER);
    const interval **living = fm_alloc_array(n, sizeof *living, FM_MEM_OTHER);
    fm_status status = FM_OK;
    int count = 0;
    if (!intervals || !living) status = fm_fail_memory(err, n * sizeof *intervals, "placing a plan");
    if (status == FM_OK) status = fm_plan_intervals(plan, intervals, &count, err);
    if (status == FM_OK && !assign(plan, intervals, count, living))
        status = fm_fail(err, FM_ERR_LIMIT, "a plan for %lld rows overflows: use fewer rows",
                         (long long)plan->options.rows);
    if (status == FM_OK) {
        settle(plan, intervals, count);
        measure_scratch(plan);
        plan->placed = true;
        *bytes = plan->arena_bytes +
                 plan->scratch_bytes * (size_t)fm_pool_threads(plan->options.pool);
    }
    fm_free(intervals);
    fm_free(living);
    return status;
}

void fm_plan_dump(const fm_plan *plan, fm_buffer *out) {
    static const char *const spaces[FM_ROWS_SPACES] = {"tokens", "outputs", "routed"};
    fm_buffer_format(out, "plan: %d nodes, %lld rows, arena %zu bytes, scratch %zu bytes a worker\n",
                     plan->n_nodes, (long long)plan->options.rows, plan->arena_bytes,
                     plan->scratch_bytes);
    for (int i = 0; i < plan->n_nodes; i++) {
        const fm_node *node = &plan->nodes[i];
        fm_buffer_format(out, "%4d %-14s", i, node->op->name);
        for (int j = 0; j < node->n_inputs; j++) fm_buffer_format(out, " v%d", node->inputs[j]);
        fm_buffer_text(out, " ->");
        for (int j = 0; j < node->n_outputs; j++) {
            const value *v = &plan->values[node->outputs[j]];
            fm_buffer_format(out, " v%d [%s, %zu B] @%zu", node->outputs[j], spaces[v->space],
                             v->row_bytes, v->offset);
            if (v->kept_as) fm_buffer_format(out, " kept as %s", v->kept_as);
        }
        fm_buffer_text(out, "\n");
    }
}

/* profile.c: where the time of a plan goes: seconds and bytes of weights, node by node. */
#include "graph/plan_private.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

fm_status fm_plan_profile(fm_plan *plan, fm_error *err) {
    size_t n = 2 * (size_t)plan->n_nodes;
    if (!plan->times) plan->times = fm_alloc_array(n + 1, sizeof *plan->times, FM_MEM_PLAN);
    if (!plan->times) return fm_fail_memory(err, n * sizeof *plan->times, "timing a plan");
    memset(plan->times, 0, n * sizeof *plan->times);
    return FM_OK;
}

fm_status fm_plan_run_node(const fm_run *run, int i, fm_status (*what)(const fm_run *, int), int at) {
    if (!run->plan->times) return what(run, i);
    const fm_node *node = &run->plan->nodes[i];
    double start = fm_clock_seconds();
    FM_TRY(what(run, i));
    node_time *t = &run->plan->times[at];
    t->seconds += fm_clock_seconds() - start;
    t->calls++;
    if (node->op->reads && at < run->plan->n_nodes) t->bytes += node->op->reads(run, node);
    return FM_OK;
}

static int64_t columns_of(const fm_plan *plan, const fm_value *list, int n) {
    return n > 0 ? fm_plan_columns(plan, list[0]) : 0;
}

static fm_profile_line line_of(const fm_plan *plan, int i) {
    bool backward = i >= plan->n_nodes;
    const fm_node *node = &plan->nodes[backward ? i - plan->n_nodes : i];
    const node_time *t = &plan->times[i];
    return (fm_profile_line){node->op->name, backward, columns_of(plan, node->inputs, node->n_inputs),
                             columns_of(plan, node->outputs, node->n_outputs), t->calls, t->seconds,
                             t->bytes};
}

static bool same_kind(const fm_profile_line *a, const fm_profile_line *b) {
    return a->backward == b->backward && strcmp(a->op, b->op) == 0 && a->columns_in == b->columns_in &&
           a->columns_out == b->columns_out;
}

static int longer_first(const void *a, const void *b) {
    double x = ((const fm_profile_line *)a)->seconds, y = ((const fm_profile_line *)b)->seconds;
    return x > y ? -1 : x < y;
}

size_t fm_plan_profile_lines(const fm_plan *plan, fm_profile_line *out, size_t capacity) {
    size_t n = 0;
    for (int i = 0; plan->times && i < 2 * plan->n_nodes; i++) {
        if (plan->times[i].calls == 0) continue;
        fm_profile_line line = line_of(plan, i);
        size_t at = 0;
        while (at < n && !same_kind(&out[at], &line)) at++;
        if (at == capacity) continue;
        if (at == n) {
            out[n++] = line;
            continue;
        }
        out[at].calls += line.calls;
        out[at].seconds += line.seconds;
        out[at].bytes += line.bytes;
    }
    qsort(out, n, sizeof *out, longer_first);
    return n;
}

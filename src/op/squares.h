/* squares.h: what goes into a weight, added up while a plan runs: for importance matrices.
 *
 * A watch is a node of its own that reads a value and changes nothing, so whatever the ops around it
 * become, it sees what they see. It makes no value and has no gradient: plans that learn refuse it. */
#pragma once

#include "graph/plan.h"
#include "op/experts.h"
#include "op/gate.h"

/* Sums over all rows of all runs; whoever owns it zeroes it first. Rows are added in order, in double
 * precision: the sums do not depend on threads. */
typedef struct fm_tally {
    int64_t parts, columns; /* experts or heads, each with inputs of its own; inputs of one */
    double *squares;        /* [parts][columns] */
    double *rows;           /* [parts] rows that were added */
} fm_tally;

/* Columns offset + part * stride + [0, tally->columns) of every row of x, for each part. The tally must
 * outlive the plan. */
void fm_watch(fm_plan *p, fm_value x, int64_t offset, int64_t stride, fm_tally *tally);
/* What each routed expert reads, x's rows [T, D], and what its down-projection reads, [.., F], which is
 * computed for this alone. */
void fm_watch_experts(fm_plan *p, fm_value x, fm_value routing, const fm_expert_provider *provider,
                      const fm_gate *gate, fm_tally *in, fm_tally *between);

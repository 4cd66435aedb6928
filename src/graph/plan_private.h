/* plan_private.h: the inside of a plan, for the files of graph/ alone. */
#pragma once

#include "graph/plan.h"

typedef struct value {
    fm_row_space space;
    size_t row_bytes, fixed_bytes;
    fm_value storage;    /* the value whose storage this one shares: itself unless an alias */
    fm_value alias_of;   /* the value that it may take the storage of; -1 */
    int made_by;         /* node; -1: none yet */
    int last_use;        /* last node that reads or makes it */
    const char *kept_as; /* name, or NULL */
    size_t offset;       /* in the arena, once placed */
    /* Of a learning plan, by live.c: */
    int64_t gradient_columns; /* 0: all of a row, as floats */
    bool learns;         /* a weight that learns is upstream */
    bool has_gradient;
    int gradient_from;   /* the node whose backward reaches the gradient first */
    fm_value gradient_of; /* the value whose gradient's place this one takes over; its own otherwise */
    size_t gradient_offset, again_offset;
    bool computed_again; /* it now lies at again_offset */
} value;

/* When some bytes of the arena are needed. Times are nodes: i forward, 2 n - 1 - i backward, both
 * inclusive. */
typedef struct interval {
    int begin, end;
    size_t bytes, offset;
    fm_value value;
    enum { OF_VALUE, OF_AGAIN, OF_GRADIENT } what;
} interval;

typedef struct node_time {
    int64_t calls;
    double seconds, bytes;
} node_time;

/* What live.c found out about a node of a learning plan. */
typedef struct node_learning {
    bool flows;      /* gradients reach it */
    int again_for;   /* the node before whose backward it is run again; -1: it is not */
} node_learning;

struct fm_plan {
    fm_plan_options options;
    value *values;
    int n_values, values_capacity;
    fm_node *nodes;
    int n_nodes, nodes_capacity;
    fm_arena names;         /* parameters of nodes and names of kept values */
    bool failed;            /* out of memory while recording */
    bool placed;
    size_t arena_bytes;     /* values */
    size_t scratch_bytes;   /* per worker */
    char *memory;           /* arena, then scratch of each worker */
    double waited;          /* see fm_plan_waited */
    node_time *times;       /* of every node, forward and then backward; NULL: nobody asked */
    node_learning *learning; /* of every node, in a learning plan */
};

int64_t fm_plan_capacity(const fm_plan *plan, fm_row_space space);
int64_t fm_plan_gradient_width(const value *v);
fm_status fm_plan_forward(fm_plan *plan, const fm_step *step, bool learns, fm_error *err);
/* The intervals of a plan, in the order of their beginnings: at most 3 for each value. */
fm_status fm_plan_intervals(fm_plan *plan, interval *out, int *count, fm_error *err);
/* Runs `what` of node i, adding to entry `at` of the times if somebody asked for them. */
fm_status fm_plan_run_node(const fm_run *run, int i, fm_status (*what)(const fm_run *, int), int at);

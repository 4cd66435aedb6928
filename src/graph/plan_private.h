/* plan_private.h: the inside of a plan, for the files of graph/ alone. */
#pragma once

#include "graph/plan.h"

typedef struct value {
    fm_row_space space;
    size_t row_bytes, fixed_bytes;
    fm_value storage;    /* the value whose storage this one shares: itself unless an alias */
    int made_by;         /* node; -1: none yet */
    int last_use;        /* last node that reads or makes it */
    const char *kept_as; /* name, or NULL */
    size_t offset;       /* in the arena, once placed */
} value;

typedef struct node_time {
    int64_t calls;
    double seconds, bytes;
} node_time;

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
    node_time *times;       /* of every node; NULL: nobody asked */
};

int64_t fm_plan_capacity(const fm_plan *plan, fm_row_space space);
/* Runs node i and adds to its times. */
fm_status fm_plan_run_timed(const fm_run *run, int i);

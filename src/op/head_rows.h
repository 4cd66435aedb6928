/* head_rows.h: what xent.c, distil.c and likeliest.c share: logits x W^T of the rows that a lesson has a weight for,
 * which never exist for all rows at once. Rows go in chunks; the caller sees each row of logits once, and in a run
 * that learns turns it into the gradients of the logits, from which those of x and W are made while they are there. */
#pragma once

#include "op/op_private.h"

typedef struct fm_head_rows fm_head_rows;
struct fm_head_rows {
    const fm_run *run;
    const fm_weight *w;      /* [V, D] */
    const float *x;          /* [T, D] */
    const float *weights;    /* [T]; rows of weight 0 are left out; NULL: all are */
    int32_t *list;           /* work: [T], then the rows that have a weight, ascending */
    float *gathered, *logits; /* work: [chunk, D], [chunk, V] */
    float *dx;               /* [T, D], all of it is set; NULL: nothing is learnt, and the logits are lost */
    /* Row `t` of the step: its logits [V], to be replaced by their gradients where dx is there. `scratch` is the
     * worker's. Called from several threads. */
    void (*row)(const fm_head_rows *h, int64_t t, float *logits, float *scratch);
    const void *context;
};

/* Rows of a chunk: as many as make some 80 MB of logits, within bounds, in whole blocks of a product. A large head
 * and its gradients come from memory for every chunk. `rows`: capacity of the plan. */
int64_t fm_head_chunk(const fm_weight *w, int64_t rows);
void fm_head_rows_run(fm_head_rows *h);

/* Of a loss whose node has dx as output 1: adds it to the gradient of x, which is input 0. */
fm_status fm_head_rows_backward(const fm_run *run, const fm_node *node);
/* Values for list, gathered and logits. */
void fm_head_rows_values(fm_plan *p, const fm_weight *w, fm_value out[3]);

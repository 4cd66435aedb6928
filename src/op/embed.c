/* embed: y[t] = W[ids[t]]                                          W [V, D], y [T, D]
 * backward_weight: dW[ids[t]] += dy[t], in order of t.
 * An MTP module of depth d reads the token d places ahead of each row's own; a row without one reads
 * zeros. */
#include "op/op.h"
#include "op/op_private.h"
#include "op/op_sample.h"

#include <string.h>

enum { COLUMNS = 64 }; /* whose gradients are one unit of work */

typedef struct params {
    const fm_weight *w;
    int depth;
} params;

typedef struct job {
    const fm_run *run;
    const fm_weight *w;
    const int32_t *ids;
    float *y; /* or its gradient */
} job;

static job job_of(const fm_run *run, const fm_node *node, float *y) {
    const params *p = fm_params(node);
    const fm_step *step = run->step;
    return (job){run, p->w, p->depth > 0 ? step->lesson->ahead[p->depth - 1] : step->ids, y};
}

static void rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    size_t bytes = (size_t)j->w->n_in * sizeof(float);
    for (int64_t t = begin; t < end; t++) {
        float *y = j->y + t * j->w->n_in;
        if (j->ids[t] < 0) memset(y, 0, bytes);
        else if (j->w->master) memcpy(y, j->w->master + j->ids[t] * j->w->n_in, bytes);
        else fm_tensor_decode_row(&j->w->source, j->ids[t], y);
    }
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    job j = job_of(run, node, fm_output(run, node, 0));
    fm_pool_for(run->pool, run->step->n_rows, 8, rows, &j);
    return FM_OK;
}

static bool learns(const fm_node *node) { return ((const params *)fm_params(node))->w->grad != NULL; }

static void columns(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    int64_t d = j->w->n_in;
    for (int64_t c = begin * COLUMNS; c < end * COLUMNS && c < d; c += COLUMNS) {
        int64_t n = d - c < COLUMNS ? d - c : COLUMNS;
        for (int64_t t = 0; t < j->run->step->n_rows; t++)
            if (j->ids[t] >= 0) j->run->kernels->add(j->y + t * d + c, n, j->w->grad + j->ids[t] * d + c);
    }
}

static fm_status backward_weight(const fm_run *run, const fm_node *node) {
    job j = job_of(run, node, fm_output_grad(run, node, 0));
    fm_pool_for(run->pool, (j.w->n_in + COLUMNS - 1) / COLUMNS, 1, columns, &j);
    return FM_OK;
}

static fm_value record(fm_plan *p, const fm_weight *w, int depth) {
    fm_value y = fm_plan_value(p, FM_ROWS_TOKENS, (size_t)w->n_in * sizeof(float), 0);
    fm_plan_node(p, &fm_op_embed, FM_VALUES(-1), FM_VALUES(y), &(params){w, depth}, sizeof(params));
    return y;
}

fm_value fm_embed(fm_plan *p, const fm_weight *w) { return record(p, w, 0); }
fm_value fm_embed_ahead(fm_plan *p, const fm_weight *w, int depth) { return record(p, w, depth); }

static fm_value sample(fm_plan *p, const fm_sampler *s, int variant) {
    return variant < 2 ? record(p, s->weights(s->context, 1, FM_SAMPLE_ROWS, 69), variant) : -1;
}

const fm_op fm_op_embed = {.name = "embed", .forward = forward, .backward_weight = backward_weight,
                           .learns = learns, .sample = sample};

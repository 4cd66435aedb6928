/* rope.c: rotary position embedding, in two ops.                          Su et al. 2021
 * rope_angles: once per plan, c[t, i] = m cos(p_t f_i), s[t, i] = m sin(p_t f_i). The angle is
 * computed in double: at position 131,072 a float32 product would be off by 0.004 radians.
 * rope: rotates pairs of columns by them; backward_input rotates dy back by the negative angles. */
#include "op/op.h"
#include "op/op_private.h"
#include "op/op_sample.h"

#include <math.h>
#include <string.h>

/* ---- rope_angles ---------------------------------------------------------------------------------- */

typedef struct angle_params {
    const double *frequencies; /* borrowed from the model */
    int64_t n_pairs;
    double factor;
} angle_params;

static fm_status angles_forward(const fm_run *run, const fm_node *node) {
    const angle_params *p = fm_params(node);
    float *out = fm_output(run, node, 0);
    for (int s = 0; s < run->step->n_segments; s++) {
        const fm_segment *segment = &run->step->segments[s];
        for (int64_t i = 0; i < segment->count; i++) {
            float *row = out + (segment->row + i) * 2 * p->n_pairs;
            for (int64_t j = 0; j < p->n_pairs; j++) {
                double angle = (double)(segment->position + i) * p->frequencies[j];
                row[j] = (float)(p->factor * cos(angle));
                row[p->n_pairs + j] = (float)(p->factor * sin(angle));
            }
        }
    }
    return FM_OK;
}

const fm_op fm_op_rope_angles = {.name = "rope_angles", .forward = angles_forward, .is_constant = true};

fm_value fm_rope_angles(fm_plan *p, const double *frequencies, int64_t n_pairs, double factor) {
    fm_value y = fm_plan_value(p, FM_ROWS_TOKENS, (size_t)(2 * n_pairs) * sizeof(float), 0);
    fm_plan_node(p, &fm_op_rope_angles, FM_VALUES(-1), FM_VALUES(y),
                 &(angle_params){frequencies, n_pairs, factor}, sizeof(angle_params));
    return y;
}

/* ---- rope ------------------------------------------------------------------------------------------ */

typedef struct params {
    int64_t n_heads, stride, offset, n_pairs;
    bool interleaved;
} params;

typedef struct job {
    const fm_kernels *k;
    const params *p;
    const float *x, *angles;
    float *y;
    int64_t columns;
} job;

static void rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    const params *p = j->p;
    for (int64_t t = begin; t < end; t++) {
        const float *x = j->x + t * j->columns, *cosines = j->angles + t * 2 * p->n_pairs;
        float *y = j->y + t * j->columns;
        if (x != y) memcpy(y, x, (size_t)j->columns * sizeof(float));
        for (int64_t h = 0; h < p->n_heads; h++)
            j->k->rotate(y + h * p->stride + p->offset, p->n_pairs, cosines, cosines + p->n_pairs,
                         p->interleaved);
    }
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    job j = {run->kernels, fm_params(node), fm_input(run, node, 0), fm_input(run, node, 1),
             fm_output(run, node, 0), fm_columns(run, node->inputs[0])};
    fm_pool_for(run->pool, run->step->n_rows, 4, rows, &j);
    return FM_OK;
}

typedef struct gradient_job {
    const fm_run *run;
    const params *p;
    const float *dy, *angles;
    float *dx; /* handed on: dy itself */
    int64_t columns;
} gradient_job;

static void rows_back(void *context, int64_t begin, int64_t end, int worker) {
    const gradient_job *j = context;
    const params *p = j->p;
    float *sines = fm_plan_scratch(j->run->plan, worker), *aside = sines + p->n_pairs;
    for (int64_t t = begin; t < end; t++) {
        const float *cosines = j->angles + t * 2 * p->n_pairs, *dy = j->dy + t * j->columns;
        float *dx = j->dx + t * j->columns, *turned = dx == dy ? dx : aside;
        for (int64_t i = 0; i < p->n_pairs; i++) sines[i] = -cosines[p->n_pairs + i];
        if (dx != dy) memcpy(aside, dy, (size_t)j->columns * sizeof(float));
        for (int64_t h = 0; h < p->n_heads; h++)
            j->run->kernels->rotate(turned + h * p->stride + p->offset, p->n_pairs, cosines, sines,
                                    p->interleaved);
        if (dx != dy) j->run->kernels->add(aside, j->columns, dx);
    }
}

static fm_status backward(const fm_run *run, const fm_node *node) {
    gradient_job j = {run, fm_params(node), fm_output_grad(run, node, 0), fm_input(run, node, 1),
                      fm_input_grad(run, node, 0), fm_columns(run, node->inputs[0])};
    if (j.dx) fm_pool_for(run->pool, run->step->n_rows, 4, rows_back, &j);
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    const params *p = fm_params(node);
    if (!fm_plan_options_of(plan)->learns) return 0;
    return (size_t)(p->n_pairs + fm_plan_columns(plan, node->inputs[0])) * sizeof(float);
}

fm_value fm_rope(fm_plan *p, fm_value x, fm_value angles, int64_t n_heads, int64_t stride,
                 int64_t offset, bool interleaved) {
    fm_value y = fm_plan_alias(p, x);
    fm_plan_node(p, &fm_op_rope, FM_VALUES(x, angles), FM_VALUES(y),
                 &(params){n_heads, stride, offset, fm_plan_columns(p, angles) / 2, interleaved},
                 sizeof(params));
    return y;
}

static fm_value sample(fm_plan *p, const fm_sampler *s, int variant) {
    static const double frequencies[] = {1, 0.3, 0.07, 0.01};
    if (variant > 2) return -1;
    fm_value angles = fm_rope_angles(p, frequencies, 4, 1.2), x = s->input(s->context, p, 22);
    fm_value y = fm_rope(p, x, angles, 2, 11, 3, variant == 1);
    return variant < 2 ? y : fm_add(p, y, x); /* two readers of x */
}

const fm_op fm_op_rope = {
    .name = "rope", .forward = forward, .backward_input = backward, .backward_reads = FM_READS_INPUT(1),
    .hands_on = 1, .scratch = scratch, .sample = sample};

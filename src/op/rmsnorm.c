/* rmsnorm: y = x * r * g,  r = 1 / sqrt(mean(x^2) + eps), over `width` columns at `offset` of every
 * group of `stride` columns; other columns pass through.        Zhang & Sennrich 2019
 * x, y [T, C], g [width].  backward_input: dx += r * (g dy - x r^2 mean(g dy x));
 * backward_weight: dg += sum over rows of dy x r. */
#include "op/op.h"
#include "op/op_private.h"
#include "op/op_sample.h"

#include <string.h>

typedef struct params {
    const fm_weight *g;
    float eps;
    int64_t offset, width, stride;
} params;

/* Columns of dg that are one unit of work: a few whole lines of the cache, and four pieces at least. */
enum { LINE = 16, MOST_LINES = 4 };
static int64_t piece_of(const params *p) {
    int64_t lines = (p->width + 4 * LINE - 1) / (4 * LINE);
    return LINE * (lines < MOST_LINES ? lines : MOST_LINES);
}

typedef struct job {
    const fm_kernels *k;
    const params *p;
    const float *x;
    float *y, *r; /* r: [rows, groups], NULL unless the plan learns */
    int64_t columns;
} job;

static void rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    const params *p = j->p;
    for (int64_t t = begin; t < end; t++) {
        const float *x = j->x + t * j->columns;
        float *y = j->y + t * j->columns;
        if (p->width < p->stride && x != y) memcpy(y, x, (size_t)j->columns * sizeof(float));
        for (int64_t c = p->offset; c < j->columns; c += p->stride) {
            float r = j->k->rmsnorm(x + c, p->g->master, p->eps, p->width, y + c);
            if (j->r) j->r[(t * j->columns + c) / p->stride] = r;
        }
    }
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    job j = {run->kernels, p, fm_input(run, node, 0), fm_output(run, node, 0),
             node->n_outputs > 1 ? fm_output(run, node, 1) : NULL, fm_columns(run, node->inputs[0])};
    fm_pool_for(run->pool, fm_rows(run, node->inputs[0]), 4, rows, &j);
    return FM_OK;
}

/* ---- gradients ------------------------------------------------------------------------------------ */

static bool learns(const fm_node *node) { return ((const params *)fm_params(node))->g->grad != NULL; }

typedef struct gradient_job {
    const fm_run *run;
    const params *p;
    const float *x, *dy;
    float *dx;
    const float *r; /* [rows, groups] */
    int64_t rows, columns, groups;
} gradient_job;

static gradient_job gradients_of(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    int64_t columns = fm_columns(run, node->inputs[0]);
    return (gradient_job){.run = run, .p = p, .x = fm_input(run, node, 0), .dy = fm_output_grad(run, node, 0),
                          .dx = fm_input_grad(run, node, 0), .r = fm_output(run, node, 1),
                          .rows = fm_rows(run, node->inputs[0]), .columns = columns,
                          .groups = columns / p->stride};
}

/* dg[c] += dy[t][c] x[t][c] r[t], in order of rows and groups. */
static void to_weight(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const gradient_job *j = context;
    const params *p = j->p;
    int64_t piece = piece_of(p);
    for (int64_t c = begin * piece; c < end * piece && c < p->width; c += piece) {
        int64_t n = p->width - c < piece ? p->width - c : piece;
        float *dg = p->g->grad + c;
        for (int64_t i = 0; i < j->rows * j->groups; i++) {
            int64_t at = i / j->groups * j->columns + i % j->groups * p->stride + p->offset + c;
            const float *dy = j->dy + at, *x = j->x + at;
            for (int64_t k = 0; k < n; k++) dg[k] += dy[k] * (x[k] * j->r[i]);
        }
    }
}

static fm_status backward_weight(const fm_run *run, const fm_node *node) {
    gradient_job j = gradients_of(run, node);
    int64_t piece = piece_of(j.p);
    fm_pool_for(run->pool, (j.p->width + piece - 1) / piece, 1, to_weight, &j);
    return FM_OK;
}

/* Where the gradient is handed on, dx is dy: what is normed is then put aside first. */
static void to_input(void *context, int64_t begin, int64_t end, int worker) {
    const gradient_job *j = context;
    const params *p = j->p;
    const fm_kernels *k = j->run->kernels;
    float *aside = fm_plan_scratch(j->run->plan, worker);
    size_t bytes = (size_t)p->width * sizeof(float);
    for (int64_t t = begin; t < end; t++) {
        const float *dy = j->dy + t * j->columns;
        float *dx = j->dx + t * j->columns;
        for (int64_t g = 0; g < j->groups; g++) {
            int64_t group = g * p->stride, c = group + p->offset, behind = c + p->width;
            const float *of_part = dy + c;
            if (dx == dy) {
                memcpy(aside, dy + c, bytes);
                memset(dx + c, 0, bytes);
                of_part = aside;
            } else {
                k->add(dy + group, p->offset, dx + group);
                k->add(dy + behind, group + p->stride - behind, dx + behind);
            }
            k->rmsnorm_backward(j->x + t * j->columns + c, p->g->master, j->r[t * j->groups + g], of_part,
                                p->width, dx + c, NULL);
        }
    }
}

static fm_status backward_input(const fm_run *run, const fm_node *node) {
    gradient_job j = gradients_of(run, node);
    if (j.dx) fm_pool_for(run->pool, j.rows, 4, to_input, &j);
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    const params *p = fm_params(node);
    return fm_plan_options_of(plan)->learns ? (size_t)p->width * sizeof(float) : 0;
}

/* A plan that learns keeps r of every row and group. */
static fm_value record(fm_plan *p, fm_value x, fm_value y, params all) {
    size_t groups = all.stride ? (size_t)(fm_plan_columns(p, x) / all.stride) : 0; /* 0: nothing was recorded */
    fm_value r = fm_plan_options_of(p)->learns
                     ? fm_plan_value(p, fm_plan_space(p, x), groups * sizeof(float), 0) : -1;
    fm_plan_node(p, &fm_op_rmsnorm, FM_VALUES(x), FM_VALUES(y, r), &all, sizeof all);
    return y;
}

fm_value fm_rmsnorm(fm_plan *p, fm_value x, const fm_weight *g, double eps) {
    int64_t columns = fm_plan_columns(p, x);
    fm_value y = fm_plan_value(p, fm_plan_space(p, x), (size_t)columns * sizeof(float), 0);
    return record(p, x, y, (params){g, (float)eps, 0, columns, columns});
}

fm_value fm_rmsnorm_part(fm_plan *p, fm_value x, const fm_weight *g, double eps, int64_t offset,
                         int64_t width, int64_t stride) {
    return record(p, x, fm_plan_alias(p, x), (params){g, (float)eps, offset, width, stride});
}

static fm_value sample(fm_plan *p, const fm_sampler *s, int variant) {
    if (variant == 0) return fm_rmsnorm(p, s->input(s->context, p, 37), s->vector(s->context, 37), 1e-5);
    if (variant > 2) return -1;
    /* two readers of x: its gradient cannot take over the result's */
    fm_value x = s->input(s->context, p, 46), y;
    y = fm_rmsnorm_part(p, variant == 1 ? x : fm_rmsnorm(p, x, s->vector(s->context, 46), 1e-5),
                        s->vector(s->context, 19), 1e-6, 2, 19, 23);
    return variant == 1 ? y : fm_add(p, y, x);
}

const fm_op fm_op_rmsnorm = {
    .name = "rmsnorm", .forward = forward, .backward_input = backward_input,
    .backward_weight = backward_weight, .learns = learns,
    .backward_reads = FM_READS_INPUT(0) | FM_READS_OUTPUT(1), .hands_on = 1, .scratch = scratch,
    .sample = sample};

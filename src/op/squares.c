/* watch: squares[part][c] += x[t][offset + part * stride + c]^2 over all rows t   (see squares.h)
 * watch_experts: the same for x and for silu(gate x) * up x over the rows of each chosen expert. */
#include "op/squares.h"

#include "op/op.h"
#include "op/op_private.h"

#include <string.h>

enum { COLUMNS = 64 }; /* that one unit of work adds up */

static void add_squares(const float *x, int64_t ldx, int64_t rows, int64_t columns, double *squares) {
    for (int64_t t = 0; t < rows; t++)
        for (int64_t c = 0; c < columns; c++)
            squares[c] += (double)x[t * ldx + c] * (double)x[t * ldx + c];
}

static int64_t pieces_of(int64_t columns) { return (columns + COLUMNS - 1) / COLUMNS; }

/* ---- watch -----------------------------------------------------------------------------------*/

typedef struct params {
    int64_t offset, stride;
    fm_tally *tally;
} params;

typedef struct job {
    const params *p;
    const float *x;
    int64_t ldx, rows;
} job;

static void watch_pieces(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    const fm_tally *t = j->p->tally;
    int64_t pieces = pieces_of(t->columns);
    for (int64_t i = begin; i < end; i++) {
        int64_t part = i / pieces, c = i % pieces * COLUMNS;
        int64_t n = t->columns - c < COLUMNS ? t->columns - c : COLUMNS;
        add_squares(j->x + j->p->offset + part * j->p->stride + c, j->ldx, j->rows, n,
                    t->squares + part * t->columns + c);
    }
}

static fm_status watch_forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    job j = {p, fm_input(run, node, 0), fm_columns(run, node->inputs[0]), fm_rows(run, node->inputs[0])};
    fm_pool_for(run->pool, p->tally->parts * pieces_of(p->tally->columns), 1, watch_pieces, &j);
    for (int64_t part = 0; part < p->tally->parts; part++) p->tally->rows[part] += (double)j.rows;
    return FM_OK;
}

const fm_op fm_op_watch = {.name = "watch", .forward = watch_forward, .is_constant = true};

void fm_watch(fm_plan *p, fm_value x, int64_t offset, int64_t stride, fm_tally *tally) {
    fm_plan_node(p, &fm_op_watch, FM_VALUES(x), FM_VALUES(-1), &(params){offset, stride, tally},
                 sizeof(params));
}

/* ---- watch_experts ---------------------------------------------------------------------------*/

typedef struct expert_params {
    const fm_expert_provider *provider;
    fm_gate gate;
    fm_tally *in, *between;
} expert_params;

/* One expert's rows. */
typedef struct expert_job {
    const fm_run *run;
    const expert_params *p;
    fm_expert weights;
    int64_t id, rows, groups;
    const float *x;            /* [rows, D], gathered */
    float *gate, *up;          /* [rows, F] */
} expert_job;

static void products(void *context, int64_t begin, int64_t end, int worker) {
    const expert_job *j = context;
    int64_t d = j->p->provider->hidden_size, f = j->p->provider->intermediate_size;
    for (int64_t i = begin; i < end; i++) {
        bool up = i >= j->groups;
        fm_matmul_group(j->run->kernels, up ? &j->weights.up->panels : &j->weights.gate->panels,
                        i % j->groups, j->x, d, j->rows, up ? j->up : j->gate, f,
                        fm_plan_scratch(j->run->plan, worker));
    }
}

static void add_between(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const expert_job *j = context;
    int64_t f = j->p->provider->intermediate_size;
    for (int64_t i = begin; i < end; i++) {
        int64_t c = i * COLUMNS, n = f - c < COLUMNS ? f - c : COLUMNS;
        for (int64_t t = 0; t < j->rows; t++) {
            float *row = j->gate + t * f + c;
            j->run->kernels->swiglu(row, j->up + t * f + c, n, row);
        }
        add_squares(j->gate + c, f, j->rows, n, j->p->between->squares + j->id * f + c);
    }
}

static void add_in(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const expert_job *j = context;
    int64_t d = j->p->provider->hidden_size;
    for (int64_t i = begin; i < end; i++) {
        int64_t c = i * COLUMNS, n = d - c < COLUMNS ? d - c : COLUMNS;
        add_squares(j->x + c, d, j->rows, n, j->p->in->squares + j->id * d + c);
    }
}

static void watch_expert(expert_job *j, const int32_t *tokens, const float *x, float *gathered) {
    int64_t d = j->p->provider->hidden_size, f = j->p->provider->intermediate_size;
    for (int64_t t = 0; t < j->rows; t++)
        memcpy(gathered + t * d, x + tokens[t] * d, (size_t)d * sizeof(float));
    j->x = gathered;
    j->groups = fm_panel_groups(&j->weights.gate->panels);
    fm_pool_for(j->run->pool, pieces_of(d), 1, add_in, j);
    fm_pool_for(j->run->pool, 2 * j->groups, 1, products, j);
    fm_pool_for(j->run->pool, pieces_of(f), 1, add_between, j);
    j->p->in->rows[j->id] += (double)j->rows;
    j->p->between->rows[j->id] += (double)j->rows;
}

static fm_status experts_forward(const fm_run *run, const fm_node *node) {
    const expert_params *p = fm_params(node);
    fm_routing r = fm_routing_view(&p->gate, fm_plan_data(run->plan, node->inputs[1]),
                                   fm_plan_options_of(run->plan)->rows);
    for (int64_t e = 0; e < p->gate.n_experts; e++) {
        expert_job j = {.run = run, .p = p, .id = e, .rows = r.offsets[e + 1] - r.offsets[e],
                        .gate = fm_output(run, node, 1), .up = fm_output(run, node, 2)};
        if (j.rows == 0) continue;
        const fm_expert_provider *from = p->provider;
        bool passing;
        FM_TRY(fm_want_experts(run, from, &(int32_t){(int32_t)e}, 1, &passing));
        fm_status status = from->get(from->context, (int32_t)e, &j.weights, run->err);
        if (status == FM_OK)
            watch_expert(&j, r.tokens + r.offsets[e], fm_input(run, node, 0), fm_output(run, node, 0));
        if (passing) from->done(from->context);
        FM_TRY(status);
    }
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    (void)plan, (void)node;
    return fm_matmul_scratch_bytes();
}

const fm_op fm_op_watch_experts = {.name = "watch_experts", .forward = experts_forward, .scratch = scratch,
                                     .is_constant = true};

/* An expert has at most one row of each token: working memory for the rows of a step is enough. */
void fm_watch_experts(fm_plan *p, fm_value x, fm_value routing, const fm_expert_provider *provider,
                      const fm_gate *gate, fm_tally *in, fm_tally *between) {
    size_t d = (size_t)provider->hidden_size * sizeof(float);
    size_t f = (size_t)provider->intermediate_size * sizeof(float);
    fm_value gathered = fm_plan_value(p, FM_ROWS_TOKENS, d, 0);
    fm_value g = fm_plan_value(p, FM_ROWS_TOKENS, f, 0), u = fm_plan_value(p, FM_ROWS_TOKENS, f, 0);
    fm_plan_node(p, &fm_op_watch_experts, FM_VALUES(x, routing), FM_VALUES(gathered, g, u),
                 &(expert_params){provider, *gate, in, between}, sizeof(expert_params));
}

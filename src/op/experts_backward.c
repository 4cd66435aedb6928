/* experts_backward.c: gradients of the chosen experts' SwiGLU (experts.c).
 * backward_input: dx[token] += the expert's SwiGLU backwards; backward_weight: per expert, dW += .
 *
 * What is kept of the forward pass are W_gate x and W_up x; silu(gate) * up is made again. Small experts go all the
 * way back by themselves, some rows at a time, which then come from memory once. Large ones go phase by phase, all
 * experts together: the pieces of dW, the SwiGLU, then what each slot gives to its token. */
#include "op/experts_private.h"
#include "op/op_private.h"
#include "op/products.h"

#include <string.h>

typedef fm_experts_params params;
typedef fm_active_expert active;

enum { BLOCK = 128 }; /* rows whose gradients pass the SwiGLU as one unit of work */

bool fm_experts_learn(const fm_node *node) {
    const params *p = fm_params(node);
    fm_expert e;
    if (p->provider->get(p->provider->context, 0, &e, NULL) != FM_OK) return false;
    return e.gate->grad || e.up->grad || e.down->grad;
}

typedef struct gradient_job {
    const fm_run *run;
    const active *experts;
    int64_t n_active, slots, d, f, per_token;
    fm_routing r;
    const float *x;
    float *gate, *up; /* [slots, F]; once back through the SwiGLU, their gradients */
    float *dy;        /* [slots, D]; at last, what each slot gives to its token */
    float *dx;
} gradient_job;

static gradient_job gradients_of(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    gradient_job j = {.run = run, .experts = fm_plan_data(run->plan, node->outputs[3]),
                      .slots = run->step->n_rows * p->gate.per_token, .d = p->provider->hidden_size,
                      .f = p->provider->intermediate_size, .per_token = p->gate.per_token,
                      .r = fm_routing_view(&p->gate, fm_plan_data(run->plan, node->inputs[1]),
                                           fm_plan_options_of(run->plan)->rows),
                      .x = fm_input(run, node, 0), .gate = fm_output(run, node, 1),
                      .up = fm_output(run, node, 2), .dy = fm_output_grad(run, node, 0),
                      .dx = fm_input_grad(run, node, 0)};
    for (int64_t rows = 0; rows < j.slots; j.n_active++) rows += j.experts[j.n_active].rows;
    return j;
}

typedef struct made_rows {
    const gradient_job *j;
    int64_t first;
} made_rows;

static void make_between(const void *context, int64_t row, int64_t n, int64_t column, int64_t columns,
                         float *out) {
    const made_rows *m = context;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = (m->first + row + i) * m->j->f + column;
        m->j->run->kernels->swiglu(m->j->gate + at, m->j->up + at, columns, out + i * columns);
    }
}

static void to_down(void *context, int64_t begin, int64_t end, int worker) {
    const gradient_job *j = context;
    for (int64_t i = begin; i < end; i++) {
        const active *e = &j->experts[i % j->n_active];
        made_rows made = {j, e->first};
        fm_to_weight product = {.form = fm_form_of(j->run->plan, e->weights.down),
                                .dw = e->weights.down->grad, .n_out = j->d, .n_in = j->f,
                                .beside = j->n_active - 1, .rows = e->rows,
                                .dy = j->dy + e->first * j->d, .ld_dy = j->d, .make_x = make_between,
                                .context = &made};
        fm_to_weight_unit(j->run, &product, i / j->n_active, fm_plan_scratch(j->run->plan, worker));
    }
}

/* Rows [first, first + rows), all of one expert: the gradients of gate and up take their places. */
static void through_swiglu(const gradient_job *j, const active *e, int64_t first, int64_t rows,
                           float *scratch) {
    int64_t f = j->f;
    float *between = scratch + fm_products_scratch() / sizeof(float), *dgate = between + BLOCK * f;
    float *dup = dgate + f;
    fm_to_input product = {.n = 1, .terms = {{e->weights.down, false, j->dy + first * j->d, j->d}},
                           .rows = rows, .columns = f, .dx = between, .ld = f, .sets = true};
    for (int64_t i = 0; i < fm_to_input_units(j->run, &product); i++)
        fm_to_input_unit(j->run, &product, i, scratch);
    for (int64_t i = 0; i < rows; i++) {
        float *gate = j->gate + (first + i) * f, *up = j->up + (first + i) * f;
        memset(dgate, 0, (size_t)(2 * f) * sizeof(float));
        j->run->kernels->swiglu_backward(gate, up, between + i * f, f, dgate, dup);
        memcpy(gate, dgate, (size_t)f * sizeof(float));
        memcpy(up, dup, (size_t)f * sizeof(float));
    }
}

static int64_t blocks_of(int64_t rows) { return (rows + BLOCK - 1) / BLOCK; }

static void blocks(void *context, int64_t begin, int64_t end, int worker) {
    const gradient_job *j = context;
    for (int64_t i = begin; i < end; i++) {
        const active *e = j->experts;
        int64_t block = i;
        for (; block >= blocks_of(e->rows); e++) block -= blocks_of(e->rows);
        int64_t first = block * BLOCK, rows = e->rows - first < BLOCK ? e->rows - first : BLOCK;
        through_swiglu(j, e, e->first + first, rows, fm_plan_scratch(j->run->plan, worker));
    }
}

static void all_through_swiglu(const gradient_job *j) {
    int64_t n = 0;
    for (int64_t i = 0; i < j->n_active; i++) n += blocks_of(j->experts[i].rows);
    fm_pool_for(j->run->pool, n, 1, blocks, (void *)(uintptr_t)j);
}

static void to_gate_and_up(void *context, int64_t begin, int64_t end, int worker) {
    const gradient_job *j = context;
    for (int64_t i = begin; i < end; i++) {
        const active *e = &j->experts[i / 2 % j->n_active];
        const float *dy = (i % 2 ? j->up : j->gate) + e->first * j->f;
        const fm_weight *w = i % 2 ? e->weights.up : e->weights.gate;
        fm_to_weight product = {.form = fm_form_of(j->run->plan, w), .dw = w->grad, .n_out = j->f,
                                .n_in = j->d, .beside = 2 * j->n_active - 1, .rows = e->rows, .dy = dy,
                                .ld_dy = j->f, .x = j->x, .ld_x = j->d, .x_rows = j->r.tokens + e->first};
        fm_to_weight_unit(j->run, &product, i / 2 / j->n_active, fm_plan_scratch(j->run->plan, worker));
    }
}

/* ---- small experts: all gradients of some rows while they are in the cache ------------------------ */

enum { SMALL = 512 << 10 }; /* bytes of an expert's gradients that stay there too */

/* Every sum has the order that it has otherwise: which way is taken changes no bit. */
static bool goes_alone(const fm_run *run, const gradient_job *j) {
    return 3 * j->d * j->f * (int64_t)sizeof(float) <= SMALL && j->n_active >= 4 * fm_pool_threads(run->pool);
}

static void add_to_weight(const gradient_job *j, const fm_weight *w, const float *dy, const float *x,
                          const int32_t *x_rows, int64_t rows, float *scratch) {
    fm_to_weight product = {.form = fm_form_of(j->run->plan, w), .dw = w->grad, .n_out = w->n_out, .n_in = w->n_in,
                            .beside = j->n_active, .rows = rows, .dy = dy, .ld_dy = w->n_out, .x = x,
                            .ld_x = w->n_in, .x_rows = x_rows};
    for (int64_t i = 0; i < fm_to_weight_units(&product); i++) fm_to_weight_unit(j->run, &product, i, scratch);
}

static void set_to_input(const gradient_job *j, const fm_to_input *product, float *scratch) {
    for (int64_t i = 0; i < fm_to_input_units(j->run, product); i++) fm_to_input_unit(j->run, product, i, scratch);
}

/* Rows [first, first + rows) of an expert: dy becomes what each of them gives to its token. */
static void rows_back(const gradient_job *j, const fm_expert *w, int64_t first, int64_t rows, float *scratch) {
    const fm_kernels *k = j->run->kernels;
    int64_t d = j->d, f = j->f, n = rows * f;
    const float *gate = j->gate + first * f, *up = j->up + first * f;
    const int32_t *tokens = j->r.tokens + first;
    float *h = scratch + fm_products_scratch() / sizeof(float), *dh = h + BLOCK * f, *dgate = dh + BLOCK * f;
    float *dup = dgate + BLOCK * f, *dy = j->dy + first * d;
    k->swiglu(gate, up, n, h);
    add_to_weight(j, w->down, dy, h, NULL, rows, scratch);
    fm_to_input back = {.n = 1, .terms = {{w->down, false, dy, d}}, .rows = rows, .columns = f, .dx = dh, .ld = f,
                        .sets = true};
    set_to_input(j, &back, scratch);
    memset(dgate, 0, (size_t)n * sizeof(float));
    memset(dup, 0, (size_t)n * sizeof(float));
    k->swiglu_backward(gate, up, dh, n, dgate, dup);
    add_to_weight(j, w->gate, dgate, j->x, tokens, rows, scratch);
    add_to_weight(j, w->up, dup, j->x, tokens, rows, scratch);
    if (!j->dx) return;
    back = (fm_to_input){.n = 2, .terms = {{w->gate, false, dgate, f}, {w->up, false, dup, f}}, .rows = rows,
                         .columns = d, .dx = dy, .ld = d, .sets = true};
    set_to_input(j, &back, scratch);
}

static void each_alone(void *context, int64_t begin, int64_t end, int worker) {
    const gradient_job *j = context;
    for (const active *e = j->experts + begin; e < j->experts + end; e++)
        for (int64_t at = 0; at < e->rows; at += BLOCK)
            rows_back(j, &e->weights, e->first + at, e->rows - at < BLOCK ? e->rows - at : BLOCK,
                      fm_plan_scratch(j->run->plan, worker));
}

fm_status fm_experts_backward_weight(const fm_run *run, const fm_node *node) {
    gradient_job j = gradients_of(run, node);
    if (goes_alone(run, &j)) {
        fm_pool_for(run->pool, j.n_active, 1, each_alone, &j);
        return FM_OK;
    }
    fm_to_weight of_down = {.n_out = j.d, .n_in = j.f, .beside = j.n_active - 1};
    fm_to_weight of_gate = {.n_out = j.f, .n_in = j.d, .beside = 2 * j.n_active - 1};
    int64_t down_units = fm_to_weight_units(&of_down), units = fm_to_weight_units(&of_gate);
    fm_pool_for(run->pool, j.n_active * down_units, 1, to_down, &j);
    all_through_swiglu(&j);
    fm_pool_for(run->pool, 2 * j.n_active * units, 1, to_gate_and_up, &j);
    return FM_OK;
}

static fm_to_input slots_of(const gradient_job *j, const active *e) {
    return (fm_to_input){.n = 2,
                         .terms = {{e->weights.gate, false, j->gate + e->first * j->f, j->f},
                                   {e->weights.up, false, j->up + e->first * j->f, j->f}},
                         .rows = e->rows, .columns = j->d, .dx = j->dy + e->first * j->d, .ld = j->d,
                         .sets = true};
}

static void to_slots(void *context, int64_t begin, int64_t end, int worker) {
    const gradient_job *j = context;
    for (int64_t i = begin; i < end; i++) {
        int64_t at = i;
        fm_to_input product = slots_of(j, j->experts);
        for (int64_t e = 0, n; at >= (n = fm_to_input_units(j->run, &product));) {
            at -= n;
            product = slots_of(j, &j->experts[++e]);
        }
        fm_to_input_unit(j->run, &product, at, fm_plan_scratch(j->run->plan, worker));
    }
}

static void to_tokens(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const gradient_job *j = context;
    const int32_t *slots = j->r.slots;
    int64_t ahead = FM_TOKENS_AHEAD * j->per_token;
    for (int64_t i = begin * j->per_token; i < end * j->per_token; i++) {
        if (i + ahead < j->slots) fm_prefetch_row(j->dy + slots[i + ahead] * j->d, j->d);
        j->run->kernels->add(j->dy + slots[i] * j->d, j->d, j->dx + i / j->per_token * j->d);
    }
}

/* After the weights' (learn.c): those have brought gradients through the SwiGLU already. */
fm_status fm_experts_backward_input(const fm_run *run, const fm_node *node) {
    gradient_job j = gradients_of(run, node);
    if (!j.dx) return FM_OK;
    bool learns = fm_experts_learn(node), alone = learns && goes_alone(run, &j);
    if (!learns) all_through_swiglu(&j);
    int64_t units = 0;
    for (int64_t i = 0; i < j.n_active && !alone; i++) {
        fm_to_input product = slots_of(&j, &j.experts[i]);
        units += fm_to_input_units(run, &product);
    }
    fm_pool_for(run->pool, units, 1, to_slots, &j);
    fm_pool_for(run->pool, run->step->n_rows, 4, to_tokens, &j);
    return FM_OK;
}

/* Of small experts: h, its gradient, and those of gate and up. Others need less. */
size_t fm_experts_backward_scratch(const fm_experts_params *p) {
    return fm_products_scratch() + 4 * BLOCK * (size_t)p->provider->intermediate_size * sizeof(float);
}

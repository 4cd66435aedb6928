/* experts: y[slot] = W_down,e( silu(W_gate,e x) * W_up,e x ),  x the slot's token, e its expert
 * x [T, D], y [T*K, D] in routed rows, so that an expert's rows are neighbours.
 * backward_input: dx[token] += the expert's SwiGLU backwards; backward_weight: per expert, dW += .
 *   What is kept of the forward pass are W_gate x and W_up x; silu(gate) * up is made again. Small experts go
 *   all the way back by themselves, some rows at a time, which then come from memory once.
 *
 * Every phase runs over all chosen experts at once: one unit of work is one tile of one expert's
 * matrix with all of that expert's rows, so a step of few tokens and one of many share the code,
 * and experts that nobody chose cost nothing.
 *
 * Where the plan says so and the weights have codes, x comes with its own codes (op/codes.c), which are
 * gathered like its rows, and the rows between are rounded again. */
#include "op/op.h"
#include "op/products.h"
#include "op/op_sample.h"

#include <assert.h>
#include <string.h>

typedef struct params {
    const fm_expert_provider *provider;
    fm_gate gate;
} params;

/* An expert that somebody chose, with its slots. */
typedef struct active {
    fm_expert weights;
    int64_t first, rows;
} active;

typedef struct job {
    const fm_run *run;
    const params *p;
    const active *experts;
    const float *x;                /* [T, D] */
    const char *x_codes;           /* of x; NULL: products of floats */
    const int32_t *tokens;
    float *gathered, *gate, *up;   /* [slots, D], [slots, F], [slots, F] */
    float *between;                /* [slots, F]: silu(gate) * up, in gate's place unless the plan learns */
    char *codes;                   /* [slots]: of the rows that the phase multiplies */
    float *y;                      /* [slots, D] */
    fm_codes_form form;
    int64_t groups, down_groups;   /* tiles of gate and of up; of down */
    bool floats_in, codes_in, codes_between; /* what some expert reads: of x; of silu(gate) * up */
} job;

static void gather(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    size_t d = (size_t)j->p->provider->hidden_size;
    size_t codes = fm_codes_row_bytes(j->form, (int64_t)d);
    for (int64_t s = begin; s < end; s++) {
        size_t to = (size_t)s, from = (size_t)j->tokens[s];
        if (j->floats_in) memcpy(j->gathered + to * d, j->x + from * d, d * sizeof(float));
        if (j->codes_in) memcpy(j->codes + to * codes, j->x_codes + from * codes, codes);
    }
}

/* The expert's rows of the phase's input. */
static fm_product_rows rows_of(const job *j, const active *e, const float *x, int64_t columns) {
    fm_product_rows all = {x, j->x_codes ? j->codes : NULL, columns, 0, j->form};
    return fm_rows_from(&all, e->first, e->rows);
}

/* A unit of work of a phase: a tile of one of the matrices of one expert. */
typedef struct unit {
    const active *e;
    const fm_weight *w;
    int64_t group;
    bool is_up;
} unit;

static unit gate_or_up(const job *j, int64_t i) {
    const active *e = &j->experts[i / (2 * j->groups)];
    int64_t group = i % (2 * j->groups);
    bool is_up = group >= j->groups;
    return (unit){e, is_up ? e->weights.up : e->weights.gate, is_up ? group - j->groups : group, is_up};
}

static unit one_of_down(const job *j, int64_t i) {
    const active *e = &j->experts[i / j->down_groups];
    return (unit){e, e->weights.down, i % j->down_groups, false};
}

/* Tells waiting threads where they will begin in the phase of n units. */
static void fetch(const job *j, unit (*unit_at)(const job *, int64_t), int64_t n) {
    int threads = fm_pool_threads(j->run->pool);
    for (int w = 0; w < threads; w++) {
        unit u = unit_at(j, fm_pool_stretch(n, w, threads));
        fm_pool_fetch(j->run->pool, w, fm_panel_group_at(&u.w->panels, u.group));
    }
}

static void gate_and_up(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    int64_t d = j->p->provider->hidden_size, f = j->p->provider->intermediate_size;
    float *scratch = fm_plan_scratch(j->run->plan, worker);
    for (int64_t i = begin; i < end; i++) {
        unit u = gate_or_up(j, i);
        fm_product_rows x = rows_of(j, u.e, j->gathered, d);
        fm_product_group(j->run->kernels, &u.w->panels, u.group, &x,
                         (u.is_up ? j->up : j->gate) + u.e->first * f, f, scratch);
    }
}

static void activate(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    const fm_kernels *k = j->run->kernels;
    int64_t f = j->p->provider->intermediate_size;
    size_t codes = fm_codes_row_bytes(j->form, f);
    for (int64_t s = begin; s < end; s++) {
        float *row = j->between + s * f;
        k->swiglu(j->gate + s * f, j->up + s * f, f, row);
        if (j->codes_between) k->codes_from_float[j->form](row, f, j->codes + (size_t)s * codes);
    }
}

static void down(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    int64_t d = j->p->provider->hidden_size, f = j->p->provider->intermediate_size;
    float *scratch = fm_plan_scratch(j->run->plan, worker);
    for (int64_t i = begin; i < end; i++) {
        unit u = one_of_down(j, i);
        fm_product_rows x = rows_of(j, u.e, j->between, f);
        fm_product_group(j->run->kernels, &u.w->panels, u.group, &x, j->y + u.e->first * d, d, scratch);
    }
}

/* ---- products of words: some rows of an expert pass all three of its matrices at once ------------- */

static bool are_words(const fm_run *run, const active *experts, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const fm_expert *e = &experts[i].weights;
        if (!fm_is_product_of_words(run->plan, e->gate, false) ||
            !fm_is_product_of_words(run->plan, e->up, false) ||
            !fm_is_product_of_words(run->plan, e->down, false))
            return false;
    }
    return true;
}

static int64_t word_blocks(const active *e) { return (e->rows + FM_WORDS_ROWS - 1) / FM_WORDS_ROWS; }

/* Bytes of words for rows of x, and after them of silu(gate) * up. */
static size_t words_bytes(const fm_expert_provider *p) {
    int64_t widest = p->hidden_size > p->intermediate_size ? p->hidden_size : p->intermediate_size;
    return (size_t)fm_words_rows_scratch(FM_WORDS_BF16, widest) * sizeof(uint32_t);
}

static void multiply_words(const job *j, fm_words x, int64_t rows, const fm_weight *w, float *y) {
    fm_words_product p = {.form = FM_WORDS_BF16, .x = x, .w = fm_words_of_panels(&w->panels), .n_out = w->n_out,
                          .n_words = fm_words_count(FM_WORDS_BF16, w->n_in), .y = y, .ldy = w->n_out};
    fm_words_multiply(j->run->kernels, &p, 0, rows, 0, fm_panel_count(&w->panels));
}

/* Slots [first, first + rows) of one expert. */
static void pass_words(const job *j, const fm_expert *w, int64_t first, int64_t rows, float *scratch) {
    const fm_kernels *k = j->run->kernels;
    int64_t d = j->p->provider->hidden_size, f = j->p->provider->intermediate_size;
    uint32_t *words = (uint32_t *)(void *)scratch;
    float *gate = j->gate + first * f, *up = j->up + first * f;
    float *between = scratch + words_bytes(j->p->provider) / sizeof(float);
    fm_float_rows x = {j->x, d, j->tokens}, h = {between, f, NULL};
    fm_words packed = fm_words_pack_rows(k, FM_WORDS_BF16, &x, d, first, first + rows, words);
    multiply_words(j, packed, rows, w->gate, gate);
    multiply_words(j, packed, rows, w->up, up);
    k->swiglu(gate, up, rows * f, between);
    packed = fm_words_pack_rows(k, FM_WORDS_BF16, &h, f, 0, rows, words);
    multiply_words(j, packed, rows, w->down, j->y + first * d);
}

static void pass_blocks(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    for (int64_t i = begin; i < end; i++) {
        const active *e = j->experts;
        int64_t block = i;
        for (; block >= word_blocks(e); e++) block -= word_blocks(e);
        int64_t first = block * FM_WORDS_ROWS;
        int64_t rows = e->rows - first < FM_WORDS_ROWS ? e->rows - first : FM_WORDS_ROWS;
        pass_words(j, &e->weights, e->first + first, rows, fm_plan_scratch(j->run->plan, worker));
    }
}

static void pass_all(const job *j, int64_t n_active) {
    int64_t n = 0;
    for (int64_t i = 0; i < n_active; i++) n += word_blocks(&j->experts[i]);
    fm_pool_for(j->run->pool, n, 1, pass_blocks, (void *)(uintptr_t)j);
}

/* ---- a step --------------------------------------------------------------------------------------- */

/* Fills `list` with the chosen experts, ascending; returns how many. */
static int64_t find_active(const params *p, const fm_routing *r, active *list, int32_t *ids) {
    int64_t count = 0;
    for (int64_t e = 0; e < p->gate.n_experts; e++) {
        int64_t rows = r->offsets[e + 1] - r->offsets[e];
        if (rows == 0) continue;
        list[count] = (active){.first = r->offsets[e], .rows = rows};
        ids[count++] = (int32_t)e;
    }
    return count;
}

static fm_status get_weights(const fm_run *run, const params *p, active *list, const int32_t *ids, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        FM_TRY(p->provider->get(p->provider->context, ids[i], &list[i].weights, run->err));
    return FM_OK;
}

/* What the chosen experts' weights read. */
static void find_formats(job *j, int64_t n_active) {
    const fm_kernels *k = j->run->kernels;
    for (int64_t i = 0; i < n_active; i++) {
        const fm_expert *e = &j->experts[i].weights;
        bool gate = j->x_codes && fm_product_reads_codes(k, &e->gate->panels);
        bool up = j->x_codes && fm_product_reads_codes(k, &e->up->panels);
        j->codes_in |= gate || up;
        j->floats_in |= !gate || !up;
        j->codes_between |= j->x_codes && fm_product_reads_codes(k, &e->down->panels);
    }
}

/* The rows of all slots through their experts, whose weights are there. */
static void compute(const fm_run *run, const fm_node *node, const int32_t *tokens, const active *experts,
                    int64_t n_active) {
    const params *p = fm_params(node);
    int64_t slots = run->step->n_rows * p->gate.per_token;
    /* The gathered rows lie in y's place: the last phase reads only `between` and overwrites them. */
    job j = {.run = run, .p = p, .experts = experts, .x = fm_input(run, node, 0),
             .tokens = tokens, .gathered = fm_output(run, node, 0),
             .gate = fm_output(run, node, 1), .up = fm_output(run, node, 2),
             .y = fm_output(run, node, 0), .form = fm_plan_codes_form(run->plan)};
    j.between = fm_plan_options_of(run->plan)->learns ? fm_output(run, node, 4) : j.gate;
    if (node->n_inputs > 2) {
        j.x_codes = fm_plan_data(run->plan, node->inputs[2]);
        j.codes = fm_plan_data(run->plan, node->outputs[4]);
    }
    if (are_words(run, experts, n_active)) {
        pass_all(&j, n_active);
        return;
    }
    find_formats(&j, n_active);
    j.groups = fm_panel_groups(&experts[0].weights.gate->panels);
    j.down_groups = fm_panel_groups(&experts[0].weights.down->panels);
    int64_t first_units = n_active * 2 * j.groups, down_units = n_active * j.down_groups;
    fetch(&j, gate_or_up, first_units);
    fm_pool_for(run->pool, slots, 16, gather, &j);
    fetch(&j, one_of_down, down_units);
    fm_pool_for(run->pool, first_units, 1, gate_and_up, &j);
    fm_pool_for(run->pool, slots, 4, activate, &j);
    fm_plan_fetch_next(run, node);
    fm_pool_for(run->pool, down_units, 1, down, &j);
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    fm_routing r = fm_routing_view(&p->gate, fm_plan_data(run->plan, node->inputs[1]),
                                   fm_plan_options_of(run->plan)->rows);
    active *experts = fm_plan_data(run->plan, node->outputs[3]);
    int32_t *ids = (int32_t *)(void *)(experts + p->gate.n_experts);
    int64_t n_active = find_active(p, &r, experts, ids);
    bool passing;
    FM_TRY(fm_want_experts(run, p->provider, ids, n_active, &passing));
    assert(!passing || !fm_plan_options_of(run->plan)->learns); /* gradients read the weights again */
    fm_status status = get_weights(run, p, experts, ids, n_active);
    if (status == FM_OK) compute(run, node, r.tokens, experts, n_active);
    if (passing) p->provider->done(p->provider->context);
    return status;
}

/* ---- gradients ------------------------------------------------------------------------------------ */

enum { BLOCK = 128 }; /* rows whose gradients pass the SwiGLU as one unit of work */

static bool learns(const fm_node *node) {
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

static fm_status backward_weight(const fm_run *run, const fm_node *node) {
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
    for (int64_t i = begin * j->per_token; i < end * j->per_token; i++)
        j->run->kernels->add(j->dy + j->r.slots[i] * j->d, j->d, j->dx + i / j->per_token * j->d);
}

/* After the weights' (learn.c): those have brought gradients through the SwiGLU already. */
static fm_status backward_input(const fm_run *run, const fm_node *node) {
    gradient_job j = gradients_of(run, node);
    if (!j.dx) return FM_OK;
    if (!learns(node)) all_through_swiglu(&j);
    int64_t units = 0;
    for (int64_t i = 0; i < j.n_active && !(learns(node) && goes_alone(run, &j)); i++) {
        fm_to_input product = slots_of(&j, &j.experts[i]);
        units += fm_to_input_units(run, &product);
    }
    fm_pool_for(run->pool, units, 1, to_slots, &j);
    fm_pool_for(run->pool, run->step->n_rows, 4, to_tokens, &j);
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    const params *p = fm_params(node);
    if (!fm_plan_options_of(plan)->learns) return fm_matmul_scratch_bytes();
    size_t words = words_bytes(p->provider), products = fm_products_scratch();
    return (words > products ? words : products) +
           (4 * BLOCK) * (size_t)p->provider->intermediate_size * sizeof(float);
}

static double reads(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    const active *experts = fm_plan_data(run->plan, node->outputs[3]);
    int64_t slots = run->step->n_rows * p->gate.per_token;
    double bytes = 0;
    for (int64_t rows = 0; rows < slots; rows += experts->rows, experts++)
        bytes += fm_product_bytes(&experts[0].weights.gate->panels) +
                 fm_product_bytes(&experts[0].weights.up->panels) +
                 fm_product_bytes(&experts[0].weights.down->panels);
    return bytes;
}

fm_value fm_experts(fm_plan *p, fm_value x, fm_value routing, const fm_expert_provider *provider,
                    const fm_gate *gate) {
    size_t d = (size_t)provider->hidden_size, f = (size_t)provider->intermediate_size;
    bool reads_codes = fm_plan_has_codes(p);
    fm_value x_codes = reads_codes ? fm_codes_value(p, x) : -1;
    fm_value y = fm_plan_value(p, FM_ROWS_ROUTED, d * sizeof(float), 0);
    fm_value g = fm_plan_value(p, FM_ROWS_ROUTED, f * sizeof(float), 0);
    fm_value u = fm_plan_value(p, FM_ROWS_ROUTED, f * sizeof(float), 0);
    fm_value list = fm_plan_value(
        p, FM_ROWS_OUTPUTS, 0, (size_t)gate->n_experts * (sizeof(active) + sizeof(int32_t)));
    size_t code_bytes = fm_codes_row_bytes(fm_plan_codes_form(p), (int64_t)(d > f ? d : f));
    fm_value between = -1; /* codes of it, or where the plan learns itself */
    if (reads_codes) between = fm_plan_value(p, FM_ROWS_ROUTED, code_bytes, 0);
    else if (fm_plan_options_of(p)->learns) between = fm_plan_value(p, FM_ROWS_ROUTED, f * sizeof(float), 0);
    fm_plan_node(p, &fm_op_experts, FM_VALUES(x, routing, x_codes), FM_VALUES(y, g, u, list, between),
                 &(params){provider, *gate}, sizeof(params));
    return y;
}

static fm_value sample(fm_plan *p, const fm_sampler *s, int variant) {
    if (variant > 0) return -1;
    fm_gate gate = {.n_experts = FM_SAMPLE_EXPERTS, .per_token = 2, .n_groups = 1, .kept_groups = 1,
                    .scoring = FM_GATE_SIGMOID, .normalize = true, .scale = 1};
    fm_value routing = fm_route(p, s->spread(s->context, p, FM_SAMPLE_EXPERTS), NULL, &gate);
    const fm_expert_provider *experts = s->experts(s->context, FM_SAMPLE_EXPERTS, 19, 21);
    return fm_combine(p, fm_experts(p, s->input(s->context, p, 19), routing, experts, &gate), routing, -1,
                      &gate);
}

const fm_op fm_op_experts = {
    .name = "experts", .forward = forward, .backward_input = backward_input,
    .backward_weight = backward_weight, .learns = learns,
    .backward_reads = FM_READS_INPUT(0) | FM_READS_INPUT(1) | FM_READS_OUTPUT(1) | FM_READS_OUTPUT(2) |
                      FM_READS_OUTPUT(3),
    .scratch = scratch, .reads = reads, .sample = sample};

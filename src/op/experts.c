/* experts: y[slot] = W_down,e( silu(W_gate,e x) * W_up,e x ),  x the slot's token, e its expert
 * x [T, D], y [T*K, D] in routed rows, so that an expert's rows are neighbours.
 * Gradients: experts_backward.c.
 *
 * Every phase runs over all chosen experts at once: one unit of work is one tile of one expert's
 * matrix with all of that expert's rows, so a step of few tokens and one of many share the code,
 * and experts that nobody chose cost nothing.
 *
 * Where the plan says so and the weights have codes, x comes with its own codes (op/codes.c), which are
 * gathered like its rows, and the rows between are rounded again. */
#include "op/experts_private.h"
#include "op/op.h"
#include "op/products.h"
#include "op/op_sample.h"

#include <assert.h>
#include <string.h>

typedef fm_experts_params params;
typedef fm_active_expert active;

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

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    const params *p = fm_params(node);
    if (!fm_plan_options_of(plan)->learns) return fm_matmul_scratch_bytes();
    size_t forward = words_bytes(p->provider) +
                     FM_WORDS_ROWS * (size_t)p->provider->intermediate_size * sizeof(float);
    size_t backward = fm_experts_backward_scratch(p);
    return forward > backward ? forward : backward;
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
    .name = "experts", .forward = forward, .backward_input = fm_experts_backward_input,
    .backward_weight = fm_experts_backward_weight, .learns = fm_experts_learn,
    .backward_reads = FM_READS_INPUT(0) | FM_READS_INPUT(1) | FM_READS_OUTPUT(1) | FM_READS_OUTPUT(2) |
                      FM_READS_OUTPUT(3),
    .scratch = scratch, .reads = reads, .sample = sample};

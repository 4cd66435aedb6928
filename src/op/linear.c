/* linear: y = x W^T + b                                  x [T, n_in], W [n_out, n_in], y [T, n_out]
 * backward_input: dx += dy W;  backward_weight: dW += dy^T x, db += sum over rows of dy.
 *
 * Several weights may read one x: they are one node, so that threads meet once for all of them.
 * Where the plan says so and a weight has codes, x comes with its own codes (op/codes.c).
 * Threads share out groups of panels, i.e. of output columns; the order of every sum is that of
 * panel.h, whoever computes it. */
#include "op/op.h"
#include "op/products.h"
#include "op/op_sample.h"
#include "pack/adapter.h"

#include <assert.h>

typedef struct params {
    int n;
    fm_linear_part parts[FM_LINEARS];
} params;

typedef struct job {
    const fm_run *run;
    const params *p;
    fm_product_rows x;
    float *y[FM_LINEARS];
} job;

static int64_t groups_of(const params *p) {
    int64_t groups = 0;
    for (int i = 0; i < p->n; i++) groups += fm_panel_groups(&p->parts[i].w->panels);
    return groups;
}

/* The part that group *g of them all belongs to; *g becomes its group in there. */
static int part_of(const params *p, int64_t *g) {
    for (int i = 0;; i++) {
        int64_t groups = fm_panel_groups(&p->parts[i].w->panels);
        if (*g < groups) return i;
        *g -= groups;
    }
}

static void groups(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    float *scratch = fm_plan_scratch(j->run->plan, worker);
    for (int64_t i = begin; i < end; i++) {
        int64_t g = i;
        int part = part_of(j->p, &g);
        const fm_weight *w = j->p->parts[part].w, *bias = j->p->parts[part].bias;
        float *y = j->y[part];
        fm_product_group(j->run->kernels, &w->panels, g, &j->x, y, w->n_out, scratch);
        if (!bias) continue;
        int64_t first = g * FM_PANEL_GRAIN * FM_PANEL, n = FM_PANEL_GRAIN * FM_PANEL;
        if (n > w->n_out - first) n = w->n_out - first;
        for (int64_t t = 0; t < j->x.n; t++)
            j->run->kernels->add(bias->master + first, n, y + t * w->n_out + first);
    }
}

/* Products of words: threads share out rows too. Of each form one, since what rows are packed to differs. */
typedef struct words_job {
    const fm_run *run;
    fm_to_output product[2];
    int64_t units[2];
} words_job;

static void units(void *context, int64_t begin, int64_t end, int worker) {
    const words_job *j = context;
    for (int64_t i = begin; i < end; i++) {
        int which = i >= j->units[0];
        fm_to_output_unit(j->run, &j->product[which], which ? i - j->units[0] : i,
                          fm_plan_scratch(j->run->plan, worker));
    }
}

static void add_words(words_job *j, const fm_node *node, int part) {
    const params *p = fm_params(node);
    const fm_linear_part *of = &p->parts[part];
    fm_to_output *product = &j->product[fm_form_of(j->run->plan, of->w) == FM_WORDS_BF16];
    product->rows = fm_rows(j->run, node->inputs[0]);
    product->columns = product->ld = of->w->n_in;
    product->x = fm_input(j->run, node, 0);
    product->results[product->n++] = (fm_result){.w = of->w, .bias = of->bias, .y = fm_output(j->run, node, part),
                                                 .ld = of->w->n_out};
}

/* A product that learns goes by words where it is of BF16, and where its panels are too few for the threads. */
static bool goes_by_words(const fm_run *run, const fm_weight *w) {
    if (fm_is_product_of_words(run->plan, w, false)) return true;
    return fm_plan_options_of(run->plan)->learns && w->panels.layout == FM_LAYOUT_F32 && w->panels.data &&
           fm_panel_groups(&w->panels) < fm_pool_threads(run->pool);
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    params rest = {0};
    words_job words = {.run = run};
    job j = {run, &rest,
             {fm_input(run, node, 0),
              node->n_inputs > 1 ? fm_plan_data(run->plan, node->inputs[1]) : NULL,
              p->parts[0].w->n_in, fm_rows(run, node->inputs[0]), fm_plan_codes_form(run->plan)},
             {NULL}};
    for (int i = 0; i < p->n; i++) {
        if (goes_by_words(run, p->parts[i].w)) {
            add_words(&words, node, i);
            continue;
        }
        j.y[rest.n] = fm_output(run, node, i);
        rest.parts[rest.n++] = p->parts[i];
    }
    for (int i = 0; i < 2; i++)
        if (words.product[i].n) words.units[i] = fm_to_output_units(run, &words.product[i]);
    fm_pool_for(run->pool, words.units[0] + words.units[1], 1, units, &words);
    if (rest.n == 0) return FM_OK;
    fm_plan_fetch_next(run, node);
    if (j.x.n > 0) fm_pool_for(run->pool, groups_of(&rest), 1, groups, &j);
    return FM_OK;
}

/* ---- gradients ------------------------------------------------------------------------------------ */

static bool learns(const fm_node *node) {
    const params *p = fm_params(node);
    for (int i = 0; i < p->n; i++)
        if (p->parts[i].w->grad || (p->parts[i].bias && p->parts[i].bias->grad)) return true;
    return false;
}

typedef struct weight_job {
    const fm_run *run;
    int n;
    fm_to_weight products[FM_LINEARS];
} weight_job;

static void to_weights(void *context, int64_t begin, int64_t end, int worker) {
    const weight_job *j = context;
    for (int64_t i = begin; i < end; i++) {
        int64_t unit = i;
        int part = 0;
        for (int64_t n; unit >= (n = fm_to_weight_units(&j->products[part])); part++) unit -= n;
        fm_to_weight_unit(j->run, &j->products[part], unit, fm_plan_scratch(j->run->plan, worker));
    }
}

static fm_status backward_weight(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    weight_job j = {.run = run};
    int64_t units = 0, n_in = p->parts[0].w->n_in;
    for (int i = 0; i < p->n; i++) {
        const fm_weight *w = p->parts[i].w, *bias = p->parts[i].bias;
        const float *dy = fm_output_grad(run, node, i);
        if (!dy || !(w->grad || (bias && bias->grad))) continue;
        j.products[j.n] = (fm_to_weight){
            .form = fm_form_of(run->plan, w), .dw = w->grad, .db = bias ? bias->grad : NULL,
            .n_out = w->n_out, .n_in = n_in, .beside = p->n - 1,
            .rows = fm_rows(run, node->inputs[0]), .dy = dy, .ld_dy = w->n_out,
            .x = fm_input(run, node, 0), .ld_x = n_in};
        units += fm_to_weight_units(&j.products[j.n++]);
    }
    fm_pool_for(run->pool, units, 1, to_weights, &j);
    return FM_OK;
}

typedef struct input_job {
    const fm_run *run;
    fm_to_input product;
} input_job;

static void to_input(void *context, int64_t begin, int64_t end, int worker) {
    const input_job *j = context;
    for (int64_t i = begin; i < end; i++)
        fm_to_input_unit(j->run, &j->product, i, fm_plan_scratch(j->run->plan, worker));
}

static fm_status backward_input(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    int64_t n_in = p->parts[0].w->n_in;
    input_job j = {run, {.rows = fm_rows(run, node->inputs[0]), .columns = n_in,
                         .dx = fm_input_grad(run, node, 0), .ld = n_in,
                         .sets = fm_plan_grad_is_new(run->plan, node, 0)}};
    for (int i = 0; i < p->n; i++) {
        const float *dy = fm_output_grad(run, node, i);
        if (dy) j.product.terms[j.product.n++] = (fm_term){p->parts[i].w, false, dy, p->parts[i].w->n_out};
    }
    if (j.product.dx) fm_pool_for(run->pool, fm_to_input_units(run, &j.product), 1, to_input, &j);
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    (void)node;
    return fm_plan_options_of(plan)->learns ? fm_products_scratch() : fm_matmul_scratch_bytes();
}

static double reads(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    double bytes = 0;
    for (int i = 0; i < p->n && fm_rows(run, node->inputs[0]) > 0; i++)
        bytes += fm_product_bytes(&p->parts[i].w->panels);
    return bytes;
}

static const void *begins(const fm_node *node, int worker, int threads) {
    const params *p = fm_params(node);
    int64_t g = fm_pool_stretch(groups_of(p), worker, threads);
    int part = part_of(p, &g);
    return fm_panel_group_at(&p->parts[part].w->panels, g);
}

/* y + scale B (A x): adapters are nodes of their own, so the weight they sit on may be of any kind. */
static fm_value adapted(fm_plan *p, fm_value x, const fm_adapter *adapter, fm_value y) {
    fm_value low = fm_linear(p, x, &adapter->a, NULL);
    return fm_add_scaled(p, fm_linear(p, low, &adapter->b, NULL), adapter->scale, y);
}

void fm_linears(fm_plan *p, fm_value x, const fm_linear_part *parts, int n, fm_value *y) {
    assert(n >= 1 && n <= FM_LINEARS);
    params all = {.n = n};
    bool reads_codes = false;
    fm_value values[FM_LINEARS + 1];
    for (int i = 0; i < n; i++) {
        all.parts[i] = parts[i];
        reads_codes |= fm_reads_codes(p, parts[i].w);
    }
    fm_value codes = reads_codes ? fm_codes_value(p, x) : -1;
    for (int i = 0; i < n; i++)
        values[i] = y[i] = fm_plan_value(p, fm_plan_space(p, x),
                                         (size_t)parts[i].w->n_out * sizeof(float), 0);
    values[n] = -1;
    fm_plan_node(p, &fm_op_linear, FM_VALUES(x, codes), values, &all, sizeof all);
    for (int i = 0; i < n; i++)
        if (parts[i].w->adapter) y[i] = adapted(p, x, parts[i].w->adapter, y[i]);
}

fm_value fm_linear(fm_plan *p, fm_value x, const fm_weight *w, const fm_weight *bias) {
    fm_value y;
    fm_linears(p, x, &(fm_linear_part){w, bias}, 1, &y);
    return y;
}

static fm_value sample(fm_plan *p, const fm_sampler *s, int variant) {
    void *c = s->context;
    if (variant > 2) return -1;
    fm_value x = s->input(c, p, 19), y[3];
    if (variant == 0) return fm_linear(p, x, s->weights(c, 1, 37, 19), NULL);
    if (variant == 1) return fm_linear(p, x, s->weights(c, 1, 3, 19), s->vector(c, 3));
    fm_linears(p, x, (fm_linear_part[]){{s->weights(c, 1, 17, 19), s->vector(c, 17)},
                                        {s->weights(c, 1, 2, 19), NULL},
                                        {s->weights(c, 1, 33, 19), s->vector(c, 33)}}, 3, y);
    return fm_concat(p, fm_concat(p, y[0], y[1]), y[2]);
}

const fm_op fm_op_linear = {
    .name = "linear", .forward = forward, .backward_input = backward_input,
    .backward_weight = backward_weight, .learns = learns, .backward_reads = FM_READS_INPUT(0),
    .backward_sets = FM_READS_INPUT(0), .scratch = scratch, .reads = reads, .begins = begins,
    .sample = sample};

/* xent: what predicting costs: nll[t] = -log softmax(x[t] W^T)[target of t], the target being the token
 * `depth` + 1 places ahead (step->lesson); rows of weight 0 are left out and cost 0.
 * x [T, D], W [V, D], nll [T].  dlogits = weight (softmax - one at the target), dx = dlogits W,
 * dW += dlogits^T x.
 *
 * Logits never exist for all rows: rows go in chunks, and in a run that learns a chunk's gradients are made
 * while its logits are there. Those of x wait in a value until the way back. */
#include "op/op.h"
#include "op/products.h"
#include "op/op_sample.h"

#include <math.h>
#include <string.h>

typedef struct params {
    const fm_weight *w;
    int depth;
} params;

/* Rows of a chunk: as many as make some 80 MB of logits, within bounds, in whole blocks of a product. A large head
 * and its gradients come from memory for every chunk. */
enum { LOGITS = 20 << 20, MOST = 6 * FM_WORDS_ROWS };
static int64_t chunk_of(const params *p, int64_t rows) {
    int64_t n = LOGITS / p->w->n_out / FM_WORDS_ROWS * FM_WORDS_ROWS;
    n = n < FM_WORDS_ROWS ? FM_WORDS_ROWS : n > MOST ? MOST : n;
    return n < rows ? n : rows;
}

typedef struct job {
    const fm_run *run;
    const fm_weight *w;
    const float *x, *weights;
    const int32_t *targets;
    int32_t *rows;           /* that have a weight, ascending */
    int64_t n, d;            /* of them in the chunk; columns */
    float *gathered, *logits; /* [chunk, D], [chunk, V] */
    float *nll, *dx;         /* dx: [T, D], NULL: nothing is learnt */
    fm_to_output to_output;
    fm_to_input to_input;
    fm_to_weight to_weight;
} job;

static void gather(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    for (int64_t i = begin; i < end; i++)
        memcpy(j->gathered + i * j->d, j->x + j->rows[i] * j->d, (size_t)j->d * sizeof(float));
}

static void groups(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    fm_product_rows x = {.x = j->gathered, .columns = j->d, .n = j->n};
    for (int64_t g = begin; g < end; g++)
        fm_product_group(j->run->kernels, &j->w->panels, g, &x, j->logits, j->w->n_out,
                         fm_plan_scratch(j->run->plan, worker));
}

static void units(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    for (int64_t i = begin; i < end; i++)
        fm_to_output_unit(j->run, &j->to_output, i, fm_plan_scratch(j->run->plan, worker));
}

static void multiply(job *j) {
    int64_t v = j->w->n_out;
    j->to_output = (fm_to_output){.n = 1, .results = {{j->w, NULL, false, j->logits, v}}, .rows = j->n,
                                  .columns = j->d, .x = j->gathered, .ld = j->d};
    if (fm_is_product_of_words(j->run->plan, j->w, false))
        fm_pool_for(j->run->pool, fm_to_output_units(j->run, &j->to_output), 1, units, j);
    else
        fm_pool_for(j->run->pool, fm_panel_groups(&j->w->panels), 1, groups, j);
}

/* Logits become their gradients. */
static void softmax(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    const fm_kernels *k = j->run->kernels;
    int64_t v = j->w->n_out;
    for (int64_t i = begin; i < end; i++) {
        float *row = j->logits + i * v, weight = j->weights[j->rows[i]];
        int32_t target = j->targets[j->rows[i]];
        float most = k->max(row, v), at_target = row[target];
        float sum = k->exp_sum(row, v, most);
        j->nll[j->rows[i]] = (float)(log((double)sum) + ((double)most - (double)at_target));
        if (!j->dx) continue;
        k->scale(weight / sum, v, row);
        row[target] -= weight;
    }
}

static void gradients(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    int64_t first = fm_to_input_units(j->run, &j->to_input);
    for (int64_t i = begin; i < end; i++) {
        float *scratch = fm_plan_scratch(j->run->plan, worker);
        if (i < first) fm_to_input_unit(j->run, &j->to_input, i, scratch);
        else fm_to_weight_unit(j->run, &j->to_weight, i - first, scratch);
    }
}

static void scatter(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    for (int64_t i = begin; i < end; i++)
        memcpy(j->dx + j->rows[i] * j->d, j->gathered + i * j->d, (size_t)j->d * sizeof(float));
}

/* The gradient of x takes the place of the chunk's rows only after that of W has read them. */
static void learn_chunk(job *j) {
    fm_pool *pool = j->run->pool;
    int64_t v = j->w->n_out;
    j->to_weight = (fm_to_weight){.form = fm_form_of(j->run->plan, j->w),
                                  .dw = j->w->grad, .n_out = v, .n_in = j->d, .rows = j->n,
                                  .dy = j->logits, .ld_dy = v, .x = j->gathered, .ld_x = j->d};
    j->to_input = (fm_to_input){0};
    if (j->w->grad) fm_pool_for(pool, fm_to_weight_units(&j->to_weight), 1, gradients, j);
    j->to_input = (fm_to_input){.n = 1, .terms = {{j->w, false, j->logits, v}}, .rows = j->n,
                                .columns = j->d, .dx = j->gathered, .ld = j->d, .sets = true};
    fm_pool_for(pool, fm_to_input_units(j->run, &j->to_input), 1, gradients, j);
    fm_pool_for(pool, j->n, 16, scatter, j);
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    const fm_lesson *lesson = run->step->lesson;
    int64_t rows = run->step->n_rows, d = p->w->n_in, active = 0;
    int32_t *list = fm_plan_data(run->plan, node->outputs[2]);
    job j = {.run = run, .w = p->w, .x = fm_input(run, node, 0), .d = d,
             .targets = lesson->ahead[p->depth], .weights = lesson->weights[p->depth],
             .gathered = fm_output(run, node, 3), .logits = fm_output(run, node, 4),
             .nll = fm_output(run, node, 0), .dx = run->learns ? fm_output(run, node, 1) : NULL};
    memset(j.nll, 0, (size_t)rows * sizeof(float));
    if (j.dx) memset(j.dx, 0, (size_t)(rows * d) * sizeof(float));
    for (int64_t t = 0; t < rows && j.weights; t++)
        if (j.weights[t] != 0) list[active++] = (int32_t)t;
    int64_t chunk = chunk_of(p, fm_plan_options_of(run->plan)->rows);
    for (int64_t first = 0; first < active; first += chunk) {
        j.rows = list + first;
        j.n = active - first < chunk ? active - first : chunk;
        fm_pool_for(run->pool, j.n, 16, gather, &j);
        multiply(&j);
        fm_pool_for(run->pool, j.n, 4, softmax, &j);
        if (j.dx) learn_chunk(&j);
    }
    return FM_OK;
}

static bool learns(const fm_node *node) { return ((const params *)fm_params(node))->w->grad != NULL; }

static void add_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    j->run->kernels->add(j->x + begin * j->d, (end - begin) * j->d, j->dx + begin * j->d);
}

static fm_status backward(const fm_run *run, const fm_node *node) {
    job j = {.run = run, .x = fm_output(run, node, 1), .dx = fm_input_grad(run, node, 0),
             .d = fm_columns(run, node->inputs[0])};
    if (j.dx) fm_pool_for(run->pool, run->step->n_rows, 16, add_rows, &j);
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    (void)plan, (void)node;
    return fm_products_scratch();
}

static double reads(const fm_run *run, const fm_node *node) {
    (void)run;
    return fm_product_bytes(&((const params *)fm_params(node))->w->panels);
}

fm_value fm_xent(fm_plan *p, fm_value x, const fm_weight *w, int depth) {
    params all = {w, depth};
    int64_t chunk = chunk_of(&all, fm_plan_options_of(p)->rows);
    size_t d = (size_t)w->n_in * sizeof(float), v = (size_t)w->n_out * sizeof(float);
    fm_value nll = fm_plan_value(p, FM_ROWS_TOKENS, sizeof(float), 0);
    fm_value dx = fm_plan_value(p, FM_ROWS_TOKENS, d, 0);
    fm_value list = fm_plan_value(p, FM_ROWS_TOKENS, sizeof(int32_t), 0);
    fm_value gathered = fm_plan_value(p, FM_ROWS_OUTPUTS, 0, (size_t)chunk * d);
    fm_value logits = fm_plan_value(p, FM_ROWS_OUTPUTS, 0, (size_t)chunk * v);
    fm_plan_node(p, &fm_op_xent, FM_VALUES(x), FM_VALUES(nll, dx, list, gathered, logits), &all, sizeof all);
    return nll;
}

/* At both depths a head may have: targets are below FM_SAMPLE_ROWS. */
static fm_value sample(fm_plan *p, const fm_sampler *s, int variant) {
    if (variant > 1) return -1;
    fm_value x = s->input(s->context, p, 11);
    return fm_xent(p, x, s->weights(s->context, 1, variant == 0 ? 18 : FM_SAMPLE_ROWS, 11), variant);
}

const fm_op fm_op_xent = {
    .name = "xent", .forward = forward, .backward_input = backward, .learns = learns,
    .backward_reads = FM_READS_OUTPUT(1), .is_loss = true, .scratch = scratch, .reads = reads,
    .sample = sample};

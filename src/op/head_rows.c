#include "op/head_rows.h"

#include "op/products.h"

#include <string.h>

enum { LOGITS = 20 << 20, MOST = 6 * FM_WORDS_ROWS };

int64_t fm_head_chunk(const fm_weight *w, int64_t rows) {
    int64_t n = LOGITS / w->n_out / FM_WORDS_ROWS * FM_WORDS_ROWS;
    n = n < FM_WORDS_ROWS ? FM_WORDS_ROWS : n > MOST ? MOST : n;
    return n < rows ? n : rows;
}

/* One chunk. */
typedef struct job {
    const fm_head_rows *h;
    const fm_run *run;
    const int32_t *rows;
    int64_t n, d;            /* rows; columns */
    fm_to_output to_output;
    fm_to_input to_input;
    fm_to_weight to_weight;
} job;

static void gather(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = context;
    for (int64_t i = begin; i < end; i++)
        memcpy(j->h->gathered + i * j->d, j->h->x + j->rows[i] * j->d, (size_t)j->d * sizeof(float));
}

static void groups(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    const fm_weight *w = j->h->w;
    fm_product_rows x = {.x = j->h->gathered, .columns = j->d, .n = j->n};
    for (int64_t g = begin; g < end; g++)
        fm_product_group(j->run->kernels, &w->panels, g, &x, j->h->logits, w->n_out,
                         fm_plan_scratch(j->run->plan, worker));
}

static void units(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    for (int64_t i = begin; i < end; i++)
        fm_to_output_unit(j->run, &j->to_output, i, fm_plan_scratch(j->run->plan, worker));
}

static void multiply(job *j) {
    const fm_weight *w = j->h->w;
    j->to_output = (fm_to_output){.n = 1, .results = {{w, NULL, false, j->h->logits, w->n_out}}, .rows = j->n,
                                  .columns = j->d, .x = j->h->gathered, .ld = j->d};
    if (fm_is_product_of_words(j->run->plan, w, false))
        fm_pool_for(j->run->pool, fm_to_output_units(j->run, &j->to_output), 1, units, j);
    else
        fm_pool_for(j->run->pool, fm_panel_groups(&w->panels), 1, groups, j);
}

static void look_at(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    for (int64_t i = begin; i < end; i++)
        j->h->row(j->h, j->rows[i], j->h->logits + i * j->h->w->n_out, fm_plan_scratch(j->run->plan, worker));
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
        memcpy(j->h->dx + j->rows[i] * j->d, j->h->gathered + i * j->d, (size_t)j->d * sizeof(float));
}

/* The gradient of x takes the place of the chunk's rows only after that of W has read them. */
static void learn(job *j) {
    fm_pool *pool = j->run->pool;
    const fm_weight *w = j->h->w;
    j->to_weight = (fm_to_weight){.form = fm_form_of(j->run->plan, w), .dw = w->grad, .n_out = w->n_out, .n_in = j->d,
                                  .rows = j->n, .dy = j->h->logits, .ld_dy = w->n_out, .x = j->h->gathered,
                                  .ld_x = j->d};
    j->to_input = (fm_to_input){0};
    if (w->grad) fm_pool_for(pool, fm_to_weight_units(&j->to_weight), 1, gradients, j);
    j->to_input = (fm_to_input){.n = 1, .terms = {{w, false, j->h->logits, w->n_out}}, .rows = j->n,
                                .columns = j->d, .dx = j->h->gathered, .ld = j->d, .sets = true};
    fm_pool_for(pool, fm_to_input_units(j->run, &j->to_input), 1, gradients, j);
    fm_pool_for(pool, j->n, 16, scatter, j);
}

void fm_head_rows_run(fm_head_rows *h) {
    const fm_run *run = h->run;
    int64_t rows = run->step->n_rows, active = 0, chunk = fm_head_chunk(h->w, fm_plan_options_of(run->plan)->rows);
    job j = {.h = h, .run = run, .d = h->w->n_in};
    if (h->dx) memset(h->dx, 0, (size_t)(rows * j.d) * sizeof(float));
    for (int64_t t = 0; t < rows && h->weights; t++)
        if (h->weights[t] != 0) h->list[active++] = (int32_t)t;
    for (int64_t first = 0; first < active; first += chunk) {
        j.rows = h->list + first;
        j.n = active - first < chunk ? active - first : chunk;
        fm_pool_for(run->pool, j.n, 16, gather, &j);
        multiply(&j);
        fm_pool_for(run->pool, j.n, 4, look_at, &j);
        if (h->dx) learn(&j);
    }
}

/* ---- losses ------------------------------------------------------------------------------------------ */

typedef struct sum {
    const fm_run *run;
    const float *x;
    float *dx;
    int64_t d;
} sum;

static void add_rows(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const sum *s = context;
    s->run->kernels->add(s->x + begin * s->d, (end - begin) * s->d, s->dx + begin * s->d);
}

fm_status fm_head_rows_backward(const fm_run *run, const fm_node *node) {
    sum s = {run, fm_output(run, node, 1), fm_input_grad(run, node, 0), fm_columns(run, node->inputs[0])};
    if (s.dx) fm_pool_for(run->pool, run->step->n_rows, 16, add_rows, &s);
    return FM_OK;
}

void fm_head_rows_values(fm_plan *p, const fm_weight *w, fm_value out[3]) {
    int64_t chunk = fm_head_chunk(w, fm_plan_options_of(p)->rows);
    size_t d = (size_t)w->n_in * sizeof(float), v = (size_t)w->n_out * sizeof(float);
    out[0] = fm_plan_value(p, FM_ROWS_TOKENS, sizeof(int32_t), 0);
    out[1] = fm_plan_value(p, FM_ROWS_OUTPUTS, 0, (size_t)chunk * d);
    out[2] = fm_plan_value(p, FM_ROWS_OUTPUTS, 0, (size_t)chunk * v);
}

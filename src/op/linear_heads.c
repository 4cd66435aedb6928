/* linear_heads: y[t, h*n_out + i] = sum_k W[h][i][k] x[t, h*x_stride + x_offset + k], or transposed:
 *               y[t, h*n_in + k] = sum_i W[h][i][k] x[t, h*x_stride + x_offset + i]
 * One small matrix per head: the up-projections of latent attention. Rows that a segment has as fast do not
 * take the absorbed form: theirs are left as they are. Where x_stride is 0 all heads read the same columns,
 * whose gradient is summed head by head.
 * backward_input: dx[t, h, :] += dy[t, h, :] W[h];  backward_weight: dW[h] += dy[:, h]^T x[:, h];
 * transposed: dx[t, h, :] += W[h] dy[t, h, :];  dW[h] += x[:, h]^T dy[:, h]. */
#include "op/op.h"
#include "op/products.h"
#include "op/op_sample.h"

typedef struct params {
    const fm_weight *w; /* n_heads of them, all of one shape */
    int64_t n_heads, x_offset, x_stride;
    bool transposed;
} params;

/* Columns that a head writes, and units of work in which it does. */
static int64_t columns(const params *p) { return p->transposed ? p->w->n_in : p->w->n_out; }
static int64_t units(const params *p) {
    return p->transposed ? fm_column_tiles(&p->w->panels) : fm_panel_groups(&p->w->panels);
}

/* Rows that are computed here, as fm_step_slow_rows: what all heads make of one x is no absorbed form's. */
static int64_t next_rows(const fm_run *run, const params *p, int64_t *row) {
    if (p->x_stride) return fm_step_slow_rows(run->step, row);
    return *row == 0 ? run->step->n_rows : 0;
}

typedef struct job {
    const fm_run *run;
    const params *p;
    const float *x;
    float *y;
    int64_t ldx;
    int64_t row, rows; /* a stretch of them; products of words */
} job;

static void multiply(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    const params *p = j->p;
    const fm_kernels *k = j->run->kernels;
    int64_t per_head = units(p), ldy = p->n_heads * columns(p);
    float *scratch = fm_plan_scratch(j->run->plan, worker);
    for (int64_t i = begin; i < end; i++) {
        int64_t h = i / per_head, unit = i % per_head;
        const fm_panels *w = &p->w[h].panels;
        for (int64_t row = 0, n; (n = next_rows(j->run, p, &row)) > 0; row += n) {
            const float *x = j->x + row * j->ldx + h * p->x_stride + p->x_offset;
            float *y = j->y + row * ldy + h * columns(p);
            if (p->transposed)
                fm_matmul_transposed(k, w, unit, unit + 1, x, j->ldx, n, y, ldy, scratch);
            else
                fm_matmul_group(k, w, unit, x, j->ldx, n, y, ldy, scratch);
        }
    }
}

/* Products of words: rows of a head. */
static fm_to_output words_product(const job *j, int64_t h) {
    const params *p = j->p;
    int64_t ldy = p->n_heads * columns(p);
    fm_result y = {&p->w[h], NULL, p->transposed, j->y + j->row * ldy + h * columns(p), ldy};
    return (fm_to_output){.n = 1, .results = {y}, .rows = j->rows, .columns = p->transposed ? p->w->n_out : p->w->n_in,
                          .x = j->x + j->row * j->ldx + h * p->x_stride + p->x_offset, .ld = j->ldx};
}

static void multiply_words(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    for (int64_t i = begin; i < end; i++) {
        fm_to_output product = words_product(j, i % j->p->n_heads);
        fm_to_output_unit(j->run, &product, i / j->p->n_heads, fm_plan_scratch(j->run->plan, worker));
    }
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    job j = {run, p, fm_input(run, node, 0), fm_output(run, node, 0),
             fm_columns(run, node->inputs[0]), 0, 0};
    if (fm_is_product_of_words(run->plan, p->w, p->transposed)) {
        for (; (j.rows = next_rows(run, j.p, &j.row)) > 0; j.row += j.rows) {
            fm_to_output one = words_product(&j, 0);
            fm_pool_for(run->pool, p->n_heads * fm_to_output_units(run, &one), 1, multiply_words, &j);
        }
        return FM_OK;
    }
    fm_plan_fetch_next(run, node);
    fm_pool_for(run->pool, p->n_heads * units(p), 1, multiply, &j);
    return FM_OK;
}

/* ---- gradients: the rows that took this form, stretch by stretch ---------------------------------- */

static bool learns(const fm_node *node) { return ((const params *)fm_params(node))->w->grad != NULL; }

typedef struct gradient_job {
    const fm_run *run;
    const params *p;
    const float *x, *dy;
    float *dx;
    int64_t ldx, row, rows;
} gradient_job;

static gradient_job gradients_of(const fm_run *run, const fm_node *node) {
    return (gradient_job){.run = run, .p = fm_params(node), .dy = fm_output_grad(run, node, 0),
                          .dx = fm_input_grad(run, node, 0), .ldx = fm_columns(run, node->inputs[0])};
}

static fm_to_weight weight_product(const gradient_job *j, int64_t h) {
    const params *p = j->p;
    int64_t ldy = p->n_heads * columns(p);
    const float *x = j->x + j->row * j->ldx + h * p->x_stride + p->x_offset;
    const float *dy = j->dy + j->row * ldy + h * columns(p);
    fm_to_weight product = {.form = fm_form_of(j->run->plan, &p->w[h]), .dw = p->w[h].grad,
                            .n_out = p->w[h].n_out, .n_in = p->w[h].n_in,
                            .beside = p->n_heads - 1, .rows = j->rows, .dy = dy, .ld_dy = ldy, .x = x, .ld_x = j->ldx};
    if (p->transposed) product.dy = x, product.ld_dy = j->ldx, product.x = dy, product.ld_x = ldy;
    return product;
}

static void to_weights(void *context, int64_t begin, int64_t end, int worker) {
    const gradient_job *j = context;
    for (int64_t i = begin; i < end; i++) {
        fm_to_weight product = weight_product(j, i % j->p->n_heads);
        fm_to_weight_unit(j->run, &product, i / j->p->n_heads, fm_plan_scratch(j->run->plan, worker));
    }
}

static fm_status backward_weight(const fm_run *run, const fm_node *node) {
    gradient_job j = gradients_of(run, node);
    j.x = fm_input(run, node, 0);
    for (; (j.rows = next_rows(run, j.p, &j.row)) > 0; j.row += j.rows) {
        fm_to_weight one = weight_product(&j, 0);
        fm_pool_for(run->pool, j.p->n_heads * fm_to_weight_units(&one), 1, to_weights, &j);
    }
    return FM_OK;
}

static fm_to_input input_product(const gradient_job *j, int64_t h) {
    const params *p = j->p;
    int64_t ldy = p->n_heads * columns(p);
    const float *dy = j->dy + j->row * ldy + h * columns(p);
    return (fm_to_input){.n = 1, .terms = {{&p->w[h], p->transposed, dy, ldy}}, .rows = j->rows,
                         .columns = p->transposed ? p->w->n_out : p->w->n_in, .ld = j->ldx,
                         .dx = j->dx + j->row * j->ldx + h * p->x_stride + p->x_offset};
}

/* Heads that write what no other does; all of one x are one unit. */
static int64_t apart(const params *p) { return p->x_stride ? p->n_heads : 1; }

static void to_input(void *context, int64_t begin, int64_t end, int worker) {
    const gradient_job *j = context;
    int64_t n = apart(j->p), each = j->p->n_heads / n;
    for (int64_t i = begin; i < end; i++)
        for (int64_t h = i % n * each; h < (i % n + 1) * each; h++) {
            fm_to_input product = input_product(j, h);
            fm_to_input_unit(j->run, &product, i / n, fm_plan_scratch(j->run->plan, worker));
        }
}

static fm_status backward_input(const fm_run *run, const fm_node *node) {
    gradient_job j = gradients_of(run, node);
    for (; j.dx && (j.rows = next_rows(run, j.p, &j.row)) > 0; j.row += j.rows) {
        fm_to_input one = input_product(&j, 0);
        fm_pool_for(run->pool, apart(j.p) * fm_to_input_units(run, &one), 1, to_input, &j);
    }
    return FM_OK;
}

static size_t scratch(const fm_plan *plan, const fm_node *node) {
    (void)node;
    return fm_plan_options_of(plan)->learns ? fm_products_scratch() : fm_matmul_scratch_bytes();
}

static double reads(const fm_run *run, const fm_node *node) {
    (void)run;
    const params *p = fm_params(node);
    return (double)p->n_heads * fm_product_bytes(&p->w->panels);
}

static const void *begins(const fm_node *node, int worker, int threads) {
    const params *p = fm_params(node);
    int64_t per_head = units(p), unit = fm_pool_stretch(p->n_heads * per_head, worker, threads);
    return fm_panel_group_at(&p->w[unit / per_head].panels, p->transposed ? 0 : unit % per_head);
}

static fm_value record(fm_plan *p, fm_value x, params all) {
    fm_value y = fm_plan_value(p, FM_ROWS_TOKENS, (size_t)(all.n_heads * columns(&all)) * sizeof(float), 0);
    fm_plan_node(p, &fm_op_linear_heads, FM_VALUES(x), FM_VALUES(y), &all, sizeof all);
    return y;
}

fm_value fm_linear_heads(fm_plan *p, fm_value x, const fm_weight *w, int64_t n_heads,
                         int64_t x_offset, int64_t x_stride) {
    return record(p, x, (params){w, n_heads, x_offset, x_stride, false});
}

fm_value fm_linear_heads_transposed(fm_plan *p, fm_value x, const fm_weight *w, int64_t n_heads,
                                    int64_t x_offset, int64_t x_stride) {
    return record(p, x, (params){w, n_heads, x_offset, x_stride, true});
}

static fm_value sample(fm_plan *p, const fm_sampler *s, int variant) {
    if (variant > 2) return -1;
    fm_value x = s->input(s->context, p, 3 * 13);
    if (variant == 2) return fm_linear_heads(p, x, s->weights(s->context, 3, 5, 17), 3, 1, 0);
    return variant == 0 ? fm_linear_heads(p, x, s->weights(s->context, 3, 18, 9), 3, 2, 13)
                        : fm_linear_heads_transposed(p, x, s->weights(s->context, 3, 9, 18), 3, 4, 13);
}

const fm_op fm_op_linear_heads = {
    .name = "linear_heads", .forward = forward, .backward_input = backward_input,
    .backward_weight = backward_weight, .learns = learns, .backward_reads = FM_READS_INPUT(0),
    .scratch = scratch, .reads = reads, .begins = begins, .sample = sample};

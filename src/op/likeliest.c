/* likeliest: the tokens that a model expects most behind each row, and their shares: what a teacher tells.
 * x [T, D], W [V, D] -> ids [T, K], shares [T, K + 1] of softmax(x W^T / temperature), the last that of all others.
 * Equal logits go by id. Rows that the lesson gives no weight are left out. It has no gradient: teachers do not
 * learn. */
#include "op/head_rows.h"
#include "op/op.h"
#include "op/products.h"

#include <math.h>
#include <string.h>

typedef struct params {
    const fm_weight *w;
    int64_t top, vocabulary;
    double temperature;
} params;

typedef struct job {
    const params *p;
    int32_t *ids;
    float *shares;
} job;

/* The K largest of x [n] in order, kept in order while x is walked: few get in. */
static void choose(const float *x, int64_t n, int64_t top, int32_t *ids, float *best) {
    int64_t have = 0;
    for (int64_t i = 0; i < n; i++) {
        if (have == top && !(x[i] > best[top - 1])) continue;
        int64_t at = have < top ? have++ : top - 1;
        for (; at > 0 && x[i] > best[at - 1]; at--) best[at] = best[at - 1], ids[at] = ids[at - 1];
        best[at] = x[i], ids[at] = (int32_t)i;
    }
}

static void tell(const fm_head_rows *h, int64_t t, float *row, float *scratch) {
    (void)scratch;
    const job *j = h->context;
    const fm_kernels *k = h->run->kernels;
    int64_t v = h->w->n_out, top = j->p->top;
    int32_t *ids = j->ids + t * top;
    float *shares = j->shares + t * (top + 1);
    choose(row, j->p->vocabulary, top, ids, shares);
    k->scale((float)(1 / j->p->temperature), v, row);
    float most = k->max(row, v);
    double others = 1, sum = (double)k->exp_sum(row, v, most);
    for (int64_t i = 0; i < top; i++) {
        shares[i] = (float)((double)row[ids[i]] / sum);
        others -= (double)shares[i];
    }
    shares[top] = others > 0 ? (float)others : 0;
}

static fm_status forward(const fm_run *run, const fm_node *node) {
    const params *p = fm_params(node);
    job j = {p, fm_plan_data(run->plan, node->outputs[0]), fm_output(run, node, 1)};
    fm_head_rows h = {.run = run, .w = p->w, .x = fm_input(run, node, 0), .weights = run->step->lesson->weights[0],
                      .list = fm_plan_data(run->plan, node->outputs[2]), .gathered = fm_output(run, node, 3),
                      .logits = fm_output(run, node, 4), .row = tell, .context = &j};
    fm_head_rows_run(&h);
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

fm_value fm_likeliest(fm_plan *p, fm_value x, const fm_weight *w, int64_t top, int64_t vocabulary, double temperature,
                      fm_value *shares) {
    params all = {w, top, vocabulary < w->n_out ? vocabulary : w->n_out, temperature};
    fm_value ids = fm_plan_value(p, FM_ROWS_TOKENS, (size_t)top * sizeof(int32_t), 0), own[3];
    *shares = fm_plan_value(p, FM_ROWS_TOKENS, (size_t)(top + 1) * sizeof(float), 0);
    fm_head_rows_values(p, w, own);
    fm_plan_node(p, &fm_op_likeliest, FM_VALUES(x), FM_VALUES(ids, *shares, own[0], own[1], own[2]), &all, sizeof all);
    return ids;
}

const fm_op fm_op_likeliest = {.name = "likeliest", .forward = forward, .scratch = scratch, .reads = reads};

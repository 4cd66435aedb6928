/* Learning plans: whatever is recorded, kept or computed again, the gradients of the weights are those of
 * the same computation done by hand, one value at a time, in memory of its own. */
#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "graph/plan.h"
#include "kernel/kernel.h"

#include <math.h>

enum { ROWS = 5, COLUMNS = 7, N = ROWS * COLUMNS, MOST = 120 };

static uint64_t rolls;
static double roll(void) { return fm_rng_uniform(7, 3, rolls++); }
static int roll_below(int n) { return (int)(roll() * n); }

/* ---- ops of floats [ROWS, COLUMNS] ---------------------------------------------------------------- */

/* A weight of the test: COLUMNS numbers, and their gradient; frozen where that is NULL. */
typedef struct weight {
    float w[COLUMNS], *grad;
} weight;

static float *in(const fm_run *run, const fm_node *node, int i) {
    return fm_plan_floats(run->plan, node->inputs[i]);
}
static float *out(const fm_run *run, const fm_node *node) {
    return fm_plan_floats(run->plan, node->outputs[0]);
}
static float *in_grad(const fm_run *run, const fm_node *node, int i) {
    return fm_plan_grad(run->plan, node->inputs[i]);
}
static float *out_grad(const fm_run *run, const fm_node *node) {
    return fm_plan_grad(run->plan, node->outputs[0]);
}
static weight *weight_of(const fm_node *node) { return *(weight *const *)node->params; }
static bool weight_learns(const fm_node *node) { return weight_of(node)->grad != NULL; }

/* y = w, in every row */
static fm_status source_forward(const fm_run *run, const fm_node *node) {
    for (int i = 0; i < N; i++) out(run, node)[i] = weight_of(node)->w[i % COLUMNS];
    return FM_OK;
}
static fm_status source_weight(const fm_run *run, const fm_node *node) {
    for (int i = 0; i < N; i++) weight_of(node)->grad[i % COLUMNS] += out_grad(run, node)[i];
    return FM_OK;
}
static const fm_op source = {.name = "source", .forward = source_forward,
                             .backward_weight = source_weight, .learns = weight_learns};

/* y = w x */
static fm_status scale_forward(const fm_run *run, const fm_node *node) {
    for (int i = 0; i < N; i++) out(run, node)[i] = weight_of(node)->w[i % COLUMNS] * in(run, node, 0)[i];
    return FM_OK;
}
static fm_status scale_weight(const fm_run *run, const fm_node *node) {
    for (int i = 0; i < N; i++)
        weight_of(node)->grad[i % COLUMNS] += out_grad(run, node)[i] * in(run, node, 0)[i];
    return FM_OK;
}
static fm_status scale_input(const fm_run *run, const fm_node *node) {
    float *dx = in_grad(run, node, 0);
    bool is_new = fm_plan_grad_is_new(run->plan, node, 0);
    for (int i = 0; i < N && dx; i++) {
        float d = weight_of(node)->w[i % COLUMNS] * out_grad(run, node)[i];
        dx[i] = is_new ? d : dx[i] + d;
    }
    return FM_OK;
}
static const fm_op scale = {.name = "scale", .forward = scale_forward, .backward_weight = scale_weight,
                            .backward_input = scale_input, .learns = weight_learns,
                            .backward_reads = FM_READS_INPUT(0), .backward_sets = FM_READS_INPUT(0)};

/* y = a b */
static fm_status multiply_forward(const fm_run *run, const fm_node *node) {
    for (int i = 0; i < N; i++) out(run, node)[i] = in(run, node, 0)[i] * in(run, node, 1)[i];
    return FM_OK;
}
static fm_status multiply_input(const fm_run *run, const fm_node *node) {
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < N && in_grad(run, node, j); i++)
            in_grad(run, node, j)[i] += out_grad(run, node)[i] * in(run, node, 1 - j)[i];
    return FM_OK;
}
static const fm_op multiply = {.name = "multiply", .forward = multiply_forward,
                               .backward_input = multiply_input,
                               .backward_reads = FM_READS_INPUT(0) | FM_READS_INPUT(1)};

/* y = tanh(x), whose gradient reads y; it may be turned in place */
static fm_status tanh_forward(const fm_run *run, const fm_node *node) {
    for (int i = 0; i < N; i++) out(run, node)[i] = tanhf(in(run, node, 0)[i]);
    return FM_OK;
}
static fm_status tanh_input(const fm_run *run, const fm_node *node) {
    float *dx = in_grad(run, node, 0), *dy = out_grad(run, node);
    for (int i = 0; i < N && dx; i++) {
        float y = out(run, node)[i], d = dy[i] * (1 - y * y);
        dx[i] = dx == dy ? d : dx[i] + d;
    }
    return FM_OK;
}
static const fm_op tanh_op = {.name = "tanh", .forward = tanh_forward, .backward_input = tanh_input,
                              .backward_reads = FM_READS_OUTPUT(0), .hands_on = 1};

/* y = x + residual */
static fm_status add_forward(const fm_run *run, const fm_node *node) {
    for (int i = 0; i < N; i++) out(run, node)[i] = in(run, node, 0)[i] + in(run, node, 1)[i];
    return FM_OK;
}
static fm_status add_input(const fm_run *run, const fm_node *node) {
    for (int j = 0; j < 2; j++) {
        float *dx = in_grad(run, node, j), *dy = out_grad(run, node);
        for (int i = 0; i < N && dx && dx != dy; i++) dx[i] += dy[i];
    }
    return FM_OK;
}
static const fm_op add = {.name = "add", .forward = add_forward, .backward_input = add_input,
                          .hands_on = 2};

/* a loss: the sum of all numbers, times the weight of depth 0 of its row */
static fm_status loss_forward(const fm_run *run, const fm_node *node) {
    (void)run, (void)node;
    return FM_OK;
}
static fm_status loss_input(const fm_run *run, const fm_node *node) {
    const float *weights = run->step->lesson->weights[0];
    for (int i = 0; i < N && in_grad(run, node, 0); i++)
        in_grad(run, node, 0)[i] += weights[i / COLUMNS];
    return FM_OK;
}
static const fm_op loss = {.name = "loss", .forward = loss_forward, .backward_input = loss_input,
                           .is_loss = true};

/* ---- the same by hand ------------------------------------------------------------------------------- */

typedef struct by_hand {
    const fm_op *op;
    int a, b;
    weight *w;
    double x[N], gradient[N];
    double w_gradient[COLUMNS];
} by_hand;

static void hand_forward(by_hand *tape, by_hand *t) {
    for (int i = 0; i < N; i++) {
        double a = t->a >= 0 ? tape[t->a].x[i] : 0, b = t->b >= 0 ? tape[t->b].x[i] : 0;
        double w = t->w ? t->w->w[i % COLUMNS] : 0;
        t->x[i] = t->op == &source ? w : t->op == &scale ? w * a : t->op == &multiply ? a * b
                : t->op == &tanh_op ? tanh(a) : t->op == &add ? a + b : 0;
    }
}

static void hand_backward(by_hand *tape, by_hand *t, const float *weights) {
    for (int i = 0; i < N; i++) {
        double d = t->gradient[i], none, *da = t->a >= 0 ? &tape[t->a].gradient[i] : &none;
        double *db = t->b >= 0 ? &tape[t->b].gradient[i] : &none;
        if (t->op == &source) t->w_gradient[i % COLUMNS] += d;
        if (t->op == &scale) {
            t->w_gradient[i % COLUMNS] += d * tape[t->a].x[i];
            *da += d * t->w->w[i % COLUMNS];
        }
        if (t->op == &multiply) {
            double a = tape[t->a].x[i], b = tape[t->b].x[i];
            *da += d * b;
            *db += d * a;
        }
        if (t->op == &tanh_op) *da += d * (1 - t->x[i] * t->x[i]);
        if (t->op == &add) *da += d, *db += d;
        if (t->op == &loss) *da += weights[i / COLUMNS];
    }
}

/* ---- random computations ---------------------------------------------------------------------------- */

static weight weights[MOST];
static float gradients[MOST][COLUMNS];

static weight *new_weight(int i) {
    for (int c = 0; c < COLUMNS; c++) weights[i].w[c] = (float)(roll() * 2 - 1);
    weights[i].grad = roll_below(4) ? gradients[i] : NULL;
    memset(gradients[i], 0, sizeof gradients[i]);
    return &weights[i];
}

static int record(fm_plan *plan, by_hand *tape, fm_value *values, int n_nodes) {
    static const fm_op *const ops[] = {&source, &scale, &multiply, &tanh_op, &add, &add, &loss};
    int n = 0;
    while (n < n_nodes) {
        bool before = n > 0 && tape[n - 1].op == &loss; /* nothing reads a loss */
        const fm_op *op = n == 0 || before ? &source : n == n_nodes - 1 ? &loss : ops[roll_below(7)];
        by_hand *t = &tape[n];
        *t = (by_hand){.op = op, .a = -1, .b = -1};
        if (op != &source) t->a = n - 1 - roll_below(n < 5 ? n : 5);
        if (op == &multiply || op == &add) t->b = roll_below(n);
        if ((t->a >= 0 && tape[t->a].op == &loss) || (t->b >= 0 && tape[t->b].op == &loss)) continue;
        if (op == &source || op == &scale) t->w = new_weight(n);
        values[n] = fm_plan_value(plan, FM_ROWS_TOKENS, COLUMNS * sizeof(float), 0);
        fm_plan_node(plan, op, (fm_value[]){t->a >= 0 ? values[t->a] : -1, t->b >= 0 ? values[t->b] : -1, -1, -1, -1},
                     (fm_value[]){values[n], -1, -1, -1, -1, -1}, &t->w, sizeof t->w);
        if (op != &source && roll_below(3) == 0) fm_plan_recompute(plan, values[n]);
        hand_forward(tape, t);
        n++;
    }
    return n;
}

static fm_plan *plan_new(void) {
    fm_error err;
    fm_plan *plan;
    assert_ok(fm_plan_new(&(fm_plan_options){.rows = ROWS + 2, .outputs = 1, .learns = true,
                                             .kernels = fm_kernels_get(FM_CPU_REF)}, &plan, &err));
    return plan;
}

static void gradients_are_those_of_the_same_computation_by_hand(void **state) {
    (void)state;
    fm_error err;
    static by_hand tape[MOST];
    fm_value values[MOST];
    size_t bytes;
    for (int trial = 0; trial < 400; trial++) {
        float row_weights[ROWS];
        for (int i = 0; i < ROWS; i++) row_weights[i] = (float)roll();
        fm_plan *plan = plan_new();
        int n = record(plan, tape, values, 3 + roll_below(MOST - 3));
        assert_ok(fm_plan_place(plan, &bytes, &err));
        assert_ok(fm_plan_allocate(plan, &err));
        fm_lesson lesson = {.weights = {row_weights}};
        fm_step step = {.n_rows = ROWS, .n_outputs = 1, .lesson = &lesson};
        for (int i = n - 1; i >= 0; i--) hand_backward(tape, &tape[i], row_weights);
        for (int times = 1; times <= 2; times++) { /* gradients add */
            assert_ok(fm_plan_learn(plan, &step, &err));
            for (int i = 0; i < n; i++)
                for (int c = 0; c < COLUMNS && tape[i].w && tape[i].w->grad; c++) {
                    double wanted = times * tape[i].w_gradient[c];
                    assert_true(fabs(tape[i].w->grad[c] - wanted) <= 1e-4 * (1 + fabs(wanted)));
                }
        }
        fm_plan_free(plan);
    }
}

/* ---- what learning costs ----------------------------------------------------------------------------- */

static size_t bytes_of_chain(bool again, bool frozen) {
    fm_error err;
    fm_plan *plan = plan_new();
    weight *w = new_weight(0);
    w->grad = frozen ? NULL : gradients[0];
    fm_value v = fm_plan_value(plan, FM_ROWS_TOKENS, COLUMNS * sizeof(float), 0);
    fm_plan_node(plan, &source, (fm_value[]){-1}, (fm_value[]){v, -1}, &w, sizeof w);
    for (int i = 0; i < 50; i++) {
        fm_value y = fm_plan_value(plan, FM_ROWS_TOKENS, COLUMNS * sizeof(float), 0);
        fm_plan_node(plan, i % 5 ? &multiply : &add, (fm_value[]){v, v, -1}, (fm_value[]){y, -1}, NULL, 0);
        if (again && i % 5) fm_plan_recompute(plan, y);
        v = y;
    }
    fm_value end = fm_plan_value(plan, FM_ROWS_TOKENS, COLUMNS * sizeof(float), 0);
    fm_plan_node(plan, &loss, (fm_value[]){v, -1}, (fm_value[]){end, -1}, NULL, 0);
    size_t bytes;
    assert_ok(fm_plan_place(plan, &bytes, &err));
    assert_true(frozen ? fm_plan_grad(plan, v) == NULL : bytes > 0);
    fm_plan_free(plan);
    return bytes;
}

static void what_is_computed_again_is_not_kept_and_what_is_frozen_has_no_gradient(void **state) {
    (void)state;
    assert_true(bytes_of_chain(true, false) * 2 < bytes_of_chain(false, false));
    assert_true(bytes_of_chain(false, true) < bytes_of_chain(false, false));
}

static void what_is_frozen_after_placing_has_no_gradient_when_placed_again(void **state) {
    (void)state;
    fm_error err;
    size_t learning, frozen;
    fm_plan *plan = plan_new();
    weight *w = new_weight(0);
    w->grad = gradients[0];
    fm_value v[3];
    for (int i = 0; i < 3; i++) v[i] = fm_plan_value(plan, FM_ROWS_TOKENS, COLUMNS * sizeof(float), 0);
    fm_plan_node(plan, &source, (fm_value[]){-1}, (fm_value[]){v[0], -1}, &w, sizeof w);
    fm_plan_node(plan, &multiply, (fm_value[]){v[0], v[0], -1}, (fm_value[]){v[1], -1}, NULL, 0);
    fm_plan_node(plan, &loss, (fm_value[]){v[1], -1}, (fm_value[]){v[2], -1}, NULL, 0);
    assert_ok(fm_plan_place(plan, &learning, &err));
    w->grad = NULL;
    assert_ok(fm_plan_place(plan, &frozen, &err));
    assert_true(frozen < learning);
    assert_null(fm_plan_grad(plan, v[0]));
    assert_null(fm_plan_grad(plan, v[1]));
    fm_plan_free(plan);
}

static void an_op_without_gradient_is_refused_by_name(void **state) {
    (void)state;
    static const fm_op opaque = {.name = "opaque", .forward = add_forward};
    fm_error err;
    size_t bytes;
    fm_plan *plan = plan_new();
    weight *w = new_weight(0);
    fm_value v[2];
    for (int i = 0; i < 2; i++) v[i] = fm_plan_value(plan, FM_ROWS_TOKENS, COLUMNS * sizeof(float), 0);
    fm_plan_node(plan, &source, (fm_value[]){-1}, (fm_value[]){v[0], -1}, &w, sizeof w);
    fm_plan_node(plan, &opaque, (fm_value[]){v[0], v[0], -1}, (fm_value[]){v[1], -1}, NULL, 0);
    assert_int_equal(fm_plan_place(plan, &bytes, &err), FM_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "opaque"));
    fm_plan_free(plan);
}

static void running_out_of_memory_while_placing_is_said(void **state) {
    (void)state;
    fm_error err;
    size_t bytes;
    for (int k = 0; k < 10; k++) {
        static by_hand tape[MOST];
        fm_value values[MOST];
        fm_plan *plan = plan_new();
        record(plan, tape, values, 20);
        fm_mem_fail_from(k);
        fm_status status = fm_plan_place(plan, &bytes, &err);
        fm_mem_fail_from(-1);
        assert_true(status == FM_OK || status == FM_ERR_MEMORY);
        fm_plan_free(plan);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_same_computation_by_hand),
        cmocka_unit_test(what_is_computed_again_is_not_kept_and_what_is_frozen_has_no_gradient),
        cmocka_unit_test(what_is_frozen_after_placing_has_no_gradient_when_placed_again),
        cmocka_unit_test(an_op_without_gradient_is_refused_by_name),
        cmocka_unit_test(running_out_of_memory_while_placing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

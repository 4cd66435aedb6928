/* What a teacher tells and what differing from it costs, against the formulas in double; also where one of the two
 * is very sure. That gradients are those of these losses is checked by op/gradcheck. */
#include "op_support.h"

enum { ROWS = 6, D = 9, V = 37, TOP = 5, LIMIT = 30 };

typedef struct trial {
    fm_plan *plan;
    fm_pool *pool;
    float *x, *w;
    fm_weight weight;
    double logits[ROWS][V];
} trial;

static const int32_t ids[ROWS] = {1, 2, 3, 4, 5, 6}, ahead[ROWS] = {2, 3, 36, 5, 0, -1};
static const float weights[ROWS] = {0.5f, 1, 0.25f, 0, 2, 0};

static void begin(trial *t, float scale) {
    dice d = {.seed = 4};
    fm_error err;
    assert_ok(fm_pool_new(2, &t->pool, &err));
    fm_plan_options o = {.rows = ROWS, .outputs = 1, .pool = t->pool, .kernels = fm_kernels_get(fm_cpu_detect())};
    assert_ok(fm_plan_new(&o, &t->plan, &err));
    t->x = roll_floats(&d, ROWS * D);
    t->w = roll_floats(&d, V * D);
    for (int i = 0; i < ROWS * D; i++) t->x[i] *= scale;
    t->weight = weight_of(t->w, V, D, true);
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < V; v++) {
            t->logits[r][v] = 0;
            for (int k = 0; k < D; k++) t->logits[r][v] += (double)t->x[r * D + k] * (double)t->w[v * D + k];
        }
}

static void go(trial *t, const fm_teaching *teaching) {
    fm_error err;
    size_t bytes;
    const fm_lesson lesson = {.ahead = {ahead}, .weights = {weights}, .teaching = teaching};
    const fm_segment segment = {.count = ROWS};
    const fm_step step = {.n_rows = ROWS, .ids = ids, .n_segments = 1, .segments = &segment, .lesson = &lesson};
    assert_ok(fm_plan_place(t->plan, &bytes, &err));
    assert_ok(fm_plan_allocate(t->plan, &err));
    assert_ok(fm_plan_run(t->plan, &step, &err));
}

static void end(trial *t) {
    fm_plan_free(t->plan);
    fm_pool_free(t->pool);
    fm_weight_clear(&t->weight);
    free(t->x), free(t->w);
}

/* log softmax(logits / temperature) */
static void log_shares(const double *logits, double temperature, double *out) {
    double most = -INFINITY, sum = 0;
    for (int v = 0; v < V; v++) most = fmax(most, logits[v] / temperature);
    for (int v = 0; v < V; v++) sum += exp(logits[v] / temperature - most);
    for (int v = 0; v < V; v++) out[v] = logits[v] / temperature - most - log(sum);
}

static void a_teacher_tells_the_likeliest_in_order_and_the_share_of_all_others(void **state) {
    (void)state;
    trial t;
    fm_value shares;
    begin(&t, 1);
    fm_value told = fm_likeliest(t.plan, input(t.plan, t.x, FM_ROWS_TOKENS, D), &t.weight, TOP, LIMIT, 0.7, &shares);
    fm_plan_keep(t.plan, told, "told");
    fm_plan_keep(t.plan, shares, "shares");
    go(&t, NULL);
    const int32_t *got = fm_plan_data(t.plan, told);
    for (int r = 0; r < ROWS; r++) {
        double want[V], left = 1;
        log_shares(t.logits[r], 0.7, want);
        for (int i = 0; i < TOP && weights[r] != 0; i++) {
            int best = -1;
            for (int v = 0; v < LIMIT; v++) { /* what is above the limit is never told apart */
                bool before = false;
                for (int j = 0; j < i; j++) before |= got[r * TOP + j] == v;
                if (!before && (best < 0 || want[v] > want[best])) best = v;
            }
            assert_int_equal(got[r * TOP + i], best);
            assert_true(fabs((double)fm_plan_floats(t.plan, shares)[r * (TOP + 1) + i] - exp(want[best])) < 1e-5);
            left -= exp(want[best]);
        }
        if (weights[r] != 0)
            assert_true(fabs((double)fm_plan_floats(t.plan, shares)[r * (TOP + 1) + TOP] - left) < 1e-5);
    }
    end(&t);
}

/* The loss of every row against the formula; teachers of `top` tokens from other logits, `sure` times as large. */
static void check_losses(int top, double sure, float scale, double temperature, double weight) {
    trial t;
    fm_value facts;
    static int32_t told[ROWS * V];
    static float shares[ROWS * (V + 1)];
    dice d = {.seed = 9};
    begin(&t, scale);
    for (int r = 0; r < ROWS; r++) {
        double logits[V], p[V];
        for (int v = 0; v < V; v++) logits[v] = sure * (double)roll(&d);
        log_shares(logits, 1, p);
        double left = 1;
        for (int i = 0; i < top; i++) {
            told[r * top + i] = (r * 5 + i * 7) % V; /* 7 and 37 have no common part: each once */
            shares[r * (top + 1) + i] = (float)exp(p[told[r * top + i]]);
            left -= (double)shares[r * (top + 1) + i];
        }
        shares[r * (top + 1) + top] = left > 0 ? (float)left : 0;
    }
    const fm_teaching teaching = {top, told, shares, temperature, weight};
    fm_value loss = fm_distil(t.plan, input(t.plan, t.x, FM_ROWS_TOKENS, D), &t.weight, &facts);
    fm_plan_keep(t.plan, loss, "loss");
    fm_plan_keep(t.plan, facts, "facts");
    go(&t, &teaching);
    const float *got = fm_plan_floats(t.plan, loss), *parts = fm_plan_floats(t.plan, facts);
    for (int r = 0; r < ROWS; r++) {
        double q[V], plain[V], kl = 0, rest = -INFINITY; /* rest: log of the share of all others */
        if (weights[r] == 0) {
            assert_true(got[r] == 0 && parts[2 * r] == 0 && parts[2 * r + 1] == 0);
            continue;
        }
        log_shares(t.logits[r], temperature, q);
        log_shares(t.logits[r], 1, plain);
        for (int v = 0; v < V; v++) {
            int at = -1;
            for (int i = 0; i < top; i++)
                if (told[r * top + i] == v) at = i;
            double p = at < 0 ? 0 : (double)shares[r * (top + 1) + at];
            if (at < 0) rest = fmax(rest, q[v]) + log1p(exp(-fabs(rest - q[v])));
            else if (p > 0) kl += p * (log(p) - q[v]);
        }
        double p = (double)shares[r * (top + 1) + top];
        if (p > 0) kl += p * (log(p) - rest);
        double nll = -plain[ahead[r]], want = (1 - weight) * nll + weight * temperature * temperature * kl;
        assert_true(fabs((double)parts[2 * r] - nll) < 1e-5 * (1 + nll));
        if (!(fabs((double)parts[2 * r + 1] - kl) < 1e-5 * (1 + kl)))
            fail_msg("top %d, row %d: a divergence of %g, not %g", top, r, (double)parts[2 * r + 1], kl);
        assert_true(fabs((double)got[r] - want) < 1e-5 * (1 + want));
    }
    end(&t);
}

static void what_differing_costs_is_what_the_formula_says(void **state) {
    (void)state;
    check_losses(TOP, 1, 1, 1, 0.5);
    check_losses(TOP, 1, 1, 2, 0.9);
    check_losses(1, 2, 1, 0.5, 1);
    check_losses(V - 1, 1, 1, 1.5, 0.3);
}

static void so_it_is_where_one_of_them_is_very_sure(void **state) {
    (void)state;
    check_losses(TOP, 40, 1, 1, 0.5);  /* the teacher */
    check_losses(TOP, 1, 40, 1, 0.5);  /* the student: shares of e^-300 are logits, not zeros */
    check_losses(V - 1, 1, 40, 1, 0.5);
    check_losses(TOP, 40, 40, 2, 0.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_teacher_tells_the_likeliest_in_order_and_the_share_of_all_others),
        cmocka_unit_test(what_differing_costs_is_what_the_formula_says),
        cmocka_unit_test(so_it_is_where_one_of_them_is_very_sure),
    };
    return cmocka_run_group_tests_name("op/distil", tests, NULL, NULL);
}

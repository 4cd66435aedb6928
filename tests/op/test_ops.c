/* The ops that are not attention or the gate, one by one against plain loops in double precision. */
#include "op_support.h"

#include "op/squares.h"

#include <limits.h>

/* Runs what `out` was recorded into over `rows` and checks it. */
static void check(bench *b, fm_value out, int64_t rows, const char *what, const double *want,
                  double bound) {
    fm_plan_keep(b->plan, out, "out");
    bench_run(b, rows);
    compare_to(what, fm_plan_floats(b->plan, out), want, rows * fm_plan_columns(b->plan, out), bound);
}

/* y = x W^T + b in double. */
static double *linear_double(const float *x, int64_t rows, int64_t ldx, const float *w, int64_t n_out,
                             int64_t n_in, const float *bias) {
    double *y = malloc((size_t)(rows * n_out) * sizeof *y);
    for (int64_t t = 0; t < rows; t++)
        for (int64_t o = 0; o < n_out; o++) {
            double sum = bias ? (double)bias[o] : 0;
            for (int64_t i = 0; i < n_in; i++) sum += (double)x[t * ldx + i] * (double)w[o * n_in + i];
            y[t * n_out + o] = sum;
        }
    return y;
}

static void linear_agrees_for_odd_sizes_with_and_without_a_bias(void **state) {
    (void)state;
    dice d = {.seed = 41};
    for (int trial = 0; trial < 60; trial++) {
        int64_t n_out = 1 + roll_below(&d, 150), n_in = 1 + roll_below(&d, 300), rows = 1 + roll_below(&d, 20);
        float *w = roll_floats(&d, n_out * n_in), *x = roll_floats(&d, rows * n_in);
        float *bias = roll_floats(&d, n_out);
        fm_weight weight = weight_of(w, n_out, n_in, trial & 1), b = vector_of(bias, n_out);
        bench bn = bench_new(rows, 0, 1 + trial % 3);
        fm_value y = fm_linear(bn.plan, input(bn.plan, x, FM_ROWS_TOKENS, n_in), &weight,
                               trial & 2 ? &b : NULL);
        assert_int_equal(fm_plan_columns(bn.plan, y), n_out);
        double *want = linear_double(x, rows, n_in, w, n_out, n_in, trial & 2 ? bias : NULL);
        check(&bn, y, rows, "linear", want, 1e-5 * sqrt((double)n_in));
        bench_free(&bn);
        fm_weight_clear(&weight);
        free(w), free(x), free(bias), free(want);
    }
}

/* To the bit, whatever the sizes, with groups of one part beside groups of the next. */
static void several_linears_over_one_input_are_what_each_is_alone(void **state) {
    (void)state;
    dice d = {.seed = 47};
    for (int trial = 0; trial < 30; trial++) {
        int64_t n_in = 1 + roll_below(&d, 300), rows = 1 + roll_below(&d, 9), n_out[FM_LINEARS];
        int n = 1 + trial % FM_LINEARS;
        float *x = roll_floats(&d, rows * n_in), *w[FM_LINEARS], *bias[FM_LINEARS];
        fm_weight weights[FM_LINEARS], biases[FM_LINEARS];
        fm_linear_part parts[FM_LINEARS];
        fm_value together[FM_LINEARS], alone[FM_LINEARS];
        bench b = bench_new(rows, 0, 1 + trial % 4);
        fm_value v = input(b.plan, x, FM_ROWS_TOKENS, n_in);
        for (int i = 0; i < n; i++) {
            n_out[i] = 1 + roll_below(&d, 300);
            w[i] = roll_floats(&d, n_out[i] * n_in), bias[i] = roll_floats(&d, n_out[i]);
            weights[i] = weight_of(w[i], n_out[i], n_in, (trial + i) % 3 > 0);
            biases[i] = vector_of(bias[i], n_out[i]);
            parts[i] = (fm_linear_part){&weights[i], i % 2 ? &biases[i] : NULL};
        }
        fm_linears(b.plan, v, parts, n, together);
        for (int i = 0; i < n; i++) {
            alone[i] = fm_linear(b.plan, v, parts[i].w, parts[i].bias);
            fm_plan_keep(b.plan, alone[i], "alone");
            fm_plan_keep(b.plan, together[i], "together");
        }
        bench_run(&b, rows);
        for (int i = 0; i < n; i++) {
            assert_int_equal(fm_plan_columns(b.plan, together[i]), n_out[i]);
            assert_memory_equal(fm_plan_floats(b.plan, together[i]), fm_plan_floats(b.plan, alone[i]),
                                (size_t)(rows * n_out[i]) * sizeof(float));
            fm_weight_clear(&weights[i]);
            free(w[i]), free(bias[i]);
        }
        bench_free(&b);
        free(x);
    }
}

static void linear_heads_reads_and_writes_its_own_columns(void **state) {
    (void)state;
    enum { HEADS = 5, ROWS = 7, IN = 11, OUT = 21, STRIDE = 16, OFFSET = 3 };
    dice d = {.seed = 42};
    float *w = roll_floats(&d, HEADS * OUT * IN), *x = roll_floats(&d, ROWS * HEADS * STRIDE);
    fm_weight weights[HEADS];
    double want[ROWS * HEADS * OUT];
    for (int h = 0; h < HEADS; h++) {
        weights[h] = weight_of(w + h * OUT * IN, OUT, IN, true);
        double *y = linear_double(x + h * STRIDE + OFFSET, ROWS, HEADS * STRIDE, w + h * OUT * IN, OUT,
                                  IN, NULL);
        for (int t = 0; t < ROWS; t++)
            memcpy(want + (t * HEADS + h) * OUT, y + t * OUT, OUT * sizeof *y);
        free(y);
    }
    bench b = bench_new(ROWS, 0, 2);
    fm_value v = input(b.plan, x, FM_ROWS_TOKENS, HEADS * STRIDE);
    check(&b, fm_linear_heads(b.plan, v, weights, HEADS, OFFSET, STRIDE), ROWS, "linear_heads", want, 5e-5);
    bench_free(&b);
    for (int h = 0; h < HEADS; h++) fm_weight_clear(&weights[h]);
    free(w), free(x);
}

static void linear_heads_multiplies_with_the_transpose(void **state) {
    (void)state;
    enum { HEADS = 3, ROWS = 7, IN = 141, OUT = 83, STRIDE = 90, OFFSET = 3 };
    dice d = {.seed = 142};
    float *w = roll_floats(&d, HEADS * OUT * IN), *x = roll_floats(&d, ROWS * HEADS * STRIDE);
    double *want = calloc(ROWS * HEADS * IN, sizeof *want);
    assert_non_null(want);
    fm_weight weights[HEADS];
    for (int h = 0; h < HEADS; h++) {
        weights[h] = weight_of(w + h * OUT * IN, OUT, IN, true);
        for (int t = 0; t < ROWS; t++)
            for (int i = 0; i < OUT; i++)
                for (int k = 0; k < IN; k++)
                    want[(t * HEADS + h) * IN + k] += (double)w[(h * OUT + i) * IN + k] *
                                                      (double)x[(t * HEADS + h) * STRIDE + OFFSET + i];
    }
    bench b = bench_new(ROWS, 0, 2);
    fm_value v = input(b.plan, x, FM_ROWS_TOKENS, HEADS * STRIDE);
    check(&b, fm_linear_heads_transposed(b.plan, v, weights, HEADS, OFFSET, STRIDE), ROWS,
          "linear_heads, transposed", want, 5e-5);
    bench_free(&b);
    for (int h = 0; h < HEADS; h++) fm_weight_clear(&weights[h]);
    free(w), free(x), free(want);
}

static void rmsnorm_norms_its_part_and_passes_the_rest(void **state) {
    (void)state;
    enum { ROWS = 9, GROUPS = 4, STRIDE = 13, WIDTH = 7, OFFSET = 2, C = GROUPS * STRIDE };
    dice d = {.seed = 43};
    float *x = roll_floats(&d, ROWS * C), *g = roll_floats(&d, C);
    double want[ROWS * C];
    for (int part = 0; part < 2; part++) {
        int width = part ? WIDTH : C, stride = part ? STRIDE : C, offset = part ? OFFSET : 0;
        for (int i = 0; i < ROWS * C; i++) want[i] = (double)x[i];
        for (int i = offset; i < ROWS * C; i += stride) {
            double sum = 0;
            for (int j = 0; j < width; j++) sum += want[i + j] * want[i + j];
            for (int j = 0; j < width; j++) want[i + j] *= (double)g[j] / sqrt(sum / width + 0.01);
        }
        fm_weight w = vector_of(g, width);
        bench b = bench_new(ROWS, 0, 2);
        fm_value v = input(b.plan, x, FM_ROWS_TOKENS, C);
        v = part ? fm_rmsnorm_part(b.plan, v, &w, 0.01, OFFSET, WIDTH, STRIDE) : fm_rmsnorm(b.plan, v, &w, 0.01);
        check(&b, v, ROWS, "rmsnorm", want, 1e-5);
        bench_free(&b);
    }
    free(x), free(g);
}

/* Angles are right at the far end of a long context, where a float32 product would be off by
 * thousandths: the pair (1, 0) turns into (cos, sin). */
static void rope_turns_pairs_of_either_kind_by_exact_angles(void **state) {
    (void)state;
    enum { PAIRS = 3, HEADS = 2, STRIDE = 9, OFFSET = 2, ROWS = 5 };
    fm_error err;
    double frequencies[PAIRS] = {1, 0.0318, 7.3e-5};
    dice d = {.seed = 44};
    float *x = roll_floats(&d, ROWS * HEADS * STRIDE);
    static const int64_t firsts[] = {0, 1000, 163835, 10000000};
    for (int trial = 0; trial < 8; trial++) {
        bool interleaved = trial & 1;
        int64_t first = firsts[trial / 2];
        double want[ROWS * HEADS * STRIDE];
        for (int i = 0; i < ROWS * HEADS * STRIDE; i++) want[i] = (double)x[i];
        for (int t = 0; t < ROWS; t++)
            for (int h = 0; h < HEADS; h++)
                for (int i = 0; i < PAIRS; i++) {
                    double *row = want + (t * HEADS + h) * STRIDE + OFFSET;
                    double *a = row + (interleaved ? 2 * i : i);
                    double *b = row + (interleaved ? 2 * i + 1 : i + PAIRS);
                    double angle = (double)(first + t) * frequencies[i], old = *a;
                    *a = 1.25 * (old * cos(angle) - *b * sin(angle));
                    *b = 1.25 * (old * sin(angle) + *b * cos(angle));
                }
        bench b = bench_new(ROWS, 0, 2);
        fm_value angles = fm_rope_angles(b.plan, frequencies, PAIRS, 1.25);
        fm_value v = input(b.plan, x, FM_ROWS_TOKENS, HEADS * STRIDE);
        v = fm_rope(b.plan, v, angles, HEADS, STRIDE, OFFSET, interleaved);
        fm_plan_keep(b.plan, v, "out");
        size_t bytes;
        assert_ok(fm_plan_place(b.plan, &bytes, &err));
        assert_ok(fm_plan_allocate(b.plan, &err));
        fm_segment parts[2] = {{0, 2, first, NULL}, {2, 3, first + 2, NULL}};
        fm_step step = {.n_rows = ROWS, .n_segments = 2, .segments = parts};
        assert_ok(fm_plan_run(b.plan, &step, &err));
        compare_to("rope", fm_plan_floats(b.plan, v), want, ROWS * HEADS * STRIDE, 2e-6);
        bench_free(&b);
    }
    free(x);
}

static void elementwise_ops_and_moves_are_exact(void **state) {
    (void)state;
    enum { ROWS = 21, C = 19 };
    dice d = {.seed = 45};
    float *a = roll_floats(&d, ROWS * C), *c = roll_floats(&d, ROWS * C);
    double swiglu[ROWS * C], sum[ROWS * C], both[ROWS * 2 * C];
    for (int i = 0; i < ROWS * C; i++) {
        swiglu[i] = (double)a[i] / (1 + exp(-(double)a[i])) * (double)c[i];
        sum[i] = (double)(a[i] + c[i]);
        both[i / C * 2 * C + i % C] = (double)a[i];
        both[i / C * 2 * C + C + i % C] = (double)c[i];
    }
    for (int what = 0; what < 3; what++) {
        bench b = bench_new(ROWS, 0, 3);
        fm_value x = input(b.plan, a, FM_ROWS_TOKENS, C), y = input(b.plan, c, FM_ROWS_TOKENS, C);
        if (what == 0) check(&b, fm_swiglu(b.plan, x, y), ROWS, "swiglu", swiglu, 2e-6);
        if (what == 1) check(&b, fm_add(b.plan, x, y), ROWS, "add", sum, 0);
        if (what == 2) check(&b, fm_concat(b.plan, x, y), ROWS, "concat", both, 0);
        bench_free(&b);
    }
    free(a), free(c);
}

/* Of a step of several rows, those asked for, and nothing else. */
static void only_the_rows_asked_for_are_selected(void **state) {
    (void)state;
    enum { ROWS = 12, C = 5 };
    fm_error err;
    dice d = {.seed = 46};
    float *x = roll_floats(&d, ROWS * C);
    bench b = bench_new(ROWS, 0, 1);
    fm_value seen = fm_observe(b.plan, input(b.plan, x, FM_ROWS_TOKENS, C), "seen");
    fm_value out = fm_select_outputs(b.plan, seen);
    fm_plan_keep(b.plan, out, "out");
    size_t bytes;
    assert_ok(fm_plan_place(b.plan, &bytes, &err));
    assert_ok(fm_plan_allocate(b.plan, &err));
    assert_int_equal(fm_plan_find(b.plan, "seen"), seen);
    assert_int_equal(fm_plan_find(b.plan, "out"), out);
    assert_int_equal(fm_plan_find(b.plan, "nothing"), -1);
    fm_segment segment = {.count = ROWS};
    static const int32_t rows[] = {0, 3, 4, 11};
    for (int n = 0; n <= 4; n++) {
        fm_step step = {.n_rows = ROWS, .n_segments = 1, .segments = &segment, .n_outputs = n,
                        .output_rows = rows};
        assert_ok(fm_plan_run(b.plan, &step, &err));
        for (int o = 0; o < n; o++)
            assert_memory_equal(fm_plan_floats(b.plan, out) + o * C, x + rows[o] * C, C * sizeof(float));
        assert_memory_equal(fm_plan_floats(b.plan, seen), x, ROWS * C * sizeof(float));
    }
    bench_free(&b);
    free(x);
}

/* ---- experts ------------------------------------------------------------------------------------ */

enum { E = 7, K = 3, T = 40, D = 37, F = 21 };

typedef struct experts {
    float *gate, *up, *down;
    fm_weight w[E][3];
    int wanted, got;
    bool passing, here[E]; /* of those wanted last, where anybody was */
} experts;

static fm_status want(void *context, const int32_t *ids, int64_t n, fm_pool *pool, bool *passing,
                      fm_error *err) {
    experts *e = context;
    (void)pool;
    assert_false(e->passing); /* who had it has said so */
    if (e->wanted == INT_MAX) return fm_fail(err, FM_ERR_IO, "expert %d cannot be brought", ids[0]);
    e->wanted = (int)n;
    memset(e->here, 0, sizeof e->here);
    for (int64_t i = 0; i < n; i++) {
        assert_in_range(ids[i], 0, E - 1);
        if (i > 0) assert_true(ids[i - 1] < ids[i]);
        e->here[ids[i]] = true;
    }
    *passing = e->passing = n % 2;
    return FM_OK;
}

static void done(void *context) {
    experts *e = context;
    assert_true(e->passing);
    e->passing = false;
    memset(e->here, 0, sizeof e->here);
}

static fm_status get(void *context, int32_t id, fm_expert *out, fm_error *err) {
    experts *e = context;
    if (e->got == INT_MAX) return fm_fail(err, FM_ERR_IO, "expert %d cannot be read", id);
    if (e->wanted) assert_true(e->here[id]);
    e->got++;
    *out = (fm_expert){&e->w[id][0], &e->w[id][1], &e->w[id][2]};
    return FM_OK;
}

static void experts_new(experts *e, dice *d) {
    *e = (experts){.gate = roll_floats(d, E * F * D)};
    e->up = roll_floats(d, E * F * D);
    e->down = roll_floats(d, E * D * F);
    for (int i = 0; i < E; i++) {
        e->w[i][0] = weight_of(e->gate + i * F * D, F, D, i & 1);
        e->w[i][1] = weight_of(e->up + i * F * D, F, D, true);
        e->w[i][2] = weight_of(e->down + i * D * F, D, F, true);
    }
}

static void experts_free(experts *e) {
    for (int i = 0; i < E; i++)
        for (int j = 0; j < 3; j++) fm_weight_clear(&e->w[i][j]);
    free(e->gate), free(e->up), free(e->down);
}

/* y[t] = shared[t] + sum of weight * expert(x[t]), every expert over every token, in double. */
static void mixture_double(const experts *e, const float *x, const float *shared,
                           const fm_routing *r, double *y) {
    for (int t = 0; t < T; t++) {
        for (int c = 0; c < D; c++) y[t * D + c] = shared ? (double)shared[t * D + c] : 0;
        for (int i = 0; i < K; i++) {
            int id = r->ids[t * K + i];
            double *g = linear_double(x + t * D, 1, D, e->gate + id * F * D, F, D, NULL);
            double *u = linear_double(x + t * D, 1, D, e->up + id * F * D, F, D, NULL);
            for (int f = 0; f < F; f++) g[f] = g[f] / (1 + exp(-g[f])) * u[f];
            for (int c = 0; c < D; c++)
                for (int f = 0; f < F; f++)
                    y[t * D + c] += (double)r->weights[t * K + i] * g[f] * (double)e->down[(id * D + c) * F + f];
            free(g), free(u);
        }
    }
}

/* Slots are a permutation: by expert, and by token within one. */
static void assert_routing_is_consistent(const fm_routing *r, int64_t tokens) {
    assert_int_equal(r->offsets[0], 0);
    assert_int_equal(r->offsets[E], tokens * K);
    for (int e = 0; e < E; e++)
        for (int32_t s = r->offsets[e]; s < r->offsets[e + 1]; s++) {
            int32_t t = r->tokens[s];
            if (s > r->offsets[e]) assert_true(r->tokens[s - 1] < t);
            int found = 0;
            for (int i = 0; i < K; i++)
                found += r->ids[t * K + i] == e && r->slots[t * K + i] == s;
            assert_int_equal(found, 1);
        }
}

static void experts_and_combine_agree_with_dense_loops(void **state) {
    (void)state;
    dice d = {.seed = 47};
    fm_gate gate = {.n_experts = E, .per_token = K, .n_groups = 1, .kept_groups = 1,
                    .scoring = FM_GATE_SIGMOID, .normalize = true, .scale = 1.5};
    for (int trial = 0; trial < 6; trial++) {
        experts e;
        experts_new(&e, &d);
        fm_expert_provider provider = {&e, E, D, F, trial & 2 ? want : NULL, get, done};
        float *x = roll_floats(&d, T * D), *shared = roll_floats(&d, T * D), *z = roll_floats(&d, T * E);
        if (trial == 5) /* everybody goes to the same three */
            for (int i = 0; i < T * E; i++) z[i] = (float)(i % E);
        float *copy = malloc(T * D * sizeof *copy);
        memcpy(copy, shared, T * D * sizeof *copy);
        bench b = bench_new(T + 3, K, 1 + trial % 3);
        fm_value xv = input(b.plan, x, FM_ROWS_TOKENS, D);
        fm_value sv = trial & 1 ? input(b.plan, shared, FM_ROWS_TOKENS, D) : -1;
        fm_value routing = fm_route(b.plan, input(b.plan, z, FM_ROWS_TOKENS, E), NULL, &gate);
        fm_plan_keep(b.plan, routing, "routing");
        fm_value y = fm_combine(b.plan, fm_experts(b.plan, xv, routing, &provider, &gate), routing, sv, &gate);
        fm_plan_keep(b.plan, y, "out");
        bench_run(&b, T);
        fm_routing r = fm_routing_view(&gate, fm_plan_data(b.plan, routing), T + 3);
        assert_routing_is_consistent(&r, T);
        double *expected = malloc(T * D * sizeof *expected);
        mixture_double(&e, x, trial & 1 ? copy : NULL, &r, expected);
        compare_to("mixture", fm_plan_floats(b.plan, y), expected, T * D, 2e-3);
        if (trial & 2) assert_int_equal(e.wanted, e.got);
        assert_false(e.passing);
        if (trial == 5) assert_int_equal(e.got, K);
        free(x), free(shared), free(z), free(copy), free(expected);
        bench_free(&b);
        experts_free(&e);
    }
}

/* The squares of what a tally's parts read, in double. */
static void a_watch_adds_the_squares_of_its_own_columns_over_runs(void **state) {
    (void)state;
    enum { ROWS = 9, COLUMNS = 530, PARTS = 3, OFFSET = 5, STRIDE = 170, WIDTH = 130 };
    dice d = {.seed = 61};
    for (int threads = 1; threads <= 3; threads += 2) {
        float *x = roll_floats(&d, ROWS * COLUMNS);
        double squares[PARTS * WIDTH] = {0}, rows[PARTS] = {0};
        fm_tally tally = {PARTS, WIDTH, squares, rows};
        bench b = bench_new(ROWS, 1, threads);
        fm_value xv = input(b.plan, x, FM_ROWS_TOKENS, COLUMNS);
        fm_watch(b.plan, xv, OFFSET, STRIDE, &tally);
        fm_plan_keep(b.plan, xv, "out");
        bench_run(&b, ROWS);
        bench_run(&b, ROWS - 1); /* a shorter step adds to the first */
        for (int p = 0; p < PARTS; p++) {
            assert_true(rows[p] == 2 * ROWS - 1);
            for (int c = 0; c < WIDTH; c++) {
                double want = 0;
                for (int i = 0; i < 2 * ROWS - 1; i++) {
                    double v = (double)x[i % ROWS * COLUMNS + OFFSET + p * STRIDE + c];
                    want += v * v;
                }
                assert_true(squares[p * WIDTH + c] == want);
            }
        }
        free(x);
        bench_free(&b);
    }
}

static void watched_experts_count_what_is_sent_to_them_and_what_lies_between(void **state) {
    (void)state;
    dice d = {.seed = 67};
    fm_gate gate = {.n_experts = E, .per_token = K, .n_groups = 1, .kept_groups = 1,
                    .scoring = FM_GATE_SIGMOID, .normalize = true, .scale = 1.5};
    for (int trial = 0; trial < 2; trial++) {
        experts e;
        experts_new(&e, &d);
        fm_expert_provider provider = {&e, E, D, F, want, get, done};
        float *x = roll_floats(&d, T * D), *z = roll_floats(&d, T * E);
        for (int t = 0; t < T; t++) z[t * E + 4] = -50; /* nobody goes to expert 4 */
        double in[E * D] = {0}, between[E * F] = {0}, in_rows[E] = {0}, between_rows[E] = {0};
        fm_tally in_tally = {E, D, in, in_rows}, between_tally = {E, F, between, between_rows};
        bench b = bench_new(T + 3, K, 1 + 2 * trial);
        fm_value xv = input(b.plan, x, FM_ROWS_TOKENS, D);
        fm_value routing = fm_route(b.plan, input(b.plan, z, FM_ROWS_TOKENS, E), NULL, &gate);
        fm_plan_keep(b.plan, routing, "routing");
        fm_watch_experts(b.plan, xv, routing, &provider, &gate, &in_tally, &between_tally);
        bench_run(&b, T);
        fm_routing r = fm_routing_view(&gate, fm_plan_data(b.plan, routing), T + 3);
        for (int id = 0; id < E; id++) {
            double want_in[D] = {0}, want_between[F] = {0};
            int rows = r.offsets[id + 1] - r.offsets[id];
            for (int i = 0; i < rows; i++) {
                const float *row = x + r.tokens[r.offsets[id] + i] * D;
                double *g = linear_double(row, 1, D, e.gate + id * F * D, F, D, NULL);
                double *u = linear_double(row, 1, D, e.up + id * F * D, F, D, NULL);
                for (int c = 0; c < D; c++) want_in[c] += (double)row[c] * (double)row[c];
                for (int f = 0; f < F; f++) {
                    double y = g[f] / (1 + exp(-g[f])) * u[f];
                    want_between[f] += y * y;
                }
                free(g), free(u);
            }
            assert_true(in_rows[id] == rows && between_rows[id] == rows);
            assert_true(id != 4 || rows == 0);
            for (int c = 0; c < D; c++) assert_true(in[id * D + c] == want_in[c]);
            for (int f = 0; f < F; f++)
                assert_true(fabs(between[id * F + f] - want_between[f]) <= 1e-4 * (1 + want_between[f]));
        }
        free(x), free(z);
        bench_free(&b);
        experts_free(&e);
    }
}

static void an_expert_that_cannot_be_had_stops_the_run(void **state) {
    (void)state;
    dice d = {.seed = 48};
    experts e;
    experts_new(&e, &d);
    e.got = INT_MAX;
    fm_gate gate = {.n_experts = E, .per_token = K, .n_groups = 1, .kept_groups = 1, .scale = 1};
    fm_expert_provider provider = {&e, E, D, F, NULL, get, done};
    float *x = roll_floats(&d, D), *z = roll_floats(&d, E);
    bench b = bench_new(1, K, 1);
    fm_error err;
    size_t bytes;
    fm_value routing = fm_route(b.plan, input(b.plan, z, FM_ROWS_TOKENS, E), NULL, &gate);
    fm_experts(b.plan, input(b.plan, x, FM_ROWS_TOKENS, D), routing, &provider, &gate);
    assert_ok(fm_plan_place(b.plan, &bytes, &err));
    assert_ok(fm_plan_allocate(b.plan, &err));
    fm_segment segment = {.count = 1};
    fm_step step = {.n_rows = 1, .n_segments = 1, .segments = &segment};
    assert_int_equal(fm_plan_run(b.plan, &step, &err), FM_ERR_IO);
    assert_non_null(strstr(err.message, "cannot be read"));
    assert_true(fm_plan_waited(b.plan) == 0);
    provider.want = want; /* the plan has its address */
    e.passing = false;
    assert_int_equal(fm_plan_run(b.plan, &step, &err), FM_ERR_IO); /* again from get */
    assert_false(e.passing);
    e.wanted = INT_MAX;
    assert_int_equal(fm_plan_run(b.plan, &step, &err), FM_ERR_IO);
    assert_non_null(strstr(err.message, "cannot be brought"));
    assert_true(fm_plan_waited(b.plan) > 0);
    bench_free(&b);
    experts_free(&e);
    free(x), free(z);
}

/* ops.def is the list: names are there once, and every op can run. */
static void every_op_has_a_name_of_its_own(void **state) {
    (void)state;
    int n = 0;
    for (; fm_op_at(n); n++) {
        assert_non_null(fm_op_at(n)->forward);
        for (int i = 0; i < n; i++) assert_string_not_equal(fm_op_at(i)->name, fm_op_at(n)->name);
    }
    assert_true(n >= 18);
    assert_null(fm_op_at(-1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_agrees_for_odd_sizes_with_and_without_a_bias),
        cmocka_unit_test(several_linears_over_one_input_are_what_each_is_alone),
        cmocka_unit_test(linear_heads_reads_and_writes_its_own_columns),
        cmocka_unit_test(linear_heads_multiplies_with_the_transpose),
        cmocka_unit_test(rmsnorm_norms_its_part_and_passes_the_rest),
        cmocka_unit_test(rope_turns_pairs_of_either_kind_by_exact_angles),
        cmocka_unit_test(elementwise_ops_and_moves_are_exact),
        cmocka_unit_test(only_the_rows_asked_for_are_selected),
        cmocka_unit_test(experts_and_combine_agree_with_dense_loops),
        cmocka_unit_test(a_watch_adds_the_squares_of_its_own_columns_over_runs),
        cmocka_unit_test(watched_experts_count_what_is_sent_to_them_and_what_lies_between),
        cmocka_unit_test(an_expert_that_cannot_be_had_stops_the_run),
        cmocka_unit_test(every_op_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}

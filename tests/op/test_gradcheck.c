/* Every op of ops.def, over its own samples: gradients of all inputs and weights against differences of the
 * forward pass, the same bits for any number of threads and at every CPU level, and adding to what is there. */
#include "op_support.h"

#include "op/op_sample.h"
#include "pack/master.h"

enum { ROWS = FM_SAMPLE_ROWS, MOST = 128 };

static const fm_segment *segments_of(void *const *pages) {
    static fm_segment s[2];
    s[0] = (fm_segment){.row = 0, .count = 4, .pages = pages};
    s[1] = (fm_segment){.row = 4, .count = 3, .pages = pages + 1};
    return s;
}
static const int32_t ids[ROWS] = {3, 0, 5, 3, 1, 6, 3}, outputs[] = {0, 2, 3, 6};
static const int32_t ahead[ROWS] = {0, 5, 3, -1, 6, 3, -1}, further[ROWS] = {5, 3, -1, -1, 3, -1, -1};
static const float weights[ROWS] = {0.3f, 0.2f, 0.7f, 0, 1.1f, 0.4f, 0}, fewer[ROWS] = {0.9f, 0, 0, 0, 0.3f};
/* What a teacher says of three tokens, sure of itself, quite unsure, and of the rest. */
static const int32_t told_ids[ROWS * 3] = {0, 5, 2, 5, 4, 1, 3, 0, 6, 1, 2, 3, 6, 3, 0, 2, 3, 6, 0, 1, 2};
static const float shares[ROWS * 4] = {0.5f, 0.2f, 0.1f, 0.2f,   0.97f, 0.02f, 0.01f, 0,      0.3f, 0.2f, 0.1f, 0.4f,
                                       0.9f, 0.05f, 0, 0.05f,    0.01f, 0.01f, 0, 0.98f,      1, 0, 0, 0,
                                       0.25f, 0.25f, 0.25f, 0.25f};
static const fm_teaching teaching = {.top = 3, .ids = told_ids, .shares = shares, .temperature = 1.7, .weight = 0.6};
static const fm_lesson lesson = {.ahead = {ahead, further}, .weights = {weights, fewer}, .sequence_balance = 0.7,
                                 .device_balance = 0.3, .communication_balance = 0.2, .devices = 4,
                                 .device_limit = 2, .teaching = &teaching};

/* ---- what a sample is recorded over ----------------------------------------------------------------- */

/* Floats that learn: an input's or a weight's. */
typedef struct tensor {
    float *value, *grad;
    int64_t n;
} tensor;

/* What products multiply: floats, or what they are rounded to. */
static fm_word_form form = FM_WORDS_F32;

typedef struct trial {
    dice d;
    fm_plan *plan;
    fm_pool *pool;
    const fm_kernels *kernels;
    tensor tensors[MOST];
    int n_tensors;
    fm_weight *matrices[MOST];
    size_t n_matrices;
    void *memory[4 * MOST]; /* to free */
    int n_memory;
    fm_kv_shape kv;
    void *pages[2];
    const float *projection; /* of the result: the loss is their product */
    fm_value result, balance;
    bool is_loss;
} trial;

static void *keep(trial *t, void *memory) {
    assert_non_null(memory);
    assert_true(t->n_memory < (int)FM_COUNT(t->memory));
    return t->memory[t->n_memory++] = memory;
}

static tensor *new_tensor(trial *t, int64_t n, float scale) {
    assert_true(t->n_tensors < MOST);
    tensor *x = &t->tensors[t->n_tensors++];
    *x = (tensor){keep(t, roll_floats(&t->d, n)), keep(t, calloc((size_t)n, sizeof(float))), n};
    for (int64_t i = 0; i < n; i++) x->value[i] *= scale;
    return x;
}

/* An input is a source that learns. */
static fm_status source_forward(const fm_run *run, const fm_node *node) {
    const tensor *x = *(tensor *const *)fm_params(node);
    memcpy(fm_output(run, node, 0), x->value, (size_t)x->n * sizeof(float));
    return FM_OK;
}
static bool source_learns(const fm_node *node) { return (*(tensor *const *)fm_params(node))->grad != NULL; }
static fm_status source_backward(const fm_run *run, const fm_node *node) {
    const tensor *x = *(tensor *const *)fm_params(node);
    for (int64_t i = 0; i < x->n; i++) x->grad[i] += fm_output_grad(run, node, 0)[i];
    return FM_OK;
}
static const fm_op source_op = {.name = "source", .forward = source_forward, .learns = source_learns,
                                .backward_weight = source_backward};

static fm_value sample_input(void *context, fm_plan *plan, int64_t columns) {
    trial *t = context;
    tensor *x = new_tensor(t, ROWS * columns, 1);
    fm_value v = fm_plan_value(plan, FM_ROWS_TOKENS, (size_t)columns * sizeof(float), 0);
    fm_plan_node(plan, &source_op, FM_VALUES(-1), FM_VALUES(v), &x, sizeof(x));
    return v;
}

static fm_value sample_spread(void *context, fm_plan *plan, int64_t columns) {
    trial *t = context;
    fm_value v = sample_input(t, plan, columns);
    float *x = t->tensors[t->n_tensors - 1].value;
    for (int64_t i = 0; i < ROWS; i++, x += columns) {
        for (int64_t j = 0; j < columns; j++) x[j] = (float)j * 0.5f - (float)columns * 0.25f;
        for (int64_t j = columns - 1; j > 0; j--) {
            int64_t other = roll_below(&t->d, j + 1);
            float swap = x[j];
            x[j] = x[other], x[other] = swap;
        }
    }
    return v;
}

static const fm_weight *sample_weights(void *context, int64_t n, int64_t n_out, int64_t n_in) {
    trial *t = context;
    fm_weight *w = keep(t, calloc((size_t)n, sizeof *w));
    tensor *x = new_tensor(t, n * n_out * n_in, 0.5f);
    for (int64_t i = 0; i < n; i++) {
        int64_t first = i * n_out * n_in;
        w[i] = (fm_weight){.name = "weight", .n_out = n_out, .n_in = n_in, .master = x->value + first,
                           .grad = x->grad + first};
        size_t bytes = fm_weight_copies_bytes(&w[i], form);
        void *copies = keep(t, aligned_alloc(64, bytes));
        memset(copies, 0xff, bytes);
        fm_weight_use_copies(&w[i], form, copies);
        assert_true(t->n_matrices < MOST);
        t->matrices[t->n_matrices++] = &w[i];
    }
    return w;
}

static const fm_weight *sample_vector(void *context, int64_t n) {
    trial *t = context;
    tensor *x = new_tensor(t, n, 1);
    fm_weight *w = keep(t, calloc(1, sizeof *w));
    *w = (fm_weight){.name = "vector", .n_out = 1, .n_in = n, .master = x->value, .grad = x->grad};
    return w;
}

static fm_status get_expert(void *context, int32_t id, fm_expert *out, fm_error *err) {
    const fm_weight *const *w = context;
    (void)err;
    *out = (fm_expert){&w[0][id], &w[1][id], &w[2][id]};
    return FM_OK;
}

static const fm_expert_provider *sample_experts(void *context, int64_t n, int64_t hidden,
                                                int64_t intermediate) {
    trial *t = context;
    const fm_weight **w = keep(t, calloc(3, sizeof *w));
    w[0] = sample_weights(t, n, intermediate, hidden);
    w[1] = sample_weights(t, n, intermediate, hidden);
    w[2] = sample_weights(t, n, hidden, intermediate);
    fm_expert_provider *provider = keep(t, calloc(1, sizeof *provider));
    *provider = (fm_expert_provider){(void *)(uintptr_t)w, n, hidden, intermediate, NULL, get_expert};
    return provider;
}

static void sample_cache(void *context, int64_t width, int64_t layers) {
    trial *t = context;
    size_t row = fm_kv_row_bytes(FM_KV_F32, width, 64);
    t->kv = (fm_kv_shape){.type = FM_KV_F32, .block = 64, .page_positions = 64, .n_layers = layers,
                          .width = width, .row_bytes = row, .page_bytes = (size_t)layers * 64 * row};
    for (int i = 0; i < 2; i++) t->pages[i] = keep(t, aligned_alloc(64, t->kv.page_bytes));
}

/* The loss: the result times random numbers. */
static fm_status project_forward(const fm_run *run, const fm_node *node) {
    (void)run, (void)node;
    return FM_OK;
}
static fm_status project_backward(const fm_run *run, const fm_node *node) {
    float *dx = fm_input_grad(run, node, 0);
    const float *projection = *(const float *const *)fm_params(node);
    for (int64_t i = 0; dx && i < fm_rows(run, node->inputs[0]) * fm_columns(run, node->inputs[0]); i++)
        dx[i] += projection[i];
    return FM_OK;
}
static const fm_op project_op = {.name = "project", .forward = project_forward,
                                 .backward_input = project_backward, .is_loss = true};

/* false: the op has no such variant. */
static bool begin(trial *t, const fm_op *op, int variant, int threads, fm_cpu_level level) {
    fm_error err;
    size_t bytes;
    *t = (trial){.d = {.seed = 1000 + (uint64_t)variant}, .kernels = fm_kernels_get(level),
                 .is_loss = op->is_loss};
    for (const char *c = op->name; *c; c++) t->d.seed = t->d.seed * 31 + (unsigned char)*c;
    assert_ok(fm_pool_new(threads, &t->pool, &err));
    fm_plan_options o = {.rows = ROWS, .outputs = FM_COUNT(outputs), .routed = 3, .learns = true,
                         .activations = form == FM_WORDS_BF16 ? FM_ACTIVATIONS_BF16 : FM_ACTIVATIONS_F32,
                         .pool = t->pool, .kernels = t->kernels};
    assert_ok(fm_plan_new(&o, &t->plan, &err));
    fm_sampler sampler = {t, sample_input, sample_spread, sample_weights, sample_vector, sample_experts, sample_cache};
    t->result = op->sample(t->plan, &sampler, variant);
    if (t->result < 0) return false;
    t->projection = keep(t, roll_floats(&t->d, ROWS * fm_plan_columns(t->plan, t->result)));
    if (!t->is_loss)
        fm_plan_node(t->plan, &project_op, FM_VALUES(t->result), FM_VALUES(-1), &t->projection,
                     sizeof t->projection);
    fm_plan_keep(t->plan, t->result, "result");
    t->balance = fm_plan_find(t->plan, "balance");
    assert_ok(fm_plan_place(t->plan, &bytes, &err));
    assert_ok(fm_plan_allocate(t->plan, &err));
    return true;
}

static void end(trial *t) {
    fm_plan_free(t->plan);
    fm_pool_free(t->pool);
    for (int i = 0; i < t->n_memory; i++) free(t->memory[i]);
}

/* Forward and back; returns the loss. */
static double learn(trial *t) {
    fm_error err;
    fm_lesson told = lesson;
    if (t->balance < 0) told.sequence_balance = told.device_balance = told.communication_balance = 0;
    fm_step step = {.n_rows = ROWS, .ids = ids, .n_segments = 2, .segments = segments_of(t->pages),
                    .n_outputs = FM_COUNT(outputs), .output_rows = outputs, .kv = &t->kv, .lesson = &told};
    fm_weights_refresh(t->kernels, t->matrices, t->n_matrices, t->pool);
    assert_ok(fm_plan_learn(t->plan, &step, &err));
    const float *y = fm_plan_floats(t->plan, t->result);
    int64_t columns = fm_plan_columns(t->plan, t->result), rows = fm_plan_rows(t->plan, &step, t->result);
    int depth = 0; /* of a loss: which weights count is known by where it left zeros */
    for (int64_t i = 0; t->is_loss && i < rows; i++)
        if (y[i] == 0 && weights[i] != 0) depth = 1;
    double loss = t->balance >= 0 ? *(double *)fm_plan_data(t->plan, t->balance) : 0;
    for (int64_t i = 0; i < rows * columns; i++)
        loss += (double)y[i] * (double)(t->is_loss ? lesson.weights[depth][i] : t->projection[i]);
    return loss;
}

/* ---- checks ----------------------------------------------------------------------------------------- */

/* Four points: off by the fourth power of the step, and by the rounding of the losses over it. */
static double difference(trial *t, float *x) {
    const float was = *x, h = 0.02f;
    double at[4];
    static const float steps[] = {-2, -1, 1, 2};
    for (int i = 0; i < 4; i++) {
        *x = was + steps[i] * h;
        at[i] = learn(t);
    }
    double wide = (double)(was + 2 * h) - (double)(was - 2 * h), narrow = (double)(was + h) - (double)(was - h);
    *x = was;
    return (4 * (at[2] - at[1]) / narrow - (at[3] - at[0]) / wide) / 3;
}

static void check_differences(const fm_op *op, int variant) {
    trial t;
    if (!begin(&t, op, variant, 2, fm_cpu_detect())) fail_msg("%s has no sample", op->name);
    learn(&t);
    double all = 0;
    float *gots[MOST];
    for (int i = 0; i < t.n_tensors; i++) {
        size_t bytes = (size_t)t.tensors[i].n * sizeof(float);
        gots[i] = memcpy(keep(&t, malloc(bytes)), t.tensors[i].grad, bytes);
    }
    for (int i = 0; i < t.n_tensors; i++) {
        tensor *x = &t.tensors[i];
        const float *got = gots[i];
        double off = 0, size = 0;
        for (int64_t j = 0; j < x->n; j++) {
            double want = difference(&t, &x->value[j]), d = (double)got[j] - want;
            off += d * d, size += want * want;
        }
        all += size;
        double noise = 1e-5 * sqrt((double)x->n);
        if (!(sqrt(off) <= 1e-3 * sqrt(size) + noise))
            fail_msg("%s, variant %d, tensor %d: gradient off by %g of %g", op->name, variant, i, sqrt(off),
                     sqrt(size));
    }
    if (!(all > 0)) fail_msg("%s, variant %d: nothing learns", op->name, variant);
    end(&t);
}

static void gradients_are_what_differences_say(void **state) {
    (void)state;
    for (int i = 0; fm_op_at(i); i++) {
        const fm_op *op = fm_op_at(i);
        if (op->is_constant || (!op->backward_input && !op->learns)) continue;
        if (!op->sample) fail_msg("%s learns, but has no sample", op->name);
        trial t;
        for (int variant = 0; begin(&t, op, variant, 1, fm_cpu_detect()); variant++) {
            end(&t);
            check_differences(op, variant);
        }
        end(&t);
    }
}

/* All gradients after two steps, one after the other. */
static float *twice(const fm_op *op, int variant, int threads, fm_cpu_level level, size_t *bytes) {
    trial t;
    assert_true(begin(&t, op, variant, threads, level));
    learn(&t);
    learn(&t);
    int64_t n = 0;
    for (int i = 0; i < t.n_tensors; i++) n += t.tensors[i].n;
    float *all = malloc((size_t)n * sizeof *all);
    *bytes = (size_t)n * sizeof *all;
    for (int i = t.n_tensors - 1; i >= 0; i--)
        memcpy(all + (n -= t.tensors[i].n), t.tensors[i].grad, (size_t)t.tensors[i].n * sizeof *all);
    end(&t);
    return all;
}

static void expect_same_bits(void) {
    for (int i = 0; fm_op_at(i); i++) {
        const fm_op *op = fm_op_at(i);
        trial t;
        for (int variant = 0; op->sample && begin(&t, op, variant, 1, fm_cpu_detect()); variant++) {
            end(&t);
            size_t bytes;
            float *one = twice(op, variant, 1, FM_CPU_REF, &bytes);
            for (int level = 0; level <= (int)fm_cpu_detect(); level++)
                for (int threads = 1; threads <= 5; threads += 2) {
                    float *other = twice(op, variant, threads, (fm_cpu_level)level, &bytes);
                    if (memcmp(one, other, bytes) != 0)
                        fail_msg("%s, variant %d: other bits on %d threads at %s", op->name, variant, threads,
                                 fm_kernels_get((fm_cpu_level)level)->name);
                    free(other);
                }
            free(one);
        }
        if (op->sample) end(&t);
    }
}

static void gradients_have_the_same_bits_on_any_threads_at_every_level(void **state) {
    (void)state;
    expect_same_bits();
}

static void so_they_have_in_bf16(void **state) {
    (void)state;
    form = FM_WORDS_BF16;
    expect_same_bits();
    form = FM_WORDS_F32;
}

/* Three factors are rounded to 8 bits on the way to each sum. */
static void in_bf16_gradients_are_near_those_of_floats(void **state) {
    (void)state;
    for (int i = 0; fm_op_at(i); i++) {
        const fm_op *op = fm_op_at(i);
        trial exact, rounded;
        double all = 0;
        int variant = 0;
        for (; op->sample && begin(&exact, op, variant, 2, fm_cpu_detect()); variant++) {
            form = FM_WORDS_BF16;
            assert_true(begin(&rounded, op, variant, 2, fm_cpu_detect()));
            learn(&exact), learn(&rounded);
            form = FM_WORDS_F32;
            for (int j = 0; j < exact.n_tensors; j++) {
                double off = 0, size = 0;
                for (int64_t k = 0; k < exact.tensors[j].n; k++) {
                    double want = exact.tensors[j].grad[k], d = (double)rounded.tensors[j].grad[k] - want;
                    off += d * d, size += want * want;
                }
                all += off;
                if (!(sqrt(off) <= 0x1p-6 * sqrt(size) + 1e-6))
                    fail_msg("%s, variant %d, tensor %d: in bf16 off by %g of %g", op->name, variant, j,
                             sqrt(off), sqrt(size));
            }
            end(&exact), end(&rounded);
        }
        if (op->sample) end(&exact);
        if (op == &fm_op_linear || op == &fm_op_experts || op == &fm_op_xent || op == &fm_op_distil)
             assert_true(all > 0);
    }
}

static void two_steps_add_up(void **state) {
    (void)state;
    for (int i = 0; fm_op_at(i); i++) {
        const fm_op *op = fm_op_at(i);
        trial t;
        int variant = 0;
        for (; op->sample && begin(&t, op, variant, 2, fm_cpu_detect()); variant++) {
            size_t bytes;
            learn(&t);
            float *both = twice(op, variant, 2, fm_cpu_detect(), &bytes), *at = both;
            for (int j = 0; j < t.n_tensors; at += t.tensors[j].n, j++)
                for (int64_t k = 0; k < t.tensors[j].n; k++)
                    if (!(fabs((double)at[k] - 2 * (double)t.tensors[j].grad[k]) <=
                          1e-4 + 1e-5 * fabs((double)at[k])))
                        fail_msg("%s, variant %d: %g and %g again make %g", op->name, variant,
                                 (double)t.tensors[j].grad[k], (double)t.tensors[j].grad[k], (double)at[k]);
            free(both);
            end(&t);
        }
        if (op->sample) end(&t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_what_differences_say),
        cmocka_unit_test(gradients_have_the_same_bits_on_any_threads_at_every_level),
        cmocka_unit_test(so_they_have_in_bf16),
        cmocka_unit_test(in_bf16_gradients_are_near_those_of_floats),
        cmocka_unit_test(two_steps_add_up),
    };
    return cmocka_run_group_tests_name("gradcheck", tests, NULL, NULL);
}

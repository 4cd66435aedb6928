/* Gradients of small models of odd shapes in every family (tests/golden/odd) against differences of their losses:
 * along its own gradient, a tensor's loss must rise by the gradient's norm. Where a step tips the choice of an
 * expert the loss has no derivative, and the tensor is passed over. The losses themselves, those of modules of
 * multi-token prediction too, follow from the logits that go with the models. FATHOM_ODD_MODELS names another folder
 * of such models. */
#include "support.h"

#include "train/learning.h"

#include <dirent.h>
#include <limits.h>
#include <math.h>

enum { ROWS = 640, MOST_LAYERS = 64, MOST_EXPERTS = 4096 };

static const char *folder(void) {
    const char *other = getenv("FATHOM_ODD_MODELS");
    return other ? other : golden_path("odd");
}

typedef struct opened {
    const char *name;
    fm_store *store, *expected;
    fm_model *model;
    fm_pool *pool;
    fm_learning *learning;
    int mtp; /* modules */
    const int32_t *ids;
    int64_t n;
    int64_t load[MOST_LAYERS][MOST_EXPERTS]; /* who was chosen how often in the step that learnt */
} opened;

static void open_odd(opened *o, const char *name) {
    fm_error err;
    char path[4096];
    *o = (opened){.name = name};
    snprintf(path, sizeof path, "%s/%s", folder(), name);
    assert_ok(fm_store_open(path, &o->store, &err));
    strcat(path, "/expected.safetensors");
    assert_ok(fm_store_open(path, &o->expected, &err));
    const fm_store_entry *ids = NULL;
    for (size_t i = 0; i < fm_store_count(o->expected); i++) {
        const fm_store_entry *e = fm_store_at(o->expected, i);
        if (strstr(e->name, "input_ids") && (!ids || e->tensor.shape[0] > ids->tensor.shape[0])) ids = e;
    }
    assert_non_null(ids);
    o->ids = ids->tensor.data;
    o->n = ids->tensor.shape[0] < ROWS ? ids->tensor.shape[0] : ROWS;
    bool mtp = fm_store_find(o->expected, "mtp.logits") != NULL;
    assert_ok(fm_pool_new(2, &o->pool, &err));
    fm_model_options options = {.mtp = mtp ? INT_MAX : 0};
    assert_ok(fm_model_bind(o->store, &options, &o->model, &err));
    o->mtp = o->model->n_mtp;
    assert_true(mtp == (o->mtp > 0));
    assert_true(o->model->config.num_hidden_layers < MOST_LAYERS);
    fm_learning_options learning = {.trainee = {.kernels = fm_kernels_get(fm_cpu_detect()), .pool = o->pool},
                                    .rows = ROWS, .segments = 2, .mtp = o->mtp};
    assert_ok(fm_learning_new(o->model, &learning, &o->learning, &err));
}

static void close_odd(opened *o) {
    fm_learning_free(o->learning);
    fm_model_free(o->model);
    fm_pool_free(o->pool);
    fm_store_close(o->store);
    fm_store_close(o->expected);
}

/* -log p of the tokens `depth` + 1 places ahead, from the logits of the reference. */
static double expected_nats(const opened *o, int depth) {
    static const char *const names[] = {"logits", "mtp.logits", "mtp.2.logits"};
    const fm_store_entry *e = fm_store_find(o->expected, names[depth]);
    const float *logits = e->tensor.data;
    int64_t v = e->tensor.shape[1];
    double sum = 0;
    for (int64_t t = 0; t + depth + 1 < o->n; t++) {
        const float *row = logits + t * v;
        double all = 0;
        for (int64_t i = 0; i < v; i++) all += exp((double)row[i]);
        sum += log(all) - (double)row[o->ids[t + depth + 1]];
    }
    return sum;
}

static void check_losses(const opened *o, const fm_learning_loss *loss) {
    for (int d = 0; d <= o->mtp; d++) {
        double wanted = expected_nats(o, d);
        if (!(fabs(loss->nats[d] - wanted) <= 2e-4 * (1 + wanted)))
            fail_msg("%s: the loss of depth %d is %g and should be %g", o->name, d, loss->nats[d], wanted);
    }
}

/* Every row that has something to read counts each of its experts once. */
static void check_load(const opened *o, int64_t layer, const int64_t *load) {
    int64_t module = layer - o->model->config.num_hidden_layers + 1, sum = 0;
    int64_t rows = module > 0 ? o->n - module : o->n;
    for (int64_t e = 0; e < o->model->config.n_routed_experts; e++) {
        assert_true(load[e] >= 0);
        sum += load[e];
    }
    assert_int_equal(sum, (rows > 0 ? rows : 0) * o->model->config.num_experts_per_tok);
}

/* The loss of all rows; *same: whether every layer chose its experts as often as in the step that learnt. */
static double loss_of(opened *o, bool learns, bool *same) {
    static int32_t ahead[FM_DEPTHS][ROWS];
    static float weights[FM_DEPTHS][ROWS];
    static int64_t load[MOST_EXPERTS];
    fm_error err;
    fm_learning_loss loss;
    fm_segment segment = {.count = o->n};
    fm_learning_step step = {.n_rows = o->n, .ids = o->ids, .n_segments = 1, .segments = &segment};
    for (int d = 0; d <= o->mtp; d++) {
        step.lesson.ahead[d] = ahead[d], step.lesson.weights[d] = weights[d];
        for (int64_t t = 0; t < o->n; t++) {
            bool there = t + d + 1 < o->n;
            ahead[d][t] = there ? o->ids[t + d + 1] : -1;
            weights[d][t] = there ? (float)((d ? 0.3 / o->mtp : 1) / (double)(o->n - 1 - d)) : 0;
        }
    }
    assert_ok(fm_learning_run(o->learning, &step, learns, &loss, &err));
    if (learns) check_losses(o, &loss);
    int64_t experts = o->model->config.n_routed_experts;
    for (int64_t l = 0; l < o->model->config.num_hidden_layers + o->mtp; l++) {
        memset(load, 0, sizeof load);
        if (!fm_learning_add_load(o->learning, l, load)) continue;
        if (learns) check_load(o, l, load);
        if (learns) memcpy(o->load[l], load, sizeof load);
        else *same &= memcmp(o->load[l], load, (size_t)experts * sizeof *load) == 0;
    }
    double sum = 0;
    for (int d = 0; d <= o->mtp; d++) sum += loss.weighted[d];
    return sum;
}

static double norm(const float *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* The rise of the loss along the gradient, by four points; false: the way is not smooth. */
static bool rise_along(opened *o, const fm_learned *l, double step, double *rise) {
    int64_t n = fm_learned_elements(l);
    float *was = malloc((size_t)n * sizeof *was);
    double size = norm(l->grad, n), at[4];
    bool same = true;
    static const double steps[] = {-2, -1, 1, 2};
    memcpy(was, l->value, (size_t)n * sizeof *was);
    for (int i = 0; i < 4; i++) {
        for (int64_t j = 0; j < n; j++)
            l->value[j] = (float)((double)was[j] + steps[i] * step * (double)l->grad[j] / size);
        fm_learning_publish(o->learning);
        at[i] = loss_of(o, false, &same);
    }
    memcpy(l->value, was, (size_t)n * sizeof *was);
    fm_learning_publish(o->learning);
    free(was);
    *rise = (8 * (at[2] - at[1]) - (at[3] - at[0])) / (12 * step);
    return same;
}

static void check(const char *name, int64_t *checked, int64_t *passed_over) {
    static opened o;
    bool same = true;
    open_odd(&o, name);
    loss_of(&o, true, &same);
    const fm_learned_list *list = fm_learning_list(o.learning);
    for (size_t i = 0; i < list->n; i++) {
        const fm_learned *l = &list->at[i];
        double size = l->grad ? norm(l->grad, fm_learned_elements(l)) : 0;
        if (!(size > 1e-4) || (l->kind == FM_LEARNED_EXPERT && i % 5 != 0)) continue;
        double step = 0.02 / size, most = 0.02 * norm(l->value, fm_learned_elements(l)) + 1e-3, rise;
        if (step > most) step = most;
        bool smooth = rise_along(&o, l, step, &rise);
        for (int again = 0; again < 2 && !smooth; again++) smooth = rise_along(&o, l, step /= 8, &rise);
        if (!smooth) {
            ++*passed_over;
            continue;
        }
        ++*checked;
        double noise = 5e-6 / step; /* of losses in float32 */
        if (!(fabs(rise - size) <= 3e-3 * size + noise))
            fail_msg("%s: along %s, whose gradient has norm %g, the loss rises by %g", name, l->name, size, rise);
    }
    close_odd(&o);
}

static void losses_rise_along_gradients_as_their_norms_say(void **state) {
    (void)state;
    int64_t checked = 0, passed_over = 0;
    DIR *d = opendir(folder());
    assert_non_null(d);
    int models = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.' || strncmp(e->d_name, "gguf", 4) == 0) continue;
        if (sanitized() && models++ % 4 != 0) continue;
        check(e->d_name, &checked, &passed_over);
    }
    closedir(d);
    print_message("%lld tensors checked, %lld passed over\n", (long long)checked, (long long)passed_over);
    assert_true(checked > 5 * passed_over);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(losses_rise_along_gradients_as_their_norms_say)};
    return cmocka_run_group_tests_name("odd gradients", tests, NULL, NULL);
}

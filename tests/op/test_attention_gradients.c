/* Gradients of every form of attention: against the same written out in double precision (which is
 * checked by differences), over ragged segments, many pages and blocks, caches of both types; and the
 * promise that their bits depend neither on the threads nor on the processor. */
#include "learn_support.h"

#include "base/cpu.h"
#include "tensor/half.h"

enum { INPUTS = 3, SEGMENTS = 5, PAGES = 24, PAGE = 64 };

/* ---- the same in double precision ----------------------------------------------------------------- */

/* Attention of one head over a segment: n rows that see `before` rows in front of them, and the
 * gradients of sum(d_out . out). Keys and values of the rows in front come first. */
typedef struct head {
    int64_t n, before, d_k, d_v;
    double scale;
    bool pairs;                      /* weights are rounded, as those of a BF16 cache are: attention.h */
    double *q, *k, *v, *d_out;       /* [n, d_k], [before + n, d_k], [before + n, d_v], [n, d_v] */
    double *out, *d_q, *d_k_, *d_v_; /* made */
} head;

static double *zeros(int64_t n) { return calloc((size_t)(n ? n : 1), sizeof(double)); }

static head head_new(int64_t n, int64_t before, int64_t d_k, int64_t d_v, double scale) {
    int64_t all = before + n;
    return (head){n, before, d_k, d_v, scale, false, zeros(n * d_k), zeros(all * d_k), zeros(all * d_v),
                  zeros(n * d_v), zeros(n * d_v), zeros(n * d_k), zeros(all * d_k), zeros(all * d_v)};
}

static void head_free(head *h) {
    free(h->q), free(h->k), free(h->v), free(h->d_out);
    free(h->out), free(h->d_q), free(h->d_k_), free(h->d_v_);
}

static double dot_of(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* weights[j] = exp(s[j] - most), rounded against its block's own maximum. */
static void head_weights(const head *h, const double *s, int64_t sees, double most, double *weights) {
    for (int64_t begin = 0, end; begin < sees; begin = end) {
        double m = -INFINITY;
        end = begin + FM_ATTENTION_BLOCK < sees ? begin + FM_ATTENTION_BLOCK : sees;
        for (int64_t j = begin; j < end; j++) m = fmax(m, s[j]);
        for (int64_t j = begin; j < end; j++) {
            double e = exp(s[j] - m);
            if (h->pairs) e = (double)fm_bf16_to_float(fm_bf16_from_float((float)e));
            weights[j] = e * exp(m - most);
        }
    }
}

/* The weights of row i, and its result. */
static void head_row(head *h, int64_t i, double *p) {
    int64_t sees = h->before + i + 1;
    double most = -INFINITY, sum = 0, *rounded = zeros(sees);
    for (int64_t j = 0; j < sees; j++) {
        p[j] = h->scale * dot_of(h->q + i * h->d_k, h->k + j * h->d_k, h->d_k);
        most = fmax(most, p[j]);
    }
    head_weights(h, p, sees, most, rounded);
    for (int64_t j = 0; j < sees; j++) sum += rounded[j];
    for (int64_t c = 0; c < h->d_v; c++) h->out[i * h->d_v + c] = 0;
    for (int64_t j = 0; j < sees; j++) {
        p[j] = exp(p[j] - most) / sum;
        for (int64_t c = 0; c < h->d_v; c++) h->out[i * h->d_v + c] += rounded[j] / sum * h->v[j * h->d_v + c];
    }
    free(rounded);
}

static void head_run(head *h) {
    double *p = zeros(h->before + h->n);
    for (int64_t i = 0; i < h->n; i++) {
        const double *d_out = h->d_out + i * h->d_v, *q = h->q + i * h->d_k;
        head_row(h, i, p);
        double d = dot_of(d_out, h->out + i * h->d_v, h->d_v);
        for (int64_t j = 0; j <= h->before + i; j++) {
            double ds = h->scale * p[j] * (dot_of(d_out, h->v + j * h->d_v, h->d_v) - d);
            for (int64_t c = 0; c < h->d_v; c++) h->d_v_[j * h->d_v + c] += p[j] * d_out[c];
            for (int64_t c = 0; c < h->d_k; c++) h->d_k_[j * h->d_k + c] += ds * q[c];
            for (int64_t c = 0; c < h->d_k; c++) h->d_q[i * h->d_k + c] += ds * h->k[j * h->d_k + c];
        }
    }
    free(p);
}

static double head_loss(head *h) {
    double *p = zeros(h->before + h->n);
    for (int64_t i = 0; i < h->n; i++) head_row(h, i, p);
    free(p);
    return dot_of(h->out, h->d_out, h->n * h->d_v);
}

static void check_differences(head *h, double *x, const double *gradient, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double old = x[i], step = 1e-5;
        x[i] = old + step;
        double up = head_loss(h);
        x[i] = old - step;
        double down = head_loss(h);
        x[i] = old;
        assert_true(fabs((up - down) / (2 * step) - gradient[i]) < 1e-8);
    }
}

static void what_is_compared_with_is_right_by_differences(void **state) {
    (void)state;
    dice d = {.seed = 3};
    head h = head_new(7, 3, 5, 4, 0.6);
    for (int64_t i = 0; i < 7 * 5; i++) h.q[i] = (double)roll(&d);
    for (int64_t i = 0; i < 10 * 5; i++) h.k[i] = (double)roll(&d);
    for (int64_t i = 0; i < 10 * 4; i++) h.v[i] = (double)roll(&d);
    for (int64_t i = 0; i < 7 * 4; i++) h.d_out[i] = (double)roll(&d);
    head_run(&h);
    check_differences(&h, h.q, h.d_q, 7 * 5);
    check_differences(&h, h.k, h.d_k_, 10 * 5);
    check_differences(&h, h.v, h.d_v_, 10 * 4);
    head_free(&h);
}

/* ---- a learning plan of one attention -------------------------------------------------------------- */

/* What is computed: grouped-query attention, or latent attention where r > 0. */
typedef struct shape {
    int64_t layer, heads, groups, d; /* of grouped-query attention */
    int64_t r, dr, dn;               /* of latent attention: heads, layer and these */
    double scale;
} shape;

/* Numbers of a case: inputs [rows, columns], the result and its gradient. A segment's rows in front of the
 * step lie in the rows before its own and are only run forwards. */
typedef struct numbers {
    const shape *s;
    fm_kv_type cache;
    fm_activations activations;
    int64_t rows, n_inputs, columns[INPUTS], out_columns;
    int n_segments;
    int64_t count[SEGMENTS], before[SEGMENTS]; /* rows of the step, rows in front */
    float *in[INPUTS], *prefix[INPUTS], *d_out;
    float *out, *gradients[INPUTS];
} numbers;

static numbers numbers_new(dice *d, const shape *s, fm_kv_type cache, int n, const int64_t *count,
                           const int64_t *before) {
    numbers x = {.s = s, .cache = cache, .n_inputs = 3, .n_segments = n};
    int64_t columns[] = {s->heads * s->d, s->groups * s->d, s->groups * s->d};
    if (s->r) columns[0] = s->heads * s->r, columns[1] = s->heads * (s->dn + s->dr), columns[2] = s->r + s->dr;
    x.out_columns = s->heads * (s->r ? s->r : s->d);
    int64_t rows = 0, front = 0;
    for (int i = 0; i < n; i++) {
        rows += x.count[i] = count[i];
        front += x.before[i] = before[i];
    }
    x.rows = rows;
    for (int i = 0; i < INPUTS; i++) {
        x.columns[i] = columns[i];
        x.in[i] = roll_floats(d, rows * columns[i]);
        x.prefix[i] = roll_floats(d, front * columns[i]);
        x.gradients[i] = calloc((size_t)(rows * columns[i]), sizeof(float));
    }
    x.d_out = roll_floats(d, rows * x.out_columns);
    x.out = calloc((size_t)(rows * x.out_columns), sizeof(float));
    return x;
}

static void numbers_free(numbers *x) {
    for (int i = 0; i < INPUTS; i++) free(x->in[i]), free(x->prefix[i]), free(x->gradients[i]);
    free(x->d_out), free(x->out);
}

static fm_value record(fm_plan *plan, const shape *s, const fm_value *in) {
    if (s->r) {
        fm_mla_shape m = {s->layer, s->heads, s->r, s->dn, s->dr, 8, s->scale};
        return fm_mla_absorbed(plan, in[0], in[1], in[2], &m);
    }
    fm_attend_shape a = {s->layer, s->heads, s->groups, s->d, s->d, s->scale};
    return fm_attend(plan, in[0], in[1], in[2], &a);
}

/* Runs the case on so many threads of a level. `wanted`: a bit for every input whose gradient is. */
static void numbers_run(numbers *x, int threads, fm_cpu_level level, unsigned wanted) {
    fm_error err;
    fm_pool *pool;
    fm_plan *plan;
    size_t bytes;
    int64_t front = 0;
    for (int i = 0; i < x->n_segments; i++) front += x->before[i];
    assert_ok(fm_pool_new(threads, &pool, &err));
    fm_plan_options options = {.rows = x->rows > front ? x->rows : front, .outputs = 1, .learns = true,
                               .activations = x->activations, .kernels = fm_kernels_get(level),
                               .pool = pool};
    assert_ok(fm_plan_new(&options, &plan, &err));
    float *buffers[INPUTS];
    fm_value in[INPUTS];
    for (int i = 0; i < INPUTS; i++) {
        buffers[i] = calloc((size_t)(options.rows * x->columns[i]), sizeof(float));
        in[i] = source(plan, buffers[i], wanted >> i & 1 ? x->gradients[i] : NULL, x->columns[i]);
    }
    fm_value out = record(plan, x->s, in);
    fm_plan_keep(plan, out, "out");
    loss(plan, out, x->d_out);
    assert_ok(fm_plan_place(plan, &bytes, &err));
    assert_ok(fm_plan_allocate(plan, &err));

    int64_t width = x->s->r ? x->s->r + x->s->dr : 2 * x->s->groups * x->s->d;
    fm_kv_shape kv = {.type = x->cache, .block = 8, .page_positions = PAGE, .n_layers = x->s->layer + 1,
                      .width = width, .row_bytes = fm_kv_row_bytes(x->cache, width, 8)};
    kv.page_bytes = (size_t)kv.n_layers * PAGE * kv.row_bytes;
    void *pages[SEGMENTS][PAGES];
    fm_segment segments[SEGMENTS], fronts[SEGMENTS];
    int64_t row = 0, front_row = 0;
    int n_fronts = 0;
    for (int i = 0; i < x->n_segments; i++) {
        for (int64_t p = 0; p * PAGE < x->before[i] + x->count[i]; p++) {
            pages[i][p] = fm_alloc(kv.page_bytes, FM_MEM_CACHE);
            memset(pages[i][p], 0xff, kv.page_bytes); /* NaN to whoever reads what nobody wrote */
        }
        segments[i] = (fm_segment){.row = row, .count = x->count[i], .position = x->before[i], .pages = pages[i]};
        if (x->before[i]) fronts[n_fronts++] = (fm_segment){.row = front_row, .count = x->before[i], .pages = pages[i]};
        row += x->count[i];
        front_row += x->before[i];
    }
    fm_lesson lesson = {0};
    fm_step step = {.n_rows = front_row, .n_segments = n_fronts, .segments = fronts, .kv = &kv, .lesson = &lesson};
    for (int i = 0; i < INPUTS; i++)
        memcpy(buffers[i], x->prefix[i], (size_t)(front * x->columns[i]) * sizeof(float));
    if (front) assert_ok(fm_plan_run(plan, &step, &err));
    for (int i = 0; i < INPUTS; i++)
        memcpy(buffers[i], x->in[i], (size_t)(x->rows * x->columns[i]) * sizeof(float));
    step.n_rows = x->rows;
    step.n_segments = x->n_segments;
    step.segments = segments;
    assert_ok(fm_plan_learn(plan, &step, &err));
    memcpy(x->out, fm_plan_floats(plan, out), (size_t)(x->rows * x->out_columns) * sizeof(float));

    for (int i = 0; i < x->n_segments; i++)
        for (int64_t p = 0; p * PAGE < x->before[i] + x->count[i]; p++) fm_free(pages[i][p]);
    for (int i = 0; i < INPUTS; i++) free(buffers[i]);
    fm_plan_free(plan);
    fm_pool_free(pool);
}

/* ---- comparing ------------------------------------------------------------------------------------- */

static double rounded(const numbers *x, float value) {
    return (double)(x->cache == FM_KV_BF16 ? fm_bf16_to_float(fm_bf16_from_float(value)) : value);
}

/* Row j of segment i, its prefix first. */
static const float *row_of(const numbers *x, int input, int i, int64_t j) {
    int64_t front = 0, row = 0;
    for (int k = 0; k < i; k++) front += x->before[k], row += x->count[k];
    return j < x->before[i] ? x->prefix[input] + (front + j) * x->columns[input]
                            : x->in[input] + (row + j - x->before[i]) * x->columns[input];
}

/* Where a head's keys, values and the two parts of its queries lie in their inputs' rows. */
typedef struct place {
    int input[4]; /* of the query's parts, keys, values */
    int64_t column[4];
} place;
static place place_of(const shape *s, int64_t h) {
    int64_t g = s->r ? 0 : h / (s->heads / s->groups);
    if (s->r) return (place){{0, 1, 2, 2}, {h * s->r, h * (s->dn + s->dr) + s->dn, 0, 0}};
    return (place){{0, 0, 1, 2}, {h * s->d, 0, g * s->d, g * s->d}};
}

/* Fills a head of segment i, runs it, and adds its gradients to `want`. */
static void add_head(const numbers *x, int i, int64_t h, double *const *want) {
    const shape *s = x->s;
    int64_t n = x->count[i], before = x->before[i], first = 0, first_part = s->r ? s->r : s->d;
    for (int k = 0; k < i; k++) first += x->count[k];
    head e = head_new(n, before, s->r ? s->r + s->dr : s->d, s->r ? s->r : s->d, s->scale);
    place at = place_of(s, h);
    e.pairs = x->cache == FM_KV_BF16;
    for (int64_t j = 0; j < before + n; j++) {
        for (int64_t c = 0; c < e.d_k; c++)
            e.k[j * e.d_k + c] = rounded(x, row_of(x, at.input[2], i, j)[at.column[2] + c]);
        for (int64_t c = 0; c < e.d_v; c++)
            e.v[j * e.d_v + c] = rounded(x, row_of(x, at.input[3], i, j)[at.column[3] + c]);
    }
    for (int64_t j = 0; j < n; j++) {
        for (int64_t c = 0; c < e.d_k; c++) {
            int part = c >= first_part;
            float q = row_of(x, at.input[part], i, before + j)[at.column[part] + c - (part ? first_part : 0)];
            e.q[j * e.d_k + c] = rounded(x, q * (float)s->scale) / s->scale;
        }
        for (int64_t c = 0; c < e.d_v; c++)
            e.d_out[j * e.d_v + c] = (double)x->d_out[(first + j) * x->out_columns + h * e.d_v + c];
    }
    head_run(&e);
    for (int64_t j = 0; j < n; j++) {
        int64_t row = first + j;
        for (int64_t c = 0; c < e.d_k; c++) {
            int part = c >= first_part, in = at.input[part];
            want[in][row * x->columns[in] + at.column[part] + c - (part ? first_part : 0)] +=
                e.d_q[j * e.d_k + c];
            want[at.input[2]][row * x->columns[at.input[2]] + at.column[2] + c] +=
                e.d_k_[(before + j) * e.d_k + c];
        }
        for (int64_t c = 0; c < e.d_v; c++)
            want[at.input[3]][row * x->columns[at.input[3]] + at.column[3] + c] +=
                e.d_v_[(before + j) * e.d_v + c];
    }
    head_free(&e);
}

static void check_numbers(const numbers *x, double bound) {
    static const char *const names[] = {"gradient of input 0", "gradient of input 1", "gradient of input 2"};
    double *want[INPUTS];
    for (int i = 0; i < INPUTS; i++) want[i] = zeros(x->rows * x->columns[i]);
    for (int i = 0; i < x->n_segments; i++)
        for (int64_t h = 0; h < x->s->heads; h++) add_head(x, i, h, want);
    for (int i = 0; i < INPUTS; i++) {
        double most = 1; /* where they cancel, what is left is rounding */
        for (int64_t j = 0; j < x->rows * x->columns[i]; j++) most = fmax(most, fabs(want[i][j]));
        compare_to(names[i], x->gradients[i], want[i], x->rows * x->columns[i], bound * most);
        free(want[i]);
    }
}

static const shape shapes[] = {
    {.layer = 0, .heads = 4, .groups = 2, .d = 16, .scale = 0.25},
    {.layer = 2, .heads = 3, .groups = 3, .d = 6, .scale = 0.4},
    {.layer = 1, .heads = 5, .groups = 1, .d = 14, .scale = 0.27},
    {.layer = 0, .heads = 1, .groups = 1, .d = 64, .scale = 0.125},
    {.layer = 1, .heads = 4, .groups = 2, .d = 34, .scale = 0.9}, /* sharp */
    {.layer = 0, .heads = 2, .groups = 1, .d = 130, .scale = 0.09}, /* over FM_TILE_K */
    {.layer = 1, .heads = 3, .r = 20, .dr = 6, .dn = 10, .scale = 0.3},
    {.layer = 0, .heads = 1, .r = 5, .dr = 2, .dn = 3, .scale = 0.7},
    {.layer = 0, .heads = 6, .r = 64, .dr = 8, .dn = 24, .scale = 0.17},
    {.layer = 0, .heads = 100, .r = 3, .dr = 2, .dn = 1, .scale = 0.5}, /* more than a tile's queries */
    {.layer = 0, .heads = 2, .r = 300, .dr = 20, .dn = 4, .scale = 0.05}, /* blocks of fewer keys */
};

typedef struct lengths {
    int n;
    int64_t count[SEGMENTS], before[SEGMENTS];
} lengths;
static const lengths steps[] = {
    {1, {1}, {0}},
    {3, {33, 7, 97}, {0}},
    {2, {300, 513}, {0}},
    {4, {5, 64, 1, 70}, {300, 0, 63, 255}},
};

static void gradients_are_those_of_double_precision(void **state) {
    (void)state;
    dice d = {.seed = 31};
    for (size_t i = 0; i < FM_COUNT(shapes); i++)
        for (size_t j = 0; j < FM_COUNT(steps); j++) {
            const lengths *l = &steps[j];
            numbers x = numbers_new(&d, &shapes[i], (i + j) % 2 ? FM_KV_BF16 : FM_KV_F32, l->n, l->count,
                                    l->before);
            numbers_run(&x, 1 + (int)(i + j) % 3, fm_cpu_detect(), 7);
            check_numbers(&x, x.cache == FM_KV_BF16 ? 1e-3 : 1e-5); /* a weight in the middle is rounded either way */
            x.activations = FM_ACTIVATIONS_BF16; /* roundings by 2^-9, of what is then summed up */
            x.cache = FM_KV_BF16;
            numbers_run(&x, 1 + (int)(i + j) % 3, fm_cpu_detect(), 7);
            check_numbers(&x, 1e-2);
            numbers_free(&x);
        }
}

/* ---- bits ------------------------------------------------------------------------------------------ */

static void check_same(const numbers *x, float *const *want, unsigned wanted) {
    for (int i = 0; i < INPUTS; i++)
        if (wanted >> i & 1)
            assert_memory_equal(x->gradients[i], want[i], (size_t)(x->rows * x->columns[i]) * sizeof(float));
}

static void keep(const numbers *x, float **want) {
    for (int i = 0; i < INPUTS; i++) {
        size_t bytes = (size_t)(x->rows * x->columns[i]) * sizeof(float);
        want[i] = memcpy(malloc(bytes), x->gradients[i], bytes);
        memset(x->gradients[i], 0xff, bytes);
    }
}

static void bits_do_not_depend_on_threads_or_levels_or_what_else_is_wanted(void **state) {
    (void)state;
    static const lengths lists[] = {{1, {600}, {0}}, {5, {300, 20, 20, 150, 31}, {0, 40}}, {3, {70, 80, 60}, {0}}};
    static const int of[] = {0, 2, 6, 8};
    dice d = {.seed = 32};
    for (size_t i = 0; i < FM_COUNT(of); i++)
        for (size_t j = 0; j < FM_COUNT(lists); j++) {
            float *want[INPUTS];
            numbers x = numbers_new(&d, &shapes[of[i]], j % 2 ? FM_KV_BF16 : FM_KV_F32, lists[j].n,
                                    lists[j].count, lists[j].before);
            x.activations = (i + j) % 3 ? FM_ACTIVATIONS_F32 : FM_ACTIVATIONS_BF16;
            numbers_run(&x, 1, fm_cpu_detect(), 7);
            keep(&x, want);
            for (int threads = 2; threads < 10; threads += 3) {
                numbers_run(&x, threads, fm_cpu_detect(), 7);
                check_same(&x, want, 7);
            }
            for (int level = 0; level <= (int)fm_cpu_detect(); level++) {
                numbers_run(&x, 2, (fm_cpu_level)level, 7);
                check_same(&x, want, 7);
            }
            for (unsigned wanted = 1; wanted < 7; wanted++) {
                numbers_run(&x, 2, fm_cpu_detect(), wanted);
                check_same(&x, want, wanted);
            }
            for (int k = 0; k < INPUTS; k++) free(want[k]);
            numbers_free(&x);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_compared_with_is_right_by_differences),
        cmocka_unit_test(gradients_are_those_of_double_precision),
        cmocka_unit_test(bits_do_not_depend_on_threads_or_levels_or_what_else_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

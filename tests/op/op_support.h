/* op_support.h: ops run one by one: a plan recorded from host arrays, run over a step, read back. */
#pragma once

#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "op/op.h"
#include "op/op_private.h"

#include <math.h>

typedef struct dice {
    uint64_t seed, n;
} dice;

static inline float roll(dice *d) { return (float)fm_rng_normal(d->seed, 5, d->n++); }
static inline int64_t roll_below(dice *d, int64_t n) {
    return (int64_t)(fm_rng_uniform(d->seed, 6, d->n++) * (double)n);
}

static inline float *roll_floats(dice *d, int64_t n) {
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = roll(d);
    return x;
}

/* A weight [n_out, n_in] over `values`, which must outlive it; packed as a model's would be. */
static inline fm_weight weight_of(const float *values, int64_t n_out, int64_t n_in, bool pack) {
    fm_error err;
    fm_weight w;
    fm_tensor t = {.dtype = FM_DTYPE_F32, .n_dims = 2, .shape = {n_out, n_in}, .data = values,
                   .row_bytes = (size_t)n_in * 4};
    fm_weight_init(&w, "test", &t);
    if (pack) assert_ok(fm_weight_pack(&w, NULL, NULL, &err));
    return w;
}

static inline fm_weight vector_of(float *values, int64_t n) {
    return (fm_weight){.name = "vector", .n_out = 1, .n_in = n, .master = values};
}

/* ---- an input: a value filled from an array that the test owns -------------------------------- */

typedef struct input_params {
    const float *values;
} input_params;

static inline fm_status input_forward(const fm_run *run, const fm_node *node) {
    const input_params *p = fm_params(node);
    fm_value v = node->outputs[0];
    memcpy(fm_output(run, node, 0), p->values,
           (size_t)(fm_rows(run, v) * fm_columns(run, v)) * sizeof(float));
    return FM_OK;
}

static const fm_op input_op = {.name = "input", .forward = input_forward};

static inline fm_value input(fm_plan *plan, const float *values, fm_row_space space,
                             int64_t columns) {
    fm_value v = fm_plan_value(plan, space, (size_t)columns * sizeof(float), 0);
    fm_plan_node(plan, &input_op, FM_VALUES(-1), FM_VALUES(v), &(input_params){values},
                 sizeof(input_params));
    return v;
}

/* ---- a bench: a plan, a pool, one sequence's pages ---------------------------------------------- */

typedef struct bench {
    fm_plan *plan;
    fm_pool *pool;
    fm_kv_shape kv;
    void *pages[64];
} bench;

static inline bench bench_new(int64_t rows, int64_t routed, int threads) {
    bench b = {0};
    fm_error err;
    assert_ok(fm_pool_new(threads, &b.pool, &err));
    fm_plan_options o = {.rows = rows, .outputs = rows, .routed = routed, .pool = b.pool,
                         .kernels = fm_kernels_get(fm_cpu_detect())};
    assert_ok(fm_plan_new(&o, &b.plan, &err));
    return b;
}

/* `part`: what is written or read on its own in an INT8 cache, a multiple of 8. */
static inline void bench_cache(bench *b, fm_kv_type type, int64_t width, int64_t part,
                               int64_t layers) {
    int64_t block = (part & -part) < 64 ? part & -part : 64;
    size_t row = fm_kv_row_bytes(type, width, block);
    b->kv = (fm_kv_shape){.type = type, .block = block, .page_positions = 64, .n_layers = layers,
                          .width = width, .row_bytes = row,
                          .page_bytes = (size_t)layers * 64 * row};
    for (size_t i = 0; i < FM_COUNT(b->pages); i++) {
        b->pages[i] = fm_alloc(b->kv.page_bytes, FM_MEM_CACHE);
        memset(b->pages[i], 0xff, b->kv.page_bytes); /* NaN to whoever reads what nobody wrote */
    }
}

/* Places and runs; `step` may be NULL for all rows at position 0. */
static inline void bench_run(bench *b, int64_t rows) {
    fm_error err;
    size_t bytes;
    fm_segment segment = {.count = rows, .pages = b->pages};
    int32_t *ids = calloc((size_t)rows, sizeof *ids), *outputs = calloc((size_t)rows, sizeof *ids);
    for (int64_t i = 0; i < rows; i++) outputs[i] = (int32_t)i;
    fm_step step = {.n_rows = rows, .ids = ids, .n_segments = 1, .segments = &segment,
                    .n_outputs = rows, .output_rows = outputs, .kv = &b->kv};
    assert_ok(fm_plan_place(b->plan, &bytes, &err));
    assert_ok(fm_plan_allocate(b->plan, &err));
    assert_ok(fm_plan_run(b->plan, &step, &err));
    free(ids);
    free(outputs);
}

static inline void bench_free(bench *b) {
    fm_plan_free(b->plan);
    fm_pool_free(b->pool);
    for (size_t i = 0; i < FM_COUNT(b->pages); i++) fm_free(b->pages[i]);
}

/* Fails naming the element that is further off than `bound`. */
static inline void compare_to(const char *what, const float *got, const double *want, int64_t n,
                              double bound) {
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - want[i]) <= bound))
            fail_msg("%s: element %lld is %.9g, should be %.9g", what, (long long)i, (double)got[i],
                     want[i]);
}

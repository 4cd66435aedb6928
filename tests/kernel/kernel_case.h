/* kernel_case.h: what a case of a kernel is, and where its arguments and its output lie. */
#pragma once

#include "kernel_support.h"

#include "kernel/matmul.h"
#include "pack/pack.h"

enum { CASE_GUARD = 40 };

/* Arguments of one call. Inputs are read only; `out` is a copy of `start` before every call, guard
 * zones of CASE_GUARD floats at both ends included. */
typedef struct case_data {
    int64_t rows, n, d;      /* what they mean is the case's business */
    int64_t lda, ldb, ldo;
    bool alias;              /* output in place of an input, where the contract allows it */
    float *a, *b, *c;        /* inputs */
    float *start, *out;      /* out_floats each */
    int64_t out_floats;
    float value;             /* what the kernel returned */
    fm_layout layout;
    random_tensor tensor;
    fm_weight weight;
    float *scratch;
    int64_t k0;
} case_data;

typedef struct kernel_case {
    const char *name;
    void (*make)(dice *d, case_data *c); /* rows, n, d are given; makes the rest */
    void (*call)(const fm_kernels *k, case_data *c);
    bool (*differs)(const fm_kernels *k, const fm_kernels *below, const case_data *c);
    int64_t rows, n, d;                  /* sizes of the benchmark */
    double (*macs)(const case_data *c);  /* multiply-adds per call; NULL: an elementwise kernel */
    double (*bytes)(const case_data *c); /* that must move per call */
    fm_dtype dtype;                      /* of the weights, where there are any */
} kernel_case;

/* ---- arguments --------------------------------------------------------------------------------- */

static inline float *case_floats(dice *d, int64_t n) {
    float *x = malloc((size_t)(n + 1) * sizeof *x);
    assert_non_null(x);
    if (roll(d) % 3)
        roll_floats(d, x, n);
    else
        roll_specials(d, x, n);
    return x;
}

static inline void case_output(dice *d, case_data *c, int64_t floats) {
    c->out_floats = floats + 2 * CASE_GUARD;
    c->start = malloc((size_t)c->out_floats * sizeof *c->start);
    c->out = malloc((size_t)c->out_floats * sizeof *c->out);
    assert_true(c->start && c->out);
    roll_floats(d, c->start, c->out_floats);
}

static inline void case_free(case_data *c) {
    free(c->a);
    free(c->b);
    free(c->c);
    free(c->start);
    free(c->out);
    free_tensor(&c->tensor);
    fm_weight_clear(&c->weight);
    fm_free(c->scratch);
    *c = (case_data){0};
}

static inline float *case_out(case_data *c) { return c->out + CASE_GUARD; }

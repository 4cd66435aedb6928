/* emit.h: an outlined tensor's bytes into a file: rows are made, rounded to the file's type and put, a
 * few MiB at a time, shared out among threads. The bytes do not depend on the threads. */
#pragma once

#include "base/pool.h"
#include "compress/outline.h"

/* What rounding did to a tensor: sums of squares over its elements. */
typedef struct fm_emitted {
    double error, whole;
} fm_emitted;

typedef struct fm_emit_options {
    fm_pool *pool;
    bool measure;            /* fill fm_emitted, where the tensor is rounded */
    const float *importance; /* [importance_rows][columns] weights of the squared error; NULL: alike */
    int64_t importance_rows; /* 1, or one for each matrix that is stacked in the tensor */
    /* After every few MiB; returning false stops with FM_ERR_CANCELLED. May be NULL. */
    bool (*progress)(void *context, int64_t elements);
    void *context;
} fm_emit_options;

fm_status fm_emit(const fm_outlined *item, const fm_emit_options *options, fm_item_sink *sink,
                  fm_emitted *result, fm_error *err);

/* An item of FP8, or the scales of one: blocks of 128 x 128 are rounded to E4M3 with the scale amax / 448, a NaN
 * to a NaN; infinities are FM_ERR_FORMAT. The two are made of the source's rows one after the other, so that
 * neither waits in memory. fm_emit leads here. */
fm_status fm_emit_fp8(const fm_outlined *item, const fm_emit_options *options, fm_item_sink *sink, fm_error *err);

/* Whether every element is the same after rounding to `dtype`, a type without blocks. */
bool fm_outlined_fits(const fm_outlined *item, fm_dtype dtype, fm_status *status, fm_error *err);

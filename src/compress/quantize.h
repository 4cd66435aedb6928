/* quantize.h: a GGUF file of smaller types from a model of any kind of file: types by recipe and by name,
 * scales searched for, errors weighted by importance. Rows are made and written a few MiB at a time. */
#pragma once

#include "base/json_write.h"
#include "base/pool.h"
#include "compress/outline.h"
#include "compress/recipe.h"

typedef struct fm_quantize_options {
    const fm_recipe *recipe;
    fm_overrides overrides;
    const char *imatrix;        /* path, or NULL */
    fm_outline_options outline; /* of a source that is not GGUF */
    bool force;
    const char *name;
    fm_pool *pool;
    bool (*progress)(void *context, double fraction);
    void (*say)(void *context, const char *sentence);
    void *context;
} fm_quantize_options;

/* Writes the file and appends members about it to an open JSON object: format, architecture, type, bytes,
 * weights, bits_per_weight, rmse over all rounded tensors, and "tensors". */
fm_status fm_quantize(const char *source, const char *target, const fm_quantize_options *options,
                      fm_json_writer *json, fm_error *err);

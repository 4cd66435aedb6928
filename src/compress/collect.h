/* collect.h: an importance matrix made by running a model over a text (imatrix.h says what is in it). */
#pragma once

#include "kernel/kernel.h"
#include "model/model.h"

typedef struct fm_collect_options {
    const fm_kernels *kernels;
    fm_pool *pool;
    int64_t context; /* tokens of a window; windows lie side by side, each begins anew */
    int64_t limit;   /* most windows; 0: all that are whole */
    int32_t bos;     /* in the place of each window's first token; -1: none */
    const char *label; /* what the text is called in the file */
    bool force;
    bool (*progress)(void *context, double fraction);
    void *progress_context;
} fm_collect_options;

typedef struct fm_collected {
    int64_t windows, tokens;
    size_t weights;      /* that have an entry */
    size_t unseen;       /* experts, over all layers, that no token was sent to */
} fm_collected;

/* Runs ids[0, n), inside the vocabulary, through the loaded model and writes the file, which appears
 * complete or not at all. FM_ERR_ARGUMENT where there is not even one whole window. */
fm_status fm_collect(const fm_model *model, const int32_t *ids, int64_t n, const char *path,
                     const fm_collect_options *options, fm_collected *result, fm_error *err);

/* teacher.h: a model that tells a student what it expects behind each token (op.h: fm_likeliest, fm_distil). It is
 * run on the very steps that the student learns from, forward, and never changes. */
#pragma once

#include "kernel/kernel.h"
#include "train/step_pages.h"

typedef struct fm_teacher fm_teacher;

typedef struct fm_teacher_options {
    int64_t top;            /* tokens that are told apart; all others are one share */
    int64_t vocabulary;     /* the student's: only ids below it are told apart */
    double temperature, weight; /* fm_teaching */
    bool exact;             /* float32 throughout; otherwise as a model runs: rounded activations, a BF16 cache */
    int64_t rows, segments; /* of the largest step */
    const fm_kernels *kernels;
    fm_pool *pool;
    uint64_t memory_limit;  /* bytes; 0: none */
} fm_teacher_options;

/* `model` is bound and loaded, from any file, without its MTP module, and outlives the teacher. A `top` that is not
 * below both vocabularies is FM_ERR_ARGUMENT. */
fm_status fm_teacher_new(const fm_model *model, const fm_teacher_options *options, fm_teacher **out, fm_error *err);
void fm_teacher_free(fm_teacher *teacher);
uint64_t fm_teacher_bytes(const fm_teacher *teacher); /* taken beside the model */

/* What it says of the rows of a step that have a weight; *out is good until the next question. Ids must be in its
 * vocabulary. Of the segments row and count alone count. */
fm_status fm_teacher_ask(fm_teacher *teacher, int64_t n_rows, const int32_t *ids, const fm_segment *segments,
                         int n_segments, const float *weights, fm_teaching *out, fm_error *err);

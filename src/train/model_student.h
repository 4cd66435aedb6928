/* model_student.h: a model (learning.h) as the loop's student (student.h): batches become steps, losses and loads
 * are added up. */
#pragma once

#include "train/learning.h"
#include "train/student.h"

typedef struct fm_model_student fm_model_student;

typedef struct fm_model_student_options {
    bool bf16;             /* products multiply BF16, and keys and values are kept as it; float32 otherwise */
    bool recompute;        /* fm_record_options */
    const fm_kernels *kernels;
    fm_pool *pool;
    int64_t batch_tokens;  /* most tokens of a batch */
    uint64_t memory_limit; /* as in fm_learning_options */
} fm_model_student_options;

/* `model` is bound from a Hugging Face folder, with its MTP module if it has one, and outlives the student. */
fm_status fm_model_student_new(fm_model *model, const fm_model_student_options *options, fm_model_student **out,
                               fm_error *err);
void fm_model_student_free(fm_model_student *student);
const fm_student *fm_model_student_face(const fm_model_student *student);
uint64_t fm_model_student_bytes(const fm_model_student *student); /* taken in all */

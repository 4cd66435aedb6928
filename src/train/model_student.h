/* model_student.h: a model (learning.h) as the loop's student (student.h): batches become steps, losses and loads
 * are added up. */
#pragma once

#include "model/adapters.h"
#include "train/learning.h"
#include "train/student.h"
#include "train/teacher.h"

typedef struct fm_model_student fm_model_student;

typedef struct fm_model_student_options {
    bool bf16;             /* products multiply BF16, and keys and values are kept as it; float32 otherwise */
    bool recompute;        /* fm_record_options */
    const fm_kernels *kernels;
    fm_pool *pool;
    int64_t batch_tokens;  /* most tokens of a batch */
    uint64_t memory_limit; /* as in fm_learning_options */
    /* These learn and the model stays as it is (fm_trainee_options); checkpoints are their folders, as PEFT has
     * them. NULL: the model learns. */
    fm_adapters *adapters;
    const char *base;      /* what the adapters' configuration says they are for; borrowed */
    /* Its predictions are learnt too. Made for steps of batch_tokens rows in fm_model_student_segments segments;
     * borrowed. NULL: none. */
    fm_teacher *teacher;
} fm_model_student_options;

/* Documents of a step at most. */
int64_t fm_model_student_segments(int64_t batch_tokens);

/* `model` is bound from a Hugging Face folder, with its MTP module if it has one, and outlives the student; where
 * adapters learn, it is loaded, from any file, without the module. */
fm_status fm_model_student_new(fm_model *model, const fm_model_student_options *options, fm_model_student **out,
                               fm_error *err);
void fm_model_student_free(fm_model_student *student);
const fm_student *fm_model_student_face(const fm_model_student *student);
uint64_t fm_model_student_bytes(const fm_model_student *student); /* taken in all */

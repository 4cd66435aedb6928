/* learning.h: a model, the plan in which it learns, and all that one step of it needs.
 *
 * A step adds gradients to those of the tensors (fm_learning_list); who clears them, steps the masters and
 * publishes them is the caller. Bits do not depend on the number of threads. */
#pragma once

#include "train/step_pages.h"
#include "train/trainee.h"

typedef struct fm_learning_options {
    fm_trainee_options trainee; /* pool, kernels, what products multiply, what learns */
    int64_t rows, segments;     /* of the largest step */
    int mtp;                    /* modules of multi-token prediction that learn too; they must be bound */
    bool taught;                /* steps have a teaching (fm_teaching) */
    bool recompute;             /* fm_record_options */
    fm_kv_type cache;           /* F32 or BF16 */
    uint64_t memory_limit;      /* bytes; 0: none */
} fm_learning_options;

typedef struct fm_learning fm_learning;

/* `model` as for fm_trainee_new. What would take more memory than the limit is FM_ERR_MEMORY, which says how
 * much, before most of it is taken. */
fm_status fm_learning_new(fm_model *model, const fm_learning_options *options, fm_learning **out, fm_error *err);
void fm_learning_free(fm_learning *learning);

const fm_learned_list *fm_learning_list(const fm_learning *learning);
/* Masters, or biases, have changed. */
void fm_learning_publish(fm_learning *learning);
uint64_t fm_learning_bytes(const fm_learning *learning); /* taken in all */
fm_plan *fm_learning_plan(fm_learning *learning); /* for profiles, and to look at it */

typedef struct fm_learning_step {
    int64_t n_rows;
    const int32_t *ids;
    int n_segments;
    const fm_segment *segments; /* row and count alone count */
    fm_lesson lesson;
} fm_learning_step;

typedef struct fm_learning_loss {
    double nats[FM_DEPTHS];     /* sum of -log p over the rows that have a weight */
    double divergence;          /* of those of depth 0: sum of KL from the teacher's predictions, where there is one */
    double weighted[FM_DEPTHS]; /* of weight * -log p, or what fm_distil makes of both: what the gradients are of,
                                   with `balance` */
    double balance;             /* where the step learnt */
} fm_learning_loss;

/* Forward and, where `learns`, back. FM_ERR_ARGUMENT for a step that is larger than the options said or whose
 * ids are not in the vocabulary. */
fm_status fm_learning_run(fm_learning *learning, const fm_learning_step *step, bool learns, fm_learning_loss *loss,
                         fm_error *err);
/* After a step, whose lesson must still be there: how many rows chose each expert of a layer, added to load
 * [experts]; false: no experts there. Rows that give a module nothing to read count nothing in its layer. */
bool fm_learning_add_load(const fm_learning *learning, int64_t layer, int64_t *load);

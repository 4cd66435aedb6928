/* student.h: a model that learns, as the loop sees it: it adds gradients for a batch and says how wrong it was.
 *
 * The loop (trainer.h) knows nothing of plans and layers, and the model nothing of optimisers and schedules; this
 * is all that lies between them. Losses come back as sums of -log p in nats, so that any split of a step into
 * micro-batches adds up to the same. */
#pragma once

#include "base/json_write.h"
#include "train/checkpoint.h"
#include "train/expert_load.h"
#include "train/loader.h"
#include "train/stretches.h"

typedef struct fm_student_task {
    const fm_batch *batch;
    /* What each -log p of depth d counts in the loss: 1 / targets of the whole optimiser step, times the weight
     * of multi-token prediction for d > 0. */
    double weight[FM_LOADER_DEPTHS];
    /* What each segment's balances of experts count (fm_lesson): alpha / segments of the whole optimiser step. */
    double balance, device_balance, communication_balance;
    int64_t devices, device_limit; /* 0: as the model groups its experts */
} fm_student_task;

typedef struct fm_student_loss {
    double nats[FM_LOADER_DEPTHS]; /* sum of -log p over the targets of each depth, not weighted */
    double divergence;             /* sum of KL from the teacher's predictions over the targets of depth 0 */
    double balance;                /* the weighted sum */
} fm_student_loss;

typedef struct fm_student {
    void *self;
    fm_learned_list learned;      /* frozen tensors too: whatever a checkpoint must hold */
    fm_expert_layer *layers;      /* with experts */
    size_t n_layers;
    int ahead;                    /* depths of targets that it learns from: 1, and one per MTP module */
    int64_t batch_tokens;         /* most tokens of a batch */
    bool taught;                  /* it has a teacher */
    /* Adds to the gradients, to *loss, and to the loads of the layers. */
    fm_status (*learn)(void *self, const fm_student_task *task, fm_student_loss *loss, fm_error *err);
    /* The same without learning anything: *loss alone changes. */
    fm_status (*measure)(void *self, const fm_student_task *task, fm_student_loss *loss, fm_error *err);
    /* Values of learned tensors, or biases, have changed. */
    fm_status (*changed)(void *self, fm_error *err);
    /* The learned tensors into the files of a checkpoint, and back; NULL: the loop keeps them as
     * model.safetensors, beside the configuration of the model that it began with. */
    fm_status (*save)(void *self, fm_checkpoint *c, fm_error *err);
    fm_status (*load)(void *self, const char *checkpoint, fm_error *err);
    /* Where its time went so far, as a member "ops" of an event of the log; NULL: it does not know. */
    void (*profile)(void *self, fm_json_writer *w);
} fm_student;

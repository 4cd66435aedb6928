/* trainee.h: a bound model whose weights learn: float32 masters and gradients of every tensor as its file
 * has it, and the copies that products read, made from the masters.
 *
 * The weights of the model (the heads' parts of kv_b_proj, a tied head, the vectors) point into the tensors.
 * An MTP module reads the main model's embedding and head, whatever copies its files have: these are not
 * listed. */
#pragma once

#include "base/pool.h"
#include "kernel/kernel.h"
#include "model/adapters.h"
#include "train/stretches.h"

typedef struct fm_trainee fm_trainee;

typedef struct fm_trainee_options {
    fm_word_form form;   /* what products multiply (kernel/words.h); routers always do floats */
    const fm_kernels *kernels;
    fm_pool *pool;
    /* Whether a tensor learns; its value is there, its gradient is not yet. NULL: all do, but for routers'
     * correction biases, which never do. */
    bool (*learns)(void *context, const fm_learned *tensor);
    void *context;
    /* These learn and nothing else does: the model is loaded, of whatever kind its weights are, and stays as it
     * is; the list has A and B of each. NULL: the model's own tensors learn. */
    fm_adapters *adapters;
} fm_trainee_options;

/* Bytes that a trainee of this model takes: masters, gradients, copies. */
fm_status fm_trainee_memory(fm_model *model, const fm_trainee_options *options, uint64_t *bytes,
                            fm_error *err);
/* `model` is bound from a Hugging Face folder, with all it is to learn (mtp); it must be loaded where adapters
 * learn, and only there. It must outlive the trainee and is of no use after it. GGUF files, whose tensors are
 * arranged otherwise, are FM_ERR_UNSUPPORTED unless adapters learn. Gradients are zero and copies fresh. */
fm_status fm_trainee_new(fm_model *model, const fm_trainee_options *options, fm_trainee **out, fm_error *err);
void fm_trainee_free(fm_trainee *trainee);

/* The tensors, in the order of fm_model_each_weight. Frozen ones have no gradient. */
const fm_learned_list *fm_trainee_list(const fm_trainee *trainee);
/* After masters have changed: makes the copies anew. */
void fm_trainee_publish(fm_trainee *trainee);

/* learned.h: the tensors that a training run changes, as one list: optimisers, clipping, checkpoints and
 * `fathom grad` walk it and know nothing of models.
 *
 * A tensor is here as its file has it (Hugging Face's name and shape); the weights of the model that are
 * made of its rows (a head's part of kv_b_proj, say) point into it. */
#pragma once

#include "base/status.h"

/* What a tensor is: decides its optimiser, its decay and its precision. */
typedef enum fm_learned_kind {
    FM_LEARNED_MATRIX,    /* a hidden matrix */
    FM_LEARNED_EXPERT,    /* the same of one routed expert */
    FM_LEARNED_EMBEDDING, /* one row for each token; tied: the head too */
    FM_LEARNED_HEAD,
    FM_LEARNED_ROUTER,    /* the gate of a MoE layer */
    FM_LEARNED_NORM,
    FM_LEARNED_BIAS,      /* of q, k and v; a router's correction bias is not learnt but moved by load */
    FM_LEARNED_ADAPTER,   /* A or B of a low-rank adapter */
} fm_learned_kind;

typedef struct fm_learned {
    const char *name;      /* borrowed from the model */
    fm_learned_kind kind;
    int64_t layer, expert; /* -1: none */
    int64_t rows, columns; /* a vector is one row */
    float *value;          /* the float32 master, [rows, columns] */
    float *grad;           /* the same shape; NULL: frozen, kept in checkpoints and not changed */
} fm_learned;

static inline int64_t fm_learned_elements(const fm_learned *l) { return l->rows * l->columns; }

/* learned.h: the trained tensors of a model in one list, which optimisers, clipping, checkpoints and
 * `grad` walk. The order of the list is part of the arithmetic: norms of gradients are added in it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef enum fm_learned_kind {
    FM_LEARNED_MATRIX,    /* of attention, a dense or a shared FFN, the MTP module's projection */
    FM_LEARNED_EXPERT,    /* one matrix of one routed expert */
    FM_LEARNED_EMBEDDING, /* a tied head too */
    FM_LEARNED_HEAD,
    FM_LEARNED_ROUTER,
    FM_LEARNED_NORM,
    FM_LEARNED_BIAS,
    FM_LEARNED_KINDS
} fm_learned_kind;

typedef struct fm_learned_tensor {
    const char *name;      /* as Hugging Face calls it; borrowed */
    int64_t rows, columns; /* a vector of n is one row of n columns */
    float *value, *grad;   /* [rows, columns]: the master, and what the step has added up */
    fm_learned_kind kind;
    int64_t layer, expert; /* -1: of none */
} fm_learned_tensor;

typedef struct fm_learned {
    fm_learned_tensor *at;
    size_t n;
} fm_learned;

static inline int64_t fm_learned_elements(const fm_learned_tensor *t) { return t->rows * t->columns; }
static inline int64_t fm_learned_total(const fm_learned *l) {
    int64_t sum = 0;
    for (size_t i = 0; i < l->n; i++) sum += fm_learned_elements(&l->at[i]);
    return sum;
}

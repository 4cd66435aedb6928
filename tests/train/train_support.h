/* train_support.h: lists of trained tensors out of thin air. */
#pragma once

#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "train/stretches.h"

/* Shapes with odd sizes, tails and a vector; longer than a stretch in places. */
typedef struct made_list {
    fm_learned_list list;
    fm_learned at[8];
    char names[8][32];
} made_list;

static inline void made_add(made_list *m, fm_learned_kind kind, int64_t rows, int64_t columns) {
    size_t i = m->list.n++;
    size_t n = (size_t)(rows * columns);
    snprintf(m->names[i], sizeof m->names[i], "tensor.%zu.weight", i);
    m->list.at = m->at;
    m->at[i] = (fm_learned){.name = m->names[i], .kind = kind, .layer = (int64_t)i, .expert = -1, .rows = rows,
                            .columns = columns, .value = fm_alloc(n * 4, FM_MEM_OTHER),
                            .grad = fm_alloc(n * 4, FM_MEM_OTHER)};
    for (size_t j = 0; j < n; j++) {
        m->at[i].value[j] = (float)(0.05 * fm_rng_normal(1, i, j));
        m->at[i].grad[j] = (float)(0.01 * fm_rng_normal(2, i, j));
    }
}

static inline void made_begin(made_list *m) {
    memset(m, 0, sizeof *m);
    made_add(m, FM_LEARNED_EMBEDDING, 301, 67);
    made_add(m, FM_LEARNED_NORM, 1, 67);
    made_add(m, FM_LEARNED_MATRIX, 67, 33);
    made_add(m, FM_LEARNED_EXPERT, 24, 70);
    made_add(m, FM_LEARNED_ROUTER, 8, 67);
    made_add(m, FM_LEARNED_BIAS, 1, 5);
}

/* Another gradient for step `step`, the same for the same step. */
static inline void made_gradient(made_list *m, uint64_t step) {
    for (size_t i = 0; i < m->list.n; i++)
        for (int64_t j = 0; j < fm_learned_elements(&m->at[i]); j++)
            m->at[i].grad[j] = (float)(0.01 * fm_rng_normal(100 + step, i, (uint64_t)j));
}

static inline void made_end(made_list *m) {
    for (size_t i = 0; i < m->list.n; i++) {
        fm_free(m->at[i].value);
        fm_free(m->at[i].grad);
    }
}

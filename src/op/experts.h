/* experts.h: where the experts of a layer are: resident today; on disk or another rank tomorrow,
 * without a change to any op. */
#pragma once

#include "pack/pack.h"

typedef struct fm_expert {
    const fm_weight *gate, *up, *down; /* [F, D], [F, D], [D, F] */
} fm_expert;

typedef struct fm_expert_provider {
    void *context;
    int64_t n_experts, hidden_size, intermediate_size;
    /* Brings experts [n], ascending, each once: all that an op is going to get, with all threads of its
     * pool. Ops of several engines may want at the same time. Where it sets *passing, some are there in
     * passing only, until the same thread calls `done`, which it then must, soon: others may have to wait
     * for it; no plan that learns may use such a provider. NULL: all are there always. */
    fm_status (*want)(void *context, const int32_t *ids, int64_t n, fm_pool *pool, bool *passing,
                      fm_error *err);
    /* The weights of one of them. */
    fm_status (*get)(void *context, int32_t id, fm_expert *out, fm_error *err);
    void (*done)(void *context);
} fm_expert_provider;

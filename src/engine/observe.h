/* observe.h: one prefill with everything it computed on the way: the yardstick of `logits`, of the
 * golden tests and of comparisons with other engines. */
#pragma once

#include "kernel/kernel.h"
#include "model/model.h"

/* One array: float32, or int32 when `integers`. Names: "logits" [T, V]; "final" [T, D]; "hidden.N"
 * [T, D]; "experts.N" (integers) and "expert_weights.N" [T, K], ascending by id; "mtp.logits"
 * [T-1, V], "mtp.hidden" [T-1, D]. */
typedef struct fm_observed {
    char name[40];
    bool integers;
    int64_t shape[2];
    void *data; /* fm_alloc */
} fm_observed;

typedef struct fm_observation {
    fm_observed *items;
    size_t n, capacity;
} fm_observation;

typedef struct fm_observe_options {
    const fm_kernels *kernels;
    fm_pool *pool;
    fm_kv_type cache;
    fm_activations activations;
    uint64_t memory_limit;    /* 0: none; refused with the number when more is needed */
    bool hidden, experts, mtp;
} fm_observe_options;

/* The model must be loaded (with `mtp` bound if it is asked for). */
fm_status fm_observe_prefill(const fm_model *model, const int32_t *ids, int64_t n,
                             const fm_observe_options *options, fm_observation *out, fm_error *err);
void fm_observation_clear(fm_observation *o);
const fm_observed *fm_observation_find(const fm_observation *o, const char *name);

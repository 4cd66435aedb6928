/* op_sample.h: what an op's sample (fm_op.sample) is recorded with. Whoever checks ops gives random inputs and
 * weights that learn, and keeps them as long as the plan; an op says how many and how large. */
#pragma once

#include "graph/plan.h"
#include "op/experts.h"

enum { FM_SAMPLE_ROWS = 7, FM_SAMPLE_EXPERTS = 8 }; /* of the step; rows are ids of embeddings as well */

typedef struct fm_sampler {
    void *context;
    fm_value (*input)(void *context, fm_plan *plan, int64_t columns); /* in the space of tokens */
    /* The numbers of a row are well apart: a step of a check does not change their order. */
    fm_value (*spread)(void *context, fm_plan *plan, int64_t columns);
    /* n weights [n_out, n_in], one behind the other. */
    const fm_weight *(*weights)(void *context, int64_t n, int64_t n_out, int64_t n_in);
    const fm_weight *(*vector)(void *context, int64_t n);
    const fm_expert_provider *(*experts)(void *context, int64_t n, int64_t hidden, int64_t intermediate);
    /* Keys and values of this width are cached, in so many layers. */
    void (*cache)(void *context, int64_t width, int64_t layers);
} fm_sampler;

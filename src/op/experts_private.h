/* experts_private.h: what the two halves of fm_experts share: forward (experts.c) and back (experts_backward.c). */
#pragma once

#include "graph/plan.h"
#include "op/experts.h"
#include "op/gate.h"

typedef struct fm_experts_params {
    const fm_expert_provider *provider;
    fm_gate gate;
} fm_experts_params;

/* An expert that somebody chose, with its slots; output 3 of the node is a list of them. */
typedef struct fm_active_expert {
    fm_expert weights;
    int64_t first, rows;
} fm_active_expert;

bool fm_experts_learn(const fm_node *node);
fm_status fm_experts_backward_weight(const fm_run *run, const fm_node *node);
fm_status fm_experts_backward_input(const fm_run *run, const fm_node *node);
/* Bytes that a worker needs for them. */
size_t fm_experts_backward_scratch(const fm_experts_params *p);

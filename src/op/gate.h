/* gate.h: routing as a value. `route` makes it, `experts` and `combine` read it; it can be logged,
 * frozen, replayed or sent elsewhere without knowing how it was made. */
#pragma once

#include "graph/plan.h"

typedef enum fm_gate_scoring { FM_GATE_SOFTMAX, FM_GATE_SIGMOID } fm_gate_scoring;

/* How experts are chosen: DeepSeek-V2 section 2.1.2, V3 sections 2.1.2 and 3.2.2. */
typedef struct fm_gate {
    int64_t n_experts, per_token;      /* E, K */
    int64_t n_groups, kept_groups;     /* 1, 1: no grouping */
    fm_gate_scoring scoring;
    bool group_by_two;                 /* group score: sum of its two largest (V3), else its largest */
    bool normalize;                    /* weights divided by their sum (+ 1e-20) ... */
    double scale;                      /* ... then multiplied by this */
} fm_gate;

/* Views into the memory of a routing value, for T live rows. Slots are (token, choice) pairs in
 * order of expert, and of token within an expert. */
typedef struct fm_routing {
    int32_t *ids;      /* [T, K] chosen experts, ascending by id */
    float *weights;    /* [T, K] mixing weights, in the same order */
    int32_t *slots;    /* [T, K] where the pair's row lies among the routed rows */
    int32_t *tokens;   /* [T*K] token of each slot */
    int32_t *offsets;  /* [E + 1] first slot of each expert; the last entry is T*K */
} fm_routing;

size_t fm_routing_row_bytes(const fm_gate *gate);
size_t fm_routing_fixed_bytes(const fm_gate *gate);
/* `capacity`: rows the value was made for (fm_plan_options.rows). */
fm_routing fm_routing_view(const fm_gate *gate, void *memory, int64_t capacity);

/* The choice for one token, without a plan: scores and choice in float32 from the gate's logits [E].
 * `bias` [E] or NULL. Ties go to the lowest index. ids and weights receive K entries, ascending by
 * id. `work` holds 2 * E + n_groups floats. NaN logits choose the lowest indices and give NaN. */
struct fm_kernels;
void fm_gate_choose(const struct fm_kernels *k, const fm_gate *gate, const float *logits,
                    const float *bias, int32_t *ids, float *weights, float *work);
/* Scores of all experts from the logits [E]: a sigmoid of each, or their softmax. */
void fm_gate_scores(const struct fm_kernels *k, const fm_gate *gate, const float *logits, float *scores);

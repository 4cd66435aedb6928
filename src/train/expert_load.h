/* expert_load.h: keeping experts evenly busy without a loss that says so (Wang et al. 2024; DeepSeek-V3, section
 * 2.1.2): a bias per expert that only chooses, moved once per optimiser step, and figures of how even it is. */
#pragma once

#include <stdint.h>

/* One MoE layer, as the loop sees it. */
typedef struct fm_expert_layer {
    int64_t layer, experts;
    int64_t *load; /* [experts]: tokens that chose each, over all micro-batches since it was cleared */
    float *bias;   /* [experts]; NULL: this router has none */
} fm_expert_layer;

typedef struct fm_load_figures {
    double max_violation; /* the largest load over the even one, less 1; 0 is even */
    double entropy;       /* of the load, over that of an even one: 1 is even */
    int64_t dead;         /* experts that nobody chose */
} fm_load_figures;

fm_load_figures fm_load_measure(const int64_t *load, int64_t experts);

/* b += speed * sign(mean load - load), then the mean of all b is taken away: only differences choose, and so
 * nothing drifts. Leaves the load alone. */
void fm_expert_bias_move(const fm_expert_layer *layer, double speed);

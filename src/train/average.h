/* average.h: an exponential moving average of the weights, kept beside them for validation and for the
 * checkpoint (DeepSeek-V3, section 3.2.3). */
#pragma once

#include "base/pool.h"
#include "train/stretches.h"

typedef struct fm_average {
    double decay;
    float **at; /* of each tensor of the list, as many floats as it has */
    size_t n;
} fm_average;

/* Begins with the weights as they are. `decay` in (0, 1). */
fm_status fm_average_new(const fm_learned_list *learned, double decay, fm_average *out, fm_error *err);
void fm_average_clear(fm_average *a);
/* a = a + (1 - decay) (w - a), after every step. */
void fm_average_update(fm_average *a, const fm_learned_list *learned, const fm_stretches *stretches,
                       fm_pool *pool);

#include "train/expert_load.h"

#include <math.h>

fm_load_figures fm_load_measure(const int64_t *load, int64_t experts) {
    fm_load_figures f = {0};
    double sum = 0, most = 0, entropy = 0;
    for (int64_t i = 0; i < experts; i++) {
        sum += (double)load[i];
        most = fmax(most, (double)load[i]);
        f.dead += load[i] == 0;
    }
    if (!(sum > 0)) return f;
    for (int64_t i = 0; i < experts; i++) {
        double p = (double)load[i] / sum;
        if (p > 0) entropy -= p * log(p);
    }
    f.max_violation = most * (double)experts / sum - 1;
    f.entropy = experts > 1 ? entropy / log((double)experts) : 1;
    return f;
}

void fm_expert_bias_move(const fm_expert_layer *l, double speed) {
    double sum = 0, mean = 0;
    if (!l->bias || speed == 0 || l->experts == 0) return;
    for (int64_t i = 0; i < l->experts; i++) sum += (double)l->load[i];
    for (int64_t i = 0; i < l->experts; i++) {
        /* load * experts against the sum: whole numbers, so that an exactly even load moves nothing. */
        double off = sum - (double)l->load[i] * (double)l->experts;
        l->bias[i] += (float)(speed * ((off > 0) - (off < 0)));
        mean += (double)l->bias[i];
    }
    mean /= (double)l->experts;
    for (int64_t i = 0; i < l->experts; i++) l->bias[i] -= (float)mean;
}

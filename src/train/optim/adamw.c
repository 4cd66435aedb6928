/* adamw.c: Loshchilov & Hutter 2019, "Decoupled weight decay regularization".
 *
 *     m = b1 m + (1 - b1) g      v = b2 v + (1 - b2) g^2
 *     w = w (1 - rate decay) - rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
 */
#include "train/optim/optim.h"

#include <math.h>

static bool takes(const fm_learned_tensor *tensor) { return (void)tensor, true; }

static void update(const fm_optim_call *c) {
    const fm_optim_options *o = c->options;
    float b1 = (float)o->beta1, b2 = (float)o->beta2, c1 = (float)(1 - o->beta1), c2 = (float)(1 - o->beta2);
    float factor = (float)c->factor, keep = (float)(1 - c->rate * c->decay), eps = (float)o->epsilon;
    /* rate m / (1 - b1^t) and sqrt(v) / sqrt(1 - b2^t): the corrections as one factor each. */
    float rate = (float)(c->rate / (1 - pow(o->beta1, (double)c->step)));
    float root = (float)(1 / sqrt(1 - pow(o->beta2, (double)c->step)));
    const float *restrict grad = c->tensor->grad + c->begin;
    float *restrict w = c->tensor->value + c->begin;
    float *restrict m = c->moment[0] + c->begin, *restrict v = c->moment[1] + c->begin;
    for (int64_t i = 0; i < c->n; i++) {
        float g = grad[i] * factor;
        m[i] = b1 * m[i] + c1 * g;
        v[i] = b2 * v[i] + c2 * (g * g);
        w[i] = keep * w[i] - rate * m[i] / (root * sqrtf(v[i]) + eps);
    }
}

const fm_optim_rule fm_optim_adamw = {
    .name = "adamw",
    .help = "Adam with decoupled weight decay",
    .moments = {"m", "v"},
    .takes = takes,
    .update = update,
};

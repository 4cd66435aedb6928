/* adamw.c: Loshchilov & Hutter 2019, "Decoupled weight decay regularization". The loop is a kernel.
 *
 *     m = b1 m + (1 - b1) g      v = b2 v + (1 - b2) g^2
 *     w = w (1 - rate decay) - rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
 */
#include "train/optim/optim.h"

#include <math.h>

static bool takes(const fm_learned *tensor) { return (void)tensor, true; }

static void update(const fm_optim_call *c) {
    const fm_optim_options *o = c->options;
    const fm_adamw a = {
        .gradient_scale = (float)c->factor,
        .beta1 = (float)o->beta1,
        .beta2 = (float)o->beta2,
        .epsilon = (float)o->epsilon,
        .rate = (float)(c->rate / (1 - pow(o->beta1, (double)c->step))),
        .second = (float)(1 / sqrt(1 - pow(o->beta2, (double)c->step))),
        .keep = (float)(1 - c->rate * c->decay),
    };
    o->kernels->adamw(&a, c->tensor->grad + c->begin, c->n, c->tensor->value + c->begin,
                      c->moment[0] + c->begin, c->moment[1] + c->begin);
}

const fm_optim_rule fm_optim_adamw = {
    .name = "adamw",
    .help = "Adam with decoupled weight decay",
    .moments = {"m", "v"},
    .takes = takes,
    .update = update,
};

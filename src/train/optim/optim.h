/* optim.h: optimisers: what becomes of a weight when its gradient is known.
 *
 * Adding one is a file that defines an fm_optim_rule and a line in optims.def. A rule says which tensors it
 * takes; AdamW takes the others. One call works on a piece of a tensor, or on the whole of one where the
 * rule needs it, and on nothing else, so that bits do not depend on how many threads share the calls. */
#pragma once

#include "base/pool.h"
#include "kernel/kernel.h"
#include "train/stretches.h"

enum { FM_OPTIM_MOMENTS = 2 };

typedef struct fm_optim_rule fm_optim_rule;

typedef struct fm_optim_options {
    const fm_optim_rule *rule;        /* for the tensors that it takes */
    double beta1, beta2, epsilon;     /* AdamW; Loshchilov & Hutter 2019 */
    double weight_decay;              /* decoupled: w -= rate * decay * w */
    bool decay_norms;                 /* norms and biases too */
    bool decay_embeddings;            /* embedding and head too */
    double momentum;                  /* Muon */
    int64_t iterations;               /* Muon: of Newton and Schulz */
    double rms;                       /* Muon: of an update with rate 1; 0.2 is what AdamW's have */
    const fm_kernels *kernels;
} fm_optim_options;

typedef struct fm_optim_call {
    const fm_optim_options *options;
    const fm_learned *tensor;
    int64_t begin, n;                 /* elements of this call; all of them for a whole rule */
    float *moment[FM_OPTIM_MOMENTS];  /* of the tensor's first element */
    int64_t step;                     /* counted from 1 */
    double rate, decay;               /* decay 0 where this tensor has none */
    double factor;                    /* gradients count times this much (clipping) */
    float *scratch;
} fm_optim_call;

struct fm_optim_rule {
    const char *name, *help;
    const char *moments[FM_OPTIM_MOMENTS];               /* their names in checkpoints; NULL: fewer */
    bool whole;                                          /* one call per tensor */
    bool (*takes)(const fm_learned *tensor);
    size_t (*scratch)(const fm_learned *tensor);  /* floats per worker; NULL: none */
    void (*update)(const fm_optim_call *call);
};

#define OPTIM(name, help) extern const fm_optim_rule fm_optim_##name;
#include "train/optim/optims.def"
#undef OPTIM

const fm_optim_rule *fm_optim_rule_at(size_t i); /* NULL past the end */
const fm_optim_rule *fm_optim_rule_find(const char *name); /* NULL: there is none */
/* The usual settings: AdamW, betas 0.9 and 0.95, decay 0.1 of matrices alone. */
fm_optim_options fm_optim_defaults(void);

typedef struct fm_optim fm_optim;
/* `learned` is borrowed and outlives it; moments begin as zeros. */
fm_status fm_optim_new(const fm_optim_options *options, const fm_learned_list *learned, fm_pool *pool,
                       fm_optim **out, fm_error *err);
void fm_optim_free(fm_optim *optim);
/* Bytes of moments that fm_optim_new takes. */
uint64_t fm_optim_bytes(const fm_optim_options *options, const fm_learned_list *learned);

/* One step with the gradients, each times `factor`. */
void fm_optim_step(fm_optim *optim, double rate, double factor);
int64_t fm_optim_steps(const fm_optim *optim); /* taken so far */
void fm_optim_set_steps(fm_optim *optim, int64_t steps);

/* What a checkpoint keeps: the moments as named tensors, in the order of the list. */
typedef struct fm_optim_moment {
    const fm_learned *tensor;
    const char *moment; /* "m" */
    float *at;
} fm_optim_moment;
size_t fm_optim_moments(const fm_optim *optim);
fm_optim_moment fm_optim_moment_at(const fm_optim *optim, size_t i);

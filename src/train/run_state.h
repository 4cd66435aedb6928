/* run_state.h: what a run is between two steps, beside its weights: enough to go on with the very bits.
 *
 * Everything random is a function of the seed and of counters (base/rng.h), so there is no generator to keep.
 * Nothing here depends on time. Numbers that are no integers are written as hexadecimal floats, exactly. */
#pragma once

#include "train/average.h"
#include "train/checkpoint.h"
#include "train/loader.h"
#include "train/optim/optim.h"
#include "train/spike.h"

typedef struct fm_run_state {
    int64_t step;            /* steps done, those left out included */
    int64_t tokens;          /* learnt from so far */
    int64_t best_step;       /* of the lowest validation loss; -1: none yet */
    double best_loss;
    fm_spikes spikes;        /* its limit and patience come from the recipe */
    fm_loader_state loader;
    char recipe[FM_SHA256_HEX + 1]; /* fm_run_recipe_hash */
} fm_run_state;

/* What is trained, as it lies in memory. */
typedef struct fm_run_tensors {
    const fm_learned_list *learned;
    fm_optim *optim;
    fm_average *average; /* NULL: none is kept */
    bool kept_apart;     /* the learned tensors are in files that the student writes and reads */
} fm_run_tensors;

/* state.json, model.safetensors (unless kept apart) and optimizer.safetensors into a checkpoint. Vectors are those
 * tensors that are norms and biases; all others have two dimensions. */
fm_status fm_run_state_save(fm_checkpoint *c, const fm_run_state *state, const fm_run_tensors *tensors,
                            fm_error *err);
/* state.json of the checkpoint `path`. */
fm_status fm_run_state_read(const char *path, fm_run_state *out, fm_error *err);
/* The tensors of the checkpoint into memory. One that is missing or has another shape is FM_ERR_FORMAT. */
fm_status fm_run_state_load(const char *path, const fm_run_tensors *tensors, fm_error *err);

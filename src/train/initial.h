/* initial.h: the folder of a model that has learnt nothing: config.json, a tokenizer, random weights. Training
 * from scratch opens it like any other. */
#pragma once

#include "base/buffer.h"
#include "base/status.h"

typedef struct fm_initial_options {
    const char *shape;     /* a preset of shapes.def, or the path of a config.json (which is taken as it is) */
    const char *tokenizer; /* folder with tokenizer.json */
    /* Standard deviation of all matrices; norms are 1, biases 0. 0: 0.006 sqrt(7168 / hidden size), DeepSeek-V3's
     * carried over to other widths, so that a product with a normed row has its spread, 0.5. */
    double std;
    uint64_t seed;         /* every weight is a function of (seed, its tensor's name, its place) */
    uint64_t memory;       /* bytes that learning may take, refused before anything is written; 0: any */
} fm_initial_options;

/* Writes PARENT/NAME, which appears complete or not at all; what is there is replaced. The same options give
 * the same bytes. FM_ERR_ARGUMENT where the shape is unknown or has fewer tokens than the tokenizer. */
fm_status fm_initial_write(const char *parent, const char *name, const fm_initial_options *options, fm_error *err);

/* config.json of a preset for a tokenizer of `vocabulary` tokens; FM_ERR_ARGUMENT names the presets. */
fm_status fm_initial_config(const char *preset, int64_t vocabulary, int64_t bos, int64_t eos, fm_buffer *out,
                            fm_error *err);
/* Presets with their help; false past the end. */
bool fm_initial_preset_at(size_t i, const char **name, const char **help);

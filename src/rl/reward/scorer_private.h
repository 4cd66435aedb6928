/* scorer_private.h: what learning and the file share. */
#pragma once

#include "rl/reward/scorer.h"

struct fm_scorer {
    int bits;
    float bias;
    float *weights; /* 2^bits */
};

fm_scorer *fm_scorer_new(int bits); /* zeros; NULL without memory */

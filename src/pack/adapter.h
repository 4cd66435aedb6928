/* adapter.h: a low-rank adapter on a weight.                                  Hu et al. 2021, section 4.1
 *
 *     y = x W^T + scale (x A^T) B^T            A [rank, n_in], B [n_out, rank], scale = alpha / rank
 *
 * W stays as it is, of whatever type, and may be read by others without the adapter. */
#pragma once

#include "pack/pack.h"

typedef struct fm_adapter {
    fm_weight a, b; /* float32; names as PEFT calls them */
    float scale;
} fm_adapter;

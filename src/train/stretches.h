/* stretches.h: the trained tensors cut into pieces of a fixed size, the unit in which threads share what
 * is done element by element and in which sums are added up. A piece never spans two tensors;
 * frozen tensors have none. */
#pragma once

#include "base/mem.h"
#include "train/learned.h"

/* All that a run learns, in an order that is part of the arithmetic: norms are added up in it. */
typedef struct fm_learned_list {
    fm_learned *at;
    size_t n;
} fm_learned_list;

enum { FM_STRETCH = 1 << 14 }; /* elements: 64 KiB of float32, a fraction of an L2 cache */

typedef struct fm_stretch {
    size_t tensor;
    int64_t begin, n;
} fm_stretch;

typedef struct fm_stretches {
    fm_stretch *at;
    int64_t n;
} fm_stretches;

fm_status fm_stretches_cut(const fm_learned_list *learned, fm_stretches *out, fm_error *err);
void fm_stretches_clear(fm_stretches *s);

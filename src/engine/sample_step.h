/* sample_step.h: one draw on its way through samplers.def. Private to engine/sample*.c. */
#pragma once

#include "engine/sample.h"

typedef struct fm_draw {
    const fm_sampling *how;
    const fm_kernels *kernels;
    const uint32_t *seen;    /* [n] how often in the answer, FM_SEEN_PROMPT; NULL: nothing counted */
    const uint64_t *allowed; /* bits of the grammar, or NULL: all */
    int64_t n, n_bits;

    /* Until the temperature: logits of all ids. */
    float *logits; /* [n] */

    /* From the temperature on: the candidates in the order of their ids. Every p is in (0, 1], that of
     * the most probable is 1. Cuts take candidates away; one always stays. */
    int32_t *ids;
    float *p; /* in place of the logits */
    int64_t count;
} fm_draw;

#define FM_SEEN_PROMPT 0x80000000u
#define FM_SEEN_ANSWER 0x7fffffffu /* mask of the count */

#define FM_SAMPLER(name, help) void fm_sample_##name(fm_draw *d);
#include "engine/samplers.def"
#undef FM_SAMPLER

static inline bool fm_draw_allows(const fm_draw *d, int64_t id) {
    return !d->allowed || (id < d->n_bits && (d->allowed[id / 64] >> (id % 64) & 1));
}

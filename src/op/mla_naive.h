/* mla_naive.h: what the two kinds of mla_naive share: of floats, over a cache of floats (mla_naive_floats.c),
 * and of words of BF16, over all others (mla_naive_words.c). */
#pragma once

#include "op/attention.h"
#include "op/op.h"
#include "op/op_private.h"

typedef struct fm_mla_naive_params {
    fm_mla_shape shape;
    const fm_weight *uk, *uv;
    bool over; /* the absorbed form's o: fast rows alone */
} fm_mla_naive_params;

typedef struct fm_mla_naive_job {
    const fm_run *run;
    const fm_mla_naive_params *p;
    const float *q; /* [T, H*(dn+dr)] */
    float *out;     /* [T, H*dv] */
} fm_mla_naive_job;

/* The positions [*from, *to) of a segment whose rows are computed; none: *from >= *to. */
static inline void fm_mla_naive_rows(const fm_mla_naive_job *j, const fm_segment *s, int64_t *from,
                                     int64_t *to) {
    *from = s->position, *to = s->position + s->count;
    if (!j->p->over) return;
    if (*from < s->fast_from) *from = s->fast_from;
    if (*to > s->fast_to) *to = s->fast_to;
}

/* The latents that a segment reads. */
static inline fm_attention_rows fm_mla_naive_latents(const fm_mla_naive_job *j, const fm_segment *s) {
    return (fm_attention_rows){.kv = j->run->step->kv, .pages = s->pages, .layer = j->p->shape.layer};
}

void fm_mla_naive_floats(const fm_mla_naive_job *j);
void fm_mla_naive_words(const fm_mla_naive_job *j);
/* Bytes of scratch of a worker. */
size_t fm_mla_naive_floats_scratch(const fm_plan *plan, const fm_mla_naive_params *p);
size_t fm_mla_naive_words_scratch(const fm_plan *plan, const fm_mla_naive_params *p);

/* lazy.h: experts that are packed when they are first chosen, or brought into memory where their panels are in
 * a file that is mapped.
 *
 * A token passes through a few of many experts, so a first answer need not wait for all of them. A step
 * that chooses an expert for the first time has it read and packed, by all threads of its pool, before it
 * computes (fm_expert_provider.want): the bits of a copy are those of loading at once.
 *
 * Memory for all copies is taken while the model is loaded and touched as it fills, from its beginning,
 * in the order in which experts are chosen. The first time an expert is packed in passing, behind the
 * copies that stay, where the next layer's will overwrite it: memory that nobody has touched before costs
 * a multiple of packing again, and many experts of a first prompt are not met again for long. The second
 * time it stays.
 *
 * Mapped panels (panels.h) are read ahead of the step in the same way, by all threads at once and in large
 * pieces, once for each expert: page faults would read them one after the other.
 *
 * Where several engines run one model one packs at a time, under a lock, which it holds on to while it
 * computes with copies made in passing; copies that stay are read without it. A failure is that of the
 * step, and the next step tries again. */
#pragma once

#include "model/bind.h"

typedef struct fm_lazy fm_lazy;

/* Whether this is a matrix of an expert, and the model leaves those for later. */
static inline bool fm_packed_later(const fm_model *m, const fm_binding *b) {
    return m->options.lazy && m->options.pack && b->moe;
}

/* Takes the memory and makes every layer's provider pack what it is asked for; from now on the bindings
 * stay where they are. `room`: bytes of memory for copies and for what the system keeps of the files; where
 * both do not fit, an expert is packed once and what was read for it is let go. 0: not known. *out is NULL
 * where there is nothing to pack later. */
fm_status fm_lazy_new(fm_model *model, uint64_t room, fm_lazy **out, fm_error *err);
void fm_lazy_free(fm_lazy *lazy); /* NULL is fine */
/* Sum of the fingerprints of what is packed later: of the files, read when this is first asked for. */
uint64_t fm_lazy_sampled(fm_lazy *lazy);

/* block.h: the parts that architectures are put together from; each records nodes and returns the
 * value that is added to the residual stream. */
#pragma once

#include "model/model.h"
#include "op/op.h"

/* What a block is recorded with. */
typedef struct fm_recorder {
    fm_plan *plan;
    const fm_model *model;
    const fm_record_options *options;
    fm_value angles; /* rope_angles, shared by all layers */
    int64_t layer;   /* being recorded: names observations and places the cache */
} fm_recorder;

/* Adds up x for whoever watches; parts lie `stride` apart from `offset` on. */
void fm_watch_input(const fm_recorder *r, fm_value x, fm_role role);
void fm_watch_parts(const fm_recorder *r, fm_value x, fm_role role, int64_t parts, int64_t offset,
                    int64_t stride, int64_t columns);

/* A value that is cheap to make again. */
static inline fm_value fm_cheap(const fm_recorder *r, fm_value v) {
    if (r->options->recompute) fm_plan_recompute(r->plan, v);
    return v;
}

fm_value fm_gqa(const fm_recorder *r, fm_value x, const fm_layer *w);
fm_value fm_mla(const fm_recorder *r, fm_value x, const fm_layer *w);
fm_value fm_dense_ffn(const fm_recorder *r, fm_value x, const fm_ffn_weights *w);
fm_value fm_moe_ffn(const fm_recorder *r, fm_value x, const fm_layer *w);
/* h + Attention(norm(h)), then + FFN(norm(.)): the pre-norm block of every family here. */
fm_value fm_block(const fm_recorder *r, fm_value h, const fm_layer *w);

/* outline.h: the tensors of a file that is to be written, and where the numbers of each come from.
 *
 * GGUF and Hugging Face keep the same weights under other names, cut and turned differently: experts
 * stacked or apart, the up-projection of the latent in one piece or in two, llama's rows in pairs or
 * in halves. An outline says so without touching a number; rows are then made one stretch at a time
 * (fm_outlined_rows), so that no model is ever in memory as a whole. */
#pragma once

#include "base/arena.h"
#include "format/store.h"
#include "model/config.h"
#include "model/names.h"
#include "pack/adapter.h"

/* Rows of a source tensor seen as a matrix. */
typedef struct fm_part {
    const fm_store_entry *entry;
    int64_t first, rows;
    const fm_adapter *adapter; /* added to the whole tensor's rows (merge.h); NULL: none */
} fm_part;

typedef enum fm_arrangement {
    FM_ARRANGE_ROWS,   /* the parts' rows one after another; parts are of one height */
    FM_ARRANGE_PAIRS,  /* row i and row i + d/2 of each head come side by side: 2i and 2i + 1 */
    FM_ARRANGE_HALVES, /* and back */
    FM_ARRANGE_K_B,    /* one part per head, [dn, r], each turned to [r, dn] */
    FM_ARRANGE_KV_B,   /* two parts per head: [r, dn] turned to [dn, r], then [dv, r] below it */
    FM_ARRANGE_VALUES, /* given numbers */
} fm_arrangement;

/* A tensor of the file to be. */
typedef struct fm_outlined {
    const char *name;
    fm_role role; /* FM_ROLES: none that Fathom knows */
    int64_t layer;
    fm_dtype dtype; /* as it will be stored; at first that of the source */
    int n_dims;
    int64_t shape[FM_MAX_DIMS];
    fm_arrangement arrangement;
    int64_t head_rows;   /* PAIRS, HALVES: rows of a head */
    int64_t unit;        /* rows that are made together: first and count are multiples of it */
    int64_t matrices;    /* experts or heads that are stacked in it, each with inputs of its own */
    fm_part *parts;
    size_t n_parts;
    const float *values; /* VALUES */
    const struct fm_outlined *scales_of; /* it holds the scales of this FP8 matrix, and has no parts */
} fm_outlined;

typedef struct fm_outline {
    fm_arena arena;
    fm_outlined *items;
    size_t n, capacity;
    size_t unused;            /* tensors of the source that have no place in the file ... */
    const char *first_unused; /* ... the first of them */
} fm_outline;

typedef struct fm_outline_options {
    bool mtp;        /* keep the multi-token-prediction module */
    bool fused_kv_b; /* GGUF: the up-projection of the latent in one piece, as files had it before 2025 */
    bool same_kind;  /* safetensors: the names and forms that the store has */
} fm_outline_options;

/* The tensors of the model in `store` as a file of the other kind has them: GGUF for a store of
 * safetensors, Hugging Face's for one of GGUF. The model must have been bound once, which checks names
 * and shapes. End with fm_outline_clear, also after a failure. */
fm_status fm_outline_convert(fm_outline *outline, const fm_config *config, const fm_store *store,
                             const fm_outline_options *options, fm_error *err);
/* The tensors of a GGUF store as they are, each with its role. */
fm_status fm_outline_keep(fm_outline *outline, const fm_config *config, const fm_store *store,
                          fm_error *err);
void fm_outline_clear(fm_outline *outline);
/* Puts behind each item of FP8 its NAME_scale_inv: F32, one for 128 x 128 weights. After it no item may be added. */
fm_status fm_outline_add_scales(fm_outline *outline, fm_error *err);

/* A tensor that is computed: `values` lives as long as the caller says. */
fm_status fm_outline_add_values(fm_outline *outline, const char *name, fm_role role,
                                const float *values, int64_t n, fm_error *err);

int64_t fm_outlined_rows_count(const fm_outlined *item);
static inline int64_t fm_outlined_columns(const fm_outlined *item) {
    return item->shape[item->n_dims - 1];
}
/* The element type that all parts have; F32 for VALUES. */
fm_dtype fm_outlined_source(const fm_outlined *item);
/* Whether an adapter is added to it. */
bool fm_outlined_merges(const fm_outlined *item);
/* Whether the file's bytes are the source's, row by row. */
bool fm_outlined_is_copy(const fm_outlined *item);
/* Whether it is FP8 whose blocks are those of the source, codes and scales. */
bool fm_outlined_keeps_fp8(const fm_outlined *item);
/* That many rows' bytes, where it is a copy. */
void fm_outlined_copy(const fm_outlined *item, int64_t first, int64_t count, char *out);
/* The rows as exact floats, or with an adapter rounded once to floats. `work` holds fm_outlined_work floats. */
void fm_outlined_rows(const fm_outlined *item, int64_t first, int64_t count, float *out,
                      float *work);
int64_t fm_outlined_work(const fm_outlined *item);
/* The source's pages will not be wanted again. */
void fm_outlined_drop(const fm_outlined *item, const fm_store *store);

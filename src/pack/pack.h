/* pack.h: weights in the kernels' layout.
 *
 * A weight is a handle: where it came from, the one compute copy that every reader shares, and,
 * only where somebody learns, a float32 master and a gradient. The copy carries a version. There are no
 * copies beside it: a product with the transpose reads the same panels (kernel/matmul.h). */
#pragma once

#include "base/mem.h"
#include "base/pool.h"
#include "kernel/panel.h"

struct fm_adapter;

typedef struct fm_weight {
    const char *name;   /* Hugging Face name, for messages and gradients; borrowed */
    int64_t n_out, n_in;
    fm_tensor source;   /* as the file stores it; `data` may be dropped after packing */
    fm_panels panels;   /* what kernels read: packed copy, or the source rows themselves */
    fm_panels turned;   /* of the transpose, where somebody learns (master.h); data is NULL otherwise */
    void *owned;        /* memory behind panels.data when this handle owns it */
    uint64_t version;   /* raised by whoever changes the compute copy */
    float *master;      /* [n_out, n_in], where somebody learns (vectors: always); NULL otherwise */
    float *grad;        /* [n_out, n_in], where this weight learns; NULL otherwise */
    const struct fm_adapter *adapter; /* added to what this weight makes of x (adapter.h); NULL: none */
} fm_weight;

/* Describes `source` (2-D [n_out, n_in]; a 1-D [n] counts as [1, n]) without copying: panels are
 * the rows of the file. */
void fm_weight_init(fm_weight *w, const char *name, const fm_tensor *source);

/* Bytes that packing this weight will take; 0 if its rows are used as they are. */
size_t fm_weight_packed_bytes(const fm_weight *w);

/* Packs into `memory` of that size (64-byte aligned, owned by the caller), or into memory of its
 * own when `memory` is NULL. Parallel over panels; `pool` may be NULL. */
fm_status fm_weight_pack(fm_weight *w, void *memory, fm_pool *pool, fm_error *err);
/* The same in pieces, in whatever order and from several threads: panels [begin, end) into their place
 * in `memory`, from `rows`, which holds rows 16 begin up to 16 end of the source, or up to its last.
 * When all pieces are there, fm_weight_use_packed makes them the weight's panels. */
void fm_weight_pack_piece(const fm_weight *w, const fm_tensor *rows, int64_t begin, int64_t end,
                          void *memory);
void fm_weight_use_packed(fm_weight *w, const void *memory);

/* A weight made of float32 values [n_out, n_in] (a derived or trained one), packed in `layout`
 * F32 or BF16. The values are copied. */
fm_status fm_weight_from_floats(fm_weight *w, const char *name, const float *values, int64_t n_out,
                                int64_t n_in, fm_layout layout, fm_error *err);

void fm_weight_clear(fm_weight *w); /* frees what it owns */

/* Packs panels [begin, end) of `t` into dst (the layout's panel bytes each). */
void fm_pack_panels(fm_layout layout, const fm_tensor *t, int64_t begin, int64_t end, void *dst);

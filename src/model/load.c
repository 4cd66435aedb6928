/* load.c: from views of the file to the kernels' layout, with the memory known beforehand. */
#include "model/bind.h"

#include <stdlib.h>

/* Derived matrices stay in BF16 if they came in it, else become float32 (pack.h). */
static size_t derived_bytes(const fm_binding *b) {
    fm_layout layout = b->slice.dtype == FM_DTYPE_BF16 ? FM_LAYOUT_BF16 : FM_LAYOUT_F32;
    return fm_layout_panel_bytes(layout, b->weight->n_in) *
           (size_t)((b->weight->n_out + FM_PANEL - 1) / FM_PANEL);
}

uint64_t fm_model_memory(const fm_model *m) {
    uint64_t bytes = m->arena.total;
    for (size_t i = 0; i < m->n_bindings; i++) {
        const fm_binding *b = &m->bindings[i];
        if (b->transposed)
            bytes += derived_bytes(b);
        else if (m->options.pack)
            bytes += fm_weight_packed_bytes(b->weight);
    }
    return bytes;
}

static int by_place(const void *a, const void *b) {
    const fm_binding *x = a, *y = b;
    if (x->entry->shard != y->entry->shard) return x->entry->shard < y->entry->shard ? -1 : 1;
    if (x->slice.data != y->slice.data) return x->slice.data < y->slice.data ? -1 : 1;
    return 0;
}

static fm_status load_one(const fm_model *m, fm_binding *b, fm_pool *pool, fm_error *err) {
    if (b->transposed) return fm_weight_transpose(b->weight, b->entry->name, &b->slice, err);
    return m->options.pack ? fm_weight_pack(b->weight, NULL, pool, err) : FM_OK;
}

fm_status fm_model_load(fm_model *m, fm_pool *pool,
                        bool (*progress)(void *context, double fraction), void *context,
                        fm_error *err) {
    /* In the order of the file: disks like it, and pages can be let go behind us. */
    qsort(m->bindings, m->n_bindings, sizeof *m->bindings, by_place);
    uint64_t total = 0, done = 0;
    for (size_t i = 0; i < m->n_bindings; i++) total += fm_tensor_bytes(&m->bindings[i].slice);
    for (size_t i = 0; i < m->n_bindings; i++) {
        fm_binding *b = &m->bindings[i];
        fm_status status = load_one(m, b, pool, err);
        if (status != FM_OK) return fm_error_prefix(err, status, "%s", b->entry->name);
        if (m->options.pack) m->sampled += fm_binding_fingerprint(b); /* while its pages are at hand */
        done += fm_tensor_bytes(&b->slice);
        if (progress && !progress(context, total ? (double)done / (double)total : 1))
            return fm_fail(err, FM_ERR_CANCELLED, "loading was cancelled");
        bool last = i + 1 == m->n_bindings || m->bindings[i + 1].entry != b->entry;
        bool embedding = b->entry->tensor.data == m->embed.source.data;
        if (last && !embedding && b->weight->panels.layout != FM_LAYOUT_ROWS)
            fm_store_drop(m->store, b->entry);
    }
    m->sampled_all = m->options.pack;
    return FM_OK;
}

/* load.c: from the file to the kernels' layout, with the memory known beforehand.
 *
 * All copies lie in one block, in the order of the file, so that it is huge pages throughout, however
 * small a matrix may be. The file is cut into pieces (pieces.h); whichever thread is free takes the next
 * one, reads it and packs it into its place. Where the model is lazy, its experts come later (lazy.h). What
 * a file of panels has (panels.h) is mapped instead.
 *
 * A thread begins with a stretch of its own in every loop (base/pool.h), but takes from the others'
 * when it is done, and is not bound to a processor: no node of a machine with several memories is a
 * lasting home for a panel, so an even spread is best, and base/mem.c asks for it. Without it the
 * first thread to touch a page decides, and as all threads pack that spreads them too. */
#include "model/lazy.h"
#include "model/panels.h"
#include "model/pieces.h"

#include "base/clock.h"

#include <stdlib.h>

size_t fm_binding_copy_bytes(const fm_model *m, const fm_binding *b) {
    bool packed = m->options.pack && !b->ready && fm_layout_for(&b->slice) != FM_LAYOUT_ROWS;
    return packed ? fm_weight_packed_bytes(b->weight) : 0;
}

/* Of what is packed while loading. */
static size_t bytes_now(const fm_model *m, const fm_binding *b) {
    return fm_packed_later(m, b) ? 0 : fm_binding_copy_bytes(m, b);
}

uint64_t fm_model_memory(const fm_model *m) {
    uint64_t bytes = m->arena.total;
    for (size_t i = 0; i < m->n_bindings; i++) bytes += fm_binding_copy_bytes(m, &m->bindings[i]);
    return bytes;
}

uint64_t fm_model_memory_later(const fm_model *m) {
    size_t bytes = 0;
    for (size_t i = 0; i < m->n_bindings; i++)
        if (fm_packed_later(m, &m->bindings[i]) &&
            !fm_add_size(bytes, fm_binding_copy_bytes(m, &m->bindings[i]), &bytes))
            return SIZE_MAX; /* which nobody has */
    return bytes;
}

int fm_binding_by_place(const void *a, const void *b) {
    const fm_binding *x = a, *y = b;
    if (x->entry->shard != y->entry->shard) return x->entry->shard < y->entry->shard ? -1 : 1;
    if (x->slice.data != y->slice.data) return x->slice.data < y->slice.data ? -1 : 1;
    return 0;
}

/* The list of pieces, and memory for all copies. */
static fm_status prepare(fm_model *m, fm_pool *pool, fm_pieces *p, fm_error *err) {
    size_t pieces = 0, bytes = 0;
    for (size_t i = 0; i < m->n_bindings; i++) {
        const fm_binding *b = &m->bindings[i];
        size_t own = bytes_now(m, b);
        if (own) pieces += fm_pieces_of(b);
        if (!fm_add_size(bytes, own, &bytes)) bytes = SIZE_MAX;
    }
    m->packed = bytes ? fm_alloc(bytes, FM_MEM_WEIGHTS) : NULL;
    if (bytes && !m->packed) return fm_fail_memory(err, bytes, "the weights in the kernels' layout");
    FM_TRY(fm_pieces_begin(p, m->store, pool, pieces, err));
    char *copy = m->packed;
    for (size_t i = 0; i < m->n_bindings; i++) {
        size_t own = bytes_now(m, &m->bindings[i]);
        if (!own) continue;
        fm_pieces_add(p, &m->bindings[i], copy);
        copy += own;
    }
    uint64_t available = fm_mem_available();
    p->forget = available && available < p->bytes + bytes; /* they do not fit beside each other */
    p->keep = m->embed.source.data;
    p->samples = m->options.pack;
    return FM_OK;
}

/* Bytes of memory that will be left for experts, their copies and what the system keeps of their files. */
static uint64_t room_for_experts(const fm_model *m) {
    uint64_t available = fm_mem_available(), rest = 2 * (fm_model_memory(m) - fm_model_memory_later(m));
    return available > rest ? available - rest : available ? 1 : 0;
}

/* The copies are whole: from now on they are what is read. */
static void use_copies(fm_model *m, const fm_pieces *p) {
    const char *copy = m->packed;
    m->sampled += p->sampled;
    for (size_t i = 0; i < m->n_bindings; i++) {
        fm_binding *b = &m->bindings[i];
        size_t bytes = bytes_now(m, b);
        if (bytes) fm_weight_use_packed(b->weight, copy);
        if (b->ready) {
            fm_weight_use_packed(b->weight, fm_panel_file_at(m->panels, b->ready));
            m->sampled += b->ready->sample;
        } else if (!bytes && m->options.pack && !fm_packed_later(m, b)) {
            m->sampled += fm_binding_fingerprint(m->store, b);
        }
        if (bytes) copy += bytes; /* there may be none to add to */
    }
    m->sampled_all = m->options.pack;
    m->load_bytes = p->bytes;
}

fm_status fm_model_load(fm_model *m, fm_pool *pool,
                        bool (*progress)(void *context, double fraction), void *context,
                        fm_error *err) {
    double begin = fm_clock_seconds();
    fm_pieces pieces = {0};
    qsort(m->bindings, m->n_bindings, sizeof *m->bindings, fm_binding_by_place);
    fm_status status = prepare(m, pool, &pieces, err);
    if (status == FM_OK) status = fm_lazy_new(m, room_for_experts(m), &m->lazy, err);
    if (status == FM_OK && m->panels)
        status = fm_panels_populate(m, pool, progress, context, err);
    if (status == FM_OK && pieces.n) status = fm_pieces_pack(&pieces, progress, context, err);
    if (status == FM_OK) use_copies(m, &pieces);
    fm_pieces_end(&pieces);
    m->load_seconds = fm_clock_seconds() - begin;
    return status;
}

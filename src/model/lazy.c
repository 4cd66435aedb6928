#include "model/lazy.h"

#include "base/clock.h"
#include "model/pieces.h"

#include <pthread.h>

enum { MATRICES = 3 }; /* gate, up and down */

/* What an expert has been through. */
enum { NEW, MET, KEPT }; /* never chosen; packed in passing; packed for good, and not touched any more */

/* The experts of one layer. */
struct fm_lazy_layer {
    fm_lazy *lazy;
    const fm_binding **bindings; /* [n_experts][MATRICES] */
    _Atomic uint8_t *state;      /* [n_experts]: changed by who holds the lock */
};

struct fm_lazy {
    const fm_model *model;
    struct fm_lazy_layer *layers;
    int64_t n_layers;
    char *memory;         /* for all copies */
    uint64_t room;        /* for copies and file beside each other; 0: not known */
    uint64_t experts_total;
    pthread_mutex_t lock; /* held by who packs, and on while it computes with copies made in passing */
    size_t used;          /* bytes of `memory` with copies that stay; those in passing lie behind them */
    uint64_t met;         /* bytes in the files of experts that were ever chosen */
    uint64_t sampled;
    bool is_sampled;
    _Atomic uint64_t bytes, experts; /* read from the files; kept */
    _Atomic double seconds;
};

/* ---- packing ----------------------------------------------------------------------------------- */

/* Experts that are wanted of a layer. */
typedef struct batch {
    struct fm_lazy_layer *layer;
    const int32_t *ids;
    int64_t n;
    bool crowded;    /* copies and file do not fit beside each other, or panels are mapped: nothing is read twice */
    size_t n_pieces;
    fm_pieces pieces;
    fm_status status;
    fm_error *err;
    _Atomic bool failed; /* a mapped matrix could not be read; the first that failed says why */
    fm_error error;
} batch;

typedef void (*visit_fn)(batch *b, const fm_binding *binding, char *copy);

static int state_of(const batch *b, int64_t i) {
    return atomic_load_explicit(&b->layer->state[b->ids[i]], memory_order_relaxed);
}

static bool in_passing(const batch *b, int64_t i) { return state_of(b, i) == NEW && !b->crowded; }

/* Every matrix to be packed, and the place of its copy behind what is used: first those that stay, then
 * those in passing; of each all gates, then all ups, then all downs, as files have them. Returns where the
 * copies that stay end. */
static size_t visit(batch *b, visit_fn fn) {
    const fm_lazy *lazy = b->layer->lazy;
    size_t at = lazy->used, kept = at;
    for (int passing = 0; passing < 2; passing++) {
        for (int matrix = 0; matrix < MATRICES; matrix++)
            for (int64_t i = 0; i < b->n; i++) {
                const fm_binding *m = b->layer->bindings[b->ids[i] * MATRICES + matrix];
                size_t bytes = fm_binding_copy_bytes(lazy->model, m);
                if (state_of(b, i) == KEPT || in_passing(b, i) != passing || !bytes) continue;
                fn(b, m, lazy->memory + at);
                at += bytes;
            }
        if (!passing) kept = at;
    }
    return kept;
}

/* Rows of a file that has been written to since it was opened would be another model's. */
static void check(batch *b, const fm_binding *m, char *copy) {
    (void)copy;
    b->n_pieces += fm_pieces_of(m);
    if (b->status != FM_OK) return;
    b->status = fm_store_unchanged(b->layer->lazy->model->store, m->slice.data, b->err);
    if (b->status != FM_OK) fm_error_prefix(b->err, b->status, "%s", m->entry->name);
}

static void add(batch *b, const fm_binding *m, char *copy) { fm_pieces_add(&b->pieces, m, copy); }

static void use(batch *b, const fm_binding *m, char *copy) {
    (void)b;
    fm_weight_use_packed(m->weight, copy);
}

/* Bytes in the files of experts that nobody has chosen before. */
static uint64_t new_bytes(const batch *b) {
    uint64_t bytes = 0;
    for (int64_t i = 0; i < b->n; i++)
        for (int matrix = 0; matrix < MATRICES && state_of(b, i) == NEW; matrix++)
            bytes += fm_tensor_bytes(&b->layer->bindings[b->ids[i] * MATRICES + matrix]->slice);
    return bytes;
}

/* ---- mapped panels ----------------------------------------------------------------------------- */

/* From disk, exactly these bytes: faults would read what is around them too, several times as much. */
static void ask_for(const fm_panel_file *f, const fm_panel_entry *e) {
    if (e->bytes && fm_map_cached(&f->map, e->offset) && fm_map_cached(&f->map, e->offset + e->bytes - 1)) return;
    fm_map_prefetch(&f->map, e->offset, e->bytes);
}

static void read_range(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    batch *b = context;
    const fm_panel_file *f = b->layer->lazy->model->panels;
    for (int64_t i = begin; i < end; i++) {
        if (state_of(b, i) == KEPT) continue;
        const fm_binding *const *matrices = &b->layer->bindings[b->ids[i] * MATRICES];
        for (int matrix = 0; matrix < MATRICES; matrix++)
            if (matrices[matrix]->ready) ask_for(f, matrices[matrix]->ready);
        for (int matrix = 0; matrix < MATRICES; matrix++) {
            const fm_binding *m = matrices[matrix];
            fm_error err;
            if (!m->ready || fm_map_populate(&f->map, m->ready->offset, m->ready->bytes, &err) == FM_OK) continue;
            if (atomic_exchange(&b->failed, true)) continue;
            fm_error_prefix(&err, FM_ERR_IO, "the panels of %s", m->entry->name);
            b->error = err;
        }
    }
}

static uint64_t mapped_bytes(const batch *b) {
    uint64_t bytes = 0;
    for (int64_t i = 0; i < b->n; i++)
        for (int matrix = 0; matrix < MATRICES && state_of(b, i) != KEPT; matrix++) {
            const fm_binding *m = b->layer->bindings[b->ids[i] * MATRICES + matrix];
            if (m->ready) bytes += m->ready->bytes;
        }
    return bytes;
}

/* All copies are whole. Returns whether there are some in passing. */
static bool settle(batch *b) {
    fm_lazy *lazy = b->layer->lazy;
    bool passing = false;
    lazy->met += new_bytes(b);
    lazy->used = visit(b, use);
    atomic_fetch_add(&lazy->bytes, b->pieces.bytes + mapped_bytes(b));
    for (int64_t i = 0; i < b->n; i++) {
        bool kept = state_of(b, i) == KEPT, passes = in_passing(b, i);
        passing |= passes;
        if (!kept && !passes) atomic_fetch_add(&lazy->experts, 1);
        atomic_store_explicit(&b->layer->state[b->ids[i]], passes ? MET : KEPT, memory_order_release);
    }
    return passing;
}

/* Brings what is new into memory; nothing is copied. */
static fm_status read_ahead(batch *b, fm_pool *pool, fm_error *err) {
    b->crowded = true;
    fm_pool_for(pool, b->n, 1, read_range, b);
    if (!atomic_load(&b->failed)) {
        settle(b);
        return FM_OK;
    }
    if (err) *err = b->error;
    return FM_ERR_IO;
}

static fm_status pack(batch *b, fm_pool *pool, bool *passing, fm_error *err) {
    fm_lazy *lazy = b->layer->lazy;
    b->crowded = lazy->room && lazy->used + lazy->met + new_bytes(b) > lazy->room;
    visit(b, check);
    fm_status status = b->status;
    if (status == FM_OK) status = fm_pieces_begin(&b->pieces, lazy->model->store, pool, b->n_pieces, err);
    if (status == FM_OK) {
        visit(b, add);
        b->pieces.forget = b->crowded;
        status = fm_pieces_pack(&b->pieces, NULL, NULL, err);
    }
    *passing = status == FM_OK && settle(b);
    fm_pieces_end(&b->pieces);
    return status;
}

static fm_status want(void *context, const int32_t *ids, int64_t n, fm_pool *pool, bool *passing,
                      fm_error *err) {
    const fm_moe_weights *w = context;
    fm_lazy *lazy = w->lazy->lazy;
    bool kept = true;
    *passing = false;
    for (int64_t i = 0; i < n; i++)
        kept &= atomic_load_explicit(&w->lazy->state[ids[i]], memory_order_acquire) == KEPT;
    if (kept) return FM_OK;
    pthread_mutex_lock(&lazy->lock);
    double begin = fm_clock_seconds();
    batch b = {.layer = w->lazy, .ids = ids, .n = n, .err = err};
    fm_status status = lazy->model->panels ? read_ahead(&b, pool, err) : pack(&b, pool, passing, err);
    atomic_store(&lazy->seconds, atomic_load(&lazy->seconds) + fm_clock_seconds() - begin);
    if (!*passing) pthread_mutex_unlock(&lazy->lock);
    return status;
}

static void done(void *context) {
    const fm_moe_weights *w = context;
    pthread_mutex_unlock(&w->lazy->lazy->lock);
}

/* ---- setting up -------------------------------------------------------------------------------- */

static fm_status add_layer(fm_lazy *lazy, fm_moe_weights *w, fm_error *err) {
    struct fm_lazy_layer *l = &lazy->layers[lazy->n_layers++];
    size_t n = (size_t)w->provider.n_experts;
    *l = (struct fm_lazy_layer){.lazy = lazy};
    l->bindings = fm_alloc_array(n * MATRICES, sizeof *l->bindings, FM_MEM_OTHER);
    l->state = fm_alloc_array(n, sizeof *l->state, FM_MEM_OTHER);
    if (!l->bindings || !l->state) return fm_fail_memory(err, n, "the table of experts");
    w->lazy = l;
    w->provider.want = want;
    w->provider.done = done;
    lazy->experts_total += n;
    return FM_OK;
}

static fm_status add_layers(fm_lazy *lazy, fm_model *m, fm_error *err) {
    int64_t n = m->config.num_hidden_layers;
    lazy->layers = fm_alloc_array((size_t)(n + m->n_mtp), sizeof *lazy->layers, FM_MEM_OTHER);
    if (!lazy->layers) return fm_fail_memory(err, (size_t)n, "the table of experts");
    for (int64_t i = 0; i < n; i++)
        if (m->layers[i].is_moe) FM_TRY(add_layer(lazy, &m->layers[i].moe, err));
    for (int i = 0; i < m->n_mtp; i++)
        if (m->mtp[i].layer.is_moe) FM_TRY(add_layer(lazy, &m->mtp[i].layer.moe, err));
    return FM_OK;
}

static fm_status set_up(fm_lazy *lazy, fm_model *m, uint64_t bytes, fm_error *err) {
    FM_TRY(add_layers(lazy, m, err));
    for (size_t i = 0; i < m->n_bindings; i++) {
        const fm_binding *b = &m->bindings[i];
        if (fm_packed_later(m, b)) b->moe->lazy->bindings[b->expert * MATRICES + b->matrix] = b;
    }
    if (bytes) lazy->memory = fm_alloc((size_t)bytes, FM_MEM_WEIGHTS);
    return !bytes || lazy->memory ? FM_OK : fm_fail_memory(err, (size_t)bytes, "the experts in the kernels' layout");
}

fm_status fm_lazy_new(fm_model *m, uint64_t room, fm_lazy **out, fm_error *err) {
    uint64_t bytes = fm_model_memory_later(m);
    bool mapped = false;
    for (size_t i = 0; i < m->n_bindings; i++) mapped |= m->bindings[i].ready && fm_packed_later(m, &m->bindings[i]);
    *out = NULL;
    if (bytes == 0 && !mapped) return FM_OK;
    fm_lazy *lazy = fm_alloc_zero(sizeof *lazy, FM_MEM_OTHER);
    if (!lazy) return fm_fail_memory(err, sizeof *lazy, "the table of experts");
    lazy->model = m;
    lazy->room = room;
    pthread_mutex_init(&lazy->lock, NULL);
    fm_status status = set_up(lazy, m, bytes, err);
    if (status == FM_OK)
        *out = lazy;
    else
        fm_lazy_free(lazy);
    return status;
}

void fm_lazy_free(fm_lazy *lazy) {
    if (!lazy) return;
    for (int64_t i = 0; i < lazy->n_layers; i++) {
        fm_free(lazy->layers[i].bindings);
        fm_free(lazy->layers[i].state);
    }
    fm_free(lazy->layers);
    fm_free(lazy->memory);
    pthread_mutex_destroy(&lazy->lock);
    fm_free(lazy);
}

/* ---- telling ----------------------------------------------------------------------------------- */

uint64_t fm_lazy_sampled(fm_lazy *lazy) {
    const fm_model *m = lazy->model;
    pthread_mutex_lock(&lazy->lock);
    for (size_t i = 0; i < m->n_bindings && !lazy->is_sampled; i++)
        if (fm_packed_later(m, &m->bindings[i]) && !m->bindings[i].ready)
            lazy->sampled += fm_binding_fingerprint(m->store, &m->bindings[i]);
    lazy->is_sampled = true;
    uint64_t sampled = lazy->sampled;
    pthread_mutex_unlock(&lazy->lock);
    return sampled;
}

fm_later fm_model_later(const fm_model *m) {
    const fm_lazy *lazy = m->lazy;
    if (!lazy) return (fm_later){0};
    return (fm_later){.experts = atomic_load(&lazy->experts), .experts_total = lazy->experts_total,
                      .bytes = atomic_load(&lazy->bytes), .seconds = atomic_load(&lazy->seconds)};
}

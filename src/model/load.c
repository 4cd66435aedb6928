/* load.c: from the file to the kernels' layout, with the memory known beforehand.
 *
 * All copies lie in one block, in the order of the file, so that it is huge pages throughout, however
 * small a matrix may be. The file is cut into pieces that fit into a core's cache; whichever thread is
 * free takes the next one, reads it and packs it into its place. Disk and processors work at the same
 * time: what comes after next is asked for before it is needed.
 *
 * Pieces are read, not looked at through the mapping: a disk that fails or a file that somebody
 * shortened is then an error and not a fatal signal, and a copy of half a MiB inside the cache costs
 * less than the page faults of a mapping where the file system keeps single pages.
 *
 * A thread begins with a stretch of its own in every loop (base/pool.h), but takes from the others'
 * when it is done, and is not bound to a processor: no node of a machine with several memories is a
 * lasting home for a panel, so an even spread is best, and base/mem.c asks for it. Without it the
 * first thread to touch a page decides, and as all threads pack that spreads them too. */
#include "model/bind.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 512 << 10, BATCH = 64, BATCH_PER_THREAD = 16 };

static bool is_packed(const fm_model *m, const fm_binding *b) {
    return m->options.pack && fm_layout_for(&b->slice) != FM_LAYOUT_ROWS;
}

/* 0 where the rows of the file are used in place. */
static size_t copy_bytes(const fm_model *m, const fm_binding *b) {
    return is_packed(m, b) ? fm_weight_packed_bytes(b->weight) : 0;
}

uint64_t fm_model_memory(const fm_model *m) {
    uint64_t bytes = m->arena.total;
    for (size_t i = 0; i < m->n_bindings; i++) bytes += copy_bytes(m, &m->bindings[i]);
    return bytes;
}

static int by_place(const void *a, const void *b) {
    const fm_binding *x = a, *y = b;
    if (x->entry->shard != y->entry->shard) return x->entry->shard < y->entry->shard ? -1 : 1;
    if (x->slice.data != y->slice.data) return x->slice.data < y->slice.data ? -1 : 1;
    return 0;
}

/* ---- what there is to do ----------------------------------------------------------------------- */

/* Rows [first, first + rows) of a binding's slice. */
typedef struct piece {
    fm_binding *binding;
    char *copy; /* of the whole binding */
    int64_t first, rows;
} piece;

typedef struct job {
    fm_model *model;
    fm_pool *pool;
    piece *pieces;
    size_t n_pieces, first; /* of the batch that runs */
    char *buffers;          /* one for each thread */
    size_t buffer_bytes;
    uint64_t bytes;         /* of all pieces in the file */
    bool forget;            /* file and copies do not fit into memory together */
    _Atomic uint64_t sampled;
    _Atomic bool failed;
    fm_error *err;
    fm_status status;
} job;

/* Whole panels, as many as a piece may have. */
static int64_t rows_of_piece(const fm_binding *b) {
    int64_t panels = (int64_t)((size_t)PIECE / (FM_PANEL * b->slice.row_bytes + 1));
    return (panels ? panels : 1) * FM_PANEL;
}

/* The block scales of these rows, from the first to behind the last. */
static size_t scale_count(const fm_tensor *t) {
    if (!t->scales) return 0;
    int64_t begin = t->scale_row / t->scale_block[0];
    int64_t end = (t->scale_row + fm_tensor_rows(t) - 1) / t->scale_block[0] + 1;
    return (size_t)((end - begin) * t->scale_columns);
}

static size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

static size_t buffer_bytes_of(const fm_tensor *part) {
    return rounded(fm_tensor_bytes(part)) + rounded(scale_count(part) * sizeof(float));
}

static void add_pieces(job *j, fm_binding *b, char *copy) {
    int64_t all = fm_tensor_rows(&b->slice), step = rows_of_piece(b);
    for (int64_t row = 0; row < all; row += step) {
        int64_t rows = all - row < step ? all - row : step;
        fm_tensor part = fm_tensor_slice_rows(&b->slice, row, rows);
        size_t bytes = buffer_bytes_of(&part);
        if (bytes > j->buffer_bytes) j->buffer_bytes = bytes;
        j->bytes += fm_tensor_bytes(&part);
        j->pieces[j->n_pieces++] = (piece){b, copy, row, rows};
    }
}

/* The list of pieces, and memory for all copies. */
static fm_status prepare(job *j, fm_error *err) {
    fm_model *m = j->model;
    size_t pieces = 0, bytes = 0, threads = (size_t)fm_pool_threads(j->pool);
    for (size_t i = 0; i < m->n_bindings; i++) {
        fm_binding *b = &m->bindings[i];
        if (!copy_bytes(m, b)) continue;
        int64_t step = rows_of_piece(b);
        pieces += (size_t)((fm_tensor_rows(&b->slice) + step - 1) / step);
        if (!fm_add_size(bytes, copy_bytes(m, b), &bytes)) bytes = SIZE_MAX;
    }
    m->packed = bytes ? fm_alloc(bytes, FM_MEM_WEIGHTS) : NULL;
    if (bytes && !m->packed) return fm_fail_memory(err, bytes, "the weights in the kernels' layout");
    j->pieces = fm_alloc_array(pieces, sizeof *j->pieces, FM_MEM_OTHER);
    if (!j->pieces) return fm_fail_memory(err, pieces * sizeof *j->pieces, "the list of what to load");
    char *copy = m->packed;
    for (size_t i = 0; i < m->n_bindings; i++) {
        size_t own = copy_bytes(m, &m->bindings[i]);
        if (!own) continue;
        add_pieces(j, &m->bindings[i], copy);
        copy += own;
    }
    size_t buffers;
    if (!fm_mul_size(threads, j->buffer_bytes, &buffers)) buffers = SIZE_MAX;
    j->buffers = fm_alloc(buffers, FM_MEM_OTHER);
    if (!j->buffers) return fm_fail_memory(err, buffers, "reading the weights");
    uint64_t available = fm_mem_available();
    j->forget = available && available < j->bytes + bytes;
    return FM_OK;
}

/* ---- doing it ---------------------------------------------------------------------------------- */

/* Rows of a slice, with their block scales, copied from the file into `buffer`. */
static fm_status read_rows(const fm_store *store, const fm_tensor *slice, int64_t first, int64_t rows,
                           char *buffer, fm_tensor *out, fm_error *err) {
    *out = fm_tensor_slice_rows(slice, first, rows);
    size_t bytes = fm_tensor_bytes(out);
    FM_TRY(fm_store_read(store, out->data, bytes, buffer, err));
    out->data = buffer;
    if (!out->scales) return FM_OK;
    const float *scales = out->scales + out->scale_row / out->scale_block[0] * out->scale_columns;
    float *copy = (float *)(void *)(buffer + rounded(bytes));
    FM_TRY(fm_store_read(store, scales, scale_count(out) * sizeof *copy, copy, err));
    out->scales = copy;
    out->scale_row %= out->scale_block[0];
    return FM_OK;
}

static fm_status load_piece(job *j, const piece *p, char *buffer, fm_error *err) {
    fm_binding *b = p->binding;
    const fm_model *m = j->model;
    fm_tensor rows;
    FM_TRY(read_rows(m->store, &b->slice, p->first, p->rows, buffer, &rows, err));
    int64_t begin = p->first / FM_PANEL, end = (p->first + p->rows + FM_PANEL - 1) / FM_PANEL;
    fm_weight_pack_piece(b->weight, &rows, begin, end, p->copy);
    bool last = p->first + p->rows == fm_tensor_rows(&b->slice);
    if (last && m->options.pack) /* while its bytes are at hand */
        atomic_fetch_add(&j->sampled, fm_binding_fingerprint(m->store, b));
    return FM_OK;
}

static void load_pieces(void *context, int64_t begin, int64_t end, int worker) {
    job *j = context;
    char *buffer = j->buffers + (size_t)worker * j->buffer_bytes;
    for (int64_t i = begin; i < end && !atomic_load(&j->failed); i++) {
        const piece *p = &j->pieces[j->first + (size_t)i];
        fm_error err;
        fm_status status = load_piece(j, p, buffer, &err);
        if (status == FM_OK || atomic_exchange(&j->failed, true)) continue;
        fm_error_prefix(&err, status, "%s", p->binding->entry->name); /* the first to fail speaks */
        if (j->err) *j->err = err;
        j->status = status;
    }
}

static size_t end_of_batch(const job *j, size_t first) {
    size_t n = BATCH + BATCH_PER_THREAD * (size_t)fm_pool_threads(j->pool);
    return j->n_pieces - first < n ? j->n_pieces : first + n;
}

typedef void (*hint_fn)(const fm_store *store, const void *view, size_t bytes);

/* Bytes of the batch in the file. */
static uint64_t for_batch(const job *j, size_t first, size_t end, hint_fn hint) {
    uint64_t bytes = 0;
    for (size_t i = first; i < end; i++) {
        const piece *p = &j->pieces[i];
        fm_tensor part = fm_tensor_slice_rows(&p->binding->slice, p->first, p->rows);
        bool embedding = p->binding->entry->tensor.data == j->model->embed.source.data;
        bytes += fm_tensor_bytes(&part);
        if (hint == fm_store_will_read || (hint && !embedding))
            hint(j->model->store, part.data, fm_tensor_bytes(&part));
    }
    return bytes;
}

static fm_status run(job *j, bool (*progress)(void *context, double fraction), void *context,
                     fm_error *err) {
    uint64_t done = 0;
    size_t end = end_of_batch(j, 0);
    for_batch(j, 0, end, fm_store_will_read);
    for (size_t first = 0; first < j->n_pieces; first = end) {
        end = end_of_batch(j, first);
        for_batch(j, end, end_of_batch(j, end), fm_store_will_read);
        j->first = first;
        fm_pool_for(j->pool, (int64_t)(end - first), 1, load_pieces, j);
        if (atomic_load(&j->failed)) return j->status;
        done += for_batch(j, first, end, j->forget ? fm_store_forget : NULL);
        if (progress && !progress(context, (double)done / (double)j->bytes))
            return fm_fail(err, FM_ERR_CANCELLED, "loading was cancelled");
    }
    return FM_OK;
}

/* The copies are whole: from now on they are what is read. */
static void use_copies(job *j) {
    fm_model *m = j->model;
    const char *copy = m->packed;
    for (size_t i = 0; i < m->n_bindings; i++) {
        fm_binding *b = &m->bindings[i];
        size_t bytes = copy_bytes(m, b);
        if (bytes) fm_weight_use_packed(b->weight, copy);
        if (!bytes && m->options.pack) j->sampled += fm_binding_fingerprint(m->store, b);
        if (bytes) copy += bytes;
    }
    m->sampled += j->sampled;
    m->sampled_all = m->options.pack;
    m->load_bytes = j->bytes;
}

fm_status fm_model_load(fm_model *m, fm_pool *pool,
                        bool (*progress)(void *context, double fraction), void *context,
                        fm_error *err) {
    double begin = fm_clock_seconds();
    job j = {.model = m, .pool = pool, .err = err};
    qsort(m->bindings, m->n_bindings, sizeof *m->bindings, by_place);
    fm_status status = prepare(&j, err);
    if (status == FM_OK) status = run(&j, progress, context, err);
    if (status == FM_OK) use_copies(&j);
    fm_free(j.pieces);
    fm_free(j.buffers);
    m->load_seconds = fm_clock_seconds() - begin;
    return status;
}

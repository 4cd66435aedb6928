/* pieces.c: who packs a piece first asks the system for one that comes a batch later, so that disk and
 * processors work at the same time. */
#include "model/pieces.h"

enum { PIECE = 512 << 10, BATCH = 64, BATCH_PER_THREAD = 16 };

/* Whole panels, as many as a piece may have. */
static int64_t rows_of_piece(const fm_binding *b) {
    int64_t panels = (int64_t)((size_t)PIECE / (FM_PANEL * b->slice.row_bytes + 1));
    return (panels ? panels : 1) * FM_PANEL;
}

size_t fm_pieces_of(const fm_binding *b) {
    int64_t step = rows_of_piece(b);
    return (size_t)((fm_tensor_rows(&b->slice) + step - 1) / step);
}

fm_status fm_pieces_begin(fm_pieces *p, const fm_store *store, fm_pool *pool, size_t room, fm_error *err) {
    *p = (fm_pieces){.store = store, .pool = pool};
    p->list = fm_alloc_array(room, sizeof *p->list, FM_MEM_OTHER);
    return p->list ? FM_OK : fm_fail_memory(err, room * sizeof *p->list, "the list of what to load");
}

void fm_pieces_end(fm_pieces *p) {
    fm_free(p->list);
    fm_free(p->buffers);
    p->list = NULL;
    p->buffers = NULL;
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

static fm_tensor rows_of(const fm_piece *p) {
    return fm_tensor_slice_rows(&p->binding->slice, p->first, p->rows);
}

void fm_pieces_add(fm_pieces *p, const fm_binding *b, char *copy) {
    int64_t all = fm_tensor_rows(&b->slice), step = rows_of_piece(b);
    for (int64_t row = 0; row < all; row += step) {
        fm_piece *piece = &p->list[p->n++];
        *piece = (fm_piece){b, copy, row, all - row < step ? all - row : step};
        fm_tensor part = rows_of(piece);
        size_t bytes = buffer_bytes_of(&part);
        if (bytes > p->buffer_bytes) p->buffer_bytes = bytes;
        p->bytes += fm_tensor_bytes(&part);
    }
}

/* ---- a piece ----------------------------------------------------------------------------------- */

static fm_status take_buffers(fm_pieces *p, fm_error *err) {
    size_t bytes;
    if (!fm_mul_size((size_t)fm_pool_threads(p->pool), p->buffer_bytes, &bytes)) bytes = SIZE_MAX;
    p->buffers = fm_alloc(bytes, FM_MEM_OTHER);
    return p->buffers ? FM_OK : fm_fail_memory(err, bytes, "reading the weights");
}

/* The piece's rows with their block scales, copied from the file into `buffer`. */
static fm_status read_rows(const fm_store *store, const fm_piece *piece, char *buffer, fm_tensor *out,
                           fm_error *err) {
    *out = rows_of(piece);
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

static fm_status pack_piece(fm_pieces *p, const fm_piece *piece, char *buffer, fm_error *err) {
    const fm_binding *b = piece->binding;
    fm_tensor rows;
    FM_TRY(read_rows(p->store, piece, buffer, &rows, err));
    int64_t begin = piece->first / FM_PANEL, end = (piece->first + piece->rows + FM_PANEL - 1) / FM_PANEL;
    fm_weight_pack_piece(b->weight, &rows, begin, end, piece->copy);
    bool last = piece->first + piece->rows == fm_tensor_rows(&b->slice);
    if (last && p->samples) atomic_fetch_add(&p->sampled, fm_binding_fingerprint(p->store, b));
    return FM_OK;
}

static void ask_for(const fm_pieces *p, size_t i) {
    if (i >= p->n) return;
    fm_tensor rows = rows_of(&p->list[i]);
    fm_store_will_read(p->store, rows.data, fm_tensor_bytes(&rows));
}

static void pack_range(void *context, int64_t begin, int64_t end, int worker) {
    fm_pieces *p = context;
    char *buffer = p->buffers + (size_t)worker * p->buffer_bytes;
    for (int64_t i = begin; i < end && !atomic_load(&p->failed); i++) {
        const fm_piece *piece = &p->list[p->first + (size_t)i];
        fm_error err;
        ask_for(p, p->first + (size_t)i + p->batch);
        fm_status status = pack_piece(p, piece, buffer, &err);
        if (status == FM_OK || atomic_exchange(&p->failed, true)) continue;
        fm_error_prefix(&err, status, "%s", piece->binding->entry->name); /* the first to fail speaks */
        p->error = err;
        p->status = status;
    }
}

/* ---- all of them ------------------------------------------------------------------------------- */

/* Bytes of the batch in the files. */
static uint64_t leave(const fm_pieces *p, size_t first, size_t end) {
    uint64_t bytes = 0;
    for (size_t i = first; i < end; i++) {
        fm_tensor rows = rows_of(&p->list[i]);
        bytes += fm_tensor_bytes(&rows);
        if (p->forget && p->list[i].binding->entry->tensor.data != p->keep)
            fm_store_forget(p->store, rows.data, fm_tensor_bytes(&rows));
    }
    return bytes;
}

fm_status fm_pieces_pack(fm_pieces *p, bool (*progress)(void *context, double fraction), void *context,
                         fm_error *err) {
    uint64_t done = 0;
    FM_TRY(take_buffers(p, err));
    p->batch = BATCH + BATCH_PER_THREAD * (size_t)fm_pool_threads(p->pool);
    for (size_t i = 0; i < p->batch; i++) ask_for(p, i);
    for (size_t first = 0, end; first < p->n; first = end) {
        end = p->n - first < p->batch ? p->n : first + p->batch;
        p->first = first;
        fm_pool_for(p->pool, (int64_t)(end - first), 1, pack_range, p);
        if (atomic_load(&p->failed)) {
            if (err) *err = p->error;
            return p->status;
        }
        done += leave(p, first, end);
        if (progress && !progress(context, (double)done / (double)p->bytes))
            return fm_fail(err, FM_ERR_CANCELLED, "loading was cancelled");
    }
    return FM_OK;
}

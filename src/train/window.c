#include "train/window.h"

#include "base/rng.h"
#include "train/packing.h"
#include "train/permute.h"

#include <math.h>
#include <string.h>

/* Streams of the generator: what a draw is for, and for which source. */
enum { STREAM_ORDER = 0x6f72, STREAM_FIM = 0x666d };

static uint64_t stream_of(int purpose, size_t source) { return (uint64_t)purpose << 32 | source; }

/* ---- drawing -------------------------------------------------------------------------------------*/

/* The source that is furthest behind its weight and has a document left; -1: none has. */
static int next_source(const fm_dataset *data, const fm_loader_options *o, const double *weights,
                       const fm_loader_state *state) {
    int best = -1;
    double least = 0;
    for (size_t i = 0; i < data->n_sources; i++) {
        uint64_t documents = (uint64_t)data->sources[i].part[o->portion].documents;
        if (weights[i] <= 0) continue;
        if (o->epochs > 0 && state->sources[i].documents / documents >= (uint64_t)o->epochs) continue;
        double progress = (double)state->sources[i].tokens / weights[i];
        if (best < 0 || progress < least) best = (int)i, least = progress;
    }
    return best;
}

static fm_status draw(fm_window *w, const fm_dataset *data, const fm_loader_options *o, int source,
                      fm_loader_state *state, fm_error *err) {
    const fm_dataset_part *part = &data->sources[source].part[o->portion];
    fm_loader_source_state *at = &state->sources[source];
    uint64_t n = (uint64_t)part->documents, epoch = at->documents / n;
    fm_rng_block order = fm_rng_at(o->seed, stream_of(STREAM_ORDER, (size_t)source), epoch);
    int64_t document = fm_permute((int64_t)(at->documents % n), (int64_t)n,
                                  (uint64_t)order.word[1] << 32 | order.word[0]), local;
    fm_rng_block random = fm_rng_at(o->seed, stream_of(STREAM_FIM, (size_t)source), at->documents);
    const fm_shard *shard = fm_dataset_find(part, document, &local);
    fm_drawn d;
    FM_TRY(fm_drawn_init(shard, local, &data->roles, o->fim_rate, random.word, &d, err));
    fm_buffer_put(&w->drawn, &d, sizeof d);
    at->documents++;
    at->tokens += (uint64_t)d.length;
    return FM_OK;
}

static fm_status draw_all(fm_window *w, const fm_dataset *data, const fm_loader_options *o,
                          const double *weights, fm_loader_state *state, fm_error *err) {
    int64_t tokens = 0, enough = o->window;
    while (tokens < enough) {
        int source = next_source(data, o, weights, state);
        if (source < 0) break;
        uint64_t before = state->sources[source].tokens;
        FM_TRY(draw(w, data, o, source, state, err));
        tokens += (int64_t)(state->sources[source].tokens - before);
    }
    return fm_buffer_status(&w->drawn, err);
}

/* ---- rows ----------------------------------------------------------------------------------------*/

/* What packing needs beside the window. */
typedef struct packer {
    fm_buffer pieces, lengths, rest, row_of; /* fm_piece; of rests: int64_t length, piece, row */
    int64_t n_full;                          /* rows that one piece fills */
} packer;

static void packer_clear(packer *p) {
    fm_buffer_clear(&p->pieces);
    fm_buffer_clear(&p->lengths);
    fm_buffer_clear(&p->rest);
    fm_buffer_clear(&p->row_of);
}

static int64_t *int64s(const fm_buffer *b) { return (int64_t *)(void *)b->data; }
static int64_t count_of(const fm_buffer *b, size_t size) { return (int64_t)(b->size / size); }

/* Full pieces have their row at once: row_of is filled for them, and -1 for rests. */
static fm_status cut(packer *p, const fm_window *w, int64_t context, fm_error *err) {
    int64_t n = count_of(&w->drawn, sizeof(fm_drawn));
    for (int64_t i = 0; i < n; i++) {
        int64_t length = fm_window_drawn(w, i)->length;
        for (int64_t from = 0; from < length; from += context) {
            fm_piece piece = {i, from, length - from < context ? length - from : context};
            int64_t number = count_of(&p->pieces, sizeof piece), row = -1;
            fm_buffer_put(&p->pieces, &piece, sizeof piece);
            if (piece.count == context) {
                row = p->n_full++;
            } else {
                fm_buffer_put(&p->lengths, &piece.count, sizeof piece.count);
                fm_buffer_put(&p->rest, &number, sizeof number);
            }
            fm_buffer_put(&p->row_of, &row, sizeof row);
        }
    }
    FM_TRY(fm_buffer_status(&p->pieces, err));
    FM_TRY(fm_buffer_status(&p->lengths, err));
    FM_TRY(fm_buffer_status(&p->rest, err));
    return fm_buffer_status(&p->row_of, err);
}

/* Sorts the pieces into their rows, those of a row in the order of drawing. */
static fm_status sort_pieces(fm_window *w, const packer *p, fm_error *err) {
    int64_t n = count_of(&p->pieces, sizeof(fm_piece));
    const fm_piece *from = (const fm_piece *)(const void *)p->pieces.data;
    fm_piece *to = fm_buffer_room(&w->pieces, p->pieces.size);
    int64_t *first = fm_buffer_room(&w->rows, (size_t)(w->n_rows + 2) * sizeof *first);
    if (!to || !first) return fm_fail_memory(err, p->pieces.size, "packing documents");
    memset(first, 0, (size_t)(w->n_rows + 2) * sizeof *first);
    for (int64_t i = 0; i < n; i++) first[int64s(&p->row_of)[i] + 2]++;
    for (int64_t r = 0; r < w->n_rows; r++) first[r + 2] += first[r + 1];
    for (int64_t i = 0; i < n; i++) to[first[int64s(&p->row_of)[i] + 1]++] = from[i];
    return FM_OK; /* counting has moved each beginning one place down: first[r] is row r's */
}

static fm_status pack(fm_window *w, packer *p, int64_t context, fm_error *err) {
    FM_TRY(cut(p, w, context, err));
    int64_t n = count_of(&p->lengths, sizeof(int64_t)), rows = 0;
    int64_t *rest_rows = fm_alloc_array((size_t)n + 1, sizeof *rest_rows, FM_MEM_OTHER);
    if (!rest_rows) return fm_fail_memory(err, (size_t)n * sizeof *rest_rows, "packing documents");
    fm_status status = fm_pack_rows(int64s(&p->lengths), n, context, rest_rows, &rows, err);
    for (int64_t i = 0; i < n && status == FM_OK; i++)
        int64s(&p->row_of)[int64s(&p->rest)[i]] = p->n_full + rest_rows[i];
    fm_free(rest_rows);
    w->n_rows = p->n_full + rows;
    return status == FM_OK ? sort_pieces(w, p, err) : status;
}

fm_status fm_window_fill(fm_window *w, const fm_dataset *data, const fm_loader_options *o,
                         const double *weights, fm_loader_state *state, fm_error *err) {
    packer p = {0};
    w->drawn.size = w->pieces.size = w->rows.size = 0;
    w->n_rows = 0;
    fm_status status = draw_all(w, data, o, weights, state, err);
    if (status == FM_OK && w->drawn.size) status = pack(w, &p, o->context, err);
    packer_clear(&p);
    if (status != FM_OK) w->n_rows = 0;
    return status;
}

void fm_window_clear(fm_window *w) {
    fm_buffer_clear(&w->drawn);
    fm_buffer_clear(&w->pieces);
    fm_buffer_clear(&w->rows);
    *w = (fm_window){0};
}

const fm_piece *fm_window_row(const fm_window *w, int64_t place, uint64_t key, int64_t *n) {
    int64_t row = fm_permute(place, w->n_rows, key);
    const int64_t *first = int64s(&w->rows);
    *n = first[row + 1] - first[row];
    return (const fm_piece *)(const void *)w->pieces.data + first[row];
}

/* emit_fp8.c: matrices in FP8 with a scale for each 128 x 128, a few bands of blocks at a time. */
#include "compress/emit.h"

#include "tensor/fp8.h"

#include <math.h>
#include <stdatomic.h>

enum { CHUNK_ELEMENTS = 4 << 20 };

typedef struct job {
    const fm_outlined *item; /* the matrix */
    int64_t rows, columns, across; /* blocks side by side */
    int64_t band;  /* rows of a task: whole blocks and whole units of the outline, or all */
    int64_t chunk; /* rows between two writes: whole bands */
    int64_t first, count; /* rows of this chunk */
    uint8_t *codes;
    float *scales;
    float *floats; /* a worker's band, its work */
    size_t floats_per_worker;
    atomic_bool infinite;
} job;

static int64_t blocks_of(int64_t n) { return (n - 1) / FM_FP8_BLOCK + 1; }

static bool has_infinity(const float *w, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (isinf(w[i])) return true;
    return false;
}

static void make_bands(void *context, int64_t begin, int64_t end, int worker) {
    job *j = context;
    float *band = j->floats + j->floats_per_worker * (size_t)worker, *work = band + j->band * j->columns;
    for (int64_t task = begin; task < end; task++) {
        int64_t at = task * j->band, n = j->count - at < j->band ? j->count - at : j->band;
        fm_outlined_rows(j->item, j->first + at, n, band, work);
        if (has_infinity(band, n * j->columns)) j->infinite = true;
        fm_fp8_quantize_matrix(band, n, j->columns, false, j->codes + at * j->columns,
                               j->scales + at / FM_FP8_BLOCK * j->across);
    }
}

static fm_status take_memory(job *j, int workers, fm_error *err) {
    size_t elements = (size_t)(j->chunk * j->columns), bytes;
    j->floats_per_worker = (size_t)(j->band * j->columns + fm_outlined_work(j->item));
    if (!fm_mul_size((size_t)workers * sizeof(float), j->floats_per_worker, &bytes))
        return fm_fail(err, FM_ERR_LIMIT, "tensor %s: its rows are too long", j->item->name);
    j->codes = fm_alloc(elements, FM_MEM_OTHER);
    j->scales = fm_alloc_array((size_t)(blocks_of(j->chunk) * j->across), sizeof *j->scales, FM_MEM_OTHER);
    j->floats = fm_alloc(bytes, FM_MEM_OTHER);
    return j->codes && j->scales && j->floats ? FM_OK : fm_fail_memory(err, elements + bytes, j->item->name);
}

static fm_status put(const fm_outlined *item, const void *codes, const float *scales, int64_t rows,
                     const fm_emit_options *o, fm_item_sink *sink, fm_error *err) {
    const fm_outlined *matrix = item->scales_of ? item->scales_of : item;
    int64_t columns = fm_outlined_columns(matrix);
    if (item->scales_of)
        FM_TRY(fm_item_put(sink, scales, (size_t)(blocks_of(rows) * blocks_of(columns)) * sizeof *scales, err));
    else
        FM_TRY(fm_item_put(sink, codes, (size_t)(rows * columns), err));
    if (!o->progress || o->progress(o->context, rows * columns)) return FM_OK;
    return fm_fail(err, FM_ERR_CANCELLED, "stopped");
}

static fm_status run(job *j, const fm_outlined *item, const fm_emit_options *o, fm_item_sink *sink,
                     fm_error *err) {
    for (j->first = 0; j->first < j->rows; j->first += j->count) {
        j->count = j->rows - j->first < j->chunk ? j->rows - j->first : j->chunk;
        fm_pool_for(o->pool, (j->count - 1) / j->band + 1, 1, make_bands, j);
        if (j->infinite)
            return fm_fail(err, FM_ERR_FORMAT, "tensor %s holds infinities, which would take the blocks of "
                           "FP8 that they lie in with them", j->item->name);
        FM_TRY(put(item, j->codes, j->scales, j->count, o, sink, err));
    }
    return FM_OK;
}

fm_status fm_emit_fp8(const fm_outlined *item, const fm_emit_options *options, fm_item_sink *sink, fm_error *err) {
    const fm_outlined *matrix = item->scales_of ? item->scales_of : item;
    job j = {.item = matrix, .rows = fm_outlined_rows_count(matrix), .columns = fm_outlined_columns(matrix)};
    if (fm_outlined_keeps_fp8(matrix)) {
        const fm_tensor *t = &matrix->parts[0].entry->tensor;
        return put(item, t->data, t->scales, j.rows, options, sink, err);
    }
    int workers = fm_pool_threads(options->pool);
    j.across = blocks_of(j.columns);
    for (j.band = matrix->unit; j.band % FM_FP8_BLOCK; j.band += matrix->unit) {}
    if (j.band > j.rows) j.band = j.rows;
    int64_t bands = CHUNK_ELEMENTS / (j.band * j.columns), most = (j.rows - 1) / j.band + 1;
    if (bands < workers) bands = workers;
    j.chunk = bands < most ? bands * j.band : j.rows;
    fm_status status = take_memory(&j, workers, err);
    if (status == FM_OK) status = run(&j, item, options, sink, err);
    fm_free(j.codes);
    fm_free(j.scales);
    fm_free(j.floats);
    return status;
}

#include "compress/emit.h"

#include "tensor/encode.h"

#include <stdatomic.h>
#include <string.h>

enum { CHUNK_BYTES = 4 << 20, GRAIN_ELEMENTS = 32 << 10 };

/* One stretch of rows on its way. */
typedef struct job {
    const fm_outlined *item;
    const fm_emit_options *options;
    bool copy, blocks;
    int64_t columns, first, count; /* rows of this chunk */
    size_t row_bytes;
    int64_t step;                  /* rows of a task: whole units */
    char *bytes;
    fm_emitted *rows;              /* [rows of a chunk] what rounding did to each, or NULL */
    float *floats;                 /* a worker's rows, one of them decoded again, its work */
    size_t floats_per_worker;
    atomic_bool no_numbers;        /* a value that blocks cannot hold */
} job;

static const float *importance_of(const job *j, int64_t row) {
    const fm_emit_options *o = j->options;
    if (!o->importance) return NULL;
    int64_t height = fm_outlined_rows_count(j->item) / o->importance_rows;
    return o->importance + row / height * j->columns;
}

/* Blocks share scales: one infinity would take its neighbours with it. */
static bool is_finite(const float *row, int64_t n) {
    float sum = 0;
    for (int64_t i = 0; i < n; i++) sum += row[i] * 0; /* NaN if any is none */
    return sum == 0;
}

static void measure_row(const job *j, int64_t at, const float *row, const char *bytes, float *again) {
    double error = 0, whole = 0;
    fm_dtype_get(j->item->dtype)->decode(bytes, again, j->columns);
    for (int64_t c = 0; c < j->columns; c++) {
        double d = (double)row[c] - (double)again[c];
        error += d * d;
        whole += (double)row[c] * (double)row[c];
    }
    j->rows[at] = (fm_emitted){error, whole};
}

static void make_rows(void *context, int64_t begin, int64_t end, int worker) {
    job *j = context;
    if (j->copy) {
        int64_t at = begin * j->step, n = (end * j->step < j->count ? end * j->step : j->count) - at;
        fm_outlined_copy(j->item, j->first + at, n, j->bytes + (size_t)at * j->row_bytes);
        return;
    }
    float *rows = j->floats + j->floats_per_worker * (size_t)worker;
    float *again = rows + j->step * j->columns, *work = again + j->columns;
    for (int64_t task = begin; task < end; task++) {
        int64_t at = task * j->step, n = j->count - at < j->step ? j->count - at : j->step;
        char *bytes = j->bytes + (size_t)at * j->row_bytes;
        fm_outlined_rows(j->item, j->first + at, n, rows, work);
        for (int64_t i = 0; i < n; i++, bytes += j->row_bytes) {
            const float *row = rows + i * j->columns;
            if (j->blocks && !is_finite(row, j->columns)) j->no_numbers = true;
            fm_quantize_row(j->item->dtype, row, importance_of(j, j->first + at + i), bytes, j->columns);
            if (j->rows) measure_row(j, at + i, row, bytes, again);
        }
    }
}

static int64_t whole_units(int64_t rows, int64_t unit) {
    return rows < unit ? unit : rows / unit * unit;
}

static fm_status take_memory(job *j, int64_t chunk, fm_error *err) {
    size_t work = (size_t)fm_outlined_work(j->item), bytes, floats;
    size_t workers = (size_t)fm_pool_threads(j->options->pool);
    j->floats_per_worker = (size_t)(j->step + 1) * (size_t)j->columns + work;
    if (!fm_mul_size((size_t)chunk, j->row_bytes, &bytes) ||
        !fm_mul_size(workers, j->floats_per_worker * sizeof(float), &floats))
        return fm_fail(err, FM_ERR_LIMIT, "tensor %s: its rows are too long", j->item->name);
    j->bytes = fm_alloc(bytes, FM_MEM_OTHER);
    j->floats = j->copy ? NULL : fm_alloc(floats, FM_MEM_OTHER);
    bool measured = j->options->measure && !j->copy;
    j->rows = measured ? fm_alloc_array((size_t)chunk, sizeof *j->rows, FM_MEM_OTHER) : NULL;
    if (j->bytes && (j->copy || j->floats) && (!measured || j->rows)) return FM_OK;
    return fm_fail_memory(err, bytes + floats, j->item->name);
}

static fm_status run(job *j, int64_t chunk, fm_item_sink *sink, fm_emitted *result, fm_error *err) {
    const fm_emit_options *o = j->options;
    int64_t rows = fm_outlined_rows_count(j->item);
    for (j->first = 0; j->first < rows; j->first += j->count) {
        j->count = rows - j->first < chunk ? rows - j->first : chunk;
        fm_pool_for(o->pool, (j->count + j->step - 1) / j->step, 1, make_rows, j);
        if (j->no_numbers)
            return fm_fail(err, FM_ERR_FORMAT, "tensor %s holds values that are no numbers, which cannot be "
                           "rounded to %s", j->item->name, fm_dtype_get(j->item->dtype)->name);
        for (int64_t i = 0; j->rows && i < j->count; i++) {
            result->error += j->rows[i].error;
            result->whole += j->rows[i].whole;
        }
        FM_TRY(fm_item_put(sink, j->bytes, (size_t)j->count * j->row_bytes, err));
        if (o->progress && !o->progress(o->context, j->count * j->columns))
            return fm_fail(err, FM_ERR_CANCELLED, "stopped");
    }
    return FM_OK;
}

fm_status fm_emit(const fm_outlined *item, const fm_emit_options *options, fm_item_sink *sink,
                  fm_emitted *result, fm_error *err) {
    job j = {.item = item, .options = options, .columns = fm_outlined_columns(item),
             .copy = fm_outlined_is_copy(item),
             .blocks = fm_dtype_get(item->dtype)->block_elements > 1};
    *result = (fm_emitted){0};
    if (item->scales_of || item->dtype == FM_DTYPE_F8_E4M3) return fm_emit_fp8(item, options, sink, err);
    if (!fm_dtype_bytes(item->dtype, j.columns, &j.row_bytes))
        return fm_fail(err, FM_ERR_ARGUMENT, "tensor %s: rows of %lld do not divide into blocks of %s",
                       item->name, (long long)j.columns, fm_dtype_get(item->dtype)->name);
    int64_t grain = GRAIN_ELEMENTS / j.columns, chunk = (int64_t)(CHUNK_BYTES / j.row_bytes);
    j.step = whole_units(grain, item->unit);
    chunk = chunk < j.step ? j.step : chunk / j.step * j.step;
    fm_status status = take_memory(&j, chunk, err);
    if (status == FM_OK) status = run(&j, chunk, sink, result, err);
    fm_free(j.bytes);
    fm_free(j.floats);
    fm_free(j.rows);
    return status;
}

bool fm_outlined_fits(const fm_outlined *item, fm_dtype dtype, fm_status *status, fm_error *err) {
    const fm_dtype_info *d = fm_dtype_get(dtype);
    int64_t columns = fm_outlined_columns(item), rows = fm_outlined_rows_count(item);
    size_t unit = (size_t)(item->unit * columns);
    float *row = fm_alloc_array(2 * unit + (size_t)fm_outlined_work(item), sizeof *row, FM_MEM_OTHER);
    char *narrow = fm_alloc(unit * (size_t)d->block_bytes, FM_MEM_OTHER);
    bool same = row && narrow;
    *status = same ? FM_OK : fm_fail_memory(err, unit, item->name);
    for (int64_t i = 0; i < rows && same; i += item->unit) {
        fm_outlined_rows(item, i, item->unit, row, row + 2 * unit);
        d->encode(row, narrow, (int64_t)unit);
        d->decode(narrow, row + unit, (int64_t)unit);
        same = memcmp(row, row + unit, unit * sizeof *row) == 0;
    }
    fm_free(row);
    fm_free(narrow);
    return same;
}

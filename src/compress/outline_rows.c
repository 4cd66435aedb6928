/* outline_rows.c: the numbers of an outlined tensor, a stretch of rows at a time. */
#include "compress/outline.h"

#include "tensor/fp8.h"

#include <assert.h>
#include <string.h>

int64_t fm_outlined_rows_count(const fm_outlined *item) {
    int64_t n = 1;
    for (int i = 0; i < item->n_dims - 1; i++) n *= item->shape[i];
    return n;
}

fm_dtype fm_outlined_source(const fm_outlined *item) {
    return item->arrangement == FM_ARRANGE_VALUES ? FM_DTYPE_F32 : item->parts[0].entry->tensor.dtype;
}

static bool keeps_rows(const fm_outlined *item) {
    return item->arrangement == FM_ARRANGE_ROWS || item->arrangement == FM_ARRANGE_PAIRS ||
           item->arrangement == FM_ARRANGE_HALVES;
}

bool fm_outlined_merges(const fm_outlined *item) {
    for (size_t i = 0; i < item->n_parts; i++)
        if (item->parts[i].adapter) return true;
    return false;
}

bool fm_outlined_is_copy(const fm_outlined *item) {
    if (!keeps_rows(item) || fm_outlined_merges(item)) return false;
    for (size_t i = 0; i < item->n_parts; i++) {
        const fm_tensor *t = &item->parts[i].entry->tensor;
        if (t->dtype != item->dtype || t->scales) return false;
    }
    return true;
}

bool fm_outlined_keeps_fp8(const fm_outlined *item) {
    if (item->arrangement != FM_ARRANGE_ROWS || item->n_parts != 1 || item->parts[0].adapter) return false;
    const fm_tensor *t = &item->parts[0].entry->tensor;
    return t->dtype == FM_DTYPE_F8_E4M3 && t->scale_block[0] == FM_FP8_BLOCK &&
           t->scale_block[1] == FM_FP8_BLOCK;
}

/* Where row `row` of the result comes from: row *at of the part's tensor. */
static const fm_part *find_row(const fm_outlined *item, int64_t row, int64_t *at) {
    int64_t d = item->head_rows;
    if (item->arrangement == FM_ARRANGE_PAIRS) {
        int64_t i = row % d;
        row += i / 2 + i % 2 * (d / 2) - i;
    } else if (item->arrangement == FM_ARRANGE_HALVES) {
        int64_t i = row % d;
        row += i % (d / 2) * 2 + i / (d / 2) - i;
    }
    const fm_part *part = &item->parts[row / item->parts[0].rows];
    *at = part->first + row % item->parts[0].rows;
    return part;
}

void fm_outlined_copy(const fm_outlined *item, int64_t first, int64_t count, char *out) {
    for (int64_t row = first; row < first + count; row++) {
        int64_t at;
        const fm_tensor *t = &find_row(item, row, &at)->entry->tensor;
        memcpy(out, (const char *)t->data + (size_t)at * t->row_bytes, t->row_bytes);
        out += t->row_bytes;
    }
}

/* out += scale * B[row] A: the sum over the rank, in order, and what it is added to are doubles, in which a
 * product of two floats is exact; the result is rounded once. */
static void add_adapter(const fm_adapter *x, int64_t row, int64_t columns, float *out) {
    enum { STRIP = 64 };
    const float *b = x->b.master + row * x->b.n_in;
    for (int64_t c = 0; c < columns; c += STRIP) {
        int64_t n = columns - c < STRIP ? columns - c : STRIP;
        double sum[STRIP] = {0};
        for (int64_t r = 0; r < x->a.n_out; r++) {
            const float *a = x->a.master + r * columns + c;
            for (int64_t i = 0; i < n; i++) sum[i] += (double)b[r] * (double)a[i];
        }
        for (int64_t i = 0; i < n; i++) out[c + i] = (float)((double)out[c + i] + (double)x->scale * sum[i]);
    }
}

/* out[c][i] = row i, column c of the part; `out` has rows of `part->rows`. */
static void turn(const fm_part *part, float *out, float *line) {
    const fm_tensor *t = &part->entry->tensor;
    int64_t columns = fm_tensor_columns(t);
    for (int64_t i = 0; i < part->rows; i++) {
        fm_tensor_decode_row(t, part->first + i, line);
        for (int64_t c = 0; c < columns; c++) out[c * part->rows + i] = line[c];
    }
}

int64_t fm_outlined_work(const fm_outlined *item) {
    if (item->arrangement != FM_ARRANGE_K_B && item->arrangement != FM_ARRANGE_KV_B) return 0;
    return fm_tensor_columns(&item->parts[0].entry->tensor);
}

void fm_outlined_rows(const fm_outlined *item, int64_t first, int64_t count, float *out,
                      float *work) {
    int64_t columns = fm_outlined_columns(item);
    assert(first % item->unit == 0 && count % item->unit == 0);
    if (item->arrangement == FM_ARRANGE_VALUES) {
        memcpy(out, item->values + first * columns, (size_t)(count * columns) * sizeof *out);
        return;
    }
    if (keeps_rows(item)) {
        for (int64_t row = first; row < first + count; row++, out += columns) {
            int64_t at;
            const fm_part *part = find_row(item, row, &at);
            fm_tensor_decode_row(&part->entry->tensor, at, out);
            if (part->adapter) add_adapter(part->adapter, at, columns, out);
        }
        return;
    }
    for (int64_t head = first / item->unit; head < (first + count) / item->unit; head++) {
        if (item->arrangement == FM_ARRANGE_K_B) {
            turn(&item->parts[head], out, work);
            out += item->unit * columns;
            continue;
        }
        const fm_part *k = &item->parts[2 * head], *v = k + 1;
        turn(k, out, work);
        out += (item->unit - v->rows) * columns;
        for (int64_t i = 0; i < v->rows; i++, out += columns)
            fm_tensor_decode_row(&v->entry->tensor, v->first + i, out);
    }
}

void fm_outlined_drop(const fm_outlined *item, const fm_store *store) {
    for (size_t i = 0; i < item->n_parts; i++)
        if (i == 0 || item->parts[i].entry != item->parts[i - 1].entry)
            fm_store_drop(store, item->parts[i].entry);
}

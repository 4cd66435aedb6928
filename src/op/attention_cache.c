/* attention_cache.c: the rows of the cache as attention writes and reads them. */
#include "op/attention.h"

#include <assert.h>
#include <string.h>

/* Columns from `offset` of an INT8 row: their codes, and the scales of the blocks they begin. */
static int8_t *codes_at(char *row, int64_t offset) { return (int8_t *)row + offset; }
static float *scales_at(const fm_kv_shape *kv, char *row, int64_t offset) {
    return (float *)(void *)(row + kv->width) + offset / kv->block;
}

void fm_cache_write(const fm_kernels *k, const fm_kv_shape *kv, void *const *pages, int64_t layer,
                    int64_t position, int64_t offset, const float *x, int64_t n) {
    char *row = fm_kv_row(kv, pages, layer, position);
    switch (kv->type) {
    case FM_KV_F32: memcpy(row + (size_t)offset * 4, x, (size_t)n * 4); break;
    case FM_KV_BF16: k->bf16_from_float(x, n, (uint16_t *)(void *)(row + (size_t)offset * 2)); break;
    case FM_KV_INT8:
        assert(offset % kv->block == 0 && n % kv->block == 0);
        k->int8_from_float(x, n, kv->block, codes_at(row, offset), scales_at(kv, row, offset));
        break;
    }
}

int64_t fm_attention_rows_at(const fm_attention_rows *r, int64_t position, int64_t column, int64_t most,
                             fm_kept_form *form, fm_kept_rows *out) {
    if (!r->kv) {
        size_t size = r->form == FM_KEPT_BF16 ? 2 : 4;
        int64_t at = (position - r->first) * r->ld + column;
        *form = r->form;
        *out = (fm_kept_rows){.x = (const char *)r->x + (size_t)at * size, .stride = (size_t)r->ld * size};
        return most;
    }
    char *row = fm_kv_row(r->kv, r->pages, r->layer, position);
    int64_t run = fm_kv_run(r->kv, position), offset = r->offset + column;
    *out = (fm_kept_rows){.stride = r->kv->row_bytes, .block = r->kv->block};
    switch (r->kv->type) {
    case FM_KV_F32: *form = FM_KEPT_F32, out->x = row + (size_t)offset * 4; break;
    case FM_KV_BF16: *form = FM_KEPT_BF16, out->x = row + (size_t)offset * 2; break;
    case FM_KV_INT8:
        assert(offset % r->kv->block == 0);
        *form = FM_KEPT_INT8;
        out->x = codes_at(row, offset);
        out->scales = scales_at(r->kv, row, offset);
        break;
    }
    return run < most ? run : most;
}

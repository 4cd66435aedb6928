#include "op/attention.h"

#include <assert.h>
#include <string.h>

/* work: scores [n, BLOCK], block accumulator [n, d_v], m [n], l [n], block m [n], block l [n] */
int64_t fm_attention_work(int64_t n, int64_t d_v) {
    return n * (FM_ATTENTION_BLOCK + d_v + 4);
}

static float *block_sums(const fm_attention *a) { return a->work + a->n * FM_ATTENTION_BLOCK; }
static float *maxima(const fm_attention *a) { return block_sums(a) + a->n * a->d_v; }
static float *totals(const fm_attention *a) { return maxima(a) + a->n; }
static float *block_maxima(const fm_attention *a) { return maxima(a) + 2 * a->n; }
static float *block_totals(const fm_attention *a) { return maxima(a) + 3 * a->n; }

void fm_attention_block_begin(fm_attention *a, int64_t count) {
    for (int64_t h = 0; h < a->n; h++) {
        float *s = a->work + h * FM_ATTENTION_BLOCK;
        float m = a->k->max(s, count);
        block_maxima(a)[h] = m;
        block_totals(a)[h] = a->k->exp_sum(s, count, m);
    }
    /* the first block accumulates in place */
    if (a->started)
        memset(block_sums(a), 0, (size_t)(a->n * a->d_v) * sizeof(float));
    else
        for (int64_t h = 0; h < a->n; h++)
            memset(a->out + h * a->ldo, 0, (size_t)a->d_v * sizeof(float));
}

void fm_attention_block_values(fm_attention *a, int64_t from, int64_t count, const float *v,
                               int64_t ldv) {
    float *sums = a->started ? block_sums(a) : a->out;
    a->k->weighted_rows(a->work + from, a->n, FM_ATTENTION_BLOCK, v, count, ldv, a->d_v, sums,
                        a->started ? a->d_v : a->ldo);
}

void fm_attention_block_end(fm_attention *a) {
    if (!a->started) {
        memcpy(maxima(a), block_maxima(a), (size_t)a->n * sizeof(float));
        memcpy(totals(a), block_totals(a), (size_t)a->n * sizeof(float));
        a->started = true;
        return;
    }
    for (int64_t h = 0; h < a->n; h++) {
        float old = maxima(a)[h], block = block_maxima(a)[h];
        float m = old >= block ? old : block;
        float keep = old, take = block;
        a->k->exp_sum(&keep, 1, m);
        a->k->exp_sum(&take, 1, m);
        float *out = a->out + h * a->ldo;
        a->k->scale(keep, a->d_v, out);
        a->k->axpy(take, block_sums(a) + h * a->d_v, a->d_v, out);
        maxima(a)[h] = m;
        totals(a)[h] = totals(a)[h] * keep + block_totals(a)[h] * take;
    }
}

void fm_attention_finish(fm_attention *a) {
    for (int64_t h = 0; h < a->n; h++)
        a->k->scale(1.0f / totals(a)[h], a->d_v, a->out + h * a->ldo);
}

void fm_attention_save(const fm_attention *a, float *state) {
    memcpy(state, maxima(a), (size_t)(2 * a->n) * sizeof(float));
}

void fm_attention_restore(fm_attention *a, const float *state) {
    memcpy(maxima(a), state, (size_t)(2 * a->n) * sizeof(float));
}

int64_t fm_attention_buffer(const fm_kv_shape *kv, int64_t d_k, int64_t d_v) {
    return kv->type == FM_KV_F32 ? 0 : kv->page_positions * (d_k > d_v ? d_k : d_v);
}

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

const float *fm_cache_read(const fm_kernels *k, const fm_kv_shape *kv, void *const *pages,
                           int64_t layer, int64_t position, int64_t count, int64_t offset,
                           int64_t n, float *buffer, int64_t *ld) {
    char *row = fm_kv_row(kv, pages, layer, position);
    if (kv->type == FM_KV_F32) {
        *ld = (int64_t)(kv->row_bytes / 4);
        return (const float *)(const void *)(row + (size_t)offset * 4);
    }
    assert(kv->type == FM_KV_BF16 || (offset % kv->block == 0 && n % kv->block == 0));
    for (int64_t i = 0; i < count; i++, row += kv->row_bytes)
        if (kv->type == FM_KV_BF16)
            k->bf16_to_float((const uint16_t *)(const void *)(row + (size_t)offset * 2), n,
                             buffer + i * n);
        else
            k->int8_to_float(codes_at(row, offset), scales_at(kv, row, offset), n, kv->block,
                             buffer + i * n);
    *ld = n;
    return buffer;
}

static int64_t run_of(const fm_cached *c, int64_t position, int64_t most) {
    int64_t run = fm_kv_run(c->kv, position);
    return run < most ? run : most;
}

/* Calls are made per page. Where they are cut does not matter to the sums: each goes on in order. */
void fm_attention_cached(fm_attention *a, const fm_cached *c, const float *q, int64_t ldq) {
    a->started = false;
    for (int64_t block = 0; block < c->length; block += FM_ATTENTION_BLOCK) {
        int64_t count = c->length - block;
        if (count > FM_ATTENTION_BLOCK) count = FM_ATTENTION_BLOCK;
        int64_t ld;
        for (int64_t at = 0, n; at < count; at += n) {
            n = run_of(c, block + at, count - at);
            const float *keys = fm_cache_read(a->k, c->kv, c->pages, c->layer, block + at, n,
                                              c->key_offset, a->d_k, c->buffer, &ld);
            a->k->dots(q, a->n, ldq, keys, n, ld, a->d_k, a->scale, a->work + at,
                       FM_ATTENTION_BLOCK);
        }
        fm_attention_block_begin(a, count);
        for (int64_t at = 0, n; at < count; at += n) {
            n = run_of(c, block + at, count - at);
            const float *values = fm_cache_read(a->k, c->kv, c->pages, c->layer, block + at, n,
                                                c->value_offset, a->d_v, c->buffer, &ld);
            fm_attention_block_values(a, at, n, values, ld);
        }
        fm_attention_block_end(a);
    }
    fm_attention_finish(a);
}

#include "train/step_pages.h"

#include <assert.h>

static int64_t pages_of(const fm_kv_shape *kv, int64_t positions) {
    return (positions + kv->page_positions - 1) / kv->page_positions;
}

size_t fm_step_pages_bytes(const fm_kv_shape *kv, int64_t rows, int64_t segments) {
    size_t bytes;
    return fm_mul_size((size_t)(pages_of(kv, rows) + segments), kv->page_bytes, &bytes) ? bytes : SIZE_MAX;
}

fm_status fm_step_pages_new(const fm_kv_shape *kv, int64_t rows, int64_t segments, fm_step_pages *out, fm_error *err) {
    size_t bytes = fm_step_pages_bytes(kv, rows, segments);
    *out = (fm_step_pages){.kv = *kv, .capacity = pages_of(kv, rows) + segments};
    out->memory = fm_alloc(bytes, FM_MEM_CACHE);
    out->list = fm_alloc_array((size_t)out->capacity, sizeof *out->list, FM_MEM_CACHE);
    if (out->memory && out->list) return FM_OK;
    fm_step_pages_clear(out);
    return fm_fail_memory(err, bytes, "keys and values of a step");
}

void fm_step_pages_clear(fm_step_pages *p) {
    fm_free(p->memory);
    fm_free(p->list);
    *p = (fm_step_pages){0};
}

void fm_step_pages_lay(fm_step_pages *p, fm_segment *segments, int n) {
    p->n = 0;
    for (int i = 0; i < n; i++) {
        segments[i].position = segments[i].fast_from = segments[i].fast_to = 0;
        segments[i].pages = p->list + p->n;
        for (int64_t page = 0; page < pages_of(&p->kv, segments[i].count); page++, p->n++) {
            assert(p->n < p->capacity);
            p->list[p->n] = p->memory + (size_t)p->n * p->kv.page_bytes;
        }
    }
}

/* step_pages.h: keys and values of a step that learns: pages for its own segments, each from position 0, used anew by
 * the next step. Every layer has its own rows, because gradients read them again. */
#pragma once

#include "base/mem.h"
#include "model/model.h"

typedef struct fm_step_pages {
    fm_kv_shape kv;
    char *memory;
    void **list;
    int64_t n, capacity; /* in use; all */
} fm_step_pages;

/* Bytes for steps of at most `rows` rows in at most `segments` segments; SIZE_MAX: more than there can be. */
size_t fm_step_pages_bytes(const fm_kv_shape *kv, int64_t rows, int64_t segments);
fm_status fm_step_pages_new(const fm_kv_shape *kv, int64_t rows, int64_t segments, fm_step_pages *out, fm_error *err);
void fm_step_pages_clear(fm_step_pages *pages);
/* Gives every segment (row, count) its pages and position 0. */
void fm_step_pages_lay(fm_step_pages *pages, fm_segment *segments, int n);

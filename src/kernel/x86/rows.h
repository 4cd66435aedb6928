/* rows.h: what turning rows into panels shares between the x86 levels. Every function is static
 * inline, see meson.build. */
#pragma once

#include "kernel/ref/ref.h"
#include "kernel/x86/x86.h"
#include "tensor/half.h"

#include <string.h>

enum {
    FM_ROWS_WHOLE_BYTES = FM_PANEL * FM_TILE_K * 4,
    FM_ROWS_SCALES = FM_TILE_K / 8 * FM_PANEL, /* blocks have at least 8 numbers */
};

/* The rows, 16 of them: where there are fewer they are copied, the last one again and again. Scales
 * stay where they are. */
static inline fm_kept_rows fm_rows_whole(const fm_kept_rows *rows, int64_t n, size_t row_bytes,
                                         char copy[FM_ROWS_WHOLE_BYTES]) {
    if (n == FM_PANEL) return *rows;
    for (int64_t i = 0; i < FM_PANEL; i++) {
        size_t row = (size_t)(i < n ? i : n - 1) * rows->stride;
        memcpy(copy + (size_t)i * row_bytes, (const char *)rows->x + row, row_bytes);
    }
    return (fm_kept_rows){.x = copy, .stride = row_bytes, .block = rows->block};
}

/* scales[b][i]: of block b of row i, as above. */
static inline void fm_rows_turn_scales(const fm_kept_rows *rows, int64_t n, int64_t d,
                                       float scales[FM_ROWS_SCALES]) {
    for (int64_t i = 0; i < FM_PANEL; i++) {
        size_t row = (size_t)(i < n ? i : n - 1) * rows->stride;
        const float *s = (const float *)(const void *)((const char *)rows->scales + row);
        for (int64_t b = 0; b < d / rows->block; b++) scales[b * FM_PANEL + i] = s[b];
    }
}

/* Asks memory for n rows of d numbers of BF16. */
static inline void fm_rows_ask(const void *next, size_t stride, int64_t n, int64_t d) {
    if (!next) return;
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < d; c += 32)
            __builtin_prefetch((const char *)next + (size_t)i * stride + (size_t)c * 2);
}

/* Before step `step` over 16 rows that are turned 32 bytes at a time (turn_avx512.h): two steps share a line of
 * every row, and ask for half of the rows each. */
static inline void fm_rows_ask_turned(const char *next, size_t stride, int64_t step) {
    if (!next) return;
    const char *line = next + step / 2 * 64 + (size_t)(step % 2) * 8 * stride;
    for (size_t i = 0; i < 8; i++) __builtin_prefetch(line + i * stride);
}

/* The same rows from number c on, `bytes` each: what is left for the reference. */
static inline fm_kept_rows fm_rows_tail(const fm_kept_rows *rows, int64_t c, size_t bytes) {
    fm_kept_rows tail = *rows;
    tail.x = (const char *)rows->x + (size_t)c * bytes;
    if (rows->scales) tail.scales = rows->scales + c / rows->block;
    return tail;
}

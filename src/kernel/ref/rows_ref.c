/* rows_ref.c: rows of a cache as floats, straight and turned into panels, in plain C. */
#include "kernel/ref/ref.h"

#include "tensor/half.h"

static const void *row_at(const fm_kept_rows *rows, int64_t i) {
    return (const char *)rows->x + (size_t)i * rows->stride;
}

static float f32_at(const fm_kept_rows *rows, int64_t i, int64_t c) {
    return ((const float *)row_at(rows, i))[c];
}

static float bf16_at(const fm_kept_rows *rows, int64_t i, int64_t c) {
    return fm_bf16_to_float(((const uint16_t *)row_at(rows, i))[c]);
}

static float int8_at(const fm_kept_rows *rows, int64_t i, int64_t c) {
    const char *scales = (const char *)rows->scales + (size_t)i * rows->stride;
    float scale = ((const float *)(const void *)scales)[c / rows->block];
    return (float)((const int8_t *)row_at(rows, i))[c] * scale;
}

#define ROWS(form)                                                                                 \
    void fm_rows_to_floats_##form##_ref(const fm_kept_rows *rows, int64_t n, int64_t d, float *y,  \
                                        int64_t ldy) {                                             \
        for (int64_t i = 0; i < n; i++)                                                            \
            for (int64_t c = 0; c < d; c++) y[i * ldy + c] = form##_at(rows, i, c);                \
    }                                                                                              \
    void fm_rows_to_panel_##form##_ref(const fm_kept_rows *rows, int64_t n, int64_t d,             \
                                       float *panel) {                                             \
        for (int64_t i = 0; i < FM_PANEL; i++)                                                     \
            for (int64_t c = 0; c < d; c++)                                                        \
                panel[c * FM_PANEL + i] = form##_at(rows, i < n ? i : n - 1, c);                   \
    }
ROWS(f32)
ROWS(bf16)
ROWS(int8)

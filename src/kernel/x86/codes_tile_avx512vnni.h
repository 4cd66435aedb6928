/* codes_tile_avx512vnni.h: products of integers on AVX-512 with VNNI: up to 6 rows of x by 2 panels, 4 of codes
 * of two bytes, or one row by one panel as a linear stream; many rows are codes_opened_avx512vnni.h's.
 * See codes.h for the definition.
 *
 * Cell (r, p) of a tile is row r of x and panel p: an int32 sum of the group, another one of first bytes
 * where there are two, and the float chain of the row, all in registers. Every accumulator is a variable
 * with a name: gcc keeps an array of them in memory. */
#pragma once

#include "kernel/x86/codes_opened_avx512vnni.h"

#include <string.h>

enum {
    TILE_ROWS = 6,
    TILE_ROWS_16 = 4,
    STREAM_AHEAD = 6 << 10, /* bytes that a single row reads ahead of itself */
};

typedef struct tile {
    const char *w;       /* panel 0 */
    size_t panel_step;   /* to panel 1 */
    ptrdiff_t ahead;     /* what is read here next, as far on from panel 0 */
    int64_t n_in;
    const char *x;
    size_t x_step;       /* bytes to the next row */
    float *y;
    int64_t ldy;
    int64_t y_step;      /* floats to the columns of panel 1 */
} tile;

static FM_INLINE __m512i four_codes(const int8_t *code) {
    int32_t v;
    memcpy(&v, code, sizeof v);
    return _mm512_set1_epi32(v);
}

#define BLOCK(r) ((const fm_codes *)(const void *)(x + (r) * x_step))
#define SECOND(r) ((const fm_codes16 *)(const void *)(x + (r) * x_step))->second

/* The statement for each of the R rows, R being a constant of the caller. */
#define EACH_ROW(M)                                                                                \
    do {                                                                                           \
        M(0);                                                                                      \
        if (R > 1) M(1);                                                                           \
        if (R > 2) M(2);                                                                           \
        if (R > 3) M(3);                                                                           \
        if (R > 4) M(4);                                                                           \
        if (R > 5) M(5);                                                                           \
    } while (0)

#define CELLS(type, a) type a##00, a##01, a##10, a##11, a##20, a##21, a##30, a##31, a##40, a##41,  \
    a##50, a##51
#define SET_CELLS(a, v)                                                                            \
    a##00 = a##01 = a##10 = a##11 = a##20 = a##21 = a##30 = a##31 = a##40 = a##41 = a##50 =        \
        a##51 = v

/* What the group's dot begins with: minus what the offset of the codes will add. */
#define BEGIN_DOT(r)                                                                               \
    do {                                                                                           \
        n##r##0 = begin_dot(layout, BLOCK(r), part);                                               \
        n##r##1 = n##r##0;                                                                         \
        h##r##0 = h##r##1 = _mm512_setzero_si512();                                                \
    } while (0)

/* n: of codes of one byte, or of the second of two; h: of the first of two. */
#define ADD_DOT(r)                                                                                 \
    do {                                                                                           \
        const int at = columns * part + 4 * j;                                                     \
        __m512i first = four_codes(BLOCK(r)->code + at);                                           \
        __m512i last = two ? four_codes(SECOND(r) + at) : first;                                   \
        if (two) h##r##0 = _mm512_dpbusd_epi32(h##r##0, u0, first);                                \
        n##r##0 = _mm512_dpbusd_epi32(n##r##0, u0, last);                                          \
        if (two && P > 1) h##r##1 = _mm512_dpbusd_epi32(h##r##1, u1, first);                       \
        if (P > 1) n##r##1 = _mm512_dpbusd_epi32(n##r##1, u1, last);                               \
    } while (0)

#define END_DOT(r)                                                                                 \
    do {                                                                                           \
        if (two) n##r##0 = _mm512_add_epi32(n##r##0, _mm512_slli_epi32(h##r##0, 8));               \
        if (two && P > 1) n##r##1 = _mm512_add_epi32(n##r##1, _mm512_slli_epi32(h##r##1, 8));      \
        __m512 scale = _mm512_set1_ps(BLOCK(r)->scale);                                            \
        y##r##0 = _mm512_fmadd_ps(_mm512_mul_ps(scale, s0), _mm512_cvtepi32_ps(n##r##0), y##r##0); \
        if (P > 1)                                                                                 \
            y##r##1 =                                                                              \
                _mm512_fmadd_ps(_mm512_mul_ps(scale, s1), _mm512_cvtepi32_ps(n##r##1), y##r##1);   \
    } while (0)

#define ADD_MINIMUM(r)                                                                             \
    do {                                                                                           \
        __m512 sum = _mm512_set1_ps(parts == 1 ? BLOCK(r)->sum : BLOCK(r)->sum16[part]);         \
        y##r##0 = _mm512_fmadd_ps(m0, sum, y##r##0);                                               \
        if (P > 1) y##r##1 = _mm512_fmadd_ps(m1, sum, y##r##1);                                    \
    } while (0)

#define STORE_ROW(r)                                                                               \
    do {                                                                                           \
        _mm512_storeu_ps(t->y + r * t->ldy, y##r##0);                                              \
        if (P > 1) _mm512_storeu_ps(t->y + r * t->ldy + t->y_step, y##r##1);                       \
    } while (0)

#define FETCH(words)                                                                               \
    do {                                                                                           \
        for (int line = 0; t->ahead && line < lines_per_group(layout); line++)                     \
            _mm_prefetch((words) + t->ahead + 64 * line, _MM_HINT_T0);                             \
    } while (0)

static FM_INLINE void multiply_tile(const tile *t, const int layout, const fm_codes_form form, const int R,
                                    const int P) {
    const int columns = group_columns(layout), parts = FM_CODES / columns;
    const int together = blocks_together(layout);
    const bool two = form == FM_CODES_16;
    const char *x = t->x;
    const size_t x_step = t->x_step, block_bytes = fm_codes_block_bytes(form);
    CELLS(__m512, y);
    SET_CELLS(y, _mm512_setzero_ps());
    for (int64_t k = 0; k < t->n_in; k += together * FM_CODES) {
        codes_block b0 = codes_block_at(layout, t->w, k);
        codes_block b1 = codes_block_at(layout, t->w + t->panel_step, k);
        factors f0, f1;
        open_block(layout, b0, &f0);
        if (P > 1) open_block(layout, b1, &f1);
#pragma GCC unroll 1
        for (int b = 0; b < together; b++, x += block_bytes) {
#pragma GCC unroll 2
            for (int part = 0; part < parts; part++) {
                int g = parts * b + part;
                const char *w0 = words_of(layout, b0, g), *w1 = words_of(layout, b1, g);
                CELLS(__m512i, n);
                CELLS(__m512i, h);
                EACH_ROW(BEGIN_DOT);
                FETCH(w0);
                if (P > 1) FETCH(w1);
#pragma GCC unroll 8
                for (int j = 0; j < columns / 4; j++) {
                    __m512i u0 = codes_of(layout, w0, part, j);
                    __m512i u1 = P > 1 ? codes_of(layout, w1, part, j) : u0;
                    EACH_ROW(ADD_DOT);
                }
                __m512 s0 = scale_of(layout, b0, &f0, g);
                __m512 s1 = P > 1 ? scale_of(layout, b1, &f1, g) : s0;
                EACH_ROW(END_DOT);
                if (!has_minimum(layout)) continue;
                __m512 m0 = minimum_of(layout, b0, &f0, g);
                __m512 m1 = P > 1 ? minimum_of(layout, b1, &f1, g) : m0;
                EACH_ROW(ADD_MINIMUM);
            }
        }
    }
    EACH_ROW(STORE_ROW);
}

/* Panels one after another in one stream through memory. */
static FM_INLINE void multiply_row(tile t, const int layout, const fm_codes_form form, int64_t panels) {
    t.ahead = STREAM_AHEAD;
    for (; panels > 0; panels--) {
        multiply_tile(&t, layout, form, 1, 1);
        t.w += t.panel_step;
        t.y += FM_PANEL;
    }
}

/* Pairs of panels, and for each pair all rows, in tiles of nearly equal height: seven rows are 4 + 3,
 * not 6 + 1. The first tile of a pair fetches the pair that comes next. A panel without a partner is
 * its own. */
static FM_INLINE void multiply_rows(tile t, const int layout, const fm_codes_form form, int64_t panels,
                                    int64_t rows) {
    const int most = form == FM_CODES_16 ? TILE_ROWS_16 : TILE_ROWS;
    const size_t bytes = t.panel_step;
    for (; panels > 0; panels -= 2, t.w += 2 * bytes, t.y += 2 * FM_PANEL) {
        tile part = t;
        part.panel_step = panels > 1 ? bytes : 0;
        part.y_step = panels > 1 ? FM_PANEL : 0;
        part.ahead = (ptrdiff_t)(2 * bytes);
        int64_t left = rows;
        for (int64_t tiles = (rows + most - 1) / most; tiles > 0; tiles--) {
            int64_t height = (left + tiles - 1) / tiles;
            if (height == 2)
                multiply_tile(&part, layout, form, 2, 2);
            else if (height == 3)
                multiply_tile(&part, layout, form, 3, 2);
            else if (height == 4 || most == 4)
                multiply_tile(&part, layout, form, 4, 2);
            else if (height == 5)
                multiply_tile(&part, layout, form, 5, 2);
            else
                multiply_tile(&part, layout, form, 6, 2);
            part.x += (size_t)height * t.x_step;
            part.y += height * t.ldy;
            part.ahead = 0;
            left -= height;
        }
    }
}

static FM_INLINE void multiply(const int layout, const fm_codes_form form, const open_columns_fn open,
                               const fm_panels *w, int64_t begin, int64_t end, const void *x, int64_t ldx,
                               int64_t rows, float *y, int64_t ldy) {
    tile t = {.w = (const char *)w->data + (size_t)begin * w->panel_bytes, .panel_step = w->panel_bytes,
              .n_in = w->n_in, .x = x, .x_step = (size_t)ldx * fm_codes_block_bytes(form), .y = y,
              .ldy = ldy};
    if (rows == 1)
        multiply_row(t, layout, form, end - begin);
    else if (rows < LEAST_OPENED)
        multiply_rows(t, layout, form, end - begin, rows);
    else
        fm_codes_opened_product_vnni((opened_rows){
            .layout = layout, .form = form, .open = open, .panels = t.w, .panel_bytes = t.panel_step,
            .n_panels = end - begin, .n_in = t.n_in, .x = t.x, .x_step = t.x_step, .rows = rows, .y = y,
            .ldy = ldy});
}

#define DEFINE_CODES_PRODUCT(id, name, level)                                                      \
    static void open_columns_##name(const char *panel, int64_t k, int blocks, opened *o, int p) {  \
        open_columns(FM_LAYOUT_##id, panel, k, blocks, o, p);                                      \
    }                                                                                              \
    void fm_codes_product_##name##_vnni(const fm_panels *w, int64_t begin, int64_t end,            \
                                        const void *x, int64_t ldx, int64_t rows, float *y,        \
                                        int64_t ldy) {                                             \
        multiply(FM_LAYOUT_##id, FM_CODES_8, open_columns_##name, w, begin, end, x, ldx, rows, y,  \
                 ldy);                                                                             \
    }                                                                                              \
    void fm_codes16_product_##name##_vnni(const fm_panels *w, int64_t begin, int64_t end,          \
                                          const void *x, int64_t ldx, int64_t rows, float *y,      \
                                          int64_t ldy) {                                           \
        multiply(FM_LAYOUT_##id, FM_CODES_16, open_columns_##name, w, begin, end, x, ldx, rows, y, \
                 ldy);                                                                             \
    }

/* codes_opened_avx512vnni.h: products of integers for many rows of x. 512 columns of two panels are opened
 * once into an L1 cache, codes as the unsigned bytes of vpdpbusd, scales and minima as floats; then every
 * tile of rows reads them from there. What a tile costs is nothing but its products and its chains, and
 * it is the same code for all layouts: groups of 16 or 32, with minima or with codes of either sign.
 *
 * A tile has 4 to 6 rows of x by 2 panels. Of codes of two bytes the first bytes of a group are multiplied
 * before the second ones, so that a cell needs one sum: 256 times that of the first is where the second
 * ones begin.
 *
 * Here is what opens, which is written out for every layout; the tiles are codes_opened_avx512vnni.c's. */
#pragma once

#include "kernel/x86/codes_avx512vnni.h"

enum {
    OPENED_BLOCKS = 16, /* of 32 columns: two of the largest blocks of a layout */
    LEAST_OPENED = 16,  /* rows for which opening apart pays */
};

/* Of two panels side by side. */
typedef struct opened {
    __m512i code[OPENED_BLOCKS][8][2];       /* [block][fours][panel] */
    __m512 scale[2 * OPENED_BLOCKS][2];      /* [group][panel] */
    __m512 minimum[2 * OPENED_BLOCKS][2];
} opened;

/* What to add to codes of layouts that make theirs unsigned by less than the rest: 128, or 64 with groups
 * of 16, is what all of them have then, and what UNDO undoes. */
static FM_INLINE int offset_missing(const int layout) {
    if (offset_bits(layout) < 0) return 0;
    return (group_columns(layout) == 16 ? 64 : 128) - (1 << offset_bits(layout));
}

/* Opens blocks of 32 columns from column k as panel p of the two. */
static FM_INLINE void open_columns(const int layout, const char *panel, int64_t k, int blocks, opened *o,
                                   const int p) {
    const int columns = group_columns(layout), parts = FM_CODES / columns;
    const int together = blocks_together(layout);
    const __m512i missing = _mm512_set1_epi8((char)offset_missing(layout));
    for (int first = 0; first < blocks; first += together) {
        codes_block b = codes_block_at(layout, panel, k + FM_CODES * first);
        factors f;
        open_block(layout, b, &f);
#pragma GCC unroll 1
        for (int i = 0; i < together; i++)
#pragma GCC unroll 2
            for (int part = 0; part < parts; part++) {
                const int g = parts * i + part, to = parts * first + g;
                const char *words = words_of(layout, b, g);
#pragma GCC unroll 8
                for (int j = 0; j < columns / 4; j++) {
                    __m512i u = codes_of(layout, words, part, j);
                    if (offset_missing(layout)) u = _mm512_add_epi8(u, missing);
                    o->code[first + i][columns / 4 * part + j][p] = u;
                }
                o->scale[to][p] = scale_of(layout, b, &f, g);
                if (has_minimum(layout)) o->minimum[to][p] = minimum_of(layout, b, &f, g);
            }
    }
}

/* The same of a layout. */
typedef void (*open_columns_fn)(const char *panel, int64_t k, int blocks, opened *o, int p);

/* A product of rows and panels. */
typedef struct opened_rows {
    int layout;
    fm_codes_form form;
    open_columns_fn open;
    const char *panels;
    size_t panel_bytes;
    int64_t n_panels, n_in;
    const char *x;
    size_t x_step; /* bytes to the next row */
    int64_t rows;
    float *y;
    int64_t ldy;
} opened_rows;

/* y = x W, of LEAST_OPENED rows or more. */
void fm_codes_opened_product_vnni(opened_rows all);

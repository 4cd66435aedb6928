/* codes_opened_avx512vnni.h: products of integers for many rows of x. 512 columns of two panels are opened
 * once into an L1 cache, codes as the unsigned bytes of vpdpbusd, scales and minima as floats; then every
 * tile of rows reads them from there. What a tile costs is nothing but its products and its chains, and
 * it is the same code for all layouts: groups of 16 or 32, with minima or with codes of either sign.
 *
 * A tile has 4 to 6 rows of x by 2 panels. Of codes of two bytes the first bytes of a group are multiplied
 * before the second ones, so that a cell needs one sum: 256 times that of the first is where the second
 * ones begin. */
#pragma once

#include "kernel/x86/codes_avx512vnni.h"

#include <string.h>

enum {
    OPENED_BLOCKS = 16, /* of 32 columns: two of the largest blocks of a layout */
    LEAST_OPENED = 16,  /* rows for which opening apart pays */
    MOST_OPENED = 256,  /* rows whose 512 columns stay in an L2 cache */
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

/* ---- a tile -------------------------------------------------------------------------------------- */

typedef struct opened_tile {
    const opened *w;
    int blocks;
    bool begins;          /* y: its chains begin here */
    const char *x;
    size_t x_step;        /* bytes to the next row */
    float *y;
    int64_t ldy, y_step;  /* floats to the next row, to the columns of panel 1 */
    const char *fetch[2]; /* what is opened next; a tile reads `lines` lines of each ahead per block */
    int lines;
} opened_tile;

/* The kinds that the layouts come down to. */
typedef enum opened_kind { SIGNED_32, MINIMA_32, SIGNED_MINIMA_32, SIGNED_16, MINIMA_16 } opened_kind;

static FM_INLINE opened_kind kind_of(const int layout) {
    if (group_columns(layout) == 16) return has_minimum(layout) ? MINIMA_16 : SIGNED_16;
    if (!has_minimum(layout)) return SIGNED_32;
    return offset_bits(layout) < 0 ? MINIMA_32 : SIGNED_MINIMA_32;
}

static FM_INLINE __m512i four_at(const int8_t *code) {
    int32_t v;
    memcpy(&v, code, sizeof v);
    return _mm512_set1_epi32(v);
}

#define ROW_BLOCK(r) ((const fm_codes *)(const void *)(x + (r) * x_step))
#define ROW_SECOND(r) ((const fm_codes16 *)(const void *)(x + (r) * x_step))->second

#define EACH_OPENED(M)                                                                             \
    do {                                                                                           \
        M(0);                                                                                      \
        M(1);                                                                                      \
        M(2);                                                                                      \
        M(3);                                                                                      \
        if (R > 4) M(4);                                                                           \
        if (R > 5) M(5);                                                                           \
    } while (0)

#define LOAD_Y(r)                                                                                  \
    do {                                                                                           \
        const float *from = t->y + r * t->ldy;                                                     \
        y##r##0 = t->begins ? _mm512_setzero_ps() : _mm512_loadu_ps(from);                         \
        y##r##1 = t->begins ? _mm512_setzero_ps() : _mm512_loadu_ps(from + t->y_step);             \
    } while (0)
#define STORE_Y(r)                                                                                 \
    do {                                                                                           \
        _mm512_storeu_ps(t->y + r * t->ldy, y##r##0);                                              \
        _mm512_storeu_ps(t->y + r * t->ldy + t->y_step, y##r##1);                                  \
    } while (0)

/* Nothing moves across: gcc would make room for weights of all steps at once, and has not got it. */
#define KEEP_ORDER(a, b) __asm__ volatile("" : "+v"(a), "+v"(b))

#define BEGIN_SUM(r) n##r##0 = n##r##1 = _mm512_setzero_si512()
#define ADD_BYTES(r)                                                                               \
    do {                                                                                           \
        __m512i four = four_at((second ? ROW_SECOND(r) : ROW_BLOCK(r)->code) + 4 * j);             \
        n##r##0 = _mm512_dpbusd_epi32(n##r##0, u0, four);                                          \
        n##r##1 = _mm512_dpbusd_epi32(n##r##1, u1, four);                                          \
        KEEP_ORDER(n##r##0, n##r##1);                                                              \
    } while (0)
/* Those of a group; the empty asm is not to keep the first bytes' weights for the second ones. */
#define ADD_ALL(are_second)                                                                        \
    do {                                                                                           \
        const bool second = are_second;                                                            \
        __asm__ volatile("" : "+r"(w));                                                            \
        _Pragma("GCC unroll 8") for (int j = fours * part; j < fours * (part + 1); j++) {          \
            __m512i u0 = w->code[b][j][0], u1 = w->code[b][j][1];                                  \
            EACH_OPENED(ADD_BYTES);                                                                \
        }                                                                                          \
    } while (0)
#define TIMES_256(r)                                                                               \
    do {                                                                                           \
        n##r##0 = _mm512_slli_epi32(n##r##0, 8);                                                   \
        n##r##1 = _mm512_slli_epi32(n##r##1, 8);                                                   \
    } while (0)

/* Undone at the end: a sum that began with it would wait for its load. */
#define UNDO(r)                                                                                    \
    (parts == 2 ? _mm512_slli_epi32(_mm512_set1_epi32(ROW_BLOCK(r)->undo32[part]), 1)              \
                : _mm512_set1_epi32(ROW_BLOCK(r)->undo128))
#define SUM_16_OR_32(r) (parts == 2 ? ROW_BLOCK(r)->sum16[part] : ROW_BLOCK(r)->sum)
#define END_SUM(r)                                                                                 \
    do {                                                                                           \
        if (undoes) {                                                                              \
            n##r##0 = _mm512_add_epi32(n##r##0, UNDO(r));                                          \
            n##r##1 = _mm512_add_epi32(n##r##1, UNDO(r));                                          \
        }                                                                                          \
        __m512 scale = _mm512_set1_ps(ROW_BLOCK(r)->scale);                                        \
        __m512 s0 = _mm512_mul_ps(scale, w->scale[g][0]);                                          \
        __m512 s1 = _mm512_mul_ps(scale, w->scale[g][1]);                                          \
        y##r##0 = _mm512_fmadd_ps(s0, _mm512_cvtepi32_ps(n##r##0), y##r##0);                       \
        y##r##1 = _mm512_fmadd_ps(s1, _mm512_cvtepi32_ps(n##r##1), y##r##1);                       \
        if (!minima) break;                                                                        \
        __m512 sum = _mm512_set1_ps(SUM_16_OR_32(r));                                              \
        y##r##0 = _mm512_fmadd_ps(w->minimum[g][0], sum, y##r##0);                                 \
        y##r##1 = _mm512_fmadd_ps(w->minimum[g][1], sum, y##r##1);                                 \
    } while (0)

static FM_INLINE void multiply_opened(const opened_tile *t, const opened_kind kind, const fm_codes_form form,
                                      const int R) {
    const bool minima = kind == MINIMA_32 || kind == MINIMA_16 || kind == SIGNED_MINIMA_32;
    const bool undoes = kind != MINIMA_32 && kind != MINIMA_16, two = form == FM_CODES_16;
    const int parts = kind == SIGNED_16 || kind == MINIMA_16 ? 2 : 1, fours = 8 / parts;
    const size_t x_step = t->x_step;
    const char *x = t->x;
    __m512 y00, y01, y10, y11, y20, y21, y30, y31, y40, y41, y50, y51;
    EACH_OPENED(LOAD_Y);
#pragma GCC unroll 1
    for (int b = 0; b < t->blocks; b++, x += fm_codes_block_bytes(form)) {
        for (int i = 0; i < t->lines; i++) {
            _mm_prefetch(t->fetch[0] + 64 * (b * t->lines + i), _MM_HINT_T0);
            _mm_prefetch(t->fetch[1] + 64 * (b * t->lines + i), _MM_HINT_T0);
        }
#pragma GCC unroll 2
        for (int part = 0; part < parts; part++) {
            const int g = parts * b + part;
            const opened *w = t->w;
            __m512i n00, n01, n10, n11, n20, n21, n30, n31, n40, n41, n50, n51;
            EACH_OPENED(BEGIN_SUM);
            ADD_ALL(false);
            if (two) {
                EACH_OPENED(TIMES_256);
                ADD_ALL(true);
            }
            EACH_OPENED(END_SUM);
        }
    }
    EACH_OPENED(STORE_Y);
}

#define DEFINE_OPENED(kind)                                                                        \
    static void multiply_##kind(const opened_tile *t, int64_t rows, const fm_codes_form form) {    \
        switch (rows + (form == FM_CODES_16 ? 8 : 0)) {                                            \
        case 4: multiply_opened(t, kind, FM_CODES_8, 4); break;                                    \
        case 5: multiply_opened(t, kind, FM_CODES_8, 5); break;                                    \
        case 6: multiply_opened(t, kind, FM_CODES_8, 6); break;                                    \
        case 12: multiply_opened(t, kind, FM_CODES_16, 4); break;                                  \
        case 13: multiply_opened(t, kind, FM_CODES_16, 5); break;                                  \
        default: multiply_opened(t, kind, FM_CODES_16, 6); break;                                  \
        }                                                                                          \
    }
DEFINE_OPENED(SIGNED_32)
DEFINE_OPENED(MINIMA_32)
DEFINE_OPENED(SIGNED_MINIMA_32)
DEFINE_OPENED(SIGNED_16)
DEFINE_OPENED(MINIMA_16)

static FM_INLINE void multiply_opened_rows(const opened_tile *t, const int layout, const fm_codes_form form,
                                           int64_t rows) {
    switch (kind_of(layout)) {
    case SIGNED_32: multiply_SIGNED_32(t, rows, form); break;
    case MINIMA_32: multiply_MINIMA_32(t, rows, form); break;
    case SIGNED_MINIMA_32: multiply_SIGNED_MINIMA_32(t, rows, form); break;
    case SIGNED_16: multiply_SIGNED_16(t, rows, form); break;
    default: multiply_MINIMA_16(t, rows, form); break;
    }
}

/* ---- all rows ------------------------------------------------------------------------------------ */

/* Rows and panels as multiply_many_rows walks them. */
typedef struct opened_rows {
    const char *panels;
    size_t panel_bytes;
    int64_t n_panels, n_in;
    const char *x;
    size_t x_step; /* bytes to the next row */
    int64_t rows;
    float *y;
    int64_t ldy;
} opened_rows;

/* What is opened after panel p and column k; behind everything that is taken to be the panels behind. */
static FM_INLINE const char *opened_next(const opened_rows *r, const int layout, int64_t p, int64_t k) {
    int64_t panel = p + 2;
    if (panel >= r->n_panels) {
        k += FM_CODES * OPENED_BLOCKS;
        panel = k < r->n_in ? 0 : r->n_panels;
        if (k >= r->n_in) k = 0;
    }
    return codes_block_at(layout, r->panels + (size_t)panel * r->panel_bytes, k).at;
}

/* Tiles of nearly equal height; the first one fetches. */
static FM_INLINE void multiply_tiles(opened_tile t, const int layout, const fm_codes_form form, int64_t rows) {
    for (int64_t tiles = (rows + 5) / 6; tiles > 0; tiles--) {
        int64_t height = (rows + tiles - 1) / tiles;
        multiply_opened_rows(&t, layout, form, height);
        t.x += (size_t)height * t.x_step;
        t.y += height * t.ldy;
        t.lines = 0;
        rows -= height;
    }
}

/* Columns outside, pairs of panels inside: what a call reads of x at a time stays in an L2 cache for all of
 * its panels. A panel without a partner is its own. */
static FM_INLINE void multiply_columns(const opened_rows *r, const int layout, const fm_codes_form form) {
    const int64_t columns = FM_CODES * OPENED_BLOCKS;
    const size_t bytes = codes_block_bytes(layout) / (is_super(layout) ? 8 : 1); /* of a block of 32 columns */
    opened o;
    for (int64_t k = 0; k < r->n_in; k += columns) {
        const int64_t left = (r->n_in - k) / FM_CODES;
        const int blocks = (int)(left < OPENED_BLOCKS ? left : OPENED_BLOCKS);
        for (int64_t p = 0; p < r->n_panels; p += 2) {
            const char *w = r->panels + (size_t)p * r->panel_bytes;
            const size_t partner = p + 1 < r->n_panels ? r->panel_bytes : 0;
            open_columns(layout, w, k, blocks, &o, 0);
            open_columns(layout, w + partner, k, blocks, &o, 1);
            const char *next = opened_next(r, layout, p, k);
            opened_tile t = {.w = &o, .blocks = blocks, .begins = k == 0,
                             .x = r->x + (size_t)(k / FM_CODES) * fm_codes_block_bytes(form),
                             .x_step = r->x_step, .y = r->y + p * FM_PANEL, .ldy = r->ldy,
                             .y_step = partner ? FM_PANEL : 0, .fetch = {next, next + r->panel_bytes},
                             .lines = (int)((bytes + 63) / 64)};
            multiply_tiles(t, layout, form, r->rows);
        }
    }
}

static FM_INLINE void multiply_many_rows(opened_rows r, const int layout, const fm_codes_form form,
                                         int64_t rows) {
    for (int64_t blocks = (rows + MOST_OPENED - 1) / MOST_OPENED; blocks > 0; blocks--) {
        r.rows = (rows + blocks - 1) / blocks;
        multiply_columns(&r, layout, form);
        r.x += (size_t)r.rows * r.x_step;
        r.y += r.rows * r.ldy;
        rows -= r.rows;
    }
}

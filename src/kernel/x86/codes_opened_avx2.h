/* codes_opened_avx2.h: products of integers for many rows of x. 512 columns of a panel are opened once into
 * an L1 cache, codes as vpmaddubsw or vpdpbusd takes them, scales and minima as floats; then every tile
 * of rows reads them from there, so that a tile costs nothing but its products and its chains.
 *
 * A tile has 3 or 4 rows of bytes by one panel, which is as many rows of x or, with AVX-VNNI, 1 or 2 of two bytes.
 * Layouts whose opened codes are alike share a tile's code. Without AVX-VNNI, codes of two bytes and weights
 * that would give their sign to every row have other tiles: codes_wide_avx2.h. */
#pragma once

#include "kernel/x86/codes_avx2.h"

#include <string.h>

enum {
    OPENED_BLOCKS = 16, /* of 32 columns: two of the largest blocks of a layout */
    OPENED_ROWS = 4,    /* of bytes of a tile */
    LEAST_OPENED = 12,  /* rows of bytes for which opening apart pays */
    MOST_OPENED = 256,  /* rows whose 512 columns stay in an L2 cache */
};

/* Columns of a panel: codes as bytes, in half the place, or as words of 16 bits, of every four the even ones
 * before the odd ones. */
typedef struct opened {
    __m256i code[OPENED_BLOCKS * 16][2]; /* [fours, or twos][half] */
    __m256 scale[2 * OPENED_BLOCKS][2];  /* [group][half] */
    __m256 minimum[2 * OPENED_BLOCKS][2];
} opened;

/* Four codes as two and two words, signed. */
static FM_INLINE void put_words(const int layout, __m256i v, __m256i even_odd[2]) {
    if (gives_sign(layout)) {
        even_odd[0] = _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8);
        even_odd[1] = _mm256_srai_epi16(v, 8);
        return;
    }
    const int bits = offset_bits(layout);
    const __m256i offset = _mm256_set1_epi16(bits < 0 ? 0 : (short)(1 << bits));
    even_odd[0] = _mm256_sub_epi16(_mm256_and_si256(v, _mm256_set1_epi16(255)), offset);
    even_odd[1] = _mm256_sub_epi16(_mm256_srli_epi16(v, 8), offset);
}

/* Opens blocks of 32 columns of a panel, from column k. */
static FM_INLINE void open_columns(const int layout, const bool words, const char *panel, int64_t k, int blocks,
                                   opened *o) {
    const int columns = group_columns(layout), parts = FM_CODES / columns, fours = columns / 4;
    const int together = blocks_together(layout);
    for (int first = 0; first < blocks; first += together) {
        codes_block b = codes_block_at(layout, panel, k + FM_CODES * first);
        factors f;
        open_block(layout, b, &f);
#pragma GCC unroll 1
        for (int i = 0; i < together; i++)
#pragma GCC unroll 2
            for (int part = 0; part < parts; part++)
#pragma GCC unroll 2
                for (int h = 0; h < 2; h++) {
                    const int g = parts * i + part, to = parts * first + g;
                    lines l = lines_at(layout, words_of(layout, b, g), h);
#pragma GCC unroll 8
                    for (int j = 0; j < fours; j++) {
                        const int at = fours * to + j;
                        __m256i v = codes_of(layout, &l, part, j), two[2];
                        if (!words) {
                            o->code[at][h] = v;
                            continue;
                        }
                        put_words(layout, v, two);
                        o->code[2 * at][h] = two[0];
                        o->code[2 * at + 1][h] = two[1];
                    }
                    o->scale[to][h] = scale_of(layout, b, &f, g, h);
                    if (has_minimum(layout)) o->minimum[to][h] = minimum_of(layout, b, &f, g, h);
                }
    }
}

/* ---- a tile -------------------------------------------------------------------------------------- */

typedef struct opened_tile {
    const opened *w;
    int blocks;
    bool begins;       /* y: its chains begin here */
    const char *x;
    size_t x_step;     /* bytes to the next row */
    float *y;
    int64_t ldy;
    const char *fetch; /* what is opened next: `lines` lines of it are read ahead per block */
    int lines;
} opened_tile;

/* The layout whose tiles serve this one; -1: there is none. */
static FM_INLINE int opened_like(const int layout) {
    switch (layout) {
    case FM_LAYOUT_Q4_1: return FM_LAYOUT_Q4_K;
    case FM_LAYOUT_Q5_1: return FM_LAYOUT_Q5_K;
    case FM_LAYOUT_Q4_0:
    case FM_LAYOUT_Q5_0:
    case FM_LAYOUT_Q2_K:
    case FM_LAYOUT_Q3_K:
    case FM_LAYOUT_Q4_K:
    case FM_LAYOUT_Q5_K:
    case FM_LAYOUT_Q6_K: return layout;
    default: return VNNI && offset_bits(layout) == 7 ? FM_LAYOUT_Q8_0 : -1;
    }
}

static FM_INLINE __m256i four_of(const void *code) {
    int32_t v;
    memcpy(&v, code, sizeof v);
    return _mm256_set1_epi32(v);
}

#define ROW(m) ((const fm_codes *)(const void *)(x + (size_t)(m) * t->x_step))
/* Row r of bytes: that of the codes of a row of x, or its first and second bytes in turn. */
#define ROW_BYTES(r)                                                                               \
    (!two ? ROW(r)->code : (r) % 2 ? ((const fm_codes16 *)(const void *)ROW((r) / 2))->second      \
                                   : ROW((r) / 2)->code)

#define EACH_OPENED(M)                                                                             \
    do {                                                                                           \
        M(0);                                                                                      \
        M(1);                                                                                      \
        if (R > 2) M(2);                                                                           \
        if (R > 3) M(3);                                                                           \
    } while (0)

/* gcc would make all products of a group first, and has no registers for them. */
#define KEEP_ORDER(r) __asm__("" : "+x"(n##r##0), "+x"(n##r##1))

#define OPENED_BEGIN(r)                                                                            \
    n##r##0 = n##r##1 = two && r % 2 == 0 ? _mm256_setzero_si256()                                 \
                                          : begin_dot(layout, ROW(two ? r / 2 : r), part)
#ifdef __AVXVNNI__
#define OPENED_ADD(r)                                                                              \
    do {                                                                                           \
        __m256i four = four_of(ROW_BYTES(r) + at);                                                 \
        n##r##0 = _mm256_dpbusd_avx_epi32(n##r##0, u0, four);                                      \
        n##r##1 = _mm256_dpbusd_avx_epi32(n##r##1, u1, four);                                      \
        KEEP_ORDER(r);                                                                             \
    } while (0)
#else
#define OPENED_ADD(r)                                                                              \
    do {                                                                                           \
        __m256i four = four_of(ROW_BYTES(r) + at);                                                 \
        __m256i p0 = _mm256_maddubs_epi16(u0, four), p1 = _mm256_maddubs_epi16(u1, four);          \
        n##r##0 = begins ? p0 : _mm256_add_epi16(n##r##0, p0);                                     \
        n##r##1 = begins ? p1 : _mm256_add_epi16(n##r##1, p1);                                     \
        KEEP_ORDER(r);                                                                             \
    } while (0)
#endif
/* From sums of int16 to those of int32; those before the last one wait in memory. */
#define OPENED_WIDEN(r)                                                                            \
    do {                                                                                           \
        n##r##0 = _mm256_madd_epi16(n##r##0, one);                                                 \
        n##r##1 = _mm256_madd_epi16(n##r##1, one);                                                 \
        if (waiting) {                                                                             \
            n##r##0 = _mm256_add_epi32(n##r##0, early[r][0]);                                      \
            n##r##1 = _mm256_add_epi32(n##r##1, early[r][1]);                                      \
        } else if (offset_bits(layout) >= 0) {                                                     \
            __m256i undo = begin_dot(layout, ROW(r), part);                                        \
            n##r##0 = _mm256_add_epi32(n##r##0, undo);                                             \
            n##r##1 = _mm256_add_epi32(n##r##1, undo);                                             \
        }                                                                                          \
    } while (0)
#define OPENED_WAIT(r) early[r][0] = n##r##0, early[r][1] = n##r##1

/* A step of the chains of a row of x, whose dots are d0 and d1. */
static FM_INLINE void opened_step(float sa, float sum, const opened *w, const bool minimum, const int g,
                                  __m256i d0, __m256i d1, __m256 y[2]) {
    __m256 scale = _mm256_set1_ps(sa), sums = _mm256_set1_ps(sum);
    __m256 s0 = _mm256_mul_ps(scale, w->scale[g][0]), s1 = _mm256_mul_ps(scale, w->scale[g][1]);
    s0 = _mm256_fmadd_ps(s0, _mm256_cvtepi32_ps(d0), y[0]);
    s1 = _mm256_fmadd_ps(s1, _mm256_cvtepi32_ps(d1), y[1]);
    y[0] = minimum ? _mm256_fmadd_ps(w->minimum[g][0], sums, s0) : s0;
    y[1] = minimum ? _mm256_fmadd_ps(w->minimum[g][1], sums, s1) : s1;
}

static FM_INLINE __m256i both_bytes(__m256i first, __m256i second) {
    return _mm256_add_epi32(_mm256_slli_epi32(first, 8), second);
}

#define SUM_OF(row) (parts > 1 ? (row)->sum16[part] : (row)->sum)
#define OPENED_STEP(m)                                                                             \
    opened_step(ROW(m)->scale, SUM_OF(ROW(m)), w, has_minimum(layout), g, n##m##0, n##m##1, y[m])
#define OPENED_STEP_OF_TWO(m, a, b)                                                                \
    opened_step(ROW(m)->scale, SUM_OF(ROW(m)), w, has_minimum(layout), g, both_bytes(n##a##0, n##b##0), \
                both_bytes(n##a##1, n##b##1), y[m])

/* Rows of y: where a tile's chains begin, or go on. */
static FM_INLINE void read_chains(const opened_tile *t, __m256 y[OPENED_ROWS][2], const int R) {
#pragma GCC unroll 4
    for (int m = 0; m < R; m++)
        for (int h = 0; h < 2; h++)
            y[m][h] = t->begins ? _mm256_setzero_ps() : _mm256_loadu_ps(t->y + m * t->ldy + 8 * h);
}

static FM_INLINE void write_chains(const opened_tile *t, __m256 y[OPENED_ROWS][2], const int R) {
#pragma GCC unroll 4
    for (int m = 0; m < R; m++)
        for (int h = 0; h < 2; h++) _mm256_storeu_ps(t->y + m * t->ldy + 8 * h, y[m][h]);
}

static FM_INLINE void fetch_for_block(const opened_tile *t, int b) {
    for (int i = 0; i < t->lines; i++) _mm_prefetch(t->fetch + 64 * (b * t->lines + i), _MM_HINT_T0);
}

/* Of R rows of bytes. */
static FM_INLINE void multiply_opened(const opened_tile *t, const int layout, const bool two, const int R) {
    const int columns = group_columns(layout), parts = FM_CODES / columns, fours = columns / 4;
    const int rows = two ? R / 2 : R, per_sum = VNNI ? fours : fours_per_sum(layout);
    const __m256i one = _mm256_set1_epi16(1);
    const opened *w = t->w;
    const char *x = t->x;
    __m256 y[OPENED_ROWS][2];
    read_chains(t, y, rows);
#pragma GCC unroll 1
    for (int b = 0; b < t->blocks; b++, x += two ? sizeof(fm_codes16) : sizeof(fm_codes)) {
        fetch_for_block(t, b);
#pragma GCC unroll 2
        for (int part = 0; part < parts; part++) {
            const int g = parts * b + part;
            __m256i n00, n01, n10, n11, n20, n21, n30, n31, early[OPENED_ROWS][2];
            if (VNNI) EACH_OPENED(OPENED_BEGIN);
#pragma GCC unroll 8
            for (int j = 0; j < fours; j++) {
                const int at = columns * part + 4 * j;
                const bool begins = j % per_sum == 0, ends = (j + 1) % per_sum == 0, waiting = j >= per_sum;
                __m256i u0 = w->code[8 * b + fours * part + j][0], u1 = w->code[8 * b + fours * part + j][1];
                EACH_OPENED(OPENED_ADD);
                if (VNNI || !ends) continue;
                EACH_OPENED(OPENED_WIDEN);
                if (j + 1 < fours) EACH_OPENED(OPENED_WAIT);
                (void)begins, (void)waiting;
            }
            if (two) {
                OPENED_STEP_OF_TWO(0, 0, 1);
                if (R > 2) OPENED_STEP_OF_TWO(1, 2, 3);
            } else {
                EACH_OPENED(OPENED_STEP);
            }
        }
    }
    write_chains(t, y, rows);
}

#define DEFINE_OPENED(layout)                                                                      \
    static void multiply_opened_##layout(const opened_tile *t, int64_t rows, const bool two) {     \
        if (VNNI && two && rows == 1) multiply_opened(t, FM_LAYOUT_##layout, VNNI, 2);             \
        else if (VNNI && two) multiply_opened(t, FM_LAYOUT_##layout, VNNI, 4);                     \
        else if (rows == 3) multiply_opened(t, FM_LAYOUT_##layout, false, 3);                      \
        else multiply_opened(t, FM_LAYOUT_##layout, false, 4);                                     \
    }
DEFINE_OPENED(Q4_0)
DEFINE_OPENED(Q5_0)
DEFINE_OPENED(Q2_K)
DEFINE_OPENED(Q3_K)
DEFINE_OPENED(Q4_K)
DEFINE_OPENED(Q5_K)
DEFINE_OPENED(Q6_K)
#ifdef __AVXVNNI__
DEFINE_OPENED(Q8_0)
#endif

static FM_INLINE void multiply_opened_rows(const opened_tile *t, const int layout, const bool two, int64_t rows) {
    switch (opened_like(layout)) {
    case FM_LAYOUT_Q4_0: multiply_opened_Q4_0(t, rows, two); break;
    case FM_LAYOUT_Q5_0: multiply_opened_Q5_0(t, rows, two); break;
    case FM_LAYOUT_Q2_K: multiply_opened_Q2_K(t, rows, two); break;
    case FM_LAYOUT_Q3_K: multiply_opened_Q3_K(t, rows, two); break;
    case FM_LAYOUT_Q4_K: multiply_opened_Q4_K(t, rows, two); break;
    case FM_LAYOUT_Q5_K: multiply_opened_Q5_K(t, rows, two); break;
    case FM_LAYOUT_Q6_K: multiply_opened_Q6_K(t, rows, two); break;
#ifdef __AVXVNNI__
    default: multiply_opened_Q8_0(t, rows, two); break;
#endif
    }
}

/* ---- all rows ------------------------------------------------------------------------------------ */

typedef struct opened_rows {
    const char *panels;
    size_t panel_bytes;
    int64_t n_panels, n_in;
    const char *x;
    size_t x_step; /* bytes to the next row */
    float *y;
    int64_t ldy;
} opened_rows;

/* Blocks of 32 columns from column k on that are opened together. */
static FM_INLINE int opened_blocks(const opened_rows *r, int64_t k) {
    const int64_t left = (r->n_in - k) / FM_CODES;
    return (int)(left < OPENED_BLOCKS ? left : OPENED_BLOCKS);
}

/* The tile of rows by panel p, from column k on, whose weights are opened in o. It is told what comes next, and
 * not yet its x. */
static FM_INLINE opened_tile opened_tile_of(const opened_rows *r, const int layout, const opened *o, int64_t p,
                                            int64_t k) {
    const size_t bytes = codes_block_bytes(layout) / (is_super(layout) ? 8 : 1); /* of 32 columns */
    return (opened_tile){.w = o, .blocks = opened_blocks(r, k), .begins = k == 0,
                         .x_step = r->x_step, .y = r->y + p * FM_PANEL, .ldy = r->ldy,
                         .fetch = codes_block_at(layout, r->panels + (size_t)(p + 1) * r->panel_bytes, k).at,
                         .lines = (int)((bytes + 63) / 64)};
}

/* Tiles of nearly equal height, at most `most`; the first one fetches. `multiply` is told the height: of 4 at
 * most and 6 rows or more, 3 or 4. */
#define EACH_OPENED_TILE(t, rows, most, multiply)                                                  \
    for (int64_t left = (rows), tiles = (left + (most) - 1) / (most), height; tiles > 0; tiles--) { \
        height = (left + tiles - 1) / tiles;                                                       \
        multiply;                                                                                  \
        (t).x += (size_t)height * (t).x_step;                                                      \
        (t).y += height * (t).ldy;                                                                 \
        (t).lines = 0;                                                                             \
        left -= height;                                                                            \
    }

/* Columns outside, panels inside: what is read of x at a time stays in an L2 cache for all panels. */
static FM_INLINE void multiply_opened_columns(const opened_rows *r, const int layout, const bool two,
                                              int64_t rows) {
    const size_t block = two ? sizeof(fm_codes16) : sizeof(fm_codes);
    opened o;
    for (int64_t k = 0; k < r->n_in; k += FM_CODES * OPENED_BLOCKS)
        for (int64_t p = 0; p < r->n_panels; p++) {
            open_columns(layout, false, r->panels + (size_t)p * r->panel_bytes, k, opened_blocks(r, k), &o);
            opened_tile t = opened_tile_of(r, layout, &o, p, k);
            t.x = r->x + (size_t)(k / FM_CODES) * block;
            EACH_OPENED_TILE(t, rows, two ? OPENED_ROWS / 2 : OPENED_ROWS,
                             multiply_opened_rows(&t, layout, two, height));
        }
}

static FM_INLINE void multiply_many_rows(opened_rows r, const int layout, const bool two, int64_t rows) {
    for (int64_t parts = (rows + MOST_OPENED - 1) / MOST_OPENED; parts > 0; parts--) {
        int64_t count = (rows + parts - 1) / parts;
        multiply_opened_columns(&r, layout, two, count);
        r.x += (size_t)count * r.x_step;
        r.y += count * r.ldy;
        rows -= count;
    }
}

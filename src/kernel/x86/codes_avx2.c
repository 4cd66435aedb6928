/* codes_avx2.c: products of integers on AVX2: up to 4 rows of bytes by a panel, that is by two vectors of
 * 8 lanes. A row of x is one of them, or two where its codes have two bytes. Many rows: codes_opened_avx2.h and
 * codes_wide_avx2.h.
 * See codes.h for the definition.
 *
 * Cell (r, h) of a tile is row r of bytes and half h of the panel: an int16 sum of some fours of the
 * group in a register; the float chain of a row of x lies in the L1 cache and is met once per group.
 * Every accumulator is a variable with a name: gcc keeps an array of them in memory.
 *
 * Compiled twice: for AVX2 alone, and with AVX-VNNI, whose vpdpbusd adds to an int32 at once. */
#include "kernel/x86/codes_wide_avx2.h"

#include <string.h>

enum {
    TILE_ROWS = 4,
    STREAM_AHEAD = 6 << 10, /* bytes that a single row reads ahead of itself */
};

typedef struct tile {
    const char *w;    /* the panel */
    ptrdiff_t ahead;  /* what is read here next, as far on */
    int64_t n_in;
    const char *x;
    size_t x_step;    /* bytes to the next row */
    float *y;
    int64_t ldy;
} tile;

static FM_INLINE __m256i four_codes(const int8_t *code) {
    int32_t v;
    memcpy(&v, code, sizeof v);
    return _mm256_set1_epi32(v);
}

/* Row m of x, and row r of bytes: that of its codes, or first and second bytes in turn. */
#define BLOCK(m) ((const fm_codes *)(const void *)(x + (size_t)(m) * t->x_step))
#define BYTES(r)                                                                                   \
    (!two ? BLOCK(r)->code                                                                         \
     : (r) % 2 ? ((const fm_codes16 *)(const void *)BLOCK((r) / 2))->second : BLOCK((r) / 2)->code)

/* The statement for each of the R rows of bytes, R being a constant of the caller. */
#define EACH_ROW(M)                                                                                \
    do {                                                                                           \
        M(0);                                                                                      \
        if (R > 1) M(1);                                                                           \
        if (R > 2) M(2);                                                                           \
        if (R > 3) M(3);                                                                           \
    } while (0)

#define CELLS(type, a) type a##00, a##01, a##10, a##11, a##20, a##21, a##30, a##31
#define SET_CELLS(a, v) a##00 = a##01 = a##10 = a##11 = a##20 = a##21 = a##30 = a##31 = v

/* The empty asm keeps the order of the sum: gcc would make all products of the group first, and has
 * no registers for them. */
#define ADD_FOUR(r)                                                                                \
    do {                                                                                           \
        __m256i four = four_codes(BYTES(r) + columns * part + 4 * j);                                   \
        n##r##0 = _mm256_add_epi16(n##r##0, _mm256_maddubs_epi16(u0, four));                       \
        n##r##1 = _mm256_add_epi16(n##r##1, _mm256_maddubs_epi16(u1, four));                       \
        __asm__("" : "+x"(n##r##0), "+x"(n##r##1));                                                \
    } while (0)

/* From sums of int16 to the group's dot. */
#define END_SUM(r)                                                                                 \
    do {                                                                                           \
        dot[r][0] = _mm256_add_epi32(dot[r][0], _mm256_madd_epi16(n##r##0, one));                  \
        dot[r][1] = _mm256_add_epi32(dot[r][1], _mm256_madd_epi16(n##r##1, one));                  \
    } while (0)

/* The same for bytes of either sign, straight to the dot. */
#define ADD_SIGNED(r)                                                                              \
    do {                                                                                           \
        __m256i four = four_codes(BYTES(r) + columns * part + 4 * j);                                   \
        __m256i p0 = _mm256_maddubs_epi16(a0, _mm256_sign_epi8(four, u0));                         \
        __m256i p1 = _mm256_maddubs_epi16(a1, _mm256_sign_epi8(four, u1));                         \
        n##r##0 = _mm256_add_epi32(n##r##0, _mm256_madd_epi16(p0, one));                           \
        n##r##1 = _mm256_add_epi32(n##r##1, _mm256_madd_epi16(p1, one));                           \
        __asm__("" : "+x"(n##r##0), "+x"(n##r##1));                                                \
    } while (0)

#define END_BYTES(r)                                                                              \
    do {                                                                                           \
        dot[r][0] = n##r##0;                                                                       \
        dot[r][1] = n##r##1;                                                                       \
    } while (0)

/* dot[r][h] of group g, of bytes. */
static FM_INLINE void multiply_bytes(const tile *t, const char *x, const int layout, const bool two,
                                     const int R, const char *words, const int part,
                                     __m256i dot[TILE_ROWS][2]) {
    const int columns = group_columns(layout);
    lines l0 = lines_at(layout, words, 0), l1 = lines_at(layout, words, 1);
    const __m256i one = _mm256_set1_epi16(1);
    CELLS(__m256i, n);
    SET_CELLS(n, _mm256_setzero_si256());
#pragma GCC unroll 8
    for (int j = 0; j < columns / 4; j++) {
        if (R == 1 + two) keep_lines(layout, &l0, j), keep_lines(layout, &l1, j);
        __m256i u0 = codes_of(layout, &l0, part, j), u1 = codes_of(layout, &l1, part, j);
        __m256i a0 = _mm256_abs_epi8(u0), a1 = _mm256_abs_epi8(u1);
        EACH_ROW(ADD_SIGNED);
    }
    EACH_ROW(END_BYTES);
}

/* What a sum of row r of bytes begins with; a row of first bytes leaves that to the second ones. */
static FM_INLINE __m256i begin_bytes(const int layout, const bool two, const fm_codes *x, const int r,
                                     const int part) {
    return two && r % 2 == 0 ? _mm256_setzero_si256() : begin_dot(layout, x, part);
}

#ifdef __AVXVNNI__
#define ADD_FOUR_VNNI(r)                                                                           \
    do {                                                                                           \
        __m256i four = four_codes(BYTES(r) + columns * part + 4 * j);                                   \
        n##r##0 = _mm256_dpbusd_avx_epi32(n##r##0, u0, four);                                      \
        n##r##1 = _mm256_dpbusd_avx_epi32(n##r##1, u1, four);                                      \
    } while (0)

#define BEGIN_DOT(r) n##r##0 = n##r##1 = begin_bytes(layout, two, BLOCK(two ? r / 2 : r), r, part)

/* dot[r][h] of group g, of unsigned codes. */
static FM_INLINE void multiply_group(const tile *t, const char *x, const int layout, const bool two,
                                     const int R, const char *words, const int part,
                                     __m256i dot[TILE_ROWS][2]) {
    const int columns = group_columns(layout);
    lines l0 = lines_at(layout, words, 0), l1 = lines_at(layout, words, 1);
    CELLS(__m256i, n);
    SET_CELLS(n, _mm256_setzero_si256());
    EACH_ROW(BEGIN_DOT);
#pragma GCC unroll 8
    for (int j = 0; j < columns / 4; j++) {
        if (R == 1 + two) keep_lines(layout, &l0, j), keep_lines(layout, &l1, j);
        __m256i u0 = codes_of(layout, &l0, part, j), u1 = codes_of(layout, &l1, part, j);
        EACH_ROW(ADD_FOUR_VNNI);
    }
    EACH_ROW(END_BYTES);
}
#else
/* dot[r][h] of group g, of unsigned codes. */
static FM_INLINE void multiply_group(const tile *t, const char *x, const int layout, const bool two,
                                     const int R, const char *words, const int part,
                                     __m256i dot[TILE_ROWS][2]) {
    const int columns = group_columns(layout), fours = fours_per_sum(layout);
    lines l0 = lines_at(layout, words, 0), l1 = lines_at(layout, words, 1);
    const __m256i one = _mm256_set1_epi16(1);
    for (int r = 0; r < R; r++)
        dot[r][0] = dot[r][1] = begin_bytes(layout, two, BLOCK(two ? r / 2 : r), r, part);
#pragma GCC unroll 8
    for (int first = 0; first < columns / 4; first += fours) {
        CELLS(__m256i, n);
        SET_CELLS(n, _mm256_setzero_si256());
#pragma GCC unroll 8
        for (int j = first; j < first + fours; j++) {
            if (R == 1 + two) keep_lines(layout, &l0, j), keep_lines(layout, &l1, j);
            __m256i u0 = codes_of(layout, &l0, part, j), u1 = codes_of(layout, &l1, part, j);
            EACH_ROW(ADD_FOUR);
        }
        EACH_ROW(END_SUM);
    }
}
#endif

/* One step of the chains of R rows of x. */
static FM_INLINE void add_group(const tile *t, const char *x, const int layout, const bool two, const int R,
                                codes_block b, const factors *f, int g, __m256i dot[TILE_ROWS][2],
                                __m256 y[TILE_ROWS][2]) {
    const bool halves = group_columns(layout) < FM_CODES;
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m256 s = scale_of(layout, b, f, g, h), m = minimum_of(layout, b, f, g, h);
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) {
            const fm_codes *row = BLOCK(r);
            __m256i n = two ? _mm256_add_epi32(_mm256_slli_epi32(dot[2 * r][h], 8), dot[2 * r + 1][h])
                            : dot[r][h];
            __m256 scale = _mm256_mul_ps(_mm256_set1_ps(row->scale), s);
            y[r][h] = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(n), y[r][h]);
            if (!has_minimum(layout)) continue;
            __m256 sum = _mm256_set1_ps(halves ? row->sum16[g % 2] : row->sum);
            y[r][h] = _mm256_fmadd_ps(m, sum, y[r][h]);
        }
    }
}

/* R rows of x. */
static FM_INLINE void multiply_tile(const tile *t, const int layout, const bool two, const int R) {
    const int parts = FM_CODES / group_columns(layout), together = blocks_together(layout);
    const int rows = two ? 2 * R : R; /* of bytes */
    const char *x = t->x;
    __m256 y[TILE_ROWS][2];
    __m256i dot[TILE_ROWS][2];
    memset(y, 0, sizeof y);
    for (int64_t k = 0; k < t->n_in; k += together * FM_CODES) {
        codes_block b = codes_block_at(layout, t->w, k);
        factors f;
        open_block(layout, b, &f);
#pragma GCC unroll 1
        for (int i = 0; i < together; i++, x += two ? sizeof(fm_codes16) : sizeof(fm_codes))
#pragma GCC unroll 2
            for (int part = 0; part < parts; part++) {
                int g = parts * i + part;
                const char *words = words_of(layout, b, g);
                for (int line = 0; t->ahead && line < lines_per_group(layout); line++)
                    _mm_prefetch(words + t->ahead + 64 * line, _MM_HINT_T0);
                if (gives_sign(layout))
                    multiply_bytes(t, x, layout, two, rows, words, part, dot);
                else
                    multiply_group(t, x, layout, two, rows, words, part, dot);
                add_group(t, x, layout, two, R, b, &f, g, dot, y);
            }
    }
    for (int r = 0; r < R; r++) {
        _mm256_storeu_ps(t->y + r * t->ldy, y[r][0]);
        _mm256_storeu_ps(t->y + r * t->ldy + 8, y[r][1]);
    }
}

/* All rows over one panel, in tiles of nearly equal height; the first one fetches the next panel. */
static FM_INLINE void multiply_rows(tile t, const int layout, const bool two, size_t panel_bytes,
                                    int64_t rows) {
    const int most = two ? TILE_ROWS / 2 : TILE_ROWS;
    t.ahead = rows == 1 ? STREAM_AHEAD : (ptrdiff_t)panel_bytes;
    for (int64_t tiles = (rows + most - 1) / most; tiles > 0; tiles--) {
        int64_t height = (rows + tiles - 1) / tiles;
        switch (height) {
        case 1: multiply_tile(&t, layout, two, 1); break;
        case 2: multiply_tile(&t, layout, two, 2); break;
        case 3: multiply_tile(&t, layout, two, two ? 2 : 3); break;
        default: multiply_tile(&t, layout, two, two ? 2 : 4); break;
        }
        t.x += (size_t)height * t.x_step;
        t.y += height * t.ldy;
        t.ahead = 0;
        rows -= height;
    }
}

static FM_INLINE void multiply(const int layout, const bool two, const fm_panels *w, int64_t begin, int64_t end,
                               const void *x, int64_t ldx, int64_t rows, float *y, int64_t ldy) {
    tile t = {.w = (const char *)w->data + (size_t)begin * w->panel_bytes, .n_in = w->n_in, .x = x,
              .x_step = (size_t)ldx * (two ? sizeof(fm_codes16) : sizeof(fm_codes)), .y = y, .ldy = ldy};
    const bool wide = is_wide(layout, two);
    if ((wide || opened_like(layout) >= 0) && rows * (two ? 2 : 1) >= LEAST_OPENED) {
        opened_rows r = {.panels = t.w, .panel_bytes = w->panel_bytes, .n_panels = end - begin, .n_in = t.n_in,
                         .x = t.x, .x_step = t.x_step, .y = y, .ldy = ldy};
        if (wide) multiply_many_wide(r, layout, two, rows);
        else multiply_many_rows(r, layout, two, rows);
        return;
    }
    for (; begin < end; begin++, t.w += w->panel_bytes, t.y += FM_PANEL)
        multiply_rows(t, layout, two, w->panel_bytes, rows);
}

#define DEFINE_CODES_PRODUCT(id, name, level)                                                      \
    void fm_codes_product_##name##_##level(const fm_panels *w, int64_t begin, int64_t end,         \
                                           const void *x, int64_t ldx, int64_t rows, float *y,     \
                                           int64_t ldy) {                                          \
        multiply(FM_LAYOUT_##id, false, w, begin, end, x, ldx, rows, y, ldy);                      \
    }                                                                                              \
    void fm_codes16_product_##name##_##level(const fm_panels *w, int64_t begin, int64_t end,       \
                                             const void *x, int64_t ldx, int64_t rows, float *y,   \
                                             int64_t ldy) {                                        \
        multiply(FM_LAYOUT_##id, true, w, begin, end, x, ldx, rows, y, ldy);                       \
    }
#ifdef __AVXVNNI__
FM_X86_CODES_LAYOUTS(DEFINE_CODES_PRODUCT, avx2vnni)
#else
FM_X86_CODES_LAYOUTS(DEFINE_CODES_PRODUCT, avx2)
#endif

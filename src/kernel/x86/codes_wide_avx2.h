/* codes_wide_avx2.h: products of integers for many rows of x in words of 16 bits. A code of two bytes is one
 * such word, and vpmaddwd multiplies it at once where its bytes would be multiplied one after the other and put
 * together again. Weights that have all bits of a byte are multiplied so with codes of one byte too: what
 * vpmaddubsw makes of them would have to be widened after every product. Weights are signed here, so that no
 * offset is to be undone. AVX-VNNI has no use for it: vpdpbusd takes two bytes as fast as vpdpwssd.
 *
 * Rows of x become words once for all panels, 512 columns at a time, as those of the weights do; a tile has 3 or
 * 4 rows by one panel, as in codes_opened_avx2.h. */
#pragma once

#include "kernel/x86/codes_opened_avx2.h"

enum {
    MOST_WIDE = 128, /* rows whose words lie on the stack, 160 KiB */
};

/* Whether this is for weights of that layout: with codes of one byte, where a sum of int16 holds but one
 * product, or where opening for every tile costs more. */
static FM_INLINE bool is_wide(const int layout, const bool two) {
    return !VNNI && (two || gives_sign(layout) || fours_per_sum(layout) == 1 || layout == FM_LAYOUT_IQ1_M);
}

/* A block of 32 columns of x: of every four codes the even ones before the odd ones, each pair of them one
 * of eight. */
typedef struct wide_codes {
    int16_t code[2][FM_CODES / 2]; /* [even or odd] */
    float scale, sum, sum16[2];
} wide_codes;

_Static_assert(sizeof(wide_codes) == 80, "no power of two, so that rows lie in different sets of a cache");

static FM_INLINE void widen_codes(const fm_codes *x, const bool two, wide_codes *out) {
    const __m256i *code = (const __m256i *)(const void *)x->code;
    __m256i first = _mm256_loadu_si256(code), even, odd;
    if (two) {
        const fm_codes16 *both = (const fm_codes16 *)(const void *)x;
        const __m256i second = _mm256_loadu_si256((const __m256i *)(const void *)both->second);
        even = _mm256_add_epi16(_mm256_slli_epi16(first, 8), _mm256_srai_epi16(_mm256_slli_epi16(second, 8), 8));
        odd = _mm256_add_epi16(_mm256_and_si256(first, _mm256_set1_epi16((short)0xff00)),
                               _mm256_srai_epi16(second, 8));
    } else {
        even = _mm256_srai_epi16(_mm256_slli_epi16(first, 8), 8);
        odd = _mm256_srai_epi16(first, 8);
    }
    _mm256_storeu_si256((__m256i *)(void *)out->code[0], even);
    _mm256_storeu_si256((__m256i *)(void *)out->code[1], odd);
    _mm_storeu_ps(&out->scale, _mm_loadu_ps(&x->scale));
}

/* Blocks [0, blocks) from column k on. */
static FM_INLINE void widen_rows(const opened_rows *r, const bool two, int64_t k, int blocks, int64_t rows,
                                 wide_codes out[][OPENED_BLOCKS]) {
    const size_t block = two ? sizeof(fm_codes16) : sizeof(fm_codes);
    for (int64_t m = 0; m < rows; m++) {
        const char *x = r->x + (size_t)m * r->x_step + (size_t)(k / FM_CODES) * block;
        for (int b = 0; b < blocks; b++, x += block)
            widen_codes((const fm_codes *)(const void *)x, two, &out[m][b]);
    }
}

#define WIDE(m) ((const wide_codes *)(const void *)(x + (size_t)(m) * sizeof(wide_codes[OPENED_BLOCKS])))
#define WIDE_ADD(r)                                                                                \
    do {                                                                                           \
        __m256i two = four_of(&WIDE(r)->code[i % 2][at]);                                          \
        __m256i p0 = _mm256_madd_epi16(u0, two), p1 = _mm256_madd_epi16(u1, two);                  \
        n##r##0 = i ? _mm256_add_epi32(n##r##0, p0) : p0;                                          \
        n##r##1 = i ? _mm256_add_epi32(n##r##1, p1) : p1;                                          \
        KEEP_ORDER(r);                                                                             \
    } while (0)
#define WIDE_STEP(m) opened_step(WIDE(m)->scale, SUM_OF(WIDE(m)), w, minimum, g, n##m##0, n##m##1, y[m])

/* Of R rows, whose groups have `columns` columns. */
static FM_INLINE void multiply_wide(const opened_tile *t, const int columns, const bool minimum, const int R) {
    const int parts = FM_CODES / columns, twos = columns / 2;
    const opened *w = t->w;
    const char *x = t->x;
    __m256 y[OPENED_ROWS][2];
    read_chains(t, y, R);
#pragma GCC unroll 1
    for (int b = 0; b < t->blocks; b++, x += sizeof(wide_codes)) {
        fetch_for_block(t, b);
#pragma GCC unroll 2
        for (int part = 0; part < parts; part++) {
            const int g = parts * b + part;
            __m256i n00, n01, n10, n11, n20, n21, n30, n31;
#pragma GCC unroll 16
            for (int i = 0; i < twos; i++) {
                const int at = columns / 2 * part + i / 2 * 2;
                __m256i u0 = w->code[twos * g + i][0], u1 = w->code[twos * g + i][1];
                EACH_OPENED(WIDE_ADD);
            }
            EACH_OPENED(WIDE_STEP);
        }
    }
    write_chains(t, y, R);
}

#define DEFINE_WIDE(columns, minimum)                                                              \
    static void multiply_wide_##columns##_##minimum(const opened_tile *t, int64_t rows) {          \
        if (rows == 3) multiply_wide(t, columns, minimum, 3);                                      \
        else multiply_wide(t, columns, minimum, 4);                                                \
    }
DEFINE_WIDE(32, 0)
DEFINE_WIDE(32, 1)
DEFINE_WIDE(16, 0)
DEFINE_WIDE(16, 1)

static FM_INLINE void multiply_wide_rows(const opened_tile *t, const int layout, int64_t rows) {
    switch (group_columns(layout) + has_minimum(layout)) {
    case 32: multiply_wide_32_0(t, rows); break;
    case 33: multiply_wide_32_1(t, rows); break;
    case 16: multiply_wide_16_0(t, rows); break;
    default: multiply_wide_16_1(t, rows); break;
    }
}

static FM_INLINE void multiply_wide_columns(const opened_rows *r, const int layout, const bool two, int64_t rows) {
    opened o;
    wide_codes x[MOST_WIDE][OPENED_BLOCKS];
    for (int64_t k = 0; k < r->n_in; k += FM_CODES * OPENED_BLOCKS) {
        const int blocks = opened_blocks(r, k);
        widen_rows(r, two, k, blocks, rows, x);
        for (int64_t p = 0; p < r->n_panels; p++) {
            open_columns(layout, true, r->panels + (size_t)p * r->panel_bytes, k, blocks, &o);
            opened_tile t = opened_tile_of(r, layout, &o, p, k);
            t.x = (const char *)x;
            t.x_step = sizeof x[0];
            EACH_OPENED_TILE(t, rows, OPENED_ROWS, multiply_wide_rows(&t, layout, height));
        }
    }
}

static FM_INLINE void multiply_many_wide(opened_rows r, const int layout, const bool two, int64_t rows) {
    for (int64_t parts = (rows + MOST_WIDE - 1) / MOST_WIDE; parts > 0; parts--) {
        int64_t count = (rows + parts - 1) / parts;
        multiply_wide_columns(&r, layout, two, count);
        r.x += (size_t)count * r.x_step;
        r.y += count * r.ldy;
        rows -= count;
    }
}

/* row_books_avx2.c: row products of opened books. */
#include "kernel/x86/books_avx2.h"
#include "kernel/x86/row_lines_avx2.h"

#define WEIGHT(p, h, i) _mm256_mul_ps(d##p##h, signed_byte(i % 2 ? o##p##h : e##p##h, i / 2))

/* What lies above the two bits of the codes; see two_values. */
#define ABOVE                                                                                      \
    FOUR(__m256i, t);                                                                              \
    t00 = t01 = t10 = t11 = _mm256_setzero_si256();

/* Eight k: the first or, on a second visit, the last of a word of 16 x 2 bits. */
#define OPEN_TWOS(p, h)                                                                            \
    do {                                                                                           \
        OPEN_LINE(p, h);                                                                           \
        v##p##h = _mm256_srl_epi32(v##p##h, _mm_cvtsi32_si128(4 * (int)eight));                    \
        e##p##h = two_values(v##p##h, 0, t##p##h, table);                                          \
        o##p##h = two_values(v##p##h, 1, t##p##h, table);                                          \
    } while (0)

static FM_INLINE void tq2_0_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    ABOVE
    const __m256i table = ternary_table();
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_tq2_0);
#define OPEN(p, h) d##p##h = scale_8(BLOCK(fm_panel_tq2_0, p, at)->d, h)
        EACH_HALF(OPEN);
#undef OPEN
        for (int g = 0; g < 16; g++)
            for (size_t eight = 0; eight < 2; eight++)
                LINE_OF(CODES_8, OPEN_TWOS, at + offsetof(fm_panel_tq2_0, q[g]), 8);
    }
    EACH_HALF(STORE_Y);
}
DEFINE_ROW_PRODUCT(tq2_0)

static FM_INLINE void iq1_s_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    ABOVE
    const __m256i table = book_table(fm_iq1_values);
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_iq1_s);
        for (int g = 0; g < 16; g++) {
#define OPEN(p, h)                                                                                 \
    do {                                                                                           \
        __m256i nibble = book_nibble(BLOCK(fm_panel_iq1_s, p, at)->scales, g / 2, h);              \
        d##p##h = odd_scale(FM_LAYOUT_IQ1_S, BLOCK(fm_panel_iq1_s, p, at)->d, nibble, 7, h);       \
        t##p##h = iq1_shift(nibble, 3);                                                            \
    } while (0)
            if (g % 2 == 0) EACH_HALF(OPEN);
#undef OPEN
            for (size_t eight = 0; eight < 2; eight++)
                LINE_OF(CODES_8, OPEN_TWOS, at + offsetof(fm_panel_iq1_s, q[g]), 8);
        }
    }
    EACH_HALF(STORE_Y);
}
DEFINE_ROW_PRODUCT(iq1_s)

static FM_INLINE void iq1_m_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    ABOVE
    const __m256i table = book_table(fm_iq1_values);
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_iq1_m);
        for (int g = 0; g < 16; g++)
#pragma GCC unroll 2
            for (int eight = 0; eight < 2; eight++) {
#define OPEN(p, h)                                                                                 \
    do {                                                                                           \
        __m256i bytes = iq1_bytes(BLOCK(fm_panel_iq1_m, p, at)->group[g].scale, h);                \
        d##p##h = odd_scale(FM_LAYOUT_IQ1_M, BLOCK(fm_panel_iq1_m, p, at)->d, bytes, 7, h);        \
        t##p##h = iq1_shift(bytes, 4 + eight);                                                     \
    } while (0)
                EACH_HALF(OPEN);
#undef OPEN
                LINE_OF(CODES_8, OPEN_TWOS, at + offsetof(fm_panel_iq1_m, group[g].q), 8);
            }
    }
    EACH_HALF(STORE_Y);
}
DEFINE_ROW_PRODUCT(iq1_m)

#define OPEN_THREES(p, h)                                                                          \
    do {                                                                                           \
        OPEN_LINE(p, h);                                                                           \
        e##p##h = three_values(v##p##h, 0, table);                                                 \
        o##p##h = three_values(v##p##h, 1, table);                                                 \
    } while (0)
/* The last eight of 32, from all three lines. */
#define OPEN_LAST(p, h)                                                                            \
    do {                                                                                           \
        e##p##h = last_values(AT(p, line), 0, h, table);                                           \
        o##p##h = last_values(AT(p, line), 1, h, table);                                           \
    } while (0)

static FM_INLINE void iq2_xxs_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    const __m256i table = book_table(fm_iq2_values);
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_iq2_xxs);
        for (int g = 0; g < 8; g++) {
            size_t group = at + offsetof(fm_panel_iq2_xxs, q[g]);
#define OPEN(p, h)                                                                                 \
    d##p##h = odd_scale(FM_LAYOUT_IQ2_XXS, BLOCK(fm_panel_iq2_xxs, p, at)->d,                      \
                        book_nibble(BLOCK(fm_panel_iq2_xxs, p, at)->scales, g, h), 15, h)
            EACH_HALF(OPEN);
#undef OPEN
            for (size_t j = 0; j < 3; j++) LINE_OF(CODES_8, OPEN_THREES, group + 64 * j, 8);
            LINE_OF(CODES_8, OPEN_LAST, group, 8);
        }
    }
    EACH_HALF(STORE_Y);
}
DEFINE_ROW_PRODUCT(iq2_xxs)

static FM_INLINE void iq2_s_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    const __m256i table = book_table(fm_iq2_values);
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_iq2_s);
        for (int g = 0; g < 16; g++) { /* groups of 16 */
            size_t group = at + offsetof(fm_panel_iq2_s, q[g / 2]);
#define OPEN(p, h)                                                                                 \
    d##p##h = odd_scale(FM_LAYOUT_IQ2_S, BLOCK(fm_panel_iq2_s, p, at)->d,                          \
                        book_nibble(BLOCK(fm_panel_iq2_s, p, at)->scales[g / 8], g % 8, h), 15, h)
            EACH_HALF(OPEN);
#undef OPEN
            LINE_OF(CODES_8, OPEN_THREES, group + (g % 2 ? 128 : 0), 8);
            if (g % 2 == 0)
                LINE_OF(CODES_8, OPEN_THREES, group + 64, 8);
            else
                LINE_OF(CODES_8, OPEN_LAST, group, 8);
        }
    }
    EACH_HALF(STORE_Y);
}
DEFINE_ROW_PRODUCT(iq2_s)

#define OPEN_LINE_IQ3(p, h)                                                                        \
    do {                                                                                           \
        OPEN_LINE(p, h);                                                                           \
        e##p##h = even_values(v##p##h, table);                                                     \
        o##p##h = odd_values(v##p##h, table);                                                      \
    } while (0)

static FM_INLINE void iq3_group(const int layout, const stream *s, const int n, const int8_t *values) {
    VARIABLES
    FOURS
    const __m256i table = book_table(values);
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_iq3);
        for (int g = 0; g < 8; g++) {
#define OPEN(p, h)                                                                                 \
    d##p##h = odd_scale(layout, BLOCK(fm_panel_iq3, p, at)->d,                                     \
                        book_nibble(BLOCK(fm_panel_iq3, p, at)->scales, g, h), 15, h)
            EACH_HALF(OPEN);
#undef OPEN
            for (size_t j = 0; j < 4; j++)
                LINE_OF(CODES_8, OPEN_LINE_IQ3, at + offsetof(fm_panel_iq3, q[g][j]), 8);
        }
    }
    EACH_HALF(STORE_Y);
}

static FM_INLINE void iq3_xxs_group(const stream *s, const int n) {
    iq3_group(FM_LAYOUT_IQ3_XXS, s, n, fm_iq3_xxs_values);
}
DEFINE_ROW_PRODUCT(iq3_xxs)

static FM_INLINE void iq3_s_group(const stream *s, const int n) {
    iq3_group(FM_LAYOUT_IQ3_S, s, n, fm_iq3_s_values);
}
DEFINE_ROW_PRODUCT(iq3_s)

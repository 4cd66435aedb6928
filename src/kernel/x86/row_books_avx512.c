/* row_books_avx512.c: row products of opened books. */
#include "kernel/x86/books_avx512.h"
#include "kernel/x86/row_lines_avx512.h"

static FM_INLINE void tq2_0_group(const stream *s, const int n) {
    VARIABLES
    const __m512 table = ternary_values();
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_tq2_0);
#define OPEN(p) d##p = halves16(BLOCK(fm_panel_tq2_0, p, at)->d)
        EACH_PANEL(OPEN);
#undef OPEN
#define WEIGHT(p, i) _mm512_mul_ps(d##p, look_up(v##p, fm_q2_shift(i), table))
        for (int g = 0; g < 16; g++)
            LINE_OF(CODES_16, OPEN_LINE, at + offsetof(fm_panel_tq2_0, q[g]), 16);
#undef WEIGHT
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(tq2_0)

#define SHIFTED(p, i, shift)                                                                       \
    _mm512_mul_ps(d##p, _mm512_add_ps(look_up(v##p, fm_q2_shift(i), table), shift))

static FM_INLINE void iq1_s_group(const stream *s, const int n) {
    VARIABLES
    const __m512 table = ternary_values();
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_iq1_s);
        for (int g = 0; g < 16; g++) {
#define OPEN(p)                                                                                    \
    do {                                                                                           \
        __m512i nibble = book_nibble(BLOCK(fm_panel_iq1_s, p, at)->scales, g / 2);                 \
        d##p = odd_scale(BLOCK(fm_panel_iq1_s, p, at)->d, nibble, 7);                              \
        m##p = iq1_shift(nibble, 3);                                                               \
    } while (0)
            if (g % 2 == 0) EACH_PANEL(OPEN);
#undef OPEN
#define WEIGHT(p, i) SHIFTED(p, i, m##p)
            LINE_OF(CODES_16, OPEN_LINE, at + offsetof(fm_panel_iq1_s, q[g]), 16);
#undef WEIGHT
        }
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(iq1_s)

static FM_INLINE void iq1_m_group(const stream *s, const int n) {
    VARIABLES
    FOUR(__m512, u); /* the shifts of the second eight */
    ZERO_FOUR(u);
    const __m512 table = ternary_values();
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_iq1_m);
        for (int g = 0; g < 16; g++) {
#define OPEN(p)                                                                                    \
    do {                                                                                           \
        __m512i bytes = iq1_bytes(BLOCK(fm_panel_iq1_m, p, at)->group[g].scale);                   \
        d##p = odd_scale(BLOCK(fm_panel_iq1_m, p, at)->d, bytes, 7);                               \
        m##p = iq1_shift(bytes, 4);                                                                \
        u##p = iq1_shift(bytes, 5);                                                                \
    } while (0)
            EACH_PANEL(OPEN);
#undef OPEN
#define WEIGHT(p, i) SHIFTED(p, i, i < 8 ? m##p : u##p)
            LINE_OF(CODES_16, OPEN_LINE, at + offsetof(fm_panel_iq1_m, group[g].q), 16);
#undef WEIGHT
        }
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(iq1_m)

/* The last eight of 32, from all three lines. */
#define OPEN_LAST(p)                                                                               \
    do {                                                                                           \
        (void)ahead;                                                                               \
        e##p = iq2_last_even(AT(p, line));                                                         \
        o##p = iq2_last_odd(AT(p, line));                                                          \
    } while (0)

#define LINE_CODE(p, i) _mm512_mul_ps(d##p, look_up(v##p, iq2_at(i), table))
#define LAST_CODE(p, i) _mm512_mul_ps(d##p, look_up(i % 2 ? o##p : e##p, i / 2 * 8, table))

static FM_INLINE void iq2_xxs_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    const __m512 table = book_values(FM_LAYOUT_IQ2_XXS, fm_iq2_values);
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_iq2_xxs);
        for (int g = 0; g < 8; g++) {
            size_t group = at + offsetof(fm_panel_iq2_xxs, q[g]);
#define OPEN(p)                                                                                    \
    d##p = odd_scale(BLOCK(fm_panel_iq2_xxs, p, at)->d,                                            \
                     book_nibble(BLOCK(fm_panel_iq2_xxs, p, at)->scales, g), 15)
            EACH_PANEL(OPEN);
#undef OPEN
#define WEIGHT LINE_CODE
            for (size_t j = 0; j < 3; j++) LINE_OF(CODES_8, OPEN_LINE, group + 64 * j, 8);
#undef WEIGHT
#define WEIGHT LAST_CODE
            LINE_OF(CODES_8, OPEN_LAST, group, 8);
#undef WEIGHT
        }
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(iq2_xxs)

static FM_INLINE void iq2_s_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    const __m512 table = book_values(FM_LAYOUT_IQ2_S, fm_iq2_values);
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_iq2_s);
        for (int g = 0; g < 16; g++) { /* groups of 16 */
            size_t group = at + offsetof(fm_panel_iq2_s, q[g / 2]);
#define OPEN(p)                                                                                    \
    d##p = odd_scale(BLOCK(fm_panel_iq2_s, p, at)->d,                                              \
                     book_nibble(BLOCK(fm_panel_iq2_s, p, at)->scales[g / 8], g % 8), 15)
            EACH_PANEL(OPEN);
#undef OPEN
#define WEIGHT LINE_CODE
            LINE_OF(CODES_8, OPEN_LINE, group + (g % 2 ? 128 : 0), 8);
            if (g % 2 == 0) LINE_OF(CODES_8, OPEN_LINE, group + 64, 8);
#undef WEIGHT
#define WEIGHT LAST_CODE
            if (g % 2) LINE_OF(CODES_8, OPEN_LAST, group, 8);
#undef WEIGHT
        }
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(iq2_s)

static FM_INLINE void iq3_group(const stream *s, const int n, const __m512 table) {
    VARIABLES
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_iq3);
        for (int g = 0; g < 8; g++) {
#define OPEN(p)                                                                                    \
    d##p = odd_scale(BLOCK(fm_panel_iq3, p, at)->d,                                                \
                     book_nibble(BLOCK(fm_panel_iq3, p, at)->scales, g), 15)
            EACH_PANEL(OPEN);
#undef OPEN
#define WEIGHT(p, i) _mm512_mul_ps(d##p, look_up(v##p, 4 * i, table))
            for (size_t j = 0; j < 4; j++)
                LINE_OF(CODES_8, OPEN_LINE, at + offsetof(fm_panel_iq3, q[g][j]), 8);
#undef WEIGHT
        }
    }
    EACH_PANEL(STORE_Y);
}

static FM_INLINE void iq3_xxs_group(const stream *s, const int n) {
    iq3_group(s, n, book_values(FM_LAYOUT_IQ3_XXS, fm_iq3_xxs_values));
}
DEFINE_ROW_PRODUCT(iq3_xxs)

static FM_INLINE void iq3_s_group(const stream *s, const int n) {
    iq3_group(s, n, book_values(FM_LAYOUT_IQ3_S, fm_iq3_s_values));
}
DEFINE_ROW_PRODUCT(iq3_s)

/* row_blocks_avx512.c: row products of the quantised panels. */
#include "kernel/x86/row_lines_avx512.h"

#define OPEN_TWO_LINES(p)                                                                          \
    do {                                                                                           \
        PREFETCH(p, ahead);                                                                        \
        PREFETCH(p, ahead + 64);                                                                   \
        e##p = _mm512_loadu_si512(AT(p, line));                                                    \
        o##p = _mm512_loadu_si512(AT(p, line + 64));                                               \
        __asm__("" : "+v"(e##p), "+v"(o##p));                                                      \
    } while (0)

static FM_INLINE void q8_0_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_q8_0);
#define OPEN(p) d##p = scale_8(BLOCK(fm_panel_q8_0, p, at)->d)
        EACH_PANEL(OPEN);
#undef OPEN
#define WEIGHT(p, i) _mm512_mul_ps(d##p, signed_byte(i % 2 ? o##p : e##p, i / 2))
        for (size_t j = 0; j < 4; j++)
            LINE_OF(CODES_8, OPEN_TWO_LINES, at + offsetof(fm_panel_q8_0, q[j]), 8);
#undef WEIGHT
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(q8_0)

static FM_INLINE void q4_0_group(const stream *s, const int n) {
    VARIABLES
    const __m512 table = signed_nibbles();
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_q4_0);
#define OPEN(p) d##p = halves16(BLOCK(fm_panel_q4_0, p, at)->d)
        EACH_PANEL(OPEN);
#undef OPEN
#define WEIGHT(p, i) _mm512_mul_ps(d##p, look_up(v##p, 4 * i, table))
        for (size_t j = 0; j < 4; j++)
            LINE_OF(CODES_8, OPEN_LINE, at + offsetof(fm_panel_q4_0, q[j]), 8);
#undef WEIGHT
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(q4_0)

static FM_INLINE void q4_1_group(const stream *s, const int n) {
    VARIABLES
    const __m512 table = plain_nibbles();
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_q4_1);
#define OPEN(p)                                                                                    \
    do {                                                                                           \
        d##p = halves16(BLOCK(fm_panel_q4_1, p, at)->d);                                           \
        m##p = halves16(BLOCK(fm_panel_q4_1, p, at)->m);                                           \
    } while (0)
        EACH_PANEL(OPEN);
#undef OPEN
#define WEIGHT(p, i) _mm512_fmadd_ps(d##p, look_up(v##p, 4 * i, table), m##p)
        for (size_t j = 0; j < 4; j++)
            LINE_OF(CODES_8, OPEN_LINE, at + offsetof(fm_panel_q4_1, q[j]), 8);
#undef WEIGHT
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(q4_1)

/* Scale and minimum of group g of the block at `at`: the words of scales are read again for every
 * group, from L1; kept, they would take twice the registers there are. */
static FM_INLINE __m512 scale_of(const char *block, int g) {
    const fm_panel_q4_k *b = (const fm_panel_q4_k *)block; /* Q5_K begins alike */
    __m512i bytes = words16(b->scales[0]);
    if (g >= 4)
        bytes = _mm512_or_si512(
            _mm512_and_si512(words16(b->scales[2]), _mm512_set1_epi32(0x0f0f0f0f)),
            _mm512_and_si512(_mm512_srli_epi32(bytes, 2), _mm512_set1_epi32(0x30303030)));
    return k_factor(halves16(b->d), bytes, g);
}

static FM_INLINE __m512 minimum_of(const char *block, int g) {
    const fm_panel_q4_k *b = (const fm_panel_q4_k *)block;
    __m512i bytes = words16(b->scales[1]);
    if (g >= 4)
        bytes = _mm512_or_si512(
            _mm512_and_si512(_mm512_srli_epi32(words16(b->scales[2]), 4),
                             _mm512_set1_epi32(0x0f0f0f0f)),
            _mm512_and_si512(_mm512_srli_epi32(bytes, 2), _mm512_set1_epi32(0x30303030)));
    return k_factor(halves16(b->dmin), bytes, g);
}

#define OPEN_K_GROUP(p)                                                                            \
    do {                                                                                           \
        d##p = scale_of(AT(p, at), g);                                                             \
        m##p = minimum_of(AT(p, at), g);                                                           \
    } while (0)

static FM_INLINE void q4_k_group(const stream *s, const int n) {
    VARIABLES
    const __m512 table = plain_nibbles();
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_q4_k);
        for (int g = 0; g < 8; g++) {
            EACH_PANEL(OPEN_K_GROUP);
#define WEIGHT(p, i) _mm512_fmsub_ps(d##p, look_up(v##p, 4 * i, table), m##p)
            for (size_t j = 0; j < 4; j++)
                LINE_OF(CODES_8, OPEN_LINE, at + offsetof(fm_panel_q4_k, q[g][j]), 8);
#undef WEIGHT
        }
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(q4_k)

/* High bits of a group, shifted on from line to line. */
#define HIGH_BITS                                                                                  \
    FOUR(__m512i, t);                                                                              \
    t0 = t1 = t2 = t3 = _mm512_setzero_si512();

/* The high bits of the group, which lie at `at_high`. */
#define OPEN_HIGH(p)                                                                               \
    do {                                                                                           \
        PREFETCH(p, high_ahead);                                                                   \
        t##p = words16((const uint32_t *)AT(p, at_high));                                          \
    } while (0)

#define OPEN_LINE_5(p)                                                                             \
    do {                                                                                           \
        OPEN_LINE(p);                                                                              \
        e##p = even_5(v##p, t##p);                                                                 \
        o##p = odd_5(v##p, t##p);                                                                  \
        t##p = _mm512_srli_epi32(t##p, 2);                                                         \
    } while (0)

static FM_INLINE void q5_0_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    HIGH_BITS
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_q5_0), codes = at + offsetof(fm_panel_q5_0, codes);
        size_t at_high = codes + offsetof(fm_panel_5_bits, high);
        size_t high_ahead = ahead_of(s, at_high);
#define OPEN(p) d##p = halves16(BLOCK(fm_panel_q5_0, p, at)->d)
        EACH_PANEL(OPEN);
#undef OPEN
        EACH_PANEL(OPEN_HIGH);
#define WEIGHT(p, i) _mm512_mul_ps(d##p, look_up_5(i % 2 ? o##p : e##p, i / 2 * 8, -16))
        for (size_t j = 0; j < 4; j++) LINE_OF(CODES_8, OPEN_LINE_5, codes + 64 * j, 8);
#undef WEIGHT
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(q5_0)

static FM_INLINE void q5_1_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    HIGH_BITS
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_q5_1), codes = at + offsetof(fm_panel_q5_1, codes);
        size_t at_high = codes + offsetof(fm_panel_5_bits, high);
        size_t high_ahead = ahead_of(s, at_high);
#define OPEN(p)                                                                                    \
    do {                                                                                           \
        d##p = halves16(BLOCK(fm_panel_q5_1, p, at)->d);                                           \
        m##p = halves16(BLOCK(fm_panel_q5_1, p, at)->m);                                           \
    } while (0)
        EACH_PANEL(OPEN);
#undef OPEN
        EACH_PANEL(OPEN_HIGH);
#define WEIGHT(p, i) _mm512_fmadd_ps(d##p, look_up_5(i % 2 ? o##p : e##p, i / 2 * 8, 0), m##p)
        for (size_t j = 0; j < 4; j++) LINE_OF(CODES_8, OPEN_LINE_5, codes + 64 * j, 8);
#undef WEIGHT
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(q5_1)

static FM_INLINE void q5_k_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    HIGH_BITS
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_q5_k);
        for (int g = 0; g < 8; g++) {
            size_t group = at + offsetof(fm_panel_q5_k, group[g]);
            size_t at_high = group + offsetof(fm_panel_5_bits, high);
            size_t high_ahead = ahead_of(s, at_high);
            EACH_PANEL(OPEN_K_GROUP);
            EACH_PANEL(OPEN_HIGH);
#define WEIGHT(p, i) _mm512_fmsub_ps(d##p, look_up_5(i % 2 ? o##p : e##p, i / 2 * 8, 0), m##p)
            for (size_t j = 0; j < 4; j++) LINE_OF(CODES_8, OPEN_LINE_5, group + 64 * j, 8);
#undef WEIGHT
        }
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(q5_k)

static FM_INLINE void q2_k_group(const stream *s, const int n) {
    VARIABLES
    const __m512 table = repeated_twos();
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_q2_k);
        for (int g = 0; g < 16; g++) {
#define OPEN(p)                                                                                    \
    do {                                                                                           \
        d##p = scale_2(BLOCK(fm_panel_q2_k, p, at), g);                                            \
        m##p = minimum_2(BLOCK(fm_panel_q2_k, p, at), g);                                          \
    } while (0)
            EACH_PANEL(OPEN);
#undef OPEN
#define WEIGHT(p, i) _mm512_fmsub_ps(d##p, look_up(v##p, fm_q2_shift(i), table), m##p)
            LINE_OF(CODES_16, OPEN_LINE, at + offsetof(fm_panel_q2_k, group[g].q), 16);
#undef WEIGHT
        }
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(q2_k)

/* Eight k: the first or, on a second visit, the last of a word of 16 x 2 bits. */
#define OPEN_LINE_3(p)                                                                             \
    do {                                                                                           \
        OPEN_LINE(p);                                                                              \
        v##p = _mm512_srl_epi32(v##p, _mm_cvtsi32_si128(4 * (int)eight));                          \
        e##p = even_3(v##p, t##p);                                                                 \
        o##p = odd_3(v##p, t##p);                                                                  \
        t##p = _mm512_srli_epi32(t##p, 2);                                                         \
    } while (0)

static FM_INLINE void q3_k_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    HIGH_BITS
    const __m512 table = repeated_threes();
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_q3_k);
        for (int g = 0; g < 16; g++) {
            size_t group = at + offsetof(fm_panel_q3_k, group[g / 2]);
            size_t at_high = group + offsetof(fm_panel_3_bits, high);
            size_t high_ahead = ahead_of(s, at_high);
            if (g % 2 == 0) EACH_PANEL(OPEN_HIGH);
#define OPEN(p) d##p = scale_3(BLOCK(fm_panel_q3_k, p, at), g)
            EACH_PANEL(OPEN);
#undef OPEN
#define WEIGHT(p, i) _mm512_mul_ps(d##p, look_up(i % 2 ? o##p : e##p, i / 2 * 8, table))
            for (size_t eight = 0; eight < 2; eight++)
                LINE_OF(CODES_8, OPEN_LINE_3, group + offsetof(fm_panel_3_bits, low[g % 2]), 8);
#undef WEIGHT
        }
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(q3_k)

#define OPEN_LINE_6(p)                                                                             \
    do {                                                                                           \
        OPEN_LINE(p);                                                                              \
        e##p = even_6(v##p, t##p);                                                                 \
        o##p = odd_6(v##p, t##p);                                                                  \
        t##p = _mm512_srli_epi32(t##p, 4);                                                         \
    } while (0)

static FM_INLINE void q6_k_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    HIGH_BITS
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_q6_k);
        for (int g = 0; g < 16; g++) {
            size_t group = at + offsetof(fm_panel_q6_k, group[g]);
            size_t at_high = group + offsetof(fm_panel_q6_group, high);
            size_t high_ahead = ahead_of(s, at_high);
#define OPEN(p) d##p = scale_6(BLOCK(fm_panel_q6_k, p, at), g)
            EACH_PANEL(OPEN);
#undef OPEN
            EACH_PANEL(OPEN_HIGH);
#define WEIGHT(p, i) _mm512_mul_ps(d##p, signed_byte(i % 2 ? o##p : e##p, i / 2))
            for (size_t j = 0; j < 2; j++)
                LINE_OF(CODES_8, OPEN_LINE_6, group + offsetof(fm_panel_q6_group, low[j]), 8);
#undef WEIGHT
        }
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(q6_k)

#define WEIGHT(p, i) _mm512_mul_ps(d##p, look_up(v##p, 4 * i, table))

static FM_INLINE void iq4_nl_group(const stream *s, const int n) {
    VARIABLES
    const __m512 table = iq4_values();
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_iq4_nl);
#define OPEN(p) d##p = halves16(BLOCK(fm_panel_iq4_nl, p, at)->d)
        EACH_PANEL(OPEN);
#undef OPEN
        for (size_t j = 0; j < 4; j++)
            LINE_OF(CODES_8, OPEN_LINE, at + offsetof(fm_panel_iq4_nl, q[j]), 8);
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(iq4_nl)

static FM_INLINE void iq4_xs_group(const stream *s, const int n) {
    VARIABLES
    const __m512 table = iq4_values();
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_iq4_xs);
        for (int g = 0; g < 8; g++) {
#define OPEN(p) d##p = iq4_xs_scale(BLOCK(fm_panel_iq4_xs, p, at), g)
            EACH_PANEL(OPEN);
#undef OPEN
            for (size_t j = 0; j < 4; j++)
                LINE_OF(CODES_8, OPEN_LINE, at + offsetof(fm_panel_iq4_xs, q[g][j]), 8);
        }
    }
    EACH_PANEL(STORE_Y);
}
DEFINE_ROW_PRODUCT(iq4_xs)

static FM_INLINE void mxfp4_group(const stream *s, const int n) {
    VARIABLES
    const __m512 table = mxfp4_values();
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_mxfp4);
#define OPEN(p) d##p = mxfp4_scale(BLOCK(fm_panel_mxfp4, p, at)->e)
        EACH_PANEL(OPEN);
#undef OPEN
        for (size_t j = 0; j < 4; j++)
            LINE_OF(CODES_8, OPEN_LINE, at + offsetof(fm_panel_mxfp4, q[j]), 8);
    }
    EACH_PANEL(STORE_Y);
}
#undef WEIGHT
DEFINE_ROW_PRODUCT(mxfp4)
#undef WEIGHT

#define OPEN_LINE_TCQ4(p)                                                                          \
    do {                                                                                           \
        OPEN_LINE(p);                                                                              \
        __m512i switches = tcq4_switches(BLOCK(fm_panel_tcq4, p, at)->q, j);                       \
        e##p = even_5(v##p, switches);                                                             \
        o##p = odd_tcq4(v##p, switches);                                                           \
    } while (0)
#define WEIGHT(p, i) _mm512_mul_ps(d##p, look_up_tcq4(i % 2 ? o##p : e##p, i / 2 * 8))

static FM_INLINE void tcq4_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_tcq4);
#define OPEN(p) d##p = tcq4_scale(BLOCK(fm_panel_tcq4, p, at)->e)
        EACH_PANEL(OPEN);
#undef OPEN
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            LINE_OF(CODES_8, OPEN_LINE_TCQ4, at + offsetof(fm_panel_tcq4, q[j]), 8);
    }
    EACH_PANEL(STORE_Y);
}
#undef WEIGHT
DEFINE_ROW_PRODUCT(tcq4)

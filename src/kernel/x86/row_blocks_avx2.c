/* row_blocks_avx2.c: row products of the quantised panels. */
#include "kernel/x86/row_lines_avx2.h"

#define OPEN_TWO_LINES(p, h)                                                                       \
    do {                                                                                           \
        if (h == 0) PREFETCH(p, ahead + 64);                                                       \
        e##p##h = words8(AT(p, line), h);                                                          \
        o##p##h = words8(AT(p, line + 64), h);                                                     \
    } while (0)

static FM_INLINE void q8_0_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_q8_0);
#define OPEN(p, h) d##p##h = scale_8(BLOCK(fm_panel_q8_0, p, at)->d, h)
        EACH_HALF(OPEN);
#undef OPEN
#define WEIGHT(p, h, i) _mm256_mul_ps(d##p##h, signed_byte(i % 2 ? o##p##h : e##p##h, i / 2))
        for (size_t j = 0; j < 4; j++)
            LINE_OF(CODES_8, OPEN_TWO_LINES, at + offsetof(fm_panel_q8_0, q[j]), 8);
#undef WEIGHT
    }
    EACH_HALF(STORE_Y);
}
DEFINE_ROW_PRODUCT(q8_0)

static FM_INLINE void q4_0_group(const stream *s, const int n) {
    VARIABLES
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_q4_0);
#define OPEN(p, h) d##p##h = halves8(BLOCK(fm_panel_q4_0, p, at)->d, h)
        EACH_HALF(OPEN);
#undef OPEN
#define WEIGHT(p, h, i) _mm256_mul_ps(d##p##h, signed_nibble(v##p##h, i))
        for (size_t j = 0; j < 4; j++)
            LINE_OF(CODES_8, OPEN_LINE, at + offsetof(fm_panel_q4_0, q[j]), 8);
#undef WEIGHT
    }
    EACH_HALF(STORE_Y);
}
DEFINE_ROW_PRODUCT(q4_0)

static FM_INLINE void q4_1_group(const stream *s, const int n) {
    VARIABLES
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_q4_1);
#define OPEN(p, h)                                                                                 \
    do {                                                                                           \
        d##p##h = halves8(BLOCK(fm_panel_q4_1, p, at)->d, h);                                      \
        m##p##h = halves8(BLOCK(fm_panel_q4_1, p, at)->m, h);                                      \
    } while (0)
        EACH_HALF(OPEN);
#undef OPEN
#define WEIGHT(p, h, i) _mm256_fmadd_ps(d##p##h, nibble(v##p##h, i), m##p##h)
        for (size_t j = 0; j < 4; j++)
            LINE_OF(CODES_8, OPEN_LINE, at + offsetof(fm_panel_q4_1, q[j]), 8);
#undef WEIGHT
    }
    EACH_HALF(STORE_Y);
}
DEFINE_ROW_PRODUCT(q4_1)

#define OPEN_K_GROUP(p, h)                                                                         \
    do {                                                                                           \
        d##p##h = k_scale(AT(p, at), g, h);                                                        \
        m##p##h = k_minimum(AT(p, at), g, h);                                                      \
    } while (0)

static FM_INLINE void q4_k_group(const stream *s, const int n) {
    VARIABLES
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_q4_k);
        for (int g = 0; g < 8; g++) {
            EACH_HALF(OPEN_K_GROUP);
#define WEIGHT(p, h, i) _mm256_fmsub_ps(d##p##h, nibble(v##p##h, i), m##p##h)
            for (size_t j = 0; j < 4; j++)
                LINE_OF(CODES_8, OPEN_LINE, at + offsetof(fm_panel_q4_k, q[g][j]), 8);
#undef WEIGHT
        }
    }
    EACH_HALF(STORE_Y);
}
DEFINE_ROW_PRODUCT(q4_k)

/* High bits of a group, shifted on from line to line. */
#define HIGH_BITS                                                                                  \
    FOUR(__m256i, t);                                                                              \
    t00 = t01 = t10 = t11 = _mm256_setzero_si256();

/* The high bits of the group, which lie at `at_high`. */
#define OPEN_HIGH(p, h)                                                                            \
    do {                                                                                           \
        if (h == 0) PREFETCH(p, high_ahead);                                                       \
        t##p##h = words8(AT(p, at_high), h);                                                       \
    } while (0)

#define OPEN_LINE_5(p, h)                                                                          \
    do {                                                                                           \
        OPEN_LINE(p, h);                                                                           \
        e##p##h = even_5(v##p##h, t##p##h);                                                        \
        o##p##h = odd_5(v##p##h, t##p##h);                                                         \
        t##p##h = _mm256_srli_epi32(t##p##h, 2);                                                   \
    } while (0)

static FM_INLINE void q5_0_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    HIGH_BITS
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_q5_0), codes = at + offsetof(fm_panel_q5_0, codes);
        size_t at_high = codes + offsetof(fm_panel_5_bits, high);
        size_t high_ahead = ahead_of(s, at_high);
#define OPEN(p, h) d##p##h = scale_8(BLOCK(fm_panel_q5_0, p, at)->d, h)
        EACH_HALF(OPEN);
#undef OPEN
        EACH_HALF(OPEN_HIGH);
#define WEIGHT(p, h, i)                                                                            \
    _mm256_mul_ps(d##p##h, signed_byte(signed_5(i % 2 ? o##p##h : e##p##h), i / 2))
        for (size_t j = 0; j < 4; j++) LINE_OF(CODES_8, OPEN_LINE_5, codes + 64 * j, 8);
#undef WEIGHT
    }
    EACH_HALF(STORE_Y);
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
#define OPEN(p, h)                                                                                 \
    do {                                                                                           \
        d##p##h = halves8(BLOCK(fm_panel_q5_1, p, at)->d, h);                                      \
        m##p##h = halves8(BLOCK(fm_panel_q5_1, p, at)->m, h);                                      \
    } while (0)
        EACH_HALF(OPEN);
#undef OPEN
        EACH_HALF(OPEN_HIGH);
#define WEIGHT(p, h, i)                                                                            \
    _mm256_fmadd_ps(d##p##h, unsigned_byte(i % 2 ? o##p##h : e##p##h, i / 2), m##p##h)
        for (size_t j = 0; j < 4; j++) LINE_OF(CODES_8, OPEN_LINE_5, codes + 64 * j, 8);
#undef WEIGHT
    }
    EACH_HALF(STORE_Y);
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
            EACH_HALF(OPEN_K_GROUP);
            EACH_HALF(OPEN_HIGH);
#define WEIGHT(p, h, i)                                                                            \
    _mm256_fmsub_ps(d##p##h, unsigned_byte(i % 2 ? o##p##h : e##p##h, i / 2), m##p##h)
            for (size_t j = 0; j < 4; j++) LINE_OF(CODES_8, OPEN_LINE_5, group + 64 * j, 8);
#undef WEIGHT
        }
    }
    EACH_HALF(STORE_Y);
}
DEFINE_ROW_PRODUCT(q5_k)

static FM_INLINE void q2_k_group(const stream *s, const int n) {
    VARIABLES
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_q2_k);
        for (int g = 0; g < 16; g++) {
#define OPEN(p, h)                                                                                 \
    do {                                                                                           \
        d##p##h = scale_2(BLOCK(fm_panel_q2_k, p, at), g, h);                                      \
        m##p##h = minimum_2(BLOCK(fm_panel_q2_k, p, at), g, h);                                    \
    } while (0)
            EACH_HALF(OPEN);
#undef OPEN
#define WEIGHT(p, h, i) _mm256_fmsub_ps(d##p##h, code_2(v##p##h, i), m##p##h)
            LINE_OF(CODES_16, OPEN_LINE, at + offsetof(fm_panel_q2_k, group[g].q), 16);
#undef WEIGHT
        }
    }
    EACH_HALF(STORE_Y);
}
DEFINE_ROW_PRODUCT(q2_k)

/* Eight k: the first or, on a second visit, the last of a word of 16 x 2 bits. */
#define OPEN_LINE_3(p, h)                                                                          \
    do {                                                                                           \
        OPEN_LINE(p, h);                                                                           \
        v##p##h = _mm256_srl_epi32(v##p##h, _mm_cvtsi32_si128(4 * (int)eight));                    \
        e##p##h = even_3(v##p##h, t##p##h);                                                        \
        o##p##h = odd_3(v##p##h, t##p##h);                                                         \
        t##p##h = _mm256_srli_epi32(t##p##h, 2);                                                   \
    } while (0)

static FM_INLINE void q3_k_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    HIGH_BITS
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_q3_k);
        for (int g = 0; g < 16; g++) {
            size_t group = at + offsetof(fm_panel_q3_k, group[g / 2]);
            size_t at_high = group + offsetof(fm_panel_3_bits, high);
            size_t high_ahead = ahead_of(s, at_high);
            if (g % 2 == 0) EACH_HALF(OPEN_HIGH);
#define OPEN(p, h) d##p##h = scale_3(BLOCK(fm_panel_q3_k, p, at), g, h)
            EACH_HALF(OPEN);
#undef OPEN
#define WEIGHT(p, h, i) _mm256_mul_ps(d##p##h, signed_byte(i % 2 ? o##p##h : e##p##h, i / 2))
            for (size_t eight = 0; eight < 2; eight++)
                LINE_OF(CODES_8, OPEN_LINE_3, group + offsetof(fm_panel_3_bits, low[g % 2]), 8);
#undef WEIGHT
        }
    }
    EACH_HALF(STORE_Y);
}
DEFINE_ROW_PRODUCT(q3_k)

#define OPEN_LINE_6(p, h)                                                                          \
    do {                                                                                           \
        OPEN_LINE(p, h);                                                                           \
        e##p##h = even_6(v##p##h, t##p##h);                                                        \
        o##p##h = odd_6(v##p##h, t##p##h);                                                         \
        t##p##h = _mm256_srli_epi32(t##p##h, 4);                                                   \
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
#define OPEN(p, h) d##p##h = scale_6(BLOCK(fm_panel_q6_k, p, at), g, h)
            EACH_HALF(OPEN);
#undef OPEN
            EACH_HALF(OPEN_HIGH);
#define TURN(p, h) t##p##h = signed_high_6(t##p##h)
            EACH_HALF(TURN);
#undef TURN
#define WEIGHT(p, h, i) _mm256_mul_ps(d##p##h, signed_byte(i % 2 ? o##p##h : e##p##h, i / 2))
            for (size_t j = 0; j < 2; j++)
                LINE_OF(CODES_8, OPEN_LINE_6, group + offsetof(fm_panel_q6_group, low[j]), 8);
#undef WEIGHT
        }
    }
    EACH_HALF(STORE_Y);
}
DEFINE_ROW_PRODUCT(q6_k)

#define OPEN_LINE_IQ4(p, h)                                                                        \
    do {                                                                                           \
        OPEN_LINE(p, h);                                                                           \
        e##p##h = even_values(v##p##h, table);                                                     \
        o##p##h = odd_values(v##p##h, table);                                                      \
    } while (0)
#define WEIGHT(p, h, i) _mm256_mul_ps(d##p##h, signed_byte(i % 2 ? o##p##h : e##p##h, i / 2))

static FM_INLINE void iq4_nl_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    const __m256i table = iq4_values();
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_iq4_nl);
#define OPEN(p, h) d##p##h = scale_8(BLOCK(fm_panel_iq4_nl, p, at)->d, h)
        EACH_HALF(OPEN);
#undef OPEN
        for (size_t j = 0; j < 4; j++)
            LINE_OF(CODES_8, OPEN_LINE_IQ4, at + offsetof(fm_panel_iq4_nl, q[j]), 8);
    }
    EACH_HALF(STORE_Y);
}
DEFINE_ROW_PRODUCT(iq4_nl)

static FM_INLINE void iq4_xs_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    const __m256i table = iq4_values();
    for (size_t b = 0; b < (size_t)s->n_in / 256; b++) {
        size_t at = b * sizeof(fm_panel_iq4_xs);
        for (int g = 0; g < 8; g++) {
#define OPEN(p, h) d##p##h = iq4_xs_scale(BLOCK(fm_panel_iq4_xs, p, at), g, h)
            EACH_HALF(OPEN);
#undef OPEN
            for (size_t j = 0; j < 4; j++)
                LINE_OF(CODES_8, OPEN_LINE_IQ4, at + offsetof(fm_panel_iq4_xs, q[g][j]), 8);
        }
    }
    EACH_HALF(STORE_Y);
}
#undef WEIGHT
DEFINE_ROW_PRODUCT(iq4_xs)

#define WEIGHT(p, h, i)                                                                            \
    _mm256_mul_ps(d##p##h, signed_byte_itself(i % 2 ? o##p##h : e##p##h, i / 2))
static FM_INLINE void mxfp4_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    const __m256i table = mxfp4_values();
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_mxfp4);
#define OPEN(p, h) d##p##h = mxfp4_scale(BLOCK(fm_panel_mxfp4, p, at)->e, h)
        EACH_HALF(OPEN);
#undef OPEN
        for (size_t j = 0; j < 4; j++)
            LINE_OF(CODES_8, OPEN_LINE_IQ4, at + offsetof(fm_panel_mxfp4, q[j]), 8);
    }
    EACH_HALF(STORE_Y);
}
#undef WEIGHT
DEFINE_ROW_PRODUCT(mxfp4)

#define OPEN_LINE_TCQ4(p, h)                                                                       \
    do {                                                                                           \
        OPEN_LINE(p, h);                                                                           \
        __m256i switches = tcq4_switches(BLOCK(fm_panel_tcq4, p, at)->q, j, h);                    \
        e##p##h = even_tcq4(v##p##h, switches, 0);                                                 \
        o##p##h = odd_tcq4(v##p##h, switches, 0);                                                  \
    } while (0)
#define WEIGHT(p, h, i) _mm256_mul_ps(d##p##h, signed_byte(i % 2 ? o##p##h : e##p##h, i / 2))

static FM_INLINE void tcq4_group(const stream *s, const int n) {
    VARIABLES
    FOURS
    for (size_t b = 0; b < (size_t)s->n_in / 32; b++) {
        size_t at = b * sizeof(fm_panel_tcq4);
#define OPEN(p, h) d##p##h = tcq4_scale(BLOCK(fm_panel_tcq4, p, at)->e, h)
        EACH_HALF(OPEN);
#undef OPEN
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            LINE_OF(CODES_8, OPEN_LINE_TCQ4, at + offsetof(fm_panel_tcq4, q[j]), 8);
    }
    EACH_HALF(STORE_Y);
}
#undef WEIGHT
DEFINE_ROW_PRODUCT(tcq4)

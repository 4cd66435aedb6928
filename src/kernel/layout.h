/* layout.h: the bytes of a panel, layout by layout. For kernel/ and pack/ alone.
 *
 * Every panel holds FM_PANEL = 16 rows. "Lane" below is the row inside the panel: an array of 16
 * has one entry per row, so that a vector register takes one value of all 16 rows at once. A panel
 * is a run of blocks in the order of k, and ends with padding to a multiple of 64 bytes; whatever
 * lies past n_in (and in lanes past n_out) is zero and is never multiplied.
 *
 *   F32    per k        float w[lane]
 *   F16    per k        half w[lane]
 *   BF16   per 2 k      w[lane]: k in the low half of a word, k + 1 in the high half
 *   Q8_0   per 32 k     half d[lane]; then per 8 k: two words of 4 signed bytes [lane], of
 *                       the even k and of the odd k
 *   Q4_0   per 32 k     half d[lane]; then per 8 k: a word of 8 signed nibbles [lane]
 *   Q4_1   per 32 k     half d[lane], m[lane]; then per 8 k: a word of 8 nibbles [lane]
 *   Q5_0   per 32 k     half d[lane]; then four words of 8 low nibbles, a word of 32 high bits
 *                       [lane]
 *   Q5_1   per 32 k     half d[lane], m[lane]; then words as in Q5_0
 *   Q2_K   per 256 k    half d[lane], dmin[lane]; then per 16 k: a byte of scale and minimum [lane],
 *                       a word of 16 x 2 bits [lane]
 *   Q3_K   per 256 k    half d[lane]; the file's 12 bytes of scales as 3 words [lane]; then per
 *                       32 k: two words of 16 x 2 low bits, a word of 32 high bits [lane]
 *   Q4_K   per 256 k    half d[lane], dmin[lane]; the file's 12 bytes of scales as 3 words [lane];
 *                       then per 8 k: a word of 8 nibbles [lane]
 *   Q5_K   as Q4_K, but per 32 k words as in Q5_0
 *   Q6_K   per 256 k    half d[lane]; then per 16 k: int8 scale[lane], two words of 8 low nibbles,
 *                       a word of 16 x 2 high bits [lane]
 *   IQ4_NL per 32 k     half d[lane]; then per 8 k: a word of 8 nibbles [lane], which number the
 *                       16 values of the format
 *   IQ4_XS per 256 k    half d[lane]; the file's 16 bits of scales as a half word [lane], its 32 as
 *                       a word [lane]; then per 8 k: a word of 8 nibbles [lane] as in IQ4_NL
 *   MXFP4  per 32 k     the byte of the scale [lane]; then per 8 k: a word of 8 nibbles [lane]
 *   TCQ4   as MXFP4; the rings of a block run down the words, see fm_tcq4_switches
 *   TQ2_0  per 256 k    half d[lane]; then per 16 k: a word of 16 x 2 bits [lane], 0 to 3 for -1 to 2
 *   IQ1_S  per 256 k    half d[lane]; a word of 8 nibbles [lane], one for 32 k: a scale, and its shift at
 *                       the top; then words as in TQ2_0
 *   IQ1_M  per 256 k    half d[lane]; then per 16 k: a byte [lane] of a scale and, in bits 4 and 5, the
 *                       shifts of either eight, a word as in TQ2_0
 *   IQ2_XXS per 256 k   half d[lane]; a word of 8 scales of 4 bits [lane]; then per 32 k: three words of
 *                       32 x 3 bits [lane], which number the 8 values of the format
 *   IQ2_S  as IQ2_XXS, but two words of 16 scales
 *   IQ3_XXS, IQ3_S  per 256 k   half d[lane]; a word of 8 scales of 4 bits [lane]; then per 8 k: a word of
 *                       8 nibbles [lane], which number the 16 values of the format
 *   F8     64 bytes of header; per 128 k: float scale[lane]; then per k: E4M3 code[lane]
 *
 * In a word the first k has the lowest bits. The blocks have the size of the file's 16 blocks, but for
 * IQ1 to IQ3 and TQ1_0. Those files name eight or four weights by a number in a code book. Looked up by
 * lane, that would be a gather for every lane; so packing opens the books and writes what they say, as 2
 * bits for -1, 0 and 1, as 3 for three magnitudes with their signs, as 4 for eight: 1.2 to 1.6 times the
 * bytes of the file. A weight is d * (2 scale + 1) * value, times fm_books_unit, to the bit what the file
 * decodes to, all these products being exact.
 *
 * Dots of integers (codes.h) take four bytes of codes of a lane at a time: fours. Of every eight k
 * they take the even four, 0 2 4 6, then the odd four, 1 3 5 7, in all layouts alike, because that
 * is how masks split a word of nibbles. Fours are numbered through a group, so that j / 2 is the
 * eight that four j is of, and byte b of it belongs to k = 8 (j / 2) + 2 b + j % 2 of the group:
 *
 *   bytes      word[j]
 *   nibbles    word[j / 2] >> 4 (j % 2) & 0x0f0f0f0f
 *   high bits  word >> j & 0x01010101, of 32 k; word >> 2 j & 0x03030303, of 16 k
 *
 * (Q3_K, TQ2_0 and IQ1_S have two bits of 32 k in two words: four j is in word j / 4, as four j % 4 of it.
 * Three bits: see fm_iq2_code.) */
#pragma once

#include "kernel/panel.h"

typedef uint16_t fm_lanes16[FM_PANEL];
typedef uint32_t fm_lanes32[FM_PANEL];

typedef struct fm_panel_q8_0 {
    fm_lanes16 d;
    int8_t q[4][2][FM_PANEL][4]; /* [8 k][even, odd][lane][k / 2] */
} fm_panel_q8_0;

typedef struct fm_panel_q4_0 {
    fm_lanes16 d;
    fm_lanes32 q[4]; /* the file's nibble with its top bit turned over: code - 8, signed */
} fm_panel_q4_0;

typedef struct fm_panel_q4_1 {
    fm_lanes16 d, m;
    fm_lanes32 q[4];
} fm_panel_q4_1;

typedef struct fm_panel_5_bits {
    fm_lanes32 low[4], high; /* 32 codes, see fm_q5_code */
} fm_panel_5_bits;

typedef struct fm_panel_q5_0 {
    fm_lanes16 d;
    fm_panel_5_bits codes; /* 0 to 31 for -16 to 15 */
} fm_panel_q5_0;

typedef struct fm_panel_q5_1 {
    fm_lanes16 d, m;
    fm_panel_5_bits codes;
} fm_panel_q5_1;

typedef struct fm_panel_q2_k {
    fm_lanes16 d, dmin;
    struct {
        uint8_t scale[FM_PANEL]; /* bits 0-3; minimum: bits 4-7 */
        fm_lanes32 q;            /* see fm_q2_shift */
    } group[16];
} fm_panel_q2_k;

typedef struct fm_panel_3_bits {
    fm_lanes32 low[2], high; /* 32 codes, 0 to 7 for -4 to 3, see fm_q3_code */
} fm_panel_3_bits;

typedef struct fm_panel_q3_k {
    fm_lanes16 d;
    fm_lanes32 scales[3]; /* bytes 0-3, 4-7, 8-11 of the file's scales; see fm_q3_scale */
    fm_panel_3_bits group[8];
} fm_panel_q3_k;

typedef struct fm_panel_q4_k {
    fm_lanes16 d, dmin;
    fm_lanes32 scales[3]; /* bytes 0-3, 4-7, 8-11 of the file's scales; see fm_k_scale_word */
    fm_lanes32 q[8][4];   /* [group of 32][8 k] */
} fm_panel_q4_k;

typedef struct fm_panel_q5_k {
    fm_lanes16 d, dmin;
    fm_lanes32 scales[3];
    fm_panel_5_bits group[8];
} fm_panel_q5_k;

typedef struct fm_panel_q6_group {
    int8_t scale[FM_PANEL];
    fm_lanes32 low[2], high; /* 0 to 63 for -32 to 31, see fm_q6_code */
} fm_panel_q6_group;

typedef struct fm_panel_q6_k {
    fm_lanes16 d;
    fm_panel_q6_group group[16];
} fm_panel_q6_k;

typedef struct fm_panel_iq4_nl {
    fm_lanes16 d;
    fm_lanes32 q[4]; /* indices of fm_iq4_values */
} fm_panel_iq4_nl;

typedef struct fm_panel_iq4_xs {
    fm_lanes16 d, high;
    fm_lanes32 low;     /* with high: see fm_iq4_xs_scale */
    fm_lanes32 q[8][4]; /* [group of 32][8 k] */
} fm_panel_iq4_xs;

typedef struct fm_panel_mxfp4 {
    uint8_t e[FM_PANEL];
    fm_lanes32 q[4]; /* indices of fm_mxfp4_doubled */
} fm_panel_mxfp4;

typedef struct fm_panel_tcq4 {
    uint8_t e[FM_PANEL];
    fm_lanes32 q[4]; /* with their switches: indices of fm_tcq4_values */
} fm_panel_tcq4;

typedef struct fm_panel_tq2_0 {
    fm_lanes16 d;
    fm_lanes32 q[16]; /* see fm_q2_shift */
} fm_panel_tq2_0;

typedef struct fm_panel_iq1_s {
    fm_lanes16 d;
    fm_lanes32 scales; /* nibble g: bits 0-2 scale, bit 3 shift: +1/8 if clear, -1/8 if set */
    fm_lanes32 q[16];
} fm_panel_iq1_s;

typedef struct fm_panel_iq1_group {
    uint8_t scale[FM_PANEL]; /* bits 0-2 scale; bits 4 and 5: shifts as in IQ1_S */
    fm_lanes32 q;
} fm_panel_iq1_group;

typedef struct fm_panel_iq1_m {
    fm_lanes16 d;
    fm_panel_iq1_group group[16];
} fm_panel_iq1_m;

typedef struct fm_panel_iq2_xxs {
    fm_lanes16 d;
    fm_lanes32 scales;
    fm_lanes32 q[8][3]; /* [group of 32][word]: indices of fm_iq2_values, see fm_iq2_code */
} fm_panel_iq2_xxs;

typedef struct fm_panel_iq2_s {
    fm_lanes16 d;
    fm_lanes32 scales[2]; /* of groups of 16: nibble g % 8 of word g / 8 */
    fm_lanes32 q[8][3];
} fm_panel_iq2_s;

typedef struct fm_panel_iq3 {
    fm_lanes16 d;
    fm_lanes32 scales;
    fm_lanes32 q[8][4]; /* indices of fm_iq3_xxs_values or fm_iq3_s_values */
} fm_panel_iq3;

/* `plain`: no code of the panel is NaN and every scale lies within +-2^100, so that a kernel may
 * decode by arithmetic that knows no NaN and moves factors of 2^8 about. */
typedef struct fm_panel_f8_header {
    uint32_t plain;
    uint32_t zero[15];
} fm_panel_f8_header;

typedef struct fm_panel_f8 {
    float scale[FM_PANEL];
    uint8_t code[128][FM_PANEL];
} fm_panel_f8;

_Static_assert(sizeof(fm_panel_q8_0) == 16 * 34, "16 blocks of the file");
_Static_assert(sizeof(fm_panel_q4_0) == 16 * 18, "16 blocks of the file");
_Static_assert(sizeof(fm_panel_q4_1) == 16 * 20, "16 blocks of the file");
_Static_assert(sizeof(fm_panel_q5_0) == 16 * 22, "16 blocks of the file");
_Static_assert(sizeof(fm_panel_q5_1) == 16 * 24, "16 blocks of the file");
_Static_assert(sizeof(fm_panel_q2_k) == 16 * 84, "16 blocks of the file");
_Static_assert(sizeof(fm_panel_q3_k) == 16 * 110, "16 blocks of the file");
_Static_assert(sizeof(fm_panel_q4_k) == 16 * 144, "16 blocks of the file");
_Static_assert(sizeof(fm_panel_q5_k) == 16 * 176, "16 blocks of the file");
_Static_assert(sizeof(fm_panel_q6_k) == 16 * 210, "16 blocks of the file");
_Static_assert(sizeof(fm_panel_iq4_nl) == 16 * 18, "16 blocks of the file");
_Static_assert(sizeof(fm_panel_iq4_xs) == 16 * 136, "16 blocks of the file");
_Static_assert(sizeof(fm_panel_mxfp4) == 16 * 17, "16 blocks of the file");
_Static_assert(sizeof(fm_panel_tcq4) == 16 * 17, "16 blocks of the file");
_Static_assert(sizeof(fm_panel_tq2_0) == 16 * 66, "16 blocks of the file, of TQ2_0");
_Static_assert(sizeof(fm_panel_iq1_s) == 16 * 70 && sizeof(fm_panel_iq1_m) == 16 * 82, "no padding");
_Static_assert(sizeof(fm_panel_iq2_xxs) == 16 * 102 && sizeof(fm_panel_iq2_s) == 16 * 106, "no padding");
_Static_assert(sizeof(fm_panel_iq3) == 16 * 134, "no padding");
_Static_assert(sizeof(fm_panel_f8) == 16 * 128 + 64 && sizeof(fm_panel_f8_header) == 64, "F8");

/* The scales of group g as bytes: those of groups 4 g' to 4 g' + 3 of a row, scales or minima, in
 * one word. `word` is the three words of its lane. The drawing is in tensor/quant/k_scales.h. */
static inline uint32_t fm_k_scale_word(const uint32_t word[3], int half) {
    if (half == 0) return word[0] & 0x3f3f3f3f;
    return (word[2] & 0x0f0f0f0f) | (word[0] >> 2 & 0x30303030);
}

static inline uint32_t fm_k_minimum_word(const uint32_t word[3], int half) {
    if (half == 0) return word[1] & 0x3f3f3f3f;
    return (word[2] >> 4 & 0x0f0f0f0f) | (word[1] >> 2 & 0x30303030);
}

/* Where in a word of 16 x 2 bits those of k begin. */
static inline int fm_q2_shift(int k) { return k % 8 / 2 * 8 + (k / 8 * 2 + k % 2) * 2; }

/* Code k of 32 in the three words of a lane. */
static inline int fm_q3_code(const uint32_t low[2], uint32_t high, int k) {
    uint32_t two = low[k / 16] >> fm_q2_shift(k % 16) & 3;
    uint32_t one = high >> (k % 8 / 2 * 8 + k / 8 * 2 + k % 2) & 1;
    return (int)(two | one << 2);
}

/* The scale of group s (of 16), -32 to 31: `word` is the three words of its lane. The drawing is in
 * tensor/quant/q3_k.c. */
static inline int fm_q3_scale(const uint32_t word[3], int s) {
    uint32_t four = word[s % 8 / 4] >> (s % 4 * 8 + s / 8 * 4) & 15;
    uint32_t two = word[2] >> (s % 4 * 8 + s / 4 * 2) & 3;
    return (int)(four | two << 4) - 32;
}

/* Code k of 32 in the five words of a lane. */
static inline int fm_q5_code(const uint32_t low[4], uint32_t high, int k) {
    uint32_t four = low[k / 8] >> (k % 8 * 4) & 15;
    uint32_t one = high >> (k % 8 / 2 * 8 + k / 8 * 2 + k % 2) & 1;
    return (int)(four | one << 4);
}

/* Code k of 16 in the three words of a lane. */
static inline int fm_q6_code(const uint32_t low[2], uint32_t high, int k) {
    uint32_t four = low[k / 8] >> (k % 8 * 4) & 15;
    uint32_t two = high >> (k % 8 / 2 * 8 + (k / 8 * 2 + k % 2) * 2) & 3;
    return (int)(four | two << 4);
}

/* The scale of group g of a lane of IQ4_XS, -32 to 31. */
static inline int fm_iq4_xs_scale(uint16_t high, uint32_t low, int g) {
    return (int)((low >> 4 * g & 15) | (high >> 2 * g & 3) << 4) - 32;
}

/* The switches of word j of a lane of TCQ4, at the lowest bits of its nibbles. In the ring of a code
 * come its like in the word before and in the word behind; from the last word to the first, the ring
 * goes on two codes further. */
static inline uint32_t fm_tcq4_switches(const uint32_t q[4], int j) {
    uint32_t before = j > 0 ? q[j - 1] : q[3] << 8 | q[3] >> 24;
    uint32_t behind = j < 3 ? q[j + 1] : q[0] >> 8 | q[0] << 24;
    return before ^ behind;
}

/* ---- books, opened ----------------------------------------------------------------------------------
 * What codes stand for, in units of the format. Tables have 16 entries as kernels look them up; in those
 * of 8 they are there twice. Codes that nothing packs to are 0. */

/* Eighths: -1, 0, 1 and a shift, which is bit 2. */
static const int8_t fm_iq1_values[16] = {-7, 1, 9, 0, -9, -1, 7, 0, -7, 1, 9, 0, -9, -1, 7, 0};
/* Magnitudes and, above them, the sign. */
static const int8_t fm_iq2_values[16] = {8, 25, 43, 0, -8, -25, -43, 0, 8, 25, 43, 0, -8, -25, -43, 0};
static const int8_t fm_iq3_xxs_values[16] = {2,  6,  10,  14,  18,  22,  26,  31,
                                             -2, -6, -10, -14, -18, -22, -26, -31};
static const int8_t fm_iq3_s_values[16] = {1,  3,  5,  7,  9,  11,  13,  15,
                                           -1, -3, -5, -7, -9, -11, -13, -15};

/* A weight is d * (2 scale + 1) * unit * value, IQ1's value with its shift being in eighths. */
static inline float fm_books_unit(int layout) {
    switch (layout) {
    case FM_LAYOUT_IQ3_S: return 1;
    case FM_LAYOUT_IQ3_XXS: return 0.5f;
    default: return 0.125f; /* IQ1_S, IQ1_M, IQ2_XXS, IQ2_S */
    }
}

/* Code k of 32 in the three words of a lane. The fours 0 to 5 lie in two halves of six bits, two to a
 * word; fours 6 and 7 in what is left: their low bits in words 0 and 1, the third ones in word 2. */
static inline int fm_iq2_code(const uint32_t q[3], int k) {
    int four = k / 8 * 2 + k % 2, byte = k % 8 / 2 * 8;
    if (four < 6) return (int)(q[four / 2] >> (byte + four % 2 * 3) & 7);
    return (int)((q[four - 6] >> (byte + 6) & 3) | (q[2] >> (byte + four) & 1) << 2);
}

/* The block of panel `panel` that holds column k, in a layout of blocks of `elements` columns. */
static inline const void *fm_panel_block(const fm_panels *w, int64_t panel, int64_t k, int elements,
                                         size_t block_bytes) {
    return (const char *)w->data + (size_t)panel * w->panel_bytes +
           (size_t)(k / elements) * block_bytes;
}

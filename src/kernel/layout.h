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
 *   F8     64 bytes of header; per 128 k: float scale[lane]; then per k: E4M3 code[lane]
 *
 * In a word the first k has the lowest bits. The blocks have the size of the file's 16 blocks.
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
 * (Q3_K has two bits of 32 k in two words: four j is in word j / 4, as four j % 4 of it.) */
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

/* The block of panel `panel` that holds column k, in a layout of blocks of `elements` columns. */
static inline const void *fm_panel_block(const fm_panels *w, int64_t panel, int64_t k, int elements,
                                         size_t block_bytes) {
    return (const char *)w->data + (size_t)panel * w->panel_bytes +
           (size_t)(k / elements) * block_bytes;
}

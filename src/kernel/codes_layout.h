/* codes_layout.h: what the layouts are to products of integers (codes.h): groups, and where their
 * words and factors lie. The layout is always a constant of the caller, so that all of this is
 * decided by the compiler. */
#pragma once

#include "kernel/layout.h"
#include "tensor/quant/iq_tables.h"
#include "tensor/quant/mxfp4.h"

#include <stddef.h>

#define FM_CODES_INLINE static inline __attribute__((always_inline))

/* Columns of a group: those that share a scale. */
FM_CODES_INLINE int group_columns(const int layout) {
    return layout == FM_LAYOUT_Q2_K || layout == FM_LAYOUT_Q3_K || layout == FM_LAYOUT_Q6_K ||
                   layout == FM_LAYOUT_IQ1_M || layout == FM_LAYOUT_IQ2_S
               ? 16
               : 32;
}

/* Three bits to a code, see fm_iq2_code. */
FM_CODES_INLINE bool has_3_bits(const int layout) {
    return layout == FM_LAYOUT_IQ2_XXS || layout == FM_LAYOUT_IQ2_S;
}

/* IQ1 to IQ3, but for IQ1_M: nibbles of scales behind d. */
FM_CODES_INLINE bool has_book_scales(const int layout) {
    return layout == FM_LAYOUT_IQ1_S || has_3_bits(layout) || layout == FM_LAYOUT_IQ3_XXS ||
           layout == FM_LAYOUT_IQ3_S;
}

/* Blocks of 256 columns, with the scales of their groups at the beginning. */
FM_CODES_INLINE bool is_super(const int layout) {
    return layout == FM_LAYOUT_Q2_K || layout == FM_LAYOUT_Q3_K || layout == FM_LAYOUT_Q4_K ||
           layout == FM_LAYOUT_Q5_K || layout == FM_LAYOUT_Q6_K || layout == FM_LAYOUT_IQ4_XS ||
           layout == FM_LAYOUT_TQ2_0 || layout == FM_LAYOUT_IQ1_M || has_book_scales(layout);
}

FM_CODES_INLINE bool has_minimum(const int layout) {
    return layout == FM_LAYOUT_Q4_1 || layout == FM_LAYOUT_Q5_1 || layout == FM_LAYOUT_Q2_K ||
           layout == FM_LAYOUT_Q4_K || layout == FM_LAYOUT_Q5_K || layout == FM_LAYOUT_IQ1_S;
}

/* Words of 16 x 2 bits and nothing else, but for IQ1_M's shifts. */
FM_CODES_INLINE bool has_2_bits(const int layout) {
    return layout == FM_LAYOUT_Q2_K || layout == FM_LAYOUT_TQ2_0 || layout == FM_LAYOUT_IQ1_S ||
           layout == FM_LAYOUT_IQ1_M;
}

/* The fifth bit of a code lies in a word of 32 of them behind four words of nibbles. */
FM_CODES_INLINE bool has_5_bits(const int layout) {
    return layout == FM_LAYOUT_Q5_0 || layout == FM_LAYOUT_Q5_1 || layout == FM_LAYOUT_Q5_K;
}

/* Nibbles number the values of a table. */
FM_CODES_INLINE bool has_table(const int layout) {
    return layout == FM_LAYOUT_IQ4_NL || layout == FM_LAYOUT_IQ4_XS || layout == FM_LAYOUT_MXFP4 ||
           layout == FM_LAYOUT_IQ3_XXS || layout == FM_LAYOUT_IQ3_S;
}

FM_CODES_INLINE const int8_t *values_of(const int layout) {
    switch (layout) {
    case FM_LAYOUT_MXFP4: return fm_mxfp4_doubled;
    case FM_LAYOUT_IQ1_M: return fm_iq1_values;
    case FM_LAYOUT_IQ2_XXS:
    case FM_LAYOUT_IQ2_S: return fm_iq2_values;
    case FM_LAYOUT_IQ3_XXS: return fm_iq3_xxs_values;
    case FM_LAYOUT_IQ3_S: return fm_iq3_s_values;
    default: return fm_iq4_values;
    }
}

/* Codes are signed: made unsigned by adding 2^offset_bits. -1: they are unsigned. */
FM_CODES_INLINE int offset_bits(const int layout) {
    switch (layout) {
    case FM_LAYOUT_TQ2_0:
    case FM_LAYOUT_IQ1_S: return 0;
    case FM_LAYOUT_Q3_K: return 2;
    case FM_LAYOUT_Q4_0: return 3;
    case FM_LAYOUT_Q5_0:
    case FM_LAYOUT_IQ1_M:
    case FM_LAYOUT_IQ3_S: return 4;
    case FM_LAYOUT_Q6_K:
    case FM_LAYOUT_IQ3_XXS: return 5;
    case FM_LAYOUT_IQ2_XXS:
    case FM_LAYOUT_IQ2_S: return 6;
    case FM_LAYOUT_Q8_0:
    case FM_LAYOUT_IQ4_NL:
    case FM_LAYOUT_IQ4_XS:
    case FM_LAYOUT_MXFP4:
    case FM_LAYOUT_TCQ4: return 7;
    default: return -1;
    }
}

FM_CODES_INLINE size_t codes_block_bytes(const int layout) {
    switch (layout) {
    case FM_LAYOUT_Q8_0: return sizeof(fm_panel_q8_0);
    case FM_LAYOUT_Q4_0: return sizeof(fm_panel_q4_0);
    case FM_LAYOUT_Q4_1: return sizeof(fm_panel_q4_1);
    case FM_LAYOUT_Q5_0: return sizeof(fm_panel_q5_0);
    case FM_LAYOUT_Q5_1: return sizeof(fm_panel_q5_1);
    case FM_LAYOUT_Q2_K: return sizeof(fm_panel_q2_k);
    case FM_LAYOUT_Q3_K: return sizeof(fm_panel_q3_k);
    case FM_LAYOUT_Q4_K: return sizeof(fm_panel_q4_k);
    case FM_LAYOUT_Q5_K: return sizeof(fm_panel_q5_k);
    case FM_LAYOUT_Q6_K: return sizeof(fm_panel_q6_k);
    case FM_LAYOUT_IQ4_NL: return sizeof(fm_panel_iq4_nl);
    case FM_LAYOUT_TCQ4: return sizeof(fm_panel_tcq4);
    case FM_LAYOUT_MXFP4: return sizeof(fm_panel_mxfp4);
    case FM_LAYOUT_TQ2_0: return sizeof(fm_panel_tq2_0);
    case FM_LAYOUT_IQ1_S: return sizeof(fm_panel_iq1_s);
    case FM_LAYOUT_IQ1_M: return sizeof(fm_panel_iq1_m);
    case FM_LAYOUT_IQ2_XXS: return sizeof(fm_panel_iq2_xxs);
    case FM_LAYOUT_IQ2_S: return sizeof(fm_panel_iq2_s);
    case FM_LAYOUT_IQ3_XXS:
    case FM_LAYOUT_IQ3_S: return sizeof(fm_panel_iq3);
    default: return sizeof(fm_panel_iq4_xs);
    }
}

/* Lines of memory from one group to the next, rounded up. */
FM_CODES_INLINE int lines_per_group(const int layout) {
    size_t groups = is_super(layout) ? 256 / (size_t)group_columns(layout) : 1;
    return (int)((codes_block_bytes(layout) / groups + 63) / 64);
}

/* Blocks of 32 columns that are walked together: as many as one opening of their factors serves. */
FM_CODES_INLINE int blocks_together(const int layout) { return is_super(layout) ? 4 : 1; }

/* Their columns of a panel. */
typedef struct codes_block {
    const char *at; /* the layout's first block of them */
    int half;       /* which half of a block of 256 columns */
} codes_block;

FM_CODES_INLINE codes_block codes_block_at(const int layout, const char *panel, int64_t k) {
    int64_t columns = is_super(layout) ? 256 : 32;
    return (codes_block){panel + (size_t)(k / columns) * codes_block_bytes(layout),
                         is_super(layout) ? (int)(k / 128 % 2) : 0};
}

/* The block of 32 columns that is group g. */
FM_CODES_INLINE const char *small_block(const int layout, codes_block b, int g) {
    return b.at + (size_t)g * codes_block_bytes(layout);
}

/* Group g's words of codes; of Q3_K and IQ2_S those of both groups of 32 columns. */
FM_CODES_INLINE const char *words_of(const int layout, codes_block b, int g) {
    switch (layout) {
    case FM_LAYOUT_Q8_0: return small_block(layout, b, g) + offsetof(fm_panel_q8_0, q);
    case FM_LAYOUT_Q4_0: return small_block(layout, b, g) + offsetof(fm_panel_q4_0, q);
    case FM_LAYOUT_Q4_1: return small_block(layout, b, g) + offsetof(fm_panel_q4_1, q);
    case FM_LAYOUT_Q5_0: return small_block(layout, b, g) + offsetof(fm_panel_q5_0, codes);
    case FM_LAYOUT_Q5_1: return small_block(layout, b, g) + offsetof(fm_panel_q5_1, codes);
    case FM_LAYOUT_IQ4_NL: return small_block(layout, b, g) + offsetof(fm_panel_iq4_nl, q);
    case FM_LAYOUT_TCQ4: return small_block(layout, b, g) + offsetof(fm_panel_tcq4, q);
    case FM_LAYOUT_MXFP4: return small_block(layout, b, g) + offsetof(fm_panel_mxfp4, q);
    case FM_LAYOUT_Q2_K: return (const char *)((const fm_panel_q2_k *)b.at)->group[8 * b.half + g].q;
    case FM_LAYOUT_Q3_K:
        return (const char *)&((const fm_panel_q3_k *)b.at)->group[4 * b.half + g / 2];
    case FM_LAYOUT_Q4_K: return (const char *)((const fm_panel_q4_k *)b.at)->q[4 * b.half + g];
    case FM_LAYOUT_Q5_K:
        return (const char *)&((const fm_panel_q5_k *)b.at)->group[4 * b.half + g];
    case FM_LAYOUT_Q6_K:
        return (const char *)((const fm_panel_q6_k *)b.at)->group[8 * b.half + g].low;
    case FM_LAYOUT_TQ2_0: return (const char *)((const fm_panel_tq2_0 *)b.at)->q[8 * b.half + 2 * g];
    case FM_LAYOUT_IQ1_S: return (const char *)((const fm_panel_iq1_s *)b.at)->q[8 * b.half + 2 * g];
    case FM_LAYOUT_IQ1_M: return (const char *)((const fm_panel_iq1_m *)b.at)->group[8 * b.half + g].q;
    case FM_LAYOUT_IQ2_XXS: return (const char *)((const fm_panel_iq2_xxs *)b.at)->q[4 * b.half + g];
    case FM_LAYOUT_IQ2_S: return (const char *)((const fm_panel_iq2_s *)b.at)->q[4 * b.half + g / 2];
    case FM_LAYOUT_IQ3_XXS:
    case FM_LAYOUT_IQ3_S: return (const char *)((const fm_panel_iq3 *)b.at)->q[4 * b.half + g];
    default: return (const char *)((const fm_panel_iq4_xs *)b.at)->q[4 * b.half + g];
    }
}

/* d, where the block of every layout but TCQ4 and MXFP4 begins. */
FM_CODES_INLINE const uint16_t *d_of(const int layout, codes_block b, int g) {
    return (const uint16_t *)(is_super(layout) ? b.at : small_block(layout, b, g));
}

/* m of Q4_1 and Q5_1, right behind d. */
FM_CODES_INLINE const uint16_t *m_of(const int layout, codes_block b, int g) {
    return d_of(layout, b, g) + FM_PANEL;
}

/* The scales of Q6_K. */
FM_CODES_INLINE const int8_t *q6_scales(codes_block b, int g) {
    return ((const fm_panel_q6_k *)b.at)->group[8 * b.half + g].scale;
}

/* The scales and minima of Q2_K. */
FM_CODES_INLINE const uint8_t *q2_scales(codes_block b, int g) {
    return ((const fm_panel_q2_k *)b.at)->group[8 * b.half + g].scale;
}

/* The scales and shifts of IQ1_M, in front of the words of its group. */
FM_CODES_INLINE const uint8_t *iq1_m_bytes(const char *words) {
    return (const uint8_t *)words - offsetof(fm_panel_iq1_group, q);
}

/* The words of scales behind d: of a block of 256 columns, or, where groups have 16, of its half. */
FM_CODES_INLINE const uint32_t *book_scales(const int layout, codes_block b) {
    const fm_lanes32 *words = (const fm_lanes32 *)(const void *)(b.at + sizeof(fm_lanes16));
    return words[group_columns(layout) == 16 ? b.half : 0];
}

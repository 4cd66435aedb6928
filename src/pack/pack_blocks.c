/* pack_blocks.c: panels of the quantised formats. The files' blocks are drawn in tensor/quant/, the
 * panels in kernel/layout.h; codes and scales keep their bits and change places only. */
#include "pack/pack_panels.h"
#include "pack/transpose.h"

#define FILE_BLOCK __attribute__((packed, may_alias))

/* The same bits of eight bytes. */
static inline uint64_t field(uint64_t bytes, int shift, uint8_t mask) {
    return bytes >> shift & mask * 0x0101010101010101u;
}

/* Eight codes of `bits` bits, one in each byte, as four bytes: codes 2 b and 2 b + 1 in byte b. */
static inline uint32_t gather_pairs(uint64_t x, int bits) {
    x = (x | x >> (8 - bits)) & ((1u << 2 * bits) - 1) * 0x0001000100010001u;
    x = (x | x >> 8) & 0x0000ffff0000ffff;
    return (uint32_t)(x | x >> 16);
}

static inline uint32_t gather_nibbles(uint64_t bytes, int shift) {
    return gather_pairs(field(bytes, shift, 15), 4);
}

static inline uint64_t load64(const void *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* ---- blocks of 32 ------------------------------------------------------------------------------ */

typedef struct FILE_BLOCK file_q8_0 {
    uint16_t d;
    int8_t q[32];
} file_q8_0;

static inline void split_even_odd(const int8_t bytes[32], fm_v4u32 *even, fm_v4u32 *odd) {
    fm_v16u8 a, b;
    memcpy(&a, bytes, 16);
    memcpy(&b, bytes + 16, 16);
    *even = (fm_v4u32)__builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24,
                                              26, 28, 30);
    *odd = (fm_v4u32)__builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27,
                                             29, 31);
}

void fm_pack_q8_0(const fm_panel_source *s, void *panel) {
    static const file_q8_0 blank = {0};
    fm_panel_q8_0 *b = panel;
    for (int64_t i = 0; i < s->n_in / 32; i++, b++) {
        fm_v4u32 m[2][FM_PANEL];
        for (int r = 0; r < FM_PANEL; r++) {
            const file_q8_0 *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            split_even_odd(f->q, &m[0][r], &m[1][r]);
        }
        for (int odd = 0; odd < 2; odd++)
            for (int r = 0; r < FM_PANEL; r += 4) {
                fm_transpose_4x4_words(m[odd] + r);
                for (int j = 0; j < 4; j++) memcpy(b->q[j][odd][r], &m[odd][r + j], 16);
            }
    }
}

typedef struct FILE_BLOCK file_q4_0 {
    uint16_t d;
    uint8_t q[16]; /* element j in the low nibble of byte j, j + 16 in the high one */
} file_q4_0;

typedef struct FILE_BLOCK file_q4_1 {
    uint16_t d, m;
    uint8_t q[16];
} file_q4_1;

static inline void pack_nibbles_32(const uint8_t q[16], uint32_t turn_over, fm_lanes32 *out, int r) {
    uint64_t first = load64(q), second = load64(q + 8);
    out[0][r] = gather_nibbles(first, 0) ^ turn_over;
    out[1][r] = gather_nibbles(second, 0) ^ turn_over;
    out[2][r] = gather_nibbles(first, 4) ^ turn_over;
    out[3][r] = gather_nibbles(second, 4) ^ turn_over;
}

void fm_pack_q4_0(const fm_panel_source *s, void *panel) {
    static const file_q4_0 blank = {.q = {0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, /* all 8: */
                                          0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88}}; /* zero */
    fm_panel_q4_0 *b = panel;
    for (int64_t i = 0; i < s->n_in / 32; i++, b++)
        for (int r = 0; r < FM_PANEL; r++) {
            const file_q4_0 *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            pack_nibbles_32(f->q, 0x88888888, b->q, r);
        }
}

void fm_pack_q4_1(const fm_panel_source *s, void *panel) {
    static const file_q4_1 blank = {0};
    fm_panel_q4_1 *b = panel;
    for (int64_t i = 0; i < s->n_in / 32; i++, b++)
        for (int r = 0; r < FM_PANEL; r++) {
            const file_q4_1 *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            b->m[r] = f->m;
            pack_nibbles_32(f->q, 0, b->q, r);
        }
}

typedef struct FILE_BLOCK file_q5_0 {
    uint16_t d;
    uint32_t high; /* bit j: bit 4 of element j */
    uint8_t q[16]; /* as in Q4_0 */
} file_q5_0;

typedef struct FILE_BLOCK file_q5_1 {
    uint16_t d, m;
    uint32_t high;
    uint8_t q[16];
} file_q5_1;

/* Bits 2 b and 2 b + 1 of eight, into byte b. */
static inline uint32_t spread_pairs(uint32_t bits) {
    bits = (bits | bits << 12) & 0x000f000f;
    return (bits | bits << 6) & 0x03030303;
}

static inline void pack_5_bits(const uint8_t q[16], uint32_t high, fm_panel_5_bits *out, int r) {
    uint32_t ones = 0;
    pack_nibbles_32(q, 0, out->low, r);
    for (int j = 0; j < 4; j++) ones |= spread_pairs(high >> 8 * j & 255) << (2 * j);
    out->high[r] = ones;
}

void fm_pack_q5_0(const fm_panel_source *s, void *panel) {
    static const file_q5_0 blank = {0};
    fm_panel_q5_0 *b = panel;
    for (int64_t i = 0; i < s->n_in / 32; i++, b++)
        for (int r = 0; r < FM_PANEL; r++) {
            const file_q5_0 *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            pack_5_bits(f->q, f->high, &b->codes, r);
        }
}

void fm_pack_q5_1(const fm_panel_source *s, void *panel) {
    static const file_q5_1 blank = {0};
    fm_panel_q5_1 *b = panel;
    for (int64_t i = 0; i < s->n_in / 32; i++, b++)
        for (int r = 0; r < FM_PANEL; r++) {
            const file_q5_1 *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            b->m[r] = f->m;
            pack_5_bits(f->q, f->high, &b->codes, r);
        }
}

/* IQ4_NL has the fields of Q4_0. */
void fm_pack_iq4_nl(const fm_panel_source *s, void *panel) {
    static const file_q4_0 blank = {0};
    fm_panel_iq4_nl *b = panel;
    for (int64_t i = 0; i < s->n_in / 32; i++, b++)
        for (int r = 0; r < FM_PANEL; r++) {
            const file_q4_0 *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            pack_nibbles_32(f->q, 0, b->q, r);
        }
}

typedef struct FILE_BLOCK file_mxfp4 {
    uint8_t e;
    uint8_t q[16]; /* as in Q4_0 */
} file_mxfp4;

void fm_pack_mxfp4(const fm_panel_source *s, void *panel) {
    static const file_mxfp4 blank = {0};
    fm_panel_mxfp4 *b = panel;
    for (int64_t i = 0; i < s->n_in / 32; i++, b++)
        for (int r = 0; r < FM_PANEL; r++) {
            const file_mxfp4 *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->e[r] = f->e;
            pack_nibbles_32(f->q, 0, b->q, r);
        }
}

/* TCQ4 has the fields of MXFP4. */
void fm_pack_tcq4(const fm_panel_source *s, void *panel) {
    static const file_mxfp4 blank = {0};
    fm_panel_tcq4 *b = panel;
    for (int64_t i = 0; i < s->n_in / 32; i++, b++)
        for (int r = 0; r < FM_PANEL; r++) {
            const file_mxfp4 *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->e[r] = f->e;
            pack_nibbles_32(f->q, 0, b->q, r);
        }
}

/* ---- blocks of 256 ----------------------------------------------------------------------------- */

static inline void pack_k_scales(const uint8_t bytes[12], fm_lanes32 *out, int r) {
    for (int i = 0; i < 3; i++) memcpy(&out[i][r], bytes + 4 * i, 4);
}

/* The bits `shift` and up of every byte: two of 16 bytes, or one of 32. */
static inline uint32_t gather_twos(const uint8_t bytes[16], int shift) {
    return gather_pairs(field(load64(bytes), shift, 3), 2) |
           gather_pairs(field(load64(bytes + 8), shift, 3), 2) << 4;
}

static inline uint32_t gather_ones(const uint8_t bytes[32], int shift) {
    uint32_t ones = 0;
    for (int j = 0; j < 4; j++)
        ones |= gather_pairs(field(load64(bytes + 8 * j), shift, 1), 1) << (2 * j);
    return ones;
}

typedef struct FILE_BLOCK file_q2_k {
    uint8_t scales[16];
    uint8_t q[2][32]; /* of half h: bits 2i, 2i + 1 of byte j belong to element 32 i + j */
    uint16_t d, dmin;
} file_q2_k;

void fm_pack_q2_k(const fm_panel_source *s, void *panel) {
    static const file_q2_k blank = {0};
    fm_panel_q2_k *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++)
        for (int r = 0; r < FM_PANEL; r++) {
            const file_q2_k *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            b->dmin[r] = f->dmin;
            for (int g = 0; g < 16; g++) {
                b->group[g].scale[r] = f->scales[g];
                b->group[g].q[r] = gather_twos(f->q[g / 8] + 16 * (g % 2), g % 8 / 2 * 2);
            }
        }
}

typedef struct FILE_BLOCK file_q3_k {
    uint8_t high[32]; /* bit g of byte j: element j of group g */
    uint8_t q[2][32]; /* as in Q2_K */
    uint8_t scales[12];
    uint16_t d;
} file_q3_k;

void fm_pack_q3_k(const fm_panel_source *s, void *panel) {
    static const file_q3_k blank = {0};
    fm_panel_q3_k *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++)
        for (int r = 0; r < FM_PANEL; r++) {
            const file_q3_k *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            pack_k_scales(f->scales, b->scales, r);
            for (int g = 0; g < 8; g++) {
                const uint8_t *q = f->q[g / 4];
                b->group[g].low[0][r] = gather_twos(q, g % 4 * 2);
                b->group[g].low[1][r] = gather_twos(q + 16, g % 4 * 2);
                b->group[g].high[r] = gather_ones(f->high, g);
            }
        }
}

typedef struct FILE_BLOCK file_q4_k {
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t q[4][32]; /* group 2c in the low nibbles of q[c], 2c + 1 in the high ones */
} file_q4_k;

typedef struct FILE_BLOCK file_q5_k {
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t high[32]; /* bit g of byte j: element j of group g */
    uint8_t q[4][32];
} file_q5_k;

/* 32 bytes of nibbles: one group from the low ones, one from the high ones. */
static inline void pack_k_nibbles(const uint8_t q[32], fm_lanes32 *low, fm_lanes32 *high, int r) {
    for (int j = 0; j < 4; j++) {
        uint64_t bytes = load64(q + 8 * j);
        low[j][r] = gather_nibbles(bytes, 0);
        high[j][r] = gather_nibbles(bytes, 4);
    }
}

void fm_pack_q4_k(const fm_panel_source *s, void *panel) {
    static const file_q4_k blank = {0};
    fm_panel_q4_k *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++)
        for (int r = 0; r < FM_PANEL; r++) {
            const file_q4_k *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            b->dmin[r] = f->dmin;
            pack_k_scales(f->scales, b->scales, r);
            for (int c = 0; c < 4; c++) pack_k_nibbles(f->q[c], b->q[2 * c], b->q[2 * c + 1], r);
        }
}

static inline void pack_q5_k_row(const file_q5_k *f, fm_panel_q5_k *b, int r) {
    b->d[r] = f->d;
    b->dmin[r] = f->dmin;
    pack_k_scales(f->scales, b->scales, r);
    for (int g = 0; g < 8; g++) {
        for (int j = 0; j < 4; j++)
            b->group[g].low[j][r] = gather_nibbles(load64(f->q[g / 2] + 8 * j), g % 2 * 4);
        b->group[g].high[r] = gather_ones(f->high, g);
    }
}

void fm_pack_q5_k(const fm_panel_source *s, void *panel) {
    static const file_q5_k blank = {0};
    fm_panel_q5_k *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++)
        for (int r = 0; r < FM_PANEL; r++)
            pack_q5_k_row(fm_source_at(s, r, (size_t)i * sizeof blank, &blank), b, r);
}

typedef struct FILE_BLOCK file_q6_k {
    uint8_t low[2][64];  /* of half h: element j in the low nibble of byte j, j + 64 in the high one */
    uint8_t high[2][32]; /* as in Q2_K */
    int8_t scales[16];
    uint16_t d;
} file_q6_k;

/* Group g is 16 elements; eight of them make a half of the block. */
static inline void pack_q6_k_row(const file_q6_k *f, fm_panel_q6_k *b, int r) {
    b->d[r] = f->d;
    for (int g = 0; g < 16; g++) {
        const uint8_t *low = f->low[g / 8] + 16 * (g % 4), *high = f->high[g / 8] + 16 * (g % 2);
        for (int j = 0; j < 2; j++)
            b->group[g].low[j][r] = gather_nibbles(load64(low + 8 * j), g % 8 / 4 * 4);
        b->group[g].high[r] = gather_twos(high, g % 8 / 2 * 2);
        b->group[g].scale[r] = f->scales[g];
    }
}

void fm_pack_q6_k(const fm_panel_source *s, void *panel) {
    static const file_q6_k blank = {0};
    fm_panel_q6_k *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++)
        for (int r = 0; r < FM_PANEL; r++)
            pack_q6_k_row(fm_source_at(s, r, (size_t)i * sizeof blank, &blank), b, r);
}

typedef struct FILE_BLOCK file_iq4_xs {
    uint16_t d, high;
    uint32_t low;
    uint8_t q[8][16]; /* every group as a block of Q4_0 */
} file_iq4_xs;

void fm_pack_iq4_xs(const fm_panel_source *s, void *panel) {
    static const file_iq4_xs blank = {0};
    fm_panel_iq4_xs *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++)
        for (int r = 0; r < FM_PANEL; r++) {
            const file_iq4_xs *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            b->high[r] = f->high;
            b->low[r] = f->low;
            for (int g = 0; g < 8; g++) pack_nibbles_32(f->q[g], 0, b->q[g], r);
        }
}

/* pack_blocks.c: panels of the quantised formats. The files' blocks are drawn in tensor/quant/, the
 * panels in kernel/layout.h; codes and scales keep their bits and change places only (but for TQ1_0). */
#include "pack/pack_panels.h"
#include "pack/transpose.h"
#include "tensor/quant/book_blocks.h"

#define FILE_BLOCK __attribute__((packed, may_alias))

/* Codes of one row become words, 16 bytes of a vector at a time; the words of four rows, transposed,
 * are four lanes of four places in the panel. In a word, byte b holds codes 2 b and 2 b + 1 of each
 * eight (kernel/layout.h): neighbours stay neighbours. */

static inline fm_v16u8 load16(const void *p) {
    fm_v16u8 v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Bits `shift` and up of every byte. Halves are shifted, which one instruction does: what comes in from
 * the neighbour is masked away. */
static inline fm_v16u8 field(fm_v16u8 bytes, int shift, uint8_t mask) {
    return (fm_v16u8)((fm_v8u16)bytes >> (uint16_t)shift) & mask;
}

/* Bytes 2 b and 2 b + 1, of `bits` bits each, side by side in half b. */
static inline fm_v8u16 pairs(fm_v16u8 codes, int bits) {
    fm_v8u16 x = (fm_v8u16)codes;
    return (x | x >> (uint16_t)(8 - bits)) & (uint16_t)((1 << 2 * bits) - 1);
}

/* The low bytes of 16 halves. */
static inline fm_v4u32 narrow(fm_v8u16 a, fm_v8u16 b) {
    return (fm_v4u32)__builtin_shufflevector((fm_v16u8)a, (fm_v16u8)b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18,
                                             20, 22, 24, 26, 28, 30);
}

static inline fm_v8u16 first_halves(fm_v8u16 a, fm_v8u16 b) {
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
}

static inline fm_v8u16 second_halves(fm_v8u16 a, fm_v8u16 b) {
    return __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}

/* 32 codes of 4 bits: four words of eight. */
static inline fm_v4u32 nibbles(fm_v16u8 first, fm_v16u8 second, int shift) {
    return narrow(pairs(field(first, shift, 15), 4), pairs(field(second, shift, 15), 4));
}

/* Two bits at `shift` of 16 + 16 bytes: four halves for each, which are the bytes of two words. */
static inline fm_v8u16 two_words_of_twos(fm_v16u8 first, fm_v16u8 second, int shift) {
    fm_v8u16 a = pairs(field(first, shift, 3), 2), b = pairs(field(second, shift, 3), 2);
    return first_halves(a, b) | second_halves(a, b) << 4;
}

/* Of 32 bytes, bits 4 pair and up: first and second 16 of the lower two, then of the upper two. */
static inline fm_v4u32 twos(fm_v16u8 first, fm_v16u8 second, int pair) {
    return narrow(two_words_of_twos(first, second, 4 * pair),
                  two_words_of_twos(first, second, 4 * pair + 2));
}

/* One bit at `shift` of 32 bytes: the bytes of half a word from the first 16, of the other half. */
static inline fm_v8u16 half_words_of_ones(fm_v16u8 first, fm_v16u8 second, int shift) {
    fm_v8u16 a = pairs(field(first, shift, 1), 1), b = pairs(field(second, shift, 1), 1);
    return first_halves(a, b) | second_halves(a, b) << 2;
}

static inline fm_v8u16 two_words_of_ones(fm_v16u8 first, fm_v16u8 second, int shift) {
    fm_v8u16 a = half_words_of_ones(first, second, shift);
    fm_v8u16 b = half_words_of_ones(first, second, shift + 1);
    return first_halves(a, b) | second_halves(a, b) << 4;
}

/* Bits `shift` to `shift` + 3 of 32 bytes: a word for each. */
static inline fm_v4u32 ones(fm_v16u8 first, fm_v16u8 second, int shift) {
    return narrow(two_words_of_ones(first, second, shift), two_words_of_ones(first, second, shift + 2));
}

/* Word j of four rows to lanes r to r + 3 of the place j steps behind `out`. */
static inline void put_words(fm_v4u32 m[4], void *out, size_t step, int r) {
    fm_transpose_4x4_words(m);
    for (size_t j = 0; j < 4; j++) memcpy((char *)out + j * step + 4 * (size_t)r, &m[j], 16);
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

static inline fm_v4u32 nibbles_32(const uint8_t q[16]) {
    fm_v16u8 v = load16(q);
    return narrow(pairs(field(v, 0, 15), 4), pairs(field(v, 4, 15), 4));
}

static inline void pack_nibbles_32(const uint8_t q[16], uint32_t turn_over, fm_lanes32 *out, int r) {
    fm_v4u32 words = nibbles_32(q) ^ turn_over;
    for (int j = 0; j < 4; j++) out[j][r] = words[j];
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

/* 32 bits as four eights of four pairs: pair b of eight j becomes pair j of byte b. */
static inline void spread_pairs(fm_lanes32 words) {
    for (int r = 0; r < FM_PANEL; r++) {
        uint32_t x = words[r], t = (x ^ x >> 6) & 0x00cc00cc;
        x ^= t ^ t << 6;
        t = (x ^ x >> 12) & 0x0000f0f0;
        words[r] = x ^ t ^ t << 12;
    }
}

void fm_pack_q5_0(const fm_panel_source *s, void *panel) {
    static const file_q5_0 blank = {0};
    fm_panel_q5_0 *b = panel;
    for (int64_t i = 0; i < s->n_in / 32; i++, b++) {
        for (int r = 0; r < FM_PANEL; r++) {
            const file_q5_0 *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            pack_nibbles_32(f->q, 0, b->codes.low, r);
            b->codes.high[r] = f->high;
        }
        spread_pairs(b->codes.high);
    }
}

void fm_pack_q5_1(const fm_panel_source *s, void *panel) {
    static const file_q5_1 blank = {0};
    fm_panel_q5_1 *b = panel;
    for (int64_t i = 0; i < s->n_in / 32; i++, b++) {
        for (int r = 0; r < FM_PANEL; r++) {
            const file_q5_1 *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            b->m[r] = f->m;
            pack_nibbles_32(f->q, 0, b->codes.low, r);
            b->codes.high[r] = f->high;
        }
        spread_pairs(b->codes.high);
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

typedef struct FILE_BLOCK file_q2_k {
    uint8_t scales[16];
    uint8_t q[2][32]; /* of half h: bits 2i, 2i + 1 of byte j belong to element 32 i + j */
    uint16_t d, dmin;
} file_q2_k;

static inline void pack_q2_k_rows(const file_q2_k *const f[4], fm_panel_q2_k *b, int r) {
    for (int i = 0; i < 4; i++) {
        b->d[r + i] = f[i]->d;
        b->dmin[r + i] = f[i]->dmin;
    }
    for (int g = 0; g < 16; g += 4) {
        fm_v4u32 m[4];
        for (int i = 0; i < 4; i++) {
            const uint8_t *q = f[i]->q[g / 8];
            m[i] = twos(load16(q), load16(q + 16), g % 8 / 4);
        }
        put_words(m, b->group[g].q, sizeof b->group[0], r);
    }
}

void fm_pack_q2_k(const fm_panel_source *s, void *panel) {
    static const file_q2_k blank = {0};
    fm_panel_q2_k *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++) {
        const file_q2_k *f[FM_PANEL];
        fm_v16u8 scales[FM_PANEL];
        for (int r = 0; r < FM_PANEL; r++) {
            f[r] = fm_source_at(s, r, (size_t)i * sizeof blank, &blank);
            scales[r] = load16(f[r]->scales);
        }
        for (int r = 0; r < FM_PANEL; r += 4) pack_q2_k_rows(f + r, b, r);
        fm_transpose_16x16_bytes(scales);
        for (int g = 0; g < 16; g++) memcpy(b->group[g].scale, &scales[g], 16);
    }
}

/* The bytes of TQ2_0 are those of Q2_K. */
static inline void pack_tq2_0_rows(const fm_file_tq2_0 *const f[4], fm_panel_tq2_0 *b, int r) {
    for (int i = 0; i < 4; i++) b->d[r + i] = f[i]->d;
    for (int g = 0; g < 16; g += 4) {
        fm_v4u32 m[4];
        for (int i = 0; i < 4; i++) {
            const uint8_t *q = f[i]->q + 32 * (g / 8);
            m[i] = twos(load16(q), load16(q + 16), g % 8 / 4);
        }
        put_words(m, b->q[g], sizeof b->q[0], r);
    }
}

/* The same weights as a block of TQ2_0. */
static void open_tq1_0(const fm_file_tq1_0 *f, fm_file_tq2_0 *out) {
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    static const struct {
        int at, bytes, digits;
    } runs[] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
    uint8_t code[256], *to = code;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < runs[i].digits; k++)
            for (int j = 0; j < runs[i].bytes; j++)
                *to++ = (uint8_t)((uint8_t)(f->q[runs[i].at + j] * power[k]) * 3 >> 8);
    out->d = f->d;
    for (int h = 0; h < 2; h++)
        for (int j = 0; j < 32; j++) {
            const uint8_t *c = code + 128 * h + j;
            out->q[32 * h + j] = (uint8_t)(c[0] | c[32] << 2 | c[64] << 4 | c[96] << 6);
        }
}

void fm_pack_tq2_0(const fm_panel_source *s, void *panel) {
    static const fm_file_tq2_0 blank = {0};
    fm_panel_tq2_0 *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++)
        for (int r = 0; r < FM_PANEL; r += 4) {
            const fm_file_tq2_0 *f[4];
            fm_file_tq2_0 opened[4];
            for (int j = 0; j < 4; j++) {
                size_t bytes = s->dtype == FM_DTYPE_TQ1_0 ? sizeof(fm_file_tq1_0) : sizeof blank;
                f[j] = fm_source_at(s, r + j, (size_t)i * bytes, &blank);
                if (s->dtype != FM_DTYPE_TQ1_0 || r + j >= s->lanes) continue;
                open_tq1_0((const void *)f[j], &opened[j]);
                f[j] = &opened[j];
            }
            pack_tq2_0_rows(f, b, r);
        }
}

typedef struct FILE_BLOCK file_q3_k {
    uint8_t high[32]; /* bit g of byte j: element j of group g */
    uint8_t q[2][32]; /* as in Q2_K */
    uint8_t scales[12];
    uint16_t d;
} file_q3_k;

static inline void pack_q3_k_rows(const file_q3_k *const f[4], fm_panel_q3_k *b, int r) {
    for (int i = 0; i < 4; i++) {
        b->d[r + i] = f[i]->d;
        pack_k_scales(f[i]->scales, b->scales, r + i);
    }
    for (int g = 0; g < 8; g += 2) { /* two groups have two words each */
        fm_v4u32 m[4];
        for (int i = 0; i < 4; i++) {
            const uint8_t *q = f[i]->q[g / 4];
            m[i] = twos(load16(q), load16(q + 16), g % 4 / 2);
        }
        fm_transpose_4x4_words(m);
        for (int j = 0; j < 4; j++) memcpy(&b->group[g + j / 2].low[j % 2][r], &m[j], 16);
    }
    for (int g = 0; g < 8; g += 4) {
        fm_v4u32 m[4];
        for (int i = 0; i < 4; i++) m[i] = ones(load16(f[i]->high), load16(f[i]->high + 16), g);
        put_words(m, b->group[g].high, sizeof b->group[0], r);
    }
}

void fm_pack_q3_k(const fm_panel_source *s, void *panel) {
    static const file_q3_k blank = {0};
    fm_panel_q3_k *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++)
        for (int r = 0; r < FM_PANEL; r += 4) {
            const file_q3_k *f[4];
            for (int j = 0; j < 4; j++) f[j] = fm_source_at(s, r + j, (size_t)i * sizeof blank, &blank);
            pack_q3_k_rows(f, b, r);
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

/* The head of both: d and dmin as one word, three words of scales. */
static inline void pack_k_heads(const void *const f[4], fm_lanes16 d, fm_lanes16 dmin,
                                fm_lanes32 *scales, int r) {
    fm_v4u32 m[4];
    for (int i = 0; i < 4; i++) m[i] = (fm_v4u32)load16(f[i]);
    fm_transpose_4x4_words(m);
    for (int i = 0; i < 4; i++) {
        d[r + i] = (uint16_t)m[0][i];
        dmin[r + i] = (uint16_t)(m[0][i] >> 16);
    }
    for (int j = 0; j < 3; j++) memcpy(&scales[j][r], &m[j + 1], 16);
}

static inline void pack_q4_k_rows(const file_q4_k *const f[4], fm_panel_q4_k *b, int r) {
    pack_k_heads((const void *const *)f, b->d, b->dmin, b->scales, r);
    for (int g = 0; g < 8; g++) {
        fm_v4u32 m[4];
        for (int i = 0; i < 4; i++) {
            const uint8_t *q = f[i]->q[g / 2];
            m[i] = nibbles(load16(q), load16(q + 16), g % 2 * 4);
        }
        put_words(m, b->q[g], sizeof b->q[0][0], r);
    }
}

void fm_pack_q4_k(const fm_panel_source *s, void *panel) {
    static const file_q4_k blank = {0};
    fm_panel_q4_k *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++)
        for (int r = 0; r < FM_PANEL; r += 4) {
            const file_q4_k *f[4];
            for (int j = 0; j < 4; j++) f[j] = fm_source_at(s, r + j, (size_t)i * sizeof blank, &blank);
            pack_q4_k_rows(f, b, r);
        }
}

static inline void pack_q5_k_rows(const file_q5_k *const f[4], fm_panel_q5_k *b, int r) {
    fm_v4u32 m[4];
    pack_k_heads((const void *const *)f, b->d, b->dmin, b->scales, r);
    for (int g = 0; g < 8; g++) {
        for (int i = 0; i < 4; i++) {
            const uint8_t *q = f[i]->q[g / 2];
            m[i] = nibbles(load16(q), load16(q + 16), g % 2 * 4);
        }
        put_words(m, b->group[g].low, sizeof b->group[0].low[0], r);
    }
    for (int g = 0; g < 8; g += 4) {
        for (int i = 0; i < 4; i++) m[i] = ones(load16(f[i]->high), load16(f[i]->high + 16), g);
        put_words(m, b->group[g].high, sizeof b->group[0], r);
    }
}

void fm_pack_q5_k(const fm_panel_source *s, void *panel) {
    static const file_q5_k blank = {0};
    fm_panel_q5_k *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++)
        for (int r = 0; r < FM_PANEL; r += 4) {
            const file_q5_k *f[4];
            for (int j = 0; j < 4; j++) f[j] = fm_source_at(s, r + j, (size_t)i * sizeof blank, &blank);
            pack_q5_k_rows(f, b, r);
        }
}

typedef struct FILE_BLOCK file_q6_k {
    uint8_t low[2][64];  /* of half h: element j in the low nibble of byte j, j + 64 in the high one */
    uint8_t high[2][32]; /* as in Q2_K */
    int8_t scales[16];
    uint16_t d;
} file_q6_k;

/* Group g is 16 elements; eight of them make a half of the block. Two have four low words. */
static inline void pack_q6_k_rows(const file_q6_k *const f[4], fm_panel_q6_k *b, int r) {
    fm_v4u32 m[4];
    for (int i = 0; i < 4; i++) b->d[r + i] = f[i]->d;
    for (int g = 0; g < 16; g += 2) {
        for (int i = 0; i < 4; i++) {
            const uint8_t *q = f[i]->low[g / 8] + 16 * (g % 4);
            m[i] = nibbles(load16(q), load16(q + 16), g % 8 / 4 * 4);
        }
        fm_transpose_4x4_words(m);
        for (int j = 0; j < 4; j++) memcpy(&b->group[g + j / 2].low[j % 2][r], &m[j], 16);
    }
    for (int g = 0; g < 16; g += 4) {
        for (int i = 0; i < 4; i++) {
            const uint8_t *q = f[i]->high[g / 8];
            m[i] = twos(load16(q), load16(q + 16), g % 8 / 4);
        }
        put_words(m, b->group[g].high, sizeof b->group[0], r);
    }
}

void fm_pack_q6_k(const fm_panel_source *s, void *panel) {
    static const file_q6_k blank = {0};
    fm_panel_q6_k *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++) {
        const file_q6_k *f[FM_PANEL];
        fm_v16u8 scales[FM_PANEL];
        for (int r = 0; r < FM_PANEL; r++) {
            f[r] = fm_source_at(s, r, (size_t)i * sizeof blank, &blank);
            scales[r] = load16(f[r]->scales);
        }
        for (int r = 0; r < FM_PANEL; r += 4) pack_q6_k_rows(f + r, b, r);
        fm_transpose_16x16_bytes(scales);
        for (int g = 0; g < 16; g++) memcpy(b->group[g].scale, &scales[g], 16);
    }
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

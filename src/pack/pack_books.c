/* pack_books.c: panels of the formats with code books: entries are looked up and written out. The files'
 * blocks are drawn in tensor/quant/, the panels in kernel/layout.h. */
#include "pack/pack_panels.h"
#include "pack/transpose.h"
#include "tensor/quant/book_blocks.h"
#include "tensor/quant/iq_tables.h"

/* What a block's octets say, for 16 rows: eight elements of two bits, or four of four bits with the four that
 * follow above them; and which of the eight are negative. */
typedef struct octets {
    fm_lanes32 entry[32], signs[32];
} octets;

static inline fm_v4u32 lanes_at(const fm_lanes32 words, int r) {
    fm_v4u32 v;
    memcpy(&v, words + r, sizeof v);
    return v;
}

static inline void put_lanes(fm_lanes32 words, int r, fm_v4u32 v) { memcpy(words + r, &v, sizeof v); }

/* Of 16 bits, nibble b to the low half of byte b. */
static inline fm_v4u32 spread_nibbles(fm_v4u32 x) {
    x = (x | x << 8) & 0x00ff00ff;
    return (x | x << 4) & 0x0f0f0f0f;
}

/* Of 8 bits, pair b to the low bits of byte b. */
static inline fm_v4u32 spread_pairs(fm_v4u32 x) {
    x = (x | x << 12) & 0x000f000f;
    return (x | x << 6) & 0x03030303;
}

/* Two octets of two bits: a word of 16. */
static inline void put_twos(const octets *o, int g, fm_lanes32 out) {
    for (int r = 0; r < FM_PANEL; r += 4) {
        fm_v4u32 first = spread_nibbles(lanes_at(o->entry[2 * g], r));
        fm_v4u32 second = spread_nibbles(lanes_at(o->entry[2 * g + 1], r));
        put_lanes(out, r, first | second << 4);
    }
}

/* Four octets of two bits and signs: three words, see fm_iq2_code. */
static inline void put_threes(const octets *o, int g, fm_lanes32 out[3]) {
    for (int r = 0; r < FM_PANEL; r += 4) {
        fm_v4u32 twos[4], signs[4];
        for (int i = 0; i < 4; i++) {
            twos[i] = spread_nibbles(lanes_at(o->entry[4 * g + i], r));
            signs[i] = spread_pairs(lanes_at(o->signs[4 * g + i], r));
        }
        const fm_v4u32 last[3] = {(twos[3] & 0x03030303) << 6, (twos[3] & 0x0c0c0c0c) << 4, signs[3] << 6};
        for (int i = 0; i < 3; i++) {
            fm_v4u32 even = (twos[i] & 0x03030303) | (signs[i] & 0x01010101) << 2;
            fm_v4u32 odd = (twos[i] & 0x0c0c0c0c) << 1 | (signs[i] & 0x02020202) << 4;
            put_lanes(out[i], r, even | odd | last[i]);
        }
    }
}

/* An octet of four bits, the highest of which become the signs: a word of eight. */
static inline void put_fours(const octets *o, int i, fm_lanes32 out) {
    for (int r = 0; r < FM_PANEL; r += 4) {
        fm_v4u32 signs = spread_pairs(lanes_at(o->signs[i], r));
        put_lanes(out, r, lanes_at(o->entry[i], r) | (signs & 0x01010101) << 3 | (signs & 0x02020202) << 6);
    }
}

/* ---- IQ1 ----------------------------------------------------------------------------------------- */

void fm_pack_iq1_s(const fm_panel_source *s, void *panel) {
    static const fm_file_iq1_s blank = {0};
    fm_panel_iq1_s *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++) {
        octets o;
        for (int r = 0; r < FM_PANEL; r++) {
            const fm_file_iq1_s *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            b->scales[r] = 0;
            for (int g = 0; g < 8; g++) {
                unsigned high = f->high[g];
                b->scales[r] |= (uint32_t)(high >> 12) << 4 * g;
                for (int j = 0; j < 4; j++)
                    o.entry[4 * g + j][r] = fm_iq1_grid[f->low[4 * g + j] | (high >> 3 * j & 7) << 8];
            }
        }
        for (int g = 0; g < 16; g++) put_twos(&o, g, b->q[g]);
    }
}

void fm_pack_iq1_m(const fm_panel_source *s, void *panel) {
    static const fm_file_iq1_m blank = {0};
    fm_panel_iq1_m *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++) {
        octets o;
        for (int r = 0; r < FM_PANEL; r++) {
            const fm_file_iq1_m *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            unsigned d = 0;
            for (int j = 0; j < 4; j++) d |= (unsigned)(f->scales[j] >> 12) << 4 * j;
            b->d[r] = (uint16_t)d;
            for (int g = 0; g < 16; g++) {
                unsigned high = f->high[g], scale = f->scales[g / 4] >> g % 4 * 3 & 7;
                b->group[g].scale[r] = (uint8_t)(scale | (high >> 3 & 1) << 4 | (high >> 7 & 1) << 5);
                o.entry[2 * g][r] = fm_iq1_grid[f->low[2 * g] | (high & 7) << 8];
                o.entry[2 * g + 1][r] = fm_iq1_grid[f->low[2 * g + 1] | (high >> 4 & 7) << 8];
            }
        }
        for (int g = 0; g < 16; g++) put_twos(&o, g, b->group[g].q);
    }
}

/* ---- IQ2 ----------------------------------------------------------------------------------------- */

void fm_pack_iq2_xxs(const fm_panel_source *s, void *panel) {
    static const fm_file_iq2_xxs blank = {0};
    fm_panel_iq2_xxs *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++) {
        octets o;
        for (int r = 0; r < FM_PANEL; r++) {
            const fm_file_iq2_xxs *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            b->scales[r] = 0;
            for (int g = 0; g < 8; g++) {
                uint32_t signs = f->group[g].signs;
                b->scales[r] |= signs >> 28 << 4 * g;
                for (int j = 0; j < 4; j++) {
                    o.entry[4 * g + j][r] = fm_iq2_xxs_grid[f->group[g].entry[j]];
                    o.signs[4 * g + j][r] = fm_iq_signs(signs >> 7 * j & 127);
                }
            }
        }
        for (int g = 0; g < 8; g++) put_threes(&o, g, b->q[g]);
    }
}

/* Eight bytes of two scales each: two words. */
static inline void put_scales_16(const uint8_t bytes[8], fm_lanes32 out[2], int r) {
    memcpy(&out[0][r], bytes, 4);
    memcpy(&out[1][r], bytes + 4, 4);
}

static void pack_iq2_xs(const fm_panel_source *s, fm_panel_iq2_s *b) {
    static const fm_file_iq2_xs blank = {0};
    for (int64_t i = 0; i < s->n_in / 256; i++, b++) {
        octets o;
        for (int r = 0; r < FM_PANEL; r++) {
            const fm_file_iq2_xs *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            put_scales_16(f->scales, b->scales, r);
            for (int j = 0; j < 32; j++) {
                unsigned octet = f->octet[j];
                o.entry[j][r] = fm_iq2_xs_grid[octet & 511];
                o.signs[j][r] = fm_iq_signs(octet >> 9);
            }
        }
        for (int g = 0; g < 8; g++) put_threes(&o, g, b->q[g]);
    }
}

/* The panels of IQ2_S hold IQ2_XS too: it has the same scales and magnitudes. */
void fm_pack_iq2_s(const fm_panel_source *s, void *panel) {
    static const fm_file_iq2_s blank = {0};
    fm_panel_iq2_s *b = panel;
    if (s->dtype == FM_DTYPE_IQ2_XS) {
        pack_iq2_xs(s, b);
        return;
    }
    for (int64_t i = 0; i < s->n_in / 256; i++, b++) {
        octets o;
        for (int r = 0; r < FM_PANEL; r++) {
            const fm_file_iq2_s *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            put_scales_16(f->scales, b->scales, r);
            for (int j = 0; j < 32; j++) {
                o.entry[j][r] = fm_iq2_s_grid[f->low[j] | (f->high[j / 4] >> j % 4 * 2 & 3u) << 8];
                o.signs[j][r] = f->signs[j];
            }
        }
        for (int g = 0; g < 8; g++) put_threes(&o, g, b->q[g]);
    }
}

/* ---- IQ3 ----------------------------------------------------------------------------------------- */

void fm_pack_iq3_xxs(const fm_panel_source *s, void *panel) {
    static const fm_file_iq3_xxs blank = {0};
    fm_panel_iq3 *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++) {
        octets o;
        for (int r = 0; r < FM_PANEL; r++) {
            const fm_file_iq3_xxs *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            b->scales[r] = 0;
            for (int g = 0; g < 8; g++) b->scales[r] |= f->signs[g] >> 28 << 4 * g;
            for (int j = 0; j < 32; j++) {
                o.entry[j][r] = fm_iq3_xxs_grid[f->entry[2 * j]] |
                                (uint32_t)fm_iq3_xxs_grid[f->entry[2 * j + 1]] << 16;
                o.signs[j][r] = fm_iq_signs(f->signs[j / 4] >> 7 * (j % 4) & 127);
            }
        }
        for (int j = 0; j < 32; j++) put_fours(&o, j, b->q[j / 4][j % 4]);
    }
}

void fm_pack_iq3_s(const fm_panel_source *s, void *panel) {
    static const fm_file_iq3_s blank = {0};
    fm_panel_iq3 *b = panel;
    for (int64_t i = 0; i < s->n_in / 256; i++, b++) {
        octets o;
        for (int r = 0; r < FM_PANEL; r++) {
            const fm_file_iq3_s *f = fm_source_at(s, r, (size_t)i * sizeof *f, &blank);
            b->d[r] = f->d;
            memcpy(&b->scales[r], f->scales, 4);
            for (int j = 0; j < 32; j++) {
                unsigned high = f->high[j / 4] >> j % 4 * 2;
                o.entry[j][r] = fm_iq3_s_grid[f->low[2 * j] | (high & 1) << 8] |
                                (uint32_t)fm_iq3_s_grid[f->low[2 * j + 1] | (high & 2) << 7] << 16;
                o.signs[j][r] = f->signs[j];
            }
        }
        for (int j = 0; j < 32; j++) put_fours(&o, j, b->q[j / 4][j % 4]);
    }
}

/* iq4_xs.c: 256 elements of 4 bits on IQ4_NL's uneven scale; every 32 have a 6-bit scale.
 *
 *   0      2        4          8                              136
 *   | d    | high   | low[4]   | q[128]                       |     d half; high: 16 bits
 *
 *   scale g: bits 0-3 nibble g % 2 of low[g / 2], bits 4-5 bits 2g, 2g + 1 of high     (g < 8)
 *   q[16 g + j]: low nibble element 32 g + j, high nibble element 32 g + 16 + j        (j < 16)
 *
 *   x = d * (scale - 32) * value[code] */
#include "tensor/quant/quant_block.h"
#include "tensor/quant/fit.h"
#include "tensor/quant/iq_tables.h"

typedef struct FM_PACKED block {
    uint16_t d, high;
    uint8_t low[4];
    uint8_t q[128];
} block;
FM_ASSERT_BLOCK(block, IQ4_XS);

void fm_decode_iq4_xs(const void *src, float *dst, int64_t n) {
    const block *b = src;
    for (; n > 0; n -= 256, b++) {
        float d = fm_half_to_float(b->d);
        for (int g = 0; g < 8; g++, dst += 32) {
            const uint8_t *q = b->q + 16 * g;
            int code = (b->low[g / 2] >> g % 2 * 4 & 15) | (b->high >> 2 * g & 3) << 4;
            float scale = d * (float)(code - 32);
            for (int j = 0; j < 16; j++) {
                dst[j] = scale * (float)fm_iq4_values[q[j] & 15];
                dst[j + 16] = scale * (float)fm_iq4_values[q[j] >> 4];
            }
        }
    }
}

void fm_fit_iq4_xs(const float *src, const float *importance, void *dst, int64_t n) {
    const fm_levels levels = fm_levels_of(fm_iq4_values, 16);
    block *b = dst;
    for (; n > 0; n -= 256, b++, src += 256) {
        float w[256];
        uint8_t code[256];
        int scale[8];
        fm_fit_weights(&importance, 256, w);
        b->d = fm_fit_scales(&levels, src, w, 8, 32, 0.5f, -32, 31, scale, code);
        memset(b->low, 0, sizeof b->low);
        b->high = 0;
        for (int g = 0; g < 8; g++) {
            int stored = scale[g] + 32;
            b->low[g / 2] |= (uint8_t)((stored & 15) << g % 2 * 4);
            b->high |= (uint16_t)(stored >> 4 << 2 * g);
            const uint8_t *c = code + 32 * g;
            for (int j = 0; j < 16; j++) b->q[16 * g + j] = (uint8_t)(c[j] | c[j + 16] << 4);
        }
    }
}

void fm_encode_iq4_xs(const float *src, void *dst, int64_t n) { fm_fit_iq4_xs(src, NULL, dst, n); }

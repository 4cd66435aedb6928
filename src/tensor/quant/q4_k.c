/* q4_k.c: 256 elements of 4 bits; every 32 have a 6-bit scale and a 6-bit minimum.
 *
 *   0      2      4              16                              144
 *   | d    | dmin | scales[12]   | q[128]                        |    scales: see k_scales.h
 *
 *   q: element 64 c + j is the low nibble of q[32 c + j], 64 c + 32 + j its high nibble
 *                                                                     (c < 4, j < 32)
 *   x = (d * scale) * code - (dmin * minimum) */
#include "tensor/quant/quant_block.h"
#include "tensor/quant/fit.h"
#include "tensor/quant/k_scales.h"

typedef struct FM_PACKED block {
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t q[128];
} block;
FM_ASSERT_BLOCK(block, Q4_K);

void fm_decode_q4_k(const void *src, float *dst, int64_t n) {
    const block *b = src;
    for (; n > 0; n -= 256, b++) {
        float d = fm_half_to_float(b->d), dmin = fm_half_to_float(b->dmin);
        for (int g = 0; g < 8; g++, dst += 32) {
            const uint8_t *q = b->q + 32 * (g / 2);
            int shift = g % 2 * 4;
            float scale = d * (float)fm_k_scale(b->scales, g);
            float minimum = dmin * (float)fm_k_minimum(b->scales, g);
            for (int j = 0; j < 32; j++) dst[j] = scale * (float)(q[j] >> shift & 15) - minimum;
        }
    }
}

void fm_fit_q4_k(const float *src, const float *importance, void *dst, int64_t n) {
    block *b = dst;
    for (; n > 0; n -= 256, b++, src += 256) {
        float w[256];
        uint8_t code[256], scale[8], minimum[8];
        uint16_t d, dmin;
        fm_fit_weights(&importance, 256, w);
        fm_fit_lines(src, w, 15, &d, &dmin, scale, minimum, code);
        b->d = d;
        b->dmin = dmin;
        fm_k_put_scales(b->scales, scale, minimum);
        for (int i = 0; i < 128; i++) {
            int c = i / 32, j = i % 32;
            b->q[i] = (uint8_t)(code[64 * c + j] | code[64 * c + 32 + j] << 4);
        }
    }
}

void fm_encode_q4_k(const float *src, void *dst, int64_t n) { fm_fit_q4_k(src, NULL, dst, n); }

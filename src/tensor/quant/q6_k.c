/* q6_k.c: 256 elements of 6 bits around zero; every 16 have an 8-bit scale.
 *
 *   0                               128             192            208    210
 *   | low[128]                      | high[64]      | scales[16]   | d    |
 *
 *   low: bits 0-3 of element 128 h + j are the low nibble of low[64 h + j], and of element
 *        128 h + 64 + j its high nibble                                   (h < 2, j < 64)
 *   high: bits 4-5 of element 128 h + 32 k + j are bits 2k, 2k + 1 of high[32 h + j]
 *                                                                         (k < 4, j < 32)
 *   scales[s], signed, for elements 16 s to 16 s + 15
 *
 *   x = (d * scale) * (code - 32) */
#include "tensor/quant/quant_block.h"
#include "tensor/quant/fit.h"

typedef struct FM_PACKED block {
    uint8_t low[128];
    uint8_t high[64];
    int8_t scales[16];
    uint16_t d;
} block;
FM_ASSERT_BLOCK(block, Q6_K);

void fm_decode_q6_k(const void *src, float *dst, int64_t n) {
    const block *b = src;
    for (; n > 0; n -= 256, b++) {
        float d = fm_half_to_float(b->d);
        for (int s = 0; s < 16; s++, dst += 16) {
            const uint8_t *low = b->low + 64 * (s / 8) + 16 * (s % 4);
            const uint8_t *high = b->high + 32 * (s / 8) + 16 * (s % 2);
            int low_shift = s % 8 / 4 * 4, high_shift = s % 8 / 2 * 2;
            float scale = d * (float)b->scales[s];
            for (int j = 0; j < 16; j++) {
                int code = (low[j] >> low_shift & 15) | (high[j] >> high_shift & 3) << 4;
                dst[j] = scale * (float)(code - 32);
            }
        }
    }
}

void fm_fit_q6_k(const float *src, const float *importance, void *dst, int64_t n) {
    const fm_levels levels = fm_levels_even(32, 31);
    block *b = dst;
    for (; n > 0; n -= 256, b++, src += 256) {
        float w[256];
        uint8_t code[256];
        int scale[16];
        fm_fit_weights(&importance, 256, w);
        b->d = fm_fit_scales(&levels, src, w, 16, 16, 0.15f, -128, 127, scale, code);
        for (int s = 0; s < 16; s++) b->scales[s] = (int8_t)scale[s];
        memset(b->low, 0, sizeof b->low);
        memset(b->high, 0, sizeof b->high);
        for (int i = 0; i < 256; i++) {
            int half = i / 128, j = i % 128;
            b->low[64 * half + j % 64] |= (uint8_t)((code[i] & 15) << j / 64 * 4);
            b->high[32 * half + j % 32] |= (uint8_t)(code[i] >> 4 << j / 32 * 2);
        }
    }
}

void fm_encode_q6_k(const float *src, void *dst, int64_t n) { fm_fit_q6_k(src, NULL, dst, n); }

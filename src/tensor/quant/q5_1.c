/* q5_1.c: 32 elements of 5 bits above a minimum, with one scale.
 *
 *   0      2      4            8                        24
 *   | d    | m    | high       | q[0] ... q[15]          |   d, m halves; high and q as in Q5_0
 *
 *   x = d * code + m */
#include "tensor/quant/quant_block.h"
#include "tensor/quant/fit.h"

typedef struct FM_PACKED block {
    uint16_t d, m;
    uint32_t high;
    uint8_t q[16];
} block;
FM_ASSERT_BLOCK(block, Q5_1);

void fm_decode_q5_1(const void *src, float *dst, int64_t n) {
    const block *b = src;
    for (; n > 0; n -= 32, b++, dst += 32) {
        float d = fm_half_to_float(b->d), m = fm_half_to_float(b->m);
        uint32_t high = b->high;
        for (int j = 0; j < 16; j++) {
            int first = (b->q[j] & 15) | (int)(high >> j & 1) << 4;
            int second = b->q[j] >> 4 | (int)(high >> (j + 16) & 1) << 4;
            dst[j] = d * (float)first + m;
            dst[j + 16] = d * (float)second + m;
        }
    }
}

void fm_encode_q5_1(const float *src, void *dst, int64_t n) {
    block *b = dst;
    for (; n > 0; n -= 32, b++, src += 32) {
        float least = src[0], most = src[0];
        for (int j = 1; j < 32; j++) {
            if (src[j] < least) least = src[j];
            if (src[j] > most) most = src[j];
        }
        float d = (most - least) / 31, inverse = fm_inverse_or_zero(d);
        uint32_t high = 0;
        for (int j = 0; j < 16; j++) {
            float x = (src[j] - least) * inverse, y = (src[j + 16] - least) * inverse;
            uint32_t first = (uint32_t)fm_code_from_float(x + 0.5f, 31);
            uint32_t second = (uint32_t)fm_code_from_float(y + 0.5f, 31);
            b->q[j] = (uint8_t)((first & 15) | (second & 15) << 4);
            high |= first >> 4 << j | second >> 4 << (j + 16);
        }
        b->d = fm_half_from_float(d);
        b->m = fm_half_from_float(least);
        b->high = high;
    }
}

void fm_fit_q5_1(const float *src, const float *importance, void *dst, int64_t n) {
    block *b = dst;
    for (; n > 0; n -= 32, b++, src += 32) {
        float w[32];
        uint8_t code[32];
        uint16_t d, m;
        fm_fit_weights(&importance, 32, w);
        fm_fit_line_as_halves(src, w, 31, &d, &m, code);
        b->d = d;
        b->m = m;
        uint32_t high = 0;
        for (int j = 0; j < 16; j++) {
            b->q[j] = (uint8_t)((code[j] & 15) | (code[j + 16] & 15) << 4);
            high |= (uint32_t)(code[j] >> 4) << j | (uint32_t)(code[j + 16] >> 4) << (j + 16);
        }
        b->high = high;
    }
}

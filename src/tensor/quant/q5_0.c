/* q5_0.c: 32 elements of 5 bits around zero, with one scale.
 *
 *   0      2            6                        22
 *   | d    | high       | q[0] ... q[15]          |   d half; high: bit j is bit 4 of element j;
 *                                                     q[j]: low nibble element j, high j + 16
 *   x = d * (code - 16)
 *
 * As in Q4_0, the element of largest magnitude gets the code 0. */
#include "tensor/quant/quant_block.h"
#include "tensor/quant/fit.h"

typedef struct FM_PACKED block {
    uint16_t d;
    uint32_t high;
    uint8_t q[16];
} block;
FM_ASSERT_BLOCK(block, Q5_0);

void fm_decode_q5_0(const void *src, float *dst, int64_t n) {
    const block *b = src;
    for (; n > 0; n -= 32, b++, dst += 32) {
        float d = fm_half_to_float(b->d);
        uint32_t high = b->high;
        for (int j = 0; j < 16; j++) {
            int first = (b->q[j] & 15) | (int)(high >> j & 1) << 4;
            int second = b->q[j] >> 4 | (int)(high >> (j + 16) & 1) << 4;
            dst[j] = d * (float)(first - 16);
            dst[j + 16] = d * (float)(second - 16);
        }
    }
}

void fm_encode_q5_0(const float *src, void *dst, int64_t n) {
    block *b = dst;
    for (; n > 0; n -= 32, b++, src += 32) {
        float extreme = 0;
        for (int j = 0; j < 32; j++)
            if (fabsf(src[j]) > fabsf(extreme)) extreme = src[j];
        float d = extreme / -16, inverse = fm_inverse_or_zero(d);
        uint32_t high = 0;
        for (int j = 0; j < 16; j++) {
            uint32_t first = (uint32_t)fm_code_from_float(src[j] * inverse + 16.5f, 31);
            uint32_t second = (uint32_t)fm_code_from_float(src[j + 16] * inverse + 16.5f, 31);
            b->q[j] = (uint8_t)((first & 15) | (second & 15) << 4);
            high |= first >> 4 << j | second >> 4 << (j + 16);
        }
        b->d = fm_half_from_float(d);
        b->high = high;
    }
}

void fm_fit_q5_0(const float *src, const float *importance, void *dst, int64_t n) {
    const fm_levels levels = fm_levels_even(16, 15);
    block *b = dst;
    for (; n > 0; n -= 32, b++, src += 32) {
        float w[32];
        uint8_t code[32];
        fm_fit_weights(&importance, 32, w);
        b->d = fm_fit_scale_as_half(&levels, src, w, 32, code);
        uint32_t high = 0;
        for (int j = 0; j < 16; j++) {
            b->q[j] = (uint8_t)((code[j] & 15) | (code[j + 16] & 15) << 4);
            high |= (uint32_t)(code[j] >> 4) << j | (uint32_t)(code[j + 16] >> 4) << (j + 16);
        }
        b->high = high;
    }
}

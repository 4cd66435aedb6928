/* q4_0.c: 32 elements of 4 bits around zero, with one scale.
 *
 *   0      2                        18
 *   | d    | q[0] ... q[15]          |     d half; q[j]: low nibble element j, high nibble j + 16
 *
 *   x = d * (code - 8)
 *
 * The quantiser gives the element of largest magnitude the code 0, that is -8: the scale takes the
 * opposite of its sign. */
#include "tensor/quant/quant_block.h"
#include "tensor/quant/fit.h"

typedef struct FM_PACKED block {
    uint16_t d;
    uint8_t q[16];
} block;
FM_ASSERT_BLOCK(block, Q4_0);

void fm_decode_q4_0(const void *src, float *dst, int64_t n) {
    const block *b = src;
    for (; n > 0; n -= 32, b++, dst += 32) {
        float d = fm_half_to_float(b->d);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)((b->q[j] & 15) - 8);
            dst[j + 16] = d * (float)((b->q[j] >> 4) - 8);
        }
    }
}

void fm_encode_q4_0(const float *src, void *dst, int64_t n) {
    block *b = dst;
    for (; n > 0; n -= 32, b++, src += 32) {
        float extreme = 0;
        for (int j = 0; j < 32; j++)
            if (fabsf(src[j]) > fabsf(extreme)) extreme = src[j];
        float d = extreme / -8, inverse = fm_inverse_or_zero(d);
        b->d = fm_half_from_float(d);
        for (int j = 0; j < 16; j++) {
            int low = fm_code_from_float(src[j] * inverse + 8.5f, 15);
            int high = fm_code_from_float(src[j + 16] * inverse + 8.5f, 15);
            b->q[j] = (uint8_t)(low | high << 4);
        }
    }
}

void fm_fit_q4_0(const float *src, const float *importance, void *dst, int64_t n) {
    const fm_levels levels = fm_levels_even(8, 7);
    block *b = dst;
    for (; n > 0; n -= 32, b++, src += 32) {
        float w[32];
        uint8_t code[32];
        fm_fit_weights(&importance, 32, w);
        b->d = fm_fit_scale_as_half(&levels, src, w, 32, code);
        for (int j = 0; j < 16; j++) b->q[j] = (uint8_t)(code[j] | code[j + 16] << 4);
    }
}

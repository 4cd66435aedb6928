/* q8_0.c: 32 signed bytes with one scale.
 *
 *   0      2                                34
 *   | d    | q[0] ... q[31]                  |     d half
 *
 *   x = d * q */
#include "tensor/quant/quant_block.h"
#include "tensor/quant/fit.h"

typedef struct FM_PACKED block {
    uint16_t d;
    int8_t q[32];
} block;
FM_ASSERT_BLOCK(block, Q8_0);

void fm_decode_q8_0(const void *src, float *dst, int64_t n) {
    const block *b = src;
    for (; n > 0; n -= 32, b++, dst += 32) {
        float d = fm_half_to_float(b->d);
        for (int j = 0; j < 32; j++) dst[j] = d * (float)b->q[j];
    }
}

void fm_encode_q8_0(const float *src, void *dst, int64_t n) {
    block *b = dst;
    for (; n > 0; n -= 32, b++, src += 32) {
        float d = fm_largest_magnitude(src, 32) / 127, inverse = fm_inverse_or_zero(d);
        b->d = fm_half_from_float(d);
        for (int j = 0; j < 32; j++)
            b->q[j] = (int8_t)fm_round_code(src[j] * inverse, 127);
    }
}

void fm_fit_q8_0(const float *src, const float *importance, void *dst, int64_t n) {
    block *b = dst;
    for (; n > 0; n -= 32, b++, src += 32) {
        float w[32];
        int8_t code[32];
        fm_fit_weights(&importance, 32, w);
        b->d = fm_fit_bytes_as_half(src, w, 32, code);
        for (int j = 0; j < 32; j++) b->q[j] = code[j];
    }
}

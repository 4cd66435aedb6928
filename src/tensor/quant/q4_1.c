/* q4_1.c: 32 elements of 4 bits above a minimum, with one scale.
 *
 *   0      2      4                        20
 *   | d    | m    | q[0] ... q[15]          |   halves; q[j]: low nibble element j, high j + 16
 *
 *   x = d * code + m */
#include "tensor/quant/quant_block.h"
#include "tensor/quant/fit.h"

typedef struct FM_PACKED block {
    uint16_t d, m;
    uint8_t q[16];
} block;
FM_ASSERT_BLOCK(block, Q4_1);

void fm_decode_q4_1(const void *src, float *dst, int64_t n) {
    const block *b = src;
    for (; n > 0; n -= 32, b++, dst += 32) {
        float d = fm_half_to_float(b->d), m = fm_half_to_float(b->m);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)(b->q[j] & 15) + m;
            dst[j + 16] = d * (float)(b->q[j] >> 4) + m;
        }
    }
}

void fm_encode_q4_1(const float *src, void *dst, int64_t n) {
    block *b = dst;
    for (; n > 0; n -= 32, b++, src += 32) {
        float least = src[0], most = src[0];
        for (int j = 1; j < 32; j++) {
            if (src[j] < least) least = src[j];
            if (src[j] > most) most = src[j];
        }
        float d = (most - least) / 15, inverse = fm_inverse_or_zero(d);
        b->d = fm_half_from_float(d);
        b->m = fm_half_from_float(least);
        for (int j = 0; j < 16; j++) {
            int low = fm_code_from_float((src[j] - least) * inverse + 0.5f, 15);
            int high = fm_code_from_float((src[j + 16] - least) * inverse + 0.5f, 15);
            b->q[j] = (uint8_t)(low | high << 4);
        }
    }
}

void fm_fit_q4_1(const float *src, const float *importance, void *dst, int64_t n) {
    block *b = dst;
    for (; n > 0; n -= 32, b++, src += 32) {
        float w[32];
        uint8_t code[32];
        uint16_t d, m;
        fm_fit_weights(&importance, 32, w);
        fm_fit_line_as_halves(src, w, 15, &d, &m, code);
        b->d = d;
        b->m = m;
        for (int j = 0; j < 16; j++) b->q[j] = (uint8_t)(code[j] | code[j + 16] << 4);
    }
}

/* iq4_nl.c: 32 elements of 4 bits on an uneven scale of 16 values, with one scale.
 *
 *   0      2                        18
 *   | d    | q[0] ... q[15]          |     d half; q[j]: low nibble element j, high nibble j + 16
 *
 *   x = d * value[code], values -127 to 113 closer together around zero */
#include "tensor/quant/quant_block.h"
#include "tensor/quant/fit.h"
#include "tensor/quant/iq_tables.h"

typedef struct FM_PACKED block {
    uint16_t d;
    uint8_t q[16];
} block;
FM_ASSERT_BLOCK(block, IQ4_NL);

void fm_decode_iq4_nl(const void *src, float *dst, int64_t n) {
    const block *b = src;
    for (; n > 0; n -= 32, b++, dst += 32) {
        float d = fm_half_to_float(b->d);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)fm_iq4_values[b->q[j] & 15];
            dst[j + 16] = d * (float)fm_iq4_values[b->q[j] >> 4];
        }
    }
}

void fm_fit_iq4_nl(const float *src, const float *importance, void *dst, int64_t n) {
    const fm_levels levels = fm_levels_of(fm_iq4_values, 16);
    block *b = dst;
    for (; n > 0; n -= 32, b++, src += 32) {
        float w[32];
        uint8_t code[32];
        fm_fit_weights(&importance, 32, w);
        b->d = fm_fit_scale_as_half(&levels, src, w, 32, code);
        for (int j = 0; j < 16; j++) b->q[j] = (uint8_t)(code[j] | code[j + 16] << 4);
    }
}

void fm_encode_iq4_nl(const float *src, void *dst, int64_t n) { fm_fit_iq4_nl(src, NULL, dst, n); }

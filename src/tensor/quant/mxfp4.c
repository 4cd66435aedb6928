/* mxfp4.c: 32 floats of 4 bits with a power-of-two scale (OCP Microscaling Formats, MXFP4).
 *
 *   0   1                        17
 *   | e | q[0] ... q[15]          |     e: E8M0; q[j]: low nibble element j, high nibble j + 16
 *
 *   code, E2M1:  s ee m = 0, 0.5, 1, 1.5, 2, 3, 4, 6, and with s the same below zero
 *
 *   x = 2^(e - 127) * value
 *
 * Two corners are as ggml, which gave GGUF this type, has them: the code of -0 is +0, and a scale
 * byte of 255, which OCP calls NaN, goes on as 2^128. */
#include "tensor/quant/mxfp4.h"
#include "tensor/quant/quant_block.h"

typedef struct FM_PACKED block {
    uint8_t e;
    uint8_t q[16];
} block;
FM_ASSERT_BLOCK(block, MXFP4);

void fm_decode_mxfp4(const void *src, float *dst, int64_t n) {
    const block *b = src;
    for (; n > 0; n -= 32, b++, dst += 32) {
        float d = fm_mxfp4_half_scale(b->e);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)fm_mxfp4_doubled[b->q[j] & 15];
            dst[j + 16] = d * (float)fm_mxfp4_doubled[b->q[j] >> 4];
        }
    }
}

/* k_scales.h: the 12 bytes in which Q4_K and Q5_K keep eight scales and eight minima of 6 bits.
 *
 *   byte 0-3   bits 0-5: scale 0-3      bits 6-7: bits 4-5 of scale 4-7
 *   byte 4-7   bits 0-5: minimum 0-3    bits 6-7: bits 4-5 of minimum 4-7
 *   byte 8-11  bits 0-3: bits 0-3 of scale 4-7    bits 4-7: bits 0-3 of minimum 4-7 */
#pragma once

#include <stdint.h>

static inline int fm_k_scale(const uint8_t bytes[12], int i) {
    if (i < 4) return bytes[i] & 63;
    return (bytes[i + 4] & 15) | bytes[i - 4] >> 6 << 4;
}

static inline int fm_k_minimum(const uint8_t bytes[12], int i) {
    if (i < 4) return bytes[i + 4] & 63;
    return bytes[i + 4] >> 4 | bytes[i] >> 6 << 4;
}

static inline void fm_k_put_scales(uint8_t bytes[12], const uint8_t scale[8], const uint8_t minimum[8]) {
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(scale[i] | scale[i + 4] >> 4 << 6);
        bytes[i + 4] = (uint8_t)(minimum[i] | minimum[i + 4] >> 4 << 6);
        bytes[i + 8] = (uint8_t)((scale[i + 4] & 15) | (minimum[i + 4] & 15) << 4);
    }
}

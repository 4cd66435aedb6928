/* tcq4.h: what codes and scales of TCQ4 stand for; the drawing is in tcq4.c. */
#pragma once

#include "tensor/half.h"

/* The 32 values, as the kernels look them up: [switch bit][code]. The sixteen of either row hold every
 * other pair of neighbours, so that both reach over the whole range. */
extern const int8_t fm_tcq4_values[2][16];

/* E4M4: no sign, subnormals, nothing special; 2^-21 to 31/128, and 0. As half it would have the bits
 * e << 6, three powers of two further up. */
static inline float fm_tcq4_scale(uint8_t e) {
    return fm_half_to_float((uint16_t)(e << 6)) * 0x1p-3f;
}

/* Elements of a block lie in two rings, the even ones and the odd ones, in columns of eight: behind
 * element k comes k + 8, and behind the last of a column the first of the next but one. */
static inline int fm_tcq4_next(int k) { return k < 24 ? k + 8 : (k + 2) % 8; }
static inline int fm_tcq4_previous(int k) { return k < 8 ? 24 + (k + 6) % 8 : k - 8; }

/* quant_block.h: what the formats of this folder share.
 *
 * Every file draws its block, packs it into a struct and checks the size against dtypes.def. Codes
 * go up in the drawings from the lowest bit; multi-byte fields are little-endian. A decoder reads
 * nothing outside its block, whatever the bits say: indices are as wide as their tables. The order
 * of the float operations is part of a format, since decoding is exact to the bit. */
#pragma once

#include "tensor/dtype.h"
#include "tensor/encode.h"
#include "tensor/half.h"

#include <math.h>
#include <string.h>

/* Blocks lie in mapped files, at any address. */
#define FM_PACKED __attribute__((packed, may_alias))

enum {
#define FM_DTYPE(id, name, gguf, safetensors, elements, bytes, decode, encode, help)               \
    FM_ELEMENTS_##id = elements, FM_BYTES_##id = bytes,
#include "tensor/dtypes.def"
#undef FM_DTYPE
};

#define FM_ASSERT_BLOCK(type, id)                                                                  \
    _Static_assert(sizeof(type) == FM_BYTES_##id, #id " has another size in dtypes.def")

/* Drops the fraction and clamps to [0, top]; NaN becomes 0. */
static inline int fm_code_from_float(float f, int top) {
    if (f >= (float)top) return top;
    return f > 0 ? (int)f : 0;
}

/* 1 / d, or 0 for a block of zeros. */
static inline float fm_inverse_or_zero(float d) { return d != 0 ? 1.0f / d : 0.0f; }

/* To the nearest of -top to top, halves away from zero; NaN becomes 0. */
static inline int fm_round_code(float f, int top) {
    int magnitude = fm_code_from_float(roundf(fabsf(f)), top);
    return f < 0 ? -magnitude : magnitude;
}

static inline float fm_largest_magnitude(const float *x, int n) {
    float largest = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > largest) largest = fabsf(x[i]);
    return largest;
}

/* mxfp4.h: what a code and a scale of MXFP4 stand for; see mxfp4.c. */
#pragma once

#include "tensor/half.h"

/* Twice the value, so that 2^(e - 128) scales it: e = 255 then fits in a float. */
static const int8_t fm_mxfp4_doubled[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                            0, -1, -2, -3, -4, -6, -8, -12};

/* 2^(e - 128). */
static inline float fm_mxfp4_half_scale(uint8_t e) {
    /* 2^-128 and 2^-127 are subnormal. */
    uint32_t bits = e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23;
    return fm_float_from_bits(bits);
}

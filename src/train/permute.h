/* permute.h: the order of an epoch as a function: which of n things comes at place i. */
#pragma once

#include "base/hash.h"

/* A bijection of [0, n) for every key, computed for one place at a time and with no memory: a Feistel
 * network of six rounds over the next even power of two, walked until it falls inside (Black and Rogaway
 * 2002, "Ciphers with arbitrary finite domains"). 0 <= i < n. */
static inline int64_t fm_permute(int64_t i, int64_t n, uint64_t key) {
    int half = 1;
    while (half < 31 && (int64_t)1 << 2 * half < n) half++;
    uint64_t mask = ((uint64_t)1 << half) - 1, x = (uint64_t)i;
    do {
        uint64_t left = x >> half, right = x & mask;
        for (uint64_t round = 0; round < 6; round++) {
            uint64_t next = left ^ (fm_mix64(key + (round << 32 | right) * 0x9e3779b97f4a7c15u) & mask);
            left = right;
            right = next;
        }
        x = left << half | right;
    } while (x >= (uint64_t)n);
    return (int64_t)x;
}

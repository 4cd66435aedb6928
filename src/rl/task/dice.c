#include "rl/task/dice.h"

#include "base/rng.h"

#include <assert.h>

static uint64_t throw_bits(fm_dice *d) {
    fm_rng_block b = fm_rng_at(d->seed, d->stream, d->next++);
    return (uint64_t)b.word[0] << 32 | b.word[1];
}

/* The upper half of bits * n: uneven by less than n / 2^64, which no sample can see. */
static uint64_t below(fm_dice *d, uint64_t n) { return (uint64_t)((unsigned __int128)throw_bits(d) * n >> 64); }

int64_t fm_dice_between(fm_dice *d, int64_t least, int64_t most) {
    assert(least <= most && (uint64_t)most - (uint64_t)least < UINT64_MAX);
    return (int64_t)((uint64_t)least + below(d, (uint64_t)most - (uint64_t)least + 1));
}

bool fm_dice_chance(fm_dice *d, int64_t share, int64_t of) { return fm_dice_between(d, 1, of) <= share; }

int64_t fm_dice_digits(fm_dice *d, int digits) {
    assert(digits >= 1 && digits <= 18);
    int64_t least = 1;
    for (int i = 1; i < digits; i++) least *= 10;
    return fm_dice_between(d, digits == 1 ? 0 : least, least * 10 - 1);
}

void fm_dice_shuffle(fm_dice *d, int64_t *values, size_t n) {
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)fm_dice_between(d, 0, (int64_t)i - 1);
        int64_t kept = values[i - 1];
        values[i - 1] = values[j];
        values[j] = kept;
    }
}

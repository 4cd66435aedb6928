/* dice.h: what a generator of problems throws: base/rng.h's numbers one after the other. A fm_dice is made for
 * one attempt at one problem and dies with it, so no problem depends on another. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fm_dice {
    uint64_t seed, stream, next;
} fm_dice;

/* Uniform over least..most, both included; least <= most. */
int64_t fm_dice_between(fm_dice *d, int64_t least, int64_t most);
/* True in `share` of `of` throws. */
bool fm_dice_chance(fm_dice *d, int64_t share, int64_t of);
/* A number of exactly so many decimal digits, 1 to 18; one digit is 0 to 9. */
int64_t fm_dice_digits(fm_dice *d, int digits);
void fm_dice_shuffle(fm_dice *d, int64_t *values, size_t n);

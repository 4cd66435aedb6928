/* modular.h: identities at random points modulo random primes of 61 bits. rl/maths only.
 *
 * Variables become random residues. So do pi, e and everything that is no rational function:
 * sqrt(f), ln f, |f| become a random residue that depends on f's residue alone, so equal arguments
 * give equal values whatever they look like. Exponentials keep their law, e^(u + v) = e^u e^v, and
 * sine and cosine are sums of two of them, i being a root of -1. What is then equal is equal indeed
 * (but for odds of degree/2^61 a prime). What differs does so surely only where nothing was made
 * opaque. */
#pragma once

#include "rl/maths/scalar.h"

typedef enum fm_modular {
    FM_MODULAR_EQUAL,
    FM_MODULAR_DIFFERENT, /* two different rational functions */
    FM_MODULAR_UNKNOWN,   /* different where something is opaque */
    FM_MODULAR_UNDEFINED_GOLD,
    FM_MODULAR_UNDEFINED_GIVEN, /* a divisor that is zero everywhere */
} fm_modular;

fm_modular fm_modular_equal(fm_scope *scope, fm_value gold, fm_value given);

/* Is given / gold a constant other than 0? EQUAL: it is. */
fm_modular fm_modular_multiple(fm_scope *scope, fm_value gold, fm_value given);

/* measure.h: what a unit is in base units. rl/maths only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FM_UNIT_DIMENSIONS = 6, FM_UNIT_FACTORS = 8 };

/* The product of (numerator/denominator)^power over the factors, in base units to the powers of
 * `dimension`. */
typedef struct fm_unit {
    struct {
        int64_t numerator, denominator;
        int power;
        bool number; /* a million: it never may be left out */
    } factor[FM_UNIT_FACTORS];
    int n_factors;
    int dimension[FM_UNIT_DIMENSIONS]; /* metre, kilogram, second, kelvin, ampere, dollar */
    bool percent;                      /* it is % and nothing else */
} fm_unit;

/* Reads "km/h", "square metres", "\text{ cm}^2", "m s^{-2}", "miles per hour"; all of it must be
 * units. */
bool fm_unit_read(const char *s, size_t n, fm_unit *unit);

/* Words behind a number that change it: "5 squared", "5 thirds". They count nothing. */
bool fm_unit_is_operation(const char *s, size_t n);

/* True if s[0, n) is the name of one unit of the table. */
bool fm_unit_known(const char *s, size_t n);

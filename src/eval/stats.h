/* stats.h: the few statistics that measurements are reported with. */
#pragma once

#include <stdint.h>
#include <stddef.h>

/* Mean and spread of numbers that come one at a time (Welford 1962: no cancellation). Zeroed is
 * empty. */
typedef struct fm_moments {
    int64_t n;
    double mean, squares; /* sum of squared distances from the mean */
} fm_moments;

void fm_moments_add(fm_moments *m, double value);
/* Standard error of the mean, from the sample's own variance; 0 for fewer than two numbers. */
double fm_moments_error(const fm_moments *m);

/* Ascending; NaN goes last. */
void fm_sort_numbers(double *values, size_t n);
/* The quantile q in [0, 1] of ascending numbers, between neighbours by proportion; NaN for n = 0. */
double fm_quantile(const double *sorted, size_t n, double q);

/* Wilson's interval for a proportion (Wilson 1927) of `successes` out of n, at `z` standard deviations
 * (1.96: 95 %). It stays inside [0, 1] and means something for 0 and n successes, which p +- z s does
 * not. n = 0 gives [0, 1]. */
void fm_wilson(double successes, double n, double z, double *low, double *high);

/* stats.h: the few statistics that measurements are reported with. */
#pragma once

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

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

/* The share of the subsets of k out of n samples, c of them right, that hold a right one:
 * 1 - C(n - c, k) / C(n, k), the unbiased estimate of pass@k (Chen et al. 2021, section 2.1).
 * NaN for k outside 1 .. n. */
double fm_pass_at(int64_t n, int64_t c, int64_t k);

/* Ends of 95 % percentile intervals, by the bootstrap (Efron 1979), of the means of `m` columns:
 * values[n][m], where NaN is no value. Rows, the questions, are what is drawn again, n of n, `rounds`
 * times, all columns of a row together; the draws are a function of `seed` and n alone. A column
 * without a value gets NaN; a round that drew none of its values is left out of it. */
fm_status fm_bootstrap_means(const double *values, size_t n, size_t m, int rounds, uint64_t seed,
                             double *low, double *high, fm_error *err);

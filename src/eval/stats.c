#include "eval/stats.h"

#include <math.h>
#include <stdlib.h>

void fm_moments_add(fm_moments *m, double value) {
    double before = value - m->mean;
    m->n++;
    m->mean += before / (double)m->n;
    m->squares += before * (value - m->mean);
}

double fm_moments_error(const fm_moments *m) {
    if (m->n < 2) return 0;
    return sqrt(m->squares / (double)(m->n - 1) / (double)m->n);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

void fm_sort_numbers(double *values, size_t n) {
    if (n > 1) qsort(values, n, sizeof *values, ascending);
}

double fm_quantile(const double *sorted, size_t n, double q) {
    if (n == 0) return NAN;
    double at = (q < 0 ? 0 : q > 1 ? 1 : q) * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n) return sorted[n - 1];
    double part = at - (double)below;
    return part == 0 ? sorted[below] : sorted[below] + part * (sorted[below + 1] - sorted[below]);
}

void fm_wilson(double successes, double n, double z, double *low, double *high) {
    *low = 0;
    *high = 1;
    if (n <= 0) return;
    double p = successes / n, zz = z * z / n;
    double middle = (p + zz / 2) / (1 + zz);
    double half = z / (1 + zz) * sqrt(p * (1 - p) / n + zz / (4 * n));
    *low = middle - half > 0 ? middle - half : 0;
    *high = middle + half < 1 ? middle + half : 1;
}

double fm_pass_at(int64_t n, int64_t c, int64_t k) {
    if (k < 1 || k > n) return NAN;
    double none = 1; /* C(n - c, k) / C(n, k), factor by factor */
    for (int64_t i = 0; i < c && none > 0; i++) none *= (double)(n - k - i > 0 ? n - k - i : 0) / (double)(n - i);
    return 1 - none;
}

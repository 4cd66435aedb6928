#include "base/mem.h"
#include "base/rng.h"
#include "eval/stats.h"

#include <math.h>

typedef struct draws {
    uint64_t seed, round;
    fm_rng_block block;
    uint64_t used; /* words */
} draws;

/* Uniform in [0, n): the upper half of a product, whose bias is below n / 2^32. */
static size_t draw(draws *d, size_t n) {
    if (d->used % 4 == 0) d->block = fm_rng_at(d->seed, d->round, d->used / 4);
    return (size_t)(((uint64_t)d->block.word[d->used++ % 4] * n) >> 32);
}

/* Means of the columns over n rows drawn with replacement; sum and count are scratch [m]. */
static void resample(const double *values, size_t n, size_t m, draws *d, double *sum, double *count,
                     double *means) {
    for (size_t j = 0; j < m; j++) sum[j] = count[j] = 0;
    for (size_t i = 0; i < n; i++) {
        const double *row = values + draw(d, n) * m;
        for (size_t j = 0; j < m; j++) {
            if (isnan(row[j])) continue;
            sum[j] += row[j];
            count[j]++;
        }
    }
    for (size_t j = 0; j < m; j++) means[j] = count[j] > 0 ? sum[j] / count[j] : NAN;
}

fm_status fm_bootstrap_means(const double *values, size_t n, size_t m, int rounds, uint64_t seed,
                             double *low, double *high, fm_error *err) {
    size_t r = (size_t)rounds;
    double *means = fm_alloc_array(r + 2, m * sizeof *means, FM_MEM_OTHER);
    double *column = fm_alloc_array(r, sizeof *column, FM_MEM_OTHER);
    fm_status status = means && column ? FM_OK : fm_fail_memory(err, r * m * sizeof *means, "a bootstrap");
    double *sum = means ? means + r * m : NULL;
    for (size_t round = 0; round < r && status == FM_OK; round++) {
        draws d = {.seed = seed, .round = round};
        resample(values, n, m, &d, sum, sum + m, means + round * m);
    }
    for (size_t j = 0; j < m && status == FM_OK; j++) {
        size_t there = 0;
        for (size_t round = 0; round < r; round++)
            if (!isnan(means[round * m + j])) column[there++] = means[round * m + j];
        fm_sort_numbers(column, there);
        low[j] = fm_quantile(column, there, 0.025);
        high[j] = fm_quantile(column, there, 0.975);
    }
    fm_free(column);
    fm_free(means);
    return status;
}

/* sample_cut.c: the temperature, which turns logits into candidates with weights, and the cuts. */
#include "engine/sample_step.h"

#include "tensor/half.h"

#include <math.h>

/* Beyond this many units of temperature below the best a candidate is not looked at: all of a
 * vocabulary there weighs less than a double can add to 1. */
#define OUT_OF_REACH (-60.0f)

/* The id of the largest logit, the lowest of equals. Where none is above -infinity: the lowest allowed
 * id that is at least a number, else the lowest allowed, else -1. */
static int32_t most_probable(const fm_draw *d) {
    float best = -INFINITY;
    int32_t at = -1;
    for (int64_t i = 0; i < d->n; i++)
        if (d->logits[i] > best) {
            best = d->logits[i];
            at = (int32_t)i;
        }
    for (int64_t i = 0; i < d->n && at < 0; i++)
        if (!isnan(d->logits[i]) && fm_draw_allows(d, i)) at = (int32_t)i;
    for (int64_t i = 0; i < d->n && at < 0; i++)
        if (fm_draw_allows(d, i)) at = (int32_t)i;
    return at;
}

void fm_sample_temperature(fm_draw *d) {
    int32_t best = most_probable(d);
    float t = d->how->temperature;
    d->p = d->logits;
    d->count = 0;
    if (best < 0) return;
    float top = d->logits[best];
    if (!(t > 0) || !isfinite(top)) {
        d->ids[d->count++] = best;
        d->p[0] = 1;
        return;
    }
    float reach = OUT_OF_REACH * t;
    for (int64_t i = 0; i < d->n; i++) { /* without a branch: which are in reach is hard to guess */
        float x = d->logits[i], below = x - top;
        d->ids[d->count] = (int32_t)i;
        d->p[d->count] = below;
        d->count += (below >= reach) & (x > -INFINITY);
    }
    for (int64_t i = 0; i < d->count; i++) d->p[i] /= t;
    d->kernels->exp_sum(d->p, d->count, 0);
}

/* ---- the most probable, without sorting: three counts over digits of p's bits, which for positive
 * floats are in the order of their values ----------------------------------------------------------- */

enum { BUCKETS = 2048 };

typedef struct bucket {
    int64_t count;
    double mass;
} bucket;

/* Counts those whose bits above `from` are `prefix` by their bits [shift, from). */
static void fill_buckets(const fm_draw *d, uint32_t prefix, int from, int shift, bucket *b) {
    for (int i = 0; i < BUCKETS; i++) b[i] = (bucket){0};
    for (int64_t i = 0; i < d->count; i++) {
        uint32_t bits = fm_float_bits(d->p[i]);
        if ((uint64_t)bits >> from != prefix) continue;
        bucket *into = &b[(bits >> shift) & (BUCKETS - 1) & ((1u << (from - shift)) - 1)];
        into->count++;
        into->mass += (double)d->p[i];
    }
}

/* Keeps the fewest of the most probable candidates that are `count` or weigh `mass`; the lowest ids
 * of equals, and one at least. */
static void keep_most_probable(fm_draw *d, int64_t count, double mass) {
    static const int shifts[] = {32, 19, 8, 0}; /* p <= 1: bits 30 and 31 are 0 */
    bucket b[BUCKETS], above = {0};
    uint32_t prefix = 0;
    int64_t equals = 0;
    for (int level = 0; level < 3; level++) {
        int from = shifts[level], shift = shifts[level + 1];
        fill_buckets(d, prefix, from, shift, b);
        uint32_t at = from == 32 ? BUCKETS - 1 : (1u << (from - shift)) - 1;
        while (at > 0 && (b[at].count == 0 ||
                          (above.count + b[at].count < count && above.mass + b[at].mass < mass))) {
            above.count += b[at].count;
            above.mass += b[at].mass;
            at--;
        }
        prefix = prefix << (from - shift) | at;
        equals = b[at].count;
    }
    double p = (double)fm_float_from_bits(prefix);
    int64_t take = 0, kept = 0; /* of the equals */
    while (take < equals && (take == 0 || (above.count < count && above.mass < mass))) {
        take++;
        above.count++;
        above.mass += p;
    }
    for (int64_t i = 0; i < d->count; i++) {
        uint32_t bits = fm_float_bits(d->p[i]);
        if (bits < prefix || (bits == prefix && take-- <= 0)) continue;
        d->ids[kept] = d->ids[i];
        d->p[kept++] = d->p[i];
    }
    d->count = kept;
}

void fm_sample_top_k(fm_draw *d) {
    int64_t k = d->how->top_k;
    if (k > 0 && k < d->count) keep_most_probable(d, k, INFINITY);
}

void fm_sample_min_p(fm_draw *d) {
    float least = d->how->min_p < 1 ? d->how->min_p : 1; /* the most probable always stays */
    if (!(d->how->min_p > 0)) return;
    int64_t kept = 0;
    for (int64_t i = 0; i < d->count; i++)
        if (d->p[i] >= least) {
            d->ids[kept] = d->ids[i];
            d->p[kept++] = d->p[i];
        }
    d->count = kept;
}

/* Holtzman et al. 2020: the share is of what the steps before have left. */
void fm_sample_top_p(fm_draw *d) {
    if (!(d->how->top_p < 1)) return;
    double sum = 0;
    for (int64_t i = 0; i < d->count; i++) sum += (double)d->p[i];
    keep_most_probable(d, d->count, sum * (double)d->how->top_p);
}

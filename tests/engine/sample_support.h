/* sample_support.h: logits, samplers and masks for the tests of sampling, and the steps by their
 * definition. */
#pragma once

#include "support.h"

#include "base/rng.h"
#include "engine/sample.h"

#include <math.h>

enum { MOST = 200000 };
static float logits[MOST];
static uint64_t mask[(MOST + 63) / 64];

static const fm_sampling plain = {.temperature = 1, .top_p = 1};

static inline const fm_kernels *kernels(void) { return fm_kernels_get(fm_cpu_detect()); }

static inline fm_sampler *sampler_of(int64_t n, fm_sampling how) {
    fm_sampler *s;
    fm_error err;
    assert_ok(fm_sampler_new(&how, n, kernels(), &s, &err));
    return s;
}

/* One sampler for a test's many settings: only n makes another one necessary. */
static inline int32_t draw(int64_t n, fm_sampling how, uint64_t position) {
    static fm_sampler *kept;
    static int64_t kept_n;
    if (n != kept_n) {
        fm_sampler_free(kept);
        kept = sampler_of(n, how);
        kept_n = n;
    }
    fm_error err;
    assert_ok(fm_sampler_configure(kept, &how, &err));
    return fm_sampler_draw(kept, logits, position, NULL, 0);
}

static inline void roll_logits(int64_t n, uint64_t seed, double spread) {
    for (int64_t i = 0; i < n; i++) logits[i] = (float)(spread * fm_rng_normal(seed, 3, (uint64_t)i));
}

static inline void roll_mask(int64_t n, uint64_t seed, double share) {
    memset(mask, 0, sizeof mask);
    for (int64_t i = 0; i < n; i++)
        if (fm_rng_uniform(seed, 5, (uint64_t)i) < share) mask[i / 64] |= 1ull << (i % 64);
}

/* ---- the definition, in plain doubles ----------------------------------------------------------- */

typedef struct past {
    const int32_t *prompt, *answer;
    int n_prompt, n_answer;
} past;

static inline int times(const int32_t *ids, int n, int64_t id) {
    int found = 0;
    for (int i = 0; i < n; i++) found += ids[i] == id;
    return found;
}

static inline double adjusted(int64_t i, const fm_sampling *s, const past *h, bool masked) {
    double x = (double)logits[i];
    int answered = times(h->answer, h->n_answer, i), prompted = times(h->prompt, h->n_prompt, i);
    double r = (double)s->repetition_penalty;
    if (answered + prompted > 0 && r != 0) x = x > 0 ? x / r : x * r;
    x -= (double)s->frequency_penalty * answered;
    if (answered) x -= (double)s->presence_penalty;
    for (size_t j = 0; j < s->n_bias; j++)
        if (s->bias[j].id == i) x += (double)s->bias[j].bias;
    return masked && !(mask[i / 64] >> (i % 64) & 1) ? -INFINITY : x;
}

enum { DEFINED = 600 }; /* most ids of a definition */

/* p[n] by sorting, cutting by top_k, then min_p, then top_p, and normalising. */
static inline void define(int64_t n, fm_sampling s, const past *h, bool masked, double *p) {
    static int64_t order[DEFINED];
    static double x[DEFINED], q[DEFINED];
    double sum = 0, kept = 0;
    assert_in_range(n, 1, DEFINED);
    for (int64_t i = 0; i < n; i++) x[i] = adjusted(i, &s, h, masked);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i;
        for (; at > 0 && x[order[at - 1]] < x[i]; at--) order[at] = order[at - 1];
        order[at] = i;
    }
    for (int64_t i = 0; i < n; i++) {
        q[i] = exp((x[order[i]] - x[order[0]]) / (double)s.temperature);
        if ((s.top_k > 0 && i >= s.top_k) || q[i] < (double)s.min_p) q[i] = 0;
        sum += q[i];
    }
    for (int64_t i = 0; i < n; i++) {
        if (s.top_p < 1 && kept >= sum * (double)s.top_p) q[i] = 0;
        kept += q[i];
    }
    for (int64_t i = 0; i < n; i++) p[order[i]] = q[i] / kept;
}

static const past nothing;

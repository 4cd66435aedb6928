#include "train/gradients.h"

#include <math.h>
#include <string.h>

typedef struct walk {
    const fm_learned_list *learned;
    const fm_stretches *stretches;
    fm_learned_part part;
    double *sums;
} walk;

static const float *floats_of(const walk *w, const fm_stretch *s) {
    const fm_learned *t = &w->learned->at[s->tensor];
    return (w->part == FM_LEARNED_GRAD ? t->grad : t->value) + s->begin;
}

static double sum_of_squares(const float *x, int64_t n) {
    double a = 0, b = 0, c = 0, d = 0;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        a += (double)x[i] * (double)x[i];
        b += (double)x[i + 1] * (double)x[i + 1];
        c += (double)x[i + 2] * (double)x[i + 2];
        d += (double)x[i + 3] * (double)x[i + 3];
    }
    for (; i < n; i++) a += (double)x[i] * (double)x[i];
    return (a + b) + (c + d);
}

static void add_squares(void *context, int64_t begin, int64_t end, int worker) {
    const walk *w = context;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        w->sums[i] = sum_of_squares(floats_of(w, &w->stretches->at[i]), w->stretches->at[i].n);
}

double fm_gradient_norm(const fm_learned_list *learned, const fm_stretches *stretches, double *sums,
                        fm_pool *pool) {
    walk w = {learned, stretches, FM_LEARNED_GRAD, sums};
    fm_pool_for(pool, stretches->n, 1, add_squares, &w);
    double total = 0;
    for (int64_t i = 0; i < stretches->n; i++) total += sums[i];
    return sqrt(total);
}

double fm_clip_factor(double norm, double limit) {
    return limit > 0 && norm > limit ? limit / norm : 1;
}

static void clear(void *context, int64_t begin, int64_t end, int worker) {
    const walk *w = context;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const fm_stretch *s = &w->stretches->at[i];
        memset(w->learned->at[s->tensor].grad + s->begin, 0, (size_t)s->n * sizeof(float));
    }
}

void fm_gradients_clear(const fm_learned_list *learned, const fm_stretches *stretches, fm_pool *pool) {
    walk w = {learned, stretches, FM_LEARNED_GRAD, NULL};
    fm_pool_for(pool, stretches->n, 8, clear, &w);
}

size_t fm_learned_not_finite(const fm_learned_list *learned, fm_learned_part part,
                             const fm_stretches *stretches, double *sums, fm_pool *pool) {
    walk w = {learned, stretches, part, sums};
    /* A double holds the squares of 2^14 floats, so a sum is finite where they all are. */
    fm_pool_for(pool, stretches->n, 1, add_squares, &w);
    for (int64_t i = 0; i < stretches->n; i++)
        if (!isfinite(sums[i])) return stretches->at[i].tensor;
    return learned->n;
}

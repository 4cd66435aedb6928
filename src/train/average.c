#include "train/average.h"

#include <string.h>

fm_status fm_average_new(const fm_learned_list *learned, double decay, fm_average *out, fm_error *err) {
    *out = (fm_average){.decay = decay, .n = learned->n};
    out->at = fm_alloc_array(learned->n + 1, sizeof *out->at, FM_MEM_OTHER);
    if (!out->at) return fm_fail_memory(err, learned->n, "the average of the weights");
    for (size_t i = 0; i < learned->n; i++) {
        size_t bytes = (size_t)fm_learned_elements(&learned->at[i]) * sizeof(float);
        out->at[i] = fm_alloc(bytes, FM_MEM_WEIGHTS);
        if (!out->at[i]) {
            fm_average_clear(out);
            return fm_fail_memory(err, bytes, "the average of the weights");
        }
        memcpy(out->at[i], learned->at[i].value, bytes);
    }
    return FM_OK;
}

void fm_average_clear(fm_average *a) {
    for (size_t i = 0; a->at && i < a->n; i++) fm_free(a->at[i]);
    fm_free(a->at);
    *a = (fm_average){0};
}

typedef struct walk {
    const fm_average *average;
    const fm_learned_list *learned;
    const fm_stretches *stretches;
} walk;

static void update(void *context, int64_t begin, int64_t end, int worker) {
    const walk *w = context;
    float part = (float)(1 - w->average->decay);
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const fm_stretch *s = &w->stretches->at[i];
        const float *x = w->learned->at[s->tensor].value + s->begin;
        float *a = w->average->at[s->tensor] + s->begin;
        for (int64_t j = 0; j < s->n; j++) a[j] += part * (x[j] - a[j]);
    }
}

void fm_average_update(fm_average *a, const fm_learned_list *learned, const fm_stretches *stretches,
                       fm_pool *pool) {
    walk w = {a, learned, stretches};
    fm_pool_for(pool, stretches->n, 1, update, &w);
}

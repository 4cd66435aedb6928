/* sample_adjust.c: the steps that change logits: penalties, bias, grammar. */
#include "engine/sample_step.h"

#include <math.h>

/* x / r where x speaks for the token, x * r where it speaks against it (Keskar et al. 2019 divide
 * alone, which would favour what has a negative logit; everybody has read it this way since). */
void fm_sample_repetition_penalty(fm_draw *d) {
    float r = d->how->repetition_penalty;
    if (!d->seen || r == 1 || r == 0) return;
    for (int64_t i = 0; i < d->n; i++)
        if (d->seen[i]) d->logits[i] = d->logits[i] > 0 ? d->logits[i] / r : d->logits[i] * r;
}

void fm_sample_frequency_penalty(fm_draw *d) {
    float a = d->how->frequency_penalty;
    if (!d->seen || a == 0) return;
    for (int64_t i = 0; i < d->n; i++)
        if (d->seen[i] & FM_SEEN_ANSWER) d->logits[i] -= a * (float)(d->seen[i] & FM_SEEN_ANSWER);
}

void fm_sample_presence_penalty(fm_draw *d) {
    float a = d->how->presence_penalty;
    if (!d->seen || a == 0) return;
    for (int64_t i = 0; i < d->n; i++)
        if (d->seen[i] & FM_SEEN_ANSWER) d->logits[i] -= a;
}

void fm_sample_logit_bias(fm_draw *d) {
    for (size_t i = 0; i < d->how->n_bias; i++)
        d->logits[d->how->bias[i].id] += d->how->bias[i].bias;
}

void fm_sample_grammar(fm_draw *d) {
    if (!d->allowed) return;
    for (int64_t i = 0; i < d->n; i += 64) {
        uint64_t word = i < d->n_bits ? d->allowed[i / 64] : 0;
        if (word == UINT64_MAX && i + 64 <= d->n_bits) continue;
        for (int64_t j = i; j < i + 64 && j < d->n; j++)
            if (j >= d->n_bits || !(word >> (j - i) & 1)) d->logits[j] = -INFINITY;
    }
}

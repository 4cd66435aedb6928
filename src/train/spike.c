#include "train/spike.h"

#include <math.h>

/* Deviations above the mean; a spread of less than a thousandth of the mean counts as that much, or a
 * run that has become smooth would see spikes in its noise. */
static double stands_out(const fm_running *r, double x) {
    if (r->count < FM_SPIKE_LEAST) return 0;
    double spread = sqrt(r->variance), least = 1e-3 * fabs(r->mean);
    return (x - r->mean) / (spread > least ? spread : least > 0 ? least : 1);
}

static void take(fm_running *r, double x) {
    r->count++;
    double part = 1.0 / (double)(r->count < FM_SPIKE_MEMORY ? r->count : FM_SPIKE_MEMORY);
    double off = x - r->mean;
    r->mean += part * off;
    r->variance = (1 - part) * (r->variance + part * off * off);
}

fm_spike fm_spikes_judge(fm_spikes *s, double loss, double norm, double *deviations) {
    double by_loss = stands_out(&s->loss, loss), by_norm = stands_out(&s->norm, norm);
    fm_spike what = FM_SPIKE_NONE;
    *deviations = by_loss > by_norm ? by_loss : by_norm;
    if (s->limit > 0 && *deviations > s->limit)
        what = by_loss > by_norm ? FM_SPIKE_LOSS : FM_SPIKE_NORM;
    if (what != FM_SPIKE_NONE && s->in_a_row < s->patience) {
        s->in_a_row++;
        s->skipped++;
        return what;
    }
    s->in_a_row = 0;
    take(&s->loss, loss);
    take(&s->norm, norm);
    return FM_SPIKE_NONE;
}

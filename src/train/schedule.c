#include "train/schedule.h"

#include <math.h>

double fm_schedule_share(int64_t step, int64_t steps) {
    return steps <= 0 || step >= steps ? 1 : (double)step / (double)steps;
}

static double cosine(double from, double to, double share) {
    return to + (from - to) * 0.5 * (1 + cos(3.14159265358979323846 * share));
}

/* 14.8T tokens: 10T at the peak, 4.3T down to a tenth, 333B at a tenth, 167B at 7.3e-6 of 2.2e-4. */
static double v3(double share) {
    const double whole = 14.8, falls = 10.0 / whole, low = 14.3 / whole, last = 14.633 / whole;
    if (share < falls) return 1;
    if (share < low) return cosine(1, 0.1, (share - falls) / (low - falls));
    return share < last ? 0.1 : 7.3e-6 / 2.2e-4;
}

/* After the warm-up: `share` of what is left, `whole` of the run. */
static double factor(const fm_schedule *s, double share, double whole) {
    switch (s->kind) {
    case FM_SCHEDULE_CONSTANT: return 1;
    case FM_SCHEDULE_LINEAR: return 1 + (s->floor - 1) * share;
    case FM_SCHEDULE_COSINE: return cosine(1, s->floor, share);
    case FM_SCHEDULE_WSD:
        if (whole < s->decay_from || s->decay_from >= 1) return 1;
        return 1 + (s->floor - 1) * (whole - s->decay_from) / (1 - s->decay_from);
    case FM_SCHEDULE_V3: return v3(whole);
    }
    return 1;
}

double fm_schedule_rate(const fm_schedule *s, int64_t step) {
    if (step < s->warmup) return s->peak * (double)(step + 1) / (double)s->warmup;
    /* The last step is at the floor: the share counts from the first step after the warm-up to it. */
    int64_t last = s->steps - 1;
    double share = last <= s->warmup ? 1 : fm_schedule_share(step - s->warmup, last - s->warmup);
    return s->peak * factor(s, share, fm_schedule_share(step, last));
}

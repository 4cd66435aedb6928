/* schedule.h: the learning rate as a function of the step and of nothing else. */
#pragma once

#include <stdint.h>

typedef enum fm_schedule_kind {
    FM_SCHEDULE_CONSTANT,
    FM_SCHEDULE_LINEAR, /* down to the floor at the last step */
    FM_SCHEDULE_COSINE, /* Loshchilov & Hutter 2017, one half period down to the floor */
    FM_SCHEDULE_WSD,    /* warm-up, stable, then a linear decay (MiniCPM, 2024) */
    FM_SCHEDULE_V3,     /* DeepSeek-V3, section 4.2, in shares of the run; knows its own floor */
} fm_schedule_kind;

typedef struct fm_schedule {
    fm_schedule_kind kind;
    double peak;
    double floor;      /* the last rate, as a share of the peak */
    double decay_from; /* WSD: where the decay begins, as a share of the run */
    int64_t warmup;    /* steps in which the rate rises linearly */
    int64_t steps;     /* of the whole run */
} fm_schedule;

/* Of step 0, 1, ... steps - 1; later steps have the last rate. */
double fm_schedule_rate(const fm_schedule *s, int64_t step);
/* Where in the run a step is: 0 at the first, 1 behind the last. */
double fm_schedule_share(int64_t step, int64_t steps);

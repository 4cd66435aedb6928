/* spike.h: steps whose loss or gradient stands out are left out, so that one bad batch does not undo a day.
 *
 * A value is compared with the running mean and deviation of those before it. A step that is left out does
 * not advance the optimiser. When many in a row stand out, it is the run that has changed and not the
 * batch: then they count again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct fm_running {
    double mean, variance;
    int64_t count;
} fm_running;

typedef struct fm_spikes {
    double limit;      /* deviations above the mean; 0: nothing stands out */
    int64_t patience;  /* steps in a row that may be left out */
    fm_running loss, norm;
    int64_t in_a_row, skipped;
} fm_spikes;

enum { FM_SPIKE_MEMORY = 128, FM_SPIKE_LEAST = 32 }; /* values: the memory's length, and before it counts */

typedef enum fm_spike { FM_SPIKE_NONE, FM_SPIKE_LOSS, FM_SPIKE_NORM } fm_spike;

/* Whether a step is to be left out and for what; takes note of it otherwise. *deviations: by how many it
 * stands out. */
fm_spike fm_spikes_judge(fm_spikes *s, double loss, double norm, double *deviations);

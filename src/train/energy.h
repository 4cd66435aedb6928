/* energy.h: what the processor says it has used (RAPL through Linux's powercap), where it says so and lets this
 * user read it; few machines do, and virtual ones hardly ever. Never an estimate. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { FM_ENERGY_PACKAGES = 16 };

typedef struct fm_energy {
    int n;                                /* packages that can be read; 0: nothing is known */
    uint64_t last[FM_ENERGY_PACKAGES];    /* microjoules */
    uint64_t range[FM_ENERGY_PACKAGES];   /* at which a counter begins again */
    double joules;                        /* of all packages since it began */
} fm_energy;

void fm_energy_begin(fm_energy *e);
/* Adds what has been used since; counters run over in minutes to hours, so it is called every step. False where
 * nothing is known. */
bool fm_energy_read(fm_energy *e);

#include "train/energy.h"

#include <inttypes.h>
#include <stdio.h>

static bool read_number(int package, const char *file, uint64_t *out) {
    char path[96];
    snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/%s", package, file);
    FILE *f = fopen(path, "r");
    if (!f) return false;
    bool read = fscanf(f, "%" SCNu64, out) == 1;
    fclose(f);
    return read;
}

void fm_energy_begin(fm_energy *e) {
    *e = (fm_energy){0};
    while (e->n < FM_ENERGY_PACKAGES && read_number(e->n, "energy_uj", &e->last[e->n]) &&
           read_number(e->n, "max_energy_range_uj", &e->range[e->n]))
        e->n++;
}

bool fm_energy_read(fm_energy *e) {
    for (int i = 0; i < e->n; i++) {
        uint64_t now;
        if (!read_number(i, "energy_uj", &now)) {
            e->n = 0; /* half a sum would be worse than none */
            return false;
        }
        uint64_t used = now >= e->last[i] ? now - e->last[i] : now + e->range[i] - e->last[i];
        e->joules += 1e-6 * (double)used;
        e->last[i] = now;
    }
    return e->n > 0;
}

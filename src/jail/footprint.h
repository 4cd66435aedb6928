/* footprint.h: what a process and all of its descendants have taken. Private to src/jail. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

typedef struct fm_footprint {
    size_t bytes;       /* resident; pages that processes share count once for each */
    double cpu_seconds; /* also of those that have ended and were waited for */
} fm_footprint;

/* Of `first` and its descendants; zeros where /proc does not say. Reads one small file for every process of the
 * machine: some kernels list no children. */
fm_footprint fm_footprint_of(pid_t first);

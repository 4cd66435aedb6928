/* bandwidth.h: how fast this machine's memory can be read, the ceiling that decoding is held against. */
#pragma once

#include "base/pool.h"

/* A buffer that no cache holds: 16 times the last level's, at least 256 MiB, at most 1 GiB and at
 * most a quarter of the memory available; 0 where that would be less than 64 MiB. */
size_t fm_bandwidth_buffer(void);

/* Reads a buffer of `bytes` from end to end on all threads of the pool, for a quarter of a second and
 * three times at least, and gives the best pass in bytes a second. The buffer is written first, so that
 * it is memory and not the one page of zeros. */
fm_status fm_bandwidth_measure(fm_pool *pool, size_t bytes, double *bytes_per_second, fm_error *err);

/* peak.h: what this machine's threads can do in products of matrices, measured: the yardstick that "share of
 * peak" refers to. */
#pragma once

#include "base/pool.h"
#include "kernel/kernel.h"

/* Floating-point operations per second of all threads of the pool, each multiplying the same small block out of
 * its L1 cache for a tenth of a second; the best of several goes. 0 without memory. */
double fm_measure_peak(const fm_kernels *kernels, fm_word_form form, fm_pool *pool);

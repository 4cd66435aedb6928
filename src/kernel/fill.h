/* fill.h: each CPU level writes its kernels over those of the level below. See kernel.c. */
#pragma once

#include "kernel/kernel.h"

void fm_kernels_fill_ref(fm_kernels *k); /* every entry but row_product */
#if defined(__x86_64__)
void fm_kernels_fill_avx2(fm_kernels *k);
void fm_kernels_fill_avx512(fm_kernels *k);
/* Over AVX2 and AVX-512, on the processors that have it. */
void fm_kernels_fill_avx2vnni(fm_kernels *k);
void fm_kernels_fill_vnni(fm_kernels *k);
void fm_kernels_fill_avx512bf16(fm_kernels *k);
#endif

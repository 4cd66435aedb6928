/* kernel.c: the tables, one per CPU level. */
#include "kernel/kernel.h"

#include "kernel/fill.h"

#include <pthread.h>

static fm_kernels tables[FM_CPU_LEVELS];

/* A level begins as a copy of the one below and overrides what it does faster, AVX-VNNI's only where the
 * processor has it, since AVX-512 begins as a copy of that. Filling runs no instruction of that level. */
static void fill_tables(void) {
    static void (*const fill[FM_CPU_LEVELS])(fm_kernels *) = {
        [FM_CPU_REF] = fm_kernels_fill_ref,
#if defined(__x86_64__)
        [FM_CPU_AVX2] = fm_kernels_fill_avx2,
        [FM_CPU_AVX512] = fm_kernels_fill_avx512,
#endif
    };
    for (int level = 0; level < FM_CPU_LEVELS; level++) {
        if (level > 0) tables[level] = tables[level - 1];
        if (fill[level]) fill[level](&tables[level]);
#if defined(__x86_64__)
        if (level == FM_CPU_AVXVNNI && fm_cpu_has(FM_CPU_AVXVNNI)) fm_kernels_fill_avx2vnni(&tables[level]);
        if (level == FM_CPU_AVX512 && fm_cpu_has_vnni()) fm_kernels_fill_vnni(&tables[level]);
        if (level == FM_CPU_AVX512 && fm_cpu_has_bf16()) fm_kernels_fill_avx512bf16(&tables[level]);
#endif
        tables[level].name = fm_cpu_level_name((fm_cpu_level)level);
    }
}

const fm_kernels *fm_kernels_get(fm_cpu_level level) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_tables);
    return &tables[level];
}

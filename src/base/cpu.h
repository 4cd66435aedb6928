/* cpu.h: what the processor at hand can do. */
#pragma once

#include "base/status.h"

/* Levels are ordered: each includes the ones before it, but for AVX-VNNI, which many processors with
 * AVX-512 lack. Kernels exist per level. */
typedef enum fm_cpu_level {
    FM_CPU_REF,     /* plain C for any x86-64 (or any other) processor: the definition of right */
    FM_CPU_AVX2,    /* AVX2, FMA, F16C: Haswell 2013, Zen 2017 */
    FM_CPU_AVXVNNI, /* with dot products of bytes: Alder Lake 2021, Zen 5 2024 */
    FM_CPU_AVX512,  /* AVX-512 F, BW, VL, DQ: Skylake-SP 2017, Zen 4 2022 */
    FM_CPU_LEVELS
} fm_cpu_level;

/* The highest level this processor and its operating system support. */
fm_cpu_level fm_cpu_detect(void);
bool fm_cpu_has(fm_cpu_level level);
/* Whether it also has the dot products of bytes of AVX-512 VNNI, with FM_CPU_AVX512. Not all do; a matter
 * of speed alone, so not a level. */
bool fm_cpu_has_vnni(void);
/* Whether it has the dot products of pairs of BF16, with FM_CPU_AVX512: likewise. */
bool fm_cpu_has_bf16(void);
const char *fm_cpu_level_name(fm_cpu_level level); /* "ref", "avx2", "avxvnni", "avx512" */
/* Accepts the names above and "auto". Refuses a level that this machine does not have. */
fm_status fm_cpu_level_parse(const char *name, fm_cpu_level *out, fm_error *err);
/* Brand string such as "AMD EPYC 9555", or "unknown". Static storage. */
const char *fm_cpu_brand(void);

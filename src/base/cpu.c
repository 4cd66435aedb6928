#include "base/cpu.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* clang 14's __builtin_cpu_supports does not know this one by name. The operating system's part is
 * the same as AVX's, which is asked beside it. */
static bool has_f16c(void) {
    unsigned a, b, c = 0, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static bool has_avx_vnni(void) {
    unsigned a = 0, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
}
#endif

fm_cpu_level fm_cpu_detect(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                has_f16c();
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (avx512) return FM_CPU_AVX512;
    return !avx2 ? FM_CPU_REF : has_avx_vnni() ? FM_CPU_AVXVNNI : FM_CPU_AVX2;
#else
    return FM_CPU_REF;
#endif
}

bool fm_cpu_has(fm_cpu_level level) {
    fm_cpu_level best = fm_cpu_detect();
#if defined(__x86_64__)
    if (level == FM_CPU_AVXVNNI) return best >= FM_CPU_AVX2 && has_avx_vnni();
#endif
    return level <= best;
}

bool fm_cpu_has_vnni(void) {
#if defined(__x86_64__)
    return fm_cpu_detect() == FM_CPU_AVX512 && __builtin_cpu_supports("avx512vnni");
#else
    return false;
#endif
}

bool fm_cpu_has_bf16(void) {
#if defined(__x86_64__)
    unsigned a = 0, b, c, d;
    return fm_cpu_detect() == FM_CPU_AVX512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 5);
#else
    return false;
#endif
}

static const char *const level_names[FM_CPU_LEVELS] = {"ref", "avx2", "avxvnni", "avx512"};

const char *fm_cpu_level_name(fm_cpu_level level) {
    return (unsigned)level < FM_CPU_LEVELS ? level_names[level] : "unknown";
}

fm_status fm_cpu_level_parse(const char *name, fm_cpu_level *out, fm_error *err) {
    fm_cpu_level best = fm_cpu_detect();
    if (strcmp(name, "auto") == 0) {
        *out = best;
        return FM_OK;
    }
    for (int i = 0; i < FM_CPU_LEVELS; i++) {
        if (strcmp(name, level_names[i]) != 0) continue;
        if (!fm_cpu_has((fm_cpu_level)i))
            return fm_fail(err, FM_ERR_UNSUPPORTED,
                           "this processor has no %s instructions; its best level is %s", name,
                           level_names[best]);
        *out = (fm_cpu_level)i;
        return FM_OK;
    }
    return fm_fail(err, FM_ERR_ARGUMENT, "unknown CPU level '%s'; use auto, ref, avx2, avxvnni or avx512",
                   name);
}

static char brand[128] = "unknown";

static void read_brand(void) {
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (!f) return;
    char line[256];
    while (fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (!colon || strncmp(line, "model name", 10) != 0) continue;
        snprintf(brand, sizeof brand, "%s", colon + 2);
        brand[strcspn(brand, "\n")] = 0;
        break;
    }
    fclose(f);
}

const char *fm_cpu_brand(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_brand);
    return brand;
}

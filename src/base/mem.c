#include "base/mem.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In front of every block, so that free can account for it. One cache line keeps the alignment. */
typedef struct header {
    size_t bytes;
    fm_mem_purpose purpose;
} header;

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20, SPREAD_FROM = 64 << 20 };
static_assert(sizeof(header) <= ALIGNMENT, "the header must fit in front of the block");

static _Atomic size_t live[FM_MEM_PURPOSES];
static _Atomic uint64_t allocations;
static _Atomic int64_t fail_countdown = -1;
static _Atomic bool failing;

bool fm_mem_refused(void) {
    if (atomic_load_explicit(&failing, memory_order_relaxed)) return true;
    int64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    if (left < 0) return false;
    if (atomic_fetch_sub(&fail_countdown, 1) == 0) {
        atomic_store(&failing, true);
        return true;
    }
    return false;
}

void fm_mem_fail_from(int64_t k) {
    atomic_store(&failing, false);
    atomic_store(&fail_countdown, k);
}

/* The system calls themselves: for two of them a library would be one more to install. */
int fm_mem_spread(void *memory, size_t bytes) {
#if defined(SYS_mbind) && defined(SYS_get_mempolicy)
    enum { MOST_NODES = 1024, BITS = 8 * sizeof(unsigned long), INTERLEAVE = 3, MEMS_ALLOWED = 4 };
    unsigned long nodes[MOST_NODES / BITS] = {0};
    int count = 0;
    if (syscall(SYS_get_mempolicy, NULL, nodes, MOST_NODES, NULL, MEMS_ALLOWED) != 0) return 0;
    for (size_t i = 0; i < FM_COUNT(nodes); i++) count += __builtin_popcountl(nodes[i]);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)memory & ~(page - 1);
    size_t length = (uintptr_t)memory + bytes - begin;
    if (syscall(SYS_mbind, begin, length, INTERLEAVE, nodes, MOST_NODES + 1, 0) != 0) return 0;
    return count;
#else
    (void)memory, (void)bytes;
    return 0;
#endif
}

void *fm_alloc(size_t bytes, fm_mem_purpose purpose) {
    size_t total;
    if (fm_mem_refused() || !fm_add_size(bytes, ALIGNMENT, &total)) return NULL;
    size_t alignment = total >= HUGE_PAGE ? HUGE_PAGE : ALIGNMENT;
    void *raw;
    if (posix_memalign(&raw, alignment, total) != 0) return NULL;
    if (alignment == HUGE_PAGE) madvise(raw, total, MADV_HUGEPAGE); /* a wish, not a need */
    if (purpose == FM_MEM_WEIGHTS && total >= SPREAD_FROM) fm_mem_spread(raw, total);
    header *h = raw;
    h->bytes = bytes;
    h->purpose = purpose;
    atomic_fetch_add_explicit(&live[purpose], bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return (char *)raw + ALIGNMENT;
}

void *fm_alloc_zero(size_t bytes, fm_mem_purpose purpose) {
    void *p = fm_alloc(bytes, purpose);
    if (p) memset(p, 0, bytes);
    return p;
}

void *fm_alloc_array(size_t count, size_t size, fm_mem_purpose purpose) {
    size_t bytes;
    return fm_mul_size(count, size, &bytes) ? fm_alloc_zero(bytes, purpose) : NULL;
}

static header *header_of(void *block) { return (header *)((char *)block - ALIGNMENT); }

void *fm_realloc(void *block, size_t bytes, fm_mem_purpose purpose) {
    if (!block) return fm_alloc(bytes, purpose);
    size_t old = header_of(block)->bytes;
    void *p = fm_alloc(bytes, header_of(block)->purpose);
    if (!p) return NULL;
    memcpy(p, block, old < bytes ? old : bytes);
    fm_free(block);
    return p;
}

void fm_free(void *block) {
    if (!block) return;
    header *h = header_of(block);
    atomic_fetch_sub_explicit(&live[h->purpose], h->bytes, memory_order_relaxed);
    free(h);
}

char *fm_strndup(const char *s, size_t n) {
    size_t bytes;
    char *p = fm_add_size(n, 1, &bytes) ? fm_alloc(bytes, FM_MEM_OTHER) : NULL;
    if (!p) return NULL;
    if (n) memcpy(p, s, n);
    p[n] = 0;
    return p;
}

char *fm_strdup(const char *s) { return fm_strndup(s, strlen(s)); }

bool fm_mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
bool fm_add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }

fm_mem_stats fm_mem_statistics(void) {
    fm_mem_stats s = {.allocations = atomic_load(&allocations)};
    for (int i = 0; i < FM_MEM_PURPOSES; i++) s.live_bytes[i] = atomic_load(&live[i]);
    return s;
}

static uint64_t read_number(const char *path, const char *key) {
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    char line[256];
    unsigned long long value = 0;
    size_t key_length = strlen(key);
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, key, key_length) != 0) continue;
        if (sscanf(line + key_length, "%llu", &value) != 1) value = 0; /* "max": no limit */
        break;
    }
    fclose(f);
    return value;
}

uint64_t fm_mem_available(void) {
    uint64_t bytes = read_number("/proc/meminfo", "MemAvailable:") * 1024;
    uint64_t limit = read_number("/sys/fs/cgroup/memory.max", "");
    if (limit == 0) return bytes;
    /* What the group holds counts cached files too, such as a model that was just copied; the
     * kernel gives those up before it refuses anybody. */
    uint64_t used = read_number("/sys/fs/cgroup/memory.current", "");
    uint64_t cached = read_number("/sys/fs/cgroup/memory.stat", "inactive_file ") +
                      read_number("/sys/fs/cgroup/memory.stat", "active_file ");
    used -= cached < used ? cached : used;
    uint64_t left = limit > used ? limit - used : 1; /* 0 would mean unknown */
    return bytes == 0 || left < bytes ? left : bytes;
}

#include "eval/bandwidth.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>
#include <unistd.h>

enum { MIB = 1 << 20, PIECE = MIB, PASSES = 3, THREADS_MAX = 256 };
static const double SECONDS = 0.25;

size_t fm_bandwidth_buffer(void) {
    long cache = 0;
#ifdef _SC_LEVEL3_CACHE_SIZE
    cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    uint64_t bytes = cache > 0 ? (uint64_t)cache * 16 : 0, most = fm_mem_available() / 4;
    if (bytes < 256ull * MIB) bytes = 256ull * MIB;
    if (bytes > 1024ull * MIB) bytes = 1024ull * MIB;
    if (most > 0 && bytes > most) bytes = most;
    return bytes < 64ull * MIB ? 0 : (size_t)(bytes / PIECE * PIECE);
}

typedef struct job {
    char *data;
    /* What each thread read, so that reading cannot be left out; a cache line apart. */
    struct {
        uint64_t seen;
        char apart[56];
    } worker[THREADS_MAX];
} job;

/* Sixteen bytes are one load of every x86-64 and ARM64 processor. Two or three of them a cycle, into
 * eight sums that do not wait for each other, ask for more than any memory gives. */
typedef uint64_t lanes __attribute__((vector_size(16)));

static void read_pieces(void *context, int64_t begin, int64_t end, int worker) {
    job *j = context;
    const lanes *p = (const lanes *)(const void *)(j->data + (size_t)begin * PIECE);
    const lanes *stop = (const lanes *)(const void *)(j->data + (size_t)end * PIECE);
    lanes a = {0}, b = {0}, c = {0}, d = {0}, e = {0}, f = {0}, g = {0}, h = {0};
    for (; p < stop; p += 8) {
        a |= p[0], b |= p[1], c |= p[2], d |= p[3];
        e |= p[4], f |= p[5], g |= p[6], h |= p[7];
    }
    a = ((a | b) | (c | d)) | ((e | f) | (g | h));
    j->worker[worker % THREADS_MAX].seen |= a[0] | a[1];
}

static void write_pieces(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    job *j = context;
    memset(j->data + (size_t)begin * PIECE, 1, (size_t)(end - begin) * PIECE);
}

fm_status fm_bandwidth_measure(fm_pool *pool, size_t bytes, double *bytes_per_second, fm_error *err) {
    int64_t pieces = (int64_t)(bytes / PIECE);
    job *j = fm_alloc_zero(sizeof *j, FM_MEM_OTHER);
    if (j) j->data = fm_alloc((size_t)pieces * PIECE, FM_MEM_OTHER);
    if (!j || !j->data) {
        fm_free(j);
        return fm_fail_memory(err, bytes, "the measurement of memory bandwidth");
    }
    fm_pool_for(pool, pieces, 1, write_pieces, j);
    double start = fm_clock_seconds(), now = start, best = 0;
    for (int pass = 0; pass < PASSES || now - start < SECONDS; pass++) {
        double before = now;
        fm_pool_for(pool, pieces, 1, read_pieces, j);
        now = fm_clock_seconds();
        double rate = (double)pieces * PIECE / (now - before > 1e-9 ? now - before : 1e-9);
        if (rate > best) best = rate;
    }
    *bytes_per_second = best;
    fm_free(j->data);
    fm_free(j);
    return FM_OK;
}

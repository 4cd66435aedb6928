/* mem.h: every byte that Fathom allocates comes through here, with a purpose; what a library keeps
 * for itself (a parsed JSON document) does not. Blocks are aligned to 64 bytes (a cache line, one
 * AVX-512 register); blocks of 2 MiB and more ask for huge pages. Allocation may fail and callers
 * say so with fm_fail_memory. Freeing NULL is fine. Thread-safe. */
#pragma once

#include "base/status.h"

typedef enum fm_mem_purpose {
    FM_MEM_OTHER,     /* bookkeeping: names, tables, buffers of a moment */
    FM_MEM_WEIGHTS,   /* packed copies and masters */
    FM_MEM_PLAN,      /* activations and scratch of a plan */
    FM_MEM_CACHE,     /* keys and values */
    FM_MEM_TOKENIZER, /* vocabulary and merges */
    FM_MEM_PURPOSES
} fm_mem_purpose;

void *fm_alloc(size_t bytes, fm_mem_purpose purpose);      /* uninitialised; NULL on failure */
void *fm_alloc_zero(size_t bytes, fm_mem_purpose purpose); /* zeroed */
/* count * size, refusing overflow with NULL; zeroed. */
void *fm_alloc_array(size_t count, size_t size, fm_mem_purpose purpose);
/* Keeps the first min(old, new) bytes, and the purpose (`purpose` is for a NULL block). On failure
 * the old block stays valid. Always copies, so both blocks exist for a moment: for lists and texts,
 * not for weights or caches. */
void *fm_realloc(void *block, size_t bytes, fm_mem_purpose purpose);
void fm_free(void *block);

/* Copies `n` bytes and adds a terminating zero; for fm_free, NULL without memory. */
char *fm_strndup(const char *s, size_t n);
char *fm_strdup(const char *s);

/* Product and sum with overflow checks: false when the result does not fit in size_t. */
bool fm_mul_size(size_t a, size_t b, size_t *out);
bool fm_add_size(size_t a, size_t b, size_t *out);

/* Spreads the pages of fresh, untouched memory evenly over the nodes whose memory this process may use
 * (NUMA), and returns how many those are; 0 where the system does not say or refuses, and nothing has
 * changed. fm_alloc does so for weights of 64 MiB and more, which all threads read. */
int fm_mem_spread(void *memory, size_t bytes);

/* What is allocated now, by purpose, and how many allocations there ever were: tests use the count
 * to show that a steady step allocates nothing. */
typedef struct fm_mem_stats {
    size_t live_bytes[FM_MEM_PURPOSES];
    uint64_t allocations;
} fm_mem_stats;
fm_mem_stats fm_mem_statistics(void);

/* Fault injection for tests: the k-th allocation from now (0 = the next) and all after it fail;
 * a negative k switches it off. */
void fm_mem_fail_from(int64_t k);

/* Counts an allocation that a library makes through a function of ours, and says whether it is to fail. */
bool fm_mem_refused(void);

/* Bytes of memory that this process could still take without swapping (MemAvailable, and the
 * cgroup's limit where there is one); 0 when unknown. */
uint64_t fm_mem_available(void);

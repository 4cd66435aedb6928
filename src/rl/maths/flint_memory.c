/* flint_memory.c: what FLINT and GMP do when there is no memory.
 *
 * Both end the process. A library must not, whatever a stranger's answer and however little is left. So
 * before a comparison begins a reserve is taken, and where the system then refuses memory, FLINT gets it
 * from there: the operation that it is in comes to its end, whoever computes sees fm_flint_short and goes no
 * further, and the comparison says that there was no memory.
 *
 * Their functions for memory belong to the whole process. Ours pass on to those that were there before, but
 * for threads that are in a comparison and were refused. If a host gives GMP functions of its own, it keeps
 * them, and what these do without memory is its own matter. */
#include "rl/maths/flint.h"

#include "base/mem.h"

#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* One operation on the largest numbers and balls, and what lives beside it. Below 2 MiB, so that no huge page is
 * touched for memory that is hardly ever used. */
enum { RESERVE = (2 << 20) - (64 << 10) };

/* The reserve is a row of these, each with its bytes behind it. */
typedef struct block {
    size_t bytes;
    bool used;
    _Alignas(16) char data[];
} block;

static _Thread_local struct {
    char *reserve; /* NULL: this thread is in no comparison */
    bool open;     /* the reserve has blocks: it was needed */
} now;

static struct {
    void *(*alloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    void *(*gmp_alloc)(size_t);
    void *(*gmp_realloc)(void *, size_t, size_t);
    void (*gmp_free)(void *, size_t);
} host_memory;

/* ---- the reserve ------------------------------------------------------------------------------ */

static bool is_reserved(const void *p) {
    return now.open && (uintptr_t)p - (uintptr_t)now.reserve < RESERVE;
}

static block *first_block(void) { return (block *)(void *)now.reserve; }
static block *next_block(const block *b) {
    char *next = (char *)b->data + b->bytes;
    return next < now.reserve + RESERVE ? (block *)(void *)next : NULL;
}

/* What lies free side by side becomes one. */
static void join_free(block *b) {
    for (block *next; !b->used && (next = next_block(b)) && !next->used;) b->bytes += sizeof *b + next->bytes;
}

static void *reserve_take(size_t bytes) {
    if (!now.reserve || bytes > RESERVE) return NULL;
    bytes = (bytes + 15) / 16 * 16;
    if (!now.open) {
        now.open = true;
        *first_block() = (block){.bytes = RESERVE - sizeof(block)};
    }
    for (block *b = first_block(); b; b = next_block(b)) {
        join_free(b);
        if (b->used || b->bytes < bytes) continue;
        if (b->bytes >= bytes + 2 * sizeof *b) {
            block *rest = (block *)(void *)(b->data + bytes);
            *rest = (block){.bytes = b->bytes - bytes - sizeof *rest};
            b->bytes = bytes;
        }
        b->used = true;
        return b->data;
    }
    return NULL;
}

static block *block_of(void *p) { return (block *)(void *)((char *)p - offsetof(block, data)); }
static void reserve_give(void *p) { block_of(p)->used = false; }

/* ---- for FLINT -------------------------------------------------------------------------------- */

static bool refused(void) { return now.reserve && fm_mem_refused(); }

static void *take(size_t bytes) {
    void *p = refused() ? NULL : host_memory.alloc(bytes);
    return p ? p : reserve_take(bytes);
}

static void *take_zero(size_t n, size_t size) {
    size_t bytes;
    void *p = refused() ? NULL : host_memory.calloc(n, size);
    if (p || !fm_mul_size(n, size, &bytes)) return p;
    p = reserve_take(bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

/* Where the block cannot grow, its first `old` bytes move into the reserve. */
static void *move(void *p, size_t old, size_t bytes, void (*give)(void *)) {
    void *moved = reserve_take(bytes);
    if (!moved) return NULL;
    memcpy(moved, p, old < bytes ? old : bytes);
    give(p);
    return moved;
}

static void *resize(void *p, size_t bytes) {
    if (p && is_reserved(p)) return move(p, block_of(p)->bytes, bytes, reserve_give);
    void *resized = refused() ? NULL : host_memory.realloc(p, bytes);
    if (resized) return resized;
    return p ? move(p, malloc_usable_size(p), bytes, host_memory.free) : reserve_take(bytes);
}

static void give(void *p) {
    if (p && is_reserved(p)) reserve_give(p);
    else host_memory.free(p);
}

/* ---- for GMP, whose own functions are malloc's ------------------------------------------------- */

static void *gmp_take(size_t bytes) {
    void *p = refused() ? NULL : malloc(bytes);
    if (!p) p = reserve_take(bytes);
    return p ? p : host_memory.gmp_alloc(bytes);
}

static void *gmp_resize(void *p, size_t old, size_t bytes) {
    if (is_reserved(p)) return move(p, old, bytes, reserve_give);
    void *resized = refused() ? NULL : realloc(p, bytes);
    if (!resized) resized = move(p, old, bytes, free);
    return resized ? resized : host_memory.gmp_realloc(p, old, bytes);
}

static void gmp_give(void *p, size_t bytes) {
    if (is_reserved(p)) reserve_give(p);
    else host_memory.gmp_free(p, bytes);
}

/* ---- a comparison ------------------------------------------------------------------------------ */

/* GMP puts its own functions in the place of NULL, so they can be told from a host's. */
static void install(void) {
    void *(*alloc)(size_t), *(*realloc)(void *, size_t, size_t);
    void (*free)(void *, size_t);
    __flint_get_memory_functions(&host_memory.alloc, &host_memory.calloc, &host_memory.realloc, &host_memory.free);
    __flint_set_memory_functions(take, take_zero, resize, give);
    mp_get_memory_functions(&host_memory.gmp_alloc, &host_memory.gmp_realloc, &host_memory.gmp_free);
    mp_set_memory_functions(NULL, NULL, NULL);
    mp_get_memory_functions(&alloc, &realloc, &free);
    bool own = alloc == host_memory.gmp_alloc && realloc == host_memory.gmp_realloc && free == host_memory.gmp_free;
    if (own) mp_set_memory_functions(gmp_take, gmp_resize, gmp_give);
    else mp_set_memory_functions(host_memory.gmp_alloc, host_memory.gmp_realloc, host_memory.gmp_free);
}

bool fm_flint_begin(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    now.reserve = fm_alloc(RESERVE, FM_MEM_OTHER);
    now.open = false;
    return now.reserve != NULL;
}

bool fm_flint_short(void) { return now.open; }

static bool reserve_is_free(void) {
    bool used = false;
    for (const block *b = now.open ? first_block() : NULL; b; b = next_block(b)) used |= b->used;
    return !used;
}

bool fm_flint_end(void) {
    bool was_short = now.open;
    flint_cleanup(); /* its caches may lie in the reserve */
    if (reserve_is_free()) fm_free(now.reserve); /* else it is lost rather than used after its end */
    now.reserve = NULL;
    now.open = false;
    return was_short;
}

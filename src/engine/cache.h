/* cache.h: pages of keys and values with counted references.
 *
 * A page holds the cached rows of all layers for `page_positions` positions of one sequence (step.h).
 * Sequences that begin alike, forks and the tree of prefixes share pages; a page that more than one
 * holds is never written: whoever must write copies it first. Released pages are kept for reuse, so
 * that a steady engine allocates nothing. Not thread-safe: an engine uses it behind its lock. */
#pragma once

#include "base/mem.h"
#include "graph/step.h"

typedef struct fm_cache fm_cache;

/* `limit`: most bytes that pages may take together; 0: none. */
fm_status fm_cache_new(const fm_kv_shape *shape, uint64_t limit, fm_cache **out, fm_error *err);
void fm_cache_free(fm_cache *cache); /* every page must have been released */
const fm_kv_shape *fm_cache_shape(const fm_cache *cache);
void fm_cache_set_limit(fm_cache *cache, uint64_t limit);
/* Bytes that a page takes in all. */
size_t fm_cache_page_cost(const fm_kv_shape *shape);

/* A page with one reference, contents undefined; NULL at the limit or without memory. */
void *fm_cache_take(fm_cache *cache);
void fm_cache_share(void *page);
void fm_cache_release(fm_cache *cache, void *page);
bool fm_cache_is_shared(const void *page);

typedef struct fm_cache_stats {
    int64_t in_use, kept; /* pages referenced by somebody; pages waiting for reuse */
    uint64_t bytes;       /* of both */
} fm_cache_stats;
fm_cache_stats fm_cache_statistics(const fm_cache *cache);
/* Gives back the pages that wait for reuse. */
void fm_cache_trim(fm_cache *cache);

/* ---- a sequence's page table -------------------------------------------------------------------*/

typedef struct fm_pages {
    void **table;
    int64_t count, capacity;
} fm_pages;

/* Makes positions [from, to) writable: takes pages, copies a shared one that `from` lies inside.
 * FM_ERR_MEMORY when the cache gives none; what was taken stays. */
fm_status fm_pages_reserve(fm_pages *pages, fm_cache *cache, int64_t from, int64_t to,
                           fm_error *err);
/* Appends a page whose reference the table takes over. */
fm_status fm_pages_append(fm_pages *pages, void *page, fm_error *err);
/* Releases the pages that lie past `positions`. */
void fm_pages_truncate(fm_pages *pages, fm_cache *cache, int64_t positions);
/* A second table over the same pages. */
fm_status fm_pages_fork(const fm_pages *from, fm_pages *to, fm_error *err);
void fm_pages_clear(fm_pages *pages, fm_cache *cache);

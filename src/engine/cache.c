#include "engine/cache.h"

#include <assert.h>
#include <string.h>

/* In front of every page. One cache line, so that the rows stay aligned. */
typedef struct header {
    int64_t references;
    struct header *next; /* while it waits for reuse */
} header;

enum { HEADER = 64 };

struct fm_cache {
    fm_kv_shape shape;
    uint64_t limit;
    header *kept;
    fm_cache_stats stats;
};

static header *header_of(const void *page) { return (header *)(void *)((uintptr_t)page - HEADER); }
static void *page_of(header *h) { return (char *)h + HEADER; }

fm_status fm_cache_new(const fm_kv_shape *shape, uint64_t limit, fm_cache **out, fm_error *err) {
    *out = NULL;
    fm_cache *c = fm_alloc_zero(sizeof *c, FM_MEM_CACHE);
    if (!c) return fm_fail_memory(err, sizeof *c, "a cache");
    c->shape = *shape;
    c->limit = limit;
    *out = c;
    return FM_OK;
}

void fm_cache_trim(fm_cache *c) {
    while (c->kept) {
        header *h = c->kept;
        c->kept = h->next;
        c->stats.kept--;
        c->stats.bytes -= fm_cache_page_cost(&c->shape);
        fm_free(h);
    }
}

void fm_cache_free(fm_cache *c) {
    if (!c) return;
    assert(c->stats.in_use == 0 && "a sequence outlives its engine");
    fm_cache_trim(c);
    fm_free(c);
}

const fm_kv_shape *fm_cache_shape(const fm_cache *c) { return &c->shape; }
void fm_cache_set_limit(fm_cache *c, uint64_t limit) { c->limit = limit; }
size_t fm_cache_page_cost(const fm_kv_shape *shape) { return shape->page_bytes + HEADER; }

void *fm_cache_take(fm_cache *c) {
    header *h = c->kept;
    if (h) {
        c->kept = h->next;
        c->stats.kept--;
    } else {
        size_t bytes = fm_cache_page_cost(&c->shape);
        if (c->limit && c->stats.bytes + bytes > c->limit) return NULL;
        h = fm_alloc(bytes, FM_MEM_CACHE);
        if (!h) return NULL;
        c->stats.bytes += bytes;
    }
    *h = (header){.references = 1};
    c->stats.in_use++;
    return page_of(h);
}

void fm_cache_share(void *page) { header_of(page)->references++; }

void fm_cache_release(fm_cache *c, void *page) {
    header *h = header_of(page);
    if (--h->references > 0) return;
    h->next = c->kept;
    c->kept = h;
    c->stats.kept++;
    c->stats.in_use--;
}

bool fm_cache_is_shared(const void *page) { return header_of(page)->references > 1; }

fm_cache_stats fm_cache_statistics(const fm_cache *c) { return c->stats; }

/* ---- page tables ----------------------------------------------------------------------------------*/

static fm_status grow(fm_pages *p, int64_t count, fm_error *err) {
    if (count <= p->capacity) return FM_OK;
    int64_t capacity = count < 16 ? 16 : count * 2;
    void *table = fm_realloc(p->table, (size_t)capacity * sizeof *p->table, FM_MEM_CACHE);
    if (!table) return fm_fail_memory(err, (size_t)capacity * sizeof *p->table, "a page table");
    p->table = table;
    p->capacity = capacity;
    return FM_OK;
}

fm_status fm_pages_append(fm_pages *p, void *page, fm_error *err) {
    FM_TRY(grow(p, p->count + 1, err));
    p->table[p->count++] = page;
    return FM_OK;
}

static fm_status no_page(const fm_cache *c, fm_error *err) {
    return fm_fail(err, FM_ERR_MEMORY,
                   "the cache of keys and values is full (%llu MiB): end a conversation, or allow "
                   "more memory", (unsigned long long)(c->stats.bytes >> 20));
}

fm_status fm_pages_reserve(fm_pages *p, fm_cache *c, int64_t from, int64_t to, fm_error *err) {
    int64_t positions = c->shape.page_positions, first = from / positions;
    if (first < p->count && to > from && fm_cache_is_shared(p->table[first])) {
        void *copy = fm_cache_take(c);
        if (!copy) return no_page(c, err);
        memcpy(copy, p->table[first], c->shape.page_bytes);
        fm_cache_release(c, p->table[first]);
        p->table[first] = copy;
    }
    int64_t need = (to + positions - 1) / positions;
    FM_TRY(grow(p, need, err));
    while (p->count < need) {
        void *page = fm_cache_take(c);
        if (!page) return no_page(c, err);
        p->table[p->count++] = page;
    }
    return FM_OK;
}

void fm_pages_truncate(fm_pages *p, fm_cache *c, int64_t positions) {
    int64_t keep = (positions + c->shape.page_positions - 1) / c->shape.page_positions;
    while (p->count > keep) fm_cache_release(c, p->table[--p->count]);
}

fm_status fm_pages_fork(const fm_pages *from, fm_pages *to, fm_error *err) {
    *to = (fm_pages){0};
    FM_TRY(grow(to, from->count, err));
    for (int64_t i = 0; i < from->count; i++) {
        fm_cache_share(from->table[i]);
        to->table[to->count++] = from->table[i];
    }
    return FM_OK;
}

void fm_pages_clear(fm_pages *p, fm_cache *c) {
    fm_pages_truncate(p, c, 0);
    fm_free(p->table);
    *p = (fm_pages){0};
}

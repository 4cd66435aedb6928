#include "engine/prefix.h"

#include "base/hash.h"

#include <string.h>

/* Nodes lie in one array and are found by hashing (parent, tokens). A freed node keeps its place in
 * the array for the next one. Leaves, the pages that may be given up, stand in a ring in the order of
 * their last use, which the root closes. */
typedef struct node {
    int64_t parent; /* -1: free; the root is its own parent */
    int64_t next;   /* in its hash chain, or in the list of free nodes; -1 ends */
    int64_t children;
    int64_t older, newer; /* leaves and the root: neighbours in the ring */
    void *page;
} node;

struct fm_prefix {
    fm_cache *cache;
    int64_t positions; /* tokens of a page */
    node *nodes;
    int32_t *tokens;   /* page_positions for each node */
    int64_t count, capacity, held, free;
    int64_t *chains;   /* heads, a power of two of them, as many as capacity */
};

static int64_t *chain_of(fm_prefix *p, int64_t parent, const int32_t *tokens) {
    uint64_t h = fm_hash(tokens, (size_t)p->positions * sizeof *tokens, (uint64_t)parent);
    return &p->chains[h & (uint64_t)(p->capacity - 1)];
}

static const int32_t *tokens_of(const fm_prefix *p, int64_t n) { return p->tokens + n * p->positions; }

/* ---- the ring of leaves: from the root, newer leads to the oldest and older to the newest ---------*/

static void leave_ring(fm_prefix *p, int64_t n) {
    p->nodes[p->nodes[n].older].newer = p->nodes[n].newer;
    p->nodes[p->nodes[n].newer].older = p->nodes[n].older;
}

/* Between `older` and whoever is newer than that. */
static void join_ring(fm_prefix *p, int64_t n, int64_t older) {
    int64_t newer = p->nodes[older].newer;
    p->nodes[n].older = older;
    p->nodes[n].newer = newer;
    p->nodes[older].newer = p->nodes[newer].older = n;
}

static void join_as_newest(fm_prefix *p, int64_t n) { join_ring(p, n, p->nodes[0].older); }
static void join_as_oldest(fm_prefix *p, int64_t n) { join_ring(p, n, 0); }

/* ---- nodes ----------------------------------------------------------------------------------------*/

/* Doubles everything; the chains are rebuilt. On failure the tree is as it was. */
static bool grow(fm_prefix *p) {
    int64_t capacity = p->capacity ? p->capacity * 2 : 64;
    node *nodes = fm_alloc_array((size_t)capacity, sizeof *nodes, FM_MEM_CACHE);
    int32_t *tokens = fm_alloc_array((size_t)(capacity * p->positions), sizeof *tokens, FM_MEM_CACHE);
    int64_t *chains = fm_alloc_array((size_t)capacity, sizeof *chains, FM_MEM_CACHE);
    if (!nodes || !tokens || !chains) {
        fm_free(nodes);
        fm_free(tokens);
        fm_free(chains);
        return false;
    }
    if (p->count) {
        memcpy(nodes, p->nodes, (size_t)p->count * sizeof *nodes);
        memcpy(tokens, p->tokens, (size_t)(p->count * p->positions) * sizeof *tokens);
    }
    fm_free(p->nodes);
    fm_free(p->tokens);
    fm_free(p->chains);
    p->nodes = nodes;
    p->tokens = tokens;
    p->chains = chains;
    p->capacity = capacity;
    for (int64_t i = 0; i < capacity; i++) chains[i] = -1;
    for (int64_t i = 1; i < p->count; i++) {
        if (nodes[i].parent < 0) continue; /* free: its `next` threads the free list */
        int64_t *head = chain_of(p, nodes[i].parent, tokens_of(p, i));
        nodes[i].next = *head;
        *head = i;
    }
    return true;
}

fm_status fm_prefix_new(fm_cache *cache, fm_prefix **out, fm_error *err) {
    *out = NULL;
    fm_prefix *p = fm_alloc_zero(sizeof *p, FM_MEM_CACHE);
    if (!p) return fm_fail_memory(err, sizeof *p, "the tree of prefixes");
    p->cache = cache;
    p->positions = fm_cache_shape(cache)->page_positions;
    p->free = -1;
    if (!grow(p)) {
        fm_free(p);
        return fm_fail_memory(err, 64 * sizeof(node), "the tree of prefixes");
    }
    p->count = 1; /* the root */
    *out = p;
    return FM_OK;
}

void fm_prefix_free(fm_prefix *p) {
    if (!p) return;
    for (int64_t i = 1; i < p->count; i++)
        if (p->nodes[i].parent >= 0) fm_cache_release(p->cache, p->nodes[i].page);
    fm_free(p->nodes);
    fm_free(p->tokens);
    fm_free(p->chains);
    fm_free(p);
}

int64_t fm_prefix_child(fm_prefix *p, int64_t parent, const int32_t *tokens) {
    size_t bytes = (size_t)p->positions * sizeof *tokens;
    for (int64_t i = *chain_of(p, parent, tokens); i >= 0; i = p->nodes[i].next) {
        if (p->nodes[i].parent != parent || memcmp(tokens_of(p, i), tokens, bytes) != 0) continue;
        if (p->nodes[i].children == 0) {
            leave_ring(p, i);
            join_as_newest(p, i);
        }
        return i;
    }
    return -1;
}

void *fm_prefix_page(const fm_prefix *p, int64_t n) { return p->nodes[n].page; }

static int64_t new_node(fm_prefix *p) {
    if (p->free >= 0) {
        int64_t n = p->free;
        p->free = p->nodes[n].next;
        return n;
    }
    if (p->count == p->capacity && !grow(p)) return -1;
    return p->count++;
}

int64_t fm_prefix_add(fm_prefix *p, int64_t parent, const int32_t *tokens, void *page) {
    int64_t n = fm_prefix_child(p, parent, tokens);
    if (n >= 0) return n;
    n = new_node(p);
    if (n < 0) return -1;
    memcpy(p->tokens + n * p->positions, tokens, (size_t)p->positions * sizeof *tokens);
    int64_t *head = chain_of(p, parent, tokens);
    p->nodes[n] = (node){.parent = parent, .next = *head, .page = page};
    *head = n;
    join_as_newest(p, n);
    if (parent != 0 && p->nodes[parent].children == 0) leave_ring(p, parent);
    p->nodes[parent].children++;
    p->held++;
    fm_cache_share(page);
    return n;
}

static void remove_node(fm_prefix *p, int64_t n) {
    int64_t *link = chain_of(p, p->nodes[n].parent, tokens_of(p, n));
    while (*link != n) link = &p->nodes[*link].next;
    *link = p->nodes[n].next;
    leave_ring(p, n);
    int64_t parent = p->nodes[n].parent;
    if (--p->nodes[parent].children == 0 && parent != 0) join_as_oldest(p, parent);
    fm_cache_release(p->cache, p->nodes[n].page);
    p->nodes[n] = (node){.parent = -1, .next = p->free};
    p->free = n;
    p->held--;
}

/* Pages that a sequence stands on are passed over: at most one leaf for each sequence. */
bool fm_prefix_evict(fm_prefix *p) {
    for (int64_t n = p->nodes[0].newer; n != 0; n = p->nodes[n].newer) {
        if (fm_cache_is_shared(p->nodes[n].page)) continue;
        remove_node(p, n);
        return true;
    }
    return false;
}

int64_t fm_prefix_count(const fm_prefix *p) { return p->held; }

/* The tree of prefixes against a plain list: what is found, and what is given up first. */
#include "support.h"

#include "base/rng.h"
#include "engine/prefix.h"

enum { POSITIONS = 4, MOST = 1200 };

/* A page of the plain list. */
typedef struct entry {
    int64_t id, parent; /* as the tree numbers them */
    int32_t tokens[POSITIONS];
    bool live, held; /* in the tree; by somebody else too */
    uint64_t used;
    void *page;
} entry;

static entry list[MOST];
static int count;
static uint64_t draws, now;

static int64_t draw(int64_t n) { return (int64_t)(fm_rng_uniform(9, 0, draws++) * (double)n); }

static entry *find(int64_t parent, const int32_t *tokens) {
    for (int i = 0; i < count; i++)
        if (list[i].live && list[i].parent == parent &&
            memcmp(list[i].tokens, tokens, sizeof list[i].tokens) == 0)
            return &list[i];
    return NULL;
}

static bool is_leaf(const entry *e) {
    for (int i = 0; i < count; i++)
        if (list[i].live && list[i].parent == e->id) return false;
    return true;
}

/* The leaf that nobody holds and that was used longest ago. A page whose last child has gone is older
 * than all that were leaves before it. */
static entry *oldest(void) {
    entry *best = NULL;
    for (int i = 0; i < count; i++)
        if (list[i].live && !list[i].held && is_leaf(&list[i]) && (!best || list[i].used < best->used))
            best = &list[i];
    return best;
}

static void what_is_used_least_is_given_up_first(void **state) {
    (void)state;
    fm_error err;
    fm_kv_shape shape = {.page_positions = POSITIONS, .n_layers = 1, .row_bytes = 64, .page_bytes = 256};
    fm_cache *cache;
    fm_prefix *prefix;
    assert_ok(fm_cache_new(&shape, 0, &cache, &err));
    assert_ok(fm_prefix_new(cache, &prefix, &err));
    uint64_t least = UINT64_MAX / 2;
    int evicted = 0;
    for (now = least + 1; now < least + 6000 && count < MOST; now++) {
        int64_t event = draw(10), parent = 0;
        if (event < 4) { /* a walk down, which makes what is not there */
            for (int depth = 0; depth < 4; depth++) {
                int32_t tokens[POSITIONS] = {(int32_t)draw(3), 1, 2, (int32_t)draw(2)};
                entry *known = find(parent, tokens);
                int64_t child = fm_prefix_child(prefix, parent, tokens);
                assert_int_equal(child, known ? known->id : -1);
                if (!known && count == MOST) break;
                if (!known) {
                    void *page = fm_cache_take(cache);
                    child = fm_prefix_add(prefix, parent, tokens, page);
                    assert_true(child > 0 && fm_prefix_page(prefix, child) == page);
                    known = &list[count++];
                    *known = (entry){.id = child, .parent = parent, .live = true, .page = page};
                    memcpy(known->tokens, tokens, sizeof tokens);
                    known->held = draw(8) == 0;
                    if (!known->held) fm_cache_release(cache, page);
                }
                if (is_leaf(known)) known->used = ++now;
                parent = known->id;
            }
        } else if (event < 9) {
            entry *gone = oldest();
            int64_t held = fm_prefix_count(prefix);
            assert_int_equal(fm_prefix_evict(prefix), gone != NULL);
            assert_int_equal(fm_prefix_count(prefix), held - (gone != NULL));
            if (!gone) continue;
            assert_int_equal(fm_prefix_child(prefix, gone->parent, gone->tokens), -1);
            gone->live = false;
            evicted++;
            for (int i = 0; i < count; i++)
                if (list[i].live && list[i].id == gone->parent && is_leaf(&list[i])) list[i].used = --least;
        } else if (count > 0) { /* somebody lets go */
            entry *e = &list[draw(count)];
            if (e->live && e->held) fm_cache_release(cache, e->page);
            if (e->live) e->held = false;
        }
    }
    assert_true(evicted > 100);
    for (int i = 0; i < count; i++)
        if (list[i].live && list[i].held) fm_cache_release(cache, list[i].page);
    fm_prefix_free(prefix);
    assert_int_equal(fm_cache_statistics(cache).in_use, 0);
    fm_cache_free(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_used_least_is_given_up_first)};
    return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}

#include "support.h"

#include "base/arena.h"
#include "base/buffer.h"

static size_t live(void) {
    fm_mem_stats s = fm_mem_statistics();
    size_t sum = 0;
    for (int i = 0; i < FM_MEM_PURPOSES; i++) sum += s.live_bytes[i];
    return sum;
}

static void blocks_are_aligned_at_every_size(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4096, (2u << 20) - 64, 2u << 20, 5000001};
    for (size_t i = 0; i < FM_COUNT(sizes); i++) {
        unsigned char *p = fm_alloc(sizes[i], FM_MEM_OTHER);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        memset(p, 0xA5, sizes[i]); /* a sanitizer watches the ends */
        fm_free(p);
    }
    fm_free(NULL);
}

/* With one node there is nothing to spread, and it must do no harm. */
static void spread_memory_is_memory(void **state) {
    (void)state;
    size_t bytes = (size_t)65 << 20;
    for (int round = 0; round < 2; round++) {
        unsigned char *p = fm_alloc(bytes, round ? FM_MEM_WEIGHTS : FM_MEM_OTHER);
        assert_non_null(p);
        if (!round) assert_in_range(fm_mem_spread(p, bytes), 0, 1024);
        for (size_t i = 0; i < bytes; i += 4096) p[i] = (unsigned char)(i >> 12);
        p[bytes - 1] = 7;
        for (size_t i = 0; i < bytes; i += 4096) assert_int_equal(p[i], (i >> 12) & 255);
        fm_free(p);
    }
}

static void zeroed_means_zeroed(void **state) {
    (void)state;
    for (int round = 0; round < 50; round++) {
        unsigned char *dirty = fm_alloc(3000, FM_MEM_OTHER);
        assert_non_null(dirty);
        memset(dirty, 0xFF, 3000);
        fm_free(dirty);
        unsigned char *p = round & 1 ? fm_alloc_zero(3000, FM_MEM_OTHER)
                                     : fm_alloc_array(1000, 3, FM_MEM_OTHER);
        assert_non_null(p);
        for (int i = 0; i < 3000; i++) assert_int_equal(p[i], 0);
        fm_free(p);
    }
}

static void sizes_that_overflow_are_refused(void **state) {
    (void)state;
    size_t out;
    assert_false(fm_mul_size(SIZE_MAX / 2, 3, &out));
    assert_false(fm_add_size(SIZE_MAX, 1, &out));
    assert_true(fm_mul_size(SIZE_MAX, 1, &out) && out == SIZE_MAX);
    assert_true(fm_mul_size(0, SIZE_MAX, &out) && out == 0);
    assert_null(fm_alloc_array(SIZE_MAX / 8 + 1, 8, FM_MEM_OTHER));
    assert_null(fm_alloc_array((size_t)1 << 32, (size_t)1 << 32, FM_MEM_OTHER));
    assert_null(fm_alloc(SIZE_MAX, FM_MEM_OTHER));
    assert_null(fm_alloc(SIZE_MAX - 63, FM_MEM_OTHER));
    assert_null(fm_strndup("x", SIZE_MAX));
    fm_arena arena = {0};
    assert_null(fm_arena_alloc(&arena, SIZE_MAX));
    assert_null(fm_arena_alloc(&arena, SIZE_MAX - 15));
    assert_null(fm_arena_array(&arena, SIZE_MAX / 4, 8));
    assert_null(fm_arena_strndup(&arena, "x", SIZE_MAX));
    fm_arena_clear(&arena);
}

static void statistics_follow_every_purpose(void **state) {
    (void)state;
    fm_mem_stats before = fm_mem_statistics();
    void *w = fm_alloc(1000, FM_MEM_WEIGHTS), *c = fm_alloc(500, FM_MEM_CACHE);
    fm_mem_stats during = fm_mem_statistics();
    assert_int_equal(during.live_bytes[FM_MEM_WEIGHTS] - before.live_bytes[FM_MEM_WEIGHTS], 1000);
    assert_int_equal(during.live_bytes[FM_MEM_CACHE] - before.live_bytes[FM_MEM_CACHE], 500);
    assert_int_equal(during.allocations - before.allocations, 2);
    w = fm_realloc(w, 4000, FM_MEM_OTHER); /* keeps its purpose */
    during = fm_mem_statistics();
    assert_int_equal(during.live_bytes[FM_MEM_WEIGHTS] - before.live_bytes[FM_MEM_WEIGHTS], 4000);
    assert_int_equal(during.live_bytes[FM_MEM_OTHER], before.live_bytes[FM_MEM_OTHER]);
    fm_free(w);
    fm_free(c);
    fm_mem_stats after = fm_mem_statistics();
    assert_memory_equal(after.live_bytes, before.live_bytes, sizeof before.live_bytes);
}

static void realloc_keeps_the_common_bytes(void **state) {
    (void)state;
    unsigned char *p = fm_realloc(NULL, 100, FM_MEM_OTHER);
    for (int i = 0; i < 100; i++) p[i] = (unsigned char)i;
    p = fm_realloc(p, 100000, FM_MEM_OTHER);
    for (int i = 0; i < 100; i++) assert_int_equal(p[i], i);
    p = fm_realloc(p, 10, FM_MEM_OTHER);
    for (int i = 0; i < 10; i++) assert_int_equal(p[i], i);
    fm_mem_fail_from(0);
    assert_null(fm_realloc(p, 1 << 20, FM_MEM_OTHER));
    fm_mem_fail_from(-1);
    assert_int_equal(p[9], 9); /* the old block stays */
    fm_free(p);
}

static void injected_failures_start_at_the_kth_allocation_and_stay(void **state) {
    (void)state;
    for (int k = 0; k < 5; k++) {
        void *blocks[8];
        fm_mem_fail_from(k);
        for (int i = 0; i < 8; i++) blocks[i] = fm_alloc(8, FM_MEM_OTHER);
        fm_mem_fail_from(-1);
        for (int i = 0; i < 8; i++) {
            assert_int_equal(blocks[i] != NULL, i < k);
            fm_free(blocks[i]);
        }
    }
    void *p = fm_alloc(8, FM_MEM_OTHER);
    assert_non_null(p);
    fm_free(p);
}

static void available_memory_is_known_here(void **state) {
    (void)state;
    assert_true(fm_mem_available() > 0);
}

static void an_arena_hands_out_zeroed_blocks_that_stay(void **state) {
    (void)state;
    size_t before = live();
    fm_arena arena = {0};
    enum { N = 5000 };
    static unsigned char *blocks[N];
    static size_t sizes[N];
    for (int i = 0; i < N; i++) {
        sizes[i] = (size_t)(i * 7919 % 200) + (i % 1000 == 999 ? 100000 : 0);
        blocks[i] = fm_arena_alloc(&arena, sizes[i]);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        for (size_t j = 0; j < sizes[i]; j++) assert_int_equal(blocks[i][j], 0);
        memset(blocks[i], i & 0xFF, sizes[i]);
    }
    for (int i = 0; i < N; i++)
        for (size_t j = 0; j < sizes[i]; j++) assert_int_equal(blocks[i][j], i & 0xFF);
    assert_true(arena.total > 0);
    fm_arena_clear(&arena);
    assert_int_equal(live(), before);
    assert_null(arena.chunks);
}

static void an_arena_makes_strings(void **state) {
    (void)state;
    fm_arena arena = {0};
    assert_string_equal(fm_arena_strndup(&arena, "abcdef", 3), "abc");
    assert_string_equal(fm_arena_strndup(&arena, NULL, 0), "");
    assert_string_equal(fm_arena_format(&arena, "%s.%d", "layer", 12), "layer.12");
    fm_mem_fail_from(0);
    assert_null(fm_arena_alloc(&arena, 1 << 20));
    fm_mem_fail_from(-1);
    assert_non_null(fm_arena_alloc(&arena, 1 << 20));
    fm_arena_clear(&arena);
}

static void a_buffer_grows_and_is_taken(void **state) {
    (void)state;
    size_t before = live();
    fm_buffer b = {0};
    assert_string_equal(fm_buffer_string(&b), "");
    for (int i = 0; i < 3000; i++) {
        fm_buffer_format(&b, "%d,", i);
        fm_buffer_put(&b, "\0", 1);
        fm_buffer_text(&b, "xy");
    }
    memcpy(fm_buffer_room(&b, 3), "end", 3);
    size_t size = b.size;
    assert_int_equal(fm_buffer_string(&b)[size], 0);
    assert_memory_equal(fm_buffer_string(&b) + size - 3, "end", 3);
    char *taken = fm_buffer_take(&b);
    assert_memory_equal(taken, "0,\0xy1,\0xy", 10);
    assert_int_equal(taken[size], 0);
    assert_int_equal(b.size, 0);
    fm_free(taken);
    taken = fm_buffer_take(&b); /* an empty one gives an empty string */
    assert_string_equal(taken, "");
    fm_free(taken);
    assert_int_equal(live(), before);
}

static void a_buffer_that_ran_out_of_memory_says_so_once_at_the_end(void **state) {
    (void)state;
    fm_error err;
    for (int k = 0; k < 6; k++) {
        fm_buffer b = {0};
        fm_mem_fail_from(k);
        for (int i = 0; i < 1000; i++) fm_buffer_text(&b, "abcdefgh");
        fm_mem_fail_from(-1);
        assert_true(b.failed);
        fm_buffer_text(&b, "more");
        assert_int_equal(fm_buffer_status(&b, &err), FM_ERR_MEMORY);
        assert_null(fm_buffer_take(&b));
        assert_int_equal(fm_buffer_status(&b, &err), FM_OK); /* taken is cleared */
    }
    fm_buffer b = {0};
    assert_null(fm_buffer_room(&b, SIZE_MAX));
    assert_true(b.failed);
    fm_buffer_clear(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_at_every_size),
        cmocka_unit_test(spread_memory_is_memory),
        cmocka_unit_test(zeroed_means_zeroed),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(statistics_follow_every_purpose),
        cmocka_unit_test(realloc_keeps_the_common_bytes),
        cmocka_unit_test(injected_failures_start_at_the_kth_allocation_and_stay),
        cmocka_unit_test(available_memory_is_known_here),
        cmocka_unit_test(an_arena_hands_out_zeroed_blocks_that_stay),
        cmocka_unit_test(an_arena_makes_strings),
        cmocka_unit_test(a_buffer_grows_and_is_taken),
        cmocka_unit_test(a_buffer_that_ran_out_of_memory_says_so_once_at_the_end),
    };
    return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}

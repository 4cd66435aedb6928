#include "support.h"

#include "base/mem.h"
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_INDEX = 3000, MAX_WORKERS = 8 };

typedef struct tally {
    int64_t n, grain;
    int threads;
    _Atomic int seen[MAX_INDEX];
    _Atomic int inside[MAX_WORKERS]; /* a worker number is never in two places at once */
    _Atomic bool wrong;
} tally;

static void count(void *context, int64_t begin, int64_t end, int worker) {
    tally *t = context;
    if (worker < 0 || worker >= t->threads || atomic_fetch_add(&t->inside[worker], 1) != 0)
        t->wrong = true;
    /* Chunks are cut at multiples of the grain, whoever takes them. */
    if (begin % t->grain != 0 || (end != begin + t->grain && end != t->n) || begin >= end)
        t->wrong = true;
    for (int64_t i = begin; i < end; i++) atomic_fetch_add(&t->seen[i], 1);
    atomic_fetch_sub(&t->inside[worker], 1);
}

static void check(fm_pool *pool, int64_t n, int64_t grain) {
    static tally t;
    memset(&t, 0, sizeof t);
    t.n = n;
    t.grain = grain;
    t.threads = fm_pool_threads(pool);
    fm_pool_for(pool, n, grain, count, &t);
    assert_false(t.wrong);
    for (int64_t i = 0; i < MAX_INDEX; i++) assert_int_equal(t.seen[i], i < n ? 1 : 0);
}

static void every_index_is_visited_exactly_once(void **state) {
    (void)state;
    static const int64_t lengths[] = {0, 1, 2, 3, 7, 64, 65, 1000, MAX_INDEX};
    static const int64_t grains[] = {1, 2, 3, 16, 64, 999, 5000};
    for (int threads = 0; threads <= 5; threads++) {
        fm_error err;
        fm_pool *pool = NULL;
        if (threads > 0) assert_ok(fm_pool_new(threads, &pool, &err)); /* 0: no pool at all */
        assert_int_equal(fm_pool_threads(pool), threads ? threads : 1);
        for (size_t i = 0; i < FM_COUNT(lengths); i++)
            for (size_t j = 0; j < FM_COUNT(grains); j++) check(pool, lengths[i], grains[j]);
        fm_pool_free(pool);
    }
}

/* Plain memory on purpose: what one loop wrote on any thread, the next one reads on any other. The
 * thread sanitizer then proves that a loop's end orders memory. */
typedef struct chain {
    int64_t value[64];
    int64_t round;
    bool wrong;
} chain;

static void step(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    chain *c = context;
    for (int64_t i = begin; i < end; i++) {
        if (c->value[i] != c->round) c->wrong = true;
        c->value[i]++;
    }
}

static void thousands_of_tiny_loops_follow_each_other(void **state) {
    (void)state;
    int rounds = sanitized() ? 2000 : 20000;
    for (int threads = 1; threads <= 5; threads++) {
        fm_error err;
        fm_pool *pool;
        assert_ok(fm_pool_new(threads, &pool, &err));
        chain c = {0};
        for (; c.round < rounds; c.round++) fm_pool_for(pool, 64, 1 + c.round % 9, step, &c);
        assert_false(c.wrong);
        for (int i = 0; i < 64; i++) assert_int_equal(c.value[i], rounds);
        fm_pool_free(pool);
    }
}

static void loops_wake_threads_that_have_gone_to_sleep(void **state) {
    (void)state;
    fm_error err;
    fm_pool *pool;
    assert_ok(fm_pool_new(4, &pool, &err));
    for (int i = 0; i < 20; i++) {
        usleep(5000); /* well past the spinning */
        check(pool, 100, 3);
    }
    fm_pool_free(pool);
}

/* Whoever has the first chunk keeps it until all others are done: also those of its own stretch. */
typedef struct hold {
    int64_t n;
    _Atomic int64_t others;
    _Atomic bool late;
} hold;

static void hold_the_first(void *context, int64_t begin, int64_t end, int worker) {
    (void)end;
    (void)worker;
    hold *h = context;
    if (begin > 0) {
        atomic_fetch_add(&h->others, 1);
        return;
    }
    for (int i = 0; i < 60000 && h->others < h->n - 1; i++) usleep(1000);
    if (h->others < h->n - 1) h->late = true;
}

static void who_is_held_up_loses_its_chunks_to_the_others(void **state) {
    (void)state;
    for (int threads = 2; threads <= 5; threads++) {
        fm_error err;
        fm_pool *pool;
        assert_ok(fm_pool_new(threads, &pool, &err));
        for (int64_t n = 2; n < 60; n += 9) {
            hold h = {.n = n};
            fm_pool_for(pool, n, 1, hold_the_first, &h);
            assert_false(h.late);
            assert_int_equal(h.others, n - 1);
        }
        fm_pool_free(pool);
    }
}

static void stretches_cover_all_chunks_in_order(void **state) {
    (void)state;
    for (int threads = 1; threads <= 7; threads++)
        for (int64_t n = 0; n < 40; n++) {
            assert_int_equal(fm_pool_stretch(n, 0, threads), 0);
            assert_int_equal(fm_pool_stretch(n, threads, threads), n);
            for (int w = 0; w < threads; w++) {
                int64_t size = fm_pool_stretch(n, w + 1, threads) - fm_pool_stretch(n, w, threads);
                assert_in_range(size, n / threads, n / threads + 1);
            }
        }
}

static void what_is_fetched_may_lie_anywhere(void **state) {
    (void)state;
    static char here[100];
    const uintptr_t addresses[] = {0, 1, (uintptr_t)here, 4096, UINTPTR_MAX, UINTPTR_MAX / 2};
    fm_error err;
    fm_pool *pool;
    fm_pool_fetch(NULL, 0, here);
    assert_ok(fm_pool_new(3, &pool, &err));
    for (int i = 0; i < 300; i++) {
        for (int w = 0; w < 3; w++)
            fm_pool_fetch(pool, w, (const void *)addresses[(i + w) % (int)FM_COUNT(addresses)]);
        if (i % 10 == 0) usleep(50);
        check(pool, 100, 3);
    }
    fm_pool_free(pool);
}

static void pools_come_and_go_at_once(void **state) {
    (void)state;
    for (int i = 0; i < 200; i++) {
        fm_error err;
        fm_pool *pool;
        assert_ok(fm_pool_new(1 + i % 5, &pool, &err));
        if (i % 3 == 0) check(pool, 10, 1);
        fm_pool_free(pool);
    }
    fm_pool_free(NULL);
}

static void odd_numbers_of_threads_are_refused_or_chosen(void **state) {
    (void)state;
    fm_error err;
    fm_pool *pool;
    assert_int_equal(fm_pool_new(-1, &pool, &err), FM_ERR_ARGUMENT);
    assert_int_equal(fm_pool_new(100000, &pool, &err), FM_ERR_ARGUMENT);
    assert_null(pool);
    assert_ok(fm_pool_new(0, &pool, &err));
    assert_int_equal(fm_pool_threads(pool), fm_pool_processors());
    fm_pool_free(pool);
    assert_true(fm_pool_processors() >= 1);
}

static void no_memory_is_an_error_and_leaves_nothing(void **state) {
    (void)state;
    for (int k = 0; k < 2; k++) {
        fm_error err;
        fm_pool *pool;
        fm_mem_stats before = fm_mem_statistics();
        fm_mem_fail_from(k);
        assert_int_equal(fm_pool_new(3, &pool, &err), FM_ERR_MEMORY);
        fm_mem_fail_from(-1);
        fm_mem_stats after = fm_mem_statistics();
        assert_memory_equal(after.live_bytes, before.live_bytes, sizeof after.live_bytes);
    }
}

/* Every chunk waits a little, so that the helpers get their share. */
typedef struct helpers_seen {
    _Atomic int chunks, blocked, named;
} helpers_seen;

static void look_around(void *context, int64_t begin, int64_t end, int worker) {
    (void)begin;
    (void)end;
    helpers_seen *h = context;
    usleep(2000);
    if (worker == 0) return;
    sigset_t blocked;
    char name[32] = "", expected[32];
    snprintf(expected, sizeof expected, "fathom-%d", worker);
    pthread_getname_np(pthread_self(), name, sizeof name);
    h->chunks++;
    h->named += strcmp(name, expected) == 0;
    h->blocked += pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0 &&
                  sigismember(&blocked, SIGINT) == 1 && sigismember(&blocked, SIGWINCH) == 1;
}

static void helpers_have_names_and_leave_signals_to_the_program(void **state) {
    (void)state;
    fm_error err;
    fm_pool *pool;
    assert_ok(fm_pool_new(3, &pool, &err));
    helpers_seen h = {0};
    for (int i = 0; i < 100 && h.chunks == 0; i++) fm_pool_for(pool, 20, 1, look_around, &h);
    assert_true(h.chunks > 0);
    assert_int_equal(h.named, h.chunks);
    assert_int_equal(h.blocked, h.chunks);
    sigset_t mine;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mine), 0);
    assert_int_equal(sigismember(&mine, SIGINT), 0);
    fm_pool_free(pool);
}

static void nothing(void *context, int64_t begin, int64_t end, int worker) {
    (void)context;
    (void)begin;
    (void)end;
    (void)worker;
}

static void begin_another(void *context, int64_t begin, int64_t end, int worker) {
    (void)begin;
    (void)end;
    (void)worker;
    fm_pool_for(context, 1, 1, nothing, NULL);
}

static void a_loop_inside_a_loop_of_the_same_pool_is_asserted(void **state) {
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            fm_pool *pool;
            if (!freopen("/dev/null", "w", stderr) || fm_pool_new(threads, &pool, NULL) != FM_OK)
                _exit(1);
            fm_pool_for(pool, 8, 1, begin_another, pool);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_index_is_visited_exactly_once),
        cmocka_unit_test(thousands_of_tiny_loops_follow_each_other),
        cmocka_unit_test(loops_wake_threads_that_have_gone_to_sleep),
        cmocka_unit_test(who_is_held_up_loses_its_chunks_to_the_others),
        cmocka_unit_test(stretches_cover_all_chunks_in_order),
        cmocka_unit_test(what_is_fetched_may_lie_anywhere),
        cmocka_unit_test(pools_come_and_go_at_once),
        cmocka_unit_test(odd_numbers_of_threads_are_refused_or_chosen),
        cmocka_unit_test(no_memory_is_an_error_and_leaves_nothing),
        cmocka_unit_test(helpers_have_names_and_leave_signals_to_the_program),
        cmocka_unit_test(a_loop_inside_a_loop_of_the_same_pool_is_asserted),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}

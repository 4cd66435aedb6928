#include "base/pool.h"

#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#define relax() __builtin_ia32_pause()
#else
#define relax() ((void)0)
#endif

/* About 50 microseconds on current machines: longer than the gap between two loops of a token,
 * shorter than anything a person or a scheduler would notice. */
enum { SPINS = 20000, MAX_THREADS = 256 };

/* What a waiting thread fetches: enough to keep memory busy for some microseconds, and little beside
 * its cache. */
enum { FETCH_BYTES = 32 << 10, FETCH_LINE = 64, FETCH_AT_ONCE = 4 };

/* What is a worker's own, on a line of its own. */
typedef struct worker_state {
    _Alignas(64) _Atomic uint64_t stretch; /* chunks left: the first, and behind it in the high half */
    _Atomic uintptr_t ahead;               /* see fm_pool_fetch; 0: nothing */
    pthread_t thread;
    struct fm_pool *pool;
    int worker;
    uintptr_t fetching;                    /* what the worker itself has seen of `ahead` ... */
    size_t fetched;                        /* ... and its bytes that are fetched */
} worker_state;

/* `epoch` counts loops and wakes the helpers; the stretches hand out the chunks. The caller publishes
 * the loop's fields and then stores the stretches; whoever takes a chunk from one owns a chunk of the
 * loop that runs now, since no new loop can begin before that chunk is in `done`. So a helper that
 * wakes late, or in the midst of a later loop, does no harm, and nobody waits for a helper that the
 * system has not let run: only for those that have begun a chunk. Nobody but the caller, between
 * loops, ever puts chunks into a stretch. The mutex guards sleeping. */
struct fm_pool {
    int n_threads, n_started; /* helpers: n_started of n_threads - 1 */
    worker_state *workers;    /* n_threads; the caller is 0 */
    _Atomic bool busy; /* a loop runs: for the assertion that none begins inside it */

    fm_range_fn fn;
    void *context;
    int64_t n, grain, n_chunks;
    _Alignas(64) _Atomic int64_t done;
    _Alignas(64) _Atomic uint64_t epoch;
    _Atomic int sleepers;
    _Atomic bool quit;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
};

static uint64_t stretch_of(uint64_t begin, uint64_t end) { return end << 32 | begin; }

/* Takes a chunk from the beginning of a stretch or from its end; -1: it is empty. */
static int64_t take(worker_state *w, bool last) {
    uint64_t s = atomic_load_explicit(&w->stretch, memory_order_relaxed);
    for (;;) {
        uint64_t begin = s & UINT32_MAX, end = s >> 32;
        if (begin >= end) return -1;
        uint64_t rest = last ? stretch_of(begin, end - 1) : stretch_of(begin + 1, end);
        if (atomic_compare_exchange_weak_explicit(&w->stretch, &s, rest, memory_order_acquire,
                                                  memory_order_relaxed))
            return (int64_t)(last ? end - 1 : begin);
    }
}

static void work(fm_pool *pool, int worker) {
    int64_t finished = 0;
    for (int i = 0; i < pool->n_threads; i++) {
        int other = worker + i < pool->n_threads ? worker + i : worker + i - pool->n_threads;
        for (int64_t chunk; (chunk = take(&pool->workers[other], i > 0)) >= 0; finished++) {
            int64_t begin = chunk * pool->grain;
            int64_t end = pool->n - begin < pool->grain ? pool->n : begin + pool->grain;
            pool->fn(pool->context, begin, end, worker);
        }
    }
    if (finished) atomic_fetch_add_explicit(&pool->done, finished, memory_order_release);
}

/* A few lines of what comes next. */
static void fetch_ahead(worker_state *w) {
    uintptr_t ahead = atomic_load_explicit(&w->ahead, memory_order_relaxed);
    if (ahead != w->fetching) {
        w->fetching = ahead;
        w->fetched = 0;
    }
    if (!ahead || w->fetched == FETCH_BYTES) return;
    for (int i = 0; i < FETCH_AT_ONCE; i++, w->fetched += FETCH_LINE)
        __builtin_prefetch((const void *)(ahead + w->fetched));
}

void fm_pool_fetch(fm_pool *pool, int worker, const void *at) {
    if (pool) atomic_store_explicit(&pool->workers[worker].ahead, (uintptr_t)at, memory_order_relaxed);
}

static void wait_for_epoch(worker_state *me, uint64_t seen) {
    fm_pool *pool = me->pool;
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool->epoch, memory_order_acquire) != seen) return;
        fetch_ahead(me);
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->epoch) == seen) pthread_cond_wait(&pool->wake, &pool->mutex);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->mutex);
}

static void *helper_main(void *argument) {
    worker_state *me = argument;
    fm_pool *pool = me->pool;
    char name[16]; /* as much as Linux keeps */
    snprintf(name, sizeof name, "fathom-%d", me->worker);
    pthread_setname_np(pthread_self(), name);
    for (uint64_t seen = 0;;) {
        wait_for_epoch(me, seen);
        seen = atomic_load_explicit(&pool->epoch, memory_order_acquire);
        if (atomic_load(&pool->quit)) return NULL;
        work(pool, me->worker);
    }
}

static void raise_epoch(fm_pool *pool) {
    /* seq_cst on both sides: a helper either sees the new epoch before it sleeps, or is counted as
     * a sleeper here and gets the signal. */
    atomic_fetch_add(&pool->epoch, 1);
    if (atomic_load(&pool->sleepers) == 0) return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

static void run_alone(int64_t n, int64_t grain, fm_range_fn fn, void *context) {
    for (int64_t begin = 0; begin < n; begin += grain)
        fn(context, begin, n - begin < grain ? n : begin + grain, 0);
}

static void run_together(fm_pool *pool, int64_t n, int64_t grain, fm_range_fn fn, void *context) {
    pool->fn = fn;
    pool->context = context;
    pool->n = n;
    pool->grain = grain;
    pool->n_chunks = (n - 1) / grain + 1;
    assert(pool->n_chunks <= UINT32_MAX);
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    for (int w = 0; w < pool->n_threads; w++) {
        int64_t first = fm_pool_stretch(pool->n_chunks, w, pool->n_threads);
        int64_t last = fm_pool_stretch(pool->n_chunks, w + 1, pool->n_threads);
        atomic_store_explicit(&pool->workers[w].stretch, stretch_of((uint64_t)first, (uint64_t)last),
                              memory_order_release);
    }
    raise_epoch(pool);
    work(pool, 0);
    int64_t all = pool->n_chunks;
    for (int spins = 0; atomic_load_explicit(&pool->done, memory_order_acquire) != all;) {
        fetch_ahead(&pool->workers[0]);
        if (++spins < SPINS)
            relax();
        else
            sched_yield(); /* more threads than processors: let the last one run */
    }
}

void fm_pool_for(fm_pool *pool, int64_t n, int64_t grain, fm_range_fn fn, void *context) {
    assert(grain > 0);
    if (n <= 0) return;
    if (!pool) {
        run_alone(n, grain, fn, context);
        return;
    }
    bool was_busy = atomic_exchange_explicit(&pool->busy, true, memory_order_relaxed);
    assert(!was_busy); /* also where the inner loop would be short enough to run alone */
    (void)was_busy;
    if (pool->n_threads == 1 || n <= grain)
        run_alone(n, grain, fn, context);
    else
        run_together(pool, n, grain, fn, context);
    atomic_store_explicit(&pool->busy, false, memory_order_relaxed);
}

/* Signals are for the threads of the program, whose system calls they are to interrupt. */
static int start_helper(worker_state *h) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&h->thread, NULL, helper_main, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

fm_status fm_pool_new(int n_threads, fm_pool **out, fm_error *err) {
    *out = NULL;
    if (n_threads == 0) n_threads = fm_pool_processors();
    if (n_threads < 1 || n_threads > MAX_THREADS)
        return fm_fail(err, FM_ERR_ARGUMENT, "%d threads asked for; give a number from 1 to %d",
                       n_threads, MAX_THREADS);
    fm_pool *pool = fm_alloc_zero(sizeof *pool, FM_MEM_OTHER);
    worker_state *workers = fm_alloc_zero((size_t)n_threads * sizeof *workers, FM_MEM_OTHER);
    if (!pool || !workers) {
        fm_free(pool);
        fm_free(workers);
        return fm_fail_memory(err, sizeof *pool, "a thread pool");
    }
    pool->workers = workers;
    pool->n_threads = n_threads;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (int i = 0; i < n_threads; i++) {
        workers[i].pool = pool;
        workers[i].worker = i;
    }
    for (int i = 1; i < n_threads; i++) {
        int code = start_helper(&workers[i]);
        if (code != 0) {
            fm_pool_free(pool);
            return fm_fail(err, FM_ERR_IO, "cannot start thread %d of %d: %s", i + 1, n_threads,
                           strerror(code));
        }
        pool->n_started++;
    }
    *out = pool;
    return FM_OK;
}

void fm_pool_free(fm_pool *pool) {
    if (!pool) return;
    atomic_store(&pool->quit, true);
    raise_epoch(pool);
    for (int i = 1; i <= pool->n_started; i++) pthread_join(pool->workers[i].thread, NULL);
    pthread_mutex_destroy(&pool->mutex);
    pthread_cond_destroy(&pool->wake);
    fm_free(pool->workers);
    fm_free(pool);
}

int fm_pool_threads(const fm_pool *pool) { return pool ? pool->n_threads : 1; }

/* cgroup v2: "max 100000" or "QUOTA PERIOD" in microseconds. */
static int cgroup_processors(void) {
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!f) return 0;
    long long quota = 0, period = 0;
    int n = fscanf(f, "%lld %lld", &quota, &period);
    fclose(f);
    return n == 2 && quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

int fm_pool_processors(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    int quota = cgroup_processors();
    if (quota > 0 && quota < n) n = quota;
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

/* pool.h: the threads that compute, handed to whoever needs them and never global.
 *
 * fm_pool_for cuts [0, n) into chunks of a fixed grain. Every thread has an equal stretch of
 * neighbouring chunks, which it walks in order, so that what it reads from memory is one stream; who
 * is done takes chunks from the end of another's stretch. So which thread takes which chunk is left
 * to chance: a function must compute the same bits for a chunk whoever runs it, and may not reduce
 * across chunks by arrival. That is all it takes for results to be the same for any number of
 * threads. Threads spin for a moment after a loop (loops come in hundreds per token) and then
 * sleep. One caller at a time: a pool belongs to one engine or trainer. Its threads are called
 * fathom-1, fathom-2, ... and take no signals. */
#pragma once

#include "base/status.h"

typedef struct fm_pool fm_pool;

/* `begin` to `end` - 1 are this call's indices; `worker` in [0, threads) names the calling thread
 * and may index scratch memory. */
typedef void (*fm_range_fn)(void *context, int64_t begin, int64_t end, int worker);

/* n_threads counts the caller's own thread; 0 means one per processor this process may use. More
 * than 256 are FM_ERR_ARGUMENT, a thread that the system refuses is FM_ERR_IO. */
fm_status fm_pool_new(int n_threads, fm_pool **out, fm_error *err);
void fm_pool_free(fm_pool *pool); /* waits for the threads to end; NULL is fine */
int fm_pool_threads(const fm_pool *pool); /* the caller's included; 1 without a pool */

/* Returns when every chunk is done. `pool` may be NULL: then the caller does all as worker 0.
 * `fn` may not start a loop on the same pool: that is asserted. */
void fm_pool_for(fm_pool *pool, int64_t n, int64_t grain, fm_range_fn fn, void *context);

/* The first of n chunks in the stretch of `worker`, of `threads`. */
static inline int64_t fm_pool_stretch(int64_t chunks, int worker, int threads) {
    return chunks * worker / threads;
}
/* Where in memory `worker` will begin to read in a loop that comes soon. It fetches a little from
 * there while it waits for that loop, instead of doing nothing. A hint: `at` may be any address, or NULL
 * for nothing, and is never read from. Fewer than fm_pool_threads workers may be told. */
void fm_pool_fetch(fm_pool *pool, int worker, const void *at);

/* Processors this process may use (affinity mask and cgroup quota), at least 1. */
int fm_pool_processors(void);

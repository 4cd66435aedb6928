/* attention.h: softmax attention in blocks, the part that every form of attention shares.
 *
 * Positions are walked in blocks of FM_ATTENTION_BLOCK counted from 0. Each block has its own
 * maximum m_b, sum l_b = sum exp(s - m_b) and accumulator a_b = sum exp(s - m_b) v; blocks are
 * merged left to right. The order is a function of the position alone: not of the threads, of the
 * rows beside it, or of whether the row was computed in a prompt or while decoding. */
#pragma once

#include "graph/step.h"
#include "kernel/kernel.h"

/* One query row: `n` heads that read the same keys and values. */
typedef struct fm_attention {
    const fm_kernels *k;
    int64_t n, d_k, d_v;
    float scale;
    float *out; /* [n, d_v], leading dimension ldo */
    int64_t ldo;
    float *work; /* fm_attention_work floats */
    bool started;
} fm_attention;

/* Floats of scratch for n heads: scores, a block's accumulator, and (m, l) of every head. */
int64_t fm_attention_work(int64_t n, int64_t d_v);

/* Scores of this block go here: [n, FM_ATTENTION_BLOCK]. */
static inline float *fm_attention_scores(const fm_attention *a) { return a->work; }
/* Turns the scores [n, count] into weights and begins the block's sums. */
void fm_attention_block_begin(fm_attention *a, int64_t count);
/* Adds values [from, from + count) of the block: v [count, d_v], leading dimension ldv. */
void fm_attention_block_values(fm_attention *a, int64_t from, int64_t count, const float *v,
                               int64_t ldv);
/* Merges the block into `out`. */
void fm_attention_block_end(fm_attention *a);
/* Divides by the sums. */
void fm_attention_finish(fm_attention *a);
/* (m, l) of every head, 2 * n floats, for whoever walks many rows over one block at a time. */
void fm_attention_save(const fm_attention *a, float *state);
void fm_attention_restore(fm_attention *a, const float *state);

/* The whole row over cached positions [0, length): queries q [n, d_k] (leading dimension ldq), keys
 * at column key_offset and values at column value_offset of the cached rows of `layer`. `buffer`
 * holds fm_attention_buffer floats, or is NULL for an F32 cache. */
typedef struct fm_cached {
    const fm_kv_shape *kv;
    void *const *pages;
    int64_t layer, key_offset, value_offset, length;
    float *buffer;
} fm_cached;
int64_t fm_attention_buffer(const fm_kv_shape *kv, int64_t d_k, int64_t d_v);
void fm_attention_cached(fm_attention *a, const fm_cached *c, const float *q, int64_t ldq);

/* Writes row `x` [n] into the cache at column `offset` of (layer, position), rounded to its type.
 * In an INT8 cache `offset` and `n` are whole blocks, here and in fm_cache_read. */
void fm_cache_write(const fm_kernels *k, const fm_kv_shape *kv, void *const *pages, int64_t layer,
                    int64_t position, int64_t offset, const float *x, int64_t n);
/* Columns [offset, offset + n) of `count` rows from `position` (all in one page), as floats: a
 * pointer into an F32 cache with *ld its row length, or `buffer` (ld = n) after conversion. */
const float *fm_cache_read(const fm_kernels *k, const fm_kv_shape *kv, void *const *pages,
                           int64_t layer, int64_t position, int64_t count, int64_t offset,
                           int64_t n, float *buffer, int64_t *ld);

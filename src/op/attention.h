/* attention.h: softmax attention in blocks, the part that every form of attention shares.
 *
 * A score is a product of matrices like any other (kernel/panel.h), of scaled queries and keys:
 *
 *     s(j) = fma(q[d-1], k(j)[d-1], ... fma(q[0], k(j)[0], 0)),  q[c] = scale * the query's c-th number
 *
 * Positions are walked in blocks of FM_ATTENTION_BLOCK counted from 0. Each block has its own
 * maximum m_b, sum l_b = sum exp(s - m_b) and accumulator a_b = sum exp(s - m_b) v, a chain over its
 * positions; blocks are merged left to right. The order is a function of the position alone: not of
 * the threads, of the rows beside it, or of whether the row was computed in a prompt or while
 * decoding. So blocks may be computed in any order by anybody, and only merging has one.
 *
 * That is so where keys and values are floats, or bytes with scales. Where they are BF16, what meets them is
 * BF16 too, and both products are those of pairs (kernel/words.h), with sums in float32:
 *
 *     q is rounded after it was scaled; pairs go along q and k
 *     p(j) = exp(s(j) - m_b) rounded; pairs go along the positions, from the block's first
 *     l_b = sum p(j) of the rounded ones, so that the weights of a query add up to 1, and what all values
 *           have in common comes through whole
 *
 * A pair that the query sees but half of has a zero weight and a zero value there, and a pair of zeros ends
 * every chain: then a sum that is zero is +0, whatever zeros of other rows were added on the way.
 *
 * Work is done by tiles: rows of a segment and heads that read the same keys and values. A tile turns
 * 64 keys into panels in L1 and passes all its queries over them, then the same with values. */
#pragma once

#include "graph/plan.h"
#include "kernel/kernel.h"

/* Where keys or values lie: in columns from `offset` of a layer's cached rows, or, where kv is NULL, in
 * memory as floats or BF16: position p begins (p - first) * ld numbers behind x. Keys and values are
 * of one form. */
typedef struct fm_attention_rows {
    const fm_kv_shape *kv;
    void *const *pages;
    int64_t layer, offset;
    fm_kept_form form; /* F32 or BF16; with kv, that of the cache counts */
    const void *x;
    int64_t ld, first;
} fm_attention_rows;

/* The block that this thread is going to compute after the present one, and the offsets of its keys and values
 * in the cached rows: asked of memory ahead. 0: it does not know; nothing depends on it. */
typedef struct fm_attention_next {
    int64_t block, key_offset, value_offset;
} fm_attention_next;

/* A tile. Query i is that of head i % heads of row i / heads. */
typedef struct fm_attention {
    const fm_kernels *k;
    int64_t rows, heads, d_k, d_v;
    int64_t position;     /* of the first row; row t sees positions [0, position + t] */
    fm_attention_rows keys, values;
    fm_attention_next next;
    const float *queries; /* [rows * heads, d_k], scaled; those of rows that see nothing are not read */
    float *work;          /* fm_attention_work floats, 64-byte aligned */
} fm_attention;

/* m, l and a of queries, of one block or of all up to one. */
typedef struct fm_attention_sums {
    float *m, *l;
    float *a; /* [n, d_v] */
    int64_t ld;
} fm_attention_sums;

/* Floats of scratch for a tile of this many queries. */
int64_t fm_attention_work(int64_t queries, int64_t d_k);
/* Makes the queries of rows [row, rows) ready, in `work`: to be called before any block is, and again when
 * queries or work have changed. */
void fm_attention_begin(const fm_attention *a, int64_t row);
/* The first row of the tile that sees anything of the block that begins at `block`; `rows`: none. */
int64_t fm_attention_first_row(const fm_attention *a, int64_t block);
/* Blocks that any row sees. */
int64_t fm_attention_blocks(const fm_attention *a);
/* One block for the queries of fm_attention_first_row on; those before are left as they are. In `out`
 * ld is d_v. */
void fm_attention_block(const fm_attention *a, int64_t block, const fm_attention_sums *out);
/* Merges a block into what is left of it, for n queries; the first block is taken as it is. */
void fm_attention_merge(const fm_kernels *k, int64_t n, int64_t d_v, bool first,
                        const fm_attention_sums *block, const fm_attention_sums *into);
/* Divides by the sums. */
void fm_attention_finish(const fm_kernels *k, int64_t n, int64_t d_v, const fm_attention_sums *s);

/* ---- a step's rows over the cache (attention_step.c) ---------------------------------------------- */

/* Part of a query: n numbers of head h of row t at x + t * row + h * head. */
typedef struct fm_query_part {
    const float *x;
    int64_t row, head, n;
} fm_query_part;

/* Every row of a step over the cache, every head; group g of `heads` heads reads keys at column
 * g * key_step of the cached rows and values at column value_offset + g * value_step. */
typedef struct fm_attention_step {
    int64_t layer, groups, heads, d_k, d_v;
    int64_t key_step, value_offset, value_step;
    double scale;
    bool leaves_fast;       /* rows that a segment has as fast are left as they are */
    fm_query_part parts[2]; /* one after the other they are a query; n = 0: no second part */
    float *out;             /* [T, groups * heads * d_v] */
    float *sums;            /* [T, groups * heads, 2]: m and l, for gradients; NULL: nobody asks */
    float *shared;          /* fm_attention_shared bytes */
} fm_attention_step;

/* What a node makes: o, what threads share (a long sequence's blocks wait there), and in a learning plan
 * `sums`. Of the step, the shape must be there. */
enum { FM_ATTENTION_OUT, FM_ATTENTION_SHARED, FM_ATTENTION_SUMS, FM_ATTENTION_VALUES };
void fm_attention_values(fm_plan *plan, const fm_attention_step *s,
                         fm_value values[FM_ATTENTION_VALUES + 1]);
/* Fills in what the node has made. */
void fm_attention_find(const fm_run *run, const fm_node *node, fm_attention_step *s);
/* Bytes that every worker needs, gradients included where the plan learns. */
size_t fm_attention_scratch(const fm_plan *plan, const fm_attention_step *s);
void fm_attention_run(const fm_run *run, const fm_attention_step *s);

/* ---- the cache (attention_cache.c) ---------------------------------------------------------------- */

/* Rows from `position` on that lie one behind the other, at most `most` of them, from column `column`. */
int64_t fm_attention_rows_at(const fm_attention_rows *r, int64_t position, int64_t column, int64_t most,
                             fm_kept_form *form, fm_kept_rows *out);
/* Writes row `x` [n] into the cache at column `offset` of (layer, position), rounded to its type. In an
 * INT8 cache `offset` and `n` are whole blocks, like all columns that are read. */
void fm_cache_write(const fm_kernels *k, const fm_kv_shape *kv, void *const *pages, int64_t layer,
                    int64_t position, int64_t offset, const float *x, int64_t n);

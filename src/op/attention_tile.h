/* attention_tile.h: what both arithmetics of a block share: floats (attention.c) and pairs of BF16
 * (attention_pairs.c). */
#pragma once

#include "op/attention.h"

#include "kernel/words.h"

/* A tile's `work`: panels of keys or values, the scores of its queries, these as words. */
enum {
    FM_TILE_KEYS = FM_TILE_PANELS * FM_PANEL, /* positions whose keys are turned at a time */
    FM_TILE_FLOATS = FM_TILE_KEYS * (FM_TILE_K + 1),
    FM_TILE_SCORES = FM_ATTENTION_BLOCK + FM_PANEL, /* from one query's scores to the next: no power of two */
};

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t between(int64_t low, int64_t x, int64_t high) {
    return x < low ? low : x > high ? high : x;
}

static inline bool is_of_pairs(const fm_attention *a) {
    return a->keys.kv ? a->keys.kv->type == FM_KV_BF16 : a->keys.form == FM_KEPT_BF16;
}

static inline float *scores_of(const fm_attention *a, int64_t row) {
    return a->work + FM_TILE_FLOATS + row * a->heads * FM_TILE_SCORES;
}

/* Positions of the block that row t sees; not above 0: none. */
static inline int64_t count_of(const fm_attention *a, int64_t block, int64_t t) {
    return smaller(FM_ATTENTION_BLOCK, a->position + t + 1 - block);
}

/* The first row that sees position p. */
static inline int64_t row_seeing(const fm_attention *a, int64_t p) {
    return between(0, p - a->position, a->rows);
}

/* attention_pairs.c: fm_attention_begin and fm_attention_block. */
void fm_attention_pack_queries(const fm_attention *a, int64_t row);
void fm_attention_block_of_pairs(const fm_attention *a, int64_t block, const fm_attention_sums *out);

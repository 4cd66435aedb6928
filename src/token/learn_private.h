/* learn_private.h: what the files learn*.c share. */
#pragma once

#include "base/buffer.h"
#include "token/learn.h"

/* Pieces are counted in stretches of at most this: no token reaches over a seam. */
enum { FM_LEARN_PIECE_MAX = 1024 };

/* ---- counting ------------------------------------------------------------------------------------*/

typedef struct fm_learn_word {
    uint64_t hash, count, at; /* at: its place among the bytes */
    uint32_t size;
} fm_learn_word;

/* A table of distinct words and how often each occurred. A zeroed one is ready. */
typedef struct fm_learn_counts {
    uint32_t *slots; /* open addressing: number of a word + 1, or 0 */
    size_t mask;
    fm_buffer words; /* fm_learn_word */
    fm_buffer bytes;
    uint64_t total;
} fm_learn_counts;

/* Adds to a word's count and gives its number, in the order of first occurrence; -1: no memory. */
int64_t fm_learn_count(fm_learn_counts *c, const char *word, size_t size, uint64_t times);
void fm_learn_counts_clear(fm_learn_counts *c);

static inline size_t fm_learn_n_words(const fm_learn_counts *c) {
    return c->words.size / sizeof(fm_learn_word);
}
static inline const fm_learn_word *fm_learn_words(const fm_learn_counts *c) {
    return (const fm_learn_word *)(const void *)c->words.data;
}

/* ---- merging -------------------------------------------------------------------------------------*/

typedef struct fm_learn_token {
    size_t at; /* its place among the bytes of `pieces` */
    uint32_t size;
} fm_learn_token;

typedef struct fm_learn_merge {
    fm_token left, right;
} fm_learn_merge;

/* Ids in order: special tokens, the 256 bytes in the order of their characters, results of merges. */
typedef struct fm_learn_vocab {
    fm_buffer pieces; /* bytes of all tokens */
    fm_buffer tokens; /* fm_learn_token */
    fm_buffer merges; /* fm_learn_merge */
    fm_token of_byte[256];
    int64_t n_special;
} fm_learn_vocab;

static inline int64_t fm_learn_n_tokens(const fm_learn_vocab *v) {
    return (int64_t)(v->tokens.size / sizeof(fm_learn_token));
}
static inline const fm_learn_token *fm_learn_tokens(const fm_learn_vocab *v) {
    return (const fm_learn_token *)(const void *)v->tokens.data;
}

/* Special tokens and bytes. */
fm_status fm_learn_vocab_begin(fm_learn_vocab *v, fm_error *err);
void fm_learn_vocab_clear(fm_learn_vocab *v);
/* Adds merges until there are options.vocabulary tokens or no pair is frequent enough. */
fm_status fm_learn_merge_all(const fm_learn_options *o, const fm_learn_counts *counts, fm_learn_vocab *v,
                             fm_error *err);

/* ---- writing -------------------------------------------------------------------------------------*/

typedef struct fm_learn_special {
    const char *text;
    bool special; /* hidden when text is decoded for people */
} fm_learn_special;
/* By id; the text is NULL past the last. */
fm_learn_special fm_learn_special_at(int64_t id);

fm_status fm_learn_write(const fm_learn_options *o, const fm_learn_vocab *v, fm_learn_chat chat, fm_buffer *json,
                         fm_buffer *config, fm_error *err);

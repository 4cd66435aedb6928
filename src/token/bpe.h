/* bpe.h: from the bytes of one piece of text to token ids, by merging.
 *
 * Starting from single bytes, the adjacent pair with the lowest rank (leftmost first) becomes one
 * token, until no pair has a rank. Sennrich et al. 2016 over bytes, as GPT-2 does it. */
#pragma once

#include "token/vocab.h"

typedef struct fm_merge {
    uint32_t rank; /* FM_NO_RANK: there is no such merge */
    fm_token result;
} fm_merge;

#define FM_NO_RANK UINT32_MAX

/* The piece that a character's bytes become, and in the bits above the level of the last merge on the way. A
 * level is a rank with three digits behind the first, and FM_NO_LEVEL is above all. */
typedef int32_t fm_char_piece;
enum { FM_CHAR_PIECE_BITS = 22, FM_NO_LEVEL = 255 };
_Static_assert(FM_VOCAB_MAX <= 1 << FM_CHAR_PIECE_BITS, "an id leaves room for a level");

typedef struct fm_bpe {
    const fm_vocab *vocab;
    /* Open addressing over pairs of ids, left << 32 | right, UINT64_MAX: free; and beside it what
     * becomes of them, since most pairs that are looked up are not there. */
    uint64_t *pairs;
    fm_merge *merges;
    size_t mask;
    fm_merge *bytes; /* of every two bytes, [left << 8 | right]: where all merging begins */
    fm_char_piece *chars; /* of every code point up to U+FFFF; -1: bytes must be merged, see bpe_chars.c */
    uint8_t *seams;       /* [last byte << 8 | first byte]: level from which on a piece may reach over it into a part
                             of a character */
    bool ignore_merges; /* a whole piece of the vocabulary is taken before any merging */
    bool skip_unmade;   /* merges whose result is no piece are passed over, not refused */
    /* Per id: does merging its own bytes give just this id? 0 not known yet, 1 yes, 2 no. Threads
     * that find out at the same time write the same answer. */
    _Atomic uint8_t *whole;
} fm_bpe;

/* For at most n_merges merges, which fm_bpe_add_merge then gives in order of rank. After a failure
 * `out` must still be cleared. */
fm_status fm_bpe_init(fm_bpe *out, const fm_vocab *vocab, size_t n_merges, bool ignore_merges,
                      fm_error *err);
/* Both sides and their concatenation must be pieces of the vocabulary: FM_ERR_FORMAT (but see
 * skip_unmade for the concatenation). The sides are in the byte alphabet. Of two equal pairs the
 * later rank counts, as in Hugging Face's engine. Pairs that collide are FM_ERR_FORMAT. */
fm_status fm_bpe_add_merge(fm_bpe *bpe, uint32_t rank, const char *left, size_t left_size,
                           const char *right, size_t right_size, fm_error *err);
/* After the last merge. */
fm_status fm_bpe_finish(fm_bpe *bpe, fm_error *err);
void fm_bpe_clear(fm_bpe *bpe);

static inline uint64_t fm_bpe_pair(fm_token left, fm_token right) {
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static inline size_t fm_bpe_slot(const fm_bpe *bpe, uint64_t pair) {
    return (size_t)(pair * 0x9e3779b97f4a7c15u >> 24) & bpe->mask;
}

/* What a pair becomes. */
static inline fm_merge fm_bpe_find(const fm_bpe *bpe, fm_token left, fm_token right) {
    uint64_t pair = fm_bpe_pair(left, right);
    size_t i = fm_bpe_slot(bpe, pair);
    while (bpe->pairs[i] != pair && bpe->pairs[i] != UINT64_MAX) i = (i + 1) & bpe->mask;
    return bpe->pairs[i] == pair ? bpe->merges[i] : (fm_merge){FM_NO_RANK, -1};
}

/* For every merge that is added: the bytes of its sides (bpe_chars.c). */
void fm_bpe_note_seam(fm_bpe *bpe, uint32_t rank, const char *left, size_t left_size, const char *right,
                      size_t right_size);

static inline bool fm_bpe_continues(unsigned char byte) { return (byte & 0xC0) == 0x80; }

/* The piece that the character of two or three bytes at the start of s[0..size) becomes before all else, and
 * how many those are; -1: that is not certain. `before` is the byte in front of it, or -1. */
static inline fm_token fm_bpe_char(const fm_bpe *bpe, int before, const unsigned char *s, size_t size,
                                   size_t *length) {
    uint32_t c;
    if (s[0] < 0xC2 || s[0] >= 0xF0 || size < 2 || !fm_bpe_continues(s[1])) return -1;
    if (s[0] < 0xE0) {
        *length = 2;
        c = (s[0] & 0x1Fu) << 6 | (s[1] & 0x3Fu);
    } else {
        if (size < 3 || !fm_bpe_continues(s[2])) return -1;
        *length = 3;
        c = (s[0] & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
    }
    fm_char_piece found = bpe->chars[c];
    if (found < 0) return -1;
    int level = found >> FM_CHAR_PIECE_BITS;
    if (before >= 0 && bpe->seams[before << 8 | s[0]] <= level) return -1;
    const unsigned char *end = s + *length;
    if (size > *length && (fm_bpe_continues(*end) || bpe->seams[end[-1] << 8 | *end] <= level)) return -1;
    return found & ((1 << FM_CHAR_PIECE_BITS) - 1);
}

/* One call's working memory: ready when zero but for `unknown`. */
typedef struct fm_bpe_scratch {
    fm_token unknown; /* what a byte without a piece becomes; -1: it is dropped */
    struct fm_bpe_memo *memo; /* pieces met before in one long text */
    void *symbols;
    size_t capacity;
} fm_bpe_scratch;

/* Remembering pays in long texts only; without memory for it, nothing is remembered. */
void fm_bpe_scratch_remember(fm_bpe_scratch *scratch);
void fm_bpe_scratch_clear(fm_bpe_scratch *scratch);

/* Appends the ids of a piece of at least one byte; one of 2 GiB and more is FM_ERR_LIMIT. */
fm_status fm_bpe_encode(const fm_bpe *bpe, const char *piece, size_t size, fm_bpe_scratch *scratch,
                        fm_buffer *out, fm_error *err);

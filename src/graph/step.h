/* step.h: what one run of a plan computes: rows of several sequences side by side.
 *
 * A step holds segments: a piece of one sequence (a chunk of a prompt, or one decoding row), its
 * first position, and where that sequence's keys and values lie. Rows of a segment are consecutive.
 * No row of a step can see a row of another sequence, and none can change another's bits. */
#pragma once

#include "base/status.h"

/* Attention walks a sequence in blocks of this many positions, counted from 0; pages of the cache
 * divide it. The block is part of the arithmetic: it fixes the order of every sum. */
enum { FM_ATTENTION_BLOCK = 256 };

/* Fewest elements to a scale of an INT8 cache: what a vector of the kernels holds. */
enum { FM_KV_LEAST_BLOCK = 8 };

/* What the cache keeps of a number; rows are always read as rounded to it.
 *
 *   F32, BF16:  | width elements                               | padding             |
 *   INT8:       | width codes | width / block float32 scales   | padding             |
 *
 * INT8 is for long contexts: a block's largest magnitude is code 127, kernel.h int8_from_float. The
 * scales are float32: V3's activations overflow half precision. */
typedef enum fm_kv_type { FM_KV_F32, FM_KV_INT8, FM_KV_BF16 } fm_kv_type;

/* How the cache lays out a position: the same for all sequences of a model. A page holds the rows of
 * page_positions positions, layer by layer, and then its tail: what a sequence that begins behind the
 * page must know beside the rows (the state after its last position, where an MTP module reads it). */
typedef struct fm_kv_shape {
    fm_kv_type type;
    int64_t block;          /* INT8: elements of a scale; divides whatever is written or read alone */
    int64_t page_positions; /* a power of two, at most FM_ATTENTION_BLOCK */
    int64_t n_layers;
    int64_t width;          /* elements of one position of one layer */
    size_t row_bytes;       /* of one position of one layer, see fm_kv_type */
    size_t tail_bytes;      /* of a page's tail; 0: none */
    size_t page_bytes;      /* n_layers * page_positions * row_bytes + tail_bytes */
    int64_t shift;          /* the row of position p lies in slot p + shift: 1 for an MTP module, whose
                               row p needs token p + 1, so that a page is a matter of its tokens */
} fm_kv_shape;

/* Bytes of a row that mean something, and with the padding: to whole lines, and one line more where rows would
 * be so far apart that those of a few positions fall on the same sets of a processor's caches. */
static inline size_t fm_kv_row_used(fm_kv_type type, int64_t width, int64_t block) {
    size_t n = (size_t)width;
    return type == FM_KV_F32 ? n * 4 : type == FM_KV_BF16 ? n * 2 : n + n / (size_t)block * 4;
}
static inline size_t fm_kv_row_bytes(fm_kv_type type, int64_t width, int64_t block) {
    size_t lines = (fm_kv_row_used(type, width, block) + 63) / 64;
    return (lines % 32 == 0 ? lines + 1 : lines) * 64;
}

/* Row of (layer, position) in the page that holds it. */
static inline void *fm_kv_row(const fm_kv_shape *s, void *const *pages, int64_t layer,
                              int64_t position) {
    int64_t slot = position + s->shift;
    char *page = pages[slot / s->page_positions];
    return page + ((size_t)layer * (size_t)s->page_positions +
                   (size_t)(slot % s->page_positions)) * s->row_bytes;
}
/* Positions from this one on whose rows lie in its page. */
static inline int64_t fm_kv_run(const fm_kv_shape *s, int64_t position) {
    return s->page_positions - (position + s->shift) % s->page_positions;
}
static inline void *fm_kv_tail(const fm_kv_shape *s, void *page) {
    return (char *)page + (s->page_bytes - s->tail_bytes);
}

/* Keys and values that fast arithmetic has made of a sequence's latents (op/mla_unfold.h), kept while a prompt
 * is read, so that not every piece of it makes them again. What lies in a block is the op's affair; all zeros:
 * nothing is kept. Nobody's bits depend on it. */
typedef struct fm_unfolded {
    void *const *blocks;  /* of FM_ATTENTION_BLOCK positions from 0 on: a part of layer_bytes for each layer */
    int64_t count;        /* blocks */
    int64_t done;         /* positions that are there; the step adds its own, as far as there are blocks */
    size_t layer_bytes;
} fm_unfolded;

typedef struct fm_segment {
    int64_t row;         /* first row of the step */
    int64_t count;       /* rows */
    int64_t position;    /* of the first row in its sequence */
    void *const *pages;  /* of the sequence; cover slots [0, position + count + shift) */
    int64_t fast_from, fast_to; /* positions whose rows a plan in fast arithmetic computes from
                                   materialised keys and values: whole blocks, or none */
    fm_unfolded unfolded;
} fm_segment;

static inline bool fm_segment_is_fast(const fm_segment *s, int64_t position) {
    return position >= s->fast_from && position < s->fast_to;
}

/* Predictions of a row that a lesson may have: the next token, and one for each MTP module. */
enum { FM_DEPTHS = 4 };

/* What a teacher expects behind each row: its likeliest tokens, and their shares at a temperature T, of
 * softmax(logits / T). A share of all other tokens together closes each row. */
typedef struct fm_teaching {
    int64_t top;          /* tokens that are told apart; fewer than the vocabulary has */
    const int32_t *ids;   /* [n_rows][top], each once */
    const float *shares;  /* [n_rows][top + 1]: of the ids, then of all others */
    double temperature;
    double weight;        /* of the divergence; that of cross entropy is 1 - weight */
} fm_teaching;

/* What a step's rows are to learn. A row predicts the token that follows it (depth 0) and, through MTP
 * module d, the one d places further on. Weights hold everything that makes a sum of -log p a loss: the
 * mask, 1 / tokens of the whole optimiser step (so that no cut into steps changes a gradient) and, for
 * MTP, lambda / D. A row that has no such token, or may not see it, has -1 and weight 0. */
typedef struct fm_lesson {
    const int32_t *ahead[FM_DEPTHS]; /* [d][n_rows] the token d + 1 places behind each row's own */
    const float *weights[FM_DEPTHS]; /* [d][n_rows] of -log p of ahead[d]; NULL: nothing is learnt at d */
    /* Balance of experts over a segment, times f P (DeepSeek-V3, eq. 17-20; V2, eq. 12-17): alpha / segments
     * of the whole optimiser step. 0: none. */
    double sequence_balance, device_balance, communication_balance;
    int64_t devices, device_limit;   /* of the last two: groups of experts, and how many a token may reach */
    const fm_teaching *teaching;     /* for fm_distil; NULL elsewhere */
} fm_lesson;

typedef struct fm_step {
    int64_t n_rows;
    const int32_t *ids;             /* [n_rows] tokens, inside the vocabulary */
    int n_segments;
    const fm_segment *segments;     /* in order of row, covering all rows */
    int64_t n_outputs;
    const int32_t *output_rows;     /* rows whose logits are wanted, ascending */
    const fm_kv_shape *kv;
    const float *hidden;            /* MTP plans: [n_rows, D] of the main model; NULL otherwise */
    const fm_lesson *lesson;        /* learning plans, and weights of depth 0 for fm_likeliest; NULL otherwise */
} fm_step;

/* The segment that row t belongs to; t < n_rows. */
static inline const fm_segment *fm_step_segment(const fm_step *step, int64_t t) {
    const fm_segment *s = step->segments;
    while (t >= s->row + s->count) s++;
    return s;
}

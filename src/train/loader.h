/* loader.h: what the trainer learns from, step by step, out of a dataset.
 *
 * The stream is a function of the dataset and the options. It goes in windows:
 *
 *   draw      the source that is furthest behind its weight gives its next document: a permutation of its
 *             documents per epoch, keyed by (seed, source, epoch). Some are put in the order of fill-in-the-
 *             middle first (Bavarian et al. 2022; DeepSeek-V3 section 4.1: whole documents, prefix, suffix,
 *             middle, rate 0.1)
 *   cut       a document longer than the context becomes pieces: full ones, each a row, and a rest
 *   pack      the rests into rows (packing.h): no token is left out, and rows differ in length a little
 *   shuffle   the rows of the window
 *
 * A step is the next `rows` rows. A micro-batch is a view of some of them, so the split changes nothing.
 * Where the stream stands is a small struct of counters; putting it back continues with the very bits. */
#pragma once

#include "train/dataset.h"

enum { FM_LOADER_DEPTHS = 8 }; /* most tokens ahead of a row that can be targets */

typedef struct fm_loader_options {
    fm_portion portion;
    int64_t context; /* most tokens of a row, at least 2 */
    int64_t rows;    /* rows of a step, at least 1 */
    int ahead;       /* targets: 1, and one more per MTP module; at most FM_LOADER_DEPTHS */
    /* true: every document is a segment of its own, its positions from 0, and nothing is learnt across
     * its ends (SFT). false: a row is one segment, and the last token of a document has the first of the
     * next one as its target, as in DeepSeek-V3's pre-training. */
    bool isolate;
    double fim_rate; /* share of documents put as fill-in-the-middle; those with a mask never are */
    uint64_t seed;
    int64_t epochs;  /* of every source, then the stream ends; 0: it never does */
    int64_t window;  /* least tokens that are packed together; 0: an epoch, 8,388,608 at most, 64 rows at least */
} fm_loader_options;

typedef struct fm_loader fm_loader;

/* The dataset is borrowed and must stay open. FM_ERR_ARGUMENT for options that make no sense, and where
 * the portion has no document. */
fm_status fm_loader_new(const fm_dataset *dataset, const fm_loader_options *options, fm_loader **out,
                        fm_error *err);
void fm_loader_free(fm_loader *loader); /* NULL is fine */

/* Rows of a batch that see each other: consecutive ones, positions counted from 0. */
typedef struct fm_loader_segment {
    int64_t row, count;
} fm_loader_segment;

/* Arrays have an element per token ("row" of a step in the sense of graph/step.h). */
typedef struct fm_batch {
    int64_t n_rows; /* tokens */
    const int32_t *ids;
    /* ahead[k] is the token k + 1 places further on in the text, -1 where the text ends: what MTP module
     * k + 1 reads. targets[k] is the same where it is to be learnt, else -1. k < options.ahead. */
    const int32_t *ahead[FM_LOADER_DEPTHS];
    const int32_t *targets[FM_LOADER_DEPTHS];
    const fm_loader_segment *segments; /* in order of row, covering all rows */
    int64_t n_segments;
} fm_batch;

/* What fm_loader_next has made ready. */
typedef struct fm_loader_step {
    int64_t step;    /* counted from 0 */
    int64_t n_rows;  /* packed rows: options.rows, fewer only at the end, 0: the stream is over */
    int64_t tokens;  /* in all of them */
    int64_t learnt[FM_LOADER_DEPTHS]; /* targets of the whole step, by depth: what weights are divided by */
} fm_loader_step;

/* Makes the next step ready. FM_ERR_FORMAT where a shard turns out to be damaged; after an error only
 * fm_loader_set_state and fm_loader_free are left. */
fm_status fm_loader_next(fm_loader *loader, fm_loader_step *out, fm_error *err);

/* `count` packed rows of the present step from row `first` on: a view, good until the next call of this
 * function or of fm_loader_next. */
void fm_loader_view(fm_loader *loader, int64_t first, int64_t count, fm_batch *out);
/* Tokens of packed rows [first, first + count): at most count * context. */
int64_t fm_loader_tokens(const fm_loader *loader, int64_t first, int64_t count);

/* ---- where the stream stands ---------------------------------------------------------------------*/

typedef struct fm_loader_source_state {
    uint64_t documents; /* drawn, over all epochs */
    uint64_t tokens;
} fm_loader_source_state;

/* Between two steps. */
typedef struct fm_loader_state {
    uint64_t stream; /* fingerprint of the dataset and of the options that shape the stream */
    int64_t steps;   /* made ready so far */
    int64_t window;  /* windows begun */
    int64_t taken;   /* rows of the last one that were used */
    int64_t n_sources;
    fm_loader_source_state sources[FM_SOURCES_MAX]; /* before that window */
} fm_loader_state;

void fm_loader_get_state(const fm_loader *loader, fm_loader_state *out);
/* The next fm_loader_next continues from there. A state of another stream, and one that contradicts
 * itself, is FM_ERR_ARGUMENT, and the loader stays as it was. */
fm_status fm_loader_set_state(fm_loader *loader, const fm_loader_state *state, fm_error *err);

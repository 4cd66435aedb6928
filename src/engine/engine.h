/* engine.h: a loaded model with a plan to run it, and many sequences that grow token by token.
 *
 * A sequence is one timeline: tokens that have been computed, tokens that wait, and pages of keys and
 * values. A step takes waiting rows from several sequences at once, prompts in chunks and decoding
 * rows one by one; in exact arithmetic the bits of a row are those of its sequence alone, whatever
 * else is in the step, whatever the chunks, threads or shared pages. Between steps anything may
 * happen to a sequence: more tokens, truncation, a fork, its end.
 *
 * A model that was bound with its MTP module has it run beside, so that it can draft: fm_engine_draft.
 *
 * An engine runs one step at a time; calls of several threads take turns, or go together where
 * fm_sequence_compute says so. A sequence belongs to one thread at a time. */
#pragma once

#include "base/pool.h"
#include "engine/cache.h"
#include "kernel/kernel.h"
#include "model/model.h"

typedef struct fm_engine fm_engine;
typedef struct fm_sequence fm_sequence;

/* Most tokens that are guessed ahead of one that is certain. */
enum { FM_DRAFT_MAX = 15 };

typedef struct fm_engine_options {
    int64_t rows;         /* of the largest step: the size of a prefill chunk */
    int64_t sequences;    /* most sequences in one step; 0: 16 */
    int64_t outputs;      /* most rows with logits in one step; 0: as many as sequences */
    int64_t context;      /* positions a sequence may have */
    fm_kv_type cache;
    fm_activations activations; /* what products multiply the weights with */
    uint64_t cache_limit; /* bytes of pages in all; 0: none */
    uint64_t unfold_limit; /* bytes that fast arithmetic may take, while prompts are read, for keys and values made
                              of latents (fm_engine_unfold_bytes); 0: none, they are made again for every piece */
    bool share_prefixes;  /* keep full pages for prompts that begin alike */
    const fm_kernels *kernels;
    fm_pool *pool;        /* borrowed */
} fm_engine_options;

/* Records and places the plan; takes no memory for it yet. The model may still be unloaded: what
 * the engine will need is known from its shapes. */
fm_status fm_engine_new(const fm_model *model, const fm_engine_options *options, fm_engine **out,
                        fm_error *err);
/* Every sequence must have been freed. */
void fm_engine_free(fm_engine *engine);
/* Takes the plan's memory. The model must be loaded by now. */
fm_status fm_engine_start(fm_engine *engine, fm_error *err);

/* How many positions a sequence may have: settled once it is known what fits. */
void fm_engine_set_context(fm_engine *engine, int64_t context);
/* Bytes of pages in all, 0: no limit. */
void fm_engine_set_cache_limit(fm_engine *engine, uint64_t bytes);
size_t fm_engine_plan_bytes(const fm_engine *engine);
const fm_kv_shape *fm_engine_kv(const fm_engine *engine);
/* What keys and values made of latents take for a prompt of so many positions, while it is read in fast
 * arithmetic; 0 where none are made, or none are kept: exact arithmetic, other attention, an F32 cache. */
uint64_t fm_engine_unfold_bytes(const fm_engine *engine, int64_t positions);
void fm_engine_set_unfold_limit(fm_engine *engine, uint64_t bytes);
/* The plan, for whoever times it between steps (fm_plan_profile). */
fm_plan *fm_engine_plan(fm_engine *engine);
const fm_engine_options *fm_engine_options_of(const fm_engine *engine);
/* Bytes of cache for a sequence of this many positions, with what its pages cost beside their rows. */
uint64_t fm_engine_cache_bytes(const fm_engine *engine, int64_t positions);
fm_cache_stats fm_engine_cache_statistics(fm_engine *engine);
bool fm_engine_has_mtp(const fm_engine *engine);

/* Smoothed over the steps so far; 0 where there was none. */
typedef struct fm_engine_speed {
    double row; /* seconds for a row of a step with many */
    double step[2 + FM_DRAFT_MAX]; /* seconds for a step of so many rows */
} fm_engine_speed;
fm_engine_speed fm_engine_speed_of(fm_engine *engine);

/* What a step did. */
typedef struct fm_step_report {
    int64_t rows, sequences; /* computed, and of how many */
    double seconds;
} fm_step_report;

/* One step over the waiting tokens of these sequences (each at most once; all of this engine).
 * Sequences with few waiting tokens come first, then the others' prompts in the order given, as
 * far as rows, and time, go: while somebody decodes, prompts get what fits in a quarter of a second
 * by the speed measured so far (but whole blocks of positions where a piece must unfold again what was
 * before it, see unfold_limit). `report` may be NULL. When the cache is full, pages that only the
 * tree of prefixes holds are given up first; FM_ERR_MEMORY then leaves every sequence as it was. */
fm_status fm_engine_step(fm_engine *engine, fm_sequence *const *sequences, int64_t n,
                         fm_step_report *report, fm_error *err);

fm_status fm_sequence_new(fm_engine *engine, fm_sequence **out, fm_error *err);
void fm_sequence_free(fm_sequence *s);
/* A second sequence with the same past, sharing its pages. Waiting tokens are not taken along. */
fm_status fm_sequence_fork(const fm_sequence *s, fm_sequence **out, fm_error *err);

/* Queues n > 0 tokens. Ids outside the vocabulary and sequences past the context are refused, and
 * nothing is queued. Pages of an earlier sequence that began alike are taken over here. */
fm_status fm_sequence_queue(fm_sequence *s, const int32_t *ids, int64_t n, fm_error *err);
/* The same, and every one of the n tokens gets logits, not only the last: drafts that are checked, text
 * that is scored. They take n * (V + D) floats in the sequence, and as many steps as the engine's
 * `outputs` need. */
fm_status fm_sequence_queue_scored(fm_sequence *s, const int32_t *ids, int64_t n, fm_error *err);
/* Forgets tokens that wait: a prompt is given up between steps. (After fm_sequence_truncate one may
 * go on waiting, see there.) */
void fm_sequence_cancel(fm_sequence *s);
int64_t fm_sequence_waiting(const fm_sequence *s);
/* Forgets all but the first n tokens, and what waits. The logits are gone until the next step. With an
 * MTP module the n-th token may wait again: the module's next row needs the state after it. */
void fm_sequence_truncate(fm_sequence *s, int64_t n);
/* Of the tokens queued together last, all computed by now, keeps the first `rows` that got logits, and
 * goes back to right behind them: a draft was right so far. Logits stay. 0 < rows <= fm_sequence_rows. */
void fm_sequence_keep_rows(fm_sequence *s, int64_t rows);

/* Steps until none of the sequence's tokens waits. Threads that do this at the same time share their
 * steps. `progress` (may be NULL) is called between steps; returning false stops with
 * FM_ERR_CANCELLED. On failure the sequence keeps the tokens that were computed and none waits. */
typedef bool (*fm_extend_progress)(void *context, int64_t done, int64_t total);
fm_status fm_sequence_compute(fm_sequence *s, fm_extend_progress progress, void *context, fm_error *err);
/* Queues n tokens and computes. */
fm_status fm_sequence_extend(fm_sequence *s, const int32_t *ids, int64_t n,
                             fm_extend_progress progress, void *context, fm_error *err);

const int32_t *fm_sequence_tokens(const fm_sequence *s, int64_t *n); /* computed ones */
const float *fm_sequence_logits(const fm_sequence *s); /* [V], after the last token; NULL while tokens
                                                          wait or before the first */
/* Rows of logits that are there: of the tokens queued together last, all or, if they were not queued as
 * scored, the last; 0 while tokens wait. Row `rows - 1` is fm_sequence_logits. */
int64_t fm_sequence_rows(const fm_sequence *s);
const float *fm_sequence_row_logits(const fm_sequence *s, int64_t row);
const float *fm_sequence_hidden(const fm_sequence *s); /* [D], after the final norm */
/* Tokens of this sequence's prompt that were found in the cache rather than computed. */
int64_t fm_sequence_shared(const fm_sequence *s);

/* ---- guessing ahead ------------------------------------------------------------------------------*/

/* What the MTP module thinks comes next. `draw` picks from its logits for the token `ahead` places
 * behind ids[0]; whoever drew ids[0] draws the same way here, so that right guesses are likely. */
typedef struct fm_draft {
    fm_sequence *sequence; /* waits for nothing */
    int64_t want;          /* tokens, at most FM_DRAFT_MAX; less or 0 where there is no room */
    int32_t ids[1 + FM_DRAFT_MAX]; /* ids[0]: the token that is certain, not queued yet; then the guesses */
    int32_t (*draw)(void *context, const float *logits, int64_t ahead);
    void *context;
} fm_draft;

/* Fills `ids` of n drafts, at most the engine's `sequences`, each of another sequence. The sequences
 * do not notice. Only with fm_engine_has_mtp. */
fm_status fm_engine_draft(fm_engine *engine, fm_draft *drafts, int64_t n, fm_error *err);

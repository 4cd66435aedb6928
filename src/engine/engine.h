/* engine.h: a loaded model with a plan to run it, and many sequences that grow token by token.
 *
 * A sequence is one timeline: tokens that have been computed, tokens that wait, and pages of keys and
 * values. A step takes waiting rows from several sequences at once, prompts in chunks and decoding
 * rows one by one; in exact arithmetic the bits of a row are those of its sequence alone, whatever
 * else is in the step, whatever the chunks, threads or shared pages. Between steps anything may
 * happen to a sequence: more tokens, truncation, a fork, its end.
 *
 * An engine runs one step at a time; calls of several threads take turns behind its lock. A sequence
 * belongs to one thread at a time. */
#pragma once

#include "base/pool.h"
#include "engine/cache.h"
#include "kernel/kernel.h"
#include "model/model.h"

typedef struct fm_engine fm_engine;
typedef struct fm_sequence fm_sequence;

typedef struct fm_engine_options {
    int64_t rows;         /* of the largest step: the size of a prefill chunk */
    int64_t sequences;    /* most sequences in one step; 0: 16 */
    int64_t context;      /* positions a sequence may have */
    fm_kv_type cache;
    uint64_t cache_limit; /* bytes of pages in all; 0: none */
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
size_t fm_engine_plan_bytes(const fm_engine *engine);
const fm_kv_shape *fm_engine_kv(const fm_engine *engine);
const fm_engine_options *fm_engine_options_of(const fm_engine *engine);
/* Bytes of cache for a sequence of this many positions. */
uint64_t fm_engine_cache_bytes(const fm_engine *engine, int64_t positions);
fm_cache_stats fm_engine_cache_statistics(const fm_engine *engine);

/* What a step did. */
typedef struct fm_step_report {
    int64_t rows, sequences; /* computed, and of how many */
    double seconds;
} fm_step_report;

/* One step over the waiting tokens of these sequences (each at most once; all of this engine).
 * Sequences with a single waiting token come first, then the others' prompts in the order given, as
 * far as rows, and time, go: while somebody decodes, prompts get what fits in a quarter of a second
 * by the speed measured so far. `report` may be NULL. When the cache is full, pages that only the
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
/* Forgets tokens that wait: a prompt is given up between steps. */
void fm_sequence_cancel(fm_sequence *s);
int64_t fm_sequence_waiting(const fm_sequence *s);
/* Forgets all but the first n tokens, and what waits. The logits are gone until the next step. */
void fm_sequence_truncate(fm_sequence *s, int64_t n);

/* Queues n tokens and steps with this sequence alone until none waits. `progress` (may be NULL) is
 * called between chunks; returning false stops with FM_ERR_CANCELLED. On failure the sequence keeps
 * the tokens that were computed and none waits. */
typedef bool (*fm_extend_progress)(void *context, int64_t done, int64_t total);
fm_status fm_sequence_extend(fm_sequence *s, const int32_t *ids, int64_t n,
                             fm_extend_progress progress, void *context, fm_error *err);

const int32_t *fm_sequence_tokens(const fm_sequence *s, int64_t *n); /* computed ones */
const float *fm_sequence_logits(const fm_sequence *s); /* [V], after the last token; NULL while tokens
                                                          wait or before the first */
const float *fm_sequence_hidden(const fm_sequence *s); /* [D], after the final norm */
/* Tokens of this sequence's prompt that were found in the cache rather than computed. */
int64_t fm_sequence_shared(const fm_sequence *s);

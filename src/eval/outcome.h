/* outcome.h: the lines of a file of results: one that says how, then one for every question.
 *
 *   {"fathom_eval": 2, "model": ..., "fingerprint": ..., "temperature": 0.6, ...}
 *   {"line": 3, "id": "aime-7", "hash": "...", "expected": "72", "share": 0.5, "samples": [
 *       {"answer": "72", "correct": true, "formed": true, "stop": "end", "tokens": 812, "seconds": 20.1,
 *        "thinking": "...", "text": "..."}, ...]}                                   on one line
 *
 * "correct" is null where it was not decided, "share" where that is so of all samples.
 *
 * A question's line is written once, when all of its samples are there, so a line that can be read is a
 * question that is done. */
#pragma once

#include "base/buffer.h"
#include "eval/items.h"
#include "eval/tally.h"

/* Everything that an answer depends on; two runs with the same may be joined. */
typedef struct fm_outcome_setup {
    const char *model;        /* its name: said, not compared */
    const char *grader;       /* its rules */
    const char *architecture, *arith, *cache, *activations, *style, *system, *instruction; /* NULL: none */
    uint64_t fingerprint;     /* of the weights: logits of a fixed prompt; of an address and a name */
    int64_t samples, max_tokens, thinking_budget, context;
    double temperature, top_p, min_p;
    double repetition_penalty, presence_penalty, frequency_penalty;
    int64_t top_k;
    uint64_t seed;
    bool raw, thinking;
} fm_outcome_setup;

/* A sample with what it said. */
typedef struct fm_outcome_sample {
    fm_eval_sample judged;
    fm_span text, thinking;
} fm_outcome_sample;

/* Both append a line without its newline. */
void fm_outcome_put_setup(fm_buffer *out, const fm_outcome_setup *setup);
void fm_outcome_put(fm_buffer *out, const fm_eval_item *item, const fm_outcome_sample *samples,
                    int64_t n);

/* Refuses a first line that is not fm_outcome_put_setup's of the same setup, and names what differs. */
fm_status fm_outcome_check(const char *line, size_t size, const fm_outcome_setup *setup,
                           const char *path, fm_error *err);

typedef struct fm_outcome {
    int64_t line;
    uint64_t hash;
    fm_eval_sample *samples;
    int64_t n;
} fm_outcome;

/* Reads a question's line; answers and samples are copied into the arena. `number` (of the line in its
 * file) and `path` stand in errors. */
fm_status fm_outcome_read(const char *line, size_t size, const char *path, size_t number,
                          fm_arena *arena, fm_outcome *out, fm_error *err);

/* bench.h: how fast an engine prefills and decodes.
 *
 * A test computes `tokens` tokens of a sequence that already has `depth` of them. Ids are drawn by
 * (seed, sequence, position), so every repetition computes the same tokens; before each, what the last
 * one added is forgotten. One repetition goes before those that count. The clock runs inside steps
 * alone: choosing ids, hashing and progress are outside it. */
#pragma once

#include "engine/engine.h"

typedef struct fm_bench_options {
    const int64_t *prompt, *generate, *depth; /* lengths; zeros among the first two are left out */
    size_t n_prompt, n_generate, n_depth;     /* no depth: 0 alone */
    int64_t sequences;  /* that decode side by side; prefill is of one */
    int repeat;
    uint64_t seed;
    int64_t vocabulary; /* ids are drawn below it */
    bool profile;       /* time every op: a little slower */
    /* Called between steps with the test and how far everything is. Returning false stops with
     * FM_ERR_CANCELLED. May be NULL. */
    bool (*progress)(void *context, const char *test, double fraction);
    void *context;
} fm_bench_options;

enum { FM_BENCH_LINES = 64 };

typedef struct fm_bench_result {
    char name[64];        /* "pp512@d0", "tg32@d4096", "tg32x8@d0" for eight sequences */
    bool decode;
    int64_t tokens, depth, sequences;
    double median, low, high;  /* tokens a second, of all sequences together */
    double seconds;            /* of the median repetition */
    double depth_seconds;      /* that the depth's tokens took, once for all tests after them */
    double weight_bytes, cache_bytes; /* decode: read by a step on average (traffic.h) */
    double flops;              /* prefill: of a repetition */
    uint64_t hash;             /* of the last logits of every sequence */
    fm_profile_line profile[FM_BENCH_LINES]; /* of all repetitions that count, longest first */
    size_t profile_lines;
} fm_bench_result;

/* Positions that the deepest and longest test needs. */
int64_t fm_bench_positions(const fm_bench_options *options);

/* Runs all tests, depth by depth. The engine must have been started, must not share prefixes, and
 * nobody else may use it. *results (fm_free) holds *n of them. A repetition whose logits differ from the
 * first's is FM_ERR_FORMAT with both hashes: the same tokens must give the same bits. */
fm_status fm_bench_run(const fm_model *model, fm_engine *engine, const fm_bench_options *options,
                       fm_bench_result **results, size_t *n, fm_error *err);

/* run_history.h: a run's log (train/run_log.h writes it) as series of numbers and a few last facts. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/json.h"

/* What is drawn over steps: the log's key of "step" events, by its place here. */
typedef enum fm_history_line {
    FM_HISTORY_LOSS, FM_HISTORY_MTP, FM_HISTORY_RATE, FM_HISTORY_NORM, FM_HISTORY_SPEED, FM_HISTORY_PEAK,
    FM_HISTORY_LINES
} fm_history_line;

typedef struct fm_history_series {
    double *x, *y;
    size_t n, capacity;
} fm_history_series;

typedef struct fm_history_layer {
    int64_t layer;
    fm_history_series violation, entropy, dead;
    double *load; /* the last, each divided by what is even */
    size_t experts;
} fm_history_layer;

enum { FM_HISTORY_LAYERS = 1024 };

typedef struct fm_history_text {
    int64_t step;
    const char *first, *second; /* prompt and text of a sample; what a note says and NULL */
} fm_history_text;

typedef struct fm_history_texts {
    fm_history_text *at;
    size_t n, capacity;
} fm_history_texts;

typedef struct fm_history {
    fm_history_series line[FM_HISTORY_LINES], validation;
    fm_history_layer *layers;
    size_t n_layers;
    fm_history_texts samples, notes, skips, checkpoints;
    int64_t steps;             /* of the last step event */
    double tokens, seconds, flops, joules; /* up to the last step; joules negative: not read */
    double loss, peak_flops;
    fm_json *start, *profile, *end; /* events as they are; NULL: none */
    size_t lines, damaged;     /* lines read, and lines that are none of ours */
    fm_arena arena;
} fm_history;

/* Reads a log. Lines that are damaged are counted and passed over; one without any step or start event is
 * FM_ERR_FORMAT. */
fm_status fm_history_read(const char *text, size_t size, fm_history *out, fm_error *err);
void fm_history_clear(fm_history *history);

/* The mean of each point and those around it, `half` on either side. */
fm_status fm_history_smooth(const fm_history_series *s, size_t half, fm_history_series *out, fm_error *err);
void fm_history_series_clear(fm_history_series *s);

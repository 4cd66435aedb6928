/* sequence.h: the inside of engines and sequences, for the files of engine/ alone. */
#pragma once

#include "engine/engine.h"
#include "engine/prefix.h"

#include <pthread.h>

/* The step being put together. */
typedef struct fm_composition {
    int64_t rows, segments, outputs, decoding;
} fm_composition;

/* The module that predicts the token after the next, run beside the main model (mtp.c). */
typedef struct fm_mtp {
    fm_plan *plan;      /* NULL: none */
    fm_kv_shape kv;     /* the engine's, shifted by one */
    fm_value logits, final;
    float *hidden;      /* [rows, D] what the module reads beside the tokens */
    fm_segment *segments;
    int32_t *ids;
} fm_mtp;

struct fm_engine {
    const fm_model *model;
    fm_engine_options options;
    fm_kv_shape kv;
    fm_plan *plan;
    size_t plan_bytes;
    fm_value logits, final, states; /* the plan's kept values; states -1 without an MTP module */
    fm_mtp mtp;
    fm_cache *cache;
    fm_prefix *prefix;          /* NULL: prefixes are not shared */
    fm_cache *unfolded;         /* blocks of unfold.c; NULL: this engine unfolds nothing that could be kept */
    size_t unfold_layer;        /* bytes of a layer in such a block; 0: nothing is unfolded */
    fm_segment *segments;       /* [sequences] of the step being run */
    fm_sequence **runners;      /* [sequences] whose segments they are */
    int32_t *ids, *output_rows; /* [rows], [outputs] */
    fm_engine_speed speed;      /* as measured */

    /* One lock for all of the above but model and options. It is not held while a plan runs: then
     * `running` keeps others from starting a step, and the runners belong to the step. */
    pthread_mutex_t lock;
    pthread_cond_t free;        /* `running` became false */
    bool running;

    /* Threads that wait for their sequences to get on, in order of arrival (company.c). */
    fm_sequence *company;
    fm_sequence **gathered;     /* those of the step being run: room for all that live */
    int64_t living, gathered_capacity;
    int64_t expected;           /* how many of the last step have not come back yet */
    bool gathering;             /* somebody waits for them, to lead the next step */
};

struct fm_sequence {
    fm_engine *engine;
    int32_t *tokens;         /* computed ones, then those that wait */
    int64_t n, waiting, capacity;
    int64_t scored;          /* so many of the waiting tokens, the last ones, get logits */
    int64_t fast_from, fast_to; /* positions whose rows are computed the fast way (step.h) */
    fm_pages unfolded;       /* blocks of keys and values made of latents (unfold.c) */
    int64_t unfold_done;     /* positions that are there */
    bool begins;             /* none of what was queued last has been computed: rows are of before */
    fm_pages pages;
    int64_t node, node_pages; /* place in the tree of prefixes: the node of the first node_pages
                                 pages; node -1: this sequence has left the tree */
    int64_t shared;
    float *logits, *hidden;  /* [row_capacity, V], [row_capacity, D] of the last scored tokens */
    int64_t rows, row_capacity;
    int64_t logits_at;       /* tokens computed when the last row was: rows count while that is n */
    float *state;            /* [D] MTP: the main model's state after token n - 1; NULL without */
    bool redo;               /* that state is not known; the first waiting token was computed before,
                                and its MTP row stands */

    fm_sequence *next;       /* in the company */
    bool took_part;          /* in the step that just ended */
    fm_status failed;        /* what that step says of this sequence alone */
    fm_error failure;
};

/* With the lock held: waits for the step that is running, if one is, and keeps others from starting
 * one until fm_engine_leave. */
static inline void fm_engine_enter(fm_engine *e) {
    while (e->running) pthread_cond_wait(&e->free, &e->lock);
    e->running = true;
}
static inline void fm_engine_leave(fm_engine *e) {
    e->running = false;
    pthread_cond_broadcast(&e->free);
}

/* ---- step.c --------------------------------------------------------------------------------------*/

/* Entered. One step over these sequences. With `apart`, a sequence that finds no room fails alone
 * (its `failed`) and the others go on; without, the step fails. */
fm_status fm_engine_run_step(fm_engine *e, fm_sequence *const *list, int64_t n, bool apart,
                             fm_step_report *report, fm_error *err);

/* ---- sequence.c ----------------------------------------------------------------------------------*/

/* With the lock held. Takes over pages of the tree that match the waiting tokens; at least the scored
 * tokens go on waiting. */
void fm_sequence_adopt(fm_sequence *s);
/* With the lock held, after tokens were computed: offers full pages of the first n to the tree. */
void fm_sequence_offer(fm_sequence *s, int64_t n);
/* With the lock held: makes room for `count` more positions, giving up unused prefixes if it must. */
fm_status fm_sequence_reserve(fm_sequence *s, int64_t count, fm_error *err);

/* ---- unfold.c: all with the lock held ------------------------------------------------------------*/

fm_status fm_unfold_new(fm_engine *e, fm_error *err);
/* Finds places for what the rows of a segment read; fewer, or none, where there is no memory. */
void fm_unfold_place(fm_engine *e, fm_sequence *s, fm_segment *segment);
/* How many rows the next piece of a prompt is to have, where `affordable` are in time and `most` have room. */
int64_t fm_unfold_rows(const fm_engine *e, const fm_sequence *s, int64_t affordable, int64_t most);
/* After the step, the sequence having its new n: what is there now, until the prompt is read. */
void fm_unfold_settle(fm_engine *e, fm_sequence *s, const fm_segment *segment);
/* Gives up a sequence's blocks. */
void fm_unfold_drop(fm_engine *e, fm_sequence *s);

/* ---- mtp.c ---------------------------------------------------------------------------------------*/

fm_status fm_mtp_new(fm_engine *e, fm_error *err);
void fm_mtp_free(fm_engine *e);
/* Entered, after the main plan has run the step: the module's rows for the step's tokens, and the
 * states that later rows need. */
fm_status fm_mtp_follow(fm_engine *e, const fm_composition *d, fm_error *err);

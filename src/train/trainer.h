/* trainer.h: a training run: steps, and what belongs to a step: clipping, spikes, experts' biases, validation,
 * checkpoints, the log.
 *
 *     RUN/recipe.json       the whole recipe, defaults included
 *     RUN/log.jsonl         what happened (run_log.h)
 *     RUN/initial           from scratch: the model that has learnt nothing
 *     RUN/checkpoints/...   checkpoint.h; each of them is a model's folder, or an adapter's
 *
 * A run that is started again goes on from its newest whole checkpoint, with the very bits that it would have had
 * without the interruption, on any number of threads. */
#pragma once

#include "train/run_log.h"
#include "train/run_recipe.h"
#include "train/run_state.h"
#include "train/student.h"

/* ---- the folder --------------------------------------------------------------------------------*/

typedef struct fm_run_folder {
    char *path, *checkpoints;
    char *source;       /* where the model came from, with config.json and tokenizer: RUN/initial or model.start */
    char *model;        /* what to open: the newest checkpoint, or the source; the source where adapters learn */
    char *latest;       /* the newest whole checkpoint; NULL: a run that begins */
    int64_t step;       /* of it; -1 */
    bool begun;         /* there was a log or a checkpoint: another recipe would be another run */
    int lock;           /* held while the run is: a second process is refused */
} fm_run_folder;

/* Makes the folder, or comes back to it: then the recipe must be that of the run (fm_run_recipe_same). `note`
 * (may be NULL) hears of damaged checkpoints. */
fm_status fm_run_folder_open(const char *path, const fm_run_recipe *recipe, fm_run_folder *out,
                             void (*note)(void *context, const char *sentence), void *context, fm_error *err);
void fm_run_folder_close(fm_run_folder *folder); /* a zeroed one is fine */

/* ---- the run -----------------------------------------------------------------------------------*/

typedef struct fm_run_progress {
    int64_t step, steps;
    double loss, rate, norm;
    double divergence; /* from the teacher; NAN: there is none */
    double tokens_per_second, share_of_peak; /* of the last step; the share is NAN where no peak is known */
    double seconds_left;
} fm_run_progress;

typedef struct fm_trainer_options {
    const fm_run_recipe *recipe;
    const fm_run_folder *folder;
    const fm_dataset *dataset;
    const fm_student *student;
    const fm_kernels *kernels;
    fm_pool *pool;
    double flops_per_token, peak_flops; /* 0: not known */
    /* What a start event says beside the recipe (may be NULL). */
    void (*describe)(void *context, fm_json_writer *w);
    /* After every step; returning false ends the run with a checkpoint. May be NULL. */
    bool (*progress)(void *context, const fm_run_progress *progress);
    void (*note)(void *context, const char *sentence);
    /* After a checkpoint at which samples are due; puts events into the log. May be NULL. */
    fm_status (*sample)(void *context, const char *checkpoint, int64_t step, fm_run_log *log, fm_error *err);
    void *context;
} fm_trainer_options;

typedef struct fm_trainer fm_trainer;

/* Bytes that the loop takes beside the student: moments, the average. */
uint64_t fm_trainer_bytes(const fm_run_recipe *recipe, const fm_learned_list *learned);

/* Everything in `options` is borrowed. Where the folder has a checkpoint, loads it into the student. */
fm_status fm_trainer_new(const fm_trainer_options *options, fm_trainer **out, fm_error *err);
void fm_trainer_free(fm_trainer *trainer);

typedef enum fm_run_end { FM_RUN_DONE, FM_RUN_STOPPED, FM_RUN_TIME, FM_RUN_NO_DATA } fm_run_end;
/* Trains until the recipe's steps are done, its hours are over, the data end or `progress` says so; a
 * checkpoint is the last thing in each case. A loss, a gradient or a weight that is no number ends it with
 * FM_ERR_FORMAT, which names the tensor and the checkpoint to go back to. */
fm_status fm_trainer_run(fm_trainer *trainer, fm_run_end *end, fm_error *err);
const fm_run_state *fm_trainer_state(const fm_trainer *trainer);

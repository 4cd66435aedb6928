/* trainer_private.h: the inside of a trainer; for trainer.c and trainer_parts.c. */
#pragma once

#include "train/energy.h"
#include "train/schedule.h"
#include "train/trainer.h"

struct fm_trainer {
    fm_trainer_options options;
    const fm_run_recipe *recipe;
    const fm_student *student;
    fm_pool *pool;
    fm_schedule schedule;
    fm_loader *loader;
    fm_loader_options loader_options;
    fm_stretches stretches;
    double *sums; /* [stretches.n] */
    fm_optim *optim;
    fm_average average; /* .at NULL: none */
    fm_run_log log;
    int64_t saved;  /* step of the newest whole checkpoint; -1: none */
    bool log_waits; /* the disk does not take it; that has been said */
    fm_run_state state;
    double began;
    fm_run_spent before;     /* in earlier processes */
    fm_energy energy;
    double seconds_timed;    /* of steps since it began */
    int64_t steps_timed;
};

/* What one step has shown. */
typedef struct fm_step_facts {
    double loss, mtp_loss, divergence, balance_loss, norm, rate, deviations, seconds;
    int64_t tokens;
    fm_spike spike;
} fm_step_facts;

double fm_trainer_seconds(const fm_trainer *t); /* spent on this run, interruptions not counted */
double fm_trainer_share_of_peak(const fm_trainer *t, const fm_step_facts *f);
fm_status fm_trainer_log_start(fm_trainer *t, fm_error *err);
fm_status fm_trainer_log_step(fm_trainer *t, const fm_step_facts *f, fm_error *err);
fm_status fm_trainer_validate(fm_trainer *t, fm_error *err);
/* A disk that does not take it is a note where the recipe says so, and an error otherwise and for the `last` one. */
fm_status fm_trainer_checkpoint(fm_trainer *t, bool samples, bool last, fm_error *err);

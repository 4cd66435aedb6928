/* training_run.h: what a training run holds open; for fathom_pretrain.c, which is its course, and training_open.c,
 * which takes model, adapter and teacher. */
#pragma once

#include "fathom/fathom_train.h"
#include "model/parameters.h"
#include "train/model_student.h"
#include "train/trainer.h"

/* Stages of training, as run_recipe.def numbers them. */
typedef enum fm_stage { FM_STAGE_PRETRAIN, FM_STAGE_SFT, FM_STAGE_DISTILL } fm_stage;

/* In the order in which it is taken. */
typedef struct fm_api_training {
    const fathom_run_options *options;
    fm_stage stage;
    fm_run_recipe recipe;
    fm_run_folder folder;
    fm_dataset *dataset;
    fm_pool *pool;
    const fm_kernels *kernels;
    fm_store *store;
    fm_model *model;
    fm_adapters *adapters;    /* NULL: the model itself learns */
    fm_store *teacher_store;
    fm_model *teacher_model;
    fm_teacher *teacher;      /* NULL: there is none */
    fm_model_student *student;
    fm_trainer *trainer;
    fm_parameters parameters;
} fm_api_training;

/* The student, with its adapter and its teacher, refused where they do not fit into memory or together. */
fm_status fm_api_training_open(fm_api_training *p, fm_error *err);
void fm_api_training_close(fm_api_training *p); /* what fm_api_training_open took */
double fm_api_training_flops(const fm_api_training *p);
/* Numbers that change. */
int64_t fm_api_training_learnt(const fm_api_training *p);

/* training.h: what the commands that train share: their arguments, a line that follows the run, Ctrl-C. */
#pragma once

#include "cli/args.h"
#include "fathom/fathom_train.h"

typedef struct fm_training {
    const char *run, *recipe, *model, *teacher, *data;
    fm_texts settings;
    int64_t steps, threads, lora;
    bool help_recipe, json;
} fm_training;

/* fathom_pretrain, fathom_sft or fathom_distill. */
typedef fathom_status (*fm_training_fn)(const char *run, const fathom_run_options *options, char **json,
                                        fathom_error *err);
fm_status fm_training_run(const char *command, const fm_training *arguments, fm_training_fn train, fm_error *err);

/* An adapter instead of all weights. */
#define FM_LORA_OPTION                                                                                              \
    {FM_OPTION_INTEGER, "lora", 'l', "RANK",                                                                        \
     "lora.rank: a low-rank adapter learns and the model, quantised or not, stays as it is; 16 is usual",           \
     offsetof(fm_training, lora), 1, 4096, NULL, NULL}

/* Their options, in an array of fm_option. */
#define FM_TRAINING_OPTIONS                                                                                         \
    {FM_OPTION_TEXT, "recipe", 'r', "FILE", "a recipe: JSON of sections and keys; --help-recipe lists them",       \
     offsetof(fm_training, recipe), 0, 0, NULL, NULL},                                                              \
    {FM_OPTION_TEXTS, "set", 's', "KEY=VALUE", "one key of the recipe, as in optimizer.lr=0.003; may be repeated", \
     offsetof(fm_training, settings), 0, 0, NULL, NULL},                                                            \
    {FM_OPTION_TEXT, "data", 'd', "DIR", "data.train: a folder that 'fathom data build' has made",                 \
     offsetof(fm_training, data), 0, 0, NULL, NULL},                                                                \
    {FM_OPTION_INTEGER, "steps", 'n', "N", "run.steps", offsetof(fm_training, steps), 1, 1e12, NULL, NULL},         \
    {FM_OPTION_INTEGER, "threads", 't', "N", "run.threads; results do not depend on it",                           \
     offsetof(fm_training, threads), 1, 256, NULL, NULL},                                                           \
    {FM_OPTION_FLAG, "help-recipe", .help = "list all keys of a recipe with their defaults, and train nothing",    \
     .offset = offsetof(fm_training, help_recipe)},                                                                 \
    {FM_OPTION_FLAG, "json", .help = "print what came out as JSON", .offset = offsetof(fm_training, json)}

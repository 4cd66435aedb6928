/* run_samples.h: what a checkpoint writes, for the log of its run. */
#pragma once

#include "train/run_log.h"
#include "train/run_recipe.h"

/* Opens the model, with the adapter if that is not NULL, like any and lets it go on from each of the recipe's prompts
 * (with none, from nothing), drawn with the run's seed; puts "sample" events into the log. A model without a
 * tokenizer has nothing to say, which is no error. */
fm_status fm_api_run_samples(const char *model, const char *adapter, int64_t step, const fm_run_recipe *recipe,
                             fm_run_log *log, fm_error *err);

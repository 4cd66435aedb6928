/* pretrain: a training run on text, watched from a terminal. */
#include "cli/training.h"

#include <stddef.h>

static const fm_option options[] = {FM_TRAINING_OPTIONS};

static fm_status run(const void *parsed, fm_error *err) {
    return fm_training_run("pretrain", parsed, fathom_pretrain, err);
}

const fm_command fm_command_pretrain = {
    .name = "pretrain",
    .about = "Trains a model from scratch, or goes on from any Hugging Face folder, as a recipe says. The folder "
             "RUN holds the recipe, the log, checkpoints that are models, and a report. Given a RUN that has begun, "
             "it goes on from the newest checkpoint, to the very bits it would have had. Ctrl-C writes a checkpoint "
             "and ends.",
    .operands = {{"RUN", "the folder of the run", offsetof(fm_training, run)}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(fm_training),
    .run = run,
    .examples = "fathom pretrain runs/nano --data data/english --steps 2000\n"
                "fathom pretrain runs/nano\n"
                "fathom pretrain runs/muon -r recipe.json -s optimizer.name=muon\n"
                "fathom pretrain --help-recipe\n",
};

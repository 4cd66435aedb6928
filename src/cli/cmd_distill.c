/* distill: a model learns from another one, watched from a terminal. */
#include "cli/training.h"

#include <stddef.h>

static const fm_option options[] = {
    {FM_OPTION_TEXT, "model", 'm', "MODEL",
     "model.start: the student, a Hugging Face folder; with --lora any model; without it one from scratch "
     "(model.shape)",
     offsetof(fm_training, model), 0, 0, NULL, NULL},
    {FM_OPTION_TEXT, "teacher", 'T', "MODEL",
     "teacher.model: its predictions are learnt, not the text alone; any model with the same tokenizer",
     offsetof(fm_training, teacher), 0, 0, NULL, NULL},
    FM_LORA_OPTION,
    FM_TRAINING_OPTIONS,
};

static fm_status run(const void *parsed, fm_error *err) {
    return fm_training_run("distill", parsed, fathom_distill, err);
}

const fm_command fm_command_distill = {
    .name = "distill",
    .about = "A student learns from a teacher. From its text: data made of the teacher's replies, as in 'fathom sft'; "
             "any teacher will do. Or, with --teacher, from its predictions too: the teacher, quantised or not, is run "
             "on the same tokens, and the student is drawn towards its likeliest ones (teacher.top, .temperature, "
             ".weight), with a share of cross entropy; both need one tokenizer. Everything else is as in 'fathom "
             "pretrain': the folder RUN, the recipe, checkpoints, going on, the report.",
    .operands = {{"RUN", "the folder of the run", offsetof(fm_training, run)}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(fm_training),
    .run = run,
    .examples = "fathom distill runs/small --model small --data replies --steps 500\n"
                "fathom distill runs/small --model small --teacher q8.gguf --data replies\n"
                "fathom distill runs/nano --teacher large --data text -s teacher.temperature=2\n",
};

/* sft: a model learns to answer, watched from a terminal. */
#include "cli/training.h"

#include <stddef.h>

static const fm_option options[] = {
    {FM_OPTION_TEXT, "model", 'm', "MODEL",
     "model.start: the Hugging Face folder to go on from; with --lora any model, such as a GGUF file",
     offsetof(fm_training, model), 0, 0, NULL, NULL},
    FM_LORA_OPTION,
    FM_TRAINING_OPTIONS,
};

static fm_status run(const void *parsed, fm_error *err) { return fm_training_run("sft", parsed, fathom_sft, err); }

const fm_command fm_command_sft = {
    .name = "sft",
    .about = "Supervised fine-tuning: trains a model on conversations, of which the answers alone are learnt, with "
             "the token that ends them; every conversation by itself. All weights learn, or with --lora an adapter, "
             "whose checkpoints are folders as PEFT writes them and go with 'fathom run --lora'. Everything else is "
             "as in 'fathom pretrain': the folder RUN, the recipe, checkpoints, going on, the report.",
    .operands = {{"RUN", "the folder of the run", offsetof(fm_training, run)}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(fm_training),
    .run = run,
    .examples = "fathom data build --tokenizer nano --out answers answers.jsonl\n"
                "fathom sft runs/chat --model nano --data answers --steps 500\n"
                "fathom sft runs/mine --model q8.gguf --lora 16 --data answers -n 60\n"
                "fathom run q8.gguf --lora runs/mine/checkpoints/step-000000000060 Hello\n",
};

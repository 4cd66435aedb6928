/* grad: loss and gradients of exactly these tokens: what other trainers, and other versions of this one, are
 * held against. */
#include "fathom/fathom_train.h"

#include "cli/call.h"
#include "cli/ids.h"

typedef struct arguments {
    const char *model, *ids, *ids_file, *out, *cpu;
    int64_t threads;
    int activations;
    bool mtp;
} arguments;

static const fm_option options[] = {
    FM_IDS_OPTIONS(arguments),
    {FM_OPTION_FLAG, "mtp",
     .help = "with the multi-token-prediction module: gradients of loss + 0.3 mtp_loss",
     .offset = offsetof(arguments, mtp)},
    {FM_OPTION_INTEGER, "threads", 't', "N", "computing threads; without it one per processor",
     offsetof(arguments, threads), 1, 4096, NULL, NULL},
    {FM_OPTION_TEXT, "cpu", 0, "LEVEL", "instructions to use: auto, ref, avx2, avxvnni or avx512",
     offsetof(arguments, cpu), 0, 0, NULL, NULL},
    {FM_OPTION_CHOICE, "activations", 0, NULL, "what matrices are multiplied with",
     offsetof(arguments, activations), 0, 0, "f32|bf16", "f32"},
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_grad = {
    .name = "grad",
    .about = "Writes the mean next-token cross entropy of exactly these tokens (loss) and its gradient for every "
             "parameter of a Hugging Face folder, under the parameter's own name, F32, to a safetensors file. "
             "With --mtp also mtp_loss, the mean over the module's own targets, and the gradients are those of "
             "loss + 0.3 mtp_loss; embedding and head, which the module shares, hold both parts. Routing and the "
             "routers' correction biases are constants.",
    .operands = {{"MODEL", "a Hugging Face folder, or the name of a pulled model that is one",
                  offsetof(arguments, model), true, true}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom grad my-model --ids 1,2,3,4 --out gradients.safetensors\n"
                "fathom tokenize my-model --ids 'Hello' | fathom grad my-model --ids-file - \\\n"
                "    --mtp --out gradients.safetensors\n",
};

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    if (!a->out)
        return fm_fail(err, FM_ERR_ARGUMENT, "where shall the gradients go? Give --out FILE");
    fathom_grad_options o = fathom_grad_defaults();
    if (a->cpu) o.cpu = a->cpu;
    if (a->threads > 0) o.threads = (int)a->threads;
    o.mtp = a->mtp;
    o.bf16 = a->activations == 1;
    fm_buffer ids = {0};
    fm_status status = fm_ids_given(a->ids, a->ids_file, &ids, err);
    if (status == FM_OK) status = fm_check_writable(a->out, err);
    if (status == FM_OK) {
        fathom_error said;
        fathom_status answer = fathom_grad(a->model, (const int32_t *)(const void *)ids.data,
                                           ids.size / sizeof(int32_t), &o, a->out, &said);
        status = fm_said(answer, &said, err);
    }
    fm_buffer_clear(&ids);
    return status;
}

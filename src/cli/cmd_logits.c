/* logits: one prefill of exactly these ids, in float32 from the dequantised weights: the yardstick
 * that other engines, other formats and other versions of this one are held against. */
#include "cli/call.h"
#include "cli/ids.h"
#include "cli/screen.h"

typedef struct arguments {
    const char *model, *ids, *ids_file, *out, *cpu, *lora;
    int64_t threads;
    int arith, cache, activations;
    bool hidden, experts, mtp;
} arguments;

static const fm_option options[] = {
    FM_IDS_OPTIONS(arguments),
    {FM_OPTION_FLAG, "hidden",
     .help = "also hidden.N [T, D]: the embedding (0) and the state after each layer",
     .offset = offsetof(arguments, hidden)},
    {FM_OPTION_FLAG, "experts",
     .help = "also experts.N and expert_weights.N [T, K] of each layer of experts",
     .offset = offsetof(arguments, experts)},
    {FM_OPTION_FLAG, "mtp",
     .help = "also mtp.logits and mtp.hidden of the multi-token-prediction module",
     .offset = offsetof(arguments, mtp)},
    {FM_OPTION_INTEGER, "threads", 't', "N", "computing threads; without it one per processor",
     offsetof(arguments, threads), 1, 4096, NULL, NULL},
    {FM_OPTION_TEXT, "cpu", 0, "LEVEL", "instructions to use: auto, ref, avx2, avxvnni or avx512",
     offsetof(arguments, cpu), 0, 0, NULL, NULL},
    {FM_OPTION_TEXT, "lora", 0, "FOLDER", "a low-rank adapter that the model is to have, as PEFT keeps it",
     offsetof(arguments, lora), 0, 0, NULL, NULL},
    {FM_OPTION_CHOICE, "arith", 0, NULL, "which form of attention", offsetof(arguments, arith), 0, 0,
     "exact|fast", "exact"},
    {FM_OPTION_CHOICE, "cache", 0, NULL, "how keys and values are kept",
     offsetof(arguments, cache), 0, 0, "f32|bf16|int8", "f32"},
    {FM_OPTION_CHOICE, "activations", 0, NULL, "what quantised weights are multiplied with",
     offsetof(arguments, activations), 0, 0, "f32|int8|int16", "f32"},
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_logits = {
    .name = "logits",
    .about = "Runs a model once over exactly these tokens and writes the logits of every position, "
             "F32 [T, V], and the states after the final norm, F32 [T, D], to a safetensors file. "
             "Computed in float32 from the dequantised weights, whatever the file's format.",
    .operands = {{"MODEL", FM_MODEL_HELP, offsetof(arguments, model), true, true}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom logits model.gguf --ids 0,1,2,3 --out logits.safetensors\n"
                "fathom tokenize model.gguf --ids 'Hello' | fathom logits model.gguf \\\n"
                "    --ids-file - --hidden --experts --out out.safetensors\n",
};

/* The weights are loaded step by step; the prefill after that is one step and is not asked. */
static bool on_progress(void *context, double fraction) {
    if (fm_interrupted()) return false;
    fm_progress_at(context, fraction);
    if (fraction >= 1) {
        fm_progress_end(context);
        fm_interrupt_obey();
    }
    return true;
}

static fm_status compute(const arguments *a, const fm_buffer *ids, fm_error *err) {
    fathom_logits_options o = fathom_logits_defaults();
    fm_progress progress;
    if (a->cpu) o.cpu = a->cpu;
    o.adapter = a->lora;
    if (a->threads > 0) o.threads = (int)a->threads;
    o.arith = (fathom_arith)a->arith;
    o.cache = (fathom_cache_type)a->cache;
    o.activations = (fathom_activations)a->activations;
    o.hidden = a->hidden;
    o.experts = a->experts;
    o.mtp = a->mtp;
    o.progress = on_progress;
    o.progress_context = &progress;
    fm_progress_begin(&progress, "Loading", 1, NULL);
    fm_interrupt_catch();
    fathom_error said;
    fathom_status status = fathom_logits(a->model, (const int32_t *)(const void *)ids->data,
                                         ids->size / sizeof(int32_t), &o, a->out, &said);
    fm_interrupt_release();
    fm_progress_end(&progress);
    return fm_said(status, &said, err);
}

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    if (!a->out)
        return fm_fail(err, FM_ERR_ARGUMENT, "where shall the logits go? Give --out FILE");
    fm_buffer ids = {0};
    fm_status status = fm_ids_given(a->ids, a->ids_file, &ids, err);
    if (status == FM_OK) status = fm_check_writable(a->out, err);
    if (status == FM_OK) status = compute(a, &ids, err);
    fm_buffer_clear(&ids);
    return status;
}

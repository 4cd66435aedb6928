/* convert: a model from Hugging Face's kind of files to GGUF, or back. */
#include "cli/args.h"
#include "cli/call.h"
#include "cli/making.h"
#include "cli/report.h"
#include "fathom/fathom_compress.h"

#include <stddef.h>

typedef struct arguments {
    const char *source, *target, *name, *lora;
    int dtype;
    int64_t threads;
    double shard;
    bool mtp, fused, force, json;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_CHOICE, "dtype", 0, "TYPE",
     "type of the matrices; without it what they have, and bf16 for what is quantised or FP8; fp8 makes a folder as "
     "DeepSeek-V3's, with a scale for 128 x 128 weights, from either kind",
     offsetof(arguments, dtype), 0, 0, "f32|f16|bf16|fp8", NULL},
    {FM_OPTION_TEXT, "name", 0, "NAME", "what the GGUF file calls the model; without it the folder's name",
     offsetof(arguments, name), 0, 0, NULL, NULL},
    {FM_OPTION_TEXT, "lora", 0, "FOLDER",
     "merge this low-rank adapter into the weights, as 'fathom sft --lora' and PEFT write it; TARGET is then a GGUF "
     "file if its name ends in .gguf and a folder if not, whatever SOURCE is",
     offsetof(arguments, lora), 0, 0, NULL, NULL},
    {FM_OPTION_FLAG, "mtp",
     .help = "keep the module that guesses tokens (V3, R1) in the GGUF file, which only Fathom then reads",
     .offset = offsetof(arguments, mtp)},
    {FM_OPTION_FLAG, "fused-kv-b",
     .help = "latent attention with attn_kv_b in one piece, as GGUF files had it before April 2025",
     .offset = offsetof(arguments, fused)},
    {FM_OPTION_REAL, "shard-size", 0, "BYTES", "begin another .safetensors file after so many bytes",
     offsetof(arguments, shard), 1, 1e15, NULL, "5B"},
    {FM_OPTION_FLAG, "force", 'f', .help = "replace the file or folder that is there",
     .offset = offsetof(arguments, force)},
    {FM_OPTION_INTEGER, "threads", 't', "N", "threads; without it one per processor",
     offsetof(arguments, threads), 1, 256, NULL, NULL},
    {FM_OPTION_FLAG, "json", .help = "print what was made as JSON", .offset = offsetof(arguments, json)},
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_convert = {
    .name = "convert",
    .about = "Converts a Hugging Face folder of safetensors to a GGUF file as llama.cpp has it, or a GGUF "
             "file to a folder: weights, configuration and tokenizer. F32, F16 and BF16 keep their bits. The "
             "result appears complete or not at all.",
    .operands = {{"SOURCE", FM_MODEL_HELP, offsetof(arguments, source), true, true},
                 {"TARGET", "the GGUF file, or the folder, to make", offsetof(arguments, target), true}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom convert DeepSeek-V2-Lite v2-lite.gguf\n"
                "fathom convert model-q8_0.gguf model-hf --dtype f32\n"
                "fathom convert tuned-bf16 tuned-fp8 --dtype fp8\n"
                "fathom convert model.gguf mine.gguf --lora my-adapter\n",
};

static fm_status print_result(const char *json, fm_error *err) {
    fm_json *root;
    FM_TRY(fm_json_parse(json, strlen(json), &root, err));
    double tensors = fm_json_number(fm_json_get(root, "tensors"), 0);
    double files = fm_json_number(fm_json_get(root, "files"), 0);
    fm_buffer out = {0};
    fm_ink ink = fm_ink_for(stdout);
    fm_buffer_format(&out, "%s%s%s  %s, %s, %s tensors", ink.bold,
                     fm_json_string(fm_json_get(root, "path"), ""), ink.reset,
                     fm_json_string(fm_json_get(root, "dtype"), ""),
                     fm_human_bytes(fm_json_number(fm_json_get(root, "bytes"), 0)),
                     fm_human_integer(tensors));
    if (files > 1) fm_buffer_format(&out, " in %.0f files", files);
    fm_buffer_text(&out, "\n");
    fm_json_free(root);
    return fm_output_buffer(&out, err);
}

static fm_status run(const void *parsed, fm_error *err) {
    static const char *const dtypes[] = {"f32", "f16", "bf16", "fp8"};
    const arguments *a = parsed;
    fathom_convert_options o = fathom_convert_defaults();
    fathom_error said;
    fm_making making;
    char *json;
    if (a->dtype >= 0) o.dtype = dtypes[a->dtype];
    if (a->threads > 0) o.threads = (int)a->threads;
    o.mtp = a->mtp;
    o.fused_kv_b = a->fused;
    o.force = a->force;
    o.name = a->name;
    o.adapter = a->lora;
    o.shard_bytes = (uint64_t)a->shard;
    o.progress = fm_making_progress;
    o.note = fm_making_note;
    o.callback_context = &making;
    fm_making_begin(&making, "Converting", a->source);
    fathom_status status = fathom_convert(a->source, a->target, &o, &json, &said);
    fm_making_end(&making);
    FM_TRY(fm_said(status, &said, err));
    fm_status printed = FM_OK;
    if (!a->json) printed = print_result(json, err);
    else fm_output_text(json);
    fathom_free(json);
    return printed;
}

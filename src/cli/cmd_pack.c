/* pack: a model's weights as the kernels read them, in a file that is mapped from then on. */
#include "cli/args.h"
#include "cli/call.h"
#include "cli/making.h"
#include "cli/report.h"
#include "fathom/fathom_compress.h"

#include <stddef.h>

typedef struct arguments {
    const char *model, *output;
    int64_t threads;
    bool check, json;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_TEXT, "output", 'o', "FILE",
     "the file to make, which --panels then names; without it one beside the model, which is found by itself",
     offsetof(arguments, output), 0, 0, NULL, NULL},
    {FM_OPTION_FLAG, "check", .help = "make nothing: read the file that is there and compare it with its checksums",
     .offset = offsetof(arguments, check)},
    {FM_OPTION_INTEGER, "threads", 't', "N", "threads; without it one per processor",
     offsetof(arguments, threads), 1, 256, NULL, NULL},
    {FM_OPTION_FLAG, "json", .help = "print what was made or checked as JSON", .offset = offsetof(arguments, json)},
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_pack = {
    .name = "pack",
    .about = "Writes a model's weights, packed as the kernels read them, to a file beside it. Whatever opens the model "
             "then maps that file instead of packing: a start takes a fraction of the time, and the weights are in "
             "memory once for all processes. The file takes about as much of the disk as the model, and is made anew "
             "when the model's files change.",
    .operands = {{"MODEL", FM_MODEL_HELP, offsetof(arguments, model), true, true}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom pack model-q4_k.gguf\n"
                "fathom pack model-q4_k.gguf --check\n"
                "fathom pack model-q4_k.gguf -o /fast/disk/model.panels\n",
};

static fm_status print_result(const char *json, fm_error *err) {
    fm_json *root;
    FM_TRY(fm_json_parse(json, strlen(json), &root, err));
    fm_buffer out = {0};
    fm_ink ink = fm_ink_for(stdout);
    fm_buffer_format(&out, "%s%s%s  %s, %s matrices%s\n", ink.bold, fm_json_string(fm_json_get(root, "path"), ""),
                     ink.reset, fm_human_bytes(fm_json_number(fm_json_get(root, "bytes"), 0)),
                     fm_human_integer(fm_json_number(fm_json_get(root, "matrices"), 0)),
                     fm_json_bool(fm_json_get(root, "checked"), false) ? ": whole, and of this model" : "");
    fm_json_free(root);
    return fm_output_buffer(&out, err);
}

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    fathom_pack_options o = fathom_pack_defaults();
    fathom_error said;
    fm_making making;
    char *json;
    if (a->threads > 0) o.threads = (int)a->threads;
    o.output = a->output;
    o.check = a->check;
    o.progress = fm_making_progress;
    o.callback_context = &making;
    fm_making_begin(&making, a->check ? "Checking" : "Packing", a->model);
    fathom_status status = fathom_pack(a->model, &o, &json, &said);
    fm_making_end(&making);
    FM_TRY(fm_said(status, &said, err));
    fm_status printed = FM_OK;
    if (!a->json) printed = print_result(json, err);
    else fm_output_text(json);
    fathom_free(json);
    return printed;
}

/* quantize: a GGUF file of smaller types. */
#include "base/file.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/call.h"
#include "cli/ids.h"
#include "cli/loading.h"
#include "cli/making.h"
#include "cli/report.h"
#include "fathom/fathom_compress.h"

#include <stddef.h>

typedef struct arguments {
    const char *source, *target, *type, *tensors, *imatrix, *name, *collect;
    int64_t threads, context, limit;
    bool mtp, fused, force, json, list;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_TEXT, "type", 0, "TYPE", "the recipe, q4_k_m if not given; --list shows all",
     offsetof(arguments, type), 0, 0, NULL, NULL},
    {FM_OPTION_TEXT, "tensor", 0, "LIST",
     "types by name, over the recipe's: PATTERN=TYPE,... as in ffn_down=q6_k or 'blk.0.*=q8_0'; the last that "
     "matches counts",
     offsetof(arguments, tensors), 0, 0, NULL, NULL},
    {FM_OPTION_TEXT, "imatrix", 0, "FILE", "weigh errors by an importance matrix",
     offsetof(arguments, imatrix), 0, 0, NULL, NULL},
    {FM_OPTION_TEXT, "collect", 0, "TEXT",
     "quantise nothing: run the model over this text file and write an importance matrix to TARGET",
     offsetof(arguments, collect), 0, 0, NULL, NULL},
    {FM_OPTION_INTEGER, "context", 'c', "N", "tokens of a window for --collect (512 if not given)",
     offsetof(arguments, context), 4, 1e9, NULL, NULL},
    {FM_OPTION_INTEGER, "limit", 0, "N", "at most N windows for --collect", offsetof(arguments, limit), 1, 1e12,
     NULL, NULL},
    {FM_OPTION_TEXT, "name", 0, "NAME", "what the file calls the model, where the source is a folder",
     offsetof(arguments, name), 0, 0, NULL, NULL},
    {FM_OPTION_FLAG, "mtp",
     .help = "keep the module that guesses tokens (V3, R1), with which only Fathom reads the file",
     .offset = offsetof(arguments, mtp)},
    {FM_OPTION_FLAG, "fused-kv-b", .help = "latent attention with attn_kv_b in one piece",
     .offset = offsetof(arguments, fused)},
    {FM_OPTION_FLAG, "force", 'f', .help = "replace the file that is there",
     .offset = offsetof(arguments, force)},
    {FM_OPTION_INTEGER, "threads", 't', "N", "threads; without it one per processor",
     offsetof(arguments, threads), 1, 256, NULL, NULL},
    {FM_OPTION_FLAG, "list", 'l', .help = "list the recipes", .offset = offsetof(arguments, list)},
    {FM_OPTION_FLAG, "json", .help = "print what was made, with each tensor's error, as JSON",
     .offset = offsetof(arguments, json)},
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_quantize = {
    .name = "quantize",
    .about = "Makes a GGUF file of smaller types from a model of any kind of file: a type for each tensor by "
             "what it is for, scales searched for so that the error is small. The model is never in memory "
             "as a whole, and the file appears complete or not at all. With --collect it measures over a text "
             "which inputs of each weight matter, for --imatrix.",
    .operands = {{"SOURCE", FM_MODEL_HELP, offsetof(arguments, source), false, true},
                 {"TARGET", "the file to make", offsetof(arguments, target), false}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom quantize DeepSeek-V2-Lite v2-lite-q4_k_m.gguf\n"
                "fathom quantize model.gguf small.gguf --type iq4_xs --tensor output=q8_0\n"
                "fathom quantize model.gguf model.imatrix --collect text.txt\n"
                "fathom quantize model.gguf small.gguf --imatrix model.imatrix\n",
};

static fm_status list_recipes(fm_error *err) {
    fm_ink ink = fm_ink_for(stdout);
    fm_buffer out = {0};
    fathom_recipe r;
    for (size_t i = 0; fathom_recipe_at(i, &r); i++)
        fm_buffer_format(&out, "%-8s%s%s%s\n", r.name, ink.dim, r.help, ink.reset);
    return fm_output_buffer(&out, err);
}

static fm_status print_result(const char *json, fm_error *err) {
    fm_json *root;
    FM_TRY(fm_json_parse(json, strlen(json), &root, err));
    fm_buffer out = {0};
    fm_ink ink = fm_ink_for(stdout);
    fm_buffer_format(&out, "%s%s%s  %s, %s of %s, %.2f bits a weight, error %.2f %%\n", ink.bold,
                     fm_json_string(fm_json_get(root, "path"), ""), ink.reset,
                     fm_json_string(fm_json_get(root, "type"), ""),
                     fm_human_bytes(fm_json_number(fm_json_get(root, "bytes"), 0)),
                     fm_human_bytes(fm_json_number(fm_json_get(root, "source_bytes"), 0)),
                     fm_json_number(fm_json_get(root, "bits_per_weight"), 0),
                     100 * fm_json_number(fm_json_get(root, "relative"), 0));
    fm_json_free(root);
    return fm_output_buffer(&out, err);
}

static fathom_quantize_options options_of(const arguments *a, fm_making *making) {
    fathom_quantize_options o = fathom_quantize_defaults();
    o.type = a->type;
    o.tensors = a->tensors;
    o.imatrix = a->imatrix;
    o.mtp = a->mtp;
    o.fused_kv_b = a->fused;
    o.force = a->force;
    o.name = a->name;
    if (a->threads > 0) o.threads = (int)a->threads;
    o.progress = fm_making_progress;
    o.note = fm_making_note;
    o.callback_context = making;
    return o;
}

static fm_status print_collected(const arguments *a, const fathom_collected *c, fm_error *err) {
    fm_buffer out = {0};
    if (a->json) {
        fm_json_writer w = {.out = &out};
        fm_json_open(&w, NULL, '{');
        fm_json_put_text(&w, "path", a->target);
        fm_json_put_integer(&w, "windows", c->windows);
        fm_json_put_integer(&w, "tokens", c->tokens);
        fm_json_put_integer(&w, "weights", (int64_t)c->weights);
        fm_json_put_integer(&w, "unseen_experts", (int64_t)c->unseen);
        fm_json_close(&w, '}');
        fm_buffer_text(&out, "\n");
    } else {
        fm_ink ink = fm_ink_for(stdout);
        fm_buffer_format(&out, "%s%s%s  inputs of %zu weights over %s tokens", ink.bold, a->target, ink.reset,
                         c->weights, fm_human_integer((double)c->tokens));
        if (c->unseen) fm_buffer_format(&out, "; %zu experts saw none: give more text", c->unseen);
        fm_buffer_text(&out, "\n");
    }
    return fm_output_buffer(&out, err);
}

static fm_status collect(const arguments *a, fathom_model *model, const char *text, size_t size, fm_error *err) {
    fathom_collect_options o = fathom_collect_defaults();
    fathom_collected result;
    fathom_error said;
    fm_making making;
    o.context = a->context > 0 ? a->context : 0;
    o.limit = a->limit > 0 ? a->limit : 0;
    o.label = a->collect;
    o.force = a->force;
    o.progress = fm_making_progress;
    o.callback_context = &making;
    fm_making_begin(&making, "Collecting", a->source);
    fathom_status status = fathom_collect(model, text, size, a->target, &o, &result, &said);
    fm_making_end(&making);
    FM_TRY(fm_said(status, &said, err));
    return print_collected(a, &result, err);
}

static fm_status run_collect(const arguments *a, fm_error *err) {
    fm_load_arguments load = {.threads = a->threads, .context = 4, .rows = -1, .arith = -1, .cache = -1,
                              .eager = true, .no_mtp = true}; /* no room for sessions: there are none */
    fathom_model *model;
    char *text;
    size_t size;
    FM_TRY(fm_file_read(a->collect, FM_TEXT_LIMIT, &text, &size, err));
    fm_status status = fm_load_model(a->source, &load, &model, err);
    if (status == FM_OK) {
        status = collect(a, model, text, size, err);
        fathom_model_close(model);
    }
    fm_free(text);
    return status;
}

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    fathom_error said;
    fm_making making;
    char *json;
    if (a->list) return list_recipes(err);
    if (!a->source || !a->target)
        return fm_fail(err, FM_ERR_ARGUMENT, "quantize what, and where to? fathom quantize SOURCE TARGET");
    if (a->collect) return run_collect(a, err);
    fathom_quantize_options o = options_of(a, &making);
    fm_making_begin(&making, "Quantising", a->source);
    fathom_status status = fathom_quantize(a->source, a->target, &o, &json, &said);
    fm_making_end(&making);
    FM_TRY(fm_said(status, &said, err));
    fm_status printed = FM_OK;
    if (!a->json) printed = print_result(json, err);
    else fm_output_text(json);
    fathom_free(json);
    return printed;
}

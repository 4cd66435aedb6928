/* inspect: what is in a model's files, what running it would take, and whether it fits. */
#include "base/json.h"
#include "base/mem.h"
#include "cli/call.h"
#include "cli/loading.h"
#include "cli/report.h"

#include <math.h>
#include <string.h>

typedef struct arguments {
    const char *model;
    double memory;
    int64_t context;
    int cache, arith, activations;
    bool json, tensors, map_only;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_FLAG, "tensors", .help = "list every tensor: type, shape, bytes",
     .offset = offsetof(arguments, tensors)},
    {FM_OPTION_FLAG, "json", .help = "print everything as JSON, the tensors too",
     .offset = offsetof(arguments, json)},
    {.help = "Running it"},
    {FM_OPTION_INTEGER, "context", 'c', "N",
     "positions to make room for; without it the model's own, at most 32768",
     offsetof(arguments, context), 1, 1e12, NULL, NULL},
    {FM_OPTION_CHOICE, "cache", 0, NULL, "how keys and values are kept", offsetof(arguments, cache),
     0, 0, "f32|bf16|int8", "bf16"},
    {FM_OPTION_CHOICE, "arith", 0, NULL, "which form of attention", offsetof(arguments, arith), 0,
     0, "exact|fast", NULL},
    {FM_OPTION_CHOICE, "activations", 0, NULL, "what quantised weights are multiplied with",
     offsetof(arguments, activations), 0, 0, "f32|int8|int16", "int16"},
    {FM_OPTION_REAL, "memory", 0, "N", "judge by N bytes, as in 64G, rather than by this machine",
     offsetof(arguments, memory), 1, 1e18, NULL, NULL},
    {FM_OPTION_FLAG, "map-only", .help = "as if computing from the file as it lies",
     .offset = offsetof(arguments, map_only)},
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_inspect = {
    .name = "inspect",
    .about = "Says what is in a model's files: its shape, its parameters and their types, what its "
             "cache takes against plain attention, what running it needs and whether this machine "
             "has that. Reads headers only.",
    .operands = {{"MODEL", FM_MODEL_HELP, offsetof(arguments, model), true, true}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom inspect DeepSeek-R1-Distill-Qwen-1.5B/\n"
                "fathom inspect V3-00001-of-00163.gguf --memory 512G\n"
                "fathom inspect model.gguf --json\n",
};

/* ---- what it is ------------------------------------------------------------------------------*/

static double model_number(const fm_json *root, const char *field) {
    return fm_report_number(root, "model", field);
}

static const char *model_integer(const fm_json *root, const char *field) {
    return fm_human_integer(model_number(root, field));
}

static const char *text_at(const fm_json *root, const char *section, const char *field) {
    return fm_json_string(fm_report_get(root, section, field), "");
}

static void title(fm_report *r, const fm_json *root) {
    double version = fm_report_number(root, "file", "version");
    double shards = fm_report_number(root, "file", "shards");
    fm_buffer remark = {0};
    fm_buffer_text(&remark, text_at(root, "file", "format"));
    if (version > 0) fm_buffer_format(&remark, " v%.0f", version);
    fm_buffer_format(&remark, " · %.0f file%s · %s · %s tensors", shards, shards == 1 ? "" : "s",
                     fm_human_bytes(fm_report_number(root, "file", "bytes")),
                     fm_human_integer(fm_report_number(root, "file", "tensors")));
    fm_report_title(r, text_at(root, "file", "name"), fm_buffer_string(&remark));
    fm_buffer_clear(&remark);
}

static void fact(fm_report *r, const char *label, fm_buffer *text) {
    fm_report_fact(r, label, fm_buffer_string(text));
    fm_buffer_clear(text);
}

static void attention(fm_report *r, const fm_json *root) {
    fm_buffer text = {0};
    fm_buffer_format(&text, "%s, %s heads", text_at(root, "attention", "kind"),
                     model_integer(root, "num_attention_heads"));
    if (model_number(root, "kv_lora_rank") > 0)
        fm_buffer_format(&text, ", latent %s + %s rotary (%s)", model_integer(root, "kv_lora_rank"),
                         model_integer(root, "qk_rope_head_dim"),
                         text_at(root, "attention", "up_projection"));
    else
        fm_buffer_format(&text, ", %s of keys and values, %s wide",
                         model_integer(root, "num_key_value_heads"),
                         model_integer(root, "head_dim"));
    fact(r, "attention", &text);
}

static void experts(fm_report *r, const fm_json *root) {
    if (model_number(root, "n_routed_experts") <= 0) return;
    fm_buffer text = {0};
    fm_buffer_format(&text, "%s routed, %s for a token, %s shared; %s",
                     model_integer(root, "n_routed_experts"),
                     model_integer(root, "num_experts_per_tok"),
                     model_integer(root, "n_shared_experts"), text_at(root, "model", "scoring_func"));
    if (model_number(root, "n_group") > 1)
        fm_buffer_format(&text, ", %s of %s groups", model_integer(root, "topk_group"),
                         model_integer(root, "n_group"));
    fact(r, "experts", &text);
}

static void positions(fm_report *r, const fm_json *root) {
    const fm_json *rope = fm_report_get(root, "model", "rope");
    fm_buffer text = {0};
    const char *kind = fm_json_string(fm_json_get(rope, "kind"), "plain");
    fm_buffer_format(&text, "%s; rope theta %s", model_integer(root, "max_position_embeddings"),
                     fm_human_integer(fm_json_number(fm_json_get(rope, "theta"), 0)));
    if (strcmp(kind, "plain") != 0)
        fm_buffer_format(&text, ", %s, factor %g", kind,
                         fm_json_number(fm_json_get(rope, "factor"), 1));
    fact(r, "positions", &text);
}

static void vocabulary(fm_report *r, const fm_json *root) {
    fm_buffer text = {0};
    fm_buffer_text(&text, model_integer(root, "vocab_size"));
    if (fm_json_kind_of(fm_json_get(root, "tokenizer")) != FM_JSON_OBJECT) {
        fm_buffer_text(&text, "; the files carry no tokenizer");
    } else {
        fm_buffer_format(&text, "; %s", text_at(root, "tokenizer", "kind"));
        const char *pre = text_at(root, "tokenizer", "pre_tokenizer");
        if (*pre) fm_buffer_format(&text, " (%s)", pre);
        fm_buffer_format(&text, ", chat template %s", text_at(root, "tokenizer", "chat_style"));
        if (!fm_json_bool(fm_report_get(root, "tokenizer", "belongs"), true))
            fm_buffer_text(&text, "; THE TOKENIZER BELONGS TO ANOTHER MODEL");
    }
    fact(r, "vocabulary", &text);
}

static void facts(fm_report *r, const fm_json *root) {
    fm_buffer text = {0};
    fm_report_section(r, "Model", NULL, NULL);
    fm_buffer_format(&text, "%s: %s", text_at(root, "model", "architecture"),
                     text_at(root, "model", "family"));
    fact(r, "architecture", &text);
    fm_buffer_format(&text, "%s of width %s", model_integer(root, "num_hidden_layers"),
                     model_integer(root, "hidden_size"));
    if (model_number(root, "n_routed_experts") > 0)
        fm_buffer_format(&text, ", the first %s dense", model_integer(root, "first_k_dense_replace"));
    fact(r, "layers", &text);
    attention(r, root);
    experts(r, root);
    positions(r, root);
    vocabulary(r, root);
    if (fm_json_bool(fm_report_get(root, "mtp", "present"), false))
        fm_report_fact(r, "prediction", "the multi-token-prediction module is there");
}

/* ---- what it holds ---------------------------------------------------------------------------*/

static const char *parameter(const fm_json *root, const char *field) {
    return fm_human_integer(fm_report_number(root, "parameters", field));
}

static void parameters(fm_report *r, const fm_json *root) {
    char remark[80] = "";
    if (!fm_json_bool(fm_report_get(root, "parameters", "agree"), true))
        snprintf(remark, sizeof remark, "the config says %s", parameter(root, "by_config"));
    fm_report_section(r, "Parameters", NULL, NULL);
    fm_report_row(r, "in the files", parameter(root, "in_file"), NULL, remark);
    fm_report_row(r, "of the model", parameter(root, "total"), NULL, NULL);
    double share = fm_report_number(root, "parameters", "active") /
                   fm_report_number(root, "parameters", "total");
    snprintf(remark, sizeof remark, "%.1f %%", 100 * share);
    fm_report_row(r, "of which a token uses", parameter(root, "active"), NULL, remark);
}

static void dtypes(fm_report *r, const fm_json *root) {
    const fm_json *list = fm_json_get(root, "dtypes");
    fm_report_section(r, "Types", "elements", "bytes");
    for (size_t i = 0; i < fm_json_length(list); i++) {
        const fm_json *t = fm_json_at(list, i);
        double tensors = fm_json_number(fm_json_get(t, "tensors"), 0);
        char remark[40];
        snprintf(remark, sizeof remark, "%s tensor%s", fm_human_integer(tensors),
                 tensors == 1 ? "" : "s");
        fm_report_row(r, fm_json_string(fm_json_get(t, "dtype"), "?"),
                      fm_human_integer(fm_json_number(fm_json_get(t, "elements"), 0)),
                      fm_human_bytes(fm_json_number(fm_json_get(t, "bytes"), 0)), remark);
    }
}

static void cache(fm_report *r, const fm_json *root) {
    double times = fm_report_number(root, "attention", "times_smaller");
    char remark[40] = "";
    if (times > 1.005) snprintf(remark, sizeof remark, "%.3g times less", times);
    fm_report_section(r, "Cache of a token, 16 bits a number", NULL, NULL);
    fm_report_row(r, "plain multi-head attention",
                  fm_human_bytes(fm_report_number(root, "attention", "plain_cache_bytes_per_token")),
                  NULL, NULL);
    fm_report_row(r, "this model",
                  fm_human_bytes(fm_report_number(root, "attention", "cache_bytes_per_token")), NULL,
                  remark);
}

/* ---- what it needs ---------------------------------------------------------------------------*/

static const char *memory_bytes(const fm_json *root, const char *field) {
    return fm_human_bytes(fm_report_number(root, "memory", field));
}

static void memory(fm_report *r, const fm_json *root) {
    char label[64], remark[96] = "";
    bool fits = fm_json_bool(fm_report_get(root, "memory", "fits"), false);
    snprintf(label, sizeof label, "cache of %s tokens",
             fm_human_integer(fm_report_number(root, "memory", "context")));
    fm_report_section(r, "Memory to run it", NULL, NULL);
    char mapped[96] = "";
    if (fm_report_number(root, "memory", "weights_mapped") > 0)
        snprintf(mapped, sizeof mapped, "and %s mapped from a file of panels", memory_bytes(root, "weights_mapped"));
    fm_report_row(r, "weights", memory_bytes(root, "weights"), NULL, mapped);
    fm_report_row(r, "activations", memory_bytes(root, "plan"), NULL, NULL);
    fm_report_row(r, "logits of replies", memory_bytes(root, "replies"), NULL, NULL);
    fm_report_row(r, label, memory_bytes(root, "cache"), NULL, NULL);
    if (fm_report_number(root, "memory", "available") > 0)
        snprintf(remark, sizeof remark, "%s%s%s%s%s, %s available", r->ink.reset,
                 fits ? r->ink.good : r->ink.bad, fits ? "fits" : "does not fit", r->ink.reset,
                 r->ink.dim, memory_bytes(root, "available"));
    fm_report_total(r, "total", memory_bytes(root, "total"), NULL, remark);
    if (!fits) fm_report_text(r, text_at(root, "memory", "advice"), 2, true);
}

static void tensors(fm_report *r, const fm_json *root) {
    const fm_json *list = fm_json_get(root, "tensors");
    int name_width = 0;
    for (size_t i = 0; i < fm_json_length(list); i++) {
        const char *name = fm_json_string(fm_json_get(fm_json_at(list, i), "name"), "");
        int width = fm_text_width(name, strlen(name));
        if (width > name_width) name_width = width;
    }
    fm_report_section(r, "Tensors", NULL, NULL);
    for (size_t i = 0; i < fm_json_length(list); i++) {
        const fm_json *t = fm_json_at(list, i), *shape = fm_json_get(t, "shape");
        const char *name = fm_json_string(fm_json_get(t, "name"), "");
        fm_buffer size = {0};
        for (size_t d = 0; d < fm_json_length(shape); d++)
            fm_buffer_format(&size, "%s%.0f", d ? " × " : "",
                             fm_json_number(fm_json_at(shape, d), 0));
        const char *dims = fm_buffer_string(&size);
        int gap = 22 - fm_text_width(dims, strlen(dims));
        fm_buffer_format(&r->out, "  %s%*s  %-8s %s%*s %11s\n", name,
                         name_width - fm_text_width(name, strlen(name)), "",
                         fm_json_string(fm_json_get(t, "dtype"), "?"), dims, gap > 0 ? gap : 0, "",
                         fm_human_bytes(fm_json_number(fm_json_get(t, "bytes"), 0)));
        fm_buffer_clear(&size);
    }
}

/* ---- the command -----------------------------------------------------------------------------*/

static fm_status show(const arguments *a, const char *json, fm_error *err) {
    fm_json *root;
    FM_TRY(fm_json_parse(json, strlen(json), &root, err));
    fm_report r;
    fm_report_begin(&r);
    title(&r, root);
    facts(&r, root);
    parameters(&r, root);
    dtypes(&r, root);
    cache(&r, root);
    memory(&r, root);
    if (a->tensors) tensors(&r, root);
    fm_json_free(root);
    return fm_report_end(&r, err);
}

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    fathom_model_options o = fathom_model_defaults();
    if (a->context > 0) o.context = a->context;
    if (a->cache >= 0) o.cache = (fathom_cache_type)a->cache;
    if (a->arith >= 0) o.arith = (fathom_arith)a->arith;
    if (a->activations >= 0) o.activations = (fathom_activations)a->activations;
    if (!isnan(a->memory)) o.memory_limit = (uint64_t)a->memory;
    o.map_only = a->map_only;
    char *json;
    fathom_error said;
    FM_TRY(fm_said(fathom_inspect(a->model, &o, &json, &said), &said, err));
    fm_status status = FM_OK;
    if (a->json) {
        fm_output_text(json);
        fm_output_text("\n");
    } else {
        status = show(a, json, err);
    }
    fathom_free(json);
    return status;
}

/* cost: what a model of a given shape costs, in parameters, arithmetic, memory, hours and money, with
 * every sum shown. */
#include "base/json.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/call.h"
#include "cli/report.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct arguments {
    const char *config;
    double tokens, hours, extension, post_training, price;
    int64_t context;
    bool json, brief;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_REAL, "tokens", 0, "N", "train on N tokens, as in 14.8T or 300B",
     offsetof(arguments, tokens), 1, 1e18, NULL, NULL},
    {FM_OPTION_REAL, "price", 0, "X", "dollars for an hour of one GPU (2 if not given)",
     offsetof(arguments, price), 1e-6, 1e6, NULL, NULL},
    {FM_OPTION_REAL, "hours", 0, "N",
     "GPU hours for 10^12 tokens; without it V3's 180,000 on H800, in proportion to the arithmetic",
     offsetof(arguments, hours), 1e-6, 1e12, NULL, NULL},
    {FM_OPTION_REAL, "extension", 0, "N", "GPU hours for the longer context",
     offsetof(arguments, extension), 0, 1e12, NULL, NULL},
    {FM_OPTION_REAL, "post-training", 0, "N", "GPU hours after pre-training",
     offsetof(arguments, post_training), 0, 1e12, NULL, NULL},
    {FM_OPTION_INTEGER, "context", 'c', "N", "positions in the cache; without it the model's own",
     offsetof(arguments, context), 1, 1e12, NULL, NULL},
    {FM_OPTION_FLAG, "brief", .help = "leave out the working", .offset = offsetof(arguments, brief)},
    {FM_OPTION_FLAG, "json", .help = "print all figures and the working as JSON",
     .offset = offsetof(arguments, json)},
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_cost = {
    .name = "cost",
    .about = "Says what a model costs: parameters, active parameters, arithmetic per token, cache, "
             "GPU hours and money, with the working. No weights are needed. For DeepSeek-V3's shape "
             "the figures of its report are used where none are given.",
    .operands = {{"CONFIG", "a config.json, a model folder, a GGUF file or the name of a pulled model",
                  offsetof(arguments, config), true, true}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom cost DeepSeek-V3/config.json\n"
                "fathom cost config.json --tokens 300B --price 1.5 --brief\n"
                "fathom cost config.json --json\n",
};

static const char *integer_at(const fm_json *root, const char *section, const char *field) {
    return fm_human_integer(fm_report_number(root, section, field));
}

static void title(fm_report *r, const char *path, const fm_json *root) {
    fm_buffer remark = {0};
    fm_buffer_format(&remark, "%s layers of %s · vocabulary %s · context %s",
                     integer_at(root, "model", "layers"), integer_at(root, "model", "hidden_size"),
                     integer_at(root, "model", "vocabulary"), integer_at(root, "model", "context"));
    (void)path;
    fm_report_title(r, fm_json_string(fm_report_get(root, "model", "architecture"), "?"),
                    fm_buffer_string(&remark));
    fm_buffer_clear(&remark);
}

typedef struct part {
    const char *field, *label;
    double count;
} part;

static int larger_first(const void *a, const void *b) {
    double x = ((const part *)a)->count, y = ((const part *)b)->count;
    return x > y ? -1 : x < y;
}

static void parameters(fm_report *r, const fm_json *root) {
    part parts[] = {{"routed_experts", "routed experts", 0}, {"shared_experts", "shared experts", 0},
                    {"attention", "attention", 0},           {"dense_ffn", "dense feed-forward", 0},
                    {"embedding", "embedding", 0},           {"head", "head", 0},
                    {"gates", "gates", 0},                   {"norms", "norms", 0}};
    double total = fm_report_number(root, "parameters", "total");
    for (size_t i = 0; i < FM_COUNT(parts); i++)
        parts[i].count = fm_report_number(root, "parameters", parts[i].field);
    qsort(parts, FM_COUNT(parts), sizeof parts[0], larger_first);
    fm_report_section(r, "Parameters", NULL, NULL);
    for (size_t i = 0; i < FM_COUNT(parts) && parts[i].count > 0; i++) {
        double share = parts[i].count / total;
        const char *bar = fm_report_bar(share, 12);
        fm_buffer remark = {0};
        fm_buffer_format(&remark, "%5.1f %%", 100 * share);
        if (*bar) fm_buffer_format(&remark, "  %s%s%s", r->ink.reset, r->ink.accent, bar);
        fm_report_row(r, parts[i].label, fm_human_integer(parts[i].count), NULL,
                      fm_buffer_string(&remark));
        fm_buffer_clear(&remark);
    }
    fm_report_total(r, "total", fm_human_integer(total), NULL, NULL);
    double active = fm_report_number(root, "parameters", "active");
    char remark[64];
    snprintf(remark, sizeof remark, "%5.1f %%", 100 * active / total);
    fm_report_row(r, "of which a token uses", fm_human_integer(active), NULL, remark);
    if (fm_report_number(root, "parameters", "mtp") > 0)
        fm_report_row(r, "multi-token prediction adds", integer_at(root, "parameters", "mtp"), NULL,
                      NULL);
}

static void arithmetic(fm_report *r, const fm_json *root) {
    char label[80];
    double absorbed = fm_report_number(root, "flops_per_token", "attention_absorbed");
    fm_report_section(r, "Arithmetic of one token, forward", NULL, NULL);
    fm_report_row(r, "with the weights", fm_human_flops(fm_report_number(root, "flops_per_token", "weights")),
                  NULL, NULL);
    snprintf(label, sizeof label, "attention to %s positions",
             integer_at(root, "flops_per_token", "context"));
    fm_report_row(r, label, fm_human_flops(fm_report_number(root, "flops_per_token", "attention")), NULL,
                  NULL);
    if (absorbed > 0) fm_report_row(r, "the same, absorbed", fm_human_flops(absorbed), NULL, NULL);
}

static void cache(fm_report *r, const fm_json *root) {
    char heading[48], remark[48] = "";
    double times = fm_report_number(root, "cache", "times_smaller");
    snprintf(heading, sizeof heading, "%s tokens", integer_at(root, "cache", "context"));
    fm_report_section(r, "Cache, 16 bits a number", "one token", heading);
    fm_report_row(r, "plain multi-head attention",
                  fm_human_decimal(fm_report_number(root, "cache", "plain_bytes_per_token")),
                  fm_human_decimal(fm_report_number(root, "cache", "plain_bytes")), NULL);
    if (times > 1.005) snprintf(remark, sizeof remark, "%.3g times less", times);
    fm_report_row(r, "this model",
                  fm_human_decimal(fm_report_number(root, "cache", "bytes_per_token")),
                  fm_human_decimal(fm_report_number(root, "cache", "bytes")), remark);
    const double int8 = fm_report_number(root, "cache", "int8_bytes_per_token");
    if (int8 > 0)
        fm_report_row(r, "with --cache int8", fm_human_decimal(int8),
                      fm_human_decimal(int8 * fm_report_number(root, "cache", "context")), NULL);
}

static const char *dollars(const fm_json *root, const char *field) {
    static char text[4][40];
    static int next;
    char *out = text[next++ & 3];
    snprintf(out, sizeof text[0], "$%s", integer_at(root, "training", field));
    return out;
}

static void training(fm_report *r, const fm_json *root) {
    static const struct {
        const char *label, *hours, *dollars;
    } rows[] = {{"pre-training", "pre_training_gpu_hours", "pre_training_dollars"},
                {"longer context", "context_extension_gpu_hours", "context_extension_dollars"},
                {"post-training", "post_training_gpu_hours", "post_training_dollars"}};
    if (fm_json_kind_of(fm_json_get(root, "training")) != FM_JSON_OBJECT) {
        fm_report_section(r, "Training", NULL, NULL);
        fm_report_text(r, fm_json_string(fm_json_get(root, "training_note"), ""), 2, true);
        return;
    }
    char name[64], remark[64];
    snprintf(name, sizeof name, "Training on %s tokens",
             fm_human_count(fm_report_number(root, "training", "tokens")));
    fm_report_section(r, name, "GPU hours", "dollars");
    for (size_t i = 0; i < FM_COUNT(rows); i++)
        fm_report_row(r, rows[i].label, integer_at(root, "training", rows[i].hours),
                      dollars(root, rows[i].dollars), NULL);
    snprintf(remark, sizeof remark, "at $%g an hour",
             fm_report_number(root, "training", "dollars_per_gpu_hour"));
    fm_report_total(r, "total", integer_at(root, "training", "gpu_hours"), dollars(root, "dollars"),
                    remark);
    fm_report_text(r, fm_json_string(fm_report_get(root, "training", "source"), ""), 2, true);
}

/* "129280 x 7168" -> "129,280 × 7,168"; powers and decimals stay as they are. */
static void pretty_formula(const char *s, fm_buffer *out) {
    for (size_t i = 0; s[i];) {
        size_t n = strspn(s + i, "0123456789");
        bool joined = i > 0 && (isalnum((unsigned char)s[i - 1]) || strchr(".,^+_", s[i - 1]));
        if (n > 3 && n < 16 && !joined && s[i + n] != '.' && s[i + n] != '^' && s[i + n] != 'e') {
            fm_buffer_text(out, fm_human_integer(strtod(s + i, NULL)));
            i += n;
        } else if (n > 0) {
            fm_buffer_put(out, s + i, n);
            i += n;
        } else if (strncmp(s + i, " x ", 3) == 0) {
            fm_buffer_text(out, " × ");
            i += 3;
        } else {
            fm_buffer_put(out, s + i++, 1);
        }
    }
}

static void working(fm_report *r, const fm_json *root) {
    const fm_json *list = fm_json_get(root, "working");
    fm_report_section(r, "Working", NULL, NULL);
    for (size_t i = 0; i < fm_json_length(list); i++) {
        const fm_json *step = fm_json_at(list, i);
        double value = fm_json_number(fm_json_get(step, "value"), 0);
        char number[48];
        if (value >= 1e15)
            snprintf(number, sizeof number, "%.4g", value);
        else
            snprintf(number, sizeof number, "%s", fm_human_integer(value));
        fm_buffer formula = {0};
        pretty_formula(fm_json_string(fm_json_get(step, "formula"), ""), &formula);
        fm_report_row(r, fm_json_string(fm_json_get(step, "label"), ""), NULL, number, NULL);
        fm_report_text(r, fm_buffer_string(&formula), 6, true);
        fm_buffer_clear(&formula);
    }
}

static fm_status show(const arguments *a, const char *json, fm_error *err) {
    fm_json *root;
    FM_TRY(fm_json_parse(json, strlen(json), &root, err));
    fm_report r;
    fm_report_begin(&r);
    title(&r, a->config, root);
    parameters(&r, root);
    arithmetic(&r, root);
    cache(&r, root);
    training(&r, root);
    if (!a->brief) working(&r, root);
    fm_json_free(root);
    return fm_report_end(&r, err);
}

static double or_default(double given, double otherwise) { return isnan(given) ? otherwise : given; }

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    fathom_cost_options o = fathom_cost_defaults();
    o.train_tokens = or_default(a->tokens, o.train_tokens);
    o.gpu_hours_per_trillion = or_default(a->hours, o.gpu_hours_per_trillion);
    o.extension_gpu_hours = or_default(a->extension, o.extension_gpu_hours);
    o.post_training_gpu_hours = or_default(a->post_training, o.post_training_gpu_hours);
    o.dollars_per_gpu_hour = or_default(a->price, o.dollars_per_gpu_hour);
    if (a->context > 0) o.context = a->context;
    char *json;
    fathom_error said;
    FM_TRY(fm_said(fathom_cost(a->config, &o, &json, &said), &said, err));
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

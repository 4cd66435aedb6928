/* bench: how fast this machine reads prompts and writes replies, and how near that is to what its
 * memory gives. */
#include "base/json.h"
#include "cli/args.h"
#include "cli/call.h"
#include "cli/lengths.h"
#include "cli/loading.h"
#include "cli/report.h"
#include "fathom/fathom_measure.h"

#include <stddef.h>

typedef struct arguments {
    const char *model, *prompt, *generate, *depth;
    int64_t repeat, sequences, seed;
    bool no_bandwidth, profile, csv, json;
    fm_load_arguments load;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_TEXT, "prompt", 'p', "LIST", "prompts of these lengths; 0: none",
     offsetof(arguments, prompt), 0, 0, NULL, "512"},
    {FM_OPTION_TEXT, "generate", 'n', "LIST", "replies of these lengths; 0: none",
     offsetof(arguments, generate), 0, 0, NULL, "128"},
    {FM_OPTION_TEXT, "depth", 'd', "LIST", "tokens that are there before, each test after each",
     offsetof(arguments, depth), 0, 0, NULL, "0"},
    {FM_OPTION_INTEGER, "repeat", 'r', "N", "repetitions of each test, after one that does not count",
     offsetof(arguments, repeat), 1, 10000, NULL, "5"},
    {FM_OPTION_INTEGER, "sequences", 's', "N", "replies that are written side by side",
     offsetof(arguments, sequences), 1, 4096, NULL, "1"},
    {FM_OPTION_INTEGER, "seed", 0, "N", "of the token ids", offsetof(arguments, seed), 0, 9e18, NULL,
     "0"},
    {FM_OPTION_FLAG, "no-bandwidth", .help = "do not measure how fast memory can be read",
     .offset = offsetof(arguments, no_bandwidth)},
    {FM_OPTION_FLAG, "profile", .help = "time every op: a table for each test",
     .offset = offsetof(arguments, profile)},
    {FM_OPTION_FLAG, "csv", .help = "print the table with commas, numbers in full",
     .offset = offsetof(arguments, csv)},
    {FM_OPTION_FLAG, "json", .help = "print everything as one JSON object",
     .offset = offsetof(arguments, json)},
    FM_LOAD_OPTIONS_WITH(arguments, load,
                         "positions to have memory for when opening; tests make room of their own"),
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_bench = {
    .name = "bench",
    .about = "Measures the speed of prompts (pp) and replies (tg), median, least and most of several "
             "repetitions over the same random tokens; the bytes a reply reads beside what the memory "
             "gives; and a fingerprint of the logits. Fails when a repetition gives other logits.",
    .operands = {{"MODEL", FM_MODEL_HELP, offsetof(arguments, model), true, true}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom bench model.gguf\n"
                "fathom bench model.gguf --prompt 128,512 --generate 32 --depth 0,4096\n"
                "fathom bench model.gguf --prompt 0 --generate 64 --sequences 8 --csv\n",
};

/* ---- what is printed ----------------------------------------------------------------------------- */

typedef struct column {
    const char *title, *csv;
    int width; /* negative: left */
} column;

static const column columns[] = {
    {"mode", "arith", -5},       {"cache", "cache", -5}, {"act", "activations", -4},
    {"cpu", "cpu", -6},
    {"threads", "threads", 7},   {"test", "test", -12},  {"tokens/s", "tokens_per_second", 9},
    {"min", "tokens_per_second_min", 9},                 {"max", "tokens_per_second_max", 9},
    {"seconds", "seconds", 8},   {"GB/s", "bytes_per_second", 6},
    {"%", "bandwidth_fraction", 4},                      {"GFLOP/s", "flops_per_second", 8},
    {"logits", "logits_hash", -16},
};

/* A field of the test, or else of the whole. */
static const fm_json *field(const fm_json *root, const fm_json *test, const char *name) {
    const fm_json *v = fm_json_get(test, name);
    return v ? v : fm_json_get(root, name);
}

static void put_cell(fm_buffer *out, const column *c, const char *text, bool last) {
    int gap = (c->width < 0 ? -c->width : c->width) - (int)strlen(text);
    if (c->width > 0 && gap > 0) fm_buffer_format(out, "%*s", gap, "");
    fm_buffer_text(out, text);
    if (c->width < 0 && gap > 0 && !last) fm_buffer_format(out, "%*s", gap, "");
    fm_buffer_text(out, last ? "\n" : "  ");
}

static void cell_text(const column *c, const fm_json *v, char *text, size_t size) {
    double x = fm_json_number(v, 0);
    if (!v)
        snprintf(text, size, "-");
    else if (fm_json_kind_of(v) == FM_JSON_STRING)
        snprintf(text, size, "%s", fm_json_string(v, ""));
    else if (fm_json_kind_of(v) == FM_JSON_INTEGER && !strcmp(c->csv, "threads"))
        snprintf(text, size, "%.0f", x);
    else if (!strcmp(c->csv, "seconds"))
        snprintf(text, size, "%.3f", x);
    else if (!strcmp(c->csv, "bandwidth_fraction"))
        snprintf(text, size, "%.0f", 100 * x);
    else
        snprintf(text, size, !strcmp(c->csv, "bytes_per_second") ? "%.2f" : "%.1f",
                 strstr(c->title, "/s") && c->title[0] == 'G' ? x / 1e9 : x);
}

static void title(fm_report *r, const fm_json *root) {
    fm_buffer remark = {0};
    fm_buffer_format(&remark, "%s parameters, %s weights, %s", fm_human_count(
                         fm_json_number(fm_json_get(root, "parameters"), 0)),
                     fm_human_bytes(fm_json_number(fm_json_get(root, "weight_bytes"), 0)),
                     fm_json_string(fm_json_get(root, "processor"), "?"));
    fm_report_title(r, fm_json_string(fm_json_get(root, "model"), "?"), fm_buffer_string(&remark));
    fm_buffer_clear(&remark);
}

static double of(const fm_json *line, const char *field) { return fm_json_number(fm_json_get(line, field), 0); }

/* One test's ops, longest first. */
static void profile(fm_report *r, const fm_json *test) {
    const fm_json *lines = fm_json_get(test, "profile");
    double all = 0;
    for (size_t i = 0; i < fm_json_length(lines); i++)
        all += of(fm_json_at(lines, i), "seconds");
    if (all <= 0) return;
    fm_buffer_format(&r->out, "\n%s%-14s  %-14s  %15s  %9s  %10s  %5s  %6s%s\n", r->ink.dim,
                     fm_json_string(fm_json_get(test, "test"), ""), "op", "columns", "calls",
                     "us/token", "%", "GB/s", r->ink.reset);
    for (size_t i = 0; i < fm_json_length(lines); i++) {
        const fm_json *l = fm_json_at(lines, i);
        double seconds = of(l, "seconds");
        char widths[48], rate[16] = "-";
        snprintf(widths, sizeof widths, "%.0f>%.0f", of(l, "columns_in"),
                 of(l, "columns_out"));
        double bytes = of(l, "weight_bytes");
        if (bytes > 0 && seconds > 0) snprintf(rate, sizeof rate, "%.1f", bytes / seconds / 1e9);
        fm_buffer_format(&r->out, "%-14s  %-14s  %15s  %9.0f  %10.1f  %5.1f  %6s\n", "",
                         fm_json_string(fm_json_get(l, "op"), "?"), widths,
                         of(l, "calls"),
                         1e6 * of(l, "seconds_per_token"), 100 * seconds / all, rate);
    }
}

static void notes(fm_report *r, const fm_json *root) {
    const fm_json *bandwidth = fm_json_get(root, "bandwidth");
    const char *experts = fm_json_string(fm_json_get(root, "experts_counted"), "");
    double load_bytes = fm_json_number(fm_json_get(root, "load_bytes"), 0);
    double mapped = fm_json_number(fm_json_get(root, "mapped_bytes"), 0);
    double load_seconds = fm_json_number(fm_json_get(root, "load_seconds"), 0);
    fm_buffer_text(&r->out, r->ink.dim);
    if (load_bytes > 0)
        fm_buffer_format(&r->out, "loading: %s read and packed in %.2f s, %.2f s for a GB\n",
                         fm_human_bytes(load_bytes), load_seconds, load_seconds / (load_bytes / 1e9));
    if (mapped > 0)
        fm_buffer_format(&r->out, "loading: %s mapped from a file of panels in %.2f s\n", fm_human_bytes(mapped),
                         load_seconds);
    if (bandwidth)
        fm_buffer_format(&r->out, "reading memory: %s/s before, %s/s after (%s, all threads); %% is of "
                         "the larger\n",
                         fm_human_decimal(fm_report_number(root, "bandwidth", "before")),
                         fm_human_decimal(fm_report_number(root, "bandwidth", "after")),
                         fm_human_bytes(fm_report_number(root, "bandwidth", "buffer_bytes")));
    if (strcmp(experts, "routed") == 0)
        fm_buffer_text(&r->out, "GB/s counts the experts that a token is sent to\n");
    if (strcmp(experts, "expected") == 0)
        fm_buffer_text(&r->out, "GB/s counts the experts that so many tokens are expected to be sent "
                                "to, if evenly\n");
    fm_buffer_text(&r->out, r->ink.reset);
}

static fm_status print_table(const fm_json *root, fm_error *err) {
    fm_report r;
    fm_report_begin(&r);
    title(&r, root);
    fm_buffer_format(&r.out, "\n%s", r.ink.dim);
    for (size_t i = 0; i < FM_COUNT(columns); i++)
        put_cell(&r.out, &columns[i], columns[i].title, i + 1 == FM_COUNT(columns));
    fm_buffer_text(&r.out, r.ink.reset);
    const fm_json *tests = fm_json_get(root, "tests");
    for (size_t t = 0; t < fm_json_length(tests); t++)
        for (size_t i = 0; i < FM_COUNT(columns); i++) {
            char text[80];
            cell_text(&columns[i], field(root, fm_json_at(tests, t), columns[i].csv), text, sizeof text);
            put_cell(&r.out, &columns[i], text, i + 1 == FM_COUNT(columns));
        }
    for (size_t t = 0; t < fm_json_length(tests); t++) profile(&r, fm_json_at(tests, t));
    fm_buffer_text(&r.out, "\n");
    notes(&r, root);
    return fm_report_end(&r, err);
}

/* Raw figures under the names of the JSON document; nothing where a test has no such figure. */
static fm_status print_csv(const fm_json *root, fm_error *err) {
    fm_buffer out = {0};
    const fm_json *tests = fm_json_get(root, "tests");
    for (size_t i = 0; i < FM_COUNT(columns); i++)
        fm_buffer_format(&out, "%s%s", i ? "," : "", columns[i].csv);
    fm_buffer_text(&out, "\n");
    for (size_t t = 0; t < fm_json_length(tests); t++)
        for (size_t i = 0; i < FM_COUNT(columns); i++) {
            const fm_json *v = field(root, fm_json_at(tests, t), columns[i].csv);
            if (i) fm_buffer_text(&out, ",");
            if (v && fm_json_kind_of(v) == FM_JSON_STRING)
                fm_buffer_text(&out, fm_json_string(v, ""));
            else if (v)
                fm_buffer_format(&out, "%.10g", fm_json_number(v, 0));
            if (i + 1 == FM_COUNT(columns)) fm_buffer_text(&out, "\n");
        }
    return fm_output_buffer(&out, err);
}

static fm_status print(const arguments *a, const char *json, fm_error *err) {
    if (a->json) {
        fm_output_text(json);
        return FM_OK;
    }
    fm_json *root;
    FM_TRY(fm_json_parse(json, strlen(json), &root, err));
    fm_status status = a->csv ? print_csv(root, err) : print_table(root, err);
    fm_json_free(root);
    return status;
}

/* ---- measuring ----------------------------------------------------------------------------------- */

static bool on_progress(void *context, const char *test, double fraction) {
    fm_progress *p = context;
    p->what = test;
    fm_progress_at(p, fraction);
    return !fm_interrupted();
}

static fm_status measure(const arguments *a, fathom_model *model, fathom_bench_options *o, char **json,
                         fm_error *err) {
    fm_progress progress;
    fathom_error said;
    o->progress = on_progress;
    o->progress_context = &progress;
    o->sequences = a->sequences;
    o->repeat = (int)a->repeat;
    o->seed = (uint64_t)a->seed;
    o->no_bandwidth = a->no_bandwidth;
    o->profile = a->profile;
    fm_progress_begin(&progress, "Measuring", 1, NULL);
    fm_interrupt_catch();
    fathom_status status = fathom_bench(model, o, json, &said);
    fm_interrupt_release();
    fm_progress_end(&progress);
    return fm_said(status, &said, err);
}

static int64_t longest(const fm_lengths *l) {
    int64_t most = 0;
    for (size_t i = 0; i < l->n; i++)
        if (l->values[i] > most) most = l->values[i];
    return most;
}

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    fm_lengths prompt, generate, depth;
    FM_TRY(fm_lengths_parse("prompt", a->prompt, &prompt, err));
    FM_TRY(fm_lengths_parse("generate", a->generate, &generate, err));
    FM_TRY(fm_lengths_parse("depth", a->depth, &depth, err));
    if (a->csv && a->json)
        return fm_fail(err, FM_ERR_ARGUMENT, "--csv and --json are two forms of one result: give one");
    if (longest(&prompt) == 0 && longest(&generate) == 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "there is nothing to measure: give --prompt or --generate "
                       "a length");
    fathom_bench_options o = fathom_bench_defaults();
    o.prompt = prompt.values, o.n_prompt = prompt.n;
    o.generate = generate.values, o.n_generate = generate.n;
    o.depth = depth.values, o.n_depth = depth.n;
    fathom_model *model;
    char *json;
    fm_load_arguments load = a->load; /* no room for sessions: there are none */
    if (load.context < 0) load.context = 1;
    load.no_mtp = load.eager = true;
    FM_TRY(fm_load_model(a->model, &load, &model, err));
    fm_status status = measure(a, model, &o, &json, err);
    if (status == FM_OK) {
        status = print(a, json, err);
        fathom_free(json);
    }
    fathom_model_close(model);
    return status;
}

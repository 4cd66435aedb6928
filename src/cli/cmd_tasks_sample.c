/* tasks sample: problems, with their solutions. */
#include "base/json.h"
#include "base/json_write.h"
#include "cli/args.h"
#include "cli/call.h"
#include "cli/screen.h"
#include "fathom/fathom_tasks.h"

#include <stddef.h>

typedef struct arguments {
    const char *kind;
    int split;
    int64_t band, n, seed, first;
    bool json, completions;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_INTEGER, "band", 'b', "N", "how difficult, from 1 on; without it all bands in turn",
     offsetof(arguments, band), 1, 99, NULL, NULL},
    {FM_OPTION_CHOICE, "split", 's', NULL, "a problem is always in the same one, whatever the seed",
     offsetof(arguments, split), 0, 0, "train|validation|test", "train"},
    {FM_OPTION_INTEGER, "n", 'n', "N", "how many problems", offsetof(arguments, n), 1, 1e12, NULL, "1"},
    {FM_OPTION_INTEGER, "seed", 0, "N", "another seed, other problems", offsetof(arguments, seed), 0, 9e15, NULL, "1"},
    {FM_OPTION_INTEGER, "first", 0, "N", "begin with this number, from 0", offsetof(arguments, first), 0, 9e15, NULL,
     "0"},
    {FM_OPTION_FLAG, "json", .help = "a JSON object a line, with key, facts and all that names the problem",
     .offset = offsetof(arguments, json)},
    {FM_OPTION_FLAG, "completions",
     .help = "{\"prompt\", \"completion\"} a line, for data build: the working between <think> tags, the answer "
             "between <answer> tags",
     .offset = offsetof(arguments, completions)},
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_tasks_sample = {
    .name = "tasks sample",
    .about = "Draws problems and prints them with a solution as it is worked out on paper, and its answer. Kind, band, "
             "split, seed and number name a problem for ever; the split follows from what is asked alone, so no seed "
             "brings a problem of the test split into the training split.",
    .operands = {{"KIND", "as fathom tasks list names them; without it all kinds in turn", offsetof(arguments, kind),
                  false}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom tasks sample countdown --band 2\n"
                "fathom tasks sample -n 100000 --completions > traces.jsonl\n"
                "fathom tasks sample fractions --split test -n 200 --json > fractions.jsonl\n",
};

static const char *text_of(const fm_json *line, const char *name) {
    return fm_json_string(fm_json_get(line, name), "");
}

static void put_completion(const fm_json *line, fm_buffer *out) {
    fm_buffer text = {0};
    fm_json_writer w = {.out = out, .flat = true};
    fm_buffer_format(&text, "<think>\n%s</think>\n\n<answer>%s</answer>", text_of(line, "trace"),
                     text_of(line, "answer"));
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "prompt", text_of(line, "prompt"));
    fm_json_put_text(&w, "completion", fm_buffer_string(&text));
    fm_json_close(&w, '}');
    out->failed |= text.failed;
    fm_buffer_clear(&text);
}

static void put_for_people(const fm_json *line, fm_buffer *out) {
    fm_ink ink = fm_ink_for(stdout);
    fm_buffer_format(out, "%s%s%s\n", ink.bold, text_of(line, "prompt"), ink.reset);
    fm_buffer_format(out, "%s%s%s", ink.dim, text_of(line, "trace"), ink.reset);
    fm_buffer_format(out, "%s%s%s\n\n", ink.good, text_of(line, "answer"), ink.reset);
}

typedef struct printing {
    const arguments *arguments;
    fm_status status;
    fm_error *err;
} printing;

static bool print_line(void *context, const char *json) {
    printing *p = context;
    if (p->arguments->json) return fm_output_text(json);
    fm_json *line;
    fm_buffer out = {0};
    p->status = fm_json_parse(json, strlen(json), &line, p->err);
    if (p->status != FM_OK) return false;
    if (p->arguments->completions) put_completion(line, &out);
    else put_for_people(line, &out);
    fm_json_free(line);
    p->status = fm_output_buffer(&out, p->err);
    return p->status == FM_OK;
}

static fm_status run(const void *parsed, fm_error *err) {
    static const char *const splits[] = {"train", "validation", "test"};
    const arguments *a = parsed;
    fathom_error said;
    printing p = {a, FM_OK, err};
    int band = a->band > 0 ? (int)a->band : 0;
    fathom_tasks_sample_options o = {a->kind, band, splits[a->split], (uint64_t)a->seed, a->first, a->n};
    if (a->json && a->completions)
        return fm_fail(err, FM_ERR_ARGUMENT, "--json and --completions are two forms of a line; choose one");
    fathom_status status = fathom_tasks_sample(&o, print_line, &p, &said);
    if (p.status != FM_OK) return p.status;
    if (status == FATHOM_ERR_CANCELLED) return fm_output_status(err);
    return fm_said(status, &said, err);
}

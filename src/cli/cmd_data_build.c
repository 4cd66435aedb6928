/* data build: text to data for training. */
#include "base/json.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/call.h"
#include "cli/making.h"
#include "fathom/fathom_train.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct arguments {
    fm_operand_list files;
    const char *tokenizer, *out, *chat;
    fm_texts sources;
    double valid, near;
    int64_t shard, threads;
    bool keep_duplicates, json;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_TEXT, "tokenizer", 0, "PATH", "a folder with tokenizer.json, or a model",
     offsetof(arguments, tokenizer), 0, 0, NULL, NULL},
    {FM_OPTION_TEXT, "out", 'o', "DIR", "the folder to make", offsetof(arguments, out), 0, 0, NULL, NULL},
    {FM_OPTION_TEXTS, "source", 's', "NAME[:WEIGHT]=PATH",
     "a source of its own: a file or folder, and its share of the tokens; the same NAME again adds to it",
     offsetof(arguments, sources), 0, 0, NULL, NULL},
    {FM_OPTION_REAL, "valid", 0, "X", "share of documents for validation, chosen by their text",
     offsetof(arguments, valid), 0, 0.999, NULL, "0.01"},
    {FM_OPTION_REAL, "near", 0, "X", "leave out documents that are this similar to an earlier one; 0: keep them",
     offsetof(arguments, near), 0, 1, NULL, "0.8"},
    {FM_OPTION_FLAG, "keep-duplicates", .help = "keep exact copies", .offset = offsetof(arguments, keep_duplicates)},
    {FM_OPTION_TEXT, "chat", 0, "STYLE", "the chat template of conversations: v3, r1, r1-distill, chatml, ..., none; "
     "without it the tokenizer's own", offsetof(arguments, chat), 0, 0, NULL, NULL},
    {FM_OPTION_INTEGER, "shard", 0, "N", "tokens of a file", offsetof(arguments, shard), 1, 1e12, NULL, "33554432"},
    {FM_OPTION_INTEGER, "threads", 't', "N", "threads; without it one per processor", offsetof(arguments, threads), 1,
     256, NULL, NULL},
    {FM_OPTION_FLAG, "json", .help = "print the manifest", .offset = offsetof(arguments, json)},
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_data_build = {
    .name = "data build",
    .about = "Encodes text for training. Files that end in .jsonl hold a document a line: {\"text\": ..}, or "
             "conversations, {\"prompt\": .., \"completion\": ..} or {\"messages\": [..]}, of which the answers alone "
             "are learnt; every other file is a document. Copies are left out, some documents kept for "
             "validation, and the folder appears complete or not at all.",
    .operands = {{"PATH", "files and folders of the source 'main'", offsetof(arguments, files), false, .list = true}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom data build --tokenizer tok --out data book.txt pages.jsonl\n"
                "fathom data build --tokenizer tok --out mix -s prose:7=texts -s code:3=src\n"
                "fathom data build --tokenizer DeepSeek-V2-Lite --out sft answers.jsonl\n",
};

/* ---- sources -------------------------------------------------------------------------------------*/

enum { MOST = FM_TEXTS_MAX + 1 };

typedef struct sources {
    fathom_data_source list[MOST];
    size_t n;
    char names[MOST][80];
    const char *paths[MOST][FM_TEXTS_MAX];
} sources;

/* "NAME:WEIGHT" of n bytes; the weight is -1 where there is none. */
static fm_status parse_name(const char *text, size_t n, char name[80], double *weight, fm_error *err) {
    const char *colon = memchr(text, ':', n);
    size_t length = colon ? (size_t)(colon - text) : n;
    char number[40];
    *weight = -1;
    if (length < 80) {
        memcpy(name, text, length);
        name[length] = 0;
        if (!colon) return FM_OK;
        size_t digits = n - length - 1;
        if (digits < sizeof number) {
            memcpy(number, colon + 1, digits);
            number[digits] = 0;
            if (fm_args_number(number, weight) && *weight >= 0) return FM_OK;
        }
    }
    return fm_fail(err, FM_ERR_ARGUMENT, "--source must be NAME=PATH or NAME:WEIGHT=PATH, not '%s'", text);
}

static fm_status add_source(sources *s, const char *text, fm_error *err) {
    const char *equals = strchr(text, '=');
    char name[80];
    double weight;
    if (!equals || !equals[1])
        return fm_fail(err, FM_ERR_ARGUMENT, "--source must be NAME=PATH or NAME:WEIGHT=PATH, not '%s'", text);
    FM_TRY(parse_name(text, (size_t)(equals - text), name, &weight, err));
    size_t i = 0;
    while (i < s->n && strcmp(s->names[i], name) != 0) i++;
    if (i == s->n) {
        strcpy(s->names[i], name);
        s->list[s->n++] = (fathom_data_source){s->names[i], weight, s->paths[i], 0};
    } else if (weight >= 0 && weight != s->list[i].weight) {
        return fm_fail(err, FM_ERR_ARGUMENT, "the source %s has two weights: give it with its first path", name);
    }
    s->paths[i][s->list[i].n_paths++] = equals + 1;
    return FM_OK;
}

static fm_status collect(const arguments *a, sources *s, fm_error *err) {
    for (size_t i = 0; i < a->sources.n; i++) FM_TRY(add_source(s, a->sources.at[i], err));
    if (a->files.n > 0)
        s->list[s->n++] = (fathom_data_source){"main", -1, (const char *const *)a->files.at, a->files.n};
    if (s->n > 0) return FM_OK;
    return fm_fail(err, FM_ERR_ARGUMENT, "'data build' needs text: PATH... or --source NAME=PATH");
}

/* ---- what was made -------------------------------------------------------------------------------*/

static double of_part(const fm_json *source, const char *part, const char *field) {
    return fm_json_number(fm_json_get(fm_json_get(source, part), field), 0);
}

static void put_left_out(fm_buffer *out, const fm_json *source, const char *field, const char *what, int *n) {
    double count = of_part(source, "read", field);
    if (count > 0) fm_buffer_format(out, "%s%s %s", (*n)++ ? ", " : "  left out: ", fm_human_integer(count), what);
}

static void put_source(fm_buffer *out, const fm_json *source) {
    int n = 0;
    fm_buffer_format(out, "  %-12s %s tokens to learn from, %s to validate with, of %s documents",
                     fm_json_string(fm_json_get(source, "name"), ""),
                     fm_human_integer(of_part(source, "train", "tokens")),
                     fm_human_integer(of_part(source, "valid", "tokens")),
                     fm_human_integer(of_part(source, "read", "documents")));
    put_left_out(out, source, "empty", "empty", &n);
    put_left_out(out, source, "binary", "not text", &n);
    put_left_out(out, source, "duplicates", "copies", &n);
    put_left_out(out, source, "near_duplicates", "near copies", &n);
    fm_buffer_text(out, "\n");
}

static fm_status print_result(const char *path, const char *json, fm_error *err) {
    fm_json *root;
    FM_TRY(fm_json_parse(json, strlen(json), &root, err));
    const fm_json *list = fm_json_get(root, "sources");
    fm_buffer out = {0};
    fm_ink ink = fm_ink_for(stdout);
    fm_buffer_format(&out, "%s%s%s\n", ink.bold, path, ink.reset);
    for (size_t i = 0; i < fm_json_length(list); i++) put_source(&out, fm_json_at(list, i));
    fm_json_free(root);
    return fm_output_buffer(&out, err);
}

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    fathom_data_options o = fathom_data_defaults();
    static sources s;
    fathom_error said;
    fm_making making;
    char *json;
    if (!a->tokenizer) return fm_fail(err, FM_ERR_ARGUMENT, "'data build' needs --tokenizer PATH");
    if (!a->out) return fm_fail(err, FM_ERR_ARGUMENT, "'data build' needs --out DIR, the folder to make");
    FM_TRY(collect(a, &s, err));
    o.chat = a->chat;
    o.valid = a->valid;
    o.keep_duplicates = a->keep_duplicates;
    o.near = a->near;
    o.shard = a->shard;
    if (a->threads > 0) o.threads = (int)a->threads;
    o.progress = fm_making_progress;
    o.callback_context = &making;
    fm_making_begin(&making, "Encoding", "");
    fathom_status status = fathom_data_build(a->tokenizer, s.list, s.n, a->out, &o, &json, &said);
    fm_making_end(&making);
    FM_TRY(fm_said(status, &said, err));
    fm_status printed = FM_OK;
    if (!a->json) printed = print_result(a->out, json, err);
    else fm_output_text(json);
    fathom_free(json);
    return printed;
}

/* tokenizer train: a vocabulary learnt from text. */
#include "base/json.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/call.h"
#include "cli/making.h"
#include "fathom/fathom_train.h"

#include <stddef.h>

typedef struct arguments {
    fm_operand_list files;
    const char *out, *pre;
    int64_t vocabulary, least_count, threads;
    int chat;
    bool merge_digits, json;
} arguments;

static const char *const chats[] = {"deepseek-v3", "deepseek-r1", "none"};

static const fm_option options[] = {
    {FM_OPTION_INTEGER, "vocab", 'n', "N", "tokens in all, special ones and the 256 bytes among them",
     offsetof(arguments, vocabulary), 1, 1 << 22, NULL, "32768"},
    {FM_OPTION_TEXT, "out", 'o', "DIR", "the folder for tokenizer.json and tokenizer_config.json",
     offsetof(arguments, out), 0, 0, NULL, NULL},
    {FM_OPTION_TEXT, "pre", 0, "NAME", "how text is cut into words, as GGUF files name it: deepseek-v3, qwen2, "
     "llama-bpe, gpt-2, ...", offsetof(arguments, pre), 0, 0, NULL, "deepseek-v3"},
    {FM_OPTION_FLAG, "merge-digits", .help = "let numbers have tokens of their own; without it every digit is a "
     "token", .offset = offsetof(arguments, merge_digits)},
    {FM_OPTION_INTEGER, "least-count", 0, "N", "do not merge pairs that occur less often",
     offsetof(arguments, least_count), 1, 1e15, NULL, "2"},
    {FM_OPTION_CHOICE, "chat", 0, "NAME", "the chat template in tokenizer_config.json", offsetof(arguments, chat), 0, 0,
     "deepseek-v3|deepseek-r1|none", "deepseek-v3"},
    {FM_OPTION_INTEGER, "threads", 't', "N", "threads; without it one per processor", offsetof(arguments, threads), 1,
     256, NULL, NULL},
    {FM_OPTION_FLAG, "json", .help = "print what was made as JSON", .offset = offsetof(arguments, json)},
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_tokenizer_train = {
    .name = "tokenizer train",
    .about = "Learns a byte-level BPE vocabulary from files and folders and writes it as Hugging Face's "
             "tokenizer.json, with DeepSeek's special tokens. Files that end in .jsonl hold a document a line; "
             "every other file is one. The result depends on the text alone.",
    .operands = {{"FILE", "text, .jsonl, or folders of them", offsetof(arguments, files), true, .list = true}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom tokenizer train --vocab 8192 --out tokenizer book.txt\n"
                "fathom tokenizer train --vocab 32768 --out tokenizer texts code pages.jsonl\n",
};

static fm_status print_result(const char *json, fm_error *err) {
    fm_json *root;
    FM_TRY(fm_json_parse(json, strlen(json), &root, err));
    fm_buffer out = {0};
    fm_ink ink = fm_ink_for(stdout);
    fm_buffer_format(&out, "%s%s%s  %s tokens from %s of text, %s different pieces, in %s\n", ink.bold,
                     fm_json_string(fm_json_get(root, "path"), ""), ink.reset,
                     fm_human_integer(fm_json_number(fm_json_get(root, "vocabulary"), 0)),
                     fm_human_bytes(fm_json_number(fm_json_get(root, "bytes"), 0)),
                     fm_human_integer(fm_json_number(fm_json_get(root, "distinct_pieces"), 0)),
                     fm_human_seconds(fm_json_number(fm_json_get(root, "seconds"), 0)));
    fm_json_free(root);
    return fm_output_buffer(&out, err);
}

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    fathom_tokenizer_train_options o = fathom_tokenizer_train_defaults();
    fathom_error said;
    fm_making making;
    char *json;
    if (!a->out) return fm_fail(err, FM_ERR_ARGUMENT, "'tokenizer train' needs --out DIR, the folder to write");
    o.vocabulary = a->vocabulary;
    o.pre = a->pre;
    o.merge_digits = a->merge_digits;
    o.least_count = a->least_count;
    o.chat = chats[a->chat];
    if (a->threads > 0) o.threads = (int)a->threads;
    o.progress = fm_making_progress;
    o.note = fm_making_note;
    o.callback_context = &making;
    fm_making_begin(&making, "Learning", "");
    fathom_status status =
        fathom_tokenizer_train((const char *const *)a->files.at, a->files.n, a->out, &o, &json, &said);
    fm_making_end(&making);
    FM_TRY(fm_said(status, &said, err));
    fm_status printed = FM_OK;
    if (!a->json) printed = print_result(json, err);
    else fm_output_text(json);
    fathom_free(json);
    return printed;
}

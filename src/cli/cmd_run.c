/* run: one prompt, one answer, streamed as it comes; models are met through the public header. */
#include "base/file.h"
#include "base/mem.h"
#include "cli/answer.h"
#include "cli/call.h"
#include "cli/ids.h"
#include "cli/loading.h"

typedef struct arguments {
    const char *model, *prompt, *file, *system;
    bool raw, json, stats;
    int64_t logprobs;
    fm_answer_arguments answer;
    fm_sampling_arguments sampling;
    fm_load_arguments load;
} arguments;

static const fm_option options[] = {
    {FM_OPTION_TEXT, "file", 'f', "FILE", "ask about a document: pdf, csv, md, txt, source code",
     offsetof(arguments, file), 0, 0, NULL, NULL},
    {FM_OPTION_TEXT, "system", 's', "TEXT", "system prompt (R1 wants none)",
     offsetof(arguments, system), 0, 0, NULL, NULL},
    {FM_OPTION_FLAG, "raw", .help = "continue the prompt as it is, without a chat template",
     .offset = offsetof(arguments, raw)},
    FM_ANSWER_OPTIONS(arguments, answer),
    {FM_OPTION_FLAG, "json", .help = "print answer, reasoning and figures as one JSON object",
     .offset = offsetof(arguments, json)},
    {FM_OPTION_INTEGER, "logprobs", 0, "N",
     "with --json: every token's log-probability, and those of the N likeliest in its place",
     offsetof(arguments, logprobs), 0, FATHOM_LOGPROBS_TOP, NULL, NULL},
    {FM_OPTION_FLAG, "stats", .help = "say the speed, how it ended, and a fingerprint of all logits",
     .offset = offsetof(arguments, stats)},
    FM_SAMPLING_OPTIONS(arguments, sampling),
    FM_LOAD_OPTIONS(arguments, load),
    FM_EAGER_OPTION(arguments, load),
};

static fm_status run(const void *parsed, fm_error *err);

const fm_command fm_command_run = {
    .name = "run",
    .about = "Answers one prompt. The answer goes to standard output as it is made; a reasoning "
             "model's thoughts come before it, dim on a terminal and between <think> tags in a "
             "pipe. The same command gives the same answer every time, unless --seed changes it.",
    .operands = {{"MODEL", FM_MODEL_HELP, offsetof(arguments, model), true, true},
                 {"PROMPT", "the question; without it, or with -, standard input",
                  offsetof(arguments, prompt), false}},
    .options = options,
    .n_options = FM_COUNT(options),
    .size = sizeof(arguments),
    .run = run,
    .examples = "fathom run r1-distill-qwen-1.5b.gguf 'Is 2^31-1 a prime number?'\n"
                "fathom run model.gguf --file report.pdf 'What are the three main risks?'\n"
                "git diff | fathom run model.gguf -n 200 --hide-thinking\n",
};

/* ---- the prompt ------------------------------------------------------------------------------*/

static size_t without_newlines(const char *s, size_t n) {
    while (n > 0 && (s[n - 1] == '\n' || s[n - 1] == '\r')) n--;
    return n;
}

/* The words of the user, before any template; to be freed with fm_free. */
static fm_status question_of(const arguments *a, char **out, size_t *size, fm_error *err) {
    bool from_input = a->prompt ? strcmp(a->prompt, "-") == 0 : !fm_is_terminal(stdin);
    if (from_input) {
        FM_TRY(fm_file_read("-", FM_TEXT_LIMIT, out, size, err));
        if (!a->raw) (*out)[*size = without_newlines(*out, *size)] = 0;
    } else if (a->prompt) {
        *size = strlen(a->prompt);
        if (!(*out = fm_strdup(a->prompt))) return fm_fail_memory(err, *size, "the prompt");
    } else {
        return fm_fail(err, FM_ERR_ARGUMENT, a->file
                           ? "what shall be asked about the file? Give a PROMPT after the model"
                           : "there is no prompt: give it after the model, or pipe it into "
                             "standard input");
    }
    if (*size > 0) return FM_OK;
    fm_free(*out);
    return fm_fail(err, FM_ERR_ARGUMENT, "the prompt is empty");
}

/* With --file: the document and the question in one text. */
static fm_status user_text(const arguments *a, char **out, size_t *size, fm_error *err) {
    FM_TRY(question_of(a, out, size, err));
    if (!a->file) return FM_OK;
    char *question = *out;
    fathom_error said;
    fm_status status = fm_said(fathom_file_prompt(a->file, question, out, size, &said), &said, err);
    fm_free(question);
    return status;
}

static fm_status raw_tokens(const fathom_tokenizer *t, const char *text, size_t size, int32_t **ids,
                            size_t *n, fm_error *err) {
    fathom_error said;
    int32_t *plain;
    size_t n_plain;
    FM_TRY(fm_said(fathom_tokenize(t, text, size, FATHOM_PLAIN, &plain, &n_plain, &said), &said,
                   err));
    fm_buffer all = {0};
    int32_t bos = fathom_tokenizer_bos(t);
    if (fathom_tokenizer_adds_bos(t) && bos >= 0) fm_buffer_put(&all, &bos, sizeof bos);
    fm_buffer_put(&all, plain, n_plain * sizeof *plain);
    fathom_free(plain);
    *n = all.size / sizeof **ids;
    if (!(*ids = (int32_t *)(void *)fm_buffer_take(&all)))
        return fm_fail_memory(err, *n * sizeof **ids, "the prompt");
    return FM_OK;
}

static fm_status tokens_of(const arguments *a, const fathom_model *model, const char *text,
                           size_t size, int32_t **ids, size_t *n, bool *thinking, fm_error *err) {
    const fathom_tokenizer *t = fathom_model_tokenizer(model);
    if (!t)
        return fm_fail(err, FM_ERR_UNSUPPORTED,
                       "%s has no tokenizer: put its tokenizer.json beside the weights", a->model);
    *thinking = false;
    if (a->raw) return raw_tokens(t, text, size, ids, n, err);
    fathom_chat_options chat;
    FM_TRY(fm_answer_options_of(&a->answer, &chat, err));
    fathom_message messages[2];
    size_t count = 0;
    if (a->system)
        messages[count++] = (fathom_message){"system", a->system, strlen(a->system)};
    messages[count++] = (fathom_message){"user", text, size};
    fathom_error said;
    return fm_said(fathom_chat_tokens(t, messages, count, &chat, ids, n, thinking, &said), &said,
                   err);
}

/* ---- the answer ------------------------------------------------------------------------------*/

/* Tokens with their log-probabilities on their way to --json. */
typedef struct token_list {
    const fathom_tokenizer *tokenizer;
    fm_buffer text;
} token_list;

static bool note_token(void *context, const fathom_token *token) {
    token_list *list = context;
    fm_answer_json_token(&list->text, list->tokenizer, token);
    return !list->text.failed;
}

static fm_status print_json(const arguments *a, const fathom_model *model, const fm_answer *answer,
                            const fathom_generation *g, const fathom_generate_options *o,
                            const token_list *tokens, fm_error *err) {
    fm_buffer out = {0};
    fm_status status = fm_answer_json(&out, answer, model, g, o,
                                      a->logprobs >= 0 ? &tokens->text : NULL, err);
    if (status == FM_OK) return fm_output_buffer(&out, err);
    fm_buffer_clear(&out);
    return status;
}

static void print_stats(const arguments *a, const fathom_model *model, const fathom_generation *g,
                        const fathom_generate_options *o) {
    if (a->json || !(a->stats || a->load.verbose || fm_is_terminal(stderr))) return;
    fm_ink ink = fm_ink_for(stderr);
    fm_buffer line = {0};
    fm_answer_stats(&line, g, o, a->stats);
    fprintf(stderr, "%s%s%s%s\n", fm_is_terminal(stderr) ? "\n" : "", ink.dim,
            fm_buffer_string(&line), ink.reset);
    line.size = 0;
    if (a->stats) {
        fm_answer_loading(&line, model);
        fprintf(stderr, "%s%s%s\n", ink.dim, fm_buffer_string(&line), ink.reset);
    }
    fm_buffer_clear(&line);
}

/* `o` lacks its sampling still. */
static fm_status generate(const arguments *a, fathom_model *model, const int32_t *ids, size_t n,
                          fathom_generate_options *o, fm_error *err) {
    fathom_session *session;
    fathom_error said;
    FM_TRY(fm_said(fathom_session_new(model, &session, &said), &said, err));
    fm_answer answer;
    fathom_generation result = {0};
    token_list tokens = {.tokenizer = fathom_model_tokenizer(model)};
    if (a->logprobs >= 0) {
        o->logprobs = true;
        o->n_logprobs = (int)a->logprobs;
        o->on_token = note_token;
        o->context = &tokens;
    }
    o->sampling = fm_answer_sampling(&a->answer, &a->sampling, model);
    if (fm_is_terminal(stderr) && fm_is_terminal(stdout)) fputs("\n", stderr);
    fm_answer_begin(&answer, a->answer.hide_thinking, a->json);
    fm_interrupt_catch();
    fm_status status = fm_answer_generate(&answer, session, ids, n, o, &result, err);
    bool interrupted = fm_interrupted();
    fm_interrupt_release();
    fm_answer_end(&answer);
    if (status == FM_OK && a->json) status = print_json(a, model, &answer, &result, o, &tokens, err);
    if (status == FM_OK) status = fm_output_status(err);
    if (status == FM_OK) print_stats(a, model, &result, o);
    if (status == FM_OK && interrupted) status = FM_ERR_CANCELLED;
    fm_answer_clear(&answer);
    fm_buffer_clear(&tokens.text);
    fathom_session_free(session);
    return status;
}

static fm_status answer(const arguments *a, const char *text, size_t size,
                        fathom_generate_options *o, fm_error *err) {
    fathom_model *model;
    int32_t *ids;
    size_t n;
    FM_TRY(fm_load_model(a->model, &a->load, &model, err));
    fm_status status = tokens_of(a, model, text, size, &ids, &n, &o->starts_thinking, err);
    if (status == FM_OK) {
        status = generate(a, model, ids, n, o, err);
        fathom_free(ids);
    }
    fathom_model_close(model);
    return status;
}

static fm_status run(const void *parsed, fm_error *err) {
    const arguments *a = parsed;
    if (a->raw && a->system)
        return fm_fail(err, FM_ERR_ARGUMENT,
                       "--raw continues the prompt alone and has no place for --system");
    if (a->logprobs >= 0 && !a->json)
        return fm_fail(err, FM_ERR_ARGUMENT, "--logprobs goes with --json: there they are listed");
    fathom_chat_options checked;
    FM_TRY(fm_answer_options_of(&a->answer, &checked, err));
    char *text = NULL;
    size_t size;
    FM_TRY(user_text(a, &text, &size, err));
    fathom_generate_options o;
    fm_status status = fm_answer_generate_options(&a->answer, &o, err);
    if (status == FM_OK) status = answer(a, text, size, &o, err);
    fathom_grammar_free(o.grammar);
    fathom_free(text);
    return status;
}

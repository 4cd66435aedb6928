/* answer.h: a reply on its way to the reader: reasoning dim on a terminal and between <think> tags in
 * a pipe, nothing that a model says able to command the terminal.
 *
 * With `fold`, reasoning disappears from the screen when the answer begins, and a line tells how long
 * it was. It is left standing, above that line, where it could not be taken back cleanly: when it no
 * longer fits on the screen, when the window has changed meanwhile, when the terminal may have broken
 * a word elsewhere than we think, and on a dumb terminal. */
#pragma once

#include "cli/args.h"
#include "cli/flow.h"
#include "cli/loading.h"
#include "cli/screen.h"
#include "fathom/fathom.h"

#include <stddef.h>

typedef struct fm_answer_arguments {
    int64_t max_tokens, thinking_budget, guesses;
    fm_texts stop;
    fm_biases bias;
    const char *grammar, *schema, *style;
    bool json_mode, think, no_think, hide_thinking;
} fm_answer_arguments;

#define FM_ANSWER_OPTIONS(type, member)                                                            \
    {FM_OPTION_INTEGER, "max-tokens", 'n', "N",                                                    \
     "stop after N tokens; without it when the model is done or the context full",                \
     offsetof(type, member.max_tokens), 1, 1e12, NULL, NULL},                                      \
    {FM_OPTION_TEXTS, "stop", 0, "TEXT",                                                           \
     "stop the answer where TEXT appears, and leave that out; may be given several times",         \
     offsetof(type, member.stop), 0, 0, NULL, NULL},                                               \
    {FM_OPTION_INTEGER, "thinking-budget", 0, "N",                                                 \
     "close the reasoning after N tokens; 0: do not reason; without it as long as it takes",      \
     offsetof(type, member.thinking_budget), 0, 1e12, NULL, NULL},                                 \
    {FM_OPTION_TEXT, "grammar", 0, "FILE", "hold the answer to a grammar (GBNF, docs/grammar.md)", \
     offsetof(type, member.grammar), 0, 0, NULL, NULL},                                            \
    {FM_OPTION_TEXT, "schema", 0, "FILE", "hold the answer to JSON that fits this JSON schema",    \
     offsetof(type, member.schema), 0, 0, NULL, NULL},                                             \
    {FM_OPTION_FLAG, "json-mode", .help = "hold the answer to JSON: any object",                   \
     .offset = offsetof(type, member.json_mode)},                                                  \
    {FM_OPTION_BIASES, "logit-bias", 0, "ID=X",                                                    \
     "add X to the logit of token ID, -inf: never take it; may be given several times",            \
     offsetof(type, member.bias), 0, 0, NULL, NULL},                                               \
    {FM_OPTION_INTEGER, "guesses", 0, "N",                                                         \
     "tokens to guess ahead where that pays, at most; the answer is the same with and without",    \
     offsetof(type, member.guesses), 0, FATHOM_GUESSES_MAX, NULL, NULL},                           \
    {FM_OPTION_FLAG, "hide-thinking", .help = "show the answer without the reasoning",             \
     .offset = offsetof(type, member.hide_thinking)},                                              \
    {FM_OPTION_FLAG, "think", .help = "reason first, where a model leaves the choice (V3.1)",      \
     .offset = offsetof(type, member.think)},                                                      \
    {FM_OPTION_FLAG, "no-think", .help = "answer at once, where a model leaves the choice",        \
     .offset = offsetof(type, member.no_think)},                                                   \
    {FM_OPTION_TEXT, "style", 0, "NAME", "chat template to use instead of the model's own",        \
     offsetof(type, member.style), 0, 0, NULL, NULL}

typedef struct fm_answer {
    bool silent;          /* collect only */
    bool hide_thinking;
    bool fold;            /* reasoning that is over shrinks to one line, on a terminal; set after begin */
    fm_buffer text, thinking; /* everything the model said, as it said it */
    /* how far the screen is */
    fm_ink ink;
    bool terminal, began, in_thinking;
    size_t newlines; /* held back until something follows */
    fm_flow flow;
    unsigned changes; /* of the window, when the flow's width was right */
    double thinking_since;
    fm_progress reading; /* of the prompt */
    int64_t thinking_tokens;
    const fathom_generate_options *asked;
} fm_answer;

void fm_answer_begin(fm_answer *answer, bool hide_thinking, bool silent);
/* Closes what is open; the buffers stay until fm_answer_clear. */
void fm_answer_end(fm_answer *answer);
void fm_answer_clear(fm_answer *answer);

/* Generates into `answer` (begun), as `options` say; of their callbacks only on_token is called. Ctrl-C
 * stops it with FATHOM_STOP_CALLER and FM_OK. */
fm_status fm_answer_generate(fm_answer *answer, fathom_session *session, const int32_t *ids,
                             size_t n, const fathom_generate_options *options,
                             fathom_generation *result, fm_error *err);

/* The library's defaults with what was asked for over them, but for the sampling. Files are read; what
 * *out borrows lives as long as *a, and its grammar is released with fathom_grammar_free. */
fm_status fm_answer_generate_options(const fm_answer_arguments *a, fathom_generate_options *out,
                                     fm_error *err);
/* The sampling: the model's own, what was asked for over it, and the biases, borrowed. */
fathom_sampling fm_answer_sampling(const fm_answer_arguments *a, const fm_sampling_arguments *s,
                                   const fathom_model *model);

fm_status fm_answer_options_of(const fm_answer_arguments *a, fathom_chat_options *out,
                               fm_error *err);

/* "84 tokens, 36.1/s", with a word before it or none */
void fm_answer_rate(fm_buffer *out, const char *what, int64_t tokens, double seconds);
/* "prompt 21 tokens, 152/s · reply 84 tokens, 36.1/s"; `all`: and everything else that is known. `o`: what
 * it was generated with. */
void fm_answer_stats(fm_buffer *out, const fathom_generation *g, const fathom_generate_options *o,
                     bool all);
/* "1.1 GiB read and packed in 0.40 s · 512 of 1,664 experts packed since, in 1.3 s" */
void fm_answer_loading(fm_buffer *out, const fathom_model *model);
/* The reply as JSON's object: text, figures, and `tokens` (items of an array, or empty). */
fm_status fm_answer_json(fm_buffer *out, const fm_answer *answer, const fathom_model *model,
                         const fathom_generation *g, const fathom_generate_options *o,
                         const fm_buffer *tokens, fm_error *err);
/* Appends a token with its log-probabilities to `tokens`. */
void fm_answer_json_token(fm_buffer *tokens, const fathom_tokenizer *tokenizer, const fathom_token *t);

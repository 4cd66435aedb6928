/* exam.h: a model asked many questions, its answers checked and counted, its results kept. */
#pragma once

#include "eval/ask.h"
#include "eval/outcome.h"
#include "token/chat.h"

typedef struct fm_exam_result {
    fm_eval_tally tally;      /* of this run and of what it found done */
    int64_t items, resumed;   /* in all; found done */
    int64_t tokens;           /* drawn in this run, the unfinished too */
} fm_exam_result;

typedef struct fm_exam_options {
    fm_outcome_setup setup;   /* also holds samples, max_tokens, sampling, system, instruction, raw */
    fm_chat_style style;
    int64_t parallel;         /* replies side by side */
    const char *out;          /* file of results, joined if it is there; NULL: none */
    /* After every step. Returning false stops with FM_ERR_CANCELLED; what is done stays. May be NULL. */
    bool (*progress)(void *context, const fm_exam_result *so_far);
    void *context;
} fm_exam_options;

/* The questions as prompts: chat template or, raw, plain text; checked against the context before
 * anything is computed. */
typedef struct fm_exam_prompts {
    int32_t *ids;       /* all of them, one after the other */
    int64_t *starts;    /* [items + 1] */
    int64_t longest;
    bool starts_thinking;
} fm_exam_prompts;

fm_status fm_exam_prompts_make(const fm_tokenizer *tokenizer, const fm_eval_items *items,
                               const fm_exam_options *options, fm_exam_prompts *out, fm_error *err);
void fm_exam_prompts_clear(fm_exam_prompts *prompts);

/* Nobody else may use the engine; it takes `parallel` sequences at a time. *result holds what there is
 * after a failure too. */
fm_status fm_exam_run(fm_engine *engine, const fm_tokenizer *tokenizer, const fm_eval_items *items,
                      const fm_exam_prompts *prompts, const fm_exam_options *options,
                      fm_exam_result *result, fm_error *err);

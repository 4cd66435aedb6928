/* exam_prompts.h: items as what is put to a model: messages, or tokens of a chat template. */
#pragma once

#include "eval/outcome.h"
#include "token/chat.h"

/* The system prompt, the item's messages, and the instruction behind the last of the user. */
typedef struct fm_prompt_messages {
    fm_chat_message *list; /* borrows from item and setup */
    size_t n;
    fm_buffer last;        /* behind the message that has the instruction */
} fm_prompt_messages;

fm_status fm_prompt_messages_make(const fm_eval_item *item, const fm_outcome_setup *setup,
                                  fm_prompt_messages *out, fm_error *err);
void fm_prompt_messages_clear(fm_prompt_messages *messages);

/* All items as tokens: chat template or, raw, plain text; checked against the context before anything is
 * computed. */
typedef struct fm_exam_prompts {
    int32_t *ids;       /* all of them, one after the other */
    int64_t *starts;    /* [items + 1] */
    int64_t longest;
    bool starts_thinking;
} fm_exam_prompts;

fm_status fm_exam_prompts_make(const fm_tokenizer *tokenizer, const fm_eval_items *items,
                               const fm_outcome_setup *setup, fm_chat_style style, fm_exam_prompts *out,
                               fm_error *err);
void fm_exam_prompts_clear(fm_exam_prompts *prompts);

/* local.h: a model of this process as a respondent: as many replies side by side as there are slots.
 *
 * In exact arithmetic what is said does not depend on the slots: a draw is a function of seed, sequence
 * number and position, and a row's bits of its own tokens. */
#pragma once

#include "engine/reply.h"
#include "eval/exam_prompts.h"
#include "eval/respondent.h"

typedef struct fm_local {
    fm_engine *engine; /* nobody else may use it */
    const fm_tokenizer *tokenizer;
    const fm_eval_items *items;
    const fm_exam_prompts *prompts; /* of the items */
    fm_sampling sampling;
    int64_t max_tokens;      /* 0: until the context is full */
    int64_t thinking_budget; /* negative: none */
    int64_t slots;
} fm_local;

/* Borrows it. */
fm_respondent fm_local_respondent(fm_local *local);
/* How it draws and where it stops, as the setup says. */
void fm_local_settle(fm_local *local, const fm_outcome_setup *setup);

/* eval_endpoint.h: a model behind an address as a respondent: OpenAI's chat completions. */
#pragma once

#include "eval/exam_prompts.h"
#include "eval/respondent.h"
#include "fathom/fathom_measure.h"

typedef struct fm_endpoint {
    const fathom_endpoint *options;
    const fm_eval_items *items;
    const fm_outcome_setup *setup; /* what is sent with each question */
    int64_t parallel;
} fm_endpoint;

/* Borrows it. A reply is one request; a broken connection, a busy server (429) or an ill one (5xx) is
 * asked again after a pause that doubles, or as long as it says. Whatever else an answer is than a
 * completion ends the run with a sentence: it is never counted as a reply. */
fm_respondent fm_endpoint_respondent(fm_endpoint *endpoint);

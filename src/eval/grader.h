/* grader.h: who says what a reply's final answer is, and whether it solves the item.
 *
 * `eval` asks and counts; what is right it does not know. It takes a grader, so that the answers of a
 * data set, problems that are checked again (rl/task) and programs that are run in a jail are counted
 * alike. A grader only reads: it is called when a reply has come to its end, and nothing that it finds
 * goes back to the model. */
#pragma once

#include "base/three_valued.h"
#include "eval/items.h"
#include "eval/span.h"

typedef struct fm_grade {
    fm_verdict verdict; /* a reply without an answer is FM_WRONG */
    fm_span answer;     /* the final answer, a piece of the reply; n = 0: there is none */
    bool formed;        /* it stands in the form that was asked for (a box, a tag, "the answer is"), not
                           just at the end of the text */
} fm_grade;

typedef struct fm_grader {
    const char *name; /* of the rules; results of another are not joined */
    /* `text` is the reply without its reasoning; any bytes. Fails for lack of memory, and where the
     * means are missing (a jail); what cannot be decided is a verdict. One call at a time. */
    fm_status (*grade)(void *context, const fm_eval_item *item, fm_span text, fm_grade *out, fm_error *err);
    /* Whether two answers to the item, both there and judged alike, say the same: then they vote together. */
    fm_status (*same)(void *context, const fm_eval_item *item, fm_span a, fm_span b, bool *same, fm_error *err);
    void *context;
} fm_grader;

/* The answers of data sets: by final_answer.h, and choices by their letter (choice.h). */
fm_grader fm_grader_of_answers(void);

/* fathom_tasks.h: problems that can be drawn for ever, solved on paper, and checked.
 * Conventions are those of fathom.h. docs/tasks.md has the kinds, the form of the lines and the checkers. */
#pragma once

#include "fathom/fathom.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The kinds of problems as a JSON document: name, help, what an answer looks like, the bands of difficulty, how many
 * ways of asking there are and how many of them the test split alone has. *json: fathom_free. */
FATHOM_API fathom_status fathom_tasks_list(char **json, fathom_error *err);

typedef struct fathom_tasks_sample_options {
    const char *kind;  /* NULL: all kinds in turn */
    int band;          /* from 1, the easiest; 0: all bands in turn */
    const char *split; /* "train" (NULL), "validation", "test": a function of a problem's key, whatever the seed */
    uint64_t seed;
    int64_t first;     /* the problem's number; kind, band, split, seed and number name a problem for ever */
    int64_t n;         /* how many */
} fathom_tasks_sample_options;

/* Problems, handed to `line` one by one as a JSON object with a line feed: prompt, answer, trace, checker, key, facts
 * and what names it. Returning false stops with FATHOM_ERR_CANCELLED. */
FATHOM_API fathom_status fathom_tasks_sample(const fathom_tasks_sample_options *options,
                                             bool (*line)(void *context, const char *json), void *context,
                                             fathom_error *err);

typedef struct fathom_tasks_verdict {
    int64_t line;        /* of the file, from 1 */
    const char *checker; /* the kind, or "maths", "number", "text" */
    const char *key;
    const char *verdict; /* "right", "wrong", "undecided" (the checker cannot tell) */
    const char *answer;  /* that was looked at; "" where there was none */
    const char *reason;  /* why there was none; NULL */
    int band;            /* from 1; 0: not known */
} fathom_tasks_verdict;

typedef struct fathom_tasks_result {
    int64_t lines, right, wrong, undecided;
    int64_t unanswered; /* of the wrong: no answer was there */
} fathom_tasks_result;

/* Checks a file of problems with the answers that were given to them ("given", or the final answer of a whole "reply"),
 * one JSON object a line; "-" is standard input. `each` may be NULL; what it is handed lives until it returns, and
 * returning false stops with FATHOM_ERR_CANCELLED. A line that is no problem or has no answer to check is
 * FATHOM_ERR_FORMAT, with its number. */
FATHOM_API fathom_status fathom_tasks_check(const char *path,
                                            bool (*each)(void *context, const fathom_tasks_verdict *verdict),
                                            void *context, fathom_tasks_result *result, fathom_error *err);

#ifdef __cplusplus
}
#endif

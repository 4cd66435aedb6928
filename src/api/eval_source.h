/* eval_source.h: the questions of an evaluation, and who grades them. */
#pragma once

#include "api/eval_task.h"

typedef struct fm_eval_source {
    fm_eval_items items;
    fm_grader grader;       /* may point into this struct */
    fm_task_items problems; /* behind items that were made */
    char name[256]; /* what is asked, for people */
} fm_eval_source;

/* From a file, or problems made as the options say. Also refuses, before a model is opened, what could
 * not be graded. */
fm_status fm_eval_source_open(const char *path, const fathom_eval_options *options, fm_eval_source *out,
                              fm_error *err);
void fm_eval_source_close(fm_eval_source *source);

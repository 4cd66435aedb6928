/* eval_task.h: problems of rl/task as the questions of an evaluation, graded by their own checkers. */
#pragma once

#include "eval/grader.h"
#include "fathom/fathom_measure.h"
#include "rl/task/problem.h"

typedef struct fm_task_items {
    fm_problem_name *names; /* [items]: a problem is drawn again when it is graded */
    size_t n, capacity;
} fm_task_items;

/* Distinct problems, by canonical key, of one kind ("all": of every kind) and one band or all. The names of
 * kind and band become domain and band. */
fm_status fm_task_items_make(const fathom_eval_task *task, fm_eval_items *items, fm_task_items *out, fm_error *err);
void fm_task_items_clear(fm_task_items *problems);

/* The answer is found as in a data set (final_answer.h); the kind's checker judges it. Borrows them. */
fm_grader fm_task_items_grader(fm_task_items *problems);

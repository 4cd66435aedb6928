/* task_line.h: a problem on a line of a .jsonl file: ours, as `fathom tasks sample` writes them, or a user's.
 *
 *   {"prompt": "...", "answer": "...", "checker": "maths"}
 *   {"prompt": "...", "checker": "countdown", "facts": {"numbers": [3, 5, 8], "target": 19}}
 *
 *   checker  "maths" (the same as mathematics: rl/maths/equivalence.h; it is this one where a line names none),
 *            "number" (the same exact value, written as a number), "text" (the same words, whatever their case and
 *            the blanks between them), or a kind of tasks.def, which needs `facts`
 *   answer   the expected one; with a kind it may be missing, and need not be the only right one
 *   prompt   with a kind it may be missing, and is then the first of the kind's phrasings
 *   key      what makes it the same problem as another; if not given, the kind's key, or the words of the prompt
 *
 * Members that are not named here are passed over: results of other programs may stand beside. */
#pragma once

#include "rl/task/problem.h"

enum { FM_TASK_LINE_MAX = 16 << 20 }; /* bytes */

typedef struct fm_task_line fm_task_line;

/* `line` without its line feed. FM_ERR_FORMAT says what is wrong with it, without the file's name. */
fm_status fm_task_line_parse(const char *line, size_t size, fm_task_line **out, fm_error *err);
/* The line of a problem that was drawn by this name, with its working as "trace" and all that names it; a line feed
 * ends it. */
void fm_task_line_write(const fm_problem_name *name, const fm_problem *p, fm_buffer *out);
void fm_task_line_free(fm_task_line *line);

const char *fm_task_line_prompt(const fm_task_line *line, size_t *size);
const char *fm_task_line_answer(const fm_task_line *line, size_t *size); /* "" where there is none */
const char *fm_task_line_key(const fm_task_line *line);
const char *fm_task_line_checker(const fm_task_line *line);
const fm_problem *fm_task_line_problem(const fm_task_line *line); /* NULL: a user's own */

/* What somebody has "given" as an answer to it, or, with *whole set, the "reply" whose final answer counts
 * (rl/maths/final.h); NULL: neither is there. */
const char *fm_task_line_given(const fm_task_line *line, size_t *size, bool *whole);

/* The verdict on an answer that has been taken out of a reply. */
fm_verdict fm_task_line_check(const fm_task_line *line, const char *answer, size_t size);

/* A line of a task set and an answer to it, both a stranger's: the line is refused in a sentence or is a problem, whose
 * own working ends with an answer that its checker takes.
 *
 * The input: the line; after a line feed, the answer. */
#include "fuzz.h"

#include "rl/task/task_line.h"

#include <string.h>

/* What a kind makes of facts, whoever wrote them. */
static void look_at(const fm_problem *p) {
    fm_buffer working = {0}, answer = {0}, key = {0}, prompt = {0};
    fm_problem_solve(p, &working, &answer);
    fm_problem_key(p, &key);
    fm_problem_prompt(p, &prompt);
    FUZZ_CHECK(!working.failed && !answer.failed && !key.failed && !prompt.failed);
    FUZZ_CHECK(prompt.size > 0 && working.size > 0 && working.data[working.size - 1] == '\n');
    FUZZ_CHECK(strncmp(key.data, p->kind->name, strlen(p->kind->name)) == 0);
    /* no answer: the facts have none that the working finds */
    if (answer.size) FUZZ_CHECK(fm_problem_check(p, answer.data, answer.size) == FM_RIGHT);
    fm_buffer_clear(&working);
    fm_buffer_clear(&answer);
    fm_buffer_clear(&key);
    fm_buffer_clear(&prompt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *feed = size ? memchr(data, '\n', size) : NULL;
    size_t n = feed ? (size_t)(feed - data) : size, rest = feed ? size - n - 1 : 0, m;
    fm_task_line *line;
    fm_error err = {0};
    fm_status status = fm_task_line_parse((const char *)data, n, &line, &err);
    FUZZ_CHECK((status == FM_OK) == (line != NULL));
    FUZZ_CHECK(status == FM_OK || (err.code == status && err.message[0]));
    if (!line) return 0;
    FUZZ_CHECK(fm_task_line_prompt(line, &m) && fm_task_line_answer(line, &m) && fm_task_line_key(line));
    fm_task_line_check(line, feed ? (const char *)feed + 1 : "", rest);
    if (fm_task_line_problem(line)) look_at(fm_task_line_problem(line));
    fm_task_line_free(line);
    return 0;
}

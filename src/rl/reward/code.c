#include "rl/reward/code.h"

#include "jail/program.h"
#include "rl/program/language.h"
#include "rl/reward/parts.h"

#include <stdio.h>
#include <string.h>

const char *fm_code_end_name(fm_code_end end) {
    static const char *const names[FM_CODE_ENDS] = {"passed", "no program", "broken", "wrong output",
                                                    "crashed", "time", "memory", "too much"};
    return (unsigned)end < FM_CODE_ENDS ? names[end] : "unknown";
}

/* One test's run, whoever ran it. */
typedef struct attempt {
    fm_code_end end; /* FM_CODE_PASSED: it ended well, and its output is still to be compared */
    fm_buffer output;
} attempt;

static void complain(fm_code_result *out, const char *words) {
    snprintf(out->complaint, sizeof out->complaint, "%s", words);
}

static bool judge_test(const fm_code_tests *t, size_t i, attempt *a, fm_code_result *out) {
    const fm_code_test *test = &t->tests[i];
    if (a->end == FM_CODE_PASSED && !fm_code_same(t->compare, t->tolerance, a->output.data, a->output.size,
                                                  test->expected, test->expected_size))
        a->end = FM_CODE_WRONG_OUTPUT;
    fm_buffer_clear(&a->output);
    out->end = a->end;
    out->test = i;
    return a->end == FM_CODE_PASSED;
}

/* ---- the small language -----------------------------------------------------------------------*/

static fm_code_end end_of_small(fm_program_end end) {
    switch (end) {
    case FM_PROGRAM_DONE: return FM_CODE_PASSED;
    case FM_PROGRAM_SYNTAX: return FM_CODE_BROKEN;
    case FM_PROGRAM_STEPS: return FM_CODE_TIME;
    case FM_PROGRAM_MEMORY: return FM_CODE_MEMORY;
    case FM_PROGRAM_OUTPUT: return FM_CODE_TOO_MUCH;
    default: return FM_CODE_CRASHED;
    }
}

static fm_status run_small_tests(const fm_code_tests *t, const fm_program *program, fm_code_result *out,
                                 fm_error *err) {
    for (size_t i = 0; i < t->n; i++) {
        attempt a = {0};
        fm_program_result r;
        fm_status status = fm_program_run(program, t->tests[i].input, t->tests[i].input_size, NULL, NULL, &a.output,
                                          &r, err);
        if (status == FM_OK) status = fm_buffer_status(&a.output, err);
        if (status != FM_OK) {
            fm_buffer_clear(&a.output);
            return status;
        }
        a.end = end_of_small(r.end);
        complain(out, r.message);
        if (!judge_test(t, i, &a, out)) return FM_OK;
    }
    return FM_OK;
}

static fm_status run_small(const fm_code_tests *t, const char *source, size_t size, fm_code_result *out,
                           fm_error *err) {
    fm_program *program;
    fm_program_result r;
    FM_TRY(fm_program_parse(source, size, &program, &r, err));
    if (!program) {
        out->end = FM_CODE_BROKEN;
        complain(out, r.message);
        return FM_OK;
    }
    fm_status status = run_small_tests(t, program, out, err);
    fm_program_free(program);
    return status;
}

/* ---- the jail ---------------------------------------------------------------------------------*/

static fm_code_end end_of_jailed(const fm_sandbox_result *r) {
    switch (r->end) {
    case FM_SANDBOX_EXITED: return r->exit_code == 0 ? FM_CODE_PASSED : FM_CODE_CRASHED;
    case FM_SANDBOX_CPU:
    case FM_SANDBOX_WALL: return FM_CODE_TIME;
    case FM_SANDBOX_MEMORY: return FM_CODE_MEMORY;
    case FM_SANDBOX_OUTPUT: return FM_CODE_TOO_MUCH;
    default: return FM_CODE_CRASHED;
    }
}

static fm_status run_jailed_tests(const fm_code_tests *t, const fm_jail_program *program, fm_code_result *out,
                                  fm_error *err) {
    for (size_t i = 0; i < t->n; i++) {
        fm_sandbox_result r;
        FM_TRY(fm_jail_run(program, NULL, t->tests[i].input, t->tests[i].input_size, NULL, &r, err));
        attempt a = {end_of_jailed(&r), r.output};
        r.output = (fm_buffer){0};
        complain(out, r.complaint);
        fm_sandbox_result_clear(&r);
        if (!judge_test(t, i, &a, out)) return FM_OK;
    }
    return FM_OK;
}

static fm_status run_jailed(const fm_code_tests *t, const char *source, size_t size, fm_code_result *out,
                            fm_error *err) {
    fm_jail_program program;
    fm_status status = fm_jail_make(t->language == FM_CODE_C ? FM_JAIL_C : FM_JAIL_PYTHON, source, size, &program, err);
    if (status == FM_OK && program.broken) {
        out->end = FM_CODE_BROKEN;
        complain(out, program.complaint);
    } else if (status == FM_OK) {
        status = run_jailed_tests(t, &program, out, err);
    }
    fm_jail_clear(&program);
    return status;
}

fm_status fm_code_run(const fm_code_tests *t, const char *source, size_t size, fm_code_result *out, fm_error *err) {
    *out = (fm_code_result){0};
    if (t->n == 0) return fm_fail(err, FM_ERR_ARGUMENT, "a program cannot be judged without a test");
    return t->language == FM_CODE_SMALL ? run_small(t, source, size, out, err) : run_jailed(t, source, size, out, err);
}

/* ---- replies ----------------------------------------------------------------------------------*/

/* The end of the line at `at`, without its line feed. */
static size_t line_end(fm_reply_part p, size_t at) {
    const char *end = memchr(p.text + at, '\n', p.size - at);
    return end ? (size_t)(end - p.text) : p.size;
}

static bool is_fence(fm_reply_part p, size_t at, size_t end) {
    return end - at >= 3 && memcmp(p.text + at, "```", 3) == 0;
}

/* One block between a line that begins with ``` and the next line of the kind. *fences counts such lines. */
static fm_reply_part fenced(fm_reply_part answer, size_t *fences) {
    fm_reply_part block = {0};
    *fences = 0;
    for (size_t at = 0; at < answer.size;) {
        size_t end = line_end(answer, at), next = end < answer.size ? end + 1 : end;
        if (is_fence(answer, at, end)) {
            if (*fences == 0) block.text = answer.text + next;
            if (*fences == 1) block.size = (size_t)(answer.text + at - block.text);
            ++*fences;
        }
        at = next;
    }
    return block;
}

bool fm_code_of_reply(const fm_reward_reply *reply, fm_reply_form form, const char **source, size_t *size) {
    *source = "";
    *size = 0;
    fm_reply_parts parts = fm_reply_take_apart(reply, form);
    if (!parts.formed) return false;
    size_t fences;
    fm_reply_part program = fenced(parts.answer, &fences);
    if (fences == 0 && form == FM_FORM_TAGS) program = parts.answer;
    else if (fences != 2) return false;
    if (fm_reply_trimmed(program.text, program.size).size == 0) return false;
    *source = program.text;
    *size = program.size;
    return true;
}

fm_status fm_code_judge(const fm_code_tests *tests, const fm_reward_reply *reply, fm_reply_form form,
                        fm_verdict *verdict, fm_error *err) {
    const char *source;
    size_t size;
    *verdict = FM_WRONG;
    if (!fm_code_of_reply(reply, form, &source, &size)) return FM_OK;
    fm_code_result r;
    fm_error here = {0};
    fm_status status = fm_code_run(tests, source, size, &r, &here);
    if (status == FM_OK) *verdict = r.end == FM_CODE_PASSED ? FM_RIGHT : FM_WRONG;
    if (status == FM_ERR_IO) *verdict = FM_UNDECIDED;
    if (status == FM_OK || status == FM_ERR_IO) return FM_OK;
    return fm_fail(err, status, "%s", here.message);
}

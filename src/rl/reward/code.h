/* code.h: does a program do what was asked? It is run against hidden tests: each gives it an input and compares the
 * whole of its output. C and Python run in the jail (jail/sandbox.h), programs of the small language in place
 * (rl/program). Where there is no jail, C and Python are refused. */
#pragma once

#include "rl/reward/reward.h"

typedef enum fm_code_language {
    FM_CODE_SMALL, /* rl/program/language.h */
    FM_CODE_PYTHON,
    FM_CODE_C,
    FM_CODE_LANGUAGES,
} fm_code_language;

/* All of the output counts, nothing missing and nothing more. */
typedef enum fm_code_compare {
    FM_COMPARE_LINES,  /* the same lines; blanks at their ends and empty lines at the end do not count */
    FM_COMPARE_TOKENS, /* the same words, however they are spaced */
    FM_COMPARE_FLOATS, /* as words, where a decimal number may be off by `tolerance`, absolutely or relatively */
} fm_code_compare;

typedef struct fm_code_test {
    const char *input;
    size_t input_size;
    const char *expected; /* of standard output; the program must end by itself, with exit code 0 */
    size_t expected_size;
} fm_code_test;

typedef struct fm_code_tests {
    fm_code_language language;
    fm_code_compare compare;
    double tolerance; /* of FM_COMPARE_FLOATS */
    const fm_code_test *tests;
    size_t n; /* at least 1 */
} fm_code_tests;

typedef enum fm_code_end {
    FM_CODE_PASSED,
    FM_CODE_NO_PROGRAM,   /* the reply holds none, or several */
    FM_CODE_BROKEN,       /* it does not compile */
    FM_CODE_WRONG_OUTPUT,
    FM_CODE_CRASHED,      /* by a signal, an error or an exit code */
    FM_CODE_TIME,         /* steps, processor or wall time */
    FM_CODE_MEMORY,
    FM_CODE_TOO_MUCH,     /* output without end */
    FM_CODE_ENDS,
} fm_code_end;

const char *fm_code_end_name(fm_code_end end); /* "passed", "no program", ... */

typedef struct fm_code_result {
    fm_code_end end;
    size_t test;         /* the one it failed, when it failed at one; the rest was not run */
    char complaint[256]; /* of the compiler, or the last line of standard error; may be empty */
} fm_code_result;

/* Runs a program. FM_ERR_UNSUPPORTED: this machine has no jail or no compiler; FM_ERR_IO: a jail could not be set
 * up this once; FM_ERR_ARGUMENT: there are no tests. */
fm_status fm_code_run(const fm_code_tests *tests, const char *source, size_t size, fm_code_result *out,
                      fm_error *err);

/* The program in a reply that keeps to its form: its answer's one fenced block (``` and a line, to a line of ```),
 * or in FM_FORM_TAGS an answer without fences. False: there is none, or several. */
bool fm_code_of_reply(const fm_reward_reply *reply, fm_reply_form form, const char **source, size_t *size);

/* Takes the program out and runs it: right if it passes, undecided when a jail could not be set up this once. */
fm_status fm_code_judge(const fm_code_tests *tests, const fm_reward_reply *reply, fm_reply_form form,
                        fm_verdict *verdict, fm_error *err);

/* Whether the whole of an output is what was expected; time is linear in both. */
bool fm_code_same(fm_code_compare compare, double tolerance, const char *output, size_t size, const char *expected,
                  size_t expected_size);

/* task_support.h: what tests of kinds of problems share. */
#pragma once

#include "support.h"

#include "rl/task/problem.h"

/* The problem that these facts (JSON) describe. */
static inline fm_problem problem_of(const char *kind, const char *facts) {
    fm_error err = {0};
    fm_json *root;
    fm_problem p;
    const fm_task_kind *found = fm_task_find(kind);
    if (!found) fail_msg("no kind %s", kind);
    assert_ok(fm_json_parse(facts, strlen(facts), &root, &err));
    assert_ok(fm_problem_read_facts(found, root, &p, &err));
    fm_json_free(root);
    return p;
}

static inline fm_verdict verdict_on(const fm_problem *p, const char *answer) {
    return fm_problem_check(p, answer, strlen(answer));
}

/* Each of the answers gets this verdict. */
#define assert_verdicts(problem, verdict, ...)                                                                       \
    do {                                                                                                             \
        const char *answers_[] = {__VA_ARGS__};                                                                      \
        for (size_t i_ = 0; i_ < FM_COUNT(answers_); i_++)                                                           \
            if (verdict_on(problem, answers_[i_]) != (verdict))                                                      \
                fail_msg("\"%.200s\" should be %s", answers_[i_], (verdict) == FM_RIGHT ? "right" : "wrong");        \
    } while (0)

#include "rl/reward/checks.h"

fm_verdict fm_check_problem(const void *problem, const char *answer, size_t size) {
    return fm_problem_check(problem, answer, size);
}

fm_verdict fm_check_maths(const void *context, const char *answer, size_t size) {
    const fm_expected_answer *e = context;
    return fm_maths_equivalent(e->text, e->size, answer, size, e->options, NULL);
}

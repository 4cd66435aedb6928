/* checks.h: what fm_reward_problem.check may be. */
#pragma once

#include "rl/maths/equivalence.h"
#include "rl/reward/reward.h"
#include "rl/task/problem.h"

/* By the problem itself; the context is an fm_problem. */
fm_verdict fm_check_problem(const void *problem, const char *answer, size_t size);

/* As mathematics. The prompt in `options` keeps an echo from being taken; NULL: the strictest. */
typedef struct fm_expected_answer {
    const char *text;
    size_t size;
    const fm_maths_options *options;
} fm_expected_answer;

/* The context is an fm_expected_answer. */
fm_verdict fm_check_maths(const void *expected, const char *answer, size_t size);

/* A reply of a stranger, through every rule: values keep their ranges, parts lie in the reply, and a program for the
 * small language is taken out and run.
 *
 * The input: a byte (bit 0: plain form, 1: opened, 2: ended, 3: a problem with tests), then the reply; behind a
 * zero byte, what was expected of a program's output. */
#include "fuzz.h"

#include "rl/reward/checks.h"
#include "rl/reward/code.h"
#include "rl/reward/parts.h"
#include "rl/reward/scorer.h"

#include <string.h>

static void check_part(const fm_reward_reply *r, fm_reply_part p) {
    FUZZ_CHECK(p.size == 0 || (p.text >= r->text && p.text + p.size <= r->text + r->size));
}

static void check_parts(const fm_reward_reply *r, fm_reply_form form) {
    fm_reply_parts parts = fm_reply_take_apart(r, form);
    check_part(r, parts.thinking);
    check_part(r, parts.answer);
    FUZZ_CHECK(parts.formed == !parts.fault);
    FUZZ_CHECK(!parts.formed || (r->ended && parts.thinking.size && parts.answer.size));
    const char *source;
    size_t size;
    if (fm_code_of_reply(r, form, &source, &size)) check_part(r, (fm_reply_part){source, size});
}

static void check_rules(const fm_reward_rules *rules, const fm_reward_problem *problem, const fm_reward_reply *r) {
    fm_verdict verdict;
    fm_reward_value total, parts[FM_REWARDS];
    FUZZ_CHECK(fm_reward_judge(rules, problem, r, 1, &verdict, NULL) == FM_OK);
    fm_reward_group g = {problem, r, &verdict, 1};
    FUZZ_CHECK(fm_reward_score(rules, &g, &total, parts, NULL) == FM_OK);
    for (int i = 0; i < FM_REWARDS; i++)
        FUZZ_CHECK(parts[i].value >= fm_rewards[i].least && parts[i].value <= fm_rewards[i].most);
    FUZZ_CHECK(total.undecided || total.value > -10);
}

static const fm_scorer *some_scorer(void) {
    static fm_scorer *scorer;
    static const fm_scorer_example examples[] = {
        {.question = "", .answer = "", .reply = "good", .reply_size = 4, .good = true},
        {.question = "", .answer = "", .reply = "bad", .reply_size = 3}};
    fm_scorer_settings settings = {.bits = 8, .epochs = 2, .rate = 0.1};
    if (!scorer) FUZZ_CHECK(fm_scorer_learn(examples, 2, &settings, &scorer, NULL) == FM_OK);
    return scorer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    const char *text = (const char *)data + 1;
    const char *zero = memchr(text, 0, size - 1);
    size_t n = zero ? (size_t)(zero - text) : size - 1;
    const char *expected = zero ? zero + 1 : "";
    size_t expected_size = zero ? size - 2 - n : 0;
    fm_reward_reply r = {.text = text, .size = n, .tokens = (int64_t)n, .opened = data[0] >> 1 & 1,
                         .ended = data[0] >> 2 & 1};
    fm_code_test test = {.input = text, .input_size = n, .expected = expected, .expected_size = expected_size};
    fm_code_tests tests = {.language = FM_CODE_SMALL, .tolerance = 1e-6, .tests = &test, .n = 1};
    tests.compare = data[0] >> 4 & 1 ? FM_COMPARE_FLOATS : FM_COMPARE_LINES;
    fm_expected_answer answer = {.text = "1/2", .size = 3};
    fm_reward_problem problem = {.prompt = expected, .prompt_size = expected_size};
    if (data[0] >> 3 & 1) problem.tests = &tests;
    else problem.check = fm_check_maths, problem.context = &answer;
    fm_reward_rules rules = fm_reward_default_rules();
    rules.form = data[0] & 1 ? FM_FORM_PLAIN : FM_FORM_TAGS;
    rules.scorer = some_scorer();
    rules.repetition_words = 2;
    rules.cap = 100;
    rules.overlong_buffer = 40;
    for (int i = 0; i < FM_REWARDS; i++) rules.weights[i] = 1;
    check_parts(&r, rules.form);
    check_rules(&rules, &problem, &r);
    FUZZ_CHECK(fm_code_same(FM_COMPARE_LINES, 0, text, n, text, n));
    FUZZ_CHECK(fm_code_same(tests.compare, 0, text, n, expected, expected_size) ==
               fm_code_same(tests.compare, 0, expected, expected_size, text, n));
    return 0;
}

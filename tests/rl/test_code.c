#include "support.h"

#include "jail/program.h"
#include "rl/reward/code.h"
#include "rl/reward/reward.h"

#define TEST(in, out) {in, sizeof in - 1, out, sizeof out - 1}

static bool same(fm_code_compare compare, double tolerance, const char *output, const char *expected) {
    return fm_code_same(compare, tolerance, output, strlen(output), expected, strlen(expected));
}

/* ---- comparing --------------------------------------------------------------------------------*/

static void lines_are_compared_to_the_end_of_both(void **state) {
    (void)state;
    assert_true(same(FM_COMPARE_LINES, 0, "1\n2\n3\n", "1\n2\n3"));
    assert_true(same(FM_COMPARE_LINES, 0, "1 \r\n2\n3\n\n\n", "1\n2\n3\n"));
    assert_true(same(FM_COMPARE_LINES, 0, "", "\n"));
    static const char *const wrong[] = {"1\n", "1\n2\n", "1\n2\n3\n4\n", "", "\n1\n2\n3\n", " 1\n2\n3\n", "1\n\n2\n3\n",
                                        "1 2 3\n", "1\n2\n33\n", "1\n2\n3\n1\n2\n3\n"};
    for (size_t i = 0; i < FM_COUNT(wrong); i++)
        if (same(FM_COMPARE_LINES, 0, wrong[i], "1\n2\n3\n")) fail_msg("%s", wrong[i]);
}

static void words_are_compared_however_they_are_spaced(void **state) {
    (void)state;
    assert_true(same(FM_COMPARE_TOKENS, 0, "1 2\n3", "1\n2 3\n"));
    assert_false(same(FM_COMPARE_TOKENS, 0, "1 2", "1 2 3"));
    assert_false(same(FM_COMPARE_TOKENS, 0, "1 2 3 4", "1 2 3"));
    assert_false(same(FM_COMPARE_TOKENS, 0, "12 3", "1 23"));
    assert_false(same(FM_COMPARE_TOKENS, 0, "1.0", "1"));
}

static void numbers_may_be_off_only_where_that_is_said(void **state) {
    (void)state;
    assert_true(same(FM_COMPARE_FLOATS, 1e-6, "0.3333333 1e2 x", "0.33333333 100 x"));
    assert_true(same(FM_COMPARE_FLOATS, 1e-6, "1000000.5", "1000000"));
    assert_true(same(FM_COMPARE_FLOATS, 1e-6, "nan", "nan")); /* as a word */
    static const char *const wrong[] = {"0.4", "nan", "inf", "1e999", "0x0.5", "1/3", "0.33333333abc", "", ".", "e5",
                                        "0.33333333 0.33333333", "\xd9\xa3", "0.3333333333333333333333333333333333"
                                        "33333333333333333333333333333333333333"};
    for (size_t i = 0; i < FM_COUNT(wrong); i++)
        if (same(FM_COMPARE_FLOATS, 1e-6, wrong[i], "0.33333333")) fail_msg("%s", wrong[i]);
    assert_false(same(FM_COMPARE_FLOATS, 1e300, "1e999", "5"));
}

/* ---- programs in replies ----*/

static void a_program_is_the_one_fenced_block_of_the_answer(void **state) {
    (void)state;
    static const struct {
        const char *text;
        fm_reply_form form;
        const char *source; /* NULL: none */
    } cases[] = {
        {"<think>a</think><answer>```python\nprint(1)\n```</answer>", FM_FORM_TAGS, "print(1)\n"},
        {"<think>a</think><answer>print(1)</answer>", FM_FORM_TAGS, "print(1)"},
        {"<think>a</think>Here:\n```\nprint(1)\n```\nDone.", FM_FORM_PLAIN, "print(1)\n"},
        {"<think>a</think>print(1)", FM_FORM_PLAIN, NULL},
        {"<think>a</think>```\nprint(1)\n```\n```\nprint(2)\n```", FM_FORM_PLAIN, NULL},
        {"<think>```\nprint(1)\n```</think>no", FM_FORM_PLAIN, NULL},
        {"<think>a</think>```\nprint(1)", FM_FORM_PLAIN, NULL},
        {"<think>a</think>```\n \n```", FM_FORM_PLAIN, NULL},
        {"<think>a</think><answer>```\nprint(1)\n```</answer>and more", FM_FORM_TAGS, NULL},
        {"", FM_FORM_TAGS, NULL},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_reward_reply r = {.text = cases[i].text, .size = strlen(cases[i].text), .ended = true};
        const char *source;
        size_t size;
        bool found = fm_code_of_reply(&r, cases[i].form, &source, &size);
        if (found != (cases[i].source != NULL)) fail_msg("%s", cases[i].text);
        if (!found) continue;
        assert_int_equal(size, strlen(cases[i].source));
        assert_memory_equal(source, cases[i].source, size);
    }
}

/* ---- running ----------------------------------------------------------------------------------*/

static const fm_code_test sums[] = {TEST("1\n2\n", "3\n1\n2\n"), TEST("40\n2\n", "42\n40\n2\n")};

static void assert_code(fm_code_language language, const char *source, fm_code_end end) {
    fm_code_tests tests = {.language = language, .compare = FM_COMPARE_LINES, .tests = sums, .n = FM_COUNT(sums)};
    fm_code_result r;
    fm_error err = {0};
    assert_ok(fm_code_run(&tests, source, strlen(source), &r, &err));
    if (r.end != end)
        fail_msg("%s: %s, not %s (%s)", source, fm_code_end_name(r.end), fm_code_end_name(end), r.complaint);
}

static void programs_of_the_small_language_are_run_in_place(void **state) {
    (void)state;
    assert_code(FM_CODE_SMALL, "a = int(input())\nb = int(input())\nprint(a + b)\nprint(a)\nprint(b)\n",
                FM_CODE_PASSED);
    assert_code(FM_CODE_SMALL, "print(3)\nprint(1)\nprint(2)\n", FM_CODE_WRONG_OUTPUT);
    assert_code(FM_CODE_SMALL, "a = int(input())\nb = int(input())\nprint(a + b)\n", FM_CODE_WRONG_OUTPUT);
    assert_code(FM_CODE_SMALL, "a = (\n", FM_CODE_BROKEN);
    assert_code(FM_CODE_SMALL, "while True:\n    x = 1\n", FM_CODE_TIME);
    assert_code(FM_CODE_SMALL, "print(1 // 0)\n", FM_CODE_CRASHED);
}

#define skip_without(language)                                                                     \
    do {                                                                                           \
        fm_error none = {0};                                                                       \
        if (fm_jail_available(language, &none) != FM_OK) skip_because("%s", none.message);         \
    } while (0)

static void programs_in_python_end_in_classes(void **state) {
    (void)state;
    skip_without(FM_JAIL_PYTHON);
    assert_code(FM_CODE_PYTHON, "a, b = int(input()), int(input())\nprint(a + b)\nprint(a)\nprint(b)", FM_CODE_PASSED);
    assert_code(FM_CODE_PYTHON, "print(3)\nprint(1)\nprint(2)", FM_CODE_WRONG_OUTPUT);   /* knows the first test */
    assert_code(FM_CODE_PYTHON, "print(int(input()) + int(input()))", FM_CODE_WRONG_OUTPUT); /* the first of 3 lines */
    assert_code(FM_CODE_PYTHON, "print(3)\nprint(1)\nprint(2)\nprint(42)\nprint(40)\nprint(2)", FM_CODE_WRONG_OUTPUT);
    assert_code(FM_CODE_PYTHON, "def f(:", FM_CODE_BROKEN);
    assert_code(FM_CODE_PYTHON, "raise ValueError", FM_CODE_CRASHED);
    assert_code(FM_CODE_PYTHON, "a, b = int(input()), int(input())\nprint(a + b)\nprint(a)\nprint(b)\nexit(1)",
                FM_CODE_CRASHED); /* right output and a bad end */
    assert_code(FM_CODE_PYTHON, "while True: print('x' * 1000)", FM_CODE_TOO_MUCH);
}

static void programs_in_c_end_in_classes(void **state) {
    (void)state;
    skip_without(FM_JAIL_C);
    assert_code(FM_CODE_C, "#include <stdio.h>\nint main(void){int a,b;if(scanf(\"%d%d\",&a,&b)!=2)return 1;"
                           "printf(\"%d\\n%d\\n%d\\n\",a+b,a,b);return 0;}", FM_CODE_PASSED);
    assert_code(FM_CODE_C, "int main(void) { return x; }", FM_CODE_BROKEN);
    assert_code(FM_CODE_C, "int main(void) { return *(volatile int *)0; }", FM_CODE_CRASHED);
    assert_code(FM_CODE_C, "#include <stdlib.h>\nint main(void) { abort(); }", FM_CODE_CRASHED);
    assert_code(FM_CODE_C, "int main(void) { for (;;) {} }", FM_CODE_TIME);
    assert_code(FM_CODE_C, "int main(void) { return 0; }", FM_CODE_WRONG_OUTPUT);
}

static void a_reply_with_a_program_is_paid_when_it_passes(void **state) {
    (void)state;
    fm_code_tests tests = {.language = FM_CODE_SMALL, .tests = sums, .n = FM_COUNT(sums)};
    fm_reward_problem problem = {.prompt = "x", .prompt_size = 1, .tests = &tests};
    static const char *const texts[] = {
        "<think>a</think><answer>a = int(input())\nb = int(input())\nprint(a + b)\nprint(a)\nprint(b)</answer>",
        "<think>a</think><answer>print(3)</answer>", "<think>a</think>"};
    fm_reward_reply r[3];
    for (int i = 0; i < 3; i++) r[i] = (fm_reward_reply){.text = texts[i], .size = strlen(texts[i]), .ended = true};
    fm_reward_rules rules = fm_reward_default_rules();
    fm_error err = {0};
    fm_verdict verdicts[3];
    fm_reward_value v[3];
    assert_ok(fm_reward_parse_weights("accuracy,code", &rules, &err));
    assert_ok(fm_reward_judge(&rules, &problem, r, 3, verdicts, &err));
    fm_reward_group g = {&problem, r, verdicts, 3};
    assert_ok(fm_reward_score(&rules, &g, v, NULL, &err));
    assert_true(v[0].value == 1 && v[1].value == 0 && v[2].value == 0); /* paid once, by one of the two rules */
}

static void tests_that_are_none_are_refused(void **state) {
    (void)state;
    fm_code_tests tests = {.language = FM_CODE_SMALL};
    fm_code_result r;
    fm_error err = {0};
    assert_int_equal(fm_code_run(&tests, "", 0, &r, &err), FM_ERR_ARGUMENT);
    for (int i = 0; i < FM_CODE_ENDS; i++) assert_string_not_equal(fm_code_end_name(i), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_compared_to_the_end_of_both),
        cmocka_unit_test(words_are_compared_however_they_are_spaced),
        cmocka_unit_test(numbers_may_be_off_only_where_that_is_said),
        cmocka_unit_test(a_program_is_the_one_fenced_block_of_the_answer),
        cmocka_unit_test(programs_of_the_small_language_are_run_in_place),
        cmocka_unit_test(programs_in_python_end_in_classes),
        cmocka_unit_test(programs_in_c_end_in_classes),
        cmocka_unit_test(a_reply_with_a_program_is_paid_when_it_passes),
        cmocka_unit_test(tests_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

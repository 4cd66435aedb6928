/* What counts as the one final answer of a reply. */
#include "rl/maths/final.h"

#include "support.h"

static void expect(const char *reply, fm_final found, const char *answer) {
    const char *s;
    size_t n;
    fm_final is = fm_final_answer(reply, strlen(reply), &s, &n);
    if (is != found)
        fail_msg("'%s': %s, not: %s", reply, fm_final_reason(is), fm_final_reason(found));
    if (n != strlen(answer) || memcmp(s, answer, n) != 0)
        fail_msg("'%s': '%.*s'", reply, (int)n, s);
}

static void one_answer_in_tags_or_in_a_box_is_found(void **state) {
    (void)state;
    expect("<think>a</think><answer>5</answer>", FM_FINAL_FOUND, "5");
    expect("<think>a</think>\nSo <answer> \\frac{1}{2} </answer>\n", FM_FINAL_FOUND,
           "\\frac{1}{2}");
    expect("reasoning</think>\\boxed{5}", FM_FINAL_FOUND,
           "5"); /* the prompt had opened the thought */
    expect("It is $\\boxed{x^{2}}$, as was to be shown.", FM_FINAL_FOUND, "x^{2}");
    expect("\\boxed {\\{1, 2\\}}", FM_FINAL_FOUND, "\\{1, 2\\}");
    expect("\\fbox{7}", FM_FINAL_FOUND, "7");
    expect("<answer>\\boxed{5}</answer>", FM_FINAL_FOUND, "5");
    expect("<answer>$\\boxed{5}$</answer>", FM_FINAL_FOUND, "$\\boxed{5}$");
}

static void what_was_only_thought_does_not_count(void **state) {
    (void)state;
    expect("<think>\\boxed{5} <answer>5</answer></think> I do not know", FM_FINAL_NONE, "");
    expect("<think>\\boxed{4}</think>\\boxed{5}", FM_FINAL_FOUND, "5");
    expect("<think>\\boxed{5}", FM_FINAL_THINKING, "");
    expect("<answer>5</answer><think>", FM_FINAL_THINKING, "");
    expect("</think><answer>5</answer><think>", FM_FINAL_THOUGHTS, "");
    expect("<think>a</think><answer>4</answer></think><answer>5</answer>", FM_FINAL_THOUGHTS, "");
    expect("<think><think>a</think>\\boxed{5}", FM_FINAL_THOUGHTS, "");
}

static void two_answers_are_none_even_if_they_are_equal(void **state) {
    (void)state;
    expect("\\boxed{5}, so \\boxed{5}", FM_FINAL_SEVERAL, "");
    expect("<answer>5</answer><answer>5</answer>", FM_FINAL_SEVERAL, "");
    expect("<answer><answer>5</answer></answer>", FM_FINAL_SEVERAL, "");
    expect("<answer>\\boxed{5}\\boxed{6}</answer>", FM_FINAL_SEVERAL, "");
    expect("\\boxed{\\boxed{5}}", FM_FINAL_SEVERAL, "");
    expect("\\boxed{5}\\fbox{6}", FM_FINAL_SEVERAL, "");
}

static void text_behind_the_answer_tag_is_refused(void **state) {
    (void)state;
    expect("<answer>5</answer> or 6", FM_FINAL_TEXT_AFTER, "");
    expect("<answer>5</answer>\n6", FM_FINAL_TEXT_AFTER, "");
    expect("<answer>5</answer> \n\t", FM_FINAL_FOUND, "5");
}

static void what_is_not_closed_or_empty_is_no_answer(void **state) {
    (void)state;
    expect("", FM_FINAL_NONE, "");
    expect("5", FM_FINAL_NONE, "");
    expect("<answer>5", FM_FINAL_UNCLOSED, "");
    expect("5</answer>", FM_FINAL_UNCLOSED, "");
    expect("</answer>5<answer>", FM_FINAL_UNCLOSED, "");
    expect("\\boxed{5", FM_FINAL_UNCLOSED, "");
    expect("\\boxed{5\\}", FM_FINAL_UNCLOSED, "");
    expect("\\boxed 5", FM_FINAL_UNCLOSED, "");
    expect("<answer>  </answer>", FM_FINAL_EMPTY, "");
    expect("\\boxed{}", FM_FINAL_EMPTY, "");
}

static void a_zero_byte_is_a_byte_and_long_replies_take_one_pass(void **state) {
    (void)state;
    const char *s;
    size_t n;
    assert_int_equal(fm_final_answer("\\boxed{5\0006}", 11, &s, &n), FM_FINAL_FOUND);
    assert_int_equal(n, 3);
    size_t size = 1 << 20;
    char *reply = malloc(size);
    static const char *const units[] = {"\\boxed{", "<answer>", "</answer>", "<think>", "</think>",
                                        "{",        "<",        "\\",        "<answer", "\\fbox"};
    for (size_t k = 0; k < sizeof units / sizeof units[0]; k++) {
        size_t length = strlen(units[k]);
        for (size_t i = 0; i + length <= size; i += length) memcpy(reply + i, units[k], length);
        assert_int_not_equal(fm_final_answer(reply, size / length * length, &s, &n),
                             FM_FINAL_FOUND);
    }
    memset(reply, '5', size);
    memcpy(reply, "\\boxed{", 7);
    reply[size - 1] = '}';
    assert_int_equal(fm_final_answer(reply, size, &s, &n), FM_FINAL_TOO_LONG);
    free(reply);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_answer_in_tags_or_in_a_box_is_found),
        cmocka_unit_test(what_was_only_thought_does_not_count),
        cmocka_unit_test(two_answers_are_none_even_if_they_are_equal),
        cmocka_unit_test(text_behind_the_answer_tag_is_refused),
        cmocka_unit_test(what_is_not_closed_or_empty_is_no_answer),
        cmocka_unit_test(a_zero_byte_is_a_byte_and_long_replies_take_one_pass),
    };
    return cmocka_run_group_tests_name("what a final answer is", tests, NULL, NULL);
}

/* Final answers: finding them in replies and comparing them; and any bytes at all. */
#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "eval/final_answer.h"
#include "eval/number.h"

static fm_span span(const char *s) { return (fm_span){s, strlen(s)}; }

static bool equal(const char *a, const char *b) {
    bool failed = false, there = fm_answer_equal(span(a), span(b), &failed);
    bool back = fm_answer_equal(span(b), span(a), &failed);
    assert_false(failed);
    assert_int_equal(there, back);
    return there;
}

static void assert_extracts(const char *reply, bool numeric, const char *expected) {
    fm_span got = fm_answer_extract(reply, strlen(reply), numeric, NULL);
    if (got.n != strlen(expected) || memcmp(got.s, expected, got.n) != 0)
        fail_msg("'%s' gave '%.*s', not '%s'", reply, (int)got.n, got.s, expected);
}

/* ---- numbers ------------------------------------------------------------------------------------- */

static void numbers_are_equal_by_value_whatever_their_form(void **state) {
    (void)state;
    static const char *const same[][12] = {
        {"0.5", "1/2", ".5", "\\frac{1}{2}", "\\frac12", "\\dfrac{2}{4}", "50e-2", "+0.500", " 5/10 ", "0.05e1"},
        {"1234567", "1,234,567", "$1,234,567$", "1{,}234{,}567", "1234567.", "1234567.00", "1.234567e6",
         "\\$1,234,567", "$1,234,567", "1,\\!234,\\!567", "\\boxed{1234567}", "\\text{1234567}"},
        {"-3", "\xE2\x88\x92" "3", "-3.0", "-\\frac{6}{2}", "\\frac{-6}{2}", "\\frac{6}{-2}", "- 3", "$-3$", "-6/2"},
        {"0", "-0", "0.000", "0/7", "0e5", "-0.0"},
        {"25%", "25", "25\\%", "25 \\%", "25.0%"},
        {"90", "90^\\circ", "90^{\\circ}", "90\xC2\xB0", "x = 90", "x=90.", "90\\text{ degrees}", "90\\,\\text{cm}"},
        {"1e1000000", "10e999999"},
    };
    for (size_t i = 0; i < FM_COUNT(same); i++)
        for (size_t a = 0; a < 12 && same[i][a]; a++)
            for (size_t b = 0; b < 12 && same[i][b]; b++)
                if (!equal(same[i][a], same[i][b])) fail_msg("%s is not %s", same[i][a], same[i][b]);
    for (size_t i = 0; i < FM_COUNT(same); i++)
        for (size_t j = 0; j < i; j++) assert_false(equal(same[i][0], same[j][0]));
}

static void numbers_are_compared_exactly(void **state) {
    (void)state;
    assert_false(equal("0.3333333333333333", "1/3"));
    assert_true(equal("100000000000000000000000000000000000001/3", "200000000000000000000000000000000000002/6"));
    assert_false(equal("100000000000000000000000000000000000001", "100000000000000000000000000000000000002"));
    assert_false(equal("1e-1000000", "0"));
    assert_false(equal("1,2345", "12345"));
    assert_false(equal("1,23", "123"));
    assert_false(equal("1 234", "1234"));
    assert_false(equal("3-5", "-2"));
    assert_false(equal("5/0", "5/0.0"));
    assert_true(equal("5/0", "5/0")); /* as texts */
}

static void what_is_no_number_is_not_read_as_one(void **state) {
    (void)state;
    static const char *const wrong[] = {"", " ", "-", ".", "-.", "1.", "1..2", "1e", "1e+", "e5", "1/", "/2", "1//2",
                                        "1/0", "0/0", "\\frac", "\\frac{1", "\\frac{1}", "\\frac{}{2}",
                                        "\\frac{1}{0}", "1,2", ",123", "1,234,5", "12a", "0x10", "1 2", "--1", "nan",
                                        "inf", "1e10000001", "1e99999999999999999999"};
    fm_number n;
    for (size_t i = 0; i < FM_COUNT(wrong); i++)
        if (fm_number_parse(wrong[i], strlen(wrong[i]), &n)) fail_msg("'%s' is no number", wrong[i]);
    char digits[FM_NUMBER_DIGITS + 2];
    memset(digits, '7', sizeof digits);
    assert_true(fm_number_parse(digits, FM_NUMBER_DIGITS, &n));
    assert_false(fm_number_parse(digits, FM_NUMBER_DIGITS + 1, &n));
}

static void numbers_are_found_in_text(void **state) {
    (void)state;
    static const struct {
        const char *text, *first, *last;
    } cases[] = {
        {"We have 3 apples and 1,234.5 pears.", "3", "1,234.5"},
        {"H2O at 100%", "100%", "100%"},
        {"pages 3-5", "3", "5"},
        {"from -4 to (-2)", "-4", "-2"},
        {"it costs $12.50, or 3/4 of it", "$12.50", "3/4"},
        {"\\frac{3}{4} then \\frac{1}{x}", "\\frac{3}{4}", "1"},
        {"so 2 + 3", "2", "3"},
        {"5 - 3 \xE2\x88\x92 1", "5", "1"},
        {"version1 x_2", NULL, NULL},
        {"", NULL, NULL},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++)
        for (int last = 0; last < 2; last++) {
            const char *s = cases[i].text, *expected = last ? cases[i].last : cases[i].first;
            size_t at, n;
            bool found = fm_number_find(s, strlen(s), last, &at, &n);
            assert_int_equal(found, expected != NULL);
            if (found && (n != strlen(expected) || memcmp(s + at, expected, n) != 0))
                fail_msg("'%s' gave '%.*s', not '%s'", s, (int)n, s + at, expected);
        }
}

/* ---- texts --------------------------------------------------------------------------------------- */

static void texts_are_equal_but_for_their_dress(void **state) {
    (void)state;
    static const char *const same[][2] = {
        {"Paris", "Paris."}, {"Paris", " **Paris** "}, {"\\text{Paris}", "\"Paris\""}, {"x + 1", "$x+1$"},
        {"\\left( 1, 2 \\right)", "(1,2)"}, {"\\dfrac{\\pi}{2}", "\\frac{\\pi}{2}"}, {"y = 2x+1", "2x + 1"},
        {"New   York", "New\nYork"}, {"\\(a\\)", "a"}, {"\\[ a \\]", "$$a$$"}, {"`B`", "B"},
        {"\\boxed{\\text{(B)}}", "(B)"}, {"\\{1, 2\\}", "\\{1,2\\}"},
    };
    static const char *const other[][2] = {
        {"Paris", "paris"}, {"x+1", "1+x"}, {"New York", "NewYork"}, {"1 2", "12"}, {"$a$ and $b$", "a$ and $b"},
        {"\\leftarrow", "arrow"}, {"(1,2)", "(2,1)"}, {"", "x"}, {"\\text{a} or \\text{b}", "a} or \\text{b"},
    };
    for (size_t i = 0; i < FM_COUNT(same); i++)
        if (!equal(same[i][0], same[i][1])) fail_msg("%s is not %s", same[i][0], same[i][1]);
    for (size_t i = 0; i < FM_COUNT(other); i++)
        if (equal(other[i][0], other[i][1])) fail_msg("%s is %s", other[i][0], other[i][1]);
}

static void the_last_complete_box_holds_the_answer(void **state) {
    (void)state;
    assert_extracts("So \\boxed{1} or rather \\boxed{\\frac{3}{4}}.", false, "\\frac{3}{4}");
    assert_extracts("\\boxed{ 42 } and \\boxed{4", false, "42");
    assert_extracts("\\boxed{\\{1,2\\}}", false, "\\{1,2\\}");
    assert_extracts("\\boxed {7} the answer is 8", true, "7");
    assert_extracts("\\fbox{a}", false, "a");
    assert_extracts("\\boxed{1} <answer> 2 </answer>", true, "2");
    assert_extracts("<answer>1</answer> or <answer>\\boxed{3}</answer> or <answer>4", true, "3");
    assert_extracts("</answer>\\boxed{5}", true, "5");
    assert_extracts("<answer></answer>\n6", true, "");
    assert_extracts("\\boxed{}\nx", false, "");
}

static void without_a_box_the_announced_answer_counts(void **state) {
    (void)state;
    assert_extracts("The answer is 5. No: the answer is 6.", true, "6");
    assert_extracts("the ANSWER IS: **Paris**. It is in France.", false, "Paris**");
    assert_extracts("The answer is 3.14 metres.", true, "3.14");
    assert_extracts("The answer is 3.14 metres.", false, "3.14 metres");
    assert_extracts("**Final answer:**\n\n$$x+1$$\n\nbye", false, "$$x+1$$");
    assert_extracts("thinking ...\n#### 72", true, "72");
    assert_extracts("The answer is", false, "The answer is");
}

static void otherwise_the_last_number_or_line_counts(void **state) {
    (void)state;
    assert_extracts("2 + 2\n= 4 apples\n", true, "4");
    assert_extracts("first\n\n second \n\n", false, "second");
    assert_extracts("no number here", true, "no number here");
    assert_extracts("", true, "");
    assert_extracts(" \n ", false, "");
}

static void what_a_model_only_thinks_does_not_count(void **state) {
    (void)state;
    assert_extracts("<think>\\boxed{1}</think>It is 2", true, "2");
    assert_extracts("\\boxed{1}</think>\nhm", false, "hm");
    assert_extracts("<think> the answer is 5", true, "");
    assert_extracts("<think>a</think>b</think>c", false, "c");
    assert_extracts("\\boxed{9}</think>", true, "");
}

static void the_expected_answer_may_come_with_its_working(void **state) {
    (void)state;
    static const char gsm[] = "Natalia sold 48/2 = <<48/2=24>>24 clips.\n#### 72 ";
    fm_span e = fm_answer_expected(gsm, strlen(gsm));
    assert_int_equal(e.n, 2);
    assert_memory_equal(e.s, "72", 2);
    assert_true(fm_answer_is_number(e));
    assert_false(fm_answer_is_number(span("x+1")));
    assert_true(fm_answer_is_number(span("$\\frac{1}{2}$.")));
}

/* ---- anything ------------------------------------------------------------------------------------ */

/* Pieces that mean something to the rules, and bytes that do not, in any order: nothing is read outside
 * the text, an answer equals itself, and normalising twice is normalising once. */
static void any_text_is_judged_without_harm(void **state) {
    (void)state;
    static const char *const pieces[] = {
        "\\boxed{", "}", "{", "\\", "\\frac", "\\text{", "answer is", "####", "<think>", "</think>", "<answer>",
        "</answer>",
        "$", "$$", "**",
        "\\(", "\\)", "-", ".", ",", "1", "23", "456", "e", "/", "%", " ", "\n", "x", "=", "\xE2\x88\x92", "\xE2",
        "^\\circ", "\\left", "\\,", "~", "\\$", "0", "\xC2\xB0", "\"", "`", "{,}", "+", "\xFF"};
    int rounds = soaking() ? 2000000 : sanitized() ? 20000 : 200000;
    for (int round = 0; round < rounds; round++) {
        char buffer[256];
        size_t n = 0;
        for (uint64_t i = 0; i < 24; i++) {
            fm_rng_block r = fm_rng_at(11, (uint64_t)round, i);
            if (r.word[0] % 24 == 0) break;
            const char *piece = pieces[r.word[1] % FM_COUNT(pieces)];
            size_t size = strlen(piece);
            if (n + size + 1 > sizeof buffer) break;
            memcpy(buffer + n, piece, size);
            n += size;
            if (r.word[2] % 8 == 0) buffer[n++] = (char)r.word[3];
        }
        char *text = malloc(n ? n : 1); /* of its exact size, so that a sanitizer sees every step too far */
        memcpy(text, buffer, n);
        for (int numeric = 0; numeric < 2; numeric++) {
            fm_span got = fm_answer_extract(text, n, numeric, NULL);
            assert_true(got.s >= text && got.s + got.n <= text + n);
            bool failed = false;
            assert_true(fm_answer_equal(got, got, &failed) && !failed);
        }
        fm_span e = fm_answer_expected(text, n);
        assert_true(e.s >= text && e.s + e.n <= text + n);
        fm_buffer once = {0};
        fm_answer_normalize(&once, text, n);
        assert_true(once.size <= n + 1);
        fm_buffer_clear(&once);
        free(text);
    }
}

/* Rules that look back and forth must not take the square of a long text. */
static void long_texts_of_one_piece_take_no_time(void **state) {
    (void)state;
    static const char *const pieces[] = {"\\boxed{", "{", "\\text{", "answer is", "####", "$", "*", "1", "-", "1,",
                                         "\\frac{", "x=", " ", "<think>", "1/", "1e", "\\frac", "}", ".", "\\text{}",
                                         "answer is:", "0"};
    enum { SIZE = 1 << 19 };
    char *text = malloc(SIZE);
    for (size_t p = 0; p < FM_COUNT(pieces); p++) {
        size_t n = strlen(pieces[p]), size = 0;
        for (; size + n <= SIZE; size += n) memcpy(text + size, pieces[p], n);
        bool failed = false;
        fm_span got = fm_answer_extract(text, size, true, NULL);
        fm_answer_equal(got, (fm_span){text, size}, &failed);
        fm_answer_extract(text, size, false, NULL);
        assert_false(failed);
    }
    free(text);
}

static void without_memory_nothing_is_equal(void **state) {
    (void)state;
    for (int k = 0; k < 2; k++) {
        bool failed = false;
        fm_mem_fail_from(k);
        bool same = fm_answer_equal(span("1"), span("1"), &failed);
        fm_mem_fail_from(-1);
        assert_true(!same && failed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_equal_by_value_whatever_their_form),
        cmocka_unit_test(numbers_are_compared_exactly),
        cmocka_unit_test(what_is_no_number_is_not_read_as_one),
        cmocka_unit_test(numbers_are_found_in_text),
        cmocka_unit_test(texts_are_equal_but_for_their_dress),
        cmocka_unit_test(the_last_complete_box_holds_the_answer),
        cmocka_unit_test(without_a_box_the_announced_answer_counts),
        cmocka_unit_test(otherwise_the_last_number_or_line_counts),
        cmocka_unit_test(what_a_model_only_thinks_does_not_count),
        cmocka_unit_test(the_expected_answer_may_come_with_its_working),
        cmocka_unit_test(any_text_is_judged_without_harm),
        cmocka_unit_test(long_texts_of_one_piece_take_no_time),
        cmocka_unit_test(without_memory_nothing_is_equal),
    };
    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}

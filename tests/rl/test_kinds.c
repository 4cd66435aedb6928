/* Which answers are right to problems of logic, polynomials, sorting, counting, strings, tracing and stories: every
 * right form, and those near it that are wrong. */
#include "task_support.h"

#include "rl/task/formula.h"
#include "rl/task/polynomial.h"

static fm_error err;

static void assignments_are_a_set_in_any_order(void **state) {
    (void)state;
    fm_problem p = problem_of("logic", "{\"asked\": 0, \"names\": \"pq\", \"formula\": \"p or q\"}");
    assert_verdicts(&p, FM_RIGHT, "TT, TF, FT", "FT, TT, TF", "tt tf ft", "[TT, TF, FT]", "11, 10, 01",
                    "\"TT\", 'TF', FT",
                    "TT,TF,FT");
    assert_verdicts(&p, FM_WRONG, "TT, TF", "TT, TF, FT, FF", "TT, TF, FT, TT", "none", "TT TF FT FF",
                    "T T, T F, F T", "TTT",
                    "TT, TF, FT,", ",TT, TF, FT", "[TT, TF, FT", "p or q", "TT; TF; FT", "TT,, TF, FT");
    p = problem_of("logic", "{\"asked\": 1, \"names\": \"qp\", \"formula\": \"q -> p\"}");
    assert_verdicts(&p, FM_RIGHT, "TF", "10");
    assert_verdicts(&p, FM_WRONG, "FT", "TT, FT, FF");
    p = problem_of("logic", "{\"asked\": 0, \"names\": \"ab\", \"formula\": \"(a and not a) and b\"}");
    assert_verdicts(&p, FM_RIGHT, "none", "None");
    assert_verdicts(&p, FM_WRONG, "TT", "TT, TF, FT, FF", "[]", "()", "no");
}

static void formulas_are_equal_by_their_truth_tables_and_have_the_signs_that_are_asked_for(void **state) {
    (void)state;
    fm_problem p = problem_of("logic", "{\"asked\": 2, \"names\": \"pq\", \"formula\": \"p -> q\"}");
    assert_verdicts(&p, FM_RIGHT, "not p or q", "q or not p", "~p | q", "!p || q", "\\neg p \\lor q",
                    "\xc2\xacp \xe2\x88\xa8 q",
                    "not (p and not q)", "(NOT p) OR q", "[not p] or q", "((not p) or q) and (q or (not p))");
    assert_verdicts(&p, FM_WRONG, "p -> q", "p => q", "not p and q", "p or q", "not p or", "not p or q or", "q",
                    "not p or r",
                    "not (p or q", "not p xor q", "T", "p implies q", "not p or q.", "not p, q", "(not p or q) <-> T",
                    "nnot p or q", "not p orq", "P or not P or q");
    p = problem_of("logic", "{\"asked\": 3, \"names\": \"xy\", \"formula\": \"x xor y\"}");
    assert_verdicts(&p, FM_RIGHT, "not (not (x and not y) and not (not x and y))", "~(x&y) & ~(~x&~y)");
    assert_verdicts(&p, FM_WRONG, "x xor y", "(x and not y) or (y and not x)", "x ^ y", "not (x and y)");
}

static void formulas_bind_as_logicians_write_them(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *rows; /* T where it is true, of TTT, TTF, ..., FFF */
    } cases[] = {{"a or b and c", "TTTTTFFF"}, {"not a and b", "FFFFTTFF"}, {"a -> b -> c", "TFTTTTTT"},
                 {"(a -> b) -> c", "TFTTTFTF"}, {"a <-> b or c", "TTTFFFFT"}, {"a xor b or c", "FFFTTTTF"},
                 {"a and T", "TTTTFFFF"}, {"F or b", "TTFFTTFF"}, {"not not a", "TTTTFFFF"}, {"a <-> b <-> c",
                     "TFFTFTTF"}};
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_formula f;
        if (!fm_formula_read(cases[i].text, strlen(cases[i].text), "abc", &f)) fail_msg("%s", cases[i].text);
        uint16_t table = fm_formula_table(&f, f.n - 1, 3);
        for (int row = 0; row < 8; row++)
            if ((table >> row & 1) != (cases[i].rows[row] == 'T')) fail_msg("%s, row %d", cases[i].text, row);
    }
}

#define POLYNOMIAL(asked, at, unknown, lengths, coefficients)                                                        \
    "{\"asked\": " asked ", \"at\": " at ", \"unknown\": \"" unknown "\", \"lengths\": [" lengths                     \
    "], \"coefficients\": [" coefficients "]}"

static const char *key_of(const char *kind, const char *facts) {
    static fm_buffer keys[2];
    static int turn;
    fm_buffer *key = &keys[turn ^= 1];
    fm_problem p = problem_of(kind, facts);
    fm_buffer_clear(key);
    fm_problem_key(&p, key);
    return fm_buffer_string(key);
}

/* The same but for names, order and grouping; and what is not. */
static void keys_see_through_names_and_order(void **state) {
    (void)state;
#define LOGIC(names, formula)                                                                                        \
    key_of("logic", "{\"asked\": 0, \"names\": \"" names "\", \"formula\": \"" formula "\"}")
    assert_string_equal(LOGIC("pq", "p -> (q or p)"), LOGIC("ba", "b -> (b or a)"));
    assert_string_equal(LOGIC("pqr", "(p and q) and r -> p"), LOGIC("xyz", "z and (y and x) -> y"));
    assert_string_not_equal(LOGIC("pq", "p -> q and p"), LOGIC("pq", "q and p -> p"));
    assert_string_equal(key_of("logic", "{\"asked\": 1, \"names\": \"pq\", \"formula\": \"p -> q\"}"),
                        LOGIC("ab", "a -> b"));
#define TRACING(program) key_of("tracing", "{\"program\": \"" program "\"}")
    assert_string_equal(TRACING("a = 1\\nprint(a)"), TRACING("zz=1 # one\\n\\nprint( zz )\\n"));
    assert_string_not_equal(TRACING("a = 1\\nb = 2\\nprint(a)"), TRACING("a = 1\\nb = 2\\nprint(b)"));
    assert_string_not_equal(TRACING("a = 1\\nif a: print(a)"), TRACING("a = 1\\nprint(a)"));
#define POLYNOMIALS(asked, unknown, lengths, c) key_of("polynomials", POLYNOMIAL(asked, "0", unknown, lengths, c))
    assert_string_equal(POLYNOMIALS("3", "x", "2, 2", "1, 1, 2, 1"), POLYNOMIALS("3", "t", "2, 2", "2, 1, 1, 1"));
    assert_string_equal(POLYNOMIALS("3", "x", "2, 2", "1, 1, 2, 1"), POLYNOMIALS("5", "y", "3", "2, 3, 1"));
    assert_string_not_equal(POLYNOMIALS("2", "x", "2, 2", "1, 1, 2, 1"), POLYNOMIALS("2", "x", "2, 2", "2, 1, 1, 1"));
}

static void polynomials_have_any_form_but_are_worked_out(void **state) {
    (void)state;
    fm_problem p = problem_of("polynomials", POLYNOMIAL("3", "0", "x", "2, 2", "2, 1, -3, 1"));
    assert_verdicts(&p, FM_RIGHT, "x^2 - x - 6", "-6 - x + x^2", "x**2-x-6", "x^{2} - x - 6", "x\xc2\xb2 - x - 6",
                    "1x^2 - 1x - 6",
                    "x^2 \xe2\x88\x92 x \xe2\x88\x92 6", "$x^2 - x - 6$");
    assert_verdicts(&p, FM_WRONG, "(x + 2)(x - 3)", "(x+2)*(x-3)", "x^2 - 3x + 2x - 6", "x^2 + x - 6", "x^2 - x",
                    "x^2 - x - 6 = 0",
                    "y^2 - y - 6", "x*x - x - 6", "x(x - 1) - 6", "x^2 - x - 2*3", "x^2 - x - 6.0", "x^2 - x - 12/2",
                    "x^2 - x - 6, x", "x^^2 - x - 6", "x^2^1 - x - 6", "x^2 - - x - 6", "(x^2 - x - 6)", "x2 - x - 6",
                    "x^2 - x - 6 + 0x^13", "((x", "x^9999999999", "99999999999999999999x");
    p = problem_of("polynomials", POLYNOMIAL("5", "0", "t", "3", "-6, 2, 4"));
    assert_verdicts(&p, FM_RIGHT, "2(2t + 3)(t - 1)", "(t-1)*(4t+6)", "-2(1-t)(2t+3)", "(2t+3)(2t-2)",
                    "2*(t - 1)*(2*t + 3)",
                    "\\left(2t+3\\right)\\left(2t-2\\right)");
    assert_verdicts(&p, FM_WRONG, "4t^2 + 2t - 6", "2(2t^2 + t - 3)", "(2t + 3)(t - 1)", "2(2t+3)(t-1) + 0",
                    "(4t^2+2t-6)",
                    "1*(4t^2+2t-6)", "(2t+3)(t-1)2", "2((2t+3)(t-1)+0)");
    p = problem_of("polynomials", POLYNOMIAL("4", "0", "x", "4", "5, 0, 3, 1"));
    assert_verdicts(&p, FM_RIGHT, "3x^2 + 6x", "3x(x + 2)", "6x + 3x^2", "2*3x + 3x^2");
    assert_verdicts(&p, FM_WRONG, "x^3 + 3x^2 + 5", "3x^2 + 6x + 5", "3x^2 + 3x", "");
    p = problem_of("polynomials", POLYNOMIAL("5", "0", "x", "3", "4, 4, 1"));
    assert_verdicts(&p, FM_RIGHT, "(x + 2)^2", "(x+2)(x+2)", "(2+x)**2");
    p = problem_of("polynomials", POLYNOMIAL("0", "-2", "x", "3", "4, 4, 1"));
    assert_verdicts(&p, FM_RIGHT, "0", "-0", "0.0");
    assert_verdicts(&p, FM_WRONG, "1", "4-4", "x");
}

static void lists_are_whole_and_in_order(void **state) {
    (void)state;
    fm_problem p = problem_of("sorting", "{\"order\": 0, \"k\": 0, \"numbers\": [3, -1, 20, 3], \"words\": \"\"}");
    assert_verdicts(&p, FM_RIGHT, "-1, 3, 3, 20", "-1 3 3 20", "[-1,3,3,20]", "-1,3,3,20");
    assert_verdicts(&p, FM_WRONG, "-1, 3, 20", "20, 3, 3, -1", "-1, 3, 3, 20, 20", "-1 < 3 < 3 < 20",
                    "-1, 3, 3, 2 0", "3, -1, 20, 3",
                    "[-1, 3, 3, 20", "-1, 3, 3, 20]", "-1; 3; 3; 20", "-1, 3, 3.0, 20", "-1,, 3, 3, 20",
                        "1, 3, 3, 20");
    p = problem_of("sorting", "{\"order\": 2, \"k\": 0, \"numbers\": [], \"words\": \"pear apple pea\"}");
    assert_verdicts(&p, FM_RIGHT, "apple, pea, pear", "apple pea pear", "['apple', 'pea', 'pear']",
                    "\"apple\", \"pea\", \"pear\"");
    assert_verdicts(&p, FM_WRONG, "apple, pear, pea", "apple, pea", "Apple, pea, pear", "applepeapear",
                    "'apple, pea, pear'");
    p = problem_of("sorting", "{\"order\": 4, \"k\": 2, \"numbers\": [3, -1, 20, 3], \"words\": \"\"}");
    assert_verdicts(&p, FM_RIGHT, "3");
    assert_verdicts(&p, FM_WRONG, "-1", "20", "20, 3", "3, 3");
}

static void counts_and_texts_are_exact(void **state) {
    (void)state;
    fm_problem p = problem_of("counting", "{\"what\": 0, \"by\": 17, \"numbers\": [], \"text\": \"strawberry\"}");
    assert_verdicts(&p, FM_RIGHT, "3", "3.0");
    assert_verdicts(&p, FM_WRONG, "2", "three", "r r r", "1+2", "30", "3 letters", "1, 2, 3");
    p = problem_of("counting", "{\"what\": 6, \"by\": 0, \"numbers\": [4, 4, 5, 9, 5], \"text\": \"\"}");
    assert_verdicts(&p, FM_RIGHT, "3");
    p = problem_of("strings", "{\"text\": \"apple\", \"steps\": [0, 0, 7, 392, 1, 0]}");
    assert_verdicts(&p, FM_RIGHT, "ELCCA", "\"ELCCA\"", "'ELCCA'");
    assert_verdicts(&p, FM_WRONG, "elcca", "E L C C A", "ELPPA", "ACCLE", "ELCCA.", "\"ELCCA", "ELCC");
    p = problem_of("strings", "{\"text\": \"xyz\", \"steps\": [5, 2, 3, 1, 8, 0, 11, 3]}");
    assert_verdicts(&p, FM_RIGHT, "bzz");
}

static void output_is_what_the_program_prints(void **state) {
    (void)state;
    fm_problem p = problem_of("tracing", "{\"program\": \"a = [1, 2]\\na.append(3)\\nprint(a, len(a))\"}");
    assert_verdicts(&p, FM_RIGHT, "[1, 2, 3] 3", "[1,2,3] 3", "[1, 2, 3]  3", " [ 1, 2, 3 ] 3");
    assert_verdicts(&p, FM_WRONG, "[1, 2] 3", "[1, 2, 3]", "1, 2, 3 3", "[1, 2, 3] 3\n[1, 2, 3] 3", "[1, 2, 3] 3 3",
                    "(1, 2, 3) 3",
                    "a len(a)", "[12, 3] 3");
    p = problem_of("tracing", "{\"program\": \"print(1, 2)\"}");
    assert_verdicts(&p, FM_RIGHT, "1 2");
    assert_verdicts(&p, FM_WRONG, "12", "1, 2", "(1, 2)", "1\n2");
}

static void stories_are_answered_by_a_number(void **state) {
    (void)state;
    fm_problem p = problem_of("stories",
        "{\"family\": \"change\", \"numbers\": [3, 6, 100], \"first\": 0, \"second\": 1,"
                                         " \"thing\": 0, \"aside\": 1, \"aside_number\": 7}");
    assert_verdicts(&p, FM_RIGHT, "82", "82.0", "82.00");
    assert_verdicts(&p, FM_WRONG, "18", "100", "7", "82 dollars 18", "100-18", "eighty-two", "-82");
}

/* Facts that no generator makes are refused with a sentence, not computed with. */
static void facts_of_strangers_are_checked(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"logic", "{\"asked\": 0, \"names\": \"pp\", \"formula\": \"p\"}"},
        {"logic", "{\"asked\": 0, \"names\": \"tq\", \"formula\": \"t\"}"},
        {"logic", "{\"asked\": 0, \"names\": \"abcd\", \"formula\": \"a or e\"}"},
        {"logic", "{\"asked\": 0, \"names\": \"\", \"formula\": \"T\"}"},
        {"logic", "{\"asked\": 2, \"names\": \"ab\", \"formula\": \"a and b\"}"},
        {"logic", "{\"asked\": 2, \"names\": \"ab\", \"formula\": \"a xor b xor a xor b\"}"},
        {"polynomials", "{\"asked\": 0, \"at\": 1, \"unknown\": \"x\", \"lengths\": [3], \"coefficients\": [1, 2]}"},
        {"polynomials", "{\"asked\": 0, \"at\": 1, \"unknown\": \"X\", \"lengths\": [2], \"coefficients\": [1, 2]}"},
        {"polynomials", "{\"asked\": 0, \"at\": 1, \"unknown\": \"x\", \"lengths\": [2], \"coefficients\": [1, 0]}"},
        {"polynomials",
         "{\"asked\": 5, \"at\": 0, \"unknown\": \"x\", \"lengths\": [3], \"coefficients\": [1, 0, 1]}"},
        {"polynomials", "{\"asked\": 3, \"at\": 0, \"unknown\": \"x\", \"lengths\": [7, 7], \"coefficients\": "
                        "[0, 0, 0, 0, 0, 0, 99999, 0, 0, 0, 0, 0, 0, 99999, 1]}"},
        {"polynomials", "{\"asked\": 4, \"at\": 0, \"unknown\": \"x\", \"lengths\": [], \"coefficients\": []}"},
        {"sorting", "{\"order\": 2, \"k\": 0, \"numbers\": [], \"words\": \"one  two\"}"},
        {"sorting", "{\"order\": 0, \"k\": 0, \"numbers\": [1], \"words\": \"\"}"},
        {"sorting", "{\"order\": 3, \"k\": 4, \"numbers\": [1, 2, 3], \"words\": \"\"}"},
        {"sorting", "{\"order\": 2, \"k\": 0, \"numbers\": [], \"words\": \"a b c d e f g h i j k l m n o p q\"}"},
        {"counting", "{\"what\": 5, \"by\": 0, \"numbers\": [1], \"text\": \"\"}"},
        {"counting", "{\"what\": 0, \"by\": 26, \"numbers\": [], \"text\": \"a\"}"},
        {"counting", "{\"what\": 0, \"by\": 2, \"numbers\": [], \"text\": \"\"}"},
        {"counting", "{\"what\": 7, \"by\": 2, \"numbers\": [], \"text\": \"1a\"}"},
        {"strings", "{\"text\": \"Abc\", \"steps\": [0, 0]}"},
        {"strings", "{\"text\": \"abc\", \"steps\": [13, 0]}"},
        {"strings", "{\"text\": \"abc\", \"steps\": [3, 27]}"},
        {"strings", "{\"text\": \"abc\", \"steps\": [0]}"},
        {"tracing", "{\"program\": \"while True: pass\"}"},
        {"tracing", "{\"program\": \"print(1)\\nprint(2)\"}"},
        {"tracing", "{\"program\": \"x = 1\"}"},
        {"tracing", "{\"program\": \"print(1 // 0)\"}"},
        {"tracing", "{\"program\": \"import os\"}"},
        {"stories",
         "{\"family\": \"nobody\", \"numbers\": [1], \"first\": 0, \"second\": 1, \"thing\": 0, \"aside\": 0,"
                    " \"aside_number\": 0}"},
        {"stories", "{\"family\": \"change\", \"numbers\": [9, 99, 50], \"first\": 0, \"second\": 1, \"thing\": 0,"
                    " \"aside\": 0, \"aside_number\": 0}"},
        {"stories", "{\"family\": \"share\", \"numbers\": [3, 10, 1], \"first\": 0, \"second\": 1, \"thing\": 0,"
                    " \"aside\": 0, \"aside_number\": 0}"},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_json *root;
        fm_problem p;
        assert_ok(fm_json_parse(cases[i][1], strlen(cases[i][1]), &root, &err));
        err = (fm_error){0};
        if (fm_problem_read_facts(fm_task_find(cases[i][0]), root, &p, &err) != FM_ERR_FORMAT || !err.message[0])
            fail_msg("%s", cases[i][1]);
        fm_json_free(root);
    }
}

static void brackets_and_signs_are_bounded(void **state) {
    (void)state;
    static const char *const parts[] = {"(", "[", "not ", "~", "-", "a->", "x^", "x*", "(x", "x(", "+", "2x+",
        "x -> ", "a or ("};
    fm_problem logic = problem_of("logic", "{\"asked\": 2, \"names\": \"ax\", \"formula\": \"a -> x\"}");
    fm_problem derivative =
        problem_of("polynomials", POLYNOMIAL("4", "0", "x", "2", "1, 1"));
    for (size_t i = 0; i < FM_COUNT(parts); i++) {
        fm_buffer text = {0};
        while (text.size < 60000) fm_buffer_text(&text, parts[i]);
        fm_buffer_text(&text, "x");
        assert_int_equal(fm_problem_check(&logic, text.data, text.size), FM_WRONG);
        assert_int_equal(fm_problem_check(&derivative, text.data, text.size), FM_WRONG);
        fm_buffer_clear(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assignments_are_a_set_in_any_order),
        cmocka_unit_test(formulas_are_equal_by_their_truth_tables_and_have_the_signs_that_are_asked_for),
        cmocka_unit_test(formulas_bind_as_logicians_write_them),
        cmocka_unit_test(keys_see_through_names_and_order),
        cmocka_unit_test(polynomials_have_any_form_but_are_worked_out),
        cmocka_unit_test(lists_are_whole_and_in_order),
        cmocka_unit_test(counts_and_texts_are_exact),
        cmocka_unit_test(output_is_what_the_program_prints),
        cmocka_unit_test(stories_are_answered_by_a_number),
        cmocka_unit_test(facts_of_strangers_are_checked),
        cmocka_unit_test(brackets_and_signs_are_bounded),
    };
    return cmocka_run_group_tests_name("rl/kinds", tests, NULL, NULL);
}

/* Which answers are right: the forms that are taken, and the holes through which other checkers have been fooled. */
#include "task_support.h"

#include "rl/task/expression.h"
#include "rl/task/literal.h"

static fm_error err;

static void literals_are_numbers_and_never_calculations(void **state) {
    (void)state;
    static const char *const whole[] = {"42", "+42", "42.", "42.0", "42.000", "042", "$42$", "\\(42\\)", " 42\n"};
    static const char *const none[] = {"", "4 2", "42..", "6*7", "40+2", "84/2", "42%", "4,2", "42e0", "0x2a", "1e999",
                                       "\xd9\xa4\xd9\xa2", "\xef\xbc\x94\xef\xbc\x92", "forty-two", "42 43", "42,43",
                                       "--42", "+-42", "42-", "(42)", "42!", "4_2", "$42", "42$"};
    fm_literal l;
    for (size_t i = 0; i < FM_COUNT(whole); i++)
        if (fm_literal_check(whole[i], strlen(whole[i]), 0, 42, 1) != FM_RIGHT) fail_msg("%s", whole[i]);
    for (size_t i = 0; i < FM_COUNT(none); i++)
        if (fm_literal_check(none[i], strlen(none[i]), 0, 42, 1) == FM_RIGHT) fail_msg("%s", none[i]);
    assert_true(fm_literal_read("1,234,567", 9, 0, &l) && l.top == 1234567);
    assert_false(fm_literal_read("1,23", 4, 0, &l) || fm_literal_read("1234,567", 8, 0, &l));
    assert_true(fm_literal_read("\xe2\x88\x92" "5", 4, 0, &l) && l.top == -5);
    assert_false(fm_literal_read("9999999999999999999", 19, 0, &l));
    assert_true(fm_literal_read("000000000000000000000000000007", 30, 0, &l) && l.top == 7);
    assert_true(fm_literal_read("0.50000000000000000000000000", 28, FM_FORM_DECIMAL, &l) && l.bottom == 10);
}

static void fractions_have_the_forms_that_are_asked_for(void **state) {
    (void)state;
    static const char *const any[] = {"3/2", "6/4", "1 1/2", "1.5", "1.50", "\\frac{3}{2}", "\\dfrac{6}{4}",
                                      "1\\frac{1}{2}", "$\\frac{3}{2}$", "3 / 2", "+3/2"};
    static const char *const none[] = {"3/2/1", "3//2", "3:2", "-3/2", "3/-2", "3/0", "1 3/2", "1.5/1", "3/2.0", "2/3",
                                       "\\frac{3}{0}", "\\frac{3}{2", "\\frac32", "1,5", "1.5000001", "150%"};
    for (size_t i = 0; i < FM_COUNT(any); i++)
        if (fm_literal_check(any[i], strlen(any[i]), FM_FORM_DECIMAL | FM_FORM_FRACTION, 3, 2) != FM_RIGHT)
            fail_msg("%s", any[i]);
    for (size_t i = 0; i < FM_COUNT(none); i++)
        if (fm_literal_check(none[i], strlen(none[i]), FM_FORM_DECIMAL | FM_FORM_FRACTION, 3, 2) == FM_RIGHT)
            fail_msg("%s", none[i]);
    fm_problem p = problem_of("fractions", "{\"operation\": 0, \"a\": 6, \"b\": 8, \"c\": 0, \"d\": 1}");
    assert_verdicts(&p, FM_RIGHT, "3/4", "\\frac{3}{4}", " 3 / 4 ");
    assert_verdicts(&p, FM_WRONG, "6/8", "12/16", "0.75", "3/4 6/8", "3", "4", "-3/4");
    p = problem_of("fractions", "{\"operation\": 4, \"a\": 1, \"b\": 2, \"c\": -1, \"d\": 3}");
    assert_verdicts(&p, FM_RIGHT, "-3/2", "-1.5", "-1 1/2", "-6/4");
    assert_verdicts(&p, FM_WRONG, "3/2", "1/2 : -1/3", "-2/3");
}

/* Every hole that was found in public checkers of countdown, and those one step further. */
static void countdown_counts_the_numbers_that_were_used(void **state) {
    (void)state;
    fm_problem p = problem_of("countdown", "{\"numbers\": [4, 5, 2], \"target\": 18}");
    assert_verdicts(&p, FM_RIGHT, "4*5-2", "5 * 4 - 2", "(4*5)-2", "((5)*(4))-(2)", "4*5-2 = 18", "4x5-2",
                    "4 \xc3\x97 5 \xe2\x88\x92 2");
    assert_verdicts(&p, FM_WRONG, "4.5*2*2", "4*4.5", "18", "20-2", "4*5-2+0", "4*5-2*1", "4*5", "45-27", "4*5-2-2+2",
                    "-2+4*5", "4*5+-2", "4*5-(2)(1)", "(4)(5)-2", "4*5-2;", "4*5-2 # 18", "4*5-2=18=18", "4*5-2=17",
                    "4*5-2=9+9", "=18", "4**5-2", "4*5-02", "4*5-2.0", "4e0*5-2", "4*5-2,4*5-2", "4*5-2 or 5*4-2",
                    "__import__('os')", "4*5--2", "(4*5-2", "4*5-2)", "()4*5-2", "4*5-2()", "4!*5-2", "\xd9\xa4*5-2");
    p = problem_of("countdown", "{\"numbers\": [4, 5, 2], \"target\": 9}");
    assert_verdicts(&p, FM_WRONG, "4.5*2", "4.5*2+0", "4+5", "4+5*2/2", "4.5 * 2");
    p = problem_of("countdown", "{\"numbers\": [2, 3, 5], \"target\": 13}");
    assert_verdicts(&p, FM_WRONG, "2**3+5", "2^3+5", "2 * * 3 + 5");
    p = problem_of("countdown", "{\"numbers\": [7, 2, 4], \"target\": 7}");
    assert_verdicts(&p, FM_WRONG, "7//2+4", "7 / / 2 + 4", "7/2+4");
    p = problem_of("countdown", "{\"numbers\": [1, 3, 3, 8], \"target\": 24}");
    assert_verdicts(&p, FM_WRONG, "8/(3-3)+1", "8/(1-3/3)", "24", "8*3", "8/(3-8/3)", "83-1-3");
    p = problem_of("countdown", "{\"numbers\": [3, 3, 8, 8], \"target\": 24}");
    assert_verdicts(&p, FM_RIGHT, "8/(3-8/3)", "8 \xc3\xb7 (3 - 8 \xc3\xb7 3)");
    assert_verdicts(&p, FM_WRONG, "8*3", "8*3*(8-3)/(8-3)", "8/(3-8/3)+0", "8*3+8-8", "3*8+3-3");
}

static void expressions_are_bounded(void **state) {
    (void)state;
    fm_expression e;
    fm_buffer deep = {0};
    for (int i = 0; i < 20000; i++) fm_buffer_text(&deep, "(");
    assert_false(fm_expression_read(deep.data, deep.size, &e));
    deep.size = 0;
    for (int i = 0; i < 20000; i++) fm_buffer_text(&deep, "1+");
    fm_buffer_text(&deep, "1");
    assert_false(fm_expression_read(deep.data, deep.size, &e));
    fm_buffer_clear(&deep);
    const char *large = "99999*99999*99999*99999*99999*99999*99999*99999";
    assert_false(fm_expression_read(large, strlen(large), &e));
    assert_false(fm_expression_read("100000", 6, &e));
    assert_true(fm_expression_read("1/3+1/6", 7, &e) && e.top == 1 && e.bottom == 2 && e.n == 4 && e.calculates);
    assert_true(fm_expression_read("2-3/4", 5, &e) && e.top == 5 && e.bottom == 4);
    assert_true(fm_expression_read("1/(2-3)", 7, &e) && e.top == -1 && e.bottom == 1);
}

static void a_quotient_comes_with_its_remainder(void **state) {
    (void)state;
    fm_problem p = problem_of("division", "{\"a\": 738, \"b\": 12}");
    assert_verdicts(&p, FM_RIGHT, "61 remainder 6", "61 r 6", "61 R6", "61, remainder 6", "61 rem. 6",
                    "61 Remainder: 6");
    assert_verdicts(&p, FM_WRONG, "61", "61.5", "61 1/2", "61 remainder", "60 remainder 18", "62 remainder -6", "6 61",
                    "61 6", "61 remainder 6 remainder 6", "0 remainder 738", "61 remainder 6 or 7", "738/12");
    p = problem_of("division", "{\"a\": 84, \"b\": 12}");
    assert_verdicts(&p, FM_RIGHT, "7", "7 remainder 0", "7.0", "7 r 0");
    assert_verdicts(&p, FM_WRONG, "84/12", "6 remainder 12", "7 remainder 12");
}

static void divisors_and_multiples_are_verified_and_no_products_taken(void **state) {
    (void)state;
    fm_problem p = problem_of("gcd", "{\"numbers\": [48, 36]}");
    assert_verdicts(&p, FM_RIGHT, "12", "12.0");
    assert_verdicts(&p, FM_WRONG, "6", "24", "-12", "0", "1", "2*6", "1, 2, 3, 4, 6, 12", "gcd(48, 36)");
    p = problem_of("lcm", "{\"numbers\": [4, 6, 10]}");
    assert_verdicts(&p, FM_RIGHT, "60");
    assert_verdicts(&p, FM_WRONG, "120", "30", "240", "-60", "0", "4*15");
    p = problem_of("modulo", "{\"form\": 2, \"a\": 7, \"b\": 0, \"m\": 2}");
    assert_verdicts(&p, FM_RIGHT, "1");
    p = problem_of("modulo", "{\"form\": 0, \"a\": 17, \"b\": 0, \"m\": 5}");
    assert_verdicts(&p, FM_RIGHT, "2");
    assert_verdicts(&p, FM_WRONG, "17", "7", "-3", "17 mod 5", "17%5");
}

static void digits_are_read_in_the_base_asked_for(void **state) {
    (void)state;
    fm_problem p = problem_of("bases", "{\"value\": 255, \"from\": 10, \"to\": 16}");
    assert_verdicts(&p, FM_RIGHT, "FF", "ff", "0xff", "0XFF", "FF_16", "FF (base 16)", "ff_{16}", "00FF");
    assert_verdicts(&p, FM_WRONG, "255", "FF_10", "0b11111111", "F F", "FFF", "FG", "0x", "_16", "FF_16_16",
                    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF");
    p = problem_of("bases", "{\"value\": 5, \"from\": 10, \"to\": 2}");
    assert_verdicts(&p, FM_RIGHT, "101", "0b101", "101_2");
    assert_verdicts(&p, FM_WRONG, "5", "102", "201", "0x101");
}

static void numbers_are_put_into_the_equation(void **state) {
    (void)state;
    const char *facts = "{\"a\": 2, \"p\": 0, \"b\": 3, \"c\": 0, \"q\": 0, \"d\": 6, \"unknown\": \"x\"}";
    fm_problem p = problem_of("equations", facts);
    assert_verdicts(&p, FM_RIGHT, "3/2", "1.5", "x = 3/2", "x=1.5", "$x = \\frac{3}{2}$", "6/4", "1 1/2");
    assert_verdicts(&p, FM_WRONG, "y = 3/2", "3", "-3/2", "x", "x =", "2x + 3 = 6", "x = 3/2 or 1", "(6-3)/2", "2x = 3",
                    "3/2 = x + 0");
}

static void quantities_may_name_the_unit_asked_for_and_no_other(void **state) {
    (void)state;
    fm_problem p = problem_of("conversion", "{\"amount\": 35, \"decimals\": 1, \"from\": \"km\", \"to\": \"m\"}");
    assert_verdicts(&p, FM_RIGHT, "3500", "3500 m", "3,500 metres", "3500 meters", "3500 Meter", "3500m", "3500.0 m");
    assert_verdicts(&p, FM_WRONG, "3500 km", "3.5 km", "3.5", "3500 cm", "3500 M", "350", "3500 m m", "m 3500");
    p = problem_of("conversion", "{\"amount\": 7, \"decimals\": 1, \"from\": \"m/s\", \"to\": \"km/h\"}");
    assert_verdicts(&p, FM_RIGHT, "2.52", "63/25", "2.52 km/h", "2.52 kilometres per hour", "2.52 kilometers per hour");
    assert_verdicts(&p, FM_WRONG, "2.5", "2.520001", "0.7*3.6", "2.52 m/s");
}

static void dates_weekdays_and_days_are_what_the_calendar_says(void **state) {
    (void)state;
    fm_problem p = problem_of("calendar", "{\"asks\": 2, \"weekday\": 0, \"days\": 100, \"year\": 2024, \"month\": 3, "
                                          "\"day\": 5, \"to_year\": 0, \"to_month\": 0, \"to_day\": 0}");
    assert_verdicts(&p, FM_RIGHT, "2024-06-13", "13 June 2024", "June 13, 2024", "13th of June, 2024", "jun 13 2024",
                    "13. June 2024");
    assert_verdicts(&p, FM_WRONG, "2024-13-06", "13/06/2024", "06/13/2024", "12 June 2024", "13 June", "44 May 2024",
                    "2024-06-13 2024-06-14", "13 June 2024 or so", "13 Juno 2024", "5 March 2024", "");
    p = problem_of("calendar", "{\"asks\": 0, \"weekday\": 1, \"days\": 9, \"year\": 0, \"month\": 0, \"day\": 0, "
                               "\"to_year\": 0, \"to_month\": 0, \"to_day\": 0}");
    assert_verdicts(&p, FM_RIGHT, "Thursday", "thursday", "THU", "Thursday.");
    assert_verdicts(&p, FM_WRONG, "Tuesday", "Thursdays", "Monday Tuesday Wednesday Thursday", "3", "th", "Thu Fri");
    p = problem_of("calendar", "{\"asks\": 1, \"weekday\": 0, \"days\": 0, \"year\": 2023, \"month\": 12, \"day\": 31, "
                               "\"to_year\": 2024, \"to_month\": 3, \"to_day\": 1}");
    assert_verdicts(&p, FM_RIGHT, "61", "61 days");
    assert_verdicts(&p, FM_WRONG, "60", "62", "2 months", "31+30", "-61", "days");
}

/* For each digit of the right answer, the same with another digit; and with one more in front. */
static void refuses_its_neighbours(const fm_problem *p, const char *answer) {
    char text[300];
    size_t n = strlen(answer);
    assert_true(n > 0 && n < 200);
    for (size_t at = 0; at <= n; at++)
        for (int d = 0; d < 10; d++) {
            bool digit = answer[at] >= '0' && answer[at] <= '9';
            if (digit && answer[at] == '0' + d) continue;
            snprintf(text, sizeof text, "%s%s", digit ? "" : (const char[]){(char)('1' + d % 9), 0}, answer);
            if (digit) text[at] = (char)('0' + d);
            if (verdict_on(p, text) == FM_RIGHT) fail_msg("%s: %s for %s", p->kind->name, text, answer);
        }
}

static void perturbed_answers_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"addition", "subtraction", "multiplication", "division", "fractions",
                                        "gcd",      "lcm",         "modulo",         "bases",    "equations",
                                        "conversion", "calendar",    "sequences",       "countdown"};
    for (size_t k = 0; k < FM_COUNT(names); k++)
        for (int i = 0; i < (soaking() ? 20000 : 300); i++) {
            const fm_task_kind *kind = fm_task_find(names[k]);
            fm_problem_name name = {kind, i % (int)kind->n_bands, FM_SPLIT_TRAIN, 5, (uint64_t)i};
            fm_problem p;
            fm_buffer working = {0}, answer = {0};
            assert_ok(fm_problem_draw(&name, &p, &err));
            fm_problem_solve(&p, &working, &answer);
            refuses_its_neighbours(&p, fm_buffer_string(&answer));
            fm_buffer_clear(&working);
            fm_buffer_clear(&answer);
        }
}

static void refused(const char *kind, const char *facts, const char *because) {
    fm_json *root;
    fm_problem p;
    assert_ok(fm_json_parse(facts, strlen(facts), &root, &err));
    fm_status status = fm_problem_read_facts(fm_task_find(kind), root, &p, &err);
    fm_json_free(root);
    if (status == FM_OK) fail_msg("%s was taken", facts);
    if (!strstr(err.message, because)) fail_msg("%s: %s", facts, err.message);
}

static void facts_that_make_no_problem_are_refused_with_a_reason(void **state) {
    (void)state;
    refused("addition", "{\"numbers\": [1]}", "at least two");
    refused("addition", "{\"numbers\": [1, 2, 3, 4, 5, 6]}", "5 is the limit");
    refused("addition", "{\"numbers\": [1, -2]}", "must be from 0 to");
    refused("addition", "{\"numbers\": [1, 2.5]}", "whole numbers");
    refused("addition", "{\"numbers\": 3}", "list of whole numbers");
    refused("addition", "{}", "\"numbers\" is missing");
    refused("addition", "{\"numbers\": [1, 2], \"total\": 3}", "no fact \"total\"");
    refused("addition", "[1, 2]", "must be an object");
    refused("division", "{\"a\": 5, \"b\": 0}", "must be from 1 to");
    refused("fractions", "{\"operation\": 4, \"a\": 1, \"b\": 2, \"c\": 0, \"d\": 3}", "nobody divides");
    refused("equations", "{\"a\": 2, \"p\": 0, \"b\": 3, \"c\": 2, \"q\": 0, \"d\": 6, \"unknown\": \"x\"}",
            "not one solution");
    refused("equations", "{\"a\": 2, \"p\": 0, \"b\": 3, \"c\": 0, \"q\": 0, \"d\": 6, \"unknown\": \"xx\"}", "limit");
    refused("conversion", "{\"amount\": 1, \"decimals\": 0, \"from\": \"km\", \"to\": \"kg\"}", "cannot be converted");
    refused("conversion", "{\"amount\": 1, \"decimals\": 0, \"from\": \"km\", \"to\": \"ell\"}", "no unit \"ell\"");
    refused("sequences", "{\"rule\": 0, \"terms\": [1, 2, 3, 5]}", "do not follow");
    refused("calendar", "{\"asks\": 2, \"weekday\": 0, \"days\": 1, \"year\": 2023, \"month\": 2, \"day\": 29, "
                        "\"to_year\": 0, \"to_month\": 0, \"to_day\": 0}", "there was no 2023-02-29");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_are_numbers_and_never_calculations),
        cmocka_unit_test(fractions_have_the_forms_that_are_asked_for),
        cmocka_unit_test(countdown_counts_the_numbers_that_were_used),
        cmocka_unit_test(expressions_are_bounded),
        cmocka_unit_test(a_quotient_comes_with_its_remainder),
        cmocka_unit_test(divisors_and_multiples_are_verified_and_no_products_taken),
        cmocka_unit_test(digits_are_read_in_the_base_asked_for),
        cmocka_unit_test(numbers_are_put_into_the_equation),
        cmocka_unit_test(quantities_may_name_the_unit_asked_for_and_no_other),
        cmocka_unit_test(dates_weekdays_and_days_are_what_the_calendar_says),
        cmocka_unit_test(perturbed_answers_are_refused),
        cmocka_unit_test(facts_that_make_no_problem_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests_name("rl/task_answers", tests, NULL, NULL);
}

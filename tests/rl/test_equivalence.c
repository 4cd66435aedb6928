/* When two answers are the same. Expected verdicts are mathematics, or a rule that equivalence.h
 * states. */
#include "rl/maths/equivalence.h"

#include "base/mem.h"
#include "support.h"

#include <pthread.h>

typedef struct pair {
    const char *gold, *given;
    char verdict; /* R, W, U */
} pair;

static char judge_with(const char *gold, const char *given, const fm_maths_options *options) {
    const char *why;
    fm_verdict v = fm_maths_equivalent(gold, strlen(gold), given, strlen(given), options, &why);
    assert_non_null(why);
    assert_true((v == FM_RIGHT) == (*why == 0));
    return v == FM_RIGHT ? 'R' : v == FM_WRONG ? 'W' : 'U';
}

static char judge(const char *gold, const char *given) { return judge_with(gold, given, NULL); }

#define CHECK(pairs)                                                                               \
    for (size_t k = 0; k < sizeof pairs / sizeof pairs[0]; k++) {                                  \
        char is = judge(pairs[k].gold, pairs[k].given);                                            \
        if (is != pairs[k].verdict)                                                                \
            fail_msg("'%s' for '%s': %c, not %c", pairs[k].given, pairs[k].gold, is,               \
                     pairs[k].verdict);                                                            \
    }

static void numbers_are_compared_exactly_however_they_are_written(void **state) {
    (void)state;
    static const pair pairs[] = {
        {"5", " 5 ", 'R'},
        {"5", "5.0", 'R'},
        {"5", "+5", 'R'},
        {"5", "5.", 'R'},
        {"7", "007", 'R'},
        {"0.5", ".5", 'R'},
        {"5", "6", 'W'},
        {"5", "-5", 'W'},
        {"9", "9.", 'R'},
        {"1/2", "0.5", 'R'},
        {"\\frac{1}{2}", "\\dfrac12", 'R'},
        {"3/4", "\\frac{6}{8}", 'R'},
        {"\\frac12", "\\frac{-1}{-2}", 'R'},
        {"2.5", "2\\frac{1}{2}", 'R'},
        {"2.5", "2 1/2", 'R'},
        {"-2.5", "-2\\frac12", 'R'},
        {"1234", "1,234", 'R'},
        {"1234567", "1,234,567", 'R'},
        {"1234", "1{,}234", 'R'},
        {"1234", "1\\,234", 'R'},
        {"1234", "1,\\!234", 'R'},
        {"0.1\\overline{6}", "1/6", 'R'},
        {"1", "0.\\overline{9}", 'R'},
        {"1/3", "0.3333", 'W'},
        {"3 \\times 10^8", "300000000", 'R'},
        {"3e8", "3\\times10^{8}", 'R'},
        {"1e-3", "0.001", 'R'},
        {"12", "1 2", 'W'},
        {"3.5", "3\\frac{7}{2}", 'W'},
        {"1011_2", "1011", 'R'},
        {"1011_2", "11", 'W'},
        {"1011_2", "1011_{2}", 'R'},
        {"1011_2", "1011_3", 'W'},
        {"-5%", "-0.05", 'R'},
    };
    CHECK(pairs);
}

static void algebra_is_decided_by_identity(void **state) {
    (void)state;
    static const pair pairs[] = {
        {"x^2+2x+1", "(x+1)^2", 'R'},
        {"x^2+2x+1", "(x+1)^2+1", 'W'},
        {"xy", "yx", 'R'},
        {"x-y", "y-x", 'W'},
        {"x_1+x_2", "x_{2}+x_{1}", 'R'},
        {"\\frac{x^2-1}{x-1}", "x+1", 'R'},
        {"\\frac1x+\\frac1y", "\\frac{x+y}{xy}", 'R'},
        {"x^{1000000}", "(x^{1000})^{1000}", 'R'},
        {"x^{10^{10}}", "x^{10^{10}+1}", 'W'},
        {"2^{x+1}", "2\\cdot 2^x", 'R'},
        {"2^{x+1}", "2^x+1", 'W'},
        {"e^{2x}", "(e^x)^2", 'R'},
        {"\\sin^2 x+\\cos^2 x", "1", 'R'},
        {"\\sin 2x", "2\\sin x\\cos x", 'R'},
        {"\\sin 2x", "2\\sin x", 'W'},
        {"\\tan x", "\\frac{\\sin x}{\\cos x}", 'R'},
        {"\\sqrt{x+1}", "\\sqrt{1+x}", 'R'},
        {"\\frac{1}{\\sqrt{x}}", "\\frac{\\sqrt{x}}{x}", 'R'},
        {"x^{3/2}", "x\\sqrt{x}", 'R'},
        {"|x-1|", "|1-x|", 'R'},
        {"\\sqrt{x^2}", "|x|", 'R'},
        {"n!", "n!", 'R'},
        {"a", "b", 'W'},
        {"x", "X", 'W'},
        {"x", "x+10^{-300}", 'W'},
    };
    CHECK(pairs);
}

static void roots_logarithms_and_angles_are_proved_equal_not_just_close(void **state) {
    (void)state;
    static const pair pairs[] = {
        {"6\\sqrt{2}", "\\sqrt{72}", 'R'},
        {"\\frac{1}{\\sqrt2}", "\\frac{\\sqrt2}{2}", 'R'},
        {"\\sqrt2-1", "\\frac{1}{1+\\sqrt2}", 'R'},
        {"\\sqrt2+\\sqrt3", "\\sqrt{5+2\\sqrt6}", 'R'},
        {"\\sqrt2+\\sqrt3", "\\sqrt{5+2\\sqrt7}", 'W'},
        {"\\sqrt[3]{2+\\sqrt5}+\\sqrt[3]{2-\\sqrt5}+\\pi", "1+\\pi", 'R'},
        {"\\sqrt8", "2^{3/2}", 'R'},
        {"\\sqrt{-4}", "2i", 'R'},
        {"\\cos(\\pi/12)", "\\frac{\\sqrt6+\\sqrt2}{4}", 'R'},
        {"\\cos 15^\\circ", "\\frac{\\sqrt6+\\sqrt2}{4}", 'R'},
        {"\\cos\\frac{2\\pi}{7}+\\cos\\frac{4\\pi}{7}+\\cos\\frac{6\\pi}{7}+x", "x-\\frac12", 'R'},
        {"e^{i\\pi/3}", "\\frac{1+i\\sqrt3}{2}", 'R'},
        {"\\ln 12", "2\\ln 2+\\ln 3", 'R'},
        {"\\ln 12", "2\\ln 2+\\ln 5", 'W'},
        {"\\log_2 8", "3", 'R'},
        {"\\log_4 8", "\\frac32", 'R'},
        {"\\sqrt{\\pi^2}", "\\pi", 'R'},
        {"\\sqrt{(\\pi-4)^2}", "\\pi-4", 'W'},
        {"\\sqrt{(\\pi-4)^2}", "4-\\pi", 'R'},
        {"2^{1000000}", "4^{500000}", 'R'},
        {"(2+i)^2", "3+4i", 'R'},
        {"3+4i", "3-4i", 'W'},
        {"\\binom{10}{3}", "120", 'R'},
        {"\\pi", "\\frac{355}{113}", 'W'},
        {"e^{\\pi\\sqrt{163}}", "640320^3+744", 'W'},
        {"\\sqrt2", "\\sqrt2+10^{-300}", 'W'},
        {"\\frac{\\pi}{4}", "45^\\circ", 'R'},
    };
    CHECK(pairs);
}

static void
what_differs_only_off_the_positive_numbers_or_has_two_readings_is_undecided(void **state) {
    (void)state;
    static const pair pairs[] = {
        {"\\sqrt{x^2}", "x", 'U'},
        {"\\sqrt{xy}", "\\sqrt{x}\\sqrt{y}", 'U'},
        {"2\\ln x", "\\ln(x^2)", 'U'},
        {"1/2\\pi", "\\frac{1}{2\\pi}", 'U'},
        {"\\frac{a}{bc}", "a/bc", 'U'},
        {"\\log 100", "2", 'U'},
        {"\\ln 2", "\\log 2", 'U'},
        {"\\log x", "\\log x", 'R'},
        {"\\int x dx", "x", 'U'},
        {"\\int x dx", "\\int x dx", 'R'},
        {"1/0", "5", 'U'},
    };
    CHECK(pairs);
}

static void lists_sets_tuples_and_matrices_are_compared_by_their_elements(void **state) {
    (void)state;
    static const pair pairs[] = {
        {"\\{1,2,3\\}", "\\{3, 2, 1\\}", 'R'},
        {"100, 200", "100,200", 'R'},
        {"100,200", "100, 200", 'U'},
        {"100200", "100,200", 'R'},
        {"1,234", "1, 235", 'W'},
        {"\\{1,2,3\\}", "\\{1,2\\}", 'W'},
        {"\\{1,2\\}", "\\{1,1,2\\}", 'R'},
        {"1,2", "2,1", 'R'},
        {"1,2", "1,1,2", 'W'},
        {"x=2 or x=-3", "x=-3, x=2", 'R'},
        {"x=2 or x=-3", "-3, 2", 'R'},
        {"\\pm 3", "3, -3", 'R'},
        {"3,-3", "\\pm 3", 'R'},
        {"\\pm 3", "3", 'W'},
        {"1\\pm\\sqrt2", "1+\\sqrt2, 1-\\sqrt2", 'R'},
        {"(1,2)", "(1, 2)", 'R'},
        {"(1,2)", "(2,1)", 'W'},
        {"(1,2)", "1,2", 'W'},
        {"(1,2)", "[1,2]", 'W'},
        {"(x,y)=(1,2)", "(1,2)", 'R'},
        {"(1,234)", "(1, 234)", 'R'},
        {"\\emptyset", "\\{\\}", 'R'},
        {"\\emptyset", "\\{0\\}", 'W'},
        {"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}",
         "\\begin{bmatrix}1&2\\\\3&\\frac82\\end{bmatrix}", 'W'},
        {"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{bmatrix}1&2\\\\3&4.0\\end{bmatrix}",
         'R'},
        {"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&3\\\\2&4\\end{pmatrix}",
         'W'},
        {"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "[[1,2],[3,4]]", 'R'},
        {"\\begin{pmatrix}1\\\\2\\end{pmatrix}", "(1,2)", 'R'},
        {"3:4", "4:3", 'W'},
    };
    CHECK(pairs);
}

static void intervals_have_ends_that_are_open_or_closed(void **state) {
    (void)state;
    static const pair pairs[] = {
        {"[3,\\infty)", "x \\in [3,\\infty)", 'R'},
        {"[3,\\infty)", "(3,\\infty)", 'W'},
        {"(-\\infty,1)\\cup(2,3]", "(2,3]\\cup(-\\infty,1)", 'R'},
        {"(1,3)", "(1,2)\\cup[2,3)", 'R'},
        {"(1,3)", "(1,2)\\cup(2,3)", 'W'},
        {"(1,2)", "(1,2]", 'W'},
        {"[0,\\sqrt2)", "[0,2^{1/2})", 'R'},
        {"\\mathbb{R}", "(-\\infty,\\infty)", 'R'},
        {"(-\\infty,\\infty)", "[-\\infty,\\infty]", 'W'},
        {"(1,2]", "(1,2)\\cup\\{2\\}", 'R'},
        {"\\infty", "-\\infty", 'W'},
    };
    CHECK(pairs);
}

static void relations_are_the_same_up_to_what_changes_no_solution(void **state) {
    (void)state;
    static const pair pairs[] = {
        {"y=2x+1", "2x-y+1=0", 'R'},
        {"y=2x+1", "2x-y+2=0", 'W'},
        {"y=2x+1", "2x+1", 'R'},
        {"2x+3y=6", "4x+6y=12", 'R'},
        {"2x+3y=6", "-2x-3y=-6", 'R'},
        {"2x+3y=6", "2x+3y-6", 'W'},
        {"x>3", "3<x", 'R'},
        {"x>3", "x<3", 'W'},
        {"x>3", "x\\ge 3", 'W'},
        {"x+y>3", "-x-y<-3", 'R'},
        {"x+y>3", "-x-y>-3", 'W'},
        {"1<x<2", "(1,2)", 'R'},
        {"1<x\\le 2", "2\\ge x>1", 'R'},
        {"x\\ge 3", "[3,\\infty)", 'R'},
        {"x=5", "5", 'R'},
        {"5", "x=5", 'R'},
        {"x=5", "y=5", 'W'},
        {"x=5", "x\\ne5", 'W'},
        {"f(x)=2x+1", "f(x)=1+2x", 'R'},
        {"5", "x=10/2=5", 'R'},
        {"5", "10/2=6", 'W'},
        {"\\sqrt2", "\\sqrt2\\approx 1.414", 'R'},
        {"\\sqrt2", "\\sqrt2\\approx 1.415", 'W'},
    };
    CHECK(pairs);
}

static void units_are_converted_and_must_fit(void **state) {
    (void)state;
    static const pair pairs[] = {
        {"5\\text{ cm}", "5 cm", 'R'},
        {"5\\text{ cm}", "0.05 m", 'R'},
        {"5\\text{ cm}", "5 m", 'W'},
        {"5\\text{ cm}", "5 kg", 'W'},
        {"5\\text{ cm}", "5", 'R'},
        {"5", "5 cm", 'R'},
        {"0.5", "50 percent", 'R'},
        {"0.5", "0.5%", 'W'},
        {"50", "50%", 'R'},
        {"3/4", "3/4%", 'W'},
        {"-5%", "-5 percent", 'R'},
        {"5", "5 million", 'W'},
        {"5\\text{ million}", "5", 'W'},
        {"5\\text{ million}", "5000000", 'R'},
        {"5\\text{ million}", "5,000,000", 'R'},
        {"5000000", "5 million", 'R'},
        {"5 million dollars", "5 million", 'R'},
        {"5 million dollars", "5", 'W'},
        {"2 dozen", "24", 'R'},
        {"5", "5 squared", 'W'},
        {"5", "5 thirds", 'W'},
        {"5", "5 wrong", 'W'},
        {"5", "5x", 'W'},
        {"5 m", "5m", 'R'},
        {"5m", "5 m", 'R'},
        {"36 km/h", "10 m/s", 'R'},
        {"36 km/h", "10 m s^{-1}", 'R'},
        {"3\\text{ m}^2", "30000 \\text{ cm}^2", 'R'},
        {"3\\text{ m}^2", "3 m", 'W'},
        {"3\\text{ square meters}", "3 m^2", 'R'},
        {"60 mph", "60 miles per hour", 'R'},
        {"50\\%", "0.5", 'R'},
        {"50\\%", "50", 'R'},
        {"0.5", "50%", 'R'},
        {"0.5", "5%", 'W'},
        {"45^\\circ", "45", 'R'},
        {"\\$5.50", "5.5 dollars", 'R'},
        {"\\$5.50", "550 cents", 'R'},
        {"12 apples", "12 oranges", 'W'},
        {"12 apples", "12 apple", 'R'},
        {"1\\text{ acre}", "43560\\text{ ft}^2", 'R'},
        {"1 kWh", "3600 kJ", 'R'},
        {"1\\text{ gallon}", "231 \\text{ in}^3", 'R'},
    };
    CHECK(pairs);
}

static void words_and_letters_of_choices_are_compared_as_words(void **state) {
    (void)state;
    static const pair pairs[] = {
        {"\\text{Evelyn}", "Evelyn", 'R'},
        {"\\text{Evelyn}", "evelyn.", 'R'},
        {"\\text{Evelyn}", "Everlyn", 'W'},
        {"yes", "Yes", 'R'},
        {"yes", "no", 'W'},
        {"C", "(C)", 'R'},
        {"C", "\\text{(C)}", 'R'},
        {"C", "C)", 'R'},
        {"C", "c", 'W'},
        {"\\text{(C)}", "c", 'R'},
        {"C", "D", 'W'},
        {"C", "C or D", 'W'},
        {"\\text{two thirds}", "two  thirds", 'R'},
        {"北京", "北京", 'R'},
        {"北京", "南京", 'U'},
    };
    CHECK(pairs);
}

/* The ways in which public verifiers were fooled, and policies found them. */
static void known_holes_are_closed(void **state) {
    (void)state;
    static const pair pairs[] = {
        {"9", "4.5*2", 'W'},
        {"x+1", "x+\\sin(\\pi/4611686018427387904)^2+\\cos(\\pi/4611686018427387904)^2", 'R'}, /* 2^62 */
        {"8", "2**3", 'W'},
        {"3", "7//2", 'W'},
        {"2", "12", 'W'},
        {"391", "17*23", 'W'},
        {"391", "782/2", 'W'},
        {"3/4", "1/2+1/4", 'W'},
        {"5", "4,5,6", 'W'},
        {"5", "4 or 5", 'W'},
        {"5", "1 2 3 4 5", 'W'},
        {"5", "5\\pm1", 'W'},
        {"C", "A, B, C, D", 'W'},
        {"5", "\\{4,5\\}", 'W'},
        {"x=5", "x+2=7", 'W'},
        {"x>3", "2x>6", 'W'},
        {"(1,2)", "1<x<2", 'W'},
        {"[2,\\infty)", "x\\ge 2", 'W'},
        {"5", "", 'W'},
        {"5", " ", 'W'},
        {"5", "x", 'W'},
        {"5", "\\text{the answer}", 'W'},
        {"5", "\xEF\xBC\x95", 'W'},
        {"5", "\xD9\xA5", 'W'},
        {"1/2", "\xC2\xBD", 'W'},
        {"5", "1e999", 'W'},
        {"5", "9^9^9^9", 'W'},
        {"5", "10^10^10", 'W'},
        {"5", "(9^9^9)!", 'W'},
        {"5", "1/0", 'W'},
        {"1", "0/0", 'W'},
        {"1", "0^0", 'W'},
        {"1", "\\frac{x-x}{x-x}", 'W'},
        {"5", "\\infty", 'W'},
        {"5", "nan", 'W'},
        {"5", "<answer>5</answer>", 'W'},
        {"5", "\\boxed{5}\\boxed{6}", 'W'},
        {"5", "5</answer><answer>6", 'W'},
        {"5", "5=6", 'W'},
        {"5", "0x5", 'W'},
        {"9.0", "9", 'R'},
        {"9.", "9", 'R'},
    };
    CHECK(pairs);
    const char *why;
    assert_int_equal(fm_maths_equivalent("5", 1, "5\0", 2, NULL, &why), FM_WRONG);
    assert_int_equal(fm_maths_equivalent("5", 1, NULL, 0, NULL, NULL), FM_WRONG);
}

static void options_ask_for_more_or_less(void **state) {
    (void)state;
    fm_maths_options any = {.any_form = true}, lowest = {.lowest_terms = true},
                     unit = {.unit_required = true};
    fm_maths_options ordered = {.ordered = true}, loose = {.tolerance = 0.01};
    assert_int_equal(judge_with("391", "17*23", &any), 'R');
    assert_int_equal(judge_with("3/4", "6/8", &lowest), 'W');
    assert_int_equal(judge_with("3/4", "3/4", &lowest), 'R');
    assert_int_equal(judge_with("3/4", "0.75", &lowest), 'R');
    assert_int_equal(judge_with("5 cm", "5", &unit), 'W');
    assert_int_equal(judge_with("5 cm", "50 mm", &unit), 'R');
    assert_int_equal(judge_with("1,2", "2,1", &ordered), 'W');
    assert_int_equal(judge_with("1,2", "1,2", &ordered), 'R');
    assert_int_equal(judge_with("100", "100.9", &loose), 'R');
    assert_int_equal(judge_with("100", "101.1", &loose), 'W');
    const char *prompt = "Expand $(x+1)^2$ and simplify.";
    fm_maths_options echo = {.prompt = prompt, .prompt_n = strlen(prompt)};
    assert_int_equal(judge_with("x^2+2x+1", "(x+1)^2", &echo), 'W');
    assert_int_equal(judge_with("x^2+2x+1", "x^2 + 2x + 1", &echo), 'R');
    prompt = "Which is larger, 3/4 or 2/3?";
    echo = (fm_maths_options){.prompt = prompt, .prompt_n = strlen(prompt)};
    assert_int_equal(judge_with("3/4", "3/4", &echo), 'R');
}

/* Repeats `unit` to n bytes, with `middle` in the middle if there is one. */
static char *repeated(const char *unit, size_t n) {
    char *s = malloc(n + 1);
    size_t length = strlen(unit);
    for (size_t i = 0; i < n; i++) s[i] = unit[i % length];
    s[n] = 0;
    return s;
}

static void hostile_answers_are_wrong_and_cost_little(void **state) {
    (void)state;
    static const char *const units[] = {"(",
                                        "[",
                                        "{",
                                        "\\frac{",
                                        "\\sqrt{",
                                        "\\left(",
                                        "-",
                                        "+",
                                        "1,",
                                        "1+",
                                        "x*",
                                        "2^",
                                        "|",
                                        "\\sin ",
                                        "\\{",
                                        "x_",
                                        "\\begin{pmatrix}",
                                        "5 ",
                                        "5=",
                                        "5<",
                                        "\\pm ",
                                        "!",
                                        "9",
                                        ".",
                                        "\\text{",
                                        "\\",
                                        "\xff",
                                        "and ",
                                        "5 cm ",
                                        "\\ln ",
                                        "e^",
                                        "(x+1)",
                                        "1/",
                                        "%",
                                        "a=b,",
                                        "\\cup",
                                        "$"};
    for (size_t k = 0; k < sizeof units / sizeof units[0]; k++)
        for (size_t n = 64; n <= 1 << 20; n *= 8) {
            char *s = repeated(units[k], n);
            char is = judge("5", s);
            if (is == 'R') fail_msg("%zu bytes of '%s' are right", n, units[k]);
            free(s);
        }
}

static void a_hostile_gold_is_undecided_or_judged_but_never_a_crash(void **state) {
    (void)state;
    static const char *const golds[] = {"",
                                        "((((",
                                        "\\frac{",
                                        "9^9^9^9",
                                        "\\text{",
                                        "1e99999",
                                        "\xff\xfe",
                                        "x=",
                                        "=",
                                        ",",
                                        "\\infty-\\infty",
                                        "\\{",
                                        "a<b<c<d<e<f<g<h<i<j<k"};
    static const char *const given[] = {"5",   "x=5",   "(1,2)", "\\{1,2\\}", "5 cm",
                                        "yes", "1<x<2", "",      "9^9^9^9"};
    for (size_t k = 0; k < sizeof golds / sizeof golds[0]; k++)
        for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) judge(golds[k], given[i]);
}

static void memory_that_fails_never_makes_an_answer_right_or_wrong(void **state) {
    (void)state;
    static const pair pairs[] = {{"\\{1,\\sqrt8\\}", "\\{2\\sqrt2,1\\}", 'R'},
                                 {"\\text{abcd}", "\\text{abcd}", 'R'},
                                 {"5 km/h", "5000 m/h", 'R'},
                                 {"1<x<2", "(1,2)", 'R'},
                                 {"y=2x+1", "2x-y+1=0", 'R'},
                                 {"12 apples", "12 apples", 'R'},
                                 {"-5%", "-0.05", 'R'},
                                 {"2^{5000}-2^{4999}", "2^{4999}", 'R'},
                                 {"\\sqrt{2}+\\sqrt{3}", "\\sqrt{5+2\\sqrt{6}}", 'R'},
                                 {"\\sin(\\pi/5)^2+\\cos(\\pi/5)^2", "1", 'R'},
                                 {"\\ln(6)", "\\ln 2+\\ln 3", 'R'}};
    size_t before = fm_mem_statistics().live_bytes[FM_MEM_OTHER];
    for (size_t k = 0; k < sizeof pairs / sizeof pairs[0]; k++) {
        char is = 0;
        for (int64_t fail = 0; fail < 100000; fail += 1 + fail / 50) {
            fm_mem_fail_from(fail);
            is = judge(pairs[k].gold, pairs[k].given);
            fm_mem_fail_from(-1);
            if (is == 'R') break;
            if (is == 'W')
                fail_msg("'%s': wrong when allocation %d fails", pairs[k].given, (int)fail);
        }
        assert_int_equal(is, 'R');
    }
    assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_OTHER], before);
}

/* Truth by construction: see maths_pairs.py, which wrote the file (seed 20261122). */
static void pairs_of_a_generator_are_judged_as_they_were_made(void **state) {
    (void)state;
    FILE *f = fopen(source_path("tests/rl", "maths_pairs.tsv"), "r");
    assert_non_null(f);
    static char line[1 << 16];
    int equal = 0, different = 0, missed = 0;
    for (int k = 0; fgets(line, sizeof line, f); k++) {
        line[strcspn(line, "\n")] = 0;
        char *gold = strchr(line, '\t') + 1, *given = strchr(gold, '\t');
        *given++ = 0;
        if (sanitized() && k / 2 % 4) continue; /* equal and different ones alternate */
        char is = judge(gold, given);
        if (*line == '1') {
            equal++;
            if (is != 'R') missed++, print_message("# '%s' for '%s': %c\n", given, gold, is);
        } else {
            different++;
            if (is == 'R') fail_msg("'%s' for '%s' is right", given, gold);
        }
    }
    fclose(f);
    assert_true(equal >= 350 && different >= 350);
    assert_true(missed * 100 < equal);
}

static void *judge_all(void *argument) {
    for (int k = 0; k < 50; k++)
        if (judge("\\sqrt2+\\sqrt3", "\\sqrt{5+2\\sqrt6}") != 'R' ||
            judge("\\ln 12+x", "x+2\\ln 2+\\ln 3") != 'R')
            return argument;
    return NULL;
}

static void threads_judge_alike_and_leave_nothing_behind(void **state) {
    (void)state;
    pthread_t threads[4];
    int any;
    for (int k = 0; k < 4; k++)
        assert_int_equal(pthread_create(&threads[k], NULL, judge_all, &any), 0);
    for (int k = 0; k < 4; k++) {
        void *said;
        pthread_join(threads[k], &said);
        assert_null(said);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_compared_exactly_however_they_are_written),
        cmocka_unit_test(algebra_is_decided_by_identity),
        cmocka_unit_test(roots_logarithms_and_angles_are_proved_equal_not_just_close),
        cmocka_unit_test(
            what_differs_only_off_the_positive_numbers_or_has_two_readings_is_undecided),
        cmocka_unit_test(lists_sets_tuples_and_matrices_are_compared_by_their_elements),
        cmocka_unit_test(intervals_have_ends_that_are_open_or_closed),
        cmocka_unit_test(relations_are_the_same_up_to_what_changes_no_solution),
        cmocka_unit_test(units_are_converted_and_must_fit),
        cmocka_unit_test(words_and_letters_of_choices_are_compared_as_words),
        cmocka_unit_test(known_holes_are_closed),
        cmocka_unit_test(options_ask_for_more_or_less),
        cmocka_unit_test(hostile_answers_are_wrong_and_cost_little),
        cmocka_unit_test(a_hostile_gold_is_undecided_or_judged_but_never_a_crash),
        cmocka_unit_test(memory_that_fails_never_makes_an_answer_right_or_wrong),
        cmocka_unit_test(pairs_of_a_generator_are_judged_as_they_were_made),
        cmocka_unit_test(threads_judge_alike_and_leave_nothing_behind),
    };
    return cmocka_run_group_tests_name("when two answers are the same", tests, NULL, NULL);
}

#include "support.h"

#include "base/clock.h"
#include "rl/reward/checks.h"
#include "rl/reward/language_id.h"
#include "rl/reward/parts.h"
#include "rl/reward/reward.h"

#include <math.h>

/* ---- help -------------------------------------------------------------------------------------*/

static fm_reward_reply reply_of(const char *text) {
    return (fm_reward_reply){.text = text, .size = strlen(text), .tokens = 10, .ended = true};
}

/* Right is the text of `context`, and "?" cannot be decided. */
static fm_verdict check_text(const void *context, const char *answer, size_t n) {
    if (n == 1 && *answer == '?') return FM_UNDECIDED;
    return strlen(context) == n && memcmp(context, answer, n) == 0 ? FM_RIGHT : FM_WRONG;
}

static const char prompt[] = "What is the sum of 17 and 25? Show your thinking and then the answer.";

static fm_reward_problem sum_problem(void) {
    return (fm_reward_problem){
        .prompt = prompt, .prompt_size = sizeof prompt - 1, .check = check_text, .context = "42"};
}

/* One rule with weight 1 over replies, the verdicts made as they should be. */
static void score(const char *rule, fm_reward_rules rules, const fm_reward_problem *problem,
                  const fm_reward_reply *replies, size_t n, fm_reward_value *values) {
    fm_error err = {0};
    fm_verdict verdicts[64];
    assert_true(n <= 64);
    assert_ok(fm_reward_parse_weights(rule, &rules, &err));
    assert_ok(fm_reward_judge(&rules, problem, replies, n, verdicts, &err));
    fm_reward_group group = {problem, replies, verdicts, n};
    assert_ok(fm_reward_score(&rules, &group, values, NULL, &err));
}

static double score_one(const char *rule, const char *text) {
    fm_reward_problem problem = sum_problem();
    fm_reward_reply r = reply_of(text);
    fm_reward_value value;
    score(rule, fm_reward_default_rules(), &problem, &r, 1, &value);
    assert_false(value.undecided);
    return value.value;
}

static void assert_about(double x, double expected) {
    if (!(fabs(x - expected) < 1e-9)) fail_msg("%.12g, not %.12g", x, expected);
}

/* ---- format -----------------------------------------------------------------------------------*/

static void the_form_with_tags_is_one_thought_one_answer_and_nothing_else(void **state) {
    (void)state;
    static const char *const right[] = {
        "<think>a</think><answer>42</answer>",
        " <think>\nlong\n\nthought < 3 > 2 <b>\n</think>\n\n<answer>\n42\n</answer>\n",
        "<think>a</think> <answer>text with <b>tags</b></answer> \t\r\n",
    };
    static const char *const wrong[] = {
        "",
        "42",
        "<answer>42</answer>",
        "<think>a</think>42",
        "<think></think><answer>42</answer>",
        "<think> \n</think><answer>42</answer>",
        "<think>a</think><answer></answer>",
        "<think>a</think><answer> </answer>",
        "<think>a</think><answer>42</answer> and more",             /* text behind the answer */
        "<think>a</think><answer>42</answer>\nand more",            /* in a line of its own: patterns with $ take it */
        "<think>a</think>\n<answer>42</answer>\n<answer>43</answer>", /* several answers */
        "<think>a</think>\n<answer>41</answer><answer>42</answer>",
        "<think>a</think>so <answer>42</answer>",
        "so <think>a</think><answer>42</answer>",
        "<think>a</think><think>b</think><answer>42</answer>",
        "<think>a<think>b</think></think><answer>42</answer>",      /* nested */
        "<think>a</think><answer><answer>42</answer></answer>",
        "<think>a<answer>42</answer></think>",
        "<think>a<answer>1</answer></think><answer>42</answer>",
        "<answer>42</answer><think>a</think>",
        "</think><think>a<answer>42</answer>",
        "<think>a</think></answer>42<answer>",
        "<think>a</think><answer>42",
        "<think>a<answer>42</answer>",
        "<THINK>a</THINK><answer>42</answer>",
        "<think >a</think><answer>42</answer>",
    };
    for (size_t i = 0; i < FM_COUNT(right); i++)
        if (score_one("format=1", right[i]) != 1) fail_msg("%s", right[i]);
    for (size_t i = 0; i < FM_COUNT(wrong); i++)
        if (score_one("format=1", wrong[i]) != 0) fail_msg("%s", wrong[i]);
}

static void a_reply_that_was_cut_is_not_formed(void **state) {
    (void)state;
    fm_reward_reply r = reply_of("<think>a</think><answer>42</answer>");
    assert_true(fm_reply_take_apart(&r, FM_FORM_TAGS).formed);
    r.ended = false;
    fm_reply_parts parts = fm_reply_take_apart(&r, FM_FORM_TAGS);
    assert_false(parts.formed);
    assert_string_equal(parts.fault, "it was cut");
}

static void a_reply_may_begin_inside_its_thoughts(void **state) {
    (void)state;
    fm_reward_reply r = reply_of("a</think><answer>42</answer>");
    assert_false(fm_reply_take_apart(&r, FM_FORM_TAGS).formed);
    r.opened = true;
    fm_reply_parts parts = fm_reply_take_apart(&r, FM_FORM_TAGS);
    assert_true(parts.formed);
    assert_memory_equal(parts.thinking.text, "a", 1);
    r = reply_of("<think>a</think><answer>42</answer>");
    r.opened = true;
    assert_false(fm_reply_take_apart(&r, FM_FORM_TAGS).formed);
}

static void the_plain_form_is_one_thought_and_then_the_answer(void **state) {
    (void)state;
    static const char *const right[] = {"<think>a</think>It is \\boxed{42}.\nReally.",
                                        "<think>a</think>\n<answer>42</answer>"};
    static const char *const wrong[] = {"<think>a</think>", "<think>a</think> \n", "\\boxed{42}",
                                        "<think>a</think>b</think>c", "<think>a</think><answer>42</answer> more",
                                        "<think>a</think>b<think>"};
    for (size_t i = 0; i < FM_COUNT(right); i++) {
        fm_reward_reply r = reply_of(right[i]);
        assert_true(fm_reply_take_apart(&r, FM_FORM_PLAIN).formed);
    }
    for (size_t i = 0; i < FM_COUNT(wrong); i++) {
        fm_reward_reply r = reply_of(wrong[i]);
        fm_reply_parts parts = fm_reply_take_apart(&r, FM_FORM_PLAIN);
        assert_false(parts.formed);
        assert_non_null(parts.fault);
        assert_int_equal(parts.answer.size, 0);
    }
}

/* ---- accuracy ---------------------------------------------------------------------------------*/

static void only_one_final_right_answer_is_paid(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "", "42", "<think>42", "<think>\\boxed{42}", "<think>a</think><answer>43</answer>",
        "<think>a</think><answer>42</answer><answer>43</answer>", "<think>a</think><answer>42</answer> or 43",
        "<think>a</think><answer>41, 42, 43</answer>", "<think>a</think>\\boxed{42} \\boxed{43}",
        "<think>the answer is <answer>42</answer></think>",
        "What is the sum of 17 and 25? Show your thinking and then the answer.",
        "<think>a</think><answer>\xd9\xa4\xd9\xa2</answer>", /* 42 in Arabic digits */
    };
    assert_about(score_one("accuracy", "<think>a</think><answer>42</answer>"), 1);
    assert_about(score_one("accuracy", "<think>a</think> It is \\boxed{42}"), 1);
    for (size_t i = 0; i < FM_COUNT(wrong); i++)
        if (score_one("accuracy", wrong[i]) != 0) fail_msg("%s", wrong[i]);
}

static void a_reply_that_was_cut_or_still_thinks_is_wrong(void **state) {
    (void)state;
    fm_reward_problem problem = sum_problem();
    fm_reward_reply r[] = {reply_of("<think>a</think><answer>42</answer>"), reply_of("a \\boxed{42}"),
                           reply_of("a</think>\\boxed{42}")};
    r[0].ended = false;
    r[1].opened = r[2].opened = true;
    fm_reward_value v[3];
    score("accuracy", fm_reward_default_rules(), &problem, r, 3, v);
    assert_about(v[0].value, 0);
    assert_about(v[1].value, 0);
    assert_about(v[2].value, 1);
}

static void what_nobody_can_decide_is_left_out_and_never_scored(void **state) {
    (void)state;
    fm_reward_problem problem = sum_problem();
    fm_reward_reply r[] = {reply_of("<think>a</think><answer>?</answer>"),
                           reply_of("<think>a</think><answer>42</answer>")};
    fm_reward_value v[2];
    score("accuracy,format=0.1", fm_reward_default_rules(), &problem, r, 2, v);
    assert_true(v[0].undecided);
    assert_false(v[1].undecided);
    assert_about(v[1].value, 1.1);
    problem.check = NULL; /* nobody checks */
    score("accuracy", fm_reward_default_rules(), &problem, r, 2, v);
    assert_true(v[0].undecided && v[1].undecided);
}

static double paid(fm_reward_problem problem, const char *answer) {
    char text[8192];
    snprintf(text, sizeof text, "<think>a</think><answer>%s</answer>", answer);
    fm_reward_reply r = reply_of(text);
    fm_reward_value v;
    score("accuracy=1", fm_reward_default_rules(), &problem, &r, 1, &v);
    assert_false(v.undecided);
    return v.value;
}

static void a_drawn_problem_pays_its_own_solution_and_no_other(void **state) {
    (void)state;
    fm_error err = {0};
    for (size_t kind = 0; fm_task_at(kind); kind++) {
        fm_problem problem;
        fm_problem_name name = {.kind = fm_task_at(kind), .seed = 3, .index = 1};
        assert_ok(fm_problem_draw(&name, &problem, &err));
        fm_buffer words = {0}, working = {0}, answer = {0};
        fm_problem_prompt(&problem, &words);
        fm_problem_solve(&problem, &working, &answer);
        fm_reward_problem p = {.prompt = fm_buffer_string(&words), .prompt_size = words.size,
                               .check = fm_check_problem, .context = &problem};
        if (paid(p, fm_buffer_string(&answer)) != 1) fail_msg("%s: %s", name.kind->name, fm_buffer_string(&answer));
        if (words.size < 4000 && paid(p, fm_buffer_string(&words)) != 0) fail_msg("%s: its prompt", name.kind->name);
        assert_true(paid(p, "1e999") == 0);
        assert_true(paid(p, "<answer>") == 0);
        fm_buffer_clear(&words);
        fm_buffer_clear(&working);
        fm_buffer_clear(&answer);
    }
}

static void an_expected_answer_is_compared_as_mathematics(void **state) {
    (void)state;
    fm_expected_answer half = {.text = "1/2", .size = 3};
    fm_reward_problem p = {.prompt = "x", .prompt_size = 1, .check = fm_check_maths, .context = &half};
    static const char *const right[] = {"1/2", "0.5", "\\frac{1}{2}"};
    static const char *const wrong[] = {"2", "0.5, 2", "1e999", "half of 2"};
    for (size_t i = 0; i < FM_COUNT(right); i++)
        if (paid(p, right[i]) != 1) fail_msg("%s", right[i]);
    for (size_t i = 0; i < FM_COUNT(wrong); i++)
        if (paid(p, wrong[i]) != 0) fail_msg("%s", wrong[i]);
}

/* ---- length -----------------------------------------------------------------------------------*/

static void overlong_falls_in_a_line_over_the_buffer(void **state) {
    (void)state;
    fm_reward_rules rules = fm_reward_default_rules();
    rules.cap = 1000;
    rules.overlong_buffer = 200;
    static const struct {
        int64_t tokens;
        bool ended;
        double value;
    } cases[] = {{1, true, 0},       {800, true, 0},     {801, true, -0.005}, {900, true, -0.5},
                 {1000, true, -1},   {1001, true, -1},   {1000, false, -1},   {10, false, -1}};
    fm_reward_problem problem = sum_problem();
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_reward_reply r = reply_of("x");
        r.tokens = cases[i].tokens;
        r.ended = cases[i].ended;
        fm_reward_value v;
        score("overlong", rules, &problem, &r, 1, &v);
        assert_about(v.value, cases[i].value);
    }
    fm_error err = {0};
    rules.overlong_buffer = 2000;
    fm_reward_reply r = reply_of("x");
    fm_reward_group g = {&problem, &r, NULL, 1};
    fm_reward_value v;
    assert_ok(fm_reward_parse_weights("overlong", &rules, &err));
    assert_int_equal(fm_reward_score(&rules, &g, &v, NULL, &err), FM_ERR_ARGUMENT);
}

static void brevity_pays_short_right_answers_and_no_wrong_one(void **state) {
    (void)state;
    fm_reward_problem problem = sum_problem();
    const char *right = "<think>a</think><answer>42</answer>", *wrong = "<think>a</think><answer>1</answer>";
    fm_reward_reply r[] = {reply_of(right), reply_of(right), reply_of(right), reply_of(wrong), reply_of(wrong),
                           reply_of("<think>a</think><answer>?</answer>")};
    const int64_t tokens[] = {100, 150, 300, 120, 290, 9};
    const double expected[] = {0.5, 0.25, -0.5, 0, -0.45};
    for (int i = 0; i < 6; i++) r[i].tokens = tokens[i];
    fm_reward_value v[6];
    score("brevity", fm_reward_default_rules(), &problem, r, 6, v);
    for (int i = 0; i < 5; i++) assert_about(v[i].value, expected[i]);
    assert_true(v[5].undecided);
    score("brevity", fm_reward_default_rules(), &problem, r, 1, v);
    assert_about(v[0].value, 0);
}

/* ---- repetition -------------------------------------------------------------------------------*/

static void repeats_are_counted_in_any_script(void **state) {
    (void)state;
    assert_about(score_one("repetition", ""), 0);
    assert_about(score_one("repetition", "a short text that says nothing again"), 0);
    char text[20000] = "";
    for (int i = 0; i < 400; i++) sprintf(text + strlen(text), "word%d ", i);
    assert_about(score_one("repetition", text), 0);
    size_t once = strlen(text);
    memcpy(text + once, text, once); /* all of it again */
    text[2 * once] = 0;
    double twice = score_one("repetition", text);
    assert_true(twice < -0.45 && twice > -0.55);
    text[0] = 0;
    for (int i = 0; i < 1000; i++) strcat(text, "Wait, ");
    assert_true(score_one("repetition", text) < -0.95);
    memset(text, 'a', 5000);
    text[5000] = 0;
    assert_true(score_one("repetition", text) < -0.9);
    text[0] = 0;
    for (int i = 0; i < 1000; i++) strcat(text, "\xe7\xad\x89\xe4\xb8\x80\xe4\xb8\x8b"); /* Chinese, without blanks */
    assert_true(score_one("repetition", text) < -0.95);
}

/* ---- language ---------------------------------------------------------------------------------*/

static double share(const char *text, const char *code) {
    int language = fm_language_find(code);
    assert_true(language >= 0);
    return fm_language_share_of(text, strlen(text), language).share;
}

static const char english[] = "So the sum is what we get when we add both numbers, and then we check that it is right.";
static const char german[] = "Die Summe ist also das, was wir bekommen, wenn wir beide Zahlen addieren, und das ist "
                             "dann richtig.";
static const char french[] =
    "La somme est donc ce que nous avons quand on ajoute les deux nombres, et elle est dans la liste.";
static const char spanish[] =
    "La suma es lo que tenemos cuando se suman los dos números, y por eso esta es la respuesta.";
static const char chinese[] = "两个数的和是四十二";
static const char russian[] = "Сумма равна сорока";
static const char japanese[] = "こたえは四十二です";

static void a_language_is_told_by_its_script_and_its_small_words(void **state) {
    (void)state;
    static const struct {
        const char *text, *code;
    } texts[] = {{english, "en"}, {german, "de"},  {french, "fr"},  {spanish, "es"},
                 {chinese, "zh"}, {russian, "ru"}, {japanese, "ja"}};
    for (size_t i = 0; i < FM_COUNT(texts); i++) {
        assert_string_equal(fm_language_code(fm_language_of(texts[i].text, strlen(texts[i].text))), texts[i].code);
        for (size_t k = 0; k < FM_COUNT(texts); k++) {
            bool han_too = strcmp(texts[k].code, "ja") == 0 || strcmp(texts[i].code, "ja") == 0;
            double s = share(texts[i].text, texts[k].code);
            if (i == k && s != 1) fail_msg("%s is not its own: %g", texts[i].code, s);
            if (i != k && !han_too && s != 0) fail_msg("%s counts as %s: %g", texts[i].code, texts[k].code, s);
        }
    }
    assert_int_equal(fm_language_of("1 + 1 = 2", 9), -1);
    assert_int_equal(fm_language_find("xx"), -1);
    assert_null(fm_language_code(-1));
}

static void mathematics_is_no_language(void **state) {
    (void)state;
    char text[400];
    snprintf(text, sizeof text, "%s \\frac{x}{y} + \\sqrt{z} = 12", chinese);
    assert_about(share(text, "zh"), 1);
    assert_about(share("x = 3, \\alpha + y = 12", "zh"), 1); /* no words at all */
    snprintf(text, sizeof text, "%s wait", chinese);
    double s = share(text, "zh");
    assert_true(s > 0.8 && s < 1);
}

static void the_thinking_is_to_be_in_the_prompts_language(void **state) {
    (void)state;
    char text[2000];
    fm_reward_problem problem = sum_problem();
    fm_reward_value v;
    snprintf(text, sizeof text, "<think>%s</think><answer>42</answer>", english);
    assert_about(score_one("language", text), 1);
    snprintf(text, sizeof text, "<think>%s</think>%s", chinese, english); /* the answer does not count */
    assert_about(score_one("language", text), 0);
    fm_reward_reply r = reply_of(text);
    problem.language = "zh";
    score("language", fm_reward_default_rules(), &problem, &r, 1, &v);
    assert_about(v.value, 1);
    problem.language = NULL;
    problem.prompt = "17 + 25";
    problem.prompt_size = 7;
    score("language", fm_reward_default_rules(), &problem, &r, 1, &v);
    assert_true(v.undecided);
    problem.language = "klingon";
    fm_error err = {0};
    fm_reward_rules rules = fm_reward_default_rules();
    assert_ok(fm_reward_parse_weights("language", &rules, &err));
    fm_reward_group g = {&problem, &r, NULL, 1};
    assert_int_equal(fm_reward_score(&rules, &g, &v, NULL, &err), FM_ERR_ARGUMENT);
}

static void the_list_of_small_words_is_in_order(void **state) {
    (void)state;
    static const char *const words[] = {
#define FM_WORD(word, languages) word,
#include "rl/reward/language_words.def"
#undef FM_WORD
    };
    for (size_t i = 1; i < FM_COUNT(words); i++) assert_true(strcmp(words[i - 1], words[i]) < 0);
    for (size_t i = 0; i < FM_COUNT(words); i++) assert_true(strlen(words[i]) < 16);
}

/* ---- the sum ----------------------------------------------------------------------------------*/

static void weights_are_read_and_wrong_ones_named(void **state) {
    (void)state;
    fm_reward_rules rules = fm_reward_default_rules();
    fm_error err = {0};
    assert_ok(fm_reward_parse_weights("accuracy=2,format,overlong=0.5", &rules, &err));
    assert_about(rules.weights[FM_REWARD_accuracy], 2);
    assert_about(rules.weights[FM_REWARD_format], 0.1);
    assert_about(rules.weights[FM_REWARD_overlong], 0.5);
    assert_about(rules.weights[FM_REWARD_code], 0);
    static const char *const wrong[] = {"", "accurate", "accuracy=", "accuracy=x", "accuracy=1x", "accuracy=nan",
                                        "accuracy=1e9", "accuracy,accuracy", "accuracy,,format", "accuracy=1,"};
    for (size_t i = 0; i < FM_COUNT(wrong); i++) {
        if (fm_reward_parse_weights(wrong[i], &rules, &err) != FM_ERR_ARGUMENT) fail_msg("%s", wrong[i]);
        assert_about(rules.weights[FM_REWARD_accuracy], 2); /* as it was */
    }
}

static void every_rule_has_a_name_a_help_and_keeps_its_range(void **state) {
    (void)state;
    static const char *const texts[] = {"", "<think>a</think><answer>42</answer>", english, chinese, "\xff\xfe\x00",
                                        "<think>a</think><answer>43</answer>"};
    fm_reward_problem problem = sum_problem();
    fm_reward_reply r[FM_COUNT(texts)];
    for (size_t i = 0; i < FM_COUNT(texts); i++) {
        r[i] = reply_of(texts[i]);
        r[i].tokens = (int64_t)(i * 20000);
    }
    for (int rule = 0; rule < FM_REWARDS; rule++) {
        assert_true(strlen(fm_rewards[rule].help) > 10);
        if (rule == FM_REWARD_learned) continue; /* wants a scorer: test_scorer.c */
        fm_reward_value v[FM_COUNT(texts)];
        score(fm_rewards[rule].name, fm_reward_default_rules(), &problem, r, FM_COUNT(texts), v);
        double weight = fm_rewards[rule].weight > 0 ? fm_rewards[rule].weight : 1;
        for (size_t i = 0; i < FM_COUNT(texts); i++)
            assert_true(v[i].value >= weight * fm_rewards[rule].least && v[i].value <= weight * fm_rewards[rule].most);
    }
}

static void parts_add_up_to_totals(void **state) {
    (void)state;
    fm_reward_problem problem = sum_problem();
    fm_reward_reply r = reply_of("<think>a</think><answer>42</answer>");
    fm_reward_rules rules = fm_reward_default_rules();
    fm_error err = {0};
    fm_verdict verdict;
    assert_ok(fm_reward_parse_weights("accuracy=2,format=0.5,brevity=1", &rules, &err));
    assert_ok(fm_reward_judge(&rules, &problem, &r, 1, &verdict, &err));
    fm_reward_group g = {&problem, &r, &verdict, 1};
    fm_reward_value total, parts[FM_REWARDS];
    assert_ok(fm_reward_score(&rules, &g, &total, parts, &err));
    assert_about(total.value, 2.5);
    assert_about(parts[FM_REWARD_accuracy].value, 1);
    assert_about(parts[FM_REWARD_format].value, 1);
    g.verdicts = NULL;
    assert_int_equal(fm_reward_score(&rules, &g, &total, NULL, &err), FM_ERR_ARGUMENT);
    g = (fm_reward_group){&problem, NULL, &verdict, 0};
    assert_ok(fm_reward_score(&rules, &g, NULL, NULL, &err));
}

static void out_of_memory_at_any_place_is_an_error(void **state) {
    (void)state;
    fm_reward_problem problem = sum_problem();
    char text[4000] = "";
    for (int i = 0; i < 300; i++) sprintf(text + strlen(text), "w%d ", i);
    fm_reward_reply r = reply_of(text);
    fm_reward_rules rules = fm_reward_default_rules();
    fm_error err = {0};
    assert_ok(fm_reward_parse_weights("format,language,overlong,repetition", &rules, &err));
    fm_reward_group g = {&problem, &r, NULL, 1};
    fm_reward_value v;
    bool done = false;
    for (int k = 0; !done && k < 30; k++) {
        fm_mem_fail_from(k);
        fm_status status = fm_reward_score(&rules, &g, &v, NULL, &err);
        fm_mem_fail_from(-1);
        done = status == FM_OK;
        if (!done) assert_int_equal(status, FM_ERR_MEMORY);
    }
    assert_true(done);
}

/* ---- hostile replies --------------------------------------------------------------------------*/

/* A megabyte of each pattern, through every rule. Growth is measured, not time: a rule whose time were quadratic
 * would need hours here and be stopped by the runner. */
static void a_megabyte_of_anything_is_judged_in_one_pass(void **state) {
    (void)state;
    static const char *const patterns[] = {
        "<think>", "</think>", "<answer>", "<", "<<think>", "<think></think><answer></answer>", "\\boxed{", "}",
        "\\boxed{1}", "a", " ", "a ", "1e999", "1e999 ", "\xff", "\xe4\xb8\x80", "\xd9\xa4\xd9\xa2", "\n", "```\n",
        "the ",
        "((((", "<think>a</think><answer>42</answer>", "What is the sum of 17 and 25? ", "\xf0\x9f\x98\x80", "\\frac ",
    };
    size_t size = 1 << 20;
    char *text = malloc(size);
    fm_reward_problem problem = sum_problem();
    for (size_t i = 0; i < FM_COUNT(patterns); i++) {
        size_t n = strlen(patterns[i]);
        for (size_t k = 0; k < size; k++) text[k] = patterns[i][k % n];
        fm_reward_reply r = {.text = text, .size = size, .tokens = 1 << 18, .ended = true};
        fm_reward_value v;
        score("accuracy,format,language,overlong,repetition,brevity", fm_reward_default_rules(), &problem, &r, 1, &v);
        assert_true(v.undecided || v.value <= 1);
        /* And inside a form that is kept. */
        memcpy(text, "<think>", 7);
        memcpy(text + size - 27, "</think><answer>42</answer>", 27);
        score("accuracy,format,language,overlong,repetition,brevity", fm_reward_default_rules(), &problem, &r, 1, &v);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_with_tags_is_one_thought_one_answer_and_nothing_else),
        cmocka_unit_test(a_reply_that_was_cut_is_not_formed),
        cmocka_unit_test(a_reply_may_begin_inside_its_thoughts),
        cmocka_unit_test(the_plain_form_is_one_thought_and_then_the_answer),
        cmocka_unit_test(only_one_final_right_answer_is_paid),
        cmocka_unit_test(a_reply_that_was_cut_or_still_thinks_is_wrong),
        cmocka_unit_test(what_nobody_can_decide_is_left_out_and_never_scored),
        cmocka_unit_test(a_drawn_problem_pays_its_own_solution_and_no_other),
        cmocka_unit_test(an_expected_answer_is_compared_as_mathematics),
        cmocka_unit_test(overlong_falls_in_a_line_over_the_buffer),
        cmocka_unit_test(brevity_pays_short_right_answers_and_no_wrong_one),
        cmocka_unit_test(repeats_are_counted_in_any_script),
        cmocka_unit_test(a_language_is_told_by_its_script_and_its_small_words),
        cmocka_unit_test(mathematics_is_no_language),
        cmocka_unit_test(the_thinking_is_to_be_in_the_prompts_language),
        cmocka_unit_test(the_list_of_small_words_is_in_order),
        cmocka_unit_test(weights_are_read_and_wrong_ones_named),
        cmocka_unit_test(every_rule_has_a_name_a_help_and_keeps_its_range),
        cmocka_unit_test(parts_add_up_to_totals),
        cmocka_unit_test(out_of_memory_at_any_place_is_an_error),
        cmocka_unit_test(a_megabyte_of_anything_is_judged_in_one_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Votes and figures: against what can be enumerated, and the coverage of the intervals by simulation. */
#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "eval/summary.h"

#include <math.h>

static const fm_eval_item question = {.line = 1, .kind = FM_ITEM_ANSWER, .answer = "1/2", .answer_size = 3};

static fm_eval_sample said(const char *answer, fm_verdict verdict) {
    return (fm_eval_sample){.answer = {answer, strlen(answer)}, .verdict = verdict, .tokens = 10};
}

static double consensus(const fm_eval_sample *samples, int64_t n) {
    fm_grader grader = fm_grader_of_answers();
    double out = -1;
    fm_error err;
    assert_ok(fm_consensus(&grader, &question, samples, n, &out, &err));
    return out;
}

static void assert_near(double a, double b, double tolerance) {
    if (!(fabs(a - b) <= tolerance)) fail_msg("%.17g is not %.17g", a, b);
}

/* ---- votes --------------------------------------------------------------------------------------- */

static void answers_that_say_the_same_vote_together(void **state) {
    (void)state;
    fm_eval_sample s[] = {said("3", FM_WRONG), said("1/2", FM_RIGHT), said("3.0", FM_WRONG), said("0.5", FM_RIGHT),
                          said("\\frac{1}{2}", FM_RIGHT), said("x", FM_WRONG)};
    assert_near(consensus(s, 6), 1, 0);
    assert_near(consensus(s, 3), 0, 0);
}

static void ties_count_in_parts(void **state) {
    (void)state;
    fm_eval_sample two[] = {said("3", FM_WRONG), said("1/2", FM_RIGHT), said("3.0", FM_WRONG), said("0.5", FM_RIGHT)};
    assert_near(consensus(two, 4), 0.5, 0);
    fm_eval_sample three[] = {said("1", FM_WRONG), said("2", FM_WRONG), said("1/2", FM_RIGHT)};
    assert_near(consensus(three, 3), 1.0 / 3, 1e-15);
    assert_near(consensus(three, 2), 0, 0);
    assert_near(consensus(three + 2, 1), 1, 0);
    assert_true(isnan(consensus(three, 0)));
}

static void samples_without_an_answer_are_a_class_that_is_wrong(void **state) {
    (void)state;
    fm_eval_sample s[] = {said("", FM_WRONG), said("", FM_WRONG), said("1/2", FM_RIGHT), said("0.5", FM_RIGHT),
                          said("", FM_WRONG)};
    assert_near(consensus(s, 5), 0, 0);
    assert_near(consensus(s, 4), 0.5, 0);
    assert_near(consensus(s, 1), 0, 0);
    assert_near(consensus(s + 1, 3), 1, 0);
}

static void what_is_undecided_counts_for_nothing(void **state) {
    (void)state;
    fm_eval_sample s[] = {said("a", FM_UNDECIDED), said("a", FM_UNDECIDED), said("1/2", FM_RIGHT),
                          said("0.5", FM_RIGHT), said("7", FM_WRONG), said("1/2", FM_RIGHT)};
    assert_true(isnan(consensus(s, 2)));
    assert_true(isnan(consensus(s, 4))); /* it leads beside another */
    assert_near(consensus(s, 6), 1, 0);  /* it does not lead */
    fm_grader grader = fm_grader_of_answers();
    fm_score score;
    fm_error err;
    assert_ok(fm_score_item(&grader, &question, s, 6, &score, &err));
    assert_true(score.samples == 6 && score.decided == 4 && score.right == 3 && score.unanswered == 0);
    assert_near(score.share, 0.75, 0);
    assert_ok(fm_score_item(&grader, &question, s, 2, &score, &err));
    assert_true(isnan(score.share) && score.decided == 0);
    fm_eval_tally t = {0};
    fm_eval_tally_add(&t, &score);
    assert_true(t.items == 1 && t.undecided == 2 && t.share.n == 0);
}

/* ---- what a reply is worth ------------------------------------------------------------------------ */

static fm_grade graded(const fm_eval_item *item, const char *text) {
    fm_grader grader = fm_grader_of_answers();
    fm_grade grade;
    fm_error err;
    assert_ok(grader.grade(grader.context, item, (fm_span){text, strlen(text)}, &grade, &err));
    fm_span a = grade.answer;
    assert_true(a.n == 0 || (a.s >= text && a.s + a.n <= text + strlen(text)));
    return grade;
}

static void an_answer_has_the_form_where_it_is_marked(void **state) {
    (void)state;
    static const struct {
        const char *text;
        fm_verdict verdict;
        bool formed, answered;
    } cases[] = {
        {"so \\boxed{0.5}", FM_RIGHT, true, true},   {"The answer is 1/2.", FM_RIGHT, true, true},
        {"well, 0.50", FM_RIGHT, false, true},       {"\\boxed{3}", FM_WRONG, true, true},
        {"", FM_WRONG, false, false},                {"<think>0.5", FM_WRONG, false, false},
        {"0.5\nno number at the end", FM_RIGHT, false, true},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_grade g = graded(&question, cases[i].text);
        if (g.verdict != cases[i].verdict || g.formed != cases[i].formed || (g.answer.n > 0) != cases[i].answered)
            fail_msg("'%s': %d %d '%.*s'", cases[i].text, g.verdict, g.formed, (int)g.answer.n, g.answer.s);
    }
}

static void a_choice_is_its_letter_or_its_text(void **state) {
    (void)state;
    static const char *const choices[] = {"Rome", "Paris", "vitamin A", "A dog"};
    fm_eval_item item = {.line = 1, .kind = FM_ITEM_CHOICE, .answer = "B", .answer_size = 1, .choices = choices,
                         .n_choices = 4};
    static const struct {
        const char *text;
        char letter; /* 0: none */
    } cases[] = {
        {"B", 'B'},          {"(B)", 'B'},       {"The answer is B.", 'B'}, {"\\boxed{\\text{B}}", 'B'},
        {"B. Paris", 'B'},   {"Paris", 'B'},     {"**Paris**", 'B'},        {"option C", 'C'},
        {"vitamin A", 'C'},  {"A dog", 'D'},     {"A or B", 0},             {"A, B, C and D", 0},
        {"a", 0},            {"E", 0},           {"", 0},                   {"A city in France", 0},
        {"It is (D)", 'D'},  {"I'd say B", 'B'}, {"\\boxed{A} no: \\boxed{B}", 'B'},
        {"<think>B", 0},     {"Berlin", 0},      {"**B**", 'B'},            {"B) Paris, not A) Rome", 0},
        {"D'accord", 0},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_grade g = graded(&item, cases[i].text);
        if ((g.answer.n > 0) != (cases[i].letter != 0) || (g.verdict == FM_RIGHT) != (cases[i].letter == 'B'))
            fail_msg("'%s' was read as '%.*s', verdict %d", cases[i].text, (int)g.answer.n, g.answer.s, g.verdict);
    }
}

static void an_answer_of_a_megabyte_is_none(void **state) {
    (void)state;
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE + 1);
    memset(text, '7', SIZE);
    text[SIZE] = 0;
    memcpy(text, "answer is: ", 11);
    fm_grade g = graded(&question, text);
    assert_true(g.verdict == FM_WRONG && g.answer.n == 0);
    free(text);
}

/* ---- pass@k -------------------------------------------------------------------------------------- */

/* The share of all subsets of k of n samples, the first c of them right, with a right one. */
static double by_enumeration(int n, int c, int k) {
    int64_t all = 0, hit = 0;
    for (uint32_t set = 0; set < 1u << n; set++) {
        if (__builtin_popcount(set) != k) continue;
        all++;
        hit += (set & ((1u << c) - 1)) != 0;
    }
    return (double)hit / (double)all;
}

static void pass_at_k_is_the_share_of_all_subsets(void **state) {
    (void)state;
    for (int n = 1; n <= 12; n++)
        for (int c = 0; c <= n; c++)
            for (int k = 1; k <= n; k++) assert_near(fm_pass_at(n, c, k), by_enumeration(n, c, k), 1e-12);
    assert_true(isnan(fm_pass_at(3, 1, 4)) && isnan(fm_pass_at(3, 1, 0)) && isnan(fm_pass_at(0, 0, 1)));
    assert_near(fm_pass_at(1000000, 1, 500000), 0.5, 1e-9);
    assert_near(fm_pass_at(1000000, 999999, 2), 1, 0);
}

/* ---- intervals ----------------------------------------------------------------------------------- */

/* Questions with chances drawn from [0, 1), eight samples each: the mean chance is 1/2. */
static void intervals_cover_the_truth_about_as_often_as_they_say(void **state) {
    (void)state;
    enum { STUDIES = 400, QUESTIONS = 60, SAMPLES = 8 };
    int covered = 0;
    for (uint64_t study = 0; study < STUDIES; study++) {
        double values[QUESTIONS], low, high;
        fm_error err;
        for (uint64_t q = 0; q < QUESTIONS; q++) {
            uint64_t stream = study * QUESTIONS + q;
            double chance = fm_rng_uniform(5, stream, 0), right = 0;
            for (uint64_t i = 1; i <= SAMPLES; i++) right += fm_rng_uniform(5, stream, i) < chance;
            values[q] = right / SAMPLES;
        }
        assert_ok(fm_bootstrap_means(values, QUESTIONS, 1, 1000, study, &low, &high, &err));
        covered += low <= 0.5 && 0.5 <= high;
    }
    /* 95 % less what the percentile bootstrap of 60 is known to lack; 4 standard errors are 4.5 points */
    if (covered < STUDIES * 0.90 || covered > STUDIES * 0.985) fail_msg("%d of %d", covered, STUDIES);
}

/* With four rows there are 256 draws, all as likely: the quantiles of their exact distribution. */
static void a_bootstrap_of_four_has_the_exact_quantiles(void **state) {
    (void)state;
    static const double values[] = {0, 1, 5, 12};
    double exact[256], low, high;
    fm_error err;
    for (int i = 0; i < 256; i++)
        exact[i] = (values[i % 4] + values[i / 4 % 4] + values[i / 16 % 4] + values[i / 64]) / 4;
    fm_sort_numbers(exact, 256);
    assert_ok(fm_bootstrap_means(values, 4, 1, 40000, 7, &low, &high, &err));
    assert_near(low, exact[6], 1e-12);    /* 6 / 256 < 0.025 < 7 / 256 */
    assert_near(high, exact[249], 1e-12); /* 249 / 256 < 0.975 < 250 / 256 */
}

static void columns_share_their_draws_and_leave_out_what_is_missing(void **state) {
    (void)state;
    double values[50 * 3], low[3], high[3], other_low[3], other_high[3];
    fm_error err;
    for (uint64_t i = 0; i < 50; i++) {
        values[3 * i] = fm_rng_uniform(1, i, 0);
        values[3 * i + 1] = values[3 * i] + 1;
        values[3 * i + 2] = NAN;
    }
    assert_ok(fm_bootstrap_means(values, 50, 3, 500, 3, low, high, &err));
    assert_near(low[1], low[0] + 1, 1e-12);
    assert_near(high[1], high[0] + 1, 1e-12);
    assert_true(isnan(low[2]) && isnan(high[2]));
    assert_ok(fm_bootstrap_means(values, 50, 3, 500, 3, other_low, other_high, &err));
    assert_memory_equal(low, other_low, sizeof low);
    assert_ok(fm_bootstrap_means(values, 50, 3, 500, 4, other_low, other_high, &err));
    assert_true(other_low[0] != low[0]);
    assert_ok(fm_bootstrap_means(values, 0, 1, 500, 3, low, high, &err));
    assert_true(isnan(low[0]));
}

/* ---- the summary --------------------------------------------------------------------------------- */

enum { N = 9, K = 4 };

static void make_scored(fm_scored scored[N], fm_length lengths[N][K]) {
    static const char *const domains[] = {"sums", "geo"}, *const bands[] = {"2", "10", "9"};
    for (int i = 0; i < N; i++) {
        int right = i % (K + 1);
        for (int s = 0; s < K; s++)
            lengths[i][s] = (fm_length){s == 3 ? -1 : 10 * i + s, s < right ? FM_RIGHT : FM_WRONG};
        scored[i] = (fm_scored){.domain = domains[i % 2], .band = i % 2 ? NULL : bands[i / 2 % 3],
                                .lengths = lengths[i],
                                .score = {.samples = K, .decided = K, .right = right, .formed = 1, .cut = 2,
                                          .share = right / (double)K, .consensus = right > K / 2 ? 1 : 0}};
    }
}

static void figures_are_told_apart_by_domain_and_band(void **state) {
    (void)state;
    static const int64_t ks[] = {1, 3, 8};
    fm_scored scored[N];
    fm_length lengths[N][K];
    fm_summary s;
    fm_error err;
    make_scored(scored, lengths);
    assert_ok(fm_summary_make(scored, N, ks, 3, 1, &s, &err));
    assert_int_equal(s.n, 6); /* all; geo, without bands; sums and its 2, 9, 10 */
    static const char *const names[][2] = {{NULL, NULL}, {"geo", NULL}, {"sums", NULL}, {"sums", "2"}, {"sums", "9"},
                                           {"sums", "10"}};
    static const int64_t items[] = {9, 4, 5, 2, 1, 2};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(s.rows[i].items, items[i]);
        assert_true((s.rows[i].domain == NULL) == (names[i][0] == NULL));
        if (names[i][0]) assert_string_equal(s.rows[i].domain, names[i][0]);
        assert_true((s.rows[i].band == NULL) == (names[i][1] == NULL));
        if (names[i][1]) assert_string_equal(s.rows[i].band, names[i][1]);
    }
    double share = 0, pass = 0;
    for (int i = 0; i < N; i++) share += scored[i].score.share, pass += fm_pass_at(K, i % (K + 1), 3);
    const fm_summary_row *all = &s.rows[0];
    assert_near(all->share.value, share / N, 1e-15);
    assert_near(all->pass[0].value, share / N, 1e-12);
    assert_near(all->pass[1].value, pass / N, 1e-12);
    assert_true(isnan(all->pass[2].value) && all->pass[2].items == 0); /* of 4 samples there is no pass@8 */
    assert_true(all->share.low < all->share.value && all->share.value < all->share.high);
    assert_true(all->samples == N * K && all->formed == N && all->cut == 2 * N);
    assert_int_equal(all->right_tokens.n + all->wrong_tokens.n, N * 3); /* the fourth's length is not known */
    double tokens = all->right_tokens.mean * (double)all->right_tokens.n +
                    all->wrong_tokens.mean * (double)all->wrong_tokens.n, sum = 0;
    for (int i = 0; i < N; i++) sum += 30 * i + 3;
    assert_near(tokens, sum, 1e-9);
    /* one question says nothing of the spread: Wilson's, not a point */
    assert_true(s.rows[4].share.low < 0.3 && s.rows[4].share.value == 1 && s.rows[4].share.high == 1);
    fm_summary_clear(&s);
    for (int i = 0; i < N; i++) scored[i].domain = NULL, scored[i].band = NULL;
    assert_ok(fm_summary_make(scored, N, ks, 3, 1, &s, &err));
    assert_int_equal(s.n, 1);
    fm_summary_clear(&s);
    assert_ok(fm_summary_make(scored, 0, ks, 3, 1, &s, &err));
    assert_true(s.n == 1 && isnan(s.rows[0].share.value) && s.rows[0].items == 0);
    fm_summary_clear(&s);
}

static void a_summary_survives_a_lack_of_memory(void **state) {
    (void)state;
    static const int64_t ks[] = {2};
    fm_scored scored[N];
    fm_length lengths[N][K];
    fm_status status = FM_ERR_MEMORY;
    make_scored(scored, lengths);
    for (int k = 0; status != FM_OK; k++) {
        fm_summary s;
        fm_error err;
        fm_mem_fail_from(k);
        status = fm_summary_make(scored, N, ks, 1, 1, &s, &err);
        fm_mem_fail_from(-1);
        if (status != FM_OK) assert_int_equal(status, FM_ERR_MEMORY);
        fm_summary_clear(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_that_say_the_same_vote_together),
        cmocka_unit_test(ties_count_in_parts),
        cmocka_unit_test(samples_without_an_answer_are_a_class_that_is_wrong),
        cmocka_unit_test(what_is_undecided_counts_for_nothing),
        cmocka_unit_test(an_answer_has_the_form_where_it_is_marked),
        cmocka_unit_test(a_choice_is_its_letter_or_its_text),
        cmocka_unit_test(an_answer_of_a_megabyte_is_none),
        cmocka_unit_test(pass_at_k_is_the_share_of_all_subsets),
        cmocka_unit_test(intervals_cover_the_truth_about_as_often_as_they_say),
        cmocka_unit_test(a_bootstrap_of_four_has_the_exact_quantiles),
        cmocka_unit_test(columns_share_their_draws_and_leave_out_what_is_missing),
        cmocka_unit_test(figures_are_told_apart_by_domain_and_band),
        cmocka_unit_test(a_summary_survives_a_lack_of_memory),
    };
    return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}

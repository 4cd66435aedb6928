/* Each step of samplers.def by its definition and at its edges: penalties, bias, masks, cuts. */
#include "sample_support.h"

/* ---- each step by the definition: the whole distribution, read from `drawn` --------------------- */

/* Draws once and compares all `drawn` log-probabilities with the definition's, and `raw` with a
 * softmax. Cuts may disagree about candidates that a rounding moves across them: those are looked
 * for and must be few and at the edge. */
static void compare_with_definition(int64_t n, fm_sampling how, const past *h, bool masked) {
    double p[DEFINED] = {0}, sum_raw = 0, sum_drawn = 0;
    fm_sampler *s = sampler_of(n, how);
    fm_sampler_see(s, h->prompt, h->n_prompt);
    for (int i = 0; i < h->n_answer; i++) fm_sampler_accept(s, h->answer[i]);
    int32_t id = fm_sampler_draw(s, logits, 11, masked ? mask : NULL, n);
    define(n, how, h, masked, p);
    assert_true(p[id] > 0);
    for (int64_t i = 0; i < n; i++) {
        fm_logprobs l;
        fm_sampler_logprobs(s, logits, (int32_t)i, 0, &l);
        sum_raw += exp((double)l.raw);
        sum_drawn += exp((double)l.drawn);
        bool out = p[i] < 1e-25 && !(l.drawn > -58); /* beyond reach counts as out */
        if (!out && !(fabs((double)l.drawn - log(p[i])) < 2e-5))
            fail_msg("id %lld of %lld: logprob %.9g, by the definition %.9g", (long long)i, (long long)n,
                     (double)l.drawn, log(p[i]));
    }
    assert_true(fabs(sum_raw - 1) < 1e-5 && fabs(sum_drawn - 1) < 1e-5);
    fm_sampler_free(s);
}

static void every_step_does_what_its_definition_says(void **state) {
    (void)state;
    static const fm_logit_bias bias[] = {{3, 2.5f}, {9, -100}, {4, -1}, {3, 0.25f}, {0, 1e-3f}};
    static const fm_sampling settings[] = {
        {.temperature = 1, .top_p = 1},
        {.temperature = 1, .top_p = 1, .repetition_penalty = 1.3f},
        {.temperature = 1, .top_p = 1, .repetition_penalty = 0.7f},
        {.temperature = 1, .top_p = 1, .presence_penalty = 0.8f},
        {.temperature = 1, .top_p = 1, .frequency_penalty = 0.4f},
        {.temperature = 1, .top_p = 1, .frequency_penalty = -0.3f, .presence_penalty = -1},
        {.temperature = 1, .top_p = 1, .bias = bias, .n_bias = FM_COUNT(bias)},
        {.temperature = 0.31f, .top_p = 1},
        {.temperature = 1, .top_p = 1, .top_k = 5},
        {.temperature = 1, .top_p = 1, .min_p = 0.05f},
        {.temperature = 1, .top_p = 0.8f},
        {.temperature = 0.7f, .top_p = 0.9f, .top_k = 12, .min_p = 0.01f, .repetition_penalty = 1.1f,
         .presence_penalty = 0.5f, .frequency_penalty = 0.2f, .bias = bias, .n_bias = FM_COUNT(bias)},
    };
    static const int64_t sizes[] = {10, 64, 65, 200, 600};
    static const int32_t prompt[] = {1, 2, 3, 3, 7, 5000, -1}, answer[] = {3, 8, 8, 8, 2, 0};
    const past h = {prompt, answer, FM_COUNT(prompt), FM_COUNT(answer)};
    int rounds = sanitized() ? 3 : 40;
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < FM_COUNT(settings); i++)
            for (size_t j = 0; j < FM_COUNT(sizes); j++) {
                uint64_t seed = (uint64_t)round * 1000 + i * 10 + j;
                roll_logits(sizes[j], seed, 2.5);
                roll_mask(sizes[j], seed, 0.4);
                mask[0] |= 1 << 6;
                fm_sampling how = settings[i];
                how.seed = seed;
                compare_with_definition(sizes[j], how, &h, false);
                compare_with_definition(sizes[j], how, &h, true);
            }
}

static void steps_are_listed_in_the_order_applied(void **state) {
    (void)state;
    static const char *const order[] = {"repetition_penalty", "frequency_penalty", "presence_penalty",
                                        "logit_bias", "grammar", "temperature", "top_k", "min_p",
                                        "top_p"};
    for (size_t i = 0; i < FM_COUNT(order); i++)
        assert_string_equal(fm_sampler_steps(i)->name, order[i]);
    assert_null(fm_sampler_steps(FM_COUNT(order)));
}

/* ---- cuts at their edges ------------------------------------------------------------------------ */

static void temperature_zero_takes_the_most_probable_and_the_lowest_of_equals(void **state) {
    (void)state;
    roll_logits(1000, 1, 3);
    logits[333] = logits[777] = 50;
    static const float none[] = {0, -1, NAN, -INFINITY};
    for (size_t i = 0; i < FM_COUNT(none); i++)
        assert_int_equal(draw(1000, (fm_sampling){.temperature = none[i], .top_p = 1}, i), 333);
}

static void the_narrowest_settings_leave_the_most_probable(void **state) {
    (void)state;
    roll_logits(1000, 2, 0.1);
    logits[500] = 1;
    static const fm_sampling narrow[] = {
        {.temperature = 1, .top_p = 1, .top_k = 1}, {.temperature = 1, .top_p = 0},
        {.temperature = 1, .top_p = 1e-9f},         {.temperature = 1, .top_p = -3},
        {.temperature = 1, .top_p = 1, .min_p = 1}, {.temperature = 1, .top_p = 1, .min_p = 2},
        {.temperature = 1e-30f, .top_p = 1},        {.temperature = 1e-3f, .top_p = 1},
        {.temperature = 1e-45f, .top_p = 1},
    };
    for (size_t i = 0; i < FM_COUNT(narrow); i++)
        for (uint64_t position = 0; position < 100; position++)
            assert_int_equal(draw(1000, narrow[i], position), 500);
}

/* Which ids are left, as a set. */
static int64_t candidates(int64_t n, fm_sampling how, bool *in) {
    fm_sampler *s = sampler_of(n, how);
    fm_sampler_draw(s, logits, 0, NULL, 0);
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        fm_logprobs l;
        fm_sampler_logprobs(s, logits, (int32_t)i, 0, &l);
        in[i] = l.drawn > -INFINITY;
        count += in[i];
    }
    fm_sampler_free(s);
    return count;
}

static void cuts_among_equals_keep_the_lowest_ids_and_exactly_as_many_as_asked(void **state) {
    (void)state;
    enum { N = 500 };
    bool in[N];
    for (int i = 0; i < N; i++) logits[i] = (float)(i % 5); /* a hundred each of five values */
    for (int k = 1; k <= 250; k += 7) {
        assert_int_equal(candidates(N, (fm_sampling){.temperature = 1, .top_p = 1, .top_k = k}, in), k);
        for (int i = 0, fours = 0, threes = 0; i < N; i++) {
            if (i % 5 == 4) assert_int_equal(in[i], fours++ < k);
            if (i % 5 == 3) assert_int_equal(in[i], threes++ < k - 100);
            if (i % 5 < 3 && k < 200) assert_false(in[i]);
        }
    }
    for (int i = 0; i < N; i++) logits[i] = -7;
    for (int percent = 2; percent < 100; percent += 4) { /* the fewest that reach it */
        int64_t kept = candidates(N, (fm_sampling){.temperature = 1, .top_p = (float)percent / 100}, in);
        assert_int_equal(kept, (int64_t)ceil((double)((float)percent / 100) * N));
        for (int i = 0; i < N; i++) assert_int_equal(in[i], i < kept);
    }
}

/* Values that share their first bits, and lie wide apart: each digit of the search is used. */
static void the_most_probable_are_found_among_near_equals_and_far_apart(void **state) {
    (void)state;
    enum { N = 400 };
    bool in[N];
    for (int round = 0; round < 60; round++) {
        double spread = pow(10, round % 12 - 8), shift = round % 3 - 1;
        roll_logits(N, 900 + (uint64_t)round, spread);
        for (int i = 0; i < N; i++) logits[i] += (float)shift;
        int k = 1 + round * 6, reach = 0;
        float best = -INFINITY;
        for (int i = 0; i < N; i++) best = fmaxf(best, logits[i]);
        for (int i = 0; i < N; i++) reach += logits[i] - best >= -30; /* 60 units of temperature */
        fm_sampling how = {.temperature = 0.5f, .top_p = 1, .top_k = k};
        assert_int_equal(candidates(N, how, in), k < reach ? k : reach);
        float least = INFINITY, most = -INFINITY;
        for (int i = 0; i < N; i++) {
            if (in[i]) least = fminf(least, logits[i]);
            if (!in[i]) most = fmaxf(most, logits[i]);
        }
        assert_true(least >= most || expf(2 * (least - most)) > 1 - 1e-6f); /* equal weights: by id */
    }
}

/* Settings that say "off" in every way change nothing. */
static void settings_that_take_nothing_away_change_nothing(void **state) {
    (void)state;
    roll_logits(500, 3, 2);
    static const fm_logit_bias zero[] = {{7, 0}};
    static const fm_sampling off[] = {
        {.temperature = 1, .top_p = 1, .top_k = -4},  {.temperature = 1, .top_p = 7},
        {.temperature = 1, .top_p = NAN},             {.temperature = 1, .top_p = 1, .min_p = NAN},
        {.temperature = 1, .top_p = 1, .min_p = -1},  {.temperature = 1, .top_p = 1, .top_k = 500},
        {.temperature = 1, .top_p = 1, .top_k = 9999}, {.temperature = 1, .top_p = 1, .min_p = 1e-30f},
        {.temperature = 1, .top_p = 1, .repetition_penalty = 1},
        {.temperature = 1, .top_p = 1, .repetition_penalty = 3, .presence_penalty = 2},
        {.temperature = 1, .top_p = 1, .bias = zero, .n_bias = 1},
        {.temperature = 1, .top_p = 0.9999999f},
    };
    for (uint64_t position = 0; position < 200; position++)
        for (size_t i = 0; i < FM_COUNT(off); i++)
            assert_int_equal(draw(500, off[i], position), draw(500, plain, position));
}

/* ---- masks, biases, penalties ------------------------------------------------------------------- */

static void a_mask_is_obeyed_and_never_a_dead_end(void **state) {
    (void)state;
    enum { N = 1000 };
    static const fm_sampling settings[] = {
        {.temperature = 0}, {.temperature = 1, .top_p = 1}, {.temperature = 0.6f, .top_p = 0.9f, .top_k = 3},
        {.temperature = 1, .top_p = 1, .min_p = 0.9f}, {.temperature = 1e-30f, .top_p = 1}};
    for (size_t i = 0; i < FM_COUNT(settings); i++) {
        fm_sampler *s = sampler_of(N, settings[i]);
        for (uint64_t round = 0; round < 200; round++) {
            roll_logits(N, round, 30);
            roll_mask(N, round, round % 2 ? 0.003 : 0.5);
            mask[N / 64] |= 1ull << (N % 64 - 1);
            int32_t id = fm_sampler_draw(s, logits, round, mask, N);
            assert_true(mask[id / 64] >> (id % 64) & 1);
        }
        roll_mask(N, 0, 0); /* only what the model finds impossible, or not even a number, is allowed */
        mask[700 / 64] |= 1ull << (700 % 64), mask[800 / 64] |= 1ull << (800 % 64);
        logits[700] = logits[800] = -INFINITY;
        assert_int_equal(fm_sampler_draw(s, logits, 3, mask, N), 700);
        logits[700] = NAN;
        assert_int_equal(fm_sampler_draw(s, logits, 3, mask, N), 800);
        logits[800] = NAN;
        assert_int_equal(fm_sampler_draw(s, logits, 3, mask, N), 700);
        logits[800] = -3e38f;
        assert_int_equal(fm_sampler_draw(s, logits, 3, mask, N), 800);
        assert_int_equal(fm_sampler_draw(s, logits, 3, mask, 800), 700); /* bits past n_bits do not count */
        assert_int_equal(fm_sampler_draw(s, logits, 3, mask, 701), 700);
        assert_int_equal(fm_sampler_draw(s, logits, 3, mask, 700), -1);
        roll_mask(N, 0, 0);
        assert_int_equal(fm_sampler_draw(s, logits, 3, mask, N), -1);
        fm_logprobs l;
        fm_sampler_logprobs(s, logits, 1, 0, &l);
        assert_true(l.drawn == -INFINITY);
        fm_sampler_free(s);
    }
}

static void a_mask_that_allows_all_changes_nothing(void **state) {
    (void)state;
    enum { N = 777 };
    roll_logits(N, 12, 1);
    memset(mask, 0xff, sizeof mask);
    fm_sampler *s = sampler_of(N, plain);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(fm_sampler_draw(s, logits, i, mask, N), fm_sampler_draw(s, logits, i, NULL, 0));
    fm_sampler_free(s);
}

static void a_bias_of_a_hundred_bans_and_forces(void **state) {
    (void)state;
    roll_logits(300, 6, 3);
    int32_t top = draw(300, (fm_sampling){0}, 0);
    fm_logit_bias ban[] = {{top, -100}}, force[] = {{top == 17 ? 18 : 17, 100}};
    fm_logit_bias both[] = {{top, -INFINITY}, {top, 100}};
    for (int t = 0; t < 2; t++)
        for (uint64_t i = 0; i < 500; i++) {
            fm_sampling how = {.temperature = (float)t, .top_p = 1, .bias = ban, .n_bias = 1};
            assert_int_not_equal(draw(300, how, i), top);
            how.bias = force;
            assert_int_equal(draw(300, how, i), force[0].id);
            how.bias = both, how.n_bias = 2;
            assert_int_not_equal(draw(300, how, i), top);
        }
}

static void a_banned_token_is_drawn_when_the_grammar_leaves_no_other(void **state) {
    (void)state;
    roll_logits(300, 6, 3);
    roll_mask(300, 0, 0);
    mask[2] = 1;
    fm_logit_bias ban[] = {{128, -INFINITY}};
    fm_sampler *s = sampler_of(300, (fm_sampling){.temperature = 1, .top_p = 1, .bias = ban, .n_bias = 1});
    assert_int_equal(fm_sampler_draw(s, logits, 0, mask, 300), 128);
    fm_sampler_free(s);
}

static float drawn(fm_sampler *s, int32_t id) {
    fm_logprobs l;
    fm_sampler_draw(s, logits, 0, NULL, 0);
    fm_sampler_logprobs(s, logits, id, 0, &l);
    return l.drawn;
}

/* Two ids with equal logits: the difference of their logprobs is the penalty. */
static void penalties_count_the_prompt_only_where_they_should(void **state) {
    (void)state;
    for (int i = 0; i < 8; i++) logits[i] = i < 4 ? 2.0f : -2.0f;
    fm_sampler *s = sampler_of(8, (fm_sampling){.temperature = 1, .top_p = 1, .repetition_penalty = 2,
                                                .presence_penalty = 0.5f, .frequency_penalty = 0.25f});
    static const int32_t prompt[] = {1, 1, 5, 1, -3, 8, 2000000000};
    fm_sampler_see(s, prompt, FM_COUNT(prompt));
    assert_true(fabsf(drawn(s, 1) - drawn(s, 0) - (-1)) < 1e-6f); /* 2 / 2 - 2, once for three times */
    assert_true(fabsf(drawn(s, 5) - drawn(s, 4) - (-2)) < 1e-6f); /* -2 * 2 + 2 */
    fm_sampler_accept(s, 2);
    assert_true(fabsf(drawn(s, 2) - drawn(s, 0) - (-1.75f)) < 1e-6f);
    fm_sampler_accept(s, 2);
    fm_sampler_accept(s, 1);
    assert_true(fabsf(drawn(s, 2) - drawn(s, 0) - (-2)) < 1e-6f);
    assert_true(fabsf(drawn(s, 1) - drawn(s, 0) - (-1.75f)) < 1e-6f);
    for (int i = 0; i < 5; i++) fm_sampler_retract(s, 2); /* more than there were: nothing below none */
    fm_sampler_retract(s, 1);
    fm_sampler_retract(s, -7), fm_sampler_accept(s, 8), fm_sampler_accept(s, -1);
    assert_true(drawn(s, 2) == drawn(s, 0));
    assert_true(fabsf(drawn(s, 1) - drawn(s, 0) - (-1)) < 1e-6f); /* the prompt's stays */
    fm_sampler_free(s);
}

static void drawing_does_not_change_the_counts(void **state) {
    (void)state;
    roll_logits(50, 8, 1);
    fm_sampler *s = sampler_of(50, (fm_sampling){.temperature = 1, .top_p = 1, .frequency_penalty = 2});
    fm_sampler_accept(s, 9);
    int32_t first = fm_sampler_draw(s, logits, 4, NULL, 0);
    for (uint64_t i = 0; i < 100; i++) fm_sampler_draw(s, logits, i, NULL, 0);
    assert_int_equal(fm_sampler_draw(s, logits, 4, NULL, 0), first);
    fm_sampler_free(s);
}

static void options_that_make_no_sense_are_refused_with_a_reason(void **state) {
    (void)state;
    static const fm_logit_bias low[] = {{-1, 1}}, high[] = {{10, 1}}, nan[] = {{3, NAN}};
    static const struct {
        fm_sampling how;
        const char *says;
    } wrong[] = {
        {{.repetition_penalty = -1}, "repetition_penalty"}, {{.repetition_penalty = NAN}, "repetition_penalty"},
        {{.presence_penalty = INFINITY}, "presence_penalty"}, {{.frequency_penalty = NAN}, "frequency_penalty"},
        {{.bias = low, .n_bias = 1}, "token -1"}, {{.bias = high, .n_bias = 1}, "token 10"},
        {{.bias = nan, .n_bias = 1}, "token 3"},
    };
    for (size_t i = 0; i < FM_COUNT(wrong); i++) {
        fm_sampler *s = (fm_sampler *)1;
        fm_error err;
        assert_int_equal(fm_sampler_new(&wrong[i].how, 10, kernels(), &s, &err), FM_ERR_ARGUMENT);
        assert_null(s);
        assert_non_null(strstr(err.message, wrong[i].says));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_does_what_its_definition_says),
        cmocka_unit_test(steps_are_listed_in_the_order_applied),
        cmocka_unit_test(temperature_zero_takes_the_most_probable_and_the_lowest_of_equals),
        cmocka_unit_test(the_narrowest_settings_leave_the_most_probable),
        cmocka_unit_test(cuts_among_equals_keep_the_lowest_ids_and_exactly_as_many_as_asked),
        cmocka_unit_test(the_most_probable_are_found_among_near_equals_and_far_apart),
        cmocka_unit_test(settings_that_take_nothing_away_change_nothing),
        cmocka_unit_test(a_mask_is_obeyed_and_never_a_dead_end),
        cmocka_unit_test(a_mask_that_allows_all_changes_nothing),
        cmocka_unit_test(a_bias_of_a_hundred_bans_and_forces),
        cmocka_unit_test(a_banned_token_is_drawn_when_the_grammar_leaves_no_other),
        cmocka_unit_test(penalties_count_the_prompt_only_where_they_should),
        cmocka_unit_test(drawing_does_not_change_the_counts),
        cmocka_unit_test(options_that_make_no_sense_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests_name("sampler steps", tests, NULL, NULL);
}

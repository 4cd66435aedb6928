/* Drawing through the public header: log-probabilities, penalties, biases, seeds. The definitions are
 * computed here, from the logits of a session that is pushed along beside. */
#include "api_support.h"

#include <math.h>

enum { PROMPT = 20, SAID = 40 };

static int32_t prompt[PROMPT];

/* log softmax of the first n logits, in double. */
static void log_softmax(const float *logits, int64_t n, double *out) {
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) top = fmax(top, logits[i]);
    for (int64_t i = 0; i < n; i++) sum += exp(logits[i] - top);
    for (int64_t i = 0; i < n; i++) out[i] = logits[i] - top - log(sum);
}

static int64_t drawable(const fathom_model *model) {
    int64_t ids = fathom_tokenizer_size(fathom_model_tokenizer(model));
    int64_t rows = fathom_model_describe(model).vocabulary;
    return ids < rows ? ids : rows;
}

/* ---- log-probabilities -------------------------------------------------------------------------------*/

static void log_probabilities_are_those_of_the_logits(void **state) {
    (void)state;
    static const char *const models[] = {"tiny-v3", "tiny-qwen2"}; /* the second has rows without a token */
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        fathom_model *model = open_golden(models[m], NULL);
        fathom_session *beside = session_of(model);
        fathom_error err;
        static said s;
        double expected[512];
        int64_t ids = drawable(model);
        assert_true(ids <= 512);
        fathom_generate_options o = options_into(&s, 0.7f, SAID);
        o.logprobs = true;
        o.n_logprobs = FATHOM_LOGPROBS_TOP;
        o.guesses = 6;
        say_anew(model, prompt, PROMPT, &o);
        assert_fathom(fathom_session_sync(beside, prompt, PROMPT, NULL, &err));
        for (int i = 0; i < s.n; i++) {
            log_softmax(fathom_session_logits(beside), ids, expected);
            assert_true(fabs(s.logprob[i] - expected[s.ids[i]]) < 1e-4);
            assert_int_equal(s.n_top[i], FATHOM_LOGPROBS_TOP);
            double inside = 0;
            for (int k = 0; k < s.n_top[i]; k++) {
                const fathom_logprob *t = &s.top[i][k];
                assert_true(fabs(t->logprob - expected[t->id]) < 1e-4);
                assert_true(k == 0 || t->logprob <= t[-1].logprob);
                for (int j = 0; j < k; j++) assert_true(s.top[i][j].id != t->id);
                inside += exp(t->logprob);
            }
            assert_true(inside <= 1 + 1e-5);
            double worst = s.top[i][FATHOM_LOGPROBS_TOP - 1].logprob;
            int64_t better = 0; /* nothing better is missing */
            for (int64_t id = 0; id < ids; id++) better += expected[id] > worst + 1e-4;
            assert_true(better < FATHOM_LOGPROBS_TOP);
            assert_fathom(fathom_session_push(beside, s.ids[i], &err));
        }
        fathom_session_free(beside);
        fathom_model_close(model);
    }
}

/* What a token was drawn from, after temperature and cuts: those of the tokens that were in question sum
 * to one, and a token that had no rival has 0. */
static void drawn_log_probabilities_are_of_what_was_drawn_from(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-v3", NULL);
    static said raw, hot, cut, greedy;
    fathom_generate_options o = options_into(&raw, 1, SAID);
    o.logprobs = true;
    o.n_logprobs = 2;
    say_anew(model, prompt, PROMPT, &o);
    for (int i = 0; i < raw.n; i++) assert_true(fabsf(raw.drawn[i] - raw.logprob[i]) < 1e-4f);

    o.context = memset(&hot, 0, sizeof hot);
    o.sampling.temperature = 0.5f;
    say_anew(model, prompt, PROMPT, &o);
    fathom_session *beside = session_of(model);
    fathom_error err;
    int64_t ids = drawable(model);
    double expected[512];
    float *scaled = malloc((size_t)ids * sizeof *scaled);
    assert_fathom(fathom_session_sync(beside, prompt, PROMPT, NULL, &err));
    for (int i = 0; i < hot.n; i++) {
        for (int64_t id = 0; id < ids; id++) scaled[id] = fathom_session_logits(beside)[id] / 0.5f;
        log_softmax(scaled, ids, expected);
        assert_true(fabs(hot.drawn[i] - expected[hot.ids[i]]) < 1e-4);
        assert_fathom(fathom_session_push(beside, hot.ids[i], &err));
    }
    free(scaled);
    fathom_session_free(beside);

    o.context = memset(&cut, 0, sizeof cut);
    o.sampling.temperature = 1;
    o.sampling.top_k = 2;
    say_anew(model, prompt, PROMPT, &o);
    for (int i = 0; i < cut.n; i++) { /* one of the two likeliest, and its share of the two */
        const fathom_logprob *t = cut.top[i];
        assert_true(cut.ids[i] == t[0].id || cut.ids[i] == t[1].id);
        double both = exp(t[0].logprob) + exp(t[1].logprob);
        assert_true(fabs(cut.drawn[i] - (cut.logprob[i] - log(both))) < 1e-4);
    }

    o = options_into(&greedy, 0, SAID);
    o.logprobs = true;
    o.n_logprobs = 1;
    say_anew(model, prompt, PROMPT, &o);
    for (int i = 0; i < greedy.n; i++) {
        assert_int_equal(greedy.ids[i], greedy.top[i][0].id);
        assert_true(greedy.drawn[i] == 0 && greedy.logprob[i] < 0);
    }
    fathom_model_close(model);
}

static void asking_for_log_probabilities_changes_nothing(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-v3", NULL);
    static said with, without;
    fathom_generate_options o = options_into(&without, 0.9f, SAID);
    say_anew(model, prompt, PROMPT, &o);
    assert_int_equal(without.n_top[0], 0);
    o = options_into(&with, 0.9f, SAID);
    o.logprobs = true;
    o.n_logprobs = 5;
    say_anew(model, prompt, PROMPT, &o);
    assert_true(same_said(&with, &without));
    fathom_model_close(model);
}

/* ---- penalties and biases -----------------------------------------------------------------------------*/

/* Greedy replies with penalties are the largest penalised logit, computed here. */
static void penalties_are_what_their_definitions_say(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-llama", NULL);
    int64_t ids = drawable(model);
    static const struct {
        float repetition, presence, frequency;
    } cases[] = {{1.3f, 0, 0}, {0, 0.7f, 0}, {0, 0, 0.4f}, {1.2f, 0.5f, 0.3f}, {0.8f, -0.2f, -0.1f}};
    for (size_t c = 0; c < FM_COUNT(cases); c++) {
        static said s;
        fathom_error err;
        fathom_generate_options o = options_into(&s, 0, SAID);
        o.sampling.repetition_penalty = cases[c].repetition;
        o.sampling.presence_penalty = cases[c].presence;
        o.sampling.frequency_penalty = cases[c].frequency;
        say_anew(model, prompt, PROMPT, &o);
        fathom_session *beside = session_of(model);
        int count[512] = {0}, seen[512] = {0};
        for (int i = 0; i < PROMPT; i++) seen[prompt[i]] = 1;
        assert_fathom(fathom_session_sync(beside, prompt, PROMPT, NULL, &err));
        for (int i = 0; i < s.n; i++) {
            const float *logits = fathom_session_logits(beside);
            int32_t best = -1;
            float best_logit = 0;
            for (int32_t id = 0; id < ids; id++) {
                float x = logits[id], r = cases[c].repetition;
                if (r > 0 && (seen[id] || count[id])) x = x > 0 ? x / r : x * r;
                if (count[id]) x -= cases[c].presence + cases[c].frequency * (float)count[id];
                if (best < 0 || x > best_logit) best = id, best_logit = x;
            }
            if (s.ids[i] != best) fail_msg("case %zu, token %d: %d, not %d", c, i, s.ids[i], best);
            count[s.ids[i]]++;
            assert_fathom(fathom_session_push(beside, s.ids[i], &err));
        }
        fathom_session_free(beside);
    }
    fathom_model_close(model);
}

static void a_bias_makes_tokens_certain_or_impossible(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-llama", NULL);
    static said s, plain;
    fathom_generate_options o = options_into(&plain, 1, SAID);
    say_anew(model, prompt, PROMPT, &o);
    fathom_logit_bias bias[SAID];
    for (int i = 0; i < SAID; i++) bias[i] = (fathom_logit_bias){plain.ids[i], -INFINITY};
    o = options_into(&s, 1, SAID);
    o.sampling.bias = bias;
    o.sampling.n_bias = SAID;
    say_anew(model, prompt, PROMPT, &o);
    for (int i = 0; i < SAID; i++)
        for (int k = 0; k < SAID; k++) assert_true(s.ids[i] != plain.ids[k]);
    bias[0] = (fathom_logit_bias){77, 1e5f};
    o.sampling.n_bias = 1;
    o.context = memset(&s, 0, sizeof s);
    say_anew(model, prompt, PROMPT, &o);
    for (int i = 0; i < SAID; i++) assert_int_equal(s.ids[i], 77);
    fathom_model_close(model);
}

/* Everything banned: nothing to draw, which is an end and not an accident. */
static void sampling_by_hand_obeys_biases_and_says_when_nothing_is_left(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-llama", NULL);
    fathom_session *s = session_of(model);
    fathom_error err;
    fathom_sampling how = fathom_sampling_defaults(model);
    assert_int_equal(fathom_session_sample(s, &how), -1); /* no logits yet */
    assert_fathom(fathom_session_sync(s, prompt, PROMPT, NULL, &err));
    how.temperature = 0;
    int32_t first = fathom_session_sample(s, &how);
    fathom_logit_bias ban = {first, -INFINITY}, nonsense = {-5, 1};
    how.bias = &ban;
    how.n_bias = 1;
    int32_t second = fathom_session_sample(s, &how);
    assert_true(second >= 0 && second != first);
    how.bias = &nonsense;
    assert_int_equal(fathom_session_sample(s, &how), -1);
    how.bias = NULL;
    how.n_bias = 0;
    assert_int_equal(fathom_session_sample(s, &how), first);
    how.repetition_penalty = -3; /* penalties are left out, also those that make no sense */
    assert_int_equal(fathom_session_sample(s, &how), first);
    fathom_session_free(s);
    fathom_model_close(model);
}

/* ---- seeds -----------------------------------------------------------------------------------------------*/

static void seed_and_sequence_are_two_ways_to_other_words(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-v3", NULL);
    static said s[4];
    static const uint64_t seeds[][2] = {{1, 0}, {1, 0}, {1, 1}, {2, 0}};
    for (int i = 0; i < 4; i++) {
        fathom_generate_options o = options_into(&s[i], 1, SAID);
        o.sampling.seed = seeds[i][0];
        o.sampling.sequence = seeds[i][1];
        say_anew(model, prompt, PROMPT, &o);
    }
    assert_true(same_said(&s[0], &s[1]));
    for (int i = 2; i < 4; i++) assert_false(same_said(&s[0], &s[i]));
    assert_false(same_said(&s[2], &s[3]));
    fathom_model_close(model);
}

/* A draw depends on seed, sequence, position and logits: token by token by hand it is the same reply. */
static void a_reply_is_push_and_sample(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-v2-lite", NULL);
    static said s;
    fathom_error err;
    fathom_generate_options o = options_into(&s, 0.8f, SAID);
    o.sampling.top_p = 0.9f;
    o.sampling.min_p = 0.01f;
    o.sampling.sequence = 4;
    say_anew(model, prompt, PROMPT, &o);
    fathom_session *by_hand = session_of(model);
    assert_fathom(fathom_session_sync(by_hand, prompt, PROMPT, NULL, &err));
    for (int i = 0; i < s.n; i++) {
        assert_int_equal(fathom_session_sample(by_hand, &o.sampling), s.ids[i]);
        assert_fathom(fathom_session_push(by_hand, s.ids[i], &err));
    }
    fathom_session_free(by_hand);
    fathom_model_close(model);
}

static int set_up(void **state) {
    (void)state;
    make_prompt(prompt, PROMPT, 5);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_probabilities_are_those_of_the_logits),
        cmocka_unit_test(drawn_log_probabilities_are_of_what_was_drawn_from),
        cmocka_unit_test(asking_for_log_probabilities_changes_nothing),
        cmocka_unit_test(penalties_are_what_their_definitions_say),
        cmocka_unit_test(a_bias_makes_tokens_certain_or_impossible),
        cmocka_unit_test(sampling_by_hand_obeys_biases_and_says_when_nothing_is_left),
        cmocka_unit_test(seed_and_sequence_are_two_ways_to_other_words),
        cmocka_unit_test(a_reply_is_push_and_sample),
    };
    return cmocka_run_group_tests_name("drawing through the library", tests, set_up, NULL);
}

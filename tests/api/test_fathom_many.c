/* Many replies in shared steps through fathom_generate_many: each is what it would be alone, and what
 * goes wrong with one is nobody else's trouble. */
#include "api_support.h"

enum { MANY = 11, LONGEST = 120 };

static int32_t prompts[MANY][LONGEST];

static size_t length_of_prompt(int i) { return 3 + (size_t)i * 10; }

/* A different wish for each: temperatures, lengths, stops, budgets, grammars, guesses. */
static fathom_generate_options wish(said *to, int i, fathom_grammar *grammar) {
    static const char *const stops[] = {"e", "zz"};
    fathom_generate_options o = options_into(to, (float)(i % 4) * 0.4f, 20 + i);
    o.sampling.sequence = (uint64_t)i;
    o.sampling.frequency_penalty = i % 2 ? -0.4f : 0;
    o.guesses = i % 3 * 5;
    if (i % 5 == 1) o.stops = stops, o.n_stops = 2;
    if (i % 5 == 2) o.starts_thinking = true, o.thinking_budget = 6;
    if (i % 5 == 3) o.grammar = grammar, o.ignore_end = false;
    if (i % 5 == 4) o.logprobs = true, o.n_logprobs = 3;
    return o;
}

static fathom_grammar *digits(void) {
    static const char text[] = "root ::= [0-9]+ (\"-\" [0-9]+)*\n";
    fathom_grammar *g;
    fathom_error err;
    assert_fathom(fathom_grammar_gbnf(text, sizeof text - 1, &g, &err));
    return g;
}

static void each_of_many_is_what_it_would_be_alone(void **state) {
    (void)state;
    static const char *const models[] = {"tiny-v3", "tiny-v2-lite", "tiny-llama", "tiny-qwen2"};
    fathom_grammar *g = digits();
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        fathom_model_options options = fathom_model_defaults();
        options.context = API_CONTEXT;
        options.sessions = MANY;
        fathom_model *model = open_golden(models[m], &options);
        static said alone[MANY], together[MANY];
        static fathom_request requests[MANY];
        for (int i = 0; i < MANY; i++) {
            fathom_generate_options o = wish(&alone[i], i, g);
            say_anew(model, prompts[i], length_of_prompt(i), &o);
            requests[i] = (fathom_request){session_of(model), prompts[i], length_of_prompt(i),
                                           wish(&together[i], i, g), {0}, FATHOM_OK, {0}};
        }
        fathom_error err;
        assert_fathom(fathom_generate_many(requests, MANY, &err));
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(requests[i].status, FATHOM_OK);
            together[i].g = requests[i].result;
            if (!same_said(&alone[i], &together[i])) fail_msg("%s: reply %d is another", models[m], i);
            assert_memory_equal(alone[i].drawn, together[i].drawn, sizeof alone[i].drawn);
            assert_int_equal(together[i].g.prompt_tokens, length_of_prompt(i));
            assert_int_equal(together[i].g.reasoning_tokens, alone[i].g.reasoning_tokens);
            size_t n;
            const int32_t *tokens = fathom_session_tokens(requests[i].session, &n);
            assert_memory_equal(tokens, prompts[i], length_of_prompt(i) * sizeof *tokens);
            assert_memory_equal(tokens + length_of_prompt(i), together[i].ids,
                                (n - length_of_prompt(i)) * sizeof *tokens);
            fathom_session_free(requests[i].session);
        }
        fathom_model_close(model);
    }
    fathom_grammar_free(g);
}

/* More replies than a step has places. */
static void there_may_be_more_than_fit_in_one_step(void **state) {
    (void)state;
    enum { CROWD = 40 };
    fathom_model_options options = fathom_model_defaults();
    options.context = API_CONTEXT;
    options.rows = 8;
    options.sessions = 20; /* of short ones it holds more */
    fathom_model *model = open_golden("tiny-v3", &options);
    static said alone[CROWD], together[CROWD];
    static fathom_request requests[CROWD];
    fathom_error err;
    for (int i = 0; i < CROWD; i++) {
        fathom_generate_options o = options_into(&alone[i], 1, 12);
        o.sampling.sequence = (uint64_t)i;
        o.guesses = i % 2 * 4;
        say_anew(model, prompts[i % MANY], length_of_prompt(i % MANY), &o);
        o.context = &together[i];
        memset(&together[i], 0, sizeof together[i]);
        requests[i] = (fathom_request){.session = session_of(model), .prompt = prompts[i % MANY],
                                       .n = length_of_prompt(i % MANY), .options = o};
    }
    assert_fathom(fathom_generate_many(requests, CROWD, &err));
    for (int i = 0; i < CROWD; i++) {
        together[i].g = requests[i].result;
        assert_true(requests[i].status == FATHOM_OK && same_said(&alone[i], &together[i]));
        fathom_session_free(requests[i].session);
    }
    fathom_model_close(model);
}

/* ---- one's trouble -----------------------------------------------------------------------------------*/

static void what_is_wrong_with_one_request_is_said_of_it_alone(void **state) {
    (void)state;
    enum { ALL = 8 };
    fathom_model_options options = fathom_model_defaults();
    options.context = API_CONTEXT;
    options.sessions = ALL;
    fathom_model *model = open_golden("tiny-llama", &options);
    static said alone, s[ALL];
    static fathom_request r[ALL];
    static const char *const empty[] = {""};
    int32_t wrong[] = {0, 5, 512}, *endless = calloc(API_CONTEXT + 1, sizeof *endless);
    fathom_generate_options o = options_into(&alone, 1, 20);
    say_anew(model, prompts[4], length_of_prompt(4), &o);
    for (int i = 0; i < ALL; i++)
        r[i] = (fathom_request){.session = session_of(model), .prompt = prompts[4],
                                .n = length_of_prompt(4), .options = options_into(&s[i], 1, 20)};
    r[1].prompt = wrong, r[1].n = 3;
    r[2].prompt = endless, r[2].n = API_CONTEXT + 1;
    r[3].n = 0;
    r[4].options.stops = empty, r[4].options.n_stops = 1;
    r[5].options.guesses = 99;
    fathom_session *own = r[6].session;
    r[6].session = r[0].session; /* taken */
    fathom_error err;
    assert_fathom(fathom_generate_many(r, ALL, &err));
    static const fathom_status expected[ALL] = {FATHOM_OK, FATHOM_ERR_ARGUMENT, FATHOM_ERR_LIMIT,
                                                FATHOM_ERR_ARGUMENT, FATHOM_ERR_ARGUMENT,
                                                FATHOM_ERR_ARGUMENT, FATHOM_ERR_ARGUMENT, FATHOM_OK};
    for (int i = 0; i < ALL; i++) {
        if (r[i].status != expected[i]) fail_msg("request %d: %s", i, r[i].error.message);
        assert_int_equal(r[i].status != FATHOM_OK, r[i].error.message[0] != 0);
        s[i].g = r[i].result;
        if (expected[i] == FATHOM_OK) assert_true(same_said(&alone, &s[i]));
        if (expected[i] != FATHOM_OK) assert_int_equal(s[i].n, 0);
        if (expected[i] != FATHOM_OK && i != 6) assert_int_equal(length_of(r[i].session), 0);
        if (i == 6) r[i].session = own;
    }
    assert_non_null(strstr(r[1].error.message, "512"));
    assert_non_null(strstr(r[2].error.message, "256"));
    /* and each session goes on being good */
    for (int i = 0; i < ALL; i++) {
        o = options_into(&s[i], 1, 20);
        say(r[i].session, prompts[4], length_of_prompt(4), &o);
        assert_true(same_said(&alone, &s[i]));
        fathom_session_free(r[i].session);
    }
    free(endless);
    fathom_model_close(model);
}

/* A cache for one long session is not enough for these four: some go to their end and are right, the others
 * say what is the matter, keep a timeline that is right, and can be used when there is room again. */
static void when_the_cache_is_full_some_fail_and_the_others_are_right(void **state) {
    (void)state;
    enum { FOUR = 4 };
    static const int64_t most[FOUR] = {150, 20, 150, 10};
    for (int no_sharing = 0; no_sharing < 2; no_sharing++) {
        fathom_model_options options = fathom_model_defaults();
        options.context = API_CONTEXT;
        options.no_sharing = no_sharing;
        fathom_model *model = open_golden("tiny-v3", &options);
        static said alone[FOUR], together[FOUR];
        static fathom_request r[FOUR];
        for (int i = 0; i < FOUR; i++) {
            fathom_generate_options o = options_into(&alone[i], 1, most[i]);
            say_anew(model, prompts[i], length_of_prompt(i), &o);
            r[i] = (fathom_request){.session = session_of(model), .prompt = prompts[i],
                                    .n = length_of_prompt(i), .options = options_into(&together[i], 1, most[i])};
            r[i].options.guesses = i % 2 * 8;
        }
        fathom_error err;
        assert_fathom(fathom_generate_many(r, FOUR, &err));
        int whole = 0, broken = 0;
        for (int i = 0; i < FOUR; i++) {
            together[i].g = r[i].result;
            if (r[i].status == FATHOM_OK) {
                assert_true(same_said(&alone[i], &together[i]));
                whole++;
                continue;
            }
            assert_int_equal(r[i].status, FATHOM_ERR_MEMORY);
            assert_non_null(strstr(r[i].error.message, "cache"));
            assert_true(together[i].n > 0 && together[i].n < most[i]);
            assert_memory_equal(together[i].ids, alone[i].ids, (size_t)together[i].n * sizeof(int32_t));
            assert_int_equal(together[i].g.generated_tokens, together[i].n);
            size_t n;
            const int32_t *tokens = fathom_session_tokens(r[i].session, &n);
            assert_memory_equal(tokens + length_of_prompt(i), alone[i].ids,
                                (n - length_of_prompt(i)) * sizeof *tokens);
            assert_int_equal(fathom_session_waiting(r[i].session), 0);
            broken++;
        }
        assert_true(whole == 2 && broken == 2);
        for (int i = 0; i < FOUR; i++)
            if (r[i].status == FATHOM_OK) fathom_session_free(r[i].session);
        for (int i = 0; i < FOUR; i++) {
            if (r[i].status == FATHOM_OK) continue;
            fathom_generate_options o = options_into(&together[i], 1, 40);
            say(r[i].session, prompts[i], length_of_prompt(i), &o);
            assert_memory_equal(together[i].ids, alone[i].ids, 40 * sizeof(int32_t));
            fathom_session_free(r[i].session);
        }
        fathom_model_close(model);
    }
}

static void no_requests_and_requests_of_two_models_are_told_apart(void **state) {
    (void)state;
    fathom_model *a = open_golden("tiny-v3", NULL), *b = open_golden("tiny-llama", NULL);
    fathom_session *one = session_of(a), *two = session_of(b);
    static said s;
    fathom_error err;
    fathom_request r[] = {{.session = one, .prompt = prompts[0], .n = 3, .options = options_into(&s, 1, 5)},
                          {.session = two, .prompt = prompts[0], .n = 3, .options = options_into(&s, 1, 5)}};
    assert_fathom(fathom_generate_many(NULL, 0, &err));
    assert_int_equal(fathom_generate_many(r, 2, &err), FATHOM_ERR_ARGUMENT);
    assert_int_equal(s.n, 0);
    assert_int_equal(length_of(one), 0);
    fathom_session_free(one);
    fathom_session_free(two);
    fathom_model_close(a);
    fathom_model_close(b);
}

/* A caller that has heard enough of one goes on hearing the others. */
static void a_caller_can_stop_one_of_many(void **state) {
    (void)state;
    fathom_model_options options = fathom_model_defaults();
    options.context = API_CONTEXT;
    options.sessions = 3;
    fathom_model *model = open_golden("tiny-v3", &options);
    static said s[3];
    fathom_request r[3];
    fathom_error err;
    for (int i = 0; i < 3; i++)
        r[i] = (fathom_request){.session = session_of(model), .prompt = prompts[i],
                                .n = length_of_prompt(i), .options = options_into(&s[i], 1, 30)};
    s[1].stop_after = 4;
    assert_fathom(fathom_generate_many(r, 3, &err));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r[i].status, FATHOM_OK);
        assert_int_equal(r[i].result.stop, i == 1 ? FATHOM_STOP_CALLER : FATHOM_STOP_LENGTH);
        assert_int_equal(s[i].n, i == 1 ? 4 : 30);
        fathom_session_free(r[i].session);
    }
    fathom_model_close(model);
}

/* A callback that computes on its own account: with another session, in the midst of a reply. */
typedef struct busy {
    said said; /* first: note_text and note_token write there */
    fathom_session *other;
    said aside;
} busy;

static bool note_and_generate(void *context, const fathom_token *t) {
    busy *b = context;
    if (b->said.n % 5 == 0) {
        fathom_generate_options o = options_into(&b->aside, 1, 6);
        if (fathom_generate(b->other, prompts[1], 40, &o, &b->aside.g, NULL) != FATHOM_OK) abort();
    }
    return note_token(&b->said, t);
}

static void a_callback_may_use_other_sessions(void **state) {
    (void)state;
    fathom_model_options options = fathom_model_defaults();
    options.context = API_CONTEXT;
    options.sessions = 3;
    fathom_model *model = open_golden("tiny-v3", &options);
    static said plain, aside;
    static busy b;
    fathom_error err;
    fathom_generate_options o = options_into(&plain, 1, 30);
    o.guesses = 4;
    say_anew(model, prompts[0], 50, &o);
    o = options_into(&aside, 1, 6);
    say_anew(model, prompts[1], 40, &o);
    for (int together = 0; together < 2; together++) {
        b.other = session_of(model);
        fathom_request r = {.session = session_of(model), .prompt = prompts[0], .n = 50,
                            .options = options_into(&b.said, 1, 30)};
        r.options.guesses = 4;
        r.options.on_token = note_and_generate;
        if (together) {
            assert_fathom(fathom_generate_many(&r, 1, &err));
        } else {
            assert_fathom(fathom_generate(r.session, prompts[0], 50, &r.options, &r.result, &err));
        }
        b.said.g = r.result;
        assert_true(same_said(&plain, &b.said));
        assert_true(same_said(&aside, &b.aside));
        fathom_session_free(b.other);
        fathom_session_free(r.session);
    }
    fathom_model_close(model);
}

static int set_up(void **state) {
    (void)state;
    for (int i = 0; i < MANY; i++) make_prompt(prompts[i], LONGEST, (uint64_t)(i % 3)); /* some begin alike */
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_many_is_what_it_would_be_alone),
        cmocka_unit_test(there_may_be_more_than_fit_in_one_step),
        cmocka_unit_test(what_is_wrong_with_one_request_is_said_of_it_alone),
        cmocka_unit_test(when_the_cache_is_full_some_fail_and_the_others_are_right),
        cmocka_unit_test(no_requests_and_requests_of_two_models_are_told_apart),
        cmocka_unit_test(a_caller_can_stop_one_of_many),
        cmocka_unit_test(a_callback_may_use_other_sessions),
    };
    return cmocka_run_group_tests_name("many replies through the library", tests, set_up, NULL);
}

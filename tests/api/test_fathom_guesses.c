/* Guesses and grammars through the public header: guesses change nothing that is said, grammars hold,
 * and the two get on with each other. */
#include "api_support.h"

#include "base/json.h"

enum { PROMPT = 60 };

static int32_t prompt[PROMPT];

/* ---- guesses ---------------------------------------------------------------------------------------*/

static void guesses_change_nothing_that_is_said(void **state) {
    (void)state;
    static const char *const models[] = {"tiny-v3", "tiny-v2-lite", "tiny-llama", "tiny-qwen2"};
    int64_t guessed = 0, right = 0;
    uint64_t with_module = 0;
    for (size_t m = 0; m < FM_COUNT(models); m++)
        for (int no_mtp = 0; no_mtp < (m == 0 ? 2 : 1); no_mtp++) {
            fathom_model_options options = fathom_model_defaults();
            options.context = API_CONTEXT;
            options.no_mtp = no_mtp;
            fathom_model *model = open_golden(models[m], &options);
            assert_int_equal(fathom_model_describe(model).mtp, m == 0 && !no_mtp);
            static const float temperatures[] = {0, 0.4f, 1.1f};
            for (size_t t = 0; t < FM_COUNT(temperatures); t++) {
                static said plain, with;
                fathom_generate_options o = options_into(&plain, temperatures[t], 0);
                o.sampling.repetition_penalty = 1.05f;
                o.sampling.frequency_penalty = -0.3f; /* likes to repeat itself */
                say_anew(model, prompt, PROMPT, &o);
                assert_int_equal(plain.g.guessed_tokens, 0);
                assert_int_equal(plain.g.steps, API_CONTEXT - PROMPT);
                if (m == 0 && t == 2 && !no_mtp) with_module = plain.g.logits_hash;
                if (m == 0 && t == 2 && no_mtp) assert_true(plain.g.logits_hash == with_module);
                for (int64_t guesses = 1; guesses <= FATHOM_GUESSES_MAX; guesses += 7) {
                    o.context = memset(&with, 0, sizeof with);
                    o.guesses = guesses;
                    say_anew(model, prompt, PROMPT, &o);
                    assert_true(same_said(&plain, &with));
                    assert_true(with.g.right_guesses <= with.g.guessed_tokens);
                    assert_true(with.g.steps <= plain.g.steps);
                    guessed += with.g.guessed_tokens;
                    right += with.g.right_guesses;
                }
            }
            fathom_model_close(model);
        }
    assert_true(guessed > 500 && right > 100);
}

/* The last page that the cache has is used to its end: guesses that would need another are not made. */
static void guesses_do_not_fill_the_cache(void **state) {
    (void)state;
    enum { PAGE = 64 };
    static const char *const models[] = {"tiny-v3", "tiny-llama"};
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        fathom_model_options options = fathom_model_defaults();
        options.context = 4 * PAGE; /* and one page to spare: five */
        options.no_sharing = true;
        fathom_model *model = open_golden(models[m], &options);
        fathom_session *neighbour = session_of(model);
        fathom_error err;
        int32_t other[2 * PAGE];
        make_prompt(other, 2 * PAGE, 3);
        assert_fathom(fathom_session_sync(neighbour, other, 2 * PAGE, NULL, &err));
        static said plain, with;
        for (size_t n = PROMPT - 20; n <= PROMPT; n++) {
            bool together = n % 2;
            fathom_generate_options o = options_into(&plain, 0, 0);
            plain.stop_after = 3 * PAGE - (int)n;
            say_anew(model, prompt, n, &o);
            assert_int_equal(plain.n, 3 * PAGE - (int)n);
            o = options_into(&with, 0, 0);
            with.stop_after = plain.n;
            o.guesses = FATHOM_GUESSES_MAX;
            fathom_request r = {.session = session_of(model), .prompt = prompt, .n = n, .options = o};
            if (together)
                assert_fathom(fathom_generate_many(&r, 1, &err));
            else
                r.status = fathom_generate(r.session, prompt, n, &o, &r.result, &r.error);
            if (r.status != FATHOM_OK) fail_msg("%s: %s", models[m], r.error.message);
            with.g = r.result;
            assert_true(same_said(&plain, &with));
            assert_true(with.g.guessed_tokens > 0);
            fathom_session_free(r.session);
        }
        fathom_session_free(neighbour);
        fathom_model_close(model);
    }
}

/* ---- grammars --------------------------------------------------------------------------------------*/

static fathom_grammar *gbnf(const char *text) {
    fathom_grammar *g = NULL;
    fathom_error err;
    assert_fathom(fathom_grammar_gbnf(text, strlen(text), &g, &err));
    return g;
}

static void an_answer_held_to_a_grammar_keeps_to_it_with_guesses_and_without(void **state) {
    (void)state;
    fathom_grammar *g = gbnf("root ::= \"<\" [a-c]{3} (\", \" [a-c]{3}){2} \">\"\n");
    static const char *const models[] = {"tiny-v3", "tiny-llama"};
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        fathom_model *model = open_golden(models[m], NULL);
        fathom_session *s = session_of(model);
        for (uint64_t seed = 0; seed < 12; seed++) {
            static said plain, with;
            for (int guesses = 0; guesses < 2; guesses++) {
                fathom_generate_options o = options_into(guesses ? &with : &plain, 1, 60);
                o.sampling.seed = seed;
                o.ignore_end = false;
                o.grammar = g;
                o.guesses = guesses * 8;
                say(s, prompt, PROMPT, &o);
            }
            assert_true(same_said(&plain, &with));
            assert_int_equal(plain.g.stop, FATHOM_STOP_END);
            char three[3][4];
            int end = 0;
            assert_int_equal(sscanf(plain.answer, "<%3[a-c], %3[a-c], %3[a-c]>%n", three[0], three[1],
                                    three[2], &end), 3);
            assert_int_equal(end, 15);
            assert_int_equal(plain.answered, 15);
        }
        fathom_session_free(s);
        fathom_model_close(model);
    }
    fathom_grammar_free(g);
}

static void a_json_schema_is_kept(void **state) {
    (void)state;
    static const char schema[] =
        "{\"type\": \"object\", \"properties\": {\"name\": {\"enum\": [\"Ada\", \"Grace\"]},"
        " \"born\": {\"type\": \"integer\", \"minimum\": 1800, \"maximum\": 1999}},"
        " \"required\": [\"name\", \"born\"], \"additionalProperties\": false}";
    fathom_grammar *g;
    fathom_error err;
    assert_fathom(fathom_grammar_json_schema(schema, sizeof schema - 1, &g, &err));
    fathom_model *model = open_golden("tiny-v3", NULL);
    int ended = 0;
    for (uint64_t seed = 0; seed < 10; seed++) {
        static said plain, with;
        for (int guesses = 0; guesses < 2; guesses++) {
            fathom_generate_options o = options_into(guesses ? &with : &plain, 0.7f, 180);
            o.sampling.seed = seed;
            o.ignore_end = false;
            o.grammar = g;
            o.guesses = guesses * FATHOM_GUESSES_MAX;
            say_anew(model, prompt, PROMPT, &o);
        }
        assert_true(same_said(&plain, &with));
        if (plain.g.stop != FATHOM_STOP_END) continue; /* spaces without end, from a model of chance */
        ended++;
        fm_json *root;
        fm_error why;
        assert_int_equal(fm_json_parse(plain.answer, plain.answered, &root, &why), FM_OK);
        const char *name = fm_json_string(fm_json_get(root, "name"), "");
        assert_true(!strcmp(name, "Ada") || !strcmp(name, "Grace"));
        assert_in_range(fm_json_integer(fm_json_get(root, "born"), 0), 1800, 1999);
        assert_int_equal(fm_json_length(root), 2);
        fm_json_free(root);
    }
    assert_true(ended > 3);
    fathom_grammar_free(g);
    fathom_model_close(model);
}

/* The grammar is about the answer: the reasoning before it is free, and closed by its budget. */
static void a_grammar_waits_for_the_end_of_the_reasoning(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-v3", NULL);
    fathom_grammar *g = gbnf("root ::= \"yes\" | \"no\"\n");
    for (uint64_t seed = 0; seed < 6; seed++) {
        static said plain, with;
        for (int guesses = 0; guesses < 2; guesses++) {
            fathom_generate_options o = options_into(guesses ? &with : &plain, 1, 80);
            o.sampling.seed = seed;
            o.ignore_end = false;
            o.starts_thinking = true;
            o.thinking_budget = 20;
            o.grammar = g;
            o.guesses = guesses * 5;
            say_anew(model, prompt, PROMPT, &o);
        }
        assert_true(same_said(&plain, &with));
        if (plain.g.unanswered) continue; /* a turn that ended while thinking */
        assert_int_equal(plain.g.stop, FATHOM_STOP_END);
        assert_true(!strcmp(plain.answer, "yes") || !strcmp(plain.answer, "no"));
        assert_true(plain.g.reasoning_tokens > 0);
    }
    fathom_grammar_free(g);
    fathom_model_close(model);
}

static void a_grammar_that_was_cut_off_says_so(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-llama", NULL);
    fathom_grammar *g = gbnf("root ::= [0-9]{100}\n");
    static said s;
    fathom_generate_options o = options_into(&s, 1, 12);
    o.grammar = g;
    say_anew(model, prompt, PROMPT, &o);
    assert_int_equal(s.g.stop, FATHOM_STOP_LENGTH);
    assert_int_equal(s.n, 12);
    assert_int_equal(strspn(s.answer, "0123456789"), s.answered);
    fathom_grammar_free(g);
    fathom_model_close(model);
}

static void grammars_that_are_none_are_refused_with_the_place(void **state) {
    (void)state;
    fathom_grammar *g = (fathom_grammar *)&prompt;
    fathom_error err = {0};
    assert_int_equal(fathom_grammar_gbnf("root ::= [a-", 12, &g, &err), FATHOM_ERR_FORMAT);
    assert_null(g);
    assert_non_null(strstr(err.message, "line 1"));
    assert_int_not_equal(fathom_grammar_json_schema("{\"type\": \"nothing\"}", 19, &g, &err), FATHOM_OK);
    assert_null(g);
    assert_non_null(strstr(err.message, "\"type\""));
    assert_int_not_equal(fathom_grammar_json_schema("{", 1, &g, &err), FATHOM_OK);
    assert_null(g);
    fathom_grammar_free(NULL);
    assert_fathom(fathom_grammar_json(&g, &err));
    fathom_grammar_free(g);
}

static int set_up(void **state) {
    (void)state;
    make_prompt(prompt, PROMPT, 12);
    memcpy(prompt + 35, prompt + 1, 20 * sizeof *prompt); /* something that repeats */
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guesses_change_nothing_that_is_said),
        cmocka_unit_test(guesses_do_not_fill_the_cache),
        cmocka_unit_test(an_answer_held_to_a_grammar_keeps_to_it_with_guesses_and_without),
        cmocka_unit_test(a_json_schema_is_kept),
        cmocka_unit_test(a_grammar_waits_for_the_end_of_the_reasoning),
        cmocka_unit_test(a_grammar_that_was_cut_off_says_so),
        cmocka_unit_test(grammars_that_are_none_are_refused_with_the_place),
    };
    return cmocka_run_group_tests_name("guesses and grammars through the library", tests, set_up, NULL);
}

/* Replies through the public header: where they end, how thoughts are budgeted, what the session holds. */
#include "api_support.h"

#include <sys/stat.h>

enum { PROMPT = 30, THINK = 505, END_THINK = 506 /* of tiny-v3 */ };

static int32_t prompt[PROMPT];

/* ---- stop strings ----------------------------------------------------------------------------------*/

/* Every piece of what would be said, of every length, ends the reply where it first appears, however
 * the text is cut into tokens. */
static void a_stop_string_ends_the_answer_where_it_first_appears(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-llama", NULL);
    static said all, part;
    fathom_generate_options o = options_into(&all, 1, 24);
    say_anew(model, prompt, PROMPT, &o);
    assert_int_equal(all.n, 24);
    fathom_session *s = session_of(model);
    for (size_t at = 0; at < all.answered; at++)
        for (size_t size = 1; size <= 9 && at + size <= all.answered; size += 2) {
            char stop[16] = {0};
            memcpy(stop, all.answer + at, size);
            if (((unsigned char)stop[0] & 0xc0) == 0x80) continue;          /* inside a character */
            if (((unsigned char)all.answer[at + size] & 0xc0) == 0x80) continue; /* ends inside one */
            const char *stops[] = {"never said, I hope", stop};
            o = options_into(&part, 1, 24);
            o.stops = stops;
            o.n_stops = 2;
            o.guesses = (int64_t)(at % 3) * 4;
            say(s, prompt, PROMPT, &o);
            size_t first = (size_t)(strstr(all.answer, stop) - all.answer);
            assert_int_equal(part.g.stop, FATHOM_STOP_STRING);
            assert_int_equal(part.g.stop_string, 1);
            assert_int_equal(part.answered, first);
            assert_memory_equal(part.answer, all.answer, first);
            assert_memory_equal(part.ids, all.ids, (size_t)part.n * sizeof *part.ids);
            assert_int_equal(part.g.generated_tokens, part.n);
        }
    fathom_session_free(s);
    fathom_model_close(model);
}

static void text_held_back_for_a_stop_that_never_comes_is_said_in_the_end(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-llama", NULL);
    static said all, part;
    fathom_generate_options o = options_into(&all, 1, 24);
    say_anew(model, prompt, PROMPT, &o);
    static char stop[sizeof all.answer + 1]; /* all that is said, and more */
    snprintf(stop, sizeof stop, "%s!", all.answer);
    const char *stops[] = {stop};
    o = options_into(&part, 1, 24);
    o.stops = stops;
    o.n_stops = 1;
    say_anew(model, prompt, PROMPT, &o);
    assert_true(same_said(&all, &part));
    assert_int_equal(part.g.stop, FATHOM_STOP_LENGTH);
    assert_int_equal(part.g.stop_string, -1);
    fathom_model_close(model);
}

static void stops_that_make_no_sense_are_refused_before_anything_is_computed(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-llama", NULL);
    fathom_session *s = session_of(model);
    static said none;
    static const char *const bad[] = {"", "\xff\xfe"};
    for (size_t i = 0; i < FM_COUNT(bad); i++) {
        fathom_error err;
        fathom_generate_options o = options_into(&none, 1, 24);
        o.stops = &bad[i];
        o.n_stops = 1;
        assert_int_equal(fathom_generate(s, prompt, PROMPT, &o, &none.g, &err), FATHOM_ERR_ARGUMENT);
        assert_non_null(strstr(err.message, "stop string 1"));
        assert_int_equal(length_of(s), 0);
    }
    fathom_session_free(s);
    fathom_model_close(model);
}

/* ---- thinking ----------------------------------------------------------------------------------------*/

static int find(const said *s, int32_t id) {
    for (int i = 0; i < s->n; i++)
        if (s->ids[i] == id) return i;
    return -1;
}

static void a_budget_ends_the_reasoning_and_the_answer_follows(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-v3", NULL);
    static said s;
    static const fathom_logit_bias never[] = {{THINK, -1e9f}, {END_THINK, -1e9f}};
    for (int64_t budget = 0; budget < 40; budget += budget < 6 ? 1 : 11)
        for (int64_t guesses = 0; guesses < 8; guesses += 7) {
            fathom_generate_options o = options_into(&s, 1, 80);
            o.sampling.bias = never; /* this model thinks for ever */
            o.sampling.n_bias = 2;
            o.starts_thinking = true;
            o.thinking_budget = budget;
            o.guesses = guesses;
            say_anew(model, prompt, PROMPT, &o);
            int close = find(&s, END_THINK);
            assert_true(close >= 0 && s.forced[close]);
            int64_t drawn = 0; /* of the reasoning, by the model itself */
            for (int i = 0; i <= close; i++) {
                assert_true(s.thinking[i]);
                drawn += !s.forced[i];
            }
            int64_t early = budget / 8;
            assert_true(drawn >= budget - early && drawn <= budget + 3);
            for (int i = close + 1; i < s.n; i++) assert_false(s.thinking[i]);
            assert_true(s.forced[close + 1] && !s.forced[s.n - 1]);
            assert_int_equal(s.g.reasoning_tokens, close + 1);
            assert_int_equal(s.g.generated_tokens, 80);
            assert_false(s.g.unanswered);
            assert_true(s.answered > 0);
            assert_true(budget > 0 ? s.reasoned > 0 : s.reasoned == 0);
            assert_null(strstr(s.reasoning, "think>"));
        }
    fathom_model_close(model);
}

static void without_a_budget_it_thinks_to_the_end_and_says_that_it_did_not_answer(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-v3", NULL);
    static said s;
    static const fathom_logit_bias never[] = {{END_THINK, -1e9f}};
    fathom_generate_options o = options_into(&s, 1, 50);
    o.sampling.bias = never;
    o.sampling.n_bias = 1;
    o.starts_thinking = true;
    say_anew(model, prompt, PROMPT, &o);
    assert_int_equal(s.g.reasoning_tokens, 50);
    assert_true(s.g.unanswered);
    assert_int_equal(s.answered, 0);
    assert_int_equal(s.g.stop, FATHOM_STOP_LENGTH);
    /* a stop string is not looked for in reasoning */
    static said again;
    char first[8] = {s.reasoning[0]};
    const char *stops[] = {first};
    if ((unsigned char)first[0] < 0x80) {
        o.context = memset(&again, 0, sizeof again);
        o.stops = stops;
        o.n_stops = 1;
        say_anew(model, prompt, PROMPT, &o);
        assert_true(same_said(&s, &again));
    }
    fathom_model_close(model);
}

static void a_model_without_the_tags_has_no_reasoning(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-llama", NULL);
    static said s;
    fathom_generate_options o = options_into(&s, 1, 20);
    o.starts_thinking = true;
    o.thinking_budget = 3;
    say_anew(model, prompt, PROMPT, &o);
    assert_int_equal(s.g.reasoning_tokens, 0);
    assert_int_equal(s.reasoned, 0);
    assert_int_equal(s.n, 20);
    fathom_model_close(model);
}

/* ---- ends ----------------------------------------------------------------------------------------------*/

static void a_reply_goes_on_to_the_last_position_of_the_context(void **state) {
    (void)state;
    for (int64_t guesses = 0; guesses <= FATHOM_GUESSES_MAX; guesses += 5) {
        fathom_model *model = open_golden("tiny-v3", NULL);
        fathom_session *s = session_of(model);
        static said all;
        fathom_generate_options o = options_into(&all, 0, 0);
        o.guesses = guesses;
        say(s, prompt, PROMPT, &o);
        assert_int_equal(all.g.stop, FATHOM_STOP_LENGTH);
        assert_int_equal(all.n, API_CONTEXT - PROMPT);
        size_t n;
        const int32_t *tokens = fathom_session_tokens(s, &n);
        assert_true(n >= API_CONTEXT - 1);
        assert_memory_equal(tokens, prompt, sizeof prompt);
        assert_memory_equal(tokens + PROMPT, all.ids, (n - PROMPT) * sizeof *tokens);
        fathom_session_free(s);
        fathom_model_close(model);
    }
}

/* An end of turn is made certain by a bias; it is generated, belongs to the timeline and is not text. */
static void the_end_of_a_turn_ends_the_reply(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-v3", NULL);
    int32_t eos = fathom_tokenizer_eos(fathom_model_tokenizer(model));
    assert_int_equal(eos, 1);
    fathom_session *s = session_of(model);
    static said all;
    fathom_generate_options o = options_into(&all, 1, 10);
    fathom_logit_bias sure = {eos, 1e6f};
    o.sampling.bias = &sure;
    o.sampling.n_bias = 1;
    o.ignore_end = false;
    say(s, prompt, PROMPT, &o);
    assert_int_equal(all.g.stop, FATHOM_STOP_END);
    assert_int_equal(all.g.generated_tokens, 1);
    assert_int_equal(all.answered, 0);
    size_t n;
    assert_int_equal(fathom_session_tokens(s, &n)[PROMPT], eos);
    assert_int_equal(n, PROMPT + 1);
    o = options_into(&all, 1, 10);
    o.sampling.bias = &sure;
    o.sampling.n_bias = 1;
    say(s, prompt, PROMPT, &o);
    assert_int_equal(all.g.stop, FATHOM_STOP_LENGTH);
    assert_int_equal(all.n, 10);
    fathom_session_free(s);
    fathom_model_close(model);
}

static void a_caller_that_says_no_ends_the_reply_there(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-llama", NULL);
    static said all, part;
    fathom_generate_options o = options_into(&all, 1, 30);
    say_anew(model, prompt, PROMPT, &o);
    for (int stop = 1; stop < 30; stop += 7) {
        fathom_session *s = session_of(model);
        o = options_into(&part, 1, 30);
        o.guesses = stop % 2 * 8;
        part.stop_after = stop;
        say(s, prompt, PROMPT, &o);
        assert_int_equal(part.g.stop, FATHOM_STOP_CALLER);
        assert_int_equal(part.n, stop);
        assert_int_equal(part.g.generated_tokens, stop);
        assert_memory_equal(part.ids, all.ids, (size_t)stop * sizeof *all.ids);
        size_t n;
        const int32_t *tokens = fathom_session_tokens(s, &n);
        assert_true(n == PROMPT + (size_t)stop || n == PROMPT + (size_t)stop - 1);
        assert_memory_equal(tokens + PROMPT, all.ids, (n - PROMPT) * sizeof *tokens);
        /* and the conversation goes on from there */
        int32_t longer[PROMPT + 30];
        memcpy(longer, prompt, sizeof prompt);
        memcpy(longer + PROMPT, all.ids, (size_t)stop * sizeof *all.ids);
        o = options_into(&part, 1, 30 - stop);
        say(s, longer, PROMPT + (size_t)stop, &o);
        assert_memory_equal(part.ids, all.ids + stop, (size_t)(30 - stop) * sizeof *all.ids);
        fathom_session_free(s);
    }
    fathom_model_close(model);
}

static void options_that_make_no_sense_are_refused_with_a_sentence(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-llama", NULL);
    fathom_session *s = session_of(model);
    static said none;
    fathom_logit_bias outside = {100000, 1}, nan = {5, NAN};
    for (int i = 0; i < 6; i++) {
        fathom_error err = {0};
        fathom_generate_options o = options_into(&none, 1, 10);
        switch (i) {
        case 0: o.guesses = FATHOM_GUESSES_MAX + 1; break;
        case 1: o.guesses = -1; break;
        case 2: o.sampling.bias = &outside; o.sampling.n_bias = 1; break;
        case 3: o.sampling.bias = &nan; o.sampling.n_bias = 1; break;
        case 4: o.sampling.repetition_penalty = -2; break;
        case 5: o.sampling.presence_penalty = INFINITY; break;
        }
        if (fathom_generate(s, prompt, PROMPT, &o, &none.g, &err) != FATHOM_ERR_ARGUMENT)
            fail_msg("case %d is not refused", i);
        assert_true(err.message[0]);
        assert_int_equal(length_of(s), 0);
    }
    /* more log-probabilities than there are: as many as there are */
    fathom_generate_options o = options_into(&none, 1, 3);
    o.logprobs = true;
    o.n_logprobs = 1000;
    say(s, prompt, PROMPT, &o);
    assert_int_equal(none.n_top[0], FATHOM_LOGPROBS_TOP);
    o = options_into(&none, 1, 3);
    o.logprobs = true;
    o.n_logprobs = -1000;
    say(s, prompt, PROMPT, &o);
    assert_int_equal(none.n_top[0], 0);
    fathom_session_free(s);
    fathom_model_close(model);
}

/* Tokens go in and out as ever; what needs text says so. */
static void a_model_without_a_tokenizer_speaks_in_tokens(void **state) {
    (void)state;
    static const char *const files[] = {"config.json", "model.safetensors"};
    char folder[4096];
    strcpy(folder, scratch_path("mute"));
    assert_int_equal(mkdir(folder, 0700), 0);
    for (size_t i = 0; i < FM_COUNT(files); i++) {
        char from[4096], to[sizeof folder + 32], golden[64];
        snprintf(golden, sizeof golden, "tiny-llama/%s", files[i]);
        if (!realpath(golden_path(golden), from)) fail_msg("%s", golden);
        snprintf(to, sizeof to, "%s/%s", folder, files[i]);
        assert_int_equal(symlink(from, to), 0);
    }
    fathom_model *model, *with = open_golden("tiny-llama", NULL);
    fathom_model_options options = fathom_model_defaults();
    fathom_error err;
    options.context = API_CONTEXT;
    assert_fathom(fathom_model_open(folder, &options, &model, &err));
    static said mute, speaking;
    fathom_generate_options o = options_into(&mute, 0, 20);
    say_anew(model, prompt, PROMPT, &o);
    o = options_into(&speaking, 0, 20);
    say_anew(with, prompt, PROMPT, &o);
    assert_memory_equal(mute.ids, speaking.ids, 20 * sizeof *mute.ids);
    assert_int_equal(mute.answered, 0);

    const fathom_tokenizer *t = fathom_model_tokenizer(model);
    fathom_message message = {"user", "Hi", 2};
    int32_t *ids;
    char *text;
    size_t n;
    assert_null(t);
    assert_int_equal(fathom_chat_tokens(t, &message, 1, NULL, &ids, &n, NULL, &err), FATHOM_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "tokenizer.json"));
    assert_int_equal(fathom_tokenize(t, "Hi", 2, FATHOM_PLAIN, &ids, &n, &err), FATHOM_ERR_UNSUPPORTED);
    assert_int_equal(fathom_detokenize(t, prompt, 1, &text, &n, &err), FATHOM_ERR_UNSUPPORTED);
    assert_int_equal(fathom_tokenizer_size(t), 0);
    assert_int_equal(fathom_tokenizer_bos(t), -1);
    assert_int_equal(fathom_tokenizer_eos(t), -1);
    assert_false(fathom_tokenizer_adds_bos(t) || fathom_token_is_added(t, 0));
    assert_string_equal(fathom_token_bytes(t, 5, &n), "");
    fathom_grammar *g;
    assert_fathom(fathom_grammar_json(&g, &err));
    o = options_into(&mute, 0, 20);
    o.grammar = g;
    fathom_session *s = session_of(model);
    assert_int_equal(fathom_generate(s, prompt, PROMPT, &o, NULL, &err), FATHOM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "tokenizer"));
    fathom_session_free(s);
    fathom_grammar_free(g);
    fathom_model_close(model);
    fathom_model_close(with);
}

static int set_up(void **state) {
    (void)state;
    make_prompt(prompt, PROMPT, 8);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_string_ends_the_answer_where_it_first_appears),
        cmocka_unit_test(text_held_back_for_a_stop_that_never_comes_is_said_in_the_end),
        cmocka_unit_test(stops_that_make_no_sense_are_refused_before_anything_is_computed),
        cmocka_unit_test(a_budget_ends_the_reasoning_and_the_answer_follows),
        cmocka_unit_test(without_a_budget_it_thinks_to_the_end_and_says_that_it_did_not_answer),
        cmocka_unit_test(a_model_without_the_tags_has_no_reasoning),
        cmocka_unit_test(a_reply_goes_on_to_the_last_position_of_the_context),
        cmocka_unit_test(the_end_of_a_turn_ends_the_reply),
        cmocka_unit_test(a_caller_that_says_no_ends_the_reply_there),
        cmocka_unit_test(a_model_without_a_tokenizer_speaks_in_tokens),
        cmocka_unit_test(options_that_make_no_sense_are_refused_with_a_sentence),
    };
    return cmocka_run_group_tests_name("replies through the library", tests, set_up, NULL);
}

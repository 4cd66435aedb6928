/* A budget of thoughts at every length: closed cleanly, at a good occasion, and only when spent. */
#include "transcript_support.h"

typedef struct thought {
    int64_t drawn;     /* tokens of reasoning that the model wrote */
    fm_buffer tokens;  /* all that were pushed up to the answer */
    bool cut;
} thought;

/* A model that would think `script` for ever; what is asked for comes first. Stops at the answer. */
static thought think_through(const fm_token *script, size_t n, int64_t budget, reading *r) {
    fm_transcript_options o = {.starts_thinking = true, .thinking_budget = budget};
    thought t = {0};
    *r = (reading){.t = transcript_of(&o)};
    while (!fm_transcript_answering(r->t)) {
        fm_token id;
        assert_in_range(t.tokens.size, 0, 100000);
        if (!fm_transcript_forced(r->t, &id)) id = script[t.drawn++ % (int64_t)n];
        push(r, id);
        fm_buffer_put(&t.tokens, &id, sizeof id);
    }
    t.cut = fm_transcript_state(r->t).cut_short;
    return t;
}

static void a_budget_of_any_length_closes_the_reasoning_cleanly(void **state) {
    (void)state;
    static const char *const scripts[] = {
        "Let me see what is meant by it. First the sum, then the rest of it\nand so on ",
        "没有标点符号的很长的思考一直继续下去永远不停止", "a b c d e f g ", "\xf0\x9f\x98\x80\xf0\x9f\x98\x81",
        "one line\nanother line\n"};
    for (size_t s = 0; s < FM_COUNT(scripts); s++)
        for (int64_t budget = 0; budget < (sanitized() ? 40 : 200); budget++) {
            fm_buffer script = {0}, text = {0};
            draws d = {.stream = 700 + s};
            roll_tokens(&d, scripts[s], strlen(scripts[s]), true, &script);
            reading r;
            thought t = think_through(ids_of(&script), n_ids(&script), budget, &r);
            assert_true(t.cut);
            /* spent, but for an occasion in the last eighth, and for characters that are not cut */
            int64_t soft = budget / 8 < 64 ? budget / 8 : 64;
            assert_true(t.drawn >= budget - soft && t.drawn <= budget + 3);
            fm_tokenizer_decode(tokenizer, ids_of(&t.tokens), n_ids(&t.tokens), false, &text);
            assert_true(fm_utf8_valid(text.data, text.size));
            const char *said = fm_buffer_string(&text), *close = strstr(said, "\n</think>\n\n");
            assert_non_null(close);
            assert_string_equal(close, "\n</think>\n\n");
            bool thought_whole = close > said && (close[-1] == '.' || t.drawn < budget);
            assert_true(t.drawn >= budget || thought_whole);
            /* what is read of it: neither the tag nor the breaks around it */
            fm_transcript_report report = fm_transcript_state(r.t);
            assert_int_equal(report.reasoning_tokens + report.answer_tokens, n_ids(&t.tokens));
            assert_null(strstr(fm_buffer_string(&r.reasoning), "think"));
            assert_true(r.reasoning.size == 0 || r.reasoning.data[r.reasoning.size - 1] != '\n');
            push_text(&r, "4");
            finish(&r);
            expect_text(&r.answer, "4");
            fm_buffer_clear(&script), fm_buffer_clear(&text), fm_buffer_clear(&t.tokens);
            clear(&r);
        }
}

static void a_thought_that_ends_by_itself_is_left_alone(void **state) {
    (void)state;
    for (int64_t budget = 4; budget < 12; budget++) {
        fm_transcript_options o = {.starts_thinking = true, .thinking_budget = budget};
        reading r = {.t = transcript_of(&o)};
        fm_token id;
        for (int i = 0; i < 3; i++) push(&r, bytes['a']);
        push(&r, end_think);
        assert_false(fm_transcript_forced(r.t, &id));
        assert_true(fm_transcript_answering(r.t));
        assert_false(fm_transcript_state(r.t).cut_short);
        clear(&r);
    }
}

static void sentences_and_lines_are_where_a_thought_may_end_early(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool end;
    } cases[] = {{"so it is.", true},  {"it is 3.", false},     {"e.g.", false},     {"really?", true},
                 {"done!", true},      {"5!", false},           {"n!", false},       {"a line\n", true},
                 {"(see there.) ", true}, {"he said \"no.\"", true}, {"**Answer.**", true}, {"这样。", true},
                 {"这样。”", true},     {"half a wor", false},   {"a, b,", false},    {"", false},
                 {"schön.", true},     {" ", false}};
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_transcript_options o = {.starts_thinking = true, .thinking_budget = 160};
        reading r = {.t = transcript_of(&o)};
        size_t size = strlen(cases[i].text);
        fm_token id;
        for (size_t j = size; j < 139; j++) push(&r, bytes['x']);
        push(&r, bytes[' ']);
        for (size_t j = 0; j < size; j++) { /* the last byte is the first that may end it: 160 * 7 / 8 */
            assert_false(fm_transcript_forced(r.t, &id));
            push(&r, bytes[(uint8_t)cases[i].text[j]]);
        }
        if (fm_transcript_forced(r.t, &id) != cases[i].end) fail_msg("'%s'", cases[i].text);
        clear(&r);
    }
}

static void the_blank_line_is_asked_for_where_a_grammar_needs_it(void **state) {
    (void)state;
    fm_transcript_options o = {.starts_thinking = true, .thinking_budget = -1, .force_blank_line = true};
    reading r = {.t = transcript_of(&o)};
    fm_token id;
    push_text(&r, "hm</think>");
    assert_false(fm_transcript_answering(r.t));
    while (fm_transcript_forced(r.t, &id)) push(&r, id);
    assert_true(fm_transcript_answering(r.t));
    push_text(&r, "\n{}"); /* this break is the answer's own */
    finish(&r);
    expect_text(&r.answer, "\n{}");
    clear(&r);
}

/* Total: also for a caller that does not do what it is asked. */
static void tokens_that_were_not_asked_for_do_no_harm(void **state) {
    (void)state;
    for (uint64_t round = 0; round < (sanitized() ? 100 : 2000); round++) {
        draws d = {.stream = 40000 + round};
        fm_token_text stop = text_of("ab");
        fm_transcript_options o = {.starts_thinking = draw(&d, 2), .thinking_budget = (int64_t)draw(&d, 20) - 2,
                                   .force_blank_line = draw(&d, 2), .stops = &stop, .n_stops = draw(&d, 2)};
        reading r = {.t = transcript_of(&o)};
        for (int i = 0; i < 100; i++) {
            fm_token id = (fm_token)draw(&d, (uint32_t)fm_tokenizer_size(tokenizer) + 4) - 2, wanted;
            if (draw(&d, 10) == 0) id = draw(&d, 2) ? think : end_think;
            if (fm_transcript_forced(r.t, &wanted) && draw(&d, 3)) id = wanted;
            bool thinking = fm_transcript_state(r.t).thinking;
            push(&r, id);
            if (fm_transcript_answering(r.t)) assert_false(fm_transcript_state(r.t).thinking);
            if (!fm_transcript_finished(r.t) && id == end_think && thinking)
                assert_false(fm_transcript_state(r.t).thinking);
        }
        finish(&r);
        clear(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_budget_of_any_length_closes_the_reasoning_cleanly),
        cmocka_unit_test(a_thought_that_ends_by_itself_is_left_alone),
        cmocka_unit_test(sentences_and_lines_are_where_a_thought_may_end_early),
        cmocka_unit_test(the_blank_line_is_asked_for_where_a_grammar_needs_it),
        cmocka_unit_test(tokens_that_were_not_asked_for_do_no_harm),
    };
    return cmocka_run_group_tests_name("thinking budget", tests, load, unload);
}

/* What people read of a reply, against a simple definition over the whole text: parts, line breaks,
 * stops, what is held back. */
#include "transcript_support.h"

#include "base/mem.h"
#include "engine/stops.h"

/* ---- parts -------------------------------------------------------------------------------------- */

static void reasoning_comes_apart_from_the_answer(void **state) {
    (void)state;
    static const struct {
        bool starts;
        const char *text, *reasoning, *answer;
    } cases[] = {
        {true, "\nLet me see.\n\nYes.\n</think>\n\nIt is 4.\n", "Let me see.\n\nYes.", "It is 4.\n"},
        {false, "<think>\nhm\n</think>\n\nok", "hm", "ok"},
        {false, "\n\nok\n", "", "\n\nok\n"},
        {true, "\n\n</think>\n\nok", "", "ok"},
        {true, "</think>", "", ""},
        {true, "still at it\n", "still at it", ""},
        {false, "a<think>b</think>c<think>\nd\n</think>\ne", "bd", "ace"},
        {true, "a\n<think>\nb</think>c</think>\nd", "a\n\nb", "c\nd"},
        {false, "a</think>b", "", "ab"},
        {true, "x < think> y </think >z", "x < think> y </think >z", ""},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_transcript_options o = {.starts_thinking = cases[i].starts, .thinking_budget = -1};
        reading r = {.t = transcript_of(&o)};
        push_text(&r, cases[i].text);
        finish(&r);
        expect_text(&r.reasoning, cases[i].reasoning);
        expect_text(&r.answer, cases[i].answer);
        clear(&r);
    }
}

static void tokens_are_counted_once_and_a_reply_without_an_answer_is_said_to_be_one(void **state) {
    (void)state;
    fm_transcript_options o = {.starts_thinking = true, .thinking_budget = -1};
    reading r = {.t = transcript_of(&o)};
    for (int i = 0; i < 5; i++) push(&r, bytes['a']);
    assert_true(fm_transcript_state(r.t).thinking);
    assert_false(fm_transcript_answering(r.t));
    push(&r, end_think);
    assert_true(fm_transcript_answering(r.t));
    for (int i = 0; i < 3; i++) push(&r, bytes['b']);
    fm_transcript_report report = fm_transcript_state(r.t);
    assert_true(report.reasoning_tokens == 6 && report.answer_tokens == 3);
    assert_true(!report.thinking && !report.cut_short && report.stop == -1);
    push(&r, think);
    finish(&r);
    report = fm_transcript_state(r.t);
    assert_true(report.thinking && report.reasoning_tokens == 7 && report.answer_tokens == 3);
    clear(&r);
}

static void a_vocabulary_without_the_tags_has_no_reasoning(void **state) {
    (void)state;
    fm_tokenizer *with = tokenizer;
    tokenizer = load_tiny("qwen2");
    fm_transcript_options o = {.starts_thinking = true, .thinking_budget = 0, .force_blank_line = true};
    reading r = {.t = transcript_of(&o)};
    fm_token id;
    assert_true(fm_transcript_answering(r.t));
    assert_false(fm_transcript_forced(r.t, &id));
    push_text(&r, "<think>ah</think>");
    finish(&r);
    expect_text(&r.answer, "<think>ah</think>");
    clear(&r);
    fm_tokenizer_free(tokenizer);
    tokenizer = NULL; /* not even a tokenizer: tokens are counted */
    r.t = transcript_of(&o);
    push(&r, 5);
    finish(&r);
    assert_int_equal(fm_transcript_state(r.t).answer_tokens, 1);
    clear(&r);
    tokenizer = with;
}

static void only_whole_characters_come_out_and_damage_is_a_replacement(void **state) {
    (void)state;
    fm_transcript_options o = {.starts_thinking = true, .thinking_budget = -1};
    reading r = {.t = transcript_of(&o)};
    for (const char *s = "\xe4\xbd\xa0\xff\xe4\xbd"; *s; s++) {
        push(&r, bytes[(uint8_t)*s]);
        assert_true(r.reasoning.size % 3 == 0);
    }
    push(&r, end_think); /* the half character does not reach into the answer */
    push(&r, bytes[0xa0]);
    push(&r, bytes['a']);
    push(&r, bytes[0xf0]);
    push(&r, fm_tokenizer_size(tokenizer) > 0 ? (fm_token)fm_tokenizer_size(tokenizer) + 7 : 0);
    push(&r, -1);
    finish(&r);
    expect_text(&r.reasoning, "你\xef\xbf\xbd\xef\xbf\xbd");
    expect_text(&r.answer, "\xef\xbf\xbd" "a\xef\xbf\xbd");
    clear(&r);
}

/* ---- stops -------------------------------------------------------------------------------------- */

static void a_stop_ends_the_answer_where_it_is_complete(void **state) {
    (void)state;
    static const struct {
        const char *stops[3], *text, *answer;
        int stop;
    } cases[] = {
        {{"END"}, "the END of it", "the ", 0},
        {{"END"}, "EN EEND", "EN E", 0},
        {{"aab"}, "aaaab", "aa", 0},
        {{"abab", "x"}, "aababc", "a", 0},
        {{"abc", "b"}, "xabc", "xa", 1},
        {{"b", "ab"}, "xab", "x", 1},
        {{"ab", "ab"}, "xab", "x", 0},
        {{"\n\n"}, "\n\nx", "", 0},
        {{"。\n", "!"}, "你好。\n", "你好", 0},
        {{"END"}, "so far EN", "so far EN", -1},
        {{"\xef\xbf\xbd" "d"}, "no damage", "no damage", -1},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_token_text stops[3];
        size_t n = 0;
        for (; n < 3 && cases[i].stops[n]; n++) stops[n] = text_of(cases[i].stops[n]);
        fm_transcript_options o = {.thinking_budget = -1, .stops = stops, .n_stops = n};
        reading r = {.t = transcript_of(&o)};
        push_text(&r, cases[i].text);
        finish(&r);
        expect_text(&r.answer, cases[i].answer);
        assert_int_equal(fm_transcript_state(r.t).stop, cases[i].stop);
        clear(&r);
    }
}

static void stops_are_not_looked_for_in_the_reasoning(void **state) {
    (void)state;
    fm_token_text stop = text_of("END");
    fm_transcript_options o = {.starts_thinking = true, .thinking_budget = -1, .stops = &stop, .n_stops = 1};
    reading r = {.t = transcript_of(&o)};
    push_text(&r, "I must say END. EN</think>D, E<think>N</think>ND, EEND, never");
    assert_true(fm_transcript_finished(r.t));
    finish(&r);
    expect_text(&r.reasoning, "I must say END. ENN");
    expect_text(&r.answer, "D, END, E");
    clear(&r);
}

static void a_stop_may_be_completed_by_the_last_bytes_of_a_half_character(void **state) {
    (void)state;
    fm_token_text stop = text_of("a\xef\xbf\xbd");
    for (int way = 0; way < 2; way++) {
        fm_transcript_options o = {.thinking_budget = -1, .stops = &stop, .n_stops = 1};
        reading r = {.t = transcript_of(&o)};
        push(&r, bytes['b']), push(&r, bytes['a']), push(&r, bytes[0xe4]);
        assert_false(fm_transcript_finished(r.t));
        if (way) push(&r, think);
        finish(&r);
        expect_text(&r.answer, "b");
        assert_int_equal(fm_transcript_state(r.t).stop, 0);
        clear(&r);
    }
}

static void stops_that_make_no_sense_are_refused(void **state) {
    (void)state;
    fm_error err;
    fm_transcript *t = (fm_transcript *)1;
    fm_token_text wrong[2] = {text_of("fine"), {"", 0}};
    fm_transcript_options o = {.stops = wrong, .n_stops = 2};
    assert_int_equal(fm_transcript_new(tokenizer, &o, &t, &err), FM_ERR_ARGUMENT);
    assert_null(t);
    assert_non_null(strstr(err.message, "stop string 2 is empty"));
    wrong[1] = text_of("a\xff");
    assert_int_equal(fm_transcript_new(tokenizer, &o, &t, &err), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "UTF-8"));
}

/* A stop of a megabyte of one letter, and a text of the same: each byte costs the same. */
static void long_stops_cost_no_more_than_short_ones(void **state) {
    (void)state;
    size_t size = sanitized() ? 100000 : 1000000;
    char *letters = malloc(size);
    memset(letters, 'a', size);
    letters[size - 1] = 'b';
    fm_token_text stop = {letters, size};
    fm_stops *s;
    fm_error err;
    int which;
    assert_ok(fm_stops_new(&stop, 1, &s, &err));
    for (size_t i = 0; i < 3 * size; i++)
        assert_int_equal(fm_stops_read(s, 'a', &which), i + 1 < size ? i + 1 : size - 1);
    assert_int_equal(fm_stops_read(s, 'b', &which), size);
    assert_int_equal(which, 0);
    fm_stops_free(s);
    free(letters);
}

/* ---- everything at once, against the definition ------------------------------------------------- */

typedef struct definition {
    fm_buffer reasoning, answer;
    int stop;
} definition;

/* The first place where a stop is complete, of several the longest; false: none. */
static bool cut_at_stop(fm_buffer *part, const fm_token_text *stops, size_t n, int *which) {
    for (size_t end = 1; end <= part->size; end++) {
        size_t longest = 0;
        for (size_t i = 0; i < n; i++)
            if (stops[i].size <= end && stops[i].size > longest &&
                memcmp(part->data + end - stops[i].size, stops[i].data, stops[i].size) == 0) {
                longest = stops[i].size;
                *which = (int)i;
            }
        if (longest) {
            part->size = end - longest;
            return true;
        }
    }
    return false;
}

/* Bytes at the end of the part that are a proper beginning of a stop: the longest such. */
static size_t hold_of(const fm_buffer *part, const fm_token_text *stops, size_t n) {
    size_t hold = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 1; k < stops[i].size && k <= part->size; k++)
            if (k > hold && memcmp(part->data + part->size - k, stops[i].data, k) == 0) hold = k;
    return hold;
}

/* What must have come out after these tokens: parts between tags, each decoded, without line breaks at
 * the tags, stops in parts of the answer. `ended`: no more comes, so nothing is held. */
static void define(const fm_token *ids, size_t n, const fm_transcript_options *o, bool ended,
                   definition *out) {
    bool thinking = o->starts_thinking, trim = thinking;
    out->reasoning.size = out->answer.size = 0;
    out->stop = -1;
    fm_buffer raw = {0}, part = {0}, whole = {0};
    for (size_t at = 0; at <= n; at++) {
        bool last = at == n, tag = !last && (ids[at] == think || ids[at] == end_think);
        if (!last && !tag) {
            fm_tokenizer_decode(tokenizer, &ids[at], 1, false, &raw);
            continue;
        }
        size_t size = last && !ended ? fm_utf8_complete(raw.data ? raw.data : "", raw.size) : raw.size;
        fm_utf8_sanitize(raw.data ? raw.data : "", size, &part);
        raw.size = 0;
        bool same = tag && thinking == (ids[at] == think); /* says nothing new: the part goes on */
        if (thinking) {
            fm_buffer_put(&whole, part.data, part.size);
            if (!same) {
                size_t from = 0;
                while (from < whole.size && whole.data[from] == '\n') from++;
                while (whole.size > from && whole.data[whole.size - 1] == '\n') whole.size--;
                fm_buffer_put(&out->reasoning, whole.data + from, whole.size - from);
                whole.size = 0;
            }
        } else {
            size_t from = 0;
            while (trim && from < part.size && part.data[from] == '\n') from++;
            if (from < part.size) trim = false;
            if (part.size) memmove(part.data, part.data + from, part.size - from);
            part.size -= from;
            if (cut_at_stop(&part, o->stops, o->n_stops, &out->stop)) last = true;
            else if (last && !ended) part.size -= hold_of(&part, o->stops, o->n_stops);
            fm_buffer_put(&out->answer, part.data, part.size);
        }
        part.size = 0;
        if (last) break;
        if (!same) trim = true;
        thinking = ids[at] == think;
    }
    fm_buffer_clear(&raw), fm_buffer_clear(&part), fm_buffer_clear(&whole);
}

static void compare(reading *r, const definition *d, uint64_t round, size_t at) {
    if (r->reasoning.size != d->reasoning.size || r->answer.size != d->answer.size ||
        (d->answer.size && memcmp(r->answer.data, d->answer.data, d->answer.size) != 0) ||
        (d->reasoning.size && memcmp(r->reasoning.data, d->reasoning.data, d->reasoning.size) != 0))
        fail_msg("round %llu, after %zu tokens: '%s' and '%s', by the definition '%.*s' and '%.*s'",
                 (unsigned long long)round, at, fm_buffer_string(&r->reasoning),
                 fm_buffer_string(&r->answer), (int)d->reasoning.size, d->reasoning.data,
                 (int)d->answer.size, d->answer.data);
}

static void any_tokens_with_any_stops_give_what_the_definition_says(void **state) {
    (void)state;
    uint64_t rounds = sanitized() ? 300 : soaking() ? 50000 : 3000;
    for (uint64_t round = 0; round < rounds; round++) {
        draws d = {.stream = 5000 + round};
        char text[TEXT_MOST * 4], stop_texts[STOPS_MOST][64];
        fm_token_text stops[STOPS_MOST];
        fm_transcript_options o = {.starts_thinking = draw(&d, 2), .thinking_budget = -1, .stops = stops,
                                   .n_stops = draw(&d, STOPS_MOST + 1)};
        for (size_t i = 0; i < o.n_stops; i++)
            stops[i] = (fm_token_text){stop_texts[i], roll_text(&d, stop_texts[i], 1 + draw(&d, 8))};
        fm_buffer ids = {0};
        size_t n = roll_text(&d, text, draw(&d, 120));
        roll_tokens(&d, text, n, false, &ids);
        reading r = {.t = transcript_of(&o)};
        definition wanted = {0};
        size_t at = 0;
        for (; at < n_ids(&ids) && !fm_transcript_finished(r.t); at++) {
            push(&r, ids_of(&ids)[at]);
            define(ids_of(&ids), at + 1, &o, false, &wanted);
            compare(&r, &wanted, round, at + 1);
            assert_int_equal(fm_transcript_state(r.t).stop, wanted.stop);
            assert_int_equal(fm_transcript_finished(r.t), wanted.stop >= 0);
        }
        fm_transcript_report report = fm_transcript_state(r.t);
        assert_true(report.reasoning_tokens + report.answer_tokens == (int64_t)at);
        finish(&r);
        define(ids_of(&ids), at, &o, true, &wanted);
        compare(&r, &wanted, round, at);
        assert_int_equal(fm_transcript_state(r.t).stop, wanted.stop);
        clear(&r);
        fm_buffer_clear(&ids), fm_buffer_clear(&wanted.reasoning), fm_buffer_clear(&wanted.answer);
    }
}

/* Without tags and damage the tokens do not matter, only the text. */
static void how_a_text_is_cut_into_tokens_changes_nothing(void **state) {
    (void)state;
    for (uint64_t round = 0; round < (sanitized() ? 100 : 1000); round++) {
        draws d = {.stream = 90000 + round};
        char text[TEXT_MOST * 4], stop_text[64], first[TEXT_MOST * 4];
        fm_token_text stop = {stop_text, roll_text(&d, stop_text, 1 + draw(&d, 5))};
        fm_transcript_options o = {.thinking_budget = -1, .stops = &stop, .n_stops = 1};
        size_t n = roll_text(&d, text, draw(&d, 100));
        for (int way = 0; way < 4; way++) {
            fm_buffer ids = {0};
            roll_tokens(&d, text, n, true, &ids);
            reading r = {.t = transcript_of(&o)};
            for (size_t i = 0; i < n_ids(&ids); i++) push(&r, ids_of(&ids)[i]);
            finish(&r);
            if (way == 0) strcpy(first, fm_buffer_string(&r.answer));
            expect_text(&r.answer, first);
            clear(&r);
            fm_buffer_clear(&ids);
        }
    }
}

/* ---- memory ------------------------------------------------------------------------------------- */

static fm_status a_whole_reply(fm_error *err) {
    fm_token_text stops[] = {text_of("END"), text_of("FIN")};
    fm_transcript_options o = {.starts_thinking = true, .thinking_budget = 3, .stops = stops, .n_stops = 2};
    fm_transcript *t;
    fm_transcript_piece piece;
    FM_TRY(fm_transcript_new(tokenizer, &o, &t, err));
    fm_status status = FM_OK;
    for (int i = 0; i < 40 && status == FM_OK; i++) {
        fm_token id;
        if (!fm_transcript_forced(t, &id)) id = bytes[i % 2 ? 'a' : '\n'];
        status = fm_transcript_push(t, id, &piece, err);
    }
    if (status == FM_OK) status = fm_transcript_finish(t, &piece, err);
    fm_transcript_free(t);
    return status;
}

static void running_out_of_memory_is_an_error_and_leaks_nothing(void **state) {
    (void)state;
    fm_mem_stats before = fm_mem_statistics();
    for (int64_t k = 0;; k++) {
        fm_error err;
        fm_mem_fail_from(k);
        fm_status status = a_whole_reply(&err);
        fm_mem_fail_from(-1);
        if (status == FM_OK) {
            assert_true(k > 5);
            break;
        }
        assert_int_equal(status, FM_ERR_MEMORY);
    }
    fm_mem_stats after = fm_mem_statistics();
    assert_memory_equal(before.live_bytes, after.live_bytes, sizeof before.live_bytes);
}

static void a_long_reply_soon_allocates_nothing(void **state) {
    (void)state;
    fm_token_text stop = text_of("aab");
    fm_transcript_options o = {.thinking_budget = -1, .stops = &stop, .n_stops = 1};
    fm_transcript *t = transcript_of(&o);
    uint64_t settled = 0;
    for (int i = 0; i < 20000; i++) {
        fm_transcript_piece piece;
        fm_error err;
        assert_ok(fm_transcript_push(t, bytes['a'], &piece, &err));
        if (i == 100) settled = fm_mem_statistics().allocations;
    }
    assert_true(fm_mem_statistics().allocations == settled);
    fm_transcript_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reasoning_comes_apart_from_the_answer),
        cmocka_unit_test(tokens_are_counted_once_and_a_reply_without_an_answer_is_said_to_be_one),
        cmocka_unit_test(a_vocabulary_without_the_tags_has_no_reasoning),
        cmocka_unit_test(only_whole_characters_come_out_and_damage_is_a_replacement),
        cmocka_unit_test(a_stop_ends_the_answer_where_it_is_complete),
        cmocka_unit_test(stops_are_not_looked_for_in_the_reasoning),
        cmocka_unit_test(a_stop_may_be_completed_by_the_last_bytes_of_a_half_character),
        cmocka_unit_test(stops_that_make_no_sense_are_refused),
        cmocka_unit_test(long_stops_cost_no_more_than_short_ones),
        cmocka_unit_test(any_tokens_with_any_stops_give_what_the_definition_says),
        cmocka_unit_test(how_a_text_is_cut_into_tokens_changes_nothing),
        cmocka_unit_test(running_out_of_memory_is_an_error_and_leaks_nothing),
        cmocka_unit_test(a_long_reply_soon_allocates_nothing),
    };
    return cmocka_run_group_tests_name("transcript", tests, load, unload);
}

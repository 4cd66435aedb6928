/* Documents as ids: what is learnt is the answers, as the model would write them. */
#include "support.h"

#include "base/mem.h"
#include "token/learn.h"
#include "train/example.h"

enum { BOS = 0, EOS = 1, USER = 3, BOT = 4, THINK = 5, UNTHINK = 6 };

static fm_tokenizer *tokenizer_with(fm_learn_chat chat) {
    static const char text[] = "the question is what the answer is and the answer is what the question was\n";
    fm_error err;
    fm_learner *l;
    fm_learnt made;
    fm_buffer json = {0}, config = {0};
    fm_tokenizer *t;
    fm_learn_options o = {.vocabulary = 290, .least_count = 2};
    assert_ok(fm_learner_new(&o, &l, &err));
    assert_ok(fm_learner_add(l, &(fm_token_text){text, sizeof text - 1}, 1, &err));
    assert_ok(fm_learner_finish(l, chat, &json, &config, &made, &err));
    assert_ok(fm_tokenizer_from_json(json.data, json.size, config.data, config.size, &t, &err));
    fm_learner_free(l);
    fm_buffer_clear(&json);
    fm_buffer_clear(&config);
    return t;
}

/* A conversation out of "role:content" strings. */
static fm_document conversation(const char *const *said, size_t n, fm_buffer *text, fm_turn *turns) {
    static const struct {
        char letter;
        const char *role;
    } roles[] = {{'s', "system"}, {'u', "user"}, {'a', "assistant"}};
    text->size = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < FM_COUNT(roles); k++)
            if (roles[k].letter == said[i][0]) turns[i].role = roles[k].role;
        turns[i].at = text->size;
        turns[i].size = strlen(said[i] + 2);
        fm_buffer_text(text, said[i] + 2);
        fm_buffer_text(text, "\n");
    }
    return (fm_document){.text = fm_buffer_string(text), .size = text->size, .turns = turns, .n_turns = n};
}

/* An example as text, with what is learnt in brackets; special tokens by their first letters. */
static const char *show(const fm_tokenizer *t, const fm_examples *e, size_t number) {
    static char out[4096];
    static const char *const names[] = {"BOS", "EOS", "PAD", "USER", "BOT", "THINK", "UNTHINK"};
    const size_t *ends = (const size_t *)(const void *)e->ends.data;
    const fm_token *ids = (const fm_token *)(const void *)e->ids.data;
    size_t n = 0;
    bool open = false;
    assert_true(number < e->ends.size / sizeof *ends);
    for (size_t i = number ? ends[number - 1] : 0; i < ends[number]; i++) {
        size_t size;
        const char *piece = fm_tokenizer_piece(t, ids[i], &size);
        if ((e->learn.data[i] != 0) != open) n += (size_t)sprintf(out + n, open ? "]" : "["), open = !open;
        n += (size_t)(ids[i] <= UNTHINK ? sprintf(out + n, "<%s>", names[ids[i]])
                                        : sprintf(out + n, "%.*s", (int)size, piece));
    }
    strcpy(out + n, open ? "]" : "");
    return out;
}

static void check(const fm_tokenizer *t, fm_chat_style style, const char *const *said, size_t n_said,
                  const char *const *expected, size_t n_expected) {
    fm_error err;
    fm_buffer text = {0};
    fm_turn turns[16];
    fm_examples e = {0};
    fm_document d = conversation(said, n_said, &text, turns);
    assert_ok(fm_examples_add(t, style, &d, &e, &err));
    assert_int_equal(e.ends.size / sizeof(size_t), n_expected);
    assert_int_equal(e.learn.size, e.ids.size / sizeof(fm_token));
    for (size_t i = 0; i < n_expected; i++) assert_string_equal(show(t, &e, i), expected[i]);
    fm_examples_clear(&e);
    fm_buffer_clear(&text);
}

#define CHECK(t, style, said, ...)                                                                 \
    do {                                                                                           \
        static const char *const expected_[] = {__VA_ARGS__};                                      \
        check(t, style, said, FM_COUNT(said), expected_, FM_COUNT(expected_));                     \
    } while (0)

static void plain_text_is_learnt_from_end_to_end(void **state) {
    (void)state;
    fm_error err;
    fm_tokenizer *t = tokenizer_with(FM_LEARN_CHAT_V3);
    fm_examples e = {0};
    fm_document d = {.text = "what <think> is", .size = 15};
    assert_ok(fm_examples_add(t, FM_CHAT_DEEPSEEK_V3, &d, &e, &err));
    assert_string_equal(show(t, &e, 0), "[<BOS>what <think> is<EOS>]");
    for (size_t i = 0; i < e.ids.size / 4; i++) /* the tag is only text here */
        assert_int_not_equal(((const fm_token *)(const void *)e.ids.data)[i], THINK);
    fm_examples_clear(&e);
    fm_tokenizer_free(t);
}

static void answers_are_learnt_with_the_token_that_ends_them(void **state) {
    (void)state;
    fm_tokenizer *t = tokenizer_with(FM_LEARN_CHAT_V3);
    static const char *const one[] = {"u:what is it", "a:the answer"};
    CHECK(t, FM_CHAT_DEEPSEEK_V3, one, "<BOS><USER>what is it<BOT>[the answer<EOS>]");
    static const char *const two[] = {"s:be brief", "u:what", "a:that", "u:and", "a:this", "u:left over"};
    CHECK(t, FM_CHAT_DEEPSEEK_V3, two,
          "<BOS>be brief<USER>what<BOT>[that<EOS>]<USER>and<BOT>[this<EOS>]");
    static const char *const empty[] = {"u:what", "a:"};
    CHECK(t, FM_CHAT_DEEPSEEK_V3, empty, "<BOS><USER>what<BOT>[<EOS>]");
    CHECK(t, FM_CHAT_NONE, one, "<BOS>what is it[the answer<EOS>]");
    fm_tokenizer_free(t);
}

static void thoughts_stand_between_the_tokens_of_the_vocabulary(void **state) {
    (void)state;
    fm_tokenizer *t = tokenizer_with(FM_LEARN_CHAT_V3);
    static const char *const said[] = {"u:a </think> b", "a:<think>hm</think>the answer"};
    CHECK(t, FM_CHAT_DEEPSEEK_V3, said, "<BOS><USER>a </think> b<BOT>[<THINK>hm<UNTHINK>the answer<EOS>]");
    fm_tokenizer_free(t);
}

static void a_template_that_opens_thoughts_is_not_answered_twice(void **state) {
    (void)state;
    fm_tokenizer *t = tokenizer_with(FM_LEARN_CHAT_R1);
    static const char *const said[] = {"u:what", "a:<think>\nhm\n</think>\n\nthat"};
    CHECK(t, FM_CHAT_R1_DISTILL, said, "<BOS><USER>what<BOT><THINK>\n[hm\n<UNTHINK>\n\nthat<EOS>]");
    static const char *const thoughtless[] = {"u:what", "a:that"};
    CHECK(t, FM_CHAT_R1_DISTILL, thoughtless, "<BOS><USER>what<BOT><THINK>\n[\n<UNTHINK>\n\nthat<EOS>]");
    CHECK(t, FM_CHAT_DEEPSEEK_V31, said, "<BOS><USER>what<BOT><THINK>[\nhm\n<UNTHINK>\n\nthat<EOS>]");
    CHECK(t, FM_CHAT_DEEPSEEK_V31, thoughtless, "<BOS><USER>what<BOT><UNTHINK>[that<EOS>]");
    fm_tokenizer_free(t);
}

/* As the model meets them: thoughts of the past are gone when it answers for the second time. */
static void a_template_that_forgets_thoughts_gives_an_example_per_answer(void **state) {
    (void)state;
    fm_tokenizer *t = tokenizer_with(FM_LEARN_CHAT_R1);
    static const char *const said[] = {"u:what", "a:<think>\nhm\n</think>\n\nthat", "u:and",
                                       "a:<think>\nh\n</think>this"};
    CHECK(t, FM_CHAT_R1_DISTILL, said, "<BOS><USER>what<BOT><THINK>\n[hm\n<UNTHINK>\n\nthat<EOS>]",
          "<BOS><USER>what<BOT>\n\nthat<EOS><USER>and<BOT><THINK>\n[h\n<UNTHINK>this<EOS>]");
    fm_tokenizer_free(t);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    fm_error err;
    fm_tokenizer *t = tokenizer_with(FM_LEARN_CHAT_V3);
    static const char *const said[] = {"u:what", "a:<think>that</think>", "u:and", "a:this"};
    fm_status status = FM_ERR_MEMORY;
    for (int64_t k = 0; status != FM_OK && k < 200; k++) {
        fm_buffer text = {0};
        fm_turn turns[4];
        fm_examples e = {0};
        fm_document d = conversation(said, 4, &text, turns);
        fm_mem_fail_from(k);
        status = fm_examples_add(t, FM_CHAT_DEEPSEEK_V3, &d, &e, &err);
        fm_mem_fail_from(-1);
        assert_true(status == FM_OK || status == FM_ERR_MEMORY);
        fm_examples_clear(&e);
        fm_buffer_clear(&text);
    }
    assert_int_equal(status, FM_OK);
    fm_tokenizer_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_is_learnt_from_end_to_end),
        cmocka_unit_test(answers_are_learnt_with_the_token_that_ends_them),
        cmocka_unit_test(thoughts_stand_between_the_tokens_of_the_vocabulary),
        cmocka_unit_test(a_template_that_opens_thoughts_is_not_answered_twice),
        cmocka_unit_test(a_template_that_forgets_thoughts_gives_an_example_per_answer),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

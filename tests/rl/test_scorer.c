#include "support.h"

#include "base/file.h"
#include "base/rng.h"
#include "rl/reward/reward.h"
#include "rl/reward/scorer.h"

#include <math.h>

/* Replies of random words; a good one says a word that no bad one says, somewhere. */
enum { LINES = 600, HELD_OUT = 200 };

static char replies[LINES][256];
static fm_scorer_example examples[LINES];

static unsigned draw(uint64_t line, uint64_t at, unsigned below) {
    return (unsigned)(fm_rng_uniform(7, line, at) * below);
}

static void make_examples(void) {
    static const char *const good[] = {"therefore", "check", "verify"}, *const bad[] = {"guess", "whatever", "dunno"};
    for (int i = 0; i < LINES; i++) {
        bool is_good = i % 2;
        char *text = replies[i];
        text[0] = 0;
        unsigned place = draw((uint64_t)i, 0, 20);
        for (unsigned k = 0; k < 20; k++) {
            if (k == place) sprintf(text + strlen(text), "%s ", (is_good ? good : bad)[draw((uint64_t)i, 1, 3)]);
            sprintf(text + strlen(text), "w%u ", draw((uint64_t)i, 2 + k, 300));
        }
        examples[i] = (fm_scorer_example){.question = "why?", .question_size = 4, .answer = "42", .answer_size = 2,
                                          .reply = text, .reply_size = strlen(text), .good = is_good};
    }
}

static double accuracy(const fm_scorer *s, int from, int to) {
    int right = 0;
    for (int i = from; i < to; i++) right += (fm_scorer_score(s, &examples[i]) > 0.5) == examples[i].good;
    return (double)right / (to - from);
}

static fm_scorer *learn(uint64_t seed) {
    fm_scorer_settings settings = fm_scorer_default_settings();
    settings.bits = 16;
    settings.seed = seed;
    fm_scorer *s;
    fm_error err = {0};
    make_examples();
    assert_ok(fm_scorer_learn(examples, LINES - HELD_OUT, &settings, &s, &err));
    return s;
}

static void it_learns_what_can_be_told_apart_and_lines_it_never_saw(void **state) {
    (void)state;
    fm_scorer *s = learn(1);
    assert_true(accuracy(s, 0, LINES - HELD_OUT) == 1);
    double held_out = accuracy(s, LINES - HELD_OUT, LINES);
    if (!(held_out >= 0.97)) fail_msg("right on %g of what it never saw", held_out);
    fm_scorer_free(s);
}

/* What a policy will find: the words it likes are enough. */
static void it_is_fooled_by_the_words_it_likes(void **state) {
    (void)state;
    fm_scorer *s = learn(1);
    fm_scorer_example e = {.question = "why?", .question_size = 4, .answer = "", .reply = "check verify therefore",
                           .reply_size = 22};
    assert_true(fm_scorer_score(s, &e) > 0.9);
    fm_scorer_free(s);
}

static void random_labels_are_not_learned_for_others(void **state) {
    (void)state;
    make_examples();
    for (int i = 0; i < LINES; i++) examples[i].good = draw((uint64_t)i, 99, 2);
    fm_scorer_settings settings = fm_scorer_default_settings();
    fm_scorer *s;
    fm_error err = {0};
    assert_ok(fm_scorer_learn(examples, LINES - HELD_OUT, &settings, &s, &err));
    double held_out = accuracy(s, LINES - HELD_OUT, LINES);
    assert_true(held_out > 0.35 && held_out < 0.65);
    fm_scorer_free(s);
}

static void the_answer_in_the_reply_is_a_feature(void **state) {
    (void)state;
    static char numbers[LINES][2][64];
    for (int i = 0; i < LINES; i++) { /* good: the reply ends with the expected number */
        unsigned answer = draw((uint64_t)i, 0, 1000000), other = draw((uint64_t)i, 1, 1000000);
        snprintf(numbers[i][0], 64, "%u", answer);
        snprintf(numbers[i][1], 64, "so it is %u", i % 2 ? answer : other);
        examples[i] = (fm_scorer_example){.question = "how many?", .question_size = 9, .answer = numbers[i][0],
                                          .answer_size = strlen(numbers[i][0]), .reply = numbers[i][1],
                                          .reply_size = strlen(numbers[i][1]), .good = i % 2};
    }
    fm_scorer_settings settings = fm_scorer_default_settings();
    fm_scorer *s;
    fm_error err = {0};
    assert_ok(fm_scorer_learn(examples, LINES - HELD_OUT, &settings, &s, &err));
    assert_true(accuracy(s, LINES - HELD_OUT, LINES) > 0.95);
    fm_scorer_free(s);
}

static void the_same_lines_and_seed_give_the_same_file_and_loading_gives_the_same_scores(void **state) {
    (void)state;
    fm_error err = {0};
    char *bytes[2];
    size_t size[2];
    for (int i = 0; i < 2; i++) {
        fm_scorer *s = learn(5), *again;
        const char *path = scratch_path(i ? "b.scorer" : "a.scorer");
        assert_ok(fm_scorer_save(s, path, &err));
        assert_ok(fm_scorer_load(path, &again, &err));
        for (int k = 0; k < 20; k++)
            assert_true(fm_scorer_score(s, &examples[k]) == fm_scorer_score(again, &examples[k]));
        assert_ok(fm_file_read(path, 1 << 24, &bytes[i], &size[i], &err));
        fm_scorer_free(s);
        fm_scorer_free(again);
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(bytes[0], bytes[1], size[0]);
    fm_free(bytes[0]);
    fm_free(bytes[1]);
}

static void damage_is_found(void **state) {
    (void)state;
    fm_error err = {0};
    fm_scorer_settings settings = {.bits = 8, .epochs = 1, .rate = 0.1, .seed = 1};
    fm_scorer *s;
    make_examples();
    assert_ok(fm_scorer_learn(examples, 20, &settings, &s, &err));
    const char *path = scratch_path("s.scorer"), *broken = scratch_path("broken.scorer");
    assert_ok(fm_scorer_save(s, path, &err));
    fm_scorer_free(s);
    char *bytes;
    size_t size;
    assert_ok(fm_file_read(path, 1 << 20, &bytes, &size, &err));
    for (size_t cut = 0; cut <= size; cut += cut < 40 ? 1 : 97) {
        FILE *f = fopen(broken, "wb");
        fwrite(bytes, 1, cut, f);
        fclose(f);
        if (cut < size) assert_int_equal(fm_scorer_load(broken, &s, &err), FM_ERR_FORMAT);
        if (cut < size) assert_null(s);
    }
    for (size_t at = 0; at < size; at += at < 40 ? 1 : 31) {
        bytes[at] ^= 4;
        FILE *f = fopen(broken, "wb");
        fwrite(bytes, 1, size, f);
        fclose(f);
        bytes[at] ^= 4;
        assert_int_equal(fm_scorer_load(broken, &s, &err), FM_ERR_FORMAT);
    }
    fm_free(bytes);
    assert_int_equal(fm_scorer_load(scratch_path("none"), &s, &err), FM_ERR_IO);
}

static void labelled_lines_are_read_and_bad_ones_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *says; /* NULL: fine */
    } cases[] = {
        {"{\"question\":\"a\",\"reply\":\"b\",\"good\":true}\n\n"
         "{\"question\":\"\",\"answer\":\"x\",\"reply\":\"\",\"good\":false,\"more\":1}", NULL},
        {"{\"question\":\"a\",\"reply\":\"b\",\"good\":true}\n{\"question\":\"a\",\"good\":true}\n", ":2:"},
        {"{\"question\":\"a\",\"reply\":\"b\",\"good\":1}\n", ":1:"},
        {"{\"question\":\"a\",\"reply\":\"b\",\"good\":true,\"answer\":3}\n", ":1:"},
        {"[1]\n", ":1:"},
        {"no\n", ":1"},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        const char *path = scratch_path("lines.jsonl");
        FILE *f = fopen(path, "w");
        fputs(cases[i].text, f);
        fclose(f);
        fm_arena arena = {0};
        fm_scorer_example *list;
        size_t n;
        fm_error err = {0};
        fm_status status = fm_scorer_read(path, &arena, &list, &n, &err);
        if (cases[i].says) {
            assert_int_equal(status, FM_ERR_FORMAT);
            assert_non_null(strstr(err.message, cases[i].says));
        } else {
            assert_ok(status);
            assert_int_equal(n, 2);
            assert_true(list[0].good && !list[1].good);
            assert_string_equal(list[1].answer, "x");
            assert_string_equal(list[0].answer, "");
        }
        fm_arena_clear(&arena);
    }
}

static void settings_and_lines_that_cannot_be_are_refused(void **state) {
    (void)state;
    make_examples();
    fm_scorer *s;
    fm_error err = {0};
    for (int i = 0; i < 6; i++) {
        fm_scorer_settings settings = fm_scorer_default_settings();
        if (i == 0) settings.bits = 7;
        if (i == 1) settings.bits = 25;
        if (i == 2) settings.epochs = 0;
        if (i == 3) settings.rate = NAN;
        if (i == 4) settings.decay = -1;
        size_t n = i == 5 ? 1 : 10; /* one line has one label */
        assert_int_equal(fm_scorer_learn(examples, n, &settings, &s, &err), FM_ERR_ARGUMENT);
        assert_null(s);
    }
}

static void the_rule_asks_the_scorer_and_wants_one(void **state) {
    (void)state;
    fm_scorer *s = learn(1);
    fm_reward_rules rules = fm_reward_default_rules();
    fm_error err = {0};
    assert_ok(fm_reward_parse_weights("learned", &rules, &err));
    fm_reward_problem problem = {.prompt = "why?", .prompt_size = 4};
    fm_reward_reply r = {.text = "check", .size = 5, .ended = true};
    fm_reward_group g = {&problem, &r, NULL, 1};
    fm_reward_value v;
    assert_int_equal(fm_reward_score(&rules, &g, &v, NULL, &err), FM_ERR_UNSUPPORTED);
    rules.scorer = s;
    assert_ok(fm_reward_score(&rules, &g, &v, NULL, &err));
    assert_true(v.value > 0.5 && v.value <= 1);
    fm_scorer_free(s);
}

static void memory_that_runs_out_is_an_error(void **state) {
    (void)state;
    make_examples();
    fm_scorer_settings settings = fm_scorer_default_settings();
    fm_scorer *s = NULL;
    fm_error err = {0};
    for (int k = 0; k < 4; k++) {
        fm_mem_fail_from(k);
        fm_status status = fm_scorer_learn(examples, 10, &settings, &s, &err);
        fm_mem_fail_from(-1);
        assert_int_equal(status, FM_ERR_MEMORY);
        assert_null(s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns_what_can_be_told_apart_and_lines_it_never_saw),
        cmocka_unit_test(it_is_fooled_by_the_words_it_likes),
        cmocka_unit_test(random_labels_are_not_learned_for_others),
        cmocka_unit_test(the_answer_in_the_reply_is_a_feature),
        cmocka_unit_test(the_same_lines_and_seed_give_the_same_file_and_loading_gives_the_same_scores),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(labelled_lines_are_read_and_bad_ones_named),
        cmocka_unit_test(settings_and_lines_that_cannot_be_are_refused),
        cmocka_unit_test(the_rule_asks_the_scorer_and_wants_one),
        cmocka_unit_test(memory_that_runs_out_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is true of every kind of problem: names, splits, keys, phrasings, solutions, JSON. */
#include "task_support.h"

#include "rl/maths/final.h"

static fm_error err;

static int samples(void) { return soaking() ? 100000 : sanitized() ? 200 : 2000; }

typedef void (*problem_fn)(const fm_problem_name *name, const fm_problem *p);

/* Problems of all bands and splits in turn, `n` of each kind. */
static void each_problem(int n, problem_fn fn) {
    const fm_task_kind *kind;
    for (size_t k = 0; (kind = fm_task_at(k)); k++)
        for (int i = 0; i < n; i++) {
            fm_problem_name name = {kind, i % (int)kind->n_bands, (fm_split)(i / (int)kind->n_bands % FM_SPLITS), 11,
                                    (uint64_t)i};
            fm_problem p;
            fm_status status = fm_problem_draw(&name, &p, &err);
            if (status == FM_ERR_LIMIT) continue;
            assert_ok(status);
            fn(&name, &p);
        }
}

static void kinds_are_listed_by_their_own_names_with_help(void **state) {
    (void)state;
    const fm_task_kind *kind;
    for (size_t i = 0; (kind = fm_task_at(i)); i++) {
        assert_ptr_equal(fm_task_find(kind->name), kind);
        assert_true(strlen(fm_task_help(kind)) > 10);
        assert_true(kind->size <= FM_FACTS_SIZE && kind->n_bands >= 2);
        assert_true(kind->n_held_out >= 1 && kind->n_phrasings >= kind->n_held_out + 3);
    }
}

static void draws_again(const fm_problem_name *name, const fm_problem *p) {
    fm_problem again;
    assert_ok(fm_problem_draw(name, &again, &err));
    assert_memory_equal(p, &again, sizeof again);
    fm_split split;
    assert_ok(fm_problem_split(p, &split, &err));
    assert_int_equal(split, name->split);
    assert_true(split == FM_SPLIT_TEST || !fm_phrasing_held_out(p->kind, p->phrasing));
}

static void a_name_draws_the_same_problem_for_ever_and_of_its_split(void **state) {
    (void)state;
    each_problem(200, draws_again);
}

/* The last line of a text, without its line feed. */
static const char *last_line(fm_buffer *text) {
    const char *s = fm_buffer_string(text);
    assert_true(text->size > 1 && s[text->size - 1] == '\n');
    text->data[text->size - 1] = 0;
    const char *line = strrchr(s, '\n');
    return line ? line + 1 : s;
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && !strcmp(s + n - m, end);
}

/* The answer is taken out of a reply as a model would make it, and the working ends with it. */
static void solves(const fm_problem_name *name, const fm_problem *p) {
    fm_buffer working = {0}, answer = {0}, reply = {0};
    const char *found;
    size_t n;
    fm_problem_solve(p, &working, &answer);
    assert_ok(fm_buffer_status(&working, &err));
    const char *said = fm_buffer_string(&answer);
    fm_buffer_format(&reply, "<think>\n%s</think>\n\n<answer>%s</answer>", fm_buffer_string(&working), said);
    assert_int_equal(fm_final_answer(fm_buffer_string(&reply), reply.size, &found, &n), FM_FINAL_FOUND);
    const char *line = last_line(&working);
    if (fm_problem_check(p, found, n) != FM_RIGHT || !ends_with(line, said))
        fail_msg("%s, band %d, index %llu: \"%s\" ends with \"%s\"", p->kind->name, name->band,
                 (unsigned long long)name->index, line, said);
    fm_buffer_clear(&reply);
    fm_buffer_clear(&working);
    fm_buffer_clear(&answer);
}

static void problems_are_solved_by_their_own_working(void **state) {
    (void)state;
    each_problem(samples(), solves);
}

static void survives_json(const fm_problem_name *name, const fm_problem *p) {
    fm_buffer text = {0};
    fm_json_writer w = {.out = &text};
    fm_json *root;
    fm_problem again;
    (void)name;
    fm_problem_write_facts(p, &w, NULL);
    assert_ok(fm_json_parse(text.data, text.size, &root, &err));
    assert_ok(fm_problem_read_facts(p->kind, root, &again, &err));
    assert_memory_equal(p->facts, again.facts, sizeof again.facts);
    fm_json_free(root);
    fm_buffer_clear(&text);
}

static void facts_are_the_same_after_json(void **state) {
    (void)state;
    each_problem(samples() / 4, survives_json);
}

static void every_phrasing_fills_its_slots(void **state) {
    (void)state;
    const fm_task_kind *kind;
    for (size_t k = 0; (kind = fm_task_at(k)); k++)
        for (size_t way = 0; way < kind->n_phrasings; way++) {
            fm_problem p;
            fm_buffer prompt = {0};
            assert_ok(fm_problem_draw(&(fm_problem_name){kind, 0, FM_SPLIT_TRAIN, 3, way}, &p, &err));
            p.phrasing = (int)way;
            fm_problem_prompt(&p, &prompt);
            assert_ok(fm_buffer_status(&prompt, &err));
            assert_true(prompt.size > 5);
            fm_buffer_clear(&prompt);
        }
}

static void hostile(const fm_problem_name *name, const fm_problem *p) {
    static const char *const answers[] = {
        "",       " ",         "?",          "1e999",     "9^9^9^9",  "10^10^10", "\xd9\xa1\xd9\xa2", "\xef\xbc\x91",
        "()",     "((((((((",  "-",          "--1",       "+-",       "1/0",      "0/0",              "\\frac{1}{0}",
        "inf",    "nan",       "0x10",       "\\boxed{}", "<answer>", "</think>", "1 2 3 4 5 6 7 8",  "all of them",
        "\xff\xfe", "99999999999999999999999999999999", "1,2,3,4,5,6,7,8,9,0", ",", ".", "e", "x =", "= 5",
    };
    (void)name;
    for (size_t i = 0; i < FM_COUNT(answers); i++) assert_int_not_equal(verdict_on(p, answers[i]), FM_RIGHT);
    fm_buffer prompt = {0};
    fm_problem_prompt(p, &prompt);
    assert_int_not_equal(fm_problem_check(p, prompt.data, prompt.size), FM_RIGHT);
    fm_buffer_clear(&prompt);
}

static void hostile_answers_and_echoes_of_the_prompt_are_not_right(void **state) {
    (void)state;
    each_problem(40, hostile);
}

static void a_megabyte_of_anything_is_refused(void **state) {
    (void)state;
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE);
    const fm_task_kind *kind;
    for (size_t k = 0; (kind = fm_task_at(k)); k++) {
        fm_problem p;
        assert_ok(fm_problem_draw(&(fm_problem_name){kind, 0, FM_SPLIT_TRAIN, 5, 0}, &p, &err));
        for (const char *c = "1( -+*/,a\\{<"; *c; c++) {
            memset(text, *c, SIZE);
            assert_int_not_equal(fm_problem_check(&p, text, SIZE), FM_RIGHT);
            assert_int_not_equal(fm_problem_check(&p, text, FM_TASK_ANSWER_SIZE), FM_RIGHT);
        }
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_listed_by_their_own_names_with_help),
        cmocka_unit_test(a_name_draws_the_same_problem_for_ever_and_of_its_split),
        cmocka_unit_test(problems_are_solved_by_their_own_working),
        cmocka_unit_test(facts_are_the_same_after_json),
        cmocka_unit_test(every_phrasing_fills_its_slots),
        cmocka_unit_test(hostile_answers_and_echoes_of_the_prompt_are_not_right),
        cmocka_unit_test(a_megabyte_of_anything_is_refused),
    };
    return cmocka_run_group_tests_name("rl/task", tests, NULL, NULL);
}

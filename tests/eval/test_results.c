/* Questions, counts, and the file of results: what is read, what is refused, what survives. */
#include "support.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "eval/journal.h"
#include "eval/outcome.h"

#include <math.h>
#include <sys/stat.h>

static void assert_text(fm_span got, const char *expected) {
    if (got.n != strlen(expected) || memcmp(got.s, expected, got.n) != 0)
        fail_msg("'%.*s' is not '%s'", (int)got.n, got.s, expected);
}

/* ---- questions ----------------------------------------------------------------------------------- */

static void questions_are_read_in_all_their_forms(void **state) {
    (void)state;
    static const char text[] =
        "{\"prompt\": \"a?\", \"answer\": \"1\", \"id\": \"first\"}\r\n"
        "\n  \t\n"
        "{\"question\": \"b?\", \"answer\": 2, \"unique_id\": 7, \"else\": {}}\n"
        "{\"problem\": \"c\\u0000d\", \"answer\": 0.1}\n"
        "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": \"e?\"}],"
        " \"prompt\": \"not this\", \"answer\": true}";
    fm_eval_items items;
    fm_error err;
    assert_ok(fm_eval_items_parse("x.jsonl", text, sizeof text - 1, 0, &items, &err));
    assert_int_equal(items.n, 4);
    static const int lines[] = {1, 4, 5, 6};
    static const char *const answers[] = {"1", "2", "0.1", "true"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(items.items[i].line, lines[i]);
        assert_text((fm_span){items.items[i].answer, items.items[i].answer_size}, answers[i]);
        for (size_t j = 0; j < i; j++) assert_true(items.items[i].hash != items.items[j].hash);
    }
    assert_string_equal(items.items[0].id, "first");
    assert_string_equal(items.items[1].id, "7");
    assert_null(items.items[2].id);
    assert_int_equal(items.items[2].messages[0].size, 3);
    assert_memory_equal(items.items[2].messages[0].content, "c\0d", 3);
    assert_int_equal(items.items[3].n_messages, 2);
    assert_string_equal(items.items[3].messages[1].content, "e?");
    fm_eval_items_clear(&items);
    assert_ok(fm_eval_items_parse("x.jsonl", text, sizeof text - 1, 2, &items, &err));
    assert_int_equal(items.n, 2);
    fm_eval_items_clear(&items);
}

/* One line each, as docs/eval.md shows them. */
static void the_usual_data_sets_are_known_by_their_fields(void **state) {
    (void)state;
    static const struct {
        const char *line;
        fm_item_kind kind;
        const char *answer, *domain, *band, *id;
    } cases[] = {
        {"{\"question\": \"Natalia sold?\", \"answer\": \"She sold\\n#### 72\"}", /* GSM8K */
         FM_ITEM_ANSWER, "She sold\n#### 72", 0, 0, 0},
        {"{\"problem\": \"$1+1$\", \"solution\": \"\\\\boxed{3}\", \"answer\": \"2\", " /* MATH-500 */
         "\"subject\": \"Algebra\", \"level\": 2, \"unique_id\": \"test/1.json\"}",
         FM_ITEM_ANSWER, "2", "Algebra", "2", "test/1.json"},
        {"{\"problem\": \"a\", \"level\": \"Level 5\", \"type\": \"Number Theory\", " /* MATH */
         "\"solution\": \"\\\\boxed{1} so \\\\boxed{\\\\frac{1}{2}}\"}",
         FM_ITEM_ANSWER, "\\frac{1}{2}", "Number Theory", "Level 5", 0},
        {"{\"ID\": \"2024-I-1\", \"Problem\": \"Every\", \"Solution\": \"x\", \"Answer\": 204}", /* AIME */
         FM_ITEM_ANSWER, "204", 0, 0, "2024-I-1"},
        {"{\"question\": \"c?\", \"choices\": [\"Rome\", \"Paris\", \"Bonn\"], \"answer\": 1, " /* MMLU */
         "\"subject\": \"geo\"}", FM_ITEM_CHOICE, "B", "geo", 0, 0},
        {"{\"question_id\": 70, \"question\": \"c?\", \"options\": [\"x\", \"y\", \"z\"], " /* MMLU-Pro */
         "\"answer\": \"C\", \"answer_index\": 2, \"category\": \"law\"}", FM_ITEM_CHOICE, "C", "law", 0, "70"},
        {"{\"question\": \"c?\", \"choices\": {\"text\": [\"x\", \"y\"], \"label\": [\"1\", \"2\"]}, " /* ARC */
         "\"answerKey\": \"2\"}", FM_ITEM_CHOICE, "B", 0, 0, 0},
        {"{\"question\": \"c?\", \"choices\": [\"x\", \"y\"], \"answer\": \"x\"}", FM_ITEM_CHOICE, "A", 0, 0, 0},
        {"{\"task_id\": \"HumanEval/0\", \"prompt\": \"def f():\\n\", \"test\": \"def check(f): pass\", "
         "\"entry_point\": \"f\"}", FM_ITEM_PROGRAM, NULL, 0, 0, "HumanEval/0"},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_eval_items items;
        fm_error err;
        assert_ok(fm_eval_items_parse("x", cases[i].line, strlen(cases[i].line), 0, &items, &err));
        const fm_eval_item *item = &items.items[0];
        assert_int_equal(item->kind, cases[i].kind);
        const char *got[] = {item->answer, item->domain, item->band, item->id};
        const char *wanted[] = {cases[i].answer, cases[i].domain, cases[i].band, cases[i].id};
        for (size_t f = 0; f < 4; f++) {
            assert_true((got[f] == NULL) == (wanted[f] == NULL));
            if (got[f]) assert_string_equal(got[f], wanted[f]);
        }
        fm_eval_items_clear(&items);
    }
    fm_eval_items items;
    fm_error err;
    assert_ok(fm_eval_items_parse("x", cases[4].line, strlen(cases[4].line), 0, &items, &err));
    assert_string_equal(items.items[0].messages[0].content,
                        "c?\n\nA. Rome\nB. Paris\nC. Bonn\n\nAnswer with the letter of the right choice.");
    assert_int_equal(items.items[0].question_size, 2);
    fm_eval_items_clear(&items);
}

static void a_bad_line_is_named_with_its_number(void **state) {
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"{\"prompt\": \"a\"}", "there is no \"answer\""},
        {"{\"answer\": \"1\"}", "neither \"messages\" nor"},
        {"{\"prompt\": \"\", \"answer\": \"1\"}", "not empty"},
        {"{\"prompt\": 3, \"answer\": \"1\"}", "must be a text"},
        {"{\"prompt\": \"a\", \"answer\": \" \\n\"}", "\"answer\" is empty"},
        {"{\"prompt\": \"a\", \"answer\": []}", "a text, a number or a boolean"},
        {"{\"prompt\": \"a\", \"answer\": null}", "a text, a number or a boolean"},
        {"{\"messages\": [], \"answer\": \"1\"}", "at least one"},
        {"{\"messages\": {}, \"answer\": \"1\"}", "at least one"},
        {"{\"messages\": [{\"role\": \"user\"}], \"answer\": \"1\"}", "a message must be"},
        {"{\"messages\": [7], \"answer\": \"1\"}", "a message must be"},
        {"{\"prompt\": \"a\", \"solution\": \"3\"}", "no \\boxed{} in the \"solution\""},
        {"{\"prompt\": \"a\", \"choices\": [\"x\"], \"answer\": 0}", "a list of 2 to 26 texts"},
        {"{\"prompt\": \"a\", \"choices\": [\"x\", 2], \"answer\": 0}", "a list of 2 to 26 texts"},
        {"{\"prompt\": \"a\", \"choices\": [\"x\", \"y\"], \"answer\": 2}", "one of the choices"},
        {"{\"prompt\": \"a\", \"choices\": [\"x\", \"y\"], \"answer\": \"C\"}", "one of the choices"},
        {"{\"prompt\": \"a\", \"choices\": [\"x\", \"x\"], \"answer\": \"x\"}", "one of the choices"},
        {"{\"prompt\": \"a\", \"choices\": [\"x\", \"y\"]}", "one of the choices"},
        {"{\"prompt\": \"a\", \"entry_point\": \"f\"}", "\"test\" and \"entry_point\""},
        {"[1]", "not a JSON object"},
        {"{\"prompt\": \"a\", \"answer\": \"1\"", "not valid JSON"},
        {"{\"prompt\": \"a\", \"prompt\": \"b\", \"answer\": \"1\"}", "not valid JSON"},
        {"\xFF", "not valid JSON"},
        {"nonsense", "not valid JSON"},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        char text[300];
        fm_eval_items items;
        fm_error err;
        int n = snprintf(text, sizeof text, "{\"prompt\": \"a\", \"answer\": \"1\"}\n\n%s\n", cases[i].line);
        assert_int_equal(fm_eval_items_parse("x.jsonl", text, (size_t)n, 0, &items, &err), FM_ERR_FORMAT);
        if (!strstr(err.message, "x.jsonl, line 3: ") || !strstr(err.message, cases[i].says))
            fail_msg("'%s' was answered with '%s'", cases[i].line, err.message);
        assert_null(items.items);
        assert_ok(fm_eval_items_parse("x.jsonl", text, (size_t)n, 1, &items, &err)); /* not reached */
        fm_eval_items_clear(&items);
    }
    fm_eval_items items;
    fm_error err;
    assert_int_equal(fm_eval_items_parse("x", "\n \n", 3, 0, &items, &err), FM_ERR_FORMAT);
    assert_int_equal(fm_eval_items_read("/nonexistent/x", 0, &items, &err), FM_ERR_IO);
}

static void random_lines_are_questions_or_refused(void **state) {
    (void)state;
    static const char *const pieces[] = {"{", "}", "\"prompt\"", "\"answer\"", ":", ",", "\"a\"", "1", "[", "]",
                                         "\n", "\"messages\"", "\"role\"", "\"content\"", "null", " ", "\xFF", "\"",
                                         "{\"prompt\":\"a\",\"answer\":\"1\"}", "-", "1e999", "\\u0000"};
    for (uint64_t round = 0; round < 20000; round++) {
        char text[400];
        size_t n = 0;
        for (uint64_t i = 0; i < 20; i++) {
            fm_rng_block r = fm_rng_at(2, round, i);
            const char *piece = pieces[r.word[0] % FM_COUNT(pieces)];
            memcpy(text + n, piece, strlen(piece));
            n += strlen(piece);
        }
        fm_eval_items items;
        fm_error err;
        if (fm_eval_items_parse("x", text, n, 0, &items, &err) == FM_OK) fm_eval_items_clear(&items);
    }
}

static void reading_questions_survives_a_lack_of_memory(void **state) {
    (void)state;
    char text[4000];
    size_t n = 0;
    for (int i = 0; i < 40; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "{\"prompt\": \"a%d\", \"answer\": %d, \"id\": %d}\n", i,
                              i, i);
    fm_status status = FM_ERR_MEMORY;
    for (int k = 0; status != FM_OK; k++) {
        fm_eval_items items;
        fm_error err;
        fm_mem_fail_from(k);
        status = fm_eval_items_parse("x", text, n, 0, &items, &err);
        fm_mem_fail_from(-1);
        if (status != FM_OK) assert_int_equal(status, FM_ERR_MEMORY);
        else assert_int_equal(items.n, 40);
        if (status == FM_OK) fm_eval_items_clear(&items);
    }
}

/* ---- samples ------------------------------------------------------------------------------------ */

static fm_eval_sample sample(const char *answer, bool correct) {
    return (fm_eval_sample){.answer = {answer, strlen(answer)}, .verdict = correct ? FM_RIGHT : FM_WRONG,
                            .formed = correct, .tokens = 10, .seconds = 0.5,
                            .stop = correct ? FM_EVAL_END : FM_EVAL_LENGTH};
}

/* ---- the journal --------------------------------------------------------------------------------- */

static void put_file(const char *path, const char *text, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
}

static void assert_lines(const char *path, const char *const *lines, size_t n) {
    fm_journal *j;
    fm_error err;
    assert_ok(fm_journal_open(path, &j, &err));
    assert_int_equal(fm_journal_count(j), n);
    for (size_t i = 0; i < n; i++) {
        size_t size;
        const char *line = fm_journal_line(j, i, &size);
        assert_text((fm_span){line, size}, lines[i]);
    }
    fm_journal_close(j);
}

static void lines_that_were_appended_are_there_again(void **state) {
    (void)state;
    static const char *const lines[] = {"one", "", "three, \xC3\xA4"};
    const char *path = scratch_path("journal");
    fm_journal *j;
    fm_error err;
    for (size_t i = 0; i < 3; i++) {
        assert_ok(fm_journal_open(path, &j, &err));
        assert_int_equal(fm_journal_count(j), i);
        assert_ok(fm_journal_append(j, lines[i], strlen(lines[i]), &err));
        fm_journal_close(j);
    }
    assert_lines(path, lines, 3);
}

static void a_torn_last_line_is_cut_off_wherever_it_was_torn(void **state) {
    (void)state;
    static const char text[] = "first\nsecond\n{\"third\": 1}";
    static const char *const whole[] = {"first", "second"}, *const more[] = {"first", "second", "next"};
    const char *path = scratch_path("torn");
    for (size_t n = 13; n < sizeof text; n++) {
        put_file(path, text, n);
        assert_lines(path, whole, 2);
        fm_journal *j;
        fm_error err;
        put_file(path, text, n);
        assert_ok(fm_journal_open(path, &j, &err));
        assert_ok(fm_journal_append(j, "next", 4, &err));
        fm_journal_close(j);
        assert_lines(path, more, 3);
    }
    put_file(path, "no newline", 10);
    assert_lines(path, NULL, 0);
}

static void two_may_not_write_at_once(void **state) {
    (void)state;
    const char *path = scratch_path("locked");
    fm_journal *a, *b;
    fm_error err;
    assert_ok(fm_journal_open(path, &a, &err));
    assert_int_equal(fm_journal_open(path, &b, &err), FM_ERR_IO);
    assert_non_null(strstr(err.message, "another process"));
    fm_journal_close(a);
    assert_ok(fm_journal_open(path, &b, &err));
    fm_journal_close(b);
}

static void only_regular_files_take_results(void **state) {
    (void)state;
    fm_journal *j;
    fm_error err;
    assert_int_equal(fm_journal_open("/dev/null", &j, &err), FM_ERR_IO);
    assert_int_equal(fm_journal_open(scratch_path(""), &j, &err), FM_ERR_IO);
    assert_int_equal(fm_journal_open(scratch_path("no/such"), &j, &err), FM_ERR_IO);
    const char *pipe = scratch_path("pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(fm_journal_open(pipe, &j, &err), FM_ERR_IO);
    for (int k = 0; k < 4; k++) {
        fm_mem_fail_from(k);
        fm_status status = fm_journal_open(scratch_path("nomem"), &j, &err);
        fm_mem_fail_from(-1);
        assert_int_equal(status, FM_ERR_MEMORY);
    }
}

/* ---- results ------------------------------------------------------------------------------------- */

static const fm_outcome_setup usual = {
    .model = "m", .grader = "answers", .architecture = "llama", .arith = "exact", .cache = "f32", .style = "r1",
    .instruction = "box it", .fingerprint = 0xfedcba9876543210u, .samples = 2, .max_tokens = 100,
    .thinking_budget = -1, .context = 4096, .temperature = 0.6, .top_p = 0.95, .seed = 7};

static void results_come_back_as_they_were(void **state) {
    (void)state;
    fm_eval_item item = {.line = 12, .id = "q\"12", .hash = 0x0123456789abcdefu, .answer = "work\n#### 5",
                         .answer_size = 11};
    fm_outcome_sample samples[3] = {
        {.judged = sample("5", true), .text = {"a\0b\n", 4}, .thinking = {"hm \xFF", 4}},
        {.judged = sample("", false), .text = {"", 0}, .thinking = {"", 0}},
        {.judged = sample("9", false), .text = {"9", 1}, .thinking = {"", 0}}};
    samples[2].judged.verdict = FM_UNDECIDED;
    samples[2].judged.tokens = -1;
    fm_buffer line = {0};
    fm_outcome_put(&line, &item, samples, 3);
    assert_false(line.failed);
    assert_null(memchr(line.data, '\n', line.size));
    fm_arena arena = {0};
    fm_outcome got;
    fm_error err;
    assert_ok(fm_outcome_read(line.data, line.size, "r.jsonl", 2, &arena, &got, &err));
    assert_true(got.line == 12 && got.hash == item.hash && got.n == 3);
    assert_text(got.samples[0].answer, "5");
    assert_true(got.samples[0].verdict == FM_RIGHT && got.samples[0].tokens == 10);
    assert_true(got.samples[0].stop == FM_EVAL_END && got.samples[0].formed && !got.samples[1].formed);
    assert_true(got.samples[1].verdict == FM_WRONG && got.samples[1].answer.n == 0);
    assert_true(got.samples[2].verdict == FM_UNDECIDED && got.samples[2].tokens == -1);
    assert_true(got.samples[1].stop == FM_EVAL_LENGTH && got.samples[1].seconds == 0.5);
    fm_json *root;
    assert_ok(fm_json_parse(line.data, line.size, &root, &err));
    size_t n;
    const fm_json *first = fm_json_at(fm_json_get(root, "samples"), 0);
    assert_memory_equal(fm_json_string_n(fm_json_get(first, "text"), &n), "a\0b\n", 4);
    assert_string_equal(fm_json_string(fm_json_get(root, "expected"), ""), "5");
    assert_true(fm_json_number(fm_json_get(root, "share"), 0) == 0.5);
    fm_json_free(root);
    /* cut anywhere, changed anywhere: refused or read, never worse */
    for (size_t size = 0; size < line.size; size++)
        assert_int_equal(fm_outcome_read(line.data, size, "r.jsonl", 2, &arena, &got, &err), FM_ERR_FORMAT);
    for (uint64_t i = 0; i < 20000; i++) {
        fm_rng_block r = fm_rng_at(4, 0, i);
        char *byte = &line.data[r.word[0] % line.size], before = *byte;
        *byte = (char)r.word[1];
        if (fm_outcome_read(line.data, line.size, "r.jsonl", 2, &arena, &got, &err) == FM_OK)
            assert_true(got.n > 0 && got.line > 0);
        *byte = before;
    }
    fm_arena_clear(&arena);
    fm_buffer_clear(&line);
}

static void another_setup_is_refused_by_name(void **state) {
    (void)state;
    fm_buffer line = {0};
    fm_error err;
    fm_outcome_put_setup(&line, &usual);
    assert_ok(fm_outcome_check(line.data, line.size, &usual, "r.jsonl", &err));
    fm_outcome_setup other = usual;
    other.model = "renamed";
    assert_ok(fm_outcome_check(line.data, line.size, &other, "r.jsonl", &err));
    struct {
        fm_outcome_setup setup;
        const char *says;
    } cases[13];
    for (size_t i = 0; i < FM_COUNT(cases); i++) cases[i].setup = usual;
    cases[0].setup.fingerprint++, cases[0].says = "results of another model ('m')";
    cases[1].setup.temperature = 0, cases[1].says = "temperature 0.6 and this run has 0:";
    cases[2].setup.samples = 3, cases[2].says = "samples 2 and this run has 3:";
    cases[3].setup.instruction = NULL, cases[3].says = "instruction 'box it' and this run has none:";
    cases[4].setup.system = "s", cases[4].says = "system none and this run has 's':";
    cases[5].setup.raw = true, cases[5].says = "raw false and this run has true:";
    cases[6].setup.seed++, cases[6].says = "seed '0000000000000007' and this run has '0000000000000008':";
    cases[7].setup.max_tokens = 0, cases[7].says = "max_tokens 100";
    cases[8].setup.style = "v3", cases[8].says = "style 'r1'";
    cases[9].setup.cache = "int8", cases[9].says = "cache 'f32'";
    cases[10].setup.top_k = 5, cases[10].says = "top_k 0";
    cases[11].setup.thinking_budget = 9, cases[11].says = "thinking_budget -1";
    cases[12].setup.grader = "maths", cases[12].says = "grader 'answers' and this run has 'maths':";
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        assert_int_equal(fm_outcome_check(line.data, line.size, &cases[i].setup, "r.jsonl", &err),
                         FM_ERR_ARGUMENT);
        if (!strstr(err.message, cases[i].says)) fail_msg("%s: not '%s'", cases[i].says, err.message);
    }
    static const char *const wrong[] = {"", "{}", "[]", "{\"line\": 1}", "{\"fathom_eval\": 1}", "\xFF"};
    for (size_t i = 0; i < FM_COUNT(wrong); i++) {
        assert_int_equal(fm_outcome_check(wrong[i], strlen(wrong[i]), &usual, "r.jsonl", &err), FM_ERR_FORMAT);
        assert_non_null(strstr(err.message, "holds no results of fathom eval"));
    }
    fm_buffer_clear(&line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_are_read_in_all_their_forms),
        cmocka_unit_test(the_usual_data_sets_are_known_by_their_fields),
        cmocka_unit_test(a_bad_line_is_named_with_its_number),
        cmocka_unit_test(random_lines_are_questions_or_refused),
        cmocka_unit_test(reading_questions_survives_a_lack_of_memory),
        cmocka_unit_test(lines_that_were_appended_are_there_again),
        cmocka_unit_test(a_torn_last_line_is_cut_off_wherever_it_was_torn),
        cmocka_unit_test(two_may_not_write_at_once),
        cmocka_unit_test(only_regular_files_take_results),
        cmocka_unit_test(results_come_back_as_they_were),
        cmocka_unit_test(another_setup_is_refused_by_name),
    };
    return cmocka_run_group_tests_name("results", tests, NULL, NULL);
}

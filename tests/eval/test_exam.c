/* A model asked questions: replies do not depend on who is answered beside them, and an exam that is
 * stopped anywhere and resumed ends with the same results. */
#include "support.h"

#include "base/file.h"
#include "base/mem.h"
#include "eval/exam.h"
#include "eval/local.h"

enum { CONTEXT = 200, MOST = 12, QUESTIONS = 7, SAMPLES = 3 };

typedef struct rig {
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
    fm_engine *engine;
    fm_tokenizer *tokenizer;
    fm_eval_items items;
} rig;

static fm_tokenizer *load(const char *path) {
    char *json;
    size_t size;
    fm_tokenizer *t;
    fm_error err;
    assert_ok(fm_file_read(path, 1 << 26, &json, &size, &err));
    assert_ok(fm_tokenizer_from_json(json, size, NULL, 0, &t, &err));
    fm_free(json);
    return t;
}

static void make_questions(rig *r) {
    char text[2000];
    size_t n = 0;
    fm_error err;
    for (int i = 0; i < QUESTIONS; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "{\"prompt\": \"Question %d of many words: %d?\", "
                              "\"answer\": \"%d\"}\n", i, i * i, i);
    assert_ok(fm_eval_items_parse("questions", text, n, 0, &r->items, &err));
}

static rig rig_of(const char *name, int64_t sequences) {
    fm_error err;
    rig r = {0};
    char path[4096];
    assert_ok(fm_store_open(golden_path(name), &r.store, &err));
    assert_ok(fm_pool_new(2, &r.pool, &err));
    assert_ok(fm_model_bind(r.store, &(fm_model_options){.pack = true}, &r.model, &err));
    assert_ok(fm_model_load(r.model, r.pool, NULL, NULL, &err));
    fm_engine_options options = {.rows = 32, .sequences = sequences, .context = CONTEXT, .pool = r.pool,
                                 .kernels = fm_kernels_get(fm_cpu_detect()), .share_prefixes = true};
    assert_ok(fm_engine_new(r.model, &options, &r.engine, &err));
    assert_ok(fm_engine_start(r.engine, &err));
    snprintf(path, sizeof path, "%s/tokenizer.json", golden_path(name));
    r.tokenizer = load(path);
    make_questions(&r);
    return r;
}

static void close_rig(rig *r) {
    fm_eval_items_clear(&r->items);
    fm_tokenizer_free(r->tokenizer);
    fm_engine_free(r->engine);
    fm_model_free(r->model);
    fm_pool_free(r->pool);
    fm_store_close(r->store);
}

typedef struct exam {
    fm_exam_options options;
    int64_t parallel;
} exam;

static exam usual(int64_t parallel, const char *out) {
    static const int64_t ks[] = {1, 2, 3};
    return (exam){.parallel = parallel, .options = {
        .setup = {.grader = "answers", .model = "tiny", .architecture = "x", .arith = "exact", .cache = "f32",
                  .style = "none",
                  .instruction = "Be short.", .samples = SAMPLES, .max_tokens = MOST, .context = CONTEXT,
                  .thinking_budget = -1, .temperature = 1, .top_p = 1, .seed = 3},
        .ks = ks, .n_ks = 3, .out = out}};
}

static fm_status summarised(rig *r, const exam *e, fm_exam_result *result, fm_summary *summary, fm_error *err) {
    fm_exam_prompts prompts;
    fm_exam_options options = e->options;
    fm_grader grader = fm_grader_of_answers();
    *result = (fm_exam_result){0};
    if (summary) *summary = (fm_summary){0};
    FM_TRY(fm_exam_prompts_make(r->tokenizer, &r->items, &options.setup, FM_CHAT_NONE, &prompts, err));
    fm_local local = {.engine = r->engine, .tokenizer = r->tokenizer, .items = &r->items, .prompts = &prompts,
                      .slots = e->parallel};
    fm_local_settle(&local, &options.setup);
    fm_respondent respondent = fm_local_respondent(&local);
    options.respondent = &respondent;
    options.grader = &grader;
    fm_status status = fm_exam_run(&r->items, &options, result, summary, err);
    fm_exam_prompts_clear(&prompts);
    return status;
}

static fm_status examine(rig *r, const exam *e, fm_exam_result *result, fm_error *err) {
    return summarised(r, e, result, NULL, err);
}

/* The results of a file, in the order of their questions, without what a clock says. */
static void read_results(const char *path, char *out, size_t room, int64_t *questions) {
    char *text, *lines[QUESTIONS + 2] = {0};
    size_t size, used = 0;
    fm_error err;
    assert_ok(fm_file_read(path, 1 << 24, &text, &size, &err));
    *questions = -1;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *number = strstr(line, "\"line\": ");
        size_t at = number ? (size_t)strtol(number + 8, NULL, 10) : 0;
        assert_true(at <= QUESTIONS);
        assert_null(lines[at]); /* each once */
        lines[at] = line;
        (*questions)++;
    }
    for (size_t i = 0; i <= QUESTIONS; i++)
        for (const char *c = lines[i] ? lines[i] : ""; *c && used + 1 < room; c++) {
            if (strncmp(c, "\"seconds\": ", 11) == 0) c += strcspn(c, ",");
            out[used++] = *c;
        }
    out[used] = 0;
    fm_free(text);
}

static void replies_do_not_depend_on_who_is_answered_beside_them(void **state) {
    (void)state;
    static char first[1 << 16], now[1 << 16];
    static const char *const names[] = {"tiny-v3", "tiny-qwen2"};
    for (size_t m = 0; m < FM_COUNT(names); m++)
        for (int64_t parallel = 1; parallel <= 9; parallel += 4) {
            rig r = rig_of(names[m], 1 + parallel / 2); /* more replies than a step takes */
            const char *path = scratch_path("beside");
            exam e = usual(parallel, path);
            fm_exam_result result;
            fm_error err;
            int64_t questions;
            unlink(path);
            assert_ok(examine(&r, &e, &result, &err));
            assert_true(result.items == QUESTIONS && result.resumed == 0);
            assert_true(result.tally.items == QUESTIONS && result.tally.samples == QUESTIONS * SAMPLES);
            assert_true(result.tokens > QUESTIONS * SAMPLES);
            read_results(path, parallel == 1 ? first : now, sizeof now, &questions);
            assert_int_equal(questions, QUESTIONS);
            if (parallel > 1) assert_string_equal(now, first);
            close_rig(&r);
        }
    assert_true(strlen(first) > 1000);
}

static bool stop_at(void *context, const fm_exam_result *so_far) {
    assert_true(so_far->tally.items <= so_far->items);
    return (*(int *)context)-- > 0;
}

/* The same figures to the bit, whatever was resumed and who was done first. */
static void assert_same(const fm_summary *a, const fm_summary *b) {
    assert_true(a->n == b->n && a->n > 0 && a->n_ks == 3);
    for (size_t i = 0; i < a->n; i++) {
        fm_summary_row x = a->rows[i], y = b->rows[i];
        x.domain = y.domain = x.band = y.band = NULL;
        assert_memory_equal(&x, &y, sizeof x);
    }
}

static void an_exam_that_was_stopped_goes_on_where_it_was(void **state) {
    (void)state;
    static char whole[1 << 16], now[1 << 16];
    rig r = rig_of("tiny-llama", 4);
    const char *path = scratch_path("resumed");
    exam e = usual(4, path);
    fm_exam_result all, result;
    fm_error err;
    int64_t questions;
    fm_summary first, second;
    assert_ok(summarised(&r, &e, &all, &first, &err));
    read_results(path, whole, sizeof whole, &questions);
    unlink(path);
    int stops = 0;
    for (fm_status status = FM_ERR_CANCELLED; status != FM_OK; stops++) {
        int left = 3 + stops % 20;
        e.options.progress = stop_at;
        e.options.context = &left;
        e.parallel = 1 + stops % 5;
        status = examine(&r, &e, &result, &err);
        if (status != FM_OK) assert_int_equal(status, FM_ERR_CANCELLED);
        read_results(path, now, sizeof now, &questions);
        assert_int_equal(questions, result.tally.items);
        FILE *f = fopen(path, "ab"); /* as if the next line had been cut */
        fprintf(f, "{\"line\": 5, \"ha");
        fclose(f);
    }
    assert_true(stops > 2);
    e.options.progress = NULL;
    assert_ok(summarised(&r, &e, &result, &second, &err)); /* nothing is left to ask */
    read_results(path, now, sizeof now, &questions);
    assert_string_equal(now, whole);
    assert_true(result.resumed == QUESTIONS && result.tokens == 0);
    assert_true(result.tally.right == all.tally.right && result.tally.cut == all.tally.cut);
    assert_same(&second, &first);
    fm_summary_clear(&second);
    fm_summary_clear(&first);
    close_rig(&r);
}

static void other_options_or_questions_are_not_mixed(void **state) {
    (void)state;
    rig r = rig_of("tiny-llama", 4);
    const char *path = scratch_path("mixed");
    exam e = usual(4, path);
    fm_exam_result result;
    fm_error err;
    assert_ok(examine(&r, &e, &result, &err));
    e.options.setup.temperature = 0.5;
    assert_int_equal(examine(&r, &e, &result, &err), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "temperature 1 and this run has 0.5"));
    e.options.setup.temperature = 1;
    r.items.items[2].hash++;
    assert_int_equal(examine(&r, &e, &result, &err), FM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "its line 3 is not that of this file"));
    r.items.items[2].hash--;
    r.items.n = 2; /* a limit */
    assert_ok(examine(&r, &e, &result, &err));
    assert_true(result.resumed == 2 && result.tally.items == 2);
    close_rig(&r);
}

static void what_is_right_is_counted_as_right(void **state) {
    (void)state;
    rig r = rig_of("tiny-llama", 4);
    const char *path = scratch_path("right");
    exam e = usual(3, path);
    fm_exam_result result;
    fm_error err;
    e.options.setup.samples = 1;
    e.options.setup.temperature = 0;
    assert_ok(examine(&r, &e, &result, &err));
    /* what it answered becomes what is expected, of every second question */
    char *text;
    size_t size;
    assert_ok(fm_file_read(path, 1 << 20, &text, &size, &err));
    fm_arena arena = {0};
    int64_t right = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        fm_outcome o;
        if (!strstr(line, "\"line\"")) continue;
        assert_ok(fm_outcome_read(line, strlen(line), path, 1, &arena, &o, &err));
        if (o.line % 2 == 0 || o.samples[0].answer.n == 0) continue;
        fm_eval_item *item = &r.items.items[o.line - 1];
        item->answer = o.samples[0].answer.s;
        item->answer_size = o.samples[0].answer.n;
        right++;
    }
    fm_free(text);
    assert_true(right > 0);
    e.options.out = NULL;
    assert_ok(examine(&r, &e, &result, &err));
    assert_int_equal(result.tally.right, right);
    fm_arena_clear(&arena);
    close_rig(&r);
}

static void a_question_that_does_not_fit_is_named_before_any_is_asked(void **state) {
    (void)state;
    rig r = rig_of("tiny-llama", 2);
    exam e = usual(2, NULL);
    fm_exam_result result;
    fm_error err;
    e.options.setup.context = 12;
    assert_int_equal(examine(&r, &e, &result, &err), FM_ERR_LIMIT);
    assert_non_null(strstr(err.message, "the question of line 1 has"));
    close_rig(&r);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    rig r = rig_of("tiny-llama", 2);
    r.items.n = 2;
    const char *path = scratch_path("memory");
    exam e = usual(2, path);
    e.options.setup.max_tokens = 3;
    fm_status status = FM_ERR_MEMORY;
    for (int k = 0; status != FM_OK; k++) {
        fm_exam_result result;
        fm_error err;
        fm_mem_fail_from(k);
        status = examine(&r, &e, &result, &err);
        fm_mem_fail_from(-1);
        if (status != FM_OK) assert_int_equal(status, FM_ERR_MEMORY);
        else assert_int_equal(result.tally.items, 2);
    }
    close_rig(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_do_not_depend_on_who_is_answered_beside_them),
        cmocka_unit_test(an_exam_that_was_stopped_goes_on_where_it_was),
        cmocka_unit_test(other_options_or_questions_are_not_mixed),
        cmocka_unit_test(what_is_right_is_counted_as_right),
        cmocka_unit_test(a_question_that_does_not_fit_is_named_before_any_is_asked),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("exam", tests, NULL, NULL);
}

/* Sessions of several threads at once through the public header: each gets what it would get alone. */
#include "api_support.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 6, PROMPT = 90 };

typedef struct worker {
    fathom_model *model;
    fathom_grammar *grammar;
    int32_t prompt[PROMPT];
    size_t n;
    int number;
    said said;
    char path[4096];
    fathom_status status;
    fathom_error err;
    pthread_t thread;
} worker;

static fathom_generate_options wish(worker *w) {
    fathom_generate_options o = options_into(&w->said, 0.9f, 30);
    o.sampling.sequence = (uint64_t)w->number;
    o.guesses = w->number % 3 * 4;
    if (w->number % 3 == 2) o.grammar = w->grammar;
    return o;
}

static void *answer(void *context) {
    worker *w = context;
    fathom_session *s = NULL;
    fathom_generate_options o = wish(w);
    w->status = fathom_session_new(w->model, &s, &w->err);
    if (w->status == FATHOM_OK) w->status = fathom_generate(s, w->prompt, w->n, &o, &w->said.g, &w->err);
    fathom_session_free(s);
    return NULL;
}

/* The same by hand: pushes and draws, with a fork and a way over a file in between. */
static void *push_by_hand(void *context) {
    worker *w = context;
    fathom_session *s = NULL, *next = NULL;
    fathom_generate_options o = wish(w);
    w->status = fathom_session_new(w->model, &s, &w->err);
    if (w->status == FATHOM_OK) w->status = fathom_session_sync(s, w->prompt, w->n, NULL, &w->err);
    while (w->status == FATHOM_OK && w->said.n < 30) {
        int32_t id = fathom_session_sample(s, &o.sampling);
        w->said.ids[w->said.n++] = id;
        w->status = fathom_session_push(s, id, &w->err);
        if (w->said.n % 10 || w->status != FATHOM_OK) continue;
        if (w->said.n % 20) {
            w->status = fathom_session_fork(s, &next, &w->err);
        } else {
            w->status = fathom_session_save(s, w->path, &w->err);
            if (w->status == FATHOM_OK) w->status = fathom_session_load(w->model, w->path, &next, &w->err);
        }
        if (w->status != FATHOM_OK) break;
        fathom_session_free(s);
        s = next;
    }
    fathom_session_free(s);
    return NULL;
}

/* Many at once from this thread too, beside the others. */
static void *answer_two(void *context) {
    worker *w = context;
    static said other; /* one thread does this */
    fathom_request r[2] = {{.prompt = w->prompt, .n = w->n, .options = wish(w)},
                           {.prompt = w->prompt, .n = w->n / 2, .options = options_into(&other, 1, 20)}};
    for (int i = 0; i < 2 && w->status == FATHOM_OK; i++)
        w->status = fathom_session_new(w->model, &r[i].session, &w->err);
    if (w->status == FATHOM_OK) w->status = fathom_generate_many(r, 2, &w->err);
    for (int i = 0; i < 2; i++) {
        if (w->status == FATHOM_OK && r[i].status != FATHOM_OK) w->status = r[i].status, w->err = r[i].error;
        fathom_session_free(r[i].session);
    }
    w->said.g = r[0].result;
    return NULL;
}

static worker *workers_of(fathom_model *model, fathom_grammar *grammar) {
    worker *w = calloc(THREADS, sizeof *w);
    for (int i = 0; i < THREADS; i++) {
        w[i].model = model;
        w[i].grammar = grammar;
        w[i].number = i;
        w[i].n = 20 + (size_t)i * 13;
        make_prompt(w[i].prompt, PROMPT, (uint64_t)(i % 2)); /* some begin alike */
        char name[32];
        snprintf(name, sizeof name, "thread-%d", i);
        strcpy(w[i].path, scratch_path(name));
    }
    return w;
}

static void threads_that_answer_at_once_say_what_each_would_alone(void **state) {
    (void)state;
    static const char text[] = "root ::= [a-z ]+ (\".\" [a-z ]+)*\n";
    static const char *const models[] = {"tiny-v3", "tiny-qwen2"};
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        fathom_model_options options = fathom_model_defaults();
        fathom_error err;
        fathom_grammar *g;
        options.context = API_CONTEXT;
        options.sessions = THREADS + 1;
        options.threads = 2;
        fathom_model *model = open_golden(models[m], &options);
        assert_fathom(fathom_grammar_gbnf(text, sizeof text - 1, &g, &err));
        worker *alone = workers_of(model, g), *together = workers_of(model, g);
        for (int i = 0; i < THREADS; i++) answer(&alone[i]);
        for (int i = 0; i < THREADS; i++) {
            bool by_hand = i % 3 == 1, two = i == 3;
            assert_int_equal(pthread_create(&together[i].thread, NULL,
                                            by_hand ? push_by_hand : two ? answer_two : answer,
                                            &together[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) pthread_join(together[i].thread, NULL);
        for (int i = 0; i < THREADS; i++) {
            if (together[i].status != FATHOM_OK) fail_msg("thread %d: %s", i, together[i].err.message);
            assert_int_equal(together[i].said.n, alone[i].said.n);
            assert_memory_equal(together[i].said.ids, alone[i].said.ids,
                                (size_t)alone[i].said.n * sizeof(int32_t));
            if (i % 3 != 1) assert_true(same_said(&alone[i].said, &together[i].said));
        }
        free(alone), free(together);
        fathom_grammar_free(g);
        fathom_model_close(model);
    }
}

/* Tokenizers and descriptions may be asked from anywhere while others compute. */
static atomic_bool over;

static void *ask(void *context) {
    fathom_model *model = context;
    const fathom_tokenizer *t = fathom_model_tokenizer(model);
    while (!over) {
        int32_t *ids;
        char *back;
        size_t n, size;
        if (fathom_tokenize(t, "What is the time?", 17, FATHOM_PLAIN, &ids, &n, NULL) != FATHOM_OK) abort();
        if (fathom_detokenize(t, ids, n, &back, &size, NULL) != FATHOM_OK) abort();
        if (size != 17 || fathom_model_describe(model).layers < 1) abort();
        fathom_free(ids);
        fathom_free(back);
    }
    return NULL;
}

static void a_model_may_be_asked_while_it_computes(void **state) {
    (void)state;
    fathom_model *model = open_golden("tiny-v2-lite", NULL);
    pthread_t asking;
    static said s;
    int32_t prompt[PROMPT];
    make_prompt(prompt, PROMPT, 1);
    over = false;
    assert_int_equal(pthread_create(&asking, NULL, ask, model), 0);
    for (int i = 0; i < 3; i++) {
        fathom_generate_options o = options_into(&s, 1, 40);
        say_anew(model, prompt, PROMPT, &o);
    }
    over = true;
    pthread_join(asking, NULL);
    fathom_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_that_answer_at_once_say_what_each_would_alone),
        cmocka_unit_test(a_model_may_be_asked_while_it_computes),
    };
    return cmocka_run_group_tests_name("threads through the library", tests, NULL, NULL);
}

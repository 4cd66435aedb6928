/* Replies: what is said does not depend on guesses, on who else is answered, or on threads; guesses that
 * come from an oracle are kept; grammars hold. */
#include "grammar_support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "engine/reply.h"

#include <pthread.h>

enum { CONTEXT = 300, MOST_TOKENS = CONTEXT };

typedef struct rig {
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
    fm_engine *engine;
    fm_tokenizer *tokenizer;
} rig;

static rig rig_of(const char *name, int threads) {
    fm_error err;
    rig r = {0};
    char path[4096];
    assert_ok(fm_store_open(golden_path(name), &r.store, &err));
    assert_ok(fm_pool_new(threads, &r.pool, &err));
    assert_ok(fm_model_bind(r.store, &(fm_model_options){.pack = true, .mtp = true}, &r.model, &err));
    assert_ok(fm_model_load(r.model, r.pool, NULL, NULL, &err));
    fm_engine_options options = {.rows = 64, .sequences = 5, .outputs = 24, .context = CONTEXT,
                                 .pool = r.pool, .kernels = fm_kernels_get(fm_cpu_detect()),
                                 .share_prefixes = true};
    assert_ok(fm_engine_new(r.model, &options, &r.engine, &err));
    assert_ok(fm_engine_start(r.engine, &err));
    snprintf(path, sizeof path, "%s/tokenizer.json", golden_path(name));
    r.tokenizer = load_tokenizer(path, NULL);
    return r;
}

static void close_rig(rig *r) {
    fm_tokenizer_free(r->tokenizer);
    fm_engine_free(r->engine);
    fm_model_free(r->model);
    fm_pool_free(r->pool);
    fm_store_close(r->store);
}

static void make_prompt(int32_t *ids, int64_t n, uint64_t seed) {
    for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)(fm_rng_uniform(seed, 1, (uint64_t)i) * 400);
}

/* What was said: tokens and text. */
typedef struct said {
    int32_t tokens[MOST_TOKENS];
    int64_t n;
    char text[8 * MOST_TOKENS];
    size_t size;
    fm_reply_report report;
    /* an oracle that knows what will be said */
    const struct said *known;
    int64_t from;       /* the prompt's length */
    int64_t right_for;  /* guesses of each draft that it gets right; the next is wrong */
    int64_t right_out_of_hundred;
    uint64_t calls;
} said;

static bool note_text(void *context, const char *text, size_t size, bool thinking) {
    (void)thinking;
    said *s = context;
    memcpy(s->text + s->size, text, size);
    s->size += size;
    return true;
}

static bool note_token(void *context, const fm_reply_token *t) {
    said *s = context;
    s->tokens[s->n++] = t->id;
    return true;
}

static int64_t oracle(void *context, const int32_t *tokens, int64_t n, int64_t most, int32_t *out) {
    said *s = context;
    (void)tokens;
    int64_t at = n - s->from + 1, count = 0; /* tokens[n] is certain: guesses begin behind it */
    for (; count < most && at + count < s->known->n; count++) {
        out[count] = s->known->tokens[at + count];
        bool wrong = count >= s->right_for ||
                     fm_rng_uniform(5, 2, s->calls++) * 100 >= (double)s->right_out_of_hundred;
        if (wrong) out[count] = (out[count] + 1) % 400;
    }
    return count;
}

static fm_reply_options options_of(said *s, float temperature, int64_t most) {
    *s = (said){.right_for = FM_DRAFT_MAX, .right_out_of_hundred = 100};
    return (fm_reply_options){
        .sampling = {.temperature = temperature, .top_p = 0.97f, .repetition_penalty = 1.1f,
                     .frequency_penalty = 0.2f, .seed = 11},
        .text = {.thinking_budget = -1}, .max_tokens = most, .ignore_end = true,
        .on_text = note_text, .on_token = note_token, .context = s};
}

static void answer(const rig *r, const int32_t *prompt, int64_t n, const fm_reply_options *options) {
    fm_error err;
    fm_sequence *s;
    fm_reply *reply;
    said *to = options->context;
    assert_ok(fm_sequence_new(r->engine, &s, &err));
    assert_ok(fm_sequence_queue(s, prompt, n, &err));
    assert_ok(fm_reply_new(s, r->tokenizer, options, &reply, &err));
    assert_ok(fm_reply_run(reply, &err));
    to->report = fm_reply_report_of(reply);
    fm_reply_free(reply);
    fm_sequence_free(s);
}

static void assert_same(const said *a, const said *b) {
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->tokens, b->tokens, (size_t)a->n * sizeof *a->tokens);
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->text, b->text, a->size);
    assert_int_equal(a->report.stop, b->report.stop);
    assert_true(a->report.logits_hash == b->report.logits_hash);
}

/* ---- without guesses: the definition ----------------------------------------------------------------*/

static void a_reply_is_sampling_token_by_token(void **state) {
    (void)state;
    fm_error err;
    rig r = rig_of("tiny-v3", 2);
    int32_t prompt[40];
    make_prompt(prompt, 40, 1);
    static said got;
    fm_reply_options o = options_of(&got, 0.9f, 60);
    answer(&r, prompt, 40, &o);
    fm_sequence *s;
    fm_sampler *sampler;
    assert_ok(fm_sequence_new(r.engine, &s, &err));
    assert_ok(fm_sampler_new(&o.sampling, fm_tokenizer_size(r.tokenizer),
                             fm_kernels_get(fm_cpu_detect()), &sampler, &err));
    assert_ok(fm_sequence_extend(s, prompt, 40, NULL, NULL, &err));
    fm_sampler_see(sampler, prompt, 40);
    for (int i = 0; i < 60; i++) {
        int32_t id = fm_sampler_draw(sampler, fm_sequence_logits(s), 40 + (uint64_t)i, NULL, 0);
        assert_int_equal(id, got.tokens[i]);
        fm_sampler_accept(sampler, id);
        assert_ok(fm_sequence_extend(s, &id, 1, NULL, NULL, &err));
    }
    assert_int_equal(got.n, 60);
    assert_int_equal(got.report.stop, FM_REPLY_LENGTH);
    fm_sampler_free(sampler);
    fm_sequence_free(s);
    close_rig(&r);
}

/* ---- guesses ----------------------------------------------------------------------------------------*/

static void guesses_change_nothing_that_is_said(void **state) {
    (void)state;
    static const char *const models[] = {"tiny-v3", "tiny-llama"};
    static const float temperatures[] = {0, 0.5f, 1.2f};
    int64_t mtp = 0, repeats = 0;
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        rig r = rig_of(models[m], (int)m + 2);
        for (int t = 0; t < 3; t++) {
            int32_t prompt[70];
            make_prompt(prompt, 70, 20 + (uint64_t)t);
            memcpy(prompt + 40, prompt, 20 * sizeof *prompt); /* something to look up */
            static said plain, guessed;
            fm_reply_options o = options_of(&plain, temperatures[t], 0); /* to the end of the context */
            answer(&r, prompt, 70, &o);
            assert_int_equal(plain.n, CONTEXT - 70);
            for (int always = 0; always < 2; always++) {
                o = options_of(&guessed, temperatures[t], 0);
                o.guesses = always ? 3 : FM_DRAFT_MAX;
                o.guess_always = always;
                answer(&r, prompt, 70, &o);
                assert_same(&plain, &guessed);
                mtp += guessed.report.guessed_mtp;
                repeats += guessed.report.guessed - guessed.report.guessed_mtp;
            }
        }
        close_rig(&r);
    }
    assert_true(mtp > 100 && repeats > 100);
}

/* Acceptance by models with random weights proves nothing; an oracle's does. */
static void an_oracle_is_believed(void **state) {
    (void)state;
    rig r = rig_of("tiny-v3", 2);
    int32_t prompt[50];
    make_prompt(prompt, 50, 4);
    static said plain, guessed;
    static const float temperatures[] = {0, 0.8f};
    for (int t = 0; t < 2; t++) {
        fm_reply_options o = options_of(&plain, temperatures[t], 200);
        answer(&r, prompt, 50, &o);
        o = options_of(&guessed, temperatures[t], 200);
        guessed.known = &plain;
        guessed.from = 50;
        guessed.right_out_of_hundred = 99;
        o.guesses = 7;
        o.guess = oracle;
        answer(&r, prompt, 50, &o);
        assert_same(&plain, &guessed);
        assert_true(guessed.report.guessed > 100);
        assert_true((double)guessed.report.right > 0.95 * (double)guessed.report.guessed);
        assert_true(guessed.report.steps < 200 / 5);
    }
    close_rig(&r);
}

/* Drafts of every length, right for every length: also over the ends of pages and blocks. */
static void going_back_from_any_guess_leaves_no_trace(void **state) {
    (void)state;
    rig r = rig_of("tiny-v3", 1);
    static said plain, guessed;
    int32_t prompt[230];
    static const int64_t prompts[] = {50, 230};
    for (size_t p = 0; p < FM_COUNT(prompts); p++) {
        make_prompt(prompt, prompts[p], 6);
        fm_reply_options o = options_of(&plain, 0.7f, 40);
        answer(&r, prompt, prompts[p], &o);
        for (int64_t length = 1; length <= FM_DRAFT_MAX; length += sanitized() ? 5 : 1)
            for (int64_t right = 0; right <= length; right += sanitized() ? 3 : 1) {
                o = options_of(&guessed, 0.7f, 40);
                guessed.known = &plain;
                guessed.from = prompts[p];
                guessed.right_for = right;
                o.guesses = length;
                o.guess = oracle;
                answer(&r, prompt, prompts[p], &o);
                assert_same(&plain, &guessed);
            }
    }
    close_rig(&r);
}

/* ---- many at once -----------------------------------------------------------------------------------*/

enum { MANY = 12 };

static void answers_in_one_round_are_those_given_alone(void **state) {
    (void)state;
    fm_error err;
    static const char *const models[] = {"tiny-v3", "tiny-qwen2"};
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        rig r = rig_of(models[m], 3);
        static said alone[MANY], together[MANY];
        static int32_t prompts[MANY][90];
        fm_sequence *sequences[MANY];
        fm_reply *replies[MANY];
        for (int i = 0; i < MANY; i++) {
            int64_t n = 5 + i * 7;
            make_prompt(prompts[i], n, (uint64_t)(i % 3)); /* some begin alike */
            fm_reply_options o = options_of(&alone[i], (float)(i % 3) * 0.5f, 30 + i);
            o.sampling.sequence = (uint64_t)i;
            answer(&r, prompts[i], n, &o);
            o.context = &together[i];
            together[i] = (said){0};
            o.guesses = i % 4 * 2;
            o.guess_always = i % 2;
            assert_ok(fm_sequence_new(r.engine, &sequences[i], &err));
            assert_ok(fm_sequence_queue(sequences[i], prompts[i], n, &err));
            assert_ok(fm_reply_new(sequences[i], r.tokenizer, &o, &replies[i], &err));
        }
        for (bool more = true; more;) assert_ok(fm_replies_round(replies, MANY, &more, &err));
        for (int i = 0; i < MANY; i++) {
            assert_true(fm_reply_done(replies[i]));
            assert_ok(fm_reply_failure(replies[i], &err));
            together[i].report = fm_reply_report_of(replies[i]);
            assert_same(&alone[i], &together[i]);
            fm_reply_free(replies[i]);
            fm_sequence_free(sequences[i]);
        }
        close_rig(&r);
    }
}

typedef struct errand {
    const rig *r;
    int32_t prompt[60];
    int64_t n;
    fm_reply_options options;
} errand;

static void *run_errand(void *context) {
    errand *e = context;
    answer(e->r, e->prompt, e->n, &e->options);
    return NULL;
}

static void threads_that_answer_at_the_same_time_say_what_they_would_alone(void **state) {
    (void)state;
    rig r = rig_of("tiny-v3", 2);
    enum { THREADS = 6 };
    static said alone[THREADS], together[THREADS];
    static errand errands[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        errand *e = &errands[i];
        *e = (errand){.r = &r, .n = 10 + 9 * i};
        make_prompt(e->prompt, e->n, (uint64_t)i % 2);
        e->options = options_of(&alone[i], 0.8f, 40);
        e->options.sampling.sequence = (uint64_t)i;
        run_errand(e);
    }
    for (int i = 0; i < THREADS; i++) {
        errands[i].options = options_of(&together[i], 0.8f, 40);
        errands[i].options.sampling.sequence = (uint64_t)i;
        errands[i].options.guesses = i % 3 * 2;
        assert_int_equal(pthread_create(&threads[i], NULL, run_errand, &errands[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) assert_same(&alone[i], &together[i]);
    close_rig(&r);
}

/* ---- grammars and ends ------------------------------------------------------------------------------*/

static void a_grammar_holds_with_guesses_and_without(void **state) {
    (void)state;
    fm_error err;
    rig r = rig_of("tiny-v3", 2);
    fm_grammar *g = grammar_of("root ::= \"[\" item (\", \" item)* \"]\"\n"
                               "item ::= [0-9]{1,3} | \"\\\"\" [a-z ]{0,12} \"\\\"\"\n");
    fm_token_trie *trie;
    assert_ok(fm_token_trie_new(r.tokenizer, &trie, &err));
    int ended = 0, guessed_right = 0;
    for (int i = 0; i < (sanitized() ? 3 : 12); i++) {
        int32_t prompt[30];
        make_prompt(prompt, 30, (uint64_t)i);
        static said plain, guessed;
        fm_reply_options o = options_of(&plain, 1, 80);
        o.ignore_end = false;
        o.grammar = g;
        o.trie = trie;
        o.sampling.seed = (uint64_t)i;
        answer(&r, prompt, 30, &o);
        verdict v = judge_bytes(g, plain.text, plain.size);
        assert_int_equal(v, plain.report.stop == FM_REPLY_END ? COMPLETE : v == REFUSED ? -1 : v);
        ended += plain.report.stop == FM_REPLY_END;
        guessed = (said){0};
        o.context = &guessed;
        o.guesses = 4;
        o.guess_always = true;
        answer(&r, prompt, 30, &o);
        assert_same(&plain, &guessed);
        guessed_right += guessed.report.right > 0;
    }
    assert_true(ended > 0);
    fm_token_trie_free(trie);
    fm_grammar_free(g);
    close_rig(&r);
}

static bool stop_after_five(void *context, const fm_reply_token *t) {
    note_token(context, t);
    return ((said *)context)->n < 5;
}

static void callers_limits_and_stop_strings_end_a_reply(void **state) {
    (void)state;
    fm_error err;
    rig r = rig_of("tiny-llama", 1);
    int32_t prompt[20];
    make_prompt(prompt, 20, 3);
    static said all, part;
    fm_reply_options o = options_of(&all, 0, 60);
    answer(&r, prompt, 20, &o);
    fm_reply_options few = options_of(&part, 0, 60);
    few.on_token = stop_after_five;
    answer(&r, prompt, 20, &few);
    assert_int_equal(part.n, 5);
    assert_int_equal(part.report.stop, FM_REPLY_CALLER);
    assert_memory_equal(part.tokens, all.tokens, 5 * sizeof *all.tokens);
    /* a piece out of the middle of what is said */
    size_t at = all.size / 2;
    while (all.text[at] <= 0 || all.text[at + 1] <= 0 || all.text[at + 2] <= 0 || all.text[at + 3] <= 0) at++;
    fm_token_text stop = {all.text + at, 4};
    few = options_of(&part, 0, 60);
    few.text.stops = &stop;
    few.text.n_stops = 1;
    few.guesses = 5;
    answer(&r, prompt, 20, &few);
    assert_int_equal(part.report.stop, FM_REPLY_STRING);
    assert_int_equal(part.report.text.stop, 0);
    const char *first = strstr(all.text, (char[]){stop.data[0], stop.data[1], stop.data[2], stop.data[3], 0});
    assert_int_equal(part.size, first - all.text);
    assert_memory_equal(part.text, all.text, part.size);
    fm_sequence *s;
    fm_reply *reply;
    assert_ok(fm_sequence_new(r.engine, &s, &err));
    few = options_of(&part, 0, 60);
    few.guesses = FM_DRAFT_MAX + 1;
    assert_int_equal(fm_reply_new(s, r.tokenizer, &few, &reply, &err), FM_ERR_ARGUMENT);
    few.guesses = 0;
    assert_ok(fm_reply_new(s, r.tokenizer, &few, &reply, &err));
    assert_int_equal(fm_reply_run(reply, &err), FM_ERR_ARGUMENT); /* no prompt */
    fm_reply_free(reply);
    fm_sequence_free(s);
    close_rig(&r);
}

static void memory_that_ends_is_one_replys_failure(void **state) {
    (void)state;
    fm_error err;
    rig r = rig_of("tiny-v3", 1);
    int32_t prompt[30];
    make_prompt(prompt, 30, 3);
    int64_t failed = 0;
    for (int64_t k = 0; k < 400; k++) {
        static said s;
        fm_sequence *q;
        fm_reply *reply = NULL;
        fm_reply_options o = options_of(&s, 0.5f, 50);
        o.guesses = 3;
        assert_ok(fm_sequence_new(r.engine, &q, &err));
        assert_ok(fm_sequence_queue(q, prompt, 30, &err));
        fm_mem_fail_from(k);
        fm_status status = fm_reply_new(q, r.tokenizer, &o, &reply, &err);
        if (status == FM_OK) status = fm_reply_run(reply, &err);
        fm_mem_fail_from(-1);
        if (status != FM_OK) assert_int_equal(status, FM_ERR_MEMORY);
        failed += status != FM_OK;
        fm_reply_free(reply);
        fm_sequence_free(q);
        if (status == FM_OK) break;
    }
    assert_true(failed > 5);
    close_rig(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_is_sampling_token_by_token),
        cmocka_unit_test(guesses_change_nothing_that_is_said),
        cmocka_unit_test(an_oracle_is_believed),
        cmocka_unit_test(going_back_from_any_guess_leaves_no_trace),
        cmocka_unit_test(answers_in_one_round_are_those_given_alone),
        cmocka_unit_test(threads_that_answer_at_the_same_time_say_what_they_would_alone),
        cmocka_unit_test(a_grammar_holds_with_guesses_and_without),
        cmocka_unit_test(callers_limits_and_stop_strings_end_a_reply),
        cmocka_unit_test(memory_that_ends_is_one_replys_failure),
    };
    return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}

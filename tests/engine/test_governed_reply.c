/* The parts of a reply together: thoughts within a budget, then an answer that a grammar governs, drawn
 * from logits that know nothing of either. */
#include "grammar_support.h"

#include "engine/sample.h"
#include "engine/transcript.h"

enum { TOKENS_MOST = 400 };

static const char json[] = "root ::= object\n"
                           "value ::= object | array | string | number | \"true\" | \"null\"\n"
                           "object ::= \"{\" ws (pair (\",\" ws pair)*)? \"}\"\n"
                           "pair ::= string \":\" ws value\n"
                           "array ::= \"[\" (value (\",\" ws value)*)? \"]\"\n"
                           "string ::= \"\\\"\" [^\"\\\\\\x00-\\x1f]* \"\\\"\"\n"
                           "number ::= \"-\"? [0-9]+ (\".\" [0-9]+)?\n"
                           "ws ::= \" \"?\n";
static const char choice[] = "root ::= \"yes\" | \"no\" | \"你好\"";
static const char open_end[] = "root ::= [a-z]+ (\" \" [a-z]+)*";

typedef struct vocabulary {
    fm_tokenizer *tokenizer;
    fm_token_trie *trie;
    int64_t n, n_bits;
    uint64_t *bits;
    float *logits;
} vocabulary;

static vocabulary open_vocabulary(void) {
    vocabulary v = {.tokenizer = load_tiny("deepseek-v3")};
    fm_error err;
    assert_ok(fm_token_trie_new(v.tokenizer, &v.trie, &err));
    v.n = fm_tokenizer_size(v.tokenizer);
    v.n_bits = fm_token_trie_size(v.trie);
    v.bits = calloc(fm_token_mask_words(v.n_bits), sizeof *v.bits);
    v.logits = calloc((size_t)v.n, sizeof *v.logits);
    return v;
}

static void close_vocabulary(vocabulary *v) {
    fm_tokenizer_free(v->tokenizer);
    fm_token_trie_free(v->trie);
    free(v->bits);
    free(v->logits);
}

/* A model without sense: now and then a logit is not even a number. */
static void think_of_something(vocabulary *v, uint64_t seed, int64_t position) {
    for (int64_t i = 0; i < v->n; i++) {
        double x = fm_rng_uniform(seed, (uint64_t)position, (uint64_t)i);
        v->logits[i] = x < 0.01 ? NAN : x < 0.03 ? -INFINITY : (float)(40 * x - 20);
    }
}

typedef struct outcome {
    fm_buffer answer;
    fm_transcript_report report;
    bool ended;
} outcome;

/* One reply, as an engine would make it. Whatever is drawn, the grammar must take it. */
static outcome reply(vocabulary *v, fm_grammar *g, const fm_sampling *how, const fm_transcript_options *o) {
    fm_error err;
    fm_sampler *sampler;
    fm_transcript *t;
    fm_constraint c;
    outcome out = {0};
    assert_ok(fm_sampler_new(how, v->n, fm_kernels_get(fm_cpu_detect()), &sampler, &err));
    assert_ok(fm_transcript_new(v->tokenizer, o, &t, &err));
    fm_constraint_init(&c, g);
    for (int64_t at = 0; at < TOKENS_MOST && !out.ended; at++) {
        fm_token id;
        bool governed = fm_transcript_answering(t), allowed = true;
        if (!fm_transcript_forced(t, &id)) {
            int64_t count;
            think_of_something(v, how->seed, at);
            if (governed) assert_ok(fm_constraint_mask(&c, v->trie, v->bits, &count, &err));
            id = fm_sampler_draw(sampler, v->logits, (uint64_t)at, governed ? v->bits : NULL, v->n_bits);
            assert_in_range(id, 0, v->n - 1); /* never a dead end */
        }
        if (governed) assert_ok(fm_constraint_accept_token(&c, v->tokenizer, id, &allowed, &err));
        assert_true(allowed);
        fm_sampler_accept(sampler, id);
        out.ended = fm_tokenizer_is_end_of_turn(v->tokenizer, id) && governed;
        fm_transcript_piece piece;
        if (!out.ended) assert_ok(fm_transcript_push(t, id, &piece, &err));
        else assert_ok(fm_transcript_finish(t, &piece, &err));
        if (!piece.thinking) fm_buffer_put(&out.answer, piece.text, piece.size);
    }
    out.report = fm_transcript_state(t);
    fm_constraint_clear(&c);
    fm_transcript_free(t);
    fm_sampler_free(sampler);
    return out;
}

static void answers_obey_the_grammar_whatever_the_sampler_is_told(void **state) {
    (void)state;
    vocabulary v = open_vocabulary();
    fm_token eos = fm_tokenizer_eos(v.tokenizer), quote = fm_tokenizer_find(v.tokenizer, "\"");
    fm_logit_bias bias[] = {{eos, 20}, {quote, -INFINITY}};
    const fm_sampling settings[] = {
        {.temperature = 0},
        {.temperature = 1, .top_p = 1},
        {.temperature = 0.6f, .top_p = 0.95f, .top_k = 1},
        {.temperature = 3, .top_p = 0.3f, .min_p = 0.5f},
        {.temperature = 1, .top_p = 1, .repetition_penalty = 5, .frequency_penalty = 2},
        {.temperature = 1, .top_p = 1, .bias = bias, .n_bias = 1},
        {.temperature = 0, .bias = bias, .n_bias = 2},
    };
    static const char *const grammars[] = {json, choice, open_end};
    int ended = 0;
    for (size_t k = 0; k < FM_COUNT(grammars); k++) {
        fm_grammar *g = grammar_of(grammars[k]);
        for (size_t i = 0; i < FM_COUNT(settings); i++)
            for (uint64_t seed = 0; seed < (sanitized() ? 2 : 8); seed++) {
                fm_sampling how = settings[i];
                how.seed = 100 * i + seed;
                fm_transcript_options o = {.starts_thinking = seed % 2, .thinking_budget = (int64_t)seed,
                                           .force_blank_line = true};
                outcome out = reply(&v, g, &how, &o);
                verdict judged = judge_bytes(g, out.answer.data ? out.answer.data : "", out.answer.size);
                if (judged == REFUSED || (out.ended && judged != COMPLETE))
                    fail_msg("'%s' in\n%s", fm_buffer_string(&out.answer), grammars[k]);
                if (k == 1) assert_true(out.ended); /* three words: nothing is left but to end */
                ended += out.ended;
                assert_false(out.report.thinking);
                fm_buffer_clear(&out.answer);
            }
        fm_grammar_free(g);
    }
    assert_true(ended > 20);
    close_vocabulary(&v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_obey_the_grammar_whatever_the_sampler_is_told),
    };
    return cmocka_run_group_tests_name("governed reply", tests, NULL, NULL);
}

/* A chat that goes on for a very long time: random turns, half of them not what one would expect, and no
 * growth. A small sample here; FATHOM_SOAK=1 makes it a week's worth. */
#include "base/mem.h"
#include "base/rng.h"
#include "fathom/fathom.h"
#include "support.h"

#include <unistd.h>

enum { CONTEXT = 448, SYSTEM = 70 };

typedef struct chat {
    fathom_model *model;
    fathom_session *session;
    fathom_grammar *grammar;
    int32_t ids[CONTEXT];
    size_t n;
    uint64_t draws;
    int64_t turns, said, restored, forked, full;
} chat;

static int64_t draw(chat *c, int64_t n) {
    return (int64_t)(fm_rng_uniform(77, 1, c->draws++) * (double)n);
}

static void ok(fathom_status status, const fathom_error *err) {
    if (status != FATHOM_OK) fail_msg("%s", err->message);
}

static bool hear(void *context, const fathom_token *token) {
    chat *c = context;
    if (c->n < CONTEXT) c->ids[c->n++] = token->id;
    return draw(c, 60) > 0; /* now and then somebody presses Ctrl-C */
}

/* The conversation begins again behind its system prompt, or goes back a few turns. */
static void make_room(chat *c) {
    if (c->n > CONTEXT - 90 || draw(c, 40) == 0) c->n = SYSTEM;
    if (draw(c, 15) == 0) c->n = SYSTEM + (size_t)draw(c, (int64_t)(c->n - SYSTEM + 1));
}

static void turn(chat *c) {
    fathom_error err;
    make_room(c);
    for (int64_t i = 4 + draw(c, 30); i > 0; i--) c->ids[c->n++] = (int32_t)draw(c, 400);
    fathom_generate_options o = fathom_generate_defaults(c->model);
    fathom_generation g;
    o.sampling.seed = (uint64_t)c->turns;
    o.max_tokens = 1 + draw(c, 40);
    o.ignore_end = draw(c, 2);
    o.grammar = draw(c, 8) == 0 ? c->grammar : NULL;
    o.guesses = draw(c, 9);
    o.logprobs = draw(c, 4) == 0;
    o.n_logprobs = 3;
    o.on_token = hear;
    o.context = c;
    int32_t prompt[CONTEXT];
    size_t n = c->n;
    memcpy(prompt, c->ids, n * sizeof *prompt);
    ok(fathom_generate(c->session, prompt, n, &o, &g, &err), &err);
    c->said += g.generated_tokens;
    c->turns++;
}

/* What else happens to a session in its life. */
static void event(chat *c) {
    fathom_error err;
    fathom_session *other = NULL;
    int64_t what = draw(c, 30);
    if (what == 0) { /* the fork goes on, or is given up */
        ok(fathom_session_fork(c->session, &other, &err), &err);
        bool swap = draw(c, 2);
        fathom_session_free(swap ? c->session : other);
        if (swap) c->session = other;
        c->forked++;
    } else if (what == 1) {
        ok(fathom_session_save(c->session, scratch_path("endurance"), &err), &err);
        fathom_session_free(c->session);
        ok(fathom_session_load(c->model, scratch_path("endurance"), &c->session, &err), &err);
        c->restored++;
    } else if (what == 2) { /* somebody asks too much */
        int32_t *long_prompt = calloc(CONTEXT + 1, sizeof *long_prompt);
        assert_int_equal(fathom_session_sync(c->session, long_prompt, CONTEXT + 1, NULL, &err),
                         FATHOM_ERR_LIMIT);
        free(long_prompt);
        c->full++;
    }
}

static size_t live_bytes(void) {
    fm_mem_stats s = fm_mem_statistics();
    size_t all = 0;
    for (int i = 0; i < FM_MEM_PURPOSES; i++) all += s.live_bytes[i];
    return all;
}

static size_t resident_bytes(void) {
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    assert_int_equal(fscanf(f, "%lu %lu", &size, &resident), 2);
    fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void a_chat_without_end_does_not_grow(void **state) {
    (void)state;
    static const char *const models[] = {"tiny-v3", "tiny-llama"};
    const int64_t turns = getenv("FATHOM_SOAK") ? 20000 : sanitized() ? 60 : 400;
    for (size_t m = 0; m < FM_COUNT(models); m++) {
        fathom_error err;
        static chat c;
        c = (chat){.n = SYSTEM};
        fathom_model_options options = fathom_model_defaults();
        options.context = CONTEXT;
        options.cache = m ? FATHOM_CACHE_INT8 : FATHOM_CACHE_BF16;
        ok(fathom_model_open(golden_path(models[m]), &options, &c.model, &err), &err);
        ok(fathom_session_new(c.model, &c.session, &err), &err);
        static const char text[] = "root ::= [a-z ]{1,30} \".\"";
        ok(fathom_grammar_gbnf(text, strlen(text), &c.grammar, &err), &err);
        for (int i = 0; i < SYSTEM; i++) c.ids[i] = i * 5 % 400;
        size_t most = 0, resident = 0;
        while (c.turns < turns) {
            turn(&c);
            event(&c);
            if (c.turns <= turns / 4) { /* until here all that is kept has been met */
                most = live_bytes() > most ? live_bytes() : most;
                resident = resident_bytes();
            } else if (live_bytes() > most + most / 100) {
                fail_msg("after %lld turns %zu bytes are held, %zu before", (long long)c.turns,
                         live_bytes(), most);
            }
        }
        if (!sanitized()) assert_true(resident_bytes() < resident + (8u << 20));
        assert_true(c.said > turns && c.restored > 0 && c.forked > 0 && c.full > 0);
        print_message("%s: %lld turns, %lld tokens, %zu bytes held\n", models[m], (long long)c.turns,
                      (long long)c.said, live_bytes());
        fathom_grammar_free(c.grammar);
        fathom_session_free(c.session);
        fathom_model_close(c.model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_chat_without_end_does_not_grow)};
    return cmocka_run_group_tests_name("endurance", tests, NULL, NULL);
}

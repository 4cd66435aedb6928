/* grammar_support.h: grammars in tests. */
#pragma once

#include "token/token_support.h"

#include "engine/grammar/constrain.h"

static inline fm_grammar *grammar_of(const char *text) {
    fm_error err = {0};
    fm_grammar *g = NULL;
    if (fm_grammar_parse(text, strlen(text), &g, &err) != FM_OK)
        fail_msg("%s\nin\n%s", err.message, text);
    return g;
}

typedef enum verdict { REFUSED, PREFIX, COMPLETE } verdict;

/* What the grammar says of these bytes, given one by one. */
static inline verdict judge_bytes(fm_grammar *g, const char *bytes, size_t n) {
    fm_error err = {0};
    fm_constraint c;
    fm_constraint_init(&c, g);
    bool allowed = true;
    for (size_t i = 0; i < n && allowed; i++) {
        assert_ok(fm_constraint_accept(&c, bytes + i, 1, &allowed, &err));
    }
    verdict v = !allowed ? REFUSED : fm_constraint_can_end(&c) ? COMPLETE : PREFIX;
    fm_constraint_clear(&c);
    return v;
}

static inline verdict judge(fm_grammar *g, const char *text) {
    return judge_bytes(g, text, strlen(text));
}

static inline void expect(fm_grammar *g, const char *text, verdict wanted) {
    static const char *const names[] = {"refused", "a beginning", "complete"};
    verdict v = judge(g, text);
    if (v != wanted) fail_msg("'%s' is %s, not %s", text, names[v], names[wanted]);
}

/* Deterministic numbers for properties. */
typedef struct dice {
    uint64_t seed, n;
} dice;

static inline uint32_t roll(dice *d, uint32_t sides) {
    return (uint32_t)(fm_rng_at(d->seed, 7, d->n++).word[0] % sides);
}

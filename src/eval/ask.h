/* ask.h: many replies to many prompts, as many side by side as there are slots.
 *
 * In exact arithmetic what is said does not depend on the slots: a draw is a function of seed, sequence
 * number and position, and a row's bits of its own tokens. */
#pragma once

#include "engine/reply.h"
#include "eval/final_answer.h"

/* A reply that is wanted. */
typedef struct fm_ask {
    const int32_t *ids; /* the prompt; borrowed until it is done */
    int64_t n;
    bool starts_thinking;
    uint64_t sequence;  /* tells the draws of one prompt's replies apart */
} fm_ask;

/* One that has come; its texts live during the call. */
typedef struct fm_asked {
    int64_t index;
    fm_span text, thinking;
    fm_reply_report report;
    double seconds; /* from its turn to its end, its neighbours' work included */
} fm_asked;

typedef struct fm_ask_options {
    fm_sampling sampling;
    int64_t max_tokens;      /* 0: until the context is full */
    int64_t thinking_budget; /* negative: none */
    int64_t slots;
    /* The index-th reply wanted, 0, 1, ...; false past the last. */
    bool (*next)(void *context, int64_t index, fm_ask *out);
    /* In the order in which they end. */
    fm_status (*done)(void *context, const fm_asked *reply, fm_error *err);
    /* After every step, with the tokens it drew. Returning false stops with FM_ERR_CANCELLED. May be NULL. */
    bool (*progress)(void *context, int64_t tokens);
    void *context;
} fm_ask_options;

/* Nobody else may use the engine. Stops at the first error, also one of `done`. */
fm_status fm_ask_all(fm_engine *engine, const fm_tokenizer *tokenizer, const fm_ask_options *options,
                     fm_error *err);

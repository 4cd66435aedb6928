/* respondent.h: who answers: a model in this process (local.h), or one behind an address (api).
 *
 * It gets messages and gives text. It has no tools: between the question and the end of a reply no
 * program touches what is said. */
#pragma once

#include "eval/items.h"
#include "eval/span.h"

/* A reply that is wanted. */
typedef struct fm_ask {
    size_t item;     /* of the list that the respondent was made with */
    int64_t sample;  /* tells an item's replies apart */
} fm_ask;

/* One that has come; its texts live during the call. */
typedef struct fm_asked {
    int64_t index;
    fm_span text, thinking; /* the reply, and the reasoning where the model sets it apart */
    bool cut;               /* at the limit of tokens */
    int64_t tokens;         /* generated; -1: nobody said */
    double seconds;         /* from its turn to its end, its neighbours' work included */
} fm_asked;

typedef struct fm_asking {
    /* The index-th reply wanted, 0, 1, ...; false past the last. */
    bool (*next)(void *context, int64_t index, fm_ask *out);
    /* In the order in which they end. */
    fm_status (*done)(void *context, const fm_asked *reply, fm_error *err);
    /* Often; `tokens` came since the last call. Returning false stops with FM_ERR_CANCELLED. */
    bool (*progress)(void *context, int64_t tokens);
    void *context;
} fm_asking;

typedef struct fm_respondent {
    /* Until all are answered, or the first error, also one of `done`. All calls of `asking` are made
     * from the caller's thread. */
    fm_status (*ask_all)(void *context, const fm_asking *asking, fm_error *err);
    void *context;
} fm_respondent;

/* Names the draws of a reply, by its line: a question is asked alike whatever else is. */
static inline uint64_t fm_ask_name(const fm_eval_item *item, int64_t sample) {
    return ((uint64_t)item->line << 20) + (uint64_t)sample;
}

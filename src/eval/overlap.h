/* overlap.h: which questions a training file has seen.
 *
 * Words are runs of letters and digits, in lower case; all else divides them. A question shares an n-gram
 * when n of its words in a row stand in the file; a question of fewer words when all of it does. JSON
 * lines are read as the texts in them, each on its own; their "key" and "phrasing" are compared with those
 * of the questions. 13 words are what GPT-3's authors compared (Brown et al. 2020, appendix C); 8 find
 * more and err more. */
#pragma once

#include "eval/items.h"

typedef struct fm_overlap {
    int64_t lines;
    int64_t with_key, with_phrasing; /* questions that have one */
    int64_t keys, phrasings, grams_8, grams_13;
} fm_overlap;

/* Reads the file once, in memory of the order of the questions' size; hashes of 64 bits stand for
 * n-grams. `go_on` is asked now and then (NULL: never); false stops with FM_ERR_CANCELLED. */
fm_status fm_overlap_count(const fm_eval_items *items, const char *path, bool (*go_on)(void *context),
                           void *context, fm_overlap *out, fm_error *err);

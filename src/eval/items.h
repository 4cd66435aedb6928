/* items.h: questions with their answers, one JSON object a line (JSONL):
 *
 *     {"prompt": "What is 2 + 2?", "answer": "4"}
 *     {"messages": [{"role": "user", "content": "..."}], "answer": 42, "id": "aime-7"}
 *
 * The question is "messages", "prompt", "question" or "problem", the first that is there; the answer a
 * string, a number or a boolean; "id" or "unique_id" is kept for the results. Empty lines are passed
 * over. Whatever else a line holds is a sentence with its number. */
#pragma once

#include "base/arena.h"

typedef struct fm_eval_message {
    const char *role, *content;
    size_t size;
} fm_eval_message;

typedef struct fm_eval_item {
    int64_t line;             /* in its file, from 1 */
    const char *id;           /* NULL: none */
    const fm_eval_message *messages;
    size_t n_messages;
    const char *answer;       /* as the data set has it */
    size_t answer_size;
    uint64_t hash;            /* of messages and answer */
} fm_eval_item;

typedef struct fm_eval_items {
    fm_eval_item *items;
    size_t n;
    fm_arena arena; /* behind every pointer */
} fm_eval_items;

/* Reads the first `limit` items (0: all). FM_ERR_FORMAT names file and line; a file without items is
 * refused too. */
fm_status fm_eval_items_read(const char *path, int64_t limit, fm_eval_items *out, fm_error *err);
/* The same from text in memory; `name` stands in errors. */
fm_status fm_eval_items_parse(const char *name, const char *text, size_t size, int64_t limit,
                              fm_eval_items *out, fm_error *err);
void fm_eval_items_clear(fm_eval_items *items);

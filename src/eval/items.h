/* items.h: questions with their answers, one JSON object a line (JSONL), in the forms that the usual data
 * sets have (docs/eval.md shows one line of each):
 *
 *     {"prompt": "What is 2 + 2?", "answer": "4"}
 *     {"messages": [{"role": "user", "content": "..."}], "answer": 42, "id": "aime-7"}
 *     {"question": "...", "choices": ["...", "..."], "answer": 1, "subject": "..."}
 *     {"prompt": "def f(x): ...", "test": "def check(candidate): ...", "entry_point": "f"}
 *     {"prompt": "...", "checker": "countdown", "facts": {...}}      as `fathom tasks sample` writes it
 *
 * Empty lines are passed over; whatever else a line holds is a sentence with its number. */
#pragma once

#include "base/arena.h"

typedef struct fm_eval_message {
    const char *role, *content;
    size_t size;
} fm_eval_message;

typedef enum fm_item_kind {
    FM_ITEM_ANSWER,  /* a text or a number */
    FM_ITEM_CHOICE,  /* one of several, by its letter */
    FM_ITEM_PROGRAM, /* a function to write, tested by a program (HumanEval) */
    FM_ITEM_PROBLEM, /* checked by whoever posed it, not by comparing */
} fm_item_kind;

typedef struct fm_item_program {
    const char *prompt;      /* the beginning that is to be completed */
    const char *test;        /* defines check(candidate) */
    const char *entry_point; /* the function's name */
} fm_item_program;

typedef struct fm_eval_item {
    size_t index;             /* among its items */
    int64_t line;             /* in its file, from 1 */
    const char *id;           /* NULL: none, here and below */
    const char *domain, *band; /* what figures are told apart by: a subject; a level */
    const char *key, *phrasing; /* of a problem that was made: its canonical key, its template ("gcd/2") */
    fm_item_kind kind;
    const fm_eval_message *messages;
    size_t n_messages;
    const char *question;     /* without what is put around it (choices, an order); NULL: all messages of the user */
    size_t question_size;
    const char *answer;       /* as the data set has it; of a choice its letter; NULL for programs */
    size_t answer_size;
    const char *const *choices; /* CHOICE: texts of A, B, ... */
    size_t n_choices;
    fm_item_program program;  /* PROGRAM */
    const char *source;       /* PROBLEM of a file: its line */
    size_t source_size;
    uint64_t hash;            /* of messages, answer, tests and line */
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
/* One more, whose texts are in the arena or outlive it; index and hash are set here. */
fm_status fm_eval_items_add(fm_eval_items *items, const fm_eval_item *item, fm_error *err);
void fm_eval_items_clear(fm_eval_items *items);

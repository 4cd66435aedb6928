/* word_list.h: common English words that problems are made of, and answers that are lists. */
#pragma once

#include "rl/task/dice.h"

enum { FM_WORD_MAX = 12 }; /* letters of a word of the table, at most */

/* One of the table's words with so many letters, 3 to 10; lower case. */
const char *fm_task_word(fm_dice *d, int least, int most);
/* n different ones with blanks between, into out[size]; false: they do not fit. */
bool fm_task_words(fm_dice *d, int n, int least, int most, char *out, size_t size);

/* The next piece of a list that somebody wrote as an answer: "a, b, c" or "a b c", in square brackets or not,
 * each in quotes or not. `at` begins at 0; false at the end, and then *good says whether all of it was a list. */
typedef struct fm_list_answer {
    const char *text;
    size_t size, at;
    bool good;
} fm_list_answer;

fm_list_answer fm_list_answer_of(const char *text, size_t size);
bool fm_list_answer_next(fm_list_answer *list, const char **piece, size_t *n);
/* A list of exactly these whole numbers, in this order. */
bool fm_list_answer_is(const char *text, size_t size, const int64_t *numbers, size_t n);

/* draft.h: tokens guessed ahead: where guesses come from, and how far it pays to guess.
 *
 * A guess is checked by the model in the same step that computes the token before it, and it stays only
 * if it is the very token that would have been drawn there. So guesses change how long an answer takes
 * and nothing else. */
#pragma once

#include "base/status.h"

/* Repeats: of the text tokens[0..n), next, finds the longest end, at least two tokens, that was there
 * before, the latest of the longest, and writes up to `most` tokens that followed it then. Returns how
 * many. Lookups of prompts (Saxena 2023) and of what was generated alike. O(n). */
int64_t fm_draft_repeat(const int32_t *tokens, int64_t n, int32_t next, int64_t most, int32_t *out);

/* How often guesses of one kind have been right lately. Zeroed: nothing is known. */
typedef struct fm_draft_pace {
    double right;   /* smoothed share of guesses that were right, given that all before them were */
    int64_t trials; /* guesses that it rests on */
    int64_t idle;   /* tokens since the last guess */
    int64_t misses; /* attempts in a row, made only to see, that were wrong */
} fm_draft_pace;

/* How many tokens to guess now: so many that the tokens to be expected for a second are most. The k-th
 * guess is right with probability right^k; seconds[r] is what a step of r rows takes, for r = 1 to
 * 1 + most, and `each` what making a guess takes. Kinds that do not pay are tried again now and then,
 * the more rarely the more often that was in vain. Call once per token drawn. */
int64_t fm_draft_length(fm_draft_pace *pace, const double *seconds, double each, int64_t most);
/* Of `guessed` tokens the first `right` were right. */
void fm_draft_learn(fm_draft_pace *pace, int64_t guessed, int64_t right);

/* final.h: the final answer of a reply, for those who pay for it. (eval's more forgiving rules are
 * in eval/final_answer.h.)
 *
 * There must be exactly one: none and several are no answer, with the reason. One pass over the
 * bytes, no regular expressions, no allocation; any bytes may come in.
 *
 * What counts is what follows </think>. A reply that never thinks counts whole; one that opens
 * <think> and does not close it has no answer, and so has one that closes it twice. There: <answer>
 * ... </answer>   once, and nothing but white space behind it. A single \boxed{...} around all of
 * what is inside is taken off; \boxed{...} or \fbox{...} once, its braces balanced, where there are
 * no answer tags. Text may follow. Two equal answers are still two. */
#pragma once

#include <stddef.h>

enum { FM_FINAL_MAX = 4096 }; /* bytes of an answer; a longer one is none */

typedef enum fm_final {
    FM_FINAL_FOUND,
    FM_FINAL_NONE,       /* neither tags nor box */
    FM_FINAL_SEVERAL,    /* more than one, or one in the other */
    FM_FINAL_UNCLOSED,   /* </answer> or the brace is missing, or comes first */
    FM_FINAL_EMPTY,      /* nothing but white space in it */
    FM_FINAL_TOO_LONG,   /* more than FM_FINAL_MAX bytes */
    FM_FINAL_TEXT_AFTER, /* something behind </answer> */
    FM_FINAL_THINKING,   /* <think> is never closed */
    FM_FINAL_THOUGHTS,   /* several <think> or </think> */
} fm_final;

/* On FM_FINAL_FOUND *answer and *answer_n are the answer, a trimmed piece of `reply`; else empty.
 */
fm_final fm_final_answer(const char *reply, size_t n, const char **answer, size_t *answer_n);

/* A clause for people: "there are several answers". */
const char *fm_final_reason(fm_final found);

/* parts.h: a reply taken apart by its tags, strictly: what is laid out otherwise has no parts. One pass over the
 * bytes, no patterns that could match across a line's end or give back. */
#pragma once

#include "rl/reward/reward.h"

typedef struct fm_reply_part {
    const char *text; /* in the reply */
    size_t size;
} fm_reply_part;

typedef struct fm_reply_parts {
    bool formed;            /* it keeps to the form, to its end token */
    const char *fault;      /* why not: a clause for people; NULL when it does */
    fm_reply_part thinking; /* as far as it can be told: up to the first </think>, or all of it */
    fm_reply_part answer;   /* trimmed; empty where the form is broken */
} fm_reply_parts;

/* FM_FORM_TAGS: <think> thoughts </think> <answer> answer </answer>, white space between them, and nothing before
 * or behind. FM_FORM_PLAIN: <think> thoughts </think> and then the answer, to the end; the tags of an answer do
 * not occur, or only as in the other form. Every tag stands exactly once, thoughts and answer are not blank, and
 * the reply ended by itself. A reply that was opened begins inside the thoughts. */
fm_reply_parts fm_reply_take_apart(const fm_reward_reply *reply, fm_reply_form form);

/* Without the white space (ASCII's) at both ends. */
fm_reply_part fm_reply_trimmed(const char *text, size_t size);

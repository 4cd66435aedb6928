/* choice.h: which of several choices a reply gives. */
#pragma once

#include "eval/items.h"
#include "eval/span.h"

/* The choice that a final answer names, from 0: by the text of one of them, or by the one letter that
 * stands alone in it ("B", "(B)", "B. Paris", "option B"). -1: none, or several ("A or B"); the A of
 * "A dog" and the I of "I think" are words. */
int64_t fm_choice_of(const fm_eval_item *item, fm_span answer, bool *failed);

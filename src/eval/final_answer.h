/* final_answer.h: what a reply's final answer is, and whether it is the expected one.
 *
 * Everything that judges goes through this header, so that richer checks can take its place. The rules
 * here compare text and numbers, no algebra: x+1 is not 1+x. Any bytes may come in. */
#pragma once

#include "base/buffer.h"
#include "eval/span.h"

/* The final answer of a reply, a piece of it; n = 0: there is none. What comes before the last </think>
 * does not count, and an unfinished <think> has no answer. Then, the first that is there:
 *   what the last complete <answer>...</answer> holds, a box around it taken off;
 *   the last complete \boxed{...} (or \fbox{...});
 *   what follows the last "answer is", "answer:" or "####", to the end of the sentence or line;
 *   the last number where the expected answer is one, else the last line that is not empty.
 * `numeric`: the expected answer is a number; "answer is" then gives the first number after it.
 * *marked (or NULL): by one of the rules before the last. */
fm_span fm_answer_extract(const char *reply, size_t n, bool numeric, bool *marked);

/* What is inside the last complete \boxed{...}; false: there is none. */
bool fm_answer_boxed(fm_span text, fm_span *inside);

/* The expected answer as data sets write it: what follows the last "####" (GSM8K), else all of it. */
fm_span fm_answer_expected(const char *text, size_t n);

/* Appends a form in which answers are compared: no $...$, \( \), **, \boxed, \text around it; no period
 * or comma at its end; no "x =" in front; no \left, \right, thin spaces, degrees, units in \text; spaces
 * single, and none beside punctuation. */
void fm_answer_normalize(fm_buffer *out, const char *text, size_t n);

/* True if the whole text is a number when normalised. */
bool fm_answer_is_number(fm_span text);

/* Equal as numbers (number.h) where both are numbers, else byte for byte when normalised. Case counts.
 * Without memory for the work nothing is equal, and *failed is set. */
bool fm_answer_equal(fm_span a, fm_span b, bool *failed);

/* form.h: what an answer looks like, beside what it is worth. rl/maths only. */
#pragma once

#include "base/buffer.h"
#include "rl/maths/scalar.h"

/* A number as one writes results: digits, a fraction of two integers, a mixed number, with a sign,
 * a percent sign, a power of ten. */
bool fm_form_is_literal(const fm_tree_node *x);

/* May `given` stand as the result where `gold` is expected? A literal gold wants a literal; one
 * that is a whole number wants no fraction. NULL, or what is wrong with it. */
const char *fm_form_unfinished(fm_scope *scope, const fm_tree_node *gold,
                               const fm_tree_node *given);

/* A number in digits whose whole part is not 0. */
bool fm_form_is_one_or_more(const fm_tree_node *x);

/* Could a fraction in x be cancelled? */
bool fm_form_reducible(fm_scope *scope, const fm_tree_node *x);

/* Does `given` have an operation in it and stand in the prompt, word for word? false without
 * memory. */
bool fm_form_is_echo(const char *prompt, size_t prompt_n, const char *given, size_t given_n,
                     fm_arena *arena);

/* Words as they are compared: letters small, no \text around them, single spaces, no mark at the
 * end. */
void fm_form_fold(fm_buffer *out, const char *s, size_t n);

/* "(c)", "C.", "C)" for the choice C: the capital letter, else 0. */
char fm_form_choice(const char *s, size_t n);

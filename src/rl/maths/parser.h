/* parser.h: what the parts of the parser share: nodes.c makes nodes, numerals.c reads numbers, parse.c values,
 * elements.c what is made of them. rl/maths only. */
#pragma once

#include "rl/maths/lexeme.h"
#include "rl/maths/tree.h"

typedef struct fm_parser {
    const fm_lexeme *at;
    fm_tree *tree;
    fm_tree_reading reading;
    fm_arena *arena;
    int depth;
    int bars;             /* of |x| that are open: a bar then closes */
    const char *stop;     /* a unit begins here: nothing is multiplied with it */
    const fm_lexeme *end; /* of the element that is being read */
} fm_parser;

/* NULL, and the first reason stays. */
fm_tree_node *fm_parse_refuse(fm_parser *p, const char *why);
fm_tree_node *fm_parse_refuse_limit(fm_parser *p, const char *why);
fm_tree_node *fm_parse_refuse_memory(fm_parser *p);

/* NULL where there is no memory or too much of it, or where a child is NULL. */
fm_tree_node *fm_parse_make(fm_parser *p, fm_tree_kind kind, int op, int n);
fm_tree_node *fm_parse_one(fm_parser *p, fm_tree_kind kind, int op, fm_tree_node *a);
fm_tree_node *fm_parse_two(fm_parser *p, fm_tree_kind kind, int op, fm_tree_node *a,
                           fm_tree_node *b);
fm_tree_node *fm_parse_text(fm_parser *p, fm_tree_kind kind, int op, const char *s, int n);
/* A number that stands nowhere; the digits stay. */
fm_tree_node *fm_parse_integer(fm_parser *p, const char *digits);
/* To a node whose children are counted as they come. */
bool fm_parse_append(fm_parser *p, fm_tree_node *list, fm_tree_node *child);

bool fm_parse_is_sign(const fm_lexeme *l, int value);
bool fm_parse_take(fm_parser *p, int value);

bool fm_parse_is_integer(const fm_lexeme *l);
/* The number of one lexeme: its separators taken out, its exponent off. */
fm_tree_node *fm_parse_read_number(fm_parser *p, const fm_lexeme *l);
/* ... and what belongs to a number behind it: a fraction, repeating digits, a base. */
fm_tree_node *fm_parse_number(fm_parser *p);

fm_tree_node *fm_parse_sum(fm_parser *p);
/* element (separator element)*, at least one, as children of a node of this kind. */
fm_tree_node *fm_parse_inside(fm_parser *p, fm_tree_kind kind);

/* program_parse.h: what the two halves of the parser share: statements (program_parse.c) and expressions
 * (program_expression.c). */
#pragma once

#include "rl/program/program_tree.h"

typedef struct call {
    node *node;
    function *inside; /* NULL: at the top */
} call;

typedef struct parser {
    reading *reading;
    struct fm_program *program;
    const token *at;
    const name_entry *names;
    int nesting, loops;
    function *function;   /* being read; NULL at the top */
    fm_buffer uses;       /* node *: names used in this function */
    fm_buffer calls;      /* call: of the whole program */
    function **functions; /* by id */
    bool *given;          /* by id: a global that is assigned somewhere */
    int *place;           /* by id: its place among the locals of the function being read, + 1 */
    fm_buffer locals;     /* int: the ids of that function's locals */
    function *last;
} parser;

static inline bool parser_sees_word(const parser *p, word w) { return p->at->kind == TOKEN_WORD && p->at->word == w; }
static inline bool parser_sees(const parser *p, sign s) { return p->at->kind == TOKEN_SIGN && p->at->sign == s; }
static inline bool parser_takes(parser *p, sign s) {
    bool sees = parser_sees(p, s);
    p->at += sees;
    return sees;
}

/* "expected X, not Y"; false. */
bool fm_program_expected(parser *p, const char *what);
node *fm_program_node(parser *p, node_kind kind);
/* Appends to a chain and counts. */
void fm_program_append(node *owner, node **end, node *item);

enum { FM_PROGRAM_ALONE = 100 }; /* a value without operators */

/* An expression whose operators bind at least as tightly as `least` (0: any). NULL after a fault. */
node *fm_program_expression(parser *p, int least);

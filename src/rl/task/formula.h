/* formula.h: formulas of propositional logic: read, written, and their whole truth table at once.
 *
 *   not, ~, !, \neg        binds closest           and, &, &&, /\, *, \land, \wedge
 *   or, |, ||, \/, +, \lor, \vee                   xor, ^, \oplus
 *   ->, =>, implies, \to, \rightarrow, \implies    (to the right)
 *   <->, <=>, iff, \leftrightarrow, \iff           loosest
 * also the signs of Unicode for them; T, F, true, false; ( ) and [ ]; names are one small letter. Words are not
 * told from capitals: NOT is not. */
#pragma once

#include "base/buffer.h"

enum {
    FM_FORMULA_VARIABLES = 4,
    FM_FORMULA_NODES = 256,
    FM_FORMULA_DEPTH = 40,
};

typedef enum fm_formula_op {
    FM_FORMULA_VARIABLE, FM_FORMULA_CONSTANT, FM_FORMULA_NOT, FM_FORMULA_AND, FM_FORMULA_OR, FM_FORMULA_XOR,
    FM_FORMULA_IMPLIES, FM_FORMULA_IFF,
} fm_formula_op;

/* Nodes stand behind their operands; the last one is the whole. */
typedef struct fm_formula {
    struct {
        uint8_t op;
        int16_t left, right; /* operands (NOT: left), a variable's place, or a constant's 0 or 1 */
    } node[FM_FORMULA_NODES];
    int n;
} fm_formula;

/* Variables are the letters of `names`, in that order, at most FM_FORMULA_VARIABLES. False: the text is no such
 * formula, or one beyond the limits above. */
bool fm_formula_read(const char *text, size_t size, const char *names, fm_formula *out);
/* Adds a node and returns its place; -1: there is no room. */
int fm_formula_add(fm_formula *f, fm_formula_op op, int left, int right);

/* Bit r of the result is the value in row r; rows count down from all true, the first variable slowest: in row 0
 * all are true, in row 1 the last one is false. 2^variables bits. */
uint16_t fm_formula_table(const fm_formula *f, int node, int variables);
/* The value of variable v in row r. */
static inline bool fm_formula_row(int row, int v, int variables) { return !(row >> (variables - 1 - v) & 1); }

/* The ops that occur, as bits. */
unsigned fm_formula_ops(const fm_formula *f);

/* With brackets around every part of more than one operand but negations. */
void fm_formula_write(const fm_formula *f, int node, const char *names, fm_buffer *out);
/* The same for formulas that differ only in the names of variables and in the order and grouping of what and, or,
 * xor and iff join. */
void fm_formula_key(const fm_formula *f, int variables, fm_buffer *out);

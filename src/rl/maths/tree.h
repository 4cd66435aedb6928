/* tree.h: an answer's text as a tree. rl/maths only.
 *
 * The grammar, loosest first; anything else is refused, with a reason:
 *
 *   answer    element ((, | ; | or | and) element)*
 *   element   [variable \in] term ((= | < | > | \le | \ge | \ne | \approx) term)*  [unit]
 *   term      ratio (\cup ratio)*            ratio    sum (: sum)*
 *   sum       product ((+ | - | \pm | \mp) product)*
 *   product   signed ((* | \cdot | \times | / | \div | nothing) signed)*
 *   signed    (- | + | \pm)* power           power    postfix [^ signed]
 *   postfix   primary (! | % | degree)*
 *   primary   number, mixed number, name, constant, function, \frac \sqrt \binom \overline, |sum|,
 *             ( [ \{ answer \} ] ), matrix, words
 *
 * What stands beside each other is multiplied, unless the second is a number. */
#pragma once

#include "base/arena.h"

typedef enum fm_tree_kind {
    FM_TREE_NUMBER,   /* text: digits with at most one point; exponent of ten; the last `repeat`
                         repeat */
    FM_TREE_NAME,     /* text: a variable, with its subscript */
    FM_TREE_CONSTANT, /* op: fm_tree_constant */
    FM_TREE_NEGATE,
    FM_TREE_ADD,
    FM_TREE_SUBTRACT,
    FM_TREE_MULTIPLY,
    FM_TREE_DIVIDE,
    FM_TREE_POWER,
    FM_TREE_ROOT, /* child 0: radicand, child 1: index (a number) */
    FM_TREE_ABSOLUTE,
    FM_TREE_CALL, /* op: fm_tree_function; child 0: argument, child 1 of a logarithm: its base */
    FM_TREE_FACTORIAL,
    FM_TREE_BINOMIAL,
    FM_TREE_PLUS_MINUS, /* one child, or two: the sum or the difference; op 1: \mp */
    FM_TREE_PERCENT,
    FM_TREE_DEGREE,
    FM_TREE_QUANTITY, /* child 0 in the unit `text` */
    FM_TREE_WORDS,    /* text */
    FM_TREE_BASED,    /* text: digits, op: the base they are written in */
    FM_TREE_LIST,     /* what commas make on the outside */
    FM_TREE_GROUP,    /* the same in brackets: tuples, intervals; left and right */
    FM_TREE_SET,      /* in \{ \}; none: the empty set */
    FM_TREE_UNION,
    FM_TREE_RATIO,
    FM_TREE_MATRIX,   /* op: columns */
    FM_TREE_RELATION, /* child 0 op child 1 */
    FM_TREE_CHAIN,    /* relations that share sides, one after another: a = b = c */
} fm_tree_kind;

typedef enum fm_tree_constant {
    FM_CONSTANT_PI,
    FM_CONSTANT_E,
    FM_CONSTANT_I,
    FM_CONSTANT_INFINITY,
    FM_CONSTANT_REALS,
} fm_tree_constant;

typedef enum fm_tree_function {
    FM_FUNCTION_SIN,
    FM_FUNCTION_COS,
    FM_FUNCTION_TAN,
    FM_FUNCTION_COT,
    FM_FUNCTION_SEC,
    FM_FUNCTION_CSC,
    FM_FUNCTION_ARCSIN,
    FM_FUNCTION_ARCCOS,
    FM_FUNCTION_ARCTAN,
    FM_FUNCTION_SINH,
    FM_FUNCTION_COSH,
    FM_FUNCTION_TANH,
    FM_FUNCTION_LN,
    FM_FUNCTION_LOG, /* without a base: of 10 or of e, see fm_tree.bare_log */
    FM_FUNCTION_EXP,
} fm_tree_function;

typedef enum fm_tree_relation {
    FM_RELATION_EQUAL,
    FM_RELATION_LESS,
    FM_RELATION_GREATER,
    FM_RELATION_AT_MOST,
    FM_RELATION_AT_LEAST,
    FM_RELATION_UNEQUAL,
    FM_RELATION_ABOUT,
    FM_RELATION_IN,
} fm_tree_relation;

typedef struct fm_tree_node {
    fm_tree_kind kind;
    int op;
    int n; /* children */
    int height;
    struct fm_tree_node **child;
    const char *text; /* a piece of the source, or of the arena */
    int text_n, exponent, repeat;
    char left, right;   /* brackets of a group */
    bool parenthesised; /* ( ) stood around it */
    bool mixed;         /* a sum written as a mixed number */
    bool beside;        /* a product without a sign */
} fm_tree_node;

/* Are single letters behind a number units? */
typedef enum fm_tree_letters {
    FM_LETTERS_VARIABLES,
    FM_LETTERS_SPACED, /* "5 m" is five metres, "5m" is five times m */
    FM_LETTERS_UNITS,  /* both are metres */
} fm_tree_letters;

typedef struct fm_tree {
    fm_tree_node *root; /* NULL: not in the grammar */
    const char *why;    /* then */
    int nodes;
    bool limit;     /* a limit of equivalence.h was passed */
    bool memory;    /* there was none */
    bool variables; /* a name occurs */
    bool bare_log;  /* a logarithm without a base occurs */
    bool thousands; /* a comma stands between thousands */
    bool slash;     /* "a/bc" occurs: a/b times c, or a over bc? */
} fm_tree;

typedef struct fm_tree_reading {
    fm_tree_letters letters;
    bool tight;  /* "a/bc" is a over bc */
    bool commas; /* "1,234" is a list of two */
} fm_tree_reading;

/* Nodes and texts lie in the arena; `s` must outlive the tree. */
void fm_tree_parse(fm_tree *tree, const char *s, size_t n, fm_tree_reading reading,
                   fm_arena *arena);

/* The same tree, node by node. */
bool fm_tree_same(const fm_tree_node *a, const fm_tree_node *b);

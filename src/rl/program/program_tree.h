/* program_tree.h: a program as a tree. Nodes stand in the program's arena and do not change once it was read. */
#pragma once

#include "rl/program/program_lex.h"

typedef enum node_kind {
    /* expressions */
    NODE_NUMBER,   /* number */
    NODE_TRUTH,    /* number: 0 or 1 */
    NODE_NONE,
    NODE_TEXT,     /* text */
    NODE_GLOBAL,   /* number: the name's id */
    NODE_LOCAL,    /* number: the place in the call's frame; id */
    NODE_LIST,     /* items */
    NODE_MINUS,    /* left */
    NODE_PLUS,     /* left */
    NODE_NOT,      /* left */
    NODE_AND,      /* left, right */
    NODE_OR,       /* left, right */
    NODE_BINARY,   /* operation; left, right */
    NODE_COMPARE,  /* left; items: operands, each with its `relation` */
    NODE_INDEX,    /* left[right] */
    NODE_SLICE,    /* left[items]: three, NULL-kind NODE_NONE where absent */
    NODE_CALL,     /* function; items */
    NODE_BUILTIN,  /* number: which; items */
    NODE_METHOD,   /* left.number(items), number: which */
    NODE_PRINT,    /* items; left and right: sep and end, texts, or NULL */
    /* statements */
    NODE_ASSIGN,   /* items = values */
    NODE_AUGMENT,  /* left operation= right */
    NODE_DO,       /* left: an expression */
    NODE_IF,       /* items: branches, each NODE_BRANCH */
    NODE_BRANCH,   /* left: condition, or NULL for else; items: its block */
    NODE_WHILE,    /* left: condition; items: block */
    NODE_FOR,      /* left: NODE_GLOBAL or NODE_LOCAL; right: what is walked; items: block */
    NODE_BREAK,
    NODE_CONTINUE,
    NODE_PASS,
    NODE_RETURN,   /* left, or NULL */
    NODE_DEF,      /* function */
} node_kind;

typedef enum relation {
    REL_LESS, REL_LESS_EQUAL, REL_GREATER, REL_GREATER_EQUAL, REL_EQUAL, REL_UNEQUAL, REL_IN, REL_NOT_IN,
} relation;

typedef struct node node;
struct node {
    uint8_t kind;      /* node_kind */
    uint8_t operation; /* SIGN_PLUS .. SIGN_POWER */
    uint8_t relation;
    uint16_t height;
    uint32_t count; /* of items, where they are counted */
    int line;
    int id; /* of the name, where there is one */
    int64_t number;
    node *left, *right;
    node *items, *values; /* chains by `next` */
    node *next;
    const struct text *text;
    const struct function *function;
};

typedef struct function {
    int id; /* its name */
    int line;
    int parameters, locals; /* parameters are the first locals */
    int index;              /* among the functions of the program */
    node *block;
    struct function *next;
} function;

struct fm_program {
    fm_arena arena;
    node *block;
    name_entry *names;
    int n_names, n_functions;
};

/* The tree of the tokens. False after a fault. */
bool fm_program_read_tree(reading *r, const lexed *all, struct fm_program *out);

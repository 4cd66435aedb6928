/* grammar_ast.h: a grammar as it was written: the parser makes it, the checks judge it, the compiler
 * turns it into automata. Private to engine/grammar_*.c.
 *
 * All nodes lie in one arena. Depth is bounded when nodes are made (FM_GRAMMAR_NESTING_MAX), so
 * recursion over a tree is safe; between rules nothing recurses. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "engine/grammar/grammar.h"

typedef struct fm_code_range {
    uint32_t first, last; /* code points, both inside */
} fm_code_range;

typedef enum fm_ast_kind {
    FM_AST_LITERAL,  /* bytes, perhaps none */
    FM_AST_CLASS,    /* one character of the ranges: sorted, apart, no surrogates, at least one */
    FM_AST_SEQUENCE, /* items in order */
    FM_AST_CHOICE,   /* one of the items */
    FM_AST_REPEAT,   /* items[0], min to max times; max -1: without end */
    FM_AST_RULE,     /* what rule `rule` derives */
} fm_ast_kind;

typedef struct fm_ast {
    fm_ast_kind kind;
    uint16_t depth;      /* 1 + that of the deepest item */
    bool nullable;       /* may be empty; set by fm_grammar_check */
    uint32_t rule;       /* RULE */
    int32_t min, max;    /* REPEAT */
    size_t n;            /* items, bytes or ranges */
    struct fm_ast **items;
    const unsigned char *bytes;
    const fm_code_range *ranges;
    struct fm_ast *parent;  /* NULL for the body of a rule, ... */
    uint32_t owner;         /* ... which this is; set by fm_grammar_check */
    struct fm_ast *next;    /* all nodes of the grammar, newest first */
    struct fm_ast *sibling; /* RULE: the next mention of the same rule */
    size_t missing;         /* scratch of the checks */
} fm_ast;

typedef struct fm_ast_rule {
    const char *name;
    fm_ast *body;      /* NULL: mentioned, not defined */
    fm_ast *mentions;  /* linked by sibling */
    size_t mentioned_at; /* offset in the text, for the error */
    bool reachable;    /* from the root */
    bool nullable, productive;
    bool dissolve;     /* compiled into its callers: small, and not recursive */
    bool measured, loops;
    size_t size;       /* instructions */
    uint32_t order;    /* callers before what they call first */
} fm_ast_rule;

typedef struct fm_grammar_tree {
    fm_arena arena;
    fm_buffer rules;   /* fm_ast_rule values; an index names a rule for good */
    fm_buffer slots;   /* uint32_t: hash table of rule names, index + 1 */
    fm_ast *all;
    uint32_t root;
} fm_grammar_tree;

static inline fm_ast_rule *fm_ast_rules(const fm_grammar_tree *t) {
    return (fm_ast_rule *)(void *)t->rules.data;
}
static inline size_t fm_ast_rule_count(const fm_grammar_tree *t) {
    return t->rules.size / sizeof(fm_ast_rule);
}

/* ---- grammar_ast.c ------------------------------------------------------------------------------*/

void fm_grammar_tree_clear(fm_grammar_tree *t);
/* The rule of this name, made if it is new. */
fm_status fm_ast_rule_named(fm_grammar_tree *t, const char *name, size_t n, uint32_t *out,
                            fm_error *err);
/* Nodes; n items or bytes or ranges are copied. Sequences and choices of one item are that item. */
fm_status fm_ast_literal(fm_grammar_tree *t, const void *bytes, size_t n, fm_ast **out,
                         fm_error *err);
fm_status fm_ast_items(fm_grammar_tree *t, fm_ast_kind kind, fm_ast *const *items, size_t n,
                       fm_ast **out, fm_error *err);
fm_status fm_ast_repeat(fm_grammar_tree *t, fm_ast *body, int32_t min, int32_t max, fm_ast **out,
                        fm_error *err);
fm_status fm_ast_mention(fm_grammar_tree *t, uint32_t rule, fm_ast **out, fm_error *err);
/* `ranges` in any order, overlapping; sorted in place. *out is NULL when no character is left. */
fm_status fm_ast_class(fm_grammar_tree *t, fm_code_range *ranges, size_t n, bool negated,
                       fm_ast **out, fm_error *err);

/* ---- grammar_parse.c, grammar_check.c -----------------------------------------------------------*/

fm_status fm_grammar_read(const char *text, size_t size, fm_grammar_tree *t, fm_error *err);
/* Refuses what cannot be followed; decides what is dissolved, hoisted and in which order. */
fm_status fm_grammar_check(fm_grammar_tree *t, fm_error *err);

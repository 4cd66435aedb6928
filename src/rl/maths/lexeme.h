/* lexeme.h: an answer's text as words. rl/maths only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef enum fm_lexeme_kind {
    FM_LEX_END,
    FM_LEX_BAD,      /* a byte or command that is not in the grammar */
    FM_LEX_NUMBER,   /* digits with separators between thousands, a point, an exponent */
    FM_LEX_NAME,     /* one letter, or a Greek one by its name */
    FM_LEX_WORD,     /* letters that are neither names nor known */
    FM_LEX_TEXT,     /* what is in \text{...}: `s`, `n` are the inside */
    FM_LEX_CONSTANT, /* value: fm_tree_constant */
    FM_LEX_FUNCTION, /* value: fm_tree_function */
    FM_LEX_RELATION, /* value: fm_tree_relation */
    FM_LEX_SIGN, /* value: the character: + - * / ^ _ ! ( ) [ ] { } | , ; : & % $ and those below */
} fm_lexeme_kind;

/* Signs with no character of their own. */
enum {
    FM_SIGN_SET_OPEN = 256, /* \{ */
    FM_SIGN_SET_CLOSE,      /* \} */
    FM_SIGN_PLUS_MINUS,
    FM_SIGN_MINUS_PLUS,
    FM_SIGN_DEGREE,
    FM_SIGN_UNION,
    FM_SIGN_EMPTY_SET,
    FM_SIGN_OR, /* and "and" */
    FM_SIGN_FRAC,
    FM_SIGN_SQRT,
    FM_SIGN_CBRT,
    FM_SIGN_ABS,
    FM_SIGN_BINOM,
    FM_SIGN_OVERLINE,
    FM_SIGN_BEGIN, /* \begin{pmatrix} and other matrices */
    FM_SIGN_END,
    FM_SIGN_ROW, /* \\ */
};

typedef struct fm_lexeme {
    fm_lexeme_kind kind;
    int value;
    const char *s;
    int n;
    const char *from; /* where it begins in the source, \text included */
    bool space;       /* white space in front */
} fm_lexeme;

/* `commas`: a comma parts a list, and no thousands. Writes at most n + 1 lexemes, the last of them
 * FM_LEX_END. */
void fm_lexemes(const char *s, size_t n, bool commas, fm_lexeme *out);

/* What stands around an answer and is no part of it is taken off: white space, $ $, \( \), ** **,
 * \boxed{ }, a period at the end. */
void fm_lexeme_peel(const char **s, size_t *n);

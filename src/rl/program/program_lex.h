/* program_lex.h: a program's text as tokens: words, numbers, texts and signs, and where lines end and blocks begin
 * and end. Names become small numbers (ids), equal names the same. */
#pragma once

#include "base/arena.h"
#include "rl/program/language.h"

typedef enum token_kind {
    TOKEN_END,
    TOKEN_NEWLINE,
    TOKEN_INDENT,
    TOKEN_DEDENT,
    TOKEN_NAME,   /* number: its id */
    TOKEN_NUMBER, /* number: its value */
    TOKEN_TEXT,   /* text, n: its bytes, escapes resolved */
    TOKEN_WORD,   /* a reserved word of the language; word */
    TOKEN_SIGN,   /* an operator or bracket; sign */
} token_kind;

typedef enum word {
    WORD_AND, WORD_BREAK, WORD_CONTINUE, WORD_DEF, WORD_ELIF, WORD_ELSE, WORD_FALSE, WORD_FOR, WORD_IF,
    WORD_IN, WORD_NONE, WORD_NOT, WORD_OR, WORD_PASS, WORD_RETURN, WORD_TRUE, WORD_WHILE, WORDS
} word;

/* The first ones are operators of two numbers, in the order of `operation`. */
typedef enum sign {
    SIGN_PLUS, SIGN_MINUS, SIGN_TIMES, SIGN_DIVIDE, SIGN_REMAINDER, SIGN_POWER,
    SIGN_PLUS_IS, SIGN_MINUS_IS, SIGN_TIMES_IS, SIGN_DIVIDE_IS, SIGN_REMAINDER_IS, SIGN_POWER_IS,
    SIGN_LESS, SIGN_LESS_EQUAL, SIGN_GREATER, SIGN_GREATER_EQUAL, SIGN_EQUAL, SIGN_UNEQUAL,
    SIGN_IS, SIGN_COMMA, SIGN_COLON, SIGN_DOT, SIGN_OPEN, SIGN_CLOSE, SIGN_OPEN_LIST, SIGN_CLOSE_LIST,
    SIGNS
} sign;

typedef struct token {
    uint8_t kind; /* token_kind */
    uint8_t word, sign;
    int line;
    int64_t number;
    const char *text;
    size_t n;
} token;

typedef struct name_entry {
    const char *text; /* zero-terminated, in the arena */
    size_t n;
} name_entry;

typedef struct lexed {
    token *tokens; /* the last one is TOKEN_END */
    size_t count;
    name_entry *names; /* by id */
    int n_names;
} lexed;

/* What went wrong while a program was read: the first fault stands. */
typedef struct reading {
    fm_arena *arena;
    fm_program_result *result;
    bool no_memory; /* of this machine */
} reading;

/* Notes the fault (if it is the first) and returns false. */
bool fm_program_wrong(reading *r, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool fm_program_no_memory(reading *r);

/* Tokens of text[0, n), all in the arena. False after a fault. */
bool fm_program_lex(reading *r, const char *text, size_t n, lexed *out);

const char *fm_program_word(word w);
const char *fm_program_sign(sign s);

/* grammar.h: what an answer may look like: a grammar, compiled once, shared by every sequence.
 *
 * Three ways lead to one: the GBNF notation that llama.cpp made known (docs/grammar.md has the
 * language), a JSON schema, or "any JSON object". Compiled, a grammar is a set of small automata over
 * *bytes*, one per rule, that call each other; characters are spelled out as UTF-8, so that a token
 * which ends inside a character is judged exactly.
 *
 *     root   ::= "[" number ("," number)* "]"      BYTES "[" -> CALL number -> SPLIT ...
 *     number ::= "-"? [0-9]+                        SPLIT -> BYTES "-" ...
 *
 * A grammar does not change after it was made, as far as anybody can see. Inside it remembers, behind
 * a lock, which states were met and which tokens they allow (constrain.h): the second sequence that
 * comes by finds them there. Any number of threads may use one grammar.
 *
 * Grammars come from strangers. Everything is bounded, and what goes past a bound is FM_ERR_LIMIT:
 * text, nesting, size when repetitions are written out, memory and work while it runs. Left recursion
 * (`list ::= list item | item`) and rules that can never end are refused as FM_ERR_FORMAT. */
#pragma once

#include "base/status.h"

enum {
    FM_GRAMMAR_TEXT_MAX = 8 << 20,     /* bytes of a grammar's text */
    FM_GRAMMAR_RULES_MAX = 1 << 16,
    FM_GRAMMAR_NESTING_MAX = 256,      /* parentheses, and what is repeated */
    FM_GRAMMAR_SIZE_MAX = 1 << 18,     /* instructions, repetitions written out */
    FM_GRAMMAR_DEPTH_MAX = 4096,       /* unfinished rules inside each other, in an answer */
    FM_GRAMMAR_STACKS_MAX = 1 << 14,   /* readings of one answer that are followed at once */

    FM_SCHEMA_TEXT_MAX = 1 << 20,      /* bytes of a JSON schema */
    FM_SCHEMA_NESTING_MAX = 128,       /* schemas inside schemas */
    FM_SCHEMA_COUNT_MAX = 100000,      /* what minItems, maxLength and the like may say */
};

typedef struct fm_grammar fm_grammar;

/* From GBNF text (UTF-8); the answer is what rule `root` derives. Errors name line and column and say
 * what was expected there. */
fm_status fm_grammar_parse(const char *text, size_t size, fm_grammar **out, fm_error *err);

/* Where the JSON that a schema makes may have white space. It is bounded, since a model that is only
 * kept from everything else can write spaces for ever. */
typedef enum fm_json_space {
    FM_JSON_PRETTY,  /* one space, or a new line and up to 64 spaces or tabs, as people indent */
    FM_JSON_COMPACT, /* none */
} fm_json_space;

/* From a JSON schema (draft 2020-12, the practical part: docs/grammar.md lists the keywords). Every
 * answer that the grammar allows is valid by the schema, not the other way round: members come in the
 * schema's order, and those that it does not name only where additionalProperties lets them. A keyword
 * that cannot be enforced is refused by name (FM_ERR_UNSUPPORTED), never ignored; errors point into the
 * schema ("#/properties/age"). */
fm_status fm_grammar_from_json_schema(const char *json, size_t size, fm_json_space space,
                                      fm_grammar **out, fm_error *err);
/* Any JSON object: what is known as JSON mode. */
fm_status fm_grammar_json_object(fm_json_space space, fm_grammar **out, fm_error *err);

/* One more owner; returns the same grammar. fm_grammar_free gives one ownership back (NULL is fine);
 * constraints own what they follow, so the maker may free a grammar that is still in use. */
fm_grammar *fm_grammar_hold(fm_grammar *grammar);
void fm_grammar_free(fm_grammar *grammar);

typedef struct fm_grammar_stats {
    size_t rules;        /* automata; small rules are dissolved in their callers */
    size_t instructions; /* of all automata */
    size_t byte_classes; /* bytes that no rule tells apart share one */
    size_t states;       /* remembered now */
    size_t masks;        /* remembered now */
    size_t bytes;        /* taken now, masks included */
} fm_grammar_stats;
fm_grammar_stats fm_grammar_statistics(fm_grammar *grammar);

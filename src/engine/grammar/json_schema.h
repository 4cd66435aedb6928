/* json_schema.h: a JSON schema written out as a grammar. Private to engine/grammar/json_schema*.c and grammar.c.
 *
 * The schema becomes GBNF text, which people can read; grammar_parse.c does the rest. What is in
 * force at a place is a *conjunction* of schemas: the one that stands there, what its `$ref` points to,
 * what `allOf` holds, the branch of `anyOf` that is being written. Questions such as "which
 * properties?" are asked of all its parts together. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "engine/grammar/grammar.h"

enum {
    FM_SCHEMA_PARTS_MAX = 32,        /* in a conjunction */
    FM_SCHEMA_RULES_MAX = 1 << 14,
    FM_SCHEMA_WORK_MAX = 1 << 24,    /* steps: a comparison, or a member that is looked at */
    FM_SCHEMA_MEMORY_MAX = 64 << 20, /* bytes of conjunctions */
};

typedef struct fm_schema_part {
    const fm_json *schema;
    const char *path; /* "#/properties/age" */
    int from;         /* the part that brought it in; -1: none */
    bool expanded;    /* $ref and allOf have been followed */
    bool chosen;      /* a branch of its anyOf or oneOf is another part */
} fm_schema_part;

typedef struct fm_schema {
    fm_schema_part parts[FM_SCHEMA_PARTS_MAX];
    int n;
    bool never; /* a part is `false` */
} fm_schema;

/* Kinds of values; "number" is both of the last. */
enum {
    FM_KIND_NULL = 1, FM_KIND_BOOL = 2, FM_KIND_OBJECT = 4, FM_KIND_ARRAY = 8, FM_KIND_STRING = 16,
    FM_KIND_WHOLE = 32, FM_KIND_FRACTION = 64,
    FM_KIND_NUMBER = FM_KIND_WHOLE | FM_KIND_FRACTION, FM_KIND_ANY = 127,
};

typedef struct fm_schema_rule fm_schema_rule;

typedef struct fm_schema_writer {
    const fm_json *root;
    fm_arena arena;
    fm_buffer rules;        /* the grammar so far */
    fm_schema_rule **known; /* every conjunction that has a rule, by hash */
    fm_schema_rule *open;   /* the innermost that is being written */
    bool same_value;        /* what is put next is a branch of it, not a member or an item */
    int n_rules, n_objects, depth;
    size_t work;
    fm_error *err; /* never NULL */
} fm_schema_writer;

/* ---- json_schema.c: from schema to grammar, a rule for every conjunction -----------------------*/

/* The grammar of the schema `text` (JSON), appended to `out`. */
fm_status fm_schema_write(const char *text, size_t size, fm_json_space space, fm_buffer *out,
                          fm_error *err);
/* Writes the name of the rule for what all parts accept. *never: there is no such value, and nothing
 * was written. */
fm_status fm_schema_put(fm_schema_writer *w, fm_schema *s, fm_buffer *out, bool *never);

/* ---- json_schema_parts.c: conjunctions ---------------------------------------------------------*/

/* Counts steps: FM_ERR_LIMIT where a schema multiplies its parts past FM_SCHEMA_WORK_MAX. */
fm_status fm_schema_spend(fm_schema_writer *w, size_t steps);
/* An empty conjunction (any value); NULL after fm_fail. */
fm_schema *fm_schema_new(fm_schema_writer *w);
/* One more part; its path is `at` and what is formatted. */
fm_status fm_schema_add(fm_schema_writer *w, fm_schema *s, const fm_json *schema, const char *at,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The same, on behalf of part `from`: it must not lead back to what brought that in. `path` NULL is out of
 * memory. */
fm_status fm_schema_add_from(fm_schema_writer *w, fm_schema *s, const fm_json *schema, const char *path,
                             int from);
void fm_schema_remove(fm_schema *s, int part);
/* Follows $ref and allOf until all that is in force is a part, and checks the keywords. */
fm_status fm_schema_expand(fm_schema_writer *w, fm_schema *s);
/* {"$ref": ...} alone becomes what it points to, so a schema has one rule, however it is reached. */
fm_status fm_schema_shorten(fm_schema_writer *w, fm_schema *s);
/* The kinds that are written, and those that are valid, of an expanded conjunction: where no type is
 * said, {"minLength": 3} is written as a string, but valid is also 7. */
fm_status fm_schema_kinds(fm_schema_writer *w, const fm_schema *s, unsigned *written, unsigned *valid);

/* A keyword that speaks of values of these kinds in particular, and the part that has it; NULL if there is
 * none. */
const char *fm_schema_asking(const fm_schema *s, unsigned kinds, const fm_schema_part **part);
bool fm_schema_asks(const fm_schema *s, unsigned kinds);

/* "keyword X at #/... <why>": FM_ERR_UNSUPPORTED and FM_ERR_FORMAT. */
fm_status fm_schema_refuse(fm_schema_writer *w, const fm_schema_part *p, const char *keyword,
                           const char *why);
fm_status fm_schema_wrong(fm_schema_writer *w, const fm_schema_part *p, const char *keyword,
                          const char *why);
fm_status fm_schema_no_memory(fm_schema_writer *w);
/* A count such as minItems or maxItems: the strictest of all parts and of what *out was (-1: no
 * maximum). */
fm_status fm_schema_least(fm_schema_writer *w, const fm_schema *s, const char *keyword, int64_t *out);
fm_status fm_schema_most(fm_schema_writer *w, const fm_schema *s, const char *keyword, int64_t *out);
/* The last part that has the keyword; NULL if none. */
const fm_schema_part *fm_schema_having(const fm_schema *s, const char *keyword);

/* ---- json_schema_choice.c: enum, const, anyOf, oneOf -------------------------------------------*/

bool fm_schema_has_values(const fm_schema *s); /* enum or const in some part */
fm_status fm_schema_put_values(fm_schema_writer *w, const fm_schema *s, fm_buffer *out, bool *never);
/* The part with an anyOf or oneOf of which no branch is chosen yet; -1: none. */
int fm_schema_choice(const fm_schema *s);
fm_status fm_schema_put_choice(fm_schema_writer *w, const fm_schema *s, int part, fm_buffer *out,
                               bool *never);
/* Does the part say nothing but anyOf or oneOf? */
bool fm_schema_only_chooses(const fm_schema_part *p);
/* The conjunction with branch i of the part's anyOf or oneOf. */
fm_status fm_schema_branch(fm_schema_writer *w, const fm_schema *s, int part, const char *keyword, size_t i,
                           fm_schema **out);
unsigned fm_schema_kind_of(const fm_json *value);
/* The values that enum and const leave, as an array in the arena. */
fm_status fm_schema_values(fm_schema_writer *w, const fm_schema *s, const fm_json ***out, size_t *n);

/* json_schema_apart.c: is it certain that no value that is written for `a` is valid by `b`? Both are
 * expanded. */
fm_status fm_schema_apart(fm_schema_writer *w, const fm_schema *a, const fm_schema *b, bool *apart);

/* ---- one file for each kind of value: what all parts accept ------------------------------------*/

fm_status fm_schema_put_object(fm_schema_writer *w, const fm_schema *s, fm_buffer *out, bool *never);
/* The conjunction for the value of member `key` of an object; NULL after a failure. `declared`: some
 * part names it in its properties. */
fm_schema *fm_schema_member(fm_schema_writer *w, const fm_schema *s, const char *key, bool *declared);
bool fm_schema_requires(const fm_schema *s, const char *key);
/* Is it written always? Also where it is what OpenAPI's `discriminator` tells branches apart by. */
bool fm_schema_writes(const fm_schema *s, const char *key);
/* May members be written that no part declares? */
bool fm_schema_open(const fm_schema *s);

fm_status fm_schema_put_array(fm_schema_writer *w, const fm_schema *s, fm_buffer *out, bool *never);
fm_status fm_schema_put_string(fm_schema_writer *w, const fm_schema *s, fm_buffer *out, bool *never);
fm_status fm_schema_put_number(fm_schema_writer *w, const fm_schema *s, bool whole, fm_buffer *out,
                               bool *never);
/* How many characters a string may have; max -1: any number from min. */
typedef struct fm_schema_extent {
    int64_t min, max;
} fm_schema_extent;
/* json_schema_pattern.c: the inside of a string in which the ECMA-262 pattern of `p` is found. */
fm_status fm_schema_put_pattern(fm_schema_writer *w, const fm_schema_part *p, fm_buffer *out,
                                fm_schema_extent *extent);
/* json_schema_format.c: the inside of a string of the format of `p`. */
fm_status fm_schema_put_format(fm_schema_writer *w, const fm_schema_part *p, fm_buffer *out,
                               fm_schema_extent *extent);
/* The bounds of int32, uint8 and the like; false for formats that bound no number. */
bool fm_schema_format_bounds(const char *format, int64_t *least, int64_t *most);

/* ---- json_schema_text.c: spelling --------------------------------------------------------------*/

/* Bytes as a literal of GBNF, quotes and all. */
void fm_schema_put_literal(fm_buffer *out, const char *bytes, size_t n);
/* A literal of GBNF for the one spelling that is written for a JSON string, and what follows it. */
void fm_schema_put_text(fm_buffer *out, const char *s, size_t n, const char *after);
/* The same for one character inside a string. */
void fm_schema_put_character(fm_buffer *out, uint32_t c);
/* That spelling, without the quotes, of a string or of one character: \n, \u0001, or as it is. */
void fm_schema_spell(fm_buffer *out, const char *s, size_t n);
void fm_schema_spell_character(fm_buffer *out, uint32_t c);
void fm_schema_put_value(fm_buffer *out, const fm_json *value);
/* `c` inside a class of GBNF. */
void fm_schema_put_class_character(fm_buffer *out, uint32_t c);
/* The rules that all schemas share: value, object, array, string, number, ws, ... */
void fm_schema_put_shared(fm_buffer *out, fm_json_space space);
/* As JSON values: 1 is 1.0. Adds to w->work. */
bool fm_schema_equal(fm_schema_writer *w, const fm_json *a, const fm_json *b);

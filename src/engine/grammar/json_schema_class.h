/* json_schema_class.h: a set of characters as a regular expression names it, written in GBNF as JSON
 * spells characters inside strings. Private to json_schema_class.c and json_schema_pattern.c. */
#pragma once

#include "engine/grammar/grammar_ast.h"

enum { FM_CLASS_RANGES_MAX = 256 };

typedef struct fm_class {
    fm_code_range list[FM_CLASS_RANGES_MAX]; /* in any order, overlapping */
    size_t n;
    bool negated;
} fm_class;

/* Both false when there are too many ranges. */
bool fm_class_add(fm_class *c, uint32_t first, uint32_t last);
/* \d \D \w \W \s \S by their letters, and '.'; *found is false, and nothing added, for others. */
bool fm_class_add_named(fm_class *c, char name, bool *found);

/* A group in parentheses that is one character of the set; false if there is none. */
bool fm_class_put(const fm_class *c, fm_buffer *out);

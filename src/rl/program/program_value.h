/* program_value.h: what a program's names hold, and the memory of a run. */
#pragma once

#include "base/arena.h"
#include "rl/program/language.h"

typedef struct text {
    size_t n;
    char s[]; /* n bytes and a zero */
} text;

typedef enum value_kind {
    VALUE_UNSET, /* a name that was given nothing yet */
    VALUE_NONE, VALUE_TRUTH, VALUE_NUMBER, VALUE_TEXT, VALUE_LIST,
    VALUE_RANGE, /* only walked, never printed or compared */
} value_kind;

typedef struct range {
    int64_t begin, end, step;
} range;

typedef struct value {
    value_kind kind;
    union {
        int64_t number; /* also a truth's: 0 or 1 */
        const struct text *text;
        struct list *list;
        const struct range *range;
    };
} value;

typedef struct list {
    value *items;
    size_t n, capacity;
    bool showing; /* being shown now: a list that holds itself shows as [...] */
} list;

/* One run of a program. */
typedef struct run {
    const struct fm_program *program;
    fm_program_limits limits;
    const fm_program_watch *watch;
    fm_program_result *result;
    fm_buffer *output;
    size_t output_begin;
    const char *input;
    size_t input_size, input_at;
    fm_arena heap;
    value *globals;     /* by id */
    bool *defined;      /* by function: its def was reached */
    value *stack;       /* arguments and locals of the calls that wait */
    size_t waiting;     /* of its values */
    value *frame;       /* the running call's locals */
    const struct function *function;
    value returned;
    int line;
    int depth;          /* calls */
    int nesting;        /* of this interpreter's own functions */
    bool no_memory;     /* of this machine */
} run;

/* All of these return false after a fault, which is then in run->result; the first one stands. */
bool fm_run_fail(run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool fm_run_end(run *r, fm_program_end end, const char *message);
/* Takes steps; false at the limit. */
bool fm_run_steps(run *r, size_t steps);
/* Zeroed memory for the program; NULL after a fault. */
void *fm_run_alloc(run *r, size_t bytes);

static inline value value_number(int64_t n) { return (value){.kind = VALUE_NUMBER, .number = n}; }
static inline value value_truth(bool b) { return (value){.kind = VALUE_TRUTH, .number = b}; }
static inline value value_none(void) { return (value){.kind = VALUE_NONE}; }
static inline bool value_is_number(value v) { return v.kind == VALUE_NUMBER || v.kind == VALUE_TRUTH; }

const char *fm_value_kind_name(value v); /* "a number", "a list", ... */
bool fm_value_true(value v);

/* A text of n zeros, to be filled at once; NULL after a fault. */
text *fm_run_text(run *r, size_t n);
bool fm_value_text(run *r, const char *s, size_t n, value *out);
/* An empty list with room for n items. */
bool fm_value_list(run *r, size_t n, value *out);
bool fm_list_add(run *r, list *l, value item);

/* The number of items of a text, list or range. */
bool fm_value_length(run *r, value v, int64_t *n);
/* Item i of them, 0 <= i < length; a list that shrank meanwhile gives *there = false. */
bool fm_value_item(run *r, value v, int64_t i, value *out, bool *there);
/* A new list of the items. */
bool fm_value_items(run *r, value v, value *out);

bool fm_value_equal(run *r, value a, value b, bool *equal);
/* -1, 0, 1; a fault where the two have no order. */
bool fm_value_compare(run *r, value a, value b, int *order);

/* As print shows it (`quoted`: as it stands in a list); at most `most` bytes are appended, then it is a
 * fault of the output limit. */
bool fm_value_show(run *r, value v, bool quoted, size_t most, fm_buffer *out);
/* The whole number that a text writes. */
bool fm_value_read_number(run *r, const text *t, value *out);

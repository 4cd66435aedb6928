/* program_walk.h: what the parts of the walk over a program's tree share: program_evaluate.c finds values,
 * program_run.c does what statements say, program_watch.c tells whoever watches. rl/program only. */
#pragma once

#include "rl/program/program_builtins.h"
#include "rl/program/program_tree.h"

enum {
    WALK_MAX = 3000,  /* functions of the walk within each other: about a megabyte of this machine's stack */
    STACK_MAX = 4000, /* values of calls and their arguments that wait at once */
};

typedef enum flow { FLOW_FAULT, FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE, FLOW_RETURN } flow;

/* ---- program_evaluate.c; false: the run has ended ---- */

bool fm_walk_evaluate(run *r, const node *n, value *out);
bool fm_walk_evaluate_all(run *r, const node *items, value *out);
/* n places for values that wait, unset; they are given back by setting r->waiting to what it was. */
value *fm_walk_take(run *r, size_t n);
value *fm_walk_place(run *r, const node *n);
bool fm_walk_load(run *r, const node *n, value *out);
/* The place of all[index]: Python counts from the end when an index is below 0. */
bool fm_walk_index(run *r, value all, value index, int64_t *out);
/* Before whatever may nest; r->nesting goes down again after it. */
bool fm_walk_deeper(run *r);

/* ---- program_run.c ---- */

flow fm_walk_execute(run *r, const node *block);

/* ---- program_watch.c, where somebody watches ---- */

static inline const char *fm_walk_name(const run *r, const node *n) { return r->program->names[n->id].text; }
void fm_walk_tell(run *r, fm_program_event_kind kind, int line, const char *name, const value *values, size_t n);
void fm_walk_tell_assigned(run *r, const node *target, value v);
void fm_walk_tell_item_assigned(run *r, const node *of, int64_t i, value v);

/* constrain_states.h: the states of a grammar: sets of stacks, interned. Private to
 * engine/constrain*.c.
 *
 * A stack is a place in a rule's code and, below it, the state to come back to when that rule is
 * done. A state is a set of such pairs, sorted; a pair names the state below by number, so stacks
 * share what they have in common (Lang 1974, Tomita 1986: a graph-structured stack, here never
 * changed once made):
 *
 *     state 7 = { (12, 3), (40, 3), (8, 5) }     three readings; two came from the same place
 *
 * - State 0 is the empty set: nothing can follow. State 1 is { (END, 0) }: the answer is complete.
 * - A call at place p, in a stack above state s, goes on in the callee above { (p's next, s) }; when
 *   nothing is left to do after the call, above s itself, so lists written with recursion at their
 *   end do not grow. All calls of a rule at one place in the text share one callee above the union.
 * - Closing a state follows END, SPLIT and CALL until only places that read a byte are left (`frames`).
 *   States below always are older and less deep, which gives the order: pop the deepest first, then
 *   call rules by number.
 * - `next` remembers where each class of bytes leads.
 * - Stacks grow FM_GRAMMAR_DEPTH_MAX deep at most, and only where they can be finished within that, so
 *   every state but 0 leads to an end.
 *
 * States that no constraint holds and none above needs are collected when they have taken FM_STATES_SOFT
 * bytes; past FM_STATES_HARD they are FM_ERR_LIMIT. All of this happens behind the grammar's lock. */
#pragma once

#include "engine/grammar/grammar_program.h"

enum {
    FM_STATE_NONE = 0, /* nothing can follow */
    FM_STATE_DONE = 1,
    FM_STATES_SOFT = 16 << 20,
    FM_STATES_HARD = 128 << 20,
    FM_MASKS_MAX = 64 << 20, /* bytes of remembered masks */
    FM_STATES_WORK_MAX = 1 << 24, /* pairs handled in one call from outside: about a second */
};

#define FM_STATE_UNKNOWN UINT32_MAX

typedef struct fm_pair {
    uint32_t place, below;
} fm_pair;

/* Tokens that may follow a state, and where in the trie the state's own stack is used up, so that
 * what lies below takes over. */
typedef struct fm_state_mask {
    uint64_t trie;     /* its identity */
    struct fm_state_mask *next;
    bool whole;        /* no `exits`: good for the state itself, not for states above others */
    uint32_t reach;    /* the greatest of all states that were met */
    size_t bytes;
    uint32_t n_ids, n_exits;
    size_t below_exits; /* nodes below all exits */
    uint64_t *bits;    /* either all of them, ... */
    uint32_t *ids;     /* ... or, where few are set, their numbers */
    uint32_t *exits;   /* nodes of the trie with children */
} fm_state_mask;

typedef struct fm_state {
    fm_pair *pairs;  /* NULL: a free number */
    fm_pair *frames; /* sorted by below, then place */
    uint32_t *next;  /* by class of bytes; NULL before the first step */
    fm_state_mask *masks;
    uint32_t n_pairs, n_frames;
    uint32_t hash;   /* of the pairs; of a free number: the next free one */
    uint32_t depth;  /* 1 + that of the deepest state below; 0 for state 0 */
    uint32_t reach;  /* once closed: the greatest depth that any frame or call will need */
    uint32_t holders; /* constraints */
    bool closed, marked;
    bool can_end;    /* once closed: state 1 is reached without a byte */
} fm_state;

typedef struct fm_states {
    const fm_program *program;
    fm_state *list;
    uint32_t n, capacity, free; /* numbers given out; the first free one below n, or 0 */
    uint32_t live;
    uint32_t *slots; /* hash table of numbers; 0: empty */
    uint32_t mask;
    size_t bytes, mask_bytes, n_masks;
    size_t tidy_at;  /* bytes */
    uint64_t work;   /* since the call from outside began */
    uint32_t start;
    /* scratch */
    uint32_t *stamps, stamp; /* per instruction: visited in this group */
    uint32_t reach;          /* of the state that is being closed */
    fm_buffer heap, calls, pairs, todo, frames;
    fm_buffer path, groups; /* of constrain_mask.c */
} fm_states;

/* What a block of this size takes: fm_alloc aligns to 64 bytes and puts a header in front. */
static inline size_t fm_states_taken(size_t bytes) { return 64 + ((bytes + 63) & ~(size_t)63); }

fm_status fm_states_init(fm_states *s, const fm_program *program, fm_error *err);
void fm_states_clear(fm_states *s);

/* The state of these pairs, sorted in place; not closed yet. */
fm_status fm_state_intern(fm_states *s, fm_pair *pairs, size_t n, uint32_t *out, fm_error *err);
fm_status fm_state_close(fm_states *s, uint32_t state, fm_error *err); /* constrain_close.c */
/* Where a byte leads, closed; state 0 if nowhere. `state` must be closed. */
fm_status fm_state_step(fm_states *s, uint32_t state, uint8_t byte, uint32_t *out, fm_error *err);
/* Counts work against FM_STATES_WORK_MAX. */
fm_status fm_states_worked(fm_states *s, size_t amount, fm_error *err);

/* Frees what only the past needs, if much has gathered. Numbers that are held, `also`, and what these
 * need stay as they are; all others are gone. */
fm_status fm_states_tidy(fm_states *s, uint32_t also, fm_error *err);
void fm_states_forget_masks(fm_states *s);

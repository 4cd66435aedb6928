/* Closing a state: everything that happens between two bytes.
 *
 * First the stacks are popped: groups of pairs above the same state below, the deepest first, so that
 * when a group's turn comes nothing can join it any more (what is popped is always less deep). Then
 * rules are called in the order of their numbers, so that all calls of one rule have been found when
 * its turn comes. A rule that may be empty is both called and stepped over by its caller, and reaching
 * the end of a rule that was only just called therefore means nothing new. */
#include "engine/grammar/constrain_states.h"

#include <stdlib.h>
#include <string.h>

/* ---- two heaps -----------------------------------------------------------------------------*/

typedef struct entry { /* smallest key first */
    uint64_t key;
    fm_pair pair;
} entry;

static bool before(const entry *a, const entry *b) {
    if (a->key != b->key) return a->key < b->key;
    return a->pair.below != b->pair.below ? a->pair.below < b->pair.below
                                          : a->pair.place < b->pair.place;
}

static void push(fm_buffer *heap, uint64_t key, fm_pair pair) {
    entry e = {key, pair};
    if (!fm_buffer_room(heap, sizeof e)) return;
    entry *list = (entry *)(void *)heap->data;
    size_t i = heap->size / sizeof e - 1;
    for (; i > 0 && before(&e, &list[(i - 1) / 2]); i = (i - 1) / 2) list[i] = list[(i - 1) / 2];
    list[i] = e;
}

static const entry *top(const fm_buffer *heap) {
    return heap->size ? (const entry *)(const void *)heap->data : NULL;
}

static entry pop(fm_buffer *heap) {
    entry *list = (entry *)(void *)heap->data, first = list[0];
    heap->size -= sizeof first;
    size_t n = heap->size / sizeof first, i = 0;
    entry last = list[n];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(&list[child + 1], &list[child])) child++;
        if (!before(&list[child], &last)) break;
        list[i] = list[child];
    }
    list[i] = last;
    return first;
}

/* ---- inside one rule -----------------------------------------------------------------------*/

/* Would what starts here, above `below`, nest too deep before it can end? Nothing is ever begun that
 * cannot be finished. */
static bool too_deep(fm_states *s, uint32_t below, unsigned need) {
    uint32_t reach = s->list[below].depth + need;
    if (reach > FM_GRAMMAR_DEPTH_MAX) return true;
    if (reach > s->reach) s->reach = reach;
    return false;
}

static void add_call(fm_states *s, uint32_t place, uint32_t below) {
    const fm_instruction *call = &s->program->code[place];
    if (too_deep(s, below, fm_call_need(s->program, place))) return;
    if (call->b != 0) {
        push(&s->calls, call->a, (fm_pair){call->b, below});
        return;
    }
    const fm_state *under = &s->list[below]; /* nothing is left to do here: come back to those below */
    for (uint32_t i = 0; i < under->n_pairs; i++) push(&s->calls, call->a, under->pairs[i]);
    s->work += under->n_pairs;
}

static void visit(fm_states *s, uint32_t place) {
    if (s->stamps[place] == s->stamp) return;
    s->stamps[place] = s->stamp;
    fm_buffer_put(&s->todo, &place, sizeof place);
}

/* Follows what costs no byte from the places in `todo`, all above `below`. True: the rule's end was
 * reached. */
static bool explore(fm_states *s, uint32_t below) {
    bool ends = false;
    while (s->todo.size) {
        uint32_t place;
        s->todo.size -= sizeof place;
        memcpy(&place, s->todo.data + s->todo.size, sizeof place);
        s->work++;
        fm_instruction i = s->program->code[place];
        switch (i.op) {
        case FM_OP_END: ends = true; break;
        case FM_OP_BYTES:
            if (!too_deep(s, below, s->program->need[place]))
                fm_buffer_put(&s->frames, &(fm_pair){place, below}, sizeof(fm_pair));
            break;
        case FM_OP_SPLIT:
            visit(s, i.b);
            visit(s, i.a);
            break;
        case FM_OP_CALL:
            add_call(s, place, below);
            if (s->program->rules[i.a].nullable) visit(s, i.b);
            break;
        }
    }
    return ends;
}

static void new_group(fm_states *s) {
    if (++s->stamp == 0) { /* wrapped around */
        memset(s->stamps, 0, s->program->n_code * sizeof *s->stamps);
        s->stamp = 1;
    }
}

/* ---- the two phases ------------------------------------------------------------------------*/

static void push_pairs(fm_states *s, uint32_t state) {
    const fm_state *from = &s->list[state];
    for (uint32_t i = 0; i < from->n_pairs; i++) {
        fm_pair p = from->pairs[i];
        push(&s->heap, UINT32_MAX - s->list[p.below].depth, p);
    }
    s->work += from->n_pairs;
}

static fm_status too_many(fm_error *err) {
    return fm_fail(err, FM_ERR_LIMIT,
                   "the grammar is too ambiguous: this text has more than %d readings at once",
                   FM_GRAMMAR_STACKS_MAX);
}

static fm_status pop_stacks(fm_states *s, uint32_t state, bool *can_end, fm_error *err) {
    push_pairs(s, state);
    while (s->heap.size && !s->heap.failed) {
        uint32_t below = top(&s->heap)->pair.below;
        new_group(s);
        while (s->heap.size && top(&s->heap)->pair.below == below) visit(s, pop(&s->heap).pair.place);
        bool ends = explore(s, below);
        if (ends && below == FM_STATE_NONE) *can_end = true;
        else if (ends) push_pairs(s, below);
        if (s->heap.size / sizeof(entry) > 16 * FM_GRAMMAR_STACKS_MAX) /* many come several times */
            return too_many(err);
        FM_TRY(fm_states_worked(s, 0, err));
    }
    return fm_buffer_status(&s->heap, err);
}

static fm_status call_rules(fm_states *s, fm_error *err) {
    while (s->calls.size && !s->calls.failed) {
        uint64_t rule = top(&s->calls)->key;
        s->pairs.size = 0;
        while (s->calls.size && top(&s->calls)->key == rule) {
            entry e = pop(&s->calls);
            fm_buffer_put(&s->pairs, &e.pair, sizeof e.pair);
        }
        FM_TRY(fm_buffer_status(&s->pairs, err));
        uint32_t below;
        FM_TRY(fm_state_intern(s, (fm_pair *)(void *)s->pairs.data, s->pairs.size / sizeof(fm_pair),
                               &below, err));
        new_group(s);
        visit(s, s->program->rules[rule].start);
        explore(s, below);
        if (s->calls.size / sizeof(entry) > 16 * FM_GRAMMAR_STACKS_MAX) return too_many(err);
        FM_TRY(fm_states_worked(s, 0, err));
    }
    return fm_buffer_status(&s->calls, err);
}

static int by_below(const void *a, const void *b) {
    const fm_pair *x = a, *y = b;
    if (x->below != y->below) return x->below < y->below ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static fm_status keep_frames(fm_states *s, fm_state *state, fm_error *err) {
    FM_TRY(fm_buffer_status(&s->frames, err));
    FM_TRY(fm_buffer_status(&s->todo, err));
    fm_pair *list = (fm_pair *)(void *)s->frames.data;
    size_t n = s->frames.size / sizeof *list, kept = 0;
    if (n > 1) qsort(list, n, sizeof *list, by_below);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || by_below(&list[i], &list[kept - 1]) != 0) list[kept++] = list[i];
    if (kept > FM_GRAMMAR_STACKS_MAX) return too_many(err);
    if (kept) {
        state->frames = fm_alloc(kept * sizeof *list, FM_MEM_OTHER);
        if (!state->frames) return fm_fail_memory(err, kept * sizeof *list, "a state of a grammar");
        memcpy(state->frames, list, kept * sizeof *list);
        s->bytes += fm_states_taken(kept * sizeof *list);
    }
    state->n_frames = (uint32_t)kept;
    return FM_OK;
}

fm_status fm_state_close(fm_states *s, uint32_t number, fm_error *err) {
    if (s->list[number].closed) return FM_OK;
    fm_buffer *scratch[] = {&s->heap, &s->calls, &s->pairs, &s->todo, &s->frames};
    for (size_t i = 0; i < FM_COUNT(scratch); i++) {
        scratch[i]->size = 0;
        scratch[i]->failed = false;
    }
    bool can_end = false;
    s->reach = 0;
    FM_TRY(pop_stacks(s, number, &can_end, err));
    FM_TRY(call_rules(s, err));
    fm_state *state = &s->list[number]; /* only now: interning moves the list */
    FM_TRY(keep_frames(s, state, err));
    state->can_end = can_end;
    state->reach = s->reach;
    state->closed = true;
    return FM_OK;
}

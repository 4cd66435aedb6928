#include "engine/grammar/constrain_states.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

static fm_status out_of_memory(fm_error *err, size_t bytes) {
    return fm_fail_memory(err, bytes, "the states of a grammar");
}

/* ---- the table -----------------------------------------------------------------------------*/

static void put_slot(fm_states *s, uint32_t number) {
    uint32_t i = s->list[number].hash & s->mask;
    while (s->slots[i]) i = (i + 1) & s->mask;
    s->slots[i] = number;
}

/* Keeps the table at most half full. */
static fm_status grow_slots(fm_states *s, fm_error *err) {
    if (s->slots && s->live < s->mask / 2) return FM_OK;
    uint32_t size = s->slots ? 2 * (s->mask + 1) : 256;
    uint32_t *slots = fm_alloc_array(size, sizeof *slots, FM_MEM_OTHER);
    if (!slots) return out_of_memory(err, size * sizeof *slots);
    s->bytes += fm_states_taken(size * sizeof *slots);
    if (s->slots) s->bytes -= fm_states_taken((s->mask + 1) * sizeof *slots);
    fm_free(s->slots);
    s->slots = slots;
    s->mask = size - 1;
    for (uint32_t i = 1; i < s->n; i++)
        if (s->list[i].pairs) put_slot(s, i);
    return FM_OK;
}

static fm_status take_number(fm_states *s, uint32_t *out, fm_error *err) {
    if (s->free) {
        *out = s->free;
        s->free = s->list[s->free].hash;
    } else {
        if (s->n == s->capacity) {
            uint32_t capacity = s->capacity ? 2 * s->capacity : 64;
            fm_state *list = fm_realloc(s->list, capacity * sizeof *list, FM_MEM_OTHER);
            if (!list) return out_of_memory(err, capacity * sizeof *list);
            s->bytes += fm_states_taken(capacity * sizeof *list);
            if (s->capacity) s->bytes -= fm_states_taken(s->capacity * sizeof *list);
            s->list = list;
            s->capacity = capacity;
        }
        *out = s->n++;
    }
    s->list[*out] = (fm_state){0};
    s->live++;
    return FM_OK;
}

static void give_back(fm_states *s, uint32_t number) {
    s->list[number] = (fm_state){.hash = s->free};
    s->free = number;
    s->live--;
}

static int by_pair(const void *a, const void *b) {
    const fm_pair *x = a, *y = b;
    if (x->below != y->below) return x->below < y->below ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static size_t sort_unique(fm_pair *pairs, size_t n) {
    if (n > 1) qsort(pairs, n, sizeof *pairs, by_pair);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || by_pair(&pairs[i], &pairs[kept - 1]) != 0) pairs[kept++] = pairs[i];
    return kept;
}

static fm_status add_state(fm_states *s, const fm_pair *pairs, size_t n, uint32_t hash, uint32_t *out,
                           fm_error *err) {
    FM_TRY(grow_slots(s, err));
    size_t bytes = n * sizeof *pairs;
    if (s->bytes + fm_states_taken(bytes) > FM_STATES_HARD)
        return fm_fail(err, FM_ERR_LIMIT, "the grammar is too ambiguous: its states take more than %d MiB",
                       FM_STATES_HARD >> 20);
    fm_pair *copy = fm_alloc(bytes, FM_MEM_OTHER);
    if (!copy) return out_of_memory(err, bytes);
    fm_status status = take_number(s, out, err);
    if (status != FM_OK) {
        fm_free(copy);
        return status;
    }
    memcpy(copy, pairs, bytes);
    s->bytes += fm_states_taken(bytes);
    fm_state *state = &s->list[*out];
    state->pairs = copy;
    state->n_pairs = (uint32_t)n;
    state->hash = hash;
    for (size_t i = 0; i < n; i++)
        if (s->list[pairs[i].below].depth >= state->depth)
            state->depth = s->list[pairs[i].below].depth + 1;
    put_slot(s, *out);
    return FM_OK;
}

fm_status fm_state_intern(fm_states *s, fm_pair *pairs, size_t n, uint32_t *out, fm_error *err) {
    *out = FM_STATE_NONE;
    if (n == 0) return FM_OK;
    n = sort_unique(pairs, n);
    if (n > FM_GRAMMAR_STACKS_MAX)
        return fm_fail(err, FM_ERR_LIMIT,
                       "the grammar is too ambiguous: this text has more than %d readings at once",
                       FM_GRAMMAR_STACKS_MAX);
    s->work += n;
    uint32_t hash = (uint32_t)fm_hash(pairs, n * sizeof *pairs, 0);
    for (uint32_t i = hash & s->mask; s->slots && s->slots[i]; i = (i + 1) & s->mask) {
        const fm_state *old = &s->list[s->slots[i]];
        if (old->hash != hash || old->n_pairs != n) continue;
        if (memcmp(old->pairs, pairs, n * sizeof *pairs) != 0) continue;
        *out = s->slots[i];
        return FM_OK;
    }
    return add_state(s, pairs, n, hash, out, err);
}

fm_status fm_states_worked(fm_states *s, size_t amount, fm_error *err) {
    s->work += amount;
    if (s->work <= FM_STATES_WORK_MAX) return FM_OK;
    return fm_fail(err, FM_ERR_LIMIT,
                   "the grammar is too ambiguous: one token takes too long to judge");
}

/* ---- steps ---------------------------------------------------------------------------------*/

static fm_status take_step(fm_states *s, uint32_t from, uint8_t byte, uint32_t *out, fm_error *err) {
    const fm_state *state = &s->list[from];
    s->pairs.size = 0;
    s->pairs.failed = false;
    for (uint32_t i = 0; i < state->n_frames; i++) {
        fm_instruction in = s->program->code[state->frames[i].place];
        if (!fm_byte_set_has(&s->program->sets[in.a], byte)) continue;
        fm_buffer_put(&s->pairs, &(fm_pair){in.b, state->frames[i].below}, sizeof(fm_pair));
    }
    FM_TRY(fm_buffer_status(&s->pairs, err));
    FM_TRY(fm_states_worked(s, state->n_frames, err));
    FM_TRY(fm_state_intern(s, (fm_pair *)(void *)s->pairs.data, s->pairs.size / sizeof(fm_pair), out,
                           err));
    return fm_state_close(s, *out, err);
}

fm_status fm_state_step(fm_states *s, uint32_t from, uint8_t byte, uint32_t *out, fm_error *err) {
    unsigned class = s->program->class_of[byte];
    if (!s->list[from].next) {
        size_t bytes = s->program->n_classes * sizeof(uint32_t);
        uint32_t *next = fm_alloc(bytes, FM_MEM_OTHER);
        if (!next) return out_of_memory(err, bytes);
        memset(next, 0xFF, bytes);
        s->bytes += fm_states_taken(bytes);
        s->list[from].next = next;
    }
    *out = s->list[from].next[class];
    if (*out != FM_STATE_UNKNOWN) return FM_OK;
    FM_TRY(take_step(s, from, byte, out, err));
    s->list[from].next[class] = *out;
    return FM_OK;
}

/* ---- forgetting ----------------------------------------------------------------------------*/

static void free_masks(fm_states *s, fm_state *state) {
    while (state->masks) {
        fm_state_mask *m = state->masks;
        state->masks = m->next;
        s->mask_bytes -= m->bytes;
        s->n_masks--;
        fm_free(m);
    }
}

void fm_states_forget_masks(fm_states *s) {
    for (uint32_t i = 0; i < s->n; i++) free_masks(s, &s->list[i]);
}

static void free_state(fm_states *s, fm_state *state) {
    free_masks(s, state);
    if (state->pairs) s->bytes -= fm_states_taken(state->n_pairs * sizeof(fm_pair));
    if (state->frames) s->bytes -= fm_states_taken(state->n_frames * sizeof(fm_pair));
    if (state->next) s->bytes -= fm_states_taken(s->program->n_classes * sizeof(uint32_t));
    fm_free(state->pairs);
    fm_free(state->frames);
    fm_free(state->next);
}

static void mark(fm_states *s, uint32_t number) {
    if (s->list[number].marked) return;
    s->list[number].marked = true;
    fm_buffer_put(&s->todo, &number, sizeof number);
}

static void mark_from(fm_states *s, uint32_t number) {
    mark(s, number);
    while (s->todo.size) {
        uint32_t next;
        s->todo.size -= sizeof next;
        memcpy(&next, s->todo.data + s->todo.size, sizeof next);
        const fm_state *state = &s->list[next];
        for (uint32_t i = 0; i < state->n_pairs; i++) mark(s, state->pairs[i].below);
        for (uint32_t i = 0; i < state->n_frames; i++) mark(s, state->frames[i].below);
    }
}

static void sweep(fm_states *s) {
    for (uint32_t i = 2; i < s->n; i++) {
        fm_state *state = &s->list[i];
        if (!state->pairs || state->marked) continue;
        free_state(s, state);
        give_back(s, i);
    }
    memset(s->slots, 0, (s->mask + 1) * sizeof *s->slots);
    for (uint32_t i = 1; i < s->n; i++) {
        fm_state *state = &s->list[i];
        state->marked = false;
        if (!state->pairs) continue;
        put_slot(s, i);
        for (unsigned c = 0; state->next && c < s->program->n_classes; c++)
            if (state->next[c] != FM_STATE_UNKNOWN && state->next[c] > 1 &&
                !s->list[state->next[c]].pairs)
                state->next[c] = FM_STATE_UNKNOWN;
    }
    s->list[0].marked = false;
}

fm_status fm_states_tidy(fm_states *s, uint32_t also, fm_error *err) {
    if (s->mask_bytes > FM_MASKS_MAX) fm_states_forget_masks(s);
    if (s->bytes < s->tidy_at) return FM_OK;
    s->todo.size = 0;
    s->todo.failed = false;
    for (uint32_t i = 0; i < s->n; i++)
        if (i < 2 || i == s->start || i == also || s->list[i].holders || s->list[i].masks) mark_from(s, i);
    if (!s->todo.failed) {
        sweep(s);
        s->tidy_at = 2 * s->bytes > FM_STATES_SOFT ? 2 * s->bytes : FM_STATES_SOFT;
        return FM_OK;
    }
    for (uint32_t i = 0; i < s->n; i++) s->list[i].marked = false;
    return fm_buffer_status(&s->todo, err);
}

/* ---- beginning and end ---------------------------------------------------------------------*/

static fm_status first_states(fm_states *s, fm_error *err) {
    uint32_t number;
    FM_TRY(take_number(s, &number, err)); /* 0, in no table */
    s->list[FM_STATE_NONE].closed = true;
    fm_pair done = {0, FM_STATE_NONE};
    FM_TRY(fm_state_intern(s, &done, 1, &number, err));
    FM_TRY(fm_state_close(s, number, err));
    fm_pair begin = {s->program->rules[s->program->root].start, FM_STATE_DONE};
    FM_TRY(fm_state_intern(s, &begin, 1, &s->start, err));
    return fm_state_close(s, s->start, err);
}

fm_status fm_states_init(fm_states *s, const fm_program *program, fm_error *err) {
    *s = (fm_states){.program = program, .tidy_at = FM_STATES_SOFT};
    s->stamps = fm_alloc_array(program->n_code, sizeof *s->stamps, FM_MEM_OTHER);
    fm_status status = s->stamps ? first_states(s, err) : out_of_memory(err, program->n_code * 4);
    if (status != FM_OK) fm_states_clear(s);
    return status;
}

void fm_states_clear(fm_states *s) {
    for (uint32_t i = 0; i < s->n; i++) free_state(s, &s->list[i]);
    fm_free(s->list);
    fm_free(s->slots);
    fm_free(s->stamps);
    fm_buffer *scratch[] = {&s->heap, &s->calls, &s->pairs, &s->todo, &s->frames, &s->path, &s->groups};
    for (size_t i = 0; i < FM_COUNT(scratch); i++) fm_buffer_clear(scratch[i]);
    *s = (fm_states){0};
}

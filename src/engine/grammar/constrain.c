#include "engine/grammar/constrain.h"

#include "engine/grammar/constrain_mask.h"
#include "engine/grammar/grammar_impl.h"

static fm_states *enter(fm_grammar *g) {
    pthread_mutex_lock(&g->lock);
    g->states.work = 0;
    return &g->states;
}

static void leave(fm_grammar *g) { pthread_mutex_unlock(&g->lock); }

void fm_constraint_init(fm_constraint *c, fm_grammar *grammar) {
    *c = (fm_constraint){.grammar = fm_grammar_hold(grammar)};
    fm_states *s = enter(grammar);
    c->state = s->start;
    s->list[c->state].holders++;
    leave(grammar);
}

void fm_constraint_copy(fm_constraint *to, const fm_constraint *from) {
    *to = *from;
    if (!from->grammar) return;
    fm_grammar_hold(to->grammar);
    enter(to->grammar)->list[to->state].holders++;
    leave(to->grammar);
}

void fm_constraint_clear(fm_constraint *c) {
    if (!c->grammar) return;
    enter(c->grammar)->list[c->state].holders--;
    leave(c->grammar);
    fm_grammar_free(c->grammar);
    *c = (fm_constraint){0};
}

static void move_to(fm_constraint *c, fm_states *s, uint32_t state) {
    s->list[state].holders++;
    s->list[c->state].holders--;
    c->state = state;
}

fm_status fm_constraint_accept(fm_constraint *c, const char *bytes, size_t n, bool *allowed,
                               fm_error *err) {
    fm_states *s = enter(c->grammar);
    uint32_t at = c->state;
    fm_status status = FM_OK;
    for (size_t i = 0; i < n && status == FM_OK && at != FM_STATE_NONE; i++) {
        if (i % 256 == 0) status = fm_states_tidy(s, at, err);
        if (status == FM_OK) status = fm_state_step(s, at, (uint8_t)bytes[i], &at, err);
    }
    *allowed = status == FM_OK && (at != FM_STATE_NONE || n == 0);
    if (*allowed) move_to(c, s, at);
    leave(c->grammar);
    return status;
}

fm_status fm_constraint_accept_token(fm_constraint *c, const fm_tokenizer *tokenizer, fm_token id,
                                     bool *allowed, fm_error *err) {
    *allowed = false;
    if (fm_tokenizer_is_end_of_turn(tokenizer, id)) {
        fm_states *s = enter(c->grammar);
        *allowed = s->list[c->state].can_end;
        if (*allowed) move_to(c, s, FM_STATE_NONE);
        leave(c->grammar);
        return FM_OK;
    }
    if (fm_tokenizer_is_added(tokenizer, id) || fm_tokenizer_is_special(tokenizer, id)) return FM_OK;
    size_t n;
    const char *bytes = fm_tokenizer_piece(tokenizer, id, &n);
    return n ? fm_constraint_accept(c, bytes, n, allowed, err) : FM_OK;
}

bool fm_constraint_can_end(const fm_constraint *c) {
    bool can_end = enter(c->grammar)->list[c->state].can_end;
    leave(c->grammar);
    return can_end;
}

bool fm_constraint_ended(const fm_constraint *c) { return c->state == FM_STATE_NONE; }

fm_status fm_constraint_mask(const fm_constraint *c, const fm_token_trie *trie, uint64_t *bits,
                             int64_t *count, fm_error *err) {
    fm_states *s = enter(c->grammar);
    fm_status status = fm_states_tidy(s, c->state, err);
    if (status == FM_OK) status = fm_state_mask_into(s, trie, c->state, bits, err);
    leave(c->grammar);
    if (status != FM_OK || !count) return status;
    *count = 0;
    for (size_t i = 0; i < fm_token_mask_words(trie->size); i++)
        *count += __builtin_popcountll(bits[i]);
    return FM_OK;
}

/* The one byte that may follow; -1 if there are several, or none must. */
static fm_status only_byte(fm_states *s, uint32_t state, int *byte, fm_error *err) {
    *byte = -1;
    if (s->list[state].can_end) return FM_OK;
    const fm_program *p = s->program;
    fm_byte_set all = {0};
    for (uint32_t i = 0; i < s->list[state].n_frames; i++)
        for (int w = 0; w < 4; w++)
            all.bits[w] |= p->sets[p->code[s->list[state].frames[i].place].a].bits[w];
    FM_TRY(fm_states_worked(s, s->list[state].n_frames, err));
    int n = 0;
    for (int w = 0; w < 4; w++) {
        n += __builtin_popcountll(all.bits[w]);
        if (all.bits[w]) *byte = 64 * w + __builtin_ctzll(all.bits[w]);
    }
    if (n != 1) *byte = -1;
    return FM_OK;
}

fm_status fm_constraint_forced(const fm_constraint *c, size_t max, fm_buffer *out, fm_error *err) {
    fm_states *s = enter(c->grammar);
    uint32_t at = c->state;
    fm_status status = FM_OK;
    for (size_t i = 0; i < max && status == FM_OK; i++) {
        int byte;
        uint32_t next = FM_STATE_NONE;
        if (i % 256 == 0) status = fm_states_tidy(s, at, err);
        if (status == FM_OK) status = only_byte(s, at, &byte, err);
        if (status != FM_OK || byte < 0) break;
        status = fm_state_step(s, at, (uint8_t)byte, &next, err);
        if (status != FM_OK || next == FM_STATE_NONE) break;
        fm_buffer_put(out, &(char){(char)byte}, 1);
        at = next;
    }
    leave(c->grammar);
    return status == FM_OK ? fm_buffer_status(out, err) : status;
}

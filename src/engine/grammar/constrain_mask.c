/* Masks: walking the trie of tokens and the states together.
 *
 * A state's readings are grouped by the state below them. What a group allows on its own, as long as
 * it does not come to the end of its rule, does not depend on what lies below: inside a string nearly
 * every token is fine, wherever the string stands. So a group is looked at as if it stood above
 * nothing (state 1), that answer is remembered for every place where the same readings come again, and
 * only where a token goes past the rule's end ("exits": nodes such as x" in the trie) the walk goes
 * on in the state that really lies below:
 *
 *     mask({ (p, 7), (q, 7), (r, 9) }) =  alone({p, q}) + from exits of {p, q} in state 7
 *                                      +  alone({r})    + from exits of {r}    in state 9
 *
 * A walk follows at most one memorised table entry per node, and skips the subtree below a byte that
 * is not allowed. */
#include "engine/grammar/constrain_mask.h"

#include <string.h>

enum {
    GROUPS_MAX = 8,     /* more are walked as one state */
    REMEMBER = 2000,    /* nodes: a mask that took fewer to find is not worth keeping */
    NODES_MAX = 1 << 25 /* visited in one call: a few times the largest trie */
};

typedef struct walk {
    fm_states *states;
    const fm_token_trie *trie;
    uint64_t *bits;
    fm_buffer *exits;    /* NULL: not wanted */
    uint32_t reach;      /* the greatest of all states met, where exits are wanted */
    uint32_t *path;      /* state by depth in the trie */
    size_t *nodes;       /* visited so far in this call */
    fm_error *err;
} walk;

static void set_ids(const walk *w, const fm_trie_node *node) {
    for (uint32_t i = 0; i < node->own; i++) {
        fm_token id = w->trie->ids[node->ids + i];
        w->bits[(size_t)id / 64] |= (uint64_t)1 << ((size_t)id % 64);
    }
}

static void note_exit(walk *w, uint32_t at, uint32_t state) {
    const fm_state *s = &w->states->list[state];
    if (s->reach > w->reach) w->reach = s->reach;
    if (s->can_end && w->trie->nodes[at].end > at + 1) fm_buffer_put(w->exits, &at, sizeof at);
}

/* Everything below `from`, which was reached in `state`. */
static fm_status follow(walk *w, uint32_t from, uint32_t state) {
    const fm_trie_node *nodes = w->trie->nodes;
    const uint8_t *class_of = w->states->program->class_of;
    uint32_t end = nodes[from].end;
    w->path[nodes[from].depth] = state;
    for (uint32_t i = from + 1; i < end;) {
        uint32_t at = w->path[nodes[i].depth - 1];
        const uint32_t *table = w->states->list[at].next;
        uint32_t next = table ? table[class_of[nodes[i].byte]] : FM_STATE_UNKNOWN;
        if (next == FM_STATE_UNKNOWN)
            FM_TRY(fm_state_step(w->states, at, nodes[i].byte, &next, w->err));
        ++*w->nodes;
        if (next == FM_STATE_NONE) {
            i = nodes[i].end;
            continue;
        }
        set_ids(w, &nodes[i]);
        if (w->exits) note_exit(w, i, next);
        w->path[nodes[i].depth] = next;
        i++;
    }
    if (*w->nodes > NODES_MAX)
        return fm_fail(w->err, FM_ERR_LIMIT,
                       "the grammar is too ambiguous: one token takes too long to judge");
    return FM_OK;
}

/* ---- what is remembered --------------------------------------------------------------------*/

static const fm_state_mask *find_mask(const fm_states *s, const fm_token_trie *trie, uint32_t state,
                                      bool whole_will_do) {
    for (const fm_state_mask *m = s->list[state].masks; m; m = m->next)
        if (m->trie == trie->identity && (!m->whole || whole_will_do)) return m;
    return NULL;
}

static fm_status remember(fm_states *s, const fm_token_trie *trie, uint32_t state,
                          const uint64_t *bits, const fm_buffer *exits, uint32_t reach, fm_error *err) {
    size_t words = fm_token_mask_words(trie->size), n_ids = 0;
    for (size_t i = 0; i < words; i++) n_ids += (size_t)__builtin_popcountll(bits[i]);
    bool few = n_ids < 2 * words;
    size_t set_bytes = few ? n_ids * sizeof(uint32_t) : words * sizeof *bits;
    size_t exit_bytes = exits ? exits->size : 0, bytes = sizeof(fm_state_mask) + set_bytes + exit_bytes;
    if (s->mask_bytes + bytes > FM_MASKS_MAX) fm_states_forget_masks(s);
    fm_state_mask *m = fm_alloc_zero(bytes, FM_MEM_OTHER);
    if (!m) return fm_fail_memory(err, bytes, "the mask of a grammar");
    *m = (fm_state_mask){.trie = trie->identity, .whole = !exits, .reach = reach, .bytes = bytes};
    char *room = (char *)(m + 1);
    if (few) {
        m->ids = (uint32_t *)(void *)room;
        for (size_t i = 0; i < words; i++)
            for (uint64_t left = bits[i]; left; left &= left - 1)
                m->ids[m->n_ids++] = (uint32_t)(64 * i) + (uint32_t)__builtin_ctzll(left);
    } else {
        m->bits = (uint64_t *)(void *)room;
        memcpy(m->bits, bits, set_bytes);
    }
    for (size_t i = 0; i < exit_bytes / sizeof(uint32_t); i++) {
        uint32_t at;
        memcpy(&at, exits->data + i * sizeof at, sizeof at);
        m->below_exits += trie->nodes[at].end - at;
    }
    if (exit_bytes) {
        m->exits = (uint32_t *)(void *)(room + set_bytes);
        m->n_exits = (uint32_t)(exit_bytes / sizeof(uint32_t));
        memcpy(m->exits, exits->data, exit_bytes);
    }
    m->next = s->list[state].masks;
    s->list[state].masks = m;
    s->mask_bytes += bytes;
    s->n_masks++;
    return FM_OK;
}

static void add_mask(const fm_state_mask *m, size_t words, uint64_t *bits) {
    for (size_t i = 0; m->bits && i < words; i++) bits[i] |= m->bits[i];
    for (uint32_t i = 0; i < m->n_ids; i++) bits[m->ids[i] / 64] |= (uint64_t)1 << (m->ids[i] % 64);
}

/* ---- one group -----------------------------------------------------------------------------*/

/* The readings of frames [0, n) as if they stood above nothing. */
static fm_status alone_state(fm_states *s, const fm_pair *frames, size_t n, uint32_t *out,
                             fm_error *err) {
    s->pairs.size = 0;
    s->pairs.failed = false;
    for (size_t i = 0; i < n; i++)
        fm_buffer_put(&s->pairs, &(fm_pair){frames[i].place, FM_STATE_DONE}, sizeof(fm_pair));
    FM_TRY(fm_buffer_status(&s->pairs, err));
    FM_TRY(fm_state_intern(s, (fm_pair *)(void *)s->pairs.data, n, out, err));
    return fm_state_close(s, *out, err);
}

/* Finds, and remembers with the state, what the group allows alone. */
static fm_status alone_mask(walk *w, uint32_t state, const fm_state_mask **out) {
    *out = find_mask(w->states, w->trie, state, false);
    if (*out) return FM_OK;
    size_t words = fm_token_mask_words(w->trie->size);
    fm_buffer exits = {0};
    walk own = *w;
    own.exits = &exits;
    own.reach = w->states->list[state].reach;
    own.bits = fm_alloc_array(words + 1, sizeof *own.bits, FM_MEM_OTHER);
    fm_status status = own.bits ? follow(&own, 0, state)
                                : fm_fail_memory(w->err, words * 8, "the mask of a grammar");
    if (status == FM_OK) status = fm_buffer_status(&exits, w->err);
    if (status == FM_OK)
        status = remember(w->states, w->trie, state, own.bits, &exits, own.reach, w->err);
    fm_free(own.bits);
    fm_buffer_clear(&exits);
    *out = status == FM_OK ? w->states->list[state].masks : NULL;
    return status;
}

/* *fits is false where the group is no good: standing as deep as it does, a token could nest too deep;
 * or its rule may end nearly everywhere, and a walk in the whole state is shorter. */
static fm_status add_group(walk *w, const fm_pair *frames, size_t n, bool *fits) {
    uint32_t below = frames[0].below, alone;
    const fm_state_mask *m;
    FM_TRY(alone_state(w->states, frames, n, &alone, w->err));
    FM_TRY(alone_mask(w, alone, &m));
    uint32_t deeper = w->states->list[below].depth - w->states->list[FM_STATE_DONE].depth;
    *fits = m->reach + deeper <= FM_GRAMMAR_DEPTH_MAX &&
            (below == FM_STATE_DONE || m->below_exits <= 2 * (size_t)w->trie->n_nodes);
    if (!*fits) return FM_OK;
    add_mask(m, fm_token_mask_words(w->trie->size), w->bits);
    if (below == FM_STATE_DONE) return FM_OK;
    FM_TRY(fm_state_close(w->states, below, w->err));
    for (uint32_t i = 0; i < m->n_exits; i++) FM_TRY(follow(w, m->exits[i], below));
    return FM_OK;
}

/* ---- a state -------------------------------------------------------------------------------*/

static size_t count_groups(const fm_pair *frames, size_t n) {
    size_t groups = 0;
    for (size_t i = 0; i < n; i++) groups += i == 0 || frames[i].below != frames[i - 1].below;
    return groups;
}

static fm_status add_groups(walk *w, const fm_pair *frames, size_t n, bool *fits) {
    *fits = count_groups(frames, n) <= GROUPS_MAX;
    for (size_t i = 0, end; *fits && i < n; i = end) {
        for (end = i + 1; end < n && frames[end].below == frames[i].below;) end++;
        FM_TRY(add_group(w, frames + i, end - i, fits));
    }
    return FM_OK;
}

/* The frames are copied, because states move when new ones are made. */
static fm_status find_tokens(walk *w, uint32_t state) {
    const fm_state *s = &w->states->list[state];
    size_t n = s->n_frames;
    fm_buffer *copy = &w->states->groups;
    if (n == 0) return FM_OK;
    copy->size = 0;
    copy->failed = false;
    fm_buffer_put(copy, s->frames, n * sizeof *s->frames);
    FM_TRY(fm_buffer_status(copy, w->err));
    bool fits;
    FM_TRY(add_groups(w, (const fm_pair *)(const void *)copy->data, n, &fits));
    return fits ? FM_OK : follow(w, 0, state);
}

fm_status fm_state_mask_into(fm_states *s, const fm_token_trie *trie, uint32_t state, uint64_t *bits,
                             fm_error *err) {
    size_t words = fm_token_mask_words(trie->size), nodes = 0;
    memset(bits, 0, words * sizeof *bits);
    const fm_state_mask *known = find_mask(s, trie, state, true);
    fm_status status = FM_OK;
    if (known) {
        add_mask(known, words, bits);
    } else {
        walk w = {.states = s, .trie = trie, .bits = bits, .nodes = &nodes, .err = err};
        s->path.size = 0;
        s->path.failed = false;
        w.path = fm_buffer_room(&s->path, (trie->depth + 1) * sizeof *w.path);
        status = fm_buffer_status(&s->path, err);
        if (status == FM_OK) status = find_tokens(&w, state);
        if (status == FM_OK && nodes >= REMEMBER)
            status = remember(s, trie, state, bits, NULL, 0, err);
    }
    for (uint32_t i = 0; s->list[state].can_end && i < trie->n_ends; i++)
        bits[(size_t)trie->ends[i] / 64] |= (uint64_t)1 << ((size_t)trie->ends[i] % 64);
    return status;
}

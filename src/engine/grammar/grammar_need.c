/* How deep an answer must still nest before it can end.
 *
 * Answers nest at most FM_GRAMMAR_DEPTH_MAX deep; a state that is let in near that depth must be able
 * to close what it opened. need[place] is the smallest number of rules, one inside the other, that
 * finishing the place's own rule takes:
 *
 *     END 0    BYTES need[b]    SPLIT min(need[a], need[b])
 *     CALL     max(1 + need[the rule's start], need[b]), the 1 + only if something is left to do after
 *              it; need[b] if the rule may be empty
 *
 * The smallest solution, found in rising order of need (Knuth 1977, Dijkstra's algorithm for grammars):
 * what is settled at v settles others at v or v + 1, so two queues do. */
#include "engine/grammar/grammar_program.h"

#include <string.h>

enum { UNKNOWN = UINT16_MAX };

typedef struct needs {
    fm_program *program;
    uint32_t *before;    /* [n_code] first edge into an instruction + 1; 0: none */
    uint32_t *next_edge; /* [2 n_code] edge 2 i + k leads from instruction i, by a (k 0) or b (1) */
    uint32_t *rules;     /* [n_code] first rule that starts here + 1 */
    uint32_t *next_rule; /* [n_rules] */
    uint32_t *calls;     /* [n_rules] first call + 1 */
    uint32_t *next_call; /* [n_code] */
    fm_buffer now, later; /* places to settle at v, at v + 1 */
} needs;

static void offer(needs *n, uint32_t place, unsigned value, unsigned v) {
    if (value >= n->program->need[place]) return;
    if (value > v + 1) return; /* part of it is not settled yet, and will offer again */
    n->program->need[place] = (uint16_t)value;
    fm_buffer_put(value == v ? &n->now : &n->later, &place, sizeof place);
}

static void offer_call(needs *n, uint32_t place, unsigned v) {
    const fm_program *p = n->program;
    unsigned value = fm_call_need(p, place);
    if (value < UNKNOWN) offer(n, place, value, v);
    const fm_instruction *i = &p->code[place];
    if (p->rules[i->a].nullable && p->need[i->b] < UNKNOWN) offer(n, place, p->need[i->b], v);
}

static void settle(needs *n, uint32_t place, unsigned v) {
    const fm_program *p = n->program;
    for (uint32_t e = n->before[place]; e; e = n->next_edge[e - 1]) {
        uint32_t from = (e - 1) / 2;
        if (p->code[from].op == FM_OP_CALL) offer_call(n, from, v);
        else offer(n, from, v, v);
    }
    for (uint32_t r = n->rules[place]; r; r = n->next_rule[r - 1])
        for (uint32_t c = n->calls[r - 1]; c; c = n->next_call[c - 1]) offer_call(n, c - 1, v);
}

static void link_all(needs *n) {
    const fm_program *p = n->program;
    for (uint32_t i = 1; i < p->n_code; i++) {
        const fm_instruction *in = &p->code[i];
        uint32_t ways[2] = {in->op == FM_OP_SPLIT ? in->a : UINT32_MAX, in->b};
        for (uint32_t k = 0; k < 2; k++) {
            if (ways[k] == UINT32_MAX) continue;
            n->next_edge[2 * i + k] = n->before[ways[k]];
            n->before[ways[k]] = 2 * i + k + 1;
        }
        if (in->op != FM_OP_CALL) continue;
        n->next_call[i] = n->calls[in->a];
        n->calls[in->a] = i + 1;
    }
    for (uint32_t r = 0; r < p->n_rules; r++) {
        if (!p->rules[r].used) continue;
        n->next_rule[r] = n->rules[p->rules[r].start];
        n->rules[p->rules[r].start] = r + 1;
    }
}

static fm_status solve(needs *n, fm_error *err) {
    fm_program *p = n->program;
    for (size_t i = 0; i < p->n_code; i++) p->need[i] = UNKNOWN;
    link_all(n);
    offer(n, 0, 0, 0);
    for (unsigned v = 0; v <= FM_GRAMMAR_DEPTH_MAX; v++) {
        for (size_t done = 0; done < n->now.size; done += sizeof(uint32_t)) {
            uint32_t place;
            memcpy(&place, n->now.data + done, sizeof place);
            if (p->need[place] == v) settle(n, place, v);
        }
        fm_buffer old = n->now;
        n->now = n->later;
        n->later = old;
        n->later.size = 0;
    }
    FM_TRY(fm_buffer_status(&n->now, err));
    FM_TRY(fm_buffer_status(&n->later, err));
    if (p->need[p->rules[p->root].start] < FM_GRAMMAR_DEPTH_MAX) return FM_OK;
    return fm_fail(err, FM_ERR_LIMIT, "every answer of this grammar nests rules more than %d deep",
                   FM_GRAMMAR_DEPTH_MAX);
}

fm_status fm_program_find_needs(fm_program *p, fm_error *err) {
    needs n = {.program = p};
    p->need = fm_alloc_array(p->n_code, sizeof *p->need, FM_MEM_OTHER);
    n.before = fm_alloc_array(p->n_code, sizeof(uint32_t), FM_MEM_OTHER);
    n.next_edge = fm_alloc_array(p->n_code, 2 * sizeof(uint32_t), FM_MEM_OTHER);
    n.rules = fm_alloc_array(p->n_code, sizeof(uint32_t), FM_MEM_OTHER);
    n.next_call = fm_alloc_array(p->n_code, sizeof(uint32_t), FM_MEM_OTHER);
    n.next_rule = fm_alloc_array(p->n_rules, sizeof(uint32_t), FM_MEM_OTHER);
    n.calls = fm_alloc_array(p->n_rules, sizeof(uint32_t), FM_MEM_OTHER);
    bool ok = p->need && n.before && n.next_edge && n.rules && n.next_call && n.next_rule && n.calls;
    fm_status status = ok ? solve(&n, err) : fm_fail_memory(err, p->n_code * 20, "a grammar");
    uint32_t *scratch[] = {n.before, n.next_edge, n.rules, n.next_call, n.next_rule, n.calls};
    for (size_t i = 0; i < FM_COUNT(scratch); i++) fm_free(scratch[i]);
    fm_buffer_clear(&n.now);
    fm_buffer_clear(&n.later);
    return status;
}

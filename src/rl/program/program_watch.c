/* Every step of a program, told to whoever watches it. */
#include "rl/program/program_walk.h"

#include <stdio.h>

/* Long values are cut for the watcher; the program does not pay for it. */
void fm_walk_tell(run *r, fm_program_event_kind kind, int line, const char *name, const value *values, size_t n) {
    enum { SHOWN = 2000 };
    fm_program_result before = *r->result;
    fm_buffer shown = {0};
    r->result->steps = r->limits.steps - 4 * SHOWN; /* room for what SHOWN bytes may take */
    for (size_t i = 0; i < n; i++) {
        if (i > 0) fm_buffer_text(&shown, ", ");
        if (!fm_value_show(r, values[i], true, SHOWN, &shown)) fm_buffer_text(&shown, "...");
    }
    *r->result = before;
    fm_program_event event = {kind, line, name, n || kind == FM_PROGRAM_CALLED ? fm_buffer_string(&shown) : NULL};
    r->watch->see(r->watch->context, &event);
    fm_buffer_clear(&shown);
}

static bool is_name(const node *n) { return n->kind == NODE_GLOBAL || n->kind == NODE_LOCAL; }

void fm_walk_tell_assigned(run *r, const node *target, value v) {
    if (is_name(target)) fm_walk_tell(r, FM_PROGRAM_ASSIGNED, r->line, fm_walk_name(r, target), &v, 1);
}

void fm_walk_tell_item_assigned(run *r, const node *of, int64_t i, value v) {
    char name[100];
    if (!is_name(of)) return;
    snprintf(name, sizeof name, "%s[%lld]", fm_walk_name(r, of), (long long)i);
    fm_walk_tell(r, FM_PROGRAM_ASSIGNED, r->line, name, &v, 1);
}

/* The values of expressions. Every node counts a step, calls and the walk's own depth are bounded, and the first fault
 * ends everything. */
#include "rl/program/program_walk.h"

#include <string.h>

value *fm_walk_place(run *r, const node *n) {
    return n->kind == NODE_LOCAL ? &r->frame[n->number] : &r->globals[n->number];
}

bool fm_walk_load(run *r, const node *n, value *out) {
    *out = *fm_walk_place(r, n);
    return out->kind != VALUE_UNSET || fm_run_fail(r, "'%s' has no value yet", fm_walk_name(r, n));
}

value *fm_walk_take(run *r, size_t n) {
    if (n > STACK_MAX - r->waiting) {
        fm_run_end(r, FM_PROGRAM_DEPTH, "too many values wait at once");
        return NULL;
    }
    value *values = r->stack + r->waiting;
    memset(values, 0, n * sizeof *values);
    r->waiting += n;
    return values;
}

bool fm_walk_evaluate_all(run *r, const node *items, value *out) {
    for (; items; items = items->next)
        if (!fm_walk_evaluate(r, items, out++)) return false;
    return true;
}

static bool sign_of(run *r, const node *n, value *out) {
    value v;
    if (!fm_walk_evaluate(r, n->left, &v)) return false;
    if (!value_is_number(v)) return fm_run_fail(r, "%s has no sign", fm_value_kind_name(v));
    if (n->kind == NODE_MINUS && v.number == INT64_MIN) return fm_run_fail(r, "a number leaves 64 bits");
    *out = value_number(n->kind == NODE_MINUS ? -v.number : v.number);
    return true;
}

static bool related(run *r, relation rel, value a, value b, bool *holds) {
    int order = 0;
    if (rel == REL_IN || rel == REL_NOT_IN) {
        bool good = fm_value_contains(r, b, a, holds);
        *holds ^= rel == REL_NOT_IN;
        return good;
    }
    if (rel == REL_EQUAL || rel == REL_UNEQUAL) {
        bool good = fm_value_equal(r, a, b, holds);
        *holds ^= rel == REL_UNEQUAL;
        return good;
    }
    if (!fm_value_compare(r, a, b, &order)) return false;
    *holds = rel == REL_LESS         ? order < 0
             : rel == REL_LESS_EQUAL ? order <= 0
             : rel == REL_GREATER    ? order > 0
                                     : order >= 0;
    return true;
}

static bool comparison(run *r, const node *n, value *out) {
    value left, right;
    bool holds = true;
    if (!fm_walk_evaluate(r, n->left, &left)) return false;
    for (const node *operand = n->items; operand && holds; operand = operand->next) {
        if (!fm_walk_evaluate(r, operand, &right)) return false;
        if (!related(r, (relation)operand->relation, left, right, &holds)) return false;
        left = right;
    }
    *out = value_truth(holds);
    return true;
}

bool fm_walk_index(run *r, value all, value index, int64_t *out) {
    int64_t n;
    if (all.kind != VALUE_TEXT && all.kind != VALUE_LIST)
        return fm_run_fail(r, "%s has no items by number", fm_value_kind_name(all));
    if (!value_is_number(index)) return fm_run_fail(r, "an index is a number, not %s", fm_value_kind_name(index));
    if (!fm_value_length(r, all, &n)) return false;
    if (index.number < -n || index.number >= n)
        return fm_run_fail(r, "index %lld in %s of %lld", (long long)index.number, fm_value_kind_name(all),
                           (long long)n);
    *out = index.number < 0 ? index.number + n : index.number;
    return true;
}

static bool item_at(run *r, const node *n, value *out) {
    value all, index;
    int64_t i;
    bool there;
    return fm_walk_evaluate(r, n->left, &all) && fm_walk_evaluate(r, n->right, &index) &&
           fm_walk_index(r, all, index, &i) && fm_value_item(r, all, i, out, &there);
}

static int64_t clamp(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

/* A slice's bound as Python reads it: from the end when negative, and never outside. */
static int64_t bound(value v, int64_t n, bool down, int64_t otherwise) {
    if (v.kind == VALUE_NONE) return otherwise;
    int64_t i = v.number < 0 ? (v.number < -n ? -1 : v.number + n) : v.number;
    if (v.number < -n) return down ? -1 : 0;
    return clamp(i, 0, down ? n - 1 : n);
}

static bool slice(run *r, const node *n, value *out) {
    value all, parts[3];
    int64_t length;
    if (!fm_walk_evaluate(r, n->left, &all) || !fm_walk_evaluate_all(r, n->items, parts)) return false;
    if (all.kind != VALUE_TEXT && all.kind != VALUE_LIST)
        return fm_run_fail(r, "%s has no slices", fm_value_kind_name(all));
    for (int i = 0; i < 3; i++)
        if (parts[i].kind != VALUE_NONE && !value_is_number(parts[i]))
            return fm_run_fail(r, "a slice's bound is a number, not %s", fm_value_kind_name(parts[i]));
    int64_t step = parts[2].kind == VALUE_NONE ? 1 : parts[2].number;
    if (step == 0) return fm_run_fail(r, "a slice has a step of 0");
    if (!fm_value_length(r, all, &length)) return false;
    bool down = step < 0;
    range g = {bound(parts[0], length, down, down ? length - 1 : 0), bound(parts[1], length, down, down ? -1 : length),
               step};
    value steps = {.kind = VALUE_RANGE, .range = &g}, item;
    int64_t count;
    bool there;
    if (!fm_value_length(r, steps, &count) || !fm_run_steps(r, (uint64_t)count / 16)) return false;
    text *t = NULL;
    if (all.kind == VALUE_TEXT ? !(t = fm_run_text(r, (size_t)count)) : !fm_value_list(r, (size_t)count, out))
        return false;
    for (int64_t k = 0; k < count; k++) {
        if (!fm_value_item(r, steps, k, &item, &there)) return false;
        if (t) t->s[k] = all.text->s[item.number];
        else if (!fm_list_add(r, out->list, all.list->items[item.number])) return false;
    }
    if (t) *out = (value){.kind = VALUE_TEXT, .text = t};
    return true;
}

static bool enter(run *r, const node *n, value *frame, value *out) {
    const function *f = n->function, *caller = r->function;
    value *outer = r->frame;
    if (++r->depth > r->limits.depth) return fm_run_end(r, FM_PROGRAM_DEPTH, "too many calls within calls");
    if (r->watch) fm_walk_tell(r, FM_PROGRAM_CALLED, n->line, fm_walk_name(r, n), frame, n->count);
    r->frame = frame;
    r->function = f;
    flow end = fm_walk_execute(r, f->block);
    *out = end == FLOW_RETURN ? r->returned : value_none();
    r->frame = outer;
    r->function = caller;
    r->depth--;
    if (end == FLOW_FAULT) return false;
    if (r->watch) fm_walk_tell(r, FM_PROGRAM_RETURNED, r->line, fm_walk_name(r, n), out, 1);
    r->line = n->line;
    return true;
}

static bool call(run *r, const node *n, value *out) {
    size_t waiting = r->waiting;
    value *frame = fm_walk_take(r, (size_t)n->function->locals);
    if (!frame || !fm_walk_evaluate_all(r, n->items, frame)) return false;
    if (!r->defined[n->function->index]) return fm_run_fail(r, "'%s' is not defined yet", fm_walk_name(r, n));
    bool good = enter(r, n, frame, out);
    r->waiting = waiting;
    return good;
}

/* A function of the language's own, with or without the value in front of its dot. */
static bool builtin_call(run *r, const node *n, value *out) {
    const builtin *b = fm_builtin_at((int)n->number);
    size_t waiting = r->waiting;
    value self = {0};
    if (n->left && !fm_walk_evaluate(r, n->left, &self)) return false;
    value *arguments = fm_walk_take(r, n->count);
    if (!arguments || !fm_walk_evaluate_all(r, n->items, arguments) || !b->call(r, self, arguments, n->count, out))
        return false;
    r->waiting = waiting;
    if (r->watch && b->changes && self.kind == VALUE_LIST) fm_walk_tell_assigned(r, n->left, self);
    return true;
}

static bool print(run *r, const node *n, value *out) {
    size_t waiting = r->waiting;
    value *values = fm_walk_take(r, n->count);
    const char *separator = n->left ? n->left->text->s : " ";
    *out = value_none();
    if (!values || !fm_walk_evaluate_all(r, n->items, values)) return false;
    r->waiting = waiting;
    size_t begin = r->output->size;
    for (uint32_t i = 0; i < n->count; i++) {
        size_t used = r->output->size - r->output_begin;
        if (i > 0) fm_buffer_put(r->output, separator, n->left ? n->left->text->n : 1);
        if (!fm_value_show(r, values[i], false, used < r->limits.output ? r->limits.output - used : 0, r->output))
            return false;
    }
    if (r->watch) {
        fm_buffer_string(r->output);
        fm_program_event event = {FM_PROGRAM_PRINTED, n->line, NULL, NULL};
        event.value = r->output->data ? r->output->data + begin : "";
        r->watch->see(r->watch->context, &event);
    }
    fm_buffer_put(r->output, n->right ? n->right->text->s : "\n", n->right ? n->right->text->n : 1);
    return r->output->size - r->output_begin <= r->limits.output ||
           fm_run_end(r, FM_PROGRAM_OUTPUT, "the program wrote all it may write");
}

static bool list_display(run *r, const node *n, value *out) {
    if (!fm_value_list(r, n->count, out)) return false;
    for (const node *item = n->items; item; item = item->next) {
        value v;
        if (!fm_walk_evaluate(r, item, &v) || !fm_list_add(r, out->list, v)) return false;
    }
    return true;
}

static bool logic(run *r, const node *n, value *out) {
    if (!fm_walk_evaluate(r, n->left, out)) return false;
    if (n->kind == NODE_NOT) *out = value_truth(!fm_value_true(*out));
    else if (fm_value_true(*out) == (n->kind == NODE_AND)) return fm_walk_evaluate(r, n->right, out);
    return true;
}

static bool binary(run *r, const node *n, value *out) {
    value a, b;
    return fm_walk_evaluate(r, n->left, &a) && fm_walk_evaluate(r, n->right, &b) &&
           fm_value_operate(r, n->operation, a, b, out);
}

static bool evaluate_node(run *r, const node *n, value *out) {
    switch (n->kind) {
    case NODE_NUMBER: *out = value_number(n->number); return true;
    case NODE_TRUTH: *out = value_truth(n->number); return true;
    case NODE_NONE: *out = value_none(); return true;
    case NODE_TEXT: *out = (value){.kind = VALUE_TEXT, .text = n->text}; return true;
    case NODE_GLOBAL:
    case NODE_LOCAL: return fm_walk_load(r, n, out);
    case NODE_LIST: return list_display(r, n, out);
    case NODE_MINUS:
    case NODE_PLUS: return sign_of(r, n, out);
    case NODE_NOT:
    case NODE_AND:
    case NODE_OR: return logic(r, n, out);
    case NODE_BINARY: return binary(r, n, out);
    case NODE_COMPARE: return comparison(r, n, out);
    case NODE_INDEX: return item_at(r, n, out);
    case NODE_SLICE: return slice(r, n, out);
    case NODE_CALL: return call(r, n, out);
    case NODE_BUILTIN:
    case NODE_METHOD: return builtin_call(r, n, out);
    default: return print(r, n, out);
    }
}

bool fm_walk_deeper(run *r) {
    if (++r->nesting <= WALK_MAX) return true;
    return fm_run_end(r, FM_PROGRAM_DEPTH, "too many calls within calls");
}

bool fm_walk_evaluate(run *r, const node *n, value *out) {
    *out = value_none();
    bool good = fm_walk_deeper(r) && fm_run_steps(r, 1) && evaluate_node(r, n, out);
    r->nesting--;
    return good;
}

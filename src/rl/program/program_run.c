/* Walks the tree of a program. Every node counts a step, calls and the walk's own depth are bounded, and the
 * first fault ends everything. */
#include "rl/program/program_builtins.h"
#include "rl/program/program_tree.h"

#include <stdio.h>
#include <string.h>

enum {
    WALK_MAX = 3000,  /* functions of this file within each other: about a megabyte of this machine's stack */
    STACK_MAX = 4000, /* values of calls and their arguments that wait at once */
};

typedef enum flow { FLOW_FAULT, FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE, FLOW_RETURN } flow;

const fm_program_limits fm_program_usual_limits = {
    .steps = 100000, .memory = 1 << 20, .depth = 100, .output = 16 << 10};

const char *fm_program_end_name(fm_program_end end) {
    static const char *const names[FM_PROGRAM_ENDS] = {"done",   "syntax", "failed", "steps",
                                                       "memory", "depth",  "output"};
    return end < FM_PROGRAM_ENDS ? names[end] : "?";
}

static bool evaluate(run *r, const node *n, value *out);
static flow execute(run *r, const node *block);

/* ---- for who watches ----------------------------------------------------------------------------- */

/* Long values are cut for the watcher; the program does not pay for it. */
static void tell(run *r, fm_program_event_kind kind, int line, const char *name, const value *values, size_t n) {
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

static const char *name_of(const run *r, const node *n) { return r->program->names[n->id].text; }

static bool is_name(const node *n) { return n->kind == NODE_GLOBAL || n->kind == NODE_LOCAL; }

static void tell_assigned(run *r, const node *target, value v) {
    if (is_name(target)) tell(r, FM_PROGRAM_ASSIGNED, r->line, name_of(r, target), &v, 1);
}

static void tell_item_assigned(run *r, const node *of, int64_t i, value v) {
    char name[100];
    if (!is_name(of)) return;
    snprintf(name, sizeof name, "%s[%lld]", name_of(r, of), (long long)i);
    tell(r, FM_PROGRAM_ASSIGNED, r->line, name, &v, 1);
}

/* ---- expressions --------------------------------------------------------------------------------- */

static value *place_of(run *r, const node *n) {
    return n->kind == NODE_LOCAL ? &r->frame[n->number] : &r->globals[n->number];
}

static bool load(run *r, const node *n, value *out) {
    *out = *place_of(r, n);
    return out->kind != VALUE_UNSET || fm_run_fail(r, "'%s' has no value yet", name_of(r, n));
}

/* n places for values that wait, unset; they are given back by setting r->waiting to what it was. */
static value *take(run *r, size_t n) {
    if (n > STACK_MAX - r->waiting) {
        fm_run_end(r, FM_PROGRAM_DEPTH, "too many values wait at once");
        return NULL;
    }
    value *values = r->stack + r->waiting;
    memset(values, 0, n * sizeof *values);
    r->waiting += n;
    return values;
}

static bool evaluate_all(run *r, const node *items, value *out) {
    for (; items; items = items->next)
        if (!evaluate(r, items, out++)) return false;
    return true;
}

static bool sign_of(run *r, const node *n, value *out) {
    value v;
    if (!evaluate(r, n->left, &v)) return false;
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
    if (!evaluate(r, n->left, &left)) return false;
    for (const node *operand = n->items; operand && holds; operand = operand->next) {
        if (!evaluate(r, operand, &right)) return false;
        if (!related(r, (relation)operand->relation, left, right, &holds)) return false;
        left = right;
    }
    *out = value_truth(holds);
    return true;
}

/* Python counts from the end when an index is below 0. */
static bool place_in(run *r, value all, value index, int64_t *out) {
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
    return evaluate(r, n->left, &all) && evaluate(r, n->right, &index) && place_in(r, all, index, &i) &&
           fm_value_item(r, all, i, out, &there);
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
    if (!evaluate(r, n->left, &all) || !evaluate_all(r, n->items, parts)) return false;
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
    if (r->watch) tell(r, FM_PROGRAM_CALLED, n->line, name_of(r, n), frame, n->count);
    r->frame = frame;
    r->function = f;
    flow end = execute(r, f->block);
    *out = end == FLOW_RETURN ? r->returned : value_none();
    r->frame = outer;
    r->function = caller;
    r->depth--;
    if (end == FLOW_FAULT) return false;
    if (r->watch) tell(r, FM_PROGRAM_RETURNED, r->line, name_of(r, n), out, 1);
    r->line = n->line;
    return true;
}

static bool call(run *r, const node *n, value *out) {
    size_t waiting = r->waiting;
    value *frame = take(r, (size_t)n->function->locals);
    if (!frame || !evaluate_all(r, n->items, frame)) return false;
    if (!r->defined[n->function->index]) return fm_run_fail(r, "'%s' is not defined yet", name_of(r, n));
    bool good = enter(r, n, frame, out);
    r->waiting = waiting;
    return good;
}

/* A function of the language's own, with or without the value in front of its dot. */
static bool builtin_call(run *r, const node *n, value *out) {
    const builtin *b = fm_builtin_at((int)n->number);
    size_t waiting = r->waiting;
    value self = {0};
    if (n->left && !evaluate(r, n->left, &self)) return false;
    value *arguments = take(r, n->count);
    if (!arguments || !evaluate_all(r, n->items, arguments) || !b->call(r, self, arguments, n->count, out))
        return false;
    r->waiting = waiting;
    if (r->watch && b->changes && self.kind == VALUE_LIST) tell_assigned(r, n->left, self);
    return true;
}

static bool print(run *r, const node *n, value *out) {
    size_t waiting = r->waiting;
    value *values = take(r, n->count);
    const char *separator = n->left ? n->left->text->s : " ";
    *out = value_none();
    if (!values || !evaluate_all(r, n->items, values)) return false;
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
        if (!evaluate(r, item, &v) || !fm_list_add(r, out->list, v)) return false;
    }
    return true;
}

static bool logic(run *r, const node *n, value *out) {
    if (!evaluate(r, n->left, out)) return false;
    if (n->kind == NODE_NOT) *out = value_truth(!fm_value_true(*out));
    else if (fm_value_true(*out) == (n->kind == NODE_AND)) return evaluate(r, n->right, out);
    return true;
}

static bool binary(run *r, const node *n, value *out) {
    value a, b;
    return evaluate(r, n->left, &a) && evaluate(r, n->right, &b) && fm_value_operate(r, n->operation, a, b, out);
}

static bool evaluate_node(run *r, const node *n, value *out) {
    switch (n->kind) {
    case NODE_NUMBER: *out = value_number(n->number); return true;
    case NODE_TRUTH: *out = value_truth(n->number); return true;
    case NODE_NONE: *out = value_none(); return true;
    case NODE_TEXT: *out = (value){.kind = VALUE_TEXT, .text = n->text}; return true;
    case NODE_GLOBAL:
    case NODE_LOCAL: return load(r, n, out);
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

static bool deeper(run *r) {
    if (++r->nesting <= WALK_MAX) return true;
    return fm_run_end(r, FM_PROGRAM_DEPTH, "too many calls within calls");
}

static bool evaluate(run *r, const node *n, value *out) {
    *out = value_none();
    bool good = deeper(r) && fm_run_steps(r, 1) && evaluate_node(r, n, out);
    r->nesting--;
    return good;
}

/* ---- statements ---------------------------------------------------------------------------------- */

/* The list and the place that target[...] means. */
static bool find_item(run *r, const node *target, list **l, value *index, int64_t *i) {
    value all;
    if (!evaluate(r, target->left, &all) || !evaluate(r, target->right, index)) return false;
    if (all.kind != VALUE_LIST) return fm_run_fail(r, "%s has no items that change", fm_value_kind_name(all));
    *l = all.list;
    return place_in(r, all, *index, i);
}

static bool store(run *r, const node *target, value v) {
    if (target->kind != NODE_INDEX) {
        *place_of(r, target) = v;
        if (r->watch) tell_assigned(r, target, v);
        return true;
    }
    list *l = NULL;
    value index;
    int64_t i;
    if (!find_item(r, target, &l, &index, &i)) return false;
    l->items[i] = v;
    if (r->watch) tell_item_assigned(r, target->left, i, v);
    return true;
}

static bool assign(run *r, const node *n) {
    size_t waiting = r->waiting;
    value *values = take(r, n->count);
    if (!values || !evaluate_all(r, n->values, values)) return false;
    for (const node *target = n->items; target; target = target->next)
        if (!store(r, target, *values++)) return false;
    r->waiting = waiting;
    return true;
}

/* a += [1] changes the very list; everything else makes a new value. */
static bool changed(run *r, const node *n, value *v) {
    value by;
    if (!evaluate(r, n->right, &by)) return false;
    if (v->kind != VALUE_LIST) return fm_value_operate(r, n->operation, *v, by, v);
    if (n->operation != SIGN_PLUS || by.kind != VALUE_LIST)
        return fm_run_fail(r, "only += and a list change a list");
    size_t count = by.list->n; /* it may be the same list */
    if (!fm_run_steps(r, count / 16)) return false;
    for (size_t i = 0; i < count; i++)
        if (!fm_list_add(r, v->list, by.list->items[i])) return false;
    return true;
}

static bool augment(run *r, const node *n) {
    const node *target = n->left;
    list *l = NULL;
    value index, v;
    int64_t i;
    if (target->kind != NODE_INDEX) return load(r, target, &v) && changed(r, n, &v) && store(r, target, v);
    if (!find_item(r, target, &l, &index, &i)) return false;
    v = l->items[i];
    if (!changed(r, n, &v)) return false;
    if (!place_in(r, (value){.kind = VALUE_LIST, .list = l}, index, &i)) return false; /* it may have shrunk */
    l->items[i] = v;
    if (r->watch) tell_item_assigned(r, target->left, i, v);
    return true;
}

static bool test(run *r, const node *condition, bool *holds) {
    value v;
    r->line = condition->line;
    if (!evaluate(r, condition, &v)) return false;
    *holds = fm_value_true(v);
    v = value_truth(*holds);
    if (r->watch) tell(r, FM_PROGRAM_TESTED, condition->line, NULL, &v, 1);
    return true;
}

static flow branches(run *r, const node *n) {
    for (const node *b = n->items; b; b = b->next) {
        bool holds = true;
        if (!fm_run_steps(r, 1) || (b->left && !test(r, b->left, &holds))) return FLOW_FAULT;
        if (holds) return execute(r, b->items);
    }
    return FLOW_NEXT;
}

static flow while_loop(run *r, const node *n) {
    for (;;) {
        bool holds;
        if (!fm_run_steps(r, 1) || !test(r, n->left, &holds)) return FLOW_FAULT;
        if (!holds) return FLOW_NEXT;
        flow end = execute(r, n->items);
        if (end == FLOW_FAULT || end == FLOW_RETURN) return end;
        if (end == FLOW_BREAK) return FLOW_NEXT;
    }
}

static flow for_loop(run *r, const node *n) {
    value all, item;
    int64_t length;
    bool there;
    if (!evaluate(r, n->right, &all)) return FLOW_FAULT;
    for (int64_t i = 0;; i++) {
        r->line = n->line;
        /* a list may grow or shrink while it is walked */
        if (!fm_run_steps(r, 1) || !fm_value_length(r, all, &length)) return FLOW_FAULT;
        if (i >= length) return FLOW_NEXT;
        if (!fm_value_item(r, all, i, &item, &there) || !store(r, n->left, item)) return FLOW_FAULT;
        flow end = execute(r, n->items);
        if (end == FLOW_FAULT || end == FLOW_RETURN) return end;
        if (end == FLOW_BREAK) return FLOW_NEXT;
    }
}

static flow return_statement(run *r, const node *n) {
    value v = value_none();
    if (n->left && !evaluate(r, n->left, &v)) return FLOW_FAULT;
    r->returned = v;
    return FLOW_RETURN;
}

static flow as_flow(bool good) { return good ? FLOW_NEXT : FLOW_FAULT; }

static flow execute_one(run *r, const node *n) {
    value unused;
    switch (n->kind) {
    case NODE_ASSIGN: return as_flow(assign(r, n));
    case NODE_AUGMENT: return as_flow(augment(r, n));
    case NODE_DO: return as_flow(evaluate(r, n->left, &unused));
    case NODE_IF: return branches(r, n);
    case NODE_WHILE: return while_loop(r, n);
    case NODE_FOR: return for_loop(r, n);
    case NODE_BREAK: return FLOW_BREAK;
    case NODE_CONTINUE: return FLOW_CONTINUE;
    case NODE_RETURN: return return_statement(r, n);
    case NODE_DEF: r->defined[n->function->index] = true; return FLOW_NEXT;
    default: return FLOW_NEXT;
    }
}

static flow execute(run *r, const node *block) {
    flow end = deeper(r) ? FLOW_NEXT : FLOW_FAULT;
    for (; block && end == FLOW_NEXT; block = block->next) {
        r->line = block->line;
        end = fm_run_steps(r, 1) ? execute_one(r, block) : FLOW_FAULT;
    }
    r->nesting--;
    return end;
}

/* ---- reading and running ------------------------------------------------------------------------- */

fm_status fm_program_parse(const char *source, size_t n, fm_program **out, fm_program_result *result,
                           fm_error *err) {
    *out = NULL;
    *result = (fm_program_result){0};
    fm_program *p = fm_alloc_zero(sizeof *p, FM_MEM_OTHER);
    if (!p) return fm_fail_memory(err, sizeof *p, "a program");
    reading r = {.arena = &p->arena, .result = result};
    lexed all = {0};
    bool good = fm_program_lex(&r, source, n, &all) && fm_program_read_tree(&r, &all, p);
    if (good) *out = p;
    else fm_program_free(p);
    return r.no_memory ? fm_fail_memory(err, n, "a program") : FM_OK;
}

void fm_program_free(fm_program *program) {
    if (!program) return;
    fm_arena_clear(&program->arena);
    fm_free(program);
}

fm_status fm_program_run(const fm_program *program, const char *input, size_t input_size,
                         const fm_program_limits *limits, const fm_program_watch *watch,
                         fm_buffer *output, fm_program_result *result, fm_error *err) {
    *result = (fm_program_result){0};
    run r = {.program = program,
             .limits = limits ? *limits : fm_program_usual_limits,
             .watch = watch && watch->see ? watch : NULL,
             .result = result,
             .output = output,
             .output_begin = output->size,
             .input = input,
             .input_size = input_size};
    r.globals = fm_arena_array(&r.heap, (size_t)program->n_names + 1, sizeof(value));
    r.defined = fm_arena_array(&r.heap, (size_t)program->n_functions + 1, sizeof(bool));
    r.stack = fm_alloc(STACK_MAX * sizeof(value), FM_MEM_OTHER);
    r.no_memory = !r.globals || !r.defined || !r.stack;
    if (!r.no_memory) execute(&r, program->block);
    if (result->end == FM_PROGRAM_DONE) result->line = 0;
    fm_arena_clear(&r.heap);
    fm_free(r.stack);
    return r.no_memory || output->failed ? fm_fail_memory(err, 0, "a run of a program") : FM_OK;
}

/* Runs a program: what its statements say, in order (program_evaluate.c finds their values). */
#include "rl/program/program_walk.h"

const fm_program_limits fm_program_usual_limits = {
    .steps = 100000, .memory = 1 << 20, .depth = 100, .output = 16 << 10};

const char *fm_program_end_name(fm_program_end end) {
    static const char *const names[FM_PROGRAM_ENDS] = {"done",   "syntax", "failed", "steps",
                                                       "memory", "depth",  "output"};
    return end < FM_PROGRAM_ENDS ? names[end] : "?";
}

/* ---- statements ---------------------------------------------------------------------------------- */

/* The list and the place that target[...] means. */
static bool find_item(run *r, const node *target, list **l, value *index, int64_t *i) {
    value all;
    if (!fm_walk_evaluate(r, target->left, &all) || !fm_walk_evaluate(r, target->right, index)) return false;
    if (all.kind != VALUE_LIST) return fm_run_fail(r, "%s has no items that change", fm_value_kind_name(all));
    *l = all.list;
    return fm_walk_index(r, all, *index, i);
}

static bool store(run *r, const node *target, value v) {
    if (target->kind != NODE_INDEX) {
        *fm_walk_place(r, target) = v;
        if (r->watch) fm_walk_tell_assigned(r, target, v);
        return true;
    }
    list *l = NULL;
    value index;
    int64_t i;
    if (!find_item(r, target, &l, &index, &i)) return false;
    l->items[i] = v;
    if (r->watch) fm_walk_tell_item_assigned(r, target->left, i, v);
    return true;
}

static bool assign(run *r, const node *n) {
    size_t waiting = r->waiting;
    value *values = fm_walk_take(r, n->count);
    if (!values || !fm_walk_evaluate_all(r, n->values, values)) return false;
    for (const node *target = n->items; target; target = target->next)
        if (!store(r, target, *values++)) return false;
    r->waiting = waiting;
    return true;
}

/* a += [1] changes the very list; everything else makes a new value. */
static bool changed(run *r, const node *n, value *v) {
    value by;
    if (!fm_walk_evaluate(r, n->right, &by)) return false;
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
    if (target->kind != NODE_INDEX) return fm_walk_load(r, target, &v) && changed(r, n, &v) && store(r, target, v);
    if (!find_item(r, target, &l, &index, &i)) return false;
    v = l->items[i];
    if (!changed(r, n, &v)) return false;
    if (!fm_walk_index(r, (value){.kind = VALUE_LIST, .list = l}, index, &i)) return false; /* it may have shrunk */
    l->items[i] = v;
    if (r->watch) fm_walk_tell_item_assigned(r, target->left, i, v);
    return true;
}

static bool test(run *r, const node *condition, bool *holds) {
    value v;
    r->line = condition->line;
    if (!fm_walk_evaluate(r, condition, &v)) return false;
    *holds = fm_value_true(v);
    v = value_truth(*holds);
    if (r->watch) fm_walk_tell(r, FM_PROGRAM_TESTED, condition->line, NULL, &v, 1);
    return true;
}

static flow branches(run *r, const node *n) {
    for (const node *b = n->items; b; b = b->next) {
        bool holds = true;
        if (!fm_run_steps(r, 1) || (b->left && !test(r, b->left, &holds))) return FLOW_FAULT;
        if (holds) return fm_walk_execute(r, b->items);
    }
    return FLOW_NEXT;
}

static flow while_loop(run *r, const node *n) {
    for (;;) {
        bool holds;
        if (!fm_run_steps(r, 1) || !test(r, n->left, &holds)) return FLOW_FAULT;
        if (!holds) return FLOW_NEXT;
        flow end = fm_walk_execute(r, n->items);
        if (end == FLOW_FAULT || end == FLOW_RETURN) return end;
        if (end == FLOW_BREAK) return FLOW_NEXT;
    }
}

static flow for_loop(run *r, const node *n) {
    value all, item;
    int64_t length;
    bool there;
    if (!fm_walk_evaluate(r, n->right, &all)) return FLOW_FAULT;
    for (int64_t i = 0;; i++) {
        r->line = n->line;
        /* a list may grow or shrink while it is walked */
        if (!fm_run_steps(r, 1) || !fm_value_length(r, all, &length)) return FLOW_FAULT;
        if (i >= length) return FLOW_NEXT;
        if (!fm_value_item(r, all, i, &item, &there) || !store(r, n->left, item)) return FLOW_FAULT;
        flow end = fm_walk_execute(r, n->items);
        if (end == FLOW_FAULT || end == FLOW_RETURN) return end;
        if (end == FLOW_BREAK) return FLOW_NEXT;
    }
}

static flow return_statement(run *r, const node *n) {
    value v = value_none();
    if (n->left && !fm_walk_evaluate(r, n->left, &v)) return FLOW_FAULT;
    r->returned = v;
    return FLOW_RETURN;
}

static flow as_flow(bool good) { return good ? FLOW_NEXT : FLOW_FAULT; }

static flow execute_one(run *r, const node *n) {
    value unused;
    switch (n->kind) {
    case NODE_ASSIGN: return as_flow(assign(r, n));
    case NODE_AUGMENT: return as_flow(augment(r, n));
    case NODE_DO: return as_flow(fm_walk_evaluate(r, n->left, &unused));
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

flow fm_walk_execute(run *r, const node *block) {
    flow end = fm_walk_deeper(r) ? FLOW_NEXT : FLOW_FAULT;
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
    if (!r.no_memory) fm_walk_execute(&r, program->block);
    if (result->end == FM_PROGRAM_DONE) result->line = 0;
    fm_arena_clear(&r.heap);
    fm_free(r.stack);
    return r.no_memory || output->failed ? fm_fail_memory(err, 0, "a run of a program") : FM_OK;
}

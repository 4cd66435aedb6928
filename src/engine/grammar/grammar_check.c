/* What must be known before a grammar can be compiled: which rules may be empty, which can end at
 * all, which call themselves, how large everything gets. Each question takes time linear in the
 * grammar (measuring: in the grammar as hoisted), because grammars come from strangers. */
#include "engine/grammar/grammar_ast.h"

#include <stdio.h>
#include <string.h>

/* A repeated body whose copies would take more than this becomes a rule of its own, and each copy
 * one call. */
enum { HOIST = 4096 };
/* Rules are dissolved in their callers when they are finite and at most this large (a character with
 * its escapes), or tiny (white space): a state then sees past their end. Larger ones stay whole, so
 * that what was learned inside them serves all their callers. */
enum { DISSOLVE_FINITE = 64, DISSOLVE_ANY = 4 };

/* ---- what rules derive ---------------------------------------------------------------------*/

/* "May be empty" and "can end" are both the smallest solution of: a sequence holds when all its items
 * do, a choice when one does, a repetition when its body does or min is 0, a mention when its rule
 * does. They differ in the leaves. Dowling and Gallier (1984): count what is missing, propagate. */
typedef enum question { NULLABLE, PRODUCTIVE } question;

static bool leaf_holds(const fm_ast *a, question q) {
    if (a->kind == FM_AST_REPEAT) return a->min == 0;
    if (a->kind == FM_AST_LITERAL) return q == PRODUCTIVE || a->n == 0;
    return a->kind == FM_AST_CLASS && q == PRODUCTIVE;
}

typedef struct solver {
    question question;
    fm_buffer queue; /* fm_ast *: nodes found to hold, whose consequences are not drawn yet */
} solver;

static void holds(solver *s, fm_ast *a) {
    if (a->missing == 0) return; /* known already */
    a->missing = 0;
    if (s->question == NULLABLE) a->nullable = true;
    fm_buffer_put(&s->queue, &a, sizeof a);
}

static void tell_parent(solver *s, fm_ast *parent) {
    if (parent->missing == 0) return;
    if (parent->kind != FM_AST_SEQUENCE || parent->missing == 1)
        holds(s, parent);
    else
        parent->missing--;
}

static void tell_rule(solver *s, fm_ast_rule *rule) {
    bool *flag = s->question == NULLABLE ? &rule->nullable : &rule->productive;
    if (*flag) return;
    *flag = true;
    for (fm_ast *m = rule->mentions; m; m = m->sibling) holds(s, m);
}

static fm_status solve(fm_grammar_tree *t, question q, fm_error *err) {
    solver s = {.question = q};
    for (fm_ast *a = t->all; a; a = a->next) a->missing = a->kind == FM_AST_SEQUENCE ? a->n : 1;
    for (fm_ast *a = t->all; a; a = a->next)
        if (leaf_holds(a, q)) holds(&s, a);
    for (size_t done = 0; !s.queue.failed && done < s.queue.size; done += sizeof(fm_ast *)) {
        fm_ast *a;
        memcpy(&a, s.queue.data + done, sizeof a);
        if (a->parent) tell_parent(&s, a->parent);
        else tell_rule(&s, &fm_ast_rules(t)[a->owner]);
    }
    fm_status status = fm_buffer_status(&s.queue, err);
    fm_buffer_clear(&s.queue);
    return status;
}

/* ---- reach ---------------------------------------------------------------------------------*/

typedef void (*mention_fn)(void *context, const fm_ast *mention);

static void each_mention(const fm_ast *a, mention_fn fn, void *context) {
    if (a->kind == FM_AST_RULE) fn(context, a);
    for (size_t i = 0; i < a->n && a->items; i++) each_mention(a->items[i], fn, context);
}

typedef struct reacher {
    fm_grammar_tree *tree;
    fm_buffer queue;
} reacher;

static void reach(void *context, const fm_ast *mention) {
    reacher *r = context;
    fm_ast_rule *rule = &fm_ast_rules(r->tree)[mention->rule];
    if (rule->reachable) return;
    rule->reachable = true;
    fm_buffer_put(&r->queue, &mention->rule, sizeof mention->rule);
}

static fm_status mark_reachable(fm_grammar_tree *t, fm_error *err) {
    reacher r = {.tree = t};
    fm_ast root = {.kind = FM_AST_RULE, .rule = t->root};
    reach(&r, &root);
    for (size_t done = 0; !r.queue.failed && done < r.queue.size; done += sizeof(uint32_t)) {
        uint32_t rule;
        memcpy(&rule, r.queue.data + done, sizeof rule);
        each_mention(fm_ast_rules(t)[rule].body, reach, &r);
    }
    fm_status status = fm_buffer_status(&r.queue, err);
    fm_buffer_clear(&r.queue);
    return status;
}

static fm_status all_can_end(const fm_grammar_tree *t, fm_error *err) {
    for (size_t i = 0; i < fm_ast_rule_count(t); i++) {
        const fm_ast_rule *r = &fm_ast_rules(t)[i];
        if (r->reachable && !r->productive)
            return fm_fail(err, FM_ERR_FORMAT,
                           "rule %s can never end: every way through it leads to a rule that calls "
                           "it or itself again; add an alternative that does not", r->name);
    }
    return FM_OK;
}

/* ---- size ----------------------------------------------------------------------------------*/

typedef struct measure {
    size_t size;
    bool loops;
} measure;

static fm_status hoist(fm_grammar_tree *t, fm_ast *repeat, measure m, fm_error *err) {
    char name[48];
    fm_ast *body = repeat->items[0], *mention;
    uint32_t rule;
    int n = snprintf(name, sizeof name, "(repeated %zu)", fm_ast_rule_count(t)); /* no one's name */
    FM_TRY(fm_ast_rule_named(t, name, (size_t)n, &rule, err));
    fm_ast_rule *r = &fm_ast_rules(t)[rule];
    r->body = body;
    r->reachable = r->productive = r->measured = true;
    r->nullable = body->nullable;
    r->size = m.size;
    r->loops = m.loops;
    FM_TRY(fm_ast_mention(t, rule, &mention, err));
    mention->nullable = body->nullable;
    mention->parent = repeat;
    body->parent = NULL;
    body->owner = rule;
    repeat->items[0] = mention;
    return FM_OK;
}

static size_t copies_of(const fm_ast *repeat) {
    if (repeat->max >= 0) return (size_t)repeat->max;
    return repeat->min > 1 ? (size_t)repeat->min : 1;
}

static fm_status too_large(fm_error *err) {
    return fm_fail(err, FM_ERR_LIMIT,
                   "the grammar takes more than %d instructions when its repetitions are written out",
                   FM_GRAMMAR_SIZE_MAX);
}

static fm_status measure_node(fm_grammar_tree *t, fm_ast *a, measure *m, fm_error *err);

static fm_status measure_repeat(fm_grammar_tree *t, fm_ast *a, measure *m, fm_error *err) {
    measure body = {0};
    FM_TRY(measure_node(t, a->items[0], &body, err));
    size_t copies = copies_of(a);
    if (copies > 1 && body.size > 1 && body.size * copies > HOIST) {
        FM_TRY(hoist(t, a, body, err));
        body.size = 1;
    }
    m->size += copies * (body.size + 1) + 1;
    m->loops |= body.loops || a->max < 0;
    return FM_OK;
}

/* Adds to *m what `a` takes. Sums stay far below overflow: every addend is checked. */
static fm_status measure_node(fm_grammar_tree *t, fm_ast *a, measure *m, fm_error *err) {
    switch (a->kind) {
    case FM_AST_LITERAL: m->size += a->n; break;
    case FM_AST_CLASS: m->size += a->ranges[a->n - 1].last < 0x80 ? 1 : 8 + a->n; break;
    case FM_AST_CHOICE: m->size += a->n; /* fall through */
    case FM_AST_SEQUENCE:
        for (size_t i = 0; i < a->n; i++) FM_TRY(measure_node(t, a->items[i], m, err));
        break;
    case FM_AST_REPEAT: FM_TRY(measure_repeat(t, a, m, err)); break;
    case FM_AST_RULE: {
        const fm_ast_rule *r = &fm_ast_rules(t)[a->rule];
        m->size += r->dissolve ? r->size : 1;
        m->loops |= r->dissolve ? r->loops : true; /* a call that stays is as good as a loop */
        break;
    }
    }
    return m->size > FM_GRAMMAR_SIZE_MAX ? too_large(err) : FM_OK;
}

static void count_mention(void *context, const fm_ast *mention) {
    (void)mention;
    ++*(size_t *)context;
}

static fm_status measure_rule(fm_grammar_tree *t, uint32_t index, bool may_dissolve, fm_error *err) {
    measure m = {0};
    FM_TRY(measure_node(t, fm_ast_rules(t)[index].body, &m, err));
    fm_ast_rule *r = &fm_ast_rules(t)[index];
    r->measured = true;
    r->size = m.size;
    r->loops = m.loops;
    r->dissolve = may_dissolve && index != t->root &&
                  (m.size <= DISSOLVE_ANY || (!m.loops && m.size <= DISSOLVE_FINITE));
    return FM_OK;
}

/* Rules that mention none first, then those that mention only these, and so on; what is left calls
 * itself, or calls what does, and is never dissolved. */
static fm_status measure_rules(fm_grammar_tree *t, fm_error *err) {
    size_t n = fm_ast_rule_count(t), total = 0;
    fm_buffer queue = {0};
    size_t *waiting = fm_alloc_array(n, sizeof *waiting, FM_MEM_OTHER);
    if (!waiting) return fm_fail_memory(err, n * sizeof *waiting, "a grammar");
    fm_status status = FM_OK;
    for (uint32_t i = 0; i < n; i++) {
        if (!fm_ast_rules(t)[i].reachable) continue;
        each_mention(fm_ast_rules(t)[i].body, count_mention, &waiting[i]);
        if (!waiting[i]) fm_buffer_put(&queue, &i, sizeof i);
    }
    for (size_t done = 0; status == FM_OK && done < queue.size; done += sizeof(uint32_t)) {
        uint32_t rule;
        memcpy(&rule, queue.data + done, sizeof rule);
        status = measure_rule(t, rule, true, err);
        for (fm_ast *m = fm_ast_rules(t)[rule].mentions; m; m = m->sibling) {
            const fm_ast *top = m;
            while (top->parent) top = top->parent;
            if (top->owner < n && fm_ast_rules(t)[top->owner].reachable && !--waiting[top->owner])
                fm_buffer_put(&queue, &top->owner, sizeof top->owner);
        }
    }
    if (status == FM_OK) status = fm_buffer_status(&queue, err);
    for (uint32_t i = 0; status == FM_OK && i < n; i++)
        if (fm_ast_rules(t)[i].reachable && !fm_ast_rules(t)[i].measured)
            status = measure_rule(t, i, false, err);
    for (size_t i = 0; status == FM_OK && i < fm_ast_rule_count(t); i++)
        if (fm_ast_rules(t)[i].reachable && !fm_ast_rules(t)[i].dissolve)
            if ((total += fm_ast_rules(t)[i].size) > FM_GRAMMAR_SIZE_MAX) status = too_large(err);
    fm_buffer_clear(&queue);
    fm_free(waiting);
    return status;
}

/* ---- order, and left recursion -------------------------------------------------------------*/

/* The rules that `a` may call before its first byte. */
static void each_first(const fm_ast *a, mention_fn fn, void *context) {
    switch (a->kind) {
    case FM_AST_LITERAL:
    case FM_AST_CLASS: return;
    case FM_AST_RULE: fn(context, a); return;
    case FM_AST_REPEAT: each_first(a->items[0], fn, context); return;
    case FM_AST_CHOICE:
        for (size_t i = 0; i < a->n; i++) each_first(a->items[i], fn, context);
        return;
    case FM_AST_SEQUENCE:
        for (size_t i = 0; i < a->n; i++) {
            each_first(a->items[i], fn, context);
            if (!a->items[i]->nullable) return;
        }
    }
}

typedef struct visit {
    uint32_t rule;
    size_t begin, next; /* of its callees in `edges` that are still to be visited */
} visit;

typedef struct sorter {
    fm_grammar_tree *tree;
    fm_buffer edges;  /* uint32_t: callees of all open visits, a stack */
    fm_buffer path;   /* visit: open ones, outermost first */
    uint8_t *color;   /* 0 new, 1 open, 2 done */
    uint32_t order;   /* counts down: callees are numbered first, so from the end */
} sorter;

static void add_edge(void *context, const fm_ast *mention) {
    sorter *s = context;
    fm_buffer_put(&s->edges, &mention->rule, sizeof mention->rule);
}

static void open_visit(sorter *s, uint32_t rule) {
    visit v = {.rule = rule, .begin = s->edges.size};
    s->color[rule] = 1;
    each_first(fm_ast_rules(s->tree)[rule].body, add_edge, s);
    v.next = v.begin;
    fm_buffer_put(&s->path, &v, sizeof v);
}

static fm_status left_recursion(const sorter *s, uint32_t rule, fm_error *err) {
    const visit *path = (const visit *)(const void *)s->path.data;
    size_t n = s->path.size / sizeof *path, from = n;
    while (path[from - 1].rule != rule) from--;
    char chain[256] = "";
    for (size_t i = from - 1; i < n && strlen(chain) < 160; i++)
        snprintf(chain + strlen(chain), sizeof chain - strlen(chain), "%.40s -> ",
                 fm_ast_rules(s->tree)[path[i].rule].name);
    const char *name = fm_ast_rules(s->tree)[rule].name;
    return fm_fail(err, FM_ERR_FORMAT,
                   "rule %s begins with itself (%s%.40s), which is left recursion; write what comes "
                   "first once and repeat the rest, as in: list ::= item (\",\" item)*",
                   name, chain, name);
}

static fm_status sort_from(sorter *s, uint32_t rule, fm_error *err) {
    open_visit(s, rule);
    while (s->path.size && !s->path.failed && !s->edges.failed) {
        visit *v = (visit *)(void *)(s->path.data + s->path.size) - 1;
        if (v->next == s->edges.size) { /* the callees of v are the last in the stack */
            s->color[v->rule] = 2;
            fm_ast_rules(s->tree)[v->rule].order = --s->order;
            s->edges.size = v->begin;
            s->path.size -= sizeof *v;
            continue;
        }
        uint32_t callee;
        memcpy(&callee, s->edges.data + v->next, sizeof callee);
        v->next += sizeof callee;
        if (s->color[callee] == 1) return left_recursion(s, callee, err);
        if (s->color[callee] == 0) open_visit(s, callee);
    }
    FM_TRY(fm_buffer_status(&s->path, err));
    return fm_buffer_status(&s->edges, err);
}

static fm_status sort_rules(fm_grammar_tree *t, fm_error *err) {
    size_t n = fm_ast_rule_count(t);
    sorter s = {.tree = t, .order = (uint32_t)n};
    s.color = fm_alloc_array(n, 1, FM_MEM_OTHER);
    if (!s.color) return fm_fail_memory(err, n, "a grammar");
    fm_status status = FM_OK;
    for (uint32_t i = 0; status == FM_OK && i < n; i++)
        if (fm_ast_rules(t)[i].reachable && !s.color[i]) status = sort_from(&s, i, err);
    fm_buffer_clear(&s.edges);
    fm_buffer_clear(&s.path);
    fm_free(s.color);
    return status;
}

fm_status fm_grammar_check(fm_grammar_tree *t, fm_error *err) {
    for (uint32_t i = 0; i < fm_ast_rule_count(t); i++) fm_ast_rules(t)[i].body->owner = i;
    FM_TRY(mark_reachable(t, err));
    FM_TRY(solve(t, NULLABLE, err));
    FM_TRY(solve(t, PRODUCTIVE, err));
    FM_TRY(all_can_end(t, err));
    FM_TRY(measure_rules(t, err));
    return sort_rules(t, err);
}

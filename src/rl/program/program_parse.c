/* Statements, functions and which name means what. */
#include "rl/program/program_parse.h"

#include "rl/program/program_builtins.h"

#include <stdio.h>
#include <string.h>

static void describe(const parser *p, char *out, size_t n) {
    const token *t = p->at;
    switch (t->kind) {
    case TOKEN_END: snprintf(out, n, "the end of the program"); break;
    case TOKEN_NEWLINE: snprintf(out, n, "the end of the line"); break;
    case TOKEN_INDENT: snprintf(out, n, "an indented line"); break;
    case TOKEN_DEDENT: snprintf(out, n, "the end of the block"); break;
    case TOKEN_NAME: snprintf(out, n, "'%s'", p->names[t->number].text); break;
    case TOKEN_NUMBER: snprintf(out, n, "%lld", (long long)t->number); break;
    case TOKEN_TEXT: snprintf(out, n, "a text"); break;
    case TOKEN_WORD: snprintf(out, n, "'%s'", fm_program_word((word)t->word)); break;
    default: snprintf(out, n, "'%s'", fm_program_sign((sign)t->sign));
    }
}

bool fm_program_expected(parser *p, const char *what) {
    char found[80];
    describe(p, found, sizeof found);
    return fm_program_wrong(p->reading, p->at->line, "%s is expected, not %s", what, found);
}

node *fm_program_node(parser *p, node_kind kind) {
    node *n = fm_arena_alloc(p->reading->arena, sizeof *n);
    if (!n) {
        fm_program_no_memory(p->reading);
        return NULL;
    }
    n->kind = (uint8_t)kind;
    n->line = p->at->line;
    n->height = 1;
    return n;
}

void fm_program_append(node *owner, node **end, node *item) {
    *end = item;
    owner->count++;
}

/* ---- assignments --------------------------------------------------------------------------------- */

static bool give(parser *p, int id, int line) {
    if (strcmp(p->names[id].text, "print") == 0)
        return fm_program_wrong(p->reading, line, "print is a function and no name for a value");
    if (!p->function) {
        p->given[id] = true;
        return true;
    }
    if (p->place[id]) return true;
    if (p->function->locals == 250) return fm_program_wrong(p->reading, line, "a function has more than 250 names");
    p->place[id] = ++p->function->locals;
    fm_buffer_put(&p->locals, &id, sizeof id);
    return true;
}

static bool give_target(parser *p, const node *target) {
    if (target->kind == NODE_GLOBAL) return give(p, target->id, target->line);
    return target->kind == NODE_INDEX ||
           fm_program_wrong(p->reading, target->line, "only names and items of lists are given values");
}

/* A chain of expressions with commas between; *owner counts them. */
static node *expressions(parser *p, node *owner, node *first) {
    node *chain = first ? first : fm_program_expression(p, 0), *last = chain;
    if (!chain) return NULL;
    for (owner->count = 1; parser_takes(p, SIGN_COMMA); owner->count++) {
        last->next = fm_program_expression(p, 0);
        if (!(last = last->next)) return NULL;
    }
    return chain;
}

static node *assignment(parser *p, node *first) {
    node *n = fm_program_node(p, NODE_ASSIGN);
    if (!n || !(n->items = expressions(p, n, first))) return NULL;
    uint32_t targets = n->count;
    if (!parser_takes(p, SIGN_IS)) {
        fm_program_expected(p, "'='");
        return NULL;
    }
    for (const node *t = n->items; t; t = t->next)
        if (!give_target(p, t)) return NULL;
    if (!(n->values = expressions(p, n, NULL))) return NULL;
    if (n->count == targets) return n;
    fm_program_wrong(p->reading, n->line, "%u names and %u values", targets, n->count);
    return NULL;
}

static node *augmented(parser *p, node *target) {
    node *n = fm_program_node(p, NODE_AUGMENT);
    if (!n || !give_target(p, target)) return NULL;
    n->operation = (uint8_t)(p->at->sign - SIGN_PLUS_IS + SIGN_PLUS);
    n->left = target;
    p->at++;
    n->right = fm_program_expression(p, 0);
    return n->right ? n : NULL;
}

static node *expression_statement(parser *p) {
    node *first = fm_program_expression(p, 0);
    if (!first) return NULL;
    if (parser_sees(p, SIGN_IS) || parser_sees(p, SIGN_COMMA)) return assignment(p, first);
    if (p->at->kind == TOKEN_SIGN && p->at->sign >= SIGN_PLUS_IS && p->at->sign <= SIGN_POWER_IS)
        return augmented(p, first);
    node *n = fm_program_node(p, NODE_DO);
    if (!n) return NULL;
    n->line = first->line;
    n->left = first;
    return n;
}

/* ---- statements ---------------------------------------------------------------------------------- */

static node *wrong(parser *p, const char *message) {
    fm_program_wrong(p->reading, p->at->line, "%s", message);
    return NULL;
}

static node *word_statement(parser *p, node_kind kind) {
    node *n = fm_program_node(p, kind);
    if (!n) return NULL;
    if ((kind == NODE_BREAK || kind == NODE_CONTINUE) && !p->loops) return wrong(p, "this stands in no loop");
    if (kind == NODE_RETURN && !p->function) return wrong(p, "'return' stands in no function");
    p->at++;
    if (kind == NODE_RETURN && p->at->kind != TOKEN_NEWLINE && !(n->left = fm_program_expression(p, 0))) return NULL;
    return n;
}

/* A statement on one line, and the line's end. */
static node *simple(parser *p) {
    node *n = NULL;
    if (parser_sees_word(p, WORD_BREAK)) n = word_statement(p, NODE_BREAK);
    else if (parser_sees_word(p, WORD_CONTINUE)) n = word_statement(p, NODE_CONTINUE);
    else if (parser_sees_word(p, WORD_PASS)) n = word_statement(p, NODE_PASS);
    else if (parser_sees_word(p, WORD_RETURN)) n = word_statement(p, NODE_RETURN);
    else n = expression_statement(p);
    if (!n) return NULL;
    if (p->at->kind != TOKEN_NEWLINE) {
        fm_program_expected(p, "the end of the line");
        return NULL;
    }
    p->at++;
    return n;
}

static node *statement(parser *p);

/* ": statement" or an indented block; all statements in a chain. */
static node *block(parser *p) {
    if (!parser_takes(p, SIGN_COLON)) {
        fm_program_expected(p, "':'");
        return NULL;
    }
    if (p->at->kind != TOKEN_NEWLINE) return simple(p);
    if (p->at[1].kind != TOKEN_INDENT) {
        p->at++;
        fm_program_expected(p, "an indented block");
        return NULL;
    }
    p->at += 2;
    node *first = NULL, **end = &first;
    while (p->at->kind != TOKEN_DEDENT) {
        node *n = statement(p);
        if (!n) return NULL;
        *end = n;
        end = &n->next;
    }
    p->at++;
    return first;
}

static bool branch(parser *p, node ***end, bool condition) {
    node *n = fm_program_node(p, NODE_BRANCH);
    if (!n) return false;
    p->at++;
    if (condition && !(n->left = fm_program_expression(p, 0))) return false;
    if (!(n->items = block(p))) return false;
    **end = n;
    *end = &n->next;
    return true;
}

static node *if_statement(parser *p) {
    node *n = fm_program_node(p, NODE_IF);
    if (!n) return NULL;
    node **end = &n->items;
    if (!branch(p, &end, true)) return NULL;
    while (parser_sees_word(p, WORD_ELIF))
        if (!branch(p, &end, true)) return NULL;
    if (parser_sees_word(p, WORD_ELSE) && !branch(p, &end, false)) return NULL;
    return n;
}

static node *loop_block(parser *p, node *n) {
    p->loops++;
    n->items = block(p);
    p->loops--;
    return n->items ? n : NULL;
}

static node *while_statement(parser *p) {
    node *n = fm_program_node(p, NODE_WHILE);
    if (!n) return NULL;
    p->at++;
    n->left = fm_program_expression(p, 0);
    return n->left ? loop_block(p, n) : NULL;
}

static node *for_statement(parser *p) {
    node *n = fm_program_node(p, NODE_FOR);
    if (!n) return NULL;
    p->at++;
    if (p->at->kind != TOKEN_NAME || (p->at[1].kind == TOKEN_SIGN)) {
        fm_program_expected(p, "one name and 'in' behind 'for'");
        return NULL;
    }
    n->left = fm_program_expression(p, FM_PROGRAM_ALONE);
    if (!n->left || !give_target(p, n->left)) return NULL;
    if (!parser_sees_word(p, WORD_IN)) {
        fm_program_expected(p, "'in'");
        return NULL;
    }
    p->at++;
    n->right = fm_program_expression(p, 0);
    return n->right ? loop_block(p, n) : NULL;
}

/* ---- functions ----------------------------------------------------------------------------------- */

static bool parameters(parser *p, function *f) {
    if (!parser_takes(p, SIGN_OPEN)) return fm_program_expected(p, "'('");
    while (!parser_takes(p, SIGN_CLOSE)) {
        if (p->at->kind != TOKEN_NAME) return fm_program_expected(p, "a parameter's name");
        int id = (int)p->at->number;
        if (p->place[id]) return fm_program_wrong(p->reading, p->at->line, "two parameters have one name");
        if (f->parameters == FM_PROGRAM_PARAMETERS_MAX)
            return fm_program_wrong(p->reading, p->at->line, "more than %d parameters", FM_PROGRAM_PARAMETERS_MAX);
        if (!give(p, id, p->at->line)) return false;
        f->parameters++;
        p->at++;
        if (!parser_takes(p, SIGN_COMMA) && !parser_sees(p, SIGN_CLOSE)) return fm_program_expected(p, "',' or ')'");
    }
    return true;
}

/* A name that is assigned anywhere in a function is its own everywhere in it. */
static bool settle_names(parser *p, size_t first_call) {
    node **uses = (node **)(void *)p->uses.data;
    for (size_t i = 0; i < p->uses.size / sizeof *uses; i++) {
        int place = p->place[uses[i]->id];
        if (!place) continue;
        uses[i]->kind = NODE_LOCAL;
        uses[i]->number = place - 1;
    }
    const call *calls = (const call *)(const void *)p->calls.data;
    for (size_t i = first_call; i < p->calls.size / sizeof *calls; i++)
        if (p->place[calls[i].node->id])
            return fm_program_wrong(p->reading, calls[i].node->line, "'%s' is no function here but a value",
                                    p->names[calls[i].node->id].text);
    const int *locals = (const int *)(const void *)p->locals.data;
    for (size_t i = 0; i < p->locals.size / sizeof *locals; i++) p->place[locals[i]] = 0;
    p->uses.size = p->locals.size = 0;
    return true;
}

static bool function_head(parser *p, function *f) {
    if (p->at->kind != TOKEN_NAME) return fm_program_expected(p, "the function's name");
    f->id = (int)p->at->number;
    f->line = p->at->line;
    const char *name = p->names[f->id].text;
    if (strcmp(name, "print") == 0) return fm_program_wrong(p->reading, f->line, "print is a function already");
    if (p->functions[f->id]) return fm_program_wrong(p->reading, f->line, "a second function is named '%s'", name);
    p->functions[f->id] = f;
    f->index = p->program->n_functions++;
    p->at++;
    p->function = f;
    return parameters(p, f);
}

static node *definition(parser *p) {
    node *n = fm_program_node(p, NODE_DEF);
    function *f = fm_arena_alloc(p->reading->arena, sizeof *f);
    if (!n || !f) {
        fm_program_no_memory(p->reading);
        return NULL;
    }
    size_t first_call = p->calls.size / sizeof(call);
    p->at++;
    n->function = f;
    if (!function_head(p, f) || !(f->block = block(p)) || !settle_names(p, first_call)) return NULL;
    p->function = NULL;
    return n;
}

static node *statement(parser *p) {
    if (p->at->kind == TOKEN_INDENT) return wrong(p, "this line is indented for no reason");
    if (parser_sees_word(p, WORD_IF)) return if_statement(p);
    if (parser_sees_word(p, WORD_WHILE)) return while_statement(p);
    if (parser_sees_word(p, WORD_FOR)) return for_statement(p);
    if (parser_sees_word(p, WORD_DEF)) return wrong(p, "functions are defined outside of blocks and functions");
    return simple(p);
}

/* ---- the program --------------------------------------------------------------------------------- */

static bool settle_call(parser *p, node *n) {
    const char *name = p->names[n->id].text;
    const function *f = p->functions[n->id];
    int place = fm_builtin_find(name, false);
    if (p->given[n->id])
        return fm_program_wrong(p->reading, n->line, "'%s' is no function but a value", name);
    unsigned fewest, most;
    if (f) {
        n->function = f;
        fewest = most = (unsigned)f->parameters;
    } else if (place >= 0) {
        n->kind = NODE_BUILTIN;
        n->number = place;
        fewest = fm_builtin_at(place)->fewest;
        most = fm_builtin_at(place)->most;
    } else {
        return fm_program_wrong(p->reading, n->line, "there is no function '%s'", name);
    }
    if (n->count >= fewest && n->count <= most) return true;
    return fm_program_wrong(p->reading, n->line, "%s() does not take %u values", name, n->count);
}

static bool program(parser *p) {
    node **end = &p->program->block;
    while (p->at->kind != TOKEN_END) {
        node *n = parser_sees_word(p, WORD_DEF) ? definition(p) : statement(p);
        if (!n) return false;
        *end = n;
        end = &n->next;
    }
    const call *calls = (const call *)(const void *)p->calls.data;
    for (size_t i = 0; i < p->calls.size / sizeof *calls; i++)
        if (!settle_call(p, calls[i].node)) return false;
    for (int id = 0; id < p->program->n_names; id++)
        if (p->functions[id] && p->given[id])
            return fm_program_wrong(p->reading, p->functions[id]->line, "'%s' is a function and a value",
                                    p->names[id].text);
    return true;
}

bool fm_program_read_tree(reading *r, const lexed *all, struct fm_program *out) {
    parser p = {.reading = r, .program = out, .at = all->tokens, .names = all->names};
    size_t n = (size_t)all->n_names;
    out->names = all->names;
    out->n_names = all->n_names;
    p.functions = fm_alloc_array(n + 1, sizeof(function *), FM_MEM_OTHER);
    p.given = fm_alloc_array(n + 1, sizeof *p.given, FM_MEM_OTHER);
    p.place = fm_alloc_array(n + 1, sizeof *p.place, FM_MEM_OTHER);
    bool good = (p.functions && p.given && p.place) || fm_program_no_memory(r);
    good = good && program(&p);
    if (p.uses.failed || p.calls.failed || p.locals.failed) good = fm_program_no_memory(r);
    fm_buffer_clear(&p.uses);
    fm_buffer_clear(&p.calls);
    fm_buffer_clear(&p.locals);
    fm_free(p.functions);
    fm_free(p.given);
    fm_free(p.place);
    return good;
}

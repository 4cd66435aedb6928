/* Expressions by Pratt's method: what an operator binds is a number, and reading goes on while the next one
 * binds tightly enough. */
#include "rl/program/program_parse.h"

#include "rl/program/program_builtins.h"

#include <string.h>

enum { BIND_OR = 1, BIND_AND, BIND_NOT, BIND_COMPARE, BIND_ADD, BIND_MULTIPLY, BIND_SIGN, BIND_POWER };

static node *wrong(parser *p, const char *message) {
    fm_program_wrong(p->reading, p->at->line, "%s", message);
    return NULL;
}

static bool raise(parser *p, node *n, const node *child) {
    if (child && child->height >= n->height) n->height = (uint16_t)(child->height + 1);
    if (n->height <= FM_PROGRAM_NESTING_MAX) return true;
    return fm_program_wrong(p->reading, n->line, "an expression is more than %d operations deep",
                            FM_PROGRAM_NESTING_MAX);
}

/* ---- what an expression begins with -------------------------------------------------------------- */

static node *name_or_call(parser *p);

static node *literal(parser *p) {
    const token *t = p->at;
    node *n = fm_program_node(p, t->kind == TOKEN_NUMBER ? NODE_NUMBER : NODE_TEXT);
    if (!n) return NULL;
    p->at++;
    n->number = t->number;
    if (t->kind == TOKEN_NUMBER) return n;
    text *copy = fm_arena_alloc(p->reading->arena, sizeof *copy + t->n + 1);
    if (!copy) {
        fm_program_no_memory(p->reading);
        return NULL;
    }
    copy->n = t->n;
    if (t->n) memcpy(copy->s, t->text, t->n);
    n->text = copy;
    return p->at->kind == TOKEN_TEXT ? wrong(p, "two texts stand side by side") : n;
}

/* Items up to the closing bracket, which is taken. */
static bool items(parser *p, node *owner, sign close) {
    node **end = &owner->items;
    while (!parser_takes(p, close)) {
        node *item = fm_program_expression(p, 0);
        if (!item) return false;
        fm_program_append(owner, end, item);
        end = &item->next;
        if (!raise(p, owner, item)) return false;
        if (!parser_takes(p, SIGN_COMMA) && !parser_sees(p, close))
            return fm_program_expected(p, close == SIGN_CLOSE ? "',' or ')'" : "',' or ']'");
    }
    return true;
}

static node *list_display(parser *p) {
    node *n = fm_program_node(p, NODE_LIST);
    if (!n) return NULL;
    p->at++;
    return items(p, n, SIGN_CLOSE_LIST) ? n : NULL;
}

static node *bracketed(parser *p) {
    p->at++;
    node *n = fm_program_expression(p, 0);
    if (!n) return NULL;
    if (!parser_takes(p, SIGN_CLOSE)) {
        fm_program_expected(p, "')'");
        return NULL;
    }
    return n;
}

static node *prefix_operator(parser *p, node_kind kind, int binds) {
    node *n = fm_program_node(p, kind);
    if (!n) return NULL;
    p->at++;
    n->left = fm_program_expression(p, binds);
    return n->left && raise(p, n, n->left) ? n : NULL;
}

static node *word_value(parser *p, int least) {
    switch (p->at->word) {
    case WORD_TRUE:
    case WORD_FALSE:
    case WORD_NONE: {
        node *n = fm_program_node(p, p->at->word == WORD_NONE ? NODE_NONE : NODE_TRUTH);
        if (n) n->number = p->at->word == WORD_TRUE;
        p->at++;
        return n;
    }
    case WORD_NOT:
        if (least <= BIND_NOT) return prefix_operator(p, NODE_NOT, BIND_NOT);
        return wrong(p, "'not' needs brackets here");
    default: fm_program_expected(p, "a value"); return NULL;
    }
}

static node *prefix(parser *p, int least) {
    switch (p->at->kind) {
    case TOKEN_NUMBER:
    case TOKEN_TEXT: return literal(p);
    case TOKEN_NAME: return name_or_call(p);
    case TOKEN_WORD: return word_value(p, least);
    default: break;
    }
    if (parser_sees(p, SIGN_OPEN)) return bracketed(p);
    if (parser_sees(p, SIGN_OPEN_LIST)) return list_display(p);
    if (parser_sees(p, SIGN_MINUS)) return prefix_operator(p, NODE_MINUS, BIND_SIGN);
    if (parser_sees(p, SIGN_PLUS)) return prefix_operator(p, NODE_PLUS, BIND_SIGN);
    fm_program_expected(p, "a value");
    return NULL;
}

/* ---- names and calls ----------------------------------------------------------------------------- */

static bool is_named(const parser *p, const token *t, const char *name) {
    return t->kind == TOKEN_NAME && strcmp(p->names[t->number].text, name) == 0;
}

/* sep="text" and end="text", behind the other arguments. */
static bool print_option(parser *p, node *n) {
    bool separator = is_named(p, p->at, "sep");
    node **option = separator ? &n->left : &n->right;
    if (!separator && !is_named(p, p->at, "end"))
        return fm_program_wrong(p->reading, p->at->line, "print() has no such option but sep and end");
    if (*option) return fm_program_wrong(p->reading, p->at->line, "an option of print() stands twice");
    p->at += 2;
    if (p->at->kind != TOKEN_TEXT) return fm_program_expected(p, "a text in quotes");
    *option = literal(p);
    return *option != NULL;
}

static node *print_call(parser *p) {
    node *n = fm_program_node(p, NODE_PRINT);
    if (!n) return NULL;
    p->at += 2;
    for (node **end = &n->items; !parser_takes(p, SIGN_CLOSE);) {
        if (p->at->kind == TOKEN_NAME && p->at[1].kind == TOKEN_SIGN && p->at[1].sign == SIGN_IS) {
            if (!print_option(p, n)) return NULL;
        } else {
            if (n->left || n->right) return wrong(p, "what is printed stands before sep and end");
            node *item = fm_program_expression(p, 0);
            if (!item || !raise(p, n, item)) return NULL;
            fm_program_append(n, end, item);
            end = &item->next;
        }
        if (!parser_takes(p, SIGN_COMMA) && !parser_sees(p, SIGN_CLOSE)) {
            fm_program_expected(p, "',' or ')'");
            return NULL;
        }
    }
    return n;
}

static node *name_or_call(parser *p) {
    bool calls = p->at[1].kind == TOKEN_SIGN && p->at[1].sign == SIGN_OPEN;
    if (is_named(p, p->at, "print")) return calls ? print_call(p) : wrong(p, "print is a function: print(...)");
    node *n = fm_program_node(p, calls ? NODE_CALL : NODE_GLOBAL);
    if (!n) return NULL;
    n->id = (int)p->at->number;
    n->number = n->id;
    p->at += calls ? 2 : 1;
    if (!calls) {
        if (p->function) fm_buffer_put(&p->uses, &n, sizeof n);
        return n;
    }
    call made = {n, p->function};
    fm_buffer_put(&p->calls, &made, sizeof made);
    return items(p, n, SIGN_CLOSE) ? n : NULL;
}

/* ---- what stands behind a value ------------------------------------------------------------------ */

static node *absent(parser *p) { return fm_program_node(p, NODE_NONE); }

/* left[begin:end:step], the first part being read. */
static node *slice(parser *p, node *left, node *begin) {
    node *n = fm_program_node(p, NODE_SLICE);
    node *part = begin ? begin : absent(p);
    if (!n || !part) return NULL;
    n->left = left;
    node **end = &n->items;
    for (int i = 0; i < 3; i++) {
        if (i > 0) {
            bool colon = parser_takes(p, SIGN_COLON);
            bool empty = !colon || parser_sees(p, SIGN_COLON) || parser_sees(p, SIGN_CLOSE_LIST);
            part = empty ? absent(p) : fm_program_expression(p, 0);
            if (!part) return NULL;
        }
        fm_program_append(n, end, part);
        end = &part->next;
        if (!raise(p, n, part)) return NULL;
    }
    return n;
}

static node *index_or_slice(parser *p, node *left) {
    p->at++;
    node *first = parser_sees(p, SIGN_COLON) ? NULL : fm_program_expression(p, 0), *n;
    if (!first && !parser_sees(p, SIGN_COLON)) return NULL;
    if (parser_sees(p, SIGN_COLON)) {
        n = slice(p, left, first);
        if (!n) return NULL;
    } else {
        n = fm_program_node(p, NODE_INDEX);
        if (!n) return NULL;
        n->left = left;
        n->right = first;
        if (!raise(p, n, first)) return NULL;
    }
    if (!parser_takes(p, SIGN_CLOSE_LIST)) {
        fm_program_expected(p, "']'");
        return NULL;
    }
    return raise(p, n, left) ? n : NULL;
}

static node *method_call(parser *p, node *left) {
    p->at++;
    if (p->at->kind != TOKEN_NAME) {
        fm_program_expected(p, "a name behind '.'");
        return NULL;
    }
    const char *name = p->names[p->at->number].text;
    node *n = fm_program_node(p, NODE_METHOD);
    if (!n) return NULL;
    n->left = left;
    n->number = fm_builtin_find(name, true);
    if (n->number < 0) {
        fm_program_wrong(p->reading, p->at->line, "there is no .%s()", name);
        return NULL;
    }
    p->at++;
    if (!parser_takes(p, SIGN_OPEN)) {
        fm_program_expected(p, "'('");
        return NULL;
    }
    if (!items(p, n, SIGN_CLOSE) || !raise(p, n, left)) return NULL;
    const builtin *b = fm_builtin_at((int)n->number);
    if (n->count >= b->fewest && n->count <= b->most) return n;
    fm_program_wrong(p->reading, n->line, ".%s() does not take %u values", name, n->count);
    return NULL;
}

static node *postfix(parser *p, node *left) {
    while (left) {
        if (parser_sees(p, SIGN_OPEN_LIST)) left = index_or_slice(p, left);
        else if (parser_sees(p, SIGN_DOT)) left = method_call(p, left);
        else if (parser_sees(p, SIGN_OPEN)) return wrong(p, "only what has a name is called");
        else break;
    }
    return left;
}

/* ---- operators between values -------------------------------------------------------------------- */

/* How tightly the next token binds what stands left of it; 0: not at all. */
static int binding(const parser *p) {
    if (p->at->kind == TOKEN_WORD) {
        switch (p->at->word) {
        case WORD_OR: return BIND_OR;
        case WORD_AND: return BIND_AND;
        case WORD_NOT:
        case WORD_IN: return BIND_COMPARE;
        default: return 0;
        }
    }
    if (p->at->kind != TOKEN_SIGN) return 0;
    switch (p->at->sign) {
    case SIGN_PLUS:
    case SIGN_MINUS: return BIND_ADD;
    case SIGN_TIMES:
    case SIGN_DIVIDE:
    case SIGN_REMAINDER: return BIND_MULTIPLY;
    case SIGN_POWER: return BIND_POWER;
    default: return p->at->sign >= SIGN_LESS && p->at->sign <= SIGN_UNEQUAL ? BIND_COMPARE : 0;
    }
}

static bool take_relation(parser *p, relation *out) {
    if (p->at->kind == TOKEN_SIGN) {
        *out = (relation)(p->at->sign - SIGN_LESS);
    } else if (parser_sees_word(p, WORD_IN)) {
        *out = REL_IN;
    } else {
        *out = REL_NOT_IN;
        p->at++;
        if (!parser_sees_word(p, WORD_IN)) return fm_program_expected(p, "'in' behind 'not'");
    }
    p->at++;
    return true;
}

/* a < b <= c: all of them hold, and b is computed once. */
static node *comparison(parser *p, node *left) {
    node *n = fm_program_node(p, NODE_COMPARE);
    if (!n) return NULL;
    n->left = left;
    node **end = &n->items;
    while (binding(p) == BIND_COMPARE) {
        relation rel;
        if (!take_relation(p, &rel)) return NULL;
        node *operand = fm_program_expression(p, BIND_COMPARE + 1);
        if (!operand || !raise(p, n, operand)) return NULL;
        operand->relation = (uint8_t)rel;
        fm_program_append(n, end, operand);
        end = &operand->next;
    }
    return raise(p, n, left) ? n : NULL;
}

static node *binary(parser *p, node *left, int binds) {
    node_kind kind = binds == BIND_OR ? NODE_OR : binds == BIND_AND ? NODE_AND : NODE_BINARY;
    node *n = fm_program_node(p, kind);
    if (!n) return NULL;
    n->operation = p->at->sign;
    n->left = left;
    p->at++;
    /* the right side of ** may have a sign and further powers */
    n->right = fm_program_expression(p, binds == BIND_POWER ? BIND_SIGN : binds + 1);
    return n->right && raise(p, n, left) && raise(p, n, n->right) ? n : NULL;
}

node *fm_program_expression(parser *p, int least) {
    if (++p->nesting > FM_PROGRAM_NESTING_MAX) return wrong(p, "too many brackets or operators within each other");
    node *left = postfix(p, prefix(p, least));
    for (int binds; left && (binds = binding(p)) != 0 && binds >= least;) {
        left = binds == BIND_COMPARE ? comparison(p, left) : binary(p, left, binds);
    }
    p->nesting--;
    return left;
}

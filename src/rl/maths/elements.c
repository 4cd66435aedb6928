#include "rl/maths/parser.h"

#include "rl/maths/equivalence.h"
#include "rl/maths/measure.h"

#include <string.h>

typedef fm_tree_node node;

/* Operands of one sign side by side: a : b : c, A \cup B. */
static node *parse_joined(fm_parser *p, int sign, fm_tree_kind kind,
                          node *(*operand)(fm_parser *)) {
    node *x = operand(p);
    if (!x || !fm_parse_is_sign(p->at, sign)) return x;
    node *all = fm_parse_make(p, kind, 0, 0);
    if (!all || !fm_parse_append(p, all, x)) return NULL;
    while (fm_parse_take(p, sign))
        if (!fm_parse_append(p, all, operand(p))) return NULL;
    return all;
}

static node *parse_ratio(fm_parser *p) { return parse_joined(p, ':', FM_TREE_RATIO, fm_parse_sum); }
static node *parse_term(fm_parser *p) {
    return parse_joined(p, FM_SIGN_UNION, FM_TREE_UNION, parse_ratio);
}

static bool separates(const fm_lexeme *l) {
    return l->kind == FM_LEX_END ||
           (l->kind == FM_LEX_SIGN &&
            (l->value == ',' || l->value == ';' || l->value == FM_SIGN_OR));
}

static bool opens(const fm_lexeme *l) {
    int v = l->kind == FM_LEX_SIGN ? l->value : 0;
    return v == '(' || v == '[' || v == '{' || v == FM_SIGN_SET_OPEN || v == FM_SIGN_BEGIN;
}

static bool closes(const fm_lexeme *l) {
    int v = l->kind == FM_LEX_SIGN ? l->value : 0;
    return v == ')' || v == ']' || v == '}' || v == FM_SIGN_SET_CLOSE || v == FM_SIGN_END;
}

/* Where the element that begins here ends: at a separator, or at a bracket that it has not opened.
 */
static const fm_lexeme *element_end(const fm_lexeme *l) {
    int depth = 0;
    for (; l->kind != FM_LEX_END; l++) {
        if (depth == 0 && separates(l)) break;
        if (closes(l) && depth == 0) break;
        depth += opens(l) - closes(l);
    }
    return l;
}

/* Does a unit begin at l that fills the rest of the element? Words that stand for nothing known
 * count as things that are counted: "5 apples". */
static bool unit_begins(const fm_parser *p, const fm_lexeme *l, const fm_lexeme *first) {
    fm_unit ignored;
    if (l == first || l[-1].kind == FM_LEX_RELATION) return false;
    size_t n = (size_t)(p->end->from - l->from);
    if (fm_parse_is_sign(l, '%') || fm_parse_is_sign(l, FM_SIGN_DEGREE))
        return false; /* these are postfix signs */
    bool value = l[-1].kind == FM_LEX_NUMBER;
    if ((l->kind == FM_LEX_TEXT || l->kind == FM_LEX_WORD) &&
        fm_unit_is_operation(l->s, (size_t)l->n))
        return false;
    if (l->kind == FM_LEX_TEXT || l->kind == FM_LEX_WORD)
        return (l + 1 == p->end) || fm_unit_read(l->from, n, &ignored);
    if (fm_parse_is_sign(l, '$')) return l + 1 == p->end;
    if ((l->kind != FM_LEX_NAME && l->kind != FM_LEX_CONSTANT) || !value) return false;
    if (p->reading.letters == FM_LETTERS_VARIABLES) return false;
    if (p->reading.letters == FM_LETTERS_SPACED && !l->space) return false;
    return fm_unit_read(l->from, n, &ignored);
}

static node *make_relation(fm_parser *p, node *left, int op, node *right) {
    return fm_parse_two(p, FM_TREE_RELATION, op, left, right);
}

/* term (relation term)*: one relation, or a chain of them that share their sides. */
static node *parse_relations(fm_parser *p) {
    node *x = parse_term(p), *side = x, *chain = NULL;
    while (x && p->at != p->end && p->at->kind == FM_LEX_RELATION) {
        int op = p->at++->value;
        node *next = parse_term(p);
        node *one = make_relation(p, side, op, next);
        if (!one) return NULL;
        side = next;
        if (chain) {
            if (!fm_parse_append(p, chain, one)) return NULL;
        } else if (x->kind == FM_TREE_RELATION && !x->parenthesised) {
            chain = fm_parse_make(p, FM_TREE_CHAIN, 0, 0);
            if (!chain || !fm_parse_append(p, chain, x) || !fm_parse_append(p, chain, one))
                return NULL;
            x = chain;
        } else
            x = one;
    }
    return x;
}

static node *parse_element(fm_parser *p) {
    const fm_lexeme *first = p->at, *outer_end = p->end;
    const char *outer_stop = p->stop;
    if (++p->depth > FM_MATHS_DEPTH) return fm_parse_refuse_limit(p, "it is nested too deeply");
    p->end = element_end(first);
    p->stop = NULL;
    const fm_lexeme *unit = first;
    for (int depth = 0; unit < p->end && (depth > 0 || !unit_begins(p, unit, first)); unit++)
        depth += opens(unit) - closes(unit);
    if (unit < p->end) p->stop = unit->from;
    bool money =
        unit == p->end && (fm_parse_is_sign(first, '$') ||
                           (fm_parse_is_sign(first, '-') && fm_parse_is_sign(first + 1, '$')));
    bool negative = money && fm_parse_is_sign(first, '-');
    if (money) p->at += negative ? 2 : 1;
    const char *words = first->from;
    node *x;
    if (first->kind == FM_LEX_TEXT || first->kind == FM_LEX_WORD) {
        while (p->at < p->end && (p->at->kind == FM_LEX_TEXT || p->at->kind == FM_LEX_WORD ||
                                  p->at->kind == FM_LEX_NAME))
            p->at++;
        x = fm_parse_text(p, FM_TREE_WORDS, 0, words, (int)(p->at->from - words));
    } else
        x = parse_relations(p);
    if (x && negative) x = fm_parse_one(p, FM_TREE_NEGATE, 0, x);
    if (x && (money || unit < p->end) && p->at == (money ? p->end : unit)) {
        /* the unit belongs to the last side of a relation */
        node *holder = x->kind == FM_TREE_CHAIN ? x->child[x->n - 1] : x;
        bool side = holder->kind == FM_TREE_RELATION;
        node *q = fm_parse_one(p, FM_TREE_QUANTITY, 0, side ? holder->child[1] : x);
        if (!q) return NULL;
        q->text = money ? "$" : unit->from;
        q->text_n = money ? 1 : (int)(p->end->from - unit->from);
        if (side)
            holder->child[1] = q;
        else
            x = q;
        p->at = p->end;
    }
    if (x && p->at != p->end) x = fm_parse_refuse(p, "something stands behind its end");
    p->end = outer_end, p->stop = outer_stop;
    p->depth--;
    return x;
}

/* element (separator element)*, at least one. */
node *fm_parse_inside(fm_parser *p, fm_tree_kind kind) {
    node *x = fm_parse_make(p, kind, 0, 0);
    if (!x) return NULL;
    for (;;) {
        if (!fm_parse_append(p, x, parse_element(p))) return NULL;
        if (p->at->kind == FM_LEX_END || !separates(p->at)) return x;
        bool comma = fm_parse_is_sign(p->at, ',');
        p->at++;
        if (comma) fm_parse_take(p, FM_SIGN_OR); /* "1, 2, and 3" */
    }
}

void fm_tree_parse(fm_tree *tree, const char *s, size_t n, fm_tree_reading reading,
                   fm_arena *arena) {
    *tree = (fm_tree){0};
    fm_parser p = {.tree = tree, .reading = reading, .arena = arena};
    if (n > FM_MATHS_TEXT) {
        fm_parse_refuse_limit(&p, "it is too long");
        return;
    }
    fm_lexeme_peel(&s, &n);
    fm_lexeme *lexemes = fm_arena_array(arena, n + 8, sizeof *lexemes); /* a few to look ahead */
    if (!lexemes) {
        fm_parse_refuse_memory(&p);
        return;
    }
    fm_lexemes(s, n, reading.commas, lexemes);
    p.at = lexemes;
    if (p.at->kind == FM_LEX_END) {
        fm_parse_refuse(&p, "it is empty");
        return;
    }
    node *x = fm_parse_inside(&p, FM_TREE_LIST);
    if (x && p.at->kind != FM_LEX_END)
        x = fm_parse_refuse(&p, "a bracket closes that was not opened");
    if (x && x->n == 1) x = x->child[0];
    for (const fm_lexeme *l = lexemes; l->kind != FM_LEX_END; l++)
        if (l->kind == FM_LEX_NUMBER && memchr(l->s, ',', (size_t)l->n)) tree->thousands = true;
    tree->root = x;
}

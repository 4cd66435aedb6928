/* nodes.c: the nodes of a tree, and its limits. */
#include "rl/maths/equivalence.h"
#include "rl/maths/parser.h"

#include <string.h>

typedef fm_tree_node node;

node *fm_parse_refuse(fm_parser *p, const char *why) {
    if (!p->tree->why) p->tree->why = why;
    return NULL;
}

node *fm_parse_refuse_limit(fm_parser *p, const char *why) {
    p->tree->limit = true;
    return fm_parse_refuse(p, why);
}

node *fm_parse_refuse_memory(fm_parser *p) {
    p->tree->memory = true;
    return fm_parse_refuse(p, "there was no memory");
}

node *fm_parse_make(fm_parser *p, fm_tree_kind kind, int op, int n) {
    if (++p->tree->nodes > FM_MATHS_NODES)
        return fm_parse_refuse_limit(p, "there is too much in it");
    node *x = fm_arena_alloc(p->arena, sizeof *x);
    if (x && n > 0) x->child = fm_arena_array(p->arena, (size_t)n, sizeof *x->child);
    if (!x || (n > 0 && !x->child)) return fm_parse_refuse_memory(p);
    x->kind = kind, x->op = op, x->n = n;
    return x;
}

/* Sums and products of many terms are deep trees; whoever walks them needs stack. */
static node *lift(fm_parser *p, node *x) {
    for (int i = 0; i < x->n; i++)
        if (x->height <= x->child[i]->height) x->height = x->child[i]->height + 1;
    return x->height > FM_MATHS_HEIGHT ? fm_parse_refuse_limit(p, "there is too much in it") : x;
}

node *fm_parse_one(fm_parser *p, fm_tree_kind kind, int op, node *a) {
    node *x = a ? fm_parse_make(p, kind, op, 1) : NULL;
    if (!x) return NULL;
    x->child[0] = a;
    return lift(p, x);
}

node *fm_parse_two(fm_parser *p, fm_tree_kind kind, int op, node *a, node *b) {
    node *x = a && b ? fm_parse_make(p, kind, op, 2) : NULL;
    if (!x) return NULL;
    x->child[0] = a, x->child[1] = b;
    return lift(p, x);
}

node *fm_parse_text(fm_parser *p, fm_tree_kind kind, int op, const char *s, int n) {
    node *x = fm_parse_make(p, kind, op, 0);
    if (x) x->text = s, x->text_n = n;
    return x;
}

node *fm_parse_integer(fm_parser *p, const char *digits) {
    return fm_parse_text(p, FM_TREE_NUMBER, 0, digits, (int)strlen(digits));
}

/* Appends to a node whose children are counted as they come; their array doubles. */
bool fm_parse_append(fm_parser *p, node *list, node *child) {
    if (!child) return false;
    if ((list->n & (list->n - 1)) == 0) { /* 0, 1, 2, 4, ...: full */
        node **more = fm_arena_array(p->arena, (size_t)(list->n ? 2 * list->n : 1), sizeof *more);
        if (!more) return fm_parse_refuse_memory(p);
        if (list->n) memcpy(more, list->child, (size_t)list->n * sizeof *more);
        list->child = more;
    }
    list->child[list->n++] = child;
    if (list->height <= child->height) list->height = child->height + 1;
    return true;
}

bool fm_parse_is_sign(const fm_lexeme *l, int value) {
    return l->kind == FM_LEX_SIGN && l->value == value;
}

bool fm_parse_take(fm_parser *p, int value) {
    if (!fm_parse_is_sign(p->at, value)) return false;
    p->at++;
    return true;
}

bool fm_tree_same(const fm_tree_node *a, const fm_tree_node *b) {
    if (a->kind != b->kind || a->op != b->op || a->n != b->n || a->left != b->left ||
        a->right != b->right || a->text_n != b->text_n || a->exponent != b->exponent ||
        a->repeat != b->repeat)
        return false;
    if (a->text_n > 0 && memcmp(a->text, b->text, (size_t)a->text_n) != 0) return false;
    for (int i = 0; i < a->n; i++)
        if (!fm_tree_same(a->child[i], b->child[i])) return false;
    return true;
}

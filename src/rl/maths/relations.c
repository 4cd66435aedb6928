#include "rl/maths/compare.h"

#include <string.h>

/* One relation, its sides turned so that it says less, at most, equal, or unequal. */
typedef struct claim {
    fm_tree_relation op;
    const fm_tree_node *left, *right;
} claim;

enum { CLAIMS = 8 };

static bool same_name(const fm_tree_node *a, const fm_tree_node *b) {
    return a->kind == FM_TREE_NAME && b->kind == FM_TREE_NAME && a->text_n == b->text_n &&
           memcmp(a->text, b->text, (size_t)a->text_n) == 0;
}

bool fm_mentions(const fm_tree_node *x, const fm_tree_node *name) {
    if (same_name(x, name)) return true;
    for (int i = 0; i < x->n; i++)
        if (fm_mentions(x->child[i], name)) return true;
    return false;
}

static bool has_names(const fm_tree_node *x) {
    if (x->kind == FM_TREE_NAME) return true;
    for (int i = 0; i < x->n; i++)
        if (has_names(x->child[i])) return true;
    return false;
}

bool fm_is_label(const fm_tree_node *x, const fm_tree_node *gold) {
    if (x->kind == FM_TREE_NAME) return !fm_mentions(gold, x);
    if (x->kind != FM_TREE_MULTIPLY || !x->beside || !x->child[1]->parenthesised) return false;
    const fm_tree_node *f = x->child[0], *arguments = x->child[1];
    if (f->kind == FM_TREE_POWER) f = f->child[0]; /* f^{-1}(x) */
    if (f->kind != FM_TREE_NAME || fm_mentions(gold, f)) return false;
    return arguments->kind == FM_TREE_NAME || arguments->kind == FM_TREE_NUMBER;
}

static claim claim_of(const fm_tree_node *x) {
    claim k = {(fm_tree_relation)x->op, x->child[0], x->child[1]};
    if (k.op == FM_RELATION_GREATER || k.op == FM_RELATION_AT_LEAST)
        k = (claim){k.op == FM_RELATION_GREATER ? FM_RELATION_LESS : FM_RELATION_AT_MOST,
                    x->child[1], x->child[0]};
    return k;
}

/* The claims of a relation or chain; 0: it is none, or has too many. */
static int claims_of(const fm_tree_node *x, claim out[CLAIMS]) {
    if (x->kind == FM_TREE_RELATION) {
        out[0] = claim_of(x);
        return 1;
    }
    if (x->kind != FM_TREE_CHAIN || x->n > CLAIMS) return 0;
    for (int i = 0; i < x->n; i++) out[i] = claim_of(x->child[i]);
    return x->n;
}

/* x = ..., y < ..., f(x) = ..., and what is so named is not on the other side. */
static bool is_solved(const claim *k, bool left) {
    return left ? fm_is_label(k->left, k->right) : fm_is_label(k->right, k->left);
}

/* The same name, or y for f(x). */
static bool same_label(const fm_tree_node *a, const fm_tree_node *b) {
    return fm_tree_same(a, b) ||
           (a->kind != b->kind && (a->kind == FM_TREE_MULTIPLY || b->kind == FM_TREE_MULTIPLY));
}

static fm_value plain(const fm_tree_node *x) { return (fm_value){x, false}; }

static const fm_tree_node *difference(fm_comparison *c, const claim *k) {
    fm_tree_node *x = fm_arena_alloc(c->arena, sizeof *x);
    fm_tree_node **sides = fm_arena_array(c->arena, 2, sizeof *sides);
    if (!x || !sides) return NULL;
    *x = (fm_tree_node){.kind = FM_TREE_SUBTRACT, .n = 2, .child = sides};
    sides[0] = (fm_tree_node *)(uintptr_t)k->right; /* read only, as everybody here */
    sides[1] = (fm_tree_node *)(uintptr_t)k->left;
    return x;
}

/* The same up to a factor, which is positive where the order matters. */
static fm_verdict same_up_to_scale(fm_comparison *c, const claim *gold, const claim *given) {
    const fm_tree_node *a = difference(c, gold), *b = difference(c, given);
    int sign;
    if (!a || !b) {
        c->why = "there was no memory";
        return FM_UNDECIDED;
    }
    fm_verdict verdict = fm_scalar_multiple(&c->scope, plain(a), plain(b), &sign);
    bool ordered = gold->op == FM_RELATION_LESS || gold->op == FM_RELATION_AT_MOST;
    if (verdict == FM_WRONG) return fm_compare_wrong(c, "the relation is another");
    if (verdict == FM_UNDECIDED) c->why = "two relations could not be compared";
    if (verdict != FM_RIGHT || !ordered || sign > 0) return verdict;
    if (sign < 0) return fm_compare_wrong(c, "the relation points the other way");
    c->why = "two relations could not be compared";
    return FM_UNDECIDED;
}

static fm_verdict same_claim(fm_comparison *c, const claim *gold, const claim *given) {
    if (gold->op != given->op) return fm_compare_wrong(c, "the relation is another");
    bool symmetric = gold->op == FM_RELATION_EQUAL || gold->op == FM_RELATION_UNEQUAL;
    for (int left = 0; left < 2; left++) {
        if (!is_solved(gold, left)) continue;
        const fm_tree_node *name = left ? gold->left : gold->right,
                           *value = left ? gold->right : gold->left;
        for (int side = 0; side < 2; side++) {
            if (side != left && !symmetric) continue;
            if (is_solved(given, side) && same_label(name, side ? given->left : given->right))
                return fm_compare_value(c, plain(value), plain(side ? given->right : given->left));
        }
        if (!has_names(value)) return fm_compare_wrong(c, "it is not solved for the variable");
    }
    return same_up_to_scale(c, gold, given);
}

/* The value of "x = 5" for a gold "x = 5", or of a chain x = 10/2 = 5. */
static fm_verdict solved_for_value(fm_comparison *c, const claim *gold, const fm_tree_node *given) {
    bool left = is_solved(gold, true);
    const fm_tree_node *name = left ? gold->left : gold->right,
                       *value = left ? gold->right : gold->left;
    if (given->kind == FM_TREE_CHAIN) {
        const fm_tree_node *first = given->child[0]->child[0];
        if (!same_label(first, name)) return fm_compare_wrong(c, "the relation is another");
    }
    return fm_compare_value(c, plain(value), plain(given));
}

/* An interval for a gold inequality in one variable: [a, b) for a <= x < b. */
static bool interval_of(fm_comparison *c, const claim *k, int n, fm_tree_node *out) {
    fm_tree_node *infinity = fm_arena_alloc(c->arena, sizeof *infinity);
    fm_tree_node *minus = fm_arena_alloc(c->arena, sizeof *minus);
    fm_tree_node **child = fm_arena_array(c->arena, 3, sizeof *child);
    if (!infinity || !minus || !child || n > 2) return false;
    *infinity = (fm_tree_node){.kind = FM_TREE_CONSTANT, .op = FM_CONSTANT_INFINITY};
    child[2] = infinity;
    *minus = (fm_tree_node){.kind = FM_TREE_NEGATE, .n = 1, .child = &child[2]};
    *out = (fm_tree_node){.kind = FM_TREE_GROUP, .n = 2, .child = child, .left = '(', .right = ')'};
    child[0] = minus, child[1] = infinity;
    const fm_tree_node *name = NULL;
    for (int i = 0; i < n; i++) {
        bool left = is_solved(&k[i], true), right = is_solved(&k[i], false);
        if (left == right || (k[i].op != FM_RELATION_LESS && k[i].op != FM_RELATION_AT_MOST))
            return false;
        const fm_tree_node *this_name = left ? k[i].left : k[i].right,
                           *value = left ? k[i].right : k[i].left;
        if (has_names(value) || (name && !same_name(name, this_name))) return false;
        name = this_name;
        child[left ? 1 : 0] = (fm_tree_node *)(uintptr_t)value;
        if (k[i].op == FM_RELATION_AT_MOST) *(left ? &out->right : &out->left) = left ? ']' : '[';
    }
    return true;
}

static fm_verdict all_claims(fm_comparison *c, const claim *gold, const claim *given, int n) {
    bool taken[CLAIMS] = {false}, undecided = false;
    for (int i = 0; i < n; i++) {
        bool found = false, maybe = false;
        for (int j = 0; j < n && !found; j++) {
            fm_verdict one = taken[j] ? FM_WRONG : same_claim(c, &gold[i], &given[j]);
            found = one == FM_RIGHT;
            maybe = maybe || one == FM_UNDECIDED;
            if (found) taken[j] = true;
        }
        if (!found && !maybe) return FM_WRONG;
        undecided = undecided || !found;
    }
    return undecided ? FM_UNDECIDED : FM_RIGHT;
}

fm_verdict fm_compare_relation(fm_comparison *c, const fm_tree_node *gold,
                               const fm_tree_node *given) {
    claim a[CLAIMS], b[CLAIMS];
    int n = claims_of(gold, a), m = claims_of(given, b);
    if (n == 0) {
        c->why = "the expected answer is a chain too long";
        return FM_UNDECIDED;
    }
    bool solved = n == 1 && a[0].op == FM_RELATION_EQUAL &&
                  (is_solved(&a[0], true) || is_solved(&a[0], false));
    bool equations = given->kind == FM_TREE_CHAIN;
    for (int i = 0; i < m; i++) equations = equations && b[i].op == FM_RELATION_EQUAL;
    if (solved && (m == 0 || equations)) return solved_for_value(c, &a[0], given);
    fm_tree_node interval;
    if (m == 0 && (given->kind == FM_TREE_GROUP || given->kind == FM_TREE_UNION) &&
        interval_of(c, a, n, &interval))
        return fm_compare_intervals(c, &interval, given);
    if (m != n)
        return fm_compare_wrong(c, m == 0 ? "a relation was asked for" : "the relation is another");
    return all_claims(c, a, b, n);
}

#include "rl/maths/compare.h"

enum { PIECES = 32 };

/* lo = hi, both closed: a point. NULL: infinite. */
typedef struct piece {
    const fm_tree_node *lo, *hi;
    bool lo_closed, hi_closed;
} piece;

typedef struct pieces {
    piece at[PIECES];
    int n;
} pieces;

bool fm_is_interval(const fm_tree_node *x) {
    if (x->kind == FM_TREE_UNION || (x->kind == FM_TREE_CONSTANT && x->op == FM_CONSTANT_REALS))
        return true;
    return x->kind == FM_TREE_GROUP && x->n == 2 &&
           ((x->left == '(') != (x->right == ')') || fm_compare_infinity(x->child[0]) ||
            fm_compare_infinity(x->child[1]));
}

static bool add(pieces *p, piece one) {
    if (p->n == PIECES) return false;
    p->at[p->n++] = one;
    return true;
}

/* What is no interval, set or union of them: false. */
static bool gather(const fm_tree_node *x, pieces *p) {
    if (x->kind == FM_TREE_UNION) {
        for (int i = 0; i < x->n; i++)
            if (!gather(x->child[i], p)) return false;
        return true;
    }
    if (x->kind == FM_TREE_SET) {
        for (int i = 0; i < x->n; i++)
            if (!add(p, (piece){x->child[i], x->child[i], true, true})) return false;
        return true;
    }
    if (x->kind == FM_TREE_CONSTANT && x->op == FM_CONSTANT_REALS)
        return add(p, (piece){NULL, NULL, false, false});
    if (x->kind != FM_TREE_GROUP || x->n != 2) return false;
    int low = fm_compare_infinity(x->child[0]), high = fm_compare_infinity(x->child[1]);
    if (low > 0 || high < 0) return false;
    if ((low && x->left != '(') || (high && x->right != ')'))
        return false; /* infinity is in no set */
    return add(p, (piece){low ? NULL : x->child[0], high ? NULL : x->child[1], x->left == '[',
                          x->right == ']'});
}

static fm_value plain(const fm_tree_node *x) { return (fm_value){x, false}; }

/* Order of lower ends: by value, closed before open. */
static bool lower_order(fm_comparison *c, const piece *a, const piece *b, int *order) {
    if (!a->lo || !b->lo) {
        *order = (a->lo != NULL) - (b->lo != NULL);
        return true;
    }
    if (!fm_scalar_order(&c->scope, plain(a->lo), plain(b->lo), order)) return false;
    if (*order == 0) *order = (int)b->lo_closed - (int)a->lo_closed;
    return true;
}

static bool sort(fm_comparison *c, pieces *p) {
    for (int i = 1; i < p->n; i++)
        for (int j = i, order; j > 0; j--) {
            if (!lower_order(c, &p->at[j - 1], &p->at[j], &order)) return false;
            if (order <= 0) break;
            piece swap = p->at[j];
            p->at[j] = p->at[j - 1], p->at[j - 1] = swap;
        }
    return true;
}

/* Joins b to a, which begins first, if they meet; *met says. */
static bool join(fm_comparison *c, piece *a, const piece *b, bool *met) {
    int order = 1;
    *met = true;
    if (!a->hi) return true;
    if (b->lo) {
        if (!fm_scalar_order(&c->scope, plain(a->hi), plain(b->lo), &order)) return false;
        *met = order > 0 || (order == 0 && (a->hi_closed || b->lo_closed));
    }
    if (!*met) return true;
    if (!b->hi) {
        a->hi = NULL, a->hi_closed = false;
        return true;
    }
    if (!fm_scalar_order(&c->scope, plain(a->hi), plain(b->hi), &order)) return false;
    if (order == 0) a->hi_closed = a->hi_closed || b->hi_closed;
    if (order < 0) a->hi = b->hi, a->hi_closed = b->hi_closed;
    return true;
}

/* Pieces that are not empty, in order, none touching the next. */
static bool settle(fm_comparison *c, pieces *p) {
    int n = 0, order;
    for (int i = 0; i < p->n; i++) {
        const piece *a = &p->at[i];
        if (a->lo && a->hi && a->lo != a->hi) {
            if (!fm_scalar_order(&c->scope, plain(a->lo), plain(a->hi), &order)) return false;
            if (order > 0 || (order == 0 && !(a->lo_closed && a->hi_closed))) continue;
        }
        p->at[n++] = *a;
    }
    p->n = n;
    if (!sort(c, p)) return false;
    n = p->n > 0;
    for (int i = 1; i < p->n; i++) {
        bool met;
        if (!join(c, &p->at[n - 1], &p->at[i], &met)) return false;
        if (!met) p->at[n++] = p->at[i];
    }
    p->n = n;
    return true;
}

static fm_verdict same_end(fm_comparison *c, const fm_tree_node *gold, const fm_tree_node *given) {
    if (!gold || !given) return gold == given ? FM_RIGHT : FM_WRONG;
    return fm_compare_value(c, plain(gold), plain(given));
}

fm_verdict fm_compare_intervals(fm_comparison *c, const fm_tree_node *gold,
                                const fm_tree_node *given) {
    pieces a = {.n = 0}, b = {.n = 0};
    if (!gather(gold, &a)) {
        c->why = "the expected answer is no union of intervals";
        return FM_UNDECIDED;
    }
    if (!gather(given, &b)) return fm_compare_wrong(c, "an interval was asked for");
    if (!settle(c, &a) || !settle(c, &b)) {
        c->why = "the ends of intervals could not be put in order";
        return FM_UNDECIDED;
    }
    if (a.n != b.n) return fm_compare_wrong(c, "the intervals are others");
    fm_verdict all = FM_RIGHT;
    for (int i = 0; i < a.n && all != FM_WRONG; i++) {
        if (a.at[i].lo_closed != b.at[i].lo_closed || a.at[i].hi_closed != b.at[i].hi_closed)
            return fm_compare_wrong(c,
                                    "an end is open instead of closed, or closed instead of open");
        fm_verdict lo = same_end(c, a.at[i].lo, b.at[i].lo),
                   hi = same_end(c, a.at[i].hi, b.at[i].hi);
        if (lo == FM_WRONG || hi == FM_WRONG) return fm_compare_wrong(c, "an end is another");
        if (lo == FM_UNDECIDED || hi == FM_UNDECIDED) all = FM_UNDECIDED;
    }
    return all;
}

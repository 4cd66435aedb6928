#include "rl/maths/compare.h"

#include "rl/maths/form.h"
#include "rl/maths/measure.h"

#include <stdio.h>
#include <string.h>

enum { ITEMS = 64 };

fm_verdict fm_compare_wrong(fm_comparison *c, const char *why) {
    c->why = why;
    return FM_WRONG;
}

static fm_verdict undecided(fm_comparison *c, const char *why) {
    c->why = why;
    return FM_UNDECIDED;
}

static fm_verdict no_memory(fm_comparison *c) { return undecided(c, "there was no memory"); }

static fm_value with(fm_value v, const fm_tree_node *x) { return (fm_value){x, v.lower}; }

int fm_compare_infinity(const fm_tree_node *x) {
    if (x->kind == FM_TREE_NEGATE) return -fm_compare_infinity(x->child[0]);
    return x->kind == FM_TREE_CONSTANT && x->op == FM_CONSTANT_INFINITY;
}

static bool is_scalar(const fm_tree_node *x) {
    return x->kind <= FM_TREE_DEGREE &&
           !(x->kind == FM_TREE_CONSTANT && x->op == FM_CONSTANT_REALS);
}

static bool has_plus_minus(const fm_tree_node *x) {
    if (x->kind == FM_TREE_PLUS_MINUS) return true;
    for (int i = 0; i < x->n; i++)
        if (has_plus_minus(x->child[i])) return true;
    return false;
}

/* ---- units ----------------------------------------------------------------------------------- */

static fm_tree_node *node(fm_comparison *c, fm_tree_kind kind, const fm_tree_node *a,
                          const fm_tree_node *b) {
    fm_tree_node *x = a && b ? fm_arena_alloc(c->arena, sizeof *x) : NULL;
    fm_tree_node **child = x ? fm_arena_array(c->arena, 2, sizeof *child) : NULL;
    if (!child) return NULL;
    *x = (fm_tree_node){.kind = kind, .n = 2, .child = child};
    child[0] = (fm_tree_node *)(uintptr_t)a; /* read only, as everybody here */
    child[1] = (fm_tree_node *)(uintptr_t)b;
    return x;
}

static fm_tree_node *integer(fm_comparison *c, int64_t value) {
    fm_tree_node *x = fm_arena_alloc(c->arena, sizeof *x);
    char *text = fm_arena_format(c->arena, "%lld", (long long)(value < 0 ? -value : value));
    if (!x || !text) return NULL;
    *x = (fm_tree_node){.kind = FM_TREE_NUMBER, .text = text, .text_n = (int)strlen(text)};
    return x;
}

/* value * unit, in base units, or only what of it is a number ("million"); NULL without memory. */
static const fm_tree_node *in_base_units(fm_comparison *c, const fm_tree_node *value,
                                         const fm_unit *unit, bool numbers) {
    for (int i = 0; i < unit->n_factors && value; i++) {
        if (numbers && !unit->factor[i].number) continue;
        bool up = unit->factor[i].power > 0;
        const fm_tree_node *top = integer(c, unit->factor[i].numerator),
                           *bottom = integer(c, unit->factor[i].denominator);
        for (int k = up ? unit->factor[i].power : -unit->factor[i].power; k > 0; k--)
            value = node(c, FM_TREE_DIVIDE, node(c, FM_TREE_MULTIPLY, value, up ? top : bottom),
                         up ? bottom : top);
    }
    return value;
}

/* A percent sign, a degree sign or a unit: the value in front of it. */
static const fm_tree_node *measured(const fm_tree_node *x) {
    return x->kind == FM_TREE_QUANTITY || x->kind == FM_TREE_PERCENT || x->kind == FM_TREE_DEGREE
               ? x->child[0]
               : NULL;
}

static bool read_unit(const fm_tree_node *x, fm_unit *unit) {
    if (x->kind == FM_TREE_PERCENT) return fm_unit_read("%", 1, unit);
    return x->kind == FM_TREE_QUANTITY && fm_unit_read(x->text, (size_t)x->text_n, unit);
}

static bool same_unit_words(fm_comparison *c, const fm_tree_node *a, const fm_tree_node *b,
                            bool *failed) {
    (void)c;
    fm_buffer x = {0}, y = {0};
    fm_form_fold(&x, a->text, (size_t)a->text_n);
    fm_form_fold(&y, b->text, (size_t)b->text_n);
    for (int i = 0; i < 2; i++) { /* one apple, two apples */
        fm_buffer *k = i ? &y : &x;
        if (k->size > 3 && k->data[k->size - 1] == 's') k->size--;
    }
    *failed = x.failed || y.failed;
    bool same = !*failed && x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
    fm_buffer_clear(&x), fm_buffer_clear(&y);
    return same;
}

/* "million": with it, the unit itself is left out. */
static bool is_number(const fm_unit *unit) {
    for (int i = 0; i < unit->n_factors; i++)
        if (!unit->factor[i].number) return false;
    return true;
}

static fm_verdict value_only(fm_comparison *c, fm_value gold, fm_value given);

static fm_verdict compare_quantities(fm_comparison *c, fm_value gold, fm_value given) {
    fm_unit a, b;
    fm_value gold_value = with(gold, gold.x->child[0]),
             given_value = with(given, given.x->child[0]);
    if (gold.x->kind == FM_TREE_DEGREE || given.x->kind == FM_TREE_DEGREE) {
        if (gold.x->kind == given.x->kind) return value_only(c, gold_value, given_value);
        return fm_compare_wrong(c, "the unit is another");
    }
    bool known = read_unit(gold.x, &a), known_too = read_unit(given.x, &b), failed;
    if (!known && !known_too) {
        bool same = same_unit_words(c, gold.x, given.x, &failed);
        if (failed) return no_memory(c);
        return same ? value_only(c, gold_value, given_value)
                    : fm_compare_wrong(c, "it counts something else");
    }
    bool omitted =
        known && known_too && (is_number(&b) ? !c->options->unit_required : is_number(&a));
    bool same = known && known_too && memcmp(a.dimension, b.dimension, sizeof a.dimension) == 0;
    if (!same && !omitted) return fm_compare_wrong(c, "the unit is another");
    const char *unfinished =
        c->options->any_form ? NULL : fm_form_unfinished(&c->scope, gold.x, given.x);
    if (unfinished) return fm_compare_wrong(c, unfinished);
    const fm_tree_node *x = in_base_units(c, gold_value.x, &a, !same),
                       *y = in_base_units(c, given_value.x, &b, !same);
    if (!x || !y) return no_memory(c);
    return fm_scalar_equal(&c->scope, with(gold, x), with(given, y), &c->why);
}

/* One side has a unit. A percent is also its hundredth. */
static fm_verdict compare_half_measured(fm_comparison *c, fm_value gold, fm_value given) {
    const fm_tree_node *left = measured(gold.x), *right = measured(given.x);
    if (left && c->options->unit_required) return fm_compare_wrong(c, "the unit is missing");
    const fm_tree_node *sign = left ? gold.x : given.x;
    bool as_number = sign->kind == FM_TREE_PERCENT || sign->kind == FM_TREE_DEGREE;
    const fm_tree_node *value = left ? left : right;
    fm_unit unit;
    if (read_unit(sign, &unit)) value = in_base_units(c, value, &unit, true);
    if (!value) return no_memory(c);
    if (value != left && value != right) { /* 5 million, 5000000: finished as they stand */
        if (left ? fm_form_is_literal(left) && !fm_form_is_literal(given.x)
                 : !fm_form_is_literal(right))
            return fm_compare_wrong(c, "something is left to be calculated");
        return fm_scalar_equal(&c->scope, left ? with(gold, value) : gold,
                               left ? given : with(given, value), &c->why);
    }
    fm_verdict verdict = FM_WRONG;
    /* "50%" for 50 answers a question for percent; "0.5%" for 0.5 is a hundredth of it */
    if (left || given.x->kind != FM_TREE_PERCENT || fm_form_is_one_or_more(gold.x))
        verdict = value_only(c, left ? with(gold, left) : gold, left ? given : with(given, right));
    if (verdict == FM_RIGHT || !as_number) return verdict;
    fm_verdict exact = value_only(c, gold, given);
    return exact == FM_WRONG ? verdict : exact;
}

/* ---- values ---------------------------------------------------------------------------------- */

static fm_verdict value_only(fm_comparison *c, fm_value gold, fm_value given) {
    int infinite = fm_compare_infinity(gold.x), infinite_too = fm_compare_infinity(given.x);
    if (infinite || infinite_too)
        return infinite == infinite_too ? FM_RIGHT : fm_compare_wrong(c, "its value is another");
    if (!c->options->any_form) {
        const char *unfinished = fm_form_unfinished(&c->scope, gold.x, given.x);
        if (unfinished) return fm_compare_wrong(c, unfinished);
    }
    if (c->options->lowest_terms && fm_form_reducible(&c->scope, given.x))
        return fm_compare_wrong(c, "not in lowest terms");
    if (c->options->tolerance > 0) {
        fm_verdict near = fm_scalar_near(&c->scope, gold, given, c->options->tolerance);
        if (near != FM_UNDECIDED)
            return near == FM_WRONG ? fm_compare_wrong(c, "its value is another") : near;
    }
    return fm_scalar_equal(&c->scope, gold, given, &c->why);
}

/* "-5%" is read as minus (5%): the sign goes inside. "5 percent" is 5%. NULL without memory. */
static const fm_tree_node *plain_measure(fm_comparison *c, const fm_tree_node *x) {
    bool negative = x->kind == FM_TREE_NEGATE && measured(x->child[0]);
    const fm_tree_node *sign = negative ? x->child[0] : x;
    fm_unit unit;
    bool percent = sign->kind == FM_TREE_QUANTITY && read_unit(sign, &unit) && unit.percent;
    if (!negative && !percent) return x;
    fm_tree_node *outer = fm_arena_alloc(c->arena, sizeof *outer),
                 *minus = fm_arena_alloc(c->arena, sizeof *minus);
    fm_tree_node **child = fm_arena_array(c->arena, 2, sizeof *child);
    if (!outer || !minus || !child) return NULL;
    *outer = *sign;
    if (percent) outer->kind = FM_TREE_PERCENT;
    *minus = (fm_tree_node){.kind = FM_TREE_NEGATE, .n = 1, .child = &child[1]};
    outer->child = &child[0];
    child[0] = negative ? minus : sign->child[0], child[1] = sign->child[0];
    return outer;
}

static fm_verdict compare_based(fm_comparison *c, const fm_tree_node *gold,
                                const fm_tree_node *given) {
    const char *a = gold->text, *b = given->text;
    int n = gold->text_n, m = given->text_n;
    bool digits = given->kind == FM_TREE_BASED
                      ? given->op == gold->op
                      : given->kind == FM_TREE_NUMBER && given->exponent == 0;
    while (n > 1 && *a == '0') a++, n--;
    while (digits && m > 1 && *b == '0') b++, m--;
    if (digits && n == m && memcmp(a, b, (size_t)n) == 0) return FM_RIGHT;
    return fm_compare_wrong(c, "its digits are others");
}

/* Does this decimal round the value correctly, to within half a unit of its last place? */
static fm_verdict compare_rounded(fm_comparison *c, fm_value exact, fm_value rounded) {
    const fm_tree_node *x = rounded.x->kind == FM_TREE_NEGATE ? rounded.x->child[0] : rounded.x;
    const char *point = x->kind == FM_TREE_NUMBER ? memchr(x->text, '.', (size_t)x->text_n) : NULL;
    if (!point) return fm_compare_wrong(c, "what follows the sign of rounding is no decimal");
    fm_tree_node half = {.kind = FM_TREE_NUMBER, .text = "5", .text_n = 1};
    half.exponent = -(int)(x->text + x->text_n - point);
    const fm_tree_node *up = node(c, FM_TREE_ADD, rounded.x, &half),
                       *down = node(c, FM_TREE_SUBTRACT, rounded.x, &half);
    int above, below;
    if (!up || !down) return no_memory(c);
    if (!fm_scalar_order(&c->scope, with(rounded, down), exact, &below) ||
        !fm_scalar_order(&c->scope, exact, with(rounded, up), &above))
        return undecided(c, "a rounded value could not be compared");
    return below <= 0 && above <= 0 ? FM_RIGHT : fm_compare_wrong(c, "it is rounded wrongly");
}

/* A side of a chain that is not the last exact one may be left to be calculated. */
static fm_verdict compare_side(fm_comparison *c, fm_value gold, fm_value side, bool last) {
    const fm_maths_options *strict = c->options;
    fm_maths_options loose = *strict;
    loose.any_form = true;
    if (!last) c->options = &loose;
    bool value = is_scalar(side.x) || side.x->kind == FM_TREE_QUANTITY;
    fm_verdict verdict = value ? fm_compare_value(c, gold, side) : fm_compare(c, gold.x, side.x);
    c->options = strict;
    return verdict;
}

/* a = b = c, or a = b \approx c, where one value is wanted: every side must be it (but a label in
 * front), or, behind \approx, a decimal that rounds it. The last exact side must be finished. */
static fm_verdict compare_chain(fm_comparison *c, fm_value gold, fm_value given) {
    const fm_tree_node *x = given.x;
    bool chain = x->kind == FM_TREE_CHAIN;
    int n = chain ? x->n : 1;
    fm_verdict all = FM_RIGHT;
    for (int i = -1; i < n; i++) { /* side -1 is the left one of the first relation */
        const fm_tree_node *link = chain ? x->child[i < 0 ? 0 : i] : x;
        const fm_tree_node *next = i + 1 == n ? NULL : chain ? x->child[i + 1] : x;
        fm_value side = with(given, link->child[i < 0 ? 0 : 1]);
        if (i < 0 && fm_is_label(side.x, gold.x)) continue;
        bool about = i >= 0 && link->op == FM_RELATION_ABOUT;
        if (i >= 0 && link->op != FM_RELATION_EQUAL && !about)
            return fm_compare_wrong(c, "a value was asked for");
        fm_verdict one = about
                             ? compare_rounded(c, gold, side)
                             : compare_side(c, gold, side, !next || next->op == FM_RELATION_ABOUT);
        if (one == FM_WRONG) return one;
        if (one == FM_UNDECIDED) all = one;
    }
    return all;
}

fm_verdict fm_compare_value(fm_comparison *c, fm_value gold, fm_value given) {
    gold.x = plain_measure(c, gold.x);
    given.x = plain_measure(c, given.x);
    if (!gold.x || !given.x) return no_memory(c);
    if (given.x->kind == FM_TREE_RELATION || given.x->kind == FM_TREE_CHAIN)
        return compare_chain(c, gold, given);
    if (gold.x->kind == FM_TREE_BASED) return compare_based(c, gold.x, given.x);
    if (!is_scalar(gold.x) && gold.x->kind != FM_TREE_QUANTITY)
        return fm_compare(c, gold.x, given.x);
    if (!is_scalar(given.x) && given.x->kind != FM_TREE_QUANTITY)
        return fm_compare_wrong(c, given.x->kind == FM_TREE_LIST || given.x->kind == FM_TREE_SET
                                       ? "several values are given where one was asked for"
                                       : "a value was asked for");
    if (measured(gold.x) && measured(given.x)) return compare_quantities(c, gold, given);
    if (measured(gold.x) || measured(given.x)) return compare_half_measured(c, gold, given);
    return value_only(c, gold, given);
}

/* ---- several --------------------------------------------------------------------------------- */

typedef struct items {
    fm_value at[ITEMS];
    int n;
    bool full;
} items;

static void add_item(items *k, fm_value v) {
    if (k->n == ITEMS)
        k->full = true;
    else
        k->at[k->n++] = v;
}

/* The solutions that x lists: its elements, two for each with a plus-minus; labels stay on them. */
static void list_items(const fm_tree_node *x, items *k) {
    if (x->kind == FM_TREE_LIST || x->kind == FM_TREE_SET) {
        for (int i = 0; i < x->n; i++) list_items(x->child[i], k);
        return;
    }
    add_item(k, (fm_value){x, false});
    if (has_plus_minus(x)) add_item(k, (fm_value){x, true});
}

static fm_verdict compare_item(fm_comparison *c, fm_value gold, fm_value given) {
    return is_scalar(gold.x) || gold.x->kind == FM_TREE_QUANTITY ? fm_compare_value(c, gold, given)
                                                                 : fm_compare(c, gold.x, given.x);
}

/* A set has its elements once: those that are written again go. */
static void drop_repeated(fm_comparison *c, items *k) {
    int n = 0;
    for (int i = 0; i < k->n; i++) {
        bool repeated = false;
        for (int j = 0; j < n && !repeated; j++)
            repeated = compare_item(c, k->at[j], k->at[i]) == FM_RIGHT;
        if (!repeated) k->at[n++] = k->at[i];
    }
    k->n = n;
}

static fm_verdict compare_lists(fm_comparison *c, const fm_tree_node *gold,
                                const fm_tree_node *given) {
    items a = {.n = 0}, b = {.n = 0};
    list_items(gold, &a), list_items(given, &b);
    /* "x = 1, 2": the name belongs to the list; x = \pm 1 has it twice */
    if (a.full) return undecided(c, "the expected answer has too many elements");
    if (b.full) return fm_compare_wrong(c, "it has too many elements");
    if (gold->kind == FM_TREE_SET) drop_repeated(c, &a);
    if (given->kind == FM_TREE_SET) drop_repeated(c, &b);
    if (a.n != b.n) return fm_compare_wrong(c, "the number of values is another");
    bool taken[ITEMS] = {false}, open = false;
    bool ordered = c->options->ordered && gold->kind == FM_TREE_LIST;
    for (int i = 0; i < a.n; i++) {
        bool found = false, maybe = false;
        for (int j = ordered ? i : 0; j < (ordered ? i + 1 : b.n) && !found; j++) {
            fm_verdict one = taken[j] ? FM_WRONG : compare_item(c, a.at[i], b.at[j]);
            found = one == FM_RIGHT;
            maybe = maybe || one == FM_UNDECIDED;
            if (found) taken[j] = true;
        }
        if (!found && !maybe) return fm_compare_wrong(c, "one of the values is another");
        open = open || !found;
    }
    return open ? FM_UNDECIDED : FM_RIGHT;
}

/* Child by child. */
static fm_verdict compare_rows(fm_comparison *c, const fm_tree_node *gold,
                               const fm_tree_node *given) {
    if (gold->n != given->n) return fm_compare_wrong(c, "the number of entries is another");
    fm_verdict all = FM_RIGHT;
    for (int i = 0; i < gold->n; i++) {
        fm_verdict one =
            compare_item(c, (fm_value){gold->child[i], false}, (fm_value){given->child[i], false});
        if (one == FM_WRONG) return fm_compare_wrong(c, "one of the entries is another");
        if (one == FM_UNDECIDED) all = one;
    }
    return all;
}

static fm_verdict compare_groups(fm_comparison *c, const fm_tree_node *gold,
                                 const fm_tree_node *given) {
    bool column = given->kind == FM_TREE_MATRIX && (given->op == 1 || given->op == given->n);
    if (column && gold->left == '(') return compare_rows(c, gold, given);
    if (given->kind != FM_TREE_GROUP)
        return fm_compare_wrong(c, "a tuple or an interval was asked for");
    if (gold->left != given->left || gold->right != given->right)
        return fm_compare_wrong(c, "the brackets are others");
    return compare_rows(c, gold, given);
}

/* [[1, 2], [3, 4]] as well. */
static fm_verdict compare_matrices(fm_comparison *c, const fm_tree_node *gold,
                                   const fm_tree_node *given) {
    if (given->kind == FM_TREE_MATRIX) {
        if (gold->op != given->op) return fm_compare_wrong(c, "the shape is another");
        return compare_rows(c, gold, given);
    }
    if (given->kind != FM_TREE_GROUP) return fm_compare_wrong(c, "a matrix was asked for");
    if (gold->op == 1 || gold->op == gold->n) {
        if (given->n == gold->n && given->child[0]->kind != FM_TREE_GROUP)
            return compare_rows(c, gold, given);
    }
    int rows = gold->n / gold->op;
    if (given->n != rows) return fm_compare_wrong(c, "the shape is another");
    fm_verdict all = FM_RIGHT;
    for (int i = 0; i < rows; i++) {
        const fm_tree_node *row = given->child[i];
        if (row->kind != FM_TREE_GROUP || row->n != gold->op)
            return fm_compare_wrong(c, "the shape is another");
        for (int j = 0; j < gold->op; j++) {
            fm_verdict one = compare_item(c, (fm_value){gold->child[i * gold->op + j], false},
                                          (fm_value){row->child[j], false});
            if (one == FM_WRONG) return fm_compare_wrong(c, "one of the entries is another");
            if (one == FM_UNDECIDED) all = one;
        }
    }
    return all;
}

/* ---- all ------------------------------------------------------------------------------------- */

/* "x \in S" is S; "(x, y) = (1, 2)" is (1, 2), "A = [[...]]" is its right side. */
static const fm_tree_node *without_label(const fm_tree_node *x, const fm_tree_node *gold) {
    if (x->kind != FM_TREE_RELATION) return x;
    const fm_tree_node *left = x->child[0], *right = x->child[1];
    if (x->op == FM_RELATION_IN) return left->kind == FM_TREE_NAME ? right : x;
    bool structure = !is_scalar(right) && right->kind != FM_TREE_QUANTITY;
    if (x->op != FM_RELATION_EQUAL || !structure) return x;
    bool names = left->kind == FM_TREE_GROUP;
    for (int i = 0; names && i < left->n; i++) names = left->child[i]->kind == FM_TREE_NAME;
    return names || fm_is_label(left, gold) ? right : x;
}

static fm_verdict compare_words(fm_comparison *c, const fm_tree_node *gold,
                                const fm_tree_node *given) {
    fm_buffer a = {0}, b = {0};
    if (given->kind != FM_TREE_WORDS) return fm_compare_wrong(c, "words were asked for");
    fm_form_fold(&a, gold->text, (size_t)gold->text_n);
    fm_form_fold(&b, given->text, (size_t)given->text_n);
    bool failed = a.failed || b.failed,
         same = !failed && a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
    fm_buffer_clear(&a), fm_buffer_clear(&b);
    return failed ? no_memory(c) : same ? FM_RIGHT : fm_compare_wrong(c, "the words are others");
}

fm_verdict fm_compare(fm_comparison *c, const fm_tree_node *gold, const fm_tree_node *given) {
    if (gold->kind == FM_TREE_RELATION && gold->op == FM_RELATION_ABOUT) gold = gold->child[0];
    gold = without_label(gold, gold);
    given = without_label(given, gold);
    if (gold->kind == FM_TREE_WORDS) return compare_words(c, gold, given);
    if (gold->kind == FM_TREE_RELATION || gold->kind == FM_TREE_CHAIN)
        return fm_compare_relation(c, gold, given);
    if (fm_is_interval(gold) || (gold->kind == FM_TREE_GROUP && given->kind == FM_TREE_UNION))
        return fm_compare_intervals(c, gold, given);
    switch (gold->kind) {
    case FM_TREE_SET:
    case FM_TREE_LIST: return compare_lists(c, gold, given);
    case FM_TREE_GROUP: return compare_groups(c, gold, given);
    case FM_TREE_MATRIX: return compare_matrices(c, gold, given);
    case FM_TREE_RATIO:
        if (given->kind != FM_TREE_RATIO) return fm_compare_wrong(c, "a ratio was asked for");
        return compare_rows(c, gold, given);
    default: break;
    }
    bool several = has_plus_minus(gold) || has_plus_minus(given) || given->kind == FM_TREE_SET;
    if (several) return compare_lists(c, gold, given);
    return fm_compare_value(c, (fm_value){gold, false}, (fm_value){given, false});
}

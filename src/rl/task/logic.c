/* logic.c: formulas of propositional logic: which assignments make them true, and the same said with fewer words.
 * Answers are compared by their whole truth table. */
#include "rl/task/formula.h"
#include "rl/task/task.h"
#include "rl/task/word_list.h"

#include <inttypes.h>
#include <string.h>

enum { TEXT_MAX = 400 };

/* What is asked. */
enum { MODELS, COUNTERMODELS, WITH_AND_OR_NOT, WITH_AND_NOT, WITH_OR_NOT, ASKED };

typedef struct logic {
    int64_t asked;
    char names[FM_FORMULA_VARIABLES + 1]; /* the variables in their order; other letters but t and f */
    char formula[TEXT_MAX];
} logic;

static const fm_fact facts[] = {
    FM_FACT_INTEGER_OF(logic, asked, MODELS, ASKED - 1),
    FM_FACT_TEXT_OF(logic, names),
    FM_FACT_TEXT_OF(logic, formula),
};

static const char *const bands[] = {
    "assignments of two variables, 2 or 3 operations", "assignments of three variables, 2 or 3 operations",
    "assignments of four variables, 3 or 4 operations", "rewrite 2 or 3 operations on two or three variables",
    "rewrite 3 to 5 operations on three or four variables with two signs"};

static const char *const phrasings[] = {
    "{formula}\n{task}",
    "Consider the formula {formula}. {task}",
    "Given {formula}, with {names} true or false. {task}",
    "{task} The formula: {formula}",
    "A formula of the variables {names} is {formula}. {task}",
    "Logic puzzle with {names}: {formula}. {task}",
};

static const char *const tasks[ASKED] = {
    [MODELS] = "Which assignments make it true? Write T or F for {names} in this order, assignments with commas "
               "between, or none.",
    [COUNTERMODELS] = "Which assignments make it false? Write T or F for {names} in this order, assignments with "
                      "commas between, or none.",
    [WITH_AND_OR_NOT] = "Write an equivalent formula with and, or, not alone.",
    [WITH_AND_NOT] = "Write an equivalent formula with and, not alone.",
    [WITH_OR_NOT] = "Write an equivalent formula with or, not alone.",
};

static const unsigned allowed[ASKED] = {
    [WITH_AND_OR_NOT] = 1u << FM_FORMULA_AND | 1u << FM_FORMULA_OR | 1u << FM_FORMULA_NOT,
    [WITH_AND_NOT] = 1u << FM_FORMULA_AND | 1u << FM_FORMULA_NOT,
    [WITH_OR_NOT] = 1u << FM_FORMULA_OR | 1u << FM_FORMULA_NOT,
};

static int variables(const logic *l) { return (int)strlen(l->names); }
static bool rewrites(const logic *l) { return l->asked >= WITH_AND_OR_NOT; }

/* Does the formula have something that the answer may not have? */
static bool needs_rewriting(const logic *l, const fm_formula *f) {
    unsigned operands = 1u << FM_FORMULA_VARIABLE | 1u << FM_FORMULA_CONSTANT;
    return fm_formula_ops(f) & ~(allowed[l->asked] | operands);
}

/* ---- drawing ------------------------------------------------------------------------------------- */

/* A formula of so many operations, negations apart; returns its place. */
static int throw_formula(fm_dice *d, fm_formula *f, int operations, int n_variables) {
    if (operations == 0) {
        int v = fm_formula_add(f, FM_FORMULA_VARIABLE, (int)fm_dice_between(d, 0, n_variables - 1), 0);
        return fm_dice_chance(d, 1, 4) ? fm_formula_add(f, FM_FORMULA_NOT, v, 0) : v;
    }
    static const fm_formula_op ops[] = {FM_FORMULA_AND, FM_FORMULA_AND,     FM_FORMULA_OR,
                                        FM_FORMULA_OR,  FM_FORMULA_IMPLIES, FM_FORMULA_IMPLIES,
                                        FM_FORMULA_IFF, FM_FORMULA_XOR};
    int on_the_left = (int)fm_dice_between(d, 0, operations - 1);
    fm_formula_op op = ops[fm_dice_between(d, 0, FM_COUNT(ops) - 1)];
    int left = throw_formula(d, f, on_the_left, n_variables);
    int right = throw_formula(d, f, operations - 1 - on_the_left, n_variables);
    int node = fm_formula_add(f, op, left, right);
    return fm_dice_chance(d, 1, 5) ? fm_formula_add(f, FM_FORMULA_NOT, node, 0) : node;
}

/* How many operations mention both operands twice when they are rewritten. */
static int doubling(const fm_formula *f) {
    int n = 0;
    for (int i = 0; i < f->n; i++) n += f->node[i].op == FM_FORMULA_XOR || f->node[i].op == FM_FORMULA_IFF;
    return n;
}

static bool uses_all(const fm_formula *f, int n_variables) {
    unsigned used = 0;
    for (int i = 0; i < f->n; i++)
        if (f->node[i].op == FM_FORMULA_VARIABLE) used |= 1u << f->node[i].left;
    return used == (1u << n_variables) - 1;
}

static bool keep_text(const fm_formula *f, const char *names, char *out) {
    fm_buffer text = {0};
    fm_formula_write(f, f->n - 1, names, &text);
    bool fits = !text.failed && text.size < TEXT_MAX;
    if (fits) memcpy(out, text.data, text.size);
    fm_buffer_clear(&text);
    return fits;
}

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    static const struct {
        int fewest_variables, most_variables, fewest, most;
    } levels[] = {{2, 2, 2, 3}, {3, 3, 2, 3}, {4, 4, 3, 4}, {2, 3, 2, 3}, {3, 4, 3, 5}};
    static const char *const alphabets[] = {"pqrs", "abcd", "xyzw"};
    logic *l = out;
    fm_formula f = {.n = 0};
    (void)phrasing;
    int n = (int)fm_dice_between(d, levels[band].fewest_variables, levels[band].most_variables);
    l->asked = band < 3 ? fm_dice_between(d, MODELS, COUNTERMODELS)
                        : band == 3 ? WITH_AND_OR_NOT : fm_dice_between(d, WITH_AND_NOT, WITH_OR_NOT);
    memcpy(l->names, alphabets[fm_dice_between(d, 0, FM_COUNT(alphabets) - 1)], (size_t)n);
    throw_formula(d, &f, (int)fm_dice_between(d, levels[band].fewest, levels[band].most), n);
    if (!uses_all(&f, n) || (rewrites(l) && (!needs_rewriting(l, &f) || doubling(&f) > 1))) return false;
    uint16_t table = fm_formula_table(&f, f.n - 1, n), all = (uint16_t)((1u << (1 << n)) - 1);
    if ((table == 0 || table == all) && !fm_dice_chance(d, 1, 5)) return false;
    return keep_text(&f, l->names, l->formula);
}

static void put_names(const logic *l, fm_buffer *out) {
    for (int i = 0; i < variables(l); i++) fm_buffer_format(out, i ? ", %c" : "%c", l->names[i]);
}

static bool slot(const void *p, const char *name, fm_buffer *out) {
    const logic *l = p;
    if (!strcmp(name, "names")) {
        put_names(l, out);
        return true;
    }
    if (strcmp(name, "task")) return false;
    const char *text = tasks[l->asked], *names = strstr(text, "{names}");
    if (!names) {
        fm_buffer_text(out, text);
        return true;
    }
    fm_buffer_put(out, text, (size_t)(names - text));
    put_names(l, out);
    fm_buffer_text(out, names + strlen("{names}"));
    return true;
}

/* What is asked is no part of it: a formula whose models were asked for is known when it is to be rewritten. */
static void key(const void *p, fm_buffer *out) {
    const logic *l = p;
    fm_formula f;
    fm_formula_read(l->formula, strlen(l->formula), l->names, &f);
    fm_formula_key(&f, variables(l), out);
}

/* ---- on paper ------------------------------------------------------------------------------------ */

static void put_row(int row, int n, fm_buffer *out) {
    for (int v = 0; v < n; v++) fm_buffer_text(out, fm_formula_row(row, v, n) ? "T" : "F");
}

/* The rows whose value is `wanted`. */
static void put_rows(uint16_t table, int n, bool wanted, fm_buffer *out) {
    bool first = true;
    for (int row = 0; row < 1 << n; row++) {
        if ((bool)(table >> row & 1) != wanted) continue;
        if (!first) fm_buffer_text(out, ", ");
        put_row(row, n, out);
        first = false;
    }
    if (first) fm_buffer_text(out, "none");
}

/* A part with the numbers of the parts that it joins. */
static void put_part(const logic *l, const fm_formula *f, int node, const int *number, fm_buffer *out) {
    static const char *const signs[] = {"", "", "not ", " and ", " or ", " xor ", " -> ", " <-> "};
    const int operands[] = {f->node[node].left, f->node[node].right};
    bool negation = f->node[node].op == FM_FORMULA_NOT;
    fm_buffer_format(out, "%d = ", number[node]);
    for (int i = negation; i < 2; i++) {
        int part = operands[negation ? 0 : i];
        if (i == 1) fm_buffer_text(out, signs[f->node[node].op]);
        if (f->node[part].op < FM_FORMULA_NOT) fm_formula_write(f, part, l->names, out);
        else fm_buffer_format(out, "(%d)", number[part]);
    }
    fm_buffer_text(out, "\n");
}

/* The parts, the inner ones first, and a line for each assignment with the value of every part. */
static void solve_table(const logic *l, const fm_formula *f, fm_buffer *working, fm_buffer *answer) {
    int n = variables(l), parts = 0, number[FM_FORMULA_NODES];
    uint16_t tables[FM_FORMULA_NODES];
    for (int i = 0; i < f->n; i++) {
        tables[i] = fm_formula_table(f, i, n);
        number[i] = f->node[i].op < FM_FORMULA_NOT ? 0 : ++parts;
        if (number[i]) put_part(l, f, i, number, working);
    }
    for (int row = 0; row < 1 << n; row++) {
        put_row(row, n, working);
        fm_buffer_text(working, ":");
        for (int i = 0; i < f->n; i++)
            if (number[i]) fm_buffer_format(working, " (%d) %c", number[i], tables[i] >> row & 1 ? 'T' : 'F');
        fm_buffer_text(working, tables[f->n - 1] >> row & 1 ? ", true\n" : ", false\n");
    }
    bool wanted = l->asked == MODELS;
    put_rows(tables[f->n - 1], n, wanted, answer);
    fm_buffer_format(working, "It is %s for %s\n", wanted ? "true" : "false", fm_buffer_string(answer));
}

/* The same with double negations taken away. */
static int negate(fm_formula *g, int node) {
    if (node >= 0 && g->node[node].op == FM_FORMULA_NOT) return g->node[node].left;
    return node < 0 ? -1 : fm_formula_add(g, FM_FORMULA_NOT, node, 0);
}

static int conjunction(fm_formula *g, unsigned may, int a, int b) {
    if (a < 0 || b < 0) return -1;
    if (may >> FM_FORMULA_AND & 1) return fm_formula_add(g, FM_FORMULA_AND, a, b);
    return negate(g, fm_formula_add(g, FM_FORMULA_OR, negate(g, a), negate(g, b)));
}

static int disjunction(fm_formula *g, unsigned may, int a, int b) {
    if (a < 0 || b < 0) return -1;
    if (may >> FM_FORMULA_OR & 1) return fm_formula_add(g, FM_FORMULA_OR, a, b);
    return negate(g, fm_formula_add(g, FM_FORMULA_AND, negate(g, a), negate(g, b)));
}

/* a op b with what may be used; operands may be shared, they are written out where they stand. */
static int rewritten(fm_formula *g, unsigned may, int op, int a, int b) {
    switch (op) {
    case FM_FORMULA_AND: return conjunction(g, may, a, b);
    case FM_FORMULA_OR: return disjunction(g, may, a, b);
    case FM_FORMULA_IMPLIES: return disjunction(g, may, negate(g, a), b);
    case FM_FORMULA_IFF:
        return disjunction(g, may, conjunction(g, may, a, b), conjunction(g, may, negate(g, a), negate(g, b)));
    default: return disjunction(g, may, conjunction(g, may, a, negate(g, b)), conjunction(g, may, negate(g, a), b));
    }
}

/* Part after part, the inner ones first. */
static void solve_rewriting(const logic *l, const fm_formula *f, fm_buffer *working, fm_buffer *answer) {
    fm_formula g = {.n = 0};
    int place[FM_FORMULA_NODES];
    for (int i = 0; i < f->n; i++) {
        int op = f->node[i].op, left = f->node[i].left, right = f->node[i].right;
        if (op < FM_FORMULA_NOT) place[i] = fm_formula_add(&g, (fm_formula_op)op, left, 0);
        else if (op == FM_FORMULA_NOT) place[i] = negate(&g, place[left]);
        else place[i] = rewritten(&g, allowed[l->asked], op, place[left], place[right]);
        if (place[i] < 0) return; /* no room: facts of a stranger */
        if (op < FM_FORMULA_NOT) continue;
        fm_formula_write(f, i, l->names, working);
        fm_buffer_text(working, " becomes ");
        fm_formula_write(&g, place[i], l->names, working);
        fm_buffer_text(working, "\n");
    }
    fm_formula_write(&g, place[f->n - 1], l->names, answer);
    fm_buffer_format(working, "The whole is %s\n", fm_buffer_string(answer));
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const logic *l = p;
    fm_formula f;
    fm_formula_read(l->formula, strlen(l->formula), l->names, &f);
    if (rewrites(l)) solve_rewriting(l, &f, working, answer);
    else solve_table(l, &f, working, answer);
}

/* ---- answers ------------------------------------------------------------------------------------- */

/* TF or tf or 10: a row, or -1. */
static int read_row(const char *s, size_t n, int n_variables) {
    int row = 0;
    if (n != (size_t)n_variables) return -1;
    for (size_t i = 0; i < n; i++) {
        bool true_ = s[i] == 'T' || s[i] == 't' || s[i] == '1';
        if (!true_ && s[i] != 'F' && s[i] != 'f' && s[i] != '0') return -1;
        row = row << 1 | !true_;
    }
    return row;
}

static bool is_none(const char *s, size_t n) {
    return n == 4 && (!memcmp(s, "none", 4) || !memcmp(s, "None", 4) || !memcmp(s, "NONE", 4));
}

static fm_verdict check_rows(const logic *l, uint16_t table, const char *answer, size_t size) {
    uint16_t given = 0;
    fm_list_answer list = fm_list_answer_of(answer, size);
    const char *piece;
    size_t n;
    if (is_none(answer, size)) return table == 0 ? FM_RIGHT : FM_WRONG;
    while (fm_list_answer_next(&list, &piece, &n)) {
        int row = read_row(piece, n, variables(l));
        if (row < 0 || given >> row & 1) return FM_WRONG;
        given |= (uint16_t)(1u << row);
    }
    return list.good && given && given == table ? FM_RIGHT : FM_WRONG;
}

static fm_verdict check(const void *p, const char *answer, size_t size) {
    const logic *l = p;
    fm_formula f, g;
    int n = variables(l);
    fm_formula_read(l->formula, strlen(l->formula), l->names, &f);
    uint16_t table = fm_formula_table(&f, f.n - 1, n), all = (uint16_t)((1u << (1 << n)) - 1);
    if (l->asked == MODELS) return check_rows(l, table, answer, size);
    if (l->asked == COUNTERMODELS) return check_rows(l, (uint16_t)(~table & all), answer, size);
    if (!fm_formula_read(answer, size, l->names, &g) || needs_rewriting(l, &g)) return FM_WRONG;
    return fm_formula_table(&g, g.n - 1, n) == table ? FM_RIGHT : FM_WRONG;
}

/* ---- facts of strangers -------------------------------------------------------------------------- */

/* Is what the working ends with still a formula that can be read? */
static bool finds_an_answer(const logic *l) {
    fm_buffer working = {0}, answer = {0};
    solve(l, &working, &answer);
    bool finds = !working.failed && !answer.failed && check(l, fm_buffer_string(&answer), answer.size) == FM_RIGHT;
    fm_buffer_clear(&working);
    fm_buffer_clear(&answer);
    return finds;
}

static fm_status valid(const void *p, fm_error *err) {
    const logic *l = p;
    fm_formula f;
    int n = variables(l);
    bool good = n >= 1 && strspn(l->names, "abcdeghijklmnopqrsuvwxyz") == (size_t)n;
    for (int i = 0; good && i < n; i++) good = strchr(l->names, l->names[i]) == l->names + i;
    if (!good)
        return fm_fail(err, FM_ERR_FORMAT, "\"names\" has 1 to %d different small letters other than t and f",
                       FM_FORMULA_VARIABLES);
    if (!fm_formula_read(l->formula, strlen(l->formula), l->names, &f) || f.n > 32)
        return fm_fail(err, FM_ERR_FORMAT, "\"formula\" is no formula of these names, or has more than 32 parts");
    if (rewrites(l) && !needs_rewriting(l, &f))
        return fm_fail(err, FM_ERR_FORMAT, "\"formula\" has the form that is asked for already");
    if (rewrites(l) && (doubling(&f) > 2 || !finds_an_answer(l)))
        return fm_fail(err, FM_ERR_FORMAT, "\"formula\" is too large to be rewritten");
    return FM_OK;
}

const fm_task_kind fm_task_logic = {
    .name = "logic",
    .answer = "assignments such as TF, FF in any order, or none; or a formula, compared by its truth table",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 2,
    .size = sizeof(logic), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .slot = slot, .key = key, .solve = solve, .check = check,
};

#include "rl/task/formula.h"

#include <stdlib.h>
#include <string.h>

int fm_formula_add(fm_formula *f, fm_formula_op op, int left, int right) {
    if (f->n == FM_FORMULA_NODES) return -1;
    f->node[f->n].op = (uint8_t)op;
    f->node[f->n].left = (int16_t)left;
    f->node[f->n].right = (int16_t)right;
    return f->n++;
}

/* ---- reading ------------------------------------------------------------------------------------- */

enum { OPENS = 100, CLOSES, TRUE_SIGN, FALSE_SIGN };

static const struct {
    const char *text;
    int means; /* fm_formula_op, or one of the above */
} signs[] = {
    {"<->", FM_FORMULA_IFF}, {"<=>", FM_FORMULA_IFF}, {"\\leftrightarrow", FM_FORMULA_IFF}, {"\\iff", FM_FORMULA_IFF},
    {"\\Leftrightarrow", FM_FORMULA_IFF}, {"\xe2\x86\x94", FM_FORMULA_IFF}, {"\xe2\x87\x94", FM_FORMULA_IFF},
    {"->", FM_FORMULA_IMPLIES}, {"=>", FM_FORMULA_IMPLIES}, {"\\to", FM_FORMULA_IMPLIES},
    {"\\rightarrow", FM_FORMULA_IMPLIES}, {"\\Rightarrow", FM_FORMULA_IMPLIES}, {"\\implies", FM_FORMULA_IMPLIES},
    {"\xe2\x86\x92", FM_FORMULA_IMPLIES}, {"\xe2\x87\x92", FM_FORMULA_IMPLIES},
    {"&&", FM_FORMULA_AND}, {"&", FM_FORMULA_AND}, {"/\\", FM_FORMULA_AND}, {"*", FM_FORMULA_AND},
    {"\\land", FM_FORMULA_AND}, {"\\wedge", FM_FORMULA_AND}, {"\xe2\x88\xa7", FM_FORMULA_AND},
    {"||", FM_FORMULA_OR}, {"|", FM_FORMULA_OR}, {"\\/", FM_FORMULA_OR}, {"+", FM_FORMULA_OR},
    {"\\lor", FM_FORMULA_OR}, {"\\vee", FM_FORMULA_OR}, {"\xe2\x88\xa8", FM_FORMULA_OR},
    {"^", FM_FORMULA_XOR}, {"\\oplus", FM_FORMULA_XOR}, {"\xe2\x8a\x95", FM_FORMULA_XOR},
    {"~", FM_FORMULA_NOT}, {"!", FM_FORMULA_NOT}, {"\\neg", FM_FORMULA_NOT}, {"\\lnot", FM_FORMULA_NOT},
    {"\xc2\xac", FM_FORMULA_NOT}, {"(", OPENS}, {"[", OPENS}, {")", CLOSES}, {"]", CLOSES},
};

static const struct {
    const char *text;
    int means;
} words[] = {
    {"not", FM_FORMULA_NOT}, {"and", FM_FORMULA_AND}, {"or", FM_FORMULA_OR}, {"xor", FM_FORMULA_XOR},
    {"implies", FM_FORMULA_IMPLIES}, {"iff", FM_FORMULA_IFF}, {"true", TRUE_SIGN}, {"false", FALSE_SIGN},
    {"t", TRUE_SIGN}, {"f", FALSE_SIGN},
};

typedef struct reader {
    const char *at, *end;
    const char *names;
    fm_formula *out;
    int depth;
    int sign;     /* what comes next: fm_formula_op, OPENS, ..., or -1: the end or nothing that is known */
    int variable; /* for FM_FORMULA_VARIABLE */
    size_t length;
} reader;

static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static bool same_word(const char *word, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!word[i] || word[i] != lower(s[i])) return false;
    return !word[n];
}

static void look_at_word(reader *r, size_t n) {
    const char *variable = n == 1 ? strchr(r->names, *r->at) : NULL;
    r->length = n;
    if (variable) {
        r->sign = FM_FORMULA_VARIABLE;
        r->variable = (int)(variable - r->names);
    }
    for (size_t i = 0; !variable && i < FM_COUNT(words); i++)
        if (same_word(words[i].text, r->at, n)) r->sign = words[i].means;
}

/* What comes next, in r->sign; r->at moves over blanks alone. */
static void look(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t')) r->at++;
    size_t n = 0, left = (size_t)(r->end - r->at);
    r->sign = -1;
    r->length = 0;
    while (n < left && letter(r->at[n])) n++;
    if (n > 0) {
        look_at_word(r, n);
        return;
    }
    for (size_t i = 0; i < FM_COUNT(signs); i++) {
        n = strlen(signs[i].text);
        if (n <= left && !memcmp(signs[i].text, r->at, n) && n > r->length) {
            r->sign = signs[i].means;
            r->length = n;
        }
    }
}

static void advance(reader *r) {
    r->at += r->length;
    look(r);
}

static int formula(reader *r, int loosest);

static int part(reader *r) {
    int sign = r->sign, inner;
    switch (sign) {
    case FM_FORMULA_VARIABLE: inner = fm_formula_add(r->out, FM_FORMULA_VARIABLE, r->variable, 0); break;
    case TRUE_SIGN:
    case FALSE_SIGN: inner = fm_formula_add(r->out, FM_FORMULA_CONSTANT, sign == TRUE_SIGN, 0); break;
    case FM_FORMULA_NOT:
        if (++r->depth > FM_FORMULA_DEPTH) return -1;
        advance(r);
        inner = part(r);
        r->depth--;
        return inner < 0 ? -1 : fm_formula_add(r->out, FM_FORMULA_NOT, inner, 0);
    case OPENS:
        if (++r->depth > FM_FORMULA_DEPTH) return -1;
        advance(r);
        inner = formula(r, FM_FORMULA_IFF);
        r->depth--;
        if (r->sign != CLOSES) return -1;
        break;
    default: return -1;
    }
    advance(r);
    return inner;
}

/* The order of the ops is how loosely they bind. */
static int formula(reader *r, int loosest) {
    if (loosest < FM_FORMULA_AND) return part(r);
    int left = formula(r, loosest - 1);
    while (left >= 0 && r->sign == loosest) {
        if (loosest == FM_FORMULA_IMPLIES && ++r->depth > FM_FORMULA_DEPTH) return -1;
        advance(r);
        int right = formula(r, loosest == FM_FORMULA_IMPLIES ? loosest : loosest - 1);
        r->depth -= loosest == FM_FORMULA_IMPLIES;
        left = right < 0 ? -1 : fm_formula_add(r->out, (fm_formula_op)loosest, left, right);
    }
    return left;
}

bool fm_formula_read(const char *text, size_t size, const char *names, fm_formula *out) {
    reader r = {.at = text, .end = text + size, .names = names, .out = out};
    out->n = 0;
    look(&r);
    return formula(&r, FM_FORMULA_IFF) >= 0 && r.at == r.end;
}

/* ---- meaning ------------------------------------------------------------------------------------- */

uint16_t fm_formula_table(const fm_formula *f, int node, int variables) {
    uint16_t value[FM_FORMULA_NODES], all = (uint16_t)((1u << (1 << variables)) - 1);
    for (int i = 0; i <= node; i++) {
        int left = f->node[i].left, right = f->node[i].right;
        unsigned a = f->node[i].op >= FM_FORMULA_NOT ? value[left] : 0;
        unsigned b = f->node[i].op >= FM_FORMULA_AND ? value[right] : 0, v = 0;
        switch (f->node[i].op) {
        case FM_FORMULA_VARIABLE:
            for (int row = 0; row < 1 << variables; row++) v |= (unsigned)fm_formula_row(row, left, variables) << row;
            break;
        case FM_FORMULA_CONSTANT: v = left ? all : 0; break;
        case FM_FORMULA_NOT: v = ~a; break;
        case FM_FORMULA_AND: v = a & b; break;
        case FM_FORMULA_OR: v = a | b; break;
        case FM_FORMULA_XOR: v = a ^ b; break;
        case FM_FORMULA_IMPLIES: v = ~a | b; break;
        default: v = ~(a ^ b);
        }
        value[i] = (uint16_t)(v & all);
    }
    return value[node];
}

unsigned fm_formula_ops(const fm_formula *f) {
    unsigned ops = 0;
    for (int i = 0; i < f->n; i++) ops |= 1u << f->node[i].op;
    return ops;
}

/* ---- writing ------------------------------------------------------------------------------------- */

static const char *const names_of_ops[] = {"", "", "not ", " and ", " or ", " xor ", " -> ", " <-> "};

static void write_part(const fm_formula *f, int node, const char *names, bool whole, fm_buffer *out) {
    int op = f->node[node].op, left = f->node[node].left;
    if (op == FM_FORMULA_VARIABLE) {
        fm_buffer_put(out, names + left, 1);
    } else if (op == FM_FORMULA_CONSTANT) {
        fm_buffer_text(out, left ? "T" : "F");
    } else if (op == FM_FORMULA_NOT) {
        fm_buffer_text(out, names_of_ops[op]);
        write_part(f, left, names, false, out);
    } else {
        if (!whole) fm_buffer_text(out, "(");
        write_part(f, left, names, false, out);
        fm_buffer_text(out, names_of_ops[op]);
        write_part(f, f->node[node].right, names, false, out);
        if (!whole) fm_buffer_text(out, ")");
    }
}

void fm_formula_write(const fm_formula *f, int node, const char *names, fm_buffer *out) {
    write_part(f, node, names, true, out);
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* What `op` joins, through all of its own kind below. */
static int gather(const fm_formula *f, int node, int op, const char *names, char **parts, int n);

static bool gathers(int op) {
    return op == FM_FORMULA_AND || op == FM_FORMULA_OR || op == FM_FORMULA_XOR || op == FM_FORMULA_IFF;
}

/* A form in which order and grouping mean nothing; in memory of its own, NULL without. */
static char *ordered(const fm_formula *f, int node, const char *names) {
    int op = f->node[node].op, n = 0;
    char *parts[FM_FORMULA_NODES];
    fm_buffer out = {0};
    if (op < FM_FORMULA_NOT) {
        write_part(f, node, names, true, &out);
        return fm_buffer_take(&out);
    }
    if (gathers(op)) n = gather(f, node, op, names, parts, 0);
    else {
        parts[n++] = ordered(f, f->node[node].left, names);
        if (op != FM_FORMULA_NOT) parts[n++] = ordered(f, f->node[node].right, names);
    }
    bool failed = false;
    for (int i = 0; i < n; i++) failed |= !parts[i];
    if (gathers(op) && !failed) qsort(parts, (size_t)n, sizeof *parts, by_text);
    fm_buffer_format(&out, "%c(", " .~&|^>="[op]);
    for (int i = 0; i < n; i++) {
        if (!failed) fm_buffer_format(&out, i ? ",%s" : "%s", parts[i]);
        fm_free(parts[i]);
    }
    fm_buffer_text(&out, ")");
    if (!failed) return fm_buffer_take(&out);
    fm_buffer_clear(&out);
    return NULL;
}

static int gather(const fm_formula *f, int node, int op, const char *names, char **parts, int n) {
    const int operands[] = {f->node[node].left, f->node[node].right};
    for (int i = 0; i < 2; i++) {
        if (f->node[operands[i]].op == op) n = gather(f, operands[i], op, names, parts, n);
        else parts[n++] = ordered(f, operands[i], names);
    }
    return n;
}

/* The least of the forms under all namings. */
static void try_namings(const fm_formula *f, int variables, char *names, int from, char **best, bool *failed) {
    if (from < variables) {
        for (int i = from; i < variables; i++) {
            char kept = names[from];
            names[from] = names[i], names[i] = kept;
            try_namings(f, variables, names, from + 1, best, failed);
            kept = names[from], names[from] = names[i], names[i] = kept;
        }
        return;
    }
    char *form = ordered(f, f->n - 1, names);
    *failed |= !form;
    if (form && (!*best || strcmp(form, *best) < 0)) {
        fm_free(*best);
        *best = form;
    } else {
        fm_free(form);
    }
}

void fm_formula_key(const fm_formula *f, int variables, fm_buffer *out) {
    char names[] = "abcd", *best = NULL;
    bool failed = false;
    try_namings(f, variables, names, 0, &best, &failed);
    out->failed |= failed;
    if (best) fm_buffer_text(out, best);
    fm_free(best);
}

#include "rl/maths/form.h"

#include "rl/maths/lexeme.h"
#include "rl/maths/rational.h"

#include <string.h>

/* ---- finished numbers ------------------------------------------------------------------------ */

static bool is_integer_text(const fm_tree_node *x) {
    return x->kind == FM_TREE_NUMBER && !memchr(x->text, '.', (size_t)x->text_n) &&
           x->exponent == 0;
}

static const fm_tree_node *unsigned_of(const fm_tree_node *x) {
    while (x->kind == FM_TREE_NEGATE || (x->kind == FM_TREE_PLUS_MINUS && x->n == 1))
        x = x->child[0];
    return x;
}

static bool is_fraction(const fm_tree_node *x) {
    return x->kind == FM_TREE_DIVIDE && is_integer_text(unsigned_of(x->child[0])) &&
           is_integer_text(unsigned_of(x->child[1]));
}

/* a * 10^k */
static bool is_scientific(const fm_tree_node *x) {
    if (x->kind != FM_TREE_MULTIPLY || x->child[0]->kind != FM_TREE_NUMBER) return false;
    const fm_tree_node *p = x->child[1];
    return p->kind == FM_TREE_POWER && p->child[0]->kind == FM_TREE_NUMBER &&
           p->child[0]->text_n == 2 && memcmp(p->child[0]->text, "10", 2) == 0 &&
           is_integer_text(unsigned_of(p->child[1]));
}

bool fm_form_is_literal(const fm_tree_node *x) {
    x = unsigned_of(x);
    if (x->kind == FM_TREE_PERCENT || x->kind == FM_TREE_DEGREE || x->kind == FM_TREE_QUANTITY)
        x = unsigned_of(x->child[0]);
    return x->kind == FM_TREE_NUMBER || x->mixed || is_fraction(x) || is_scientific(x);
}

static bool has_fraction(const fm_tree_node *x) {
    if (x->kind == FM_TREE_DIVIDE) return true;
    for (int i = 0; i < x->n; i++)
        if (has_fraction(x->child[i])) return true;
    return false;
}

const char *fm_form_unfinished(fm_scope *scope, const fm_tree_node *gold,
                               const fm_tree_node *given) {
    if (!fm_form_is_literal(gold)) return NULL;
    if (!fm_form_is_literal(given)) return "something is left to be calculated";
    if (!has_fraction(given) || has_fraction(gold)) return NULL;
    fmpq_t q;
    fmpq_init(q);
    bool whole = fm_rational_value(scope, (fm_value){gold, false}, q) == FM_EXACT &&
                 fmpz_is_one(fmpq_denref(q));
    fmpq_clear(q);
    return whole ? "a division is left to be calculated" : NULL;
}

bool fm_form_is_one_or_more(const fm_tree_node *x) {
    x = unsigned_of(x);
    if (x->kind != FM_TREE_NUMBER || x->exponent < 0) return false;
    for (int i = 0; i < x->text_n && x->text[i] != '.'; i++)
        if (x->text[i] != '0') return true;
    return false;
}

bool fm_form_reducible(fm_scope *scope, const fm_tree_node *x) {
    if (is_fraction(x)) {
        fmpq_t q, bottom;
        fmpq_init(q), fmpq_init(bottom);
        bool reducible =
            fm_rational_value(scope, (fm_value){x, false}, q) == FM_EXACT &&
            fm_rational_value(scope, (fm_value){x->child[1], false}, bottom) == FM_EXACT &&
            fmpz_cmpabs(fmpq_denref(q), fmpq_numref(bottom)) != 0;
        fmpq_clear(q), fmpq_clear(bottom);
        return reducible;
    }
    for (int i = 0; i < x->n; i++)
        if (fm_form_reducible(scope, x->child[i])) return true;
    return false;
}

/* ---- echoes ---------------------------------------------------------------------------------- */

static bool is_operation(const fm_lexeme *l) {
    if (l->kind == FM_LEX_FUNCTION || l->kind == FM_LEX_RELATION) return true;
    if (l->kind != FM_LEX_SIGN) return false;
    return l->value == FM_SIGN_FRAC || l->value == FM_SIGN_SQRT || l->value == FM_SIGN_BINOM ||
           l->value == FM_SIGN_CBRT || (l->value < 256 && strchr("+-*/^!|", l->value));
}

static bool same_lexeme(const fm_lexeme *a, const fm_lexeme *b) {
    if (a->kind != b->kind || a->value != b->value) return false;
    if (a->kind == FM_LEX_SIGN || a->kind == FM_LEX_RELATION || a->kind == FM_LEX_FUNCTION ||
        a->kind == FM_LEX_CONSTANT)
        return true;
    return a->n == b->n && memcmp(a->s, b->s, (size_t)a->n) == 0;
}

/* Knuth, Morris and Pratt: linear, whatever a stranger repeats. */
static bool occurs(const fm_lexeme *text, const fm_lexeme *word, int n, int *border) {
    border[0] = -1;
    for (int i = 0, k = -1; i < n; border[++i] = ++k)
        while (k >= 0 && !same_lexeme(&word[i], &word[k])) k = border[k];
    for (int k = 0; text->kind != FM_LEX_END; text++) {
        while (k >= 0 && !same_lexeme(text, &word[k])) k = border[k];
        if (++k == n) return true;
    }
    return false;
}

bool fm_form_is_echo(const char *prompt, size_t prompt_n, const char *given, size_t given_n,
                     fm_arena *arena) {
    fm_lexeme_peel(&given, &given_n);
    fm_lexeme *word = fm_arena_array(arena, given_n + 1, sizeof *word);
    fm_lexeme *text = fm_arena_array(arena, prompt_n + 1, sizeof *text);
    int *border = fm_arena_array(arena, given_n + 2, sizeof *border);
    if (!word || !text || !border) return false;
    fm_lexemes(given, given_n, false, word);
    int n = 0;
    bool operation = false;
    for (; word[n].kind != FM_LEX_END; n++)
        operation = operation || (n > 0 && is_operation(&word[n])) ||
                    word[0].kind == FM_LEX_FUNCTION ||
                    (word[0].kind == FM_LEX_SIGN && word[0].value >= 256);
    if (!operation) return false;
    fm_lexemes(prompt, prompt_n, false, text);
    return occurs(text, word, n, border);
}

/* ---- words ----------------------------------------------------------------------------------- */

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

void fm_form_fold(fm_buffer *out, const char *s, size_t n) {
    size_t begin = out->size;
    fm_lexeme_peel(&s, &n);
    for (size_t i = 0; i < n && !out->failed; i++) {
        char c = s[i];
        if (c == '\\' && i + 1 < n) {
            size_t k = i + 1;
            while (k < n && is_letter(s[k])) k++;
            if (k < n && s[k] == '{') i = k; /* \text{ */
            c = ' ';
        }
        if (c == '{' || c == '}' || c == '$' || c == '~' || (c >= '\t' && c <= '\r')) c = ' ';
        if (c >= 'A' && c <= 'Z') c = (char)(c + 32);
        if (c == ' ' && (out->size == begin || out->data[out->size - 1] == ' ')) continue;
        fm_buffer_put(out, &c, 1);
    }
    while (!out->failed && out->size > begin && strchr(" .,!", out->data[out->size - 1]) &&
           out->data[out->size - 1])
        out->size--;
}

char fm_form_choice(const char *s, size_t n) {
    fm_lexeme_peel(&s, &n);
    if (n > 6 && memcmp(s, "\\text", 5) == 0 && s[n - 1] == '}') {
        const char *open = memchr(s, '{', n);
        if (!open) return 0;
        n -= (size_t)(open + 2 - s), s = open + 1;
    }
    while (n > 0 && (*s == '(' || *s == ' ')) s++, n--;
    while (n > 0 && strchr("). :", s[n - 1]) && s[n - 1]) n--;
    if (n != 1 || !is_letter(*s)) return 0;
    char c = *s >= 'a' ? (char)(*s - 32) : *s;
    return c <= 'J' ? c : 0;
}

/* numerals.c: how numbers are written: separators, exponents, mixed, repeating, in other bases. */
#include "rl/maths/equivalence.h"
#include "rl/maths/parser.h"

#include <string.h>

typedef fm_tree_node node;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Takes the separators out and the exponent off. */
node *fm_parse_read_number(fm_parser *p, const fm_lexeme *l) {
    node *x = fm_parse_make(p, FM_TREE_NUMBER, 0, 0);
    char *digits = x ? fm_arena_alloc(p->arena, (size_t)l->n + 1) : NULL;
    if (!digits) return x ? fm_parse_refuse_memory(p) : NULL;
    int n = 0, i = 0;
    for (; i < l->n && l->s[i] != 'e' && l->s[i] != 'E'; i++)
        if (is_digit(l->s[i]) || l->s[i] == '.') digits[n++] = l->s[i];
    if (i++ < l->n) {
        bool negative = l->s[i] == '-';
        i += l->s[i] == '-' || l->s[i] == '+';
        for (; i < l->n; i++)
            if ((x->exponent = 10 * x->exponent + l->s[i] - '0') > FM_MATHS_DIGITS)
                return fm_parse_refuse_limit(p, "an exponent is too large");
        if (negative) x->exponent = -x->exponent;
    }
    if (n > FM_MATHS_DIGITS) return fm_parse_refuse_limit(p, "a number has too many digits");
    x->text = digits, x->text_n = n;
    return x;
}

bool fm_parse_is_integer(const fm_lexeme *l) {
    for (int i = 0; l->kind == FM_LEX_NUMBER && i < l->n; i++)
        if (!is_digit(l->s[i])) return false;
    return l->kind == FM_LEX_NUMBER;
}

/* As integers of a few digits: -1 if it is none. */
static long small_integer(const fm_lexeme *l) {
    long value = 0;
    if (!fm_parse_is_integer(l) || l->n > 9) return -1;
    for (int i = 0; i < l->n; i++) value = 10 * value + l->s[i] - '0';
    return value;
}

/* The fraction of "2 1/2", "2\frac{1}{2}" or "2\frac12" behind the whole part; its value is
 * below 1. */
static bool read_mixed(fm_parser *p, const fm_lexeme **top, const fm_lexeme **bottom,
                       fm_lexeme digits[2]) {
    const fm_lexeme *l = p->at;
    if (fm_parse_is_sign(l, FM_SIGN_FRAC)) {
        if (fm_parse_is_sign(l + 1, '{') && fm_parse_is_sign(l + 3, '}') &&
            fm_parse_is_sign(l + 4, '{') && fm_parse_is_sign(l + 6, '}')) {
            *top = l + 2, *bottom = l + 5;
            p->at = l + 7;
        } else if (fm_parse_is_integer(l + 1) && l[1].n == 2) {
            digits[0] = digits[1] = l[1];
            digits[0].n = digits[1].n = 1, digits[1].s++;
            *top = &digits[0], *bottom = &digits[1];
            p->at = l + 2;
        } else
            return false;
    } else if (fm_parse_is_integer(l) && l->space && fm_parse_is_sign(l + 1, '/') && fm_parse_is_integer(l + 2)) {
        *top = l, *bottom = l + 2;
        p->at = l + 3;
    } else
        return false;
    long a = small_integer(*top), b = small_integer(*bottom);
    if (a >= 1 && a < b) return true;
    p->at = l;
    return false;
}

node *fm_parse_number(fm_parser *p) {
    const fm_lexeme *l = p->at++, *top, *bottom;
    fm_lexeme digits[2];
    node *x = fm_parse_read_number(p, l);
    if (!x) return NULL;
    if (fm_parse_is_integer(l) && read_mixed(p, &top, &bottom, digits)) {
        x = fm_parse_two(
            p, FM_TREE_ADD, 0, x,
            fm_parse_two(p, FM_TREE_DIVIDE, 0, fm_parse_read_number(p, top), fm_parse_read_number(p, bottom)));
        if (x) x->mixed = true;
        return x;
    }
    if (fm_parse_is_integer(l) && fm_parse_is_sign(p->at, FM_SIGN_FRAC) &&
        fm_parse_is_sign(p->at + 1, '{') && fm_parse_is_integer(p->at + 2) &&
        fm_parse_is_sign(p->at + 3, '}'))
        return fm_parse_refuse(
            p, "a number beside a fraction that is not below 1 is neither mixed nor a product");
    if (fm_parse_is_sign(p->at, FM_SIGN_OVERLINE) && memchr(x->text, '.', (size_t)x->text_n) &&
        fm_parse_is_sign(p->at + 1, '{') && fm_parse_is_integer(p->at + 2) &&
        fm_parse_is_sign(p->at + 3, '}') && x->exponent == 0) {
        const fm_lexeme *r = p->at + 2; /* 0.1\overline{6} */
        char *text = fm_arena_alloc(p->arena, (size_t)(x->text_n + r->n));
        if (!text) return fm_parse_refuse_memory(p);
        memcpy(text, x->text, (size_t)x->text_n);
        memcpy(text + x->text_n, r->s, (size_t)r->n);
        x->text = text, x->text_n += r->n, x->repeat = r->n;
        if (x->text_n > FM_MATHS_DIGITS)
            return fm_parse_refuse_limit(p, "a number has too many digits");
        p->at += 4;
        return x;
    }
    if (fm_parse_is_integer(l) && fm_parse_is_sign(p->at, '_')) { /* 1011_2, 52_{10} */
        bool brace = fm_parse_is_sign(p->at + 1, '{');
        long base = small_integer(p->at + 1 + brace);
        if (base < 2 || base > 36 || (brace && !fm_parse_is_sign(p->at + 3, '}')))
            return fm_parse_refuse(p, "a subscript of a number");
        p->at += brace ? 4 : 2;
        x->kind = FM_TREE_BASED, x->op = (int)base;
    }
    return x;
}

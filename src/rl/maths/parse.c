#include "rl/maths/equivalence.h"
#include "rl/maths/parser.h"

#include <string.h>

typedef fm_tree_node node;

static node *parse_signed(fm_parser *p);

/* ---- primaries ------------------------------------------------------------------------------- */

/* The argument of a command: braces, or one digit, letter or constant. */
static node *parse_argument(fm_parser *p) {
    if (fm_parse_take(p, '{')) {
        node *x = fm_parse_sum(p);
        return x && !fm_parse_take(p, '}') ? fm_parse_refuse(p, "a brace is missing") : x;
    }
    const fm_lexeme *l = p->at;
    if (l->kind == FM_LEX_NAME || l->kind == FM_LEX_CONSTANT || fm_parse_is_sign(l, FM_SIGN_SQRT))
        return parse_signed(p);
    if (fm_parse_is_integer(l) && l->n == 1) return fm_parse_number(p);
    return fm_parse_refuse(p, "an argument is missing");
}

static node *parse_fraction(fm_parser *p, fm_tree_kind kind) {
    const fm_lexeme *l = p->at;
    if (fm_parse_is_integer(l) && l->n == 2) { /* \frac12 */
        fm_lexeme a = *l, b = *l;
        a.n = b.n = 1, b.s++;
        p->at++;
        return fm_parse_two(p, kind, 0, fm_parse_read_number(p, &a), fm_parse_read_number(p, &b));
    }
    node *top = parse_argument(p);
    return top ? fm_parse_two(p, kind, 0, top, parse_argument(p)) : NULL;
}

static node *parse_root(fm_parser *p, bool cubic) {
    node *index = NULL, *x;
    if (fm_parse_take(p, '[')) {
        index = fm_parse_sum(p);
        if (!index || !fm_parse_take(p, ']'))
            return fm_parse_refuse(p, "the index of a root is not closed");
    } else
        index = fm_parse_integer(p, cubic ? "3" : "2");
    if (fm_parse_take(p, '(')) {
        x = fm_parse_sum(p);
        if (x && !fm_parse_take(p, ')')) return fm_parse_refuse(p, "a parenthesis is missing");
    } else if (p->at->kind == FM_LEX_NUMBER && fm_parse_is_integer(p->at))
        x = fm_parse_read_number(p, p->at++);
    else
        x = parse_argument(p);
    return fm_parse_two(p, FM_TREE_ROOT, 0, x, index);
}

static node *parse_bars(fm_parser *p) {
    p->bars++;
    node *x = fm_parse_sum(p);
    p->bars--;
    if (x && !fm_parse_take(p, '|')) return fm_parse_refuse(p, "a bar is missing");
    return fm_parse_one(p, FM_TREE_ABSOLUTE, 0, x);
}

static node *parse_abs(fm_parser *p) {
    if (!fm_parse_take(p, '(')) return fm_parse_refuse(p, "abs wants a parenthesis");
    node *x = fm_parse_sum(p);
    if (x && !fm_parse_take(p, ')')) return fm_parse_refuse(p, "a parenthesis is missing");
    return fm_parse_one(p, FM_TREE_ABSOLUTE, 0, x);
}

/* A name with its subscript: x_1, a_{n}, v_x. */
static node *parse_name(fm_parser *p) {
    const fm_lexeme *l = p->at++;
    p->tree->variables = true;
    if (!fm_parse_is_sign(p->at, '_')) return fm_parse_text(p, FM_TREE_NAME, 0, l->s, l->n);
    const fm_lexeme *sub = ++p->at;
    if (fm_parse_take(p, '{')) {
        for (sub = p->at; p->at->kind == FM_LEX_NUMBER || p->at->kind == FM_LEX_NAME ||
                          p->at->kind == FM_LEX_TEXT || p->at->kind == FM_LEX_CONSTANT ||
                          fm_parse_is_sign(p->at, '+') || fm_parse_is_sign(p->at, '-');)
            p->at++;
        if (!fm_parse_take(p, '}')) return fm_parse_refuse(p, "a subscript is not closed");
    } else if (p->at->kind == FM_LEX_NUMBER || p->at->kind == FM_LEX_NAME ||
               p->at->kind == FM_LEX_CONSTANT)
        p->at++;
    else
        return fm_parse_refuse(p, "a subscript is missing");
    /* x_{1} is x_1: the name is its letters and those of the subscript, a low line between them */
    size_t room = (size_t)l->n + 1;
    for (const fm_lexeme *k = sub; k < p->at; k++) room += (size_t)k->n;
    char *text = fm_arena_alloc(p->arena, room);
    if (!text) return fm_parse_refuse_memory(p);
    int n = 0;
    memcpy(text, l->s, (size_t)l->n);
    n += l->n;
    text[n++] = '_';
    for (const fm_lexeme *k = sub; k < p->at; k++)
        if (!fm_parse_is_sign(k, '}')) memcpy(text + n, k->s, (size_t)k->n), n += k->n;
    return fm_parse_text(p, FM_TREE_NAME, 0, text, n);
}

static bool begins_factor(const fm_parser *p) {
    const fm_lexeme *l = p->at;
    if (l == p->end || l->from == p->stop) return false;
    if (l->kind == FM_LEX_NAME || l->kind == FM_LEX_CONSTANT || l->kind == FM_LEX_FUNCTION)
        return true;
    if (l->kind != FM_LEX_SIGN) return false;
    switch (l->value) {
    case '(':
    case '[':
    case '{':
    case FM_SIGN_SQRT:
    case FM_SIGN_CBRT:
    case FM_SIGN_FRAC:
    case FM_SIGN_BINOM:
    case FM_SIGN_ABS: return true;
    case '|': return p->bars == 0;
    default: return false;
    }
}

/* ---- functions ------------------------------------------------------------------------------- */

static node *parse_postfix(fm_parser *p);
static node *parse_power(fm_parser *p);

/* "(...)", or what stands beside it: \sin 2x, \ln\frac{a}{b}; a sum needs its parentheses. */
static node *parse_function_argument(fm_parser *p) {
    if (fm_parse_is_sign(p->at, '(') || fm_parse_is_sign(p->at, '{') ||
        fm_parse_is_sign(p->at, '['))
        return parse_postfix(p);
    if (fm_parse_take(p, '-'))
        return fm_parse_one(p, FM_TREE_NEGATE, 0, parse_function_argument(p));
    node *x = parse_power(p);
    while (x && begins_factor(p) && p->at->kind != FM_LEX_FUNCTION &&
           !fm_parse_is_sign(p->at, '(') && !fm_parse_is_sign(p->at, '['))
        x = fm_parse_two(p, FM_TREE_MULTIPLY, 0, x, parse_power(p));
    return x;
}

static int inverse_of(int function) {
    return function == FM_FUNCTION_SIN   ? FM_FUNCTION_ARCSIN
           : function == FM_FUNCTION_COS ? FM_FUNCTION_ARCCOS
           : function == FM_FUNCTION_TAN ? FM_FUNCTION_ARCTAN
                                         : -1;
}

static node *parse_call(fm_parser *p) {
    int function = p->at->value;
    bool common = p->at->n == 2 && memcmp(p->at->s, "lg", 2) == 0;
    p->at++;
    node *power = NULL, *base = common ? fm_parse_integer(p, "10") : NULL;
    if (fm_parse_take(p, '_')) {
        if (function != FM_FUNCTION_LOG) return fm_parse_refuse(p, "a function with a subscript");
        base = fm_parse_is_integer(p->at) ? fm_parse_read_number(p, p->at++) : parse_argument(p);
        if (!base) return NULL;
    }
    if (fm_parse_take(p, '^')) {
        power = fm_parse_is_integer(p->at) ? fm_parse_read_number(p, p->at++) : parse_argument(p);
        if (!power) return NULL;
    }
    if (power && power->kind == FM_TREE_NEGATE && inverse_of(function) >= 0) {
        node *one = power->child[0]; /* \sin^{-1} */
        if (one->kind != FM_TREE_NUMBER || one->text_n != 1 || *one->text != '1')
            return fm_parse_refuse(p, "a negative power of a function");
        function = inverse_of(function);
        power = NULL;
    }
    node *argument = parse_function_argument(p);
    node *x = base ? fm_parse_two(p, FM_TREE_CALL, function, argument, base)
                   : fm_parse_one(p, FM_TREE_CALL, function, argument);
    if (function == FM_FUNCTION_LOG && !base) p->tree->bare_log = true;
    return power ? fm_parse_two(p, FM_TREE_POWER, 0, x, power) : x;
}

/* ---- brackets -------------------------------------------------------------------------------- */

static node *parse_brackets(fm_parser *p, char left) {
    node *x = fm_parse_inside(p, FM_TREE_GROUP);
    if (!x) return NULL;
    const fm_lexeme *l = p->at;
    if (!fm_parse_is_sign(l, ')') && !fm_parse_is_sign(l, ']'))
        return fm_parse_refuse(p, "a bracket is not closed");
    p->at++;
    char right = (char)l->value;
    if (x->n == 1 && x->child[0]->kind != FM_TREE_GROUP) {
        if ((left == '(') != (right == ')')) return fm_parse_refuse(p, "the brackets do not match");
        x = x->child[0];
        x->parenthesised = true;
        return x;
    }
    x->left = left, x->right = right;
    return x;
}

static node *parse_set(fm_parser *p, int close) {
    if (fm_parse_take(p, close)) return fm_parse_make(p, FM_TREE_SET, 0, 0);
    node *x = fm_parse_inside(p, FM_TREE_SET);
    return x && !fm_parse_take(p, close) ? fm_parse_refuse(p, "a set is not closed") : x;
}

/* A group of TeX; with commas in it a set that somebody wrote without backslashes. */
static node *parse_braces(fm_parser *p) {
    node *x = parse_set(p, '}');
    return x && x->n == 1 ? x->child[0] : x;
}

static node *parse_matrix(fm_parser *p) {
    node *x = fm_parse_make(p, FM_TREE_MATRIX, 0, 0);
    int columns = 0, in_row = 0;
    while (x) {
        if (!fm_parse_append(p, x, fm_parse_sum(p))) return NULL;
        in_row++;
        if (fm_parse_take(p, '&')) continue;
        if (columns && in_row != columns)
            return fm_parse_refuse(p, "a matrix has rows of several lengths");
        columns = in_row, in_row = 0;
        bool row = fm_parse_take(p, FM_SIGN_ROW);
        if (fm_parse_take(p, FM_SIGN_END)) break;
        if (!row) return fm_parse_refuse(p, "a matrix is not closed");
    }
    if (x) x->op = columns;
    return x;
}

static node *parse_primary(fm_parser *p) {
    const fm_lexeme *l = p->at;
    if (l == p->end) return fm_parse_refuse(p, "something is missing");
    switch (l->kind) {
    case FM_LEX_NUMBER: return fm_parse_number(p);
    case FM_LEX_NAME: return parse_name(p);
    case FM_LEX_CONSTANT: p->at++; return fm_parse_make(p, FM_TREE_CONSTANT, l->value, 0);
    case FM_LEX_FUNCTION: return parse_call(p);
    case FM_LEX_SIGN: break;
    default:
        return fm_parse_refuse(p, l->kind == FM_LEX_BAD ? "something in it is not in the grammar"
                                                        : "words stand in it");
    }
    p->at++;
    switch (l->value) {
    case '(':
    case '[': return parse_brackets(p, (char)l->value);
    case '{': return parse_braces(p);
    case FM_SIGN_SET_OPEN: return parse_set(p, FM_SIGN_SET_CLOSE);
    case FM_SIGN_EMPTY_SET: return fm_parse_make(p, FM_TREE_SET, 0, 0);
    case '|': return parse_bars(p);
    case FM_SIGN_ABS: return parse_abs(p);
    case FM_SIGN_FRAC: return parse_fraction(p, FM_TREE_DIVIDE);
    case FM_SIGN_BINOM: return parse_fraction(p, FM_TREE_BINOMIAL);
    case FM_SIGN_SQRT:
    case FM_SIGN_CBRT: return parse_root(p, l->value == FM_SIGN_CBRT);
    case FM_SIGN_BEGIN: return parse_matrix(p);
    default: p->at--; return fm_parse_refuse(p, "a sign stands where a value should");
    }
}

/* ---- operators ------------------------------------------------------------------------------- */

static node *parse_postfix(fm_parser *p) {
    node *x = parse_primary(p);
    while (x && p->at != p->end) {
        bool braced = fm_parse_is_sign(p->at, '^') && fm_parse_is_sign(p->at + 1, '{') &&
                      fm_parse_is_sign(p->at + 2, FM_SIGN_DEGREE) &&
                      fm_parse_is_sign(p->at + 3, '}');
        if (p->at->from == p->stop) break;
        if (fm_parse_take(p, '!'))
            x = fm_parse_one(p, FM_TREE_FACTORIAL, 0, x);
        else if (fm_parse_take(p, '%'))
            x = fm_parse_one(p, FM_TREE_PERCENT, 0, x);
        else if (fm_parse_take(p, FM_SIGN_DEGREE))
            x = fm_parse_one(p, FM_TREE_DEGREE, 0, x);
        else if (fm_parse_is_sign(p->at, '^') && fm_parse_is_sign(p->at + 1, FM_SIGN_DEGREE)) {
            p->at += 2;
            x = fm_parse_one(p, FM_TREE_DEGREE, 0, x);
        } else if (braced) {
            p->at += 4;
            x = fm_parse_one(p, FM_TREE_DEGREE, 0, x);
        } else
            break;
    }
    return x;
}

static node *parse_power(fm_parser *p) {
    if (++p->depth > FM_MATHS_DEPTH) return fm_parse_refuse_limit(p, "it is nested too deeply");
    node *x = parse_postfix(p);
    if (x && fm_parse_take(p, '^')) x = fm_parse_two(p, FM_TREE_POWER, 0, x, parse_signed(p));
    p->depth--;
    return x;
}

static node *parse_signed(fm_parser *p) {
    if (++p->depth > FM_MATHS_DEPTH) return fm_parse_refuse_limit(p, "it is nested too deeply");
    node *x;
    if (fm_parse_take(p, '-'))
        x = fm_parse_one(p, FM_TREE_NEGATE, 0, parse_signed(p));
    else if (fm_parse_take(p, '+'))
        x = parse_signed(p);
    else if (fm_parse_take(p, FM_SIGN_PLUS_MINUS))
        x = fm_parse_one(p, FM_TREE_PLUS_MINUS, 0, parse_signed(p));
    else if (fm_parse_take(p, FM_SIGN_MINUS_PLUS))
        x = fm_parse_one(p, FM_TREE_PLUS_MINUS, 1, parse_signed(p));
    else
        x = parse_power(p);
    p->depth--;
    return x;
}

static node *parse_product(fm_parser *p) {
    node *x = parse_signed(p);
    while (x && p->at != p->end && p->at->from != p->stop) {
        if (fm_parse_take(p, '*'))
            x = fm_parse_two(p, FM_TREE_MULTIPLY, 0, x, parse_signed(p));
        else if (fm_parse_take(p, '/')) {
            node *bottom = parse_signed(p);
            while (bottom && begins_factor(p)) {
                p->tree->slash = true;
                if (!p->reading.tight) break;
                bottom = fm_parse_two(p, FM_TREE_MULTIPLY, 0, bottom, parse_power(p));
            }
            x = fm_parse_two(p, FM_TREE_DIVIDE, 0, x, bottom);
        } else if (begins_factor(p)) {
            x = fm_parse_two(p, FM_TREE_MULTIPLY, 0, x, parse_power(p));
            if (x) x->beside = true;
        } else
            break;
    }
    return x;
}

node *fm_parse_sum(fm_parser *p) {
    if (++p->depth > FM_MATHS_DEPTH) return fm_parse_refuse_limit(p, "it is nested too deeply");
    node *x = parse_product(p);
    while (x && p->at != p->end) {
        if (fm_parse_take(p, '+'))
            x = fm_parse_two(p, FM_TREE_ADD, 0, x, parse_product(p));
        else if (fm_parse_take(p, '-'))
            x = fm_parse_two(p, FM_TREE_SUBTRACT, 0, x, parse_product(p));
        else if (fm_parse_take(p, FM_SIGN_PLUS_MINUS))
            x = fm_parse_two(p, FM_TREE_PLUS_MINUS, 0, x, parse_product(p));
        else if (fm_parse_take(p, FM_SIGN_MINUS_PLUS))
            x = fm_parse_two(p, FM_TREE_PLUS_MINUS, 1, x, parse_product(p));
        else
            break;
    }
    p->depth--;
    return x;
}

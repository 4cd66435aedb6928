#include "rl/maths/lexeme.h"

#include "rl/maths/tree.h"
#include "rl/maths/measure.h"

#include <string.h>

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* ---- what is known --------------------------------------------------------------------------- */

typedef struct known {
    const char *name;
    fm_lexeme_kind kind;
    int value;
} known;

/* As letters, and as commands behind a backslash. */
static const known words[] = {
    {"sin", FM_LEX_FUNCTION, FM_FUNCTION_SIN},       {"cos", FM_LEX_FUNCTION, FM_FUNCTION_COS},
    {"tan", FM_LEX_FUNCTION, FM_FUNCTION_TAN},       {"cot", FM_LEX_FUNCTION, FM_FUNCTION_COT},
    {"sec", FM_LEX_FUNCTION, FM_FUNCTION_SEC},       {"csc", FM_LEX_FUNCTION, FM_FUNCTION_CSC},
    {"arcsin", FM_LEX_FUNCTION, FM_FUNCTION_ARCSIN}, {"arccos", FM_LEX_FUNCTION, FM_FUNCTION_ARCCOS},
    {"arctan", FM_LEX_FUNCTION, FM_FUNCTION_ARCTAN}, {"asin", FM_LEX_FUNCTION, FM_FUNCTION_ARCSIN},
    {"acos", FM_LEX_FUNCTION, FM_FUNCTION_ARCCOS},   {"atan", FM_LEX_FUNCTION, FM_FUNCTION_ARCTAN},
    {"sinh", FM_LEX_FUNCTION, FM_FUNCTION_SINH},     {"cosh", FM_LEX_FUNCTION, FM_FUNCTION_COSH},
    {"tanh", FM_LEX_FUNCTION, FM_FUNCTION_TANH},     {"ln", FM_LEX_FUNCTION, FM_FUNCTION_LN},
    {"log", FM_LEX_FUNCTION, FM_FUNCTION_LOG},       {"exp", FM_LEX_FUNCTION, FM_FUNCTION_EXP},
    {"sqrt", FM_LEX_SIGN, FM_SIGN_SQRT},             {"cbrt", FM_LEX_SIGN, FM_SIGN_CBRT},
    {"abs", FM_LEX_SIGN, FM_SIGN_ABS},               {"pi", FM_LEX_CONSTANT, FM_CONSTANT_PI},
    {"infty", FM_LEX_CONSTANT, FM_CONSTANT_INFINITY},
};
static const known plain_words[] = {
    {"or", FM_LEX_SIGN, FM_SIGN_OR},
    {"and", FM_LEX_SIGN, FM_SIGN_OR},
    {"union", FM_LEX_SIGN, FM_SIGN_UNION},
    {"infinity", FM_LEX_CONSTANT, FM_CONSTANT_INFINITY},
    {"inf", FM_LEX_CONSTANT, FM_CONSTANT_INFINITY},
    {"oo", FM_LEX_CONSTANT, FM_CONSTANT_INFINITY},
    {"e", FM_LEX_CONSTANT, FM_CONSTANT_E},
    {"i", FM_LEX_CONSTANT, FM_CONSTANT_I},
    {"degrees", FM_LEX_SIGN, FM_SIGN_DEGREE},
    {"degree", FM_LEX_SIGN, FM_SIGN_DEGREE},
    {"deg", FM_LEX_SIGN, FM_SIGN_DEGREE},
};
static const known commands[] = {
    {"frac", FM_LEX_SIGN, FM_SIGN_FRAC},        {"dfrac", FM_LEX_SIGN, FM_SIGN_FRAC},
    {"tfrac", FM_LEX_SIGN, FM_SIGN_FRAC},       {"cfrac", FM_LEX_SIGN, FM_SIGN_FRAC},
    {"binom", FM_LEX_SIGN, FM_SIGN_BINOM},      {"dbinom", FM_LEX_SIGN, FM_SIGN_BINOM},
    {"tbinom", FM_LEX_SIGN, FM_SIGN_BINOM},     {"overline", FM_LEX_SIGN, FM_SIGN_OVERLINE},
    {"cdot", FM_LEX_SIGN, '*'},                 {"times", FM_LEX_SIGN, '*'},
    {"ast", FM_LEX_SIGN, '*'},                  {"div", FM_LEX_SIGN, '/'},
    {"pm", FM_LEX_SIGN, FM_SIGN_PLUS_MINUS},    {"mp", FM_LEX_SIGN, FM_SIGN_MINUS_PLUS},
    {"circ", FM_LEX_SIGN, FM_SIGN_DEGREE},      {"degree", FM_LEX_SIGN, FM_SIGN_DEGREE},
    {"cup", FM_LEX_SIGN, FM_SIGN_UNION},        {"emptyset", FM_LEX_SIGN, FM_SIGN_EMPTY_SET},
    {"varnothing", FM_LEX_SIGN, FM_SIGN_EMPTY_SET},
    {"lvert", FM_LEX_SIGN, '|'},                {"rvert", FM_LEX_SIGN, '|'},
    {"vert", FM_LEX_SIGN, '|'},                 {"lbrace", FM_LEX_SIGN, FM_SIGN_SET_OPEN},
    {"rbrace", FM_LEX_SIGN, FM_SIGN_SET_CLOSE}, {"lbrack", FM_LEX_SIGN, '['},
    {"rbrack", FM_LEX_SIGN, ']'},               {"colon", FM_LEX_SIGN, ':'},
    {"lor", FM_LEX_SIGN, FM_SIGN_OR},           {"land", FM_LEX_SIGN, FM_SIGN_OR},
    {"le", FM_LEX_RELATION, FM_RELATION_AT_MOST},
    {"leq", FM_LEX_RELATION, FM_RELATION_AT_MOST},
    {"leqslant", FM_LEX_RELATION, FM_RELATION_AT_MOST},
    {"ge", FM_LEX_RELATION, FM_RELATION_AT_LEAST},
    {"geq", FM_LEX_RELATION, FM_RELATION_AT_LEAST},
    {"geqslant", FM_LEX_RELATION, FM_RELATION_AT_LEAST},
    {"lt", FM_LEX_RELATION, FM_RELATION_LESS},
    {"gt", FM_LEX_RELATION, FM_RELATION_GREATER},
    {"ne", FM_LEX_RELATION, FM_RELATION_UNEQUAL},
    {"neq", FM_LEX_RELATION, FM_RELATION_UNEQUAL},
    {"approx", FM_LEX_RELATION, FM_RELATION_ABOUT},
    {"in", FM_LEX_RELATION, FM_RELATION_IN},
    {"lg", FM_LEX_FUNCTION, FM_FUNCTION_LOG},
};
static const char *const greek[] = {
    "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta",   "theta", "vartheta",
    "kappa", "lambda", "mu",  "nu",    "xi",      "rho",        "sigma", "tau",  "phi",   "varphi",
    "chi",   "psi",  "omega", "Gamma", "Delta",   "Theta",      "Lambda", "Sigma", "Phi", "Psi", "Omega", "ell"};
/* Commands that mean nothing here. */
static const char *const silent[] = {
    "left", "right", "big",  "Big",  "bigg", "Bigg",  "bigl",  "bigr", "Bigl", "Bigr", "displaystyle",
    "textstyle", "limits", "quad", "qquad", "rm", "bf", "it", "mathbf", "boldsymbol", "mathit", "mathsf"};
static const char *const texts[] = {"text",   "textbf",     "textit", "textrm",      "mbox",
                                    "mathrm", "textnormal", "textsf", "operatorname"};
/* Runs of two and three letters that are words and no product of variables. */
static const char *const small_words[] = {"yes", "no",  "not", "one", "two", "six", "ten", "odd", "all",
                                          "Yes", "No",  "Not", "One", "Two", "Six", "Ten", "Odd", "All",
                                          "YES", "NO",  "NOT", "DNE", "NaN", "nan"};
/* UTF-8 that people type. Digits of other scripts are not among them, on purpose. */
static const known signs[] = {
    {"\xE2\x88\x92", FM_LEX_SIGN, '-'},                      {"\xC3\x97", FM_LEX_SIGN, '*'},
    {"\xC2\xB7", FM_LEX_SIGN, '*'},                          {"\xE2\x8B\x85", FM_LEX_SIGN, '*'},
    {"\xC3\xB7", FM_LEX_SIGN, '/'},                          {"\xE2\x88\x9A", FM_LEX_SIGN, FM_SIGN_SQRT},
    {"\xCF\x80", FM_LEX_CONSTANT, FM_CONSTANT_PI},           {"\xE2\x88\x9E", FM_LEX_CONSTANT, FM_CONSTANT_INFINITY},
    {"\xC2\xB0", FM_LEX_SIGN, FM_SIGN_DEGREE},               {"\xE2\x89\xA4", FM_LEX_RELATION, FM_RELATION_AT_MOST},
    {"\xE2\x89\xA5", FM_LEX_RELATION, FM_RELATION_AT_LEAST}, {"\xE2\x89\xA0", FM_LEX_RELATION, FM_RELATION_UNEQUAL},
    {"\xE2\x89\x88", FM_LEX_RELATION, FM_RELATION_ABOUT},    {"\xC2\xB1", FM_LEX_SIGN, FM_SIGN_PLUS_MINUS},
    {"\xE2\x88\x93", FM_LEX_SIGN, FM_SIGN_MINUS_PLUS},       {"\xE2\x88\xAA", FM_LEX_SIGN, FM_SIGN_UNION},
    {"\xE2\x88\x88", FM_LEX_RELATION, FM_RELATION_IN},       {"\xE2\x88\x85", FM_LEX_SIGN, FM_SIGN_EMPTY_SET},
    {"\xE2\x84\x9D", FM_LEX_CONSTANT, FM_CONSTANT_REALS},    {"**", FM_LEX_SIGN, '^'},
    {"<=", FM_LEX_RELATION, FM_RELATION_AT_MOST},            {">=", FM_LEX_RELATION, FM_RELATION_AT_LEAST},
    {"!=", FM_LEX_RELATION, FM_RELATION_UNEQUAL},            {"==", FM_LEX_RELATION, FM_RELATION_EQUAL},
    {"=", FM_LEX_RELATION, FM_RELATION_EQUAL},               {"<", FM_LEX_RELATION, FM_RELATION_LESS},
    {">", FM_LEX_RELATION, FM_RELATION_GREATER},             {"\\\\", FM_LEX_SIGN, FM_SIGN_ROW},
    {"\\{", FM_LEX_SIGN, FM_SIGN_SET_OPEN},                  {"\\}", FM_LEX_SIGN, FM_SIGN_SET_CLOSE},
    {"\\%", FM_LEX_SIGN, '%'},                               {"\\$", FM_LEX_SIGN, '$'},
    {"\\|", FM_LEX_BAD, 0},
};
static const char *const blanks[] = {"\\,",          "\\;",          "\\:",          "\\!",         "\\ ", "~",
                                     "\xC2\xA0", "\xE2\x80\x89", "\xE2\x80\xAF", "\xE2\x81\x9F"};

static bool is_one_of(const char *const *list, size_t count, const char *s, size_t n) {
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i]) == n && memcmp(list[i], s, n) == 0) return true;
    return false;
}
#define ONE_OF(list, s, n) is_one_of(list, FM_COUNT(list), s, n)

static bool look_up(const known *list, size_t count, const char *s, size_t n, fm_lexeme *out) {
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i].name) == n && memcmp(list[i].name, s, n) == 0) {
            out->kind = list[i].kind;
            out->value = list[i].value;
            return true;
        }
    return false;
}
#define LOOK_UP(list, s, n, out) look_up(list, FM_COUNT(list), s, n, out)

/* ---- the walk -------------------------------------------------------------------------------- */

typedef struct lexer {
    const char *s, *end;
    fm_lexeme *out;
    int n;     /* lexemes so far */
    int depth; /* of ( [ \{ : commas there part a list and no thousands */
    bool space;
} lexer;

static size_t rest(const lexer *x) { return (size_t)(x->end - x->s); }

static bool begins(const lexer *x, const char *word) {
    size_t n = strlen(word);
    return rest(x) >= n && memcmp(x->s, word, n) == 0;
}

static fm_lexeme *put(lexer *x, fm_lexeme_kind kind, int value, const char *s, size_t n) {
    fm_lexeme *l = &x->out[x->n++];
    *l = (fm_lexeme){kind, value, s, (int)n, s, x->space};
    x->space = false;
    return l;
}

/* Bytes of a separator of thousands at s, with three digits behind it and no fourth; else 0. */
static size_t thousands(const char *s, const char *end, int depth) {
    static const char *const separators[] = {"{,}", ",\\!", "\\,", "\\!,", ","};
    for (size_t i = 0; i < FM_COUNT(separators) - (depth > 0); i++) {
        size_t n = strlen(separators[i]);
        if ((size_t)(end - s) < n + 3 || memcmp(s, separators[i], n) != 0) continue;
        const char *d = s + n;
        if (!is_digit(d[0]) || !is_digit(d[1]) || !is_digit(d[2])) continue;
        if (d + 3 < end && is_digit(d[3])) continue;
        return n;
    }
    return 0;
}

static const char *skip_exponent(const char *s, const char *end) {
    if (s == end || (*s != 'e' && *s != 'E')) return s;
    const char *e = s + 1;
    if (e < end && (*e == '+' || *e == '-')) e++;
    const char *digits = e;
    while (e < end && is_digit(*e)) e++;
    return e == digits || (e < end && is_letter(*e)) ? s : e;
}

static void lex_number(lexer *x) {
    const char *s = x->s, *e = s;
    while (e < x->end && is_digit(*e)) e++;
    if (e - s <= 3 && e > s && *s != '0')
        for (size_t n; (n = thousands(e, x->end, x->depth)) > 0;) e += n + 3;
    /* "1,234,5" has no thousands */
    if (e + 1 < x->end && *e == ',' && is_digit(e[1]) && memchr(s, ',', (size_t)(e - s)))
        for (e = s; e < x->end && is_digit(*e);) e++;
    if (e < x->end && *e == '.') {
        e++;
        while (e < x->end && is_digit(*e)) e++;
    }
    e = skip_exponent(e, x->end);
    put(x, FM_LEX_NUMBER, 0, s, (size_t)(e - s));
    x->s = e;
}

/* A name in the grammar, else letter by letter, else a word. */
static void lex_letters(lexer *x) {
    const char *s = x->s;
    while (x->s < x->end && is_letter(*x->s)) x->s++;
    size_t n = (size_t)(x->s - s);
    fm_lexeme l = {0}, *before = x->n > 0 ? &x->out[x->n - 1] : NULL;
    bool behind = before && (x->space || before->kind == FM_LEX_NUMBER ||
                             (before->kind == FM_LEX_SIGN && (before->value == '}' || before->value == ')')));
    if (LOOK_UP(words, s, n, &l) || LOOK_UP(plain_words, s, n, &l))
        put(x, l.kind, l.value, s, n);
    else if (n == 2 && memcmp(s, "in", 2) == 0 && before && before->kind == FM_LEX_NAME)
        put(x, FM_LEX_RELATION, FM_RELATION_IN, s, n);
    else if (ONE_OF(greek, s, n) || n == 1)
        put(x, FM_LEX_NAME, 0, s, n);
    else if (n > 3 || ONE_OF(small_words, s, n) || (behind && fm_unit_known(s, n)))
        put(x, FM_LEX_WORD, 0, s, n);
    else
        for (size_t i = 0; i < n; i++) {
            l = (fm_lexeme){.kind = FM_LEX_NAME};
            LOOK_UP(plain_words, s + i, 1, &l);
            put(x, l.kind, l.value, s + i, 1);
        }
}

/* The inside of the braces at x->s, which must balance; false where there are none. */
static bool braced(const lexer *x, const char **inside, size_t *n) {
    int depth = 0;
    for (const char *s = x->s; s < x->end && (s > x->s || *s == '{'); s++) {
        if (*s == '\\')
            s++;
        else if (*s == '{')
            depth++;
        else if (*s == '}' && --depth == 0) {
            *inside = x->s + 1;
            *n = (size_t)(s - *inside);
            return true;
        }
    }
    return false;
}

/* \text{...}: a keyword, words, or, with digits or commands inside, just a group. */
static void lex_text(lexer *x, const char *from) {
    const char *s;
    size_t n;
    if (!braced(x, &s, &n)) return;
    fm_unit ignored;
    bool plain = true, unit = fm_unit_read(s, n, &ignored); /* m^2 */
    for (size_t i = 0; i < n && !unit; i++) plain = plain && !is_digit(s[i]) && !memchr("\\{}$=<>^_", s[i], 9);
    if (!plain) return;
    x->s = s + n + 1;
    while (n > 0 && is_space(*s)) s++, n--;
    while (n > 0 && is_space(s[n - 1])) n--;
    fm_lexeme l = {0};
    if (n == 0)
        x->space = true;
    else if (LOOK_UP(words, s, n, &l) || (n > 1 && LOOK_UP(plain_words, s, n, &l)))
        put(x, l.kind, l.value, s, n)->from = from;
    else
        put(x, FM_LEX_TEXT, 0, s, n)->from = from;
}

static void lex_environment(lexer *x, int sign) {
    static const char *const names[] = {"{pmatrix}", "{bmatrix}", "{matrix}", "{vmatrix}", "{Bmatrix}"};
    for (size_t i = 0; i < FM_COUNT(names) - 2; i++)
        if (begins(x, names[i])) {
            put(x, FM_LEX_SIGN, sign, x->s, strlen(names[i]));
            x->s += strlen(names[i]);
            x->depth += sign == FM_SIGN_BEGIN ? 1 : -1;
            return;
        }
    put(x, FM_LEX_BAD, 0, x->s, 0);
}

static void lex_command(lexer *x) {
    const char *from = x->s, *s = ++x->s;
    while (x->s < x->end && is_letter(*x->s)) x->s++;
    size_t n = (size_t)(x->s - s);
    fm_lexeme l = {0};
    if (n == 0)
        put(x, FM_LEX_BAD, 0, from, 1);
    else if (ONE_OF(silent, s, n))
        return;
    else if (ONE_OF(texts, s, n))
        lex_text(x, from);
    else if (LOOK_UP(words, s, n, &l) || LOOK_UP(commands, s, n, &l))
        put(x, l.kind, l.value, s, n)->from = from;
    else if (ONE_OF(greek, s, n))
        put(x, FM_LEX_NAME, 0, s, n)->from = from;
    else if (n == 5 && memcmp(s, "begin", 5) == 0)
        lex_environment(x, FM_SIGN_BEGIN);
    else if (n == 3 && memcmp(s, "end", 3) == 0)
        lex_environment(x, FM_SIGN_END);
    else if (n == 6 && memcmp(s, "mathbb", 6) == 0 && (begins(x, "{R}") || begins(x, " R"))) {
        put(x, FM_LEX_CONSTANT, FM_CONSTANT_REALS, s, n)->from = from;
        x->s += begins(x, "{R}") ? 3 : 2;
    } else
        put(x, FM_LEX_BAD, 0, from, n + 1);
}

static bool lex_blank(lexer *x) {
    if (is_space(*x->s)) {
        x->s++;
        return x->space = true;
    }
    for (size_t i = 0; i < FM_COUNT(blanks); i++)
        if (begins(x, blanks[i])) {
            x->s += strlen(blanks[i]);
            return x->space = true;
        }
    return false;
}

static bool lex_sign(lexer *x) {
    for (size_t i = 0; i < FM_COUNT(signs); i++)
        if (begins(x, signs[i].name)) {
            put(x, signs[i].kind, signs[i].value, x->s, strlen(signs[i].name));
            x->s += strlen(signs[i].name);
            if (signs[i].value == FM_SIGN_SET_OPEN) x->depth++;
            if (signs[i].value == FM_SIGN_SET_CLOSE) x->depth--;
            return true;
        }
    if (!*x->s || !strchr("+-*/^_!()[]{}|,;:&%$", *x->s)) return false;
    if (*x->s == '(' || *x->s == '[') x->depth++;
    if (*x->s == ')' || *x->s == ']') x->depth--;
    put(x, FM_LEX_SIGN, *x->s, x->s, 1);
    x->s++;
    return true;
}

void fm_lexemes(const char *s, size_t n, bool commas, fm_lexeme *out) {
    lexer x = {s, s + n, out, 0, commas, false};
    while (x.s < x.end) {
        if (lex_blank(&x)) continue;
        if (is_digit(*x.s) || (*x.s == '.' && rest(&x) > 1 && is_digit(x.s[1])))
            lex_number(&x);
        else if (is_letter(*x.s))
            lex_letters(&x);
        else if (!lex_sign(&x)) {
            if (*x.s == '\\')
                lex_command(&x);
            else
                put(&x, FM_LEX_BAD, 0, x.s, 1), x.s++;
        }
    }
    put(&x, FM_LEX_END, 0, x.end, 0);
}

/* ---- what stands around ---------------------------------------------------------------------- */

static void trim(const char **s, size_t *n) {
    while (*n > 0 && is_space(**s)) ++*s, --*n;
    while (*n > 0 && is_space((*s)[*n - 1])) --*n;
}

static bool unwrap(const char **s, size_t *n, const char *open, const char *close) {
    size_t a = strlen(open), b = strlen(close);
    if (*n < a + b + 1 || memcmp(*s, open, a) != 0 || memcmp(*s + *n - b, close, b) != 0) return false;
    for (size_t i = a; i + b < *n; i++)
        if (memcmp(*s + i, close, b) == 0) return false;
    *s += a, *n -= a + b;
    return true;
}

/* A command with braces around all of it. */
static bool unwrap_command(const char **s, size_t *n, const char *command) {
    size_t a = strlen(command), inside_n;
    const char *inside;
    if (*n < a + 2 || memcmp(*s, command, a) != 0) return false;
    lexer x = {*s + a, *s + *n, NULL, 0, 0, false};
    if (!braced(&x, &inside, &inside_n)) return false;
    if (inside + inside_n + 1 != *s + *n) return false;
    *s = inside, *n = inside_n;
    return true;
}

void fm_lexeme_peel(const char **s, size_t *n) {
    if (*n == 0) return;
    static const char *const pairs[][2] = {{"$$", "$$"},   {"$", "$"},   {"\\(", "\\)"}, {"\\[", "\\]"},
                                           {"**", "**"}, {"`", "`"}, {"\"", "\""}};
    static const char *const wrappers[] = {"\\boxed", "\\fbox"};
    for (int layer = 0; layer < 8; layer++) {
        size_t before = *n;
        trim(s, n);
        if (*n > 13 && memcmp(*s, "\\displaystyle", 13) == 0 && !is_letter((*s)[13])) *s += 13, *n -= 13;
        trim(s, n);
        if (*n > 1 && (*s)[*n - 1] == '.' && (*s)[*n - 2] != '.' && (*s)[*n - 2] != '\\') --*n;
        for (size_t i = 0; i < FM_COUNT(pairs); i++)
            if (unwrap(s, n, pairs[i][0], pairs[i][1])) break;
        for (size_t i = 0; i < FM_COUNT(wrappers); i++)
            if (unwrap_command(s, n, wrappers[i])) break;
        if (*n == before) return;
    }
}

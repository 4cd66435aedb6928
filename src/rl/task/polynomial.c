#include "rl/task/polynomial.h"

#include <inttypes.h>
#include <string.h>

static const int64_t LARGEST = 1000000000000000;

static bool keep(__int128 value, int64_t *out) {
    *out = (int64_t)value;
    return value <= LARGEST && value >= -LARGEST;
}

static void settle(fm_polynomial *p) {
    p->degree = FM_POLYNOMIAL_DEGREE;
    while (p->degree > 0 && p->c[p->degree] == 0) p->degree--;
}

fm_polynomial fm_polynomial_of(const int64_t *c, size_t n) {
    fm_polynomial p = {.degree = 0};
    memcpy(p.c, c, n * sizeof *c);
    settle(&p);
    return p;
}

bool fm_polynomial_add(const fm_polynomial *a, const fm_polynomial *b, int64_t times, fm_polynomial *out) {
    fm_polynomial sum = {.degree = 0};
    for (int i = 0; i <= FM_POLYNOMIAL_DEGREE; i++)
        if (!keep((__int128)a->c[i] + (__int128)b->c[i] * times, &sum.c[i])) return false;
    settle(&sum);
    *out = sum;
    return true;
}

bool fm_polynomial_multiply(const fm_polynomial *a, const fm_polynomial *b, fm_polynomial *out) {
    __int128 c[FM_POLYNOMIAL_DEGREE + 1] = {0};
    fm_polynomial product = {.degree = 0};
    if (a->degree + b->degree > FM_POLYNOMIAL_DEGREE) return false;
    for (int i = 0; i <= a->degree; i++)
        for (int j = 0; j <= b->degree; j++) c[i + j] += (__int128)a->c[i] * b->c[j];
    for (int i = 0; i <= FM_POLYNOMIAL_DEGREE; i++)
        if (!keep(c[i], &product.c[i])) return false;
    settle(&product);
    *out = product;
    return true;
}

bool fm_polynomial_equal(const fm_polynomial *a, const fm_polynomial *b) {
    return memcmp(a->c, b->c, sizeof a->c) == 0;
}

bool fm_polynomial_at(const fm_polynomial *p, int64_t x, int64_t *out) {
    *out = 0;
    for (int i = p->degree; i >= 0; i--)
        if (!keep((__int128)*out * x + p->c[i], out)) return false;
    return true;
}

/* ---- reading ------------------------------------------------------------------------------------- */

typedef struct reader {
    const char *at, *end;
    char unknown;
    int depth;
} reader;

/* A piece of text: its value and what it looks like. */
typedef struct piece {
    fm_polynomial value;
    int numbers, unknowns; /* factors of a product that are one or the other; powers of numbers and brackets count 2 */
    bool expanded;         /* of a sum: one number and one power at most in each term, and each power once */
    int factor_degree;     /* the largest degree of a factor; a sum of several terms is one factor */
} piece;

static void skip_blanks(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n')) r->at++;
}

static bool takes(reader *r, const char *sign) {
    size_t n = strlen(sign);
    skip_blanks(r);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, sign, n)) return false;
    r->at += n;
    return true;
}

static bool sees_digit(reader *r) {
    skip_blanks(r);
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static bool sees(reader *r, char c) {
    skip_blanks(r);
    return r->at < r->end && *r->at == c;
}

static bool number(reader *r, int64_t *out) {
    if (!sees_digit(r)) return false;
    for (*out = 0; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        if (!keep((__int128)*out * 10 + (*r->at - '0'), out)) return false;
    return r->at == r->end || (*r->at != '.' && *r->at != ',');
}

/* An exponent behind a piece, as ^2, **2, ^{2} or a small 2 or 3; 1 where there is none. -1: not one. */
static int64_t exponent(reader *r) {
    int64_t n;
    if (takes(r, "\xc2\xb2")) return 2;
    if (takes(r, "\xc2\xb3")) return 3;
    if (!takes(r, "**") && !takes(r, "^")) return 1;
    bool braces = takes(r, "{");
    if (!number(r, &n) || n > FM_POLYNOMIAL_DEGREE || (braces && !takes(r, "}"))) return -1;
    return sees(r, '^') ? -1 : n;
}

static bool sum(reader *r, piece *out);

static bool bracketed(reader *r, piece *out) {
    takes(r, "\\left");
    if (!takes(r, "(") || ++r->depth > FM_POLYNOMIAL_DEPTH || !sum(r, out)) return false;
    r->depth--;
    takes(r, "\\right");
    return takes(r, ")");
}

static bool factor(reader *r, piece *out) {
    piece base = {.numbers = 0};
    if (sees_digit(r)) {
        base.numbers = 1;
        if (!number(r, &base.value.c[0])) return false;
    } else if (takes(r, (char[]){r->unknown, 0})) {
        base.unknowns = base.factor_degree = base.value.degree = 1;
        base.value.c[1] = 1;
    } else if (!bracketed(r, &base)) {
        return false;
    } else {
        base.unknowns = 2;
    }
    int64_t n = exponent(r);
    if (n < 0) return false;
    *out = base;
    if (n != 1) out->numbers *= 2;
    out->value = (fm_polynomial){.c = {1}};
    for (int64_t i = 0; i < n; i++)
        if (!fm_polynomial_multiply(&out->value, &base.value, &out->value)) return false;
    return true;
}

static bool begins_factor(reader *r) {
    return sees(r, r->unknown) || sees(r, '(') || (r->end - r->at > 5 && !memcmp(r->at, "\\left", 5));
}

static bool multiplication_sign(reader *r) {
    return takes(r, "*") || takes(r, "\\cdot") || takes(r, "\\times") || takes(r, "\xc2\xb7") ||
           takes(r, "\xe2\x8b\x85") || takes(r, "\xc3\x97");
}

/* Factors with signs of multiplication between, or none in front of the unknown and of brackets. */
static bool product(reader *r, piece *out) {
    piece next;
    if (!factor(r, out)) return false;
    while (multiplication_sign(r) || begins_factor(r)) {
        if (!factor(r, &next) || !fm_polynomial_multiply(&out->value, &next.value, &out->value)) return false;
        out->numbers += next.numbers;
        out->unknowns += next.unknowns;
        if (next.factor_degree > out->factor_degree) out->factor_degree = next.factor_degree;
    }
    return true;
}

static bool minus(reader *r) { return takes(r, "-") || takes(r, "\xe2\x88\x92"); }

static bool sum(reader *r, piece *out) {
    unsigned powers = 0;
    *out = (piece){.expanded = true};
    for (int terms = 0;; terms++) {
        piece next;
        bool negative = minus(r);
        if (!negative && !takes(r, "+") && terms > 0) break;
        if (!product(r, &next) || !fm_polynomial_add(&out->value, &next.value, negative ? -1 : 1, &out->value))
            return false;
        out->expanded &= next.numbers <= 1 && next.unknowns <= 1 && !(powers >> next.value.degree & 1);
        powers |= 1u << next.value.degree;
        out->factor_degree = terms == 0 ? next.factor_degree : out->value.degree;
    }
    return true;
}

bool fm_polynomial_read(const char *text, size_t size, char unknown, fm_polynomial *out, fm_polynomial_form *form) {
    reader r = {.at = text, .end = text + size, .unknown = unknown};
    piece whole;
    bool dollar = takes(&r, "$");
    if (!sum(&r, &whole) || (dollar && !takes(&r, "$"))) return false;
    skip_blanks(&r);
    if (r.at != r.end) return false;
    *out = whole.value;
    if (form) *form = (fm_polynomial_form){whole.expanded, whole.factor_degree};
    return true;
}

/* ---- writing ------------------------------------------------------------------------------------- */

void fm_polynomial_write(const fm_polynomial *p, char unknown, fm_buffer *out) {
    bool first = true;
    for (int i = p->degree; i >= 0; i--) {
        int64_t c = p->c[i], size = c < 0 ? -c : c;
        if (c == 0 && p->degree > 0) continue;
        if (first) fm_buffer_text(out, c < 0 ? "-" : "");
        else fm_buffer_text(out, c < 0 ? " - " : " + ");
        if (size != 1 || i == 0) fm_buffer_format(out, "%" PRId64, size);
        if (i > 0) fm_buffer_put(out, &unknown, 1);
        if (i > 1) fm_buffer_format(out, "^%d", i);
        first = false;
    }
}

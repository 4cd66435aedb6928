#include "rl/task/expression.h"

#include <string.h>

typedef struct value {
    __int128 top, bottom;
} value;

typedef struct reader {
    const char *at, *end;
    fm_expression *out;
    int depth;
} reader;

static void skip_blanks(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t')) r->at++;
}

static bool take(reader *r, const char *s) {
    size_t n = strlen(s);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, s, n)) return false;
    r->at += n;
    return true;
}

/* The operator that comes next, 0: none. "**" and "//" are none. */
static char take_operator(reader *r) {
    static const struct {
        const char *text;
        char sign;
    } signs[] = {{"+", '+'}, {"-", '-'}, {"*", '*'}, {"/", '/'}, {"x", '*'}, {"\xc3\x97", '*'}, {"\xc2\xb7", '*'},
                 {"\xc3\xb7", '/'}, {"\xe2\x88\x92", '-'}};
    skip_blanks(r);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        reader q = *r;
        if (!take(&q, signs[i].text)) continue;
        *r = q;
        skip_blanks(r);
        return signs[i].sign;
    }
    return 0;
}

static bool take_number(reader *r, value *out) {
    int64_t number = 0;
    const char *begin = r->at;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
        number = number * 10 + (*r->at - '0');
        if (number > FM_EXPRESSION_NUMBER || (r->at > begin && *begin == '0')) return false;
    }
    if (r->at == begin || r->out->n == FM_EXPRESSION_NUMBERS) return false;
    r->out->numbers[r->out->n++] = number;
    *out = (value){number, 1};
    return true;
}

static value reduced(__int128 top, __int128 bottom) {
    __int128 a = top < 0 ? -top : top, b = bottom;
    while (b) {
        __int128 rest = a % b;
        a = b;
        b = rest;
    }
    return a ? (value){top / a, bottom / a} : (value){0, 1};
}

/* Eight numbers below 10^5 and their products stay below 10^40 in theory and beyond __int128, so each product is
 * looked at. */
static bool apply(value *a, char sign, value b) {
    __int128 x, y, bottom;
    if (sign == '/') {
        if (b.top == 0) return false;
        b = b.top < 0 ? (value){-b.bottom, -b.top} : (value){b.bottom, b.top};
    }
    if (sign == '*' || sign == '/') {
        if (__builtin_mul_overflow(a->top, b.top, &x)) return false;
    } else {
        if (__builtin_mul_overflow(a->top, b.bottom, &x) || __builtin_mul_overflow(b.top, a->bottom, &y)) return false;
        if (sign == '+' ? __builtin_add_overflow(x, y, &x) : __builtin_sub_overflow(x, y, &x)) return false;
    }
    if (__builtin_mul_overflow(a->bottom, b.bottom, &bottom)) return false;
    *a = reduced(x, bottom);
    return true;
}

static bool read_sum(reader *r, value *out);

static bool read_factor(reader *r, value *out) {
    skip_blanks(r);
    if (!take(r, "(")) return take_number(r, out);
    if (++r->depth > FM_EXPRESSION_DEPTH || !read_sum(r, out)) return false;
    skip_blanks(r);
    r->depth--;
    return take(r, ")");
}

static bool read_product(reader *r, value *out) {
    if (!read_factor(r, out)) return false;
    for (;;) {
        reader before = *r;
        value next;
        char sign = take_operator(r);
        if (sign != '*' && sign != '/') {
            *r = before;
            return true;
        }
        r->out->calculates = true;
        if (!read_factor(r, &next) || !apply(out, sign, next)) return false;
    }
}

static bool read_sum(reader *r, value *out) {
    if (!read_product(r, out)) return false;
    for (;;) {
        reader before = *r;
        value next;
        char sign = take_operator(r);
        if (sign != '+' && sign != '-') {
            *r = before;
            return true;
        }
        r->out->calculates = true;
        if (!read_product(r, &next) || !apply(out, sign, next)) return false;
    }
}

bool fm_expression_read(const char *text, size_t size, fm_expression *out) {
    value v;
    *out = (fm_expression){.n = 0};
    reader r = {text, text + size, out, 0};
    if (!read_sum(&r, &v)) return false;
    skip_blanks(&r);
    if (r.at != r.end) return false;
    out->top = v.top, out->bottom = v.bottom;
    return true;
}

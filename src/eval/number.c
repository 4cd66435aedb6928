#include "eval/number.h"

#include <string.h>

enum { EXPONENT_MAX = 1000000 };

typedef struct cursor {
    const char *at, *end;
} cursor;

static int peek(const cursor *c, size_t ahead) {
    return (size_t)(c->end - c->at) > ahead ? (unsigned char)c->at[ahead] : -1;
}
static bool is_digit(int c) { return c >= '0' && c <= '9'; }
static bool is_letter(int c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

static bool accept(cursor *c, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

static void skip_spaces(cursor *c) {
    while (peek(c, 0) == ' ') c->at++;
}

/* ---- decimals ------------------------------------------------------------------------------------ */

/* Appends a digit; false when there are too many. */
static bool push(fm_decimal *d, int digit) {
    if (d->n == 0 && digit == 0) return true;
    if (d->n == FM_NUMBER_DIGITS) return false;
    d->digits[d->n++] = (uint8_t)digit;
    return true;
}

static void trim(fm_decimal *d) {
    while (d->n > 0 && d->digits[d->n - 1] == 0) d->n--, d->exponent++;
    if (d->n == 0) d->exponent = 0;
}

/* Three digits and no fourth after a comma. */
static bool group_follows(const cursor *c) {
    size_t comma = peek(c, 0) == '{' && peek(c, 1) == ',' && peek(c, 2) == '}' ? 3 : 1; /* 1{,}234 */
    if (comma == 1 && peek(c, 0) != ',') return false;
    return is_digit(peek(c, comma)) && is_digit(peek(c, comma + 1)) && is_digit(peek(c, comma + 2)) &&
           !is_digit(peek(c, comma + 3));
}

static bool read_whole(cursor *c, fm_decimal *out, bool *any) {
    const char *begin = c->at;
    for (; is_digit(peek(c, 0)); c->at++, *any = true)
        if (!push(out, *c->at - '0')) return false;
    if (!*any || c->at - begin > 3) return true;
    while (group_follows(c)) {
        while (!is_digit(peek(c, 0))) c->at++;
        for (int i = 0; i < 3; i++, c->at++)
            if (!push(out, *c->at - '0')) return false;
    }
    return true;
}

static bool read_exponent(cursor *c, fm_decimal *out) {
    size_t sign = peek(c, 1) == '-' || peek(c, 1) == '+';
    if ((peek(c, 0) | 32) != 'e' || !is_digit(peek(c, 1 + sign))) return true;
    bool negative = peek(c, 1) == '-';
    int64_t value = 0;
    for (c->at += 1 + sign; is_digit(peek(c, 0)); c->at++)
        if ((value = value * 10 + (*c->at - '0')) > EXPONENT_MAX) return false;
    out->exponent += negative ? -value : value;
    return true;
}

static bool read_decimal(cursor *c, fm_decimal *out) {
    *out = (fm_decimal){.n = 0};
    bool any = false;
    if (!read_whole(c, out, &any)) return false;
    if (peek(c, 0) == '.' && is_digit(peek(c, 1))) {
        for (c->at++; is_digit(peek(c, 0)); c->at++, any = true) {
            if (!push(out, *c->at - '0')) return false;
            out->exponent--;
        }
    }
    if (!any || !read_exponent(c, out)) return false;
    trim(out);
    return true;
}

/* ---- numbers ------------------------------------------------------------------------------------- */

static void read_sign(cursor *c, bool *negative) {
    if (accept(c, "-") || accept(c, "\xE2\x88\x92"))
        *negative = true;
    else
        accept(c, "+");
}

/* {decimal} or, as TeX reads it, a single digit. */
static bool read_argument(cursor *c, fm_number *out, fm_decimal *d) {
    skip_spaces(c);
    if (!accept(c, "{")) {
        cursor digit = {c->at, c->at < c->end ? c->at + 1 : c->end};
        c->at = digit.end;
        return read_decimal(&digit, d);
    }
    bool negative = false;
    skip_spaces(c);
    read_sign(c, &negative);
    if (!read_decimal(c, d)) return false;
    out->negative ^= negative;
    skip_spaces(c);
    return accept(c, "}");
}

static bool read_fraction(cursor *c, fm_number *out) {
    return read_argument(c, out, &out->top) && read_argument(c, out, &out->bottom);
}

static const fm_decimal one = {.digits = {1}, .n = 1};

static bool read_number(cursor *c, fm_number *out) {
    *out = (fm_number){.negative = false};
    read_sign(c, &out->negative);
    skip_spaces(c);
    if (accept(c, "\\frac") || accept(c, "\\dfrac") || accept(c, "\\tfrac"))
        return read_fraction(c, out) && out->bottom.n > 0;
    if (accept(c, "\\$") || accept(c, "$")) read_sign(c, &out->negative);
    if (!read_decimal(c, &out->top)) return false;
    out->bottom = one;
    cursor after = *c;
    fm_decimal bottom;
    skip_spaces(&after);
    if (accept(&after, "/")) {
        skip_spaces(&after);
        if (read_decimal(&after, &bottom)) {
            out->bottom = bottom;
            *c = after;
        }
    }
    if (!accept(c, "%")) accept(c, "\\%");
    return out->bottom.n > 0;
}

size_t fm_number_read(const char *s, size_t n, fm_number *out) {
    cursor c = {s, s + n};
    if (!read_number(&c, out)) return 0;
    if (out->top.n == 0) out->negative = false;
    return (size_t)(c.at - s);
}

bool fm_number_parse(const char *s, size_t n, fm_number *out) {
    while (n > 0 && *s == ' ') s++, n--;
    while (n > 0 && s[n - 1] == ' ') n--;
    return n > 0 && fm_number_read(s, n, out) == n;
}

/* May a number begin at s[i], by what stands around its first character? In a sentence a sign stands
 * beside its digits: 2 + 3 ends in 3. */
static bool may_begin(const char *s, size_t n, size_t i) {
    int before = i > 0 ? (unsigned char)s[i - 1] : ' ', c = (unsigned char)s[i];
    size_t sign = c == 0xE2 ? 3 : 1;
    if (is_letter(before) || before == '_') return false;
    if (is_digit(c)) return !is_digit(before);
    if (c == '-' || c == '+' || c == 0xE2 || c == '.')
        return i + sign < n && s[i + sign] != ' ' && !is_digit(before) && before != ')' && before != '}';
    return c == '\\' || c == '$';
}

bool fm_number_find(const char *s, size_t n, bool last, size_t *begin, size_t *length) {
    bool found = false;
    fm_number ignored;
    for (size_t i = 0; i < n;) {
        size_t used = may_begin(s, n, i) ? fm_number_read(s + i, n - i, &ignored) : 0;
        if (used == 0) {
            i++;
            continue;
        }
        *begin = i;
        *length = used;
        found = true;
        if (!last) return true;
        i += used;
    }
    return found;
}

/* ---- comparing ----------------------------------------------------------------------------------- */

typedef struct product {
    uint8_t digits[2 * FM_NUMBER_DIGITS]; /* the last is the least significant */
    int64_t exponent;
    int first, end; /* without leading and trailing zeros */
} product;

static void multiply(const fm_decimal *a, const fm_decimal *b, product *out) {
    uint32_t sums[2 * FM_NUMBER_DIGITS] = {0};
    int size = a->n + b->n;
    for (int i = 0; i < a->n; i++)
        for (int j = 0; j < b->n; j++) sums[i + j + 1] += (uint32_t)a->digits[i] * b->digits[j];
    uint32_t carry = 0;
    for (int i = size - 1; i >= 0; i--) {
        sums[i] += carry;
        carry = sums[i] / 10;
        out->digits[i] = (uint8_t)(sums[i] % 10);
    }
    out->exponent = a->exponent + b->exponent;
    out->first = 0;
    out->end = size;
    while (out->end > 0 && out->digits[out->end - 1] == 0) out->end--, out->exponent++;
    while (out->first < out->end && out->digits[out->first] == 0) out->first++;
}

bool fm_number_equal(const fm_number *a, const fm_number *b) {
    if (a->negative != b->negative) return false;
    if (a->top.n == 0 || b->top.n == 0) return a->top.n == b->top.n;
    product x, y;
    multiply(&a->top, &b->bottom, &x);
    multiply(&b->top, &a->bottom, &y);
    int n = x.end - x.first;
    return x.exponent == y.exponent && n == y.end - y.first &&
           memcmp(x.digits + x.first, y.digits + y.first, (size_t)n) == 0;
}

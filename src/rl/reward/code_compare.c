#include "rl/reward/code.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct piece {
    const char *text;
    size_t size;
} piece;

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static bool same_bytes(piece a, piece b) { return a.size == b.size && memcmp(a.text, b.text, a.size) == 0; }

/* ---- lines ----*/

/* The next line without blanks at its end; false when only blanks are left. Both outputs are walked to their own
 * ends: a walk that stopped at the shorter one would take a first line for the whole. */
static bool next_line(piece *rest, piece *line) {
    size_t left = rest->size;
    while (left > 0 && is_blank(rest->text[left - 1])) left--;
    rest->size = left;
    if (left == 0) return false;
    const char *end = memchr(rest->text, '\n', left);
    size_t n = end ? (size_t)(end - rest->text) : left, taken = n + (end != NULL);
    *line = (piece){rest->text, n};
    while (line->size > 0 && is_blank(line->text[line->size - 1])) line->size--;
    rest->text += taken;
    rest->size -= taken;
    return true;
}

static bool same_lines(piece a, piece b) {
    piece x, y;
    for (;;) {
        bool more = next_line(&a, &x);
        if (more != next_line(&b, &y)) return false;
        if (!more) return true;
        if (!same_bytes(x, y)) return false;
    }
}

/* ---- words ----*/

static bool next_word(piece *rest, piece *word) {
    while (rest->size > 0 && is_blank(*rest->text)) rest->text++, rest->size--;
    size_t n = 0;
    while (n < rest->size && !is_blank(rest->text[n])) n++;
    *word = (piece){rest->text, n};
    rest->text += n;
    rest->size -= n;
    return n > 0;
}

static size_t digits(const char *s, size_t n) {
    size_t i = 0;
    while (i < n && s[i] >= '0' && s[i] <= '9') i++;
    return i;
}

/* [+-] digits [. digits] [e [+-] digits], in ASCII, of at most 64 bytes, finite: not "inf", "nan" or "0x1p3". */
static bool read_number(piece word, double *out) {
    char text[65];
    if (word.size == 0 || word.size >= sizeof text) return false;
    const char *s = word.text;
    size_t n = word.size, i = s[0] == '+' || s[0] == '-', whole = digits(s + i, n - i), part = 0;
    i += whole;
    if (i < n && s[i] == '.') {
        part = digits(s + i + 1, n - i - 1);
        i += 1 + part;
    }
    if (whole + part == 0) return false;
    if (i < n && (s[i] == 'e' || s[i] == 'E')) {
        i++;
        if (i < n && (s[i] == '+' || s[i] == '-')) i++;
        size_t exponent = digits(s + i, n - i);
        if (exponent == 0) return false;
        i += exponent;
    }
    if (i != n) return false;
    memcpy(text, s, n);
    text[n] = 0;
    *out = strtod(text, NULL);
    return isfinite(*out);
}

static bool same_word(piece given, piece expected, bool floats, double tolerance) {
    double x, y;
    if (same_bytes(given, expected)) return true;
    if (!floats || !read_number(given, &x) || !read_number(expected, &y)) return false;
    return fabs(x - y) <= tolerance * fmax(1, fabs(y));
}

static bool same_words(piece given, piece expected, bool floats, double tolerance) {
    piece x, y;
    for (;;) {
        bool more = next_word(&given, &x);
        if (more != next_word(&expected, &y)) return false;
        if (!more) return true;
        if (!same_word(x, y, floats, tolerance)) return false;
    }
}

bool fm_code_same(fm_code_compare compare, double tolerance, const char *output, size_t size, const char *expected,
                  size_t expected_size) {
    piece given = {output, size}, wanted = {expected, expected_size};
    if (compare == FM_COMPARE_LINES) return same_lines(given, wanted);
    return same_words(given, wanted, compare == FM_COMPARE_FLOATS, tolerance);
}

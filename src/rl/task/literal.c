#include "rl/task/literal.h"

#include <string.h>

enum { DIGITS_MAX = 18 };

int64_t fm_gcd(int64_t a, int64_t b) {
    a = a < 0 ? -a : a;
    b = b < 0 ? -b : b;
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static bool blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
static bool digit(char c) { return c >= '0' && c <= '9'; }

void fm_trim(const char **text, size_t *size) {
    while (*size && blank(**text)) (*text)++, (*size)--;
    while (*size && blank((*text)[*size - 1])) (*size)--;
}

/* A place in a text; every `take` moves it, or leaves it where it was and says so. */
typedef struct place {
    const char *at, *end;
} place;

static bool take_text(place *p, const char *s) {
    size_t n = strlen(s);
    if ((size_t)(p->end - p->at) < n || memcmp(p->at, s, n)) return false;
    p->at += n;
    return true;
}

static void skip_blanks(place *p) {
    while (p->at < p->end && blank(*p->at)) p->at++;
}

/* More digits: value = value * 10 + digit, false when there are too many that count. */
static bool take_digits(place *p, int64_t *value, int *counted, size_t *n) {
    for (*n = 0; p->at < p->end && digit(*p->at); p->at++, ++*n) {
        *counted += *counted || *p->at != '0';
        if (*counted > DIGITS_MAX) return false;
        *value = *value * 10 + (*p->at - '0');
    }
    return true;
}

/* "1234" or "1,234". */
static bool take_whole(place *p, int64_t *value) {
    int counted = 0;
    size_t n;
    *value = 0;
    if (!take_digits(p, value, &counted, &n) || !n) return false;
    for (bool grouped = n <= 3; grouped && p->end - p->at >= 4 && *p->at == ',' && digit(p->at[1]) && digit(p->at[2]) &&
                                digit(p->at[3]) && (p->end - p->at == 4 || !digit(p->at[4]));) {
        p->at++;
        if (!take_digits(p, value, &counted, &n)) return false;
    }
    return true;
}

static int64_t power_of_ten(int n) {
    int64_t power = 1;
    while (n-- > 0) power *= 10;
    return power;
}

/* ".25" behind `out->top`: zeros at the end do not count. */
static bool take_decimals(place *p, fm_literal *out) {
    const char *begin = ++p->at;
    while (p->at < p->end && digit(*p->at)) p->at++;
    const char *last = p->at;
    while (last > begin && last[-1] == '0') last--;
    if (last == begin) return true;
    int counted = 0;
    for (int64_t rest = out->top; rest; rest /= 10) counted++;
    if (counted + (last - begin) > DIGITS_MAX) return false;
    size_t n;
    place q = {begin, last};
    int64_t tail = 0, power = power_of_ten((int)(last - begin));
    int zeros = 0;
    take_digits(&q, &tail, &zeros, &n);
    *out = (fm_literal){out->top * power + tail, power, .decimal = true};
    return true;
}

/* "/ 4" behind a number. */
static bool take_stroke(place *p, int64_t *bottom) {
    place q = *p;
    skip_blanks(&q);
    if (!take_text(&q, "/")) return false;
    skip_blanks(&q);
    if (!take_whole(&q, bottom) || *bottom == 0) return false;
    *p = q;
    return true;
}

/* "{3}{4}" */
static bool take_braces(place *p, int64_t *top, int64_t *bottom) {
    return take_text(p, "{") && take_whole(p, top) && take_text(p, "}") && take_text(p, "{") && take_whole(p, bottom) &&
           take_text(p, "}") && *bottom != 0;
}

static bool take_latex(place *p, fm_literal *out) {
    place q = *p;
    if (!take_text(&q, "\\frac") && !take_text(&q, "\\dfrac") && !take_text(&q, "\\tfrac")) return false;
    int64_t top, bottom;
    if (!take_braces(&q, &top, &bottom)) return false;
    *out = (fm_literal){top, bottom, .fraction = true};
    *p = q;
    return true;
}

/* The fraction of "1 1/2" or "1\frac{1}{2}", behind the whole number that `out` holds. */
static void take_mixed(place *p, fm_literal *out) {
    place q = *p;
    fm_literal part = {0};
    bool apart = q.at < q.end && blank(*q.at);
    skip_blanks(&q);
    if (!take_latex(&q, &part)) {
        if (!apart || !take_whole(&q, &part.top) || !take_stroke(&q, &part.bottom)) return;
    }
    int64_t top;
    if (part.top >= part.bottom || __builtin_mul_overflow(out->top, part.bottom, &top) ||
        __builtin_add_overflow(top, part.top, &top) || top >= power_of_ten(DIGITS_MAX))
        return;
    *out = (fm_literal){top, part.bottom, .fraction = true, .mixed = true};
    *p = q;
}

static bool take_unsigned(place *p, fm_literal *out) {
    if (take_latex(p, out)) return true;
    *out = (fm_literal){0, 1};
    bool point = p->end - p->at >= 2 && *p->at == '.' && digit(p->at[1]);
    if (!point && !take_whole(p, &out->top)) return false;
    if (p->at < p->end && *p->at == '.') return take_decimals(p, out);
    if (take_stroke(p, &out->bottom)) out->fraction = true;
    else take_mixed(p, out);
    return true;
}

size_t fm_literal_take(const char *text, size_t size, fm_literal *out) {
    place p = {text, text + size};
    bool minus = take_text(&p, "-") || take_text(&p, "\xe2\x88\x92");
    if (!minus) take_text(&p, "+");
    if (!take_unsigned(&p, out)) return 0;
    if (minus) out->top = -out->top;
    return (size_t)(p.at - text);
}

/* "$...$" and "\(...\)" */
static void undress(const char **text, size_t *size) {
    fm_trim(text, size);
    size_t n = *size;
    const char *s = *text;
    if (n >= 2 && s[0] == '$' && s[n - 1] == '$') *text += 1, *size -= 2;
    else if (n >= 4 && !memcmp(s, "\\(", 2) && !memcmp(s + n - 2, "\\)", 2)) *text += 2, *size -= 4;
    fm_trim(text, size);
}

static bool allowed(const fm_literal *l, unsigned forms) {
    if (l->decimal) return forms & FM_FORM_DECIMAL;
    if (!l->fraction) return true;
    if (!(forms & FM_FORM_FRACTION)) return false;
    return !(forms & FM_FORM_LOWEST) || (l->bottom > 1 && fm_gcd(l->top, l->bottom) == 1);
}

bool fm_literal_read(const char *text, size_t size, unsigned forms, fm_literal *out) {
    undress(&text, &size);
    return size && fm_literal_take(text, size, out) == size && allowed(out, forms);
}

fm_verdict fm_literal_check(const char *text, size_t size, unsigned forms, int64_t top, int64_t bottom) {
    fm_literal l;
    if (!fm_literal_read(text, size, forms, &l)) return FM_WRONG;
    return (__int128)l.top * bottom == (__int128)top * l.bottom ? FM_RIGHT : FM_WRONG;
}

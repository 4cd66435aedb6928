/* Numbers between bounds, digit by digit.
 *
 * What is written has no exponent: sign, whole part, point, fraction. Bounds are decimals too, so
 * "between 12.5 and 130" is a comparison of digits from the left:
 *
 *     12 and a fraction >= .5  |  13 to 129 and any fraction  |  130 and a fraction of zeros
 *
 * and a range of whole numbers of one length falls apart where its ends do:
 *
 *     13-129:   "1" [3-9]  |  [2-9] [0-9]  |  "1" ([0-1] [0-9] | "2" [0-9])
 *
 * Who reads the number reads a double, and 0.49999999999999999999 is the double 0.5. So near a bound there
 * are no more than 15 digits in all: so many a double tells apart. */
#include "engine/grammar/json_schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST UINT64_C(999999999999999999) /* whole part that is written: 18 digits */

typedef struct bound {
    bool strict, negative;
    uint64_t whole;    /* of its magnitude, below 10^18 */
    char fraction[24]; /* digits; the last is not 0 */
} bound;

/* ---- whole numbers -------------------------------------------------------------------------*/

static void put_digits(fm_buffer *out, int n) {
    if (n == 1) fm_buffer_text(out, "[0-9] ");
    if (n > 1) fm_buffer_format(out, "[0-9]{%d} ", n);
}

static void put_digit_range(fm_buffer *out, char low, char high) {
    if (low == high) fm_buffer_format(out, "\"%c\" ", low);
    else fm_buffer_format(out, "[%c-%c] ", low, high);
}

static bool all_are(const char *s, char c) {
    while (*s == c) s++;
    return !*s;
}

/* Numbers of as many digits as low and high, both included. */
static void put_same_length(fm_buffer *out, const char *low, const char *high) {
    int n = (int)strlen(low);
    if (n == 0) return;
    if (all_are(low, '0') && all_are(high, '9')) {
        put_digits(out, n);
        return;
    }
    if (*low == *high) {
        put_digit_range(out, *low, *high);
        put_same_length(out, low + 1, high + 1);
        return;
    }
    char nines[32] = "", zeros[32] = "";
    memset(nines, '9', (size_t)n - 1);
    memset(zeros, '0', (size_t)n - 1);
    char first = *low, last = *high;
    bool any = false;
    fm_buffer_text(out, "(");
    if (!all_are(low + 1, '0')) {
        put_digit_range(out, first, first);
        put_same_length(out, low + 1, nines);
        first++;
        any = true;
    }
    bool cut = !all_are(high + 1, '9');
    if (cut) last--;
    if (first <= last) {
        if (any) fm_buffer_text(out, "| ");
        put_digit_range(out, first, last);
        put_digits(out, n - 1);
        any = true;
    }
    if (cut) {
        if (any) fm_buffer_text(out, "| ");
        put_digit_range(out, *high, *high);
        put_same_length(out, zeros, high + 1);
    }
    fm_buffer_text(out, ") ");
}

/* low to high, at most LARGEST, no leading zeros. */
static void put_range(fm_buffer *out, uint64_t low, uint64_t high) {
    char a[24], b[24];
    int digits = 1; /* of `end` */
    bool any = false;
    fm_buffer_text(out, "(");
    for (uint64_t end = 9; low <= high; end = end * 10 + 9, digits++) {
        if (low > end) continue;
        if (any) fm_buffer_text(out, "| ");
        if (any && high == LARGEST) { /* all that are longer, at once */
            fm_buffer_format(out, "[1-9] [0-9]{%d,17} ", digits - 1);
            break;
        }
        uint64_t last = high < end ? high : end;
        snprintf(a, sizeof a, "%llu", (unsigned long long)low);
        snprintf(b, sizeof b, "%llu", (unsigned long long)last);
        put_same_length(out, a, b);
        any = true;
        low = last + 1;
    }
    fm_buffer_text(out, ") ");
}

/* ---- fractions -----------------------------------------------------------------------------*/

/* What is compared: the digits of a bound that are still ahead, without zeros at their end; NULL is no
 * bound. Digits that are not written count as zeros. */
typedef struct ends {
    const char *low, *high;
    bool low_strict, high_strict;
    int room; /* how many digits may be written */
} ends;

/* May the fraction stop here? */
static bool may_stop(const ends *e) {
    bool above = !e->low || (!*e->low && !e->low_strict);
    bool below = !e->high || *e->high || !e->high_strict;
    return above && below;
}

static bool put_more_digits(fm_buffer *out, ends e);

/* None or more digits; false, with nothing written, where there is no way. */
static bool put_fraction(fm_buffer *out, ends e, const char *point) {
    fm_buffer more = {0};
    bool stop = may_stop(&e), any = put_more_digits(&more, e);
    if (more.failed) out->failed = true;
    if (any) fm_buffer_format(out, stop ? "(%s%s)? " : "%s%s", point, fm_buffer_string(&more));
    fm_buffer_clear(&more);
    if (!any && stop) fm_buffer_text(out, "\"\" ");
    return any || stop;
}

static bool put_arm(fm_buffer *out, bool first, char digit, ends rest) {
    size_t before = out->size;
    if (!first) fm_buffer_text(out, "| ");
    put_digit_range(out, digit, digit);
    if (put_fraction(out, rest, "")) return true;
    if (!out->failed) out->size = before;
    return false;
}

/* One digit or more. */
static bool put_more_digits(fm_buffer *out, ends e) {
    if (e.low && !*e.low && !e.low_strict) e.low = NULL;
    if (e.room <= 0) return false;
    if (!e.low && !e.high) {
        fm_buffer_format(out, "[0-9]{1,%d} ", e.room);
        return true;
    }
    if (e.high && !*e.high) { /* only zeros are left, which is too little for any `low` */
        if (e.low || e.high_strict) return false;
        fm_buffer_format(out, "\"0\"{1,%d} ", e.room);
        return true;
    }
    if (e.low && !*e.low && !e.high) { /* anything but zeros */
        fm_buffer_format(out, "\"0\"{0,%d} [1-9] [0-9]{0,%d} ", e.room - 1, e.room - 1);
        return true;
    }
    char a = e.low && *e.low ? *e.low : '0', b = e.high ? *e.high : '9';
    ends after = {e.low && *e.low ? e.low + 1 : e.low, e.high ? e.high + 1 : NULL, e.low_strict, e.high_strict,
                  e.room - 1};
    size_t begin = out->size;
    bool any = false;
    if (a > b) return false;
    fm_buffer_text(out, "(");
    if (e.low && e.high && a == b) any = put_arm(out, true, a, after);
    else {
        if (e.low) any |= put_arm(out, true, a, (ends){after.low, NULL, e.low_strict, false, after.room});
        char first = e.low ? (char)(a + 1) : a, last = e.high ? (char)(b - 1) : b;
        if (first <= last) {
            fm_buffer_text(out, any ? "| " : "");
            put_digit_range(out, first, last);
            fm_buffer_format(out, "[0-9]{0,%d} ", after.room);
            any = true;
        }
        if (e.high) any |= put_arm(out, !any, b, (ends){NULL, after.high, false, e.high_strict, after.room});
    }
    fm_buffer_text(out, ") ");
    if (!any && !out->failed) out->size = begin;
    return any;
}

/* ---- magnitudes ----------------------------------------------------------------------------*/

/* Whole numbers of 0 and more; NULL: no bound. */
static bool put_whole(fm_buffer *out, const bound *low, const bound *high) {
    uint64_t first = 0, last = LARGEST;
    if (low) first = low->whole + (low->strict || low->fraction[0]);
    if (high) {
        bool below = high->strict && !high->fraction[0];
        if (below && high->whole == 0) return false;
        last = high->whole - below;
    }
    if (first > last) return false;
    put_range(out, first, last);
    return true;
}

/* Digits behind the point: 15 in all, and as many as the bounds have. */
static int room_of(const bound *low, const bound *high) {
    const bound *both[] = {low, high};
    int whole = 1, fraction = 1;
    for (int i = 0; i < 2; i++) {
        if (!both[i]) continue;
        int digits = snprintf(NULL, 0, "%llu", (unsigned long long)both[i]->whole);
        int behind = (int)strlen(both[i]->fraction);
        if (digits > whole) whole = digits;
        if (behind > fraction) fraction = behind;
    }
    return 15 - whole > fraction ? 15 - whole : fraction;
}

static bool put_real(fm_buffer *out, const bound *low, const bound *high) {
    bool any = false;
    int room = room_of(low, high);
    if (low && high && low->whole == high->whole) {
        size_t before = out->size;
        fm_buffer_format(out, "\"%llu\" ", (unsigned long long)low->whole);
        any = put_fraction(out, (ends){low->fraction, high->fraction, low->strict, high->strict, room}, "\".\" ");
        if (!any && !out->failed) out->size = before;
        return any;
    }
    if (low && high && low->whole > high->whole) return false;
    fm_buffer_text(out, "(");
    if (low) {
        fm_buffer_format(out, "\"%llu\" ", (unsigned long long)low->whole);
        put_fraction(out, (ends){low->fraction, NULL, low->strict, false, room}, "\".\" ");
        any = true;
    }
    uint64_t first = low ? low->whole + 1 : 0, last = high ? high->whole - 1 : LARGEST;
    if (first <= last && !(high && high->whole == 0)) {
        fm_buffer_text(out, any ? "| " : "");
        put_range(out, first, last);
        fm_buffer_format(out, "(\".\" [0-9]{1,%d})? ", room);
        any = true;
    }
    if (high) {
        size_t before = out->size;
        fm_buffer_format(out, "%s\"%llu\" ", any ? "| " : "", (unsigned long long)high->whole);
        bool fits = put_fraction(out, (ends){NULL, high->fraction, false, high->strict, room}, "\".\" ");
        if (!fits && !out->failed) out->size = before;
        any |= fits;
    }
    fm_buffer_text(out, ") ");
    return any;
}

static bool put_magnitude(fm_buffer *out, const bound *low, const bound *high, bool whole) {
    size_t before = out->size;
    bool any = whole ? put_whole(out, low, high) : put_real(out, low, high);
    if (!any && !out->failed) out->size = before;
    return any;
}

/* ---- bounds --------------------------------------------------------------------------------*/

static int compare(const bound *a, const bound *b) {
    if (a->negative != b->negative) return a->negative ? -1 : 1;
    int order = a->whole != b->whole ? (a->whole < b->whole ? -1 : 1) : strcmp(a->fraction, b->fraction);
    return a->negative ? -order : order;
}

/* *given is false for a bound beyond all that is written. */
static fm_status read_bound(fm_schema_writer *w, const fm_schema_part *p, const char *keyword, bound *out,
                            bool *given) {
    const fm_json *v = fm_json_get(p->schema, keyword);
    double value = fm_json_number(v, NAN), size = fabs(value);
    *given = false;
    if (!v) return FM_OK;
    if (isnan(value)) return fm_schema_wrong(w, p, keyword, "must be a number");
    bool upper = strstr(keyword, "aximum") != NULL;
    if (size >= 1e18 && (value > 0) == upper) return FM_OK;
    if (size >= 1e18) return fm_schema_refuse(w, p, keyword, "asks for numbers of more than 18 digits");
    char text[64];
    int digits = 0;
    do snprintf(text, sizeof text, "%.*f", digits, size);
    while (strtod(text, NULL) != size && ++digits <= 20);
    if (digits > 20) return fm_schema_refuse(w, p, keyword, "has more than 20 digits behind the point");
    *given = true;
    *out = (bound){.strict = keyword[0] == 'e', .negative = value < 0};
    size_t n = strspn(text, "0123456789");
    out->whole = fm_json_kind_of(v) == FM_JSON_INTEGER ? (uint64_t)llabs(fm_json_integer(v, 0))
                                                       : strtoull(text, NULL, 10);
    if (text[n]) snprintf(out->fraction, sizeof out->fraction, "%s", text + n + 1);
    for (n = strlen(out->fraction); n > 0 && out->fraction[n - 1] == '0'; n--) out->fraction[n - 1] = 0;
    return FM_OK;
}

typedef struct bounds {
    bound low, high;
    bool has_low, has_high, whole;
} bounds;

static void tighten(bounds *b, const bound *one, bool upper) {
    bound *now = upper ? &b->high : &b->low;
    bool *has = upper ? &b->has_high : &b->has_low;
    int order = *has ? compare(one, now) * (upper ? -1 : 1) : 1;
    if (order > 0) *now = *one;
    else if (order == 0) now->strict |= one->strict;
    *has = true;
}

static void gather_format(const fm_schema_part *p, bounds *b) {
    int64_t least, most;
    if (!fm_schema_format_bounds(fm_json_string(fm_json_get(p->schema, "format"), ""), &least, &most)) return;
    tighten(b, &(bound){.negative = least < 0, .whole = (uint64_t)-least}, false);
    if ((uint64_t)most <= LARGEST) tighten(b, &(bound){.whole = (uint64_t)most}, true);
}

static fm_status gather(fm_schema_writer *w, const fm_schema *s, bounds *b) {
    static const char *const keywords[] = {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"};
    for (int i = 0; i < s->n; i++) {
        const fm_schema_part *p = &s->parts[i];
        const fm_json *step = fm_json_get(p->schema, "multipleOf");
        if (step && fm_json_number(step, 0) != 1)
            return fm_schema_refuse(w, p, "multipleOf", "is enforced only where it is 1");
        b->whole |= step != NULL;
        for (int k = 0; k < 4; k++) {
            bound one;
            bool given;
            FM_TRY(read_bound(w, p, keywords[k], &one, &given));
            if (given) tighten(b, &one, k >= 2);
        }
        gather_format(p, b);
    }
    return FM_OK;
}

fm_status fm_schema_put_number(fm_schema_writer *w, const fm_schema *s, bool whole, fm_buffer *out,
                               bool *never) {
    bounds b = {.whole = whole};
    FM_TRY(gather(w, s, &b));
    *never = false;
    if (!b.has_low && !b.has_high) {
        fm_buffer_text(out, b.whole ? "integer" : "number");
        return FM_OK;
    }
    const bound *low = b.has_low ? &b.low : NULL, *high = b.has_high ? &b.high : NULL;
    static const bound more_than_zero = {.strict = true};
    size_t begin = out->size;
    bool any = false;
    if (!low || low->negative) { /* mirrored: -7 to 3 is "-" and 0 to 7 */
        const bound *least = high && high->negative ? high : NULL;
        if (high && !high->negative && high->strict && high->whole == 0 && !high->fraction[0])
            least = &more_than_zero;
        fm_buffer_text(out, "\"-\" ");
        any = put_magnitude(out, least, low, b.whole);
        if (!any && !out->failed) out->size = begin;
    }
    if (!high || !high->negative) {
        size_t before = out->size;
        fm_buffer_text(out, any ? "| " : "");
        bool more = put_magnitude(out, low && !low->negative ? low : NULL, high, b.whole);
        if (!more && !out->failed) out->size = before;
        any |= more;
    }
    *never = !any;
    return FM_OK;
}

/* bases.c: whole numbers written in another base. */
#include "rl/task/numbers.h"
#include "rl/task/task.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

enum { DIGITS_MAX = 64 };

typedef struct conversion {
    int64_t value, from, to;
} conversion;

static const fm_fact facts[] = {FM_FACT_INTEGER_OF(conversion, value, 0, 999999999999),
                                FM_FACT_INTEGER_OF(conversion, from, 2, 16), FM_FACT_INTEGER_OF(conversion, to, 2, 16)};

static const char *const bands[] = {"2 and 10, up to 63", "2, 8, 16 and 10, up to 4,095", "3 to 12 and 10, up to 9,999",
                                    "any two of 2 to 16, up to 65,535"};

static const char *const phrasings[] = {
    "Write the base {from} number {number} in base {to}.",
    "Convert {number} from base {from} to base {to}.",
    "The digits {number} are in base {from}. What are they in base {to}?",
    "What is {number} (base {from}) in base {to}?",
    "A counter with base {from} shows {number}. What would a counter with base {to} show for the same count?",
};

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    static const int64_t most[] = {63, 4095, 9999, 65535};
    static const int64_t computers[] = {2, 8, 16};
    conversion *s = out;
    (void)phrasing;
    s->value = fm_dice_between(d, 4, fm_dice_between(d, 16, most[band]));
    s->from = band == 0   ? 2
              : band == 1 ? computers[fm_dice_between(d, 0, 2)]
              : band == 2 ? fm_dice_between(d, 3, 12)
                          : fm_dice_between(d, 2, 16);
    s->to = band == 3 ? fm_dice_between(d, 2, 16) : 10;
    if (band < 3 && fm_dice_chance(d, 1, 2)) {
        s->to = s->from;
        s->from = 10;
    }
    return s->from != s->to;
}

static char digit_name(int64_t digit) { return "0123456789ABCDEF"[digit]; }

/* The digits from the right, in a text of their own; returns how many. */
static int digits_of(int64_t value, int64_t base, char out[DIGITS_MAX]) {
    int n = 0;
    do out[n++] = digit_name(value % base);
    while ((value /= base));
    return n;
}

static void put_in_base(int64_t value, int64_t base, fm_buffer *out) {
    char digits[DIGITS_MAX];
    for (int n = digits_of(value, base, digits); n-- > 0;) fm_buffer_put(out, &digits[n], 1);
}

static bool slot(const void *p, const char *name, fm_buffer *out) {
    const conversion *s = p;
    if (name[0] != 'n') return false;
    put_in_base(s->value, s->from, out);
    return true;
}

static void key(const void *p, fm_buffer *out) {
    const conversion *s = p;
    fm_buffer_format(out, "%" PRId64 ":%" PRId64 ">%" PRId64, s->value, s->from, s->to);
}

/* From the left: what there is times the base, and the next digit. */
static int64_t read_on_paper(const conversion *s, fm_buffer *out) {
    char digits[DIGITS_MAX];
    int64_t value = 0;
    for (int n = digits_of(s->value, s->from, digits); n-- > 0;) {
        int64_t digit = digits[n] >= 'A' ? digits[n] - 'A' + 10 : digits[n] - '0';
        if (digit >= 10) fm_buffer_format(out, "%c is %" PRId64 ": ", digits[n], digit);
        fm_buffer_format(out, "%" PRId64 "*%" PRId64 " + %" PRId64 " = %" PRId64 "\n", value, s->from, digit,
                         value * s->from + digit);
        value = value * s->from + digit;
    }
    return value;
}

/* Divided by the base again and again: the remainders are the digits from the right. */
static void write_on_paper(int64_t value, int64_t base, fm_buffer *out, fm_buffer *answer) {
    char digits[DIGITS_MAX];
    int n = 0;
    do {
        int64_t digit = fm_put_division(value, base, out);
        if (digit >= 10) fm_buffer_format(out, ", which is %c", digit_name(digit));
        fm_buffer_text(out, "\n");
        digits[n++] = digit_name(digit);
    } while ((value /= base));
    fm_buffer_text(out, "Written from the right:");
    for (int i = 0; i < n; i++) fm_buffer_format(out, " %c", digits[i]);
    fm_buffer_text(out, "\n");
    while (n-- > 0) fm_buffer_put(answer, &digits[n], 1);
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const conversion *s = p;
    size_t begin = answer->size;
    int64_t value = s->from == 10 ? s->value : read_on_paper(s, working);
    if (s->to == 10) fm_buffer_format(answer, "%" PRId64, value);
    else write_on_paper(value, s->to, working, answer);
    fm_buffer_format(working, "In base %" PRId64 ": ", s->to);
    if (!answer->failed) fm_buffer_put(working, answer->data + begin, answer->size - begin);
    fm_buffer_text(working, "\n");
}

/* Takes "0x", "0b" or "0o" off where it says the base that is asked for. */
static void take_prefix(const char **text, size_t *size, int64_t base) {
    char mark = base == 16 ? 'x' : base == 2 ? 'b' : base == 8 ? 'o' : 0;
    if (!mark || *size < 3 || (*text)[0] != '0' || tolower((unsigned char)(*text)[1]) != mark) return;
    *text += 2, *size -= 2;
}

/* Takes "_16", "_{16}", "(base 16)" or "base 16" off the end, where it says the base that is asked for. */
static void take_suffix(const char *text, size_t *size, int64_t base) {
    static const char *const forms[] = {"_%d", "_{%d}", "(base %d)", "base %d"};
    for (size_t i = 0; i < FM_COUNT(forms); i++) {
        char end[24];
        size_t n = (size_t)snprintf(end, sizeof end, forms[i], (int)base);
        if (*size <= n || strncasecmp(text + *size - n, end, n)) continue;
        *size -= n;
        while (*size && text[*size - 1] == ' ') --*size;
        return;
    }
}

/* 16: it is none. */
static int64_t digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static fm_verdict check(const void *p, const char *answer, size_t size) {
    const conversion *s = p;
    take_suffix(answer, &size, s->to);
    take_prefix(&answer, &size, s->to);
    int64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        int64_t digit = digit_value(answer[i]);
        if (digit >= s->to || value > s->value) return FM_WRONG;
        value = value * s->to + digit;
    }
    return size && value == s->value ? FM_RIGHT : FM_WRONG;
}

const fm_task_kind fm_task_bases = {
    .name = "bases",
    .answer = "digits of the base asked for, A to F in either case; 0x, 0b, 0o, _16 or (base 16) may say it",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 1,
    .size = sizeof(conversion), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .slot = slot, .key = key, .solve = solve, .check = check,
};

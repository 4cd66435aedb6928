/* conversion.c: quantities in other units, by exact factors. */
#include "rl/task/numbers.h"
#include "rl/task/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef enum dimension { LENGTH, MASS, POUND, TIME, VOLUME, CUP, AREA, SPEED, DATA } dimension;

static const struct unit {
    const char *symbol, *name, *plural;
    dimension dimension;
    int64_t top, bottom;
} units[] = {
#define UNIT(symbol, name, plural, dimension, top, bottom) {symbol, name, plural, dimension, top, bottom},
#include "rl/task/conversion_units.def"
#undef UNIT
};

enum { DECIMALS_MAX = 6 };

/* amount / 10^decimals of `from`, in `to`. */
typedef struct quantity {
    int64_t amount, decimals;
    char from[8], to[8]; /* symbols */
} quantity;

static const fm_fact facts[] = {FM_FACT_INTEGER_OF(quantity, amount, 0, 99999999),
                                FM_FACT_INTEGER_OF(quantity, decimals, 0, DECIMALS_MAX),
                                FM_FACT_TEXT_OF(quantity, from), FM_FACT_TEXT_OF(quantity, to)};

static const char *const bands[] = {
    "metric lengths, masses and volumes, whole numbers, to the smaller unit", "the same with decimals, both ways",
    "seconds to weeks", "inches to miles, ounces to stone, US cups to gallons",
    "areas, speeds, data, inches and centimetres"};

static const char *const phrasings[] = {
    "Convert {amount} {from} to {to}.",
    "How many {to} are {amount} {from}?",
    "{amount} {from} = ? {to}",
    "Express {amount} {from} in {to}.",
    "Write {amount} {from} in {to}.",
    "A label says {amount} {from}. What would it say in {to}?",
};

static const struct unit *unit_of(const char *symbol) {
    for (size_t i = 0; i < FM_COUNT(units); i++)
        if (!strcmp(units[i].symbol, symbol)) return &units[i];
    return NULL;
}

static int64_t power_of_ten(int64_t n) {
    int64_t power = 1;
    while (n-- > 0) power *= 10;
    return power;
}

/* to / from = top / bottom times the amount. */
static fm_fraction factor_of(const struct unit *from, const struct unit *to) {
    fm_fraction a = fm_fraction_of(from->top, to->top), b = fm_fraction_of(to->bottom, from->bottom);
    return fm_fraction_of(a.top * b.top, a.bottom * b.bottom);
}

/* How many decimals a fraction in lowest terms has; -1: more than the limit, or without end. */
static int decimals_of(fm_fraction f) {
    for (int n = 0; n <= DECIMALS_MAX; n++)
        if (power_of_ten(n) % f.bottom == 0) return n;
    return -1;
}

static void put_decimal(int64_t amount, int64_t decimals, fm_buffer *out) {
    while (decimals && amount % 10 == 0) amount /= 10, decimals--;
    int64_t power = power_of_ten(decimals);
    fm_buffer_format(out, "%" PRId64, amount / power);
    if (decimals) fm_buffer_format(out, ".%0*" PRId64, (int)decimals, amount % power);
}

static bool in_band(const struct unit *u, int band) {
    switch (band) {
    case 0:
    case 1: return u->bottom == 1 && (u->dimension == LENGTH || u->dimension == MASS || u->dimension == VOLUME);
    case 2: return u->dimension == TIME;
    case 3: return (u->dimension == LENGTH && u->bottom != 1) || u->dimension == POUND || u->dimension == CUP;
    default:
        return u->dimension == AREA || u->dimension == SPEED || u->dimension == DATA || !strcmp(u->symbol, "cm") ||
               !strcmp(u->symbol, "in");
    }
}

/* One of the band's units, of the dimension of `other` and not `other` itself; any where it is NULL. */
static const struct unit *draw_unit(fm_dice *d, int band, const struct unit *other) {
    const struct unit *found[FM_COUNT(units)];
    int n = 0;
    for (size_t i = 0; i < FM_COUNT(units); i++)
        if (in_band(&units[i], band) && (!other || (units[i].dimension == other->dimension && &units[i] != other)))
            found[n++] = &units[i];
    return found[fm_dice_between(d, 0, n - 1)];
}

/* Small amounts of a larger unit, or what such amounts of the other one come to. */
static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    quantity *q = out;
    (void)phrasing;
    const struct unit *from = draw_unit(d, band, NULL), *to = draw_unit(d, band, from);
    fm_fraction f = factor_of(from, to);
    if ((band == 0 && f.bottom != 1) || f.top > 1000000 || f.bottom > 1000000) return false;
    q->amount = fm_dice_digits(d, (int)fm_dice_between(d, 1, 3));
    if (band == 1 || band == 4) q->decimals = fm_dice_between(d, 0, 2);
    else if (f.bottom > 1) q->amount *= f.bottom;
    while (q->decimals && q->amount % 10 == 0) q->amount /= 10, q->decimals--;
    strcpy(q->from, from->symbol);
    strcpy(q->to, to->symbol);
    fm_fraction result = fm_fraction_of(q->amount * f.top, power_of_ten(q->decimals) * f.bottom);
    return q->amount > 0 && q->amount < 1000000 && decimals_of(result) >= 0;
}

static fm_status valid(const void *p, fm_error *err) {
    const quantity *q = p;
    const struct unit *from = unit_of(q->from), *to = unit_of(q->to);
    if (!from || !to) return fm_fail(err, FM_ERR_FORMAT, "there is no unit \"%s\"", from ? q->to : q->from);
    if (from->dimension != to->dimension)
        return fm_fail(err, FM_ERR_FORMAT, "%s cannot be converted to %s here", from->plural, to->plural);
    return FM_OK;
}

static bool slot(const void *p, const char *name, fm_buffer *out) {
    const quantity *q = p;
    if (!strcmp(name, "amount")) put_decimal(q->amount, q->decimals, out);
    else if (!strcmp(name, "from"))
        fm_buffer_text(out, q->amount == 1 && q->decimals == 0 ? unit_of(q->from)->name : unit_of(q->from)->plural);
    else fm_buffer_text(out, unit_of(q->to)->plural);
    return true;
}

static void key(const void *p, fm_buffer *out) {
    const quantity *q = p;
    put_decimal(q->amount, q->decimals, out);
    fm_buffer_format(out, "%s>%s", q->from, q->to);
}

static fm_fraction value_of(const quantity *q) {
    fm_fraction f = factor_of(unit_of(q->from), unit_of(q->to));
    fm_fraction a = fm_fraction_of(q->amount, power_of_ten(q->decimals));
    fm_fraction left = fm_fraction_of(a.top, f.bottom), right = fm_fraction_of(f.top, a.bottom);
    return (fm_fraction){left.top * right.top, left.bottom * right.bottom};
}

static void put_value(fm_fraction v, fm_buffer *out) {
    int decimals = decimals_of(v);
    if (decimals < 0) fm_fraction_put(v, out);
    else put_decimal(v.top * (power_of_ten(decimals) / v.bottom), decimals, out);
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const quantity *q = p;
    const struct unit *from = unit_of(q->from), *to = unit_of(q->to);
    fm_fraction f = factor_of(from, to), value = value_of(q);
    if (f.bottom == 1) fm_buffer_format(working, "1 %s = %" PRId64 " %s\n", q->from, f.top, q->to);
    else if (f.top == 1) fm_buffer_format(working, "%" PRId64 " %s = 1 %s\n", f.bottom, q->from, q->to);
    else fm_buffer_format(working, "%" PRId64 " %s = %" PRId64 " %s\n", f.bottom, q->from, f.top, q->to);
    put_decimal(q->amount, q->decimals, working);
    if (f.top != 1) fm_buffer_format(working, " * %" PRId64, f.top);
    if (f.bottom != 1) fm_buffer_format(working, " / %" PRId64, f.bottom);
    fm_buffer_text(working, " = ");
    put_value(value, working);
    fm_buffer_format(working, "\nIn %s: ", to->plural);
    put_value(value, working);
    fm_buffer_text(working, "\n");
    put_value(value, answer);
}

static bool same(const char *text, size_t size, const char *name, bool any_case) {
    return strlen(name) == size && (any_case ? !strncasecmp(text, name, size) : !memcmp(text, name, size));
}

/* Is this how one may write the unit that was asked for? Symbols have their case, names any; -meter as -metre. */
static bool names_unit(const char *text, size_t size, const struct unit *u) {
    if (same(text, size, u->symbol, false) || same(text, size, u->name, true) || same(text, size, u->plural, true))
        return true;
    char turned[32];
    const char *metre = strstr(u->plural, "tre");
    if (!metre) return false;
    int n = snprintf(turned, sizeof turned, "%.*ster%s", (int)(metre - u->plural), u->plural, metre + 3);
    if (same(text, size, turned, true)) return true;
    char *s = strstr(turned, "ters");
    if (s && n > 0) memmove(s + 3, s + 4, strlen(s + 3));
    return s && same(text, size, turned, true);
}

static fm_verdict check(const void *p, const char *answer, size_t size) {
    enum { FORMS = FM_FORM_DECIMAL | FM_FORM_FRACTION };
    const quantity *q = p;
    fm_fraction value = value_of(q);
    fm_literal l;
    if (fm_literal_read(answer, size, FORMS, &l)) return fm_literal_check(answer, size, FORMS, value.top, value.bottom);
    size_t taken = fm_literal_take(answer, size, &l);
    const char *rest = answer + taken;
    size_t left = size - taken;
    fm_trim(&rest, &left);
    if (!taken || !names_unit(rest, left, unit_of(q->to))) return FM_WRONG;
    return fm_literal_check(answer, taken, FORMS, value.top, value.bottom);
}

const fm_task_kind fm_task_conversion = {
    .name = "conversion",
    .answer = "a number, exactly, alone or with the unit asked for: 3500, 3500 m, 3500 metres",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 1,
    .size = sizeof(quantity), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .slot = slot, .key = key, .solve = solve, .check = check,
};

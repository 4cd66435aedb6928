/* modulo.c: remainders of numbers, of products and of powers. */
#include "rl/task/digits.h"
#include "rl/task/numbers.h"
#include "rl/task/task.h"

#include <inttypes.h>

enum { NUMBER, PRODUCT, POWER };

typedef struct remainder {
    int64_t form, a, b, m; /* a, a * b or a^b, modulo m */
} remainder;

static const fm_fact facts[] = {
    FM_FACT_INTEGER_OF(remainder, form, NUMBER, POWER), FM_FACT_INTEGER_OF(remainder, a, 0, 999999999),
    FM_FACT_INTEGER_OF(remainder, b, 0, 999999999), FM_FACT_INTEGER_OF(remainder, m, 2, 99999)};

static const char *const bands[] = {
    "2 or 3 digits modulo 1 digit", "4 to 6 digits modulo 2 digits", "products, modulo 1 or 2 digits",
    "powers with exponents up to 60, modulo up to 30"};

static const char *const phrasings[] = {
    "What is {term} mod {m}?",
    "Compute {term} modulo {m}.",
    "{term} is divided by {m}. What is the remainder?",
    "What is left over when {term} is divided by {m}?",
    "Find the smallest number from 0 to {m} - 1 that differs from {term} by a multiple of {m}.",
};

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    remainder *s = out;
    (void)phrasing;
    s->form = band < 2 ? NUMBER : band == 2 ? PRODUCT : POWER;
    switch (band) {
    case 0: s->a = fm_dice_digits(d, (int)fm_dice_between(d, 2, 3)), s->m = fm_dice_between(d, 2, 9); break;
    case 1: s->a = fm_dice_digits(d, (int)fm_dice_between(d, 4, 6)), s->m = fm_dice_between(d, 11, 99); break;
    case 2:
        s->a = fm_dice_between(d, 10, 999), s->b = fm_dice_between(d, 10, 999), s->m = fm_dice_between(d, 3, 30);
        break;
    default: s->a = fm_dice_between(d, 2, 20), s->b = fm_dice_between(d, 3, 60), s->m = fm_dice_between(d, 3, 30);
    }
    return true;
}

static bool slot(const void *p, const char *name, fm_buffer *out) {
    const remainder *s = p;
    if (name[0] != 't') return false;
    fm_buffer_format(out, "%" PRId64, s->a);
    if (s->form != NUMBER) fm_buffer_format(out, s->form == PRODUCT ? " * %" PRId64 : "^%" PRId64, s->b);
    return true;
}

static void key(const void *p, fm_buffer *out) {
    const remainder *s = p;
    if (s->form == NUMBER) fm_buffer_format(out, "%" PRId64, s->a);
    else if (s->form == POWER) fm_buffer_format(out, "%" PRId64 "^%" PRId64, s->a, s->b);
    else fm_digits_sorted_key((const int64_t[]){s->a, s->b}, 2, "*", out);
    fm_buffer_format(out, "%%%" PRId64, s->m);
}

static int64_t put_reduced(int64_t a, int64_t m, fm_buffer *out) {
    int64_t rest = fm_put_division(a, m, out);
    fm_buffer_text(out, "\n");
    return rest;
}

static int64_t put_product(int64_t a, int64_t b, int64_t m, fm_buffer *out) {
    int64_t product = fm_put_step(a, '*', b, out);
    fm_buffer_text(out, product < m ? "\n" : ", ");
    return product < m ? product : put_reduced(product, m, out);
}

/* Bits of the exponent from the highest down: square, and multiply where the bit is 1. */
static int64_t solve_power(const remainder *s, fm_buffer *out) {
    int64_t base = put_reduced(s->a, s->m, out), value = 1 % s->m, done = 0;
    int bit = 62;
    while (bit >= 0 && !(s->b >> bit & 1)) bit--;
    for (; bit >= 0; bit--) {
        if (done) {
            fm_buffer_format(out, "exponent %" PRId64 ": ", done * 2);
            value = put_product(value, value, s->m, out);
        }
        done *= 2;
        if (!(s->b >> bit & 1)) continue;
        done++;
        if (done > 1) {
            fm_buffer_format(out, "exponent %" PRId64 ": ", done);
            value = put_product(value, base, s->m, out);
        } else {
            value = base;
        }
    }
    return value;
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const remainder *s = p;
    int64_t value;
    if (s->form == NUMBER) {
        fm_digits_divide(s->a, s->m, &value, working);
    } else if (s->form == POWER) {
        value = solve_power(s, working);
    } else {
        int64_t a = put_reduced(s->a, s->m, working), b = put_reduced(s->b, s->m, working);
        value = put_product(a, b, s->m, working);
    }
    fm_buffer_format(working, "The remainder is %" PRId64 "\n", value);
    fm_buffer_format(answer, "%" PRId64, value);
}

/* The value, by repeated squaring from the lowest bit up. */
static int64_t value_of(const remainder *s) {
    if (s->form != POWER) return (int64_t)((__int128)s->a * (s->form == PRODUCT ? s->b : 1) % s->m);
    int64_t value = 1 % s->m, square = s->a % s->m;
    for (int64_t e = s->b; e; e >>= 1, square = square * square % s->m)
        if (e & 1) value = value * square % s->m;
    return value;
}

static fm_verdict check(const void *p, const char *answer, size_t size) {
    return fm_literal_check(answer, size, 0, value_of(p), 1);
}

const fm_task_kind fm_task_modulo = {
    .name = "modulo",
    .answer = "a whole number from 0 to the modulus less one",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 1,
    .size = sizeof(remainder), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .slot = slot, .key = key, .solve = solve, .check = check,
};

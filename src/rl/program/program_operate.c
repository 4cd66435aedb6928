/* What operators do with values: Python's meaning of + - * // % ** and in, within 64 bits. */
#include "rl/program/program_builtins.h"
#include "rl/program/program_lex.h"

#include <string.h>

static bool outside(run *r) { return fm_run_fail(r, "a number leaves 64 bits"); }

/* The quotient is rounded down and the remainder has the divisor's sign. */
static bool divide(run *r, int64_t a, int64_t b, int64_t *quotient, int64_t *remainder) {
    if (b == 0) return fm_run_fail(r, "division by zero");
    if (b == -1) {
        *remainder = 0;
        return (quotient && a == INT64_MIN) ? outside(r) : (quotient ? (*quotient = -a, true) : true);
    }
    int64_t q = a / b, m = a % b;
    if (m != 0 && (m < 0) != (b < 0)) {
        q--;
        m += b;
    }
    if (quotient) *quotient = q;
    *remainder = m;
    return true;
}

static bool power(run *r, int64_t base, int64_t exponent, int64_t *out) {
    if (exponent < 0) return fm_run_fail(r, "** was given an exponent below 0");
    int64_t result = 1;
    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1 && __builtin_mul_overflow(result, base, &result)) return outside(r);
        if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return outside(r);
    }
    *out = result;
    return true;
}

static bool numbers(run *r, int operation, int64_t a, int64_t b, value *out) {
    int64_t n = 0, unused;
    switch (operation) {
    case SIGN_PLUS:
        if (__builtin_add_overflow(a, b, &n)) return outside(r);
        break;
    case SIGN_MINUS:
        if (__builtin_sub_overflow(a, b, &n)) return outside(r);
        break;
    case SIGN_TIMES:
        if (__builtin_mul_overflow(a, b, &n)) return outside(r);
        break;
    case SIGN_DIVIDE:
        if (!divide(r, a, b, &n, &unused)) return false;
        break;
    case SIGN_REMAINDER:
        if (!divide(r, a, b, NULL, &n)) return false;
        break;
    default:
        if (!power(r, a, b, &n)) return false;
    }
    *out = value_number(n);
    return true;
}

static bool join_texts(run *r, const text *a, const text *b, value *out) {
    text *t = fm_run_text(r, a->n + b->n);
    if (!t) return false;
    memcpy(t->s, a->s, a->n);
    memcpy(t->s + a->n, b->s, b->n);
    *out = (value){.kind = VALUE_TEXT, .text = t};
    return true;
}

static bool join_lists(run *r, const list *a, const list *b, value *out) {
    if (!fm_run_steps(r, (a->n + b->n) / 16) || !fm_value_list(r, a->n + b->n, out)) return false;
    list *l = out->list;
    l->n = a->n + b->n;
    if (a->n) memcpy(l->items, a->items, a->n * sizeof *l->items);
    if (b->n) memcpy(l->items + a->n, b->items, b->n * sizeof *l->items);
    return true;
}

/* A text or list, `times` times in a row. */
static bool repeat(run *r, value a, int64_t times, value *out) {
    size_t n = a.kind == VALUE_TEXT ? a.text->n : a.list->n, total;
    if (times < 0 || n == 0) times = 0;
    if (!fm_mul_size(n, (size_t)times, &total) || total > r->limits.memory)
        return fm_run_end(r, FM_PROGRAM_MEMORY, "the program took all the memory it may take");
    if (a.kind == VALUE_TEXT) {
        text *t = fm_run_text(r, total);
        for (size_t i = 0; t && i < total; i += n) memcpy(t->s + i, a.text->s, n);
        *out = (value){.kind = VALUE_TEXT, .text = t};
        return t != NULL;
    }
    if (!fm_run_steps(r, total / 16) || !fm_value_list(r, total, out)) return false;
    for (size_t i = 0; i < total; i += n) memcpy(out->list->items + i, a.list->items, n * sizeof(value));
    out->list->n = total;
    return true;
}

static bool repeats(value a) { return a.kind == VALUE_TEXT || a.kind == VALUE_LIST; }

bool fm_value_operate(run *r, int operation, value a, value b, value *out) {
    if (value_is_number(a) && value_is_number(b)) return numbers(r, operation, a.number, b.number, out);
    if (operation == SIGN_PLUS && a.kind == VALUE_TEXT && b.kind == VALUE_TEXT)
        return join_texts(r, a.text, b.text, out);
    if (operation == SIGN_PLUS && a.kind == VALUE_LIST && b.kind == VALUE_LIST)
        return join_lists(r, a.list, b.list, out);
    if (operation == SIGN_TIMES && repeats(a) && value_is_number(b)) return repeat(r, a, b.number, out);
    if (operation == SIGN_TIMES && repeats(b) && value_is_number(a)) return repeat(r, b, a.number, out);
    return fm_run_fail(r, "%s %s %s has no meaning", fm_value_kind_name(a), fm_program_sign((sign)operation),
                       fm_value_kind_name(b));
}

bool fm_value_contains(run *r, value all, value one, bool *contains) {
    *contains = false;
    if (all.kind == VALUE_TEXT && one.kind == VALUE_TEXT) {
        *contains = memmem(all.text->s, all.text->n, one.text->s, one.text->n) != NULL;
        return fm_run_steps(r, all.text->n / 16);
    }
    if (all.kind != VALUE_LIST) return fm_run_fail(r, "in looks into texts and lists, not into %s for %s",
                                                   fm_value_kind_name(all), fm_value_kind_name(one));
    for (size_t i = 0; i < all.list->n && !*contains; i++)
        if (!fm_value_equal(r, all.list->items[i], one, contains)) return false;
    return true;
}

#include "rl/program/program_builtins.h"

#include <string.h>

#define FUNCTION(name)                                                                             \
    static bool do_##name(run *r, value self, const value *a, size_t n, value *out)

/* ---- functions ----------------------------------------------------------------------------------- */

FUNCTION(abs) {
    (void)self, (void)n;
    if (!value_is_number(a[0])) return fm_run_fail(r, "abs() was given %s", fm_value_kind_name(a[0]));
    if (a[0].number == INT64_MIN) return fm_run_fail(r, "a number leaves 64 bits");
    *out = value_number(a[0].number < 0 ? -a[0].number : a[0].number);
    return true;
}

FUNCTION(chr) {
    (void)self, (void)n;
    if (!value_is_number(a[0]) || a[0].number < 0 || a[0].number > 127)
        return fm_run_fail(r, "chr() takes a number from 0 to 127");
    return fm_value_text(r, &(char){(char)a[0].number}, 1, out);
}

FUNCTION(input) {
    (void)self, (void)a, (void)n;
    if (r->input_at >= r->input_size) return fm_run_fail(r, "input() finds no further line");
    const char *line = r->input + r->input_at;
    const char *end = memchr(line, '\n', r->input_size - r->input_at);
    size_t length = end ? (size_t)(end - line) : r->input_size - r->input_at;
    r->input_at += length + 1;
    if (!fm_value_text(r, line, length, out)) return false;
    for (size_t i = 0; i < length; i++)
        if (line[i] != '\t' && (line[i] < 32 || line[i] > 126))
            return fm_run_fail(r, "input() finds a byte that is no printable ASCII");
    return true;
}

FUNCTION(int) {
    (void)self, (void)n;
    if (value_is_number(a[0])) *out = value_number(a[0].number);
    else if (a[0].kind == VALUE_TEXT) return fm_value_read_number(r, a[0].text, out);
    else return fm_run_fail(r, "int() was given %s", fm_value_kind_name(a[0]));
    return true;
}

FUNCTION(len) {
    (void)self, (void)n;
    int64_t length;
    if (!fm_value_length(r, a[0], &length)) return false;
    *out = value_number(length);
    return true;
}

FUNCTION(list) {
    (void)self;
    return n ? fm_value_items(r, a[0], out) : fm_value_list(r, 0, out);
}

/* The arguments themselves, or the items of the only one. */
static bool extreme(run *r, const value *a, size_t n, int sign, value *out) {
    value all = {0};
    if (n == 1) {
        if (!fm_value_items(r, a[0], &all)) return false;
        a = all.list->items;
        n = all.list->n;
    }
    if (n == 0) return fm_run_fail(r, "there is no greatest or least of nothing");
    *out = a[0];
    for (size_t i = 1; i < n; i++) {
        int order;
        if (!fm_value_compare(r, a[i], *out, &order)) return false;
        if (order * sign > 0) *out = a[i];
    }
    return true;
}

FUNCTION(max) {
    (void)self;
    return extreme(r, a, n, 1, out);
}

FUNCTION(min) {
    (void)self;
    return extreme(r, a, n, -1, out);
}

FUNCTION(ord) {
    (void)self, (void)n;
    if (a[0].kind != VALUE_TEXT || a[0].text->n != 1) return fm_run_fail(r, "ord() takes a text of one letter");
    *out = value_number(a[0].text->s[0]);
    return true;
}

FUNCTION(range) {
    (void)self;
    for (size_t i = 0; i < n; i++)
        if (!value_is_number(a[i])) return fm_run_fail(r, "range() was given %s", fm_value_kind_name(a[i]));
    range *g = fm_run_alloc(r, sizeof *g);
    if (!g) return false;
    *g = (range){n > 1 ? a[0].number : 0, n > 1 ? a[1].number : a[0].number, n > 2 ? a[2].number : 1};
    if (g->step == 0) return fm_run_fail(r, "range() was given a step of 0");
    *out = (value){.kind = VALUE_RANGE, .range = g};
    return true;
}

/* Merges the sorted runs [a, m) and [m, b) of `from` into `to`; equal items keep their order. */
static bool merge(run *r, const value *from, value *to, size_t a, size_t m, size_t b) {
    for (size_t i = a, j = m, k = a; k < b; k++) {
        int order = i < m ? -1 : 1;
        if (i < m && j < b && !fm_value_compare(r, from[i], from[j], &order)) return false;
        to[k] = i < m && order <= 0 ? from[i++] : from[j++];
    }
    return true;
}

static bool sort(run *r, list *l) {
    value spare;
    if (!fm_run_steps(r, l->n) || !fm_value_list(r, l->n, &spare)) return false;
    value *from = l->items, *to = spare.list->items;
    for (size_t width = 1; width < l->n; width *= 2) {
        for (size_t a = 0; a < l->n; a += 2 * width) {
            size_t m = a + width < l->n ? a + width : l->n, b = m + width < l->n ? m + width : l->n;
            if (!merge(r, from, to, a, m, b)) return false;
        }
        value *other = from;
        from = to;
        to = other;
    }
    if (from != l->items) memcpy(l->items, from, l->n * sizeof *from);
    return true;
}

FUNCTION(sorted) {
    (void)self, (void)n;
    return fm_value_items(r, a[0], out) && sort(r, out->list);
}

FUNCTION(str) {
    (void)self, (void)n;
    fm_buffer shown = {0};
    bool good = fm_value_show(r, a[0], false, r->limits.memory, &shown) &&
                fm_value_text(r, shown.data, shown.size, out);
    fm_buffer_clear(&shown);
    return good;
}

FUNCTION(sum) {
    (void)self, (void)n;
    value all;
    int64_t total = 0;
    if (!fm_value_items(r, a[0], &all)) return false;
    for (size_t i = 0; i < all.list->n; i++) {
        if (!value_is_number(all.list->items[i])) return fm_run_fail(r, "sum() adds numbers alone");
        if (__builtin_add_overflow(total, all.list->items[i].number, &total))
            return fm_run_fail(r, "a number leaves 64 bits");
    }
    *out = value_number(total);
    return true;
}

/* ---- methods ------------------------------------------------------------------------------------- */

static bool needs(run *r, value self, value_kind kind, const char *name) {
    return self.kind == kind || fm_run_fail(r, "%s has no .%s()", fm_value_kind_name(self), name);
}

FUNCTION(append) {
    (void)n;
    *out = value_none();
    return needs(r, self, VALUE_LIST, "append") && fm_list_add(r, self.list, a[0]);
}

/* Where `one` first stands in t from `at` on; t->n: nowhere. */
static size_t find(const text *t, const text *one, size_t at) {
    const char *found = one->n <= t->n - at ? memmem(t->s + at, t->n - at, one->s, one->n) : NULL;
    return found ? (size_t)(found - t->s) : t->n;
}

FUNCTION(count) {
    (void)n;
    int64_t count = 0;
    if (self.kind == VALUE_TEXT && a[0].kind == VALUE_TEXT) {
        const text *one = a[0].text;
        if (!fm_run_steps(r, self.text->n / 16 + 1)) return false;
        if (one->n == 0) count = (int64_t)self.text->n + 1;
        else
            for (size_t i = 0; (i = find(self.text, one, i)) < self.text->n; i += one->n) count++;
    } else if (self.kind == VALUE_LIST) {
        for (size_t i = 0; i < self.list->n; i++) {
            bool equal;
            if (!fm_value_equal(r, self.list->items[i], a[0], &equal)) return false;
            count += equal;
        }
    } else {
        return fm_run_fail(r, "%s has no .count() of %s", fm_value_kind_name(self), fm_value_kind_name(a[0]));
    }
    *out = value_number(count);
    return true;
}

FUNCTION(index) {
    (void)n;
    if (!needs(r, self, VALUE_LIST, "index")) return false;
    for (size_t i = 0; i < self.list->n; i++) {
        bool equal;
        if (!fm_value_equal(r, self.list->items[i], a[0], &equal)) return false;
        *out = value_number((int64_t)i);
        if (equal) return true;
    }
    return fm_run_fail(r, ".index() does not find the item");
}

FUNCTION(join) {
    (void)n;
    value all;
    fm_buffer joined = {0};
    bool good = needs(r, self, VALUE_TEXT, "join") && fm_value_items(r, a[0], &all);
    for (size_t i = 0; good && i < all.list->n; i++) {
        value item = all.list->items[i];
        if (item.kind != VALUE_TEXT) good = fm_run_fail(r, ".join() was given %s", fm_value_kind_name(item));
        else if (i > 0) fm_buffer_put(&joined, self.text->s, self.text->n);
        if (good) good = fm_run_steps(r, (item.text->n + self.text->n) / 64);
        if (good) fm_buffer_put(&joined, item.text->s, item.text->n);
    }
    if (good && joined.failed) {
        r->no_memory = true;
        good = fm_run_end(r, FM_PROGRAM_MEMORY, "this machine has no memory");
    }
    good = good && fm_value_text(r, joined.data, joined.size, out);
    fm_buffer_clear(&joined);
    return good;
}

static bool change_case(run *r, value self, char first, char last, const char *name, value *out) {
    if (!needs(r, self, VALUE_TEXT, name)) return false;
    text *t = fm_run_text(r, self.text->n);
    if (!t) return false;
    for (size_t i = 0; i < t->n; i++) {
        char c = self.text->s[i];
        t->s[i] = c >= first && c <= last ? (char)(c ^ 'a' ^ 'A') : c;
    }
    *out = (value){.kind = VALUE_TEXT, .text = t};
    return true;
}

FUNCTION(lower) {
    (void)a, (void)n;
    return change_case(r, self, 'A', 'Z', "lower", out);
}

FUNCTION(upper) {
    (void)a, (void)n;
    return change_case(r, self, 'a', 'z', "upper", out);
}

FUNCTION(pop) {
    if (!needs(r, self, VALUE_LIST, "pop")) return false;
    list *l = self.list;
    if (n && !value_is_number(a[0])) return fm_run_fail(r, ".pop() was given %s", fm_value_kind_name(a[0]));
    int64_t length = (int64_t)l->n, i = n ? a[0].number : -1;
    if (i < -length || i >= length) return fm_run_fail(r, ".pop() outside of a list of %lld", (long long)length);
    if (i < 0) i += length;
    *out = l->items[i];
    l->n--;
    memmove(l->items + i, l->items + i + 1, (l->n - (size_t)i) * sizeof *l->items);
    return fm_run_steps(r, (l->n - (size_t)i) / 16);
}

FUNCTION(reverse) {
    (void)a, (void)n;
    *out = value_none();
    if (!needs(r, self, VALUE_LIST, "reverse") || !fm_run_steps(r, self.list->n / 2)) return false;
    for (size_t i = 0, j = self.list->n; i + 1 < j; i++) {
        value first = self.list->items[i];
        self.list->items[i] = self.list->items[--j];
        self.list->items[j] = first;
    }
    return true;
}

FUNCTION(sort) {
    (void)a, (void)n;
    *out = value_none();
    return needs(r, self, VALUE_LIST, "sort") && sort(r, self.list);
}

static bool is_space(char c) { return c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31); }

static bool add_piece(run *r, list *l, const text *t, size_t begin, size_t end) {
    value piece;
    return fm_run_steps(r, 1) && fm_value_text(r, t->s + begin, end - begin, &piece) && fm_list_add(r, l, piece);
}

FUNCTION(split) {
    if (!needs(r, self, VALUE_TEXT, "split")) return false;
    if (n && (a[0].kind != VALUE_TEXT || a[0].text->n == 0))
        return fm_run_fail(r, ".split() takes a text that is not empty");
    const text *t = self.text;
    if (!fm_run_steps(r, t->n / 16 + 1) || !fm_value_list(r, 0, out)) return false;
    for (size_t i = 0; n;) {
        size_t end = find(t, a[0].text, i);
        if (!add_piece(r, out->list, t, i, end)) return false;
        if (end == t->n) return true;
        i = end + a[0].text->n;
    }
    for (size_t i = 0, end; i < t->n; i = end) {
        while (i < t->n && is_space(t->s[i])) i++;
        for (end = i; end < t->n && !is_space(t->s[end]);) end++;
        if (end > i && !add_piece(r, out->list, t, i, end)) return false;
    }
    return true;
}

/* ---- the table ----------------------------------------------------------------------------------- */

static const builtin table[] = {
#define BUILTIN(name, fewest, most) {#name, fewest, most, do_##name, false, false},
#define METHOD(name, fewest, most, changes) {#name, fewest, most, do_##name, true, changes},
#include "rl/program/program_builtins.def"
#undef BUILTIN
#undef METHOD
};

int fm_builtin_find(const char *name, bool method) {
    for (size_t i = 0; i < FM_COUNT(table); i++)
        if (table[i].method == method && strcmp(table[i].name, name) == 0) return (int)i;
    return -1;
}

const builtin *fm_builtin_at(int place) { return &table[place]; }
